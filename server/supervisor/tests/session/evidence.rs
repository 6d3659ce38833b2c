//! What becomes of a stimulus: reward, verdict and the arm's posterior (math 6, 7).

use lsie_schemas::api::PlannedStimulusRequest;
use lsie_schemas::id::digest_uuid;
use lsie_schemas::link::{Bounded, ClockRung, EngineMessage, GapNote, SegmentClock, Text};
use lsie_store::{StimulusState, Verdict};
use lsie_supervisor::SupervisorError;
use uuid::Uuid;

use crate::stage::{Options, World, at, create, eventually, segment, smile};

#[tokio::test]
async fn a_delivered_stimulus_moves_its_arm_by_the_reward_and_the_rest_of_one() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    let drawn = world
        .store
        .reader()
        .read(move |view| view.decisions(id, 10))
        .unwrap();
    assert_eq!(
        drawn.len(),
        1,
        "the first arm is drawn before anything is measured"
    );
    let arm = drawn[0].snapshot.selected_arm_id.clone();
    let (action, t) = world.stimulus(&mut engine, id, 40.0).await;
    world.attest(id, true).await;
    assert!(
        world.rows(id).is_empty(),
        "nothing commits while the window is open"
    );
    engine.segment(segment(id, action, t, smile(t))).await;
    let row = world.only_row(id).await;
    assert_eq!(
        (row.arm.as_str(), row.verdict, row.applied),
        (arm.as_str(), Verdict::Completed, true)
    );
    assert!(
        (row.gated_reward.unwrap() - 0.9).abs() < 1e-12,
        "{:?}",
        row.gated_reward
    );
    assert_eq!(
        (row.n_frames_in_window, row.gate_open, row.attested),
        (Some(11), Some(true), true)
    );
    let (alpha, beta) = world.posterior(&arm);
    assert!(
        (alpha - 1.9).abs() < 1e-12 && (beta - 1.1).abs() < 1e-12,
        "{alpha} {beta}"
    );
    eventually("the next arm is drawn", || async {
        world
            .store
            .reader()
            .read(move |view| view.decisions(id, 10))
            .unwrap()
            .len()
            == 2
    })
    .await;
    let stimulus = world
        .store
        .reader()
        .read(move |view| view.stimulus(action))
        .unwrap()
        .unwrap();
    assert_eq!(stimulus.state, StimulusState::Completed);
}

#[tokio::test]
async fn the_word_of_the_operator_may_come_after_the_window() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    let (action, t) = world.stimulus(&mut engine, id, 40.0).await;
    let mut closed = segment(id, action, t, smile(t));
    let clock = SegmentClock {
        state: ClockRung::Holdover,
        offset_s: Some(12.5),
        drift_ppm: Some(80.0),
        uncertainty_ms: Some(1.5),
    };
    closed.clock = Some(clock);
    engine.segment(closed).await;
    eventually("the encounter waits for the operator", || async {
        world
            .supervisor
            .readback(id, 5)
            .await
            .unwrap()
            .encounter_state
            == "awaiting_attestation"
    })
    .await;
    assert!(world.rows(id).is_empty());
    world.attest(id, true).await;
    assert!(world.only_row(id).await.applied);
    let seen = world.supervisor.readback(id, 5).await.unwrap();
    assert_eq!(seen.segments.len(), 1);
    assert_eq!(seen.segments[0].kind, "stimulus");
    assert_eq!(seen.segments[0].clock, Some(clock));
    let late = world.supervisor.attest(
        id,
        lsie_schemas::api::AttestRequest {
            stimulus_id: None,
            delivered: false,
            client_action_id: Uuid::new_v4(),
        },
    );
    assert!(matches!(late.await, Err(SupervisorError::NothingToAttest)));
}

#[tokio::test]
async fn a_stimulus_nobody_judged_commits_after_the_wait_and_leaves_its_arm_alone() {
    let world = World::open(Options {
        attest_wait_s: 0.05,
        ..Options::default()
    })
    .await;
    let (mut engine, id) = world.calibrated().await;
    let (action, t) = world.stimulus(&mut engine, id, 40.0).await;
    engine.segment(segment(id, action, t, smile(t))).await;
    let row = world.only_row(id).await;
    assert_eq!(
        (row.verdict, row.applied),
        (Verdict::RejectedSemanticUnavailable, false)
    );
    assert_eq!(row.skip_reason.as_deref(), Some("semantic_unavailable"));
    assert_eq!(world.updates(), 0.0);
}

