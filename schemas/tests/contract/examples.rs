//! One acceptable payload per contract, with as many optional fields as fit together.

use serde_json::{Value, json};

const UUID: &str = "6f0c1d3a-5d0b-4f5e-9a47-2f3f0f7f4a10";
const T0: &str = "2026-04-01T10:00:00Z";
const T1: &str = "2026-04-01T10:00:30Z";

fn hash() -> String {
    "0f".repeat(32)
}

fn stimulus_payload() -> Value {
    json!({"content_type": "text", "text": "What are you playing?"})
}

pub(crate) fn stimulus_definition() -> Value {
    json!({
        "stimulus_modality": "question", "stimulus_payload": stimulus_payload(),
        "expected_stimulus_rule": "The question is asked aloud", "expected_response_rule": "The host answers",
    })
}

fn arm_posterior() -> Value {
    json!({"alpha": 2.4, "beta": 1.6})
}

pub(crate) fn snapshot() -> Value {
    json!({
        "selection_method": "thompson_sampling", "selection_time_utc": T0, "experiment_id": 3,
        "policy_version": "lsie_ts_v2", "selected_arm_id": "ask", "candidate_arm_ids": ["ask", "wave"],
        "posterior_by_arm": {"ask": arm_posterior(), "wave": {"alpha": 1.0, "beta": 1.0}},
        "sampled_theta_by_arm": {"ask": 0.71, "wave": 0.33}, "decision_context_hash": hash(),
        "random_seed": u64::MAX, "stimulus_modality": "question", "stimulus_payload": stimulus_payload(),
        "expected_stimulus_rule": "r1", "expected_response_rule": "r2",
    })
}

fn response_inference() -> Value {
    json!({
        "is_match": true, "confidence_score": 0.5, "registration_status": "observable_response",
        "response_reason_code": "response_semantic_ack", "response_type": "speech",
        "matched_response_time": 1_775_037_627.5, "evidence_span_ref": "span-1",
    })
}

fn physiological_snapshot() -> Value {
    json!({
        "rmssd_ms": 38.2, "heart_rate_bpm": 74, "source_timestamp_utc": T0, "freshness_s": 150.0, "is_stale": false,
        "provider": "oura", "source_kind": "ibi", "derivation_method": "server", "window_s": 300,
        "validity_ratio": 0.93, "is_valid": true,
    })
}

pub(crate) fn handoff() -> Value {
    json!({
        "session_id": UUID, "segment_id": hash(), "segment_window_start_utc": T0, "segment_window_end_utc": T1,
        "timestamp_utc": T1,
        "media_source": {"stream_url": "rtsp://127.0.0.1/cam1", "codec": "h264", "resolution": [1280, 720]},
        "segments": [], "_active_arm": "ask", "_experiment_id": 3, "_stimulus_modality": "question",
        "_stimulus_payload": stimulus_payload(), "_expected_stimulus_rule": "r1", "_expected_response_rule": "r2",
        "_stimulus_time": 1_775_037_625.0, "_au12_series": [{"timestamp_s": 1_775_037_626.2, "intensity": 0.31}],
        "_bandit_decision_snapshot": snapshot(), "_physiological_context": {"streamer": physiological_snapshot()},
        "_stimulus_id": UUID, "_response_observation_horizon_s": 30, "response_inference": response_inference(),
    })
}

fn chunk_payload() -> Value {
    json!({
        "sample_interval_s": 300, "valid_sample_count": 1, "expected_sample_count": 1, "derivation_method": "provider",
        "ibi_ms_items": [801.5], "rmssd_items_ms": [41.0], "heart_rate_items_bpm": [74], "motion_items": [0],
    })
}

fn audio() -> Value {
    json!({"name": "lsie_ipc_pcm_3f2a", "byte_length": 960_000, "sha256": hash()})
}

