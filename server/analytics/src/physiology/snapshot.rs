//! One person's snapshot (math 8.2 to 8.8).

use lsie_schemas::contract::{
    DerivationMethod, PhysiologicalChunkEvent, PhysiologicalContext, PhysiologicalSnapshot,
    SourceKind,
};
use lsie_schemas::text::round_half_even;
use lsie_schemas::time::UtcMicros;

use crate::statistics::mean;

const WINDOW_SECS: u64 = 300;
const WINDOW_MICROS: i64 = 300_000_000;
const VALIDITY_MINIMUM: f64 = 0.80;
const STALE_ABOVE_SECS: f64 = 600.0;
/// Longest pause between chunks across which two heartbeats still count as successive.
const JOIN_MICROS: i64 = 2_000_000;

/// A snapshot with the raw share it was judged by.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    /// The snapshot, its validity ratio clamped to 1.
    pub snapshot: PhysiologicalSnapshot,
    /// Valid over expected samples as counted; above 1 the provider miscounted, which is worth a log line.
    pub raw_validity_ratio: f64,
}

/// How a snapshot is shown; the states stay distinct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisplayState {
    /// No snapshot.
    Absent,
    /// Older than 600 s.
    Stale,
    /// Too few valid samples.
    Invalid,
    /// Valid, but without an RMSSD.
    NoRmssd,
    /// Usable.
    Fresh,
}

/// Derives the snapshot from chunks in order of `(window_end, window_start)`; `None` without chunks.
pub fn derive_snapshot(chunks: &[PhysiologicalChunkEvent], now_utc: UtcMicros) -> Option<Derived> {
    let newest = chunks.last()?;
    let oldest_end = UtcMicros(now_utc.0.saturating_sub(WINDOW_MICROS));
    let in_window = |kind: SourceKind| -> Vec<&PhysiologicalChunkEvent> {
        chunks
            .iter()
            .filter(|c| c.window_end_utc >= oldest_end && c.source_kind == kind)
            .collect()
    };
    let mut kind = SourceKind::Ibi;
    let mut contributing = in_window(kind);
    if contributing.is_empty() {
        kind = SourceKind::Session;
        contributing = in_window(kind);
    }
    let Some(&latest) = contributing.last() else {
        return Some(metadata_only(newest, now_utc));
    };
    let raw_validity_ratio = validity(&contributing);
    let is_valid = raw_validity_ratio >= VALIDITY_MINIMUM;
    let rmssd = match kind {
        _ if !is_valid => None,
        SourceKind::Ibi => ibi_rmssd(&contributing),
        SourceKind::Session => {
            let items: Vec<f64> = contributing
                .iter()
                .flat_map(|c| c.payload.rmssd_items_ms.iter().flatten().copied())
                .collect();
            mean(&items).filter(|v| v.is_finite())
        }
    };
    let derivation_method = if kind == SourceKind::Ibi && rmssd.is_some() {
        DerivationMethod::Server
    } else {
        latest.payload.derivation_method
    };
    let beats: Vec<f64> = contributing
        .iter()
        .flat_map(|c| {
            c.payload
                .heart_rate_items_bpm
                .iter()
                .flatten()
                .map(|b| f64::from(*b))
        })
        .collect();
    let mut snapshot = bare(latest, now_utc);
    snapshot.source_kind = kind;
    snapshot.derivation_method = derivation_method;
    snapshot.rmssd_ms = rmssd.map(|v| round_half_even(v, 3));
    snapshot.heart_rate_bpm = mean(&beats)
        .filter(|v| v.is_finite())
        .map(|v| v.round_ties_even() as u16);
    snapshot.validity_ratio = raw_validity_ratio.clamp(0.0, 1.0);
    snapshot.is_valid = is_valid;
    Some(Derived {
        snapshot,
        raw_validity_ratio,
    })
}

