//! Known pixel and sample patterns go in; nothing the program writes, logs or sends may hold them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use lsie_schemas::link::{
    EngineCounters, EngineMessage, FrameDecoder, HEARTBEAT_MS, LINK_PROTOCOL, PlannedStimulus,
    ServerHello, ServerMessage, StartSession, encode_frame,
};
use lsie_schemas::observation::CalibrationState;
use serde_json::json;
use uuid::Uuid;

use crate::media_files::{Picture, Sound, avi};
use crate::server::{EXPERIMENT, MEDIA_CEILING, Place, Server, accepted_session, cache_dir, lsie};

const SECONDS: u32 = 8;
/// A sample value that is held for long stretches: it survives resampling, the random pattern need not.
const PLATEAU: i16 = 0x2b67;
/// As many samples near the plateau in a row are sound, not chance.
const PLATEAU_RUN: usize = 32;

/// Bytes without structure that never change, so that a find is no accident.
fn pattern(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..length).map(next).collect()
}

fn pixels() -> Vec<u8> {
    pattern(0x5eed_0001, 64)
}

fn samples() -> Vec<u8> {
    pattern(0x5eed_0002, 64)
}

fn canary_file(place: &Place) -> PathBuf {
    let size = (128, 96);
    let i420 = pixels()
        .into_iter()
        .cycle()
        .take(128 * 96 * 3 / 2)
        .collect();
    let picture = Picture {
        size,
        fps: 15,
        frames: 15 * SECONDS,
        i420,
    };
    let noise: Vec<i16> = samples()
        .chunks_exact(2)
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    // Half a second of noise, half a second of plateau, and again.
    let samples = (0..16_000 * SECONDS as usize)
        .map(|n| {
            if n / 8000 % 2 == 0 {
                noise[n % noise.len()]
            } else {
                PLATEAU
            }
        })
        .collect();
    let path = place.root().join("canary.avi");
    avi(
        &path,
        &picture,
        Some(&Sound {
            rate_hz: 16_000,
            samples,
        }),
    );
    path
}

/// Where and as what a pattern stands in `bytes`.
fn leaks(bytes: &[u8]) -> Vec<&'static str> {
    let mut found = Vec::new();
    for (name, pattern) in [("pixels", pixels()), ("samples", samples())] {
        // Any window of a repeated pattern holds each of these pieces whole.
        let piece = &pattern[..24];
        let hex: String = piece.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut forms = vec![
            piece.to_vec(),
            hex.to_uppercase().into_bytes(),
            hex.into_bytes(),
        ];
        forms.push(listed(piece).into_bytes());
        forms.extend((0..3).map(|skip| base64(&pattern[skip..skip + 24]).into_bytes()));
        if forms.iter().any(|form| contains(bytes, form)) {
            found.push(name);
        }
    }
    if has_plateau(bytes) {
        found.push("plateau");
    }
    found
}

