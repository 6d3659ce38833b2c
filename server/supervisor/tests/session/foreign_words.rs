//! Bytes and messages an engine should never send.

use lsie_schemas::api::HealthState;
use lsie_schemas::link::{
    EngineMessage, GapNote, MAX_FRAME_BYTES, SegmentKind, Text, encode_frame,
};
use lsie_schemas::time::UtcMicros;
use uuid::Uuid;

use crate::stage::{Options, World, at, eventually, heartbeat, segment, smile};

#[tokio::test]
async fn frames_that_are_no_messages_are_skipped() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    engine.say_bytes(vec![0, 0, 0, 3, 0xc1, 0xc1, 0xc1]).await;
    engine.say_bytes(vec![0, 0, 0, 0]).await;
    let unknown = encode_frame(&serde_json::json!({ "pixels": [1, 2, 3] })).unwrap();
    engine.say_bytes(unknown).await;
    let (action, t) = world.stimulus(&mut engine, id, 40.0).await;
    world.attest(id, true).await;
    engine.segment(segment(id, action, t, smile(t))).await;
    assert!(world.only_row(id).await.applied);
    assert_eq!(world.supervisor.status().await.unwrap().engine.deaths, 0);
}

#[tokio::test]
async fn a_frame_above_the_limit_ends_the_engine_and_not_the_server() {
    let world = World::open(Options::default()).await;
    let engine = world.engine().await;
    let length = u32::try_from(MAX_FRAME_BYTES + 1).unwrap();
    engine.say_bytes(length.to_be_bytes().to_vec()).await;
    let second = world.engine().await;
    let status = world.supervisor.status().await.unwrap().engine;
    assert_eq!(status.deaths, 1);
    assert!(status.last_exit.unwrap().contains("exceeds the limit"));
    drop(second);
}

#[tokio::test]
async fn a_frame_cut_short_by_death_is_dropped() {
    let world = World::open(Options::default()).await;
    let engine = world.engine().await;
    let frame = encode_frame(&EngineMessage::Heartbeat(Box::new(heartbeat(None, 0, 0)))).unwrap();
    engine.say_bytes(frame[..frame.len() / 2].to_vec()).await;
    engine.die().await;
    world.engine().await;
    assert_eq!(world.supervisor.status().await.unwrap().engine.deaths, 1);
}

#[tokio::test]
async fn messages_of_another_session_change_nothing() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    let (action, t) = world.stimulus(&mut engine, id, 40.0).await;
    world.attest(id, true).await;
    let stranger = Uuid::new_v4();
    engine.segment(segment(stranger, action, t, smile(t))).await;
    engine.stamp(stranger, Uuid::new_v4(), t).await;
    engine.beat(stranger, 999_000_000_000, 3).await;
    let gap = GapNote {
        from_s: t,
        to_s: t + 1.0,
        reason: Text::cut("audio_missing"),
    };
    engine
        .say(EngineMessage::Gap {
            session_id: stranger,
            gap,
        })
        .await;
    let reason = Text::cut("end_of_stream");
    engine
        .say(EngineMessage::SessionEnded {
            session_id: stranger,
            reason,
            media_ns: 0,
        })
        .await;
    let (code, detail) = (Text::cut("gone"), Text::cut("gone"));
    engine
        .say(EngineMessage::SessionFailed {
            session_id: stranger,
            code,
            detail,
        })
        .await;
    engine
        .say(EngineMessage::StimulusRefused {
            session_id: id,
            stimulus_id: Uuid::new_v4(),
            code: Text::cut("?"),
        })
        .await;
    engine.segment(segment(id, action, t, smile(t))).await;
    assert!(world.only_row(id).await.applied);
    assert_eq!(
        world
            .supervisor
            .session(id)
            .await
            .unwrap()
            .calibration_frames_accumulated,
        Some(45)
    );
    assert!(
        world
            .store
            .reader()
            .read(move |view| view.data_gaps(id))
            .unwrap()
            .is_empty()
    );
    let health = world.supervisor.health().await.unwrap();
    let store = health
        .subsystems
        .iter()
        .find(|part| part.subsystem_key == "store")
        .unwrap();
    assert_eq!(store.state, HealthState::Ok, "{store:?}");
}

#[tokio::test]
async fn gaps_and_windows_out_of_all_bounds_are_refused_one_by_one() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    let ends = [
        (f64::NAN, 1.0),
        (f64::NEG_INFINITY, f64::INFINITY),
        (1e300, 2e300),
        (at(20.0), at(10.0)),
    ];
    for (from_s, to_s) in ends {
        let gap = GapNote {
            from_s,
            to_s,
            reason: Text::cut("No Code"),
        };
        engine
            .say(EngineMessage::Gap {
                session_id: id,
                gap,
            })
            .await;
    }
    let gap = GapNote {
        from_s: at(10.0),
        to_s: at(20.0),
        reason: Text::cut("No Code"),
    };
    engine
        .say(EngineMessage::Gap {
            session_id: id,
            gap,
        })
        .await;
    for (start, end) in [(i64::MIN, i64::MAX), (5, 4), (0, 0)] {
        let mut grid = segment(id, Uuid::nil(), at(40.0), Vec::new());
        grid.kind = SegmentKind::Grid { index: u64::MAX };
        (grid.window_start, grid.window_end) = (UtcMicros(start), UtcMicros(end));
        engine.segment(grid).await;
    }
    engine.beat(id, i64::MAX, 45).await;
    engine.beat(id, i64::MIN, 45).await;
    world.stimulus(&mut engine, id, 40.0).await;
    let gaps = world
        .store
        .reader()
        .read(move |view| view.data_gaps(id))
        .unwrap();
    let causes: Vec<_> = gaps.iter().map(|gap| gap.cause.as_str()).collect();
    assert_eq!(causes, ["source_gap"]);
    eventually("the server still answers", || async {
        world.supervisor.overview().await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_baseline_that_is_not_a_number_is_not_taken_over() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    let mut beat = heartbeat(Some(id), 2_000_000_000, 46);
    beat.calibration.ratio_sum = f64::NAN;
    engine.say(EngineMessage::Heartbeat(Box::new(beat))).await;
    world.stimulus(&mut engine, id, 40.0).await;
    engine.die().await;
    let mut engine = world.engine().await;
    let order = engine.hear_start().await;
    assert_eq!(order.calibration.accepted, 45);
    assert!(order.calibration.ratio_sum.is_finite());
}
