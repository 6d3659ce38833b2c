//! Pipelines that users write: the node kinds of this build (pipeline 2.3).
//!
//! Sources open when the run starts, models when it is built; a check opens nothing.

mod measures;
mod sinks;
mod sources;
mod sync;

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use lsie_analysis::AnalysisError;
use lsie_device::{CpuDevice, Device, Frame};
use lsie_graph::ItemKind;
use lsie_graph::pipeline::{MakeError, Registry};
use lsie_infer::{InferError, ModelStore};
use lsie_ingest::{PcmBlock, PhoneSettings};
use lsie_schemas::config::DeviceConfig;
use lsie_schemas::device::Precision;
use lsie_schemas::observation::{FaceObservation, NullReason};
use serde_json::{Value, json};

use crate::run::configured_phones;
use crate::sound::SoundChunk;

/// Pictures.
static VIDEO: ItemKind<Frame> = ItemKind::new("video", view_frame);
/// Sound at 48 kHz.
static AUDIO: ItemKind<PcmBlock> = ItemKind::new("audio", view_block);
/// What one picture says about a face.
static FACE: ItemKind<FaceObservation> = ItemKind::new("face", view_face);
/// What a piece of sound says about a voice.
static VOICE: ItemKind<SoundChunk> = ItemKind::new("voice", view_voice);

/// What the nodes of a pipeline work with.
#[derive(Clone)]
pub struct PipelineContext {
    cache_dir: PathBuf,
    device: Arc<dyn Device>,
    precision: Precision,
    phones: PhoneSettings,
    print: Arc<Mutex<dyn Write + Send>>,
}

impl PipelineContext {
    /// Models and demo pictures lie in `cache_dir`; `print` sinks write to `print`.
    pub fn new(cache_dir: impl Into<PathBuf>, print: impl Write + Send + 'static) -> Self {
        Self {
            cache_dir: cache_dir.into(),
            device: Arc::new(CpuDevice::new()),
            precision: Precision::F32,
            phones: PhoneSettings::default(),
            print: Arc::new(Mutex::new(print)),
        }
    }

    /// The same, measuring on another device; without it on the processor.
    #[must_use]
    pub fn on(self, device: Arc<dyn Device>) -> Self {
        Self { device, ..self }
    }

    /// The same, whose face networks compute in `precision` inside; without it in 32 bits.
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// Where phones are reached for inputs that are phones, as the configuration has it.
    #[must_use]
    pub fn with_phones(mut self, phones: &DeviceConfig) -> Self {
        self.phones = configured_phones(phones, &self.cache_dir);
        self
    }

    fn models(&self) -> Result<ModelStore, InferError> {
        ModelStore::open(&self.cache_dir)
    }

    /// Why a node without this model would have nothing to say.
    fn missing(&self, model: &str) -> Option<String> {
        let path = self.models().and_then(|models| models.path(model));
        path.err().map(|error| error.to_string())
    }
}

impl fmt::Debug for PipelineContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineContext")
            .field("cache_dir", &self.cache_dir)
            .finish_non_exhaustive()
    }
}

/// Every kind of node that documents may name in this build.
pub fn node_registry(context: &PipelineContext) -> Registry {
    let mut registry = Registry::basic();
    registry.add(sources::input(context));
    registry.add(measures::face(context));
    registry.add(measures::voice(context));
    registry.add(sync::sync_av());
    registry.add(sinks::print(context));
    registry.add(sinks::json_lines());
    registry.add(sinks::csv());
    registry
}

fn unavailable(error: InferError) -> MakeError {
    match error {
        InferError::ModelMissing { name, how_to_get } => MakeError::Unavailable {
            what: format!("model {name} is not installed"),
            how: how_to_get,
        },
        other => MakeError::failed(other),
    }
}

fn unusable(error: AnalysisError) -> MakeError {
    match error {
        AnalysisError::Infer(error) => unavailable(error),
        other => MakeError::failed(other),
    }
}

fn view_frame(frame: &Frame) -> Value {
    json!({ "seq": frame.seq(), "width": frame.width(), "height": frame.height() })
}

fn view_block(block: &PcmBlock) -> Value {
    let power: f32 = block.samples.iter().map(|sample| sample * sample).sum();
    let rms = (power / block.samples.len().max(1) as f32).sqrt();
    json!({
        "seq": block.seq,
        "frames": block.frames(),
        "channels": block.channels,
        "rate_hz": block.rate_hz,
        "rms": rms,
    })
}

fn view_face(observation: &FaceObservation) -> Value {
    let mut view = json!({
        "seq": observation.seq,
        "faces": observation.faces,
        "status": observation.status,
        "calibrated": observation.calibration.is_complete(),
        "score": observation.score,
    });
    let more = match &observation.face {
        Err(reason) => json!({ "absent": reason.code() }),
        Ok(face) => json!({
            "subject": face.subject,
            "confidence": face.confidence,
            "box": face.box_in_frame,
            "ratio": face.ratio,
            "absent": face.ratio_absent.map(NullReason::code),
            "yaw_deg": face.pose.yaw_deg,
            "pitch_deg": face.pose.pitch_deg,
            "roll_deg": face.pose.roll_deg,
        }),
    };
    if let (Value::Object(view), Value::Object(more)) = (&mut view, more) {
        view.extend(more);
    }
    view
}

fn view_voice(chunk: &SoundChunk) -> Value {
    let last = chunk.voice.last();
    json!({
        "samples": chunk.samples.len(),
        "speaking": last.map(|voice| voice.speaking),
        "speech_probability": last.and_then(|voice| voice.speech_probability),
        "rms_dbfs": last.map(|voice| voice.rms_dbfs),
        "peak_dbfs": last.map(|voice| voice.peak_dbfs),
    })
}
