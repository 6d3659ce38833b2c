//! One stream of samples in, observations on media time out.

use lsie_device::{CpuDevice, Device};
use lsie_infer::{ModelStore, Network};
use lsie_schemas::observation::VoiceObservation;

use super::hysteresis::{Change, Hysteresis, VoiceSettings};
use super::level::Level;
use super::pitch::{PitchWindows, WindowPitch};
use super::silero::{Silero, VoiceUnavailable};
use super::{CHUNK_NS, SAMPLE_NS, VOICE_CHUNK_SAMPLES};

/// A block whose time differs more than this from what the samples before it say starts anew: 20 ms.
const GAP_NS: u64 = 20_000_000;

/// What the stream reports, in order of media time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum VoiceOutput {
    /// Speech started at this media time (padded).
    Started {
        /// Media time, nanoseconds.
        pts_ns: i64,
    },
    /// Speech ended at this media time (padded, or cut by a gap).
    Ended {
        /// Media time, nanoseconds.
        pts_ns: i64,
    },
    /// Level, probability and pitch of one chunk; `pts_ns` is its end.
    Observation(VoiceObservation),
    /// The pitch of a whole window of 30 s.
    Window(WindowPitch),
}

/// What has happened on a stream so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VoiceCounters {
    /// Chunks reported.
    pub chunks: u64,
    /// Runs of the network.
    pub inferences: u64,
    /// Gaps in media time; each forgets the network's state.
    pub gaps: u64,
    /// Samples before a gap that did not fill a chunk and were dropped.
    pub dropped_samples: u64,
}

/// Voice activity and level of one stream of 16 kHz mono samples.
///
/// Samples that do not fill a chunk wait for the next block. On a gap they are dropped and counted, running speech ends, and
/// the network starts anew. The network's failure is kept ([`VoiceStream::unavailable`]) and the level goes on without it.
pub struct VoiceStream {
    silero: Result<Silero, VoiceUnavailable>,
    hysteresis: Hysteresis,
    pitch: PitchWindows,
    chunk: [f32; VOICE_CHUNK_SAMPLES],
    filled: usize,
    /// Media time of the next sample; unknown before the first block.
    next_pts_ns: Option<i64>,
    counters: VoiceCounters,
}

impl VoiceStream {
    /// Opens the network of the model cache; pitch is correlated on `device`. Never fails: without a network there is only the
    /// level and the pitch. The network stays on the processor, where its samples are.
    pub fn open(store: &ModelStore, device: &dyn Device, settings: VoiceSettings) -> Self {
        let silero = Silero::open(store, &CpuDevice::new());
        Self::new(silero, settings, PitchWindows::on(device))
    }

    /// Uses a network that is loaded already: (1×576 samples, 2×1×128 state) → (1×1 probability, 2×1×128 state).
    pub fn with_network(
        network: Box<dyn Network>,
        device: &dyn Device,
        settings: VoiceSettings,
    ) -> Self {
        let silero = Silero::with_network(network, device);
        Self::new(silero, settings, PitchWindows::on(device))
    }

    /// Measures the level only, and says why.
    pub fn without_network(reason: VoiceUnavailable) -> Self {
        let settings = VoiceSettings::default();
        Self::new(Err(reason), settings, PitchWindows::default())
    }

    fn new(
        silero: Result<Silero, VoiceUnavailable>,
        settings: VoiceSettings,
        pitch: PitchWindows,
    ) -> Self {
        VoiceStream {
            silero,
            hysteresis: Hysteresis::new(settings),
            pitch,
            chunk: [0.0; VOICE_CHUNK_SAMPLES],
            filled: 0,
            next_pts_ns: None,
            counters: VoiceCounters::default(),
        }
    }

    /// Why there is no probability, if there is none.
    pub fn unavailable(&self) -> Option<&VoiceUnavailable> {
        self.silero.as_ref().err()
    }

