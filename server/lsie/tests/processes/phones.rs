//! The whole program with a simulated phone below the genuine adb server.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use lsie_handset::simulator::{AdbServer, Film, Phone, PhoneSettings, SimulatorError};
use lsie_schemas::time::UtcMicros;
use serde_json::Value;

use crate::server::{CEILING, MEDIA_CEILING, Place, Server, cache_dir, kill, lsie, wait};

const VERSION: &str = "4.1";

/// A phone, an adb server of our own below which it is plugged in, and a file that stands for the scrcpy server.
struct Bench {
    phone: Arc<Phone>,
    adb: AdbServer,
    jar: PathBuf,
}

impl Bench {
    /// `None` where adb is not installed, which was said loudly.
    fn new(name: &str, change: impl FnOnce(&mut PhoneSettings)) -> Option<Self> {
        let adb = match AdbServer::start(name) {
            Err(SimulatorError::NoAdb) => {
                let words = "SKIPPED: adb is not installed, the genuine server was not tried";
                let _ = writeln!(std::io::stderr(), "{words}");
                return None;
            }
            started => started.unwrap(),
        };
        let mut settings = PhoneSettings::new(VERSION, Instant::now());
        change(&mut settings);
        let phone = Phone::start(settings).unwrap();
        adb.attach(&phone).unwrap();
        let jar = adb.home().join("scrcpy-server");
        fs::write(&jar, b"PK\x03\x04 no real jar").unwrap();
        Some(Self { phone, adb, jar })
    }

    /// The configuration that a user with this phone would write.
    fn options(&self) -> Vec<String> {
        [
            format!("device.adb_port={}", self.adb.port()),
            format!("device.adb={}", self.adb.program().display()),
            format!("device.scrcpy_server={}", self.jar.display()),
            format!("device.scrcpy_version={VERSION}"),
        ]
        .into_iter()
        .flat_map(|set| ["--set".to_owned(), set])
        .collect()
    }

    fn run(&self, line: &[&str]) -> Value {
        let done = lsie().args(self.options()).args(line).output().unwrap();
        assert!(done.status.success(), "{line:?}: {done:?}");
        serde_json::from_slice(&done.stdout).unwrap()
    }
}

/// The presenter's pictures, drawn once by a session of the demo.
fn presenter() -> Film {
    let file = || {
        let folder = fs::read_dir(cache_dir().join("demo/demo")).ok()?;
        let mut paths = folder.filter_map(|entry| Some(entry.ok()?.path()));
        paths.find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("presenter-") && !name.contains("mask") && name.ends_with(".lsiedemo")
        })
    };
    if file().is_none() {
        let place = Place::new();
        let server = Server::start(&place, &[]);
        let session = server.session("demo:presenter");
        server.wait_picture(&session);
        server.stop();
    }
    Film::presenter(&file().unwrap()).unwrap()
}

/// The presenter's voice as a phone's microphone gives it.
fn voice(place: &Place) -> Vec<u8> {
    let flac =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../media/ingest/assets/voice.flac");
    let raw = place.root().join("voice.raw");
    let line = format!(
        "--quiet filesrc location={} ! flacparse ! flacdec ! audioconvert ! audioresample \
         ! audio/x-raw,format=S16LE,rate=48000,channels=2 ! filesink location={}",
        flac.display(),
        raw.display()
    );
    let done = Command::new("gst-launch-1.0")
        .args(line.split_whitespace())
        .status();
    assert!(done.unwrap().success(), "{line}");
    fs::read(raw).unwrap()
}

fn instant(value: &Value) -> UtcMicros {
    UtcMicros::parse(value.as_str().unwrap()).unwrap()
}

/// The health of the source once it is as wanted.
fn wait_source(server: &Server, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    wait(what, MEDIA_CEILING, || {
        let health = server.get("/api/v1/operator/health");
        let parts = health["subsystems"].as_array().unwrap();
        let source = parts
            .iter()
            .find(|part| part["subsystem_key"] == "source")?;
        wanted(source).then(|| source.clone())
    })
}

fn measures(server: &Server, session: &str) -> bool {
    server.readback(session)["visual"]["au12"].is_number()
}

