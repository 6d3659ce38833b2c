//! The sound branch as a graph layer: 48 kHz blocks in, 16 kHz mono chunks with voice state out.

use std::sync::{Arc, Mutex, PoisonError};

use lsie_analysis::voice::{VoiceCounters, VoiceOutput, VoiceStream};
use lsie_graph::{Emitter, Layer, MediaTime, NodeError, Packet};
use lsie_ingest::PcmBlock;
use lsie_kernels::audio::{ResampleError, Resampler};
use lsie_schemas::observation::VoiceObservation;

/// 16 kHz mono sound with what the voice stream said about it.
#[derive(Debug, Clone)]
pub(crate) struct SoundChunk {
    /// Media time of the first sample, nanoseconds.
    pub(crate) pts_ns: i64,
    /// Samples.
    pub(crate) samples: Arc<[i16]>,
    /// Observations completed by it.
    pub(crate) voice: Vec<VoiceObservation>,
}

/// Shows what the layer has done.
pub(crate) type VoiceMeter = Arc<Mutex<VoiceCounters>>;

const NS_PER_SAMPLE: i64 = 62_500;
/// A block this far from where the last one ended starts the resampler anew, nanoseconds.
const JUMP_NS: i64 = 20_000_000;

/// Resampler and voice stream of one source.
pub(crate) struct SoundLayer {
    resampler: Resampler,
    format: (u32, u16),
    voice: VoiceStream,
    meter: VoiceMeter,
    origin_ns: Option<i64>,
    expected_ns: i64,
    produced: i64,
    scratch: Vec<i16>,
}

impl SoundLayer {
    pub(crate) fn new(voice: VoiceStream, meter: VoiceMeter) -> Result<Self, ResampleError> {
        let format = (lsie_ingest::PCM_RATE_HZ, 1);
        let resampler = Resampler::new(format.0, format.1)?;
        Ok(Self {
            resampler,
            format,
            voice,
            meter,
            origin_ns: None,
            expected_ns: 0,
            produced: 0,
            scratch: Vec::new(),
        })
    }

    fn restart_if_broken(&mut self, block: &PcmBlock) -> Result<(), ResampleError> {
        let format = (block.rate_hz, block.channels);
        let jumped = self.origin_ns.is_some()
            && block.pts_ns.abs_diff(self.expected_ns) > JUMP_NS.unsigned_abs();
        if format != self.format {
            self.resampler = Resampler::new(format.0, format.1)?;
            self.format = format;
        } else if jumped {
            self.resampler.reset();
        }
        if jumped || self.origin_ns.is_none() {
            self.origin_ns = Some(block.pts_ns);
            self.produced = 0;
        }
        self.expected_ns = block.end_pts_ns();
        Ok(())
    }

    fn emit(&mut self, out: &mut Emitter<'_, SoundChunk>) {
        if self.scratch.is_empty() {
            return;
        }
        let pts_ns = self.origin_ns.unwrap_or_default() + self.produced * NS_PER_SAMPLE;
        self.produced += self.scratch.len() as i64;
        let mut voice = Vec::new();
        self.voice.push(&self.scratch, pts_ns, |output| {
            if let VoiceOutput::Observation(observation) = output {
                voice.push(observation);
            }
        });
        *self.meter.lock().unwrap_or_else(PoisonError::into_inner) = self.voice.counters();
        out.emit(
            MediaTime(pts_ns),
            SoundChunk {
                pts_ns,
                samples: Arc::from(self.scratch.as_slice()),
                voice,
            },
        );
        self.scratch.clear();
    }
}

impl Layer for SoundLayer {
    type In = PcmBlock;
    type Out = SoundChunk;

    fn process(
        &mut self,
        packet: Packet<PcmBlock>,
        out: &mut Emitter<'_, SoundChunk>,
    ) -> Result<(), NodeError> {
        self.restart_if_broken(&packet.payload)
            .map_err(NodeError::from_error)?;
        self.resampler
            .push(&packet.payload.samples, &mut self.scratch);
        self.emit(out);
        Ok(())
    }

    fn flush(&mut self, out: &mut Emitter<'_, SoundChunk>) -> Result<(), NodeError> {
        self.resampler.finish(&mut self.scratch);
        self.emit(out);
        Ok(())
    }
}
