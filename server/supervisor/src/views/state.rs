//! Readback, status, alerts, physiology.

use std::collections::BTreeMap;

use lsie_schemas::api::{
    Alert, DataGap, EncounterV2, EngineStatus, LiveReadback, SegmentV2, Status,
};
use lsie_schemas::time::UtcMicros;
use lsie_store::WindowKind;
use lsie_store::rows::{AlertRow, Counts, GapRow, SegmentRow, SessionRow};

use super::{health, session};
use crate::snapshot::Snapshot;

pub(super) fn alert(row: AlertRow) -> Alert {
    Alert {
        alert_id: row.alert_id.to_string(),
        severity: row.severity,
        kind: row.kind,
        message: row.message,
        session_id: row.session_id,
        subsystem_key: row.subsystem_key,
        emitted_at_utc: row.emitted_at,
        acknowledged: row.acknowledged_at.is_some(),
    }
}

pub(super) fn readback(
    row: SessionRow,
    gaps: Vec<GapRow>,
    encounters: Vec<EncounterV2>,
    segments: Vec<SegmentRow>,
    snapshot: &Snapshot,
    now: UtcMicros,
) -> LiveReadback {
    let live = snapshot
        .live
        .as_ref()
        .filter(|live| live.id == row.session_id);
    let open = live.and_then(|live| live.current());
    LiveReadback {
        generated_at_utc: now,
        source_url: row.source_url.clone(),
        epoch_utc: live.and_then(|live| live.epoch).or(row.epoch),
        source_state: live.map_or_else(|| "closed".to_owned(), |live| live.source_state.clone()),
        source: live.and_then(|live| live.source.clone()),
        visual: live.and_then(|live| live.visual.clone()),
        encounter_state: open
            .map_or("awaiting_stimulus", |open| open.phase())
            .to_owned(),
        stimulus_id: open.map(|open| open.stimulus_id),
        stimulus_time_utc: open
            .and_then(|open| open.stimulus_time_s)
            .and_then(UtcMicros::from_epoch_secs),
        session: session::view(row, snapshot, now),
        encounters,
        segments: segments.into_iter().map(segment).collect(),
        data_gaps: gaps
            .into_iter()
            .map(|gap| DataGap {
                from_utc: gap.start,
                to_utc: gap.end.unwrap_or(now),
                reason: gap.cause,
            })
            .collect(),
    }
}

fn segment(row: SegmentRow) -> SegmentV2 {
    let kind = match row.kind {
        WindowKind::Grid => "grid",
        WindowKind::Stimulus => "stimulus",
    };
    let gaps = row.gaps.into_iter().filter_map(|gap| {
        Some(DataGap {
            from_utc: UtcMicros::from_epoch_secs(gap.from_s)?,
            to_utc: UtcMicros::from_epoch_secs(gap.to_s)?,
            reason: gap.reason.as_str().to_owned(),
        })
    });
    SegmentV2 {
        segment_id: row.segment_id,
        kind: kind.to_owned(),
        window_start_utc: row.window_start,
        window_end_utc: row.window_end,
        n_frames: row.n_frames,
        n_observations: row.n_observations,
        action_units: row.action_units,
        speech_s: row.speech_s,
        clock: row.clock,
        data_gaps: gaps.collect(),
    }
}

pub(super) fn status(counts: Counts, snapshot: &Snapshot, now: UtcMicros) -> Status {
    let engine = &snapshot.engine;
    let rows = [
        ("sessions", counts.sessions),
        ("segments", counts.segments),
        ("stimuli", counts.stimuli),
        ("encounters", counts.encounters),
        ("applied_updates", counts.applied_updates),
        ("data_gaps", counts.data_gaps),
        ("failed_stimuli", counts.failed_stimuli),
        ("open_alerts", counts.open_alerts),
    ];
    Status {
        generated_at_utc: now,
        version: env!("CARGO_PKG_VERSION").into(),
        build_id: snapshot.build_id.clone(),
        server_pid: std::process::id(),
        uptime_s: snapshot
            .started_at
            .map_or(0.0, |at| ((now.0 - at.0) as f64 / 1e6).max(0.0)),
        engine: EngineStatus {
            state: engine.state.code().into(),
            pid: engine.pid,
            device: engine.device.clone(),
            deaths: engine.deaths,
            last_exit: engine.last_exit.clone(),
            models: engine.models.clone(),
            counters: engine.counters.clone(),
            observation_latency_ms: engine.observation_latency_ms,
            peers: engine.peers,
            source: snapshot.live.as_ref().and_then(|live| live.source.clone()),
        },
        overall_state: health::view(snapshot, now).overall_state,
        session_id: snapshot.live.as_ref().map(|live| live.id),
        rows: rows
            .into_iter()
            .map(|(name, count)| (name.to_owned(), count))
            .collect::<BTreeMap<_, _>>(),
        recovery: snapshot.recovery.clone(),
    }
}
