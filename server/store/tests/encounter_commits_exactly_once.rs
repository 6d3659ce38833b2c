//! An encounter moves a posterior once, together with all its rows, or not at all.

#![expect(clippy::unwrap_used, reason = "a broken read has to fail its test")]

mod fixture;

use fixture::{ARM, encounter, secs, stimulus, with_session};
use lsie_store::{
    Beta, CommitOutcome, Conflict, GREETING_EXPERIMENT, ReadView, StimulusState, Store, StoreError,
    Update, Verdict,
};
use proptest::prelude::*;

fn posterior(store: &Store, arm: &'static str) -> Beta {
    store
        .reader()
        .read(move |view| view.posterior(GREETING_EXPERIMENT, arm))
        .unwrap()
        .unwrap()
}

fn counts(store: &Store) -> lsie_store::rows::Counts {
    store.reader().read(ReadView::counts).unwrap()
}

#[test]
fn a_commit_moves_the_posterior_and_closes_its_stimulus() {
    let (_folder, store, session_id) = with_session();
    let writer = store.writer();
    let given = stimulus(session_id, 1);
    writer.record_stimulus(given.clone()).wait().unwrap();
    writer
        .stamp_stimulus(given.stimulus_id, secs(125), None)
        .wait()
        .unwrap();
    let mut commit = encounter(session_id, 1, 0.75);
    commit.stimulus_id = Some(given.stimulus_id);
    let outcome = writer.commit_encounter(commit).wait().unwrap();
    let after = Beta {
        alpha: 1.75,
        beta: 1.25,
    };
    assert!(
        matches!(outcome, CommitOutcome::Committed { applied: true, posterior, .. } if posterior == after)
    );
    assert_eq!(posterior(&store, ARM), after);
    let (row, open) = store
        .reader()
        .read(move |view| {
            Ok((
                view.encounter_of_stimulus(given.stimulus_id)?.unwrap(),
                view.uncommitted_stimuli()?,
            ))
        })
        .unwrap();
    assert!(open.is_empty());
    assert_eq!(row.verdict, Verdict::Completed);
    assert_eq!(row.gated_reward, Some(0.75));
    assert_eq!(row.posterior_after, after);
    assert_eq!(row.acoustic.unwrap().f0_mean_measure_hz, Some(180.5));
    assert_eq!(row.evaluation.unwrap().confidence, 0.84);
    assert_eq!(row.notes, ["measured in a test"]);
}

#[test]
fn duplicates_are_answered_and_change_nothing() {
    let (_folder, store, session_id) = with_session();
    let writer = store.writer();
    let commit = encounter(session_id, 1, 0.5);
    let answers: Vec<_> = (0..8)
        .map(|_| writer.commit_encounter(commit.clone()))
        .collect();
    let outcomes: Vec<_> = answers
        .into_iter()
        .map(|answer| answer.wait().unwrap())
        .collect();
    assert!(matches!(outcomes[0], CommitOutcome::Committed { .. }));
    assert!(
        outcomes[1..]
            .iter()
            .all(|outcome| *outcome == CommitOutcome::AlreadyCommitted)
    );
    let mut other_content = commit.clone();
    other_content.update = Update::Skip {
        reason: "no_frames".to_owned(),
    };
    assert_eq!(
        writer.commit_encounter(other_content).wait().unwrap(),
        CommitOutcome::AlreadyCommitted
    );
    assert_eq!(
        posterior(&store, ARM),
        Beta {
            alpha: 1.5,
            beta: 1.5
        }
    );
    assert_eq!((counts(&store).encounters, counts(&store).ledger), (1, 1));
}

