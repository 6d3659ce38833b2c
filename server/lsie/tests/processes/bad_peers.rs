//! Viewers and publishers that misbehave, against the whole program: what they do is bounded, counted, and nobody else's trouble.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Runtime;
use uuid::Uuid;
use webrtc::peer_connection::RTCPeerConnectionState;

use crate::client::{Client, Seen, SentTrack};
use crate::server::{CEILING, Place, Server, wait};
use crate::signalling::http::{Request, resolve};

const WORKERS: usize = 2;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .unwrap()
}

fn post(server: &Server, path: &str, offer: &str) -> crate::signalling::http::Answer {
    Request::new("POST", &format!("{}{path}", server.address))
        .header("content-type", "application/sdp")
        .body(offer)
        .send()
        .unwrap()
}

/// A viewer of the open session, connected.
async fn watch(server: &Server) -> Client {
    let (mut client, offer) = Client::viewer().await;
    let answer = post(server, "/whep/live", &offer);
    assert_eq!(answer.status, 201, "{}", answer.body);
    client.accept(&answer.body).await;
    client.reaches(RTCPeerConnectionState::Connected).await;
    client
}

/// A publisher under a name, connected.
async fn publish(server: &Server, name: &str) -> (Client, SentTrack) {
    let (mut client, mut track, offer) = Client::publisher(false).await;
    let answer = post(server, &format!("/whip/{name}"), &offer);
    assert_eq!(answer.status, 201, "{}", answer.body);
    client.accept(&answer.body).await;
    track.negotiated(&answer.body);
    client.reaches(RTCPeerConnectionState::Connected).await;
    (client, track)
}

fn engine(server: &Server) -> Value {
    server.get("/api/v2/status")["engine"].clone()
}

fn counter(server: &Server, name: &str) -> u64 {
    engine(server)["counters"][name].as_u64().unwrap()
}

fn peers(server: &Server, kind: &str, count: u64) {
    wait(&format!("{kind}: {count}"), CEILING, || {
        (engine(server)["peers"][kind] == count).then_some(())
    });
}

/// Waits until the source says this of itself.
fn source_says(server: &Server, detail: &str) -> Value {
    wait(detail, CEILING, || {
        let source = engine(server)["source"].clone();
        (source["detail"] == detail).then_some(source)
    })
}

fn picture_time(seen: &Seen) -> Option<u32> {
    match seen {
        Seen::Picture(time, true) => Some(*time),
        _ => None,
    }
}

fn end(server: &Server, session: &str) {
    let body = json!({ "client_action_id": Uuid::new_v4() });
    let (status, answer) = server.post(&format!("/api/v1/sessions/{session}/end"), &body);
    assert_eq!(status, 200, "{answer}");
}

