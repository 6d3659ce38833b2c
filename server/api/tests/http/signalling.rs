//! WHEP and WHIP: what they answer is what the document says of them. The whole protocol is tested by its own suite.

use std::collections::BTreeSet;

use lsie_api::openapi::{PEER_OPERATIONS, build};
use lsie_schemas::config::AuthMode;
use serde_json::Value;

use crate::stage::{Answer, Engine, SDP, Server, eventually};

const ID: &str = "4b5b7e1c-6f0e-4c52-9d6e-6f1f9f6f2a11";
const SDP_TYPE: &str = "Content-Type: application/sdp\r\n";
const FRAGMENT_TYPE: &str = "Content-Type: application/trickle-ice-sdpfrag\r\n";
const FRAGMENT: &str =
    "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\nm=video 9 X 0\r\na=mid:0\r\n";
const ENDPOINTS: [(&str, &str); 2] = [
    ("/whep/{session}", "/whep/live"),
    ("/whip/{name}", "/whip/cam"),
];

/// What a server was asked and answered, by the path in the document and the verb.
struct Asked<'a> {
    server: &'a Server,
    document: Value,
    seen: BTreeSet<(String, String, u16)>,
}

impl<'a> Asked<'a> {
    fn of(server: &'a Server) -> Self {
        let document = server.get("/openapi.json").json();
        Self {
            server,
            document,
            seen: BTreeSet::new(),
        }
    }

    /// Asks, and compares status, type and headers with the document.
    fn ask(&mut self, template: &str, verb: &str, path: &str, headers: &str, body: &str) -> Answer {
        let answer = self
            .server
            .send(&self.server.head(&verb.to_uppercase(), path, headers, body));
        let what = format!("{verb} {path}: {answer:?}");
        let said = &self.document["paths"][template][verb]["responses"][answer.status.to_string()];
        assert!(said.is_object(), "not in the document: {what}");
        for name in said["headers"]
            .as_object()
            .into_iter()
            .flat_map(|all| all.keys())
        {
            let line = format!("{}: ", name.to_lowercase());
            assert!(
                answer.head.lines().any(|given| given.starts_with(&line)),
                "no {name}: {what}"
            );
        }
        match said["content"]
            .as_object()
            .and_then(|content| content.keys().next())
        {
            Some(kind) => assert!(
                answer.head.contains(&format!("content-type: {kind}")),
                "{what}"
            ),
            None => assert_eq!(answer.body, "", "{what}"),
        }
        self.seen
            .insert((template.to_owned(), verb.to_owned(), answer.status));
        answer
    }

    fn status(&mut self, endpoint: (&str, &str), headers: &str, body: &str) -> u16 {
        self.ask(endpoint.0, "post", endpoint.1, headers, body)
            .status
    }
}

#[test]
fn what_peers_are_answered_is_in_the_document_with_its_headers() {
    let server = Server::open(Engine::Willing);
    let mut asked = Asked::of(&server);
    let (view, publish) = ("/whep/{session}", "/whip/{name}");
    assert_eq!(asked.status(ENDPOINTS[0], SDP_TYPE, SDP), 409);
    let start = format!(
        "{{\"stream_url\":\"demo:presenter\",\"experiment_id\":\"greeting_line_v1\",\"client_action_id\":\"{ID}\"}}"
    );
    assert_eq!(server.post("/api/v2/sessions", &start).status, 200);
    eventually("the session is open", || {
        server.get("/api/v2/status").json()["session_id"].is_string()
    });
    for endpoint in ENDPOINTS {
        assert_eq!(asked.status(endpoint, SDP_TYPE, "hello"), 400);
        assert_eq!(
            asked.status(endpoint, "Content-Type: text/plain\r\n", SDP),
            415
        );
        assert_eq!(
            asked.status(endpoint, &format!("{SDP_TYPE}Accept: text/html\r\n"), SDP),
            406
        );
        assert_eq!(
            asked.status(endpoint, SDP_TYPE, &"x".repeat(crate::stage::MAX_BODY + 1)),
            413
        );
        assert_eq!(
            asked.ask(endpoint.0, "options", endpoint.1, "", "").status,
            204
        );
        peer(&mut asked, endpoint);
    }
    assert_eq!(asked.status((view, "/whep/nobody"), SDP_TYPE, SDP), 404);
    assert_eq!(asked.status((publish, "/whip/a%2Fb"), SDP_TYPE, SDP), 404);
    // The scripted engine refuses these names as a real one would.
    for (name, status) in [
        ("bad", 400),
        ("other", 406),
        ("taken", 409),
        ("broken", 500),
        ("full", 503),
    ] {
        assert_eq!(
            asked.status((publish, &format!("/whip/{name}")), SDP_TYPE, SDP),
            status
        );
    }
    let away = Server::open(Engine::Dying);
    let mut nobody = Asked::of(&away);
    assert_eq!(nobody.status(ENDPOINTS[1], SDP_TYPE, SDP), 503);
    asked.seen.append(&mut nobody.seen);
    unseen(&asked.seen);
}

