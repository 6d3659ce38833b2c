//! A repeated action gets the first answer; the same id for another request is a conflict.

mod fixture;

use fixture::{ARM, START, decision, fresh, secs, session, stimulus, with_session};
use lsie_schemas::api::SessionStatus;
use lsie_schemas::observation::CalibrationState;
use lsie_store::{
    Conflict, LiveState, NewGap, ReadView, Remembered, SessionCreated, StimulusState, StoreError,
};
use serde_json::json;
use uuid::Uuid;

fn conflict<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> Conflict {
    match answer {
        Err(StoreError::Conflict(conflict)) => conflict,
        other => panic!("expected a conflict, got {other:?}"),
    }
}

#[test]
fn a_session_opens_once_and_alone() {
    let (_folder, store) = fresh();
    let writer = store.writer();
    let mut first = session(1);
    first.decision = Some(decision(ARM, secs(1)));
    assert_eq!(
        writer.create_session(first.clone()).wait().unwrap(),
        SessionCreated::New
    );
    assert_eq!(
        writer.create_session(first.clone()).wait().unwrap(),
        SessionCreated::Replayed
    );
    let open = conflict(writer.create_session(session(2)).wait());
    assert_eq!(
        open,
        Conflict::SessionActive {
            open: first.session_id
        }
    );
    let mut other_source = first.clone();
    other_source.source_url = "rtsp://127.0.0.1/cam1".to_owned();
    assert_eq!(
        conflict(writer.create_session(other_source).wait()),
        Conflict::ActionReused
    );
    let row = store
        .reader()
        .read(move |view| view.session(first.session_id))
        .unwrap()
        .unwrap();
    assert_eq!(row.active_arm.as_deref(), Some(ARM));
    assert!(row.stimulus_definition.is_some());
    writer
        .end_session(first.session_id, None, "requested", secs(9))
        .wait()
        .unwrap();
    assert_eq!(
        writer.create_session(first).wait().unwrap(),
        SessionCreated::Replayed,
        "a late retry opens nothing"
    );
    assert_eq!(
        writer.create_session(session(2)).wait().unwrap(),
        SessionCreated::New
    );
}

#[test]
fn a_session_of_an_unknown_experiment_is_refused() {
    let (_folder, store) = fresh();
    let mut new = session(1);
    new.experiment_id = Some("nobody_knows".to_owned());
    let refused = store.writer().create_session(new).wait();
    assert!(matches!(refused, Err(StoreError::UnknownExperiment(code)) if code == "nobody_knows"));
    let mut with_bad_arm = session(1);
    with_bad_arm.decision = Some(decision("nobody", secs(1)));
    assert!(matches!(
        store.writer().create_session(with_bad_arm).wait(),
        Err(StoreError::UnknownArm { .. })
    ));
    assert_eq!(
        store.reader().read(ReadView::counts).unwrap().sessions,
        0,
        "the row went with its decision"
    );
}

#[test]
fn a_session_ends_once_and_never_before_it_began() {
    let (_folder, store, session_id) = with_session();
    let writer = store.writer();
    let action = Uuid::from_u128(77);
    let ended = writer
        .end_session(session_id, Some(action), "requested", secs(-50))
        .wait()
        .unwrap();
    assert_eq!((ended.ended_at, ended.replayed), (secs(1), false));
    let again = writer
        .end_session(session_id, Some(action), "requested", secs(90))
        .wait()
        .unwrap();
    assert_eq!((again.ended_at, again.replayed), (secs(1), true));
    let other = writer
        .end_session(session_id, Some(Uuid::from_u128(78)), "requested", secs(90))
        .wait();
    assert_eq!(conflict(other), Conflict::SessionEnded);
    let unknown = writer
        .end_session(Uuid::nil(), None, "requested", START)
        .wait();
    assert!(matches!(unknown, Err(StoreError::UnknownSession(_))));
    let row = store
        .reader()
        .read(move |view| view.session(session_id))
        .unwrap()
        .unwrap();
    assert_eq!(row.status, SessionStatus::Ended);
    let late = writer.record_stimulus(stimulus(session_id, 1)).wait();
    assert_eq!(conflict(late), Conflict::SessionEnded);
}

