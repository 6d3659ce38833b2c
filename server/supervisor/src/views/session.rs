//! A session row with what is live about it.

use lsie_schemas::api::{Session, SessionStatus};
use lsie_schemas::observation::CALIBRATION_FRAMES_REQUIRED;
use lsie_schemas::time::UtcMicros;
use lsie_store::rows::SessionRow;

use crate::snapshot::Snapshot;

pub(super) fn view(row: SessionRow, snapshot: &Snapshot, now: UtcMicros) -> Session {
    let live = snapshot
        .live
        .as_ref()
        .filter(|live| live.id == row.session_id);
    let calibration = live
        .map(|live| live.calibration)
        .or(row.live.map(|state| state.calibration));
    let end = row.ended_at.unwrap_or(now);
    let arm = live.map(|live| {
        (
            &live.arm.decision.snapshot.selected_arm_id,
            &live.arm.definition,
        )
    });
    Session {
        session_id: row.session_id,
        status: row.status,
        started_at_utc: row.started_at,
        ended_at_utc: row.ended_at,
        duration_s: Some(((end.0 - row.started_at.0) as f64 / 1e6).max(0.0)),
        experiment_id: row.experiment_id,
        active_arm: arm.map(|(id, _)| id.clone()).or(row.active_arm),
        expected_response_text: arm
            .map(|(_, definition)| definition.expected_response_rule.clone())
            .or(row
                .stimulus_definition
                .map(|definition| definition.expected_response_rule)),
        is_calibrating: calibration
            .map(|c| row.status == SessionStatus::Active && !c.is_complete()),
        calibration_frames_accumulated: calibration
            .map(|c| c.accepted.min(CALIBRATION_FRAMES_REQUIRED)),
        calibration_frames_required: Some(CALIBRATION_FRAMES_REQUIRED),
        last_segment_completed_at_utc: row.last_segment_end,
        latest_reward: row.latest_reward,
        latest_semantic_gate: row.latest_gate.map(u8::from),
    }
}
