//! The API while the media process is away or dies again and again.

use serde_json::json;
use uuid::Uuid;

use crate::stage::{Engine, Server, eventually};

fn start(server: &Server) -> crate::stage::Answer {
    let body = json!({ "stream_url": "demo:presenter", "experiment_id": "greeting_line_v1", "client_action_id": Uuid::new_v4() });
    server.post("/api/v1/sessions", &body.to_string())
}

#[test]
fn a_start_without_an_engine_is_503_with_a_next_step() {
    let server = Server::open(Engine::Silent);
    let refusal = start(&server).refusal(503);
    assert_eq!(refusal["code"], "engine_unavailable");
    assert!(refusal["hint"].is_string());
    assert_eq!(server.get("/api/v1/operator/sessions").body, "[]");
}

#[test]
fn an_engine_that_dies_at_once_opens_the_circuit_and_a_reset_closes_it() {
    let server = Server::open(Engine::Dying);
    let mut seen = Vec::new();
    eventually("the circuit opens", || {
        let status = server.get("/api/v2/status").json();
        let state = status["engine"]["state"].as_str().unwrap().to_owned();
        if seen.last() != Some(&state) {
            seen.push(state.clone());
        }
        assert_eq!(
            server.get("/api/v1/operator/overview").status,
            200,
            "the API answers throughout"
        );
        state == "circuit_open"
    });
    assert!(
        seen.iter()
            .all(|state| matches!(state.as_str(), "starting" | "recovering" | "circuit_open")),
        "{seen:?}"
    );
    let status = server.get("/api/v2/status").json();
    assert_eq!(
        (&status["engine"]["deaths"], &status["overall_state"]),
        (&json!(6), &json!("error"))
    );
    let health = server.get("/api/v1/operator/health").json();
    let engine = health["subsystems"]
        .as_array()
        .unwrap()
        .iter()
        .find(|part| part["subsystem_key"] == "engine")
        .unwrap();
    assert_eq!(
        (&engine["state"], &health["overall_state"]),
        (&json!("error"), &json!("error"))
    );
    assert!(
        engine["detail"]
            .as_str()
            .unwrap()
            .starts_with("circuit open after 6 deaths"),
        "{engine}"
    );
    assert!(engine["operator_action_hint"].is_string());
    start(&server).refusal(503);
    assert_eq!(alerts_of(&server, "subsystem_error"), 1);
    assert_eq!(alerts_of(&server, "subsystem_recovering"), 5);

    assert_eq!(
        server.post("/api/v2/engine/reset", "").json(),
        json!({ "accepted": true })
    );
    eventually("it is started again, and dies again", || {
        server.get("/api/v2/status").json()["engine"]["deaths"]
            .as_u64()
            .unwrap()
            >= 12
    });
}

fn alerts_of(server: &Server, kind: &str) -> usize {
    let alerts = server.get("/api/v1/operator/alerts").json();
    alerts
        .as_array()
        .unwrap()
        .iter()
        .filter(|alert| alert["kind"] == kind)
        .count()
}
