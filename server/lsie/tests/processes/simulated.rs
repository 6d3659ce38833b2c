//! `lsie simulate-phone`, `lsie device record` and `lsie device fetch-server` as a user meets them.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use lsie_handset::simulator::{AdbServer, SimulatorError};
use serde_json::Value;

use crate::server::{Place, lsie};

/// `None` where adb is not installed, which is said loudly.
fn adb(name: &str) -> Option<AdbServer> {
    match AdbServer::start(name) {
        Err(SimulatorError::NoAdb) => {
            let words = "SKIPPED: adb is not installed, the genuine server was not tried";
            let _ = writeln!(std::io::stderr(), "{words}");
            None
        }
        started => Some(started.unwrap()),
    }
}

/// A simulated phone in a process of its own, unplugged with it.
struct Simulated {
    child: Child,
    serial: String,
}

impl Simulated {
    fn start(adb: &AdbServer, line: &[&str]) -> Self {
        let mut child = lsie()
            .args(["simulate-phone", "--adb-port", &adb.port().to_string()])
            .args(line)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut out = BufReader::new(child.stdout.as_mut().unwrap());
        out.read_line(&mut said).unwrap();
        let serial = said
            .split_whitespace()
            .find(|word| word.starts_with("emulator-"));
        let serial = serial.map(|word| word.trim_end_matches(',').to_owned());
        Self {
            child,
            serial: serial.unwrap_or_else(|| panic!("{said}")),
        }
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn record(adb: &AdbServer, serial: &str, folder: &Path, more: &[&str]) -> Output {
    let jar = adb.home().join("scrcpy-server");
    fs::write(&jar, b"PK\x03\x04 no real jar").unwrap();
    lsie()
        .args(["--json", "device", "record"])
        .arg(folder)
        .args(["--adb-port", &adb.port().to_string(), "--serial", serial])
        .args([
            "--seconds",
            "2",
            "--scrcpy-version",
            "4.1",
            "--scrcpy-server",
        ])
        .arg(jar)
        .args(more)
        .output()
        .unwrap()
}

fn answer(done: &Output) -> Value {
    assert!(done.status.success(), "{done:?}");
    serde_json::from_slice(&done.stdout).unwrap()
}

#[test]
fn a_media_file_becomes_a_phone_that_is_recorded_and_played_back() {
    let place = Place::new();
    let Some(adb) = adb("simulated") else {
        return;
    };
    let film = place.root().join("talk.mkv");
    let made = Command::new("gst-launch-1.0")
        .args(["--quiet", "matroskamux", "name=mux", "!", "filesink"])
        .arg(format!("location={}", film.display()))
        .args("videotestsrc num-buffers=60 ! video/x-raw,width=320,height=240,framerate=30/1 ! x264enc ! mux. audiotestsrc num-buffers=90 ! flacenc ! mux.".split(' '))
        .status();
    assert!(made.unwrap().success());
    let (plain, whole) = (place.root().join("plain"), place.root().join("whole"));
    let phone = Simulated::start(&adb, &[film.to_str().unwrap()]);
    let done = record(&adb, &phone.serial, &plain, &[]);
    let seen = answer(&done);
    assert_eq!(seen["has_media"], false);
    assert_eq!(seen["model"], "LSIE Sim");
    assert!(seen["video_packets"].as_u64().unwrap() > 10, "{seen}");
    let words = String::from_utf8_lossy(&done.stderr);
    assert!(words.contains("no picture and no sound"), "{words}");
    // A second of raw sound alone is 192 000 bytes.
    let bytes = fs::metadata(plain.join("audio.wire")).unwrap().len();
    assert!(bytes < 60_000, "{bytes}");
    let done = record(&adb, &phone.serial, &whole, &["--with-media"]);
    let words = String::from_utf8_lossy(&done.stderr);
    assert!(words.contains("WARNING"), "{words}");
    answer(&done);
    let again = record(&adb, &phone.serial, &whole, &[]);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    drop(phone);
    let replayed = place.root().join("replayed");
    let phone = Simulated::start(&adb, &["--recording", whole.to_str().unwrap()]);
    answer(&record(&adb, &phone.serial, &replayed, &["--with-media"]));
}

#[test]
fn a_fault_that_is_none_is_refused_with_the_word() {
    let done = lsie()
        .args(["simulate-phone", "--fault", "5:sing"])
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(2), "{done:?}");
    assert!(String::from_utf8_lossy(&done.stderr).contains("sing"));
    let help = lsie().args(["simulate-phone", "--help"]).output().unwrap();
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    for word in ["unplug", "clock-step=MS", "Examples:", "--recording"] {
        assert!(help.contains(word), "{help}");
    }
}

/// A loopback server that gives one answer to everybody.
fn web(answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::Builder::new()
        .name("web".into())
        .spawn(move || {
            for mut socket in listener.incoming().flatten() {
                let mut request = [0; 4096];
                let _ = socket.read(&mut request);
                let _ = socket.write_all(&answer);
            }
        })
        .unwrap();
    port
}

fn ok(body: &[u8], stated: usize) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {stated}\r\nConnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// Fetches by a manifest of the test's own.
fn fetch(place: &Place, url: &str, sha256: &str) -> Output {
    let manifest = place.root().join("manifest.toml");
    let text = format!(
        "version = \"4.1\"\nurl = \"{url}\"\nsha256 = \"{sha256}\"\nlicence = \"Apache-2.0\"\n"
    );
    fs::write(&manifest, text).unwrap();
    let cache = place.root().join("cache");
    lsie()
        .args([
            "--json",
            "--set",
            &format!("engine.cache_dir={}", cache.display()),
        ])
        .args(["device", "fetch-server", "--manifest"])
        .arg(manifest)
        .output()
        .unwrap()
}

/// What is downloaded.
const BODY: &[u8] = b"not a real jar";

#[test]
fn the_phones_server_is_fetched_once_and_checked() {
    let place = Place::new();
    let sha256 = lsie_schemas::text::sha256_hex(BODY);
    let port = web(ok(BODY, BODY.len()));
    let url = format!("http://127.0.0.1:{port}/scrcpy-server-v4.1");
    let seen = answer(&fetch(&place, &url, &sha256));
    assert_eq!(seen["was_there"], false);
    assert_eq!(seen["licence"], "Apache-2.0");
    let path = seen["path"].as_str().unwrap();
    assert!(path.ends_with("scrcpy/scrcpy-server-v4.1"), "{path}");
    assert_eq!(fs::read(path).unwrap(), BODY);
    let again = answer(&fetch(&place, &url, &sha256));
    assert_eq!(again["was_there"], true);
}

#[test]
fn a_download_that_is_not_right_leaves_nothing() {
    let place = Place::new();
    let sha256 = lsie_schemas::text::sha256_hex(BODY);
    let wrong = ok(b"something else", 14);
    let truncated = ok(BODY, BODY.len() + 100);
    let elsewhere =
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/x\r\nContent-Length: 0\r\n\r\n"
            .to_vec();
    let missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
    for (answer, words) in [
        (wrong, "another file"),
        (truncated, "cut short"),
        (elsewhere, "not https"),
        (missing, "refused"),
    ] {
        let url = format!("http://127.0.0.1:{}/x", web(answer));
        let done = fetch(&place, &url, &sha256);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(1), "{said}");
        assert!(said.contains(words), "{words}: {said}");
    }
    let done = fetch(&place, "http://example.org/x", &sha256);
    assert!(String::from_utf8_lossy(&done.stderr).contains("is not https"));
    let left = fs::read_dir(place.root().join("cache/scrcpy")).unwrap();
    assert_eq!(left.count(), 0);
}
