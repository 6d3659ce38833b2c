//! Known pixel and sample patterns go in; nothing the program writes, logs, answers or sends may hold them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lsie_api::openapi::OPERATIONS;
use lsie_schemas::link::{
    EngineCounters, EngineMessage, FrameDecoder, HEARTBEAT_MS, LINK_PROTOCOL, PlannedStimulus,
    ServerHello, ServerMessage, StartSession, encode_frame,
};
use lsie_schemas::observation::CalibrationState;
use serde_json::json;
use uuid::Uuid;

use crate::canary::{PLATEAU, Search, files_below, noise, pixels, renderings, runs};
use crate::media_files::{Picture, Sound, avi};
use crate::server::{
    CEILING, EXPERIMENT, MEDIA_CEILING, Place, Server, accepted_session, cache_dir, lsie, wait,
};

const SECONDS: u32 = 8;
const EVENTS: [&str; 2] = ["/api/v1/operator/state/events", "/api/v2/state/events"];
/// What both processes say at most.
const TRACE: [&str; 2] = ["--set", "log.filter=trace"];

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
    // Half a second of noise, half a second of plateau, and again.
    let noise = noise();
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
    let sound = Sound {
        rate_hz: 16_000,
        samples,
    };
    avi(&path, &picture, Some(&sound));
    path
}

/// A server whose every word is kept: trace logs of both processes, temporary files, and all that a reader of its events
/// is sent.
struct Watched {
    server: Server,
    events: [Tap; 2],
}

impl Watched {
    fn start(place: &Place) -> Self {
        let temporary = place.root().join("temporary");
        fs::create_dir_all(&temporary).unwrap();
        let mut program = lsie();
        program.env("TMPDIR", &temporary);
        let server = Server::start_as(program, place, &["--port", "0"], &TRACE);
        server.engine_pid();
        let events = EVENTS.map(|path| Tap::open(&server, path));
        Self { server, events }
    }

    /// Plays an address to its end, with one encounter where it can be opened.
    fn play(&self, url: &str) -> (u16, serde_json::Value) {
        let body = json!({
            "stream_url": url,
            "experiment_id": EXPERIMENT,
            "client_action_id": Uuid::new_v4(),
            "planned_stimuli": [{ "offset_s": 2.0, "attested": true }],
        });
        self.server.post("/api/v2/sessions", &body)
    }

    /// Answers of every route that can be read, with their heads.
    fn answers(&self, session: &str) -> Vec<(String, Vec<u8>)> {
        let readable = |path: &str| !EVENTS.contains(&path);
        let operations = OPERATIONS
            .iter()
            .filter(|operation| operation.method == "get");
        operations
            .map(|operation| operation.path)
            .filter(|path| readable(path))
            .map(|path| {
                let id = if path.contains("experiments") {
                    EXPERIMENT
                } else {
                    session
                };
                let path = path.replace("{id}", id);
                let answer = ask(&self.server, &path);
                (path, answer)
            })
            .collect()
    }
}

/// A GET whose whole answer is kept, as it came.
fn ask(server: &Server, path: &str) -> Vec<u8> {
    let mut answer = Vec::new();
    request(server, path).read_to_end(&mut answer).unwrap();
    answer
}

/// In the old form of HTTP an answer is not cut into chunks.
fn request(server: &Server, path: &str) -> TcpStream {
    let address = server.address.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(CEILING)).unwrap();
    let words = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(words.as_bytes()).unwrap();
    stream
}

/// A reader of the event stream that keeps every byte.
struct Tap {
    is_over: Arc<AtomicBool>,
    reader: JoinHandle<Vec<u8>>,
}

impl Tap {
    fn open(server: &Server, path: &str) -> Self {
        let stream = request(server, path);
        stream
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let reader = std::thread::Builder::new()
            .name("events".into())
            .spawn(move || Self::read(stream, &told))
            .unwrap();
        Self { is_over, reader }
    }

