//! The session's states (device 4).
//!
//! ```text
//! Stopped ─▶ Waiting(why) ─▶ Ready ─▶ Pushing ─▶ Starting ─▶ Handshaking ─▶ Streaming ─▶ Stopping ─▶ Stopped
//!               ▲                        └──────────┴─────────────┴────────────┤ ended
//!               └──────────────────────────────────── Backoff ◀────────────────┴──▶ Failed(cause)
//! ```

use super::backoff::Backoff;
use super::presence::{Chosen, choose};
use super::watchdog::{Pulse, Watchdog, WatchdogSettings, WatchdogVerdict};
use crate::adb::{DeviceEntry, DeviceState};

/// How often [`Machine::advance`] wants to be called with [`Input::Tick`] or [`Input::Pulse`], nanoseconds.
pub const TICK_NS: i64 = 50_000_000;

const PUSH_NS: i64 = 10_000_000_000;
const FIRST_SOCKET_NS: i64 = 10_000_000_000;
const SETTLED_NS: i64 = 30_000_000_000;
const OFFLINE_NS: i64 = 5_000_000_000;
const FAST_FAILURES: u32 = 5;
const START_FAILURES: u32 = 3;

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndCause {
    /// A media stream ended: unplugged, or the server left.
    StreamEnded,
    /// Bytes that are no packet.
    Framing,
    /// The server's process ended by itself.
    ServerExited,
    /// The file transfer did not end in time.
    PushTimeout,
    /// The device refused the file, for example for want of space.
    PushRefused,
    /// No socket, or nothing on it, in time.
    SocketTimeout,
    /// Silence that resets did not cure.
    Silence,
    /// Pings without an answer.
    TransportDead,
    /// The device's sound cannot be set up as asked.
    AudioMisconfigured,
    /// The settings or the server jar are unusable.
    Settings,
    /// A host service failed or the adb server went away.
    AdbFailed,
}

impl EndCause {
    /// The word in events and status rows.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::StreamEnded => "stream_ended",
            Self::Framing => "framing",
            Self::ServerExited => "server_exited",
            Self::PushTimeout => "push_timeout",
            Self::PushRefused => "push_refused",
            Self::SocketTimeout => "socket_timeout",
            Self::Silence => "silence",
            Self::TransportDead => "transport_dead",
            Self::AudioMisconfigured => "audio_misconfigured",
            Self::Settings => "settings",
            Self::AdbFailed => "adb_failed",
        }
    }

    /// How many failures with this cause in a row are final.
    fn patience(self, has_streamed: bool) -> u32 {
        match self {
            Self::PushRefused | Self::AudioMisconfigured | Self::Settings => 1,
            Self::SocketTimeout | Self::ServerExited if !has_streamed => START_FAILURES,
            // The adb server may be away for long; it is waited for.
            Self::AdbFailed | Self::TransportDead => u32::MAX,
            _ => FAST_FAILURES,
        }
    }
}

/// Where a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    /// Nothing is wanted.
    Stopped,
    /// No usable device; the state says why.
    Waiting(DeviceState),
    /// A device is there.
    Ready,
    /// Files go to the device.
    Pushing,
    /// The server was started and its socket is awaited.
    Starting,
    /// Sockets are open, first bytes are awaited.
    Handshaking,
    /// Media arrive.
    Streaming,
    /// We asked for the end.
    Stopping,
    /// Waiting before the next try.
    Backoff,
    /// Given up until somebody retries.
    Failed(EndCause),
}

impl SessionState {
    /// The word in events and status rows.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Waiting(why) => why.word(),
            Self::Ready => "ready",
            Self::Pushing => "pushing",
            Self::Starting => "starting",
            Self::Handshaking => "handshaking",
            Self::Streaming => "streaming",
            Self::Stopping => "stopping",
            Self::Backoff => "backoff",
            Self::Failed(_) => "failed",
        }
    }

    /// Whether something of a session is open on the device.
    #[must_use]
    pub fn is_session(self) -> bool {
        matches!(
            self,
            Self::Pushing | Self::Starting | Self::Handshaking | Self::Streaming
        )
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The consumer wants the phone.
    Start,
    /// The consumer wants it no longer.
    Stop,
    /// A person says: once more.
    Retry,
    /// The adb port refuses.
    NoServer,
    /// A device list.
    Devices(Vec<DeviceEntry>),
    /// Files are on the device.
    Pushed,
    /// The first socket is open.
    Connected,
    /// All sockets are open and the first bytes were right.
    Handshaken,
    /// What arrived last; given every [`TICK_NS`] while streaming.
    Pulse(Pulse),
    /// The phone refused sound.
    AudioDisabled,
    /// Something ended the session.
    Ended(EndCause),
    /// Everything that [`Action::Shutdown`] asked for is done.
    Closed,
    /// Time passed.
    Tick,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Push, start the server and open its sockets on this device; tell as it goes.
    Open(String),
    /// Ask the server to start capture again.
    ResetVideo,
    /// Close every stream of the session at once and forget it.
    Close,
    /// End the server in order, then tell [`Input::Closed`].
    Shutdown,
    /// Ask the adb server to attach this device again.
    Reconnect(String),
    /// Tell whoever listens.
    Report(Transition),
}

