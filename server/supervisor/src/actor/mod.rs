//! The one task that owns the engine, the open session and every decision about them.
//!
//! Commands, engine events and deadlines are handled one after another; nothing here holds a lock or waits for media.

mod encounters;
mod engine_events;
mod holding;
mod outcomes;
mod peers;
mod physiology;
mod recovery;
mod semantics;
mod sessions;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lsie_analytics::attribution::FINALITY_CHECK_SECS;
use lsie_analytics::physiology::PhysiologyBuffer;
use lsie_schemas::api::{AlertKind, EventType, LifecycleAccepted, Severity, StimulusAccepted};
use lsie_schemas::config::{EngineConfig, SessionConfig};
use lsie_schemas::time::UtcMicros;
use lsie_store::{NewAlert, Reader, Store, Writer};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use crate::engine::{EngineEvent, EngineHandle, EngineSettings, start};
use crate::error::{SupervisorError, is_store_fault};
use crate::handle::{COMMAND_QUEUE, Command, Reply, Supervisor};
use crate::live::LiveSession;
use crate::restart::{RestartDecision, RestartPolicy};
use crate::snapshot::{EngineState, Snapshot};

/// Change marks a slow reader may lag behind before it is told to read everything anew.
const CHANGE_QUEUE: usize = 64;
/// How long a caller waits for the engine to stamp a stimulus or open a source.
const ENGINE_ANSWER: Duration = Duration::from_secs(3);
/// Pause between two looks for records that may become final.
const FINALITY_PAUSE: Duration = Duration::from_secs(FINALITY_CHECK_SECS);
/// How long an engine must live before its back-off is forgotten is the circuit's own window; how long to wait for its
/// orderly end on shutdown is this.
const ENGINE_END: Duration = Duration::from_secs(2);

/// What the supervisor is given.
#[derive(Debug, Clone)]
pub struct SupervisorSettings {
    /// How engines are started.
    pub engine: EngineSettings,
    /// Restart policy.
    pub engine_config: EngineConfig,
    /// Session rules.
    pub session_config: SessionConfig,
    /// Build identity.
    pub build_id: String,
}

/// A caller waiting for the engine's word.
#[derive(Debug)]
struct Waiting<T> {
    reply: Reply<T>,
    answer: T,
    until: Instant,
}

pub(crate) struct Actor {
    settings: SupervisorSettings,
    /// Keeps the store open as long as the task lives.
    store: Arc<Store>,
    writer: Writer,
    reader: Reader,
    policy: RestartPolicy,
    origin: Instant,
    engine: Option<(EngineHandle, mpsc::Receiver<EngineEvent>)>,
    restart_at: Option<Instant>,
    ready: bool,
    live: Option<LiveSession>,
    gap_open_since: Option<UtcMicros>,
    store_retry_at: Option<Instant>,
    starting: Option<Waiting<LifecycleAccepted>>,
    stamping: HashMap<Uuid, Waiting<StimulusAccepted>>,
    /// Wearable chunks of the last 15 minutes; they never leave memory.
    physiology: PhysiologyBuffer,
    /// Whether streamer and operator were stale at the last look.
    was_stale: [bool; 2],
    /// Next look for attribution records that may become final.
    finality_at: Instant,
    asked: HashMap<Uuid, semantics::Asked>,
    peers: HashMap<Uuid, peers::PeerRecord>,
    state: Snapshot,
    published: watch::Sender<Arc<Snapshot>>,
    /// What changed since the state was published last.
    marked: BTreeSet<EventType>,
    changes: broadcast::Sender<EventType>,
}

/// Starts the supervisor: recovers what an earlier server left open, starts the engine, returns the handle.
pub async fn supervise(
    settings: SupervisorSettings,
    store: Arc<Store>,
) -> Result<Supervisor, SupervisorError> {
    let (command_tx, command_rx) = mpsc::channel(COMMAND_QUEUE);
    let (published, snapshot) = watch::channel(Arc::new(Snapshot::default()));
    let (changes, _) = broadcast::channel(CHANGE_QUEUE);
    let mut actor = Actor {
        policy: RestartPolicy::new(&settings.engine_config),
        origin: Instant::now(),
        engine: None,
        restart_at: None,
        ready: false,
        live: None,
        gap_open_since: None,
        store_retry_at: None,
        starting: None,
        stamping: HashMap::new(),
        physiology: PhysiologyBuffer::new(),
        was_stale: [false; 2],
        finality_at: Instant::now(),
        asked: HashMap::new(),
        peers: HashMap::new(),
        state: Snapshot {
            build_id: settings.build_id.clone(),
            started_at: Some(utc_now()),
            ..Snapshot::default()
        },
        published,
        marked: BTreeSet::new(),
        changes: changes.clone(),
        writer: store.writer(),
        reader: store.reader(),
        store,
        settings,
    };
    let (writer, reader) = (actor.writer.clone(), actor.reader.clone());
    actor.recover().await?;
    actor.start_engine();
    actor.publish();
    tokio::spawn(actor.run(command_rx));
    Ok(Supervisor {
        commands: command_tx,
        snapshot,
        changes,
        writer,
        reader,
    })
}

