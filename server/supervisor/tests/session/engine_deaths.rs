//! The engine dies at every awkward moment; what was measured stays, what was lost is said, nothing is doubled.

use lsie_schemas::api::PlannedStimulusRequest;
use lsie_schemas::link::{EngineMessage, StartSession};
use lsie_store::{StimulusState, Verdict};
use uuid::Uuid;

use crate::stage::{
    BUILD, EPOCH, Options, World, at, create, eventually, hello, segment, smile, started,
};

#[tokio::test]
async fn an_engine_that_dies_inside_an_encounter_leaves_a_gap_and_the_session_resumes() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    let (action, t) = world.stimulus(&mut engine, id, 40.0).await;
    engine.beat(id, 42_000_000_000, 45).await;
    eventually("the heartbeat is heard", || async {
        world
            .store
            .reader()
            .read(lsie_store::ReadView::counts)
            .unwrap()
            .stimuli
            == 1
            && world
                .supervisor
                .readback(id, 1)
                .await
                .unwrap()
                .encounter_state
                == "measuring"
    })
    .await;
    engine.die().await;
    let row = world.only_row(id).await;
    assert_eq!(
        (row.stimulus_id, row.verdict, row.applied),
        (Some(action), Verdict::RejectedDataGap, false)
    );
    assert_eq!(world.updates(), 0.0);

    let mut engine = world.engine().await;
    let order = engine.hear_start().await;
    resumes(&order, id);
    engine
        .say(EngineMessage::SessionStarted(started(&order, "paced")))
        .await;
    eventually("the gap is closed", || async {
        let gaps = world
            .store
            .reader()
            .read(move |view| view.data_gaps(id))
            .unwrap();
        gaps.len() == 1 && gaps[0].end.is_some()
    })
    .await;
    let gap = world
        .store
        .reader()
        .read(move |view| view.data_gaps(id))
        .unwrap()
        .remove(0);
    assert_eq!(
        (gap.cause.as_str(), gap.start.0),
        ("engine_restart", EPOCH.0 + 42_000_000)
    );
    assert!(gap.end.unwrap().0 - gap.start.0 < 18_000_000);

    // The new engine cuts the same window again: nothing is doubled.
    engine.segment(segment(id, action, t, smile(t))).await;
    let (next, t) = world.stimulus(&mut engine, id, 90.0).await;
    world.attest(id, true).await;
    engine.segment(segment(id, next, t, smile(t))).await;
    eventually("the next encounter commits", || async {
        world.rows(id).len() >= 2
    })
    .await;
    let stimuli: Vec<_> = world
        .rows(id)
        .into_iter()
        .map(|row| row.stimulus_id)
        .collect();
    assert_eq!(stimuli, [Some(next), Some(action)]);
    assert!((world.updates() - 1.0).abs() < 1e-12);
}

#[tokio::test]
async fn words_said_just_before_the_end_are_heard() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    let (action, t) = world.stimulus(&mut engine, id, 40.0).await;
    world.attest(id, true).await;
    engine.segment(segment(id, action, t, smile(t))).await;
    engine.die().await;
    let row = world.only_row(id).await;
    assert_eq!((row.verdict, row.applied), (Verdict::Completed, true));
}

#[tokio::test]
async fn an_encounter_that_only_waits_for_the_operator_survives_the_engine() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    let (action, t) = world.stimulus(&mut engine, id, 40.0).await;
    engine.segment(segment(id, action, t, smile(t))).await;
    engine.die().await;
    let _engine = world.engine().await;
    world.attest(id, true).await;
    assert!(world.only_row(id).await.applied);
}

#[tokio::test]
async fn a_stimulus_the_engine_never_stamped_is_answered_and_marked_failed() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    let action = Uuid::new_v4();
    let (answer, ()) = tokio::join!(world.give(id, action), async {
        engine.hear().await;
        engine.die().await;
    });
    assert_eq!(answer.unwrap().stimulus_time_utc, None);
    eventually("the stimulus is failed", || async {
        let row = world
            .store
            .reader()
            .read(move |view| view.stimulus(action))
            .unwrap()
            .unwrap();
        row.state == StimulusState::Failed
    })
    .await;
    assert!(world.rows(id).is_empty());
}