    /// What has happened so far.
    pub fn counters(&self) -> VoiceCounters {
        self.counters
    }

    /// Takes a block whose first sample has the media time `pts_ns` and reports every chunk that it completes.
    pub fn push(&mut self, samples: &[i16], pts_ns: i64, mut report: impl FnMut(VoiceOutput)) {
        if samples.is_empty() {
            return;
        }
        if let Some(expected_ns) = self.next_pts_ns
            && expected_ns.abs_diff(pts_ns) > GAP_NS
        {
            self.gap(expected_ns, &mut report);
        }
        let mut next_pts_ns = pts_ns;
        let mut rest = samples;
        while !rest.is_empty() {
            let room = self.chunk.get_mut(self.filled..).unwrap_or_default();
            let taken = room.len().min(rest.len());
            for (place, sample) in room.iter_mut().zip(rest) {
                *place = f32::from(*sample) / 32768.0;
            }
            let piece = rest.get(..taken).unwrap_or_default();
            self.pitch.push(piece, next_pts_ns, |window| {
                report(VoiceOutput::Window(window));
            });
            rest = rest.get(taken..).unwrap_or_default();
            self.filled += taken;
            next_pts_ns = next_pts_ns.saturating_add(SAMPLE_NS * i64::from(taken as u16));
            if self.filled == VOICE_CHUNK_SAMPLES {
                self.filled = 0;
                self.finish_chunk(next_pts_ns, &mut report);
            }
        }
        self.next_pts_ns = Some(next_pts_ns);
    }

    fn finish_chunk(&mut self, end_ns: i64, report: &mut impl FnMut(VoiceOutput)) {
        self.counters.chunks += 1;
        let level = Level::of(&self.chunk);
        let probability = self.infer();
        if let Some(probability) = probability {
            let change = self.hysteresis.push(probability, end_ns);
            report_change(change, report);
        }
        let pitch = self.pitch.now();
        report(VoiceOutput::Observation(VoiceObservation {
            pts_ns: end_ns,
            speech_probability: probability,
            speaking: self.hysteresis.is_speaking(),
            rms_dbfs: level.rms_dbfs,
            peak_dbfs: level.peak_dbfs,
            pitch_hz: pitch.and_then(|now| Some(now.f0_hz? as f32)),
            pitch_harmonic: pitch.map_or(1, |now| now.harmonic),
        }));
        if self.silero.is_err() {
            // The network failed just now: speech must not stay on for ever.
            let change = self.hysteresis.interrupt(end_ns);
            report_change(change, report);
        }
    }

    fn infer(&mut self) -> Option<f32> {
        let silero = self.silero.as_mut().ok()?;
        match silero.probability(&self.chunk) {
            Ok(probability) => {
                self.counters.inferences += 1;
                Some(probability)
            }
            Err(reason) => {
                self.fail(reason);
                None
            }
        }
    }

    fn gap(&mut self, last_ns: i64, report: &mut impl FnMut(VoiceOutput)) {
        self.counters.gaps += 1;
        self.counters.dropped_samples += self.filled as u64;
        self.filled = 0;
        let change = self.hysteresis.interrupt(last_ns);
        report_change(change, report);
        if let Ok(silero) = &mut self.silero
            && let Err(reason) = silero.reset()
        {
            self.fail(reason);
        }
    }

    fn fail(&mut self, reason: VoiceUnavailable) {
        tracing::warn!(%reason, "voice network given up");
        self.silero = Err(reason);
    }
}

fn report_change(change: Option<Change>, report: &mut impl FnMut(VoiceOutput)) {
    match change {
        Some(Change::Started { pts_ns }) => report(VoiceOutput::Started { pts_ns }),
        Some(Change::Ended { pts_ns }) => report(VoiceOutput::Ended { pts_ns }),
        None => {}
    }
}

/// The media time that one observation stands for ends at its `pts_ns` and lasts this long.
pub(super) const OBSERVATION_NS: i64 = CHUNK_NS;
