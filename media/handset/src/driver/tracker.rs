//! Follows what is attached (device 1.5).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::adb::{AdbClient, DeviceEntry, DeviceState, HexBlocks};
use crate::error::HandsetError;

/// While something attached is not usable, the long list is asked for this often: the stream does not tell every change.
const POLL: Duration = Duration::from_secs(1);
/// How often a silent stream looks whether to end.
const LOOK: Duration = Duration::from_millis(200);
const WAITS_SECS: [u64; 4] = [1, 2, 4, 8];

/// What the tracker saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackedDevices {
    /// The port refuses and no server could be started.
    NoServer,
    /// Everything that is attached.
    List(Vec<DeviceEntry>),
}

/// A thread that follows the device list until it is dropped.
#[derive(Debug)]
pub struct DeviceTracker {
    is_over: Arc<AtomicBool>,
}

impl DeviceTracker {
    /// Starts following. `program` is run as `start-server` whenever the port refuses; `None` never starts anything.
    /// `network` is a `host:port` that is attached again on our own schedule when it drops away.
    pub fn start(
        client: AdbClient,
        program: Option<PathBuf>,
        network: Option<String>,
        tell: impl Fn(TrackedDevices) + Send + 'static,
    ) -> Result<Self, HandsetError> {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut follower = Follower {
            client,
            program,
            network,
            attach_at: None,
            attach_tries: 0,
            tell: Box::new(tell),
            is_over: Arc::clone(&is_over),
        };
        thread::Builder::new()
            .name("handset-devices".into())
            .spawn(move || follower.run())
            .map_err(HandsetError::io("starting a thread"))?;
        Ok(Self { is_over })
    }

    /// A tracker whose lists wait in a channel of `capacity`; lists that find it full are left out, the next one tells more.
    pub fn channel(
        client: AdbClient,
        program: Option<PathBuf>,
        capacity: usize,
    ) -> Result<(Self, Receiver<TrackedDevices>), HandsetError> {
        let (tx, rx): (SyncSender<TrackedDevices>, _) = sync_channel(capacity);
        let tell = move |devices| drop(tx.try_send(devices));
        Ok((Self::start(client, program, None, tell)?, rx))
    }
}

impl Drop for DeviceTracker {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
    }
}

struct Follower {
    client: AdbClient,
    program: Option<PathBuf>,
    network: Option<String>,
    attach_at: Option<Instant>,
    attach_tries: usize,
    tell: Box<dyn Fn(TrackedDevices) + Send>,
    is_over: Arc<AtomicBool>,
}

impl Follower {
    fn run(&mut self) {
        let mut refusals = 0;
        while !self.is_done() {
            match self.follow() {
                Ok(()) => refusals = 0,
                Err(HandsetError::NoServer { .. }) => {
                    if !self.start_server() {
                        (self.tell)(TrackedDevices::NoServer);
                        self.rest(Duration::from_secs(wait_secs(refusals)));
                        refusals += 1;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "device tracking broke off and begins again");
                    self.rest(LOOK);
                }
            }
        }
    }

    fn start_server(&self) -> bool {
        let Some(program) = &self.program else {
            return false;
        };
        match self.client.start_server(program) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "the adb server could not be started");
                false
            }
        }
    }

    /// One tracking connection to its end.
    fn follow(&mut self) -> Result<(), HandsetError> {
        let mut stream = self.client.track()?;
        stream
            .set_read_timeout(Some(LOOK))
            .map_err(HandsetError::io("tracking devices"))?;
        let mut blocks = HexBlocks::default();
        let (mut polled, mut is_settled) = (Instant::now(), false);
        while !self.is_done() {
            let has_news = match stream.block(&mut blocks) {
                Ok(_) => true,
                Err(HandsetError::Io { source, .. }) if is_silence(&source) => false,
                Err(error) => return Err(error),
            };
            if has_news || (!is_settled && polled.elapsed() >= POLL) {
                polled = Instant::now();
                // The stream tells that something changed, the long list what: models, and states it keeps silent about.
                let list = self.client.devices()?;
                is_settled =
                    !list.is_empty() && list.iter().all(|entry| entry.state == DeviceState::Ready);
                self.attach_again(&list);
                (self.tell)(TrackedDevices::List(list));
            }
        }
        Ok(())
    }

    /// A network device that died stays listed and is tried by the server every 10 s only.
    fn attach_again(&mut self, list: &[DeviceEntry]) {
        let Some(address) = &self.network else {
            return;
        };
        let is_ready = list
            .iter()
            .any(|entry| &entry.serial == address && entry.state == DeviceState::Ready);
        if is_ready {
            (self.attach_at, self.attach_tries) = (None, 0);
            return;
        }
        let now = Instant::now();
        if self.attach_at.is_some_and(|at| now < at) {
            return;
        }
        let answers = [self.client.detach(address), self.client.attach(address)];
        tracing::debug!(?answers, "a network device is attached again");
        self.attach_at = Some(now + Duration::from_secs(wait_secs(self.attach_tries)));
        self.attach_tries += 1;
    }

    fn rest(&self, time: Duration) {
        let begun = Instant::now();
        while !self.is_done() && begun.elapsed() < time {
            thread::sleep(LOOK.min(time));
        }
    }

    fn is_done(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }
}

fn wait_secs(tries: usize) -> u64 {
    WAITS_SECS.get(tries).copied().unwrap_or(8)
}

fn is_silence(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}
