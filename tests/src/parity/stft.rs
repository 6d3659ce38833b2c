//! Spectra of frames of sound.

use anyhow::{Context as _, ensure};
use lsie_kernels::KernelError;
use lsie_kernels::stft::{BIN_HZ, BINS, MAX_FRAMES, ROW, WINDOW, launch, reference, upload_tables};

use super::correlate::{sound, units};
use super::{Budget, Case, Place};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "stft/voices_noise_and_silence",
        run: sounds,
    },
    Case {
        name: "stft/a_tone_stands_at_its_bin",
        run: tone,
    },
    Case {
        name: "stft/too_many_frames_and_short_buffers_are_refused",
        run: refusals,
    },
];

fn sounds(place: &Place) -> anyhow::Result<()> {
    let samples = units(&sound(14_000));
    let as_f32: Vec<f32> = samples.iter().map(|sample| *sample as f32).collect();
    let buffer = place.holding(&as_f32, "samples")?;
    let tables = upload_tables(place.device.as_ref(), &place.stream)?;
    let bound = Budget::absolute("stft")?;
    // A whole batch, windows that overlap and the last possible one.
    let mut starts: Vec<u32> = (0..MAX_FRAMES as u32).map(|k| 207 * k).collect();
    starts[MAX_FRAMES - 1] = (samples.len() - WINDOW) as u32;
    let mut out = place.poisoned::<f32>(MAX_FRAMES * ROW, "spectra")?;
    launch(&place.stream, &buffer, &tables, &starts, &mut out)?;
    let rows = place.values::<f32>(&out, MAX_FRAMES * ROW)?;
    for (start, row) in starts.iter().zip(rows.chunks_exact(ROW)) {
        let wanted = reference::spectrum(&samples, *start as usize).context("no frame")?;
        let (peak, wanted) = wanted.split_first().context("no row")?;
        ensure!(
            (f64::from(row[0]) - peak).abs() <= 1e-6,
            "{} {peak}",
            row[0]
        );
        let largest = wanted.iter().copied().fold(0.0, f64::max);
        for (bin, (got, wanted)) in row[1..].iter().zip(wanted).enumerate() {
            let error = (f64::from(*got) - wanted).abs();
            ensure!(
                error <= bound * largest,
                "frame at {start}, bin {bin}: {got} {wanted}, the largest is {largest}"
            );
        }
    }
    launch(&place.stream, &buffer, &tables, &[], &mut out)?;
    Ok(())
}

fn tone(place: &Place) -> anyhow::Result<()> {
    let tables = upload_tables(place.device.as_ref(), &place.stream)?;
    for bin in [5_usize, 100, 255, 256, 257, 500] {
        let turn = std::f64::consts::TAU * bin as f64 * BIN_HZ / 16_000.0;
        let samples: Vec<f32> = (0..WINDOW)
            .map(|n| (turn * n as f64).sin() as f32)
            .collect();
        let buffer = place.holding(&samples, "tone")?;
        let mut out = place.poisoned::<f32>(ROW, "spectra")?;
        launch(&place.stream, &buffer, &tables, &[0], &mut out)?;
        let row = place.values::<f32>(&out, ROW)?;
        let row = &row[1..];
        let largest = (0..BINS).max_by(|a, b| row[*a].total_cmp(&row[*b]));
        ensure!(largest == Some(bin), "{largest:?} {bin}");
        let wanted = 160.0_f32 * 160.0;
        ensure!(
            (row[bin] / wanted - 1.0).abs() < 0.02,
            "{} {wanted}",
            row[bin]
        );
    }
    Ok(())
}

fn refusals(place: &Place) -> anyhow::Result<()> {
    let buffer = place.holding(&vec![0.5_f32; WINDOW + 10], "samples")?;
    let tables = upload_tables(place.device.as_ref(), &place.stream)?;
    let mut out = place.poisoned::<f32>(2 * ROW, "spectra")?;
    let many = vec![0; MAX_FRAMES + 1];
    let refused = launch(&place.stream, &buffer, &tables, &many, &mut out);
    ensure!(
        matches!(refused, Err(KernelError::OutOfRange { .. })),
        "{refused:?}"
    );
    for starts in [vec![11], vec![u32::MAX], vec![0, 1, 2]] {
        let refused = launch(&place.stream, &buffer, &tables, &starts, &mut out);
        ensure!(
            matches!(refused, Err(KernelError::Size { .. })),
            "{refused:?}"
        );
    }
    let short = place.holding(&[0.0_f32; WINDOW], "short tables")?;
    let refused = launch(&place.stream, &buffer, &short, &[0], &mut out);
    ensure!(
        matches!(refused, Err(KernelError::Size { .. })),
        "{refused:?}"
    );
    // A window of one value has no power beside its mean.
    launch(&place.stream, &buffer, &tables, &[0], &mut out)?;
    let row = place.values::<f32>(&out, ROW)?;
    ensure!(row.iter().all(|power| *power < 1e-6), "{row:?}");
    Ok(())
}
