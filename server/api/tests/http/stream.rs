//! The event stream (api 5): everything on connect, changes as they happen, a sign of life in between.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use lsie_schemas::api::EventType;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{Engine, Server, eventually};

/// One frame of the stream.
#[derive(Debug)]
struct Frame {
    id: String,
    event: String,
    retry: String,
    data: Value,
}

/// A reader of the stream that undoes the chunks.
struct Events {
    stream: BufReader<TcpStream>,
    text: String,
    head: String,
}

impl Events {
    fn open(server: &Server) -> Self {
        Self::open_with(server, "")
    }

    /// Comes back with further header lines.
    fn open_with(server: &Server, headers: &str) -> Self {
        Self::open_at(server, "/api/v1/operator/state/events", headers)
    }

    fn open_at(server: &Server, path: &str, headers: &str) -> Self {
        let mut stream = server.connect();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n",
            server.address
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(stream.read_line(&mut head).unwrap() > 0, "{head}");
        }
        Self {
            stream,
            text: String::new(),
            head: head.to_ascii_lowercase(),
        }
    }

    /// The next block of lines, comments included.
    fn block(&mut self) -> String {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return block;
            }
            let mut size = String::new();
            self.stream.read_line(&mut size).unwrap();
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            assert!(size > 0, "the stream ended");
            let mut chunk = vec![0; size + 2];
            self.stream.read_exact(&mut chunk).unwrap();
            self.text
                .push_str(std::str::from_utf8(&chunk[..size]).unwrap());
        }
    }

    fn frame(&mut self) -> Frame {
        loop {
            let block = self.block();
            let member = |name: &str| {
                let prefix = format!("{name}: ");
                block
                    .lines()
                    .find_map(|line| line.strip_prefix(&prefix))
                    .map(str::to_owned)
            };
            if let Some(data) = member("data") {
                let data = serde_json::from_str(&data).unwrap();
                let text = |name| member(name).unwrap_or_default();
                return Frame {
                    id: text("id"),
                    event: text("event"),
                    retry: text("retry"),
                    data,
                };
            }
        }
    }
}

fn names() -> Vec<&'static str> {
    EventType::ALL.iter().map(|kind| kind.name()).collect()
}

#[test]
fn the_stream_of_v2_has_the_readback_too_and_sends_it_when_the_session_changes() {
    let server = Server::open(Engine::Willing);
    let mut events = Events::open_at(&server, "/api/v2/state/events", "");
    let frames: Vec<Frame> = (0..10).map(|_| events.frame()).collect();
    let order: Vec<_> = frames.iter().map(|frame| frame.event.as_str()).collect();
    assert_eq!(order[..9], names());
    assert_eq!(
        (order[9], &frames[9].data["payload"]),
        ("readback", &json!([]))
    );
    let start = json!({ "stream_url": "demo:presenter", "experiment_id": "greeting_line_v1", "client_action_id": Uuid::new_v4() });
    let started = server.post("/api/v2/sessions", &start.to_string()).json();
    let readback = loop {
        let frame = events.frame();
        if frame.event == "readback" && frame.data["payload"].is_object() {
            break frame;
        }
    };
    let session = &readback.data["payload"]["session"];
    assert_eq!(session["session_id"], started["session_id"]);
    assert_eq!(readback.id, readback.data["event_id"]);
}

#[test]
fn the_whole_state_comes_first_in_its_fixed_order() {
    let server = Server::open(Engine::Silent);
    let mut events = Events::open(&server);
    for header in [
        "200 ok",
        "content-type: text/event-stream",
        "cache-control: no-cache",
        "x-accel-buffering: no",
    ] {
        assert!(events.head.contains(header), "{header} in {}", events.head);
    }
    let frames: Vec<Frame> = (0..9).map(|_| events.frame()).collect();
    let order: Vec<_> = frames.iter().map(|frame| frame.event.as_str()).collect();
    assert_eq!(order, names());
    assert_eq!(
        order,
        [
            "overview",
            "sessions",
            "live_session",
            "encounters",
            "experiment_summaries",
            "experiment",
            "physiology",
            "health",
            "alerts"
        ]
    );
    for frame in &frames {
        let keys: Vec<_> = frame
            .data
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(
            keys,
            [
                "event_id",
                "event_type",
                "cursor",
                "generated_at_utc",
                "payload"
            ]
        );
        assert_eq!(
            (&frame.data["event_id"], &frame.data["cursor"]),
            (&json!(frame.id), &json!(frame.id))
        );
        assert_eq!(frame.data["event_type"], frame.event);
        assert_eq!(frame.retry, "1000");
        let (name, digest) = frame.id.split_once(':').unwrap();
        assert_eq!((name, digest.len()), (frame.event.as_str(), 24));
        assert!(
            digest
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        );
    }
    for empty in ["live_session", "encounters", "experiment", "physiology"] {
        let frame = frames.iter().find(|frame| frame.event == empty).unwrap();
        assert_eq!(frame.data["payload"], json!([]), "{empty}");
    }
    let summaries = &frames[4].data["payload"];
    assert_eq!(
        *summaries,
        server.get("/api/v1/operator/experiments").json()
    );
}