    fn read(mut stream: TcpStream, is_over: &AtomicBool) -> Vec<u8> {
        let (mut heard, mut bytes) = (Vec::new(), vec![0; 1 << 16]);
        while !is_over.load(Ordering::Acquire) {
            match stream.read(&mut bytes) {
                Ok(0) => break,
                Ok(count) => heard.extend(&bytes[..count]),
                Err(_) => {}
            }
        }
        heard
    }

    fn stop(self) -> Vec<u8> {
        // The newest marks need a moment to become events; the keep-alive each second follows them.
        std::thread::sleep(Duration::from_millis(1500));
        self.is_over.store(true, Ordering::Release);
        self.reader.join().unwrap()
    }
}

/// Writable memory of a process, without pages that nobody wrote to; `None`, with a word, where the machine does not let us.
fn memory(pid: u32) -> Option<Vec<Vec<u8>>> {
    const PAGE: usize = 4096;
    let map = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let Ok(memory) = fs::File::open(format!("/proc/{pid}/mem")) else {
        eprintln!("SKIPPED: the memory of a child process cannot be read here");
        return None;
    };
    let range = |line: &str| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        let is_ours = rest.starts_with("rw") && !rest.contains("[v");
        Some((number(start)?, number(end)?)).filter(|_| is_ours)
    };
    let mut pieces = Vec::new();
    for (start, end) in map.lines().filter_map(range) {
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        // A piece may be gone since the list was made.
        if memory.read_exact_at(&mut bytes, start).is_ok() {
            let is_written = |page: &&[u8]| page.iter().any(|byte| *byte != 0);
            let pages = bytes.chunks(PAGE).map(|page| Some(page).filter(is_written));
            pieces.extend(runs(pages).iter().map(|pages| pages.concat()));
        }
    }
    Some(pieces)
}

/// Everything that was written under the place of the test: state, write-ahead log, logs, temporary files.
fn found_in_files(place: &Place, search: &Search, media: Option<&PathBuf>) -> Vec<String> {
    let files = files_below(place.root());
    let files = files.iter().filter(|file| Some(*file) != media);
    files
        .flat_map(|file| {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            let found = search.finds(&fs::read(file).unwrap_or_default());
            found.into_iter().map(move |what| format!("{name}: {what}"))
        })
        .collect()
}

#[test]
fn store_logs_answers_events_and_the_servers_memory_hold_no_pixel_and_no_sample() {
    let (place, search) = (Place::new(), Search::new());
    let media = canary_file(&place);
    let found = search.finds(&fs::read(&media).unwrap());
    for what in ["pixels as bytes", "samples as bytes", "plateau as bytes"] {
        assert!(found.iter().any(|found| found == what), "{found:?}");
    }
    let before = files_below(&cache_dir());
    let watched = Watched::start(&place);
    let server = &watched.server;
    let session = accepted_session(watched.play(&format!("file:{}?pace=fast", media.display())));
    server.wait_ended(&session);
    assert_eq!(
        server.encounters(&session).len(),
        1,
        "the canary was measured"
    );
    let counters = server.get("/api/v2/status")["engine"]["counters"].clone();
    for name in ["frames_decoded", "frames_analysed", "audio_blocks"] {
        assert!(counters[name].as_u64().unwrap() > 0, "{counters}");
    }
    let answers = watched.answers(&session);
    let read = answers
        .iter()
        .filter(|(_, answer)| answer.starts_with(b"HTTP/1.0 200"));
    assert!(read.count() >= 15, "{answers:?}");
    for (path, answer) in &answers {
        assert_eq!(search.finds(answer), [""; 0], "GET {path}");
    }
    for piece in memory(server.pid()).unwrap_or_default() {
        assert_eq!(search.raw(&piece), [""; 0], "memory of the server");
    }
    // The write-ahead log is only there while the server runs: look before and after its end.
    let wal = place.state().join("lsie.sqlite-wal");
    assert!(fs::metadata(&wal).unwrap().len() > 0);
    assert_eq!(found_in_files(&place, &search, Some(&media)), [""; 0]);
    let Watched { server, events } = watched;
    let events = events.map(Tap::stop).concat();
    let heard = String::from_utf8_lossy(&events);
    assert!(
        heard.contains(&session) && heard.contains("event: encounters"),
        "{heard}"
    );
    assert_eq!(search.finds(&events), [""; 0], "events");
    server.stop();
    assert_eq!(found_in_files(&place, &search, Some(&media)), [""; 0]);
    // Both processes say what they do with each frame.
    let log = place.log_text();
    for said in [
        "TRACE frame measured",
        "TRACE sound taken",
        "TRACE display tick",
        "DEBUG a session is ordered",
        &session,
        "graph stopped",
        "encounter committed",
    ] {
        assert!(log.contains(said), "the log does not say {said:?}");
    }
    assert_eq!(
        files_below(&cache_dir()),
        before,
        "nothing is put beside the models"
    );
}

