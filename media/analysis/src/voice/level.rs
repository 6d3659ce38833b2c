//! Level of a block of samples, in decibels relative to full scale.

/// The least level that is reported; digital silence has it.
pub const FLOOR_DBFS: f32 = -120.0;

/// Level of one block. A full-scale square wave has 0 dB in both.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Root mean square, at least [`FLOOR_DBFS`].
    pub rms_dbfs: f32,
    /// Largest magnitude, at least [`FLOOR_DBFS`].
    pub peak_dbfs: f32,
}

impl Level {
    /// Measures samples in [-1, 1]. No samples, or samples that are not finite, count as silence.
    pub fn of(samples: &[f32]) -> Self {
        let (mut energy, mut peak) = (0.0_f64, 0.0_f64);
        for sample in samples.iter().filter(|sample| sample.is_finite()) {
            let magnitude = f64::from(sample.abs());
            energy += magnitude * magnitude;
            peak = peak.max(magnitude);
        }
        let mean = energy / samples.len().max(1) as f64;
        Level {
            rms_dbfs: decibels(mean.sqrt()),
            peak_dbfs: decibels(peak),
        }
    }
}

/// `20 log10(amplitude)`, never below the floor.
pub(super) fn decibels(amplitude: f64) -> f32 {
    (20.0 * amplitude.log10()).max(f64::from(FLOOR_DBFS)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sine_of_half_scale_has_its_known_levels() {
        let sine: Vec<f32> = (0..1600)
            .map(|i| 0.5 * (std::f32::consts::TAU * i as f32 / 16.0).sin())
            .collect();
        let level = Level::of(&sine);
        assert!((level.peak_dbfs - -6.0206).abs() < 1e-3, "{level:?}");
        assert!((level.rms_dbfs - -9.0309).abs() < 1e-3, "{level:?}");
    }

    #[test]
    fn silence_nothing_and_nonsense_have_the_floor() {
        for samples in [[].as_slice(), &[0.0; 16], &[f32::NAN, f32::INFINITY]] {
            let level = Level::of(samples);
            assert_eq!((level.rms_dbfs, level.peak_dbfs), (FLOOR_DBFS, FLOOR_DBFS));
        }
        let huge = Level::of(&[f32::MAX, -f32::MAX]);
        assert!(huge.rms_dbfs.is_finite() && huge.rms_dbfs > 0.0);
    }

    #[test]
    fn full_scale_is_zero() {
        let level = Level::of(&[1.0, -1.0, 1.0, -1.0]);
        assert_eq!((level.rms_dbfs, level.peak_dbfs), (0.0, 0.0));
    }
}
