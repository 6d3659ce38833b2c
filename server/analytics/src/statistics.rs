//! The few statistics of math 1.6 and 1.7, in the order of operations written there.

/// Limits a finite value to [0, 1]; NaN gives 0, so that a broken number is never a perfect score (math 17 B5).
pub fn clamp01(value: f64) -> f64 {
    if value.is_nan() {
        0.0
    } else {
        value.clamp(0.0, 1.0)
    }
}

/// Percentile `p` (0..=100) with linear interpolation between ranks (math 1.6).
///
/// `None` for an empty set, for a `p` outside the range and when any value is not finite.
pub fn percentile(values: &[f64], p: f64) -> Option<f64> {
    if values.is_empty() || !(0.0..=100.0).contains(&p) || values.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() - 1) as f64 * p / 100.0;
    let below = rank.floor() as usize;
    let part = rank - below as f64;
    let low = *sorted.get(below)?;
    let Some(&high) = sorted.get(below + 1) else {
        return Some(low);
    };
    Some(if part < 0.5 {
        low + part * (high - low)
    } else {
        high - (high - low) * (1.0 - part)
    })
}

/// Plain sum over count; `None` for an empty set.
pub(crate) fn mean(values: &[f64]) -> Option<f64> {
    if values.is_empty() {
        None
    } else {
        Some(values.iter().sum::<f64>() / values.len() as f64)
    }
}

/// Pearson correlation of paired values, clamped to [-1, 1].
///
/// `None` when the lengths differ, when there is no pair, when a variance is 0 or when the result is not finite.
pub(crate) fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.len() != y.len() {
        return None;
    }
    let (mean_x, mean_y) = (mean(x)?, mean(y)?);
    let (mut cross, mut square_x, mut square_y) = (0.0, 0.0, 0.0);
    for (a, b) in x.iter().zip(y) {
        let (dx, dy) = (a - mean_x, b - mean_y);
        cross += dx * dy;
        square_x += dx * dx;
        square_y += dy * dy;
    }
    // A constant series whose mean is not representable leaves rounding dust; compare the values themselves.
    if is_constant(x) || is_constant(y) || !(square_x > 0.0 && square_y > 0.0) {
        return None;
    }
    let r = cross / (square_x.sqrt() * square_y.sqrt());
    r.is_finite().then(|| r.clamp(-1.0, 1.0))
}

fn is_constant(values: &[f64]) -> bool {
    values
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if a == b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentile_of_one_value_is_that_value() {
        assert_eq!(percentile(&[0.37], 90.0), Some(0.37));
        assert_eq!(percentile(&[0.37], 0.0), Some(0.37));
    }

    #[test]
    fn percentile_interpolates_from_the_nearer_side() {
        assert_eq!(percentile(&[1.0, 0.0], 25.0), Some(0.25));
        assert_eq!(percentile(&[0.0, 1.0], 75.0), Some(0.75));
        assert_eq!(percentile(&[3.0, 1.0, 2.0], 100.0), Some(3.0));
    }

    #[test]
    fn percentile_refuses_what_has_no_order() {
        assert_eq!(percentile(&[], 90.0), None);
        assert_eq!(percentile(&[0.1, f64::NAN], 90.0), None);
        assert_eq!(percentile(&[0.1, f64::INFINITY], 90.0), None);
        assert_eq!(percentile(&[0.1], f64::NAN), None);
    }

    #[test]
    fn clamp_never_turns_nan_into_a_score() {
        assert_eq!(clamp01(f64::NAN), 0.0);
        assert_eq!(clamp01(f64::INFINITY), 1.0);
        assert_eq!(clamp01(-3.0), 0.0);
        assert_eq!(clamp01(0.25), 0.25);
    }

    #[test]
    fn pearson_is_null_without_variance_even_when_the_mean_rounds() {
        assert_eq!(pearson(&[0.1, 0.1, 0.1], &[1.0, 2.0, 3.0]), None);
        assert_eq!(pearson(&[], &[]), None);
        assert_eq!(pearson(&[1.0, 2.0], &[1.0]), None);
        assert_eq!(pearson(&[1.0, f64::NAN], &[1.0, 2.0]), None);
    }

    #[test]
    fn pearson_of_a_line_is_one() {
        let r = pearson(&[1.0, 2.0, 3.0, 4.0], &[2.0, 4.0, 6.0, 8.0]);
        assert!(r.is_some_and(|r| (r - 1.0).abs() < 1e-15));
        let r = pearson(&[1.0, 2.0, 3.0, 4.0], &[8.0, 6.0, 4.0, 2.0]);
        assert!(r.is_some_and(|r| (r + 1.0).abs() < 1e-15));
    }
}
