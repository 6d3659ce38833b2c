//! Start, stimulus and end as the operator repeats, mistakes and interrupts them.

use lsie_schemas::api::{HealthState, PlannedStimulusRequest, SessionCreate, SessionEnd};
use lsie_schemas::link::{EngineMessage, ServerMessage, Text};
use lsie_schemas::time::UtcMicros;
use lsie_store::StimulusState;
use lsie_supervisor::SupervisorError;
use uuid::Uuid;

use crate::stage::{Options, World, create, eventually, heartbeat, segment, smile, within};

#[tokio::test]
async fn starting_without_an_engine_is_refused_with_a_next_step() {
    let world = World::open(Options::default()).await;
    let error = world.supervisor.start_session(create()).await.unwrap_err();
    assert_eq!(error.code(), "engine_unavailable");
    assert!(error.hint().is_some());
    assert!(world.supervisor.sessions(10).await.unwrap().is_empty());
}

/// A change that was told before it could be seen left the console showing a session that had ended.
#[tokio::test]
async fn whoever_is_told_of_a_change_finds_it() {
    let world = World::open(Options::default()).await;
    let (engine, id) = world.calibrated().await;
    let mut changes = world.supervisor.changes();
    let mut beat = heartbeat(Some(id), 2_000_000_000, 46);
    beat.source_state = Text::cut("recovering");
    engine.say(EngineMessage::Heartbeat(Box::new(beat))).await;
    let first = within("a change is told", changes.recv()).await.unwrap();
    let health = world.supervisor.health().await.unwrap();
    let mut parts = health.subsystems.iter();
    let source = parts.find(|part| part.subsystem_key == "source").unwrap();
    assert_eq!(source.state, HealthState::Recovering, "{first:?}");
}

