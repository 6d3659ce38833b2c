//! Density and both tails of a Beta variable on the log-odds axis.

use std::f64::consts::PI;

use super::special::{STIRLING_FROM, ln_beta, stirling_rest};

/// When both parameters reach this, the tails are integrated; below, the continued fraction is short.
const INTEGRATE_FROM: f64 = 3000.0;
/// Steps after which the continued fraction is taken as it is; never reached for the parameters it serves.
const FRACTION_STEPS: u32 = 20_000;
/// Nodes and weights of 16-point Gauss-Legendre quadrature on [-1, 1], positive half.
pub(crate) const GAUSS_16: [(f64, f64); 8] = [
    (0.095_012_509_837_637_44, 0.189_450_610_455_068_5),
    (0.281_603_550_779_258_9, 0.182_603_415_044_923_58),
    (0.458_016_777_657_227_37, 0.169_156_519_395_002_54),
    (0.617_876_244_402_643_7, 0.149_595_988_816_576_73),
    (0.755_404_408_355_003, 0.124_628_971_255_533_87),
    (0.865_631_202_387_831_7, 0.095_158_511_682_492_78),
    (0.944_575_023_073_232_6, 0.062_253_523_938_647_89),
    (0.989_400_934_991_649_9, 0.027_152_459_411_754_095),
];

/// Probability at or below a point, and above it; the smaller one carries full relative precision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tails {
    /// I_x(a, b).
    pub(crate) lower: f64,
    /// 1 - I_x(a, b).
    pub(crate) upper: f64,
}

impl Tails {
    fn from_lower(lower: f64) -> Self {
        let lower = lower.clamp(0.0, 1.0);
        Self {
            lower,
            upper: 1.0 - lower,
        }
    }

    fn from_upper(upper: f64) -> Self {
        let upper = upper.clamp(0.0, 1.0);
        Self {
            lower: 1.0 - upper,
            upper,
        }
    }
}

/// Beta(a, b) with positive finite parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Beta {
    pub(super) a: f64,
    pub(super) b: f64,
    pub(super) ln_norm: f64,
}

impl Beta {
    /// `None` unless both parameters, their reciprocals and their sum are positive and finite.
    pub(crate) fn new(a: f64, b: f64) -> Option<Self> {
        let usable = |v: f64| v.is_finite() && v > 0.0 && v.recip().is_finite();
        (usable(a) && usable(b) && (a + b).is_finite()).then(|| Self {
            a,
            b,
            ln_norm: ln_beta(a, b),
        })
    }

    /// Density with respect to the log-odds `t`: `x^a (1-x)^b / B(a, b)`.
    pub(crate) fn log_odds_density(&self, t: f64) -> f64 {
        let (a, b) = (self.a, self.b);
        if a.min(b) < STIRLING_FROM {
            let (ln_x, ln_y) = ln_unit(t);
            return (a * ln_x + b * ln_y - self.ln_norm).exp();
        }
        let sum = a + b;
        let (share_a, share_b) = (a / sum, b / sum);
        // Relative to the mode, where the large terms cancel exactly.
        let delta = t - (a / b).ln();
        let (ln_x, ln_y) = if delta > 0.0 {
            let ln_x = -(share_b * (-delta).exp_m1()).ln_1p();
            (ln_x, ln_x - delta)
        } else {
            let ln_y = -(share_a * delta.exp_m1()).ln_1p();
            (ln_y + delta, ln_y)
        };
        let peak = (a * share_b / (2.0 * PI)).sqrt();
        let rest = stirling_rest(sum) - stirling_rest(a) - stirling_rest(b);
        let density = peak * (a * ln_x + b * ln_y + rest).exp();
        if density.is_nan() { 0.0 } else { density }
    }

    /// Both tails at log-odds `t`.
    pub(crate) fn tails(&self, t: f64) -> Tails {
        let (a, b) = (self.a, self.b);
        if a.min(b) >= INTEGRATE_FROM {
            let center = (a / b).ln();
            return if t <= center {
                Tails::from_lower(self.integrate_tail(t, -1.0))
            } else {
                Tails::from_upper(self.integrate_tail(t, 1.0))
            };
        }
        let (ln_x, ln_y) = ln_unit(t);
        let (x, y) = (ln_x.exp(), ln_y.exp());
        let density = self.log_odds_density(t);
        if x < (a + 1.0) / (a + b + 2.0) {
            Tails::from_lower(density * fraction(a, b, x) / a)
        } else {
            Tails::from_upper(density * fraction(b, a, y) / b)
        }
    }

