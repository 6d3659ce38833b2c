//! The sound branch as a graph layer: 48 kHz blocks in, 16 kHz mono chunks with voice state out.

use std::sync::{Arc, Mutex, PoisonError};

use lsie_analysis::voice::{VoiceCounters, VoiceOutput, VoiceStream, WindowPitch};
use lsie_device::Device;
use lsie_graph::{Emitter, Layer, MediaTime, NodeError, Packet};
use lsie_ingest::PcmBlock;
use lsie_kernels::audio::{ResampleError, Resampler};
use lsie_schemas::observation::VoiceObservation;

/// 16 kHz mono sound with what the voice stream said about it.
#[derive(Debug, Clone)]
pub(crate) struct SoundChunk {
    /// Media time of the first sample, nanoseconds.
    pub(crate) pts_ns: i64,
    /// Host time at which the block arrived less the media time of its end, nanoseconds.
    pub(crate) host_offset_ns: i64,
    /// Samples.
    pub(crate) samples: Arc<[i16]>,
    /// Observations completed by it.
    pub(crate) voice: Vec<VoiceObservation>,
    /// Pitch of whole windows completed by it.
    pub(crate) pitch: Vec<WindowPitch>,
}

/// Shows what the layer has done.
pub(crate) type VoiceMeter = Arc<Mutex<VoiceCounters>>;

const NS_PER_SAMPLE: i64 = 62_500;
/// A block this far from what the samples since the last break say starts the resampler anew, nanoseconds.
const JUMP_NS: i64 = 20_000_000;

/// Resampler and voice stream of one source.
pub(crate) struct SoundLayer {
    resampler: Resampler,
    device: Arc<dyn Device>,
    format: (u32, u16),
    voice: VoiceStream,
    meter: VoiceMeter,
    origin_ns: Option<i64>,
    /// Sample frames taken and given since `origin_ns`.
    received: i64,
    produced: i64,
    host_offset_ns: i64,
    scratch: Vec<i16>,
}

impl SoundLayer {
    /// Resamples on `device`, or on the processor once that fails.
    pub(crate) fn new(
        voice: VoiceStream,
        meter: VoiceMeter,
        device: &Arc<dyn Device>,
    ) -> Result<Self, ResampleError> {
        let format = (lsie_ingest::PCM_RATE_HZ, 1);
        let resampler = Resampler::on(device.as_ref(), format.0, format.1)?;
        Ok(Self {
            resampler,
            device: Arc::clone(device),
            format,
            voice,
            meter,
            origin_ns: None,
            received: 0,
            produced: 0,
            host_offset_ns: 0,
            scratch: Vec::new(),
        })
    }

    /// Starts anew at a jump in time or another format: what the resampler still holds goes out at its old time first.
    fn restart_if_broken(
        &mut self,
        block: &PcmBlock,
        out: &mut Emitter<'_, SoundChunk>,
    ) -> Result<(), ResampleError> {
        let format = (block.rate_hz, block.channels);
        let expected_ns = self
            .origin_ns
            .map(|origin| origin.saturating_add(length_ns(self.received, self.format.0)));
        let jumped = expected_ns
            .is_some_and(|expected| block.pts_ns.abs_diff(expected) > JUMP_NS.unsigned_abs());
        if format != self.format || jumped {
            if self.received > 0 {
                self.resampler.finish(&mut self.scratch);
                self.emit(out);
            }
            if format != self.format {
                self.resampler = Resampler::on(self.device.as_ref(), format.0, format.1)?;
                self.format = format;
            }
            self.origin_ns = None;
        }
        if self.origin_ns.is_none() {
            self.origin_ns = Some(block.pts_ns);
            self.received = 0;
            self.produced = 0;
        }
        self.received += i64::try_from(block.frames()).unwrap_or(i64::MAX);
        self.host_offset_ns = block
            .host_time_ns
            .cast_signed()
            .saturating_sub(block.end_pts_ns());
        Ok(())
    }

    fn emit(&mut self, out: &mut Emitter<'_, SoundChunk>) {
        if let Some(error) = self.resampler.take_fault() {
            tracing::warn!(%error, "sound is resampled on the processor from now on");
        }
        if self.scratch.is_empty() {
            return;
        }
        let pts_ns = self
            .origin_ns
            .unwrap_or_default()
            .saturating_add(self.produced * NS_PER_SAMPLE);
        self.produced += i64::try_from(self.scratch.len()).unwrap_or(i64::MAX);
        let (mut voice, mut pitch) = (Vec::new(), Vec::new());
        self.voice
            .push(&self.scratch, pts_ns, |output| match output {
                VoiceOutput::Observation(observation) => voice.push(observation),
                VoiceOutput::Window(window) => pitch.push(window),
                VoiceOutput::Started { .. } | VoiceOutput::Ended { .. } => {}
            });
        *self.meter.lock().unwrap_or_else(PoisonError::into_inner) = self.voice.counters();
        out.emit(
            MediaTime(pts_ns),
            SoundChunk {
                pts_ns,
                host_offset_ns: self.host_offset_ns,
                samples: Arc::from(self.scratch.as_slice()),
                voice,
                pitch,
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
        self.restart_if_broken(&packet.payload, out)
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

/// How long so many sample frames sound, nanoseconds.
fn length_ns(frames: i64, rate_hz: u32) -> i64 {
    let nanos = i128::from(frames) * 1_000_000_000 / i128::from(rate_hz.max(1));
    i64::try_from(nanos).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_that_runs_for_weeks_keeps_its_time() {
        let days = 30;
        let frames = days * 86_400 * 48_000;
        assert_eq!(length_ns(frames, 48_000), days * 86_400 * 1_000_000_000);
        assert_eq!(length_ns(1, 0), 1_000_000_000, "a rate of nothing");
    }
}