fn semantic() -> Value {
    json!({
        "reasoning": "cross_encoder_high_match", "is_match": true, "confidence_score": 0.84,
        "semantic_method": "cross_encoder", "semantic_method_version": "v1",
    })
}

fn reward() -> Value {
    json!({
        "gated_reward": 0.4, "p90_intensity": 0.4, "semantic_gate": 1, "n_frames_in_window": 60,
        "au12_baseline_pre": 0.1, "stimulus_time": 1_775_037_625.0,
    })
}

fn acoustic() -> Value {
    json!({
        "f0_valid_measure": true, "f0_valid_baseline": true, "perturbation_valid_measure": true,
        "perturbation_valid_baseline": true, "voiced_coverage_measure_s": 2.5, "voiced_coverage_baseline_s": 1,
        "f0_mean_measure_hz": 121.0, "f0_mean_baseline_hz": 118.0, "f0_delta_semitones": 0.43,
        "jitter_mean_measure": 0.01, "jitter_mean_baseline": 0.012, "jitter_delta": -0.002,
        "shimmer_mean_measure": 0.05, "shimmer_mean_baseline": 0.04, "shimmer_delta": 0.01,
    })
}

fn attribution_inputs() -> Value {
    json!({"_outcome_event": {"a": 1}, "_outcome_events": [{}], "_creator_follow": true})
}

pub(crate) fn attribution_event() -> Value {
    json!({
        "event_id": UUID, "session_id": UUID, "segment_id": hash(), "event_type": "stimulus_interaction",
        "event_time_utc": T0, "stimulus_time_utc": T0, "selected_arm_id": "ask", "expected_rule_text_hash": hash(),
        "semantic_method": "cross_encoder", "semantic_method_version": "v1", "semantic_p_match": 0.84,
        "semantic_reason_code": "cross_encoder_high_match", "reward_path_version": "7B.v3.4",
        "bandit_decision_snapshot": snapshot(), "evidence_flags": ["a", "b"], "finality": "online_provisional",
        "schema_version": "v3.4", "created_at": T1, "stimulus_id": UUID, "stimulus_modality": "question",
        "matched_response_time_utc": T1, "response_registration_status": "observable_response",
        "response_reason_code": "response_semantic_ack", "expected_response_rule_text_hash": hash(),
    })
}

pub(crate) fn posterior_delta() -> Value {
    json!({
        "experiment_id": 3, "arm_id": "ask", "delta_alpha": 0.62, "delta_beta": 0.38, "segment_id": hash(),
        "client_id": "desktop-app", "event_id": UUID, "applied_at_utc": T1, "decision_context_hash": hash(),
    })
}

fn bundle_arm() -> Value {
    json!({
        "arm_id": "ask", "stimulus_definition": stimulus_definition(), "posterior_alpha": 1.0, "posterior_beta": 1.0,
        "selection_count": 3, "enabled": false,
    })
}

pub(crate) fn bundle() -> Value {
    json!({
        "bundle_id": "b1", "issued_at_utc": T0, "expires_at_utc": T1, "policy_version": "lsie_ts_v2",
        "experiments": [bundle_experiment()], "signature": "c2ln",
    })
}

fn bundle_experiment() -> Value {
    json!({"experiment_id": "opening", "label": "Opening line", "arms": [bundle_arm()]})
}

