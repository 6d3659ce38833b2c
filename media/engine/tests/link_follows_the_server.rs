//! Handshake, heartbeat and the end of the link.

#![expect(clippy::unwrap_used, reason = "set-up of a test")]

mod server;

use std::path::Path;

use lsie_engine::EngineError;
use lsie_schemas::link::{EngineMessage, LINK_PROTOCOL, ServerMessage};
use uuid::Uuid;

use server::{BUILD, Server, hello, order};

fn refused(first: Option<ServerMessage>) {
    let mut server = Server::silent();
    if let Some(message) = first {
        server.send(&message);
    }
    assert!(server.try_next().is_none());
    let outcome = server.engine.join().unwrap();
    assert!(
        matches!(outcome, Err(EngineError::Handshake(_))),
        "{outcome:?}"
    );
}

#[test]
fn another_build_another_protocol_another_message_and_silence_are_refused() {
    let nowhere = Path::new("/nowhere");
    refused(Some(hello(LINK_PROTOCOL, "another-build", nowhere)));
    refused(Some(hello(LINK_PROTOCOL + 1, BUILD, nowhere)));
    refused(Some(ServerMessage::Heartbeat { seq: 1 }));
    refused(None);
}

#[test]
fn hello_names_models_and_sources_and_the_heartbeat_grows() {
    let empty = tempfile::tempdir().unwrap();
    let (mut server, hello) = Server::start(empty.path());
    assert_eq!(
        (hello.protocol, hello.build_id.as_str()),
        (LINK_PROTOCOL, BUILD)
    );
    let schemes: Vec<&str> = hello
        .sources
        .keys()
        .map(lsie_schemas::link::Text::as_str)
        .collect();
    assert_eq!(
        schemes,
        [
            "android", "demo", "file", "mic", "rtsp", "srt", "test", "webcam", "whip"
        ]
    );
    let mesh = hello
        .models
        .iter()
        .find(|(name, _)| name.as_str() == "face_mesh");
    assert!(mesh.unwrap().1.as_str().contains("lsie models fetch"));
    for expected in 0..3 {
        let EngineMessage::Heartbeat(beat) = server.next() else {
            panic!("only heartbeats without a session");
        };
        assert_eq!((beat.seq, beat.source_state.as_str()), (expected, "closed"));
    }
    server.shut_down();
}

#[test]
fn the_engine_ends_with_its_link_and_with_a_silent_server() {
    let empty = tempfile::tempdir().unwrap();
    let (server, _) = Server::start(empty.path());
    let Server {
        engine,
        writer,
        reader,
        ..
    } = server;
    reader.shutdown(std::net::Shutdown::Both).unwrap();
    drop(writer);
    engine.join().unwrap().unwrap();

    let mut silent = Server::silent();
    silent.send(&hello(LINK_PROTOCOL, BUILD, empty.path()));
    while silent.try_next().is_some() {}
    silent.engine.join().unwrap().unwrap();
}

#[test]
fn a_stimulus_without_media_is_refused_and_an_end_while_opening_is_answered() {
    let empty = tempfile::tempdir().unwrap();
    let (mut server, _) = Server::start(empty.path());
    let (session_id, stimulus_id) = (Uuid::from_u128(7), Uuid::from_u128(9));
    server.send(&ServerMessage::Stimulus {
        session_id,
        stimulus_id,
    });
    let seen = server.until(|m| matches!(m, EngineMessage::StimulusRefused { .. }));
    let Some(EngineMessage::StimulusRefused { code, .. }) = seen.last() else {
        unreachable!()
    };
    assert_eq!(code.as_str(), "no_open_source");
    server.open(order("test:bars?size=160x120&fps=10&pace=live"));
    server.send(&ServerMessage::End { session_id });
    server.until(|m| matches!(m, EngineMessage::SessionEnded { .. }));
    server.shut_down();
}
