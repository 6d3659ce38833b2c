//! Readers see whole commits, page without loss, and never disturb the writer.

mod fixture;

use std::sync::atomic::{AtomicBool, Ordering};

use fixture::{ARM, attribution, encounter, secs, segment, session, with_session};
use lsie_schemas::api::{AlertKind, Severity};
use lsie_schemas::contract::Finality;
use lsie_schemas::link::{ClockRung, GapNote, SegmentClock, Text, VoiceSummary};
use lsie_store::{
    EncounterFilter, GREETING_EXPERIMENT, MetricsRecord, NewAlert, ReadView, StoreError, Update,
    WindowKind,
};
use uuid::Uuid;

#[test]
fn every_snapshot_taken_during_writes_adds_up() {
    let (_folder, store, session_id) = with_session();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let reader = store.reader();
                let is_done = &is_done;
                scope.spawn(move || {
                    let mut seen = 0;
                    while !is_done.load(Ordering::Acquire) {
                        let (beta, counts) = reader
                            .read(|view| {
                                Ok((
                                    view.posterior(GREETING_EXPERIMENT, ARM)?.unwrap(),
                                    view.counts()?,
                                ))
                            })
                            .unwrap();
                        assert_eq!(beta.alpha + beta.beta, 2.0 + counts.applied_updates as f64);
                        assert_eq!(counts.ledger, counts.encounters);
                        assert_eq!(counts.segments, counts.encounters);
                        assert!(counts.ledger >= seen, "a reader never goes back in time");
                        seen = counts.ledger;
                    }
                })
            })
            .collect();
        let before = store.revision();
        for n in 1..=60 {
            store
                .writer()
                .commit_encounter(encounter(session_id, n, 0.5))
                .wait()
                .unwrap();
        }
        assert_eq!(store.revision() - before, 60);
        is_done.store(true, Ordering::Release);
        for reader in readers {
            reader.join().unwrap();
        }
    });
    assert_eq!(store.reader().read(ReadView::counts).unwrap().ledger, 60);
}

#[test]
fn a_view_keeps_its_snapshot_while_the_writer_goes_on() {
    let (_folder, store, session_id) = with_session();
    let writer = store.writer();
    let (before, after) = store
        .reader()
        .read(move |view| {
            let before = view.counts()?;
            writer
                .commit_encounter(encounter(session_id, 1, 0.5))
                .wait()?;
            Ok((before, view.counts()?))
        })
        .unwrap();
    assert_eq!(before, after);
    assert_eq!(store.reader().read(ReadView::counts).unwrap().encounters, 1);
}

#[test]
fn encounters_page_by_instant_without_loss() {
    let (_folder, store, session_id) = with_session();
    for n in 1..=9 {
        let mut commit = encounter(session_id, n, 0.5);
        if n % 3 == 0 {
            commit.reward.as_mut().unwrap().n_frames_in_window = 0;
            commit.update = Update::Skip {
                reason: "no_frames".to_owned(),
            };
        }
        store.writer().commit_encounter(commit).wait().unwrap();
    }
    let page = |before, valid_only| {
        let filter = EncounterFilter {
            session_id: Some(session_id),
            before,
            valid_only,
            ..EncounterFilter::default()
        };
        store
            .reader()
            .read(move |view| view.encounters(&filter, 4))
            .unwrap()
    };
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let rows = page(before, false);
        let Some(last) = rows.last() else { break };
        before = Some(last.timestamp);
        seen.extend(rows.iter().map(|row| row.timestamp));
    }
    assert_eq!(
        seen,
        (1..=9)
            .rev()
            .map(|n| secs(100 * n + 30))
            .collect::<Vec<_>>()
    );
    assert!(
        page(None, true)
            .iter()
            .all(|row| row.n_frames_in_window > Some(0))
    );
    let nobody = EncounterFilter {
        arm: Some("nobody".to_owned()),
        ..EncounterFilter::default()
    };
    assert!(
        store
            .reader()
            .read(move |view| view.encounters(&nobody, 4))
            .unwrap()
            .is_empty()
    );
    let summary = store
        .reader()
        .read(|view| view.encounter_summary(GREETING_EXPERIMENT))
        .unwrap();
    assert_eq!(summary.len(), 1);
    assert_eq!((summary[0].encounter_count, summary[0].valid_count), (9, 6));
    assert_eq!(summary[0].first_encounter, Some(secs(130)));
    let session = store
        .reader()
        .read(move |view| view.session(session_id))
        .unwrap()
        .unwrap();
    assert_eq!(
        (
            session.metric_count,
            session.latest_reward,
            session.latest_gate
        ),
        (9, Some(0.5), Some(true))
    );
    assert_eq!(session.last_segment_end, Some(secs(930)));
}

