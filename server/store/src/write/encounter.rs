//! The encounter commit: evidence, posterior and ledger in one transaction (math 7.8).
//!
//! ```text
//! ledger check ─▶ segment, metrics, evaluation ─▶ posterior ─▶ encounter row ─▶ attribution ─▶ ledger row ─▶ COMMIT
//!      └ known: nothing is written                        any failure: nothing is written
//! ```

use std::sync::Arc;

use lsie_schemas::contract::RewardInputs;
use lsie_schemas::time::UtcMicros;
use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::column;
use crate::error::{Conflict, StoreError};
use crate::write::attribution::{self, AttributionBatch};
use crate::write::experiment::{self, Beta};
use crate::write::physiology::{self, PhysiologyRecord};
use crate::write::segment::{self, EvaluationRecord, MetricsRecord, SegmentRecord};
use crate::write::{session, stimulus};

/// Largest number of notes on an encounter.
pub const MAX_NOTES: usize = 32;

/// Everything one encounter leaves behind.
#[derive(Debug, Clone, PartialEq)]
pub struct EncounterCommit {
    /// Message id (math 1.10).
    pub message_id: Uuid,
    /// Client whose result it is; with segment and arm the exactly-once key.
    pub client_id: String,
    /// Schema version of the message.
    pub schema_version: String,
    /// Version of the reward rules.
    pub reward_path_version: String,
    /// Stimulus that the encounter closes.
    pub stimulus_id: Option<Uuid>,
    /// Time of the stimulus.
    pub stimulus_time: Option<UtcMicros>,
    /// Experiment code.
    pub experiment_id: String,
    /// Arm shown.
    pub arm: String,
    /// Probability with which it had been drawn, in (0, 1]; anything else is stored as unknown.
    pub propensity: Option<f64>,
    /// Stimulus-locked segment; its session is the encounter's.
    pub segment: SegmentRecord,
    /// Numbers of the window.
    pub metrics: Option<MetricsRecord>,
    /// Delivery judgement; `None` when the operator attested or nobody judged.
    pub evaluation: Option<EvaluationRecord>,
    /// Reward as computed; `None` without a stimulus time.
    pub reward: Option<Reward>,
    /// Whether the posterior moves.
    pub update: Update,
    /// The gate comes from the operator's word.
    pub attested: bool,
    /// Media was lost in the window.
    pub data_gap: bool,
    /// Verdict.
    pub verdict: Verdict,
    /// Bounded remarks: at most 32 of at most 200 characters.
    pub notes: Vec<String>,
    /// Wearable data of the window; `None` when none was attached.
    pub physiology: Option<PhysiologyRecord>,
    /// Attribution records, where built.
    pub attribution: Option<AttributionBatch>,
    /// Instant of processing.
    pub processed_at: UtcMicros,
}

/// Reward and what it was made of (contracts 5.6); all finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reward {
    /// Reward in [0, 1]; what an applied update adds to alpha.
    pub gated_reward: f64,
    /// 90th percentile of AU12 in the measurement window, in [0, 1].
    pub p90_intensity: f64,
    /// Whether delivery was confirmed.
    pub gate_open: bool,
    /// Scored frames in the measurement window.
    pub n_frames_in_window: u32,
    /// Mean AU12 before the stimulus, in [0, 1].
    pub au12_baseline_pre: Option<f64>,
}

impl From<&RewardInputs> for Reward {
    fn from(inputs: &RewardInputs) -> Self {
        Self {
            gated_reward: inputs.gated_reward,
            p90_intensity: inputs.p90_intensity,
            gate_open: inputs.semantic_gate == 1,
            n_frames_in_window: u32::try_from(inputs.n_frames_in_window).unwrap_or(u32::MAX),
            au12_baseline_pre: inputs.au12_baseline_pre,
        }
    }
}

/// Whether the encounter moves the posterior.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// alpha += reward, beta += 1 - reward.
    Apply,
    /// The posterior stays.
    Skip {
        /// Stable code, e.g. `semantic_unavailable`, `no_frames`, `data_gap`.
        reason: String,
    },
}

/// Final state of an encounter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Gate open and frames seen.
    Completed,
    /// No scored frame in the window.
    RejectedNoFrames,
    /// Not delivered.
    RejectedGateClosed,
    /// Nobody could judge delivery.
    RejectedSemanticUnavailable,
    /// Media was lost.
    RejectedDataGap,
}

