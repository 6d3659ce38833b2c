//! Glottal pulses by cross-correlation of neighbouring periods (math 10.3).
//!
//! in: s16 at 16 kHz and its pitch   out: pulse times in seconds, ascending
//! v1 plain sums over the template for every shift (kept as the tests' reference)
//! v2 one energy per shift carried along, four partial sums; samples are s16 / 32768, so all sums are exact and the
//!    results are the same bits

use super::pitch::Pitch;
use super::{RATE_HZ, unit_from_s16};

const DX: f64 = 1.0 / RATE_HZ;
/// Correlations of 0 that stand before the first shift.
const BEFORE: i64 = 2;

/// Pulse times of a segment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pulses {
    times_s: Vec<f64>,
}

impl Pulses {
    /// Pulse times in seconds from the segment's start, ascending.
    #[must_use]
    pub fn times_s(&self) -> &[f64] {
        &self.times_s
    }

    /// From times in any order; those that are not finite are left out.
    #[must_use]
    pub fn from_times(mut times_s: Vec<f64>) -> Self {
        times_s.retain(|t| t.is_finite());
        times_s.sort_unstable_by(f64::total_cmp);
        Self { times_s }
    }
}

/// Finds the pulses of every voiced interval of `pitch` in the samples it was computed from.
#[must_use]
pub fn find_pulses(samples: &[i16], pitch: &Pitch) -> Pulses {
    let samples = unit_from_s16(samples);
    let peak = samples.iter().fold(0.0, |peak: f64, x| peak.max(x.abs()));
    let mut search = Search {
        samples: &samples,
        pitch,
        peak,
        last_right_s: f64::NEG_INFINITY,
        times_s: Vec::new(),
    };
    for (left_s, right_s) in pitch.voiced_intervals() {
        search.interval(left_s, right_s);
    }
    Pulses::from_times(search.times_s)
}

struct Search<'a> {
    samples: &'a [f64],
    pitch: &'a Pitch,
    peak: f64,
    last_right_s: f64,
    times_s: Vec<f64>,
}

impl Search<'_> {
    fn interval(&mut self, left_s: f64, right_s: f64) {
        let middle_s = f64::midpoint(left_s, right_s);
        let Some(start_s) = self
            .pitch
            .f0_at(middle_s)
            .and_then(|f0| extremum(self.samples, middle_s, 0.5 / f0))
        else {
            return;
        };
        self.times_s.push(start_s);
        self.walk_left(start_s, left_s);
        self.walk_right(start_s, right_s);
    }

    fn walk_left(&mut self, start_s: f64, left_s: f64) {
        let mut at_s = start_s;
        while let Some(f0) = self.pitch.f0_at(at_s) {
            let (from_s, to_s) = (at_s - 1.25 / f0, at_s - 0.8 / f0);
            let found = best_match(self.samples, at_s, 0.5 / f0, from_s, to_s);
            let next_s = found.map_or(at_s - 1.0 / f0, |m| m.time_s);
            let is_apart = next_s - self.last_right_s > 0.8 / f0;
            if next_s < left_s {
                if found.is_some_and(|m| self.is_convincing(m)) && is_apart {
                    self.times_s.push(next_s);
                }
                return;
            }
            if found.is_some_and(|m| self.is_acceptable(m)) && is_apart {
                self.times_s.push(next_s);
            }
            if next_s >= at_s {
                return;
            }
            at_s = next_s;
        }
    }

    fn walk_right(&mut self, start_s: f64, right_s: f64) {
        let mut at_s = start_s;
        while let Some(f0) = self.pitch.f0_at(at_s) {
            let (from_s, to_s) = (at_s + 0.8 / f0, at_s + 1.25 / f0);
            let found = best_match(self.samples, at_s, 0.5 / f0, from_s, to_s);
            let next_s = found.map_or(at_s + 1.0 / f0, |m| m.time_s);
            let is_past = next_s > right_s;
            if found.is_some_and(|m| {
                if is_past {
                    self.is_convincing(m)
                } else {
                    self.is_acceptable(m)
                }
            }) {
                self.times_s.push(next_s);
                self.last_right_s = next_s;
            }
            if is_past || next_s <= at_s {
                return;
            }
            at_s = next_s;
        }
    }

    /// Rule beyond the edge of the interval.
    fn is_convincing(&self, found: Match) -> bool {
        found.correlation > 0.7 && found.peak > 0.023_333 * self.peak
    }

    /// Rule inside the interval.
    fn is_acceptable(&self, found: Match) -> bool {
        found.correlation > 0.3 && (found.peak == 0.0 || found.peak > 0.01 * self.peak)
    }
}

/// Where the neighbouring period fits best.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Match {
    time_s: f64,
    correlation: f64,
    peak: f64,
}

/// Real 0-based sample index of a time.
fn index_of(time_s: f64) -> f64 {
    time_s / DX - 0.5
}

