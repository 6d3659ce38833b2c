//! Physiology and co-modulation rows: kept once, with their segment, and refused when they cannot be true.

mod fixture;

use fixture::{encounter, secs, with_session};
use lsie_schemas::contract::{
    CoModulationNullReason, DerivationMethod, PhysiologicalContext, PhysiologicalSnapshot,
    SourceKind, SubjectRole,
};
use lsie_store::{CoModulationRecord, PhysiologyRecord};
use uuid::Uuid;

fn snapshot(rmssd_ms: f64, is_stale: bool) -> PhysiologicalSnapshot {
    PhysiologicalSnapshot {
        rmssd_ms: Some(rmssd_ms),
        heart_rate_bpm: Some(74),
        source_timestamp_utc: secs(100),
        freshness_s: 30.5,
        is_stale,
        provider: "oura".to_owned(),
        source_kind: SourceKind::Ibi,
        derivation_method: DerivationMethod::Server,
        window_s: 300,
        validity_ratio: 0.93,
        is_valid: true,
    }
}

fn record(session_id: Uuid, n: i64) -> PhysiologyRecord {
    PhysiologyRecord {
        session_id,
        segment_id: fixture::segment(session_id, secs(100 * n)).segment_id,
        context: PhysiologicalContext {
            streamer: Some(snapshot(38.2, false)),
            operator: Some(snapshot(44.0, true)),
        },
        derived_at: secs(100 * n + 30),
    }
}

fn window(session_id: Uuid, end: i64) -> CoModulationRecord {
    CoModulationRecord {
        session_id,
        window_start: secs(end - 600),
        window_end: secs(end),
        index: Ok(0.75),
        interval: Some((-0.1, 0.9)),
        n_paired: 6,
        coverage_ratio: 1.0,
        window_coverage: 0.6,
        streamer_rmssd_mean: Some(38.0),
        operator_rmssd_mean: Some(44.0),
        computed_at: secs(end),
    }
}

#[test]
fn an_encounter_brings_its_physiology_and_says_whether_it_was_stale() {
    let (_folder, store, session_id) = with_session();
    let mut commit = encounter(session_id, 1, 0.5);
    commit.physiology = Some(record(session_id, 1));
    commit.propensity = Some(0.4);
    store.writer().commit_encounter(commit).wait().unwrap();
    store
        .writer()
        .attach_physiology(record(session_id, 1))
        .wait()
        .unwrap();
    let (rows, newest, usable, seen) = store
        .reader()
        .read(move |view| {
            Ok((
                view.physiology_series(session_id, 10)?,
                view.newest_physiology(session_id, SubjectRole::Operator)?,
                view.usable_physiology(session_id, SubjectRole::Operator)?,
                view.latest_encounter(Some(session_id))?.unwrap(),
            ))
        })
        .unwrap();
    assert_eq!(
        rows.len(),
        2,
        "a repeat for the same segment changes nothing"
    );
    assert_eq!(newest.unwrap().snapshot, snapshot(44.0, true));
    assert!(usable.is_none(), "stale when stored");
    assert_eq!(
        (seen.physiology_stale, seen.propensity),
        (Some(true), Some(0.4))
    );
    assert!(store.verify().wait().unwrap().is_sound());
}

#[test]
fn rows_are_found_by_their_source_time_with_the_start_left_out() {
    let (_folder, store, session_id) = with_session();
    store
        .writer()
        .attach_physiology(record(session_id, 1))
        .wait()
        .unwrap();
    let count = |after, until| {
        let rows = store
            .reader()
            .read(move |view| view.physiology_between(session_id, secs(after), secs(until), 10));
        rows.unwrap().len()
    };
    assert_eq!((count(99, 100), count(100, 200), count(0, 99)), (2, 0, 0));
}

#[test]
fn a_window_is_kept_once_and_a_null_index_needs_its_reason() {
    let (_folder, store, session_id) = with_session();
    let writer = store.writer();
    writer
        .record_comodulation(window(session_id, 700))
        .wait()
        .unwrap();
    writer
        .record_comodulation(window(session_id, 700))
        .wait()
        .unwrap();
    let mut null = window(session_id, 730);
    (null.index, null.interval) = (Err(CoModulationNullReason::ZeroVariance), None);
    writer.record_comodulation(null).wait().unwrap();
    let rows = store
        .reader()
        .read(move |view| view.comodulation(session_id, 10))
        .unwrap();
    let seen: Vec<_> = rows
        .iter()
        .map(|row| (row.index, row.interval, row.window_minutes))
        .collect();
    assert_eq!(
        seen,
        [
            (Err(CoModulationNullReason::ZeroVariance), None, 10),
            (Ok(0.75), Some((-0.1, 0.9)), 10)
        ]
    );
    for bad in [f64::NAN, 1.5] {
        let mut broken = window(session_id, 800);
        broken.index = Ok(bad);
        assert!(writer.record_comodulation(broken).wait().is_err(), "{bad}");
    }
    assert!(
        writer
            .record_comodulation(window(Uuid::nil(), 900))
            .wait()
            .is_err()
    );
}

#[test]
fn values_that_cannot_be_true_take_the_whole_encounter_back() {
    let (_folder, store, session_id) = with_session();
    for spoil in [f64::NAN, -1.0] {
        let mut commit = encounter(session_id, 1, 0.5);
        let mut broken = record(session_id, 1);
        broken.context.streamer = Some(snapshot(spoil, false));
        commit.physiology = Some(broken);
        assert!(
            store.writer().commit_encounter(commit).wait().is_err(),
            "{spoil}"
        );
    }
    assert!(
        store
            .reader()
            .read(move |view| view.latest_encounter(Some(session_id)))
            .unwrap()
            .is_none()
    );
}