#[tokio::test]
async fn a_replay_with_an_old_epoch_resumes_where_it_was_and_repeats_no_stimulus() {
    let world = World::open(Options::default()).await;
    let mut engine = world.engine().await;
    let mut body = create();
    body.epoch_utc = Some(EPOCH);
    let planned = |offset_s| PlannedStimulusRequest {
        offset_s,
        attested: true,
    };
    body.planned_stimuli = vec![planned(30.0), planned(60.0)];
    let start = tokio::join!(world.supervisor.start_session(body), async {
        let order = engine.hear_start().await;
        engine
            .say(EngineMessage::SessionStarted(started(&order, "fast")))
            .await;
        order
    });
    let (id, order) = (start.0.unwrap().session_id, start.1);
    engine.beat(id, 20_000_000_000, 45).await;
    // Stamped after the last heartbeat, so the new engine starts before it.
    engine
        .stamp(id, order.planned[0].stimulus_id, at(30.0))
        .await;
    engine.die().await;
    let mut engine = world.engine().await;
    let order = engine.hear_start().await;
    assert_eq!(
        order.resume_at_ns, 20_000_000_000,
        "a fast source waits for its reader"
    );
    let offsets: Vec<_> = order
        .planned
        .iter()
        .map(|planned| planned.offset_s)
        .collect();
    assert_eq!(offsets, [60.0]);
    assert_eq!(world.only_row(id).await.verdict, Verdict::RejectedDataGap);
}

#[tokio::test]
async fn a_session_ended_while_the_engine_is_away_closes_its_gap() {
    let world = World::open(Options {
        circuit_deaths: 1,
        ..Options::default()
    })
    .await;
    let (engine, id) = world.calibrated().await;
    engine.die().await;
    world.silent_engine().await.die().await;
    eventually("the circuit opens", || async {
        world.engine_state().await == "circuit_open"
    })
    .await;
    world.end(id).await;
    let gaps = world
        .store
        .reader()
        .read(move |view| view.data_gaps(id))
        .unwrap();
    assert_eq!(gaps.len(), 1, "two deaths in a row are one gap");
    assert!(gaps[0].end.is_some());
    let error = world.supervisor.start_session(create()).await.unwrap_err();
    assert_eq!(
        error.code(),
        "engine_unavailable",
        "nothing starts on an open circuit"
    );
    world.supervisor.reset_engine().await.unwrap();
    let mut engine = world.engine().await;
    world.session(&mut engine, create()).await;
}

#[tokio::test]
async fn an_engine_of_another_build_is_given_up_and_replaced() {
    let world = World::open(Options::default()).await;
    let engine = world.silent_engine().await;
    engine
        .say(EngineMessage::Hello(hello("some-other-build")))
        .await;
    let second = world.silent_engine().await;
    let status = world.supervisor.status().await.unwrap().engine;
    assert_eq!(status.deaths, 1);
    assert!(
        status
            .last_exit
            .as_deref()
            .is_some_and(|words| words.contains("some-other-build")),
        "{status:?}"
    );
    second.say(EngineMessage::Hello(hello(BUILD))).await;
    eventually("the right one is taken", || async {
        world.engine_state().await == "ok"
    })
    .await;
}

#[tokio::test]
async fn an_engine_that_falls_silent_is_replaced() {
    let world = World::open(Options::default()).await;
    let engine = world.silent_engine().await;
    engine.say(EngineMessage::Hello(hello(BUILD))).await;
    let _second = world.silent_engine().await;
    let words = world
        .supervisor
        .status()
        .await
        .unwrap()
        .engine
        .last_exit
        .unwrap();
    assert!(words.contains("silent"), "{words}");
    drop(engine);
}

/// The order of a session that goes on where media stands, with its baseline.
fn resumes(order: &StartSession, id: Uuid) {
    assert_eq!((order.session_id, order.epoch), (id, Some(EPOCH)));
    assert_eq!(order.calibration.accepted, 45);
    assert!((order.calibration.ratio_sum - 45.0 * 0.75).abs() < 1e-9);
    assert!(
        order.resume_at_ns >= 42_000_000_000,
        "{}",
        order.resume_at_ns
    );
    assert!(
        order.resume_at_ns < 60_000_000_000,
        "{}: media goes on, it does not jump",
        order.resume_at_ns
    );
}
