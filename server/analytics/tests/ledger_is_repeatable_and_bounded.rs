//! The attribution ledger of a segment: same input, same ids; foreign input cannot break it.

use lsie_analytics::AnalyticsError;
use lsie_analytics::attribution::{
    DEFAULT_HORIZON_SECS, FoundOutcome, LagPeak, LedgerInput, LedgerSemantic, RewardProxy,
    build_ledger,
};
use lsie_analytics::reward::{Evidence, Gate, evaluate};
use lsie_schemas::contract::{
    ArmPosterior, Au12Observation, BanditDecisionSnapshot, Contract, StimulusModality,
    StimulusPayload,
};
use lsie_schemas::id::SegmentId;
use lsie_schemas::time::UtcMicros;
use serde_json::to_value;
use uuid::Uuid;

const EVENT: UtcMicros = UtcMicros(1_767_225_600_000_000);

fn snapshot() -> BanditDecisionSnapshot {
    BanditDecisionSnapshot {
        selection_method: "thompson_sampling".to_owned(),
        selection_time_utc: EVENT,
        experiment_id: 1,
        policy_version: "lsie_ts_v2".to_owned(),
        selected_arm_id: "ask".to_owned(),
        candidate_arm_ids: vec!["ask".to_owned()],
        posterior_by_arm: [(
            "ask".to_owned(),
            ArmPosterior {
                alpha: 1.0,
                beta: 1.0,
            },
        )]
        .into(),
        sampled_theta_by_arm: [("ask".to_owned(), 0.5)].into(),
        decision_context_hash: "0".repeat(64),
        random_seed: u64::MAX,
        stimulus_modality: StimulusModality::Question,
        stimulus_payload: StimulusPayload {
            content_type: "text".to_owned(),
            text: "hi".to_owned(),
        },
        expected_stimulus_rule: "is asked".to_owned(),
        expected_response_rule: "answers".to_owned(),
    }
}

fn follow(offset_secs: i64, reference: &str) -> FoundOutcome {
    FoundOutcome {
        value: 1.0,
        time_utc: UtcMicros(EVENT.0 + offset_secs * 1_000_000),
        source_system: "tiktok_webcast".to_owned(),
        source_event_ref: Some(reference.to_owned()),
        confidence: 1.0,
    }
}

fn input<'a>(
    snapshot: &'a BanditDecisionSnapshot,
    segment_id: &'a SegmentId,
    outcomes: &'a [FoundOutcome],
) -> LedgerInput<'a> {
    LedgerInput {
        session_id: Uuid::from_u128(7),
        segment_id,
        event_time_utc: EVENT,
        stimulus_time_secs: Some(EVENT.as_epoch_secs()),
        stimulus_id: None,
        snapshot,
        active_arm: "ask",
        semantic: LedgerSemantic {
            p_match: Some(0.9),
            ..LedgerSemantic::default()
        },
        response: None,
        series: &[],
        proxy: RewardProxy::default(),
        outcomes,
        lag_scan: None,
        horizon_secs: DEFAULT_HORIZON_SECS,
        created_at: EVENT,
    }
}

#[test]
fn every_record_meets_its_contract() {
    let (snapshot, id) = (snapshot(), SegmentId::new("a".repeat(64)).unwrap());
    let outcomes = [follow(3, "f1")];
    let mut input = input(&snapshot, &id, &outcomes);
    input.lag_scan = Some(LagPeak {
        correlation: 0.5,
        lag: 2,
    });
    let ledger = build_ledger(&input).unwrap();
    assert!(
        lsie_schemas::contract::AttributionEvent::from_json(&to_value(&ledger.event).unwrap())
            .is_ok()
    );
    for score in &ledger.scores {
        assert!(
            lsie_schemas::contract::AttributionScore::from_json(&to_value(score).unwrap()).is_ok()
        );
    }
    for outcome in &ledger.outcomes {
        assert!(
            lsie_schemas::contract::OutcomeEvent::from_json(&to_value(outcome).unwrap()).is_ok()
        );
    }
    for link in &ledger.links {
        assert!(
            lsie_schemas::contract::EventOutcomeLink::from_json(&to_value(link).unwrap()).is_ok()
        );
    }
    assert_eq!((ledger.scores.len(), ledger.links.len()), (6, 1));
}

