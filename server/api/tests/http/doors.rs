//! Hosts, origins and tokens, on every route there is.

use lsie_api::openapi::OPERATIONS;
use lsie_schemas::config::AuthMode;

use crate::stage::{Engine, Server, TOKEN};

const ID: &str = "4b5b7e1c-6f0e-4c52-9d6e-6f1f9f6f2a11";

fn path(template: &str) -> String {
    template.replace("{id}", ID)
}

fn no_cors(answer: &crate::stage::Answer, what: &str) {
    assert!(
        !answer.head.contains("access-control-"),
        "{what}: {answer:?}"
    );
}

#[test]
fn every_route_refuses_hosts_that_are_not_ours() {
    let server = Server::open(Engine::Silent);
    let port = server.address.port();
    let hosts = [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        format!("127.0.0.1.evil.example:{port}"),
        format!("127.0.0.2:{port}"),
        "127.0.0.1".to_owned(),
        format!("127.0.0.1:{}", port.wrapping_add(1)),
        format!("user@127.0.0.1:{port}"),
        format!("0.0.0.0:{port}"),
        String::new(),
    ];
    for operation in OPERATIONS {
        let method = operation.method.to_uppercase();
        for host in &hosts {
            let request = format!(
                "{method} {} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\nContent-Length: 1\r\n\r\n{{",
                path(operation.path)
            );
            let answer = server.send(&request);
            assert!(
                matches!(answer.status, 421 | 400),
                "{method} {} {host:?}: {answer:?}",
                operation.path
            );
            no_cors(&answer, operation.path);
        }
        let own = server.head(&method, &path(operation.path), "Host: evil.example\r\n", "");
        assert!(
            matches!(server.send(&own).status, 421 | 400),
            "{}: two hosts",
            operation.path
        );
        let none = format!(
            "{method} {} HTTP/1.1\r\nConnection: close\r\n\r\n",
            path(operation.path)
        );
        assert!(
            matches!(server.send(&none).status, 421 | 400),
            "{}: no host",
            operation.path
        );
    }
    assert_eq!(
        server.send(&server.head("GET", "/health", "", "")).status,
        200
    );
    assert_eq!(
        server
            .send("GET /health HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
            .refusal(421)["code"],
        "host_refused"
    );
}

#[test]
fn the_absolute_form_names_the_host_too() {
    let server = Server::open(Engine::Silent);
    let address = server.address;
    for authority in [
        "evil.example",
        "evil.example:80",
        &format!("user@{address}"),
        "127.0.0.1:1",
    ] {
        let request = server.head("GET", &format!("http://{authority}/health"), "", "");
        assert!(
            matches!(server.send(&request).status, 421 | 400),
            "{authority}"
        );
    }
    let request = server.head("GET", &format!("http://{address}/health"), "", "");
    assert_eq!(server.send(&request).status, 200);
}

#[test]
fn every_route_refuses_foreign_origins_before_it_reads_a_body() {
    let server = Server::open(Engine::Silent);
    let port = server.address.port();
    let origins = [
        "null".to_owned(),
        "http://evil.example".to_owned(),
        format!("https://127.0.0.1:{port}"),
        format!("http://127.0.0.1:{}", port.wrapping_add(1)),
        format!("http://127.0.0.1:{port}.evil.example"),
        "http://localhost".to_owned(),
        String::new(),
    ];
    for operation in OPERATIONS {
        let method = operation.method.to_uppercase();
        for origin in &origins {
            let headers = format!("Origin: {origin}\r\n");
            // The body would be a 422, or a 413 if it were read.
            for body in ["{\"nonsense\"", &"x".repeat(crate::stage::MAX_BODY + 1)] {
                let answer =
                    server.send(&server.head(&method, &path(operation.path), &headers, body));
                let status = if method == "GET" { 401 } else { 403 };
                answer.refusal(status);
                no_cors(&answer, operation.path);
            }
        }
    }
    let two = format!("Origin: http://127.0.0.1:{port}\r\nOrigin: http://evil.example\r\n");
    server
        .send(&server.head("POST", "/api/v2/engine/reset", &two, ""))
        .refusal(403);
    let own = format!("Origin: http://127.0.0.1:{port}\r\n");
    let answer = server.send(&server.head("POST", "/api/v2/engine/reset", &own, ""));
    assert_eq!(answer.status, 200);
    no_cors(&answer, "own origin");
}

#[test]
fn a_page_elsewhere_gets_no_answer_to_its_question_whether_it_may() {
    let server = Server::open(Engine::Silent);
    let headers = "Origin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n";
    for operation in OPERATIONS {
        let answer = server.send(&server.head("OPTIONS", &path(operation.path), headers, ""));
        assert_eq!(answer.status, 403, "{answer:?}");
        no_cors(&answer, operation.path);
    }
}

#[test]
fn even_the_token_does_not_let_a_foreign_page_write() {
    let server = Server::open(Engine::Silent);
    let headers = format!("Origin: http://evil.example\r\nAuthorization: Bearer {TOKEN}\r\n");
    server
        .send(&server.head("POST", "/api/v2/engine/reset", &headers, ""))
        .refusal(403);
    assert_eq!(
        server
            .send(&server.head("GET", "/health", &headers, ""))
            .status,
        200
    );
}

#[test]
fn with_the_token_required_every_route_asks_for_it_and_takes_only_the_exact_one() {
    let server = Server::with_auth(Engine::Silent, AuthMode::Token);
    for operation in OPERATIONS {
        let method = operation.method.to_uppercase();
        server
            .send(&server.head(&method, &path(operation.path), "", "{"))
            .refusal(401);
    }
    let longer = format!("{TOKEN}0");
    let upper = TOKEN.to_uppercase();
    for wrong in ["", " ", &TOKEN[1..], &TOKEN[..31], &longer, &upper, "*"] {
        for header in [
            format!("Authorization: Bearer {wrong}\r\n"),
            format!("Cookie: lsie_token={wrong}\r\n"),
        ] {
            let answer = server.send(&server.head("GET", "/health", &header, ""));
            assert_eq!(answer.refusal(401)["code"], "token_required", "{header:?}");
            assert!(!answer.body.contains(TOKEN));
        }
    }
    for header in [
        format!("Authorization: Basic {TOKEN}\r\n"),
        format!("Cookie: other_lsie_token={TOKEN}\r\n"),
        format!("X-Token: {TOKEN}\r\n"),
    ] {
        server
            .send(&server.head("GET", "/health", &header, ""))
            .refusal(401);
    }
    server
        .send(&server.head("GET", &format!("/health?token={TOKEN}"), "", ""))
        .refusal(401);
    for header in [
        format!("Authorization: Bearer {TOKEN}\r\n"),
        format!("Cookie: a=b; lsie_token={TOKEN}; c=d\r\n"),
    ] {
        assert_eq!(
            server
                .send(&server.head("GET", "/health", &header, ""))
                .status,
            200,
            "{header:?}"
        );
    }
}
