//! Times of raw sound (device 3.7): a line through sample count and PTS smooths the stamps and finds gaps.

use std::collections::VecDeque;

const RATE_HZ: f64 = 48_000.0;
const WINDOW_FRAMES: u64 = 480_000;
const CAPACITY: usize = 1024;
/// A stamp further than this behind the line is a gap, nanoseconds.
pub const MAX_GAP_NS: i64 = 40_000_000;
/// True rates of recorders lie well within this.
const MAX_RATE: f64 = 1000e-6;

/// Where a block stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioStep {
    /// Smoothed time of the block's first sample frame, phone's clock, nanoseconds.
    pub device_ns: i64,
    /// Sample frames that are missing in front of it and stand for silence; 0 when it follows.
    pub missing_frames: u64,
}

/// The line of one stream.
#[derive(Debug, Clone, Default)]
pub struct AudioTimeline {
    /// Sample index of a block's first frame and its PTS.
    points: VecDeque<(u64, i64)>,
    next_index: u64,
    gaps: u64,
}

impl AudioTimeline {
    /// Takes a block of so many sample frames with its PTS in nanoseconds.
    pub fn push(&mut self, pts_ns: i64, frames: u64) -> AudioStep {
        let expected = self.time_of(self.next_index);
        let late = expected.map_or(0, |expected| pts_ns.saturating_sub(expected));
        let mut missing_frames = 0;
        if late.abs() > MAX_GAP_NS {
            self.gaps += 1;
            missing_frames = (late.max(0) as f64 * RATE_HZ / 1e9).round() as u64;
            self.next_index = self.next_index.saturating_add(missing_frames);
            self.points.clear();
        }
        self.points.push_back((self.next_index, pts_ns));
        let oldest = self.next_index.saturating_sub(WINDOW_FRAMES);
        while self.points.len() > CAPACITY || self.points.front().is_some_and(|p| p.0 < oldest) {
            self.points.pop_front();
        }
        let device_ns = self.time_of(self.next_index).unwrap_or(pts_ns);
        self.next_index = self.next_index.saturating_add(frames);
        AudioStep {
            device_ns,
            missing_frames,
        }
    }

    /// How many gaps were found.
    #[must_use]
    pub fn gaps(&self) -> u64 {
        self.gaps
    }

    /// Rate of the recorder against the phone's clock, in ppm; `None` until there is a second of sound.
    #[must_use]
    pub fn rate_ppm(&self) -> Option<f64> {
        self.line()
            .map(|line| (1e9 / RATE_HZ / line.slope - 1.0) * 1e6)
    }

    fn time_of(&self, index: u64) -> Option<i64> {
        let (first_index, first_pts) = *self.points.front()?;
        let since = index.saturating_sub(first_index) as f64;
        let ns = match self.line() {
            Some(line) => line.offset + line.slope * since,
            None => since * 1e9 / RATE_HZ + self.mean_lateness(),
        };
        Some(first_pts.saturating_add(ns.round() as i64))
    }

    /// Mean distance of the stamps from the nominal rate, relative to the first.
    fn mean_lateness(&self) -> f64 {
        let (i0, p0) = self.points.front().copied().unwrap_or_default();
        let late = |(index, pts): &(u64, i64)| {
            pts.saturating_sub(p0) as f64 - index.saturating_sub(i0) as f64 * 1e9 / RATE_HZ
        };
        self.points.iter().map(late).sum::<f64>() / self.points.len().max(1) as f64
    }

    fn line(&self) -> Option<Slope> {
        let (i0, p0) = *self.points.front()?;
        let (last, _) = *self.points.back()?;
        if last.saturating_sub(i0) < RATE_HZ as u64 {
            return None;
        }
        let points = || {
            self.points.iter().map(|(index, pts)| {
                let x = index.saturating_sub(i0) as f64;
                (x, pts.saturating_sub(p0) as f64)
            })
        };
        let count = self.points.len() as f64;
        let mean_x = points().map(|p| p.0).sum::<f64>() / count;
        let mean_y = points().map(|p| p.1).sum::<f64>() / count;
        let sxx: f64 = points().map(|p| (p.0 - mean_x).powi(2)).sum();
        let sxy: f64 = points().map(|p| (p.0 - mean_x) * (p.1 - mean_y)).sum();
        let slope = sxy / sxx;
        let nominal = 1e9 / RATE_HZ;
        let is_sane = (slope / nominal - 1.0).abs() <= MAX_RATE;
        is_sane.then_some(Slope {
            offset: mean_y - slope * mean_x,
            slope,
        })
    }
}

#[derive(Debug, Clone, Copy)]
struct Slope {
    offset: f64,
    /// Nanoseconds per sample frame.
    slope: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_smoothed_and_the_rate_is_found() {
        let mut line = AudioTimeline::default();
        let true_ns = |block: u64| (block as f64 * 1024.0 * 1e9 / (48_000.0 * 1.00005)) as i64;
        let mut worst = 0;
        for block in 0..400_u64 {
            let jitter = (block.cast_signed() * 7919 % 4001 - 2000) * 1000;
            let step = line.push(5_000_000_000 + true_ns(block) + jitter, 1024);
            assert_eq!(step.missing_frames, 0);
            if block > 100 {
                worst = worst.max((step.device_ns - 5_000_000_000 - true_ns(block)).abs());
            }
        }
        assert!(worst < 1_000_000, "{worst} ns of 2 ms");
        let ppm = line.rate_ppm().unwrap();
        assert!((ppm - 50.0).abs() < 30.0, "{ppm}");
    }

    #[test]
    fn a_dropout_becomes_silence_of_its_exact_length() {
        let mut line = AudioTimeline::default();
        let block_ns = |n: i64| n * 1024 * 1_000_000_000 / 48_000;
        for n in 0..100 {
            line.push(block_ns(n), 1024);
        }
        let step = line.push(block_ns(100) + 500_000_000, 1024);
        assert!((24_000 - step.missing_frames.cast_signed()).abs() <= 1);
        assert!((step.device_ns - block_ns(100) - 500_000_000).abs() < 1000);
        assert_eq!(
            line.push(block_ns(101) + 500_000_000, 1024).missing_frames,
            0
        );
        assert_eq!(line.gaps(), 1);
    }
}
