//! Stimulus definition and the decision that chose it (contracts 4.1, 4.2).

use std::collections::BTreeMap;

use super::Report;
use super::TEXT;
use super::check::Check;
use super::declare::contract;
use super::vocabulary::{MODALITY, POSITIVE, RULE_TEXT, STIMULUS_TEXT, StimulusModality, UNIT};
use crate::time::UtcMicros;

contract! {
    /// Content of a stimulus.
    #[derive(Eq, Hash)]
    pub struct StimulusPayload: trim {
        /// Always `text`.
        content_type: String => default(Check::Enum(&["text"]), "text"),
        /// Words to say or show, 1 to 2000 characters.
        text: String => required(STIMULUS_TEXT),
    }
}

contract! {
    /// What is presented and what counts as delivered and answered.
    #[derive(Eq, Hash)]
    pub struct StimulusDefinition: trim {
        /// Kind of prompt.
        stimulus_modality: StimulusModality => required(MODALITY),
        /// Content.
        stimulus_payload: StimulusPayload => required(Check::Object(StimulusPayload::OBJECT)),
        /// What the transcript must show for the stimulus to count as delivered, at most 1000 characters.
        expected_stimulus_rule: String => required(RULE_TEXT),
        /// What counts as a response, at most 1000 characters.
        expected_response_rule: String => required(RULE_TEXT),
    }
}

contract! {
    /// Parameters of a Beta posterior.
    #[derive(Copy)]
    pub struct ArmPosterior {
        /// Pseudo-count of reward, above 0.
        alpha: f64 => required(POSITIVE),
        /// Pseudo-count of missed reward, above 0.
        beta: f64 => required(POSITIVE),
    }
}

contract! {
    /// Immutable record of one arm choice, taken before any update (math 7.7).
    pub struct BanditDecisionSnapshot: rules = snapshot_rules {
        /// Always `thompson_sampling`.
        selection_method: String => required(Check::Enum(&["thompson_sampling"])),
        /// Instant of the choice.
        selection_time_utc: UtcMicros => required(Check::Instant),
        /// Row id of the experiment.
        experiment_id: i64 => required(super::INT),
        /// Version of the selection policy; an identity part.
        policy_version: String => required(Check::IdentityPart),
        /// Chosen arm, one of the candidates.
        selected_arm_id: String => required(TEXT),
        /// Eligible arms in code-point order, distinct.
        candidate_arm_ids: Vec<String> => required(Check::Set(&TEXT, 1)),
        /// Posteriors at the time of the choice, by arm.
        posterior_by_arm: BTreeMap<String, ArmPosterior> => required(Check::Map(&Check::Object(ArmPosterior::OBJECT), 1)),
        /// Draws by arm, within 0 and 1; may be empty.
        sampled_theta_by_arm: BTreeMap<String, f64> => required(Check::Map(&UNIT, 0)),
        /// SHA-256 over the decision context.
        decision_context_hash: String => required(Check::Hash),
        /// Seed of the draws.
        random_seed: u64 => required(super::COUNT),
        /// Kind of prompt of the chosen arm.
        stimulus_modality: StimulusModality => required(MODALITY),
        /// Content of the chosen arm.
        stimulus_payload: StimulusPayload => required(Check::Object(StimulusPayload::OBJECT)),
        /// Delivery rule of the chosen arm.
        expected_stimulus_rule: String => required(RULE_TEXT),
        /// Response rule of the chosen arm.
        expected_response_rule: String => required(RULE_TEXT),
    }
}

fn snapshot_rules(snapshot: &BanditDecisionSnapshot, report: &mut Report) {
    let selected = &snapshot.selected_arm_id;
    report.demand(
        snapshot.candidate_arm_ids.contains(selected),
        "selected_arm_id",
        "must be a candidate",
    );
    report.demand(
        snapshot.posterior_by_arm.contains_key(selected),
        "selected_arm_id",
        "must have a posterior",
    );
}
