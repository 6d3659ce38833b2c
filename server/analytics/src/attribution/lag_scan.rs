//! Lagged correlation of two series (math 13.6).

use crate::statistics::pearson;

const LEAST_PAIRS: usize = 4;
/// Correlations closer than this are a tie: the rest is rounding.
const TIE: f64 = 1e-12;

/// A correlation and the lag in samples at which it was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LagPeak {
    /// Pearson correlation in [-1, 1].
    pub correlation: f64,
    /// How many samples the second series trails the first.
    pub lag: u32,
}

/// Result of a lag scan.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LagScan {
    /// Largest signed correlation: the recorded score.
    pub peak: Option<LagPeak>,
    /// Largest magnitude with its sign, so that an opposite movement is visible too (math 17 B16).
    pub strongest: Option<LagPeak>,
}

/// Correlates `x[k]` with `y[k + lag]` for every lag from 0 to `max_lag`.
///
/// A lag with fewer than four pairs, without variance or with a number that is not finite is skipped; the first
/// lag wins a tie; empty when no lag is left.
pub fn scan_lags(x: &[f64], y: &[f64], max_lag: u32) -> LagScan {
    let mut scan = LagScan::default();
    for lag in 0..=max_lag {
        let Some(later) = y.get(lag as usize..) else {
            break;
        };
        let pairs = x.len().min(later.len());
        if pairs < LEAST_PAIRS {
            break;
        }
        let (Some(x), Some(y)) = (x.get(..pairs), later.get(..pairs)) else {
            break;
        };
        let Some(correlation) = pearson(x, y) else {
            continue;
        };
        let found = LagPeak { correlation, lag };
        if scan
            .peak
            .is_none_or(|best| correlation > best.correlation + TIE)
        {
            scan.peak = Some(found);
        }
        if scan
            .strongest
            .is_none_or(|best| correlation.abs() > best.correlation.abs() + TIE)
        {
            scan.strongest = Some(found);
        }
    }
    scan
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_strong_opposite_movement_is_not_lost() {
        let x: Vec<f64> = (0..40).map(|k| (f64::from(k) * 0.4).sin()).collect();
        let y: Vec<f64> = x.iter().map(|v| -v).collect();
        let scan = scan_lags(&x, &y, 3);
        assert_eq!(
            scan.strongest.map(|p| (p.lag, p.correlation < -0.999)),
            Some((0, true))
        );
        assert!(
            scan.peak
                .is_some_and(|p| p.correlation > -0.999 && p.lag > 0)
        );
    }

    #[test]
    fn short_or_broken_series_give_nothing() {
        assert_eq!(
            scan_lags(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0], 9),
            LagScan::default()
        );
        assert_eq!(scan_lags(&[], &[], u32::MAX), LagScan::default());
        let broken = [1.0, f64::NAN, 2.0, 3.0, 4.0];
        assert_eq!(
            scan_lags(&broken, &[1.0, 2.0, 3.0, 4.0, 5.0], 0),
            LagScan::default()
        );
    }

    proptest! {
        #[test]
        fn correlations_stay_in_range(x in prop::collection::vec(prop::num::f64::ANY, 0..20), y in prop::collection::vec(prop::num::f64::ANY, 0..20), lag in 0_u32..30) {
            let scan = scan_lags(&x, &y, lag);
            for peak in [scan.peak, scan.strongest].into_iter().flatten() {
                prop_assert!((-1.0..=1.0).contains(&peak.correlation) && peak.lag <= lag);
            }
        }
    }
}
