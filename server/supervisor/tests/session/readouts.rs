//! Read-outs while things change beneath them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use lsie_schemas::api::{AlertKind, EventType};
use lsie_schemas::time::UtcMicros;
use lsie_store::StimulusState;
use lsie_supervisor::Supervisor;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::stage::{Options, World, eventually, segment, smile};

/// Stimulus times of one answer.
async fn asked(supervisor: &Supervisor, session: Uuid, round: usize) -> Vec<Option<UtcMicros>> {
    match round % 3 {
        0 => {
            let rows = supervisor.encounters(session, 100, None).await.unwrap();
            rows.iter().map(|row| row.base.stimulus_time_utc).collect()
        }
        1 => {
            let readback = supervisor.readback(session, 50).await.unwrap();
            let rows = readback.encounters.iter();
            rows.map(|row| row.base.stimulus_time_utc).collect()
        }
        _ => {
            let all = supervisor.bootstrap().await.unwrap();
            let rows = all.encounters.iter();
            rows.map(|row| row.stimulus_time_utc).collect()
        }
    }
}

/// Asks again and again until told to stop; answers how often.
async fn watch(
    supervisor: Supervisor,
    session: Uuid,
    stamped: Arc<Mutex<Vec<UtcMicros>>>,
    mut stop: oneshot::Receiver<()>,
) -> usize {
    let mut round = 0;
    while stop.try_recv().is_err() {
        let known = stamped.lock().unwrap().clone();
        let times = asked(&supervisor, session, round).await;
        let distinct: BTreeSet<_> = times.iter().flatten().collect();
        assert_eq!(
            distinct.len(),
            times.iter().flatten().count(),
            "a stimulus stands twice: {times:?}"
        );
        for time in &known {
            assert!(distinct.contains(time), "{time:?} is missing in {times:?}");
        }
        round += 1;
    }
    round
}

#[tokio::test]
async fn every_stimulus_stands_exactly_once_in_every_answer() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    let stamped = Arc::new(Mutex::new(Vec::new()));
    let mut watchers = Vec::new();
    for _ in 0..3 {
        let (stop, stopped) = oneshot::channel();
        let watcher = watch(world.supervisor.clone(), id, Arc::clone(&stamped), stopped);
        watchers.push((stop, tokio::spawn(watcher)));
    }
    for k in 0..25_usize {
        let (action, t) = world
            .stimulus(&mut engine, id, 40.0 + 30.0 * k as f64)
            .await;
        let time = UtcMicros::from_epoch_secs(t).unwrap();
        stamped.lock().unwrap().push(time);
        world.attest(id, true).await;
        engine.segment(segment(id, action, t, smile(t))).await;
        eventually("the encounter is committed", || async {
            world.rows(id).len() == k + 1
        })
        .await;
        eventually("the next stimulus may be given", || async {
            let readback = world.supervisor.readback(id, 1).await.unwrap();
            readback.encounter_state == "awaiting_stimulus"
        })
        .await;
    }
    for (stop, watcher) in watchers {
        let _ = stop.send(());
        assert!(
            watcher.await.unwrap() > 25,
            "the read-outs were asked all along"
        );
    }
}

#[tokio::test]
async fn a_sign_of_life_is_no_change_of_health() {
    let world = World::open(Options::default()).await;
    let (engine, id) = world.calibrated().await;
    let identities = || async {
        let health = world.supervisor.event(EventType::Health).await.unwrap();
        let overview = world.supervisor.event(EventType::Overview).await.unwrap();
        (health.event_id, overview.event_id)
    };
    let seen = || async {
        let health = world.supervisor.health().await.unwrap();
        health.subsystems[0].last_success_utc
    };
    let (before, first_beat) = (identities().await, seen().await);
    engine.beat(id, 2_000_000_000, 45).await;
    eventually("a later heartbeat is seen", || async {
        seen().await > first_beat
    })
    .await;
    assert_eq!(identities().await, before);
    engine.die().await;
    eventually("a death is a change", || async {
        identities().await.0 != before.0
    })
    .await;
}

#[tokio::test]
async fn a_stimulus_no_engine_stamps_fails_and_makes_room() {
    let world = World::open(Options {
        stamp_wait_s: 0.2,
        ..Options::default()
    })
    .await;
    let (mut engine, id) = world.calibrated().await;
    let lost = Uuid::new_v4();
    let error = world.give(id, lost).await.unwrap_err();
    assert_eq!(error.code(), "not_stamped");
    assert!(error.hint().is_some());
    let _ordered = engine.hear().await;
    eventually("the stimulus is closed", || async {
        let row = world.store.reader().read(move |view| view.stimulus(lost));
        let row = row.unwrap().unwrap();
        row.state == StimulusState::Failed && row.failure_reason.as_deref() == Some("not_stamped")
    })
    .await;
    eventually("the operator is told", || async {
        let alerts = world.supervisor.alerts(10, None).await.unwrap();
        alerts
            .iter()
            .any(|a| a.kind == AlertKind::StimulusFailed && a.message.contains("not_stamped"))
    })
    .await;
    assert_eq!(
        world.supervisor.status().await.unwrap().rows["failed_stimuli"],
        1
    );
    // Its stamp and its window come when nobody waits for them any more.
    engine.stamp(id, lost, crate::stage::at(40.0)).await;
    let t = crate::stage::at(40.0);
    engine.segment(segment(id, lost, t, smile(t))).await;
    let again = tokio::join!(world.give(id, Uuid::new_v4()), async {
        let lsie_schemas::link::ServerMessage::Stimulus { stimulus_id, .. } = engine.hear().await
        else {
            panic!("expected a stimulus");
        };
        engine.stamp(id, stimulus_id, crate::stage::at(80.0)).await;
    });
    assert!(again.0.unwrap().stimulus_time_utc.is_some());
    assert!(world.rows(id).is_empty(), "the lost one left no encounter");
    assert!(world.updates().abs() < 1e-12);
}
