//! The engine's end of the link: one thread reads, one writes, both end with the other side.
//!
//! Outbound queue: 256 messages. Display ticks are dropped when it is full (counted), everything else waits (back-pressure).

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use lsie_schemas::link::{
    EngineMessage, FrameDecoder, LinkError, ServerMessage, WATCHDOG_MS, encode_frame,
};

use crate::error::EngineError;

const OUTBOUND: usize = 256;
const INBOUND: usize = 64;
/// How long the last messages may take to leave when the engine ends.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// Sends messages to the server from any thread.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    queue: Sender<EngineMessage>,
    dropped: Arc<AtomicU64>,
}

impl Outbox {
    /// Sends a message that must not be lost: waits while the queue is full. `false` when the server is gone.
    pub(crate) fn send(&self, message: EngineMessage) -> bool {
        self.queue.send(message).is_ok()
    }

    /// Sends a display tick; drops and counts it when the queue is full.
    pub(crate) fn tick(&self, message: EngineMessage) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(message) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Ticks dropped so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// An outbox whose messages can be read back.
    #[cfg(test)]
    pub(crate) fn for_tests(capacity: usize) -> (Self, Receiver<EngineMessage>) {
        let (tx, rx) = bounded(capacity);
        (
            Self {
                queue: tx,
                dropped: Arc::default(),
            },
            rx,
        )
    }
}

/// What arrives from the server.
#[derive(Debug)]
pub(crate) enum Inbound {
    /// An order.
    Message(ServerMessage),
    /// The server is gone.
    Closed(String),
}

/// The engine's end of the link: both queues, and the socket to close it by.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) outbox: Outbox,
    pub(crate) inbound: Receiver<Inbound>,
    stream: UnixStream,
    written: Receiver<()>,
}

impl Link {
    /// Ends the link when every other [`Outbox`] is gone and what was sent is written, at the latest after two seconds.
    pub(crate) fn close(self) {
        drop(self.outbox);
        // An error is the writer's end, which is what is waited for.
        if self.written.recv_timeout(FLUSH_LIMIT) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("the last messages did not leave in time");
        }
        // The server may have closed it already.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// Starts both threads over `stream`. A server that does not read for as long as the watchdog waits counts as gone.
pub(crate) fn open(stream: UnixStream) -> Result<Link, EngineError> {
    let writer = stream.try_clone().map_err(EngineError::Link)?;
    let handle = stream.try_clone().map_err(EngineError::Link)?;
    stream
        .set_write_timeout(Some(Duration::from_millis(WATCHDOG_MS)))
        .map_err(EngineError::Link)?;
    let (written_tx, written) = bounded(0);
    let (out_tx, out_rx) = bounded(OUTBOUND);
    let (in_tx, in_rx) = bounded(INBOUND);
    let spawn = |name: &str| thread::Builder::new().name(name.to_owned());
    spawn("link-in")
        .spawn(move || read(stream, &in_tx))
        .map_err(EngineError::Thread)?;
    spawn("link-out")
        .spawn(move || write(writer, &out_rx, written_tx))
        .map_err(EngineError::Thread)?;
    Ok(Link {
        outbox: Outbox {
            queue: out_tx,
            dropped: Arc::default(),
        },
        inbound: in_rx,
        stream: handle,
        written,
    })
}

fn read(mut stream: UnixStream, inbound: &Sender<Inbound>) {
    let mut decoder = FrameDecoder::default();
    let mut bytes = vec![0; 64 * 1024];
    let why = loop {
        match stream.read(&mut bytes) {
            Ok(0) => break "the server closed the link".to_owned(),
            Ok(count) => decoder.push(bytes.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => break error.to_string(),
        }
        match hand_on(&mut decoder, inbound) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => break error.to_string(),
        }
    };
    let _ = inbound.send(Inbound::Closed(why));
}

fn hand_on(decoder: &mut FrameDecoder, inbound: &Sender<Inbound>) -> Result<bool, LinkError> {
    loop {
        match decoder.next_message::<ServerMessage>() {
            Ok(Some(message)) => {
                if inbound.send(Inbound::Message(message)).is_err() {
                    return Ok(false);
                }
            }
            Ok(None) => return Ok(true),
            Err(LinkError::Malformed(reason)) => {
                tracing::warn!(reason, "a link frame was not a known message");
            }
            Err(error) => return Err(error),
        }
    }
}

/// `_written` is dropped with the last message, which tells [`Link::close`].
fn write(mut stream: UnixStream, outbound: &Receiver<EngineMessage>, _written: Sender<()>) {
    for message in outbound {
        let frame = match encode_frame(&message) {
            Ok(frame) => frame,
            Err(error) => {
                tracing::error!(%error, "a message could not be written down");
                continue;
            }
        };
        if let Err(error) = stream.write_all(&frame) {
            tracing::error!(%error, "the server does not take messages, link closed");
            // Wakes the reader, by which the engine learns of it.
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
    }
}
