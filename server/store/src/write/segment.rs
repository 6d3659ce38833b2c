//! Segments, their measurements and the gaps between them.

use std::collections::BTreeMap;

use lsie_schemas::contract::{AcousticMetrics, SemanticMethod, SemanticReason};
use lsie_schemas::id::SegmentId;
use lsie_schemas::link::{GapNote, SegmentClock, SegmentKind, SegmentMessage, VoiceSummary};
use lsie_schemas::observation::{NullReason, UnitStatistics};
use lsie_schemas::time::UtcMicros;
use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::column;
use crate::error::{Conflict, StoreError};
use crate::write::session;

/// Which rule cut a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowKind {
    /// The fixed grid.
    Grid,
    /// Around a stimulus.
    Stimulus,
}

/// A closed 30 s window: derived values only.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentRecord {
    /// Identity; inserted once.
    pub segment_id: SegmentId,
    /// Session.
    pub session_id: Uuid,
    /// Which rule cut it.
    pub kind: WindowKind,
    /// First instant.
    pub window_start: UtcMicros,
    /// Last instant, exactly 30 s later.
    pub window_end: UtcMicros,
    /// SHA-256 of the PCM, 64 lowercase hex digits; the PCM itself is never stored.
    pub pcm_sha256: Option<String>,
    /// Seconds of zeros before the first sample.
    pub silence_prefix_s: f64,
    /// Voice activity and level, where there is sound.
    pub voice: Option<VoiceSummary>,
    /// AU12 values in the window.
    pub n_observations: u32,
    /// Statistics of each action unit that was scored in it.
    pub action_units: Vec<UnitStatistics>,
    /// Frames analysed in the window.
    pub n_frames: u32,
    /// Frames without a value, by reason.
    pub absent: BTreeMap<NullReason, u32>,
    /// Neutral baseline of the scores.
    pub baseline_ratio: Option<f64>,
    /// Stretches without data.
    pub gaps: Vec<GapNote>,
    /// How the source's clock stood, where it has one of its own.
    pub clock: Option<SegmentClock>,
}

/// Numbers measured in a window.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricsRecord {
    /// AU12 read-out of the window in [0, 1].
    pub au12_intensity: Option<f64>,
    /// The 15 acoustic values; `None` stores nulls.
    pub acoustic: Option<AcousticMetrics>,
}

/// Delivery judgement of a window.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationRecord {
    /// Bounded reason.
    pub reasoning: SemanticReason,
    /// Whether the stimulus was delivered.
    pub is_match: bool,
    /// Confidence in [0, 1].
    pub confidence: f64,
    /// Method.
    pub method: SemanticMethod,
    /// Its version, 1 to 200 characters.
    pub method_version: String,
}

/// A stretch of a session that was not measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGap {
    /// Session.
    pub session_id: Uuid,
    /// Stable code, e.g. `engine_restart`.
    pub cause: String,
    /// First instant lost.
    pub start: UtcMicros,
    /// Last instant lost; `None` while it lasts.
    pub end: Option<UtcMicros>,
}

impl From<&SegmentMessage> for SegmentRecord {
    fn from(message: &SegmentMessage) -> Self {
        Self {
            segment_id: message.segment_id.clone(),
            session_id: message.session_id,
            kind: match message.kind {
                SegmentKind::Grid { .. } => WindowKind::Grid,
                SegmentKind::Stimulus { .. } => WindowKind::Stimulus,
            },
            window_start: message.window_start,
            window_end: message.window_end,
            pcm_sha256: message
                .pcm_sha256
                .as_ref()
                .map(|text| text.as_str().to_owned()),
            silence_prefix_s: message.silence_prefix_s,
            voice: message.voice,
            n_observations: message.au12_series.as_slice().len() as u32,
            action_units: message.action_units.as_slice().to_vec(),
            n_frames: message.frames,
            absent: message.absent.clone(),
            baseline_ratio: message.baseline_ratio,
            gaps: message.gaps.as_slice().to_vec(),
            clock: message.clock,
        }
    }
}

