//! The presenter's voice: a committed recording, looped to the sample.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use crate::error::IngestError;
use crate::gst::core::{PipelineCore, make};
use crate::gst::reblock::BLOCK_FRAMES;
use crate::gst::sound::sound_caps;
use crate::gst::video::PaceClock;
use crate::pull::{LONGEST_PULL, PCM_RATE_HZ, PcmBlock, Pull, frames_to_ns, host_time_ns};
use crate::scheme::Pace;

/// Made by `assets/make_voice.sh`: 60 s, 48 kHz, mono.
const VOICE_FLAC: &[u8] = include_bytes!("../../assets/voice.flac");
const DECODE_PATIENCE: Duration = Duration::from_secs(15);
const NAP: Duration = Duration::from_millis(50);

static DECODED: OnceLock<Arc<[f32]>> = OnceLock::new();

/// Plays the voice from any media time, for ever.
pub(crate) struct VoicePlayer {
    samples: Arc<[f32]>,
    /// Samples since media time 0.
    position: u64,
    seq: u64,
    pace: Pace,
    clock: PaceClock,
    flag: Arc<AtomicBool>,
    over: bool,
}

impl VoicePlayer {
    pub(crate) fn new(
        samples: Arc<[f32]>,
        start_pts_ns: i64,
        pace: Pace,
        clock: PaceClock,
        flag: Arc<AtomicBool>,
    ) -> Self {
        let start_ns = u128::try_from(start_pts_ns).unwrap_or(0);
        let position = (start_ns * u128::from(PCM_RATE_HZ)).div_ceil(1_000_000_000);
        let position = u64::try_from(position).unwrap_or(0);
        VoicePlayer {
            samples,
            position,
            seq: 0,
            pace,
            clock,
            flag,
            over: false,
        }
    }

    /// A block is there when its last sample has been spoken.
    pub(crate) fn next(&mut self, timeout: Duration) -> Pull<PcmBlock> {
        let deadline = Instant::now() + timeout.min(LONGEST_PULL);
        let end_pts_ns = frames_to_ns(self.position + BLOCK_FRAMES as u64);
        let due_ns = self.clock.due_ns(end_pts_ns);
        loop {
            if self.is_over() {
                return Pull::End;
            }
            let wait = Duration::from_nanos(due_ns.saturating_sub(host_time_ns()));
            let left = deadline.saturating_duration_since(Instant::now());
            if wait.is_zero() || self.pace == Pace::Fast {
                break;
            }
            if left.is_zero() {
                return Pull::Pending;
            }
            std::thread::sleep(wait.min(left).min(NAP));
        }
        let host_time_ns = if self.pace == Pace::Fast {
            host_time_ns()
        } else {
            due_ns
        };
        Pull::Item(self.block(host_time_ns))
    }

    /// From now on it is at its end.
    pub(crate) fn release(&mut self) {
        self.over = true;
    }

    fn is_over(&self) -> bool {
        self.over || self.flag.load(Ordering::Acquire)
    }

    fn block(&mut self, host_time_ns: u64) -> PcmBlock {
        let length = self.samples.len().max(1) as u64;
        let samples = (0..BLOCK_FRAMES as u64)
            .map(|n| {
                let index = ((self.position + n) % length) as usize;
                self.samples.get(index).copied().unwrap_or(0.0)
            })
            .collect();
        let block = PcmBlock {
            samples,
            channels: 1,
            rate_hz: PCM_RATE_HZ,
            pts_ns: frames_to_ns(self.position),
            host_time_ns,
            seq: self.seq,
        };
        self.position += BLOCK_FRAMES as u64;
        self.seq += 1;
        block
    }
}

/// The recording in memory; decoded once per process.
pub(crate) fn decode_voice() -> Result<Arc<[f32]>, IngestError> {
    if let Some(samples) = DECODED.get() {
        return Ok(Arc::clone(samples));
    }
    let samples: Arc<[f32]> = decode()?.into();
    Ok(Arc::clone(DECODED.get_or_init(|| samples)))
}

fn decode() -> Result<Vec<f32>, IngestError> {
    let core = PipelineCore::new("demo-voice")?;
    let source = gst_app::AppSrc::builder().build();
    let mut caps = sound_caps();
    caps.make_mut().set("channels", 1_i32);
    let sink = gst_app::AppSink::builder().caps(&caps).sync(false).build();
    let samples = Arc::new(Mutex::new(Vec::new()));
    let collected = Arc::clone(&samples);
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let buffer = sample.buffer().ok_or(gst::FlowError::Error)?;
                let map = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
                let floats = map
                    .chunks_exact(4)
                    .filter_map(|bytes| bytes.try_into().ok().map(f32::from_le_bytes));
                collected
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend(floats);
                Ok(gst::FlowSuccess::Ok)
            })
            .build(),
    );
    let chain = [make("flacparse")?, make("flacdec")?, make("audioconvert")?];
    let [parse, decode, convert] = &chain;
    core.add_chain(&[
        source.upcast_ref(),
        parse,
        decode,
        convert,
        sink.upcast_ref(),
    ])?;
    core.play()?;
    let pushed = source
        .push_buffer(gst::Buffer::from_slice(VOICE_FLAC))
        .and_then(|_| source.end_of_stream());
    pushed.map_err(|_| core.fault_or("the voice cannot be decoded"))?;
    core.wait_for_end(DECODE_PATIENCE)?;
    core.stop();
    let mut samples = samples.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut *samples))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn player(start_pts_ns: i64) -> VoicePlayer {
        let samples: Arc<[f32]> = (0..1000).map(|n| n as f32).collect();
        let clock = PaceClock {
            start_host_ns: 0,
            start_pts_ns,
        };
        VoicePlayer::new(samples, start_pts_ns, Pace::Fast, clock, Arc::default())
    }

    #[test]
    fn the_loop_has_no_seam() {
        let mut player = player(0);
        let mut all = Vec::new();
        for n in 0..5 {
            let Pull::Item(block) = player.next(Duration::ZERO) else {
                panic!("no block")
            };
            assert_eq!(block.pts_ns, n * 20_000_000);
            all.extend_from_slice(&block.samples);
        }
        assert!(
            all.iter()
                .enumerate()
                .all(|(n, value)| *value == (n % 1000) as f32)
        );
    }

    #[test]
    fn it_begins_anywhere_and_stops_when_told() {
        let mut player = player(1_000_000_000);
        let Pull::Item(block) = player.next(Duration::ZERO) else {
            panic!("no block")
        };
        assert_eq!((block.pts_ns, block.samples[0]), (1_000_000_000, 0.0));
        player.flag.store(true, Ordering::Release);
        assert_eq!(player.next(Duration::ZERO), Pull::End);
    }

    #[test]
    fn the_recording_is_one_minute_of_speech() {
        let samples = decode_voice().unwrap();
        assert_eq!(samples.len(), 60 * 48_000);
        let loudest = samples
            .iter()
            .fold(0.0_f32, |most, value| most.max(value.abs()));
        assert!((0.2..=1.0).contains(&loudest), "{loudest}");
        assert!(
            samples[..24_000].iter().all(|value| value.abs() < 1e-3),
            "it begins in silence"
        );
    }
}
