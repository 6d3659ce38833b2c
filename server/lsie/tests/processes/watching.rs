//! Viewers and publishers against the whole program: pictures, observations of their frames, signalling.
//!
//! The viewer is that of the tests of `media/webrtc`, made of the crates `webrtc`, `rtc`, `bytes` and `async_trait`.

use std::time::Duration;

use lsie_schemas::live::LiveMessage;
use serde_json::{Value, json};
use uuid::Uuid;
use webrtc::peer_connection::RTCPeerConnectionState;

use crate::client::{Client, Seen};
use crate::server::{CEILING, Place, Server, wait};
use crate::signalling::http::{Request, resolve};
use crate::signalling::{Protocol, run};

/// A viewer of an address, connected.
async fn watch(server: &Server, path: &str) -> (Client, String) {
    let (mut client, offer) = Client::viewer().await;
    let endpoint = format!("{}{path}", server.address);
    let answer = Request::new("POST", &endpoint)
        .header("content-type", "application/sdp")
        .body(&offer)
        .send()
        .unwrap();
    assert_eq!(answer.status, 201, "{}", answer.body);
    client.accept(&answer.body).await;
    client.reaches(RTCPeerConnectionState::Connected).await;
    let resource = resolve(&endpoint, answer.header("location").unwrap());
    (client, resource)
}

fn peers(server: &Server) -> Value {
    server.get("/api/v2/status")["engine"]["peers"].clone()
}