/// Time of the largest magnitude within `half_s` of `middle_s`, by parabola where it has two neighbours there. The samples that
/// hold the two ends count as inside.
fn extremum(samples: &[f64], middle_s: f64, half_s: f64) -> Option<f64> {
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

/// Shifts the template around `at_s` so that its centre lies in [from_s, to_s]; the first local maximum with the largest
/// normalised cross-correlation. Before the first shift the correlation counts as 0, so that a maximum can lie there and on the
/// first shift; the last shift is never one.
fn best_match(samples: &[f64], at_s: f64, half_s: f64, from_s: f64, to_s: f64) -> Option<Match> {
    let first = index_of(at_s - half_s).round() as i64;
    let last = index_of(at_s + half_s).round() as i64;
    let from = index_of(from_s - half_s).floor() as i64;
    let to = index_of(to_s - half_s).ceil() as i64;
    let mut correlations = vec![0.0; BEFORE as usize];
    match inner(samples, first, last, from, to) {
        Some((template, around)) => correlate(template, around, &mut correlations),
        None => {
            correlations
                .extend((from..=to).map(|start| correlate_plain(samples, first, last, start)));
        }
    }
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
    let start = from + i64::try_from(k).unwrap_or(0) - BEFORE;
    let held = (start..=start + last - first).filter_map(|i| samples.get(usize::try_from(i).ok()?));
    Some(Match {
        time_s: at_s + ((start - first) as f64 + offset) * DX,
        correlation: here + gain,
        peak: held.fold(0.0, |peak: f64, x| peak.max(x.abs())),
    })
}

/// Template and every sample its shifts touch, when all of them exist.
fn inner(samples: &[f64], first: i64, last: i64, from: i64, to: i64) -> Option<(&[f64], &[f64])> {
    let index = |i: i64| usize::try_from(i).ok();
    let template = samples.get(index(first)?..=index(last)?)?;
    let around = samples.get(index(from)?..=index(to + last - first)?)?;
    Some((template, around))
}

/// Appends the normalised cross-correlation of the template with every stretch of its length in `around`.
fn correlate(template: &[f64], around: &[f64], correlations: &mut Vec<f64>) {
    let energy = dot(template, template);
    let mut moving = around
        .get(..template.len())
        .map_or(0.0, |stretch| dot(stretch, stretch));
    let ends = around.iter().skip(template.len());
    let mut steps = around.iter().zip(ends);
    for stretch in around.windows(template.len()) {
        let product = dot(template, stretch);
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

/// The same for one shift, summed plainly; pairs with a sample outside the segment are skipped.
fn correlate_plain(samples: &[f64], first: i64, last: i64, start: i64) -> f64 {
    let at = |i: i64| samples.get(usize::try_from(i).ok()?).copied();
    let (mut energy, mut moving, mut product) = (0.0, 0.0, 0.0);
    for i in first..=last {
        if let (Some(a), Some(b)) = (at(i), at(i - first + start)) {
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
            let (template, around) = inner(&samples, first, last, from, to).unwrap();
            let plain: Vec<f64> = (from..=to)
                .map(|start| correlate_plain(&samples, first, last, start))
                .collect();
            let mut fast = Vec::new();
            correlate(template, around, &mut fast);
            assert_eq!(fast, plain);
        }
    }

    #[test]
    fn a_shifted_copy_is_found_where_it_is() {
        let mut samples = noise(400);
        let copy: Vec<f64> = samples[100..200].to_vec();
        samples[220..320].copy_from_slice(&copy);
        let at_s = (150.0 + 0.5) * DX;
        let found = best_match(
            &samples,
            at_s,
            40.0 * DX,
            at_s + 100.0 * DX,
            at_s + 140.0 * DX,
        )
        .unwrap();
        assert!((found.time_s - at_s - 120.0 * DX).abs() < 0.5 * DX);
        assert!(found.correlation > 0.99);
    }

    #[test]
    fn edges_and_silence_do_not_fail() {
        let samples = noise(50);
        assert!(
            best_match(&samples, 0.0, 10.0 * DX, -20.0 * DX, -5.0 * DX)
                .is_none_or(|m| m.correlation.is_finite())
        );
        assert!(extremum(&[], 0.0, 0.1).is_none());
        assert_eq!(extremum(&[0.0, 0.5, 0.0], 0.0, 1.0), Some(1.5 * DX));
        assert_eq!(extremum(&[0.5, 0.0], 0.0, 1.0), Some(0.5 * DX));
        // The sample just outside the left end is the largest.
        let falling = [0.0, 0.9, 0.8, 0.1, 0.1, 0.1];
        let found = extremum(&falling, 3.3 * DX, 1.2 * DX).unwrap();
        assert!((found - 1.5 * DX).abs() < 1e-12, "{found}");
        let silence = Pitch::analyse(&[0; 4000], super::super::Form::Fast);
        assert_eq!(find_pulses(&[0; 4000], &silence), Pulses::default());
    }
}