/// As debug output writes a list of bytes.
fn listed(bytes: &[u8]) -> String {
    let numbers: Vec<_> = bytes.iter().map(u8::to_string).collect();
    numbers.join(", ")
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = bytes.chunks_exact(3).flat_map(|c| {
        let word = u32::from(c[0]) << 16 | u32::from(c[1]) << 8 | u32::from(c[2]);
        [18, 12, 6, 0].map(|shift| char::from(DIGITS[(word >> shift & 63) as usize]))
    });
    digits.collect()
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// Whether the plateau stands there as 16-bit integers or as 32-bit floats, at any alignment.
fn has_plateau(bytes: &[u8]) -> bool {
    let near = |value: f32| (value - f32::from(PLATEAU)).abs() <= 16.0;
    let integer = |b: &[u8]| near(f32::from(i16::from_le_bytes([b[0], b[1]])));
    let float = |b: &[u8]| near(f32::from_le_bytes([b[0], b[1], b[2], b[3]]) * 32768.0);
    (0..2).any(|skip| has_run(bytes, skip, 2, integer))
        || (0..4).any(|skip| has_run(bytes, skip, 4, float))
}

fn has_run(bytes: &[u8], skip: usize, width: usize, is_near: impl Fn(&[u8]) -> bool) -> bool {
    let mut run = 0;
    bytes
        .get(skip..)
        .unwrap_or_default()
        .chunks_exact(width)
        .any(|value| {
            run = if is_near(value) { run + 1 } else { 0 };
            run >= PLATEAU_RUN
        })
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                files_below(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[test]
fn the_search_finds_what_it_looks_for() {
    let place = Place::new();
    let media = fs::read(canary_file(&place)).unwrap();
    assert_eq!(leaks(&media), ["pixels", "samples", "plateau"]);
    let around = |text: String| format!("{{\"x\":\"{text}\"}}").into_bytes();
    assert_eq!(leaks(&around(base64(&pixels()[..63]))), ["pixels"]);
    let hex: String = samples().iter().map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(leaks(&around(hex)), ["samples"]);
    assert_eq!(leaks(&around(format!("{:?}", pixels()))), ["pixels"]);
    let floats = [f32::from(PLATEAU) / 32768.0; 40]
        .map(f32::to_le_bytes)
        .concat();
    assert_eq!(leaks(&[b"abc".as_slice(), &floats].concat()), ["plateau"]);
    assert!(leaks(b"nothing to see").is_empty());
}

#[test]
fn store_and_log_hold_no_pixel_and_no_sample() {
    let place = Place::new();
    let media = canary_file(&place);
    let before = files_below(&cache_dir());
    let server = Server::start(&place, &["--set", "log.filter=trace"]);
    let session = accepted_session(server.post(
        "/api/v2/sessions",
        &json!({
            "stream_url": format!("file:{}?pace=fast", media.display()),
            "experiment_id": EXPERIMENT,
            "client_action_id": Uuid::new_v4(),
            "planned_stimuli": [{ "offset_s": 2.0, "attested": true }],
        }),
    ));
    server.wait_ended(&session);
    assert_eq!(
        server.encounters(&session).len(),
        1,
        "the canary was measured"
    );
    let counters = server.get("/api/v2/status")["engine"]["counters"].clone();
    assert!(
        counters["frames_decoded"].as_u64().unwrap() > 0,
        "{counters}"
    );
    assert!(counters["audio_blocks"].as_u64().unwrap() > 0, "{counters}");
    let answers = [
        server.readback(&session).to_string(),
        server.get("/api/v1/operator/state/bootstrap").to_string(),
    ];
    assert!(
        answers
            .iter()
            .all(|answer| leaks(answer.as_bytes()).is_empty())
    );
    // The write-ahead log is only there while the server runs: look before and after its end.
    let wal = place.state().join("lsie.sqlite-wal");
    assert!(fs::metadata(&wal).unwrap().len() > 0);
    search(&place);
    server.stop();
    search(&place);
    assert!(
        place.log_text().contains(&session),
        "the log speaks about the session"
    );
    assert_eq!(
        files_below(&cache_dir()),
        before,
        "nothing is put beside the models"
    );
}

fn search(place: &Place) {
    let mut files = files_below(&place.state());
    files.push(place.log());
    for file in files {
        let found = leaks(&fs::read(&file).unwrap());
        assert!(found.is_empty(), "{} holds {found:?}", file.display());
    }
}

#[test]
fn the_link_carries_no_pixel_and_no_sample_out_of_the_engine() {
    let place = Place::new();
    let media = canary_file(&place);
    let build_id = {
        let server = Server::start(&place, &[]);
        server.get("/api/v2/status")["build_id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let mut engine = DirectEngine::start(build_id);
    let session_id = Uuid::new_v4();
    engine.say(&ServerMessage::Start(Box::new(StartSession {
        session_id,
        source_url: format!("file:{}?pace=fast", media.display()),
        epoch: None,
        resume_at_ns: 0,
        calibration: CalibrationState::default(),
        planned: vec![PlannedStimulus {
            stimulus_id: Uuid::new_v4(),
            offset_s: 2.0,
        }],
    })));
    let messages = engine.listen_until_end();
    let mut counters = messages.iter().rev().filter_map(|message| match message {
        EngineMessage::Heartbeat(beat) => Some(beat.counters.clone()),
        _ => None,
    });
    let counters: EngineCounters = counters.next().unwrap();
    assert!(
        counters.frames_decoded > 0 && counters.audio_blocks > 0,
        "{counters:?}"
    );
    let has_sound = |message: &EngineMessage| matches!(message, EngineMessage::Segment(s) if s.pcm_sha256.is_some());
    assert!(
        messages.iter().any(has_sound),
        "a window with sound was cut"
    );
    assert_eq!(leaks(&engine.traffic), [""; 0]);
}

/// The media process with this test as its server.
struct DirectEngine {
    child: Child,
    link: UnixStream,
    traffic: Vec<u8>,
}

impl DirectEngine {
    fn start(build_id: String) -> Self {
        let (link, theirs) = UnixStream::pair().unwrap();
        let child = lsie()
            .arg("engine")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()
            .unwrap();
        link.set_read_timeout(Some(Duration::from_millis(HEARTBEAT_MS / 2)))
            .unwrap();
        let mut engine = Self {
            child,
            link,
            traffic: Vec::new(),
        };
        engine.say(&ServerMessage::Hello(ServerHello {
            protocol: LINK_PROTOCOL,
            build_id,
            cache_dir: cache_dir().display().to_string(),
            device: "auto".to_owned(),
            phones: lsie_schemas::config::DeviceConfig::default(),
        }));
        engine
    }

    fn say(&mut self, message: &ServerMessage) {
        self.link
            .write_all(&encode_frame(message).unwrap())
            .unwrap();
    }

    /// Keeps the link alive and every byte that arrives, until two heartbeats after the session's end.
    fn listen_until_end(&mut self) -> Vec<EngineMessage> {
        let until = Instant::now() + MEDIA_CEILING;
        let (mut decoder, mut messages) = (FrameDecoder::default(), Vec::new());
        let mut bytes = vec![0; 1 << 16];
        let mut seq = 0;
        let mut beats_after_end = None;
        while beats_after_end != Some(2) {
            assert!(
                Instant::now() < until,
                "the session does not end; so far: {messages:?}"
            );
            self.say(&ServerMessage::Heartbeat { seq });
            seq += 1;
            let count = match self.link.read(&mut bytes) {
                Ok(0) => panic!("the engine ended: {messages:?}"),
                Ok(count) => count,
                Err(_) => 0,
            };
            self.traffic.extend(&bytes[..count]);
            decoder.push(&bytes[..count]);
            while let Some(message) = decoder.next_message::<EngineMessage>().unwrap() {
                match message {
                    EngineMessage::SessionEnded { .. } => beats_after_end = Some(0),
                    EngineMessage::SessionFailed { .. } => panic!("{message:?}"),
                    EngineMessage::Heartbeat(_) => beats_after_end = beats_after_end.map(|n| n + 1),
                    _ => {}
                }
                messages.push(message);
            }
        }
        messages
    }
}

impl Drop for DirectEngine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
