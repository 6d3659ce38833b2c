//! Hours of a session, of sessions and of dying engines leave nothing behind in the supervisor.

use std::collections::BTreeMap;

use lsie_schemas::contract::{SubjectRole, VisualStatus};
use lsie_schemas::link::{EngineMessage, ServerMessage};
use lsie_schemas::observation::{CalibrationState, VisualTick};
use lsie_supervisor::SupervisorError;
use uuid::Uuid;

use crate::physiology::{chunk, grid};
use crate::stage::{Engine, Options, World, at, create, eventually, segment, smile};

/// What is held now; everything within its bound.
fn held(world: &World) -> BTreeMap<&'static str, usize> {
    let held = world.supervisor.held();
    for kind in &held {
        assert!(kind.count <= kind.bound, "{kind:?}");
    }
    held.iter().map(|held| (held.kind, held.count)).collect()
}

fn tick(session_id: Uuid, media_s: f64) -> EngineMessage {
    EngineMessage::Visual(VisualTick {
        session_id,
        timestamp_s: at(media_s),
        status: VisualStatus::Ready,
        face_present: true,
        absent: None,
        calibration: CalibrationState {
            accepted: 45,
            ratio_sum: 33.75,
        },
        au12: Some(0.3),
        pose: None,
        voice: None,
    })
}

/// A minute of media: ticks, two windows of the grid, a wearable, a stimulus with its encounter, readers.
async fn minute(world: &World, engine: &mut Engine, id: Uuid, number: u32) {
    let from_s = 60.0 * f64::from(number);
    for second in 0..60 {
        engine.say(tick(id, from_s + f64::from(second))).await;
    }
    for half in 1..=2 {
        engine.segment(grid(id, 2 * number + half)).await;
    }
    let worn = chunk(SubjectRole::Streamer, 1, 41.0);
    world.supervisor.physiological_chunk(worn).await.unwrap();
    let (action, t) = world.stimulus(engine, id, from_s + 40.0).await;
    world.attest(id, true).await;
    engine.segment(segment(id, action, t, smile(t))).await;
    world.supervisor.bootstrap().await.unwrap();
    eventually("the encounter is settled", || async {
        let seen = world.supervisor.readback(id, 1).await.unwrap();
        seen.encounter_state == "awaiting_stimulus"
    })
    .await;
}

#[tokio::test]
async fn hours_of_a_session_are_held_in_the_store_and_not_in_memory() {
    const HOURS: u32 = 3;
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    let at_rest = held(&world);
    for number in 0..60 * HOURS {
        minute(&world, &mut engine, id, number).await;
        let mut now = held(&world);
        // The clock of wearables is the wall's: chunks of all these minutes are younger than 15 minutes.
        let chunks = now.insert("physiology_chunks", 0);
        assert_eq!(chunks, Some(number as usize + 1));
        assert_eq!(now, at_rest, "minute {number}");
    }
    let rows = world.supervisor.status().await.unwrap().rows;
    assert_eq!(rows["encounters"], u64::from(60 * HOURS));
    assert_eq!(rows["segments"], u64::from(3 * 60 * HOURS));
}

#[tokio::test]
async fn sessions_with_lost_stimuli_and_dying_engines_leave_nothing() {
    let world = World::open(Options {
        circuit_deaths: 1000,
        ..Options::default()
    })
    .await;
    let at_rest = held(&world);
    let mut engine = world.engine().await;
    for number in 1..=40 {
        let (id, _) = world.session(&mut engine, create()).await;
        engine.beat(id, 1_000_000_000, 45).await;
        // Its stimulus is never stamped: the engine dies.
        let (answer, ()) = tokio::join!(world.give(id, Uuid::new_v4()), async {
            engine.hear().await;
            engine.die().await;
        });
        let is_told = answer.is_ok_and(|answer| answer.stimulus_time_utc.is_none());
        assert!(is_told, "a caller is told that there is no time");
        engine = world.engine().await;
        assert_eq!(engine.hear_start().await.session_id, id, "it goes on");
        world.end(id).await;
        let end = ServerMessage::End { session_id: id };
        assert_eq!(engine.hear().await, end);
        let ended = world.supervisor.session(id).await.unwrap();
        assert!(ended.ended_at_utc.is_some());
        let refused = world.give(id, Uuid::new_v4()).await;
        assert!(matches!(refused, Err(SupervisorError::SessionEnded(_))));
        let mut now = held(&world);
        let deaths = now.insert("engine_deaths", 0);
        assert!(deaths.is_some_and(|deaths| deaths <= number), "{deaths:?}");
        assert_eq!(now, at_rest, "session {number}");
    }
}
