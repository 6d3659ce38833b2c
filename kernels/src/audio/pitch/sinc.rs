//! The autocorrelation between its samples: windowed sinc of a stated depth, and its maximum near a lag (math 10.2).

use std::f64::consts::PI;

use super::Form;

/// Largest lag of the autocorrelation: half a window of 638 samples.
pub(super) const RANGE: usize = 319;
/// Depth of the refinement in samples to each side.
const DEPTH: usize = 70;
/// Depth of the sinc that candidates are ranked with.
const COARSE_DEPTH: usize = 30;
/// Terms of the polynomial in the phase, an even number; the sinc's are below 1e-14 from the 16th on.
const TERMS: usize = 18;
/// Accuracy of Brent's method in lags, plus the distance below which values near a maximum are equal in f64.
const BRENT_TOLERANCE: f64 = 1e-10 + 1.5e-8;

/// Normalised autocorrelation r[-B..=B], r[0] = 1, symmetric.
#[derive(Debug, Clone)]
pub(super) struct Autocorrelation {
    values: Vec<f64>,
}

impl Autocorrelation {
    pub(super) fn new() -> Self {
        let mut values = vec![0.0; 2 * RANGE + 1];
        values[RANGE] = 1.0;
        Self { values }
    }

    /// Sets r[1..=B] and its mirror image.
    pub(super) fn set(&mut self, positive_lags: impl Iterator<Item = f64>) {
        for (k, r) in positive_lags.take(RANGE).enumerate() {
            self.values[RANGE + 1 + k] = r;
            self.values[RANGE - 1 - k] = r;
        }
    }

    /// r at `lag - 1`, `lag`, `lag + 1`; the lag is within 1..B.
    pub(super) fn around(&self, lag: usize) -> [f64; 3] {
        [
            self.values[RANGE + lag - 1],
            self.values[RANGE + lag],
            self.values[RANGE + lag + 1],
        ]
    }

    fn at(&self, lag: isize) -> f64 {
        self.values
            .get((RANGE.cast_signed() + lag) as usize)
            .copied()
            .unwrap_or(0.0)
    }

    /// r at a real lag by a windowed sinc of `depth` samples to each side, fewer at the ends of the range.
    fn interpolate(&self, lag: f64, depth: usize) -> f64 {
        let left = lag.floor();
        if lag == left {
            return self.at(left as isize);
        }
        let l = left as isize;
        let (range, depth) = (RANGE.cast_signed(), depth.cast_signed());
        let d = depth.min(l + 1 + range).min(range - l);
        let mut sum = 0.0;
        for k in l + 1 - d..=l + d {
            let reach = if k <= l {
                lag - (l + 1 - d) as f64 + 1.0
            } else {
                (l + d) as f64 - lag + 1.0
            };
            sum += self.at(k) * weight((lag - k as f64).abs(), reach);
        }
        sum
    }
}

/// Weight of a sample at distance `e` when its side reaches `reach`.
fn weight(e: f64, reach: f64) -> f64 {
    (PI * e).sin() / (PI * e) * (1.0 + (PI * e / reach).cos()) / 2.0
}

/// Finds the maximum of the interpolated autocorrelation near a lag.
#[derive(Debug, Clone)]
pub(super) enum Refiner {
    Reference,
    Fast {
        fine: PhasePolynomials,
        coarse: PhasePolynomials,
    },
}

impl Refiner {
    pub(super) fn new(form: Form) -> Self {
        match form {
            Form::Reference => Self::Reference,
            Form::Fast => Self::Fast {
                fine: PhasePolynomials::new(DEPTH),
                coarse: PhasePolynomials::new(COARSE_DEPTH),
            },
        }
    }

    /// Real lag within one sample of `lag` at which r is largest, and r there.
    pub(super) fn refine(&self, r: &Autocorrelation, lag: usize) -> (f64, f64) {
        let fast = match self {
            Self::Reference => None,
            Self::Fast { fine, .. } => fine.maximum(r, lag).or_else(|| fine.search(r, lag)),
        };
        fast.unwrap_or_else(|| {
            maximise(
                |q| r.interpolate(q, DEPTH),
                lag as f64 - 1.0,
                lag as f64 + 1.0,
            )
        })
    }

