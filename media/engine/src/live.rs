//! The live session's graph, written out, and the session around it.
//!
//! ```text
//! picture ─▶ [newest wins, 1] ─▶ face ─▶ [256] ─┐
//!                                                ├─▶ session (assembler) ─▶ link
//! sound ───▶ [64] ─▶ voice ─▶ [256] ────────────┘
//! ```
//!
//! Paced and fast sources block at every edge instead of dropping, and neither branch runs far ahead of the other
//! ([`crate::lockstep`]), so nothing depends on how fast the machine is.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use lsie_analysis::AnalysisError;
use lsie_analysis::face::{
    FaceControl, FaceLayer, FaceNetworks, FaceTracker, SessionPhase, SubjectRules,
};
use lsie_analysis::voice::{VoiceSettings, VoiceStream};
use lsie_device::Device;
use lsie_graph::{
    Edge, Either, Graph, LogHooks, NodeError, NodeStats, Packet, Run, Status, Stream, sink_fn,
};
use lsie_infer::{InferError, ModelStore};
use lsie_ingest::{
    AudioSource, Input, InputHandle, OpenSettings, Pace, SourceAddress, VideoSource, host_time_ns,
    open,
};
use lsie_schemas::link::{EngineCounters, EngineMessage, SessionStarted, StartSession, Text};
use lsie_schemas::observation::{CalibrationState, FaceObservation};
use lsie_schemas::time::UtcMicros;
use lsie_segment::{Patience, SessionClock};
use uuid::Uuid;

use crate::assembler::{Assembler, AssemblerSettings};
use crate::blind::BlindLayer;
use crate::error::OpenError;
use crate::link::Outbox;
use crate::lockstep::{Branch, InStep, Lockstep};
use crate::sound::{SoundChunk, SoundLayer, VoiceMeter};

/// Observations and chunks that may wait for the assembler: over 2 s of either.
const MERGE_QUEUE: usize = 256;
/// Sound blocks that may wait for the resampler: over half a second.
const SOUND_QUEUE: usize = 64;
/// How long a graph may take to drain when a session ends.
const STOP_DEADLINE: Duration = Duration::from_secs(2);

/// What a session is opened with.
pub(crate) struct LiveSettings {
    pub(crate) order: StartSession,
    pub(crate) device: Arc<dyn Device>,
    pub(crate) outbox: Outbox,
}

/// A session that is being measured. Dropping it stops the graph.
pub(crate) struct LiveRun {
    pub(crate) session_id: Uuid,
    run: Run,
    input: InputHandle,
    face: FaceControl,
    voice: VoiceMeter,
    session: Arc<Mutex<SessionState>>,
    lockstep: Lockstep,
    pace: Pace,
}

/// The assembler, made by the first item: only then is the session's clock known.
struct SessionState {
    opening: Opening,
    assembler: Option<Assembler>,
    /// Nothing is taken any more: a thread that the graph left behind may still hand something in.
    is_over: bool,
}

struct Opening {
    order: StartSession,
    outbox: Outbox,
    resolution: Option<(u32, u32)>,
    has_audio: bool,
    has_video: bool,
    codec: &'static str,
    pace: Pace,
}

impl SessionState {
    fn take(&mut self, item: Either<FaceObservation, SoundChunk>) {
        if self.is_over {
            return;
        }
        let now_ns = host_time_ns();
        let assembler = match &mut self.assembler {
            Some(assembler) => assembler,
            none => none.insert(self.opening.start(&item, now_ns)),
        };
        assembler.take(item, now_ns);
    }
}

