//! From probabilities to the start and end of speech.

use super::CHUNK_NS;

/// What the user may choose. Times are media time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VoiceSettings {
    /// Probability at which speech starts, in [0, 1].
    pub start_probability: f32,
    /// Probability below which silence is counted, at most `start_probability`.
    pub end_probability: f32,
    /// Silence that ends speech.
    pub min_silence_ns: i64,
    /// How far start and end are moved outwards.
    pub pad_ns: i64,
}

impl Default for VoiceSettings {
    /// 0.5 and 0.35, 500 ms of silence, 50 ms of padding.
    fn default() -> Self {
        VoiceSettings {
            start_probability: 0.5,
            end_probability: 0.35,
            min_silence_ns: 500_000_000,
            pad_ns: 50_000_000,
        }
    }
}

/// A change of the speech state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Started { pts_ns: i64 },
    Ended { pts_ns: i64 },
}

/// Two thresholds and a silence timer.
///
/// ```text
///            p >= start                     p < end for min_silence
///  silent ───────────────▶ speaking ───────────────────────────────▶ silent
///                          (p >= start stops the timer)
/// ```
#[derive(Debug, Clone)]
pub(super) struct Hysteresis {
    settings: VoiceSettings,
    is_speaking: bool,
    silent_since_ns: Option<i64>,
    /// End of the last speech; a start is never moved before it.
    last_end_ns: i64,
}

impl Hysteresis {
    pub(super) fn new(settings: VoiceSettings) -> Self {
        Hysteresis {
            settings,
            is_speaking: false,
            silent_since_ns: None,
            last_end_ns: i64::MIN,
        }
    }

    pub(super) fn is_speaking(&self) -> bool {
        self.is_speaking
    }

    /// Takes the probability of the chunk that ends at `end_ns`.
    pub(super) fn push(&mut self, probability: f32, end_ns: i64) -> Option<Change> {
        let start_ns = end_ns.saturating_sub(CHUNK_NS);
        if probability >= self.settings.start_probability {
            self.silent_since_ns = None;
            if self.is_speaking {
                return None;
            }
            self.is_speaking = true;
            let padded_ns = start_ns.saturating_sub(self.settings.pad_ns);
            return Some(Change::Started {
                pts_ns: padded_ns.max(self.last_end_ns),
            });
        }
        if !self.is_speaking || probability >= self.settings.end_probability {
            return None;
        }
        let since_ns = *self.silent_since_ns.get_or_insert(start_ns);
        if end_ns.saturating_sub(since_ns) < self.settings.min_silence_ns {
            return None;
        }
        Some(self.end(since_ns.saturating_add(self.settings.pad_ns)))
    }

    /// The stream breaks off at `pts_ns`: running speech ends there.
    pub(super) fn interrupt(&mut self, pts_ns: i64) -> Option<Change> {
        let was_speaking = self.is_speaking;
        self.silent_since_ns = None;
        was_speaking.then(|| self.end(pts_ns))
    }

    fn end(&mut self, pts_ns: i64) -> Change {
        self.is_speaking = false;
        self.silent_since_ns = None;
        self.last_end_ns = pts_ns;
        Change::Ended { pts_ns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(probabilities: &[f32]) -> Vec<Change> {
        let mut hysteresis = Hysteresis::new(VoiceSettings::default());
        (1..)
            .zip(probabilities)
            .filter_map(|(chunk, p)| hysteresis.push(*p, chunk * CHUNK_NS))
            .collect()
    }

    #[test]
    fn speech_starts_padded_and_ends_after_half_a_second_of_silence() {
        let mut probabilities = vec![0.1; 10];
        probabilities.extend([0.9; 20]);
        probabilities.extend([0.1; 16]);
        let expected = [
            Change::Started {
                pts_ns: 10 * CHUNK_NS - 50_000_000,
            },
            Change::Ended {
                pts_ns: 30 * CHUNK_NS + 50_000_000,
            },
        ];
        assert_eq!(changes(&probabilities), expected);
        probabilities.pop();
        assert_eq!(
            changes(&probabilities),
            expected[..1],
            "15 chunks are 480 ms"
        );
    }

    #[test]
    fn between_the_thresholds_the_state_stays() {
        assert!(changes(&[0.49; 100]).is_empty());
        let mut probabilities = vec![0.9];
        probabilities.extend([0.36; 100]);
        assert_eq!(changes(&probabilities).len(), 1);
    }

    #[test]
    fn a_short_pause_does_not_end_speech() {
        let mut probabilities = vec![0.9; 5];
        for _ in 0..10 {
            probabilities.extend([0.1; 10]);
            probabilities.push(0.6);
        }
        assert_eq!(changes(&probabilities).len(), 1);
    }

    #[test]
    fn an_interruption_ends_speech_once_and_the_next_start_lies_after_it() {
        let mut hysteresis = Hysteresis::new(VoiceSettings::default());
        assert!(hysteresis.push(0.9, CHUNK_NS).is_some());
        let end = Change::Ended { pts_ns: CHUNK_NS };
        assert_eq!(hysteresis.interrupt(CHUNK_NS), Some(end));
        assert_eq!(hysteresis.interrupt(CHUNK_NS), None);
        let start = Change::Started { pts_ns: CHUNK_NS };
        assert_eq!(hysteresis.push(0.9, 2 * CHUNK_NS), Some(start));
    }

    #[test]
    fn extreme_times_do_not_overflow() {
        let mut hysteresis = Hysteresis::new(VoiceSettings::default());
        for pts_ns in [i64::MIN, i64::MAX, 0] {
            hysteresis.push(1.0, pts_ns);
            hysteresis.push(0.0, pts_ns);
        }
    }
}
