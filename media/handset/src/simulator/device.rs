//! The phone itself: its files, sockets, clocks, and what is done to it.

use std::collections::{HashMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::clock::PhoneClock;
use super::error::SimulatorError;
use super::film::Film;
use super::link::LinkModel;
use super::transport::{Link, Pipe, lock, spawn};
use crate::recording::Recording;

/// What the phone is.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is something a phone does or does not, apart from the others"
)]
pub struct PhoneSettings {
    /// Model, as the phone says it.
    pub model: String,
    /// Version the server must be started with; decides the dialect.
    pub server_version: String,
    /// Zero of our clock; the test's own.
    pub epoch: Instant,
    /// Its clocks.
    pub clock: PhoneClock,
    /// Whether the key of this computer was accepted.
    pub is_authorized: bool,
    /// First word of the sound's stream: `raw`, or 0 or 1 to refuse.
    pub audio_id: u32,
    /// Why the server leaves at its start, if it does.
    pub exit_at_start: Option<Exit>,
    /// How long the server takes before it listens.
    pub late_socket: Duration,
    /// Whether pictures are stamped with the clock that runs in sleep.
    pub is_boottime: bool,
    /// What a push is refused with.
    pub refuses_files: Option<String>,
    /// What the camera sees while the phone lies on its side; else a committed clip.
    pub film: Option<Arc<Film>>,
    /// What is played in place of a film: the streams of a recorded phone, once.
    pub replay: Option<Arc<Recording>>,
    /// Whether programs may run from the shell user's folder; without, no clock responder answers.
    pub runs_responder: bool,
    /// Whether the first socket greets with its dummy byte and the model.
    pub greets: bool,
    /// What the microphone hears, looped: signed 16-bit samples, 2 channels, 48 kHz, little endian; else a constant.
    pub sound: Option<Arc<[u8]>>,
}

impl PhoneSettings {
    /// An accepted phone with this server version and a clock far from ours.
    #[must_use]
    pub fn new(server_version: &str, epoch: Instant) -> Self {
        Self {
            model: "LSIE Sim".into(),
            server_version: server_version.into(),
            epoch,
            clock: PhoneClock {
                ppm: 80.0,
                offset_ns: 123_456_800_000_000,
                slept_ns: 3_600_000_000_000,
                wall_ns: 1_700_000_000_000_000_000,
            },
            is_authorized: true,
            audio_id: 0x0072_6177,
            exit_at_start: None,
            late_socket: Duration::ZERO,
            is_boottime: false,
            refuses_files: None,
            film: None,
            replay: None,
            runs_responder: true,
            greets: true,
            sound: None,
        }
    }
}

/// How the server leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// Its last line.
    pub words: String,
    /// Its status.
    pub status: u8,
}

/// What happens to the pictures' stream at its next picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VideoFault {
    /// The phone is turned.
    Rotate,
    /// A unit without its start code.
    Corrupt,
    /// A unit whose bits behind its head are flipped, one in a hundred bytes.
    FlipBits,
    /// Parameter sets once more, without a word about a size.
    Config,
    /// A header whose flag bits mean nothing at this place.
    BadFlags,
    /// The server ends in the middle of a packet.
    Truncate,
    /// A header announces this length.
    Length(u32),
    /// The cable goes in the middle of a packet.
    UnplugInside,
    /// The server ends.
    Exit,
}

/// Which streams stay open without sending.
#[derive(Debug, Default)]
pub(super) struct Rests {
    pub(super) video: bool,
    pub(super) audio: bool,
}

/// What changes while it runs, and what may be looked at.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) files: HashMap<String, Vec<u8>>,
    /// Sockets by name, with how many may still connect and who did.
    pub(super) sockets: HashMap<String, (usize, VecDeque<Arc<Pipe>>)>,
    pub(super) faults: VecDeque<VideoFault>,
    pub(super) controls: Vec<u8>,
    pub(super) killed: Vec<u32>,
    pub(super) running: Vec<u32>,
    pub(super) next_pid: u32,
    /// PTS in microseconds and true time of capture on our clock in nanoseconds.
    pub(super) truth: HashMap<u64, i64>,
    pub(super) clock: Option<PhoneClock>,
    is_authorized: bool,
    is_frozen: bool,
    /// Does not answer adb's greeting: listed as offline.
    pub(super) ignores_greeting: bool,
    pub(super) link: LinkModel,
    /// When the newest server began to play a recording, our clock.
    pub(super) replays_at_ns: Option<i64>,
    pub(super) rests: Rests,
    links: Vec<Weak<Link>>,
}

/// A running phone. It is unplugged when dropped.
#[derive(Debug)]
pub struct Phone {
    settings: PhoneSettings,
    address: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
    is_plugged: AtomicBool,
}

impl Phone {
    /// A phone on an odd loopback port, as adb expects of what it treats like USB.
    pub fn start(settings: PhoneSettings) -> Result<Arc<Self>, SimulatorError> {
        let listener = (0..64)
            .filter_map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok())
            .find(|listener| listener.local_addr().is_ok_and(|at| at.port() % 2 == 1))
            .ok_or(SimulatorError::NoOddPort)?;
        let address = listener.local_addr();
        let phone = Arc::new(Self {
            address: address.map_err(SimulatorError::io("listening"))?,
            state: Mutex::new(State {
                is_authorized: settings.is_authorized,
                next_pid: 4000,
                clock: Some(settings.clock),
                ..State::default()
            }),
            settings,
            changed: Condvar::new(),
            is_plugged: AtomicBool::new(true),
        });
        listen(&phone, listener);
        Ok(phone)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The serial that the adb server gives it.
    #[must_use]
    pub fn serial(&self) -> String {
        format!("emulator-{}", self.port() - 1)
    }