impl Opening {
    /// Fixes the session's clock by its first item and says that media runs.
    fn start(&self, item: &Either<FaceObservation, SoundChunk>, now_ns: u64) -> Assembler {
        let host_offset_ns = match item {
            Either::Left(observation) => {
                observation.host_time_ns.cast_signed() - observation.pts_ns
            }
            Either::Right(chunk) => chunk.host_offset_ns,
        };
        let age_micros = now_ns.cast_signed().saturating_sub(host_offset_ns) / 1000;
        let epoch = self
            .order
            .epoch
            .unwrap_or_else(|| utc_now().plus_micros(-age_micros));
        let settings = AssemblerSettings {
            session_id: self.order.session_id,
            clock: SessionClock::new(epoch),
            has_audio: self.has_audio,
            has_video: self.has_video,
            patience: if self.pace == Pace::Live {
                Patience::Live
            } else {
                Patience::File
            },
            resume_at_ns: self.order.resume_at_ns,
            planned: self.order.planned.clone(),
        };
        self.outbox
            .send(EngineMessage::SessionStarted(SessionStarted {
                session_id: self.order.session_id,
                epoch,
                resolution: self.resolution,
                codec: Text::cut(self.codec),
                has_audio: self.has_audio,
                pace: Text::cut(pace_code(self.pace)),
            }));
        Assembler::new(settings, self.order.calibration, self.outbox.clone())
    }
}

impl LiveRun {
    /// Opens the source and the models and starts the graph.
    pub(crate) fn open(
        settings: LiveSettings,
        models: &ModelStore,
        cache_dir: &Path,
    ) -> Result<Self, OpenError> {
        let LiveSettings {
            order,
            device,
            outbox,
        } = settings;
        let mut input = open_input(&order, &device, cache_dir)?;
        let pace = input.pace();
        let (face, voice) = (FaceControl::default(), VoiceMeter::default());
        face.restore_calibration(order.calibration);
        face.set_phase(SessionPhase::Open);
        let opening = Opening {
            resolution: input.info.video.map(|video| (video.width, video.height)),
            has_audio: input.audio.is_some(),
            has_video: input.video.is_some(),
            codec: codec_of(&input.info.address),
            outbox,
            order,
            pace,
        };
        let session_id = opening.order.session_id;
        let session = Arc::new(Mutex::new(SessionState {
            opening,
            assembler: None,
            is_over: false,
        }));
        let handle = input.handle();
        let lockstep = Lockstep::default();
        let parts = Parts {
            models,
            device: device.as_ref(),
            face: &face,
            voice: &voice,
            session: &session,
            lockstep: (pace != Pace::Live && input.video.is_some() && input.audio.is_some())
                .then(|| lockstep.clone()),
        };
        let graph = parts.build(&mut input)?;
        let built = graph.build().map_err(|problems| {
            OpenError::Graph(
                problems
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("; "),
            )
        })?;
        let run = built
            .start(LogHooks)
            .map_err(|error| OpenError::Graph(error.to_string()))?;
        Ok(Self {
            session_id,
            run,
            input: handle,
            face,
            voice,
            session,
            lockstep,
            pace,
        })
    }

    fn session(&self) -> MutexGuard<'_, SessionState> {
        // Plain values: whole after a panic elsewhere.
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stamps a stimulus with this instant of the session's clock; `false` before media runs.
    pub(crate) fn stimulus(&self, stimulus_id: Uuid) -> bool {
        let mut state = self.session();
        let Some(assembler) = state.assembler.as_mut() else {
            return false;
        };
        let position_ns = match self.pace {
            Pace::Live => assembler.live_position_ns(host_time_ns()),
            Pace::Paced | Pace::Fast => assembler.position_ns(),
        };
        let t = assembler.clock().epoch_secs_at(position_ns);
        assembler.stamp(stimulus_id, t);
        true
    }

    /// Whether the graph has come to its end by itself, and the fault when it failed.
    pub(crate) fn ended(&self) -> Option<Result<(), String>> {
        match self.run.status() {
            Status::Running | Status::Draining => None,
            Status::Completed | Status::Stopped => Some(Ok(())),
            Status::Failed => {
                let words = match self.run.wait(Duration::ZERO) {
                    Err(error) => format!("{}: {}", error.node, error.chain.join(": ")),
                    Ok(_) => "the graph failed".to_owned(),
                };
                Some(Err(words))
            }
        }
    }