    /// r at a real lag, by the shallow sinc that candidates are ranked with.
    pub(super) fn coarse(&self, r: &Autocorrelation, lag: f64) -> f64 {
        let fast = match self {
            Self::Reference => None,
            Self::Fast { coarse, .. } => coarse.at(r, lag),
        };
        fast.unwrap_or_else(|| r.interpolate(lag, COARSE_DEPTH))
    }
}

/// The sinc weights of all taps as polynomials of u = 2 phase - 1.
///
/// For lags of interest the depth is never cut, so each tap's weight is one fixed smooth function of the phase in (0, 1).
/// `coefficients[k][m]` is the factor of u^m of the tap at `l - 69 + k`, for the taps on the left.
#[derive(Debug, Clone)]
pub(super) struct PhasePolynomials {
    coefficients: Vec<[f64; TERMS]>,
}

impl PhasePolynomials {
    fn new(depth: usize) -> Self {
        let chebyshev = chebyshev_monomials();
        let angle = |n: usize| PI * (n as f64 + 0.5) / TERMS as f64;
        let cosines: [[f64; TERMS]; TERMS] =
            std::array::from_fn(|degree| std::array::from_fn(|n| (degree as f64 * angle(n)).cos()));
        let mut coefficients = vec![[0.0; TERMS]; depth];
        for (k, row) in coefficients.iter_mut().enumerate() {
            let nodes: [f64; TERMS] = std::array::from_fn(|n| {
                let phase = f64::midpoint(angle(n).cos(), 1.0);
                weight(phase + (depth - 1 - k) as f64, phase + depth as f64)
            });
            for (degree, (monomials, cosines)) in chebyshev.iter().zip(&cosines).enumerate() {
                let scale = if degree == 0 { 1.0 } else { 2.0 } / TERMS as f64;
                let sum: f64 = nodes.iter().zip(cosines).map(|(w, c)| w * c).sum();
                for (term, monomial) in row.iter_mut().zip(monomials) {
                    *term += scale * sum * monomial;
                }
            }
        }
        Self { coefficients }
    }

    /// The interpolated autocorrelation as a polynomial of u. A tap on the right weighs at u what its mirror image weighs at -u,
    /// so that sums of pairs make the even terms and differences the odd ones.
    fn polynomial(&self, taps: &[f64]) -> [f64; TERMS] {
        let mut polynomial = [0.0; TERMS];
        let pairs = taps.iter().zip(taps.iter().rev());
        for ((left, right), row) in pairs.zip(&self.coefficients) {
            let (even, odd) = (left + right, left - right);
            for m in 0..TERMS / 2 {
                polynomial[2 * m] += even * row[2 * m];
                polynomial[2 * m + 1] += odd * row[2 * m + 1];
            }
        }
        polynomial
    }

    /// r between the whole lags `left` and `left + 1`.
    fn between(&self, r: &Autocorrelation, left: usize) -> Option<[f64; TERMS]> {
        let (end, depth) = (RANGE + left, self.coefficients.len());
        let taps = r.values.get((end + 1).checked_sub(depth)?..=end + depth)?;
        Some(self.polynomial(taps))
    }

    /// r at a real lag.
    fn at(&self, r: &Autocorrelation, lag: f64) -> Option<f64> {
        let left = lag.floor();
        let polynomial = self.between(r, left as usize)?;
        Some(evaluate(&polynomial, 2.0 * (lag - left) - 1.0).0)
    }