/// The same search on the same outputs, with the pattern on its way: as part of an address, which is logged, stored and told.
#[test]
fn a_pattern_that_is_logged_stored_and_told_is_found_in_each_of_them() {
    let (place, search) = (Place::new(), Search::new());
    let watched = Watched::start(&place);
    let server = &watched.server;
    for (notation, text) in renderings(&pixels()[..27]) {
        if text.contains('\n') {
            continue; // An address has one line.
        }
        let (status, answer) = watched.play(&format!("file:/nowhere/{text}"));
        assert_eq!(status, 422, "{answer}");
        let wanted = format!("pixels as {notation}");
        // A backslash stands in JSON as two.
        let told = search.finds(answer.to_string().as_bytes());
        assert!(told.contains(&wanted), "{answer}: {told:?}");
    }
    let sessions = server.get("/api/v1/operator/sessions");
    let session = sessions[0]["session_id"].as_str().unwrap().to_owned();
    let found = |bytes: &[u8]| !search.finds(bytes).is_empty();
    let answers = watched.answers(&session);
    assert!(
        answers.iter().any(|(_, answer)| found(answer)),
        "an answer: {answers:?}"
    );
    if let Some(pieces) = memory(server.pid()) {
        let text = &renderings(&pixels()[..27])[0].1;
        let holds = |piece: &Vec<u8>| piece.windows(54).any(|window| window == text.as_bytes());
        assert!(pieces.iter().any(holds), "the server's memory");
    }
    let found = found_in_files(&place, &search, None);
    for (notation, _) in renderings(&pixels()[..27]) {
        for file in ["server.log", "lsie.sqlite-wal"] {
            let wanted = format!("{file}: pixels as {notation}");
            let is_found = || found.contains(&wanted);
            assert!(is_found(), "{wanted} is not in {found:?}");
        }
    }
    let Watched { server, events } = watched;
    drop(events.map(Tap::stop));
    server.stop();
}

#[test]
fn the_link_and_the_log_of_the_engine_carry_no_pixel_and_no_sample() {
    let (place, search) = (Place::new(), Search::new());
    let media = canary_file(&place);
    let mut engine = DirectEngine::start(&place);
    let messages = engine.play(&format!("file:{}?pace=fast", media.display()));
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
    assert_eq!(search.finds(&engine.traffic), [""; 0], "the link");
    // As the messages read, not only as they are packed.
    let words = format!("{messages:?}");
    assert_eq!(search.finds(words.as_bytes()), [""; 0], "the messages");
    let log = engine.log();
    for said in ["TRACE frame measured", "TRACE sound taken", "graph stopped"] {
        assert!(
            log.contains(said),
            "the engine's log does not say {said:?}: {log}"
        );
    }
    assert_eq!(found_in_files(&place, &search, Some(&media)), [""; 0]);
}