#[test]
fn a_part_that_did_not_change_keeps_its_identity() {
    let server = Server::open(Engine::Willing);
    let start = json!({ "stream_url": "demo:presenter", "experiment_id": "greeting_line_v1", "client_action_id": Uuid::new_v4() });
    assert_eq!(
        server.post("/api/v1/sessions", &start.to_string()).status,
        200
    );
    let identities = || -> Vec<String> {
        let mut events = Events::open(&server);
        (0..9)
            .map(|_| events.frame().id)
            .filter(|id| !id.starts_with("health") && !id.starts_with("overview"))
            .collect()
    };
    // The session grows older meanwhile; that is no change.
    let first = identities();
    assert_eq!(first.len(), 7);
    assert_eq!(identities(), first);
}

#[test]
fn a_returning_reader_is_sent_every_part_but_the_one_it_holds() {
    let server = Server::open(Engine::Silent);
    let summaries = {
        let mut events = Events::open(&server);
        let frames: Vec<Frame> = (0..9).map(|_| events.frame()).collect();
        frames[4].id.clone()
    };
    let back = |id: &str, count: usize| -> Vec<String> {
        let mut events = Events::open_with(&server, &format!("Last-Event-ID: {id}\r\n"));
        (0..count).map(|_| events.frame().event).collect()
    };
    let mut others = names();
    others.retain(|name| *name != "experiment_summaries");
    assert_eq!(back(&summaries, 8), others);
    for unknown in ["experiment_summaries:0123", "nonsense", ":", "health"] {
        assert_eq!(back(unknown, 9), names(), "{unknown}");
    }
}

#[test]
fn a_mark_without_a_change_is_no_event() {
    let server = Server::open(Engine::Dying);
    eventually("the circuit opens", || {
        server.get("/api/v2/status").json()["engine"]["state"] == "circuit_open"
    });
    let mut events = Events::open(&server);
    let frames: Vec<Frame> = (0..9).map(|_| events.frame()).collect();
    let alerts = frames[8].data["payload"].as_array().unwrap();
    let (first, second) = (alerts[0]["alert_id"].clone(), alerts[1]["alert_id"].clone());
    let acknowledge = |id: &Value| {
        let path = format!("/api/v2/alerts/{}/acknowledge", id.as_str().unwrap());
        assert_eq!(server.post(&path, "").status, 200);
    };
    acknowledge(&first);
    assert_eq!(events.frame().event, "alerts");
    // The second word on the same alert changes nothing; the next event is the other alert's.
    acknowledge(&first);
    acknowledge(&second);
    let frame = events.frame();
    let seen = frame.data["payload"].as_array().unwrap();
    assert!(
        seen.iter()
            .filter(|alert| alert["acknowledged"] == true)
            .count()
            == 2,
        "{frame:?}"
    );
}

#[test]
fn silence_is_filled_with_comments() {
    let server = Server::open(Engine::Silent);
    let mut events = Events::open(&server);
    let mut comments = 0;
    while comments < 2 {
        if events.block().starts_with(':') {
            comments += 1;
        }
    }
}

#[test]
fn a_change_is_pushed_to_every_reader() {
    let server = Server::open(Engine::Dying);
    eventually("the circuit opens", || {
        server.get("/api/v2/status").json()["engine"]["state"] == "circuit_open"
    });
    let mut readers: Vec<Events> = (0..3).map(|_| Events::open(&server)).collect();
    let mut id = String::new();
    for reader in &mut readers {
        let frames: Vec<Frame> = (0..9).map(|_| reader.frame()).collect();
        id = frames[8].data["payload"][0]["alert_id"]
            .as_str()
            .unwrap()
            .to_owned();
    }
    assert_eq!(
        server
            .post(&format!("/api/v2/alerts/{id}/acknowledge"), "")
            .status,
        200
    );
    for reader in &mut readers {
        let frame = reader.frame();
        assert_eq!(frame.event, "alerts");
        let alerts = frame.data["payload"].as_array().unwrap();
        let seen = alerts
            .iter()
            .find(|alert| alert["alert_id"] == id.as_str())
            .unwrap();
        assert_eq!(seen["acknowledged"], true);
    }
}

#[test]
fn readers_that_never_read_hold_nobody_up() {
    let server = Server::open(Engine::Dying);
    let idle: Vec<TcpStream> = (0..30)
        .map(|_| {
            let mut stream = server.connect();
            let request = format!(
                "GET /api/v1/operator/state/events HTTP/1.1\r\nHost: {}\r\n\r\n",
                server.address
            );
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    eventually("the circuit opens", || {
        server.get("/api/v2/status").json()["engine"]["state"] == "circuit_open"
    });
    for _ in 0..200 {
        let alerts = server.get("/api/v1/operator/alerts?limit=1").json();
        let id = alerts[0]["alert_id"].as_str().unwrap();
        assert_eq!(
            server
                .post(&format!("/api/v2/alerts/{id}/acknowledge"), "")
                .status,
            200
        );
    }
    let mut events = Events::open(&server);
    let order: Vec<_> = (0..9).map(|_| events.frame().event).collect();
    assert_eq!(order, names());
    drop(idle);
}
