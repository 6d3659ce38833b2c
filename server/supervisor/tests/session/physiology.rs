//! Wearable chunks, the snapshots that go with segments, and the co-modulation index (math 8, 9).

use lsie_schemas::api::{AlertKind, ChunkFate};
use lsie_schemas::contract::{
    DerivationMethod, PhysiologicalChunkEvent, PhysiologicalChunkPayload, SourceKind, SubjectRole,
};
use lsie_schemas::id::segment_id;
use lsie_schemas::link::{SegmentKind, SegmentMessage};
use lsie_schemas::time::UtcMicros;
use uuid::Uuid;

use crate::stage::{EPOCH, Options, World, eventually, segment, smile};

fn now() -> UtcMicros {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    UtcMicros(i64::try_from(since.as_micros()).unwrap())
}

/// A provider's chunk that ended `secs_ago`.
pub(crate) fn chunk(role: SubjectRole, secs_ago: i64, rmssd: f64) -> PhysiologicalChunkEvent {
    let end = now().plus_micros(-secs_ago * 1_000_000);
    PhysiologicalChunkEvent {
        unique_id: Uuid::new_v4(),
        event_type: "physiological_chunk".into(),
        provider: "oura".into(),
        subject_role: role,
        source_kind: SourceKind::Session,
        window_start_utc: end.plus_micros(-60_000_000),
        window_end_utc: end,
        ingest_timestamp_utc: end,
        payload: PhysiologicalChunkPayload {
            sample_interval_s: 60,
            valid_sample_count: 1,
            expected_sample_count: 1,
            derivation_method: DerivationMethod::Provider,
            ibi_ms_items: None,
            rmssd_items_ms: Some(vec![rmssd]),
            heart_rate_items_bpm: Some(vec![72]),
            motion_items: None,
        },
    }
}

/// Grid window `index` of a session.
pub(crate) fn grid(session: Uuid, index: u32) -> SegmentMessage {
    let start = EPOCH.plus_micros(i64::from(index - 1) * 30_000_000);
    let mut window = segment(session, Uuid::nil(), 0.0, Vec::new());
    window.kind = SegmentKind::Grid {
        index: index.into(),
    };
    window.window_start = start;
    window.window_end = start.plus_micros(30_000_000);
    window.segment_id = segment_id(&session, start, window.window_end);
    window
}

