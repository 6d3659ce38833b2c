//! The Silero network on one stream: state and context carried from chunk to chunk.

use lsie_device::{Buffer, Device, Stream};
use lsie_infer::{InferError, ModelStore, Network};

use super::VOICE_CHUNK_SAMPLES;

/// Name in the model manifest.
const MODEL: &str = "silero_vad";

/// Samples of the chunk before that the network sees again.
const CONTEXT_SAMPLES: usize = 64;

const INPUT_SAMPLES: usize = CONTEXT_SAMPLES + VOICE_CHUNK_SAMPLES;
const STATE_NUMBERS: usize = 256;

/// Why there is no speech probability. Shown to the operator; never replaced by a guess.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VoiceUnavailable {
    /// The network or the library that runs it is not installed.
    #[error("voice activity is unavailable: {how_to_get}")]
    ModelMissing {
        /// One sentence for the operator.
        how_to_get: String,
    },
    /// The library or the network cannot be opened.
    #[error("voice activity is unavailable: {reason}")]
    CannotOpen {
        /// What went wrong.
        reason: String,
    },
    /// The network failed while it ran. The stream goes on without it.
    #[error("voice activity stopped: {reason}")]
    Failed {
        /// What went wrong.
        reason: String,
    },
}

/// The network with its buffers; nothing is allocated per chunk.
pub(super) struct Silero {
    network: Box<dyn Network>,
    stream: Stream,
    input: Buffer,
    state: Buffer,
    next_state: Buffer,
    probability: Buffer,
    window: [f32; INPUT_SAMPLES],
}

impl Silero {
    /// Opens the network of the cache.
    pub(super) fn open(store: &ModelStore, device: &dyn Device) -> Result<Self, VoiceUnavailable> {
        let network = store
            .runtime()
            .and_then(|runtime| runtime.open(&store.path(MODEL)?))
            .map_err(|error| match error {
                InferError::ModelMissing { how_to_get, .. } => {
                    VoiceUnavailable::ModelMissing { how_to_get }
                }
                other => VoiceUnavailable::CannotOpen {
                    reason: other.to_string(),
                },
            })?;
        Self::with_network(Box::new(network), device)
    }

    /// Takes a loaded network: (1×576, 2×1×128) → (1×1, 2×1×128).
    pub(super) fn with_network(
        network: Box<dyn Network>,
        device: &dyn Device,
    ) -> Result<Self, VoiceUnavailable> {
        let cannot_open = |reason: String| VoiceUnavailable::CannotOpen { reason };
        let elements = |infos: &[lsie_infer::TensorInfo]| {
            let elements = infos.iter().map(lsie_infer::TensorInfo::elements);
            elements.collect::<Vec<_>>()
        };
        if elements(network.inputs()) != [INPUT_SAMPLES, STATE_NUMBERS]
            || elements(network.outputs()) != [1, STATE_NUMBERS]
        {
            return Err(cannot_open(
                "the network has other inputs or outputs".to_owned(),
            ));
        }
        let alloc = |numbers: usize, label: &str| {
            device
                .alloc(numbers * size_of::<f32>(), label)
                .map_err(|error| cannot_open(error.to_string()))
        };
        Ok(Silero {
            stream: device
                .stream("voice")
                .map_err(|error| cannot_open(error.to_string()))?,
            input: alloc(INPUT_SAMPLES, "voice input")?,
            state: alloc(STATE_NUMBERS, "voice state")?,
            next_state: alloc(STATE_NUMBERS, "voice next state")?,
            probability: alloc(1, "voice probability")?,
            window: [0.0; INPUT_SAMPLES],
            network,
        })
    }

    /// Probability of speech in the chunk, in [0, 1].
    pub(super) fn probability(
        &mut self,
        chunk: &[f32; VOICE_CHUNK_SAMPLES],
    ) -> Result<f32, VoiceUnavailable> {
        self.window.copy_within(VOICE_CHUNK_SAMPLES.., 0);
        if let Some(new) = self.window.last_chunk_mut() {
            *new = *chunk;
        }
        let found = self.run().map_err(|error| VoiceUnavailable::Failed {
            reason: error.to_string(),
        })?;
        if !(0.0..=1.0).contains(&found) {
            return Err(VoiceUnavailable::Failed {
                reason: format!("the network answered {found}"),
            });
        }
        Ok(found)
    }

    fn run(&mut self) -> Result<f32, InferError> {
        let bytes: &[u8] = bytemuck::cast_slice(&self.window);
        self.input.upload(&self.stream, 0, bytes)?;
        self.network.run(
            &self.stream,
            &[&self.input, &self.state],
            &mut [&mut self.probability, &mut self.next_state],
        )?;
        std::mem::swap(&mut self.state, &mut self.next_state);
        let mut bytes = [0; size_of::<f32>()];
        self.probability.copy_to_host(&self.stream, 0, &mut bytes)?;
        Ok(f32::from_ne_bytes(bytes))
    }

    /// Forgets what was heard, for the first chunk after a gap.
    pub(super) fn reset(&mut self) -> Result<(), VoiceUnavailable> {
        self.window = [0.0; INPUT_SAMPLES];
        let zeros = [0_u8; STATE_NUMBERS * size_of::<f32>()];
        self.state
            .upload(&self.stream, 0, &zeros)
            .map_err(|error| VoiceUnavailable::Failed {
                reason: error.to_string(),
            })
    }
}