    /// Stops the source, drains the graph, closes what can be closed. Returns the media time reached
    /// and the final counters.
    pub(crate) fn finish(self) -> (i64, EngineCounters) {
        self.lockstep.open();
        self.input.stop();
        let report = self.run.stop(STOP_DEADLINE);
        tracing::info!(?report, "graph stopped");
        let mut state = self.session();
        state.is_over = true;
        let resume_at_ns = state.opening.order.resume_at_ns;
        let media_ns = state.assembler.as_mut().map_or(resume_at_ns, |assembler| {
            assembler.finish();
            assembler.position_ns()
        });
        drop(state);
        (media_ns, self.counters())
    }

    /// Baseline, media time and latency for the heartbeat.
    pub(crate) fn progress(&self) -> (CalibrationState, i64, Option<(f32, f32)>) {
        let state = self.session();
        match &state.assembler {
            Some(assembler) => (
                assembler.calibration(),
                assembler.position_ns(),
                assembler.latency_ms(),
            ),
            None => (
                state.opening.order.calibration,
                state.opening.order.resume_at_ns,
                None,
            ),
        }
    }

    /// Whether media has arrived.
    pub(crate) fn is_playing(&self) -> bool {
        self.session().assembler.is_some()
    }

    /// Counters since the source was opened.
    pub(crate) fn counters(&self) -> EngineCounters {
        let input = self.input.counters();
        let face = self.face.counters();
        let voice = *self.voice.lock().unwrap_or_else(PoisonError::into_inner);
        let (segments, time_rejects) = self
            .session()
            .assembler
            .as_ref()
            .map_or((0, 0), Assembler::counts);
        let graph_drops: u64 = self.run.stats().iter().map(NodeStats::dropped_total).sum();
        EngineCounters {
            frames_decoded: input.frames + input.frames_superseded + input.frames_without_slot,
            frames_analysed: face.frames,
            frames_dropped: graph_drops + input.frames_superseded + input.frames_without_slot,
            mesh_inferences: face.mesh_runs,
            detector_inferences: face.detector_runs,
            frames_without_face: face.frames.saturating_sub(face.measured),
            decode_errors: input.frames_damaged
                + input.access_units_rejected
                + input.access_units_undecoded
                + input.warnings,
            audio_blocks: input.blocks,
            voice_inferences: voice.inferences,
            time_rejects,
            segments,
            semantic_scores: 0,
            semantic_refused: 0,
            link_drops: 0,
            paced_lags: input.frames_late,
        }
    }
}

impl Drop for LiveRun {
    fn drop(&mut self) {
        self.lockstep.open();
        self.input.stop();
    }
}

fn open_input(
    order: &StartSession,
    device: &Arc<dyn Device>,
    cache_dir: &Path,
) -> Result<Input, OpenError> {
    let mut settings = OpenSettings::new(Arc::clone(device), cache_dir.join("demo"));
    if order.resume_at_ns > 0 {
        settings.start_secs = Some(order.resume_at_ns as f64 / 1e9);
    }
    let input = open(&order.source_url, &settings)?;
    if input.video.is_none() && input.audio.is_none() {
        return Err(OpenError::Empty);
    }
    Ok(input)
}

/// What the graph of a session is built from.
struct Parts<'a> {
    models: &'a ModelStore,
    device: &'a dyn Device,
    face: &'a FaceControl,
    voice: &'a VoiceMeter,
    session: &'a Arc<Mutex<SessionState>>,
    lockstep: Option<Lockstep>,
}