fn end(server: &Server, session: &str) {
    let body = json!({ "client_action_id": Uuid::new_v4() });
    let (status, answer) = server.post(&format!("/api/v1/sessions/{session}/end"), &body);
    assert_eq!(status, 200, "{answer}");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

fn picture_time(seen: &Seen) -> Option<u32> {
    match seen {
        Seen::Picture(time, true) => Some(*time),
        _ => None,
    }
}

#[test]
fn a_viewer_sees_the_presenter_with_observations_of_the_very_frames() {
    let place = Place::new();
    let server = Server::start(&place, &[]);
    let session = server.session("demo:presenter");
    server.wait_picture(&session);
    runtime().block_on(async {
        let (mut client, resource) = watch(&server, "/whep/live").await;
        let mut times = Vec::new();
        let mut faces = Vec::new();
        while faces.len() < 10 {
            let face = client
                .sees("a face", |seen| match seen {
                    Seen::Picture(time, true) => {
                        times.push(*time);
                        None
                    }
                    Seen::Live(message) => match message.as_ref() {
                        LiveMessage::Face(face) => Some(face.clone()),
                        _ => None,
                    },
                    _ => None,
                })
                .await;
            faces.push(face);
        }
        let matched = faces.iter().filter(|face| times.contains(&face.rtp_time));
        assert!(matched.count() >= 8, "{times:?}");
        assert!(
            faces
                .iter()
                .all(|face| face.width == 1280 && face.landmarks.is_some())
        );
        let (mut other, _) = watch(&server, &format!("/whep/{session}")).await;
        other.sees("a picture", picture_time).await;
        wait("both watch", CEILING, || {
            (peers(&server)["viewers"] == 2).then_some(())
        });
        let gone = Request::new("DELETE", &resource).send().unwrap();
        assert_eq!(gone.status, 200);
        wait("one watches", CEILING, || {
            (peers(&server)["viewers"] == 1).then_some(())
        });
        other.sees("a further picture", picture_time).await;
        let counters = server.get("/api/v2/status")["engine"]["counters"].clone();
        assert!(
            counters["viewer_packets"].as_u64().unwrap() > 20,
            "{counters}"
        );
        end(&server, &session);
        wait("nobody is left", CEILING, || {
            (peers(&server)["viewers"] == 0).then_some(())
        });
    });
}

#[test]
fn raw_pictures_are_encoded_while_somebody_watches_and_only_then() {
    let place = Place::new();
    let server = Server::start(&place, &[]);
    let session = server.session("test:bars?size=320x240");
    server.wait_picture(&session);
    let encoded = || {
        let counters = server.get("/api/v2/status")["engine"]["counters"].clone();
        counters["viewer_frames_encoded"].as_u64().unwrap()
    };
    assert_eq!(encoded(), 0);
    runtime().block_on(async {
        let (mut client, _) = watch(&server, "/whep/live").await;
        let mut sounds = 0;
        for _ in 0..20 {
            let count = |seen: &Seen| {
                sounds += u32::from(matches!(seen, Seen::Sound));
                picture_time(seen)
            };
            client.sees("a picture", count).await;
        }
        let (mut second, _) = watch(&server, "/whep/live").await;
        second
            .sees("a picture of the same encoder", picture_time)
            .await;
        client
            .sees("sound", |seen| matches!(seen, Seen::Sound).then_some(()))
            .await;
        client.pc.close().await.unwrap();
        second.pc.close().await.unwrap();
    });
    assert!(encoded() > 0);
    wait("nobody watches", CEILING, || {
        (peers(&server)["viewers"] == 0).then_some(())
    });
    let settled = wait("no encoder runs", CEILING, || {
        let before = encoded();
        std::thread::sleep(Duration::from_millis(1500));
        (encoded() == before).then_some(before)
    });
    assert_eq!(encoded(), settled);
}

#[test]
fn a_file_without_b_frames_is_forwarded_and_one_with_them_is_encoded_once_for_all() {
    let place = Place::new();
    let server = Server::start(&place, &[]);
    for (encoder, is_forwarded) in [
        ("x264enc bframes=0 key-int-max=30", true),
        ("x264enc bframes=2 b-adapt=false key-int-max=30", false),
        // None of its key frames can be asked for, and the next one is far away.
        ("x264enc bframes=0 key-int-max=400", false),
    ] {
        let path = film(&place, encoder);
        let session = server.session(&format!("file://{}", path.display()));
        server.wait_picture(&session);
        runtime().block_on(async {
            let (mut client, _) = watch(&server, "/whep/live").await;
            let mut times = Vec::new();
            for _ in 0..90 {
                times.push(client.sees("a picture", picture_time).await);
            }
            let shown = times.iter().map(|time| time / 3000).max().unwrap();
            assert!(shown < 600, "{encoder}: media time, as measured: {times:?}");
            assert!(times.is_sorted(), "{encoder}: shown in order: {times:?}");
            client.pc.close().await.unwrap();
        });
        let counters = server.get("/api/v2/status")["engine"]["counters"].clone();
        let encoded = counters["viewer_frames_encoded"].as_u64().unwrap();
        assert_eq!(encoded == 0, is_forwarded, "{encoder}: {encoded} encoded");
        end(&server, &session);
        server.wait_ended(&session);
    }
}

/// Twenty seconds of a moving ball.
fn film(place: &Place, encoder: &str) -> std::path::PathBuf {
    let path = place.root().join(format!("{}.mp4", encoder.len()));
    let chain = format!(
        "videotestsrc num-buffers=600 pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=30/1 \
         ! {encoder} speed-preset=ultrafast ! h264parse ! mp4mux ! filesink location={}",
        path.display()
    );
    let made = std::process::Command::new("gst-launch-1.0")
        .arg("-q")
        .args(chain.split_whitespace())
        .status();
    assert!(made.unwrap().success(), "{chain}");
    path
}

#[test]
fn our_server_conforms() {
    let place = Place::new();
    let server = Server::start(&place, &[]);
    let nothing = Request::new("POST", &format!("{}/whep/live", server.address))
        .header("content-type", "application/sdp")
        .body("v=0\r\nm=video 9 X 1\r\n")
        .send()
        .unwrap();
    assert_eq!(nothing.status, 409, "no session is open");
    assert!(nothing.header("retry-after").is_some());
    let session = server.session("test:bars?size=64x48");
    server.wait_picture(&session);
    for (path, protocol) in [
        ("/whep/live", Protocol::Whep),
        ("/whip/cam", Protocol::Whip),
    ] {
        let faults: Vec<String> = run(&format!("{}{path}", server.address), protocol)
            .into_iter()
            .filter_map(|check| check.fault.map(|fault| format!("{}: {fault}", check.name)))
            .collect();
        assert!(faults.is_empty(), "{path}:\n{}", faults.join("\n"));
    }
    for path in [
        "/whep/nobody",
        "/whep/00000000-0000-0000-0000-000000000000",
        "/whip/a%2Fb",
    ] {
        let answer = Request::new("POST", &format!("{}{path}", server.address))
            .header("content-type", "application/sdp")
            .body("v=0\r\nm=video 9 X 1\r\n")
            .send()
            .unwrap();
        assert_eq!(answer.status, 404, "{path}: {}", answer.body);
    }
    for method in ["POST", "DELETE", "OPTIONS"] {
        let foreign = Request::new(method, &format!("{}/whep/live", server.address))
            .header("origin", "http://evil.example")
            .send()
            .unwrap();
        assert_eq!(foreign.status, 403, "{method}");
    }
}
