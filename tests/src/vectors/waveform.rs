//! Test sounds by recipe (math 16.1, 16.2).

use std::f64::consts::PI;

use super::{Input, RunError};

/// Formants of a pulse: frequency Hz, bandwidth Hz, gain.
const FORMANTS: [(f64, f64, f64); 3] = [
    (700.0, 130.0, 1.0),
    (1220.0, 170.0, 0.5),
    (2600.0, 250.0, 0.25),
];

/// Linear congruential generator of math 16.1.
pub(crate) struct Lcg(pub(crate) u64);

impl Lcg {
    /// Draws from [0, 1).
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn signed(&mut self) -> f64 {
        2.0 * self.next() - 1.0
    }
}

/// Builds the samples of a recipe.
pub(super) fn render(recipe: Input<'_>) -> Result<Vec<i16>, RunError> {
    let rate_hz = recipe.float("sample_rate")?;
    let count = (recipe.float("duration_s")? * rate_hz).round_ties_even() as usize;
    let mut wave = vec![0.0; count];
    for part in recipe.list("parts")? {
        add_part(Input(part), rate_hz, &mut wave)?;
    }
    let to_s16 = |x: &f64| (32767.0 * x + 0.5).floor().clamp(-32768.0, 32767.0) as i16;
    Ok(wave.iter().map(to_s16).collect())
}

fn add_part(part: Input<'_>, rate_hz: f64, wave: &mut [f64]) -> Result<(), RunError> {
    let (start_s, end_s) = (part.float("start_s")?, part.float("end_s")?);
    let amplitude = part.float("amplitude")?;
    let index = |t: f64| (t * rate_hz).round_ties_even().max(0.0) as usize;
    let mut random = Lcg(part.optional_float("seed")?.unwrap_or(1.0) as u64);
    let range = index(start_s)..index(end_s).min(wave.len());
    match part.text("kind")? {
        "sine" => {
            let f0 = part.float("f0_hz")?;
            for n in range {
                wave[n] += amplitude * (2.0 * PI * f0 * (n as f64 / rate_hz - start_s)).sin();
            }
        }
        "noise" => {
            for n in range {
                wave[n] += amplitude * random.signed();
            }
        }
        "pulses" => add_pulses(part, rate_hz, random, wave)?,
        kind => return Err(RunError::Input(format!("unknown part `{kind}`"))),
    }
    Ok(())
}

fn add_pulses(
    part: Input<'_>,
    rate_hz: f64,
    mut random: Lcg,
    wave: &mut [f64],
) -> Result<(), RunError> {
    let (start_s, end_s) = (part.float("start_s")?, part.float("end_s")?);
    let (amplitude, f0) = (part.float("amplitude")?, part.float("f0_hz")?);
    let f0_end = part.optional_float("f0_end_hz")?.unwrap_or(f0);
    let jitter = part.optional_float("jitter")?.unwrap_or(0.0);
    let shimmer = part.optional_float("shimmer")?.unwrap_or(0.0);
    let alternates = part.optional_text("jitter_mode")? == Some("alternate");
    let (mut t, mut i) = (start_s, 0_u64);
    while t < end_s {
        let f = f0 + (f0_end - f0) * (t - start_s) / (end_s - start_s);
        let (uj, us) = if alternates {
            let sign = if i.is_multiple_of(2) { 1.0 } else { -1.0 };
            (sign, sign)
        } else {
            let uj = random.signed();
            (uj, random.signed())
        };
        add_pulse(amplitude * (1.0 + shimmer * us), t, rate_hz, wave);
        t += (1.0 / f) * (1.0 + jitter * uj);
        i += 1;
    }
    Ok(())
}

fn add_pulse(amplitude: f64, at_s: f64, rate_hz: f64, wave: &mut [f64]) {
    let first = (at_s * rate_hz).ceil() as usize;
    let length = (0.02 * rate_hz) as usize;
    for (n, sample) in wave.iter_mut().enumerate().skip(first).take(length) {
        let tau = n as f64 / rate_hz - at_s;
        let ring = |(fm, bw, gain): (f64, f64, f64)| {
            gain * (-PI * bw * tau).exp() * (2.0 * PI * fm * tau).sin()
        };
        *sample += amplitude * FORMANTS.into_iter().map(ring).sum::<f64>();
    }
}
