//! Glottal pulses by cross-correlation of neighbouring periods (math 10.3).
//!
//! ```text
//!  voiced interval   ├───────────────●───────────────┤      ● largest magnitude near the middle
//!                     ◀── walk left ── ── walk right ──▶      each step: where the next period fits best
//! ```
//!
//! in: s16 at 16 kHz and its pitch   out: pulse times in seconds, ascending
//! Walks do not depend on each other but for one rule, which is applied when all have ended. So all of them step together where a
//! device sums their products ([`crate::pulse`]), and one after the other on the processor; the pulses are the same bits.

mod fit;

use super::pitch::Pitch;
use super::unit_from_s16;
use crate::error::KernelError;
use crate::pulse::{MAX_LENGTH, MAX_ROWS, MAX_SAMPLES, MAX_SHIFTS, PeriodMatcher, Row};
use fit::{Ask, Match, extremum};

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
    let mut search = Search::new(&samples, pitch);
    for walk in search.intervals.iter_mut().flat_map(Interval::walks) {
        while let Some(ask) = walk.ask(pitch) {
            walk.take(ask.best(&samples), search.peak);
        }
    }
    search.finish()
}

/// The same, bit for bit, with products summed on a device: a step of all walks in one launch. At most
/// [`MAX_SAMPLES`] samples.
pub fn find_pulses_on(
    matcher: &mut PeriodMatcher,
    samples: &[i16],
    pitch: &Pitch,
) -> Result<Pulses, KernelError> {
    if samples.len() > MAX_SAMPLES {
        return Err(KernelError::OutOfRange {
            what: "pulse samples",
        });
    }
    matcher.hold(samples)?;
    let samples = unit_from_s16(samples);
    let mut search = Search::new(&samples, pitch);
    let peak = search.peak;
    let mut walks: Vec<&mut Walk> = search
        .intervals
        .iter_mut()
        .flat_map(Interval::walks)
        .collect();
    let mut rows = Vec::with_capacity(MAX_ROWS);
    while !walks.is_empty() {
        for some in walks.chunks_mut(MAX_ROWS) {
            let asks: Vec<Option<Ask>> = some.iter_mut().map(|walk| walk.ask(pitch)).collect();
            let possible = asks.iter().flatten();
            rows.clear();
            rows.extend(possible.filter_map(|ask| row_of(ask, &samples)));
            let mut sums = matcher.run(&rows)?.chunks_exact(MAX_SHIFTS);
            for (walk, ask) in some.iter_mut().zip(&asks) {
                let Some(ask) = ask else { continue };
                let own =
                    row_of(ask, &samples).and_then(|row| sums.next()?.get(..row.shifts as usize));
                let found = match own {
                    Some(products) => ask.best_with(&samples, products),
                    None => ask.best(&samples),
                };
                walk.take(found, peak);
            }
        }
        walks.retain(|walk| !walk.is_over);
    }
    Ok(search.finish())
}

/// What a device needs for an answer; `None` for one at the segment's edge, or longer than a device takes.
fn row_of(ask: &Ask, samples: &[f64]) -> Option<Row> {
    let (template, around) = ask.inner(samples)?;
    let shifts = (around.len() + 1).checked_sub(template.len())?;
    let fits = (1..=MAX_LENGTH).contains(&template.len()) && (1..=MAX_SHIFTS).contains(&shifts);
    fits.then_some(Row {
        first: u32::try_from(ask.first).ok()?,
        length: template.len() as u32,
        from: u32::try_from(ask.from).ok()?,
        shifts: shifts as u32,
    })
}

/// All walks of a segment.
struct Search {
    /// Largest magnitude of the segment.
    peak: f64,
    intervals: Vec<Interval>,
}

/// One voiced interval: its first pulse, and the walks from there.
struct Interval {
    start_s: f64,
    left: Walk,
    right: Walk,
}