/// One peer from its offer to its end.
fn peer(asked: &mut Asked<'_>, endpoint: (&str, &str)) {
    let template = &format!("{}/{{peer}}", endpoint.0);
    let opened = asked.ask(endpoint.0, "post", endpoint.1, SDP_TYPE, SDP);
    assert_eq!(opened.status, 201);
    let field = |name: &str| {
        let line = opened.head.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().to_owned()
    };
    let (at, etag) = (field("location:"), field("etag:"));
    let tagged = format!("{FRAGMENT_TYPE}If-Match: {etag}\r\n");
    let other = FRAGMENT.replace("abcd", "efgh");
    let large = "x".repeat(crate::stage::MAX_BODY + 1);
    let another = format!("{FRAGMENT_TYPE}If-Match: \"another\"\r\n");
    let typed = format!("{SDP_TYPE}If-Match: {etag}\r\n");
    for (headers, body, status) in [
        (tagged.as_str(), FRAGMENT, 204),
        (&tagged, "candidates", 400),
        (&another, FRAGMENT, 412),
        (&tagged, &large, 413),
        (&typed, FRAGMENT, 415),
        (&tagged, &other, 422),
        (FRAGMENT_TYPE, FRAGMENT, 428),
    ] {
        assert_eq!(
            asked.ask(template, "patch", &at, headers, body).status,
            status
        );
    }
    assert_eq!(asked.ask(template, "options", &at, "", "").status, 204);
    assert_eq!(asked.ask(template, "delete", &at, "", "").status, 200);
    assert_eq!(asked.ask(template, "delete", &at, "", "").status, 404);
    assert_eq!(
        asked.ask(template, "patch", &at, &tagged, FRAGMENT).status,
        404
    );
}

/// What the document says and nobody was answered: only what needs a media process that dies at the right instant.
fn unseen(seen: &BTreeSet<(String, String, u16)>) {
    let document = build();
    let mut left = Vec::new();
    for operation in PEER_OPERATIONS {
        let responses = &document["paths"][operation.path][operation.method]["responses"];
        for status in responses
            .as_object()
            .unwrap()
            .keys()
            .filter_map(|key| key.parse::<u16>().ok())
        {
            let key = (
                operation.path.to_owned(),
                operation.method.to_owned(),
                status,
            );
            if !seen.contains(&key) {
                left.push(format!("{} {} {status}", operation.method, operation.path));
            }
        }
    }
    let expected = [
        "post /whep/{session} 500",
        "post /whep/{session} 503",
        "patch /whep/{session}/{peer} 503",
        "delete /whep/{session}/{peer} 503",
        "patch /whip/{name}/{peer} 503",
        "delete /whip/{name}/{peer} 503",
    ];
    assert_eq!(left, expected);
}

#[test]
fn verbs_of_peers_have_the_doors_of_every_other() {
    let server = Server::open(Engine::Silent);
    let locked = Server::with_auth(Engine::Silent, AuthMode::Token);
    for operation in PEER_OPERATIONS {
        let verb = operation.method.to_uppercase();
        let path = ["{session}", "{name}", "{peer}"]
            .iter()
            .fold(operation.path.to_owned(), |path, name| {
                path.replace(name, ID)
            });
        for origin in ["null", "http://evil.example"] {
            let headers = format!("Origin: {origin}\r\n");
            let answer = server.send(&server.head(&verb, &path, &headers, ""));
            assert_eq!(answer.status, 403, "{verb} {path}");
            assert!(!answer.head.contains("access-control-"), "{answer:?}");
        }
        locked.send(&locked.head(&verb, &path, "", "")).refusal(401);
    }
}
