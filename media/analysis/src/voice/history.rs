//! The last observations, and what they say about a window.

use std::collections::VecDeque;

use lsie_schemas::link::VoiceSummary;
use lsie_schemas::observation::VoiceObservation;

use super::level::{FLOOR_DBFS, decibels};
use super::pitch::WindowPitch;
use super::stream::OBSERVATION_NS;

/// 90 s of chunks, as much as the sample ring holds.
const CAPACITY: usize = 2813;

/// Windows whose pitch is kept: those the observations reach back to.
const WINDOWS: usize = 4;

/// The last 90 s of observations. When full, the oldest one goes (counted).
#[derive(Debug, Default)]
pub struct VoiceHistory {
    observations: VecDeque<VoiceObservation>,
    windows: VecDeque<WindowPitch>,
    forgotten: u64,
}

impl VoiceHistory {
    /// An empty history with room for all it will hold.
    pub fn new() -> Self {
        VoiceHistory {
            observations: VecDeque::with_capacity(CAPACITY),
            windows: VecDeque::with_capacity(WINDOWS),
            forgotten: 0,
        }
    }

    /// Adds the pitch of a whole window; only the newest four are kept.
    pub fn push_window(&mut self, window: WindowPitch) {
        if self.windows.len() == WINDOWS {
            self.windows.pop_front();
        }
        self.windows.push_back(window);
    }

    /// Adds an observation, newer than those before it.
    pub fn push(&mut self, observation: VoiceObservation) {
        if self.observations.len() == CAPACITY {
            self.observations.pop_front();
            self.forgotten += 1;
        }
        self.observations.push_back(observation);
    }

    /// How many observations were pushed out by newer ones.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Speech and level over `[from_ns, to_ns)` of media time, by chunks whose middle lies inside; `None` without any.
    ///
    /// Seconds of speech are `None` unless every chunk was judged by the network; the pitch is `None` unless a whole window
    /// was analysed that starts at `from_ns`.
    pub fn summary(&self, from_ns: i64, to_ns: i64) -> Option<VoiceSummary> {
        let (mut count, mut speaking, mut judged) = (0_u32, 0_u32, 0_u32);
        let (mut power, mut peak_dbfs) = (0.0_f64, FLOOR_DBFS);
        for observation in &self.observations {
            let middle_ns = observation.pts_ns.saturating_sub(OBSERVATION_NS / 2);
            if !(from_ns..to_ns).contains(&middle_ns) {
                continue;
            }
            count += 1;
            speaking += u32::from(observation.speaking);
            judged += u32::from(observation.speech_probability.is_some());
            power += 10_f64.powf(f64::from(observation.rms_dbfs) / 10.0);
            peak_dbfs = peak_dbfs.max(observation.peak_dbfs);
        }
        if count == 0 {
            return None;
        }
        let chunk_secs = OBSERVATION_NS as f64 / 1e9;
        Some(VoiceSummary {
            speech_s: (judged == count).then(|| f64::from(speaking) * chunk_secs),
            rms_dbfs: f64::from(decibels((power / f64::from(count)).sqrt())),
            peak_dbfs: f64::from(peak_dbfs),
            pitch: self
                .windows
                .iter()
                .find(|window| window.start_ns == from_ns)
                .map(|window| window.summary),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observation(chunk: i64, probability: Option<f32>, rms_dbfs: f32) -> VoiceObservation {
        VoiceObservation {
            pts_ns: (chunk + 1) * OBSERVATION_NS,
            speech_probability: probability,
            speaking: probability.is_some_and(|probability| probability > 0.5),
            rms_dbfs,
            peak_dbfs: rms_dbfs + 3.0,
            pitch_hz: None,
            pitch_harmonic: 1,
        }
    }

    #[test]
    fn a_window_sums_what_lies_inside() {
        let mut history = VoiceHistory::new();
        for chunk in 0..10 {
            let (probability, rms_dbfs) = if chunk < 5 {
                (0.9, -20.0)
            } else {
                (0.1, -40.0)
            };
            history.push(observation(chunk, Some(probability), rms_dbfs));
        }
        let summary = history.summary(0, 10 * OBSERVATION_NS).unwrap();
        assert!((summary.speech_s.unwrap() - 0.16).abs() < 1e-9);
        assert!((summary.rms_dbfs - -22.967).abs() < 1e-3, "{summary:?}");
        assert_eq!(summary.peak_dbfs, -17.0);
        let late = history.summary(5 * OBSERVATION_NS, i64::MAX).unwrap();
        assert_eq!(late.speech_s, Some(0.0));
        assert!(history.summary(i64::MIN, 0).is_none());
        assert!(history.summary(i64::MAX, i64::MIN).is_none());
    }

    #[test]
    fn speech_is_unknown_when_a_chunk_was_not_judged() {
        let mut history = VoiceHistory::new();
        history.push(observation(0, Some(0.9), -20.0));
        history.push(observation(1, None, -20.0));
        let summary = history.summary(0, 2 * OBSERVATION_NS).unwrap();
        assert_eq!(summary.speech_s, None);
    }

    #[test]
    fn the_oldest_goes_when_it_is_full() {
        let mut history = VoiceHistory::new();
        for chunk in 0..2813 + 7 {
            history.push(observation(chunk, None, -20.0));
        }
        assert_eq!(history.forgotten(), 7);
        assert!(history.summary(0, 7 * OBSERVATION_NS).is_none());
    }
}
