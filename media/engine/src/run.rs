//! The media plane's main loop: handshake, orders, heartbeat, watchdog.

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError};
use lsie_analysis::face::PictureHint;
use lsie_device::{CpuDevice, Device};
use lsie_infer::{ModelState, ModelStore, NetworkOpener};
use lsie_ingest::cuda::CudaLibrary;
use lsie_ingest::{PhoneSettings, SourceHealth, SourcePhone, known_schemes};
use lsie_schemas::config::DeviceConfig;
use lsie_schemas::device::DeviceChoice;
use lsie_schemas::link::{
    EngineCounters, EngineHeartbeat, EngineHello, EngineMessage, HEARTBEAT_MS, LINK_PROTOCOL,
    PhoneReport, ServerHello, ServerMessage, SourceClockReport, SourceReport, StartSession, Text,
    WATCHDOG_MS,
};
use lsie_schemas::observation::CalibrationState;
use uuid::Uuid;

use crate::device::{ChosenDevice, choose_device, surfaces_of, work_of};
use crate::error::EngineError;
use crate::link::{Inbound, Link, Outbox, open};
use crate::live::OpenParts;
use crate::recovery::{LiveRun, Outcome};
use crate::semantic::SemanticDesk;
use crate::viewers::ViewerDesk;

/// How long the server may take to say hello.
const HELLO_LIMIT: Duration = Duration::from_secs(5);
/// How often the main loop looks at the session.
const LOOP_SLICE: Duration = Duration::from_millis(50);

struct Engine {
    outbox: Outbox,
    models: Arc<ModelStore>,
    cache_dir: PathBuf,
    chosen: ChosenDevice,
    opener: Arc<NetworkOpener>,
    /// Where decoders can write pictures into the device's memory.
    surfaces: Option<CudaLibrary>,
    phones: PhoneSettings,
    semantic: SemanticDesk,
    session: Option<LiveRun>,
    viewers: ViewerDesk,
    /// Counters of sessions that are over.
    past: EngineCounters,
    beats: u64,
}

/// Runs the engine until the server closes the link or orders it to end.
///
/// `build_id` must be the server's own: both processes are the same binary.
pub fn run(link: UnixStream, build_id: &str) -> Result<(), EngineError> {
    run_with(link, build_id, EngineDevice::Ordered)
}

/// Where the device of an engine comes from.
#[derive(Clone)]
pub enum EngineDevice {
    /// The server says it in its hello.
    Ordered,
    /// This one, whatever the server says.
    Choice(DeviceChoice),
    /// This open one, whatever the server says.
    Given(Arc<dyn Device>),
}

/// As [`run`], on a device that may come from elsewhere. Ends with [`EngineError::Device`] when the device is lost: the server
/// then starts another engine, and the session goes on there.
pub fn run_with(link: UnixStream, build_id: &str, device: EngineDevice) -> Result<(), EngineError> {
    let link = open(link)?;
    let outcome = serve(&link, build_id, device);
    link.close();
    outcome
}

