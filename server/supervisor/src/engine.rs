//! Driver of the engine process: starts the child over an inherited socket pair, keeps the link, the heartbeat and the
//! watchdog, and reports everything as [`EngineEvent`]s. It decides nothing: when to restart is the supervisor's word.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use lsie_schemas::link::{
    EngineMessage, FrameDecoder, HEARTBEAT_MS, LINK_PROTOCOL, LinkError, ServerHello,
    ServerMessage, WATCHDOG_MS, encode_frame,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep_until, timeout};

/// How an engine is started.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// The binary, our own.
    pub program: PathBuf,
    /// Arguments before anything else, normally `engine`.
    pub arguments: Vec<String>,
    /// Opening words.
    pub hello: ServerHello,
}

/// What the driver reports.
#[derive(Debug)]
pub(crate) enum EngineEvent {
    /// The child exists.
    Spawned {
        /// Its process id.
        pid: u32,
    },
    /// A message of the child.
    Message(Box<EngineMessage>),
    /// A frame that was not a known message; skipped.
    Malformed,
    /// The child is gone or was given up; nothing of it runs any more.
    Died {
        /// One sentence on why.
        reason: String,
    },
}

/// Orders waiting for the engine: bounded, and a full queue is an error the caller hands to the operator.
const ORDER_QUEUE: usize = 64;
/// Reports waiting for the supervisor: bounded, back-pressure towards the engine.
const EVENT_QUEUE: usize = 256;
/// How long a child may take to end after its link is closed before it is killed.
const END_GRACE: Duration = Duration::from_millis(1500);

/// A running engine as the supervisor holds it.
#[derive(Debug)]
pub(crate) struct EngineHandle {
    orders: mpsc::Sender<ServerMessage>,
}

impl EngineHandle {
    /// Queues an order; `false` when the engine is gone or its queue is full.
    #[must_use]
    pub(crate) fn send(&self, order: ServerMessage) -> bool {
        self.orders.try_send(order).is_ok()
    }
}

/// Starts an engine. Its events arrive on the returned receiver, [`EngineEvent::Died`] is always the last.
#[must_use]
pub(crate) fn start(settings: EngineSettings) -> (EngineHandle, mpsc::Receiver<EngineEvent>) {
    let (order_tx, order_rx) = mpsc::channel(ORDER_QUEUE);
    let (event_tx, event_rx) = mpsc::channel(EVENT_QUEUE);
    tokio::spawn(async move {
        let reason = match run(&settings, order_rx, &event_tx).await {
            Ok(reason) => reason,
            Err(error) => error.to_string(),
        };
        let _ = event_tx.send(EngineEvent::Died { reason }).await;
    });
    (EngineHandle { orders: order_tx }, event_rx)
}

#[derive(Debug, thiserror::Error)]
enum DriveError {
    #[error("engine could not be started: {0}")]
    Spawn(std::io::Error),
    #[error("engine link failed: {0}")]
    Link(#[from] LinkError),
    #[error("engine link broke: {0}")]
    Io(#[from] std::io::Error),
}

async fn run(
    settings: &EngineSettings,
    orders: mpsc::Receiver<ServerMessage>,
    events: &mpsc::Sender<EngineEvent>,
) -> Result<String, DriveError> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let mut child = Command::new(&settings.program)
        .args(&settings.arguments)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .map_err(DriveError::Spawn)?;
    let pid = child.id().unwrap_or_default();
    let _ = events.send(EngineEvent::Spawned { pid }).await;
    let (reader, writer) = UnixStream::from_std(ours)?.into_split();
    let talk = talk(reader, writer, settings, orders, events);
    tokio::pin!(talk);
    let outcome = tokio::select! {
        talked = &mut talk => talked,
        exit = child.wait() => {
            let words = exit.map_or_else(|error| error.to_string(), |status| status.to_string());
            // What it said before it ended may still lie in the socket.
            timeout(END_GRACE, &mut talk).await.unwrap_or(Ok(words))
        }
    };
    Ok(bury(child, outcome).await)
}

/// Waits for the child to end by itself (its link is closed now), then kills it.
async fn bury(mut child: Child, outcome: Result<String, DriveError>) -> String {
    let words = outcome.unwrap_or_else(|error| error.to_string());
    match timeout(END_GRACE, child.wait()).await {
        Ok(Ok(status)) if words.is_empty() => format!("engine ended: {status}"),
        Ok(Ok(status)) => format!("{words} ({status})"),
        Ok(Err(error)) => format!("{words} ({error})"),
        Err(_) => {
            let _ = child.kill().await;
            format!("{words} (killed after {} ms)", END_GRACE.as_millis())
        }
    }
}

async fn talk(
    mut reader: OwnedReadHalf,
    mut writer: OwnedWriteHalf,
    settings: &EngineSettings,
    mut orders: mpsc::Receiver<ServerMessage>,
    events: &mpsc::Sender<EngineEvent>,
) -> Result<String, DriveError> {
    writer
        .write_all(&encode_frame(&ServerMessage::Hello(
            settings.hello.clone(),
        ))?)
        .await?;
    let mut decoder = FrameDecoder::default();
    let mut bytes = vec![0; 64 * 1024];
    let mut beat = interval(Duration::from_millis(HEARTBEAT_MS));
    let mut beats = 0u64;
    let mut last_heard = Instant::now();
    loop {
        tokio::select! {
            read = reader.read(&mut bytes) => {
                let count = read?;
                if count == 0 {
                    return Ok("engine closed its link".into());
                }
                last_heard = Instant::now();
                decoder.push(bytes.get(..count).unwrap_or_default());
                if let Some(end) = drain(&mut decoder, settings, events).await? {
                    return Ok(end);
                }
            }
            order = orders.recv() => match order {
                Some(order) => writer.write_all(&encode_frame(&order)?).await?,
                None => return Ok("engine was stopped".into()),
            },
            _ = beat.tick() => {
                writer.write_all(&encode_frame(&ServerMessage::Heartbeat { seq: beats })?).await?;
                beats += 1;
            }
            () = sleep_until(last_heard + Duration::from_millis(WATCHDOG_MS)) => {
                return Ok(format!("engine was silent for {WATCHDOG_MS} ms"));
            }
        }
    }
}

/// Hands every whole message on; returns why the link must end, if it must.
async fn drain(
    decoder: &mut FrameDecoder,
    settings: &EngineSettings,
    events: &mpsc::Sender<EngineEvent>,
) -> Result<Option<String>, DriveError> {
    loop {
        match decoder.next_message::<EngineMessage>() {
            Ok(Some(EngineMessage::Hello(hello)))
                if hello.protocol != LINK_PROTOCOL
                    || hello.build_id.as_str() != settings.hello.build_id =>
            {
                return Ok(Some(format!("engine is another build: {}", hello.build_id)));
            }
            Ok(Some(message)) => {
                let _ = events.send(EngineEvent::Message(Box::new(message))).await;
            }
            Ok(None) => return Ok(None),
            Err(LinkError::Malformed(_)) => {
                let _ = events.send(EngineEvent::Malformed).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