#[test]
fn a_viewer_that_stops_reading_is_given_up_and_the_others_see_on() {
    let place = Place::new();
    let server = Server::start(&place, &[]);
    let session = server.session("demo:presenter");
    server.wait_picture(&session);
    let (frozen, awake) = (runtime(), runtime());
    let mut stuck = frozen.block_on(watch(&server));
    frozen.block_on(stuck.sees("a picture", picture_time));
    let mut other = awake.block_on(watch(&server));
    awake.block_on(other.sees("a picture", picture_time));
    peers(&server, "viewers", 2);
    let (dropped, closed) = (
        counter(&server, "live_messages_dropped"),
        counter(&server, "peers_closed"),
    );
    // Its sockets stay open, and nobody reads them any more.
    let thaw = Arc::new(AtomicBool::new(false));
    for _ in 0..WORKERS {
        let thaw = Arc::clone(&thaw);
        frozen.spawn(async move {
            while !thaw.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
    }
    wait("its readings are replaced by newer ones", CEILING, || {
        (counter(&server, "live_messages_dropped") > dropped).then_some(())
    });
    for _ in 0..30 {
        awake.block_on(other.sees("a picture", picture_time));
    }
    peers(&server, "viewers", 1);
    wait("its end is counted", CEILING, || {
        (counter(&server, "peers_closed") > closed).then_some(())
    });
    while other.seen.try_recv().is_ok() {}
    awake.block_on(other.sees("a further picture", picture_time));
    thaw.store(true, Ordering::Release);
    end(&server, &session);
    peers(&server, "viewers", 0);
}

#[test]
fn a_publisher_without_key_frames_is_named_asked_and_counted_and_one_that_vanishes_frees_its_name()
{
    let place = Place::new();
    let server = Server::start(&place, &[]);
    let session = server.session("whip:cam");
    let source = source_says(&server, "nobody publishes");
    assert!(
        source["hint"].as_str().unwrap().contains("/whip/cam"),
        "{source}"
    );
    let life = runtime();
    let (_client, mut track) = life.block_on(publish(&server, "cam"));
    let mut time = 0;
    let mut send = |kind: u8| {
        time += 3000;
        life.block_on(async {
            track.send(&[0, 0, 0, 1, kind, 1, 2, 3], time).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        });
    };
    let source = wait("it has no key frame", CEILING, || {
        send(0x41);
        let source = engine(&server)["source"].clone();
        (source["detail"] == "published, without a key frame").then_some(source)
    });
    assert_eq!(source["state"], "recovering", "{source}");
    wait("it is asked, and what it sends is counted", CEILING, || {
        send(0x41);
        let counters = engine(&server)["counters"].clone();
        let has = |name: &str| counters[name].as_u64().unwrap() > 0;
        (has("publisher_key_requests") && has("decode_errors") && has("publisher_packets"))
            .then_some(())
    });
    assert_eq!(counter(&server, "frames_analysed"), 0);
    assert_eq!(
        post(
            &server,
            "/whip/cam",
            &life.block_on(Client::publisher(false)).2
        )
        .status,
        409,
        "the name is taken"
    );
    // Without a word: its sockets are closed, and no peer is told.
    life.shutdown_background();
    source_says(&server, "nobody publishes");
    peers(&server, "publishers", 0);
    let again = runtime();
    let (_client, _track) = again.block_on(publish(&server, "cam"));
    peers(&server, "publishers", 1);
    let open = &server.readback(&session)["session"];
    assert!(open["ended_at_utc"].is_null(), "the session waits: {open}");
    end(&server, &session);
}

#[test]
fn two_hundred_connects_and_a_flood_leave_nothing_in_the_engine() {
    let place = Place::new();
    let server = Server::start(&place, &[]);
    let session = server.session("test:bars?size=64x48");
    server.wait_picture(&session);
    let life = runtime();
    let offer = life.block_on(Client::viewer()).1;
    let resource = |answer: &crate::signalling::http::Answer| {
        let endpoint = format!("{}/whep/live", server.address);
        resolve(&endpoint, answer.header("location").unwrap())
    };
    // The first one begins what stays: threads of the peers, the encoder for viewers.
    let mut first = life.block_on(watch(&server));
    life.block_on(first.sees("a picture", picture_time));
    let pid = server.engine_pid();
    let mut before = (0, 0);
    for n in 0..200 {
        if n == 21 {
            // What begins with the first peers and stays has begun.
            before = settled(&server, pid, (usize::MAX, usize::MAX));
        }
        let answer = post(&server, "/whep/live", &offer);
        assert_eq!(answer.status, 201, "{n}: {}", answer.body);
        let gone = Request::new("DELETE", &resource(&answer)).send().unwrap();
        assert_eq!(gone.status, 200);
        if n % 20 == 0 {
            let mut client = life.block_on(watch(&server));
            life.block_on(async {
                let open = |seen: &Seen| matches!(seen, Seen::Live(_)).then_some(());
                client.sees("an observation", open).await;
                for _ in 0..100 {
                    client.chatter(1000).await;
                }
                client.sees("a picture behind it", picture_time).await;
                client.pc.close().await.unwrap();
            });
        }
    }
    settled(&server, pid, before);
    wait("all of it is counted", CEILING, || {
        let counters = engine(&server)["counters"].clone();
        (counters["live_messages_ignored"].as_u64().unwrap() > 0 && counters["peers_closed"] == 210)
            .then_some(())
    });
    life.block_on(first.sees("a further picture", picture_time));
    end(&server, &session);
}

/// What the engine holds once one viewer is left: no more than `most`.
fn settled(server: &Server, pid: u32, most: (usize, usize)) -> (usize, usize) {
    let begun = Instant::now();
    loop {
        let (held, peers) = (belongings(pid), engine(server)["peers"].clone());
        let is_alone = peers["viewers"] == 1 && peers["connecting"] == 0;
        if is_alone && held.0 <= most.0 && held.1 <= most.1 {
            return held;
        }
        assert!(
            begun.elapsed() < CEILING,
            "files and threads {held:?}, at most {most:?}; {peers}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Open files and threads of a process.
fn belongings(pid: u32) -> (usize, usize) {
    let count = |what: &str| {
        std::fs::read_dir(format!("/proc/{pid}/{what}"))
            .unwrap()
            .count()
    };
    (count("fd"), count("task"))
}