#[test]
fn a_stimulus_is_given_once_and_its_first_answer_replayed() {
    let (_folder, store, session_id) = with_session();
    let writer = store.writer();
    let first = stimulus(session_id, 1);
    assert!(
        !writer
            .record_stimulus(first.clone())
            .wait()
            .unwrap()
            .replayed
    );
    let measured = writer.record_stimulus(stimulus(session_id, 2)).wait();
    assert_eq!(
        conflict(measured),
        Conflict::StimulusOpen {
            open: first.stimulus_id
        }
    );
    writer
        .stamp_stimulus(first.stimulus_id, secs(31), None)
        .wait()
        .unwrap();
    let mut repeat = first.clone();
    repeat.stimulus_id = Uuid::from_u128(999);
    repeat.accepted_at = secs(40);
    let replayed = writer.record_stimulus(repeat).wait().unwrap();
    assert_eq!(
        (replayed.stimulus_id, replayed.accepted_at),
        (first.stimulus_id, first.accepted_at)
    );
    assert_eq!(
        (replayed.stimulus_time, replayed.replayed),
        (Some(secs(31)), true)
    );
    let moved = writer
        .stamp_stimulus(first.stimulus_id, secs(32), None)
        .wait();
    assert_eq!(conflict(moved), Conflict::StimulusClosed);
    writer
        .stamp_stimulus(first.stimulus_id, secs(31), None)
        .wait()
        .unwrap();
    writer
        .advance_stimulus(first.stimulus_id, StimulusState::Analysing)
        .wait()
        .unwrap();
    writer
        .record_stimulus(stimulus(session_id, 2))
        .wait()
        .unwrap();
    writer
        .advance_stimulus(first.stimulus_id, StimulusState::AwaitingAttestation)
        .wait()
        .unwrap();
    let back = writer
        .advance_stimulus(first.stimulus_id, StimulusState::Analysing)
        .wait();
    assert_eq!(conflict(back), Conflict::StimulusClosed);
    assert!(
        writer
            .advance_stimulus(first.stimulus_id, StimulusState::Completed)
            .wait()
            .is_err()
    );
    let rows = store
        .reader()
        .read(move |view| view.stimuli(session_id))
        .unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].state, StimulusState::AwaitingAttestation);
}

#[test]
fn an_action_of_another_session_is_a_conflict() {
    let (_folder, store, session_id) = with_session();
    let writer = store.writer();
    writer
        .record_stimulus(stimulus(session_id, 1))
        .wait()
        .unwrap();
    writer
        .end_session(session_id, None, "requested", secs(50))
        .wait()
        .unwrap();
    let second = session(2);
    writer.create_session(second.clone()).wait().unwrap();
    let reused = writer
        .record_stimulus(stimulus(second.session_id, 1))
        .wait();
    assert_eq!(conflict(reused), Conflict::ActionReused);
}

#[test]
fn planned_stimuli_stand_beside_each_other() {
    let (_folder, store, session_id) = with_session();
    for n in 1..=3 {
        let mut planned = stimulus(session_id, n);
        planned.is_planned = true;
        store.writer().record_stimulus(planned).wait().unwrap();
    }
    let open = store.reader().read(ReadView::uncommitted_stimuli).unwrap();
    assert!(open.len() == 3 && open.iter().all(|row| row.state == StimulusState::Planned));
}

