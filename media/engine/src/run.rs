//! The media plane's main loop: handshake, orders, heartbeat, watchdog.

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, TryRecvError, bounded};
use lsie_device::{CpuDevice, Device};
use lsie_infer::{ModelState, ModelStore};
use lsie_ingest::known_schemes;
use lsie_schemas::link::{
    EngineCounters, EngineHeartbeat, EngineHello, EngineMessage, HEARTBEAT_MS, LINK_PROTOCOL,
    ServerHello, ServerMessage, StartSession, Text, WATCHDOG_MS,
};
use lsie_schemas::observation::CalibrationState;
use uuid::Uuid;

use crate::error::{EngineError, OpenError};
use crate::link::{Inbound, Link, Outbox, open};
use crate::live::{LiveRun, LiveSettings};
use crate::semantic::SemanticDesk;

/// How long the server may take to say hello.
const HELLO_LIMIT: Duration = Duration::from_secs(5);
/// How often the main loop looks at the session.
const LOOP_SLICE: Duration = Duration::from_millis(50);

type Opened = Result<LiveRun, OpenError>;

struct Engine {
    outbox: Outbox,
    models: Arc<ModelStore>,
    cache_dir: PathBuf,
    device: Arc<dyn Device>,
    semantic: SemanticDesk,
    session: Option<LiveRun>,
    opening: Option<(StartSession, Receiver<Opened>)>,
    /// Counters of sessions that are over.
    past: EngineCounters,
    beats: u64,
}

/// Runs the engine until the server closes the link or orders it to end.
///
/// `build_id` must be the server's own: both processes are the same binary.
pub fn run(link: UnixStream, build_id: &str) -> Result<(), EngineError> {
    let link = open(link)?;
    let outcome = serve(&link, build_id);
    link.close();
    outcome
}

fn serve(link: &Link, build_id: &str) -> Result<(), EngineError> {
    let hello = await_hello(&link.inbound, build_id)?;
    let cache_dir = PathBuf::from(&hello.cache_dir);
    let models = Arc::new(ModelStore::open(&cache_dir)?);
    let device: Arc<dyn Device> = Arc::new(CpuDevice::new());
    let mut engine = Engine {
        outbox: link.outbox.clone(),
        semantic: SemanticDesk::new(
            Arc::clone(&models),
            Arc::clone(&device),
            link.outbox.clone(),
        ),
        models,
        cache_dir,
        device,
        session: None,
        opening: None,
        past: EngineCounters::default(),
        beats: 0,
    };
    engine
        .outbox
        .send(EngineMessage::Hello(engine.hello(build_id)));
    engine.serve(&link.inbound);
    Ok(())
}

fn await_hello(inbound: &Receiver<Inbound>, build_id: &str) -> Result<ServerHello, EngineError> {
    match inbound.recv_timeout(HELLO_LIMIT) {
        Ok(Inbound::Message(ServerMessage::Hello(hello)))
            if hello.protocol == LINK_PROTOCOL && hello.build_id == build_id =>
        {
            Ok(hello)
        }
        Ok(Inbound::Message(ServerMessage::Hello(hello))) => Err(EngineError::Handshake(format!(
            "the server is another build: {} with protocol {}, this is {build_id} with {LINK_PROTOCOL}",
            hello.build_id, hello.protocol
        ))),
        Ok(other) => Err(EngineError::Handshake(format!(
            "expected hello, got {other:?}"
        ))),
        Err(_) => Err(EngineError::Handshake("the server said nothing".into())),
    }
}

impl Engine {
    fn hello(&self, build_id: &str) -> EngineHello {
        let models = self.models.list().into_iter().map(|model| {
            let state = match model.state {
                ModelState::Installed => "ready".to_owned(),
                _ => format!("unavailable: run `lsie models fetch {}`", model.name),
            };
            (Text::cut(&model.name), Text::cut(&state))
        });
        EngineHello {
            protocol: LINK_PROTOCOL,
            build_id: Text::cut(build_id),
            pid: std::process::id(),
            device: Text::cut("cpu: reference device, the only one in this build"),
            models: models.collect::<BTreeMap<_, _>>(),
            sources: known_schemes()
                .iter()
                .map(|known| (Text::cut(known.scheme), Text::cut(known.help)))
                .collect(),
        }
    }

