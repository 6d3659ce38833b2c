//! A decision can be made again from its record, and a changed record is caught.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use lsie_analytics::AnalyticsError;
use lsie_analytics::bandit::{
    Arm, DecisionContext, Mismatch, POLICY_LEGACY, Posterior, candidates, context_hash, decide,
    legacy_seed, verify_decision,
};
use lsie_schemas::contract::{
    BanditDecisionSnapshot, StimulusDefinition, StimulusModality, StimulusPayload,
};
use lsie_schemas::time::UtcMicros;
use proptest::prelude::*;
use uuid::Uuid;

const NOW: UtcMicros = UtcMicros(1_775_037_600_000_000);

fn arm(arm_id: &str, alpha: f64, beta: f64) -> Arm {
    Arm {
        arm_id: arm_id.to_owned(),
        posterior: Posterior::new(alpha, beta).unwrap(),
        definition: StimulusDefinition {
            stimulus_modality: StimulusModality::Question,
            stimulus_payload: StimulusPayload {
                content_type: "text".to_owned(),
                text: format!("say {arm_id}"),
            },
            expected_stimulus_rule: format!("{arm_id} is asked"),
            expected_response_rule: "the host answers".to_owned(),
        },
        enabled: true,
        is_end_dated: false,
    }
}

fn context(session: u128) -> DecisionContext<'static> {
    DecisionContext {
        session_id: Uuid::from_u128(session),
        window_start_utc: NOW,
        stimulus_time_secs: None,
        experiment_code: "greeting_line_v1",
        experiment_row_id: 3,
    }
}

fn arms() -> Vec<Arm> {
    vec![
        arm("wave", 1.0, 1.0),
        arm("ask", 2.4, 1.6),
        arm("nod", 0.3, 5.0),
    ]
}

#[test]
fn a_decision_verifies_bit_for_bit() {
    for session in 0..50 {
        let context = context(session);
        let decision = decide(&context, &arms(), NOW).unwrap();
        let replay = verify_decision(&decision.snapshot, &context).unwrap();
        assert!(replay.draws_recomputed && replay.is_bit_exact);
        assert_eq!(replay.propensity.to_bits(), decision.propensity.to_bits());
        assert_eq!(decision.snapshot.candidate_arm_ids, ["ask", "nod", "wave"]);
        assert_eq!(
            decision.snapshot.expected_stimulus_rule,
            format!("{} is asked", decision.snapshot.selected_arm_id)
        );
    }
}

#[test]
fn the_order_of_the_arms_changes_nothing() {
    for session in 0..50 {
        let mut turned = arms();
        turned.rotate_left(session as usize % 3);
        assert_eq!(
            decide(&context(session), &arms(), NOW),
            decide(&context(session), &turned, NOW)
        );
    }
}

#[test]
fn a_decision_says_why_and_who_came_second() {
    let mut seen = std::collections::BTreeSet::new();
    for session in 0..200 {
        let decision = decide(&context(session), &arms(), NOW).unwrap();
        let (second, theta) = decision.runner_up.unwrap();
        assert!(
            theta <= decision.snapshot.sampled_theta_by_arm[&decision.snapshot.selected_arm_id]
        );
        assert_ne!(second, decision.snapshot.selected_arm_id);
        assert!((decision.propensity_by_arm.values().sum::<f64>() - 1.0).abs() < 1e-9);
        seen.insert(decision.reason);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["exploit", "explore"]);
    let alone = decide(&context(1), &[arm("ask", 1.0, 1.0)], NOW).unwrap();
    assert_eq!((alone.reason, alone.runner_up), ("only_arm", None));
    assert!((alone.propensity - 1.0).abs() < 1e-12);
}

#[test]
fn disabled_and_withdrawn_arms_are_no_candidates() {
    let mut all = arms();
    all[0].enabled = false;
    all[1].is_end_dated = true;
    assert_eq!(
        candidates(&all)
            .unwrap()
            .iter()
            .map(|a| a.arm_id.as_str())
            .collect::<Vec<_>>(),
        ["nod"]
    );
    all[2].enabled = false;
    assert_eq!(decide(&context(1), &all, NOW), Err(AnalyticsError::NoArms));
    assert_eq!(
        decide(&context(1), &[arm("a", 1.0, 1.0), arm("a", 2.0, 1.0)], NOW),
        Err(AnalyticsError::DuplicateArm)
    );
}

