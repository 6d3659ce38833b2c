//! Numbers of one stage, and the line through a growing quantity.

/// Parts of a series whose medians tell its noise.
const NOISE_BLOCKS: usize = 9;

/// Durations of one stage, milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    name: String,
    values_ms: Vec<f64>,
    bytes: Option<usize>,
    is_wait: bool,
}

impl Series {
    /// An empty series.
    pub fn new(name: impl Into<String>) -> Self {
        Series {
            name: name.into(),
            values_ms: Vec::new(),
            bytes: None,
            is_wait: false,
        }
    }

    /// Says that most of the time somebody else works, so that a rate would mean nothing.
    #[must_use]
    pub fn waiting(mut self) -> Self {
        self.is_wait = true;
        self
    }

    /// Says how many bytes one run moves, which adds bytes per second to the row.
    #[must_use]
    pub fn moving(mut self, bytes: usize) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// Adds one run.
    pub fn push(&mut self, ms: f64) {
        self.values_ms.push(ms);
    }

    /// What was measured.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The runs in the order they came, milliseconds.
    pub fn values_ms(&self) -> &[f64] {
        &self.values_ms
    }

    /// How many runs there are.
    pub fn len(&self) -> usize {
        self.values_ms.len()
    }

    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.values_ms.is_empty()
    }

    /// Median, milliseconds; NaN when empty.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// 95th percentile by nearest rank, milliseconds; NaN when empty.
    pub fn p95(&self) -> f64 {
        self.quantile(0.95)
    }

    /// 99th percentile by nearest rank, milliseconds; NaN when empty.
    pub fn p99(&self) -> f64 {
        self.quantile(0.99)
    }

    /// Smallest, milliseconds, what the stage takes when nothing disturbs it; NaN when empty.
    pub fn min(&self) -> f64 {
        self.quantile(0.0)
    }

    /// Largest, milliseconds; NaN when empty.
    pub fn max(&self) -> f64 {
        self.quantile(1.0)
    }

    /// How far it wanders by itself: half the range of the medians of nine consecutive parts, as a share of the median; 0
    /// with fewer runs than parts.
    pub fn noise(&self) -> f64 {
        let part = self.len() / NOISE_BLOCKS;
        if part == 0 {
            return 0.0;
        }
        let parts = self.values_ms.chunks_exact(part).take(NOISE_BLOCKS);
        let medians = parts.map(|part| quantile(part, 0.5));
        let (least, most) = medians.fold((f64::INFINITY, 0.0_f64), |(least, most), median| {
            (least.min(median), most.max(median))
        });
        (most - least) / 2.0 / self.median()
    }

    /// Takes the runs of another series behind its own.
    pub fn append(&mut self, other: &Series) {
        self.values_ms.extend_from_slice(&other.values_ms);
    }

    /// Bytes per second at the median, GB/s; `None` unless it moves bytes.
    pub fn gigabytes_per_sec(&self) -> Option<f64> {
        Some(self.bytes? as f64 / 1e6 / self.median())
    }

    /// The head of the table that [`Series::row`] continues.
    pub const HEAD: &'static str = "| stage | least ms | median ms | p95 ms | runs | per second | GB/s | share of peak |\n\
                                    |---|---|---|---|---|---|---|---|";

    /// One row of a table; rates are at the median. `peak_gigabytes_per_sec` is what the machine can move.
    pub fn row(&self, peak_gigabytes_per_sec: f64) -> String {
        let moved = self.gigabytes_per_sec();
        let rate = (!self.is_wait).then(|| 1000.0 / self.median());
        let dash = || "-".to_owned();
        format!(
            "| {} | {:.3} | {:.3} | {:.3} | {} | {} | {} | {} |",
            self.name,
            self.min(),
            self.median(),
            self.p95(),
            self.len(),
            rate.map_or_else(dash, |rate| format!("{rate:.0}")),
            moved.map_or_else(dash, |moved| format!("{moved:.2}")),
            moved.map_or_else(dash, |moved| format!(
                "{:.0} %",
                100.0 * moved / peak_gigabytes_per_sec
            )),
        )
    }

    /// The head of the table that [`Series::span_row`] continues.
    pub const SPAN_HEAD: &'static str =
        "| span | median ms | p95 ms | max ms | runs |\n|---|---|---|---|---|";

    /// One row of a table of long spans, whole milliseconds.
    pub fn span_row(&self) -> String {
        format!(
            "| {} | {:.0} | {:.0} | {:.0} | {} |",
            self.name,
            self.median(),
            self.p95(),
            self.max(),
            self.len()
        )
    }

    fn quantile(&self, share: f64) -> f64 {
        quantile(&self.values_ms, share)
    }
}

