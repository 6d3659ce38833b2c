//! Sound of any rate to 16 kHz.

use std::f64::consts::PI;

use anyhow::{Context as _, ensure};
use lsie_device::Buffer;
use lsie_kernels::KernelError;
use lsie_kernels::audio::Resampler;
use lsie_kernels::resample::{
    Filter, MAX_OUTPUTS, MAX_ROWS, Row, Shape, launch, reference, upload_table,
};

use super::{Budget, Case, Place};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "resample/rows_of_several_streams_at_every_rate",
        run: rows,
    },
    Case {
        name: "resample/blocks_of_any_size_are_the_processors_within_a_step",
        run: blocks,
    },
    Case {
        name: "resample/too_many_rows_and_short_buffers_are_refused",
        run: refusals,
    },
];

/// What a poisoned buffer holds.
const UNTOUCHED: f32 = f32::from_bits(0xA5A5_A5A5);

/// A tone that rises, noise over it, and a step to full scale at the end.
fn sound(count: usize) -> Vec<f32> {
    let mut state = 1_u32;
    (0..count)
        .map(|n| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
            let at = n as f64 / 48_000.0;
            let tone = (2.0 * PI * (200.0 + 9000.0 * at) * at).sin() as f32;
            match n * 8 / count {
                7 => [1.0, -1.0][n / 500 % 2],
                _ => 0.6 * tone + 0.4 * noise,
            }
        })
        .collect()
}

fn rows(place: &Place) -> anyhow::Result<()> {
    let bound = Budget::absolute("resample")?;
    let samples = sound(3000);
    let exact: Vec<f64> = samples.iter().map(|x| f64::from(*x)).collect();
    let buffer = place.holding(&samples, "samples")?;
    for rate_hz in [8_000, 16_000, 22_050, 44_100, 48_000, 96_000] {
        let filter = Filter::new(rate_hz)?;
        let shape = Shape::of(&filter);
        let table = upload_table(place.device.as_ref(), &place.stream, &filter)?;
        let last_phase = filter.up() as u32 - 1;
        // No output, one, a group's, one more, and what reaches the last sample.
        let mut rows = Vec::new();
        let mut out = 3;
        for (first, phase, count) in [(0, 0, 1), (17, last_phase, 64), (100, 0, 0), (5, 0, 65)] {
            rows.push(Row {
                first,
                phase,
                count,
                out,
            });
            out += count + 1;
        }
        let first = (samples.len() - shape.span(last_phase, 97)) as u32;
        rows.push(Row {
            first,
            phase: last_phase,
            count: 97,
            out,
        });
        let total = (out + 97) as usize;
        let mut wanted = vec![UNTOUCHED; total];
        for row in &rows {
            for number in 0..row.count as usize {
                let window = [row.first as usize, row.phase as usize];
                let value = reference::output(&exact, &filter, window, number);
                wanted[row.out as usize + number] = value.context("no window")? as f32;
            }
        }
        let mut out = place.poisoned::<f32>(total, "resampled")?;
        launch(&place.stream, &buffer, &table, shape, &rows, &mut out)?;
        let got = place.values::<f32>(&out, total)?;
        for (at, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
            let is_near = f64::from((got - wanted).abs()) <= bound && *wanted != UNTOUCHED;
            ensure!(
                is_near || got == wanted,
                "{rate_hz} Hz, place {at}: {got} {wanted}"
            );
        }
        launch(&place.stream, &buffer, &table, shape, &[], &mut out)?;
    }
    Ok(())
}

/// The whole way: what a session on this device takes for 16 kHz sound, and what it takes on the processor.
fn blocks(place: &Place) -> anyhow::Result<()> {
    for (rate_hz, channels, block) in [(48_000, 1, 480), (44_100, 2, 1999), (96_000, 1, 20_000)] {
        let mut samples = sound(if block == 20_000 { 40_000 } else { 6000 });
        samples[500] = f32::NAN;
        samples[901] = f32::INFINITY;
        let mut there = Resampler::on(place.device.as_ref(), rate_hz, channels)?;
        let mut here = Resampler::new(rate_hz, channels)?;
        let (mut got, mut wanted) = (Vec::new(), Vec::new());
        // Twice: an end leaves nothing behind.
        for _ in 0..2 {
            for piece in samples.chunks(block) {
                there.push(piece, &mut got);
                here.push(piece, &mut wanted);
                ensure!(got.len() == wanted.len());
            }
            there.finish(&mut got);
            here.finish(&mut wanted);
        }
        let fault = there.take_fault();
        ensure!(fault.is_none(), "{fault:?}");
        ensure!(got.len() == wanted.len() && got.len() > 1000);
        ensure!(there.non_finite() == here.non_finite());
        let step = |(a, b): (&i16, &i16)| a.abs_diff(*b);
        let steps: Vec<u16> = got.iter().zip(&wanted).map(step).collect();
        let worst = steps.iter().max();
        ensure!(worst.is_some_and(|worst| *worst <= 1), "{worst:?}");
        let other = steps.iter().filter(|step| **step > 0).count();
        ensure!(other * 10 < steps.len(), "{other} of {}", steps.len());
    }
    // What is no sound saturates as it does on the processor.
    let mut there = Resampler::on(place.device.as_ref(), 48_000, 1)?;
    let mut loud = Vec::new();
    there.push(&[f32::MAX; 2000], &mut loud);
    ensure!(loud.iter().skip(60).all(|s| *s == i16::MAX), "{loud:?}");
    Ok(())
}

fn refusals(place: &Place) -> anyhow::Result<()> {
    let filter = Filter::new(44_100)?;
    let shape = Shape::of(&filter);
    let table = upload_table(place.device.as_ref(), &place.stream, &filter)?;
    let row = Row {
        first: 0,
        phase: 0,
        count: 10,
        out: 0,
    };
    let exact = shape.span(row.phase, row.count);
    let samples = place.holding(&vec![0.5_f32; exact], "samples")?;
    let short = place.holding(&vec![0.5_f32; exact - 1], "samples")?;
    let mut out = place.poisoned::<f32>(10, "resampled")?;
    let mut refused = |samples: &Buffer, table: &Buffer, rows: &[Row]| {
        launch(&place.stream, samples, table, shape, rows, &mut out).err()
    };
    for rows in [
        vec![row; MAX_ROWS + 1],
        vec![Row { phase: 160, ..row }],
        vec![Row {
            count: MAX_OUTPUTS as u32 + 1,
            ..row
        }],
    ] {
        let error = refused(&samples, &table, &rows);
        ensure!(
            matches!(error, Some(KernelError::OutOfRange { .. })),
            "{error:?}"
        );
    }
    let far = u32::MAX;
    for (samples, table, row) in [
        (&short, &table, row),
        (&samples, &short, row),
        (&samples, &table, Row { first: 1, ..row }),
        (&samples, &table, Row { first: far, ..row }),
        (&samples, &table, Row { out: 1, ..row }),
        (&samples, &table, Row { out: far, ..row }),
    ] {
        let error = refused(samples, table, &[row]);
        ensure!(
            matches!(error, Some(KernelError::Size { .. })),
            "{error:?} {row:?}"
        );
    }
    ensure!(refused(&samples, &table, &[row]).is_none());
    Ok(())
}
