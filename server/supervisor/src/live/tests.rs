use lsie_analytics::bandit::{Arm, DecisionContext, Posterior, decide};
use lsie_schemas::link::Text;
use serde_json::json;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn arm() -> CurrentArm {
    let definition: StimulusDefinition = serde_json::from_value(json!({
        "stimulus_modality": "spoken_greeting",
        "stimulus_payload": { "content_type": "text", "text": "Hello!" },
        "expected_stimulus_rule": "The line is said.",
        "expected_response_rule": "The streamer answers.",
    }))
    .unwrap();
    let arms = [Arm {
        arm_id: "hello".into(),
        posterior: Posterior::PRIOR,
        definition: definition.clone(),
        enabled: true,
        is_end_dated: false,
    }];
    let context = DecisionContext {
        session_id: Uuid::nil(),
        window_start_utc: UtcMicros(0),
        stimulus_time_secs: None,
        experiment_code: "e",
        experiment_row_id: 1,
    };
    CurrentArm {
        decision: decide(&context, &arms, UtcMicros(0)).unwrap(),
        definition,
    }
}

fn session(url: &str) -> LiveSession {
    LiveSession::new(
        Uuid::nil(),
        url,
        "e",
        arm(),
        Waits {
            attest: 10 * SECOND,
            stamp: 4 * SECOND,
        },
    )
}

fn opened(epoch: i64, pace: &str) -> SessionStarted {
    SessionStarted {
        session_id: Uuid::nil(),
        epoch: UtcMicros(epoch),
        resolution: None,
        codec: Text::cut("raw"),
        has_audio: false,
        pace: Text::cut(pace),
    }
}

#[test]
fn media_time_runs_on_for_a_live_source_and_waits_for_a_fast_one() {
    for (pace, expected) in [
        ("live", 9_000_000_000),
        ("paced", 9_000_000_000),
        ("fast", 5_000_000_000),
    ] {
        let mut live = session("demo:presenter");
        assert_eq!(
            live.media_position(100 * SECOND),
            0,
            "nothing runs before the source opened"
        );
        live.open(opened(0, pace), 100 * SECOND);
        live.hear_media(5_000_000_000, 110 * SECOND);
        live.engine_died();
        assert_eq!(live.media_position(114 * SECOND), expected, "{pace}");
    }
}

#[test]
fn media_time_survives_what_no_clock_says() {
    let mut live = session("demo:presenter");
    live.open(opened(i64::MAX, "live"), 10 * SECOND);
    live.hear_media(i64::MAX, 10 * SECOND);
    assert_eq!(live.media_position(20 * SECOND), i64::MAX);
    assert_eq!(
        live.media_position(SECOND),
        i64::MAX,
        "an earlier instant is no time passed"
    );
    assert_eq!(live.utc_at(i64::MAX), Some(UtcMicros(i64::MAX)));
}

#[test]
fn the_first_epoch_stays() {
    let mut live = session("demo:presenter");
    live.open(opened(7, "live"), SECOND);
    live.open(opened(8, "live"), 2 * SECOND);
    assert_eq!(live.epoch, Some(UtcMicros(7)));
}

#[test]
fn the_first_stamp_stays_and_strangers_are_not_stamped() {
    let mut live = session("demo:presenter");
    let id = Uuid::from_u128(1);
    live.issue(id, SECOND).unwrap();
    assert!(live.stamp(id, 10.0));
    assert!(!live.stamp(id, 11.0));
    assert!(!live.stamp(Uuid::from_u128(2), 11.0));
    assert_eq!(live.current().unwrap().stimulus_time_s, Some(10.0));
    assert_eq!(
        live.current()
            .unwrap()
            .arm
            .as_ref()
            .unwrap()
            .decision
            .snapshot
            .selected_arm_id,
        "hello"
    );
}

#[test]
fn a_planned_stimulus_enters_once() {
    let mut live = session("demo:presenter");
    let id = Uuid::from_u128(1);
    live.planned = vec![(id, 30.0, true)];
    assert!(live.stamp(id, 10.0));
    live.engine_died();
    let lost = live.next_resolved(SECOND).unwrap();
    assert_eq!((lost.stimulus_id, lost.gap()), (id, Some("data_gap")));
    assert!(!live.stamp(id, 10.0), "it is not planned any more");
    assert!(live.current().is_none());
}

#[test]
fn a_stamped_stimulus_cannot_be_withdrawn() {
    let mut live = session("demo:presenter");
    let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
    live.issue(first, SECOND).unwrap();
    assert_eq!(
        live.issue(second, SECOND),
        Err(Refusal::EncounterOpen(first))
    );
    live.withdraw(first);
    live.issue(second, SECOND).unwrap();
    live.stamp(second, 1.0);
    live.withdraw(second);
    assert!(live.current().is_some());
}

#[test]
fn the_reason_and_the_action_of_the_first_end_stay() {
    let mut live = session("demo:presenter");
    let action = Uuid::from_u128(5);
    live.begin_end("requested", Some(action));
    live.begin_end("end_of_stream", None);
    assert_eq!(
        (live.ending.as_deref(), live.ending_action),
        (Some("requested"), Some(action))
    );
}

#[test]
fn an_encounter_that_is_given_back_is_the_next_one_again() {
    let mut live = session("demo:presenter");
    let id = Uuid::from_u128(1);
    live.issue(id, SECOND).unwrap();
    live.begin_end("requested", None);
    let open = live.next_resolved(SECOND).unwrap();
    live.put_back(open);
    assert_eq!(live.current().unwrap().stimulus_id, id);
    assert!(live.next_resolved(SECOND).is_some() && live.next_resolved(SECOND).is_none());
}

#[test]
fn a_stimulus_nobody_stamps_is_resolved_when_its_time_is_over() {
    let mut live = session("demo:presenter");
    let id = Uuid::from_u128(1);
    live.issue(id, SECOND).unwrap();
    assert_eq!(live.deadline(), Some(5 * SECOND));
    let just_before = Duration::from_nanos(4_999_999_999);
    assert!(live.next_resolved(just_before).is_none());
    let lost = live.next_resolved(5 * SECOND).unwrap();
    assert_eq!((lost.stimulus_id, lost.gap()), (id, Some("not_stamped")));
    assert!(
        !live.stamp(id, 10.0),
        "a stamp that comes too late is nobody's"
    );
    live.issue(Uuid::from_u128(2), 6 * SECOND).unwrap();
}

#[test]
fn a_stamp_ends_the_wait_for_it() {
    let mut live = session("demo:presenter");
    let id = Uuid::from_u128(1);
    live.issue(id, SECOND).unwrap();
    assert!(live.stamp(id, 10.0));
    assert_eq!(live.deadline(), None);
    assert!(live.next_resolved(1000 * SECOND).is_none());
}