/// A snapshot that only says where the newest chunk came from: nothing lies in the window.
fn metadata_only(newest: &PhysiologicalChunkEvent, now_utc: UtcMicros) -> Derived {
    Derived {
        snapshot: bare(newest, now_utc),
        raw_validity_ratio: 0.0,
    }
}

fn bare(chunk: &PhysiologicalChunkEvent, now_utc: UtcMicros) -> PhysiologicalSnapshot {
    let freshness_secs = age_secs(chunk.window_end_utc, now_utc);
    PhysiologicalSnapshot {
        rmssd_ms: None,
        heart_rate_bpm: None,
        source_timestamp_utc: chunk.window_end_utc,
        freshness_s: round_half_even(freshness_secs, 1),
        is_stale: freshness_secs > STALE_ABOVE_SECS,
        provider: chunk.provider.clone(),
        source_kind: chunk.source_kind,
        derivation_method: chunk.payload.derivation_method,
        window_s: WINDOW_SECS,
        validity_ratio: 0.0,
        is_valid: false,
    }
}

fn age_secs(then_utc: UtcMicros, now_utc: UtcMicros) -> f64 {
    now_utc.0.saturating_sub(then_utc.0).max(0) as f64 / 1e6
}

fn validity(chunks: &[&PhysiologicalChunkEvent]) -> f64 {
    let valid: f64 = chunks
        .iter()
        .map(|c| c.payload.valid_sample_count as f64)
        .sum();
    let expected: f64 = chunks
        .iter()
        .map(|c| c.payload.expected_sample_count as f64)
        .sum();
    valid / expected.max(1.0)
}

/// Root mean square of successive differences; `None` without any difference.
fn ibi_rmssd(chunks: &[&PhysiologicalChunkEvent]) -> Option<f64> {
    let mut squares = Vec::new();
    let mut last: Option<(UtcMicros, f64)> = None;
    for chunk in chunks {
        let items = chunk.payload.ibi_ms_items.as_deref().unwrap_or_default();
        let mut previous = last.filter(|(end, _)| {
            let pause = chunk.window_start_utc.0.saturating_sub(end.0);
            (0..=JOIN_MICROS).contains(&pause)
        });
        for &item in items.iter().filter(|v| v.is_finite()) {
            if let Some((_, before)) = previous {
                squares.push((item - before) * (item - before));
            }
            previous = Some((chunk.window_end_utc, item));
            last = previous;
        }
    }
    mean(&squares).map(f64::sqrt).filter(|v| v.is_finite())
}

/// The context of a segment; `None` when no role has a snapshot, so that the key is left out (math 8.8).
pub fn context(
    streamer: Option<PhysiologicalSnapshot>,
    operator: Option<PhysiologicalSnapshot>,
) -> Option<PhysiologicalContext> {
    (streamer.is_some() || operator.is_some())
        .then_some(PhysiologicalContext { streamer, operator })
}

/// A stored snapshot as it reads now: usable rows only, freshness counted anew (math 8.8).
///
/// `None` for a row that was invalid or stale when stored; a row that went stale since says so.
pub fn reread(stored: &PhysiologicalSnapshot, now_utc: UtcMicros) -> Option<PhysiologicalSnapshot> {
    if !stored.is_valid || stored.is_stale {
        return None;
    }
    let freshness_secs = age_secs(stored.source_timestamp_utc, now_utc);
    let mut snapshot = stored.clone();
    snapshot.freshness_s = round_half_even(freshness_secs, 1);
    snapshot.is_stale = freshness_secs > STALE_ABOVE_SECS;
    Some(snapshot)
}

/// The state to show for a snapshot.
pub fn display_state(snapshot: Option<&PhysiologicalSnapshot>) -> DisplayState {
    match snapshot {
        None => DisplayState::Absent,
        Some(s) if s.is_stale => DisplayState::Stale,
        Some(s) if !s.is_valid => DisplayState::Invalid,
        Some(s) if s.rmssd_ms.is_none() => DisplayState::NoRmssd,
        Some(_) => DisplayState::Fresh,
    }
}
