//! The cheapest path through the candidates of all frames (math 10.2).

use super::frame::{Candidate, CandidateTable};
use super::{
    CEILING_HZ, FrameGrid, OCTAVE_COST, OCTAVE_JUMP_COST, PitchFrame, SILENCE_THRESHOLD,
    VOICED_UNVOICED_COST, VOICING_THRESHOLD,
};

const UNVOICED: Candidate = Candidate {
    f0_hz: 0.0,
    strength: 0.0,
};

/// Strength of "unvoiced" in a frame whose local peak is `intensity` of the global one.
pub(super) fn unvoiced_strength(intensity: f64) -> f64 {
    VOICING_THRESHOLD + (2.0 - intensity / (SILENCE_THRESHOLD / (1.0 + VOICING_THRESHOLD))).max(0.0)
}

/// Relative local peak, at most 1; 0 in a silent segment.
pub(super) fn intensity(local_peak: f64, global_peak: f64) -> f64 {
    if global_peak > 0.0 {
        (local_peak / global_peak).min(1.0)
    } else {
        0.0
    }
}

/// Worth of a candidate within its frame.
pub(super) fn local_value(candidate: &Candidate, unvoiced: f64) -> f64 {
    if is_voiced(candidate) {
        candidate.strength - OCTAVE_COST * (CEILING_HZ / candidate.f0_hz).log2()
    } else {
        unvoiced
    }
}

/// The path of largest total worth; ties keep the earlier candidate.
pub(super) fn best_path(
    table: &CandidateTable,
    global_peak: f64,
    grid: FrameGrid,
) -> Vec<PitchFrame> {
    let frames = table.len();
    let mut back: Vec<Vec<usize>> = Vec::with_capacity(frames);
    let mut totals: Vec<f64> = Vec::new();
    let mut previous: Vec<Candidate> = Vec::new();
    for frame in 0..frames {
        let unvoiced = unvoiced_strength(intensity(table.local_peak(frame), global_peak));
        let current = candidates(table, frame);
        let mut from = Vec::with_capacity(current.len());
        let mut next = Vec::with_capacity(current.len());
        for candidate in &current {
            let costs = previous
                .iter()
                .map(|before| transition_cost(before, candidate));
            let (index, total) =
                first_largest(totals.iter().zip(costs).map(|(total, cost)| total - cost))
                    .unwrap_or((0, 0.0));
            from.push(index);
            next.push(total + local_value(candidate, unvoiced));
        }
        back.push(from);
        (totals, previous) = (next, current);
    }
    let mut choice = first_largest(totals.iter().copied()).map_or(0, |(index, _)| index);
    let mut path = Vec::with_capacity(frames);
    for (frame, from) in back.iter().enumerate().rev() {
        let chosen = choice
            .checked_sub(1)
            .and_then(|k| table.voiced(frame).get(k))
            .copied()
            .filter(is_voiced);
        let Candidate { f0_hz, strength } = chosen.unwrap_or(UNVOICED);
        path.push(PitchFrame {
            time_s: grid.time_s(frame),
            f0_hz,
            strength,
            harmonic: table.harmonic(frame, f0_hz),
        });
        choice = from.get(choice).copied().unwrap_or(0);
    }
    path.reverse();
    path
}

fn candidates(table: &CandidateTable, frame: usize) -> Vec<Candidate> {
    std::iter::once(UNVOICED)
        .chain(table.voiced(frame).iter().copied())
        .collect()
}

fn is_voiced(candidate: &Candidate) -> bool {
    candidate.f0_hz > 0.0 && candidate.f0_hz < CEILING_HZ
}

fn transition_cost(from: &Candidate, to: &Candidate) -> f64 {
    match (is_voiced(from), is_voiced(to)) {
        (false, false) => 0.0,
        (true, true) => OCTAVE_JUMP_COST * (from.f0_hz / to.f0_hz).log2().abs(),
        _ => VOICED_UNVOICED_COST,
    }
}

fn first_largest(values: impl Iterator<Item = f64>) -> Option<(usize, f64)> {
    values
        .enumerate()
        .reduce(|best, next| if next.1 > best.1 { next } else { best })
}
