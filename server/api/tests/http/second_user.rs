//! Another user of the same machine, played by a child process under another user id.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output, Stdio};

use lsie_schemas::config::AuthMode;

use crate::stage::{Engine, Server, TOKEN, eventually, wait};

const NOBODY: u32 = 65_534;

/// Runs a shell line as another user; `None`, with a word, where the machine does not let us.
fn as_nobody(line: &str) -> Option<Output> {
    if std::fs::metadata("/proc/self").map_or(1, |data| data.uid()) != 0 {
        eprintln!("SKIPPED: not root, so no second user can be played");
        return None;
    }
    let mut command = Command::new("/bin/bash");
    command
        .args(["-c", line])
        .uid(NOBODY)
        .gid(NOBODY)
        .current_dir("/")
        .stdin(Stdio::null());
    match command.output() {
        Ok(output) => Some(output),
        Err(error) => {
            eprintln!("SKIPPED: a process of another user cannot be started: {error}");
            None
        }
    }
}

fn conversation(server: &Server, headers: &str, method: &str, path: &str, then: &str) -> String {
    let request = server
        .head(method, path, headers, "")
        .replace("\r\n", "\\r\\n");
    format!(
        "exec 3<>/dev/tcp/127.0.0.1/{} && printf '{request}' >&3 && {then}",
        server.address.port()
    )
}

/// Whether every socket that talks to this port of ours is past its owner: closed and acknowledged, or gone.
fn is_forgotten(port: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let ours = format!("0100007F:{port:04X}");
    let (fin_wait_2, time_wait) = ("05", "06");
    table
        .lines()
        .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields.get(2) == Some(&ours.as_str()))
        .all(|fields| fields[3] == fin_wait_2 || fields[3] == time_wait)
}

#[test]
fn another_user_is_let_in_with_the_token_only() {
    let server = Server::open(Engine::Silent);
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    for (headers, method, path, status) in [
        ("", "GET", "/health", "401"),
        ("", "POST", "/api/v2/engine/reset", "401"),
        ("Authorization: Bearer wrong\r\n", "GET", "/health", "401"),
        (token.as_str(), "GET", "/health", "200"),
        (token.as_str(), "POST", "/api/v2/engine/reset", "200"),
    ] {
        let Some(output) = as_nobody(&conversation(&server, headers, method, path, "cat <&3"))
        else {
            return;
        };
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            said.starts_with(&format!("HTTP/1.1 {status}")),
            "{method} {path} {headers:?}: {output:?}"
        );
    }
    assert_eq!(server.get("/health").status, 200, "our own user needs none");
}

#[test]
fn another_user_who_hangs_up_before_we_look_is_still_another_user() {
    let mut server = Server::prepare(Engine::Dying, AuthMode::Auto);
    let mut alerts = Vec::new();
    eventually("there is an alert", || {
        alerts = wait(server.supervisor.alerts(50, None)).unwrap();
        !alerts.is_empty()
    });
    let path = format!("/api/v2/alerts/{}/acknowledge", alerts[0].alert_id);
    // The kernel lists a socket that was let go under user 0.
    let Some(output) = as_nobody(&conversation(&server, "", "POST", &path, "exec 3>&-")) else {
        return;
    };
    assert!(output.status.success(), "{output:?}");
    eventually("the kernel has forgotten whose socket it was", || {
        is_forgotten(server.address.port())
    });
    server.go();
    for _ in 0..20 {
        assert_eq!(server.get("/health").status, 200);
    }
    let acknowledged = |id: &str| {
        let alerts = wait(server.supervisor.alerts(500, None)).unwrap();
        alerts
            .iter()
            .any(|alert| alert.alert_id == id && alert.acknowledged)
    };
    assert!(!acknowledged(&alerts[0].alert_id));
    assert_eq!(
        server.post(&path, "").status,
        200,
        "the same request is fine from us"
    );
    assert!(acknowledged(&alerts[0].alert_id));
}