/// Payload of a contract, or null for an unknown name.
pub(crate) fn of(kind: &str) -> Value {
    match kind {
        "StimulusPayload" => stimulus_payload(),
        "StimulusDefinition" => stimulus_definition(),
        "ArmPosterior" => arm_posterior(),
        "BanditDecisionSnapshot" => snapshot(),
        "MediaSource" => handoff()["media_source"].take(),
        "Au12Observation" => json!({"timestamp_s": 1_775_037_626.2, "intensity": 0.31}),
        "InferenceHandoff" => handoff(),
        "ResponseInference" => response_inference(),
        "PhysiologicalSnapshot" => physiological_snapshot(),
        "PhysiologicalContext" => {
            json!({"streamer": physiological_snapshot(), "operator": physiological_snapshot()})
        }
        "PhysiologicalChunkPayload" => chunk_payload(),
        "PhysiologicalChunkEvent" => json!({
            "unique_id": UUID, "event_type": "physiological_chunk", "provider": "oura", "subject_role": "operator",
            "source_kind": "session", "window_start_utc": T0, "window_end_utc": T1, "ingest_timestamp_utc": T1,
            "payload": chunk_payload(),
        }),
        "SemanticResult" => {
            json!({"reasoning": "semantic_error", "is_match": false, "confidence_score": 0})
        }
        "AnalyticsSemantic" => semantic(),
        "RewardInputs" => reward(),
        "AcousticMetrics" => acoustic(),
        "AttributionInputs" => attribution_inputs(),
        "AnalyticsResult" => json!({
            "message_id": UUID, "schema_version": "ws5.p4.analytics_result.v1", "handoff": handoff(),
            "semantic": semantic(), "transcription": "hello", "reward": reward(), "acoustic": acoustic(),
            "attribution": attribution_inputs(),
        }),
        _ => message_of(kind),
    }
}

fn message_of(kind: &str) -> Value {
    match kind {
        "AudioBlockRef" => audio(),
        "InferenceControl" => json!({
            "handoff": {}, "audio": audio(), "forward_fields": {"x": 1},
            "visual_source_contract": "adb_screenrecord_live_v1",
        }),
        "PcmAck" => {
            json!({"schema_version": "ws5.p4.pcm_block_ack.v1", "name": "lsie_ipc_pcm_3f2a"})
        }
        "LiveSessionControl" => json!({
            "schema_version": "ws5.p4.live_session_control.v1", "action": "stimulus", "session_id": UUID,
            "stream_url": "demo://a", "experiment_id": "e", "active_arm": "ask",
            "stimulus_definition": stimulus_definition(), "stimulus_time_s": 1_775_037_625.0, "timestamp_utc": T0,
        }),
        "VisualAnalyticsState" => json!({
            "message_id": UUID, "schema_version": "ws5.p4.visual_analytics_state.v1", "session_id": UUID,
            "timestamp_utc": T0, "face_present": true, "is_calibrating": false, "calibration_frames_accumulated": 45,
            "calibration_frames_required": 45, "active_arm": "ask", "stimulus_definition": stimulus_definition(),
            "latest_au12_intensity": 0.2, "latest_au12_timestamp_s": 1_775_037_625.0, "status": "ready",
        }),
        "DriftUpdate" => {
            json!({"drift_offset": -1.4012, "ts_monotonic": 812.5, "valid": true, "rtt_s": 0.02})
        }
        "CaptureStatus" => json!({
            "status_key": "adb", "state": "recovering", "label": "Phone", "detail": "waiting for device",
            "operator_action_hint": "check the cable", "updated_at_utc": T0,
        }),
        "Heartbeat" => {
            json!({"process_name": "engine", "pid": 7, "started_at_utc": T0, "last_heartbeat_utc": T1})
        }
        "AttributionEvent" => attribution_event(),
        "OutcomeEvent" => json!({
            "outcome_id": UUID, "session_id": UUID, "outcome_type": "creator_follow", "outcome_value": 1,
            "outcome_time_utc": T1, "source_system": "tiktok_webcast", "source_event_ref": "m-88", "confidence": 1.0,
            "finality": "offline_final", "schema_version": "v3.4", "created_at": T1,
        }),
        "EventOutcomeLink" => json!({
            "link_id": UUID, "event_id": UUID, "outcome_id": UUID, "lag_s": 12.0, "horizon_s": 604_800.0,
            "link_rule_version": "event_outcome_lag_horizon_v1", "eligibility_flags": ["same_session", "within_horizon"],
            "finality": "online_provisional", "schema_version": "v3.4", "created_at": T1,
        }),
        "AttributionScore" => json!({
            "score_id": UUID, "event_id": UUID, "outcome_id": UUID, "attribution_method": "soft_reward_candidate",
            "method_version": "7E.v1", "score_raw": 0.3, "score_normalized": 0.3, "confidence": 0.84,
            "evidence_flags": ["au12_series"], "finality": "online_provisional", "schema_version": "v3.4",
            "created_at": T1,
        }),
        _ => cloud_of(kind),
    }
}

