//! The disk is full at the worst moment.

use lsie_schemas::api::{HealthState, SessionEnd};
use lsie_schemas::link::{Bounded, GapNote, SegmentMessage, Text};
use uuid::Uuid;

use crate::stage::{Options, World, create, eventually, segment, smile};

async fn store_state(world: &World) -> HealthState {
    let health = world.supervisor.health().await.unwrap();
    health
        .subsystems
        .into_iter()
        .find(|part| part.subsystem_key == "store")
        .unwrap()
        .state
}

/// Fills the database to its last page by lowering the limit to what is used.
async fn fill(world: &World) {
    world.store.writer().set_max_page_count(1).await.unwrap();
    let writer = world.store.writer();
    for length in [400, 1] {
        let mut is_full = false;
        for k in 0..10_000_i64 {
            let alert = lsie_store::NewAlert {
                alert_id: Uuid::new_v4(),
                severity: lsie_schemas::api::Severity::Info,
                kind: lsie_schemas::api::AlertKind::SessionEnded,
                message: "x".repeat(length),
                session_id: None,
                subsystem_key: None,
                emitted_at: lsie_schemas::time::UtcMicros(k),
            };
            if writer.record_alert(alert).await.is_err() {
                is_full = true;
                break;
            }
        }
        assert!(is_full, "the store never filled up");
    }
}

/// A window whose row needs more room than half-filled pages have.
fn wide_segment(session: Uuid, stimulus: Uuid, t: f64) -> SegmentMessage {
    let gap = |k| GapNote {
        from_s: t - 20.0,
        to_s: t - 19.0 + f64::from(k) * 0.01,
        reason: Text::cut(&"audio_missing_".repeat(4)),
    };
    let mut message = segment(session, stimulus, t, smile(t));
    message.gaps = Bounded::cut((0..60).map(gap).collect()).0;
    message
}

#[tokio::test]
async fn an_encounter_waits_for_a_full_store_and_commits_once_there_is_room() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    let (action, t) = world.stimulus(&mut engine, id, 40.0).await;
    world.attest(id, true).await;
    fill(&world).await;
    engine.segment(wide_segment(id, action, t)).await;
    eventually("health says that the store is full", || async {
        store_state(&world).await == HealthState::Error
    })
    .await;
    assert!(world.rows(id).is_empty());
    assert_eq!(world.updates(), 0.0);
    assert!(world.supervisor.store_faults() > 0);
    assert!(world.supervisor.overview().await.is_ok(), "reading goes on");

    world
        .store
        .writer()
        .set_max_page_count(100_000)
        .await
        .unwrap();
    let row = world.only_row(id).await;
    assert!(row.applied);
    assert!((world.updates() - 1.0).abs() < 1e-12);
    eventually("health is well again", || async {
        store_state(&world).await == HealthState::Ok
    })
    .await;
    let (next, t) = world.stimulus(&mut engine, id, 80.0).await;
    world.attest(id, true).await;
    engine.segment(segment(id, next, t, smile(t))).await;
    eventually("the next encounter commits", || async {
        world.rows(id).len() == 2
    })
    .await;
}

#[tokio::test]
async fn a_full_store_refuses_a_start_and_leaves_no_half_session() {
    let world = World::open(Options::default()).await;
    let mut engine = world.engine().await;
    fill(&world).await;
    let mut refused = None;
    for _ in 0..200 {
        let mut body = create();
        body.stream_url = format!("demo:presenter?{}", "x".repeat(4000));
        body.planned_stimuli = (0..64)
            .map(|k| lsie_schemas::api::PlannedStimulusRequest {
                offset_s: 20.0 * f64::from(k),
                attested: true,
            })
            .collect();
        if let Err(error) = world.supervisor.start_session(body).await {
            refused = Some(error);
            break;
        }
    }
    assert_eq!(refused.unwrap().code(), "store_full");
    world
        .store
        .writer()
        .set_max_page_count(100_000)
        .await
        .unwrap();
    eventually("whatever was begun is closed", || async {
        world
            .store
            .reader()
            .read(lsie_store::ReadView::open_session)
            .unwrap()
            .is_none()
            && world
                .supervisor
                .overview()
                .await
                .unwrap()
                .active_session
                .is_none()
    })
    .await;
    world.session(&mut engine, create()).await;
}

#[tokio::test]
async fn an_end_that_could_not_be_stored_is_stored_later_under_the_same_action() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    let (action, t) = world.stimulus(&mut engine, id, 40.0).await;
    engine.segment(wide_segment(id, action, t)).await;
    eventually("the window is closed", || async {
        world
            .supervisor
            .readback(id, 5)
            .await
            .unwrap()
            .encounter_state
            == "awaiting_attestation"
    })
    .await;
    fill(&world).await;
    let body = SessionEnd {
        client_action_id: Uuid::new_v4(),
    };
    let first = world.supervisor.end_session(id, body.clone()).await;
    world
        .store
        .writer()
        .set_max_page_count(100_000)
        .await
        .unwrap();
    eventually("the session is closed", || async {
        world
            .supervisor
            .session(id)
            .await
            .unwrap()
            .ended_at_utc
            .is_some()
    })
    .await;
    assert_eq!(first.unwrap_err().code(), "store_full");
    world.supervisor.end_session(id, body).await.unwrap();
    assert_eq!(world.rows(id).len(), 1);
}
