//! The live session's graph, written out.
//!
//! ```text
//! picture ─▶ [newest wins, 1] ─▶ face ─▶ [256] ─┐
//!                                                ├─▶ session (assembler) ─▶ link
//! sound ───▶ [64] ─▶ voice ─▶ [256] ────────────┘
//! ```
//!
//! Paced and fast sources block at every edge instead of dropping, and neither branch runs far ahead of the other
//! ([`crate::lockstep`]), so nothing depends on how fast the machine is. A live source that fails is opened anew with a
//! graph of its own ([`crate::recovery`]).

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lsie_analysis::AnalysisError;
use lsie_analysis::face::{
    FaceControl, FaceLayer, FaceTracker, PictureHint, SessionPhase, SubjectRules,
};
use lsie_analysis::voice::{VoiceSettings, VoiceStream};
use lsie_device::Device;
use lsie_graph::{
    Edge, Either, Graph, LogHooks, NodeError, NodeStats, Packet, Run, Status, Stream, sink_fn,
};
use lsie_infer::{ModelStore, NetworkOpener};
use lsie_ingest::cuda::{CudaLibrary, CudaShare};
use lsie_ingest::{
    AudioSource, Input, InputHandle, MediaAnchor, OpenSettings, Pace, PhoneSettings, SourceHealth,
    VideoSource, open,
};
use lsie_schemas::link::{EngineCounters, StartSession};
use lsie_schemas::observation::FaceObservation;

use crate::blind::BlindLayer;
use crate::device::face_networks;
use crate::error::OpenError;
use crate::lockstep::{Branch, InStep, Lockstep};
use crate::session::SessionState;
use crate::sound::{SoundChunk, SoundLayer, VoiceMeter};
use crate::viewers::SessionViewers;

/// Observations and chunks that may wait for the assembler: over 2 s of either.
const MERGE_QUEUE: usize = 256;
/// Sound blocks that may wait for the resampler: over half a second.
const SOUND_QUEUE: usize = 64;
/// How long a graph may take to drain when a session ends.
const STOP_DEADLINE: Duration = Duration::from_secs(2);

/// What a source is opened with, every time.
#[derive(Clone)]
pub(crate) struct OpenParts {
    pub(crate) device: Arc<dyn Device>,
    pub(crate) models: Arc<ModelStore>,
    pub(crate) opener: Arc<NetworkOpener>,
    pub(crate) surfaces: Option<CudaLibrary>,
    pub(crate) cache_dir: PathBuf,
    pub(crate) phones: PhoneSettings,
    pub(crate) viewers: SessionViewers,
}

/// A source that is open, and the graph that measures it. Dropping it stops both.
pub(crate) struct Playing {
    run: Run,
    input: InputHandle,
    face: FaceControl,
    voice: VoiceMeter,
    lockstep: Lockstep,
}

impl Playing {
    /// Opens the source and the models and starts the graph, which hands everything to `session`. A live source goes on
    /// at `anchor`.
    pub(crate) fn open(
        session: &Arc<Mutex<SessionState>>,
        parts: &OpenParts,
        anchor: Option<MediaAnchor>,
    ) -> Result<Self, OpenError> {
        let locked = || session.lock().unwrap_or_else(PoisonError::into_inner);
        let (order, opened) = {
            let state = locked();
            (state.opening.order.clone(), state.openings)
        };
        parts.viewers.restart();
        // The one stream on which the pictures are read.
        let stream = parts.device.stream("face")?;
        let mut input = open_input(&order, parts, anchor, &stream)?;
        let pace = input.pace();
        let calibration = {
            let mut state = locked();
            state.opened(&input);
            state.calibration()
        };
        let (face, voice) = (FaceControl::default(), VoiceMeter::default());
        face.restore_calibration(calibration);
        face.set_phase(SessionPhase::Open);
        let handle = input.handle();
        let lockstep = Lockstep::default();
        let parts = Parts {
            models: &parts.models,
            opener: &parts.opener,
            stream,
            device: &parts.device,
            face: &face,
            voice: &voice,
            session,
            opened,
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
            run,
            input: handle,
            face,
            voice,
            lockstep,
        })
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

    /// Whether the file ended before the length its container states.
    pub(crate) fn is_cut_short(&self) -> bool {
        self.input.counters().early_ends > 0
    }

    /// How a source outside this process is.
    pub(crate) fn health(&self) -> Option<SourceHealth> {
        self.input.health()
    }