    /// The maximum in [lag - 1, lag + 1] by Brent's method on both polynomials.
    fn search(&self, r: &Autocorrelation, lag: usize) -> Option<(f64, f64)> {
        let (before, after) = (self.between(r, lag - 1)?, self.between(r, lag)?);
        let middle = lag as f64;
        let value = |q: f64| {
            let (polynomial, left) = if q < middle {
                (&before, middle - 1.0)
            } else {
                (&after, middle)
            };
            evaluate(polynomial, 2.0 * (q - left) - 1.0).0
        };
        Some(maximise(value, middle - 1.0, middle + 1.0))
    }

    /// The maximum in [lag - 1, lag + 1]; `None` when it is not a plain one, which [`Self::search`] settles.
    ///
    /// The sinc's taper has a slight kink at whole lags, so the top can be the lag itself, lower on both sides.
    fn maximum(&self, r: &Autocorrelation, lag: usize) -> Option<(f64, f64)> {
        let [before, here, after] = r.around(lag);
        let offset = 0.5 * (after - before) / (2.0 * here - before - after);
        let first = if offset > 0.0 {
            Side::Right
        } else {
            Side::Left
        };
        for (side, start) in [(first, offset), (first.other(), 0.0)] {
            match self.climb(r, lag, side, start)? {
                Climb::Top(position, value) => return Some((position, value)),
                Climb::TowardsLag => {}
            }
        }
        Some((lag as f64, here))
    }

    /// Newton's method on one side of the lag from `start` samples beside it.
    fn climb(&self, r: &Autocorrelation, lag: usize, side: Side, start: f64) -> Option<Climb> {
        let (left, lag_end) = if side == Side::Right {
            (lag, -1.0)
        } else {
            (lag - 1, 1.0)
        };
        let polynomial = self.between(r, left)?;
        let mut u = (2.0 * start + lag_end).clamp(-1.0, 1.0);
        for _ in 0..20 {
            let (_, slope, curve) = evaluate(&polynomial, u);
            if curve >= 0.0 {
                return None;
            }
            let next = u - slope / curve;
            if u == lag_end && (next - u) * lag_end >= 0.0 {
                return Some(Climb::TowardsLag);
            }
            let next = next.clamp(-1.0, 1.0);
            if (next - u).abs() < 1e-11 {
                let is_inside = next != -lag_end;
                let top = Climb::Top(
                    left as f64 + f64::midpoint(next, 1.0),
                    evaluate(&polynomial, next).0,
                );
                return is_inside.then_some(top);
            }
            u = next;
        }
        None
    }
}

/// Which neighbouring sample interval of a lag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

impl Side {
    fn other(self) -> Self {
        if self == Self::Left {
            Self::Right
        } else {
            Self::Left
        }
    }
}

/// Where a climb on one side ended.
#[derive(Debug, Clone, Copy)]
enum Climb {
    /// A maximum inside: lag and value.
    Top(f64, f64),
    /// The slope rises all the way to the lag.
    TowardsLag,
}

/// Value, first and second derivative with respect to u.
fn evaluate(polynomial: &[f64; TERMS], u: f64) -> (f64, f64, f64) {
    polynomial
        .iter()
        .rev()
        .fold((0.0, 0.0, 0.0), |(p, d, dd), c| {
            (p * u + c, d * u + p, dd * u + 2.0 * d)
        })
}

/// Row n: factors of u^0, u^1, … in the Chebyshev polynomial T_n.
fn chebyshev_monomials() -> [[f64; TERMS]; TERMS] {
    let mut rows = [[0.0; TERMS]; TERMS];
    rows[0][0] = 1.0;
    rows[1][1] = 1.0;
    for n in 2..TERMS {
        for m in 0..TERMS {
            let shifted = if m == 0 { 0.0 } else { rows[n - 1][m - 1] };
            rows[n][m] = 2.0 * shifted - rows[n - 2][m];
        }
    }
    rows
}