#[test]
fn attribution_advances_to_final_and_never_back() {
    let (_folder, store, session_id) = with_session();
    let writer = store.writer();
    let mut commit = encounter(session_id, 1, 0.5);
    let mut batch = attribution(&commit);
    commit.attribution = Some(batch.clone());
    writer.commit_encounter(commit.clone()).wait().unwrap();
    let read = || {
        store
            .reader()
            .read(|view| view.latest_encounter(None))
            .unwrap()
            .unwrap()
            .attribution
            .unwrap()
    };
    let first = read();
    assert_eq!(first.finality, Finality::OnlineProvisional.as_str());
    assert_eq!(first.scores.get("soft_reward_candidate"), Some(&Some(0.33)));
    assert_eq!(
        first.scores.get("sync_peak_corr"),
        Some(&None),
        "a null score is stored, not omitted"
    );
    assert_eq!(first.outcome_link_lag_s, Some(12.0));
    assert_eq!(
        writer.finalise_attribution(secs(124)).wait().unwrap(),
        0,
        "the event is younger than the horizon"
    );
    assert_eq!(writer.finalise_attribution(secs(125)).wait().unwrap(), 1);
    assert_eq!(writer.finalise_attribution(secs(125)).wait().unwrap(), 0);
    assert_eq!(read().finality, Finality::OfflineFinal.as_str());
    batch.scores[0].score_raw = Some(0.44);
    writer.upsert_attribution(batch).wait().unwrap();
    let last = read();
    assert_eq!(
        last.finality,
        Finality::OfflineFinal.as_str(),
        "a provisional rewrite does not reopen the record"
    );
    assert_eq!(last.scores.get("soft_reward_candidate"), Some(&Some(0.44)));
}

#[test]
fn broken_attribution_takes_the_whole_encounter_back() {
    let (_folder, store, session_id) = with_session();
    let mut commit = encounter(session_id, 1, 0.5);
    let mut batch = attribution(&commit);
    batch.links[0].lag_s = batch.links[0].horizon_s + 1.0;
    commit.attribution = Some(batch);
    assert!(matches!(
        store.writer().commit_encounter(commit).wait(),
        Err(StoreError::Invalid { .. })
    ));
    let counts = store.reader().read(ReadView::counts).unwrap();
    assert_eq!(
        (counts.encounters, counts.ledger, counts.segments),
        (0, 0, 0)
    );
    assert!(store.verify().wait().unwrap().is_sound());
}

/// How a phone's clock stood whose responder does not answer.
const CLOCK: SegmentClock = SegmentClock {
    state: ClockRung::OneWay,
    offset_s: None,
    drift_ppm: Some(-80.25),
    uncertainty_ms: Some(30.0),
};

