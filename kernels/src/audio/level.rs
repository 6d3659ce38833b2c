//! Level of a stretch of sound, dB relative to full scale.
//!
//! in: s16 samples   out: rms and peak in dBFS, floor -120   exact integer sums, so blocks and one piece agree bit for bit

/// What silence is reported as, dBFS.
pub const FLOOR_DBFS: f64 = -120.0;

/// Root mean square and peak of a stretch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Root mean square, dBFS, at least [`FLOOR_DBFS`]. A full-scale sine reads -3.01.
    pub rms_dbfs: f64,
    /// Largest magnitude, dBFS, at least [`FLOOR_DBFS`].
    pub peak_dbfs: f64,
}

/// Adds up blocks until the level is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LevelMeter {
    sum_of_squares: u64,
    peak: u16,
    count: u64,
}

impl LevelMeter {
    /// Takes a block.
    pub fn push(&mut self, samples: &[i16]) {
        let magnitudes = samples.iter().map(|s| s.unsigned_abs());
        self.sum_of_squares = magnitudes.clone().fold(self.sum_of_squares, |sum, m| {
            sum.saturating_add(u64::from(m).pow(2))
        });
        self.peak = magnitudes.fold(self.peak, u16::max);
        self.count += samples.len() as u64;
    }

    /// Level of everything pushed; the floor for nothing.
    #[must_use]
    pub fn level(&self) -> Level {
        let mean = self.sum_of_squares as f64 / self.count.max(1) as f64;
        Level {
            rms_dbfs: dbfs(mean.sqrt()),
            peak_dbfs: dbfs(f64::from(self.peak)),
        }
    }

    /// Starts over.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

impl Level {
    /// Level of one stretch.
    #[must_use]
    pub fn of(samples: &[i16]) -> Self {
        let mut meter = LevelMeter::default();
        meter.push(samples);
        meter.level()
    }
}

fn dbfs(magnitude: f64) -> f64 {
    (20.0 * (magnitude / 32768.0).log10()).max(FLOOR_DBFS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_levels() {
        assert_eq!(
            Level::of(&[]),
            Level {
                rms_dbfs: -120.0,
                peak_dbfs: -120.0
            }
        );
        assert_eq!(
            Level::of(&[0; 100]),
            Level {
                rms_dbfs: -120.0,
                peak_dbfs: -120.0
            }
        );
        assert_eq!(
            Level::of(&[i16::MIN; 7]),
            Level {
                rms_dbfs: 0.0,
                peak_dbfs: 0.0
            }
        );
        let sine: Vec<i16> = (0..16_000)
            .map(|n| (32767.0 * (f64::from(n) * 0.05).sin()) as i16)
            .collect();
        assert!((Level::of(&sine).rms_dbfs + 3.01).abs() < 0.02);
    }

    #[test]
    fn blocks_agree_with_one_piece() {
        let samples: Vec<i16> = (0..5000).map(|n| (n * 37 % 4001 - 2000) as i16).collect();
        let mut meter = LevelMeter::default();
        for block in samples.chunks(333) {
            meter.push(block);
        }
        assert_eq!(meter.level(), Level::of(&samples));
    }
}
