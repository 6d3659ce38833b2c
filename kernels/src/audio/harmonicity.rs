//! Harmonics-to-noise ratio by autocorrelation (Boersma 1993, equation 4).
//!
//! in: voicing strengths r, the normalised autocorrelation at the period   out: 10 log10(r / (1 - r)) in dB
//! The mean over voiced frames is Praat's "mean harmonics-to-noise ratio" of the voice report.

use super::pitch::Pitch;

/// Bound of the ratio, dB: a strength as near to 0 or 1 as f64 can tell reads as this, never as infinity.
pub const LIMIT_DB: f64 = 150.0;
/// Distance from 0 and 1 below which strengths are not told apart.
const EDGE: f64 = 1e-15;

/// The ratio of one voicing strength, dB, within ±[`LIMIT_DB`]; `None` when the strength is not in [0, 1].
#[must_use]
pub fn harmonics_to_noise_db(strength: f64) -> Option<f64> {
    if !(0.0..=1.0).contains(&strength) {
        return None;
    }
    if strength <= EDGE {
        return Some(-LIMIT_DB);
    }
    if strength > 1.0 - EDGE {
        return Some(LIMIT_DB);
    }
    Some(10.0 * (strength / (1.0 - strength)).log10())
}

/// Mean ratio of the voiced frames whose centre lies in [`start_s`, `end_s`], seconds from the segment's start; `None`
/// when there is none.
#[must_use]
pub fn mean_harmonics_to_noise_db(pitch: &Pitch, start_s: f64, end_s: f64) -> Option<f64> {
    let inside = pitch
        .frames()
        .iter()
        .filter(|f| f.is_voiced() && start_s <= f.time_s && f.time_s <= end_s);
    mean_db(inside.map(|f| f.strength))
}

/// Mean ratio of strengths; those outside [0, 1] are left out.
pub(super) fn mean_db(strengths: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = strengths
        .filter_map(harmonics_to_noise_db)
        .fold((0.0, 0_usize), |(sum, count), db| (sum + db, count + 1));
    (count > 0).then(|| sum / count as f64)
}

#[cfg(test)]
mod tests {
    use super::super::Form;
    use super::*;

    #[test]
    fn known_ratios() {
        assert_eq!(harmonics_to_noise_db(0.5), Some(0.0));
        assert!((harmonics_to_noise_db(0.99).unwrap() - 19.956_351_945_975_5).abs() < 1e-9);
        assert_eq!(harmonics_to_noise_db(1.0), Some(150.0));
        assert_eq!(harmonics_to_noise_db(0.0), Some(-150.0));
    }

    #[test]
    fn what_is_no_strength_has_no_ratio() {
        for strength in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.1, 1.1] {
            assert_eq!(harmonics_to_noise_db(strength), None, "{strength}");
        }
        assert_eq!(mean_db([f64::NAN, 0.5].into_iter()), Some(0.0));
    }

    #[test]
    fn silence_has_none() {
        let silence = Pitch::analyse(&vec![0; 16_000], Form::Fast);
        assert_eq!(mean_harmonics_to_noise_db(&silence, 0.0, 1.0), None);
        assert_eq!(mean_harmonics_to_noise_db(&silence, f64::NAN, 1.0), None);
    }
}
