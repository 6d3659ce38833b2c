//! A supervisor on a temporary store, and the media process as the test plays it.
//!
//! ```text
//! supervisor ── socket pair ──▶ this test binary again, as a plain relay ── unix socket ──▶ the test ([`Engine`])
//! ```
//!
//! Dropping an [`Engine`] ends the relay, which is how an engine dies here.

use std::future::Future;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lsie_schemas::api::{
    AttestRequest, SessionCreate, SessionEnd, StimulusAccepted, StimulusRequest,
};
use lsie_schemas::config::{EngineConfig, SessionConfig};
use lsie_schemas::contract::Au12Observation;
use lsie_schemas::id::segment_id;
use lsie_schemas::link::{
    Bounded, EngineHeartbeat, EngineHello, EngineMessage, FrameDecoder, GapNote, LINK_PROTOCOL,
    PeerGauges, SegmentKind, SegmentMessage, ServerHello, ServerMessage, SessionStarted,
    StartSession, Text, encode_frame,
};
use lsie_schemas::observation::CalibrationState;
use lsie_schemas::time::UtcMicros;
use lsie_store::rows::EncounterRow;
use lsie_store::{EncounterFilter, GREETING_EXPERIMENT, Store, StoreSettings};
use lsie_supervisor::{EngineSettings, Supervisor, SupervisorError, SupervisorSettings, supervise};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Build identity of both ends.
pub(crate) const BUILD: &str = "test-build";
/// UTC of media time zero in the scripts: 2026-01-01T00:00:00Z.
pub(crate) const EPOCH: UtcMicros = UtcMicros(1_767_225_600_000_000);
/// Nothing here is timed; this only ends a test that hangs.
const CEILING: Duration = Duration::from_secs(15);
const STAGE: &str = "LSIE_TEST_STAGE";

/// The relay: what the supervisor starts as its engine. As an ordinary test it does nothing.
#[test]
fn engine_entry() {
    let Ok(path) = std::env::var(STAGE) else {
        return;
    };
    let link = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    let link = std::os::unix::net::UnixStream::from(link);
    let Ok(stage) = std::os::unix::net::UnixStream::connect(path) else {
        return; // The test is over.
    };
    let (up, down) = (
        (link.try_clone().unwrap(), stage.try_clone().unwrap()),
        (stage, link),
    );
    let pump = |(mut from, mut to): (
        std::os::unix::net::UnixStream,
        std::os::unix::net::UnixStream,
    )| {
        let mut bytes = vec![0; 65_536];
        while let Ok(count) = from.read(&mut bytes) {
            if count == 0 || to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        std::process::exit(0);
    };
    std::thread::Builder::new()
        .name("up".into())
        .spawn(move || pump(up))
        .unwrap();
    pump(down);
}

/// Waits for an answer that must come.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(CEILING, future).await;
    outcome.unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// Polls until something holds.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    within(what, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// What a test chooses.
pub(crate) struct Options {
    pub(crate) attest_wait_s: f64,
    pub(crate) stamp_wait_s: f64,
    pub(crate) circuit_deaths: u32,
    pub(crate) max_page_count: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            attest_wait_s: 600.0,
            stamp_wait_s: 600.0,
            circuit_deaths: 50,
            max_page_count: None,
        }
    }
}

/// Supervisor, store and the place where engines report.
pub(crate) struct World {
    pub(crate) supervisor: Supervisor,
    pub(crate) store: Arc<Store>,
    listener: UnixListener,
    pub(crate) folder: Arc<TempDir>,
}

impl World {
    pub(crate) async fn open(options: Options) -> Self {
        Self::open_in(Arc::new(tempfile::tempdir().unwrap()), options).await
    }

