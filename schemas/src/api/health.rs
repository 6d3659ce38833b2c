//! Health, alerts and the problem body.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::time::UtcMicros;

/// Health of a part or of the whole.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    /// Works.
    Ok,
    /// Heals itself; wait.
    Recovering,
    /// Works worse; look.
    Degraded,
    /// Act.
    Error,
    /// No evidence.
    Unknown,
}

/// One part of the system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Subsystem {
    /// Stable key.
    pub subsystem_key: String,
    /// Name for people.
    pub label: String,
    /// State.
    pub state: HealthState,
    /// Last sign of life.
    pub last_success_utc: Option<UtcMicros>,
    /// One sentence.
    pub detail: Option<String>,
    /// What is being done about it.
    pub recovery_mode: Option<String>,
    /// What a person can do about it.
    pub operator_action_hint: Option<String>,
}

/// A diagnostic probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Probe {
    /// Subsystem it belongs to.
    pub subsystem_key: String,
    /// Name for people.
    pub label: String,
    /// `ok`, `error`, `timeout`, `not_configured` or `unknown`.
    pub state: String,
    /// Duration.
    pub latency_ms: Option<f64>,
    /// One sentence.
    pub detail: Option<String>,
    /// When.
    pub checked_at_utc: UtcMicros,
}

/// Health of the whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// When.
    pub generated_at_utc: UtcMicros,
    /// Worst of the required parts.
    pub overall_state: HealthState,
    /// Parts.
    pub subsystems: Vec<Subsystem>,
    /// Probes by subsystem key.
    pub subsystem_probes: BTreeMap<String, Probe>,
    /// Parts that are degraded.
    pub degraded_count: u32,
    /// Parts that are recovering.
    pub recovering_count: u32,
    /// Parts in error.
    pub error_count: u32,
}

/// Weight of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For the record.
    Info,
    /// Look.
    Warning,
    /// Act.
    Critical,
}

/// Kind of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// A part works worse.
    SubsystemDegraded,
    /// A part heals itself.
    SubsystemRecovering,
    /// A part failed.
    SubsystemError,
    /// Physiology is stale.
    PhysiologyStale,
    /// A stimulus could not be given.
    StimulusFailed,
    /// A session ended.
    SessionEnded,
    /// Media was lost.
    DataGap,
}

/// An alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alert {
    /// Identity.
    pub alert_id: String,
    /// Weight.
    pub severity: Severity,
    /// Kind.
    pub kind: AlertKind,
    /// One sentence.
    pub message: String,
    /// Session concerned.
    pub session_id: Option<Uuid>,
    /// Part concerned.
    pub subsystem_key: Option<String>,
    /// When.
    pub emitted_at_utc: UtcMicros,
    /// Whether a person has seen it.
    pub acknowledged: bool,
}

/// Error body: `detail` in the older form, a stable code and the next step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// Text, or a list of field errors for 422.
    pub detail: Value,
    /// Stable code.
    pub code: String,
    /// What to do next.
    pub hint: Option<String>,
}
