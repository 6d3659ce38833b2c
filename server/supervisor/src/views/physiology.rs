//! Physiology and co-modulation as stored, with ages counted from now.

use lsie_analytics::physiology::{DisplayState, display_state, reread};
use lsie_schemas::api::{
    CoModulation, CoModulationLogRow, Physiology, PhysiologyLogRow, PhysiologyV2, RoleSnapshot,
};
use lsie_schemas::contract::{CoModulationNullReason, SubjectRole};
use lsie_schemas::time::UtcMicros;
use lsie_store::rows::{CoModulationRow, PhysiologyRow};
use lsie_store::{ReadView, StoreError};
use uuid::Uuid;

/// What is stored of one session, as far as the read-outs need it.
#[derive(Debug, Default)]
pub(super) struct Stored {
    streamer: Person,
    operator: Person,
    comodulation: Option<CoModulationRow>,
}

/// Newest row of a person, and the newest usable one.
#[derive(Debug, Default)]
struct Person {
    newest: Option<PhysiologyRow>,
    usable: Option<PhysiologyRow>,
}

pub(super) fn read(view: &ReadView, session_id: Uuid) -> Result<Stored, StoreError> {
    let person = |role| -> Result<Person, StoreError> {
        Ok(Person {
            newest: view.newest_physiology(session_id, role)?,
            usable: view.usable_physiology(session_id, role)?,
        })
    };
    Ok(Stored {
        streamer: person(SubjectRole::Streamer)?,
        operator: person(SubjectRole::Operator)?,
        comodulation: view.comodulation(session_id, 1)?.into_iter().next(),
    })
}

pub(super) fn view(session_id: Uuid, stored: &Stored, now: UtcMicros) -> Physiology {
    Physiology {
        session_id,
        streamer: stored.streamer.snapshot(now),
        operator: stored.operator.snapshot(now),
        comodulation: Some(index(session_id, stored.comodulation)),
        generated_at_utc: now,
    }
}

pub(super) fn view_v2(session_id: Uuid, stored: &Stored, now: UtcMicros) -> PhysiologyV2 {
    PhysiologyV2 {
        base: view(session_id, stored, now),
        streamer_state: stored.streamer.state(now).to_owned(),
        operator_state: stored.operator.state(now).to_owned(),
        window_coverage: stored.comodulation.map(|row| row.window_coverage),
        index_interval: stored.comodulation.and_then(|row| row.interval),
    }
}

impl Person {
    /// The newest usable row with its age counted anew (math 8.8).
    fn snapshot(&self, now: UtcMicros) -> Option<RoleSnapshot> {
        let row = self.usable.as_ref()?;
        let snapshot = reread(&row.snapshot, now)?;
        Some(RoleSnapshot {
            subject_role: row.role.as_str().to_owned(),
            rmssd_ms: snapshot.rmssd_ms,
            heart_rate_bpm: snapshot.heart_rate_bpm.map(u32::from),
            provider: Some(snapshot.provider),
            source_timestamp_utc: Some(snapshot.source_timestamp_utc),
            freshness_s: Some(snapshot.freshness_s),
            is_stale: Some(snapshot.is_stale),
        })
    }

    /// State of the newest row, usable or not.
    fn state(&self, now: UtcMicros) -> &'static str {
        let newest = self.newest.as_ref().map(|row| &row.snapshot);
        let aged = newest.and_then(|snapshot| reread(snapshot, now));
        match display_state(aged.as_ref().or(newest)) {
            DisplayState::Absent => "absent",
            DisplayState::Stale => "stale",
            DisplayState::Invalid => "invalid",
            DisplayState::NoRmssd => "no_rmssd",
            DisplayState::Fresh => "fresh",
        }
    }
}

/// The newest window, or that there is none yet.
fn index(session_id: Uuid, row: Option<CoModulationRow>) -> CoModulation {
    let index = row.map_or(Err(CoModulationNullReason::NotComputed), |row| row.index);
    CoModulation {
        session_id,
        co_modulation_index: index.ok(),
        n_paired_observations: row.map_or(0, |row| row.n_paired),
        coverage_ratio: row.map_or(0.0, |row| row.coverage_ratio),
        streamer_rmssd_mean: row.and_then(|row| row.streamer_rmssd_mean),
        operator_rmssd_mean: row.and_then(|row| row.operator_rmssd_mean),
        null_reason: index.err().map(|reason| reason.as_str().to_owned()),
        window_start_utc: row.map(|row| row.window_start),
        window_end_utc: row.map(|row| row.window_end),
    }
}

pub(super) fn log_row(row: PhysiologyRow) -> PhysiologyLogRow {
    let snapshot = row.snapshot;
    PhysiologyLogRow {
        id: row.id,
        session_id: row.session_id,
        segment_id: row.segment_id.to_string(),
        subject_role: row.role.as_str().to_owned(),
        rmssd_ms: snapshot.rmssd_ms,
        heart_rate_bpm: snapshot.heart_rate_bpm.map(u32::from),
        freshness_s: snapshot.freshness_s,
        is_stale: snapshot.is_stale,
        provider: snapshot.provider,
        source_kind: snapshot.source_kind.as_str().to_owned(),
        derivation_method: snapshot.derivation_method.as_str().to_owned(),
        window_s: snapshot.window_s,
        validity_ratio: snapshot.validity_ratio,
        is_valid: snapshot.is_valid,
        source_timestamp_utc: snapshot.source_timestamp_utc,
        created_at: row.created_at,
    }
}

pub(super) fn index_row(row: CoModulationRow) -> CoModulationLogRow {
    CoModulationLogRow {
        id: row.id,
        session_id: row.session_id,
        window_start_utc: row.window_start,
        window_end_utc: row.window_end,
        window_minutes: row.window_minutes,
        co_modulation_index: row.index.ok(),
        n_paired_observations: row.n_paired,
        coverage_ratio: row.coverage_ratio,
        streamer_rmssd_mean: row.streamer_rmssd_mean,
        operator_rmssd_mean: row.operator_rmssd_mean,
        created_at: row.created_at,
    }
}
