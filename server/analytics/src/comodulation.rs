//! Co-modulation of two people's RMSSD over ten minutes (math 9). Observational: it never touches a reward.

use std::collections::BTreeMap;

use lsie_schemas::contract::{CoModulationNullReason, SubjectRole};
use lsie_schemas::time::UtcMicros;

use crate::statistics::{mean, pearson};

/// Length of the window in minutes.
pub const WINDOW_MINUTES: i64 = 10;
const MINUTE_MICROS: i64 = 60_000_000;
const LEAST_PAIRS: usize = 4;
/// 97.5 % point of the normal distribution, for the Fisher interval.
const NORMAL_975: f64 = 1.959_963_984_540_054;

/// One stored physiological value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RmssdRow {
    /// Whose it is.
    pub role: SubjectRole,
    /// Its source time.
    pub timestamp_utc: UtcMicros,
    /// RMSSD in ms.
    pub rmssd_ms: Option<f64>,
    /// Whether enough samples were valid.
    pub is_valid: bool,
    /// Whether it was too old when stored.
    pub is_stale: bool,
}

/// The index with what it rests on. A null index is a normal outcome and is stored like any other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CoModulationIndex {
    /// Pearson correlation of the minute means in [-1, 1].
    pub index: Result<f64, CoModulationNullReason>,
    /// 95 % Fisher interval of the index. Too narrow when windows overlap: minutes are then not independent.
    pub interval: Option<(f64, f64)>,
    /// Minutes with both people.
    pub n_paired: u32,
    /// Paired share of the minutes that the busier person has.
    pub coverage_ratio: f64,
    /// Paired share of the ten minutes.
    pub window_coverage: f64,
    /// Mean RMSSD of the streamer's minutes, ms.
    pub streamer_mean_ms: Option<f64>,
    /// Mean RMSSD of the operator's minutes, ms.
    pub operator_mean_ms: Option<f64>,
    /// Window start, exclusive.
    pub window_start_utc: UtcMicros,
    /// Window end, inclusive.
    pub window_end_utc: UtcMicros,
}

/// Computes the index of the ten minutes that end at `window_end_utc`.
pub fn comodulation(rows: &[RmssdRow], window_end_utc: UtcMicros) -> CoModulationIndex {
    let window_start_utc = UtcMicros(
        window_end_utc
            .0
            .saturating_sub(WINDOW_MINUTES * MINUTE_MICROS),
    );
    let minutes_of = |role: SubjectRole| -> BTreeMap<i64, f64> {
        let mut bins: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
        for row in rows
            .iter()
            .filter(|r| r.role == role && r.is_valid && !r.is_stale)
        {
            let inside =
                row.timestamp_utc > window_start_utc && row.timestamp_utc <= window_end_utc;
            if let Some(value) = row.rmssd_ms.filter(|v| v.is_finite() && inside) {
                bins.entry(row.timestamp_utc.0.div_euclid(MINUTE_MICROS))
                    .or_default()
                    .push(value);
            }
        }
        bins.into_iter()
            .filter_map(|(minute, values)| Some((minute, mean(&values)?)))
            .collect()
    };
    let (streamer, operator) = (
        minutes_of(SubjectRole::Streamer),
        minutes_of(SubjectRole::Operator),
    );
    let (x, y): (Vec<f64>, Vec<f64>) = streamer
        .iter()
        .filter_map(|(minute, value)| Some((*value, *operator.get(minute)?)))
        .unzip();
    let index = if streamer.is_empty() && operator.is_empty() {
        Err(CoModulationNullReason::NoEligibleRows)
    } else if x.len() < LEAST_PAIRS {
        Err(CoModulationNullReason::InsufficientPairs)
    } else {
        pearson(&x, &y).ok_or(CoModulationNullReason::ZeroVariance)
    };
    let mean_of = |bins: &BTreeMap<i64, f64>| {
        let means: Vec<f64> = bins.values().copied().collect();
        mean(&means).filter(|mean| mean.is_finite())
    };
    CoModulationIndex {
        index,
        interval: index.ok().map(|r| fisher_interval(r, x.len())),
        n_paired: x.len() as u32,
        coverage_ratio: x.len() as f64 / streamer.len().max(operator.len()).max(1) as f64,
        window_coverage: (x.len() as f64 / WINDOW_MINUTES as f64).min(1.0),
        streamer_mean_ms: mean_of(&streamer),
        operator_mean_ms: mean_of(&operator),
        window_start_utc,
        window_end_utc,
    }
}