#[test]
fn attached_phones_are_listed_with_what_to_do() {
    let Some(bench) = Bench::new("list", |settings| settings.is_authorized = false) else {
        return;
    };
    let serial = bench.phone.serial();
    let listed = wait("the phone is listed", CEILING, || {
        let rows = bench.run(&["device", "list", "--json"]);
        (rows[0]["state"] == "unauthorized").then_some(rows)
    });
    assert_eq!(listed[0]["serial"], serial);
    assert!(listed[0]["next_step"].as_str().unwrap().contains("unlock"));
    bench.phone.authorize();
    wait("the phone is ready", CEILING, || {
        let rows = bench.run(&["device", "list", "--json"]);
        (rows[0]["state"] == "ready").then_some(())
    });
    let findings = bench.run(&["device", "doctor", "--json"]);
    let findings = findings.as_array().unwrap();
    assert!(
        findings.iter().all(|found| found["is_ok"] == true),
        "{findings:?}"
    );
    let subjects: Vec<_> = findings
        .iter()
        .map(|f| f["subject"].as_str().unwrap())
        .collect();
    let phone = format!("phone {serial}");
    assert_eq!(
        subjects,
        ["adb program", "adb server", phone.as_str(), "scrcpy server"]
    );
}

#[test]
fn a_phone_is_measured_and_a_pulled_cable_is_a_gap() {
    let place = Place::new();
    let (film, sound) = (Arc::new(presenter()), voice(&place));
    let Some(bench) = Bench::new("session", |settings| {
        settings.film = Some(film);
        settings.sound = Some(sound.into());
    }) else {
        return;
    };
    let options = bench.options();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let server = Server::start(&place, &options);
    let session = server.session(&format!("android://{}", bench.phone.serial()));
    server.wait_calibrated(&session);
    wait("AU12 is measured", MEDIA_CEILING, || {
        measures(&server, &session).then_some(())
    });
    let source = wait_source(&server, "the clock is good", |source| {
        source["state"] == "ok" && source["detail"].as_str().unwrap().contains("drift")
    });
    assert!(
        source["detail"].as_str().unwrap().contains("clock good"),
        "{source}"
    );
    let clock = server.readback(&session)["source"]["clock"].clone();
    // The simulated clock runs 80 ppm fast.
    let drift_ppm = clock["drift_ppm"].as_f64().unwrap();
    assert!((drift_ppm - 80.0).abs() < 500.0, "{clock}");
    assert!(clock["uncertainty_ms"].as_f64().unwrap() < 20.0, "{clock}");

    bench.phone.unplug();
    let source = wait_source(&server, "the phone is missed", |source| {
        source["detail"].as_str().unwrap().contains("no_device")
    });
    assert_eq!(source["state"], "recovering");
    let hint = source["operator_action_hint"].as_str().unwrap();
    assert!(hint.contains("plug a phone in"), "{source}");
    bench.phone.replug().unwrap();
    let gap = wait("the gap is closed", MEDIA_CEILING, || {
        let gaps = server.readback(&session)["data_gaps"].clone();
        let gaps = gaps.as_array().unwrap();
        let gap = gaps
            .iter()
            .find(|gap| gap["reason"] == "source_recovering")
            .cloned()?;
        (instant(&gap["to_utc"]) > instant(&gap["from_utc"])).then_some(gap)
    });
    wait_source(&server, "the phone is back", |source| {
        source["state"] == "ok"
    });
    wait("the gap is out of the windows", MEDIA_CEILING, || {
        let now = instant(&server.readback(&session)["generated_at_utc"]);
        (now.0 > instant(&gap["to_utc"]).0 + 6_000_000).then_some(())
    });
    server.attested_stimulus(&session);
    let rows = server.wait_encounters(&session, 1);
    assert_eq!(rows[0]["applied"], true, "{rows:?}");
    let seen = server.readback(&session);
    assert!(seen["session"]["ended_at_utc"].is_null(), "{seen}");
    let clock = &seen["segments"][0]["clock"];
    assert!(clock["uncertainty_ms"].as_f64().unwrap() > 0.0, "{seen}");
    assert!(clock["drift_ppm"].is_number() && clock["offset_s"].is_number());
    let metrics = server.get("/metrics");
    let metrics = metrics.as_str().unwrap();
    assert!(
        metrics.contains("lsie_source_clock_uncertainty_ms"),
        "{metrics}"
    );
    // The tries between the pull and the plug depend on how soon adb saw the cable go.
    let tries = metrics
        .lines()
        .find_map(|line| line.strip_prefix("lsie_phone_sessions_total "))
        .and_then(|count| count.parse::<u64>().ok());
    assert!(tries.is_some_and(|tries| tries >= 2), "{metrics}");
    assert!(metrics.contains("lsie_source_bit_rate_bps "), "{metrics}");
    server.stop();
    wait("the phone's server is gone", CEILING, || {
        (bench.phone.servers() == 0).then_some(())
    });
}