#[test]
fn building_again_gives_the_same_records() {
    let (snapshot, id) = (snapshot(), SegmentId::new("a".repeat(64)).unwrap());
    let outcomes = [follow(3, "f1"), follow(4, "f2")];
    let input = input(&snapshot, &id, &outcomes);
    assert_eq!(build_ledger(&input), build_ledger(&input.clone()));
}

#[test]
fn only_outcomes_from_the_event_to_the_horizon_are_linked() {
    let (snapshot, id) = (snapshot(), SegmentId::new("a".repeat(64)).unwrap());
    let outcomes = [
        follow(-1, "before"),
        follow(60, "edge"),
        follow(61, "after"),
        follow(0, "at"),
    ];
    let mut input = input(&snapshot, &id, &outcomes);
    input.horizon_secs = 60.0;
    let ledger = build_ledger(&input).unwrap();
    assert_eq!(
        ledger.links.iter().map(|l| l.lag_s).collect::<Vec<_>>(),
        [60.0, 0.0]
    );
    // The first in input order is carried by the scores.
    assert!(
        ledger
            .scores
            .iter()
            .all(|s| s.outcome_id == Some(ledger.links[0].outcome_id))
    );
    assert_eq!(ledger.outcomes.len(), 4);
}

#[test]
fn repeated_and_ambiguous_outcomes_are_left_out() {
    let (snapshot, id) = (snapshot(), SegmentId::new("a".repeat(64)).unwrap());
    let outcomes = [follow(1, "f1"), follow(1, "f1"), follow(1, "a|b")];
    let ledger = build_ledger(&input(&snapshot, &id, &outcomes)).unwrap();
    assert_eq!(
        (
            ledger.outcomes.len(),
            ledger.links.len(),
            ledger.refused_outcomes
        ),
        (1, 1, 1)
    );
}

#[test]
fn a_segment_without_frames_has_no_soft_reward() {
    let (snapshot, id) = (snapshot(), SegmentId::new("a".repeat(64)).unwrap());
    let evidence = |series| Evidence {
        series,
        stimulus_time_secs: Some(0.0),
        gate: Gate::attested(false),
        has_data_gap: false,
    };
    let mut input = input(&snapshot, &id, &[]);
    input.proxy = RewardProxy::from(&evaluate(&evidence(&[])).unwrap());
    assert_eq!(build_ledger(&input).unwrap().scores[0].score_raw, None);
    let frame = [Au12Observation {
        timestamp_s: 1.0,
        intensity: 0.5,
    }];
    input.proxy = RewardProxy::from(&evaluate(&evidence(&frame)).unwrap());
    assert_eq!(
        build_ledger(&input).unwrap().scores[0].score_raw,
        Some(0.45)
    );
}

#[test]
fn broken_numbers_become_null() {
    let (snapshot, id) = (snapshot(), SegmentId::new("a".repeat(64)).unwrap());
    let mut odd = follow(1, "f1");
    (odd.value, odd.confidence) = (f64::NAN, f64::INFINITY);
    let outcomes = [odd];
    let mut input = input(&snapshot, &id, &outcomes);
    input.semantic.p_match = Some(f64::NAN);
    input.proxy.p90 = Some(f64::INFINITY);
    input.stimulus_time_secs = Some(f64::NAN);
    let ledger = build_ledger(&input).unwrap();
    assert_eq!(
        (
            ledger.event.semantic_p_match,
            ledger.event.stimulus_time_utc
        ),
        (None, None)
    );
    assert_eq!(
        (
            ledger.outcomes[0].outcome_value,
            ledger.outcomes[0].confidence
        ),
        (1.0, 1.0)
    );
    assert!(ledger.scores.iter().all(|s| s.score_raw.is_none()));
    for horizon in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        input.horizon_secs = horizon;
        assert!(matches!(
            build_ledger(&input),
            Err(AnalyticsError::NotFinite { .. })
        ));
    }
}

#[test]
fn an_empty_arm_falls_back_to_the_chosen_one() {
    let (mut snapshot, id) = (snapshot(), SegmentId::new("a".repeat(64)).unwrap());
    let with = |snapshot: &BanditDecisionSnapshot| {
        let mut input = input(snapshot, &id, &[]);
        input.active_arm = "";
        build_ledger(&input).map(|l| l.event.selected_arm_id)
    };
    assert_eq!(with(&snapshot), Ok("ask".to_owned()));
    snapshot.selected_arm_id.clear();
    assert_eq!(with(&snapshot), Err(AnalyticsError::UnknownArm));
}