/// Answer to a commit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CommitOutcome {
    /// Written now.
    Committed {
        /// Row number of the encounter.
        encounter_id: i64,
        /// Whether the posterior moved.
        applied: bool,
        /// Posterior of the arm after the commit.
        posterior: Beta,
    },
    /// The ledger already holds this result; nothing was written.
    AlreadyCommitted,
}

/// Points inside the commit, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommitStep {
    /// The ledger does not hold the result.
    LedgerChecked,
    /// Segment, metrics and evaluation are written.
    EvidenceWritten,
    /// The posterior moved.
    PosteriorMoved,
    /// The encounter row is written.
    EncounterWritten,
    /// Attribution is written.
    AttributionWritten,
    /// The ledger row is written; COMMIT follows.
    LedgerWritten,
}

/// Called on the writer thread at each [`CommitStep`]; lets a test stop the process there.
#[derive(Clone)]
pub struct StepHook(Arc<dyn Fn(CommitStep) + Send + Sync>);

impl StepHook {
    /// Wraps a function.
    pub fn new(hook: impl Fn(CommitStep) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hook))
    }
}

impl std::fmt::Debug for StepHook {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("StepHook")
    }
}

/// Writes an encounter, or nothing.
pub(crate) fn commit(
    transaction: &Transaction<'_>,
    commit: &EncounterCommit,
    hook: Option<&StepHook>,
) -> Result<CommitOutcome, StoreError> {
    let step = |step| {
        if let Some(StepHook(hook)) = hook {
            hook(step);
        }
    };
    check(commit)?;
    if is_in_ledger(transaction, commit)? {
        return Ok(CommitOutcome::AlreadyCommitted);
    }
    step(CommitStep::LedgerChecked);
    session::require(transaction, commit.segment.session_id)?;
    let now = commit.processed_at;
    segment::insert(transaction, &commit.segment, now)?;
    if let Some(metrics) = &commit.metrics {
        segment::insert_metrics(transaction, &commit.segment, metrics, now)?;
    }
    if let Some(evaluation) = &commit.evaluation {
        segment::insert_evaluation(transaction, &commit.segment, evaluation, now)?;
    }
    if let Some(record) = &commit.physiology {
        physiology::insert(transaction, record)?;
    }
    step(CommitStep::EvidenceWritten);
    let posterior = move_posterior(transaction, commit)?;
    step(CommitStep::PosteriorMoved);
    let encounter_id = insert_encounter(transaction, commit, posterior)?;
    if let Some(stimulus_id) = commit.stimulus_id {
        stimulus::complete(transaction, stimulus_id)?;
    }
    step(CommitStep::EncounterWritten);
    if let Some(batch) = &commit.attribution {
        attribution::upsert(transaction, batch)?;
    }
    step(CommitStep::AttributionWritten);
    insert_ledger(transaction, commit)?;
    step(CommitStep::LedgerWritten);
    Ok(CommitOutcome::Committed {
        encounter_id,
        applied: commit.update == Update::Apply,
        posterior,
    })
}

fn check(commit: &EncounterCommit) -> Result<(), StoreError> {
    column::bounded("client_id", &commit.client_id, 200)?;
    column::bounded("schema_version", &commit.schema_version, 200)?;
    column::bounded("reward_path_version", &commit.reward_path_version, 200)?;
    if commit.notes.len() > MAX_NOTES || commit.notes.iter().any(|note| note.chars().count() > 200)
    {
        return Err(StoreError::invalid(
            "notes",
            "must be at most 32 of at most 200 characters",
        ));
    }
    if let Some(reward) = &commit.reward {
        column::unit("gated_reward", reward.gated_reward)?;
        column::unit("p90_intensity", reward.p90_intensity)?;
        if let Some(baseline) = reward.au12_baseline_pre {
            column::unit("au12_baseline_pre", baseline)?;
        }
    }
    match &commit.update {
        Update::Apply if commit.reward.is_none() => {
            Err(StoreError::invalid("update", "needs a reward"))
        }
        Update::Apply => Ok(()),
        Update::Skip { reason } => column::code("skip_reason", reason).map(|_| ()),
    }
}