/// By nearest rank; NaN of nothing.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    let found = sorted.get(rank.saturating_sub(1));
    found.copied().unwrap_or(f64::NAN)
}

/// Least-squares slope of `(x, y)` points; `None` with fewer than two places on x.
pub fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean_x = points.iter().map(|point| point.0).sum::<f64>() / count;
    let mean_y = points.iter().map(|point| point.1).sum::<f64>() / count;
    let (mut covariance, mut variance) = (0.0, 0.0);
    for (x, y) in points {
        covariance += (x - mean_x) * (y - mean_y);
        variance += (x - mean_x) * (x - mean_x);
    }
    (variance > 0.0).then(|| covariance / variance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_by_nearest_rank() {
        let mut series = Series::new("x").moving(1_000_000);
        (1..=100).rev().for_each(|ms| series.push(f64::from(ms)));
        assert_eq!(
            (series.min(), series.median(), series.p95(), series.max()),
            (1.0, 50.0, 95.0, 100.0)
        );
        assert_eq!(series.gigabytes_per_sec(), Some(0.02));
    }

    #[test]
    fn noise_is_how_far_parts_wander_and_not_how_far_single_runs_do() {
        let mut steady = Series::new("steady");
        let mut drifting = Series::new("drifting");
        for run in 0..90 {
            // Every part has the same outliers.
            let outlier = if run % 10 == 0 { 50.0 } else { 0.0 };
            steady.push(100.0 + outlier);
            drifting.push(100.0 + outlier + if run < 45 { 0.0 } else { 20.0 });
        }
        assert_eq!(steady.noise(), 0.0);
        assert!(
            (drifting.noise() - 0.1).abs() < 0.02,
            "{}",
            drifting.noise()
        );
        let mut short = Series::new("short");
        short.push(1.0);
        assert_eq!(short.noise(), 0.0);
        short.append(&steady);
        assert_eq!(short.len(), 91);
    }

    #[test]
    fn an_empty_series_has_no_numbers() {
        let series = Series::new("x");
        assert!(series.median().is_nan() && series.p95().is_nan() && series.min().is_nan());
    }

    #[test]
    fn rows_have_rates_only_where_they_mean_something() {
        let mut crop = Series::new("crop").moving(2_000_000);
        crop.push(1.0);
        let row = crop.row(8.0);
        assert_eq!(
            row,
            "| crop | 1.000 | 1.000 | 1.000 | 1 | 1000 | 2.00 | 25 % |"
        );
        assert_eq!(
            row.matches('|').count(),
            Series::HEAD.lines().next().unwrap().matches('|').count()
        );
        let mut live = Series::new("live").waiting();
        live.push(4.0);
        assert_eq!(
            live.row(8.0),
            "| live | 4.000 | 4.000 | 4.000 | 1 | - | - | - |"
        );
        assert_eq!(live.span_row(), "| live | 4 | 4 | 4 | 1 |");
    }

    #[test]
    fn a_line_has_its_slope_and_a_point_has_none() {
        assert_eq!(slope(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]), Some(2.0));
        assert_eq!(slope(&[(1.0, 1.0), (1.0, 3.0)]), None);
        assert_eq!(slope(&[]), None);
    }
}
