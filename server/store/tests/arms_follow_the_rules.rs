//! Arms: created at Beta(1, 1), disabled for good, deleted only when unused.

mod fixture;

use fixture::{ARM, definition, encounter, fresh, secs, with_session};
use lsie_store::{
    ArmDeleted, ArmPatch, Beta, Conflict, GREETING_EXPERIMENT, NewArm, NewExperiment, ReadView,
    StoreError, Update,
};

fn arm(name: &str) -> NewArm {
    NewArm {
        arm: name.to_owned(),
        stimulus_definition: definition(name),
    }
}

fn experiment(arms: Vec<NewArm>) -> NewExperiment {
    NewExperiment {
        experiment_id: "opening/line".to_owned(),
        label: "Opening".to_owned(),
        arms,
    }
}

#[test]
fn an_experiment_is_created_whole_or_not_at_all() {
    let (_folder, store) = fresh();
    let writer = store.writer();
    let twice = writer
        .create_experiment(experiment(vec![arm("a"), arm("b"), arm("a")]), secs(1))
        .wait();
    assert!(matches!(
        twice,
        Err(StoreError::Conflict(Conflict::ArmExists))
    ));
    assert!(matches!(
        writer
            .create_experiment(experiment(Vec::new()), secs(1))
            .wait(),
        Err(StoreError::Invalid { field: "arms", .. })
    ));
    assert!(
        store
            .reader()
            .read(|view| view.experiment("opening/line"))
            .unwrap()
            .is_none()
    );
    writer
        .create_experiment(experiment(vec![arm("b"), arm("a/ü")]), secs(1))
        .wait()
        .unwrap();
    let again = writer
        .create_experiment(experiment(vec![arm("c")]), secs(1))
        .wait();
    assert!(matches!(
        again,
        Err(StoreError::Conflict(Conflict::ExperimentExists))
    ));
    let detail = store
        .reader()
        .read(|view| view.experiment("opening/line"))
        .unwrap()
        .unwrap();
    assert_eq!(
        detail
            .arms
            .iter()
            .map(|arm| arm.arm.as_str())
            .collect::<Vec<_>>(),
        ["a/ü", "b"]
    );
    assert!(detail.arms.iter().all(|arm| arm.posterior
        == Beta {
            alpha: 1.0,
            beta: 1.0
        }
        && arm.enabled));
    let list = store.reader().read(ReadView::experiments).unwrap();
    assert_eq!(list.len(), 2);
    assert_eq!(
        (list[1].experiment_id.as_str(), list[1].arm_count),
        ("opening/line", 2)
    );
}

#[test]
fn an_arm_changes_its_text_but_never_its_posterior() {
    let (_folder, store, session_id) = with_session();
    let writer = store.writer();
    writer
        .commit_encounter(encounter(session_id, 1, 0.5))
        .wait()
        .unwrap();
    let patch = ArmPatch {
        stimulus_definition: Some(definition("new words")),
        disable: false,
    };
    writer
        .patch_arm(GREETING_EXPERIMENT, ARM, patch, secs(500))
        .wait()
        .unwrap();
    let row = store
        .reader()
        .read(|view| view.arm(GREETING_EXPERIMENT, ARM))
        .unwrap()
        .unwrap();
    assert_eq!(row.stimulus_definition.stimulus_payload.text, "new words");
    assert_eq!(
        row.posterior,
        Beta {
            alpha: 1.5,
            beta: 1.5
        }
    );
    assert!(
        writer
            .patch_arm(GREETING_EXPERIMENT, ARM, ArmPatch::default(), secs(1))
            .wait()
            .is_err()
    );
    let disable = ArmPatch {
        stimulus_definition: None,
        disable: true,
    };
    writer
        .patch_arm(GREETING_EXPERIMENT, ARM, disable.clone(), secs(600))
        .wait()
        .unwrap();
    writer
        .patch_arm(GREETING_EXPERIMENT, ARM, disable.clone(), secs(700))
        .wait()
        .unwrap();
    let row = store
        .reader()
        .read(|view| view.arm(GREETING_EXPERIMENT, ARM))
        .unwrap()
        .unwrap();
    assert_eq!(
        (row.enabled, row.end_dated_at),
        (false, Some(secs(600))),
        "the first end stays"
    );
    writer
        .commit_encounter(encounter(session_id, 2, 1.0))
        .wait()
        .unwrap();
    let late = store
        .reader()
        .read(|view| view.posterior(GREETING_EXPERIMENT, ARM))
        .unwrap();
    assert_eq!(
        late,
        Some(Beta {
            alpha: 2.5,
            beta: 1.5
        }),
        "a late reward still counts"
    );
    let unknown = writer
        .patch_arm(GREETING_EXPERIMENT, "nobody", disable.clone(), secs(1))
        .wait();
    assert!(matches!(unknown, Err(StoreError::UnknownArm { .. })));
    let unknown = writer.patch_arm("nowhere", ARM, disable, secs(1)).wait();
    assert!(matches!(unknown, Err(StoreError::UnknownExperiment(_))));
}