#[tokio::test]
async fn nobody_wears_anything_and_nothing_is_attached() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    let (action, t) = world.stimulus(&mut engine, id, 40.0).await;
    world.attest(id, true).await;
    engine.segment(segment(id, action, t, smile(t))).await;
    assert_eq!(world.only_row(id).await.physiology_stale, None);
    let seen = world.supervisor.physiology_v2(id).await.unwrap();
    assert_eq!(
        (seen.streamer_state.as_str(), seen.operator_state.as_str()),
        ("absent", "absent")
    );
    let index = seen.base.comodulation.unwrap();
    assert_eq!(index.null_reason.as_deref(), Some("not_computed"));
    assert!(
        world
            .supervisor
            .comodulation_log(id, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_fresh_chunk_goes_with_the_encounter() {
    let world = World::open(Options::default()).await;
    let (mut engine, id) = world.calibrated().await;
    let (action, t) = world.stimulus(&mut engine, id, 40.0).await;
    let fresh = chunk(SubjectRole::Streamer, 5, 41.5);
    let take = |chunk| world.supervisor.physiological_chunk(chunk);
    assert_eq!(take(fresh.clone()).await.unwrap().fate, ChunkFate::Kept);
    assert_eq!(take(fresh).await.unwrap().fate, ChunkFate::Duplicate);
    let old = chunk(SubjectRole::Operator, 901, 30.0);
    assert_eq!(take(old).await.unwrap().fate, ChunkFate::Expired);
    world.attest(id, true).await;
    engine.segment(segment(id, action, t, smile(t))).await;
    let row = world.only_row(id).await;
    assert_eq!(row.physiology_stale, Some(false));
    eventually("the index is computed", || async {
        !world
            .supervisor
            .comodulation_log(id, 10)
            .await
            .unwrap()
            .is_empty()
    })
    .await;
    let seen = world.supervisor.physiology_v2(id).await.unwrap();
    let streamer = seen.base.streamer.unwrap();
    assert_eq!(
        (streamer.rmssd_ms, streamer.heart_rate_bpm),
        (Some(41.5), Some(72))
    );
    assert!(streamer.freshness_s.unwrap() >= 5.0 && streamer.is_stale == Some(false));
    assert_eq!(
        (seen.streamer_state.as_str(), seen.operator_state.as_str()),
        ("fresh", "absent")
    );
    let index = seen.base.comodulation.unwrap();
    assert_eq!(index.null_reason.as_deref(), Some("insufficient_pairs"));
    let rows = world.supervisor.encounters(id, 1, None).await.unwrap();
    assert!(rows[0].base.physiology_attached);
    let log = world
        .supervisor
        .physiology_log(id, false, 10)
        .await
        .unwrap();
    assert_eq!(log.len(), 1);
    assert_eq!(log[0].segment_id, row.segment_id.to_string());
}

#[tokio::test]
async fn stale_data_says_so_once_and_is_not_shown_as_current() {
    let world = World::open(Options::default()).await;
    let (engine, id) = world.calibrated().await;
    let stale = chunk(SubjectRole::Operator, 700, 30.0);
    world.supervisor.physiological_chunk(stale).await.unwrap();
    for index in [1, 2] {
        engine.segment(grid(id, index)).await;
    }
    eventually("both windows carry physiology", || async {
        world
            .supervisor
            .physiology_log(id, true, 10)
            .await
            .unwrap()
            .len()
            == 2
    })
    .await;
    let seen = world.supervisor.physiology_v2(id).await.unwrap();
    assert!(seen.base.operator.is_none());
    assert_eq!(seen.operator_state, "stale");
    let alerts = world.supervisor.alerts(50, None).await.unwrap();
    let told = alerts
        .iter()
        .filter(|a| a.kind == AlertKind::PhysiologyStale);
    assert_eq!(told.count(), 1);
}

#[tokio::test]
async fn five_shared_minutes_give_an_index() {
    let world = World::open(Options::default()).await;
    let (engine, id) = world.calibrated().await;
    for (index, minutes_ago) in (1..=5).zip((0..5).rev()) {
        for (role, rmssd) in [(SubjectRole::Streamer, 30.0), (SubjectRole::Operator, 50.0)] {
            let chunk = chunk(role, 60 * minutes_ago, rmssd + f64::from(index));
            world.supervisor.physiological_chunk(chunk).await.unwrap();
        }
        engine.segment(grid(id, index)).await;
        eventually("the window carries physiology", || async {
            let rows = world
                .supervisor
                .physiology_log(id, true, 100)
                .await
                .unwrap();
            rows.len() == 2 * index as usize
        })
        .await;
    }
    eventually("the fifth index is there", || async {
        world
            .supervisor
            .comodulation_log(id, 10)
            .await
            .unwrap()
            .len()
            == 5
    })
    .await;
    let seen = world.supervisor.physiology_v2(id).await.unwrap();
    let index = seen.base.comodulation.unwrap();
    assert_eq!((index.n_paired_observations, index.null_reason), (5, None));
    assert!(index.co_modulation_index.unwrap() > 0.99);
    assert!((seen.window_coverage.unwrap() - 0.5).abs() < 1e-12);
    assert!(seen.index_interval.unwrap().0 < 1.0);
    let log = world.supervisor.comodulation_log(id, 10).await.unwrap();
    assert!(
        log[4].co_modulation_index.is_none(),
        "null windows are kept too"
    );
}

#[tokio::test]
async fn chunks_out_of_bounds_are_refused() {
    let world = World::open(Options::default()).await;
    let future = chunk(SubjectRole::Streamer, -3600, 30.0);
    let mut many = chunk(SubjectRole::Streamer, 0, 30.0);
    many.payload.ibi_ms_items = Some(vec![800.0; 4097]);
    let mut nameless = chunk(SubjectRole::Streamer, 0, 30.0);
    nameless.provider = " ".into();
    for bad in [future, many, nameless] {
        let error = world.supervisor.physiological_chunk(bad).await.unwrap_err();
        assert_eq!(error.code(), "validation_failed");
    }
}
