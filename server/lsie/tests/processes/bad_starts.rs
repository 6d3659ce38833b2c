//! Starts that cannot work say what is wrong and what to do; they leave nothing open.

use std::fs;
use std::net::TcpListener;

use lsie_store::WindowKind;

use crate::media_files::{Picture, Sound, avi, wav};
use crate::replay::open_store;
use crate::server::{Place, Server, lsie};

/// Runs `lsie serve` that must end by itself with status 1; gives its words.
fn refused(place: &Place, port: &[&str]) -> String {
    let done = lsie()
        .arg("serve")
        .args(port)
        .arg("--state-dir")
        .arg(place.state())
        .output()
        .unwrap();
    let words = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1), "{words}");
    assert!(done.stdout.is_empty());
    words
}

#[test]
fn a_port_that_was_asked_for_and_is_taken_is_an_error_that_names_it() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    let words = refused(&Place::new(), &["--port", &port]);
    assert!(words.contains(&format!("port {port}")), "{words}");
    assert!(words.contains("--port"), "{words}");
}

#[test]
fn the_default_port_gives_way_to_the_next_free_one() {
    // Whoever else holds it will do as well.
    let _holder = TcpListener::bind("127.0.0.1:8000");
    let place = Place::new();
    let server = Server::start_on(&place, &[], &[]);
    let port: u16 = server.address.rsplit_once(':').unwrap().1.parse().unwrap();
    assert!((8001..8050).contains(&port), "{port}");
    let written = fs::read_to_string(place.state().join("address")).unwrap();
    assert_eq!(written, server.address);
    server.stop();
}

#[test]
fn a_second_server_on_the_same_folder_names_the_first() {
    let place = Place::new();
    let server = Server::start(&place, &[]);
    let words = refused(&place, &["--port", "0"]);
    assert!(
        words.contains(&format!("process {}", server.pid())),
        "{words}"
    );
    assert!(
        words.contains(&place.state().display().to_string()),
        "{words}"
    );
    assert!(words.contains("--state-dir"), "{words}");
    // The first one is not disturbed, and its address is still the announced one.
    server.engine_pid();
    let written = fs::read_to_string(place.state().join("address")).unwrap();
    assert_eq!(written, server.address);
    server.stop();
}

#[test]
fn an_unknown_scheme_is_refused_with_the_list_of_those_that_exist() {
    let place = Place::new();
    let server = Server::start(&place, &[]);
    for url in ["gopher://x", "nothing", ""] {
        let (status, answer) = server.ask_session(url);
        assert_eq!(status, 422, "{url}: {answer}");
    }
    let (_, answer) = server.ask_session("gopher://x");
    let words = answer.to_string();
    for known in ["gopher://x", "demo", "file", "test"] {
        assert!(words.contains(known), "{known}: {words}");
    }
    assert_eq!(answer["code"], "unknown_scheme");
    let sessions = server.get("/api/v1/operator/sessions");
    assert_eq!(
        sessions.as_array().unwrap().len(),
        0,
        "no session is opened for it"
    );
    server.stop();
}

#[test]
fn files_that_cannot_be_played_are_named_and_their_sessions_closed() {
    let place = Place::new();
    let server = Server::start(&place, &[]);
    let missing = place.root().join("missing.mp4");
    let garbage = place.root().join("garbage.mp4");
    let noise: Vec<u8> = (0..100_000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    fs::write(&garbage, noise).unwrap();
    let empty = place.root().join("empty.wav");
    fs::write(&empty, b"").unwrap();
    for file in [&missing, &garbage, &empty] {
        let (status, answer) = server.ask_session(&format!("file:{}", file.display()));
        let words = answer.to_string();
        assert_eq!(status, 422, "{words}");
        assert!(words.contains(&*file.to_string_lossy()), "{words}");
        assert!(
            words.contains("check the path") || words.contains("use a file"),
            "{words}"
        );
    }
    let sessions = server.get("/api/v1/operator/sessions");
    let sessions = sessions.as_array().unwrap();
    assert_eq!(sessions.len(), 3);
    assert!(
        sessions.iter().all(|session| session["status"] == "ended"),
        "{sessions:?}"
    );
    // The engine survived all of it.
    assert_eq!(server.get("/api/v2/status")["engine"]["deaths"], 0);
    let ids: Vec<_> = sessions
        .iter()
        .map(|s| s["session_id"].as_str().unwrap().parse().unwrap())
        .collect();
    server.stop();
    let store = open_store(&place);
    // Newest first.
    let reasons = [
        "source_not_media",
        "source_not_media",
        "source_file_unreadable",
    ];
    for (id, reason) in std::iter::zip(ids, reasons) {
        let row = store.reader().read(move |view| view.session(id)).unwrap();
        assert_eq!(row.unwrap().end_reason.as_deref(), Some(reason));
    }
}

#[test]
fn sound_alone_and_picture_alone_are_measured_too() {
    let place = Place::new();
    let server = Server::start(&place, &[]);
    let sound = place.root().join("sound.wav");
    wav(&sound, &Sound::tone(32));
    let picture = place.root().join("picture.avi");
    avi(&picture, &Picture::grey(32), None);
    let play = |file: &std::path::Path| {
        let session = server.session(&format!("file:{}?pace=fast", file.display()));
        server.wait_ended(&session);
        session.parse().unwrap()
    };
    let (sound, picture) = (play(&sound), play(&picture));
    server.stop();
    let store = open_store(&place);
    for (id, has_sound) in [(sound, true), (picture, false)] {
        let (session, rows) = store
            .reader()
            .read(move |view| Ok((view.session(id)?, view.segments(id, 10)?)))
            .unwrap();
        assert_eq!(
            session.unwrap().end_reason.as_deref(),
            Some("end_of_stream")
        );
        let first = rows.last().unwrap();
        assert_eq!(first.kind, WindowKind::Grid);
        assert_eq!(first.pcm_sha256.is_some(), has_sound, "{first:?}");
        assert_eq!(first.rms_dbfs.is_some(), has_sound, "{first:?}");
        assert_eq!(first.n_frames > 0, !has_sound, "{first:?}");
    }
}