    /// Integral of the density from `t` outwards in panels of one standard deviation.
    fn integrate_tail(&self, t: f64, direction: f64) -> f64 {
        let width = (self.a.recip() + self.b.recip()).sqrt();
        let mut total = 0.0;
        for panel in 0..64 {
            let center = t + direction * width * (f64::from(panel) + 0.5);
            let half = 0.5 * width;
            let part: f64 = GAUSS_16
                .iter()
                .map(|&(node, weight)| {
                    let offset = half * node;
                    weight
                        * (self.log_odds_density(center - offset)
                            + self.log_odds_density(center + offset))
                })
                .sum();
            total += half * part;
            if half * part <= 1e-18 * total || total == 0.0 {
                break;
            }
        }
        total
    }
}

/// `(ln x, ln(1 - x))` of log-odds `t`.
fn ln_unit(t: f64) -> (f64, f64) {
    if t > 0.0 {
        let ln_x = -(-t).exp().ln_1p();
        (ln_x, ln_x - t)
    } else {
        let ln_y = -t.exp().ln_1p();
        (t + ln_y, ln_y)
    }
}

/// Continued fraction of the incomplete beta function (DLMF 8.17.22), modified Lentz.
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let guard = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = guard(1.0 - (a + b) * x / (a + 1.0)).recip();
    let mut h = d;
    for step in 1..=FRACTION_STEPS {
        let m = f64::from(step);
        let a2m = a + 2.0 * m;
        let even = (m * (b - m) / a2m) * (x / (a2m - 1.0));
        d = guard(1.0 + even * d).recip();
        c = guard(1.0 + even / c);
        h *= d * c;
        let odd = -((a + m) / a2m) * ((a + b + m) * x / (a2m + 1.0));
        d = guard(1.0 + odd * d).recip();
        c = guard(1.0 + odd / c);
        let change = d * c;
        h *= change;
        if (change - 1.0).abs() <= f64::EPSILON {
            break;
        }
    }
    h
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logit(x: f64) -> f64 {
        (x / (1.0 - x)).ln()
    }

    fn close(got: f64, expected: f64, relative: f64) {
        assert!(
            (got - expected).abs() <= relative * expected.abs(),
            "{got} is not {expected}"
        );
    }

    #[test]
    fn tails_of_closed_forms() {
        for x in [1e-12, 0.01, 0.3, 0.5, 0.9, 0.999] {
            close(Beta::new(1.0, 1.0).unwrap().tails(logit(x)).lower, x, 1e-13);
            close(
                Beta::new(3.0, 1.0).unwrap().tails(logit(x)).lower,
                x.powi(3),
                1e-12,
            );
            close(
                Beta::new(1.0, 4.0).unwrap().tails(logit(x)).upper,
                (1.0 - x).powi(4),
                1e-11,
            );
            let arcsine = 2.0 / PI * x.sqrt().asin();
            close(
                Beta::new(0.5, 0.5).unwrap().tails(logit(x)).lower,
                arcsine,
                1e-12,
            );
            close(
                Beta::new(2.0, 3.0).unwrap().tails(logit(x)).lower,
                x * x * (6.0 - 8.0 * x + 3.0 * x * x),
                1e-10,
            );
        }
    }

    #[test]
    fn fraction_and_integration_agree_where_they_meet() {
        for (a, b) in [(2999.0, 2999.0), (2999.0, 40_000.0), (2999.9, 1e7)] {
            let d = Beta::new(a, b).unwrap();
            let sd = (1.0 / a + 1.0 / b).sqrt();
            for z in [-8.0, -3.0, -0.5, 0.0, 0.7, 4.0, 7.5] {
                let t = (a / b).ln() + z * sd;
                let by_fraction = d.tails(t);
                if t <= (a / b).ln() {
                    close(d.integrate_tail(t, -1.0), by_fraction.lower, 1e-9);
                } else {
                    close(d.integrate_tail(t, 1.0), by_fraction.upper, 1e-9);
                }
            }
        }
    }

    #[test]
    fn density_forms_agree_where_they_meet() {
        let (below, above) = (
            Beta::new(9.999_999_999, 500.0).unwrap(),
            Beta::new(10.000_000_001, 500.0).unwrap(),
        );
        for t in [-9.0, -5.0, -4.0, -3.0, 0.0, 3.0] {
            close(below.log_odds_density(t), above.log_odds_density(t), 1e-7);
        }
    }

    #[test]
    fn a_symmetric_huge_posterior_halves_at_its_center() {
        for a in [1e4, 1e8, 1e12, 1e15] {
            let d = Beta::new(a, a).unwrap();
            close(d.tails(0.0).lower, 0.5, 1e-9);
        }
    }

    #[test]
    fn unusable_parameters_are_refused() {
        for (a, b) in [
            (0.0, 1.0),
            (1.0, -1.0),
            (f64::NAN, 1.0),
            (1.0, f64::INFINITY),
            (1e-320, 1.0),
            (f64::MAX, f64::MAX),
        ] {
            assert!(Beta::new(a, b).is_none(), "{a} {b}");
        }
    }
}
