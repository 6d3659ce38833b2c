//! The statuses of a session's life over HTTP (api 2, 4).

use serde_json::json;
use uuid::Uuid;

use crate::stage::{Answer, Engine, Server};

fn start(server: &Server, url: &str, experiment: &str, action: Uuid) -> Answer {
    let body =
        json!({ "stream_url": url, "experiment_id": experiment, "client_action_id": action });
    server.post("/api/v1/sessions", &body.to_string())
}

fn action() -> String {
    json!({ "client_action_id": Uuid::new_v4() }).to_string()
}

#[test]
fn a_start_that_cannot_be_says_which_member_is_wrong() {
    let server = Server::open(Engine::Willing);
    let answer = start(&server, "demo:presenter", "unheard_of", Uuid::new_v4());
    assert_eq!(answer.refusal(404)["code"], "experiment_not_found");
    let refusal = start(
        &server,
        "nfs://host/clip",
        "greeting_line_v1",
        Uuid::new_v4(),
    )
    .refusal(422);
    assert_eq!(
        (&refusal["code"], &refusal["detail"][0]["loc"]),
        (&json!("unknown_scheme"), &json!(["body", "stream_url"]))
    );
    assert!(
        refusal["detail"][0]["msg"]
            .as_str()
            .unwrap()
            .contains("demo: the built-in presenter")
    );
    for (url, experiment, member) in [
        ("presenter", "greeting_line_v1", "stream_url"),
        ("demo:presenter", " ", "experiment_id"),
    ] {
        let refusal = start(&server, url, experiment, Uuid::new_v4()).refusal(422);
        assert_eq!(refusal["detail"][0]["loc"], json!(["body", member]));
    }
    let long = format!("demo:{}", "x".repeat(4097 - 5));
    assert!(matches!(
        start(&server, &long, "greeting_line_v1", Uuid::new_v4()).status,
        413 | 422
    ));
    assert_eq!(server.get("/api/v1/operator/sessions").body, "[]");
}

#[test]
fn sessions_and_stimuli_are_repeatable_and_exclusive() {
    let server = Server::open(Engine::Willing);
    let first = Uuid::new_v4();
    let started = start(&server, "demo:presenter", "greeting_line_v1", first);
    assert_eq!(started.status, 200, "{started:?}");
    let id = started.json()["session_id"].as_str().unwrap().to_owned();
    let again = start(&server, "demo:presenter", "greeting_line_v1", first);
    assert_eq!(
        (again.status, &again.json()["session_id"]),
        (200, &json!(id))
    );
    let other = start(
        &server,
        "demo:presenter",
        "greeting_line_v1",
        Uuid::new_v4(),
    );
    assert_eq!(other.refusal(409)["code"], "session_active");

    let stimulus = format!("/api/v1/operator/sessions/{id}/stimulus");
    let body = action();
    let given = server.post(&stimulus, &body);
    assert_eq!(given.status, 200, "{given:?}");
    assert_eq!(
        server.post(&stimulus, &body).json()["stimulus_time_utc"],
        given.json()["stimulus_time_utc"]
    );
    assert_eq!(
        server.post(&stimulus, &action()).refusal(409)["code"],
        "encounter_open"
    );
    let note =
        json!({ "client_action_id": Uuid::new_v4(), "operator_note": "ä".repeat(501) }).to_string();
    assert_eq!(
        server.post(&stimulus, &note).refusal(422)["detail"][0]["loc"],
        json!(["body", "operator_note"])
    );

    let attest = json!({ "client_action_id": Uuid::new_v4(), "delivered": true }).to_string();
    assert_eq!(
        server
            .post(&format!("/api/v2/sessions/{id}/attest"), &attest)
            .json()["accepted"],
        true
    );
    let readback = server
        .get(&format!("/api/v2/sessions/{id}/readback"))
        .json();
    assert_eq!(readback["encounter_state"], "measuring");

    let (end, body) = (format!("/api/v1/sessions/{id}/end"), action());
    assert_eq!(server.post(&end, &body).status, 200);
    assert_eq!(
        server.post(&end, &body).status,
        200,
        "the same action again is a no-op"
    );
    assert_eq!(
        server.post(&end, &action()).refusal(409)["code"],
        "session_ended"
    );
    assert_eq!(
        server.post(&stimulus, &action()).refusal(409)["code"],
        "session_ended"
    );
    let unknown = format!("/api/v1/sessions/{}/end", Uuid::new_v4());
    assert!(matches!(server.post(&unknown, &action()).status, 404 | 409));
    assert_eq!(
        server
            .post(&format!("/api/v2/sessions/{id}/attest"), &attest)
            .refusal(409)["code"],
        "session_ended"
    );
}
