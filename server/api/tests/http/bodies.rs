//! Requests that are wrong in every way there is, and the form of the refusals.

use std::collections::BTreeSet;
use std::io::Write as _;

use lsie_api::openapi::{OPERATIONS, build};
use serde_json::Value;

use crate::stage::{Engine, MAX_BODY, Server};

const ID: &str = "4b5b7e1c-6f0e-4c52-9d6e-6f1f9f6f2a11";

#[test]
fn bodies_that_do_not_parse_are_422_and_say_where() {
    let server = Server::open(Engine::Silent);
    let action = format!("\"client_action_id\":\"{ID}\"");
    let bodies = [
        String::new(),
        "{\"stream_url\": \"demo:presenter\"".into(),
        "[]".into(),
        "null".into(),
        "\u{feff}{}".into(),
        "{}".into(),
        format!("{{\"stream_url\":7,\"experiment_id\":\"e\",{action}}}"),
        format!("{{\"stream_url\":\"demo:a\",\"experiment_id\":null,{action}}}"),
        "{\"stream_url\":\"demo:a\",\"experiment_id\":\"e\",\"client_action_id\":\"no\"}".into(),
        format!(
            "{{\"stream_url\":\"demo:a\",\"experiment_id\":\"e\",{action},\"epoch_utc\":\"yesterday\"}}"
        ),
        format!(
            "{{\"stream_url\":\"demo:a\",\"experiment_id\":\"e\",{action},\"planned_stimuli\":[{{\"offset_s\":NaN}}]}}"
        ),
        format!("{}1{}", "[".repeat(1000), "]".repeat(1000)),
    ];
    for body in &bodies {
        for path in ["/api/v1/sessions", "/api/v2/sessions"] {
            let refusal = server.post(path, body).refusal(422);
            assert_eq!(refusal["detail"][0]["loc"][0], "body", "{body}");
        }
    }
    let refusal = server
        .post(
            &format!("/api/v2/sessions/{ID}/attest"),
            "{\"delivered\":true,\"extra\":1}",
        )
        .refusal(422);
    assert_eq!(refusal["code"], "validation_failed");
    for path in [
        format!("/api/v1/sessions/{ID}/end"),
        format!("/api/v1/operator/sessions/{ID}/stimulus"),
    ] {
        server.post(&path, "{").refusal(422);
        server.post(&path, "{\"client_action_id\":1}").refusal(422);
    }
}

#[test]
fn a_body_above_the_limit_is_413_and_one_at_the_limit_is_read() {
    let server = Server::open(Engine::Silent);
    let at_limit = format!("{}{{}}", " ".repeat(MAX_BODY - 2));
    server.post("/api/v1/sessions", &at_limit).refusal(422);
    let above = format!(" {at_limit}");
    assert_eq!(
        server.post("/api/v1/sessions", &above).refusal(413)["code"],
        "body_too_large"
    );
}

#[test]
fn a_body_that_never_arrives_is_given_up() {
    let server = Server::open(Engine::Silent);
    let head = format!(
        "POST /api/v1/sessions HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: 10\r\n\r\n{{",
        server.address
    );
    let answer = server.send(&head);
    assert_eq!(answer.refusal(408)["code"], "body_timeout");
}

#[test]
fn paths_and_parameters_are_checked() {
    let server = Server::open(Engine::Silent);
    for id in ["nonsense", "4b5b7e1c", "%00", "%ff", "..%2f..", "💥"] {
        for path in [
            "/api/v1/operator/sessions/{id}",
            "/api/v1/operator/sessions/{id}/encounters",
            "/api/v2/sessions/{id}/readback",
        ] {
            let answer = server.get(&path.replace("{id}", id));
            if id.is_ascii() {
                assert_eq!(
                    answer.refusal(422)["detail"][0]["loc"][0],
                    "path",
                    "{path} {id}"
                );
            } else {
                assert!(matches!(answer.status, 400 | 422), "{answer:?}");
            }
        }
    }
    let lists = [
        ("sessions", 500),
        ("alerts", 500),
        (&format!("sessions/{ID}/encounters"), 1000),
    ];
    for (list, max) in lists {
        for limit in [
            "0",
            "-1",
            "1.5",
            "ten",
            "",
            "4294967296",
            &(max + 1).to_string(),
            "1&limit=2",
        ] {
            let answer = server.get(&format!("/api/v1/operator/{list}?limit={limit}"));
            assert_eq!(
                answer.refusal(422)["detail"][0]["loc"][0],
                "query",
                "{list} {limit}"
            );
        }
        for limit in [1, max] {
            assert_eq!(
                server
                    .get(&format!("/api/v1/operator/{list}?limit={limit}"))
                    .status,
                200
            );
        }
    }
    for instant in ["yesterday", "2026-01-01T00:00:00", "NaN", ""] {
        server
            .get(&format!("/api/v1/operator/alerts?since_utc={instant}"))
            .refusal(422);
        server
            .get(&format!(
                "/api/v1/operator/sessions/{ID}/encounters?before_utc={instant}"
            ))
            .refusal(422);
    }
    assert_eq!(
        server
            .get("/api/v1/operator/alerts?since_utc=2026-01-01T00:00:00Z")
            .status,
        200
    );
}