/// The UTC label of this instant.
pub(crate) fn utc_now() -> UtcMicros {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    UtcMicros(since.as_micros() as i64)
}

enum Step {
    Command(Option<Command>),
    Engine(Option<EngineEvent>),
    Deadline,
}

impl Actor {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            let deadline = self.next_deadline();
            let step = tokio::select! {
                command = commands.recv() => Step::Command(command),
                event = next_event(&mut self.engine) => Step::Engine(event),
                () = sleep_until(deadline) => Step::Deadline,
            };
            match step {
                Step::Command(Some(Command::Shutdown(reply))) => {
                    self.shut_down().await;
                    let _ = reply.send(Ok(()));
                    return;
                }
                Step::Command(Some(command)) => self.obey(command).await,
                Step::Command(None) => return self.shut_down().await,
                Step::Engine(Some(event)) => self.on_engine_event(event).await,
                Step::Engine(None) => self.engine = None,
                Step::Deadline => self.on_deadline().await,
            }
            self.resolve_encounters().await;
            self.publish();
        }
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Start(body, reply) => self.start_session(*body, reply).await,
            Command::End(id, body, reply) => {
                let answer = self.end_session(id, &body).await;
                let _ = reply.send(answer);
            }
            Command::Stimulus(id, body, reply) => self.stimulus(id, body, reply).await,
            Command::Attest(id, body, reply) => {
                let answer = self.attest(id, &body).await;
                let _ = reply.send(answer);
            }
            Command::Platform(id, event, reply) => {
                let answer = self.on_platform_event(id, &event).await;
                let _ = reply.send(answer);
            }
            Command::Chunk(chunk, reply) => {
                let _ = reply.send(self.take_chunk(*chunk));
            }
            Command::ScoreSemantics(question, reply) => self.score(question, reply),
            Command::OpenPeer(target, offer, reply) => self.open_peer(&target, *offer, reply),
            Command::TricklePeer(target, peer_id, etag, fragment, reply) => {
                let taken = self.trickle_peer(&target, peer_id, &etag, *fragment);
                let _ = reply.send(taken);
            }
            Command::ClosePeer(target, peer_id, reply) => {
                let closed = self.close_peer(&target, peer_id);
                let _ = reply.send(closed);
            }
            Command::ResetEngine(reply) => {
                self.policy.reset();
                if self.engine.is_none() {
                    self.start_engine();
                }
                self.mark(&[EventType::Health, EventType::Overview]);
                let _ = reply.send(Ok(()));
            }
            Command::Shutdown(_) => {}
        }
    }

    fn start_engine(&mut self) {
        self.restart_at = None;
        self.ready = false;
        self.state.engine.state = EngineState::Starting;
        self.engine = Some(start(self.settings.engine.clone()));
    }

    /// Monotonic time since the supervisor started.
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn next_deadline(&self) -> Instant {
        let attest = self
            .live
            .as_ref()
            .filter(|_| self.store_retry_at.is_none())
            .and_then(LiveSession::deadline)
            .map(|deadline| self.origin + deadline);
        let stamps = self.stamping.values().map(|waiting| waiting.until);
        let starting = self.starting.iter().map(|waiting| waiting.until);
        let asked = self.asked.values().map(|asked| asked.until);
        let peers = self.peers.values().filter_map(peers::PeerRecord::until);
        stamps
            .chain(starting)
            .chain(asked)
            .chain(peers)
            .chain(attest)
            .chain(self.restart_at)
            .chain(self.store_retry_at)
            .fold(self.finality_at, Instant::min)
    }

    async fn on_deadline(&mut self) {
        let now = Instant::now();
        if self.finality_at <= now {
            self.finality_at = now + FINALITY_PAUSE;
            self.finalise().await;
        }
        if self.restart_at.is_some_and(|at| at <= now) {
            self.start_engine();
        }
        if self
            .starting
            .as_ref()
            .is_some_and(|waiting| waiting.until <= now)
            && let Some(waiting) = self.starting.take()
        {
            let answer = LifecycleAccepted {
                message: Some("the source is still being opened".into()),
                ..waiting.answer
            };
            let _ = waiting.reply.send(Ok(answer));
        }
        self.give_up_questions(Some(now));
        self.give_up_peers(Some(now));
        let late: Vec<Uuid> = self
            .stamping
            .iter()
            .filter(|(_, waiting)| waiting.until <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            if let Some(mut waiting) = self.stamping.remove(&id) {
                let words = "the media process has not stamped it yet";
                waiting
                    .answer
                    .message
                    .get_or_insert_with(|| words.to_owned());
                let _ = waiting.reply.send(Ok(waiting.answer));
            }
        }
    }

    /// After a death: when, if ever, to start again.
    fn plan_restart(&mut self) {
        match self.policy.on_death(self.now()) {
            RestartDecision::After(pause) => {
                self.state.engine.state = EngineState::Recovering;
                self.restart_at = Some(Instant::now() + pause);
            }
            RestartDecision::CircuitOpen => {
                self.state.engine.state = EngineState::CircuitOpen;
                self.restart_at = None;
                tracing::error!(
                    deaths = self.state.engine.deaths,
                    "engine circuit opened, restarts stopped"
                );
            }
        }
    }

    /// Closes the open session in order, then the engine.
    async fn shut_down(&mut self) {
        if let Err(error) = self.finish_session("server_stopped", None).await {
            tracing::error!(%error, "the open session could not be closed");
        }
        if let Some((handle, mut events)) = self.engine.take() {
            let _ = handle.send(lsie_schemas::link::ServerMessage::Shutdown);
            let ended = async {
                while events
                    .recv()
                    .await
                    .is_some_and(|event| !matches!(event, EngineEvent::Died { .. }))
                {
                }
            };
            let _ = tokio::time::timeout(ENGINE_END, ended).await;
        }
        self.state.engine.state = EngineState::Stopped;
        self.publish();
    }

    /// Shows the state to readers, then tells them which parts changed: whoever is told of a change finds it.
    fn publish(&mut self) {
        let mut state = self.state.clone();
        state.live.clone_from(&self.live);
        state.held = self.held();
        self.published.send_replace(Arc::new(state));
        for kind in std::mem::take(&mut self.marked) {
            let _ = self.changes.send(kind);
        }
    }

    /// Parts of the state changed; readers are told once it is published.
    fn mark(&mut self, kinds: &[EventType]) {
        self.marked.extend(kinds);
    }

    /// Persists an alert; a failing store is told to health, not to the operator's alert list.
    async fn alert(
        &mut self,
        severity: Severity,
        kind: AlertKind,
        subsystem: Option<&str>,
        message: String,
    ) {
        let alert = NewAlert {
            alert_id: Uuid::new_v4(),
            severity,
            kind,
            message,
            session_id: self.live.as_ref().map(|live| live.id),
            subsystem_key: subsystem.map(str::to_owned),
            emitted_at: utc_now(),
        };
        let written = self.writer.record_alert(alert).await;
        self.note_write(&written.map(drop));
        self.mark(&[EventType::Alerts, EventType::Overview]);
    }

    /// Remembers whether the store takes writes. A row it refuses for its content is no fault of the store.
    fn note_write(&mut self, outcome: &Result<(), lsie_store::StoreError>) {
        let fault = match outcome {
            Ok(()) => None,
            Err(error) if is_store_fault(error) => {
                tracing::error!(%error, "the store takes no writes");
                self.state.store_faults += 1;
                Some(error.to_string())
            }
            Err(error) => return tracing::warn!(%error, "the store refused a row"),
        };
        if self.state.store_fault != fault {
            self.state.store_fault = fault;
            self.mark(&[EventType::Health, EventType::Overview]);
        }
    }
}

async fn next_event(
    engine: &mut Option<(EngineHandle, mpsc::Receiver<EngineEvent>)>,
) -> Option<EngineEvent> {
    match engine {
        Some((_, events)) => events.recv().await,
        None => std::future::pending().await,
    }
}