#[test]
fn duplicates_from_many_threads_commit_once() {
    let (_folder, store, session_id) = with_session();
    let committed: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let writer = store.writer();
                scope.spawn(move || {
                    (1..=5)
                        .map(|n| {
                            writer
                                .commit_encounter(encounter(session_id, n, 1.0))
                                .wait()
                                .unwrap()
                        })
                        .filter(|outcome| matches!(outcome, CommitOutcome::Committed { .. }))
                        .count()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(committed, 5);
    assert_eq!(
        posterior(&store, ARM),
        Beta {
            alpha: 6.0,
            beta: 1.0
        }
    );
}

#[test]
fn a_skipped_update_leaves_the_posterior_and_says_why() {
    let (_folder, store, session_id) = with_session();
    let mut commit = encounter(session_id, 1, 0.9);
    commit.update = Update::Skip {
        reason: "semantic_unavailable".to_owned(),
    };
    commit.evaluation = None;
    commit.verdict = Verdict::RejectedSemanticUnavailable;
    let outcome = store.writer().commit_encounter(commit).wait().unwrap();
    assert!(matches!(
        outcome,
        CommitOutcome::Committed { applied: false, .. }
    ));
    assert_eq!(
        posterior(&store, ARM),
        Beta {
            alpha: 1.0,
            beta: 1.0
        }
    );
    let row = store
        .reader()
        .read(|view| view.latest_encounter(None))
        .unwrap()
        .unwrap();
    assert_eq!(row.skip_reason.as_deref(), Some("semantic_unavailable"));
    assert!(store.verify().wait().unwrap().is_sound());
}

#[test]
fn an_unknown_arm_rolls_everything_back() {
    let (_folder, store, session_id) = with_session();
    let mut commit = encounter(session_id, 1, 0.5);
    commit.arm = "nobody".to_owned();
    let refused = store.writer().commit_encounter(commit.clone()).wait();
    assert!(matches!(refused, Err(StoreError::UnknownArm { arm, .. }) if arm == "nobody"));
    let after = counts(&store);
    assert_eq!((after.segments, after.encounters, after.ledger), (0, 0, 0));
    commit.arm = ARM.to_owned();
    assert!(matches!(
        store.writer().commit_encounter(commit).wait(),
        Ok(CommitOutcome::Committed { .. })
    ));
}

#[test]
fn a_message_id_of_another_result_is_a_conflict() {
    let (_folder, store, session_id) = with_session();
    let first = encounter(session_id, 1, 0.5);
    let mut second = encounter(session_id, 2, 0.5);
    second.message_id = first.message_id;
    store.writer().commit_encounter(first).wait().unwrap();
    let refused = store.writer().commit_encounter(second).wait();
    assert!(matches!(
        refused,
        Err(StoreError::Conflict(Conflict::MessageReused))
    ));
    assert_eq!(counts(&store).encounters, 1);
}

#[test]
fn numbers_outside_their_range_are_refused_before_anything_is_written() {
    let (_folder, store, session_id) = with_session();
    let writer = store.writer();
    for bad in [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        -0.001,
        1.001,
        f64::MAX,
    ] {
        let mut commit = encounter(session_id, 1, 0.5);
        commit.reward.as_mut().unwrap().gated_reward = bad;
        assert!(matches!(
            writer.commit_encounter(commit).wait(),
            Err(StoreError::Invalid {
                field: "gated_reward",
                ..
            })
        ));
        let mut commit = encounter(session_id, 1, 0.5);
        commit.evaluation.as_mut().unwrap().confidence = bad;
        assert!(writer.commit_encounter(commit).wait().is_err());
        let mut commit = encounter(session_id, 1, 0.5);
        commit.metrics.as_mut().unwrap().au12_intensity = Some(bad);
        assert!(writer.commit_encounter(commit).wait().is_err());
    }
    for bad in [f64::NAN, f64::INFINITY] {
        let mut commit = encounter(session_id, 1, 0.5);
        let metrics = commit.metrics.as_mut().unwrap();
        metrics.acoustic.as_mut().unwrap().jitter_delta = Some(bad);
        assert!(writer.commit_encounter(commit).wait().is_err());
        let mut commit = encounter(session_id, 1, 0.5);
        commit.segment.baseline_ratio = Some(bad);
        assert!(writer.commit_encounter(commit).wait().is_err());
    }
    let mut without_reward = encounter(session_id, 1, 0.5);
    without_reward.reward = None;
    assert!(
        writer.commit_encounter(without_reward).wait().is_err(),
        "an update needs a reward"
    );
    assert_eq!((counts(&store).segments, counts(&store).ledger), (0, 0));
    assert_eq!(
        posterior(&store, ARM),
        Beta {
            alpha: 1.0,
            beta: 1.0
        }
    );
}

#[test]
fn a_failed_stimulus_cannot_be_committed() {
    let (_folder, store, session_id) = with_session();
    let writer = store.writer();
    let given = stimulus(session_id, 1);
    writer.record_stimulus(given.clone()).wait().unwrap();
    writer
        .fail_stimulus(given.stimulus_id, "engine_restart")
        .wait()
        .unwrap();
    let mut commit = encounter(session_id, 1, 0.5);
    commit.stimulus_id = Some(given.stimulus_id);
    assert!(matches!(
        writer.commit_encounter(commit).wait(),
        Err(StoreError::Conflict(Conflict::StimulusClosed))
    ));
    assert_eq!(counts(&store).encounters, 0);
    let row = store
        .reader()
        .read(move |view| view.stimulus(given.stimulus_id))
        .unwrap()
        .unwrap();
    assert_eq!(
        (row.state, row.failure_reason.as_deref()),
        (StimulusState::Failed, Some("engine_restart"))
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn mass_grows_by_one_per_applied_update(
        steps in prop::collection::vec((0_i64..12, 0.0_f64..=1.0, prop::bool::weighted(0.7)), 1..24)
    ) {
        let (_folder, store, session_id) = with_session();
        let writer = store.writer();
        let mut seen = std::collections::BTreeSet::new();
        let (mut applied, mut alpha) = (0_u32, 1.0_f64);
        for (n, reward, apply) in steps {
            let mut commit = encounter(session_id, n, reward);
            if !apply {
                commit.update = Update::Skip { reason: "no_frames".to_owned() };
            }
            let outcome = writer.commit_encounter(commit).wait().unwrap();
            let is_new = seen.insert(n);
            prop_assert_eq!(is_new, matches!(outcome, CommitOutcome::Committed { .. }));
            if is_new && apply {
                applied += 1;
                alpha += reward;
            }
        }
        let after = posterior(&store, ARM);
        prop_assert_eq!(after.alpha, alpha);
        prop_assert!((after.alpha + after.beta - 2.0 - f64::from(applied)).abs() < 1e-12);
        let report = store.verify().wait().unwrap();
        prop_assert!(report.is_sound(), "{:?}", report);
        prop_assert_eq!(report.ledger_rows, seen.len() as u64);
    }
}