#[test]
fn a_changed_record_is_caught() {
    let context = context(9);
    let original = decide(&context, &arms(), NOW).unwrap().snapshot;
    let selected = original.selected_arm_id.clone();
    let caught = |change: &dyn Fn(&mut BanditDecisionSnapshot)| {
        let mut changed = original.clone();
        change(&mut changed);
        verify_decision(&changed, &context).unwrap_err()
    };
    assert_eq!(caught(&|s| s.random_seed ^= 1), Mismatch::Seed);
    assert_eq!(caught(&|s| s.experiment_id = 4), Mismatch::Experiment);
    assert_eq!(
        caught(&|s| s.policy_version = "other".to_owned()),
        Mismatch::Policy
    );
    assert_eq!(
        caught(&|s| s.candidate_arm_ids = vec!["ask".to_owned()]),
        Mismatch::Candidates
    );
    assert_eq!(
        caught(&|s| s.decision_context_hash = "0".repeat(64)),
        Mismatch::Hash
    );
    assert_eq!(caught(&|s| s.candidate_arm_ids.reverse()), Mismatch::Hash);
    let draw = Mismatch::Draw(selected.clone());
    assert_eq!(
        caught(&|s| s
            .sampled_theta_by_arm
            .get_mut(&selected)
            .into_iter()
            .for_each(|t| *t -= 1e-6)),
        draw
    );
    assert_eq!(
        caught(&|s| s
            .sampled_theta_by_arm
            .get_mut(&selected)
            .into_iter()
            .for_each(|t| *t = f64::NAN)),
        draw
    );
    assert_eq!(
        caught(&|s| s.selected_arm_id = if selected == "ask" { "nod" } else { "ask" }.to_owned()),
        Mismatch::Selection
    );
    assert_eq!(
        caught(&|s| s
            .posterior_by_arm
            .get_mut("nod")
            .into_iter()
            .for_each(|p| p.alpha = -1.0)),
        Mismatch::Posterior("nod".to_owned())
    );
}

#[test]
fn a_draw_from_another_machine_may_differ_in_its_last_bits() {
    let context = context(9);
    let mut snapshot = decide(&context, &arms(), NOW).unwrap().snapshot;
    for theta in snapshot.sampled_theta_by_arm.values_mut() {
        *theta += 1e-12;
    }
    assert!(!verify_decision(&snapshot, &context).unwrap().is_bit_exact);
}

#[test]
fn an_earlier_record_is_checked_for_consistency() {
    let context = context(9);
    let mut snapshot = decide(&context, &arms(), NOW).unwrap().snapshot;
    snapshot.policy_version = POLICY_LEGACY.to_owned();
    snapshot.random_seed = legacy_seed(&context.session_id, NOW, None, POLICY_LEGACY);
    snapshot.decision_context_hash = context_hash(
        context.experiment_code,
        context.experiment_row_id,
        &snapshot.candidate_arm_ids,
        &snapshot.posterior_by_arm,
        &snapshot.selected_arm_id,
        POLICY_LEGACY,
    );
    let replay = verify_decision(&snapshot, &context).unwrap();
    assert!(!replay.draws_recomputed && !replay.is_bit_exact);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn a_learning_loop_replays_bit_for_bit(rewards in prop::collection::vec(0.0_f64..=1.0, 1..12), session in any::<u128>()) {
        let run = || {
            let mut arms = arms();
            let mut log = Vec::new();
            for (step, reward) in rewards.iter().enumerate() {
                let context = DecisionContext { stimulus_time_secs: Some(step as f64), ..context(session) };
                let decision = decide(&context, &arms, NOW).unwrap();
                let chosen = arms.iter_mut().find(|a| a.arm_id == decision.snapshot.selected_arm_id).unwrap();
                chosen.posterior = chosen.posterior.updated(*reward).unwrap();
                log.push(decision);
            }
            let mass: f64 = arms.iter().map(|a| a.posterior.alpha() + a.posterior.beta()).sum();
            (log, mass)
        };
        let (first, mass) = run();
        prop_assert_eq!(&first, &run().0);
        prop_assert!((mass - (2.0 + 4.0 + 5.3) - rewards.len() as f64).abs() < 1e-9);
    }
}
