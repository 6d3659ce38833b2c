//! Whether a pitch is too low (rule B10): the autocorrelation of a tone above the ceiling is just as large at twice its period and more,
//! so the tracker takes a tone of 700 Hz for 350. The spectrum tells them apart: of 350 Hz it has every second harmonic alone.

use crate::stft::BIN_HZ;

/// The highest harmonic that a pitch is asked for.
const MOST: usize = 5;
/// Harmonics looked at, and up to where, Hz.
const HARMONICS: usize = 20;
const REACH_HZ: f64 = 5000.0;
/// Bins of a spectrum that are looked at: those up to [`REACH_HZ`] and the width of the last harmonic.
pub(super) const BINS_KEPT: usize = 336;
/// A harmonic is the largest bin within this share of the pitch.
const WIDTH: f64 = 0.25;
/// Power of the harmonics between, of that of all, below which they are missing: -20 dB.
const MISSING: f64 = 0.01;

/// The harmonic of `f0_hz` that is the fundamental by the spectrum whose bins have these powers: 1 where the pitch is right; 2 to 5 where
/// the others are missing, and the sound's pitch so many times as high.
pub(super) fn fundamental_harmonic(powers: &[f32], f0_hz: f64) -> u8 {
    if f0_hz <= 0.0 {
        return 1;
    }
    let mut heights = [0.0; HARMONICS];
    let reach = (REACH_HZ / f0_hz).min(HARMONICS as f64);
    for (number, height) in (1..=reach as usize).zip(&mut heights) {
        let middle = number as f64 * f0_hz;
        let at = |hz: f64| (hz / BIN_HZ).round().max(0.0) as usize;
        let (first, last) = (at(middle - WIDTH * f0_hz), at(middle + WIDTH * f0_hz));
        let bins = powers.get(first..=last).unwrap_or_default();
        *height = f64::from(bins.iter().copied().fold(0.0, f32::max));
    }
    let all: f64 = heights.iter().sum();
    let between = |harmonic: usize| -> f64 {
        let heights = (1..).zip(&heights);
        let others = heights.filter(|(number, _)| !usize::is_multiple_of(*number, harmonic));
        others.map(|(_, height)| height).sum()
    };
    let highest = (2..=MOST)
        .rev()
        .find(|harmonic| between(*harmonic) < MISSING * all);
    highest.unwrap_or(1) as u8
}

#[cfg(test)]
mod tests {
    use super::super::{Form, Pitch};

    /// Seconds of a sound with these harmonics of `f0_hz`, by amplitude.
    fn tone(f0_hz: f64, amplitudes: &[f64]) -> Vec<i16> {
        let sample = |n: i32| {
            let turn = f64::from(n) / 16_000.0 * f0_hz * std::f64::consts::TAU;
            let parts = (1..).zip(amplitudes);
            let sum: f64 = parts.map(|(k, a)| a * (f64::from(k) * turn).sin()).sum();
            (sum * 9000.0) as i16
        };
        (0..16_000).map(sample).collect()
    }

    /// The pitch and the harmonic that most frames have.
    fn said_of(samples: &[i16]) -> (f64, u8) {
        let pitch = Pitch::analyse(samples, Form::Fast);
        let middle = pitch.frames()[pitch.frames().len() / 2];
        let same = pitch
            .frames()
            .iter()
            .filter(|f| f.harmonic == middle.harmonic);
        assert!(same.count() > 90, "{middle:?}");
        (middle.f0_hz.round(), middle.harmonic)
    }

    #[test]
    fn a_tone_above_the_ceiling_is_told_from_the_pitch_that_is_found() {
        assert_eq!(said_of(&tone(700.0, &[1.0])), (350.0, 2));
        assert_eq!(said_of(&tone(900.0, &[1.0, 0.3])), (450.0, 2));
        assert_eq!(said_of(&tone(1500.0, &[1.0])), (500.0, 3));
    }

    #[test]
    fn voices_are_believed() {
        assert_eq!(said_of(&tone(500.0, &[1.0])), (500.0, 1));
        assert_eq!(said_of(&tone(80.0, &[0.5, 0.7, 1.0, 0.8, 0.3])), (80.0, 1));
        // A first formant on the second harmonic: the first is 15 dB below.
        assert_eq!(said_of(&tone(300.0, &[0.18, 1.0, 0.2, 0.1])), (300.0, 1));
        // No first harmonic, as on a telephone.
        assert_eq!(
            said_of(&tone(150.0, &[0.0, 0.6, 1.0, 0.6, 0.4])),
            (150.0, 1)
        );
    }

    #[test]
    fn what_has_no_power_is_believed() {
        assert_eq!(super::fundamental_harmonic(&[], 100.0), 1);
        assert_eq!(super::fundamental_harmonic(&[0.0; 513], 100.0), 1);
        assert_eq!(super::fundamental_harmonic(&[f32::NAN; 513], 100.0), 1);
        for f0_hz in [0.0, f64::NAN, f64::INFINITY, 1e-300] {
            assert_eq!(
                super::fundamental_harmonic(&[1.0; 513], f0_hz),
                1,
                "{f0_hz}"
            );
        }
    }
}