fn serve(link: &Link, build_id: &str, device: EngineDevice) -> Result<(), EngineError> {
    let hello = await_hello(&link.inbound, build_id)?;
    let cache_dir = PathBuf::from(&hello.cache_dir);
    let mut chosen = match device {
        EngineDevice::Ordered => choose_device(hello.device.parse()?, &cache_dir)?,
        EngineDevice::Choice(choice) => choose_device(choice, &cache_dir)?,
        EngineDevice::Given(device) => ChosenDevice {
            why: format!("{}: given", device.info().name),
            device,
        },
    };
    let models = Arc::new(ModelStore::open(&cache_dir)?);
    let opener =
        NetworkOpener::find(&chosen.device, &models, None)?.with_precision(hello.precision);
    chosen.why = format!("{}; networks: {}", chosen.why, opener.description());
    let surfaces = match surfaces_of(chosen.device.as_ref()) {
        None => None,
        Some(Ok(library)) => Some(library),
        Some(Err(absent)) => {
            chosen.why = format!("{}; pictures by way of the host: {absent}", chosen.why);
            None
        }
    };
    tracing::info!(device = chosen.why, "the device is open");
    let mut engine = Engine {
        outbox: link.outbox.clone(),
        semantic: SemanticDesk::new(
            Arc::clone(&models),
            // Sentences are too little work to pay for a copy.
            Arc::new(CpuDevice::new()),
            link.outbox.clone(),
        ),
        models,
        cache_dir,
        chosen,
        opener: Arc::new(opener),
        surfaces,
        phones: configured_phones(&hello.phones, Path::new(&hello.cache_dir)),
        session: None,
        viewers: ViewerDesk::start(link.outbox.clone())?,
        past: EngineCounters::default(),
        beats: 0,
    };
    engine
        .outbox
        .send(EngineMessage::Hello(engine.hello(build_id)));
    engine.serve(&link.inbound)
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
            device: Text::cut(&self.chosen.why),
            models: models.collect::<BTreeMap<_, _>>(),
            sources: known_schemes()
                .iter()
                .map(|known| (Text::cut(known.scheme), Text::cut(known.help)))
                .collect(),
        }
    }

    fn serve(&mut self, inbound: &Receiver<Inbound>) -> Result<(), EngineError> {
        let mut outcome = Ok(());
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
            if let Err(error) = self.chosen.device.check() {
                tracing::error!(%error, "the device is lost, engine ends");
                outcome = Err(error.into());
                break;
            }
            self.tend();
        }
        if let Some(session) = self.session.take() {
            self.close(session);
        }
        outcome
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
            ServerMessage::Peer(order) => {
                let session = self.session.as_ref();
                let session = session.map(|run| (run.session_id, run.viewers()));
                self.viewers.obey(*order, session);
            }
            ServerMessage::End { session_id } => self.end(session_id, "requested"),
            ServerMessage::Shutdown => return false,
            ServerMessage::Hello(_) | ServerMessage::Heartbeat { .. } => {}
        }
        true
    }

    fn start(&mut self, order: StartSession) {
        if let Some(replaced) = self.session.as_ref().map(|session| session.session_id) {
            tracing::warn!(session = %replaced, "a new session replaces the running one");
            self.end(replaced, "replaced");
        }
        let (session, resume_at_ns) = (order.session_id, order.resume_at_ns);
        tracing::debug!(%session, resume_at_ns, "a session is ordered");
        let parts = OpenParts {
            device: Arc::clone(&self.chosen.device),
            models: Arc::clone(&self.models),
            opener: Arc::clone(&self.opener),
            surfaces: self.surfaces.clone(),
            cache_dir: self.cache_dir.clone(),
            phones: self.phones.clone(),
            viewers: self.viewers.session(),
        };
        self.session = Some(LiveRun::start(order, self.outbox.clone(), parts));
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
        let Some(session) = self.session.take_if(|run| run.session_id == session_id) else {
            return;
        };
        let media_ns = self.close(session);
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

    /// Looks after the session's source and reports a session that is over.
    fn tend(&mut self) {
        let Some(outcome) = self
            .session
            .as_mut()
            .and_then(|run| run.tend(Instant::now()))
        else {
            return;
        };
        let Some(session) = self.session.take() else {
            return;
        };
        let session_id = session.session_id;
        let media_ns = self.close(session);
        match outcome {
            Outcome::Ended(reason) => self.ended(session_id, reason, media_ns),
            Outcome::Failed(code, words) => {
                self.past.sources_failed += 1;
                self.failed(session_id, code, &words);
            }
        }
    }

    fn close(&mut self, session: LiveRun) -> i64 {
        let (media_ns, counters) = session.finish();
        self.past.add(&counters);
        media_ns
    }

    fn beat(&mut self) {
        let (calibration, media_ns, latency) = match &self.session {
            Some(session) => session.progress(),
            None => (CalibrationState::default(), 0, None),
        };
        let mut counters = self.past.clone();
        if let Some(session) = &self.session {
            counters.add(&session.counters());
        }
        counters.link_drops = self.outbox.dropped();
        *counters.device = work_of(self.chosen.device.as_ref());
        (counters.semantic_scores, counters.semantic_refused) = self.semantic.counts();
        self.viewers.tell(&mut counters);
        let source_state = self.session.as_ref().map_or("closed", LiveRun::state);
        let beat = EngineHeartbeat {
            seq: self.beats,
            session_id: self.session.as_ref().map(|session| session.session_id),
            media_ns,
            calibration,
            counters,
            observation_latency_ms: latency,
            source_state: Text::cut(source_state),
            source: self.session.as_ref().and_then(|session| {
                let report = report_of(session.health().as_ref(), session.picture_hint());
                report.map(Box::new)
            }),
            peers: self.viewers.gauges(),
        };
        self.outbox.tick(EngineMessage::Heartbeat(Box::new(beat)));
        self.beats += 1;
    }
}