    fn serve(&mut self, inbound: &Receiver<Inbound>) {
        let mut next_beat = Instant::now();
        let mut last_heard = Instant::now();
        loop {
            if Instant::now() >= next_beat {
                self.beat();
                // After a stall the missed ones are not made up for.
                next_beat = Instant::now() + Duration::from_millis(HEARTBEAT_MS);
            }
            match inbound.recv_timeout(LOOP_SLICE) {
                Ok(Inbound::Message(message)) => {
                    last_heard = Instant::now();
                    if !self.obey(message) {
                        break;
                    }
                }
                Ok(Inbound::Closed(reason)) => {
                    tracing::warn!(reason, "link closed, engine ends");
                    break;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if last_heard.elapsed() > Duration::from_millis(WATCHDOG_MS) {
                tracing::error!(silence_ms = WATCHDOG_MS, "server is silent, engine ends");
                break;
            }
            self.collect_opened();
            self.collect_ended();
        }
        self.opening = None;
        if let Some(session) = self.session.take() {
            self.close(session);
        }
    }

    /// Carries out one order; `false` ends the engine.
    fn obey(&mut self, message: ServerMessage) -> bool {
        match message {
            ServerMessage::Start(order) => self.start(*order),
            ServerMessage::Stimulus {
                session_id,
                stimulus_id,
            } => self.stimulus(session_id, stimulus_id),
            ServerMessage::ScoreSemantics(question) => self.semantic.ask(*question),
            ServerMessage::End { session_id } => self.end(session_id, "requested"),
            ServerMessage::Shutdown => return false,
            ServerMessage::Hello(_) | ServerMessage::Heartbeat { .. } => {}
        }
        true
    }

    /// Opens the source on a thread of its own: it may take seconds (the demo is rendered at its first use).
    fn start(&mut self, order: StartSession) {
        let running = self.session.as_ref().map(|session| session.session_id);
        let opening = self.opening.as_ref().map(|(order, _)| order.session_id);
        if let Some(replaced) = running.or(opening) {
            tracing::warn!(session = %replaced, "a new session replaces the running one");
            self.end(replaced, "replaced");
        }
        let (tx, rx) = bounded(1);
        let settings = LiveSettings {
            order: order.clone(),
            device: Arc::clone(&self.device),
            outbox: self.outbox.clone(),
        };
        let (models, cache_dir) = (Arc::clone(&self.models), self.cache_dir.clone());
        let opener = thread::Builder::new()
            .name("open-source".into())
            .spawn(move || {
                let _ = tx.send(LiveRun::open(settings, &models, &cache_dir));
            });
        match opener {
            Ok(_) => self.opening = Some((order, rx)),
            Err(error) => self.failed(order.session_id, "thread", &error.to_string()),
        }
    }

    fn collect_opened(&mut self) {
        let Some((order, receiver)) = &self.opening else {
            return;
        };
        let session_id = order.session_id;
        let opened = match receiver.try_recv() {
            Ok(opened) => opened,
            Err(TryRecvError::Empty) => return,
            Err(TryRecvError::Disconnected) => Err(OpenError::Panicked),
        };
        self.opening = None;
        match opened {
            Ok(run) => self.session = Some(run),
            Err(error) => self.failed(session_id, error.code(), &error.to_string()),
        }
    }

    fn failed(&self, session_id: Uuid, code: &str, detail: &str) {
        tracing::error!(session = %session_id, code, detail, "session could not be measured");
        self.outbox.send(EngineMessage::SessionFailed {
            session_id,
            code: Text::cut(code),
            detail: Text::cut(detail),
        });
    }

    fn stimulus(&mut self, session_id: Uuid, stimulus_id: Uuid) {
        // The session's first words may reach the server before this loop has taken the session over.
        self.collect_opened();
        let taken = self
            .session
            .as_ref()
            .filter(|run| run.session_id == session_id)
            .is_some_and(|run| run.stimulus(stimulus_id));
        if !taken {
            let code = Text::cut("no_open_source");
            self.outbox.send(EngineMessage::StimulusRefused {
                session_id,
                stimulus_id,
                code,
            });
        }
    }

    fn end(&mut self, session_id: Uuid, reason: &str) {
        let opening = self
            .opening
            .take_if(|(order, _)| order.session_id == session_id);
        let running = self.session.take_if(|run| run.session_id == session_id);
        let media_ns = match (running, opening) {
            (Some(session), _) => self.close(session),
            (None, Some((order, _))) => order.resume_at_ns,
            (None, None) => return,
        };
        self.ended(session_id, reason, media_ns);
    }

    /// Says that a session is over; its last counters go first.
    fn ended(&mut self, session_id: Uuid, reason: &str, media_ns: i64) {
        self.beat();
        self.outbox.send(EngineMessage::SessionEnded {
            session_id,
            reason: Text::cut(reason),
            media_ns,
        });
    }

    /// Reports a session whose source came to its end or failed.
    fn collect_ended(&mut self) {
        let Some(outcome) = self.session.as_ref().and_then(LiveRun::ended) else {
            return;
        };
        let Some(session) = self.session.take() else {
            return;
        };
        let session_id = session.session_id;
        let media_ns = self.close(session);
        match outcome {
            Ok(()) => self.ended(session_id, "end_of_stream", media_ns),
            Err(words) => self.failed(session_id, "source_failed", &words),
        }
    }

    fn close(&mut self, session: LiveRun) -> i64 {
        let (media_ns, counters) = session.finish();
        self.past = sum(&self.past, &counters);
        media_ns
    }

    fn beat(&mut self) {
        let (calibration, media_ns, latency) = match &self.session {
            Some(session) => session.progress(),
            None => (CalibrationState::default(), 0, None),
        };
        let mut counters = match &self.session {
            Some(session) => sum(&self.past, &session.counters()),
            None => self.past.clone(),
        };
        counters.link_drops = self.outbox.dropped();
        (counters.semantic_scores, counters.semantic_refused) = self.semantic.counts();
        let source_state = match (&self.session, &self.opening) {
            (Some(session), _) if session.is_playing() => "playing",
            (Some(_), _) | (None, Some(_)) => "opening",
            (None, None) => "closed",
        };
        self.outbox.tick(EngineMessage::Heartbeat(EngineHeartbeat {
            seq: self.beats,
            session_id: self.session.as_ref().map(|session| session.session_id),
            media_ns,
            calibration,
            counters,
            observation_latency_ms: latency,
            source_state: Text::cut(source_state),
        }));
        self.beats += 1;
    }
}

fn sum(a: &EngineCounters, b: &EngineCounters) -> EngineCounters {
    EngineCounters {
        frames_decoded: a.frames_decoded + b.frames_decoded,
        frames_analysed: a.frames_analysed + b.frames_analysed,
        frames_dropped: a.frames_dropped + b.frames_dropped,
        mesh_inferences: a.mesh_inferences + b.mesh_inferences,
        detector_inferences: a.detector_inferences + b.detector_inferences,
        frames_without_face: a.frames_without_face + b.frames_without_face,
        decode_errors: a.decode_errors + b.decode_errors,
        audio_blocks: a.audio_blocks + b.audio_blocks,
        voice_inferences: a.voice_inferences + b.voice_inferences,
        time_rejects: a.time_rejects + b.time_rejects,
        semantic_scores: a.semantic_scores + b.semantic_scores,
        semantic_refused: a.semantic_refused + b.semantic_refused,
        segments: a.segments + b.segments,
        link_drops: a.link_drops + b.link_drops,
        paced_lags: a.paced_lags + b.paced_lags,
    }
}