/// Largest value of `f` on [a, b] by Brent's method: golden section with parabolic steps.
fn maximise(f: impl Fn(f64) -> f64, mut a: f64, mut b: f64) -> (f64, f64) {
    let golden = (3.0 - 5.0_f64.sqrt()) / 2.0;
    let mut x = a + golden * (b - a);
    let (mut w, mut v) = (x, x);
    let mut fx = f(x);
    let (mut fw, mut fv) = (fx, fx);
    let (mut step, mut last_step): (f64, f64) = (0.0, 0.0);
    for _ in 0..100 {
        let middle = f64::midpoint(a, b);
        let tolerance = f64::EPSILON * x.abs() * 4.0 + BRENT_TOLERANCE;
        if (x - middle).abs() + (b - a) / 2.0 <= 2.0 * tolerance {
            break;
        }
        let golden_step = golden * if x < middle { b - x } else { a - x };
        let (p, q) = {
            let (r, s) = ((x - w) * (fx - fv), (x - v) * (fx - fw));
            let (p, q) = ((x - v) * s - (x - w) * r, 2.0 * (s - r));
            if q > 0.0 { (-p, q) } else { (p, -q) }
        };
        let is_parabolic = last_step.abs() > tolerance
            && p.abs() < (q * last_step / 2.0).abs()
            && p > q * (a - x)
            && p < q * (b - x);
        last_step = if is_parabolic { step } else { golden_step };
        step = if is_parabolic { p / q } else { golden_step };
        if step.abs() < tolerance {
            step = tolerance.copysign(step);
        }
        let next = x + step;
        let value = f(next);
        if value >= fx {
            if next < x {
                b = x;
            } else {
                a = x;
            }
            (v, fv, w, fw, x, fx) = (w, fw, x, fx, next, value);
        } else {
            if next < x {
                a = next;
            } else {
                b = next;
            }
            if value >= fw || w == x {
                (v, fv, w, fw) = (w, fw, next, value);
            } else if value >= fv || v == x || v == w {
                (v, fv) = (next, value);
            }
        }
    }
    (x, fx)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(period: f64) -> Autocorrelation {
        let mut r = Autocorrelation::new();
        r.set((1..=RANGE).map(|k| {
            let t = 2.0 * PI * k as f64 / period;
            (0.7 * t.cos() + 0.3 * (2.0 * t).cos()) * (1.0 - 0.1 * k as f64 / RANGE as f64)
        }));
        r
    }

    #[test]
    fn brent_finds_the_top_of_smooth_and_kinked_hills() {
        let (x, y) = maximise(|q| 3.0 - (q - 0.123_456).powi(2), -1.0, 1.0);
        assert!((x - 0.123_456).abs() < 1e-7 && (y - 3.0).abs() < 1e-15);
        let (x, _) = maximise(|q| -(q - 0.25).abs(), -1.0, 1.0);
        assert!((x - 0.25).abs() < 1e-7);
    }

    #[test]
    fn the_sinc_passes_through_the_samples() {
        let r = wave(53.7);
        for lag in 1..200 {
            assert_eq!(r.interpolate(f64::from(lag), 70), r.at(lag as isize));
            assert!((r.interpolate(f64::from(lag) + 1e-9, 70) - r.at(lag as isize)).abs() < 1e-8);
        }
    }

    #[test]
    fn polynomial_and_brent_find_the_same_maximum() {
        let (reference, fast) = (Refiner::new(Form::Reference), Refiner::new(Form::Fast));
        let mut compared = 0;
        for tenths in 300..2100 {
            let r = wave(f64::from(tenths) / 10.0);
            for lag in 2..214 {
                let [a, b, c] = r.around(lag);
                if b > a && b >= c && b > 0.225 {
                    let (want, got) = (reference.refine(&r, lag), fast.refine(&r, lag));
                    assert!(
                        (want.0 - got.0).abs() < 1e-6,
                        "period {tenths}, lag {lag}: {want:?} {got:?}"
                    );
                    assert!(
                        (want.1 - got.1).abs() < 1e-11,
                        "period {tenths}, lag {lag}: {want:?} {got:?}"
                    );
                    compared += 1;
                }
            }
        }
        assert!(compared > 2000);
    }
}
