//! A recording as a table: the session's picture and sound branches over a file, as fast as the machine allows.
//!
//! ```text
//! picture ─▶ [1] ─▶ face, action units ─▶ [256] ─▶ a row per frame ─┐
//!                                                                   ├─▶ caller's thread ─▶ rows, then windows of 30 s
//! sound ───▶ [64] ─▶ voice ────────────▶ [256] ─▶ 16 kHz samples ───┘
//! ```
//!
//! Nothing is dropped: every edge blocks. The tracker and the sound layer are the live session's own, so a row of a file is, bit
//! for bit, what a session over the same file measures, whatever its pace.

mod columns;
mod row;
mod window;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use lsie_analysis::AnalysisError;
use lsie_analysis::face::{FaceTracker, SessionPhase, SubjectRules};
use lsie_analysis::voice::{VoiceSettings, VoiceStream};
use lsie_device::{Device, DeviceError, Frame};
use lsie_graph::{
    Edge, Emitter, Graph, Layer, LogHooks, NodeError, Packet, Payload, Run, Sink, Status, sink_fn,
};
use lsie_infer::{InferError, ModelStore, NetworkOpener};
use lsie_ingest::{Input, OpenSettings, open_address};

use lsie_schemas::device::{DeviceChoice, Precision};

pub use columns::{ColumnHelp, FRAME_COLUMNS, Value, WINDOW_COLUMNS};
pub use lsie_analysis::face::CalibrationRule;
pub use lsie_ingest::{Pace, SourceAddress};
pub use row::FrameRow;
pub use window::{WINDOW_SECS, WindowRow};

use crate::device::{ChosenDevice, choose_device, face_networks};
use crate::sound::{SoundChunk, SoundLayer, VoiceMeter};
use window::Windows;

/// Rows and chunks that may wait for the caller: it is waited for, nothing is dropped.
const ITEMS_WAITING: usize = 256;
const SOUND_QUEUE: usize = 64;
/// How often the end of the graph is looked for while nothing comes.
const LOOK: Duration = Duration::from_millis(50);
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// How a file is analysed.
#[derive(Debug, Clone)]
pub struct AnalyzeSettings {
    /// Folder with models and the demo's pictures.
    pub cache_dir: PathBuf,
    /// Every so many frames one is measured and has a row; 1 for all. 0 counts as 1.
    pub every: u32,
    /// How the neutral baseline is made.
    pub calibration: CalibrationRule,
    /// Fast or at media speed; the rows are the same.
    pub is_paced: bool,
    /// Only so many seconds of media time; `None` for all (an endless source needs a limit).
    pub limit_secs: Option<f64>,
    /// Where it is measured.
    pub device: DeviceChoice,
    /// Floats inside the face networks.
    pub precision: Precision,
}

/// What the caller is told while a file is analysed.
#[derive(Debug, Clone, PartialEq)]
pub enum AnalyzeItem {
    /// The file is open: frames to expect, where that is known.
    Opened {
        /// Rows that will come at the most.
        rows: Option<u64>,
    },
    /// A measured frame, in order of time.
    Frame(Box<FrameRow>),
    /// A closed window; all come after the frames.
    Window(Box<WindowRow>),
}