#[test]
fn a_decision_is_kept_bit_for_bit_and_once() {
    let (_folder, store, session_id) = with_session();
    let writer = store.writer();
    let drawn = decision(ARM, secs(5));
    let id = writer
        .record_decision(session_id, drawn.clone())
        .wait()
        .unwrap();
    assert_eq!(
        writer
            .record_decision(session_id, drawn.clone())
            .wait()
            .unwrap(),
        id
    );
    let mut other = drawn.clone();
    other.snapshot.random_seed = 1;
    assert_eq!(
        conflict(writer.record_decision(session_id, other).wait()),
        Conflict::DecisionReused
    );
    let rows = store
        .reader()
        .read(move |view| view.decisions(session_id, 10))
        .unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].snapshot, drawn.snapshot);
    assert_eq!(rows[0].propensity, Some(0.25));
    for bad in [0.0, -0.1, 1.1, f64::NAN] {
        let mut broken = decision(ARM, secs(6));
        broken.propensity = Some(bad);
        assert!(
            writer.record_decision(session_id, broken).wait().is_err(),
            "{bad}"
        );
    }
    let mut broken = decision(ARM, secs(6));
    broken
        .snapshot
        .sampled_theta_by_arm
        .insert(ARM.to_owned(), f64::NAN);
    assert!(writer.record_decision(session_id, broken).wait().is_err());
}

#[test]
fn answers_are_remembered_for_a_day() {
    let (_folder, store) = fresh();
    let writer = store.writer();
    let action = Uuid::from_u128(5);
    let remember = |word: &str, at| {
        writer
            .remember_answer(action, "POST arms", json!({ "said": word }), at)
            .wait()
    };
    assert_eq!(remember("first", START).unwrap(), Remembered::First);
    assert_eq!(
        remember("second", secs(3600)).unwrap(),
        Remembered::Replayed(json!({ "said": "first" }))
    );
    let other = writer
        .remember_answer(action, "DELETE arms", json!(null), secs(3601))
        .wait();
    assert_eq!(conflict(other), Conflict::ActionReused);
    assert_eq!(
        remember("third", secs(24 * 3600 + 1)).unwrap(),
        Remembered::First
    );
    let kept = store
        .reader()
        .read(move |view| view.remembered_answer(action))
        .unwrap();
    assert_eq!(kept, Some(json!({ "said": "third" })));
}

#[test]
fn live_state_and_gaps_survive_for_the_next_engine() {
    let (folder, store, session_id) = with_session();
    let writer = store.writer();
    let mut state = LiveState {
        session_id,
        calibration: CalibrationState {
            accepted: 44,
            ratio_sum: 27.123_456_789,
        },
        media_ns: 12_000_000_000,
        updated_at: secs(12),
    };
    writer.save_calibration(state).wait().unwrap();
    state.calibration.accepted = 45;
    writer.save_calibration(state).wait().unwrap();
    let mut broken = state;
    broken.calibration.ratio_sum = f64::NAN;
    assert!(writer.save_calibration(broken).wait().is_err());
    let mut gap = NewGap {
        session_id,
        cause: "engine_restart".to_owned(),
        start: secs(12),
        end: None,
    };
    let id = writer.record_gap(gap.clone()).wait().unwrap();
    gap.end = Some(secs(14));
    assert_eq!(
        writer.record_gap(gap.clone()).wait().unwrap(),
        id,
        "the open gap is closed, not doubled"
    );
    gap.end = Some(secs(11));
    assert!(writer.record_gap(gap).wait().is_err());
    writer
        .set_session_epoch(session_id, secs(1))
        .wait()
        .unwrap();
    writer
        .set_session_epoch(session_id, secs(1))
        .wait()
        .unwrap();
    assert!(
        writer
            .set_session_epoch(session_id, secs(2))
            .wait()
            .is_err()
    );
    store.close();
    let store = fixture::open(folder.path());
    let open = &store.recovery().open_sessions[0];
    assert_eq!(open.live, Some(state));
    assert_eq!(open.epoch, Some(secs(1)));
    let gaps = store
        .reader()
        .read(move |view| view.data_gaps(session_id))
        .unwrap();
    assert_eq!(
        gaps.iter().map(|gap| gap.end).collect::<Vec<_>>(),
        [Some(secs(14))]
    );
}
