//! What a person at the terminal meets: help, exit codes, tables, JSON, errors.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::server::{EXPERIMENT, Place, Server, lsie};

/// A terminal that is wider than most; tables stay below it.
const WIDE: usize = 140;
/// A terminal as it opens.
const NARROW: usize = 80;

fn words(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

fn run(arguments: &[&str]) -> Output {
    lsie().args(arguments).output().unwrap()
}

/// Without any variable of the caller, so that the help is the same everywhere.
fn bare(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lsie"));
    command.env_clear().env("COLUMNS", "100").args(arguments);
    command.output().unwrap()
}

/// Compares with the committed text; `LSIE_UPDATE_SNAPSHOTS=1` writes it instead.
fn assert_snapshot(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/snapshots")
        .join(name);
    if std::env::var_os("LSIE_UPDATE_SNAPSHOTS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text, kept,
        "{name} changed; if that is meant, run with LSIE_UPDATE_SNAPSHOTS=1"
    );
}

#[test]
fn help_reads_as_it_was_agreed() {
    let pages: [&[&str]; 12] = [
        &[],
        &["serve"],
        &["check"],
        &["sessions"],
        &["sessions", "start"],
        &["live-session"],
        &["stimulus"],
        &["experiments"],
        &["models"],
        &["pipeline"],
        &["pipeline", "run"],
        &["semantics", "score"],
    ];
    for page in pages {
        let done = bare(&[page, &["--help"]].concat());
        let (text, _) = words(&done);
        assert!(done.status.success());
        let name = [&["lsie"], page].concat().join("-");
        assert_snapshot(&format!("{name}.txt"), &text);
    }
}

#[test]
fn exit_codes_tell_done_failed_and_wrong_line_apart() {
    let code = |arguments: &[&str]| run(arguments).status.code();
    assert_eq!(code(&["--version"]), Some(0));
    assert_eq!(code(&["config"]), Some(0));
    assert_eq!(
        code(&["status", "--api-url", "http://127.0.0.1:1"]),
        Some(1)
    );
    assert_eq!(code(&["config", "--set", "server.prot=1"]), Some(1));
    assert_eq!(
        code(&["--config", "/nonexistent/lsie.toml", "config"]),
        Some(1)
    );
    assert_eq!(code(&["frobnicate"]), Some(2));
    assert_eq!(code(&["alerts", "--limit", "0"]), Some(2));
    assert_eq!(code(&["sessions", "show", "no-uuid"]), Some(2));
    assert_eq!(code(&[]), Some(2));
}

#[test]
fn without_adb_the_phone_commands_say_what_to_do() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    drop(holder);
    let line = ["--adb-port", &port, "--adb", "/nonexistent/adb"];
    let listed = run(&[&["device", "list"], line.as_slice()].concat());
    assert_eq!(listed.status.code(), Some(1));
    assert!(
        words(&listed).1.contains("apt-get install adb"),
        "{listed:?}"
    );
    let looked = run(&[&["device", "doctor", "--json"], line.as_slice()].concat());
    let findings: Value = serde_json::from_slice(&looked.stdout).unwrap();
    let subject = |at: usize| findings[at]["subject"].as_str().map(str::to_owned);
    assert_eq!(subject(0).as_deref(), Some("adb program"));
    assert_eq!(subject(1).as_deref(), Some("adb server"));
    assert_eq!(findings[1]["is_ok"], false);
    assert!(findings[1]["next_step"].is_string());
}

