//! Autocorrelation of frames of sound.

use anyhow::{Context as _, ensure};
use lsie_kernels::KernelError;
use lsie_kernels::audio::{Form, FrameBatch, Pitch, PitchStream};
use lsie_kernels::correlate::{LAGS, launch, reference, upload_tables};
use lsie_kernels::stft::{self, MAX_FRAMES, ROW, WINDOW};

use super::{Budget, Case, Place};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "correlate/voices_noise_and_silence",
        run: sounds,
    },
    Case {
        name: "correlate/a_pitch_track_is_the_processors",
        run: track,
    },
    Case {
        name: "correlate/too_many_frames_and_short_buffers_are_refused",
        run: refusals,
    },
];

/// Something between a voice and noise, and silence in the middle.
pub(super) fn sound(count: usize) -> Vec<i16> {
    let mut state = 1_u32;
    (0..count)
        .map(|n| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 18).cast_signed() - 8192;
            let period = 90 + n / 200 % 60;
            let pulse = if n % period < 12 { 14_000 } else { -1500 };
            match n / 3000 % 4 {
                0 => pulse,
                1 => pulse / 4 + noise / 16,
                2 => noise,
                _ => 0,
            }
        })
        .map(|sample: i32| sample as i16)
        .collect()
}

pub(super) fn units(samples: &[i16]) -> Vec<f64> {
    samples.iter().map(|s| f64::from(*s) / 32768.0).collect()
}

fn sounds(place: &Place) -> anyhow::Result<()> {
    let samples = units(&sound(14_000));
    // More than the window's steps, windows that overlap and the last possible one.
    let mut starts: Vec<usize> = (0..MAX_FRAMES).map(|k| 207 * k).collect();
    starts[MAX_FRAMES - 1] = samples.len() - WINDOW;
    let spectra = starts
        .iter()
        .map(|start| stft::reference::spectrum(&samples, *start).context("no frame"))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let as_f32: Vec<f32> = spectra.concat().iter().map(|power| *power as f32).collect();
    let buffer = place.holding(&as_f32, "spectra")?;
    let tables = upload_tables(place.device.as_ref(), &place.stream)?;
    let bound = Budget::absolute("correlate")?;
    let mut out = place.poisoned::<f32>(MAX_FRAMES * LAGS, "rows")?;
    launch(&place.stream, &buffer, &tables, MAX_FRAMES, &mut out)?;
    let rows = place.values::<f32>(&out, MAX_FRAMES * LAGS)?;
    let with_peak = starts.iter().zip(&spectra).zip(rows.chunks_exact(LAGS));
    // Without a peak there is nothing to correlate, and what stands there means nothing.
    let with_peak = with_peak.filter(|((_, spectrum), _)| spectrum[0] > 0.0);
    for ((start, _), row) in with_peak {
        let wanted = reference::correlate(&samples, *start).context("no frame")?;
        for (lag, (got, wanted)) in (1..).zip(row.iter().zip(wanted)) {
            let error = (f64::from(*got) - wanted).abs();
            ensure!(
                error <= bound,
                "frame at {start}, lag {lag}: {got} {wanted}"
            );
        }
    }
    launch(&place.stream, &buffer, &tables, 0, &mut out)?;
    Ok(())
}

/// The whole way to F0: what a session on this device says, and what it says on the processor.
fn track(place: &Place) -> anyhow::Result<()> {
    let samples = sound(40_000);
    let wanted = Pitch::analyse(&samples, Form::Fast);
    let batch = FrameBatch::new(place.device.as_ref())?;
    let shared = std::sync::Arc::new(std::sync::Mutex::new(batch));
    let mut stream = PitchStream::on(samples.len(), Form::Fast, Some(shared));
    for piece in samples.chunks(1777) {
        stream.push(piece);
    }
    ensure!(stream.fault().is_none(), "{:?}", stream.fault());
    let got = stream.finish()?;
    ensure!(got.frames().len() == wanted.frames().len());
    let pairs = || got.frames().iter().zip(wanted.frames());
    let differing = pairs()
        .filter(|(a, b)| a.is_voiced() != b.is_voiced())
        .count();
    ensure!(differing == 0, "{differing} frames differ in voicing");
    ensure!(pairs().any(|(a, _)| a.is_voiced()));
    for (a, b) in pairs() {
        let worst = (a.f0_hz - b.f0_hz).abs();
        ensure!(worst < 0.05, "{a:?} {b:?}");
        ensure!(a.harmonic == b.harmonic, "{a:?} {b:?}");
    }
    Ok(())
}

fn refusals(place: &Place) -> anyhow::Result<()> {
    let spectra = place.holding(&vec![0.0_f32; (MAX_FRAMES + 1) * ROW], "spectra")?;
    let short = place.holding(&[0.0_f32; ROW], "short")?;
    let tables = upload_tables(place.device.as_ref(), &place.stream)?;
    let mut out = place.poisoned::<f32>(2 * LAGS, "rows")?;
    let many = MAX_FRAMES + 1;
    let refused = launch(&place.stream, &spectra, &tables, many, &mut out);
    ensure!(
        matches!(refused, Err(KernelError::OutOfRange { .. })),
        "{refused:?}"
    );
    for (spectra, tables, frames) in [
        (&short, &tables, 2),
        (&spectra, &short, 1),
        (&spectra, &tables, 3),
    ] {
        let refused = launch(&place.stream, spectra, tables, frames, &mut out);
        ensure!(
            matches!(refused, Err(KernelError::Size { .. })),
            "{refused:?}"
        );
    }
    // A frame without power has no correlation that could be taken for a voice.
    launch(&place.stream, &spectra, &tables, 1, &mut out)?;
    let row = place.values::<f32>(&out, LAGS)?;
    ensure!(row.iter().all(|r| *r == 0.0), "{row:?}");
    Ok(())
}