#[tokio::test]
async fn a_wait_that_is_not_a_number_is_no_wait() {
    let world = World::open(Options {
        attest_wait_s: f64::NAN,
        ..Options::default()
    })
    .await;
    let (mut engine, id) = world.calibrated().await;
    let (action, t) = world.stimulus(&mut engine, id, 40.0).await;
    engine.segment(segment(id, action, t, smile(t))).await;
    assert_eq!(
        world.only_row(id).await.verdict,
        Verdict::RejectedSemanticUnavailable
    );
}

#[tokio::test]
async fn a_stimulus_that_was_not_delivered_is_a_reward_of_zero() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    let (action, t) = world.stimulus(&mut engine, id, 40.0).await;
    world.attest(id, false).await;
    engine.segment(segment(id, action, t, smile(t))).await;
    let row = world.only_row(id).await;
    assert_eq!(
        (row.verdict, row.applied, row.gated_reward),
        (Verdict::RejectedGateClosed, true, Some(0.0))
    );
    assert_eq!(world.posterior(&row.arm), (1.0, 2.0));
}

#[tokio::test]
async fn a_window_without_a_scored_frame_skips_the_update() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    let (action, t) = world.stimulus(&mut engine, id, 40.0).await;
    world.attest(id, true).await;
    engine.segment(segment(id, action, t, Vec::new())).await;
    let row = world.only_row(id).await;
    assert_eq!(
        (row.verdict, row.applied),
        (Verdict::RejectedNoFrames, false)
    );
    assert_eq!(row.skip_reason.as_deref(), Some("no_frames"));
    assert_eq!(world.updates(), 0.0);
}

#[tokio::test]
async fn media_lost_near_the_stimulus_skips_the_update_and_media_lost_long_before_does_not() {
    for (from_s, to_s, applied) in [(-4.0, -3.5, false), (-20.0, -10.0, true)] {
        let world = World::open(Options::default()).await;
        let (mut engine, id) = world.calibrated().await;
        let (action, t) = world.stimulus(&mut engine, id, 40.0).await;
        world.attest(id, true).await;
        let mut message = segment(id, action, t, smile(t));
        let gap = GapNote {
            from_s: t + from_s,
            to_s: t + to_s,
            reason: Text::cut("engine_restart"),
        };
        message.gaps = Bounded::cut(vec![gap]).0;
        engine.segment(message).await;
        let row = world.only_row(id).await;
        assert_eq!(
            (row.applied, row.data_gap),
            (applied, !applied),
            "gap {from_s}..{to_s}"
        );
    }
}

#[tokio::test]
async fn values_that_are_not_numbers_are_no_frames_and_move_nothing() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    let (action, t) = world.stimulus(&mut engine, id, 40.0).await;
    world.attest(id, true).await;
    let mut series = smile(t);
    for observation in &mut series {
        observation.intensity = f64::NAN;
    }
    series[3].timestamp_s = f64::INFINITY;
    engine.segment(segment(id, action, t, series)).await;
    let row = world.only_row(id).await;
    assert_eq!(
        (row.verdict, row.n_frames_in_window),
        (Verdict::RejectedNoFrames, Some(0))
    );
    assert_eq!(world.updates(), 0.0);
}

#[tokio::test]
async fn a_window_the_store_refuses_commits_as_a_gap_and_the_session_goes_on() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    let (action, t) = world.stimulus(&mut engine, id, 40.0).await;
    world.attest(id, true).await;
    let mut broken = segment(id, action, t, smile(t));
    broken.silence_prefix_s = f64::NAN;
    broken.baseline_ratio = Some(f64::INFINITY);
    engine.segment(broken).await;
    let row = world.only_row(id).await;
    assert_eq!(
        (row.verdict, row.applied),
        (Verdict::RejectedDataGap, false)
    );
    assert_eq!(world.updates(), 0.0);
    let store = world
        .supervisor
        .health()
        .await
        .unwrap()
        .subsystems
        .into_iter()
        .find(|part| part.subsystem_key == "store");
    assert_eq!(
        store.unwrap().state,
        lsie_schemas::api::HealthState::Ok,
        "bad evidence is no fault of the store"
    );
    let (next, t) = world.stimulus(&mut engine, id, 80.0).await;
    world.attest(id, true).await;
    engine.segment(segment(id, next, t, smile(t))).await;
    eventually("the next encounter commits", || async {
        world.rows(id).len() == 2
    })
    .await;
    assert!((world.updates() - 1.0).abs() < 1e-12);
}