/// Interval of a correlation from `n >= 4` pairs.
fn fisher_interval(r: f64, n: usize) -> (f64, f64) {
    let half_width = NORMAL_975 / (n as f64 - 3.0).max(1.0).sqrt();
    // atanh of a perfect correlation is infinite; its tanh is the correlation again.
    let center = r.atanh();
    ((center - half_width).tanh(), (center + half_width).tanh())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const END: UtcMicros = UtcMicros(1_767_269_400_000_000);

    fn row(role: SubjectRole, secs_before_end: i64, rmssd: f64) -> RmssdRow {
        let timestamp_utc = UtcMicros(END.0 - secs_before_end * 1_000_000);
        RmssdRow {
            role,
            timestamp_utc,
            rmssd_ms: Some(rmssd),
            is_valid: true,
            is_stale: false,
        }
    }

    fn pairs(n: i64, operator: impl Fn(i64) -> f64) -> Vec<RmssdRow> {
        (0..n)
            .flat_map(|k| {
                [
                    row(SubjectRole::Streamer, 60 * k, 30.0 + k as f64),
                    row(SubjectRole::Operator, 60 * k, operator(k)),
                ]
            })
            .collect()
    }

    #[test]
    fn the_start_is_outside_and_the_end_inside() {
        let out = comodulation(
            &[
                row(SubjectRole::Streamer, 600, 1.0),
                row(SubjectRole::Operator, 0, 2.0),
            ],
            END,
        );
        assert_eq!(
            (out.streamer_mean_ms, out.operator_mean_ms),
            (None, Some(2.0))
        );
    }

    #[test]
    fn each_cause_has_its_reason() {
        assert_eq!(
            comodulation(&[], END).index,
            Err(CoModulationNullReason::NoEligibleRows)
        );
        assert_eq!(
            comodulation(&pairs(3, |k| k as f64), END).index,
            Err(CoModulationNullReason::InsufficientPairs)
        );
        assert_eq!(
            comodulation(&pairs(6, |_| 0.1), END).index,
            Err(CoModulationNullReason::ZeroVariance)
        );
        let mut rows = pairs(6, |k| k as f64);
        for r in &mut rows {
            r.is_stale = true;
        }
        assert_eq!(
            comodulation(&rows, END).index,
            Err(CoModulationNullReason::NoEligibleRows)
        );
    }

    #[test]
    fn four_points_say_next_to_nothing() {
        let wiggle = [0.0, 1.0, 0.5, 1.5];
        let out = comodulation(&pairs(4, |k| wiggle[k as usize]), END);
        let (low, high) = out.interval.unwrap();
        assert!(out.index.is_ok_and(|r| r > 0.5) && low < -0.5 && high > 0.9);
        assert_eq!(
            comodulation(&pairs(4, |k| k as f64), END)
                .interval
                .map(|(low, _)| low <= 1.0),
            Some(true)
        );
    }

    proptest! {
        #[test]
        fn nothing_leaves_its_range(values in prop::collection::vec((any::<bool>(), -700_i64..60, prop::num::f64::ANY), 0..60)) {
            let rows: Vec<RmssdRow> = values.iter()
                .map(|&(s, t, v)| row(if s { SubjectRole::Streamer } else { SubjectRole::Operator }, -t, v)).collect();
            let out = comodulation(&rows, END);
            prop_assert!(out.index.is_err() || out.index.is_ok_and(|r| (-1.0..=1.0).contains(&r)));
            prop_assert!((0.0..=1.0).contains(&out.coverage_ratio) && (0.0..=1.0).contains(&out.window_coverage));
        }
    }
}
