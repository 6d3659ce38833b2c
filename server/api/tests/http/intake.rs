//! What comes in beside the operator's commands, and what is read out of it.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{Engine, Server};

fn chunk(ends: &str) -> Value {
    json!({
        "unique_id": Uuid::new_v4(), "event_type": "physiological_chunk", "provider": "oura",
        "subject_role": "operator", "source_kind": "session",
        "window_start_utc": "2026-01-01T00:00:00Z", "window_end_utc": ends, "ingest_timestamp_utc": ends,
        "payload": {
            "sample_interval_s": 300, "valid_sample_count": 1, "expected_sample_count": 1,
            "derivation_method": "provider", "rmssd_items_ms": [41.0]
        }
    })
}

fn started(server: &Server) -> String {
    let start = json!({ "stream_url": "demo:presenter", "experiment_id": "greeting_line_v1", "client_action_id": Uuid::new_v4() });
    let answer = server.post("/api/v1/sessions", &start.to_string()).json();
    answer["session_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_chunk_is_judged_by_its_closed_contract_and_never_repeated() {
    let server = Server::open(Engine::Silent);
    let old = chunk("2026-01-01T00:05:00Z");
    let answer = server.post("/api/v2/physiology/chunks", &old.to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["fate"], "expired");
    let mut broken = old.clone();
    broken["payload"]["rmssd_items_ms"] = json!([-41.125]);
    broken["surprise"] = json!(true);
    broken["subject_role"] = json!("viewer");
    let refused = server.post("/api/v2/physiology/chunks", &broken.to_string());
    let body = refused.refusal(422);
    let places: Vec<_> = body["detail"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["loc"].clone())
        .collect();
    assert_eq!(places.len(), 3, "{body}");
    assert!(
        places.contains(&json!(["body", "payload", "rmssd_items_ms", "0"])),
        "{body}"
    );
    assert!(
        !refused.body.contains("41.125") && !refused.body.contains("viewer"),
        "{body}"
    );
    let ahead = chunk("2999-01-01T00:00:00Z");
    server
        .post("/api/v2/physiology/chunks", &ahead.to_string())
        .refusal(422);
}

#[test]
fn logs_of_a_session_without_wearables_are_empty_and_v2_says_absent() {
    let server = Server::open(Engine::Willing);
    let id = started(&server);
    for path in ["physiology", "comodulation"] {
        assert_eq!(
            server.get(&format!("/api/v1/{path}/{id}")).json(),
            json!([]),
            "{path}"
        );
        server
            .get(&format!("/api/v1/{path}/{id}?limit=0"))
            .refusal(422);
    }
    assert_eq!(
        server
            .get(&format!("/api/v1/physiology/{id}?series=true"))
            .json(),
        json!([])
    );
    let seen = server
        .get(&format!("/api/v2/sessions/{id}/physiology"))
        .json();
    assert_eq!(
        (&seen["streamer_state"], &seen["streamer"]),
        (&json!("absent"), &Value::Null)
    );
    assert_eq!(seen["comodulation"]["null_reason"], "not_computed");
    let nobody = Uuid::from_u128(3);
    server
        .get(&format!("/api/v2/sessions/{nobody}/physiology"))
        .refusal(404);
}

#[test]
fn a_follow_becomes_an_outcome_and_a_gift_does_not() {
    let server = Server::open(Engine::Willing);
    let id = started(&server);
    let path = format!("/api/v2/sessions/{id}/events");
    let event = |kind: &str| json!({ "uniqueId": "viewer1", "event_type": kind, "timestamp_utc": "2026-01-01T00:00:31Z", "payload": { "event_id": "m-88" }, "more": 1 });
    let first = server.post(&path, &event("follow").to_string()).json();
    let again = server.post(&path, &event("follow").to_string()).json();
    assert!(first["outcome_id"].is_string());
    assert_eq!(first["outcome_id"], again["outcome_id"]);
    let gift = server.post(&path, &event("gift").to_string());
    assert_eq!(
        (gift.status, &gift.json()["outcome_id"]),
        (200, &Value::Null)
    );
    let mut timeless = event("follow");
    timeless["timestamp_utc"] = json!("yesterday");
    server.post(&path, &timeless.to_string()).refusal(422);
}

#[test]
fn an_experiment_is_read_out_arm_by_arm() {
    let server = Server::open(Engine::Silent);
    let seen = server
        .get("/api/v2/experiments/greeting_line_v1/readout")
        .json();
    let arms = seen["arms"].as_array().unwrap();
    assert_eq!(arms.len(), 4);
    for arm in arms {
        assert!(
            (arm["probability_best"].as_f64().unwrap() - 0.25).abs() < 1e-9,
            "{arm}"
        );
        assert!(arm["always"].is_null());
    }
    assert_eq!(
        seen["log"],
        json!({ "encounters": 0, "unusable": 0, "truncated": false })
    );
    server
        .get("/api/v2/experiments/no_such/readout")
        .refusal(404);
}