    /// What is wrong with the picture, if anything.
    pub(crate) fn picture_hint(&self) -> Option<PictureHint> {
        self.face.picture_hint()
    }

    /// Stops the source and drains the graph; gives the final counters.
    pub(crate) fn finish(self) -> EngineCounters {
        self.lockstep.open();
        self.input.stop();
        let report = self.run.stop(STOP_DEADLINE);
        tracing::info!(?report, "graph stopped");
        self.counters()
    }

    /// Counters since it was opened, without those of the session.
    pub(crate) fn counters(&self) -> EngineCounters {
        let input = self.input.counters();
        let face = self.face.counters();
        let voice = *self.voice.lock().unwrap_or_else(PoisonError::into_inner);
        let graph_drops: u64 = self.run.stats().iter().map(NodeStats::dropped_total).sum();
        EngineCounters {
            frames_decoded: input.frames
                + input.frames_superseded
                + input.frames_without_slot
                + input.frames_stale,
            frames_analysed: face.frames,
            frames_dropped: graph_drops
                + input.frames_superseded
                + input.frames_without_slot
                + input.frames_stale,
            mesh_inferences: face.mesh_runs,
            detector_inferences: face.detector_runs,
            frames_without_face: face.frames.saturating_sub(face.measured),
            face_takeovers: face.takeovers,
            decode_errors: input.frames_damaged
                + input.sound_damaged
                + input.breaks
                + input.early_ends
                + input.access_units_rejected
                + input.access_units_undecoded
                + input.warnings,
            frames_missing: input.frames_missing,
            picture_changes: input.picture_changes,
            ingest_host_copies: input.host_copies,
            ingest_device_copies: input.device_copies,
            audio_blocks: input.blocks,
            voice_inferences: voice.inferences,
            paced_lags: input.frames_late,
            viewer_frames_encoded: input.viewer_frames,
            ..EngineCounters::default()
        }
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.lockstep.open();
        self.input.stop();
    }
}

fn open_input(
    order: &StartSession,
    parts: &OpenParts,
    anchor: Option<MediaAnchor>,
    stream: &lsie_device::Stream,
) -> Result<Input, OpenError> {
    let mut settings = OpenSettings::new(Arc::clone(&parts.device), parts.cache_dir.join("demo"));
    settings.anchor = anchor;
    settings.phones = parts.phones.clone();
    settings.tap = Some(parts.viewers.tap());
    settings.publications = Some(parts.viewers.publications());
    settings.surfaces = parts.surfaces.as_ref().and_then(|library| {
        let queue = Arc::new(stream.clone());
        CudaShare::of_device(library, &parts.device, queue)
            .inspect_err(|absent| tracing::warn!(%absent, "pictures come by way of the host"))
            .ok()
    });
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
    opener: &'a NetworkOpener,
    stream: lsie_device::Stream,
    device: &'a Arc<dyn Device>,
    face: &'a FaceControl,
    voice: &'a VoiceMeter,
    session: &'a Arc<Mutex<SessionState>>,
    /// Which opening of the source this graph belongs to.
    opened: u64,
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
        let (edge, session) = (Edge::auto(MERGE_QUEUE), (self.session, self.opened));
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
                let layer = BlindLayer::new(session.calibration());
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
        let voice = VoiceStream::open(self.models, self.device.as_ref(), VoiceSettings::default());
        let layer = SoundLayer::new(voice, Arc::clone(self.voice), self.device)?;
        Ok(graph
            .source("sound", audio)
            .apply("voice", self.in_step(layer, Branch::Sound))
            .edge(Edge::auto(SOUND_QUEUE)))
    }

    fn in_step<L>(&self, layer: L, branch: Branch) -> InStep<L> {
        InStep::new(layer, branch, self.lockstep.clone())
    }

    fn tracker(&self) -> Result<FaceTracker, AnalysisError> {
        let networks = face_networks(
            self.models,
            self.opener,
            self.device.as_ref(),
            self.stream.clone(),
            "face_mesh",
        )?;
        Ok(FaceTracker::new(networks, SubjectRules::default()))
    }
}

fn into_session<T: lsie_graph::Payload>(
    (session, opened): (&Arc<Mutex<SessionState>>, u64),
    wrap: impl Fn(T) -> Either<FaceObservation, SoundChunk> + Send + 'static,
) -> impl lsie_graph::Sink<In = T> {
    let session = Arc::clone(session);
    sink_fn(move |packet: Packet<T>| {
        session
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(opened, wrap(packet.payload));
        Ok::<(), NodeError>(())
    })
}