/// Inserts a segment with its metrics. Returns false when the segment was there already (nothing is changed then).
pub(crate) fn record(
    transaction: &Transaction<'_>,
    segment: &SegmentRecord,
    metrics: Option<&MetricsRecord>,
    now: UtcMicros,
) -> Result<bool, StoreError> {
    session::require(transaction, segment.session_id)?;
    let is_new = insert(transaction, segment, now)?;
    if let Some(metrics) = metrics {
        insert_metrics(transaction, segment, metrics, now)?;
    }
    Ok(is_new)
}

/// Inserts the segment row once.
pub(crate) fn insert(
    transaction: &Transaction<'_>,
    segment: &SegmentRecord,
    now: UtcMicros,
) -> Result<bool, StoreError> {
    if segment.window_end.0.checked_sub(segment.window_start.0) != Some(30_000_000) {
        return Err(StoreError::invalid("window", "must last exactly 30 s"));
    }
    let stored: Option<(String, i64)> = transaction
        .prepare_cached("SELECT session_id, window_start_us FROM segments WHERE segment_id = ?1")?
        .query_row([segment.segment_id.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    if let Some((session_id, start_us)) = stored {
        let is_same =
            session_id == segment.session_id.to_string() && start_us == segment.window_start.0;
        return if is_same {
            Ok(false)
        } else {
            Err(Conflict::SegmentReused.into())
        };
    }
    for gap in &segment.gaps {
        column::finite("gap.from_s", gap.from_s)?;
        column::finite("gap.to_s", gap.to_s)?;
    }
    for unit in &segment.action_units {
        for score in [
            unit.mean,
            unit.deviation,
            unit.p10,
            unit.median,
            unit.p90,
            unit.largest,
        ] {
            column::finite("action_units", f64::from(score))?;
        }
    }
    let (voice, clock) = (segment.voice, segment.clock);
    transaction
        .prepare_cached(
            "INSERT INTO segments (segment_id, session_id, kind, window_start_us, window_end_us, pcm_sha256,
                 silence_prefix_s, speech_s, rms_dbfs, peak_dbfs, n_observations, n_frames, absent, baseline_ratio,
                 gaps, created_at_us, clock_state, clock_offset_s, clock_drift_ppm, clock_uncertainty_ms,
                 action_units)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)",
        )?
        .execute(params![
            segment.segment_id.as_str(),
            segment.session_id.to_string(),
            column::to_word(&segment.kind)?,
            segment.window_start.0,
            segment.window_end.0,
            segment.pcm_sha256,
            column::finite("silence_prefix_s", segment.silence_prefix_s)?,
            column::optional_finite("speech_s", voice.and_then(|voice| voice.speech_s))?,
            level(voice.map(|voice| voice.rms_dbfs))?,
            level(voice.map(|voice| voice.peak_dbfs))?,
            segment.n_observations,
            segment.n_frames,
            column::to_json(&segment.absent)?,
            column::optional_finite("baseline_ratio", segment.baseline_ratio)?,
            column::to_json(&segment.gaps)?,
            now.0,
            clock.map(|clock| clock.state.word()),
            column::optional_finite("clock_offset_s", clock.and_then(|clock| clock.offset_s))?,
            column::optional_finite("clock_drift_ppm", clock.and_then(|clock| clock.drift_ppm))?,
            column::optional_finite("clock_uncertainty_ms", clock.and_then(|clock| clock.uncertainty_ms))?,
            column::to_json(&segment.action_units)?,
        ])?;
    Ok(true)
}

/// Digital silence has a level of minus infinity, which has no JSON form: it is stored as -200 dB.
fn level(dbfs: Option<f64>) -> Result<Option<f64>, StoreError> {
    match dbfs {
        Some(f64::NEG_INFINITY) => Ok(Some(-200.0)),
        other => column::optional_finite("level", other),
    }
}

