//! Stretches of sound around glottal pulses.

use anyhow::{Context as _, ensure};
use lsie_kernels::KernelError;
use lsie_kernels::audio::{
    Form, MeasureSettings, Pitch, SegmentMeasurer, find_pulses, find_pulses_on, measure_segment,
    measure_span,
};
use lsie_kernels::pulse::{
    MAX_LENGTH, MAX_ROWS, MAX_SHIFTS, PeriodMatcher, Row, launch, reference,
};

use super::{Case, Place};

/// Largest differences of what a segment says on a device: its pitch is correlated in 32 bits.
const F0_BOUND_HZ: f64 = 0.05;
const JITTER_BOUND: f64 = 5e-4;
const SHIMMER_BOUND: f64 = 5e-3;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "pulse/sums_are_equal_to_the_last_bit",
        run: sums,
    },
    Case {
        name: "pulse/pulses_of_a_track_are_the_processors_bits",
        run: pulses,
    },
    Case {
        name: "pulse/jitter_and_shimmer_are_within_their_bounds",
        run: measures,
    },
    Case {
        name: "pulse/too_many_rows_and_short_buffers_are_refused",
        run: refusals,
    },
];

/// Something like a voice: pulses of wandering period and size with a decaying ring, pauses, and noise.
fn voice(secs: f64) -> Vec<i16> {
    let count = (secs * 16_000.0) as usize;
    let mut state = 7_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 23) - 1.0
    };
    let mut samples = vec![0.0; count + 400];
    let mut at: f64 = 300.0;
    while (at as usize) < count {
        let secs = at / 16_000.0;
        let is_voiced = secs % 0.7 < 0.55;
        let size = if is_voiced { 9000.0 } else { 0.0 } * (1.0 + 0.05 * noise());
        for k in 0..300_u32 {
            let ring = (f64::from(k) * 0.35).sin() * (-f64::from(k) / 40.0).exp();
            samples[at as usize + k as usize] += size * ring;
        }
        at += (110.0 + 25.0 * (secs * 1.3).sin()) * (1.0 + 0.01 * noise());
    }
    samples.truncate(count);
    samples
        .iter()
        .map(|sample| (sample + 60.0 * noise()) as i16)
        .collect()
}

fn sums(place: &Place) -> anyhow::Result<()> {
    // The largest products, of both signs, and noise; an odd count.
    let mut samples = voice(0.1);
    samples.extend([i16::MIN; 400]);
    samples.extend((0..399).map(|n| if n % 2 == 0 { i16::MAX } else { i16::MIN }));
    let buffer = place.holding(&samples, "samples")?;
    let row = |first: usize, length: usize, from: usize, shifts: usize| Row {
        first: first as u32,
        length: length as u32,
        from: from as u32,
        shifts: shifts as u32,
    };
    let (longest, end) = (MAX_LENGTH, samples.len());
    let mut rows = vec![
        row(300, 107, 393, 48),
        row(1600, longest, 1700, MAX_SHIFTS),
        row(2000, longest, end - longest - 10, 11),
        row(0, 1, 1, 1),
        row(end - 1, 1, end - MAX_SHIFTS, MAX_SHIFTS),
        row(1999, 213, 1601, 97),
    ];
    rows.resize(MAX_ROWS, row(77, 33, 5, 129 - 33));
    let mut out = place.poisoned::<i64>(MAX_ROWS * MAX_SHIFTS, "products")?;
    launch(&place.stream, &buffer, &rows, &mut out)?;
    let got = place.values::<i64>(&out, MAX_ROWS * MAX_SHIFTS)?;
    let untouched = i64::from_ne_bytes([0xA5; 8]);
    for (row, sums) in rows.iter().zip(got.chunks_exact(MAX_SHIFTS)) {
        let (first, from) = (row.first as usize, row.from as usize);
        for (shift, got) in sums.iter().enumerate() {
            let wanted = if shift < row.shifts as usize {
                reference::product(&samples, first, from + shift, row.length as usize)
                    .context("no sum")?
            } else {
                untouched
            };
            ensure!(*got == wanted, "{row:?} shift {shift}: {got} {wanted}");
        }
    }
    launch(&place.stream, &buffer, &[], &mut out)?;
    Ok(())
}