impl Search {
    fn new(samples: &[f64], pitch: &Pitch) -> Self {
        let intervals = pitch.voiced_intervals().into_iter();
        let intervals = intervals.filter_map(|(left_s, right_s)| {
            let middle_s = f64::midpoint(left_s, right_s);
            let f0 = pitch.f0_at(middle_s)?;
            let start_s = extremum(samples, middle_s, 0.5 / f0)?;
            Some(Interval {
                start_s,
                left: Walk::new(start_s, left_s, Heading::Left),
                right: Walk::new(start_s, right_s, Heading::Right),
            })
        });
        Search {
            peak: samples.iter().fold(0.0, |peak: f64, x| peak.max(x.abs())),
            intervals: intervals.collect(),
        }
    }

    /// The pulses of all walks. One found to the left must keep its distance from the last one of earlier walks to the right.
    fn finish(self) -> Pulses {
        let mut last_right_s = f64::NEG_INFINITY;
        let mut times_s = Vec::new();
        for interval in self.intervals {
            times_s.push(interval.start_s);
            let apart = interval.left.found.iter();
            let apart = apart.filter(|found| found.time_s - last_right_s > found.least_gap_s);
            times_s.extend(apart.map(|found| found.time_s));
            times_s.extend(interval.right.found.iter().map(|found| found.time_s));
            if let Some(last) = interval.right.found.last() {
                last_right_s = last.time_s;
            }
        }
        Pulses::from_times(times_s)
    }
}

impl Interval {
    fn walks(&mut self) -> [&mut Walk; 2] {
        [&mut self.left, &mut self.right]
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heading {
    Left,
    Right,
}

/// From pulse to pulse in one direction.
struct Walk {
    at_s: f64,
    edge_s: f64,
    heading: Heading,
    /// F0 of the step in progress, Hz.
    f0: f64,
    is_over: bool,
    found: Vec<Found>,
}

struct Found {
    time_s: f64,
    least_gap_s: f64,
}

impl Walk {
    fn new(start_s: f64, edge_s: f64, heading: Heading) -> Self {
        Walk {
            at_s: start_s,
            edge_s,
            heading,
            f0: 0.0,
            is_over: false,
            found: Vec::new(),
        }
    }

    /// What has to be compared for the next step; `None` at the end.
    fn ask(&mut self, pitch: &Pitch) -> Option<Ask> {
        let f0 = pitch.f0_at(self.at_s).filter(|_| !self.is_over);
        self.is_over = f0.is_none();
        self.f0 = f0?;
        let (at_s, f0) = (self.at_s, self.f0);
        let (from_s, to_s) = match self.heading {
            Heading::Left => (at_s - 1.25 / f0, at_s - 0.8 / f0),
            Heading::Right => (at_s + 0.8 / f0, at_s + 1.25 / f0),
        };
        Some(Ask::new(at_s, 0.5 / f0, from_s, to_s))
    }

    /// Goes one period on, to the match or as far as F0 says without one.
    fn take(&mut self, found: Option<Match>, peak: f64) {
        let (at_s, period_s) = (self.at_s, 1.0 / self.f0);
        let next_s = match (found, self.heading) {
            (Some(found), _) => found.time_s,
            (None, Heading::Left) => at_s - period_s,
            (None, Heading::Right) => at_s + period_s,
        };
        let (is_past, is_stuck) = match self.heading {
            Heading::Left => (next_s < self.edge_s, next_s >= at_s),
            Heading::Right => (next_s > self.edge_s, next_s <= at_s),
        };
        let is_pulse = found.is_some_and(|found| {
            if is_past {
                found.is_convincing(peak)
            } else {
                found.is_acceptable(peak)
            }
        });
        if is_pulse {
            self.found.push(Found {
                time_s: next_s,
                least_gap_s: 0.8 / self.f0,
            });
        }
        self.is_over = is_past || is_stuck;
        self.at_s = next_s;
    }
}

impl Match {
    /// Rule beyond the edge of the interval; `peak` is the segment's.
    fn is_convincing(&self, peak: f64) -> bool {
        self.correlation > 0.7 && self.peak > 0.023_333 * peak
    }

    /// Rule inside the interval.
    fn is_acceptable(&self, peak: f64) -> bool {
        self.correlation > 0.3 && (self.peak == 0.0 || self.peak > 0.01 * peak)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Form;
    use super::*;

    #[test]
    fn silence_has_no_pulses() {
        let silence = Pitch::analyse(&[0; 4000], Form::Fast);
        assert_eq!(find_pulses(&[0; 4000], &silence), Pulses::default());
    }
}
