//! The thread that owns the session machine and does what it says.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use super::handset::{HandsetEvent, Live};
use super::launch::{Plan, files_of, launch, reset_video, shut_down};
use super::shared::{Attempt, Message, Outlets, lock};
use crate::adb::AdbClient;
use crate::clock::ClockLadder;
use crate::scrcpy::Scid;
use crate::session::{Action, EndCause, Input, Machine, SessionState, TICK_NS};

/// How long units may be dropped for want of a key before one is asked for, nanoseconds.
const KEY_PATIENCE_NS: i64 = 1_000_000_000;

pub(super) struct Supervisor {
    pub(super) machine: Machine,
    pub(super) client: AdbClient,
    pub(super) plan: Plan,
    pub(super) transport_ns: i64,
    pub(super) outlets: Outlets,
    pub(super) live: Arc<std::sync::Mutex<Live>>,
    pub(super) to_self: SyncSender<Message>,
    pub(super) attempt: Option<Arc<Attempt>>,
    pub(super) attempts: u32,
}

impl Supervisor {
    /// Runs until the machine is stopped and the handset asks for no more.
    pub(super) fn run(mut self, inbox: &Receiver<Message>) {
        let mut has_begun = false;
        loop {
            let input = match inbox.recv_timeout(Duration::from_nanos(TICK_NS as u64)) {
                Ok(Message::Always(input)) => input,
                Ok(Message::Of(number, input)) if number == self.attempts => input,
                Ok(Message::Of(..)) => continue,
                Err(RecvTimeoutError::Timeout) => Input::Tick,
                Err(RecvTimeoutError::Disconnected) => Input::Stop,
            };
            self.step(input);
            self.step(self.pulse());
            has_begun |= self.machine.state() != SessionState::Stopped;
            if has_begun && self.machine.state() == SessionState::Stopped {
                break;
            }
        }
        self.outlets.video.close();
        self.outlets.audio.close();
        self.outlets.events.close();
    }

    fn step(&mut self, input: Input) {
        let now_ns = self.outlets.now_ns();
        for action in self.machine.advance(now_ns, input) {
            self.act(action);
        }
        let mut live = lock(&self.live);
        live.state = self.machine.state();
        if let Some(watchdog) = self.machine.watchdog() {
            (live.video, live.audio) = (watchdog.video(), watchdog.audio());
        }
        live.attempt.clone_from(&self.attempt);
    }

    /// What arrived last, as the machine wants to see it.
    fn pulse(&self) -> Input {
        let Some(attempt) = &self.attempt else {
            return Input::Tick;
        };
        let now_ns = self.outlets.now_ns();
        let mut pulse = *lock(&attempt.pulse);
        pulse.pings_missed = attempt.pings_missed.load(Ordering::Relaxed);
        let since_ns = self.outlets.video.dropping_since_ns();
        pulse.wants_key = since_ns.is_some_and(|since| now_ns - since > KEY_PATIENCE_NS);
        Input::Pulse(pulse)
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Open(serial) => self.open(serial),
            Action::ResetVideo => {
                self.outlets.facts().resets += 1;
                self.outlets.events.push(HandsetEvent::VideoReset);
                let sent = self.attempt.as_deref().map(reset_video);
                if let Some(Err(error)) = sent {
                    tracing::warn!(%error, "capture could not be started again");
                }
            }
            Action::Close => {
                if let Some(attempt) = &self.attempt {
                    attempt.close();
                }
            }
            Action::Shutdown => {
                if let Some(attempt) = self.attempt.take() {
                    shut_down(&attempt);
                }
                self.step(Input::Closed);
            }
            Action::Reconnect(serial) => {
                if let Err(error) = self.client.reconnect(&serial) {
                    tracing::debug!(%error, "the phone could not be attached again");
                }
            }
            Action::Report(transition) => {
                tracing::info!(
                    from = transition.from.word(),
                    to = transition.to.word(),
                    cause = transition.cause.map(EndCause::word),
                    "the phone's session changed"
                );
                let log = match (&self.attempt, transition.cause) {
                    (Some(attempt), Some(_)) => lock(&attempt.log).lines(),
                    _ => Vec::new(),
                };
                let event = HandsetEvent::State { transition, log };
                self.outlets.events.push(event);
            }
        }
    }

    fn open(&mut self, serial: String) {
        self.plan.leftovers = self.attempt.as_deref().map(files_of);
        self.attempts += 1;
        let random = getrandom::u32().unwrap_or(self.attempts);
        let mut facts = self.outlets.facts();
        facts.serial = Some(serial.clone());
        facts.sessions += 1;
        facts.cable.restart();
        drop(facts);
        let attempt = Arc::new(Attempt::new(
            self.attempts,
            self.client,
            serial,
            Scid::new(random),
            self.outlets.clone(),
            ClockLadder::new(self.transport_ns, self.next_epoch()),
            self.to_self.clone(),
        ));
        self.attempt = Some(Arc::clone(&attempt));
        let plan = self.plan.clone();
        let spawned = thread::Builder::new()
            .name("handset-launch".into())
            .spawn(move || launch(&attempt, &plan));
        if spawned.is_err() {
            self.step(Input::Ended(EndCause::AdbFailed));
        }
    }

    /// Every session begins a new epoch of the clock.
    fn next_epoch(&self) -> u32 {
        let last = self.attempt.as_ref().map(|attempt| {
            let map = lock(&attempt.ladder).map();
            map.map_or(attempt.number, |map| map.epoch)
        });
        last.map_or(0, |epoch| epoch.saturating_add(1))
    }
}