#[test]
fn a_segment_of_a_phone_without_a_responder_states_thirty_milliseconds() {
    let place = Place::new();
    let Some(bench) = Bench::new("no-responder", |settings| settings.runs_responder = false) else {
        return;
    };
    let options = bench.options();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let server = Server::start(&place, &options);
    let session = server.session(&format!("android://{}", bench.phone.serial()));
    server.wait_picture(&session);
    wait_source(&server, "arrivals map", |source| {
        source["detail"].as_str().unwrap().contains("one_way")
    });
    server.attested_stimulus(&session);
    server.wait_encounters(&session, 1);
    let seen = server.readback(&session);
    let clock = &seen["segments"][0]["clock"];
    let state = clock["state"].as_str().unwrap();
    // The first moments of a session have no arrivals to go by.
    assert!(["one_way", "none"].contains(&state), "{seen}");
    assert_eq!(clock["uncertainty_ms"], 30.0, "{seen}");
    assert!(clock["offset_s"].is_null() && clock["drift_ppm"].is_null());
    server.stop();
}

#[test]
fn a_session_waits_for_a_phone_that_has_not_accepted_this_computer() {
    let place = Place::new();
    let Some(bench) = Bench::new("waits", |settings| settings.is_authorized = false) else {
        return;
    };
    let options = bench.options();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let server = Server::start(&place, &options);
    let session = server.session("android://device");
    let source = wait_source(&server, "the phone is waited for", |source| {
        source["detail"].as_str().unwrap().contains("unauthorized")
    });
    assert_eq!(source["state"], "recovering");
    assert!(
        source["operator_action_hint"]
            .as_str()
            .unwrap()
            .contains("unlock")
    );
    bench.phone.authorize();
    server.wait_picture(&session);
    server.stop();
}

#[test]
fn a_phone_goes_on_after_the_media_process_died() {
    let place = Place::new();
    let Some(bench) = Bench::new("engine", |_| {}) else {
        return;
    };
    let options = bench.options();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let server = Server::start(&place, &options);
    let session = server.session(&format!("android://{}", bench.phone.serial()));
    server.wait_picture(&session);
    let killed = server.engine_pid();
    kill(killed);
    wait("a new engine measures", MEDIA_CEILING, || {
        let status = server.get("/api/v2/status");
        let is_other = status["engine"]["pid"].as_u64() != Some(u64::from(killed));
        let plays = server.readback(&session)["source_state"] == "playing";
        (status["engine"]["state"] == "ok" && is_other && plays).then_some(())
    });
    wait("the gap is recorded", CEILING, || {
        let seen = server.readback(&session);
        let gaps = seen["data_gaps"].as_array().unwrap();
        let has_gap = gaps.iter().any(|gap| gap["reason"] == "engine_restart");
        has_gap.then_some(())
    });
    wait("one server runs on the phone", CEILING, || {
        (bench.phone.servers() == 1).then_some(())
    });
    server.stop();
}

#[test]
fn a_pipeline_reaches_phones_as_the_configuration_says() {
    let place = Place::new();
    let Some(bench) = Bench::new("pipeline", |_| {}) else {
        return;
    };
    let file = place.root().join("phone.toml");
    let text = format!(
        "[pipeline]\nid = \"phone\"\n[[node]]\nname = \"phone\"\nkind = \"input\"\nurl = \"android://{}?audio=none\"\n\
         [[node]]\nname = \"out\"\nkind = \"print\"\nin = \"phone:video\"\n",
        bench.phone.serial()
    );
    fs::write(&file, text).unwrap();
    let done = lsie()
        .env("LSIE_DEVICE_ADB_PORT", bench.adb.port().to_string())
        .env("LSIE_DEVICE_SCRCPY_SERVER", &bench.jar)
        .env("LSIE_DEVICE_SCRCPY_VERSION", VERSION)
        .args(["pipeline", "run", "--once", "--quiet"])
        .arg(file)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    let line = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(line.contains("320"), "{line}");
}