#[test]
fn segments_are_inserted_once_and_read_back_whole() {
    let (_folder, store, session_id) = with_session();
    let writer = store.writer();
    let mut grid = segment(session_id, secs(0));
    grid.kind = WindowKind::Grid;
    grid.voice = Some(VoiceSummary {
        speech_s: Some(3.5),
        rms_dbfs: f64::NEG_INFINITY,
        peak_dbfs: -3.0,
        pitch: None,
    });
    grid.gaps = vec![GapNote {
        from_s: 1_775_037_601.5,
        to_s: 1_775_037_602.0,
        reason: Text::cut("audio_missing"),
    }];
    grid.clock = Some(CLOCK);
    let metrics = MetricsRecord {
        au12_intensity: Some(0.25),
        acoustic: None,
    };
    assert!(
        writer
            .record_segment(grid.clone(), Some(metrics.clone()), secs(31))
            .wait()
            .unwrap()
    );
    assert!(
        !writer
            .record_segment(grid.clone(), Some(metrics), secs(32))
            .wait()
            .unwrap()
    );
    let mut other = grid.clone();
    other.window_start = secs(1);
    other.window_end = secs(31);
    assert!(matches!(
        writer.record_segment(other, None, secs(33)).wait(),
        Err(StoreError::Conflict(_))
    ));
    let mut short = segment(session_id, secs(100));
    short.window_end = secs(129);
    assert!(
        writer
            .record_segment(short, None, secs(131))
            .wait()
            .is_err()
    );
    let orphan = segment(Uuid::nil(), secs(200));
    assert!(matches!(
        writer.record_segment(orphan, None, secs(231)).wait(),
        Err(StoreError::UnknownSession(_))
    ));
    let (rows, series) = store
        .reader()
        .read(move |view| {
            Ok((
                view.segments(session_id, 10)?,
                view.metrics_series(session_id)?,
            ))
        })
        .unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].kind, rows[0].rms_dbfs, rows[0].speech_s),
        (WindowKind::Grid, Some(-200.0), Some(3.5))
    );
    assert_eq!(rows[0].gaps, grid.gaps);
    assert_eq!((rows[0].clock, grid.clock), (grid.clock, Some(CLOCK)));
    assert_eq!(series.len(), 1);
    assert_eq!(
        (series[0].au12_intensity, series[0].acoustic),
        (Some(0.25), None)
    );
    let summary = store
        .reader()
        .read(move |view| view.session_summary(session_id))
        .unwrap();
    assert_eq!((summary.total_segments, summary.avg_au12), (1, Some(0.25)));
}

#[test]
fn alerts_are_kept_until_a_person_has_seen_them() {
    let (_folder, store, session_id) = with_session();
    let writer = store.writer();
    let alert = |n: u128, at| NewAlert {
        alert_id: Uuid::from_u128(n),
        severity: Severity::Warning,
        kind: AlertKind::DataGap,
        message: "2 s of media were lost".to_owned(),
        session_id: Some(session_id),
        subsystem_key: Some("engine".to_owned()),
        emitted_at: at,
    };
    for n in 1..=3 {
        writer
            .record_alert(alert(n, secs(10 * i64::try_from(n).unwrap())))
            .wait()
            .unwrap();
    }
    writer.record_alert(alert(3, secs(99))).wait().unwrap();
    writer
        .ack_alert(Uuid::from_u128(2), secs(50))
        .wait()
        .unwrap();
    writer
        .ack_alert(Uuid::from_u128(2), secs(60))
        .wait()
        .unwrap();
    let unknown = writer.ack_alert(Uuid::from_u128(9), secs(50)).wait();
    assert!(matches!(unknown, Err(StoreError::UnknownAlert(_))));
    let rows = store
        .reader()
        .read(|view| view.alerts(Some(secs(20)), 10))
        .unwrap();
    let seen: Vec<_> = rows
        .iter()
        .map(|row| (row.emitted_at, row.acknowledged_at))
        .collect();
    assert_eq!(seen, [(secs(30), None), (secs(20), Some(secs(50)))]);
    assert_eq!(
        store.reader().read(ReadView::counts).unwrap().open_alerts,
        2
    );
}

#[test]
fn sessions_are_listed_newest_first() {
    let (_folder, store, session_id) = with_session();
    let writer = store.writer();
    writer
        .end_session(session_id, None, "requested", secs(5))
        .wait()
        .unwrap();
    let second = session(2);
    writer.create_session(second.clone()).wait().unwrap();
    let (rows, open) = store
        .reader()
        .read(|view| Ok((view.sessions(50)?, view.open_session()?)))
        .unwrap();
    let ids: Vec<_> = rows.iter().map(|row| row.session_id).collect();
    assert_eq!(ids, [second.session_id, session_id]);
    assert_eq!(open.unwrap().session_id, second.session_id);
    assert_eq!(
        store.reader().read(|view| view.sessions(1)).unwrap().len(),
        1
    );
}

#[test]
fn queries_queued_before_closing_are_answered() {
    let (_folder, store) = fixture::fresh();
    let pending = store.reader().read_later(ReadView::counts);
    drop(store);
    assert!(pending.wait().is_ok());
}