    /// Opens on a folder that may hold the state of an earlier server.
    pub(crate) async fn open_in(folder: Arc<TempDir>, options: Options) -> Self {
        let path = folder.path().join(format!("stage-{}.sock", Uuid::new_v4()));
        let listener = UnixListener::bind(&path).unwrap();
        let mut settings = StoreSettings::new(folder.path().join("state"));
        settings.max_page_count = options.max_page_count;
        let store = Arc::new(Store::open(settings, UtcMicros(EPOCH.0 - 1_000_000)).unwrap());
        let engine = EngineSettings {
            program: PathBuf::from("/usr/bin/env"),
            arguments: vec![
                format!("{STAGE}={}", path.display()),
                std::env::current_exe().unwrap().display().to_string(),
                "--exact".into(),
                "stage::engine_entry".into(),
                "--nocapture".into(),
            ],
            hello: ServerHello {
                protocol: LINK_PROTOCOL,
                build_id: BUILD.into(),
                cache_dir: String::new(),
                device: "cpu".into(),
                precision: lsie_schemas::device::Precision::F32,
                phones: lsie_schemas::config::DeviceConfig::default(),
            },
        };
        let engine_config = EngineConfig {
            restart_min_s: 0.01,
            restart_max_s: 0.05,
            circuit_deaths: options.circuit_deaths,
            ..EngineConfig::default()
        };
        let session_config = SessionConfig {
            attest_wait_s: options.attest_wait_s,
            stamp_wait_s: options.stamp_wait_s,
            ..SessionConfig::default()
        };
        let settings = SupervisorSettings {
            engine,
            engine_config,
            session_config,
            build_id: BUILD.into(),
        };
        let supervisor = supervise(settings, Arc::clone(&store)).await.unwrap();
        Self {
            supervisor,
            store,
            listener,
            folder,
        }
    }

