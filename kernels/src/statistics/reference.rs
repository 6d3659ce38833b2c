//! One row in `f64` as the formulas are written (math 1.6 for the percentiles).

use super::Statistics;

/// The statistics of the finite values, rounded at the end only.
pub fn summarise(values: &[f32]) -> Statistics {
    let finite = values.iter().filter(|value| value.is_finite());
    let mut sorted: Vec<f64> = finite.map(|value| f64::from(*value)).collect();
    sorted.sort_by(f64::total_cmp);
    let (Some(least), Some(largest)) = (sorted.first(), sorted.last()) else {
        return Statistics::default();
    };
    let count = sorted.len() as f64;
    let mean = sorted.iter().sum::<f64>() / count;
    let squares = sorted
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>();
    let variance = if count > 1.0 {
        squares / (count - 1.0)
    } else {
        0.0
    };
    let percentile = |percent: f64| {
        let rank = (count - 1.0) * percent / 100.0;
        let (index, share) = (rank.floor() as usize, rank - rank.floor());
        let low = sorted.get(index).copied().unwrap_or(*largest);
        let high = sorted.get(index + 1).copied().unwrap_or(low);
        (low + share * (high - low)) as f32
    };
    Statistics {
        count: sorted.len() as u32,
        mean: mean as f32,
        deviation: variance.sqrt() as f32,
        least: *least as f32,
        p10: percentile(10.0),
        median: percentile(50.0),
        p90: percentile(90.0),
        largest: *largest as f32,
    }
}