fn is_in_ledger(
    transaction: &Transaction<'_>,
    commit: &EncounterCommit,
) -> Result<bool, StoreError> {
    let message_id = commit.message_id.to_string();
    let mut statement = transaction.prepare_cached(
        "SELECT segment_id = ?2 AND client_id = ?3 AND arm = ?4 FROM analytics_message_ledger
         WHERE message_id = ?1 OR (segment_id = ?2 AND client_id = ?3 AND arm = ?4)
         ORDER BY 1 DESC LIMIT 1",
    )?;
    let same_key: Option<bool> = statement
        .query_row(
            params![
                message_id,
                commit.segment.segment_id.as_str(),
                commit.client_id,
                commit.arm
            ],
            |row| row.get(0),
        )
        .optional()?;
    match same_key {
        Some(false) => Err(Conflict::MessageReused.into()),
        Some(true) => Ok(true),
        None => Ok(false),
    }
}

fn move_posterior(
    transaction: &Transaction<'_>,
    commit: &EncounterCommit,
) -> Result<Beta, StoreError> {
    let (_, before) = experiment::require_arm(transaction, &commit.experiment_id, &commit.arm)?;
    let (Update::Apply, Some(reward)) = (&commit.update, &commit.reward) else {
        return Ok(before);
    };
    let after = Beta {
        alpha: before.alpha + reward.gated_reward,
        beta: before.beta + (1.0 - reward.gated_reward),
    };
    transaction
        .prepare_cached(
            "UPDATE arms SET alpha = ?3, beta = ?4, updated_at_us = max(updated_at_us, ?5)
             WHERE experiment_id = ?1 AND arm = ?2",
        )?
        .execute(params![
            commit.experiment_id,
            commit.arm,
            after.alpha,
            after.beta,
            commit.processed_at.0
        ])?;
    experiment::touch(transaction, &commit.experiment_id, commit.processed_at)?;
    Ok(after)
}

fn insert_encounter(
    transaction: &Transaction<'_>,
    commit: &EncounterCommit,
    posterior: Beta,
) -> Result<i64, StoreError> {
    let (applied, skip_reason) = match &commit.update {
        Update::Apply => (true, None),
        Update::Skip { reason } => (false, Some(reason)),
    };
    let reward = commit.reward.as_ref();
    transaction
        .prepare_cached(
            "INSERT INTO encounter_log (session_id, segment_id, stimulus_id, client_id, experiment_id, arm,
                 timestamp_us, stimulus_time_us, gated_reward, p90_intensity, semantic_gate, n_frames_in_window,
                 au12_baseline_pre, applied, skip_reason, alpha_after, beta_after, attested, data_gap, state, notes,
                 physiology_stale, created_at_us, propensity)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21,
                 ?22, ?23, ?24)",
        )?
        .execute(params![
            commit.segment.session_id.to_string(),
            commit.segment.segment_id.as_str(),
            commit.stimulus_id.map(|id| id.to_string()),
            commit.client_id,
            commit.experiment_id,
            commit.arm,
            commit.segment.window_end.0,
            commit.stimulus_time.map(|time| time.0),
            reward.map(|reward| reward.gated_reward),
            reward.map(|reward| reward.p90_intensity),
            reward.map(|reward| reward.gate_open),
            reward.map(|reward| reward.n_frames_in_window),
            reward.and_then(|reward| reward.au12_baseline_pre),
            applied,
            skip_reason,
            posterior.alpha,
            posterior.beta,
            commit.attested,
            commit.data_gap,
            column::to_word(&commit.verdict)?,
            column::to_json(&commit.notes)?,
            commit.physiology.as_ref().map(is_stale),
            commit.processed_at.0,
            commit.propensity.filter(|p| *p > 0.0 && *p <= 1.0),
        ])?;
    Ok(transaction.last_insert_rowid())
}

/// Whether any attached value was stale.
fn is_stale(record: &PhysiologyRecord) -> bool {
    let people = [&record.context.streamer, &record.context.operator];
    people.into_iter().flatten().any(|one| one.is_stale)
}

fn insert_ledger(
    transaction: &Transaction<'_>,
    commit: &EncounterCommit,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO analytics_message_ledger (message_id, segment_id, client_id, arm, schema_version,
                 reward_path_version, processed_at_us)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            commit.message_id.to_string(),
            commit.segment.segment_id.as_str(),
            commit.client_id,
            commit.arm,
            commit.schema_version,
            commit.reward_path_version,
            commit.processed_at.0,
        ])?;
    Ok(())
}