impl Parts<'_> {
    fn build(&self, input: &mut Input) -> Result<Graph, OpenError> {
        let mut graph = Graph::new("live");
        let picture = input
            .video
            .take()
            .map(|video| self.picture(&mut graph, video));
        let sound = match input.audio.take() {
            Some(audio) => Some(self.sound(&mut graph, audio)?),
            None => None,
        };
        let (edge, session) = (Edge::auto(MERGE_QUEUE), self.session);
        match (picture, sound) {
            (Some(picture), Some(sound)) => {
                let merged = picture
                    .merge_any("merge", &sound)
                    .port_edge(0, edge)
                    .port_edge(1, edge);
                merged.then_sink("session", into_session(session, |item| item));
            }
            (Some(picture), None) => drop(
                picture
                    .sink("session", into_session(session, Either::Left))
                    .edge(edge),
            ),
            (None, Some(sound)) => drop(
                sound
                    .sink("session", into_session(session, Either::Right))
                    .edge(edge),
            ),
            (None, None) => return Err(OpenError::Empty),
        }
        Ok(graph)
    }

    /// Without usable models the frames still give time to the session, and the reason stands in its windows.
    fn picture(&self, graph: &mut Graph, video: VideoSource) -> Stream<FaceObservation> {
        let frames = graph.source("picture", video);
        let stream = match self.tracker() {
            Ok(tracker) => {
                let layer = FaceLayer::new(tracker, self.face.clone());
                frames.apply("face", self.in_step(layer, Branch::Picture))
            }
            Err(error) => {
                tracing::error!(%error, "faces are not measured in this session");
                let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
                let layer = BlindLayer::new(session.opening.order.calibration);
                frames.apply("face", self.in_step(layer, Branch::Picture))
            }
        };
        stream.edge(Edge::auto(1))
    }

    fn sound(
        &self,
        graph: &mut Graph,
        audio: AudioSource,
    ) -> Result<Stream<SoundChunk>, OpenError> {
        let voice = VoiceStream::open(self.models, self.device, VoiceSettings::default());
        let layer = SoundLayer::new(voice, Arc::clone(self.voice))?;
        Ok(graph
            .source("sound", audio)
            .apply("voice", self.in_step(layer, Branch::Sound))
            .edge(Edge::auto(SOUND_QUEUE)))
    }

    fn in_step<L>(&self, layer: L, branch: Branch) -> InStep<L> {
        InStep::new(layer, branch, self.lockstep.clone())
    }

    fn tracker(&self) -> Result<FaceTracker, AnalysisError> {
        let networks = FaceNetworks::new(
            self.device,
            open_network(self.models, "face_detector")?,
            open_network(self.models, "face_mesh")?,
        )?;
        Ok(FaceTracker::new(networks, SubjectRules::default()))
    }
}

fn into_session<T: lsie_graph::Payload>(
    session: &Arc<Mutex<SessionState>>,
    wrap: impl Fn(T) -> Either<FaceObservation, SoundChunk> + Send + 'static,
) -> impl lsie_graph::Sink<In = T> {
    let session = Arc::clone(session);
    sink_fn(move |packet: Packet<T>| {
        session
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(wrap(packet.payload));
        Ok::<(), NodeError>(())
    })
}

fn open_network(
    models: &ModelStore,
    name: &str,
) -> Result<Box<dyn lsie_infer::Network>, InferError> {
    let path = models.check(name)?;
    Ok(Box::new(models.runtime()?.open(&path)?))
}

/// What the picture came as; of a file only the decoder knows, so it counts as its decoded form.
const fn codec_of(address: &SourceAddress) -> &'static str {
    match address {
        SourceAddress::Demo { .. } => "h264",
        SourceAddress::File { .. } | SourceAddress::Test { .. } => "raw",
    }
}

const fn pace_code(pace: Pace) -> &'static str {
    match pace {
        Pace::Live => "live",
        Pace::Paced => "paced",
        Pace::Fast => "fast",
    }
}

fn utc_now() -> UtcMicros {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    UtcMicros(since.as_micros() as i64)
}