/// A change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// Before.
    pub from: SessionState,
    /// After.
    pub to: SessionState,
    /// Why, where a session ended.
    pub cause: Option<EndCause>,
    /// Our monotonic clock, nanoseconds.
    pub at_ns: i64,
}

/// What a machine is made for.
#[derive(Debug, Clone, Default)]
pub struct MachineSettings {
    /// The device; `None` takes the only one.
    pub serial: Option<String>,
    /// What is watched while streaming.
    pub watchdog: WatchdogSettings,
    /// Decides the spread of waits.
    pub seed: u64,
}

/// The machine. It owns no socket, no thread and no clock.
#[derive(Debug, Clone)]
pub struct Machine {
    settings: MachineSettings,
    state: SessionState,
    since_ns: i64,
    devices: Chosen,
    devices_since_ns: i64,
    has_reconnected: bool,
    backoff: Backoff,
    backoff_ns: i64,
    failures: (Option<EndCause>, u32),
    watchdog: Option<Watchdog>,
    actions: Vec<Action>,
}

impl Machine {
    /// A stopped machine.
    #[must_use]
    pub fn new(settings: MachineSettings) -> Self {
        let backoff = Backoff::new(settings.seed);
        Self {
            settings,
            state: SessionState::Stopped,
            since_ns: 0,
            devices: Chosen {
                state: DeviceState::NoServer,
                serial: None,
            },
            devices_since_ns: 0,
            has_reconnected: false,
            backoff,
            backoff_ns: 0,
            failures: (None, 0),
            watchdog: None,
            actions: Vec::new(),
        }
    }

    /// Where the session is.
    #[must_use]
    pub fn state(&self) -> SessionState {
        self.state
    }

    /// What the streams do, while streaming.
    #[must_use]
    pub fn watchdog(&self) -> Option<&Watchdog> {
        self.watchdog.as_ref()
    }

    /// Takes what happened at our monotonic time `now_ns` and says what to do, in order.
    pub fn advance(&mut self, now_ns: i64, input: Input) -> Vec<Action> {
        match input {
            Input::Start if self.state == SessionState::Stopped => self.wait(now_ns),
            Input::Retry if matches!(self.state, SessionState::Failed(_)) => {
                self.failures = (None, 0);
                self.backoff.reset();
                self.wait(now_ns);
            }
            Input::Stop => self.stop(now_ns),
            Input::Closed if self.state == SessionState::Stopping => {
                self.enter(now_ns, SessionState::Stopped, None);
            }
            Input::NoServer => self.attached(
                now_ns,
                Chosen {
                    state: DeviceState::NoServer,
                    serial: None,
                },
            ),
            Input::Devices(list) => {
                let chosen = choose(&list, self.settings.serial.as_deref());
                self.attached(now_ns, chosen);
            }
            Input::Ended(cause) if self.state.is_session() => self.end(now_ns, cause),
            Input::Pushed if self.state == SessionState::Pushing => {
                self.enter(now_ns, SessionState::Starting, None);
            }
            Input::Connected if self.state == SessionState::Starting => {
                self.enter(now_ns, SessionState::Handshaking, None);
            }
            Input::Handshaken if self.state == SessionState::Handshaking => {
                self.watchdog = Some(Watchdog::new(self.settings.watchdog, now_ns));
                self.enter(now_ns, SessionState::Streaming, None);
            }
            Input::AudioDisabled => {
                if let Some(watchdog) = &mut self.watchdog {
                    watchdog.disable_audio();
                }
            }
            Input::Pulse(pulse) => self.pulse(now_ns, &pulse),
            _ => {}
        }
        self.tick(now_ns);
        std::mem::take(&mut self.actions)
    }

