//! The server is killed: its engine ends by itself, the next server recovers the store and says what it did.

use crate::server::{CEILING, Place, Server, runs, wait};

#[test]
fn the_engine_ends_itself_and_the_next_start_closes_what_was_open_and_keeps_what_was_committed() {
    let place = Place::new();
    let server = Server::start(&place, &[]);
    let session = server.session("demo:presenter");
    server.wait_picture(&session);
    server.attested_stimulus(&session);
    let committed = server.wait_encounters(&session, 1);
    let learnt = server.posteriors();
    let open_stimulus = server.attested_stimulus(&session);
    let engine = server.engine_pid();
    assert!(runs(engine));
    server.kill();
    wait("the engine ends by itself", CEILING, || {
        (!runs(engine)).then_some(())
    });

    let server = Server::start(&place, &[]);
    let recovery = server.get("/api/v2/status")["recovery"].to_string();
    for word in [
        session.as_str(),
        &open_stimulus.to_string(),
        "server_restart",
    ] {
        assert!(recovery.contains(word), "{word}: {recovery}");
    }
    let seen = server.get(&format!("/api/v1/operator/sessions/{session}"));
    assert_eq!(seen["status"], "ended", "{seen}");
    assert!(server.alerts().contains("server_restart"));
    assert_eq!(server.encounters(&session), committed);
    assert_eq!(server.posteriors(), learnt);

    let next = server.session("demo:presenter");
    assert_ne!(next, session);
    server.wait_picture(&next);
    server.stop();
    let store = crate::replay::open_store(&place);
    let id = session.parse().unwrap();
    let row = store.reader().read(move |view| view.session(id)).unwrap();
    assert_eq!(row.unwrap().end_reason.as_deref(), Some("server_restart"));
    assert!(store.verify().wait().unwrap().is_sound());
}

#[test]
fn an_orderly_end_takes_the_engine_along_and_leaves_nothing_to_recover() {
    let place = Place::new();
    let server = Server::start(&place, &[]);
    let session = server.session("demo:presenter");
    server.wait_picture(&session);
    let engine = server.engine_pid();
    assert!(place.state().join("address").exists());
    server.stop();
    wait("the engine is gone", CEILING, || {
        (!runs(engine)).then_some(())
    });
    assert!(!place.state().join("address").exists());
    let server = Server::start(&place, &[]);
    assert_eq!(
        server.get("/api/v2/status")["recovery"],
        serde_json::json!([])
    );
    let seen = server.get(&format!("/api/v1/operator/sessions/{session}"));
    assert_eq!(seen["status"], "ended", "{seen}");
    server.stop();
    let store = crate::replay::open_store(&place);
    let id = session.parse().unwrap();
    let row = store.reader().read(move |view| view.session(id)).unwrap();
    assert_eq!(row.unwrap().end_reason.as_deref(), Some("server_stopped"));
}