    /// Ends this server in order and gives its folder on.
    pub(crate) async fn stop(self) -> Arc<TempDir> {
        self.supervisor.shutdown().await.unwrap();
        let folder = Arc::clone(&self.folder);
        let Self {
            supervisor, store, ..
        } = self;
        drop(supervisor);
        let mut store = store;
        within("the supervisor lets the store go", async {
            loop {
                match Arc::try_unwrap(store) {
                    Ok(last) => return last.close(),
                    Err(shared) => store = shared,
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        folder
    }

    /// The next engine that reports, before its hello.
    pub(crate) async fn silent_engine(&self) -> Engine {
        let (stream, _) = within("an engine starts", self.listener.accept())
            .await
            .unwrap();
        let (reader, mut writer) = stream.into_split();
        let (say, mut said) = mpsc::channel::<Vec<u8>>(64);
        let voice = tokio::spawn(async move {
            while let Some(bytes) = said.recv().await {
                if writer.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        });
        Engine {
            reader,
            decoder: FrameDecoder::default(),
            say,
            _voice: voice,
            pulse: None,
        }
    }

    /// The next engine, after its hello.
    pub(crate) async fn engine(&self) -> Engine {
        let mut engine = self.silent_engine().await;
        engine.say(EngineMessage::Hello(hello(BUILD))).await;
        engine.keep_alive();
        eventually("the engine counts as up", || async {
            self.engine_state().await == "ok"
        })
        .await;
        engine
    }

    pub(crate) async fn engine_state(&self) -> String {
        self.supervisor.status().await.unwrap().engine.state
    }

    /// Opens a session on this engine and answers its order with the given pace.
    pub(crate) async fn session(
        &self,
        engine: &mut Engine,
        body: SessionCreate,
    ) -> (Uuid, StartSession) {
        let (answer, order) = tokio::join!(self.supervisor.start_session(body), async {
            let order = engine.hear_start().await;
            engine
                .say(EngineMessage::SessionStarted(started(&order, "paced")))
                .await;
            order
        });
        (answer.unwrap().session_id, order)
    }

    /// A calibrated session on a fresh engine.
    pub(crate) async fn calibrated(&self) -> (Engine, Uuid) {
        let mut engine = self.engine().await;
        let (id, _) = self.session(&mut engine, create()).await;
        engine.beat(id, 1_000_000_000, 45).await;
        eventually("the baseline is complete", || async {
            self.supervisor.session(id).await.unwrap().is_calibrating == Some(false)
        })
        .await;
        (engine, id)
    }

    /// Gives a stimulus that the engine stamps at media second `at_s`.
    pub(crate) async fn stimulus(
        &self,
        engine: &mut Engine,
        session: Uuid,
        at_s: f64,
    ) -> (Uuid, f64) {
        let (action, t) = (Uuid::new_v4(), at(at_s));
        let (answer, ()) = tokio::join!(self.give(session, action), async {
            assert_eq!(
                engine.hear().await,
                ServerMessage::Stimulus {
                    session_id: session,
                    stimulus_id: action
                }
            );
            engine.stamp(session, action, t).await;
        });
        assert_eq!(
            answer.unwrap().stimulus_time_utc,
            UtcMicros::from_epoch_secs(t)
        );
        (action, t)
    }

    pub(crate) async fn give(
        &self,
        session: Uuid,
        action: Uuid,
    ) -> Result<StimulusAccepted, SupervisorError> {
        let body = StimulusRequest {
            operator_note: None,
            client_action_id: action,
        };
        within(
            "the stimulus is answered",
            self.supervisor.stimulus(session, body),
        )
        .await
    }

    pub(crate) async fn attest(&self, session: Uuid, delivered: bool) {
        let body = AttestRequest {
            stimulus_id: None,
            delivered,
            client_action_id: Uuid::new_v4(),
        };
        self.supervisor.attest(session, body).await.unwrap();
    }

    pub(crate) async fn end(&self, session: Uuid) {
        let body = SessionEnd {
            client_action_id: Uuid::new_v4(),
        };
        self.supervisor.end_session(session, body).await.unwrap();
    }

    /// Committed encounters, newest first.
    pub(crate) fn rows(&self, session: Uuid) -> Vec<EncounterRow> {
        let filter = EncounterFilter {
            session_id: Some(session),
            ..EncounterFilter::default()
        };
        self.store
            .reader()
            .read(move |view| view.encounters(&filter, 100))
            .unwrap()
    }

    /// The only encounter, once it is committed.
    pub(crate) async fn only_row(&self, session: Uuid) -> EncounterRow {
        eventually("the encounter is committed", || async {
            !self.rows(session).is_empty()
        })
        .await;
        let mut rows = self.rows(session);
        assert_eq!(rows.len(), 1, "one encounter per stimulus");
        rows.remove(0)
    }

    /// Mass every update adds one to: 4 arms start with 2 each.
    pub(crate) fn updates(&self) -> f64 {
        let detail = self
            .store
            .reader()
            .read(|view| view.experiment(GREETING_EXPERIMENT))
            .unwrap()
            .unwrap();
        let mass: f64 = detail
            .arms
            .iter()
            .map(|arm| arm.posterior.alpha + arm.posterior.beta)
            .sum();
        mass - 8.0
    }

    pub(crate) fn posterior(&self, arm: &str) -> (f64, f64) {
        let arm = arm.to_owned();
        let beta = self
            .store
            .reader()
            .read(move |view| view.posterior(GREETING_EXPERIMENT, &arm))
            .unwrap()
            .unwrap();
        (beta.alpha, beta.beta)
    }
}

/// The media process as the test plays it.
pub(crate) struct Engine {
    reader: OwnedReadHalf,
    decoder: FrameDecoder,
    say: mpsc::Sender<Vec<u8>>,
    _voice: JoinHandle<()>,
    pulse: Option<JoinHandle<()>>,
}

impl Engine {
    /// Stands up against the watchdog.
    fn keep_alive(&mut self) {
        let say = self.say.clone();
        self.pulse = Some(tokio::spawn(async move {
            let beat =
                encode_frame(&EngineMessage::Heartbeat(Box::new(heartbeat(None, 0, 0)))).unwrap();
            while say.send(beat.clone()).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        }));
    }

    /// The next order that is not a sign of life or the server's hello.
    pub(crate) async fn hear(&mut self) -> ServerMessage {
        within("the server says something", async {
            let mut bytes = vec![0; 65_536];
            loop {
                while let Some(message) = self.decoder.next_message::<ServerMessage>().unwrap() {
                    if !matches!(
                        message,
                        ServerMessage::Heartbeat { .. } | ServerMessage::Hello(_)
                    ) {
                        return message;
                    }
                }
                let count = self.reader.read(&mut bytes).await.unwrap();
                assert!(count > 0, "the server closed the link");
                self.decoder.push(&bytes[..count]);
            }
        })
        .await
    }

    pub(crate) async fn hear_start(&mut self) -> StartSession {
        match self.hear().await {
            ServerMessage::Start(order) => *order,
            other => panic!("expected a start, got {other:?}"),
        }
    }

    pub(crate) async fn say(&self, message: EngineMessage) {
        self.say_bytes(encode_frame(&message).unwrap()).await;
    }

    pub(crate) async fn say_bytes(&self, bytes: Vec<u8>) {
        within("the link takes bytes", self.say.send(bytes))
            .await
            .unwrap();
    }

    pub(crate) async fn beat(&self, session: Uuid, media_ns: i64, accepted: u32) {
        let beat = heartbeat(Some(session), media_ns, accepted);
        self.say(EngineMessage::Heartbeat(Box::new(beat))).await;
    }

    pub(crate) async fn stamp(&self, session_id: Uuid, stimulus_id: Uuid, stimulus_time_s: f64) {
        self.say(EngineMessage::StimulusStamped {
            session_id,
            stimulus_id,
            stimulus_time_s,
            calibrated: true,
        })
        .await;
    }

    pub(crate) async fn segment(&self, segment: SegmentMessage) {
        self.say(EngineMessage::Segment(Box::new(segment))).await;
    }

    /// Ends the process after everything said so far has left.
    pub(crate) async fn die(self) {
        let Self {
            reader,
            say,
            _voice: voice,
            pulse,
            ..
        } = self;
        if let Some(pulse) = pulse {
            pulse.abort();
            let _ = pulse.await;
        }
        drop(say);
        within("the last words leave", voice).await.unwrap();
        drop(reader);
    }
}

/// Epoch seconds of a media second.
pub(crate) fn at(media_s: f64) -> f64 {
    EPOCH.as_epoch_secs() + media_s
}

pub(crate) fn create() -> SessionCreate {
    SessionCreate {
        stream_url: "demo:presenter".into(),
        experiment_id: GREETING_EXPERIMENT.into(),
        client_action_id: Uuid::new_v4(),
        epoch_utc: None,
        planned_stimuli: Vec::new(),
    }
}

pub(crate) fn hello(build: &str) -> EngineHello {
    let sources = [("demo", "the built-in presenter"), ("file", "a recording")];
    EngineHello {
        protocol: LINK_PROTOCOL,
        build_id: Text::cut(build),
        pid: std::process::id(),
        device: Text::cut("cpu: scripted"),
        models: [(Text::cut("face"), Text::cut("ready"))].into(),
        sources: sources
            .map(|(name, help)| (Text::cut(name), Text::cut(help)))
            .into(),
    }
}

pub(crate) fn started(order: &StartSession, pace: &str) -> SessionStarted {
    SessionStarted {
        session_id: order.session_id,
        epoch: order.epoch.unwrap_or(EPOCH),
        resolution: Some((1280, 720)),
        codec: Text::cut("raw"),
        has_audio: true,
        pace: Text::cut(pace),
    }
}

pub(crate) fn heartbeat(session_id: Option<Uuid>, media_ns: i64, accepted: u32) -> EngineHeartbeat {
    EngineHeartbeat {
        seq: 0,
        session_id,
        media_ns,
        calibration: CalibrationState {
            accepted,
            ratio_sum: f64::from(accepted) * 0.75,
        },
        counters: lsie_schemas::link::EngineCounters::default(),
        observation_latency_ms: None,
        source_state: Text::cut("playing"),
        source: None,
        peers: PeerGauges::default(),
    }
}

/// Scores 0.0, 0.1 … 1.0 spread over the measurement window (90th percentile 0.9), with ones just outside of it.
pub(crate) fn smile(t: f64) -> Vec<Au12Observation> {
    let inside = (0..=10).map(|k| (0.6 + 0.4 * f64::from(k), f64::from(k) / 10.0));
    [(0.4, 1.0)]
        .into_iter()
        .chain(inside)
        .chain([(5.1, 1.0)])
        .map(|(offset, intensity)| Au12Observation {
            timestamp_s: t + offset,
            intensity,
        })
        .collect()
}

/// The closed window of a stimulus at `t`.
pub(crate) fn segment(
    session: Uuid,
    stimulus_id: Uuid,
    t: f64,
    series: Vec<Au12Observation>,
) -> SegmentMessage {
    let window_start = UtcMicros::from_epoch_secs(t - 25.0).unwrap();
    let window_end = UtcMicros(window_start.0 + 30_000_000);
    SegmentMessage {
        session_id: session,
        segment_id: segment_id(&session, window_start, window_end),
        kind: SegmentKind::Stimulus {
            stimulus_id,
            stimulus_time_s: t,
        },
        window_start,
        window_end,
        frames: series.len() as u32,
        au12_series: Bounded::cut(series).0,
        action_units: Bounded::default(),
        absent: std::collections::BTreeMap::new(),
        acoustic: None,
        voice: None,
        pcm_sha256: None,
        silence_prefix_s: 0.0,
        gaps: Bounded::cut(Vec::<GapNote>::new()).0,
        baseline_ratio: Some(0.75),
        clock: None,
    }
}