#[tokio::test]
async fn the_same_window_twice_is_one_encounter() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    let (action, t) = world.stimulus(&mut engine, id, 40.0).await;
    world.attest(id, true).await;
    for _ in 0..3 {
        engine.segment(segment(id, action, t, smile(t))).await;
        engine.stamp(id, action, t + 1.0).await;
    }
    world.only_row(id).await;
    let (next, t) = world.stimulus(&mut engine, id, 80.0).await;
    world.attest(id, true).await;
    engine.segment(segment(id, next, t, smile(t))).await;
    eventually("the second encounter commits", || async {
        world.rows(id).len() >= 2
    })
    .await;
    let stimuli: Vec<_> = world
        .rows(id)
        .into_iter()
        .map(|row| row.stimulus_id)
        .collect();
    assert_eq!(stimuli, [Some(next), Some(action)]);
    assert!((world.updates() - 2.0).abs() < 1e-12);
}

#[tokio::test]
async fn planned_stimuli_commit_in_order_with_identities_that_a_replay_repeats() {
    let world = World::open(Options::default()).await;
    let mut engine = world.engine().await;
    let mut body = create();
    let planned = |offset_s, attested| PlannedStimulusRequest { offset_s, attested };
    body.planned_stimuli = vec![
        planned(30.0, true),
        planned(45.0, false),
        planned(900.0, true),
    ];
    let (id, order) = world.session(&mut engine, body).await;
    let expected: Vec<Uuid> = (0..3)
        .map(|k| digest_uuid(&format!("planned-stimulus:{id}:{k}")))
        .collect();
    let ordered: Vec<_> = order
        .planned
        .iter()
        .map(|planned| planned.stimulus_id)
        .collect();
    assert_eq!(ordered, expected);
    engine.beat(id, 1, 45).await;
    for (action, media_s) in [(expected[0], 30.0), (expected[1], 45.0)] {
        engine.stamp(id, action, at(media_s)).await;
        engine
            .segment(segment(id, action, at(media_s), smile(at(media_s))))
            .await;
    }
    let reason = Text::cut("end_of_stream");
    engine
        .say(EngineMessage::SessionEnded {
            session_id: id,
            reason,
            media_ns: 60_000_000_000,
        })
        .await;
    eventually("the session ends with its source", || async {
        world
            .supervisor
            .session(id)
            .await
            .unwrap()
            .ended_at_utc
            .is_some()
    })
    .await;
    let rows = world.rows(id);
    let verdicts: Vec<_> = rows
        .iter()
        .rev()
        .map(|row| (row.stimulus_id, row.verdict))
        .collect();
    let wanted = [
        (Some(expected[0]), Verdict::Completed),
        (Some(expected[1]), Verdict::RejectedSemanticUnavailable),
    ];
    assert_eq!(verdicts, wanted);
    let missed = expected[2];
    let missed = world
        .store
        .reader()
        .read(move |view| view.stimulus(missed))
        .unwrap()
        .unwrap();
    assert_eq!(
        (missed.state, missed.failure_reason.as_deref()),
        (StimulusState::Failed, Some("not_reached"))
    );
    let row = world
        .store
        .reader()
        .read(move |view| view.session(id))
        .unwrap()
        .unwrap();
    assert_eq!(row.end_reason.as_deref(), Some("end_of_stream"));
}

#[tokio::test]
async fn an_encounter_belongs_to_the_arm_that_was_in_force_at_its_stimulus() {
    let world = World::open(Options::default()).await;
    let mut engine = world.engine().await;
    let mut body = create();
    let planned = |offset_s| PlannedStimulusRequest {
        offset_s,
        attested: true,
    };
    body.planned_stimuli = (0..8)
        .map(|k| planned(30.0 + 10.0 * f64::from(k)))
        .collect();
    let (id, order) = world.session(&mut engine, body).await;
    let arm = world
        .supervisor
        .session(id)
        .await
        .unwrap()
        .active_arm
        .unwrap();
    // All are stamped before the first window closes: each commit draws another arm for the next one.
    for planned in &order.planned {
        engine
            .stamp(id, planned.stimulus_id, at(planned.offset_s))
            .await;
    }
    for planned in &order.planned {
        let t = at(planned.offset_s);
        engine
            .segment(segment(id, planned.stimulus_id, t, smile(t)))
            .await;
    }
    eventually("all commit", || async { world.rows(id).len() == 8 }).await;
    for row in world.rows(id) {
        assert_eq!(row.arm, arm);
    }
}
