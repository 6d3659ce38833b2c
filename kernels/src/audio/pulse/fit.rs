//! Where a neighbouring period fits best: the normalised cross-correlation of one stretch with its surroundings.
//!
//! v1 plain sums over the template for every shift (kept as the tests' reference)
//! v2 one energy per shift carried along, four partial sums; samples are s16 / 32768, so all sums are exact and the
//!    results are the same bits
//! v3 the products summed elsewhere, in whole numbers; the same bits again

use super::super::RATE_HZ;

pub(super) const DX: f64 = 1.0 / RATE_HZ;
/// Correlations of 0 that stand before the first shift.
const BEFORE: i64 = 2;
/// A product of two samples in [-1, 1) is so many times smaller than that of the 16-bit numbers.
const PRODUCT_UNIT: f64 = 1.0 / (32_768.0 * 32_768.0);

/// Where the neighbouring period fits best.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Match {
    pub(super) time_s: f64,
    pub(super) correlation: f64,
    pub(super) peak: f64,
}

/// A stretch of sound around a time, and how it is to be shifted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ask {
    at_s: f64,
    /// Samples of the stretch, both ends included, and of its start at the first and last shift. Any may lie outside the segment.
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) from: i64,
    pub(super) to: i64,
}

impl Ask {
    /// The stretch of `half_s` to both sides of `at_s`, shifted so that its centre lies in [from_s, to_s].
    pub(super) fn new(at_s: f64, half_s: f64, from_s: f64, to_s: f64) -> Self {
        Ask {
            at_s,
            first: index_of(at_s - half_s).round() as i64,
            last: index_of(at_s + half_s).round() as i64,
            from: index_of(from_s - half_s).floor() as i64,
            to: index_of(to_s - half_s).ceil() as i64,
        }
    }

    /// The best shift; all sums are made here.
    pub(super) fn best(&self, samples: &[f64]) -> Option<Match> {
        let mut correlations = vec![0.0; BEFORE as usize];
        match self.inner(samples) {
            Some((template, around)) => {
                let product = |_, stretch: &[f64]| dot(template, stretch);
                correlate(template, around, product, &mut correlations);
            }
            None => correlations
                .extend((self.from..=self.to).map(|start| self.correlate_plain(samples, start))),
        }
        self.best_of(samples, &correlations)
    }

    /// The best shift from sums of products of 16-bit numbers, one a shift; `None` also when those of a shift are missing.
    pub(super) fn best_with(&self, samples: &[f64], products: &[i64]) -> Option<Match> {
        let (template, around) = self.inner(samples)?;
        let mut correlations = vec![0.0; BEFORE as usize];
        // Below 2^53: exact.
        let product = |shift: usize, _: &[f64]| {
            products
                .get(shift)
                .map_or(f64::NAN, |sum| *sum as f64 * PRODUCT_UNIT)
        };
        correlate(template, around, product, &mut correlations);
        self.best_of(samples, &correlations)
    }

    /// Template and every sample its shifts touch, when all of them exist.
    pub(super) fn inner<'a>(&self, samples: &'a [f64]) -> Option<(&'a [f64], &'a [f64])> {
        let index = |i: i64| usize::try_from(i).ok();
        let template = samples.get(index(self.first)?..=index(self.last)?)?;
        let end = self.to + self.last - self.first;
        let around = samples.get(index(self.from)?..=index(end)?)?;
        Some((template, around))
    }

    /// The first local maximum with the largest correlation. Before the first shift the correlation counts as 0, so that a maximum
    /// can lie there and on the first shift; the last shift is never one.
    fn best_of(&self, samples: &[f64], correlations: &[f64]) -> Option<Match> {
        let mut best: Option<(usize, [f64; 3])> = None;
        for (k, triple) in correlations.windows(3).enumerate() {
            let &[before, here, after] = triple else {
                continue;
            };
            if here >= before && here >= after && best.is_none_or(|(_, top)| here > top[1]) {
                best = Some((k + 1, [before, here, after]));
            }
        }
        let (k, [before, here, after]) = best?;
        let (offset, gain) = vertex(before, here, after);
        let start = self.from + i64::try_from(k).unwrap_or(0) - BEFORE;
        let held = (start..=start + self.last - self.first)
            .filter_map(|i| samples.get(usize::try_from(i).ok()?));
        Some(Match {
            time_s: self.at_s + ((start - self.first) as f64 + offset) * DX,
            correlation: here + gain,
            peak: held.fold(0.0, |peak: f64, x| peak.max(x.abs())),
        })
    }

    /// The correlation at one shift, summed plainly; pairs with a sample outside the segment are skipped.
    fn correlate_plain(&self, samples: &[f64], start: i64) -> f64 {
        let at = |i: i64| samples.get(usize::try_from(i).ok()?).copied();
        let (mut energy, mut moving, mut product) = (0.0, 0.0, 0.0);
        for i in self.first..=self.last {
            if let (Some(a), Some(b)) = (at(i), at(i - self.first + start)) {
                energy += a * a;
                moving += b * b;
                product += a * b;
            }
        }
        if product == 0.0 {
            0.0
        } else {
            product / f64::sqrt(energy * moving)
        }
    }
}

