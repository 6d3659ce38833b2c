//! An engine that dies again and again is left down until the operator says otherwise.

use serde_json::Value;

use crate::server::{CEILING, Place, Server, kill, lsie, wait};

fn engine_part(server: &Server) -> Value {
    let health = server.get("/api/v1/operator/health");
    let parts = health["subsystems"].as_array().unwrap();
    let engine = parts
        .iter()
        .find(|part| part["subsystem_key"] == "engine")
        .cloned();
    engine.unwrap()
}

#[test]
fn the_circuit_opens_says_so_and_the_operator_closes_it() {
    let place = Place::new();
    let server = Server::start(&place, &["--set", "engine.restart_max_s=0.5"]);
    let mut last = 0;
    for death in 1..=6 {
        let pid = wait("another engine is up", CEILING, || {
            let pid = server.engine_pid();
            (pid != last).then_some(pid)
        });
        assert_eq!(server.get("/api/v2/status")["engine"]["deaths"], death - 1);
        kill(pid);
        last = pid;
        wait("the death is noticed", CEILING, || {
            (server.get("/api/v2/status")["engine"]["deaths"] == death).then_some(())
        });
    }
    let status = server.get("/api/v2/status");
    assert_eq!(status["engine"]["state"], "circuit_open", "{status}");
    assert_eq!(status["overall_state"], "error", "{status}");
    assert!(status["engine"]["pid"].is_null(), "{status}");
    let part = engine_part(&server);
    assert_eq!(part["state"], "error", "{part}");
    assert!(
        part["detail"].as_str().unwrap().contains("circuit open"),
        "{part}"
    );
    let hint = part["operator_action_hint"].as_str().unwrap();
    assert!(hint.contains("lsie engine-control reset"), "{part}");
    let (refused, answer) = server.ask_session("demo:presenter");
    assert_eq!(refused, 503, "{answer}");

    let reset = lsie()
        .args(["engine-control", "reset", "--api-url", &server.address])
        .output()
        .unwrap();
    assert!(
        reset.status.success(),
        "{}",
        String::from_utf8_lossy(&reset.stderr)
    );
    assert_ne!(server.engine_pid(), last);
    assert_eq!(engine_part(&server)["state"], "ok");
    let session = server.session("demo:presenter");
    server.wait_picture(&session);
    server.stop();
}