fn pulses(place: &Place) -> anyhow::Result<()> {
    let mut matcher = PeriodMatcher::new(place.device.as_ref())?;
    for samples in [voice(1.5), vec![0; 3001], Vec::new()] {
        let pitch = Pitch::analyse(&samples, Form::Fast);
        let wanted = find_pulses(&samples, &pitch);
        let got = find_pulses_on(&mut matcher, &samples, &pitch)?;
        ensure!(got == wanted, "{got:?} {wanted:?}");
        ensure!(samples.len() < 10_000 || wanted.times_s().len() > 80);
    }
    Ok(())
}

fn measures(place: &Place) -> anyhow::Result<()> {
    let samples = voice(3.0);
    let settings = MeasureSettings::default();
    let mut measurer = SegmentMeasurer::on(place.device.as_ref());
    let (got, wanted) = (
        measurer.span(&samples, settings),
        measure_span(&samples, settings),
    );
    let fault = measurer.take_fault();
    ensure!(fault.is_none(), "{fault:?}");
    ensure!(wanted.perturbation_valid && got.perturbation_valid);
    ensure!(got.coverage_s == wanted.coverage_s, "{got:?} {wanted:?}");
    for (got, wanted, bound) in [
        (got.f0_mean_hz, wanted.f0_mean_hz, F0_BOUND_HZ),
        (got.jitter, wanted.jitter, JITTER_BOUND),
        (got.shimmer, wanted.shimmer, SHIMMER_BOUND),
    ] {
        let error = (got.context("none")? - wanted.context("none")?).abs();
        ensure!(error <= bound, "{got:?} {wanted:?}");
    }
    let (got, wanted) = (
        measurer.segment(&samples, 100.0, Some(98.0), settings),
        measure_segment(&samples, 100.0, Some(98.0), settings),
    );
    ensure!(got.f0_valid_measure && wanted.f0_valid_measure);
    ensure!(got.f0_valid_baseline == wanted.f0_valid_baseline);
    let nothing = measurer.segment(&samples, 100.0, None, settings);
    ensure!(nothing == measure_segment(&samples, 100.0, None, settings));
    Ok(())
}

fn refusals(place: &Place) -> anyhow::Result<()> {
    let row = Row {
        first: 3,
        length: 10,
        from: 20,
        shifts: 5,
    };
    let samples = place.holding(&[1_i16; 34], "samples")?;
    let mut out = place.poisoned::<i64>(MAX_SHIFTS, "products")?;
    for rows in [
        vec![row; MAX_ROWS + 1],
        vec![Row { length: 0, ..row }],
        vec![Row {
            length: MAX_LENGTH as u32 + 1,
            ..row
        }],
        vec![Row { shifts: 0, ..row }],
        vec![Row {
            shifts: MAX_SHIFTS as u32 + 1,
            ..row
        }],
    ] {
        let refused = launch(&place.stream, &samples, &rows, &mut out);
        ensure!(
            matches!(refused, Err(KernelError::OutOfRange { .. })),
            "{refused:?}"
        );
    }
    for rows in [
        vec![Row { shifts: 6, ..row }],
        vec![Row { first: 25, ..row }],
        vec![Row {
            first: u32::MAX,
            ..row
        }],
        vec![Row {
            from: u32::MAX,
            ..row
        }],
        vec![row, row],
    ] {
        let refused = launch(&place.stream, &samples, &rows, &mut out);
        ensure!(
            matches!(refused, Err(KernelError::Size { .. })),
            "{refused:?}"
        );
    }
    launch(&place.stream, &samples, &[row], &mut out)?;
    ensure!(place.values::<i64>(&out, 1)? == [10]);
    let mut matcher = PeriodMatcher::new(place.device.as_ref())?;
    let long = vec![0; lsie_kernels::pulse::MAX_SAMPLES + 1];
    let pitch = Pitch::analyse(&[0; 4000], Form::Fast);
    let refused = find_pulses_on(&mut matcher, &long, &pitch);
    ensure!(
        matches!(refused, Err(KernelError::OutOfRange { .. })),
        "{refused:?}"
    );
    Ok(())
}