/// Where phones are reached; what is fetched lies in the cache folder.
pub(crate) fn configured_phones(phones: &DeviceConfig, cache_dir: &Path) -> PhoneSettings {
    let mut settings = PhoneSettings::configured(
        phones.adb_port,
        &phones.adb,
        &phones.scrcpy_server,
        &phones.scrcpy_version,
    );
    // Where `lsie device fetch-server` puts it.
    settings.jar.data_dir = Some(cache_dir.join("scrcpy"));
    settings
}

/// What the source says of itself, and what the picture says where the source is content; `None` when neither says anything.
fn report_of(health: Option<&SourceHealth>, hint: Option<PictureHint>) -> Option<SourceReport> {
    let mut report = health.map_or_else(
        || SourceReport {
            state: Text::cut("ok"),
            detail: Text::cut("playing"),
            hint: Text::cut(""),
            clock: None,
            phone: None,
        },
        said_by,
    );
    match hint {
        None if health.is_none() => return None,
        Some(hint) if report.state.as_str() == "ok" => {
            report.state = Text::cut("degraded");
            report.detail = Text::cut(&format!("{}, {}", report.detail.as_str(), hint.words()));
            report.hint = Text::cut(hint.advice());
        }
        _ => {}
    }
    Some(report)
}

fn said_by(health: &SourceHealth) -> SourceReport {
    SourceReport {
        state: Text::cut(health.state.code()),
        detail: Text::cut(&health.detail),
        hint: Text::cut(&health.hint),
        clock: health.clock.as_ref().map(|clock| SourceClockReport {
            state: Text::cut(clock.state),
            offset_s: clock.offset_secs,
            drift_ppm: clock.drift_ppm,
            uncertainty_ms: clock.uncertainty_ms,
            round_trip_ms: clock.round_trip_ms,
        }),
        phone: health.phone.as_ref().map(phone_of),
    }
}

fn phone_of(phone: &SourcePhone) -> PhoneReport {
    PhoneReport {
        serial: Text::cut(&phone.serial),
        model: Text::cut(&phone.model),
        server_version: Text::cut(&phone.server_version),
        resolution: phone.resolution,
        fps: phone.fps,
        bit_rate_bps: phone.bit_rate_bps,
        pictures_late: phone.pictures_late,
        pictures_dropped: phone.pictures_dropped,
        pictures_corrupt: phone.pictures_corrupt,
        sound_dropped: phone.sound_dropped,
        sound_silent_frames: phone.sound_silent_frames,
        sessions: phone.sessions,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_with_a_fault_makes_a_content_source_degraded() {
        assert_eq!(report_of(None, None), None);
        let report = report_of(None, Some(PictureHint::TooDark)).unwrap();
        assert_eq!(report.state.as_str(), "degraded");
        assert_eq!(report.detail.as_str(), "playing, the picture is too dark");
        assert!(report.hint.as_str().contains("light"));
    }
}