    pub(super) fn settings(&self) -> &PhoneSettings {
        &self.settings
    }

    pub(super) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Whether its cable is in.
    #[must_use]
    pub fn is_plugged(&self) -> bool {
        self.is_plugged.load(Ordering::Acquire)
    }

    /// Our clock.
    #[must_use]
    pub fn host_ns(&self) -> i64 {
        self.settings.epoch.elapsed().as_nanos() as i64
    }

    /// Its clocks as they are now.
    #[must_use]
    pub fn clock(&self) -> PhoneClock {
        self.state().clock.unwrap_or(self.settings.clock)
    }

    /// Changes its clocks.
    pub fn change_clock(&self, change: impl FnOnce(&mut PhoneClock)) {
        if let Some(clock) = &mut self.state().clock {
            change(clock);
        }
    }

    /// The person accepts this computer's key.
    pub fn authorize(&self) {
        self.state().is_authorized = true;
        self.changed.notify_all();
    }

    /// Pulls the cable: every connection breaks, nothing listens.
    pub fn unplug(&self) {
        self.is_plugged.store(false, Ordering::Release);
        let links = std::mem::take(&mut self.state().links);
        links
            .iter()
            .filter_map(Weak::upgrade)
            .for_each(|link| link.cut());
        // Wakes whoever listens, so that it sees that nobody should.
        let _ = std::net::TcpStream::connect(self.address);
        self.state().is_frozen = false;
        self.changed.notify_all();
    }

    /// Plugs the cable in again.
    pub fn replug(self: &Arc<Self>) -> Result<(), SimulatorError> {
        let begun = Instant::now();
        loop {
            match TcpListener::bind(self.address) {
                Ok(listener) => {
                    self.is_plugged.store(true, Ordering::Release);
                    listen(self, listener);
                    return Ok(());
                }
                Err(source) if begun.elapsed() > Duration::from_secs(10) => {
                    let during = "plugging in again";
                    return Err(SimulatorError::Io { during, source });
                }
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// The phone hangs: nothing is answered, nothing breaks.
    pub fn freeze(&self, is_frozen: bool) {
        self.state().is_frozen = is_frozen;
        self.changed.notify_all();
    }

    /// The cable is as slow as this from now on.
    pub fn slow(&self, link: LinkModel) {
        self.state().link = link;
    }

    /// The person takes the acceptance of this computer's key back: seen at the next plugging in.
    pub fn forget_key(&self) {
        self.state().is_authorized = false;
    }

    /// Whether adb's greeting stays without an answer: seen at the next plugging in, as a phone that is offline.
    pub fn ignore_greeting(&self, ignores: bool) {
        self.state().ignores_greeting = ignores;
    }

    /// Something happens at the next picture.
    pub fn inject(&self, fault: VideoFault) {
        self.state().faults.push_back(fault);
    }

    /// No pictures from now on, or again.
    pub fn rest_video(&self, rests: bool) {
        self.state().rests.video = rests;
    }

    /// No sound from now on, or again.
    pub fn rest_audio(&self, rests: bool) {
        self.state().rests.audio = rests;
    }

    /// Files on the phone, by path.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        self.state().files.keys().cloned().collect()
    }

    /// Content of a file.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<Vec<u8>> {
        self.state().files.get(path).cloned()
    }

    /// Whether a server began to play its recording at least so many nanoseconds ago.
    #[must_use]
    pub fn has_played(&self, length_ns: i64) -> bool {
        let begun_ns = self.state().replays_at_ns;
        begun_ns.is_some_and(|begun_ns| self.host_ns() > begun_ns.saturating_add(length_ns))
    }

    /// Servers that run.
    #[must_use]
    pub fn servers(&self) -> usize {
        self.state().running.len()
    }

    /// Control messages that arrived.
    #[must_use]
    pub fn controls(&self) -> Vec<u8> {
        self.state().controls.clone()
    }

    /// True time of capture of the picture with this PTS, on our clock.
    #[must_use]
    pub fn captured_ns(&self, pts_us: u64) -> Option<i64> {
        self.state().truth.get(&pts_us).copied()
    }

    pub(super) fn is_authorized(&self) -> bool {
        self.state().is_authorized
    }

    /// Waits for the person; `false` when the phone was unplugged meanwhile.
    pub(super) fn wait_for_authorization(&self) -> bool {
        while !self.is_authorized() && self.is_plugged.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.is_authorized()
    }

    pub(super) fn wait_while_frozen(&self) {
        let frozen = |state: &mut State| state.is_frozen;
        drop(
            self.changed
                .wait_while(self.state(), frozen)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }
}

fn listen(phone: &Arc<Phone>, listener: TcpListener) {
    let phone = Arc::downgrade(phone);
    spawn("phone", move || {
        for socket in listener.incoming() {
            let Some(phone) = phone.upgrade() else { break };
            if !phone.is_plugged.load(Ordering::Acquire) {
                break;
            }
            let Ok(socket) = socket else { continue };
            let Ok(link) = Link::new(Arc::clone(&phone), socket) else {
                continue;
            };
            let link = Arc::new(link);
            phone.state().links.push(Arc::downgrade(&link));
            spawn("phone-link", move || link.run());
        }
    });
}
