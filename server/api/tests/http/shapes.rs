//! Bodies of `/api/v1` carry exactly the keys of the specification (api 3), null when unknown.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{Engine, Server};

const SESSION: &str = "session_id status started_at_utc ended_at_utc duration_s experiment_id active_arm expected_response_text \
    is_calibrating calibration_frames_accumulated calibration_frames_required last_segment_completed_at_utc latest_reward \
    latest_semantic_gate";
const LATEST_ENCOUNTER: &str = "encounter_id session_id segment_timestamp_utc state active_arm expected_response_text \
    stimulus_time_utc semantic_gate p90_intensity gated_reward n_frames_in_window observational_acoustic semantic_evaluation \
    attribution";
const ENCOUNTER_ONLY: &str = "semantic_confidence observed_response_text au12_baseline_pre physiology_attached physiology_stale notes";
const SUMMARY: &str = "experiment_id label active_arm_id arm_count last_updated_utc latest_reward";
const DETAIL: &str =
    "experiment_id label active_arm_id decision_evidence arms last_update_summary last_updated_utc";
const ARM: &str = "arm_id stimulus_definition posterior_alpha posterior_beta evaluation_variance selection_count recent_reward_mean \
    recent_semantic_pass_rate decision_evidence enabled end_dated_at";
const DECISION: &str = "selection_time_utc selected_arm_id policy_version decision_context_hash random_seed arm_evidence";
const ARM_DECISION: &str = "arm_id pre_update_alpha pre_update_beta sampled_theta";
const PHYSIOLOGY: &str = "session_id streamer operator comodulation generated_at_utc";
const COMODULATION: &str = "session_id co_modulation_index n_paired_observations coverage_ratio streamer_rmssd_mean \
    operator_rmssd_mean null_reason window_start_utc window_end_utc";
const HEALTH: &str = "generated_at_utc overall_state subsystems subsystem_probes degraded_count recovering_count error_count";
const SUBSYSTEM: &str =
    "subsystem_key label state last_success_utc detail recovery_mode operator_action_hint";
const ALERT: &str =
    "alert_id severity kind message session_id subsystem_key emitted_at_utc acknowledged";
const OVERVIEW: &str =
    "generated_at_utc active_session latest_encounter experiment_summary physiology health alerts";
const BOOTSTRAP: &str = "generated_at_utc overview sessions live_session encounters experiment_summaries experiment physiology \
    health alerts";
const LIFECYCLE: &str = "action session_id client_action_id accepted received_at_utc message";
const STIMULUS: &str =
    "session_id client_action_id accepted received_at_utc stimulus_time_utc message";

fn holds(what: &str, value: &Value, keys: &str) {
    let found: BTreeSet<&str> = value
        .as_object()
        .unwrap_or_else(|| panic!("{what}: {value}"))
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(found, keys.split_whitespace().collect(), "{what}");
}

fn health(value: &Value) {
    holds("health", value, HEALTH);
    for part in value["subsystems"].as_array().unwrap() {
        holds("subsystem", part, SUBSYSTEM);
        assert!(matches!(
            part["state"].as_str(),
            Some("ok" | "degraded" | "recovering" | "error" | "unknown")
        ));
    }
}

fn physiology(value: &Value) {
    holds("physiology", value, PHYSIOLOGY);
    holds("comodulation", &value["comodulation"], COMODULATION);
    assert!(
        value["comodulation"]["null_reason"].is_string(),
        "a null index carries its reason"
    );
}

