//! The server's end of the link, for tests: keeps the engine's watchdog quiet and reads what it says.

#![expect(clippy::unwrap_used, reason = "set-up of a test")]
#![allow(dead_code, reason = "each test file uses its own part of this module")]

pub(crate) mod media;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use lsie_engine::{EngineDevice, EngineError};
use lsie_schemas::device::DeviceChoice;
use lsie_schemas::link::{
    EngineCounters, EngineHello, EngineMessage, FrameDecoder, LINK_PROTOCOL, PlannedStimulus,
    SegmentMessage, ServerHello, ServerMessage, StartSession, encode_frame,
};
use lsie_schemas::observation::CalibrationState;
use lsie_schemas::time::UtcMicros;
use uuid::Uuid;

pub(crate) const BUILD: &str = "test-build";
pub(crate) const EPOCH: UtcMicros = UtcMicros(1_700_000_000_000_000);
/// No test depends on how quick the machine is; this only ends a hanging one.
const CEILING: Duration = Duration::from_mins(2);

pub(crate) struct Server {
    pub(crate) writer: Arc<Mutex<UnixStream>>,
    pub(crate) reader: UnixStream,
    decoder: FrameDecoder,
    pub(crate) engine: JoinHandle<Result<(), EngineError>>,
}

/// The model and demo cache: the folder `LSIE_CACHE_DIR`, else the user's cache.
pub(crate) fn cache_dir() -> PathBuf {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let cache = folder("LSIE_CACHE_DIR")
        .or_else(|| folder("LSIE_ENGINE_CACHE_DIR"))
        .map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| {
        let user = folder("XDG_CACHE_HOME").map(PathBuf::from);
        user.unwrap_or_else(|| PathBuf::from(folder("HOME").unwrap()).join(".cache"))
            .join("lsie")
    });
    assert!(
        cache.join("models").is_dir(),
        "no models below {}. These tests need them: run `./test`, which fetches them first",
        cache.display()
    );
    cache
}

impl Server {
    /// An engine that waits for hello.
    pub(crate) fn silent() -> Self {
        Self::silent_on(EngineDevice::Choice(DeviceChoice::Cpu))
    }

    fn silent_on(device: EngineDevice) -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(CEILING)).unwrap();
        let engine = thread::Builder::new()
            .spawn(move || lsie_engine::run_with(theirs, BUILD, device))
            .unwrap();
        Self {
            writer: Arc::new(Mutex::new(ours.try_clone().unwrap())),
            reader: ours,
            decoder: FrameDecoder::default(),
            engine,
        }
    }

    /// An engine after the handshake, with a server that beats.
    pub(crate) fn start(cache: &Path) -> (Self, EngineHello) {
        Self::start_on(cache, EngineDevice::Choice(DeviceChoice::Cpu))
    }

    /// The same on another device than the processor.
    pub(crate) fn start_on(cache: &Path, device: EngineDevice) -> (Self, EngineHello) {
        let mut server = Self::silent_on(device);
        server.send(&hello(LINK_PROTOCOL, BUILD, cache));
        let EngineMessage::Hello(hello) = server.next() else {
            panic!("the first message is hello");
        };
        server.beat();
        (server, hello)
    }

    fn beat(&self) {
        let writer = Arc::clone(&self.writer);
        let beat = encode_frame(&ServerMessage::Heartbeat { seq: 0 }).unwrap();
        thread::Builder::new()
            .spawn(move || {
                while writer.lock().unwrap().write_all(&beat).is_ok() {
                    thread::sleep(Duration::from_millis(300));
                }
            })
            .unwrap();
    }

    pub(crate) fn send(&self, message: &ServerMessage) {
        let frame = encode_frame(message).unwrap();
        self.writer.lock().unwrap().write_all(&frame).unwrap();
    }

    pub(crate) fn open(&self, order: StartSession) {
        self.send(&ServerMessage::Start(Box::new(order)));
    }

    /// The next message; `None` when the engine has closed the link.
    pub(crate) fn try_next(&mut self) -> Option<EngineMessage> {
        loop {
            if let Some(message) = self.decoder.next_message().unwrap() {
                return Some(message);
            }
            let mut bytes = [0; 8192];
            match self.reader.read(&mut bytes).unwrap() {
                0 => return None,
                count => self.decoder.push(&bytes[..count]),
            }
        }
    }

    pub(crate) fn next(&mut self) -> EngineMessage {
        self.try_next().unwrap()
    }

    /// Everything up to and including the first message that `is_last`.
    pub(crate) fn until(
        &mut self,
        mut is_last: impl FnMut(&EngineMessage) -> bool,
    ) -> Vec<EngineMessage> {
        let mut seen = Vec::new();
        loop {
            let message = self.next();
            let last = is_last(&message);
            seen.push(message);
            if last {
                return seen;
            }
        }
    }

    /// Orders the end and waits for it.
    pub(crate) fn shut_down(mut self) {
        self.send(&ServerMessage::Shutdown);
        while self.try_next().is_some() {}
        self.engine.join().unwrap().unwrap();
    }
}

pub(crate) fn hello(protocol: u32, build: &str, cache: &Path) -> ServerMessage {
    ServerMessage::Hello(ServerHello {
        protocol,
        build_id: build.to_owned(),
        cache_dir: cache.to_str().unwrap().to_owned(),
        device: "auto".to_owned(),
        precision: lsie_schemas::device::Precision::F32,
        phones: lsie_schemas::config::DeviceConfig::default(),
    })
}

pub(crate) fn order(url: &str) -> StartSession {
    StartSession {
        session_id: Uuid::from_u128(7),
        source_url: url.to_owned(),
        epoch: Some(EPOCH),
        resume_at_ns: 0,
        calibration: CalibrationState::default(),
        planned: Vec::new(),
    }
}

pub(crate) fn planned(number: u128, offset_s: f64) -> PlannedStimulus {
    PlannedStimulus {
        stimulus_id: Uuid::from_u128(number),
        offset_s,
    }
}

pub(crate) fn segments(messages: &[EngineMessage]) -> Vec<SegmentMessage> {
    messages
        .iter()
        .filter_map(|message| match message {
            EngineMessage::Segment(segment) => Some((**segment).clone()),
            _ => None,
        })
        .collect()
}

pub(crate) fn is_over(message: &EngineMessage) -> bool {
    matches!(
        message,
        EngineMessage::SessionEnded { .. } | EngineMessage::SessionFailed { .. }
    )
}

/// Plays a source to its end and one heartbeat beyond it.
pub(crate) fn play(cache: &Path, url: &str) -> (Vec<EngineMessage>, EngineCounters) {
    let (mut server, _) = Server::start(cache);
    server.open(order(url));
    let seen = server.until(is_over);
    let EngineMessage::Heartbeat(beat) = server.next() else {
        panic!("only heartbeats after the end");
    };
    server.shut_down();
    (seen, beat.counters)
}

/// The reason a session ended for; panics when it failed.
pub(crate) fn end_reason(seen: &[EngineMessage]) -> &str {
    match seen.last() {
        Some(EngineMessage::SessionEnded { reason, .. }) => reason.as_str(),
        other => panic!("{other:?}"),
    }
}

/// Media time of every display tick, seconds.
pub(crate) fn tick_secs(seen: &[EngineMessage]) -> Vec<f64> {
    let ticks = seen.iter().filter_map(|message| match message {
        EngineMessage::Visual(tick) => Some(tick.timestamp_s - EPOCH.as_epoch_secs()),
        _ => None,
    });
    ticks.collect()
}
