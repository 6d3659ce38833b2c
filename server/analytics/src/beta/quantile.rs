//! Inverse of the Beta distribution function (math 7.5).

use super::distribution::Beta;

/// Newton steps with bisection as a net; a handful suffices, the limit only bounds broken input.
const MAX_STEPS: u32 = 400;

impl Beta {
    /// The `u` quantile in [0, 1], |error| <= 1e-7 (in practice a few units in the last place).
    ///
    /// `u <= 0` gives 0 and `u >= 1` gives 1; NaN gives the median, so that no NaN leaves this module.
    pub(crate) fn quantile(&self, u: f64) -> f64 {
        if u <= 0.0 {
            return 0.0;
        }
        if u >= 1.0 {
            return 1.0;
        }
        unit(self.log_odds_quantile(if u.is_nan() { 0.5 } else { u }))
    }

    /// The `u` quantile on the log-odds axis, `0 < u < 1`.
    pub(crate) fn log_odds_quantile(&self, u: f64) -> f64 {
        if u <= 0.5 {
            self.lower_root(u)
        } else {
            -self.mirrored().lower_root(1.0 - u)
        }
    }

    fn mirrored(&self) -> Self {
        Self {
            a: self.b,
            b: self.a,
            ln_norm: self.ln_norm,
        }
    }

    /// Solves `lower(t) = p`, `0 < p <= 1/2`, by Newton on `ln lower`, which is concave in `t`.
    fn lower_root(&self, p: f64) -> f64 {
        let target = p.ln();
        // Two lower bounds of the root's neighbourhood: the left asymptote of a concave function, and the bulk.
        let asymptote = (target + self.a.ln() + self.ln_norm) / self.a;
        let sd = (self.a.recip() + self.b.recip()).sqrt();
        let bulk = (self.a / self.b).ln() - sd * (-2.0 * target).max(0.0).sqrt();
        let mut t = if self.a < 1.0 || !bulk.is_finite() {
            asymptote
        } else {
            asymptote.max(bulk)
        };
        let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
        for _ in 0..MAX_STEPS {
            let lower = self.tails(t).lower;
            let gap = lower.ln() - target;
            if gap == 0.0 {
                break;
            }
            if gap < 0.0 {
                low = low.max(t);
            } else {
                high = high.min(t);
            }
            let newton = t - gap * lower / self.log_odds_density(t);
            let next = if newton.is_finite() && newton > low && newton < high {
                newton
            } else if low.is_finite() && high.is_finite() {
                0.5 * (low + high)
            } else if low.is_finite() {
                t + sd.max(t.abs() * f64::EPSILON)
            } else {
                t - sd.max(t.abs() * f64::EPSILON)
            };
            let step = (next - t).abs();
            t = next;
            if step <= 4.0 * f64::EPSILON * t.abs().max(sd.min(1.0)) {
                break;
            }
        }
        t
    }
}

/// The probability at log-odds `t`.
pub(crate) fn unit(t: f64) -> f64 {
    if t >= 0.0 {
        ((-t).exp() + 1.0).recip()
    } else {
        1.0 - (t.exp() + 1.0).recip()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plain bisection on `x`, the slow road the specification names.
    fn bisect(beta: &Beta, u: f64) -> f64 {
        let (mut low, mut high) = (0.0_f64, 1.0_f64);
        for _ in 0..200 {
            let x = 0.5 * (low + high);
            let t = (x / (1.0 - x)).ln();
            let tails = beta.tails(t);
            let is_below = if u <= 0.5 {
                tails.lower < u
            } else {
                tails.upper > 1.0 - u
            };
            if is_below { low = x } else { high = x }
        }
        0.5 * (low + high)
    }

    #[test]
    fn agrees_with_bisection_from_tiny_to_huge() {
        let sizes = [
            1e-3, 0.05, 0.5, 1.0, 1.3, 9.9, 10.1, 200.0, 2999.0, 3001.0, 1e6, 1e10,
        ];
        for a in sizes {
            for b in sizes {
                let beta = Beta::new(a, b).unwrap();
                for u in [
                    2f64.powi(-54),
                    1e-6,
                    0.01,
                    0.3,
                    0.5,
                    0.77,
                    0.999,
                    1.0 - 2f64.powi(-53),
                ] {
                    let (fast, slow) = (beta.quantile(u), bisect(&beta, u));
                    assert!(
                        (fast - slow).abs() <= 1e-7,
                        "Beta({a}, {b}) at {u}: {fast} is not {slow}"
                    );
                }
            }
        }
    }

    #[test]
    fn closed_forms() {
        for u in [1e-9, 0.1, 0.5, 0.9] {
            assert!((Beta::new(1.0, 1.0).unwrap().quantile(u) - u).abs() < 1e-15);
            assert!((Beta::new(3.0, 1.0).unwrap().quantile(u) - u.cbrt()).abs() < 1e-14);
            assert!(
                (Beta::new(1.0, 2.0).unwrap().quantile(u) - (1.0 - (1.0 - u).sqrt())).abs() < 1e-14
            );
        }
    }

    #[test]
    fn extremes_stay_inside_the_unit_interval() {
        for (a, b) in [
            (1e-300, 1e-300),
            (1e-300, 1e300),
            (1e-5, 1e16),
            (1e16, 1e16),
            (1e16, 1e-5),
            (1e300, 1e300),
        ] {
            let beta = Beta::new(a, b).unwrap();
            let mut last = 0.0;
            for u in [
                0.0,
                2f64.powi(-54),
                0.2,
                0.5,
                0.8,
                1.0 - 2f64.powi(-53),
                1.0,
            ] {
                let x = beta.quantile(u);
                assert!(
                    (0.0..=1.0).contains(&x) && x >= last,
                    "Beta({a}, {b}) at {u}: {x} after {last}"
                );
                last = x;
            }
        }
        let beta = Beta::new(2.0, 5.0).unwrap();
        assert_eq!((beta.quantile(-1.0), beta.quantile(2.0)), (0.0, 1.0));
        assert!((0.0..=1.0).contains(&beta.quantile(f64::NAN)));
    }
}