/// Appends the normalised cross-correlation of the template with every stretch of its length in `around`.
fn correlate(
    template: &[f64],
    around: &[f64],
    product: impl Fn(usize, &[f64]) -> f64,
    correlations: &mut Vec<f64>,
) {
    let energy = dot(template, template);
    let mut moving = around
        .get(..template.len())
        .map_or(0.0, |stretch| dot(stretch, stretch));
    let ends = around.iter().skip(template.len());
    let mut steps = around.iter().zip(ends);
    for (shift, stretch) in around.windows(template.len()).enumerate() {
        let product = product(shift, stretch);
        correlations.push(if product == 0.0 {
            0.0
        } else {
            product / (energy * moving).sqrt()
        });
        if let Some((old, new)) = steps.next() {
            moving += new * new - old * old;
        }
    }
}

/// Real 0-based sample index of a time.
fn index_of(time_s: f64) -> f64 {
    time_s / DX - 0.5
}

/// Time of the largest magnitude within `half_s` of `middle_s`, by parabola where it has two neighbours there. The samples that
/// hold the two ends count as inside.
pub(super) fn extremum(samples: &[f64], middle_s: f64, half_s: f64) -> Option<f64> {
    let first = index_of(middle_s - half_s).floor().max(0.0) as usize;
    let last =
        (index_of(middle_s + half_s).ceil().max(0.0) as usize).min(samples.len().checked_sub(1)?);
    let window = samples.get(first..=last)?;
    let top = window
        .iter()
        .enumerate()
        .reduce(|best, next| {
            if next.1.abs() > best.1.abs() {
                next
            } else {
                best
            }
        })?
        .0;
    let offset = match window
        .get(top.wrapping_sub(1)..)
        .and_then(|w| w.first_chunk::<3>())
    {
        Some([before, here, after]) => vertex(*before, *here, *after).0,
        None => 0.0,
    };
    Some(((first + top) as f64 + offset + 0.5) * DX)
}

/// Offset and height gain of the parabola through three values; nothing for a straight line.
fn vertex(before: f64, here: f64, after: f64) -> (f64, f64) {
    let (slope, curve) = (0.5 * (after - before), 2.0 * here - before - after);
    if curve == 0.0 {
        (0.0, 0.0)
    } else {
        (slope / curve, 0.5 * slope * slope / curve)
    }
}

/// Sum of products of two stretches of one length. Exact whatever the order: products of s16 / 32768 are whole multiples of 2^-30.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a
        .remainder()
        .iter()
        .zip(b.remainder())
        .map(|(x, y)| x * y)
        .sum();
    let mut sums = [0.0; 8];
    for (x, y) in a.zip(b) {
        for k in 0..8 {
            sums[k] += x[k] * y[k];
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pulse::reference;

    fn noise(count: usize) -> Vec<f64> {
        let mut state = 1_u64;
        (0..count)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                f64::from(((state >> 48) as u16).cast_signed()) / 32768.0
            })
            .collect()
    }

    #[test]
    fn fast_and_plain_correlation_are_the_same_bits() {
        let mut samples = noise(2000);
        samples[500..900].fill(0.0);
        for (first, last, from, to) in [
            (100, 206, 180, 230),
            (700, 813, 10, 60),
            (450, 479, 480, 600),
            (1000, 1000, 900, 950),
        ] {
            let ask = Ask {
                at_s: 0.0,
                first,
                last,
                from,
                to,
            };
            let (template, around) = ask.inner(&samples).unwrap();
            let plain: Vec<f64> = (from..=to)
                .map(|start| ask.correlate_plain(&samples, start))
                .collect();
            let mut fast = Vec::new();
            correlate(template, around, |_, s| dot(template, s), &mut fast);
            assert_eq!(fast, plain);
            let whole: Vec<i16> = samples.iter().map(|x| (x * 32_768.0) as i16).collect();
            let length = (last - first + 1) as usize;
            let products: Vec<i64> = (from..=to)
                .map(|start| {
                    reference::product(&whole, first as usize, start as usize, length).unwrap()
                })
                .collect();
            assert_eq!(ask.best_with(&samples, &products), ask.best(&samples));
            assert_eq!(
                ask.best(&samples),
                ask.best_of(&samples, &{
                    let mut all = vec![0.0; 2];
                    all.extend(plain);
                    all
                })
            );
        }
    }

    #[test]
    fn a_shifted_copy_is_found_where_it_is() {
        let mut samples = noise(400);
        let copy: Vec<f64> = samples[100..200].to_vec();
        samples[220..320].copy_from_slice(&copy);
        let at_s = (150.0 + 0.5) * DX;
        let ask = Ask::new(at_s, 40.0 * DX, at_s + 100.0 * DX, at_s + 140.0 * DX);
        let found = ask.best(&samples).unwrap();
        assert!((found.time_s - at_s - 120.0 * DX).abs() < 0.5 * DX);
        assert!(found.correlation > 0.99);
    }

    #[test]
    fn edges_and_silence_do_not_fail() {
        let samples = noise(50);
        assert!(
            Ask::new(0.0, 10.0 * DX, -20.0 * DX, -5.0 * DX)
                .best(&samples)
                .is_none_or(|m| m.correlation.is_finite())
        );
        assert!(extremum(&[], 0.0, 0.1).is_none());
        assert_eq!(extremum(&[0.0, 0.5, 0.0], 0.0, 1.0), Some(1.5 * DX));
        assert_eq!(extremum(&[0.5, 0.0], 0.0, 1.0), Some(0.5 * DX));
        // The sample just outside the left end is the largest.
        let falling = [0.0, 0.9, 0.8, 0.1, 0.1, 0.1];
        let found = extremum(&falling, 3.3 * DX, 1.2 * DX).unwrap();
        assert!((found - 1.5 * DX).abs() < 1e-12, "{found}");
    }
}