fn cloud_of(kind: &str) -> Value {
    match kind {
        "PosteriorDelta" => posterior_delta(),
        "TelemetrySegmentBatch" => {
            json!({"segments": [handoff()], "attribution_events": [attribution_event()]})
        }
        "TelemetryPosteriorDeltaBatch" => json!({"deltas": [posterior_delta()]}),
        "IngestResponse" => json!({"status": "accepted", "accepted_count": 2, "inserted_count": 1}),
        "BundleArm" => bundle_arm(),
        "BundleExperiment" => bundle_experiment(),
        "ExperimentBundle" => bundle(),
        "CloudSessionCreate" => {
            json!({"client_id": "c", "started_at_utc": T0, "policy_version": "p"})
        }
        "CloudSessionCreated" => {
            json!({"session_id": UUID, "client_id": "c", "created_at_utc": T0})
        }
        "CloudSessionEnd" => json!({"ended_at_utc": T1, "reason": "done"}),
        "CloudSessionEnded" => json!({"session_id": UUID, "ended_at_utc": T1, "status": "ended"}),
        "PendingUpload" => json!({
            "upload_id": hash(), "endpoint": "telemetry_segments", "payload_type": "inference_handoff",
            "dedupe_key": "k", "payload_json": "{}", "payload_sha256": hash(), "payload_redacted_at_utc": T1,
            "created_at_utc": T0, "next_attempt_at_utc": T0, "attempt_count": 0, "locked_at_utc": T0,
            "last_error": "timeout", "status": "pending",
        }),
        "OAuthAuthorization" => json!({
            "response_type": "code", "client_id": "c", "redirect_uri": "http://127.0.0.1:8123/oauth/callback",
            "code_challenge": "a".repeat(43), "code_challenge_method": "S256", "state": "s", "scope": "x",
        }),
        "OAuthToken" => json!({
            "grant_type": "authorization_code", "client_id": "c", "code": "k", "code_verifier": "v",
            "redirect_uri": "http://localhost:1/oauth/callback", "refresh_token": "r",
        }),
        "OAuthTokenResponse" => json!({
            "access_token": "a", "token_type": "Bearer", "expires_in": 60, "refresh_token": "r", "scope": "x",
        }),
        "SessionCreate" => {
            json!({"stream_url": "rtsp://h/a", "experiment_id": "e", "client_action_id": UUID})
        }
        "SessionEnd" => json!({"client_action_id": UUID}),
        "StimulusRequest" => json!({"client_action_id": UUID, "operator_note": "second try"}),
        "ExperimentArmCreate" => {
            json!({"arm": "ask", "stimulus_definition": stimulus_definition()})
        }
        "ExperimentCreate" => json!({
            "experiment_id": "opening", "label": "Opening line",
            "arms": [{"arm": "ask", "stimulus_definition": stimulus_definition()}],
        }),
        "ExperimentArmPatch" => {
            json!({"stimulus_definition": stimulus_definition(), "enabled": false})
        }
        "CoModulationSummary" => json!({
            "session_id": UUID, "co_modulation_index": null, "n_paired_observations": 3, "coverage_ratio": 0.75,
            "window_coverage": 0.3, "streamer_rmssd_mean": 40.0, "operator_rmssd_mean": 38.0,
            "null_reason": "insufficient_pairs", "window_start_utc": T0, "window_end_utc": T1,
        }),
        _ => Value::Null,
    }
}