/// Why a file has no table, or only the part that was delivered before.
#[derive(Debug, thiserror::Error)]
pub enum AnalyzeError {
    /// The file cannot be opened.
    #[error("{0}; {hint}", hint = .0.hint())]
    Source(#[from] lsie_ingest::IngestError),
    /// A model is missing or damaged.
    #[error(transparent)]
    Models(#[from] InferError),
    /// The measurement could not be set up.
    #[error(transparent)]
    Analysis(#[from] AnalysisError),
    /// The device is not there.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The file has neither picture nor sound.
    #[error("the file has neither picture nor sound")]
    Empty,
    /// The source has no end of its own.
    #[error("this source never ends: say how many seconds of it are wanted")]
    Endless,
    /// Sound could not be resampled.
    #[error("sound: {0}")]
    Sound(#[from] lsie_kernels::audio::ResampleError),
    /// The graph did not start, or a part of it failed on the way: the file is damaged there.
    #[error("stopped on the way: {0}")]
    Graph(String),
    /// The caller could not take a row.
    #[error("output: {0}")]
    Output(#[from] std::io::Error),
}

impl AnalyzeError {
    /// A stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Source(error) => error.code(),
            Self::Models(_) => "model_unavailable",
            Self::Analysis(_) => "analysis_unusable",
            Self::Device(_) => "device_unavailable",
            Self::Empty => "source_empty",
            Self::Endless => "source_endless",
            Self::Sound(_) => "sound_unusable",
            Self::Graph(_) => "source_damaged",
            Self::Output(_) => "output_failed",
        }
    }
}

/// What crosses from the graph to the caller's thread.
enum Item {
    Frame(Box<FrameRow>),
    Sound(SoundChunk),
}

/// Analyses one file on this thread and the graph's own. `take` gets every row; its error ends the analysis.
pub fn analyze(
    address: SourceAddress,
    settings: &AnalyzeSettings,
    mut take: impl FnMut(AnalyzeItem) -> std::io::Result<()>,
) -> Result<(), AnalyzeError> {
    let ChosenDevice { device, why } = choose_device(settings.device, &settings.cache_dir)?;
    let models = ModelStore::open(&settings.cache_dir)?;
    let opener = NetworkOpener::find(&device, &models, None)?.with_precision(settings.precision);
    tracing::info!(
        device = why,
        networks = opener.description(),
        "the device is open"
    );
    let is_endless = matches!(
        address,
        SourceAddress::Demo { .. } | SourceAddress::Phone(_) | SourceAddress::Whip { .. }
    );
    if is_endless && settings.limit_secs.is_none() {
        return Err(AnalyzeError::Endless);
    }
    let address = with_pace(address, settings.is_paced);
    let open = OpenSettings::new(Arc::clone(&device), settings.cache_dir.join("demo"));
    let mut input = open_address(address, &open)?;
    take(AnalyzeItem::Opened {
        rows: expected_rows(&input, settings),
    })?;
    let branches = (input.video.is_some(), input.audio.is_some());
    let (items_in, items) = bounded(ITEMS_WAITING);
    let graph = build(&mut input, settings, &models, &opener, &device, &items_in)?;
    drop(items_in);
    let built = graph.build().map_err(|problems| {
        let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
        AnalyzeError::Graph(words.join("; "))
    })?;
    let run = built
        .start(LogHooks)
        .map_err(|error| AnalyzeError::Graph(error.to_string()))?;
    let mut windows = Windows::on(device.as_ref());
    let drained = drain(&run, &items, branches, settings, &mut windows, &mut take);
    input.handle().stop();
    // Whoever still waits to hand something over is let go before the graph is asked to end.
    drop(items);
    let outcome = finished(&run);
    run.stop(STOP_DEADLINE);
    drained?;
    for row in windows.finish() {
        take(AnalyzeItem::Window(Box::new(row)))?;
    }
    outcome
}

/// Hands rows on until the graph or the limit ends.
fn drain(
    run: &Run,
    items: &Receiver<Item>,
    (has_picture, has_sound): (bool, bool),
    settings: &AnalyzeSettings,
    windows: &mut Windows,
    take: &mut impl FnMut(AnalyzeItem) -> std::io::Result<()>,
) -> Result<(), AnalyzeError> {
    let limit_ns = settings
        .limit_secs
        .map_or(i64::MAX, |secs| (secs * 1e9) as i64);
    let (mut picture_over, mut sound_over) = (!has_picture, !has_sound);
    loop {
        let item = match items.recv_timeout(LOOK) {
            Ok(item) => item,
            Err(RecvTimeoutError::Timeout) => {
                let is_running = matches!(run.status(), Status::Running | Status::Draining);
                if is_running || !items.is_empty() {
                    continue;
                }
                return Ok(());
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        match item {
            Item::Frame(row) if row.pts_ns < limit_ns => {
                windows.frame(&row);
                take(AnalyzeItem::Frame(row))?;
            }
            Item::Frame(_) => picture_over = true,
            Item::Sound(chunk) if chunk.pts_ns < limit_ns => windows.sound(&chunk, limit_ns),
            Item::Sound(_) => sound_over = true,
        }
        if picture_over && sound_over {
            return Ok(());
        }
    }
}

fn finished(run: &Run) -> Result<(), AnalyzeError> {
    if run.status() != Status::Failed {
        return Ok(());
    }
    let words = match run.wait(Duration::ZERO) {
        Err(error) => format!("{}: {}", error.node, error.chain.join(": ")),
        Ok(_) => "the graph failed".to_owned(),
    };
    Err(AnalyzeError::Graph(words))
}

fn with_pace(address: SourceAddress, is_paced: bool) -> SourceAddress {
    let wanted = if is_paced { Pace::Paced } else { Pace::Fast };
    let mut address = address;
    match &mut address {
        SourceAddress::File { pace, .. }
        | SourceAddress::Test { pace, .. }
        | SourceAddress::Demo { pace, .. } => *pace = wanted,
        SourceAddress::Phone(_) | SourceAddress::Tethered(_) | SourceAddress::Whip { .. } => {}
    }
    address
}

fn expected_rows(input: &Input, settings: &AnalyzeSettings) -> Option<u64> {
    let fps = input.info.video?.fps?;
    let whole_secs = input.info.duration_ns.map(|ns| ns as f64 / 1e9);
    let secs = match (whole_secs, settings.limit_secs) {
        (Some(whole), Some(limit)) => whole.min(limit),
        (Some(secs), None) | (None, Some(secs)) => secs,
        (None, None) => return None,
    };
    Some((secs * fps / f64::from(settings.every.max(1))).ceil() as u64)
}

fn build(
    input: &mut Input,
    settings: &AnalyzeSettings,
    models: &ModelStore,
    opener: &NetworkOpener,
    device: &Arc<dyn Device>,
    items: &Sender<Item>,
) -> Result<Graph, AnalyzeError> {
    let mut graph = Graph::new("analyze");
    let (video, audio) = (input.video.take(), input.audio.take());
    if video.is_none() && audio.is_none() {
        return Err(AnalyzeError::Empty);
    }
    if let Some(video) = video {
        let layer = RowLayer {
            tracker: tracker(settings, models, opener, device.as_ref())?,
            every: u64::from(settings.every.max(1)),
            taken: 0,
        };
        let rows = graph.source("picture", video).apply("face", layer);
        rows.edge(Edge::auto(1))
            .sink("rows", hand_over(items, Item::Frame))
            .edge(Edge::auto(ITEMS_WAITING));
    }
    if let Some(audio) = audio {
        let voice = VoiceStream::open(models, device.as_ref(), VoiceSettings::default());
        let layer = SoundLayer::new(voice, VoiceMeter::default(), device)?;
        let chunks = graph.source("sound", audio).apply("voice", layer);
        chunks
            .edge(Edge::auto(SOUND_QUEUE))
            .sink("samples", hand_over(items, Item::Sound))
            .edge(Edge::auto(ITEMS_WAITING));
    }
    Ok(graph)
}

fn tracker(
    settings: &AnalyzeSettings,
    models: &ModelStore,
    opener: &NetworkOpener,
    device: &dyn Device,
) -> Result<FaceTracker, AnalyzeError> {
    let networks = face_networks(models, opener, device, device.stream("face")?, "face_shape")
        .map_err(|error| match error {
            AnalysisError::Infer(error) => AnalyzeError::Models(error),
            other => AnalyzeError::Analysis(other),
        })?;
    let mut tracker = FaceTracker::new(networks, SubjectRules::default());
    tracker.set_calibration_rule(settings.calibration);
    // As a live session from its first frame on.
    tracker.set_phase(SessionPhase::Open);
    Ok(tracker)
}

/// Hands a packet's payload to the caller's thread and waits for it; whoever listens no more needs nothing.
fn hand_over<T: Payload>(
    items: &Sender<Item>,
    wrap: impl Fn(T) -> Item + Send + 'static,
) -> impl Sink<In = T> {
    let items = items.clone();
    sink_fn(move |packet: Packet<T>| {
        let _ = items.send(wrap(packet.payload));
        Ok::<(), NodeError>(())
    })
}

/// Frames in, one row out for every `every`th.
struct RowLayer {
    tracker: FaceTracker,
    every: u64,
    taken: u64,
}

impl Layer for RowLayer {
    type In = Frame;
    type Out = Box<FrameRow>;

    fn process(
        &mut self,
        packet: Packet<Frame>,
        out: &mut Emitter<'_, Box<FrameRow>>,
    ) -> Result<(), NodeError> {
        let number = self.taken;
        self.taken += 1;
        if number.is_multiple_of(self.every) {
            let observation = self.tracker.process(&packet.payload);
            let row = FrameRow::new(number, &observation, self.tracker.action_units());
            out.emit(packet.pts, Box::new(row));
        }
        Ok(())
    }
}
