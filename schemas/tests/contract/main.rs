//! Behaviour of every contract: one acceptable payload each, and what happens when it is bent.

mod examples;

use lsie_schemas::contract::{
    BanditDecisionSnapshot, Check, Contract, ErrorCode, ExperimentBundle, FieldError,
    InferenceHandoff, KINDS, Object, PosteriorDelta, Presence, find, validate,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn codes(errors: &[FieldError]) -> Vec<(&str, ErrorCode)> {
    errors
        .iter()
        .map(|error| (error.path.as_str(), error.code))
        .collect()
}

fn errors_of(kind: &str, payload: &Value) -> Vec<FieldError> {
    validate(kind, payload).err().unwrap_or_default()
}

#[test]
fn every_contract_accepts_its_example_with_every_field_set() {
    for object in KINDS {
        let example = examples::of(object.name);
        assert_eq!(errors_of(object.name, &example), [], "{}", object.name);
        // Alternatives exclude each other in two contracts; everything else shows all fields.
        let shown = example.as_object().unwrap().len();
        assert_eq!(
            shown,
            object.fields.len(),
            "{} leaves fields out",
            object.name
        );
    }
}

#[test]
fn contract_names_are_distinct_and_found() {
    let names: std::collections::BTreeSet<_> = KINDS.iter().map(|object| object.name).collect();
    assert_eq!(names.len(), KINDS.len());
    assert!(
        names
            .iter()
            .all(|name| find(name).is_some_and(|object| object.name == *name))
    );
    assert!(find("inferencehandoff").is_none());
    assert_eq!(
        codes(&errors_of("Nobody", &json!({}))),
        [("", ErrorCode::BadEnum)]
    );
}

/// The typed form and the table of checks are declared together; the JSON schema proves that serde agrees.
#[test]
fn wire_names_of_the_typed_form_equal_the_checked_fields() {
    for object in KINDS {
        let schema = (object.schema)().to_value();
        assert_eq!(
            schema["additionalProperties"],
            json!(false),
            "{}",
            object.name
        );
        let typed: Vec<_> = schema["properties"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        let checked: Vec<_> = object
            .fields
            .iter()
            .map(|field| field.name.to_owned())
            .collect();
        assert_eq!(typed, checked, "{}", object.name);
    }
}

#[test]
fn every_key_is_missed_when_required_and_forgiven_when_optional() {
    for object in KINDS {
        for field in object.fields {
            let mut payload = examples::of(object.name);
            payload.as_object_mut().unwrap().shift_remove(field.name);
            let errors = errors_of(object.name, &payload);
            let is_missed = codes(&errors).contains(&(field.name, ErrorCode::Required));
            let must_be_there = matches!(field.presence, Presence::Required | Presence::Nullable);
            assert_eq!(
                is_missed, must_be_there,
                "{}.{} {errors:?}",
                object.name, field.name
            );
        }
    }
}

#[test]
fn null_is_accepted_exactly_where_the_contract_says_so() {
    for object in KINDS {
        for field in object.fields {
            let mut payload = examples::of(object.name);
            payload[field.name] = Value::Null;
            let errors = errors_of(object.name, &payload);
            let is_refused = codes(&errors).contains(&(field.name, ErrorCode::BadType));
            let may_be_null = matches!(field.presence, Presence::Nullable | Presence::Optional);
            assert_eq!(
                is_refused, !may_be_null,
                "{}.{} {errors:?}",
                object.name, field.name
            );
        }
    }
}

#[test]
fn no_type_is_coerced_into_another() {
    for object in KINDS {
        for field in object.fields {
            let wrong: Vec<Value> = match field.check {
                Check::Bool => vec![json!(1), json!("true"), json!(0.0)],
                Check::Int(..) | Check::IntOf(_) => {
                    vec![json!("1"), json!(true), json!(1.5), json!(1e300)]
                }
                Check::Float(..) | Check::Above(_) => {
                    vec![json!("0.5"), json!("NaN"), json!(false), json!([0.5])]
                }
                Check::Object(_) | Check::Free | Check::Map(..) => vec![json!([]), json!("{}")],
                Check::List(..) | Check::Set(..) => vec![json!({}), json!("a")],
                _ => vec![json!(1), json!(["a"])],
            };
            for value in wrong {
                let mut payload = examples::of(object.name);
                payload[field.name] = value.clone();
                let errors = errors_of(object.name, &payload);
                assert!(
                    codes(&errors).contains(&(field.name, ErrorCode::BadType)),
                    "{}.{} {value}",
                    object.name,
                    field.name
                );
            }
        }
    }
}

#[test]
fn unknown_keys_are_refused_in_every_contract() {
    for object in KINDS {
        let mut payload = examples::of(object.name);
        payload["_audio_data"] = json!("AA");
        assert_eq!(
            codes(&errors_of(object.name, &payload)),
            [("_audio_data", ErrorCode::UnknownField)],
            "{}",
            object.name
        );
    }
}

#[test]
fn anything_but_an_object_is_one_defect() {
    for payload in [json!(null), json!([]), json!("x"), json!(1), json!(true)] {
        for object in KINDS {
            assert_eq!(
                codes(&errors_of(object.name, &payload)),
                [("", ErrorCode::BadType)]
            );
        }
    }
}

#[test]
fn all_defects_are_reported_sorted_with_paths_into_lists_and_maps() {
    let mut payload = examples::handoff();
    payload["_au12_series"] =
        json!([{"timestamp_s": 1, "intensity": 0.5}, {"timestamp_s": 1, "intensity": 1.5}]);
    payload["_bandit_decision_snapshot"]["posterior_by_arm"]["wave"]["beta"] = json!(0);
    payload["media_source"]["resolution"] = json!([0]);
    payload["segment_window_start_utc"] = json!("2026-04-01T10:00:00");
    payload["zzz"] = json!(null);
    assert_eq!(
        codes(&errors_of("InferenceHandoff", &payload)),
        [
            ("_au12_series.1.intensity", ErrorCode::OutOfRange),
            (
                "_bandit_decision_snapshot.posterior_by_arm.wave.beta",
                ErrorCode::OutOfRange
            ),
            ("media_source.resolution", ErrorCode::TooShort),
            ("media_source.resolution.0", ErrorCode::OutOfRange),
            ("segment_window_start_utc", ErrorCode::BadFormat),
            ("zzz", ErrorCode::UnknownField),
        ]
    );
}

#[test]
fn error_messages_never_repeat_content() {
    let mut payload = examples::handoff();
    payload["_active_arm"] = json!(["secret"]);
    payload["segment_id"] = json!("secret");
    payload["media_source"]["stream_url"] = json!("secret");
    let text = format!("{:?}", errors_of("InferenceHandoff", &payload));
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn a_segment_window_is_exactly_thirty_seconds() {
    for (end, accepted) in [
        ("2026-04-01T10:00:30Z", true),
        ("2026-04-01T10:00:30.000001Z", false),
        ("2026-04-01T09:59:30Z", false),
    ] {
        let mut payload = examples::handoff();
        payload["segment_window_end_utc"] = json!(end);
        assert_eq!(
            errors_of("InferenceHandoff", &payload).is_empty(),
            accepted,
            "{end}"
        );
    }
}

fn breaks_a_rule(broken: &[(&str, &str, serde_json::Value, &str)]) {
    for (kind, field, value, path) in broken {
        let mut payload = examples::of(kind);
        payload[*field] = value.clone();
        assert_eq!(
            codes(&errors_of(kind, &payload)),
            [(*path, ErrorCode::Rule)],
            "{kind}.{field}"
        );
    }
}

#[test]
fn cross_field_rules_of_segments_and_stimuli_hold() {
    breaks_a_rule(&[
        (
            "ResponseInference",
            "registration_status",
            json!("pending"),
            "is_match",
        ),
        (
            "InferenceHandoff",
            "_response_observation_horizon_s",
            json!(30.5),
            "_response_observation_horizon_s",
        ),
        (
            "BanditDecisionSnapshot",
            "candidate_arm_ids",
            json!(["wave"]),
            "selected_arm_id",
        ),
        (
            "BanditDecisionSnapshot",
            "posterior_by_arm",
            json!({"wave": {"alpha": 1, "beta": 1}}),
            "selected_arm_id",
        ),
        (
            "BanditDecisionSnapshot",
            "candidate_arm_ids",
            json!(["ask", "ask"]),
            "candidate_arm_ids",
        ),
        (
            "BanditDecisionSnapshot",
            "policy_version",
            json!("a|b"),
            "policy_version",
        ),
        ("StimulusPayload", "text", json!("x".repeat(2001)), "text"),
        (
            "StimulusDefinition",
            "expected_stimulus_rule",
            json!("x".repeat(1001)),
            "expected_stimulus_rule",
        ),
    ]);
}

#[test]
fn cross_field_rules_of_ledgers_and_operators_hold() {
    breaks_a_rule(&[
        ("EventOutcomeLink", "lag_s", json!(604_800.5), "lag_s"),
        (
            "EventOutcomeLink",
            "eligibility_flags",
            json!(["a", "a"]),
            "eligibility_flags",
        ),
        (
            "OutcomeEvent",
            "source_event_ref",
            json!("a|b"),
            "source_event_ref",
        ),
        (
            "LiveSessionControl",
            "action",
            json!("end"),
            "stimulus_time_s",
        ),
        (
            "LiveSessionControl",
            "stimulus_time_s",
            json!(null),
            "stimulus_time_s",
        ),
        (
            "VisualAnalyticsState",
            "calibration_frames_accumulated",
            json!(44),
            "status",
        ),
        (
            "VisualAnalyticsState",
            "latest_au12_intensity",
            json!(null),
            "latest_au12_timestamp_s",
        ),
        (
            "ExperimentBundle",
            "expires_at_utc",
            json!("2026-04-01T10:00:00Z"),
            "expires_at_utc",
        ),
        ("OAuthToken", "code_verifier", json!(null), "code_verifier"),
        ("ExperimentArmPatch", "enabled", json!(true), "enabled"),
        (
            "CoModulationSummary",
            "co_modulation_index",
            json!(0.5),
            "null_reason",
        ),
    ]);
}

#[test]
fn payloads_without_any_content_break_a_rule() {
    assert_eq!(
        codes(&errors_of("PhysiologicalContext", &json!({}))),
        [("", ErrorCode::Rule)]
    );
    assert_eq!(
        codes(&errors_of(
            "TelemetrySegmentBatch",
            &json!({"segments": []})
        )),
        [("", ErrorCode::Rule)]
    );
    assert_eq!(
        codes(&errors_of("ExperimentArmPatch", &json!({}))),
        [("", ErrorCode::Rule)]
    );
}

#[test]
fn redirects_must_be_the_loopback_callback() {
    let verdict = |uri: &str| {
        let mut payload = examples::of("OAuthAuthorization");
        payload["redirect_uri"] = json!(uri);
        errors_of("OAuthAuthorization", &payload).is_empty()
    };
    assert!(verdict("http://localhost:65535/oauth/callback"));
    for uri in [
        "https://127.0.0.1:1/oauth/callback",
        "http://127.0.0.1/oauth/callback",
        "http://127.0.0.1:0/oauth/callback",
        "http://127.0.0.1:+1/oauth/callback",
        "http://127.0.0.1:65536/oauth/callback",
        "http://127.0.0.1:1@evil.example/oauth/callback",
        "http://127.0.0.1:1/oauth/callback?x",
        "http://127.0.0.1.evil.example:1/oauth/callback",
    ] {
        assert!(!verdict(uri), "{uri}");
    }
}

#[test]
fn whole_floats_count_as_integers_and_seeds_keep_all_64_bits() {
    let mut payload = examples::snapshot();
    payload["experiment_id"] = json!(3.0);
    let snapshot = BanditDecisionSnapshot::from_json(&payload).unwrap();
    assert_eq!(
        (snapshot.experiment_id, snapshot.random_seed),
        (3, u64::MAX)
    );
    payload["random_seed"] = serde_json::from_str("18446744073709551616").unwrap();
    assert_eq!(
        codes(&errors_of("BanditDecisionSnapshot", &payload)),
        [("random_seed", ErrorCode::BadType)]
    );
}

#[test]
fn texts_are_trimmed_and_defaults_filled_in() {
    let mut payload = examples::bundle();
    payload["policy_version"] = json!("\u{a0} p \n");
    let arm = payload["experiments"][0]["arms"][0]
        .as_object_mut()
        .unwrap();
    arm.shift_remove("enabled");
    arm.shift_remove("selection_count");
    let bundle = ExperimentBundle::from_json(&payload).unwrap();
    let arm = &bundle.experiments[0].arms[0];
    assert_eq!(
        (
            bundle.policy_version.as_str(),
            arm.enabled,
            arm.selection_count
        ),
        ("p", true, 0)
    );
    payload["policy_version"] = json!("  ");
    assert_eq!(
        codes(&errors_of("ExperimentBundle", &payload)),
        [("policy_version", ErrorCode::TooShort)]
    );
}

#[test]
fn absent_optionals_are_omitted_from_a_handoff() {
    let mut payload = examples::handoff();
    let map = payload.as_object_mut().unwrap();
    for key in [
        "_physiological_context",
        "_stimulus_id",
        "_response_observation_horizon_s",
        "response_inference",
    ] {
        map.shift_remove(key);
    }
    map["_stimulus_time"] = Value::Null;
    let written = serde_json::to_value(InferenceHandoff::from_json(&payload).unwrap()).unwrap();
    assert_eq!(written, payload);
}

#[test]
fn flags_are_written_sorted() {
    let mut payload = examples::attribution_event();
    payload["evidence_flags"] = json!(["z", "a"]);
    let event = lsie_schemas::contract::AttributionEvent::from_json(&payload).unwrap();
    assert_eq!(
        serde_json::to_value(&event).unwrap()["evidence_flags"],
        json!(["a", "z"])
    );
}

#[test]
fn a_posterior_step_adds_one_count() {
    let mut delta = PosteriorDelta::from_json(&examples::posterior_delta()).unwrap();
    assert!(delta.adds_one_count());
    delta.delta_beta = 0.5;
    assert!(!delta.adds_one_count());
    delta.delta_beta = f64::NAN;
    assert!(!delta.adds_one_count());
}

#[test]
fn bytes_that_are_not_json_are_one_defect() {
    for bytes in [
        &b"{\"alpha\": NaN, \"beta\": 1}"[..],
        b"{\"alpha\": 1e999, \"beta\": 1}",
        b"{",
        b"\xff",
        b"",
    ] {
        let errors = lsie_schemas::contract::ArmPosterior::from_json_slice(bytes).unwrap_err();
        assert_eq!(codes(&errors), [("", ErrorCode::BadJson)]);
    }
    let deep = "[".repeat(100_000);
    assert!(lsie_schemas::contract::parse_json(deep.as_bytes()).is_err());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(
            |number| serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number)
        ),
        (-2_i64..3).prop_map(|number| json!(number as f64)),
        ".{0,8}".prop_map(Value::from),
        Just(json!("2026-01-01T00:00:00Z")),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::vec((".{0,4}", inner), 0..3)
                .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Replaces the value reached by walking down `steps` (each taken modulo the number of children).
fn bend(value: &mut Value, steps: &[usize], replacement: Value) {
    let Some((step, rest)) = steps.split_first() else {
        *value = replacement;
        return;
    };
    let child = match value {
        Value::Object(map) if !map.is_empty() => {
            let index = step % map.len();
            map.values_mut().nth(index)
        }
        Value::Array(items) if !items.is_empty() => {
            let index = step % items.len();
            items.get_mut(index)
        }
        _ => None,
    };
    match child {
        Some(child) => bend(child, rest, replacement),
        None => *value = replacement,
    }
}

/// Validates and converts by name, so that one property covers every type.
fn convert(object: &Object, payload: &Value) -> Result<Value, Vec<FieldError>> {
    macro_rules! by_name {
        ($($name:ident)+) => {
            match object.name {
                $(stringify!($name) => lsie_schemas::contract::$name::from_json(payload)
                    .map(|typed| serde_json::to_value(typed).unwrap()),)+
                other => panic!("{other} has no conversion here"),
            }
        };
    }
    by_name!(
        StimulusPayload StimulusDefinition ArmPosterior BanditDecisionSnapshot MediaSource Au12Observation
        InferenceHandoff ResponseInference PhysiologicalSnapshot PhysiologicalContext PhysiologicalChunkPayload
        PhysiologicalChunkEvent AudioBlockRef InferenceControl PcmAck LiveSessionControl VisualAnalyticsState
        DriftUpdate CaptureStatus Heartbeat SemanticResult AnalyticsSemantic RewardInputs AcousticMetrics
        AttributionInputs AnalyticsResult AttributionEvent OutcomeEvent EventOutcomeLink AttributionScore
        PosteriorDelta TelemetrySegmentBatch TelemetryPosteriorDeltaBatch IngestResponse BundleArm BundleExperiment
        ExperimentBundle CloudSessionCreate CloudSessionCreated CloudSessionEnd CloudSessionEnded PendingUpload
        OAuthAuthorization OAuthToken OAuthTokenResponse SessionCreate SessionEnd StimulusRequest
        ExperimentArmCreate ExperimentCreate ExperimentArmPatch CoModulationSummary
    )
}

#[test]
fn every_example_survives_a_round_trip_through_its_type() {
    for object in KINDS {
        let once = convert(object, &examples::of(object.name)).unwrap();
        assert_eq!(convert(object, &once).unwrap(), once, "{}", object.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Whatever passes the checks has a typed form, and that form passes the checks again unchanged.
    #[test]
    fn accepted_payloads_always_convert_and_stay_accepted(
        kind in 0..KINDS.len(),
        steps in proptest::collection::vec(any::<usize>(), 1..5),
        replacement in any_json(),
    ) {
        let object = KINDS[kind];
        let mut payload = examples::of(object.name);
        bend(&mut payload, &steps, replacement);
        let is_accepted = object.normalise(&payload).is_ok();
        let typed = convert(object, &payload);
        prop_assert_eq!(typed.is_ok(), is_accepted, "{} {:?}", object.name, typed);
        if let Ok(written) = typed {
            let again = convert(object, &written);
            prop_assert_eq!(again, Ok(written));
        }
    }
}
