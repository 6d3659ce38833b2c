//! From a resolved encounter to the rows it leaves: evidence, reward, verdict, attribution (math 6, 7, 13). Pure.

use lsie_analytics::attribution::FoundOutcome;
use lsie_analytics::reward::{
    Evidence, Gate, RewardOutcome, SkipReason, Update as Verdicted, evaluate, update_of,
};
use lsie_schemas::id::{analytics_message_id, segment_id};
use lsie_schemas::link::{GapNote, Text};
use lsie_schemas::time::UtcMicros;
use lsie_store::{
    EncounterCommit, MetricsRecord, Reward, SegmentRecord, Update, Verdict, WindowKind,
};
use uuid::Uuid;

use crate::attribution::{LedgerSource, ledger_of};
use crate::live::{LiveSession, OpenEncounter};

/// Version of the reward rules of math 6 with our marks.
pub const REWARD_PATH_VERSION: &str = "lsie.reward.v1";
/// Version of the encounter message.
pub const ENCOUNTER_SCHEMA_VERSION: &str = "lsie.encounter.v1";

/// Builds the commit of a resolved encounter. `None` when it was never stamped: there is no window and nothing to keep
/// but the failed stimulus itself. `outcomes` are those of the session since the stimulus, oldest first.
#[must_use]
pub(crate) fn commit_of(
    session: &LiveSession,
    open: &OpenEncounter,
    client_id: &str,
    outcomes: &[FoundOutcome],
    processed_at: UtcMicros,
) -> Option<EncounterCommit> {
    let stimulus_time_s = open.stimulus_time_s?;
    let segment = match &open.segment {
        Some(message) => SegmentRecord::from(message.as_ref()),
        None => lost_segment(
            session.id,
            stimulus_time_s,
            open.gap().unwrap_or("data_gap"),
        )?,
    };
    let gate = open
        .attestation
        .map_or_else(Gate::unavailable, Gate::attested);
    let outcome = evaluate(&Evidence {
        series: open.series(),
        stimulus_time_secs: Some(stimulus_time_s),
        gate,
        has_data_gap: open.gap().is_some(),
    });
    let metrics = open.segment.as_ref().map(|message| MetricsRecord {
        au12_intensity: outcome.as_ref().filter(|o| o.n_frames > 0).map(|o| o.p90),
        acoustic: message.acoustic,
    });
    let arm = open.arm.as_deref().unwrap_or(&session.arm);
    let evaluation = None;
    let attribution = ledger_of(&LedgerSource {
        session_id: session.id,
        segment_id: &segment.segment_id,
        open,
        arm,
        stimulus_time_s,
        evaluation: evaluation.as_ref(),
        reward: outcome.as_ref(),
        outcomes,
        created_at: processed_at,
    });
    Some(EncounterCommit {
        message_id: analytics_message_id(&segment.segment_id),
        client_id: client_id.to_owned(),
        schema_version: ENCOUNTER_SCHEMA_VERSION.to_owned(),
        reward_path_version: REWARD_PATH_VERSION.to_owned(),
        stimulus_id: Some(open.stimulus_id),
        stimulus_time: UtcMicros::from_epoch_secs(stimulus_time_s),
        experiment_id: session.experiment_id.clone(),
        arm: arm.decision.snapshot.selected_arm_id.clone(),
        propensity: Some(arm.decision.propensity),
        segment,
        metrics,
        evaluation,
        reward: outcome.as_ref().map(reward_of),
        update: store_update(update_of(outcome.as_ref())),
        attested: open.attestation.is_some(),
        data_gap: open.gap().is_some(),
        verdict: verdict_of(outcome.as_ref()),
        notes: notes(open),
        physiology: open.physiology.clone(),
        attribution,
        processed_at,
    })
}

fn notes(open: &OpenEncounter) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(delivered) = open.attestation {
        notes.push(
            if delivered {
                "operator attested delivery"
            } else {
                "operator denied delivery"
            }
            .to_owned(),
        );
    }
    if let Some(gap) = open.gap() {
        notes.push(gap.to_owned());
    }
    notes
}

fn reward_of(outcome: &RewardOutcome) -> Reward {
    Reward {
        gated_reward: outcome.gated_reward,
        p90_intensity: outcome.p90,
        gate_open: outcome.semantic_gate == 1,
        n_frames_in_window: outcome.n_frames,
        au12_baseline_pre: outcome.baseline,
    }
}

fn store_update(update: Verdicted) -> Update {
    match update {
        Verdicted::Apply(_) => Update::Apply,
        Verdicted::Skip(reason) => Update::Skip {
            reason: reason.code().to_owned(),
        },
    }
}

fn verdict_of(outcome: Option<&RewardOutcome>) -> Verdict {
    match outcome {
        None => Verdict::RejectedDataGap,
        Some(o) => match o.update {
            Verdicted::Skip(SkipReason::DataGap) => Verdict::RejectedDataGap,
            Verdicted::Skip(SkipReason::SemanticUnavailable) => {
                Verdict::RejectedSemanticUnavailable
            }
            _ if o.semantic_gate == 0 => Verdict::RejectedGateClosed,
            _ if o.n_frames == 0 => Verdict::RejectedNoFrames,
            _ => Verdict::Completed,
        },
    }
}

/// The window of a stimulus whose media was lost.
fn lost_segment(session_id: Uuid, stimulus_time_s: f64, reason: &str) -> Option<SegmentRecord> {
    let window_start = UtcMicros::from_epoch_secs(stimulus_time_s - 25.0)?;
    let window_end = UtcMicros(window_start.0.checked_add(30_000_000)?);
    Some(SegmentRecord {
        segment_id: segment_id(&session_id, window_start, window_end),
        session_id,
        kind: WindowKind::Stimulus,
        window_start,
        window_end,
        pcm_sha256: None,
        silence_prefix_s: 0.0,
        voice: None,
        n_observations: 0,
        action_units: Vec::new(),
        n_frames: 0,
        absent: std::collections::BTreeMap::new(),
        baseline_ratio: None,
        gaps: vec![GapNote {
            from_s: window_start.as_epoch_secs(),
            to_s: window_end.as_epoch_secs(),
            reason: Text::cut(reason),
        }],
        clock: None,
    })
}