#[test]
fn a_used_arm_is_disabled_instead_of_deleted() {
    let (_folder, store, session_id) = with_session();
    let writer = store.writer();
    let mut skipped = encounter(session_id, 1, 0.5);
    skipped.update = Update::Skip {
        reason: "no_frames".to_owned(),
    };
    writer.commit_encounter(skipped).wait().unwrap();
    let used = writer
        .delete_arm(GREETING_EXPERIMENT, ARM, secs(200))
        .wait()
        .unwrap();
    assert_eq!(
        used,
        ArmDeleted::Disabled,
        "an encounter without an update is a use"
    );
    let drawn = fixture::decision("simple_hello", secs(5));
    writer.record_decision(session_id, drawn).wait().unwrap();
    let drawn = writer
        .delete_arm(GREETING_EXPERIMENT, "simple_hello", secs(200))
        .wait()
        .unwrap();
    assert_eq!(drawn, ArmDeleted::Disabled, "a draw is a use");
    let unused = writer
        .delete_arm(GREETING_EXPERIMENT, "direct_question", secs(200))
        .wait()
        .unwrap();
    assert_eq!(unused, ArmDeleted::Removed);
    let arms = store
        .reader()
        .read(|view| view.arms(GREETING_EXPERIMENT))
        .unwrap();
    let enabled: Vec<_> = arms
        .iter()
        .map(|arm| (arm.arm.as_str(), arm.enabled))
        .collect();
    assert_eq!(
        enabled,
        [
            ("compliment_content", true),
            ("simple_hello", false),
            ("warm_welcome", false)
        ]
    );
    writer
        .add_arm(GREETING_EXPERIMENT, arm("direct_question"), secs(300))
        .wait()
        .unwrap();
    let again = writer
        .add_arm(GREETING_EXPERIMENT, arm("simple_hello"), secs(300))
        .wait();
    assert!(matches!(
        again,
        Err(StoreError::Conflict(Conflict::ArmExists))
    ));
}

#[test]
fn arm_statistics_count_draws_and_recent_encounters() {
    let (_folder, store, session_id) = with_session();
    let writer = store.writer();
    for n in 0..3 {
        writer
            .record_decision(session_id, fixture::decision(ARM, secs(n)))
            .wait()
            .unwrap();
    }
    for n in 1..=25 {
        let mut commit = encounter(session_id, n, if n <= 5 { 0.0 } else { 0.5 });
        commit.reward.as_mut().unwrap().gate_open = n % 2 == 0;
        writer.commit_encounter(commit).wait().unwrap();
    }
    let row = store
        .reader()
        .read(|view| view.arm(GREETING_EXPERIMENT, ARM))
        .unwrap()
        .unwrap();
    assert_eq!(row.selection_count, 3);
    assert_eq!(row.recent_reward_mean, Some(0.5), "only the last 20 count");
    assert_eq!(row.recent_semantic_pass_rate, Some(0.5));
    let idle = store
        .reader()
        .read(|view| view.arm(GREETING_EXPERIMENT, "simple_hello"))
        .unwrap()
        .unwrap();
    assert_eq!((idle.selection_count, idle.recent_reward_mean), (0, None));
    let detail = store
        .reader()
        .read(|view| view.experiment(GREETING_EXPERIMENT))
        .unwrap()
        .unwrap();
    assert_eq!(detail.experiment.active_arm.as_deref(), Some(ARM));
    assert_eq!(detail.experiment.latest_reward, Some(0.5));
    assert_eq!(
        detail.latest_decision.unwrap().snapshot.selection_time_utc,
        secs(2)
    );
    assert_eq!(detail.latest_encounter.unwrap().propensity, Some(0.25));
}
