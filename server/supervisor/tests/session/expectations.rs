//! What the operator may expect of an experiment after some encounters.

use lsie_store::{ArmPatch, GREETING_EXPERIMENT};

use crate::stage::{EPOCH, Options, World, eventually, segment, smile};

#[tokio::test]
async fn nothing_tried_means_equal_chances_and_no_estimate() {
    let world = World::open(Options::default()).await;
    let seen = world
        .supervisor
        .experiment_readout(GREETING_EXPERIMENT)
        .await
        .unwrap();
    assert_eq!((seen.arms.len(), seen.log.encounters), (4, 0));
    for arm in &seen.arms {
        assert!((arm.probability_best.unwrap() - 0.25).abs() < 1e-9);
        assert!(
            (arm.interval_low - 0.025).abs() < 1e-6 && (arm.interval_high - 0.975).abs() < 1e-6
        );
        assert!((arm.floor - 0.05).abs() < 1e-6);
        assert!(arm.always.is_none() && arm.mean_reward.is_none());
    }
    assert!(seen.policies.iter().all(|policy| policy.estimate.is_none()));
    let error = world
        .supervisor
        .experiment_readout("unheard_of")
        .await
        .unwrap_err();
    assert_eq!(error.code(), "experiment_not_found");
}

#[tokio::test]
async fn encounters_feed_the_estimates_by_their_stored_propensities() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    for k in 0..3_usize {
        let (action, t) = world
            .stimulus(&mut engine, id, 40.0 + 30.0 * k as f64)
            .await;
        world.attest(id, true).await;
        engine.segment(segment(id, action, t, smile(t))).await;
        eventually("the encounter is committed", || async {
            world.rows(id).len() == k + 1
        })
        .await;
        eventually("the next arm is drawn", || async {
            let drawn = world
                .store
                .reader()
                .read(move |view| view.decisions(id, 10));
            drawn.unwrap().len() == k + 2
        })
        .await;
    }
    let seen = world
        .supervisor
        .experiment_readout(GREETING_EXPERIMENT)
        .await
        .unwrap();
    assert_eq!(
        (seen.log.encounters, seen.log.unusable, seen.log.truncated),
        (3, 0, false)
    );
    let chances: f64 = seen
        .arms
        .iter()
        .filter_map(|arm| arm.probability_best)
        .sum();
    assert!((chances - 1.0).abs() < 1e-9);
    let applied: u64 = seen.arms.iter().map(|arm| arm.applied).sum();
    assert_eq!(applied, 3);
    for arm in seen.arms.iter().filter(|arm| arm.applied > 0) {
        assert!((arm.mean_reward.unwrap() - 0.9).abs() < 1e-12);
        assert!((arm.always.unwrap().doubly_robust - 0.9).abs() < 1e-12);
    }
    let as_run = &seen.policies[0];
    assert_eq!(as_run.policy, "as_run");
    assert!((as_run.estimate.unwrap().inverse_propensity - 0.9).abs() < 1e-12);
    // The first draw was among four equal arms: its inverse propensity is 4.
    let first = world.rows(id).pop().unwrap();
    assert!((first.propensity.unwrap() - 0.25).abs() < 1e-6);
    let always = seen
        .arms
        .iter()
        .find(|arm| arm.arm_id == first.arm)
        .unwrap()
        .always;
    assert!(always.unwrap().largest_weight >= 4.0 - 1e-4);
    let shown = world.supervisor.encounters(id, 10, None).await.unwrap();
    assert!(shown.iter().all(|encounter| encounter.propensity.is_some()));
}

#[tokio::test]
async fn a_disabled_arm_keeps_its_interval_and_has_no_chance() {
    let world = World::open(Options::default()).await;
    let patch = ArmPatch {
        stimulus_definition: None,
        disable: true,
    };
    let writer = world.store.writer();
    writer
        .patch_arm(GREETING_EXPERIMENT, "simple_hello", patch, EPOCH)
        .await
        .unwrap();
    let seen = world
        .supervisor
        .experiment_readout(GREETING_EXPERIMENT)
        .await
        .unwrap();
    let disabled = seen
        .arms
        .iter()
        .find(|arm| arm.arm_id == "simple_hello")
        .unwrap();
    assert!(
        !disabled.enabled
            && disabled.probability_best.is_none()
            && disabled.expected_loss.is_none()
    );
    assert!(disabled.interval_low < disabled.mean && disabled.mean < disabled.interval_high);
    let others: f64 = seen
        .arms
        .iter()
        .filter_map(|arm| arm.probability_best)
        .sum();
    assert!((others - 1.0).abs() < 1e-9);
}
