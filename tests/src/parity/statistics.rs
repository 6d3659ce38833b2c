//! Statistics of rows of scores.

use anyhow::ensure;
use lsie_kernels::KernelError;
use lsie_kernels::statistics::{
    MAX_ROWS, MAX_VALUES, Row, RowStatistics, Statistics, launch, reference,
};

use super::{Budget, Case, Place};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "statistics/rows_of_every_length",
        run: lengths,
    },
    Case {
        name: "statistics/what_is_no_number_is_left_out",
        run: holes,
    },
    Case {
        name: "statistics/any_number_of_rows_of_any_length",
        run: batches,
    },
    Case {
        name: "statistics/too_many_rows_and_long_rows_are_refused",
        run: refusals,
    },
];

fn scores(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let next = move |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Many are equal, as scores of a still face are.
        ((state >> 20) % 700) as f32 / 512.0 - 0.5
    };
    (0..count).map(next).collect()
}

fn agrees(got: &Statistics, row: &[f32]) -> anyhow::Result<()> {
    let wanted = reference::summarise(row);
    let finite = row.iter().filter(|value| value.is_finite());
    let scale = finite.fold(0.0_f32, |most, value| most.max(value.abs()));
    let bound = Budget::absolute("statistics")? * f64::from(scale);
    let is_near = |a: f32, b: f32| f64::from((a - b).abs()) <= bound;
    ensure!(got.count == wanted.count, "{got:?} {wanted:?}");
    let exact = (got.least, got.largest) == (wanted.least, wanted.largest);
    ensure!(exact, "{got:?} {wanted:?}");
    for (a, b) in [
        (got.mean, wanted.mean),
        (got.deviation, wanted.deviation),
        (got.p10, wanted.p10),
        (got.median, wanted.median),
        (got.p90, wanted.p90),
    ] {
        ensure!(
            is_near(a, b),
            "{a} {b} of {} values: {got:?} {wanted:?}",
            row.len()
        );
    }
    Ok(())
}

/// The rows behind one another, in one launch.
fn summarise(place: &Place, rows: &[Vec<f32>]) -> anyhow::Result<Vec<Statistics>> {
    let values = place.holding(&rows.concat(), "values")?;
    let mut first = 0;
    let places: Vec<Row> = rows
        .iter()
        .map(|row| {
            let count = row.len() as u32;
            first += count;
            Row {
                first: first - count,
                count,
            }
        })
        .collect();
    let mut out = place.poisoned::<Statistics>(rows.len(), "statistics")?;
    launch(&place.stream, &values, &places, &mut out)?;
    place.values::<Statistics>(&out, rows.len())
}

fn lengths(place: &Place) -> anyhow::Result<()> {
    let lengths = [
        1, 2, 3, 4, 5, 10, 11, 31, 32, 33, 255, 256, 257, 900, 1801, 4095, MAX_VALUES,
    ];
    let rows: Vec<_> = (1..)
        .zip(lengths)
        .map(|(seed, length)| scores(length, seed))
        .collect();
    for (got, row) in summarise(place, &rows)?.iter().zip(&rows) {
        agrees(got, row)?;
    }
    // All equal, and far from zero.
    let still = vec![0.3_f32; 900];
    let got = summarise(place, std::slice::from_ref(&still))?;
    agrees(&got[0], &still)?;
    ensure!(got[0].median == 0.3 && got[0].p90 == 0.3, "{got:?}");
    Ok(())
}

fn holes(place: &Place) -> anyhow::Result<()> {
    let mut holed = scores(700, 5);
    for (number, value) in holed.iter_mut().enumerate() {
        match number % 7 {
            0 => *value = f32::NAN,
            3 => *value = f32::INFINITY,
            5 => *value = f32::NEG_INFINITY,
            _ => {}
        }
    }
    let mut lone = vec![f32::NAN; 300];
    lone[299] = 0.25;
    let rows = [
        holed,
        vec![f32::NAN; 40],
        vec![],
        lone,
        vec![f32::MAX, f32::MIN],
    ];
    let got = summarise(place, &rows)?;
    agrees(&got[0], &rows[0])?;
    ensure!(got[0].count == 400, "{:?}", got[0]);
    ensure!(
        got[1] == Statistics::default() && got[2] == Statistics::default(),
        "{got:?}"
    );
    agrees(&got[3], &rows[3])?;
    ensure!((got[3].count, got[3].deviation) == (1, 0.0), "{:?}", got[3]);
    // The largest that there are: the ends are right, though the squares are too large.
    ensure!(
        (got[4].least, got[4].largest) == (f32::MIN, f32::MAX),
        "{:?}",
        got[4]
    );
    Ok(())
}

fn batches(place: &Place) -> anyhow::Result<()> {
    let rows: Vec<_> = (0..150_u32)
        .map(|seed| scores(seed as usize * 37, seed))
        .collect();
    let mut statistics = RowStatistics::new(place.device.as_ref())?;
    for _ in 0..2 {
        let got = statistics.summarise(rows.iter().map(Vec::as_slice))?;
        ensure!(got.len() == rows.len(), "{}", got.len());
        for (got, row) in got.iter().zip(&rows) {
            agrees(got, row)?;
        }
    }
    let nothing = statistics.summarise(std::iter::empty())?;
    ensure!(nothing.is_empty());
    Ok(())
}

fn refusals(place: &Place) -> anyhow::Result<()> {
    let values = place.holding(&vec![0.5_f32; MAX_VALUES + 1], "values")?;
    let mut out = place.poisoned::<Statistics>(2, "statistics")?;
    let row = |first, count| Row { first, count };
    let many = vec![row(0, 1); MAX_ROWS + 1];
    for rows in [many, vec![row(0, MAX_VALUES as u32 + 1)]] {
        let refused = launch(&place.stream, &values, &rows, &mut out);
        ensure!(
            matches!(refused, Err(KernelError::OutOfRange { .. })),
            "{refused:?}"
        );
    }
    for rows in [
        vec![row(2, 4096)],
        vec![row(u32::MAX, 1)],
        vec![row(0, 1); 3],
    ] {
        let refused = launch(&place.stream, &values, &rows, &mut out);
        ensure!(
            matches!(refused, Err(KernelError::Size { .. })),
            "{refused:?}"
        );
    }
    launch(&place.stream, &values, &[], &mut out)?;
    Ok(())
}
