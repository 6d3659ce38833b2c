//! Wearable chunks in memory, snapshots with segments, and the co-modulation index (math 8, 9). Observational: nothing here
//! touches a reward.

use lsie_analytics::comodulation::{CoModulationIndex, RmssdRow, WINDOW_MINUTES, comodulation};
use lsie_analytics::physiology::{Intake, context};
use lsie_schemas::api::{AlertKind, ChunkAccepted, ChunkFate, EventType, Severity};
use lsie_schemas::contract::{PhysiologicalChunkEvent, PhysiologicalSnapshot, SubjectRole};
use lsie_schemas::id::SegmentId;
use lsie_schemas::time::UtcMicros;
use lsie_store::rows::PhysiologyRow;
use lsie_store::{CoModulationRecord, PhysiologyRecord};
use uuid::Uuid;

use super::{Actor, utc_now};
use crate::error::SupervisorError;

/// Most samples of one kind in a chunk.
const MAX_ITEMS: usize = 4096;
/// Longest name of a provider, characters.
const MAX_PROVIDER: usize = 64;
/// How far a chunk may end in our future: clocks of wearables differ.
const MAX_AHEAD_MICROS: i64 = 300 * 1_000_000;
/// Rows of ten minutes that an index is computed from: far above one per role and closed segment.
const MAX_ROWS: u32 = 2000;

impl Actor {
    /// Takes a chunk into the buffer of the last 15 minutes.
    pub(super) fn take_chunk(
        &mut self,
        chunk: PhysiologicalChunkEvent,
    ) -> Result<ChunkAccepted, SupervisorError> {
        let now = utc_now();
        check(&chunk, now)?;
        let unique_id = chunk.unique_id;
        let evicted_before = self.physiology.evicted();
        let fate = match self.physiology.take(chunk, now) {
            Intake::Kept => ChunkFate::Kept,
            Intake::Duplicate => ChunkFate::Duplicate,
            Intake::Expired => ChunkFate::Expired,
        };
        if self.physiology.evicted() > evicted_before {
            tracing::warn!(
                evicted = self.physiology.evicted(),
                "more wearable chunks than are kept; the oldest was dropped"
            );
        }
        Ok(ChunkAccepted {
            unique_id,
            fate,
            received_at_utc: now,
        })
    }

    /// The physiology of this instant for a segment; `None` while nobody wears anything (math 8.8).
    pub(super) async fn derive_physiology(
        &mut self,
        session_id: Uuid,
        segment_id: SegmentId,
    ) -> Option<PhysiologyRecord> {
        let now = utc_now();
        let [streamer, operator] = [SubjectRole::Streamer, SubjectRole::Operator].map(|role| {
            let derived = self.physiology.snapshot(role, now)?;
            if derived.raw_validity_ratio > 1.0 {
                let ratio = derived.raw_validity_ratio;
                tracing::warn!(
                    role = role.as_str(),
                    ratio,
                    "the provider counts more valid samples than it expects"
                );
            }
            Some(derived.snapshot)
        });
        self.watch_staleness([&streamer, &operator]).await;
        Some(PhysiologyRecord {
            session_id,
            segment_id,
            context: context(streamer, operator)?,
            derived_at: now,
        })
    }

    /// Attaches physiology to a segment that is stored already.
    pub(super) async fn attach_physiology(&mut self, session_id: Uuid, segment_id: SegmentId) {
        let Some(record) = self.derive_physiology(session_id, segment_id).await else {
            return;
        };
        let written = self.writer.attach_physiology(record).await;
        self.note_write(&written);
        if written.is_ok() {
            self.update_comodulation(session_id).await;
        }
    }

    /// Computes and keeps the index of the ten minutes that end now.
    pub(super) async fn update_comodulation(&mut self, session_id: Uuid) {
        let end = utc_now();
        let start = UtcMicros(end.0.saturating_sub(WINDOW_MINUTES * 60_000_000));
        let rows = self
            .reader
            .read_later(move |view| view.physiology_between(session_id, start, end, MAX_ROWS))
            .await;
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => return tracing::warn!(%error, "co-modulation could not be computed"),
        };
        let rows: Vec<RmssdRow> = rows.iter().map(rmssd_row).collect();
        let record = record_of(session_id, &comodulation(&rows, end), end);
        let written = self.writer.record_comodulation(record).await;
        self.note_write(&written);
        self.mark(&[EventType::Physiology, EventType::Overview]);
    }

    /// Says once when a person's data turns stale.
    async fn watch_staleness(&mut self, people: [&Option<PhysiologicalSnapshot>; 2]) {
        let stale = people.map(|one| one.as_ref().is_some_and(|one| one.is_stale));
        for (name, (is, was)) in ["streamer", "operator"]
            .into_iter()
            .zip(stale.into_iter().zip(self.was_stale))
        {
            if is && !was {
                let words = format!("the wearable data of the {name} is older than 10 minutes");
                let kind = AlertKind::PhysiologyStale;
                self.alert(Severity::Warning, kind, Some("physiology"), words)
                    .await;
            }
        }
        self.was_stale = stale;
    }
}

fn check(chunk: &PhysiologicalChunkEvent, now: UtcMicros) -> Result<(), SupervisorError> {
    let refuse =
        |field: &'static str, reason: String| Err(SupervisorError::Invalid { field, reason });
    let payload = &chunk.payload;
    let counts = [
        payload.ibi_ms_items.as_ref().map(Vec::len),
        payload.rmssd_items_ms.as_ref().map(Vec::len),
        payload.heart_rate_items_bpm.as_ref().map(Vec::len),
        payload.motion_items.as_ref().map(Vec::len),
    ];
    if counts.into_iter().flatten().any(|count| count > MAX_ITEMS) {
        return refuse("payload", format!("at most {MAX_ITEMS} samples of a kind"));
    }
    if chunk.provider.trim().is_empty() || chunk.provider.chars().count() > MAX_PROVIDER {
        return refuse(
            "provider",
            format!("must be 1 to {MAX_PROVIDER} characters"),
        );
    }
    if chunk.window_end_utc.0.saturating_sub(now.0) > MAX_AHEAD_MICROS {
        return refuse("window_end_utc", "lies in the future".into());
    }
    Ok(())
}

fn rmssd_row(row: &PhysiologyRow) -> RmssdRow {
    RmssdRow {
        role: row.role,
        timestamp_utc: row.snapshot.source_timestamp_utc,
        rmssd_ms: row.snapshot.rmssd_ms,
        is_valid: row.snapshot.is_valid,
        is_stale: row.snapshot.is_stale,
    }
}

fn record_of(session_id: Uuid, index: &CoModulationIndex, now: UtcMicros) -> CoModulationRecord {
    CoModulationRecord {
        session_id,
        window_start: index.window_start_utc,
        window_end: index.window_end_utc,
        index: index.index,
        interval: index.interval,
        n_paired: index.n_paired,
        coverage_ratio: index.coverage_ratio,
        window_coverage: index.window_coverage,
        streamer_rmssd_mean: index.streamer_mean_ms,
        operator_rmssd_mean: index.operator_mean_ms,
        computed_at: now,
    }
}
