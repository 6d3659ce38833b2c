//! Wearables deliver late, twice, with pauses and with nonsense.

use lsie_analytics::physiology::{
    DisplayState, Intake, PhysiologyBuffer, context, display_state, reread,
};
use lsie_schemas::contract::{
    DerivationMethod, PhysiologicalChunkEvent, PhysiologicalChunkPayload, SourceKind, SubjectRole,
};
use lsie_schemas::time::UtcMicros;
use proptest::prelude::*;
use uuid::Uuid;

const NOW: UtcMicros = UtcMicros(1_767_225_600_000_000);

/// A chunk that ended `ago_secs` before now and lasted `length_secs`.
fn chunk(id: u128, ago_secs: i64, length_secs: i64, ibi: &[f64]) -> PhysiologicalChunkEvent {
    let window_end_utc = UtcMicros(NOW.0 - ago_secs * 1_000_000);
    PhysiologicalChunkEvent {
        unique_id: Uuid::from_u128(id),
        event_type: "physiological_chunk".to_owned(),
        provider: "oura".to_owned(),
        subject_role: SubjectRole::Streamer,
        source_kind: SourceKind::Ibi,
        window_start_utc: UtcMicros(window_end_utc.0 - length_secs * 1_000_000),
        window_end_utc,
        ingest_timestamp_utc: NOW,
        payload: PhysiologicalChunkPayload {
            sample_interval_s: 1,
            valid_sample_count: 10,
            expected_sample_count: 10,
            derivation_method: DerivationMethod::Provider,
            ibi_ms_items: Some(ibi.to_vec()),
            rmssd_items_ms: None,
            heart_rate_items_bpm: None,
            motion_items: None,
        },
    }
}

#[test]
fn a_redelivery_changes_nothing() {
    let mut buffer = PhysiologyBuffer::new();
    assert_eq!(
        buffer.take(chunk(1, 60, 30, &[800.0, 820.0]), NOW),
        Intake::Kept
    );
    let once = buffer.snapshot(SubjectRole::Streamer, NOW);
    assert_eq!(
        buffer.take(chunk(1, 60, 30, &[800.0, 900.0]), NOW),
        Intake::Duplicate
    );
    assert_eq!(buffer.snapshot(SubjectRole::Streamer, NOW), once);
    assert_eq!(buffer.snapshot(SubjectRole::Operator, NOW), None);
}

#[test]
fn order_of_arrival_is_irrelevant() {
    let chunks = [
        chunk(1, 90, 30, &[800.0, 810.0]),
        chunk(2, 60, 30, &[790.0, 815.0]),
        chunk(3, 29, 30, &[805.0]),
    ];
    let run = |order: [usize; 3]| {
        let mut buffer = PhysiologyBuffer::new();
        for index in order {
            buffer.take(chunks[index].clone(), NOW);
        }
        buffer.snapshot(SubjectRole::Streamer, NOW)
    };
    let expected = run([0, 1, 2]);
    assert!(expected.is_some());
    for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        assert_eq!(run(order), expected);
    }
}

#[test]
fn a_pause_of_two_seconds_joins_and_a_longer_one_does_not() {
    let rmssd = |pause: i64| {
        let mut buffer = PhysiologyBuffer::new();
        buffer.take(chunk(1, 60 + pause, 30, &[800.0, 800.0]), NOW);
        buffer.take(chunk(2, 30, 30, &[900.0, 900.0]), NOW);
        buffer
            .snapshot(SubjectRole::Streamer, NOW)
            .unwrap()
            .snapshot
            .rmssd_ms
    };
    assert_eq!(rmssd(2), Some(57.735));
    assert_eq!(rmssd(3), Some(0.0));
    // Overlapping chunks are not successive either.
    assert_eq!(rmssd(-1), Some(0.0));
}

#[test]
fn old_and_inverted_chunks_are_refused() {
    let mut buffer = PhysiologyBuffer::new();
    assert_eq!(
        buffer.take(chunk(1, 901, 30, &[800.0]), NOW),
        Intake::Expired
    );
    assert_eq!(
        buffer.take(chunk(2, 10, -30, &[800.0]), NOW),
        Intake::Expired
    );
    assert_eq!(buffer.take(chunk(3, 900, 30, &[800.0]), NOW), Intake::Kept);
    assert_eq!(
        buffer.snapshot(SubjectRole::Streamer, UtcMicros(NOW.0 + 1)),
        None
    );
}

#[test]
fn a_flood_is_bounded_and_counted() {
    let mut buffer = PhysiologyBuffer::new();
    for id in 0..1500 {
        buffer.take(chunk(id, 10, 5, &[800.0]), NOW);
    }
    assert_eq!(buffer.evicted(), 1500 - 1024);
}

#[test]
fn display_states_stay_distinct() {
    let state = |make: &dyn Fn(&mut PhysiologicalChunkEvent), ago: i64| {
        let mut buffer = PhysiologyBuffer::new();
        let mut one = chunk(1, ago, 30, &[800.0, 820.0]);
        make(&mut one);
        buffer.take(one, NOW);
        let snapshot = buffer
            .snapshot(SubjectRole::Streamer, NOW)
            .map(|d| d.snapshot);
        display_state(snapshot.as_ref())
    };
    assert_eq!(display_state(None), DisplayState::Absent);
    assert_eq!(state(&|_| (), 10), DisplayState::Fresh);
    assert_eq!(
        state(&|c| c.payload.valid_sample_count = 7, 10),
        DisplayState::Invalid
    );
    assert_eq!(
        state(&|c| c.payload.ibi_ms_items = Some(vec![800.0]), 10),
        DisplayState::NoRmssd
    );
    assert_eq!(state(&|_| (), 601), DisplayState::Stale);
}

#[test]
fn a_stored_row_ages_while_it_lies() {
    let mut buffer = PhysiologyBuffer::new();
    buffer.take(chunk(1, 0, 30, &[800.0, 820.0]), NOW);
    let stored = buffer
        .snapshot(SubjectRole::Streamer, NOW)
        .unwrap()
        .snapshot;
    let later = reread(&stored, UtcMicros(NOW.0 + 601_000_000)).unwrap();
    assert!(later.is_stale && later.freshness_s == 601.0);
    assert_eq!(reread(&later, NOW), None);
    assert_eq!(
        reread(&stored, UtcMicros(NOW.0 - 5_000_000))
            .unwrap()
            .freshness_s,
        0.0
    );
    assert_eq!(context(None, None), None);
    assert!(context(Some(stored), None).is_some());
}

proptest! {
    #[test]
    fn no_number_escapes_its_contract(items in prop::collection::vec(prop::num::f64::ANY, 0..12), valid in any::<u64>(), expected in any::<u64>(), ago in -1000_i64..1000) {
        let mut one = chunk(1, ago, 30, &items);
        one.payload.valid_sample_count = valid;
        one.payload.expected_sample_count = expected;
        one.payload.heart_rate_items_bpm = Some(vec![20, 300]);
        let mut buffer = PhysiologyBuffer::new();
        buffer.take(one, NOW);
        if let Some(derived) = buffer.snapshot(SubjectRole::Streamer, NOW) {
            let s = derived.snapshot;
            prop_assert!((0.0..=1.0).contains(&s.validity_ratio) && s.freshness_s >= 0.0);
            prop_assert!(s.rmssd_ms.is_none_or(|v| v.is_finite() && v >= 0.0));
            prop_assert!(s.heart_rate_bpm.is_none_or(|v| (20..=300).contains(&v)));
        }
    }
}