#[test]
fn the_doctor_is_not_talked_over_by_the_graphics_library() {
    let done = lsie()
        .arg("doctor")
        .env_remove("NODEVICE_SELECT")
        .env_remove("XDG_RUNTIME_DIR")
        .output()
        .unwrap();
    let (out, err) = words(&done);
    assert!(done.status.success(), "{err}");
    assert!(!err.contains("XDG_RUNTIME_DIR"), "{err}");
    let networks = out
        .lines()
        .any(|line| line.starts_with("networks on this device"));
    assert!(networks, "{out}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = lsie()
        .args(["config", "--json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let done = child.wait_with_output().unwrap();
    assert_eq!(words(&done).1, "");
    assert_eq!(done.status.code(), Some(0));
}

#[test]
fn errors_name_address_endpoint_and_next_step() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", holder.local_addr().unwrap());
    drop(holder);
    let done = run(&["status", "--api-url", &address]);
    let (out, err) = words(&done);
    assert!(out.is_empty(), "{out}");
    for word in [address.as_str(), "GET", "/api/v2/status", "lsie serve"] {
        assert!(err.contains(word), "{word}: {err}");
    }
    let (_, err) = words(&run(&["config", "--set", "server.prot=1"]));
    assert!(
        err.contains("server.prot") && err.contains("server.port"),
        "{err}"
    );
    let (_, err) = words(&run(&["config", "--set", "server.port=70000"]));
    assert!(
        err.contains("server.port") && err.contains("--set"),
        "{err}"
    );
    let (_, err) = words(&run(&["config", "--set", "server.port"]));
    assert!(err.contains("KEY=VALUE"), "{err}");
}

/// Every command that reads, with a session to read about.
fn reading(session: &str) -> Vec<Vec<String>> {
    let lines = [
        "status".to_owned(),
        "overview".to_owned(),
        "health".to_owned(),
        "alerts".to_owned(),
        "sessions list".to_owned(),
        format!("sessions show {session}"),
        format!("live-session encounters {session}"),
        format!("live-session readback {session}"),
        "experiments list".to_owned(),
        format!("experiments show {EXPERIMENT}"),
        format!("experiments readout {EXPERIMENT}"),
        format!("physiology show {session}"),
        format!("comodulation show {session}"),
        "models list".to_owned(),
        "doctor".to_owned(),
        "config".to_owned(),
    ];
    lines
        .iter()
        .map(|line| line.split(' ').map(str::to_owned).collect())
        .collect()
}

#[test]
fn every_command_prints_a_table_that_fits_and_json_that_parses() {
    let place = Place::new();
    let server = Server::start(&place, &[]);
    let ask = |arguments: &[&str], columns: usize| {
        let done = lsie()
            .args(arguments)
            .args(["--api-url", &server.address])
            .env("COLUMNS", columns.to_string())
            .output()
            .unwrap();
        let (out, err) = words(&done);
        assert!(done.status.success(), "{arguments:?}: {err}");
        out
    };
    let json = |arguments: &[&str]| -> Value {
        let out = ask(&[arguments, &["--json"]].concat(), WIDE);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?}: {error}\n{out}"))
    };
    let started = json(&[
        "sessions",
        "start",
        "demo:presenter",
        "--experiment",
        EXPERIMENT,
    ]);
    let session = started["session_id"].as_str().unwrap().to_owned();
    server.wait_picture(&session);
    let given = json(&[
        "stimulus",
        "submit",
        &session,
        "--note",
        "from the terminal",
    ]);
    assert!(given["stimulus_time_utc"].is_string(), "{given}");
    assert_eq!(json(&["stimulus", "attest", &session])["accepted"], true);
    let rows = server.wait_encounters(&session, 1);
    let seen_state = rows[0]["state_v2"].as_str().unwrap().to_owned();

    for line in reading(&session) {
        let arguments: Vec<&str> = line.iter().map(String::as_str).collect();
        json(&arguments);
        for columns in [WIDE, NARROW] {
            let out = ask(&arguments, columns);
            assert!(!out.trim().is_empty(), "{arguments:?}");
            let widest = out
                .lines()
                .map(|line| line.chars().count())
                .max()
                .unwrap_or_default();
            // A table's words can be folded, an id cannot: two of them side by side are never needed.
            assert!(widest <= columns, "{arguments:?} is {widest} wide:\n{out}");
        }
    }
    let table = ask(&["live-session", "encounters", &session], WIDE);
    assert!(table.contains(&seen_state), "{table}");
    assert_eq!(json(&["engine-control", "reset"])["accepted"], true);
    assert_eq!(json(&["sessions", "end", &session])["action"], "end");
    refusals(&server, &session);
    server.stop();
}

/// The server's refusals as the terminal shows them.
fn refusals(server: &Server, session: &str) {
    let refused = |arguments: &[&str]| {
        let done = run(&[arguments, &["--api-url", &server.address]].concat());
        assert_eq!(done.status.code(), Some(1), "{arguments:?}");
        let (_, err) = words(&done);
        assert!(
            err.contains(&server.address) && err.contains("/api/"),
            "{err}"
        );
        err
    };
    let err = refused(&[
        "sessions",
        "start",
        "gopher://x",
        "--experiment",
        EXPERIMENT,
    ]);
    assert!(err.contains("422") && err.contains("demo:"), "{err}");
    let err = refused(&[
        "sessions",
        "start",
        "demo:presenter",
        "--experiment",
        "no_such",
    ]);
    assert!(err.contains("no_such"), "{err}");
    let err = refused(&["stimulus", "submit", session]);
    assert!(err.contains("ended"), "{err}");
    let err = refused(&["sessions", "show", "00000000-0000-4000-8000-000000000000"]);
    assert!(err.contains("404"), "{err}");
}

#[test]
fn the_example_configuration_is_accepted_as_it_is_printed() {
    let place = Place::new();
    let (example, _) = words(&run(&["config", "--example"]));
    let path = place.root().join("lsie.toml");
    fs::write(&path, &example).unwrap();
    let done = run(&["--config", &path.to_string_lossy(), "config"]);
    let (out, err) = words(&done);
    assert!(done.status.success(), "{err}");
    assert!(out.contains("server.port"), "{out}");
}

#[test]
fn a_pair_is_scored_without_a_server_and_every_scorer_is_shown() {
    let arguments = [
        "--json",
        "semantics",
        "score",
        "--rule",
        "Say hello to the creator and welcome them to the stream.",
        "--decides",
        "sentence-embedding",
        "--utterance",
    ];
    let scored = |utterance: &str| -> Value {
        let done = run(&[arguments.as_slice(), &[utterance]].concat());
        let (text, fault) = words(&done);
        assert!(done.status.success(), "{fault}");
        serde_json::from_str(&text).unwrap()
    };
    let near = scored("Say hello to the creator and welcome them to this stream");
    assert_eq!(near["verdict"]["reasoning"], "cross_encoder_high_match");
    let version = near["verdict"]["semantic_method_version"].as_str().unwrap();
    assert!(version.starts_with("sentence_embedding-") && version.ends_with("+cosine_clamp_v1"));
    let far = scored("-5 degrees, and the invoice is due on Monday");
    assert_eq!(far["verdict"]["is_match"], false);
    assert_eq!(scored("  ")["verdict"]["reasoning"], "semantic_error");
    let scorers: Vec<_> = far["scorers"].as_array().unwrap().iter().collect();
    let names: Vec<_> = scorers
        .iter()
        .map(|row| row["scorer"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["cross_encoder", "sentence_embedding", "lexical"]);
    assert_eq!(scorers[0]["state"], "unavailable");
    assert!(
        scorers[0]["reason"]
            .as_str()
            .unwrap()
            .contains("models.local.toml")
    );
    let roles: Vec<_> = scorers
        .iter()
        .map(|row| row["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["shadow", "decides", "shadow"]);
    let done = run(&[
        "semantics",
        "score",
        "--rule",
        "a",
        "--utterance",
        &"x".repeat(70_000),
    ]);
    assert_eq!(done.status.code(), Some(1));
    assert!(
        words(&done).1.contains("at most 65536"),
        "{}",
        words(&done).1
    );
}

/// Without the variable ONNX Runtime writes an identifier of the machine and its records into the cache folder.
#[test]
fn the_inference_library_gathers_nothing_about_its_user() {
    let folder = tempfile::tempdir().unwrap();
    let done = lsie()
        .args(["models", "verify"])
        .env_remove("ORT_DISABLE_TELEMETRY")
        .env("XDG_CACHE_HOME", folder.path())
        .env("HOME", folder.path())
        .output()
        .unwrap();
    assert!(done.status.success(), "{:?}", words(&done));
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