/// The engine's own log and link are searched as well as the server's: a pattern in the name of a file is found in both.
#[test]
fn a_pattern_that_the_engine_says_is_found_in_its_log_and_on_its_link() {
    let (place, search) = (Place::new(), Search::new());
    let mut engine = DirectEngine::start(&place);
    let name: String = pixels()[..27].iter().map(|b| format!("{b:02x}")).collect();
    engine.open(&format!("file:/nowhere/{name}"));
    wait(
        "the engine says that it cannot open it",
        MEDIA_CEILING,
        || {
            engine.listen();
            let wanted = "pixels as hex".to_owned();
            search
                .finds(&engine.traffic)
                .contains(&wanted)
                .then_some(())
        },
    );
    drop(engine);
    let found = found_in_files(&place, &search, None);
    assert!(
        found.contains(&"engine.log: pixels as hex".to_owned()),
        "{found:?}"
    );
}

/// The media process with this test as its server, and every byte it sends and logs.
struct DirectEngine {
    child: Child,
    link: UnixStream,
    log: PathBuf,
    decoder: FrameDecoder,
    seq: u64,
    traffic: Vec<u8>,
}

impl DirectEngine {
    fn start(place: &Place) -> Self {
        let build_id = {
            let other = Place::new();
            let server = Server::start(&other, &[]);
            let status = server.get("/api/v2/status");
            status["build_id"].as_str().unwrap().to_owned()
        };
        let (link, theirs) = UnixStream::pair().unwrap();
        let log = place.root().join("engine.log");
        let child = lsie()
            .args(TRACE)
            .arg("engine")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        link.set_read_timeout(Some(Duration::from_millis(HEARTBEAT_MS / 2)))
            .unwrap();
        let mut engine = Self {
            child,
            link,
            log,
            decoder: FrameDecoder::default(),
            seq: 0,
            traffic: Vec::new(),
        };
        engine.say(&ServerMessage::Hello(ServerHello {
            protocol: LINK_PROTOCOL,
            build_id,
            cache_dir: cache_dir().display().to_string(),
            device: "auto".to_owned(),
            precision: lsie_schemas::device::Precision::F32,
            phones: lsie_schemas::config::DeviceConfig::default(),
        }));
        engine
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    fn say(&mut self, message: &ServerMessage) {
        self.link
            .write_all(&encode_frame(message).unwrap())
            .unwrap();
    }

    fn open(&mut self, url: &str) {
        self.say(&ServerMessage::Start(Box::new(StartSession {
            session_id: Uuid::new_v4(),
            source_url: url.to_owned(),
            epoch: None,
            resume_at_ns: 0,
            calibration: CalibrationState::default(),
            planned: vec![PlannedStimulus {
                stimulus_id: Uuid::new_v4(),
                offset_s: 2.0,
            }],
        })));
    }

    /// Keeps the link alive and every byte that has arrived.
    fn listen(&mut self) -> Vec<EngineMessage> {
        self.say(&ServerMessage::Heartbeat { seq: self.seq });
        self.seq += 1;
        let mut bytes = vec![0; 1 << 16];
        let count = match self.link.read(&mut bytes) {
            Ok(0) => panic!("the engine ended: {}", self.log()),
            Ok(count) => count,
            Err(_) => 0,
        };
        self.traffic.extend(&bytes[..count]);
        self.decoder.push(&bytes[..count]);
        let mut messages = Vec::new();
        while let Some(message) = self.decoder.next_message().unwrap() {
            messages.push(message);
        }
        messages
    }

    /// Plays an address and listens until two heartbeats after its end.
    fn play(&mut self, url: &str) -> Vec<EngineMessage> {
        self.open(url);
        let until = Instant::now() + MEDIA_CEILING;
        let mut messages = Vec::new();
        let mut beats_after_end = None;
        while beats_after_end < Some(2) {
            assert!(
                Instant::now() < until,
                "the session does not end; so far: {messages:?}"
            );
            for message in self.listen() {
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