/// Bodies that cannot start a session, with the code of the refusal.
fn refused_bodies() -> [(SessionCreate, &'static str); 9] {
    let planned = |offset_s| PlannedStimulusRequest {
        offset_s,
        attested: true,
    };
    [
        (
            SessionCreate {
                stream_url: "nfs://host/a".into(),
                ..create()
            },
            "unknown_scheme",
        ),
        (
            SessionCreate {
                stream_url: "presenter".into(),
                ..create()
            },
            "validation_failed",
        ),
        (
            SessionCreate {
                stream_url: format!("demo:{}", "x".repeat(5000)),
                ..create()
            },
            "validation_failed",
        ),
        (
            SessionCreate {
                experiment_id: "unheard_of".into(),
                ..create()
            },
            "experiment_not_found",
        ),
        (
            SessionCreate {
                experiment_id: "  ".into(),
                ..create()
            },
            "validation_failed",
        ),
        (
            SessionCreate {
                planned_stimuli: vec![planned(f64::NAN)],
                ..create()
            },
            "validation_failed",
        ),
        (
            SessionCreate {
                planned_stimuli: vec![planned(-1.0)],
                ..create()
            },
            "validation_failed",
        ),
        (
            SessionCreate {
                planned_stimuli: vec![planned(10.0), planned(12.0)],
                ..create()
            },
            "validation_failed",
        ),
        (
            SessionCreate {
                planned_stimuli: (0..65).map(|k| planned(20.0 * f64::from(k))).collect(),
                ..create()
            },
            "validation_failed",
        ),
    ]
}

#[tokio::test]
async fn bodies_that_cannot_start_a_session_say_why_and_leave_no_row() {
    let world = World::open(Options::default()).await;
    let _engine = world.engine().await;
    for (body, code) in refused_bodies() {
        let error = world
            .supervisor
            .start_session(body.clone())
            .await
            .unwrap_err();
        assert_eq!(error.code(), code, "{body:?}");
    }
    let body = SessionCreate {
        stream_url: "nfs://host/a".into(),
        ..create()
    };
    let words = world
        .supervisor
        .start_session(body)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        words.contains("demo: the built-in presenter") && words.contains("file: "),
        "{words}"
    );
    assert!(world.supervisor.sessions(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_repeated_start_is_answered_again_and_a_second_session_waits_its_turn() {
    let world = World::open(Options::default()).await;
    let mut engine = world.engine().await;
    let body = create();
    let (id, _) = world.session(&mut engine, body.clone()).await;
    assert_eq!(
        world
            .supervisor
            .start_session(body)
            .await
            .unwrap()
            .session_id,
        id
    );
    let error = world.supervisor.start_session(create()).await.unwrap_err();
    assert!(matches!(error, SupervisorError::SessionActive(open) if open == id));
    assert_eq!(world.supervisor.sessions(10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn ending_twice_with_one_action_is_fine_and_with_another_is_a_conflict() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    let body = SessionEnd {
        client_action_id: Uuid::new_v4(),
    };
    world
        .supervisor
        .end_session(id, body.clone())
        .await
        .unwrap();
    assert_eq!(engine.hear().await, ServerMessage::End { session_id: id });
    world.supervisor.end_session(id, body).await.unwrap();
    let other = SessionEnd {
        client_action_id: Uuid::new_v4(),
    };
    let error = world
        .supervisor
        .end_session(id, other.clone())
        .await
        .unwrap_err();
    assert!(matches!(error, SupervisorError::SessionEnded(_)));
    let error = world
        .supervisor
        .end_session(Uuid::new_v4(), other)
        .await
        .unwrap_err();
    assert!(matches!(error, SupervisorError::SessionNotFound(_)));
    let row = world
        .store
        .reader()
        .read(move |view| view.session(id))
        .unwrap()
        .unwrap();
    assert_eq!(row.end_reason.as_deref(), Some("requested"));
    // The next session may start at once.
    world.session(&mut engine, create()).await;
}

#[tokio::test]
async fn one_stimulus_at_a_time() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    let (action, t) = world.stimulus(&mut engine, id, 40.0).await;
    let error = world.give(id, Uuid::new_v4()).await.unwrap_err();
    assert!(matches!(error, SupervisorError::EncounterOpen(open) if open == action));
    engine.segment(segment(id, action, t, smile(t))).await;
    world.attest(id, true).await;
    world.only_row(id).await;
    world.stimulus(&mut engine, id, 80.0).await;
}

#[tokio::test]
async fn a_repeated_stimulus_gets_the_first_time_and_is_given_once() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    let (action, t) = world.stimulus(&mut engine, id, 40.0).await;
    let again = world.give(id, action).await.unwrap();
    assert_eq!(again.stimulus_time_utc, UtcMicros::from_epoch_secs(t));
    world.end(id).await;
    assert_eq!(
        engine.hear().await,
        ServerMessage::End { session_id: id },
        "the engine was asked once"
    );
    let after_the_end = world.give(id, action).await.unwrap();
    assert_eq!(after_the_end.stimulus_time_utc, again.stimulus_time_utc);
    let (other, _) = world.session(&mut engine, create()).await;
    let error = world.give(other, action).await.unwrap_err();
    assert!(matches!(error, SupervisorError::ActionReused(reused) if reused == action));
    let error = world
        .give(Uuid::new_v4(), Uuid::new_v4())
        .await
        .unwrap_err();
    assert!(matches!(error, SupervisorError::SessionNotFound(_)));
    let error = world.give(id, Uuid::new_v4()).await.unwrap_err();
    assert!(matches!(error, SupervisorError::SessionEnded(_)));
}

#[tokio::test]
async fn a_stimulus_while_the_source_is_opening_is_refused_in_words_that_say_so() {
    let world = World::open(Options::default()).await;
    let mut engine = world.engine().await;
    let body = create();
    let start = tokio::spawn({
        let supervisor = world.supervisor.clone();
        async move { supervisor.start_session(body).await }
    });
    let order = engine.hear_start().await;
    let error = world
        .give(order.session_id, Uuid::new_v4())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "the media process is opening the source");
    engine
        .say(EngineMessage::SessionStarted(crate::stage::started(
            &order, "live",
        )))
        .await;
    within("the start is answered", start)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_source_that_cannot_be_opened_answers_the_start_and_closes_the_session() {
    let world = World::open(Options::default()).await;
    let mut engine = world.engine().await;
    let (answer, session) = tokio::join!(world.supervisor.start_session(create()), async {
        let order = engine.hear_start().await;
        let (code, detail) = (Text::cut("Not A Code!"), Text::cut("there is no such file"));
        engine
            .say(EngineMessage::SessionFailed {
                session_id: order.session_id,
                code,
                detail,
            })
            .await;
        order.session_id
    });
    let error = answer.unwrap_err();
    assert!(
        error.to_string().contains("there is no such file"),
        "{error}"
    );
    let row = world
        .store
        .reader()
        .read(move |view| view.session(session))
        .unwrap()
        .unwrap();
    assert_eq!(row.end_reason.as_deref(), Some("source_failed"));
    world.session(&mut engine, create()).await;
}

#[tokio::test]
async fn a_refused_stimulus_is_failed_and_the_next_one_goes_through() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    let action = Uuid::new_v4();
    let (answer, ()) = tokio::join!(world.give(id, action), async {
        engine.hear().await;
        engine.stamp(id, action, f64::NAN).await;
    });
    assert!(answer.is_err(), "a time that is no time is no stamp");
    let stimulus = world
        .store
        .reader()
        .read(move |view| view.stimulus(action))
        .unwrap()
        .unwrap();
    assert_eq!(
        (stimulus.state, stimulus.failure_reason.as_deref()),
        (StimulusState::Failed, Some("time_invalid"))
    );
    world.stimulus(&mut engine, id, 40.0).await;
}

#[tokio::test]
async fn ending_while_a_window_is_open_keeps_the_stimulus_as_a_gap() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    world.stimulus(&mut engine, id, 40.0).await;
    world.end(id).await;
    let row = world.only_row(id).await;
    assert!(row.data_gap && !row.applied);
    assert!(
        row.notes.contains(&"session_ended".to_owned()),
        "{:?}",
        row.notes
    );
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

#[test]
fn a_server_that_comes_back_after_a_crash_closes_what_was_open_and_says_so() {
    let first = runtime();
    let (world, id, action) = first.block_on(async {
        let world = World::open(Options::default()).await;
        let (mut engine, id) = world.calibrated().await;
        let (action, _) = world.stimulus(&mut engine, id, 40.0).await;
        (world, id, action)
    });
    // Nobody is asked to stop: the task is gone between two steps.
    drop(first);
    let folder = std::sync::Arc::clone(&world.folder);
    drop(world);
    runtime().block_on(async {
        let world = World::open_in(folder, Options::default()).await;
        let session = world.supervisor.session(id).await.unwrap();
        assert!(session.ended_at_utc.is_some());
        let recovery = world.supervisor.status().await.unwrap().recovery;
        for id in [id, action] {
            let is_named = recovery.iter().any(|line| line.contains(&id.to_string()));
            assert!(is_named, "{recovery:?}");
        }
        let row = world.store.reader().read(move |view| view.session(id));
        let row = row.unwrap().unwrap();
        assert_eq!(row.end_reason.as_deref(), Some("server_restart"));
        let mut engine = world.engine().await;
        world.session(&mut engine, create()).await;
    });
}

#[tokio::test]
async fn a_server_that_is_stopped_closes_its_session_and_leaves_nothing_to_recover() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    world.stimulus(&mut engine, id, 40.0).await;
    let world = World::open_in(world.stop().await, Options::default()).await;
    assert_eq!(world.supervisor.status().await.unwrap().recovery, [""; 0]);
    let row = world.store.reader().read(move |view| view.session(id));
    let row = row.unwrap().unwrap();
    assert_eq!(row.end_reason.as_deref(), Some("server_stopped"));
    assert!(world.only_row(id).await.data_gap);
}

#[tokio::test]
async fn a_session_that_ended_in_order_leaves_nothing_to_recover() {
    let world = World::open(Options::default()).await;
    let mut engine = world.engine().await;
    let mut body = create();
    body.planned_stimuli = vec![PlannedStimulusRequest {
        offset_s: 900.0,
        attested: true,
    }];
    let (id, _) = world.session(&mut engine, body).await;
    world.end(id).await;
    let world = World::open_in(world.stop().await, Options::default()).await;
    assert_eq!(world.supervisor.status().await.unwrap().recovery, [""; 0]);
}

#[tokio::test]
async fn the_baseline_of_a_session_is_kept_after_it_ended() {
    let world = World::open(Options::default()).await;
    let (engine, id) = world.calibrated().await;
    eventually("the baseline is stored", || async {
        let state = world
            .store
            .reader()
            .read(move |view| view.live_state(id))
            .unwrap();
        state.is_some_and(|state| state.calibration.accepted == 45)
    })
    .await;
    world.end(id).await;
    let session = world.supervisor.session(id).await.unwrap();
    assert_eq!(
        (
            session.is_calibrating,
            session.calibration_frames_accumulated
        ),
        (Some(false), Some(45))
    );
    drop(engine);
}
