//! Requests of the operator and the co-modulation read-out (contracts 8).

use std::collections::BTreeSet;

use uuid::Uuid;

use super::check::Check;
use super::declare::contract;
use super::vocabulary::{COUNT, CoModulationNullReason, NON_NEGATIVE, TEXT1, UNIT};
use super::{Report, StimulusDefinition};
use crate::time::UtcMicros;

contract! {
    /// Asks for a session.
    #[derive(Eq)]
    pub struct SessionCreate: trim {
        /// Source to open.
        stream_url: String => required(Check::Url),
        /// Experiment code.
        experiment_id: String => required(TEXT1),
        /// Makes a retry recognisable.
        client_action_id: Uuid => required(Check::Uuid),
    }
}

contract! {
    /// Ends a session.
    #[derive(Eq)]
    pub struct SessionEnd {
        /// Makes a retry recognisable.
        client_action_id: Uuid => required(Check::Uuid),
    }
}

contract! {
    /// Marks a stimulus; its time is the server's, never the client's.
    #[derive(Eq)]
    pub struct StimulusRequest {
        /// Makes a retry recognisable.
        client_action_id: Uuid => required(Check::Uuid),
        /// Note of the operator, tier T1, at most 500 characters.
        operator_note: Option<String> => optional(Check::Text(0, 500)),
    }
}

contract! {
    /// A new arm.
    #[derive(Eq)]
    pub struct ExperimentArmCreate: trim {
        /// Arm id.
        arm: String => required(TEXT1),
        /// Its stimulus.
        stimulus_definition: StimulusDefinition => required(Check::Object(StimulusDefinition::OBJECT)),
    }
}

contract! {
    /// A new experiment. Posteriors are not writable: they start at Beta(1, 1).
    #[derive(Eq)]
    pub struct ExperimentCreate: trim, rules = create_rules {
        /// Experiment code; an identity part.
        experiment_id: String => required(TEXT1),
        /// Name for people.
        label: String => required(TEXT1),
        /// Arms with distinct ids.
        arms: Vec<ExperimentArmCreate> => required(Check::List(&Check::Object(ExperimentArmCreate::OBJECT), 1, usize::MAX)),
    }
}

contract! {
    /// A change of an arm: at least one field; an arm can be disabled here and never enabled.
    #[derive(Eq)]
    pub struct ExperimentArmPatch: trim, rules = patch_rules {
        /// New stimulus.
        stimulus_definition: Option<StimulusDefinition> => optional(Check::Object(StimulusDefinition::OBJECT)),
        /// Only false.
        enabled: Option<bool> => optional(Check::Bool),
    }
}

contract! {
    /// Co-modulation of a session (math 9).
    pub struct CoModulationSummary: rules = comodulation_rules {
        /// Session.
        session_id: Uuid => required(Check::Uuid),
        /// Correlation within -1 and 1; null with a reason.
        co_modulation_index: Option<f64> => optional(Check::Float(-1.0, 1.0)),
        /// Minutes with both people.
        n_paired_observations: u64 => required(COUNT),
        /// Paired share of the minutes that have anyone.
        coverage_ratio: f64 => required(UNIT),
        /// Paired share of the ten minutes.
        window_coverage: Option<f64> => optional(UNIT),
        /// Mean variability of the person in front of the camera, ms.
        streamer_rmssd_mean: Option<f64> => optional(NON_NEGATIVE),
        /// Mean variability of the person at the console, ms.
        operator_rmssd_mean: Option<f64> => optional(NON_NEGATIVE),
        /// Why the index is null.
        null_reason: Option<CoModulationNullReason> => optional(Check::Enum(CoModulationNullReason::NAMES)),
        /// Start of the window.
        window_start_utc: Option<UtcMicros> => optional(Check::Instant),
        /// End of the window.
        window_end_utc: Option<UtcMicros> => optional(Check::Instant),
    }
}

fn create_rules(request: &ExperimentCreate, report: &mut Report) {
    report.demand(
        !request.experiment_id.contains('|'),
        "experiment_id",
        "must not contain `|`",
    );
    let ids: BTreeSet<_> = request.arms.iter().map(|arm| &arm.arm).collect();
    report.demand(
        ids.len() == request.arms.len(),
        "arms",
        "arm ids must be distinct",
    );
}

fn patch_rules(patch: &ExperimentArmPatch, report: &mut Report) {
    report.demand(
        patch.stimulus_definition.is_some() || patch.enabled.is_some(),
        "",
        "needs at least one field",
    );
    report.demand(
        patch.enabled != Some(true),
        "enabled",
        "an arm cannot be enabled again",
    );
}

/// Older writers send a null index without a reason, so only the contradiction is refused.
fn comodulation_rules(summary: &CoModulationSummary, report: &mut Report) {
    let contradicts = summary.co_modulation_index.is_some() && summary.null_reason.is_some();
    report.demand(!contradicts, "null_reason", "only with a null index");
}
