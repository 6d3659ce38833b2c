//! What the threads of one session share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::handset::HandsetEvent;
use super::queue::{BoundedQueue, VideoQueue};
use crate::adb::{AdbClient, DeviceStream};
use crate::clock::{ClockLadder, CompatibilityOffset};
use crate::media::{AudioBlock, StreamCounters};
use crate::scrcpy::{Codec, Scid, VideoSize};
use crate::session::{CableMeter, EndCause, Input, Pulse};

/// Lines of the server's log that are kept.
const LOG_LINES: usize = 50;
/// Longest line that is kept, in bytes.
const LINE_BYTES: usize = 512;

/// What reaches the supervisor.
#[derive(Debug)]
pub(super) enum Message {
    /// From the consumer or the tracker.
    Always(Input),
    /// From a thread of one try; of no meaning for the next.
    Of(u32, Input),
}

/// What the consumer sees and what outlives a session.
#[derive(Debug, Clone)]
pub(super) struct Outlets {
    pub(super) epoch: Instant,
    pub(super) events: BoundedQueue<HandsetEvent>,
    pub(super) video: VideoQueue,
    pub(super) audio: BoundedQueue<AudioBlock>,
    pub(super) facts: Arc<Mutex<Facts>>,
}

/// What the status row is made of.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub(super) serial: Option<String>,
    pub(super) model: Option<String>,
    pub(super) video_codec: Option<Codec>,
    pub(super) audio_codec: Option<Codec>,
    pub(super) size: Option<VideoSize>,
    pub(super) cable: CableMeter,
    pub(super) video: StreamCounters,
    pub(super) audio: StreamCounters,
    pub(super) audio_gaps: u64,
    pub(super) resets: u64,
    pub(super) sessions: u64,
}

impl Outlets {
    /// Our monotonic clock, nanoseconds since the consumer's epoch.
    pub(super) fn now_ns(&self) -> i64 {
        i64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(i64::MAX)
    }

    pub(super) fn facts(&self) -> MutexGuard<'_, Facts> {
        lock(&self.facts)
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The newest lines of the server, and its process.
#[derive(Debug, Default)]
pub(super) struct ServerLog {
    lines: VecDeque<String>,
    pub(super) pid: Option<u32>,
    pub(super) status: Option<u8>,
}

impl ServerLog {
    /// The first line is the process id, by the way the server is started.
    pub(super) fn push(&mut self, line: &str) {
        if self.pid.is_none() && self.lines.is_empty() {
            self.pid = line.trim().parse().ok();
            if self.pid.is_some() {
                return;
            }
        }
        if self.lines.len() >= LOG_LINES {
            self.lines.pop_front();
        }
        let end = line.floor_char_boundary(LINE_BYTES);
        self.lines.push_back(line.get(..end).unwrap_or("").into());
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }
}

/// One try at a session.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) number: u32,
    pub(super) client: AdbClient,
    pub(super) serial: String,
    pub(super) scid: Scid,
    pub(super) outlets: Outlets,
    pub(super) pulse: Mutex<Pulse>,
    pub(super) ladder: Mutex<ClockLadder>,
    pub(super) compatibility: Mutex<CompatibilityOffset>,
    /// Boottime minus monotonic of the phone, nanoseconds.
    pub(super) slept_ns: AtomicI64,
    pub(super) pings_missed: AtomicU32,
    pub(super) log: Mutex<ServerLog>,
    pub(super) control: Mutex<Option<DeviceStream>>,
    streams: Mutex<Vec<(StreamUse, DeviceStream)>>,
    is_over: AtomicBool,
    to_supervisor: SyncSender<Message>,
}

/// What a connection is for; the shell outlives the others at an orderly end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamUse {
    Media,
    Shell,
}

impl Attempt {
    pub(super) fn new(
        number: u32,
        client: AdbClient,
        serial: String,
        scid: Scid,
        outlets: Outlets,
        ladder: ClockLadder,
        to_supervisor: SyncSender<Message>,
    ) -> Self {
        Self {
            number,
            client,
            serial,
            scid,
            outlets,
            pulse: Mutex::default(),
            ladder: Mutex::new(ladder),
            compatibility: Mutex::default(),
            slept_ns: AtomicI64::new(0),
            pings_missed: AtomicU32::new(0),
            log: Mutex::default(),
            control: Mutex::default(),
            streams: Mutex::default(),
            is_over: AtomicBool::new(false),
            to_supervisor,
        }
    }

    pub(super) fn now_ns(&self) -> i64 {
        self.outlets.now_ns()
    }

    pub(super) fn tell(&self, input: Input) {
        // A supervisor that is gone needs no news.
        let _ = self.to_supervisor.send(Message::Of(self.number, input));
    }

    pub(super) fn end(&self, cause: EndCause) {
        if !self.is_over() {
            self.tell(Input::Ended(cause));
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Lets [`Self::close`] end this connection from another thread. One that comes too late is closed at once.
    pub(super) fn register(&self, what: StreamUse, stream: &DeviceStream) {
        let Ok(handle) = stream.try_clone() else {
            return stream.close();
        };
        lock(&self.streams).push((what, handle));
        if self.is_over() {
            stream.close();
        }
    }

    /// Ends the media connections; the device's server ends by that.
    pub(super) fn close_media(&self) {
        self.is_over.store(true, Ordering::Release);
        let streams = lock(&self.streams);
        let media = streams.iter().filter(|(what, _)| *what == StreamUse::Media);
        media.for_each(|(_, stream)| stream.close());
    }

    /// Ends every connection.
    pub(super) fn close(&self) {
        self.close_media();
        lock(&self.streams)
            .drain(..)
            .for_each(|(_, stream)| stream.close());
        *lock(&self.control) = None;
    }
}
