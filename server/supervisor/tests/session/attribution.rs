//! What an encounter leaves in the attribution ledger, and how follows find it (math 13).

use lsie_schemas::api::{Attribution, PlatformEvent};
use lsie_schemas::time::UtcMicros;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::stage::{Options, World, at, create, eventually, segment, smile};

fn event(kind: &str, media_s: f64, reference: &str) -> PlatformEvent {
    let mut payload = Map::new();
    payload.insert("event_id".into(), Value::from(reference));
    PlatformEvent {
        unique_id: "viewer1".into(),
        event_type: kind.into(),
        timestamp_utc: UtcMicros::from_epoch_secs(at(media_s)).unwrap(),
        event_id: None,
        payload,
    }
}

async fn shown(world: &World, session: Uuid) -> Attribution {
    let rows = world
        .supervisor
        .encounters(session, 10, None)
        .await
        .unwrap();
    rows.into_iter().next().unwrap().base.attribution.unwrap()
}

#[tokio::test]
async fn a_committed_encounter_carries_its_ledger() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    let (action, t) = world.stimulus(&mut engine, id, 40.0).await;
    world.attest(id, true).await;
    engine.segment(segment(id, action, t, smile(t))).await;
    world.only_row(id).await;
    let seen = shown(&world, id).await;
    assert_eq!(seen.finality.as_deref(), Some("online_provisional"));
    assert_eq!(
        seen.au12_baseline_pre,
        Some(0.0),
        "unseen before, measured after"
    );
    assert!((seen.au12_lift_p90.unwrap() - 0.9).abs() < 1e-12);
    assert!((seen.au12_lift_peak.unwrap() - 1.0).abs() < 1e-12);
    assert!((seen.au12_peak_latency_ms.unwrap() - 4600.0).abs() < 1e-3);
    assert_eq!(
        (
            seen.soft_reward_candidate,
            seen.sync_peak_corr,
            seen.outcome_link_lag_s
        ),
        (None, None, None),
        "an operator's word is no probability, one series has no lag, nobody followed"
    );
    let from = UtcMicros::from_epoch_secs(t).unwrap();
    let events = world
        .store
        .reader()
        .read(move |view| view.ledger_events(id, from, from, 10))
        .unwrap();
    assert_eq!(events.len(), 1, "the event stands at the stimulus");
    assert_eq!(
        events[0].unowed_scores.len(),
        6,
        "nulls are stored, not omitted"
    );
    assert!(world.store.verify().wait().unwrap().is_sound());
}

#[tokio::test]
async fn an_encounter_without_media_leaves_an_event_with_null_scores() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    world.stimulus(&mut engine, id, 40.0).await;
    engine.die().await;
    world.only_row(id).await;
    let seen = shown(&world, id).await;
    assert_eq!(seen.finality.as_deref(), Some("online_provisional"));
    assert_eq!(
        (
            seen.au12_lift_p90,
            seen.au12_lift_peak,
            seen.au12_baseline_pre
        ),
        (None, None, None)
    );
}

#[tokio::test]
async fn follows_are_linked_whether_they_come_before_or_after_the_commit() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    let (action, t) = world.stimulus(&mut engine, id, 40.0).await;
    let say = |event| world.supervisor.platform_event(id, event);
    let early = say(event("FollowEvent", 43.5, "m-1")).await.unwrap();
    assert_eq!((early.linked_events, early.outcome_id.is_some()), (0, true));
    let before = say(event("follow", 39.0, "m-0")).await.unwrap();
    assert_eq!(before.linked_events, 0);
    engine.segment(segment(id, action, t, smile(t))).await;
    world.attest(id, true).await;
    world.only_row(id).await;
    assert_eq!(shown(&world, id).await.outcome_link_lag_s, Some(3.5));

    let late = say(event("user_follow", 60.0, "m-2")).await.unwrap();
    assert_eq!(late.linked_events, 1);
    let again = say(event("user_follow", 60.0, "m-2")).await.unwrap();
    assert_eq!(
        again.outcome_id, late.outcome_id,
        "a repeat is the same outcome"
    );
    assert_eq!(shown(&world, id).await.outcome_link_lag_s, Some(3.5));
    let outcomes = world
        .store
        .reader()
        .read(move |view| view.outcomes(id, UtcMicros(0), 100))
        .unwrap();
    assert_eq!(outcomes.len(), 3);
}

#[tokio::test]
async fn the_first_follow_after_the_commit_carries_the_scores() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    let (action, t) = world.stimulus(&mut engine, id, 40.0).await;
    world.attest(id, true).await;
    engine.segment(segment(id, action, t, smile(t))).await;
    world.only_row(id).await;
    world.end(id).await;
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
    let found = world
        .supervisor
        .platform_event(id, event("follow", 100.0, "m-1"))
        .await
        .unwrap();
    assert_eq!(
        found.linked_events, 1,
        "a closed session still earns follows"
    );
    let seen = shown(&world, id).await;
    assert_eq!(seen.outcome_link_lag_s, Some(60.0));
    assert!((seen.au12_lift_p90.unwrap() - 0.9).abs() < 1e-12);
}

#[tokio::test]
async fn other_events_are_no_outcomes_and_bad_ones_are_refused() {
    let world = World::open(Options::default()).await;
    let mut engine = world.engine().await;
    let (id, _) = world.session(&mut engine, create()).await;
    let say = |event| world.supervisor.platform_event(id, event);
    let gift = say(event("gift", 1.0, "m-1")).await.unwrap();
    assert_eq!((gift.accepted, gift.outcome_id), (true, None));
    let deep = json!({ "a": { "b": ["x".repeat(2001)] } });
    let mut long = event("follow", 1.0, "m-1");
    long.payload = deep.as_object().unwrap().clone();
    let mut wide = event("follow", 1.0, "m-1");
    wide.payload.insert("items".into(), vec![1; 9000].into());
    for bad in [
        event(" ", 1.0, "m"),
        event("follow", 1.0, "a|b"),
        long,
        wide,
    ] {
        let error = say(bad).await.unwrap_err();
        assert_eq!(error.code(), "validation_failed");
    }
    let nobody = Uuid::from_u128(9);
    let error = world
        .supervisor
        .platform_event(nobody, event("follow", 1.0, "m"));
    assert_eq!(error.await.unwrap_err().code(), "session_not_found");
}