#[test]
fn what_does_not_exist_is_404_in_the_common_form() {
    let server = Server::open(Engine::Silent);
    let action = format!("{{\"client_action_id\":\"{ID}\"}}");
    for path in [
        "/nope",
        "/api",
        "/api/v1/operator/sessions/",
        "/api/v1/cloud",
        "//",
        "/health/",
    ] {
        assert_eq!(server.get(path).refusal(404)["code"], "not_found", "{path}");
    }
    for path in [
        "operator/sessions/{id}",
        "operator/sessions/{id}/physiology",
    ] {
        let path = format!("/api/v1/{}", path.replace("{id}", ID));
        assert_eq!(
            server.get(&path).refusal(404)["code"],
            "session_not_found",
            "{path}"
        );
    }
    assert_eq!(
        server
            .get(&format!("/api/v2/sessions/{ID}/readback"))
            .refusal(404)["code"],
        "session_not_found"
    );
    let stimulus = format!("/api/v1/operator/sessions/{ID}/stimulus");
    assert_eq!(
        server.post(&stimulus, &action).refusal(404)["code"],
        "session_not_found"
    );
    let alert = format!("/api/v2/alerts/{ID}/acknowledge");
    assert_eq!(
        server.post(&alert, "").refusal(404)["code"],
        "alert_not_found"
    );
    for id in ["unheard_of", "a%2Fb", "%E2%82%AC", "..", "x%20y"] {
        let path = format!("/api/v1/operator/experiments/{id}");
        assert_eq!(
            server.get(&path).refusal(404)["code"],
            "experiment_not_found",
            "{id}"
        );
    }
    server.get("/api/v1/operator/experiments/%ff").refusal(422);
    let unknown = server.get(&format!("/api/v1/operator/sessions/{ID}/encounters"));
    assert_eq!(
        (unknown.status, unknown.body.as_str()),
        (200, "[]"),
        "an unknown session has no encounters"
    );
}

#[test]
fn every_documented_route_answers_and_other_methods_are_405() {
    let server = Server::open(Engine::Silent);
    for operation in OPERATIONS {
        let path = operation.path.replace("{id}", ID).replace("{name}", "x");
        let answer = server.send(&server.head(&operation.method.to_uppercase(), &path, "", "{}"));
        assert_ne!(answer.status, 405, "{operation:?}");
        assert!(
            answer.status != 404 || answer.code() != "not_found",
            "{answer:?}"
        );
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let documented = OPERATIONS
                .iter()
                .any(|o| o.path == operation.path && o.method.eq_ignore_ascii_case(method));
            if !documented {
                let answer = server.send(&server.head(method, &path, "", ""));
                assert_eq!(
                    answer.refusal(405)["code"],
                    "method_not_allowed",
                    "{method} {path}"
                );
            }
        }
    }
}

#[test]
fn the_document_lists_exactly_the_routes_there_are() {
    let source = include_str!("../../src/routes.rs");
    let compact: String = source.split_whitespace().collect();
    let mut routed = BTreeSet::new();
    for part in compact.split(".route(\"").skip(1) {
        let (path, rest) = part.split_once("\",").unwrap();
        let (method, _) = rest.split_once('(').unwrap();
        routed.insert((path.to_owned(), method.to_owned()));
    }
    let documented: BTreeSet<_> = OPERATIONS
        .iter()
        .map(|o| (o.path.to_owned(), o.method.to_owned()))
        .collect();
    assert_eq!(routed, documented);
    assert_eq!(
        OPERATIONS.len(),
        documented.len(),
        "no route is listed twice"
    );
}

#[test]
fn the_document_is_served_and_sound() {
    let server = Server::open(Engine::Silent);
    let document = server.get("/openapi.json").json();
    assert_eq!(document, build());
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let named: BTreeSet<_> = path
                .split('/')
                .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
                .collect();
            let declared: BTreeSet<_> = operation["parameters"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| {
                    assert_eq!(parameter["required"], true);
                    parameter["name"].as_str().unwrap()
                })
                .collect();
            assert_eq!(named, declared, "{method} {path}");
            let responses = operation["responses"].as_object().unwrap();
            let good: Vec<_> = responses
                .keys()
                .filter(|status| status.starts_with('2'))
                .collect();
            assert_eq!(good.len(), 1, "{method} {path}: {good:?}");
            assert!(
                responses
                    .values()
                    .all(|response| response["description"].is_string()),
                "{method} {path}"
            );
            assert!(
                operation["responses"]["default"]["content"]["application/json"]["schema"]
                    .is_object()
            );
        }
    }
    assert!(
        document["components"]["schemas"]
            .as_object()
            .is_some_and(|schemas| schemas.len() > 15)
    );
    no_leftovers(&document);
}

/// OpenAPI 3.0 knows neither `$defs` nor lists of types.
fn no_leftovers(value: &Value) {
    match value {
        Value::Object(members) => {
            assert!(!members.contains_key("$defs"), "{value}");
            assert!(!members.get("type").is_some_and(Value::is_array), "{value}");
            members.values().for_each(no_leftovers);
        }
        Value::Array(items) => items.iter().for_each(no_leftovers),
        _ => {}
    }
}

#[test]
fn bytes_that_are_not_http_do_not_disturb_the_others() {
    let server = Server::open(Engine::Silent);
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"[..],
        b"\r\n\r\n\r\n",
        b"GET",
        &[0xff; 4096],
    ] {
        let mut stream = server.connect();
        let _ = stream.write_all(bytes);
        drop(stream);
        assert_eq!(server.get("/health").status, 200);
    }
}
