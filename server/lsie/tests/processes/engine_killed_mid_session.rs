//! The media process is killed while a session runs: the server answers throughout, the session goes on.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use lsie_schemas::time::UtcMicros;
use serde_json::Value;

use crate::server::{CEILING, MEDIA_CEILING, Place, Server, kill, lsie_at, runs, wait};

fn instant(value: &Value) -> UtcMicros {
    UtcMicros::parse(value.as_str().unwrap()).unwrap()
}

/// Looks until a new engine measures; every look must be answered. Gives the states of health and engine on the way.
fn watch_recovery(server: &Server, session: &str, killed: u32) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    wait("a new engine measures", MEDIA_CEILING, || {
        let status = server.get("/api/v2/status");
        let health = server.get("/api/v1/operator/health");
        server.get("/api/v1/operator/overview");
        seen.insert(format!("health {}", text(&health["overall_state"])));
        seen.insert(format!("engine {}", text(&status["engine"]["state"])));
        let pid = status["engine"]["pid"].as_u64().unwrap_or_default() as u32;
        let back = status["engine"]["state"] == "ok" && pid != killed;
        let measures = server.readback(session)["source_state"] == "playing";
        (back && measures && health["overall_state"] == "ok").then_some(())
    });
    seen
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn the_api_answers_health_recovers_and_the_session_goes_on_with_a_recorded_gap() {
    let place = Place::new();
    let server = Server::start(&place, &[]);
    let session = server.session("demo:presenter");
    server.wait_calibrated(&session);
    server.attested_stimulus(&session);
    let committed = server.wait_encounters(&session, 1);
    let learnt = server.posteriors();
    assert_eq!(committed[0]["applied"], true, "{committed:?}");

    let engine = server.engine_pid();
    kill(engine);
    let seen = watch_recovery(&server, &session, engine);
    assert!(seen.contains("engine recovering"), "{seen:?}");
    assert!(seen.contains("health recovering"), "{seen:?}");
    assert!(!runs(engine));

    let gap = wait("the gap is closed", CEILING, || {
        let gaps = server.readback(&session)["data_gaps"].clone();
        let gap = gaps
            .as_array()
            .unwrap()
            .iter()
            .find(|gap| gap["reason"] == "engine_restart")
            .cloned()?;
        (instant(&gap["to_utc"]) > instant(&gap["from_utc"])).then_some(gap)
    });
    assert!(server.alerts().contains("data_gap"));
    assert_eq!(
        server.encounters(&session),
        committed,
        "nothing committed is lost or doubled"
    );
    assert_eq!(server.posteriors(), learnt);
    assert_eq!(
        server.readback(&session)["session"]["is_calibrating"],
        false,
        "the new engine got the baseline"
    );

    let clear = instant(&gap["to_utc"]).0 + 6_000_000;
    wait("the gap is out of the windows", MEDIA_CEILING, || {
        let now = instant(&server.readback(&session)["generated_at_utc"]);
        (now.0 > clear).then_some(())
    });
    server.attested_stimulus(&session);
    let both = server.wait_encounters(&session, 2);
    assert_eq!(both.len(), 2);
    assert_eq!(both[0]["applied"], true, "{both:?}");
    assert_eq!(both[1], committed[0]);
    server.stop();
}

#[test]
fn an_encounter_that_was_being_measured_is_committed_once_as_a_gap_and_teaches_nothing() {
    let place = Place::new();
    let server = Server::start(&place, &[]);
    let session = server.session("demo:presenter");
    server.wait_picture(&session);
    let before = server.posteriors();
    server.attested_stimulus(&session);
    let engine = server.engine_pid();
    kill(engine);

    let rows = server.wait_encounters(&session, 1);
    assert_eq!(rows[0]["applied"], false, "{rows:?}");
    assert_eq!(rows[0]["skip_reason"], "data_gap", "{rows:?}");
    assert_eq!(rows[0]["state_v2"], "rejected_data_gap", "{rows:?}");
    watch_recovery(&server, &session, engine);
    // The window would have closed by now; the new engine must not commit it a second time.
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(server.encounters(&session), rows);
    assert_eq!(server.posteriors(), before);
    server.stop();
}

#[test]
fn an_engine_comes_back_from_the_same_build_after_the_binary_was_replaced() {
    let place = Place::new();
    let program = place.root().join("lsie");
    fs::copy(env!("CARGO_BIN_EXE_lsie"), &program).unwrap();
    let server = Server::start_as(lsie_at(&program), &place, &["--port", "0"], &[]);
    let engine = server.engine_pid();
    // As a build does it: the new file takes the name, the old one runs on without.
    let newer = place.root().join("newer");
    fs::write(&newer, "#!/bin/sh\nexit 1\n").unwrap();
    fs::rename(&newer, &program).unwrap();
    kill(engine);
    wait("another engine is up", CEILING, || {
        let engine_now = server.get("/api/v2/status")["engine"].clone();
        let is_other = engine_now["pid"].as_u64() != Some(u64::from(engine));
        (engine_now["state"] == "ok" && is_other).then_some(())
    });
    let name = fs::read_to_string(format!("/proc/{}/comm", server.engine_pid())).unwrap();
    assert_eq!(name.trim(), "lsie-engine");
}
