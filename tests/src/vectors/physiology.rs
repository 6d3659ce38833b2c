//! Area `physiology`: snapshots from wearable chunks.

use lsie_analytics::physiology::{Derived, PhysiologyBuffer};
use lsie_schemas::contract::{
    DerivationMethod, PhysiologicalChunkEvent, PhysiologicalChunkPayload, SourceKind, SubjectRole,
};
use lsie_schemas::time::UtcMicros;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Case, Input, Outcome, RunError};

/// Runs one case.
pub(super) fn run(case: &Case<'_>) -> Result<Outcome, RunError> {
    if case.op != "snapshot" {
        return Err(RunError::UnknownOperation);
    }
    let now_utc = instant(case.input, "now_s")?;
    let mut buffer = PhysiologyBuffer::new();
    for (number, raw) in (0_u128..).zip(case.input.list("chunks")?) {
        buffer.take(chunk(number, Input(raw), now_utc)?, now_utc);
    }
    let snapshot = buffer
        .snapshot(SubjectRole::Streamer, now_utc)
        .map(|derived| snapshot_json(&derived));
    Ok(Outcome::Output(json!({"snapshot": snapshot})))
}

fn instant(input: Input<'_>, key: &str) -> Result<UtcMicros, RunError> {
    UtcMicros::from_epoch_secs(input.float(key)?)
        .ok_or_else(|| RunError::Input(format!("`{key}` is no instant")))
}

fn chunk(
    number: u128,
    input: Input<'_>,
    now_utc: UtcMicros,
) -> Result<PhysiologicalChunkEvent, RunError> {
    let floats = |key: &str| {
        if input.is_null(key) {
            Ok(None)
        } else {
            input.floats(key).map(Some)
        }
    };
    let word = |key: &str| RunError::Input(format!("unknown `{key}`"));
    Ok(PhysiologicalChunkEvent {
        unique_id: Uuid::from_u128(number),
        event_type: "physiological_chunk".to_owned(),
        provider: "oura".to_owned(),
        subject_role: SubjectRole::Streamer,
        source_kind: SourceKind::from_text(input.text("source_kind")?)
            .ok_or_else(|| word("source_kind"))?,
        window_start_utc: instant(input, "start")?,
        window_end_utc: instant(input, "end")?,
        ingest_timestamp_utc: now_utc,
        payload: PhysiologicalChunkPayload {
            sample_interval_s: 1,
            valid_sample_count: input.unsigned("valid")?,
            expected_sample_count: input.unsigned("expected")?,
            derivation_method: DerivationMethod::from_text(
                input
                    .optional_text("derivation_method")?
                    .unwrap_or("provider"),
            )
            .ok_or_else(|| word("derivation_method"))?,
            ibi_ms_items: floats("ibi")?,
            rmssd_items_ms: floats("rmssd")?,
            heart_rate_items_bpm: floats("hr")?
                .map(|items| items.into_iter().map(|bpm| bpm as u16).collect()),
            motion_items: None,
        },
    })
}

/// The ratio is compared as counted; the snapshot itself carries it clamped to 1.
fn snapshot_json(derived: &Derived) -> Value {
    let mut json = json!(derived.snapshot);
    json["validity_ratio"] = json!(derived.raw_validity_ratio);
    json["source_timestamp_utc"] = json!(derived.snapshot.source_timestamp_utc.to_offset_text());
    json
}