#[test]
fn without_a_session_every_part_is_there_and_null() {
    let server = Server::open(Engine::Silent);
    assert_eq!(server.get("/health").json(), json!({ "status": "ok" }));
    let overview = server.get("/api/v1/operator/overview").json();
    holds("overview", &overview, OVERVIEW);
    for key in [
        "active_session",
        "latest_encounter",
        "experiment_summary",
        "physiology",
    ] {
        assert!(overview[key].is_null(), "{key}");
    }
    let bootstrap = server.get("/api/v1/operator/state/bootstrap").json();
    holds("bootstrap", &bootstrap, BOOTSTRAP);
    for key in ["live_session", "experiment", "physiology"] {
        assert!(bootstrap[key].is_null(), "{key}");
    }
    assert_eq!(
        (&bootstrap["sessions"], &bootstrap["encounters"]),
        (&json!([]), &json!([]))
    );
    health(&server.get("/api/v1/operator/health").json());
    let metrics = server.get("/metrics");
    assert!(
        metrics.head.contains("text/plain; version=0.0.4")
            && metrics.body.contains("lsie_uptime_seconds ")
            && metrics
                .body
                .contains("lsie_held{kind=\"open_encounters\"} 0")
    );
    let page = server.get("/");
    // The console, where it was built; else the plain page.
    let is_ours = page.body.contains("LSIE console") || page.body.contains("Media engine");
    assert!(page.status == 200 && page.head.contains("text/html") && is_ours);
}

#[test]
fn with_a_session_each_model_has_its_keys() {
    let server = Server::open(Engine::Willing);
    let start = json!({ "stream_url": "demo:presenter", "experiment_id": "greeting_line_v1", "client_action_id": Uuid::new_v4() });
    let started = server.post("/api/v1/sessions", &start.to_string());
    holds("lifecycle", &started.json(), LIFECYCLE);
    let id = started.json()["session_id"].as_str().unwrap().to_owned();
    let stimulus = json!({ "client_action_id": Uuid::new_v4(), "unknown_member": 1 });
    let answer = server
        .post(
            &format!("/api/v1/operator/sessions/{id}/stimulus"),
            &stimulus.to_string(),
        )
        .json();
    holds("stimulus", &answer, STIMULUS);
    assert_eq!(answer["stimulus_time_utc"], "2026-01-01T00:00:40Z");
    let encounters = server
        .get(&format!("/api/v1/operator/sessions/{id}/encounters"))
        .json();
    holds(
        "encounter",
        &encounters[0],
        &format!("{LATEST_ENCOUNTER} {ENCOUNTER_ONLY}"),
    );
    assert_eq!(encounters[0]["state"], "measuring");
    let end = json!({ "client_action_id": Uuid::new_v4() }).to_string();

    let session = server
        .get(&format!("/api/v1/operator/sessions/{id}"))
        .json();
    holds("session", &session, SESSION);
    assert!(session["ended_at_utc"].is_null() && session["latest_reward"].is_null());
    physiology(
        &server
            .get(&format!("/api/v1/operator/sessions/{id}/physiology"))
            .json(),
    );
    experiment(&server);
    let overview = server.get("/api/v1/operator/overview").json();
    holds("active session", &overview["active_session"], SESSION);
    holds(
        "experiment summary",
        &overview["experiment_summary"],
        SUMMARY,
    );
    let bootstrap = server.get("/api/v1/operator/state/bootstrap").json();
    holds("live session", &bootstrap["live_session"], SESSION);
    holds("experiment", &bootstrap["experiment"], DETAIL);
    physiology(&bootstrap["physiology"]);
    health(&bootstrap["health"]);

    holds(
        "lifecycle",
        &server
            .post(&format!("/api/v1/sessions/{id}/end"), &end)
            .json(),
        LIFECYCLE,
    );
    let overview = server.get("/api/v1/operator/overview").json();
    holds(
        "latest encounter",
        &overview["latest_encounter"],
        LATEST_ENCOUNTER,
    );
    alerts(&server);
    holds(
        "session in a list",
        &server.get("/api/v1/operator/sessions").json()[0],
        SESSION,
    );
    holds(
        "summary in a list",
        &server.get("/api/v1/operator/experiments").json()[0],
        SUMMARY,
    );
}

fn experiment(server: &Server) {
    let detail = server
        .get("/api/v1/operator/experiments/greeting_line_v1")
        .json();
    holds("experiment", &detail, DETAIL);
    holds("decision", &detail["decision_evidence"], DECISION);
    for arm in detail["arms"].as_array().unwrap() {
        holds("arm", arm, ARM);
        holds("arm decision", &arm["decision_evidence"], ARM_DECISION);
    }
}

fn alerts(server: &Server) {
    for alert in server
        .get("/api/v1/operator/alerts")
        .json()
        .as_array()
        .unwrap()
    {
        holds("alert", alert, ALERT);
    }
}