/// Inserts the numbers of a segment once.
pub(crate) fn insert_metrics(
    transaction: &Transaction<'_>,
    segment: &SegmentRecord,
    metrics: &MetricsRecord,
    now: UtcMicros,
) -> Result<(), StoreError> {
    let acoustic = metrics.acoustic.as_ref();
    let number = |field, pick: fn(&AcousticMetrics) -> Option<f64>| {
        column::optional_finite(field, acoustic.and_then(pick))
    };
    let flag = |pick: fn(&AcousticMetrics) -> bool| acoustic.map(pick);
    let au12 = metrics
        .au12_intensity
        .map(|value| column::unit("au12_intensity", value))
        .transpose()?;
    transaction
        .prepare_cached(
            "INSERT INTO metrics (session_id, segment_id, timestamp_us, au12_intensity,
                 f0_valid_measure, f0_valid_baseline, perturbation_valid_measure, perturbation_valid_baseline,
                 voiced_coverage_measure_s, voiced_coverage_baseline_s,
                 f0_mean_measure_hz, f0_mean_baseline_hz, f0_delta_semitones,
                 jitter_mean_measure, jitter_mean_baseline, jitter_delta,
                 shimmer_mean_measure, shimmer_mean_baseline, shimmer_delta, created_at_us)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)
             ON CONFLICT (session_id, segment_id) DO NOTHING",
        )?
        .execute(params![
            segment.session_id.to_string(),
            segment.segment_id.as_str(),
            segment.window_end.0,
            au12,
            flag(|a| a.f0_valid_measure),
            flag(|a| a.f0_valid_baseline),
            flag(|a| a.perturbation_valid_measure),
            flag(|a| a.perturbation_valid_baseline),
            number("voiced_coverage_measure_s", |a| Some(a.voiced_coverage_measure_s))?,
            number("voiced_coverage_baseline_s", |a| Some(a.voiced_coverage_baseline_s))?,
            number("f0_mean_measure_hz", |a| a.f0_mean_measure_hz)?,
            number("f0_mean_baseline_hz", |a| a.f0_mean_baseline_hz)?,
            number("f0_delta_semitones", |a| a.f0_delta_semitones)?,
            number("jitter_mean_measure", |a| a.jitter_mean_measure)?,
            number("jitter_mean_baseline", |a| a.jitter_mean_baseline)?,
            number("jitter_delta", |a| a.jitter_delta)?,
            number("shimmer_mean_measure", |a| a.shimmer_mean_measure)?,
            number("shimmer_mean_baseline", |a| a.shimmer_mean_baseline)?,
            number("shimmer_delta", |a| a.shimmer_delta)?,
            now.0,
        ])?;
    Ok(())
}

/// Inserts the delivery judgement of a segment once.
pub(crate) fn insert_evaluation(
    transaction: &Transaction<'_>,
    segment: &SegmentRecord,
    evaluation: &EvaluationRecord,
    now: UtcMicros,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO evaluations (session_id, segment_id, timestamp_us, reasoning, is_match, confidence,
                 semantic_method, semantic_method_version, created_at_us)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (session_id, segment_id) DO NOTHING",
        )?
        .execute(params![
            segment.session_id.to_string(),
            segment.segment_id.as_str(),
            segment.window_end.0,
            column::to_word(&evaluation.reasoning)?,
            evaluation.is_match,
            column::unit("confidence", evaluation.confidence)?,
            column::to_word(&evaluation.method)?,
            column::bounded("semantic_method_version", &evaluation.method_version, 200)?,
            now.0,
        ])?;
    Ok(())
}

/// Records a gap, or closes an open one of the same cause and start.
pub(crate) fn record_gap(transaction: &Transaction<'_>, gap: &NewGap) -> Result<i64, StoreError> {
    column::code("cause", &gap.cause)?;
    session::require(transaction, gap.session_id)?;
    if gap.end.is_some_and(|end| end < gap.start) {
        return Err(StoreError::invalid("end", "must not precede the start"));
    }
    let id = transaction
        .prepare_cached(
            "INSERT INTO data_gaps (session_id, cause, start_us, end_us) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (session_id, cause, start_us) DO UPDATE SET end_us = coalesce(excluded.end_us, end_us)
             RETURNING id",
        )?
        .query_row(
            params![gap.session_id.to_string(), gap.cause, gap.start.0, gap.end.map(|end| end.0)],
            |row| row.get(0),
        )?;
    Ok(id)
}