    fn enter(&mut self, now_ns: i64, to: SessionState, cause: Option<EndCause>) {
        if self.state == to {
            return;
        }
        self.actions.push(Action::Report(Transition {
            from: self.state,
            to,
            cause,
            at_ns: now_ns,
        }));
        if to != SessionState::Streaming {
            self.watchdog = None;
        }
        self.state = to;
        self.since_ns = now_ns;
    }

    /// Goes where the newest device list says.
    fn wait(&mut self, now_ns: i64) {
        if self.devices.state != DeviceState::Ready {
            self.enter(now_ns, SessionState::Waiting(self.devices.state), None);
            return;
        }
        let Some(serial) = self.devices.serial.clone() else {
            return;
        };
        self.enter(now_ns, SessionState::Ready, None);
        self.enter(now_ns, SessionState::Pushing, None);
        self.actions.push(Action::Open(serial));
    }

    fn attached(&mut self, now_ns: i64, chosen: Chosen) {
        if chosen != self.devices {
            self.devices_since_ns = now_ns;
            self.has_reconnected = false;
        }
        self.devices = chosen;
        let is_gone = self.devices.state == DeviceState::NoDevice;
        match self.state {
            SessionState::Waiting(_) => self.wait(now_ns),
            state if state.is_session() && is_gone => {
                self.actions.push(Action::Close);
                self.forgive();
                let to = SessionState::Waiting(DeviceState::NoDevice);
                self.enter(now_ns, to, Some(EndCause::StreamEnded));
            }
            SessionState::Backoff if is_gone => {
                self.forgive();
                self.enter(now_ns, SessionState::Waiting(DeviceState::NoDevice), None);
            }
            _ => {}
        }
    }

    /// An unplugged phone is nobody's failure.
    fn forgive(&mut self) {
        self.failures = (None, 0);
        self.backoff.reset();
    }

    fn end(&mut self, now_ns: i64, cause: EndCause) {
        let has_streamed = self.state == SessionState::Streaming;
        if has_streamed && now_ns - self.since_ns >= SETTLED_NS {
            self.forgive();
        }
        let count = match self.failures {
            (Some(last), count) if last == cause => count + 1,
            _ => 1,
        };
        self.failures = (Some(cause), count);
        self.actions.push(Action::Close);
        if cause == EndCause::TransportDead {
            self.actions
                .extend(self.devices.serial.clone().map(Action::Reconnect));
        }
        if count >= cause.patience(has_streamed) {
            self.enter(now_ns, SessionState::Failed(cause), Some(cause));
            return;
        }
        self.backoff_ns = self.backoff.next_ns();
        self.enter(now_ns, SessionState::Backoff, Some(cause));
    }

    fn stop(&mut self, now_ns: i64) {
        match self.state {
            SessionState::Stopped | SessionState::Stopping => {}
            state if state.is_session() => {
                self.enter(now_ns, SessionState::Stopping, None);
                self.actions.push(Action::Shutdown);
            }
            _ => self.enter(now_ns, SessionState::Stopped, None),
        }
    }

    fn pulse(&mut self, now_ns: i64, pulse: &Pulse) {
        let Some(watchdog) = &mut self.watchdog else {
            return;
        };
        match watchdog.look(pulse, now_ns) {
            WatchdogVerdict::Fine => {}
            WatchdogVerdict::Reset => self.actions.push(Action::ResetVideo),
            WatchdogVerdict::Restart => self.end(now_ns, EndCause::Silence),
            WatchdogVerdict::Dead => self.end(now_ns, EndCause::TransportDead),
        }
    }

    fn tick(&mut self, now_ns: i64) {
        let waited = now_ns - self.since_ns;
        match self.state {
            SessionState::Pushing if waited > PUSH_NS => self.end(now_ns, EndCause::PushTimeout),
            SessionState::Starting | SessionState::Handshaking if waited > FIRST_SOCKET_NS => {
                self.end(now_ns, EndCause::SocketTimeout);
            }
            SessionState::Backoff if waited >= self.backoff_ns => self.wait(now_ns),
            SessionState::Waiting(DeviceState::Offline) => {
                let long = now_ns - self.devices_since_ns > OFFLINE_NS;
                if long && !self.has_reconnected {
                    self.has_reconnected = true;
                    self.actions
                        .extend(self.devices.serial.clone().map(Action::Reconnect));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
