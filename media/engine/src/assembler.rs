//! Where both branches meet: rings, windows and the messages that leave the process.
//!
//! ```text
//! FaceObservation ─▶ observation ring ─┐
//! SoundChunk ──────▶ PCM ring, voice ──┴─▶ windower ─▶ segment (series, acoustics, voice, checksum) ─▶ outbox
//! ```
//!
//! Runs on the thread behind the merge, so a window's acoustics never hold up the picture.

mod clocks;

use std::collections::{BTreeMap, VecDeque};

use lsie_analysis::face::UnitSummary;
use lsie_analysis::voice::VoiceHistory;
use lsie_graph::Either;
use lsie_kernels::audio::{MeasureSettings, SegmentMeasurer};
use lsie_schemas::contract::{Au12Observation, VisualStatus};
use lsie_schemas::link::{
    Bounded, EngineMessage, GapNote, PlannedStimulus, SegmentClock, SegmentKind, SegmentMessage,
    Text,
};
use lsie_schemas::observation::{
    ActionUnit, CalibrationState, FaceObservation, NullReason, UnitScores, UnitStatistics,
    VisualTick, VoiceObservation,
};
use lsie_segment::{
    ClosedWindow, Gap, GapReason, ObservationRing, Patience, PcmRing, Reached, SegmentParts,
    SessionClock, WindowSettings, Windower, cut_segment,
};
use uuid::Uuid;

use self::clocks::ClockNotes;
use crate::link::Outbox;
use crate::sound::SoundChunk;

/// Observations kept: 90 s at 120 frames per second.
const RING_SPAN_SECS: f64 = 90.0;
const RING_COUNT: usize = 10_800;
/// Display ticks are at least this far apart in media time: 10 per second.
const TICK_NS: i64 = 100_000_000;
/// Media of a source that is there are waited for so long: 2 s.
const IDLE_GRACE_NS: i64 = 2_000_000_000;
/// Latencies over which median and percentile are taken.
const LATENCIES: usize = 300;

/// What the assembler needs to know about its session.
#[derive(Debug, Clone)]
pub(crate) struct AssemblerSettings {
    pub(crate) session_id: Uuid,
    pub(crate) clock: SessionClock,
    pub(crate) has_audio: bool,
    pub(crate) has_video: bool,
    pub(crate) patience: Patience,
    pub(crate) resume_at_ns: i64,
    pub(crate) planned: Vec<PlannedStimulus>,
}

/// What a frame left in the ring.
#[derive(Debug, Clone, Copy)]
struct FrameNote {
    score: Option<f64>,
    absent: Option<NullReason>,
    units: UnitScores,
}

impl FrameNote {
    /// What a frame measured; a value that is no number is none, and says so.
    fn of(observation: &FaceObservation) -> Self {
        let score = observation.score.filter(|score| score.is_finite());
        let absent = match &observation.face {
            Err(reason) => Some(*reason),
            Ok(_) if score != observation.score => Some(NullReason::NonFinite),
            Ok(face) => {
                let uncalibrated = score.is_none().then_some(NullReason::NotCalibrated);
                face.ratio_absent.or(uncalibrated)
            }
        };
        // A frame without a face has no score, whatever else it says.
        let score = score.filter(|_| observation.face.is_ok());
        Self {
            score,
            absent,
            units: observation.units,
        }
    }

    /// Every action unit of the frame.
    fn units(&self) -> impl Iterator<Item = (ActionUnit, Option<f64>)> {
        let others = self.units.scores().into_iter();
        others.chain([(ActionUnit::LipCorner, self.score)])
    }
}

/// Rings and windows of one session.
pub(crate) struct Assembler {
    settings: AssemblerSettings,
    outbox: Outbox,
    windower: Windower,
    frames: ObservationRing<FrameNote>,
    pcm: PcmRing,
    voice: VoiceHistory,
    measurer: SegmentMeasurer,
    unit_summary: UnitSummary,
    planned: VecDeque<PlannedStimulus>,
    video_ns: Option<i64>,
    /// Smallest distance of host time from media time seen: the source's clock against ours, nanoseconds.
    host_offset_ns: Option<i64>,
    /// Where media stopped while the source is lost.
    lost_at_ns: Option<i64>,
    /// Where the clock stood when the loss was seen: items from before it were still under way.
    lost_seen_ns: i64,
    clocks: ClockNotes,
    last_tick_ns: i64,
    last_voice: Option<VoiceObservation>,
    calibration: CalibrationState,
    has_stimulus: bool,
    latencies_ms: VecDeque<f32>,
    segments: u64,
    rejects: u64,
}

impl Assembler {
    pub(crate) fn new(
        settings: AssemblerSettings,
        calibration: CalibrationState,
        outbox: Outbox,
        (measurer, unit_summary): (SegmentMeasurer, UnitSummary),
    ) -> Self {
        let windower = Windower::new(WindowSettings {
            session_id: settings.session_id,
            clock: settings.clock,
            has_audio: settings.has_audio,
            has_video: settings.has_video,
            patience: settings.patience,
            grid_anchor: Some(settings.clock.epoch()),
            resume_at_ns: settings.resume_at_ns,
        });
        let mut planned: Vec<PlannedStimulus> = settings.planned.clone();
        planned.sort_by(|a, b| a.offset_s.total_cmp(&b.offset_s));
        Self {
            windower,
            frames: ObservationRing::new(RING_SPAN_SECS, RING_COUNT),
            pcm: PcmRing::new(settings.clock),
            voice: VoiceHistory::new(),
            measurer,
            unit_summary,
            planned: planned.into(),
            video_ns: None,
            host_offset_ns: None,
            lost_at_ns: None,
            lost_seen_ns: i64::MIN,
            clocks: ClockNotes::default(),
            last_tick_ns: i64::MIN / 2,
            last_voice: None,
            calibration,
            has_stimulus: false,
            latencies_ms: VecDeque::with_capacity(LATENCIES),
            segments: 0,
            rejects: 0,
            settings,
            outbox,
        }
    }

    /// Takes what either branch produced; `now_host_ns` is the monotonic clock the frames are stamped with.
    pub(crate) fn take(&mut self, item: Either<FaceObservation, SoundChunk>, now_host_ns: u64) {
        self.regain(&item);
        match item {
            Either::Left(observation) => self.take_frame(&observation, now_host_ns),
            Either::Right(chunk) => self.take_sound(&chunk),
        }
        self.release_planned();
        let closed = self.windower.poll(self.reached());
        for window in closed {
            self.send_segment(&window);
        }
    }

    fn take_frame(&mut self, observation: &FaceObservation, now_host_ns: u64) {
        if self.video_ns.is_some_and(|at| observation.pts_ns <= at) {
            self.rejects += 1;
            tracing::debug!(
                pts_ns = observation.pts_ns,
                "a frame that steps back was refused"
            );
            return;
        }
        let timestamp_s = self.settings.clock.epoch_secs_at(observation.pts_ns);
        let note = FrameNote::of(observation);
        tracing::trace!(
            seq = observation.seq,
            pts_ns = observation.pts_ns,
            score = note.score,
            absent = note.absent.map(NullReason::code),
            "frame measured"
        );
        if let Err(error) = self.frames.push(timestamp_s, note) {
            self.rejects += 1;
            tracing::debug!(%error, "a frame was refused");
            return;
        }
        self.video_ns = Some(
            self.video_ns
                .map_or(observation.pts_ns, |at| at.max(observation.pts_ns)),
        );
        self.note_host_offset(observation.host_time_ns.cast_signed() - observation.pts_ns);
        self.calibration = observation.calibration;
        if self.latencies_ms.len() == LATENCIES {
            self.latencies_ms.pop_front();
        }
        self.latencies_ms
            .push_back((now_host_ns.saturating_sub(observation.host_time_ns) as f64 / 1e6) as f32);
        if observation.pts_ns - self.last_tick_ns >= TICK_NS {
            self.last_tick_ns = observation.pts_ns;
            self.tick(observation, timestamp_s, note);
        }
    }

    fn note_host_offset(&mut self, offset_ns: i64) {
        let least = self
            .host_offset_ns
            .map_or(offset_ns, |at| at.min(offset_ns));
        self.host_offset_ns = Some(least);
    }

    fn tick(&self, observation: &FaceObservation, timestamp_s: f64, note: FrameNote) {
        let status = match observation.status {
            VisualStatus::Ready if self.has_stimulus => VisualStatus::PostStimulus,
            status => status,
        };
        self.outbox.tick(EngineMessage::Visual(VisualTick {
            session_id: self.settings.session_id,
            timestamp_s,
            status,
            face_present: observation.face.is_ok(),
            absent: note
                .absent
                .filter(|reason| *reason != NullReason::NotCalibrated),
            calibration: observation.calibration,
            au12: note.score,
            pose: observation.face.as_ref().ok().map(|face| face.pose),
            voice: self.last_voice,
        }));
    }

    fn take_sound(&mut self, chunk: &SoundChunk) {
        let samples = chunk.samples.len();
        tracing::trace!(pts_ns = chunk.pts_ns, samples, "sound taken");
        if let Err(error) = self.pcm.push(chunk.pts_ns, &chunk.samples) {
            self.rejects += 1;
            tracing::debug!(%error, "a block of sound was refused");
            return;
        }
        if !self.settings.has_video {
            self.note_host_offset(chunk.host_offset_ns);
        }
        for window in &chunk.pitch {
            self.voice.push_window(*window);
        }
        for observation in &chunk.voice {
            self.voice.push(*observation);
            self.last_voice = Some(*observation);
        }
    }

    /// Stimuli known in advance are due when the picture has reached them, or the sound of a source without: how far the
    /// other branch is at that moment depends on the machine.
    fn release_planned(&mut self) {
        let leading = if self.settings.has_video {
            self.video_ns
        } else {
            self.pcm.end_ns()
        };
        let Some(reached) = leading else { return };
        while self
            .planned
            .front()
            .is_some_and(|next| next.offset_s * 1e9 <= reached as f64)
        {
            if let Some(next) = self.planned.pop_front() {
                let t = self
                    .settings
                    .clock
                    .epoch_secs_at((next.offset_s * 1e9).round() as i64);
                self.stamp(next.stimulus_id, t);
            }
        }
    }

    /// Gives a stimulus its time and opens its window.
    pub(crate) fn stamp(&mut self, stimulus_id: Uuid, stimulus_time_s: f64) {
        let session_id = self.settings.session_id;
        let message = match self.windower.push_stimulus(stimulus_id, stimulus_time_s) {
            Ok(_) => {
                self.has_stimulus = true;
                let calibrated = self.calibration.is_complete();
                EngineMessage::StimulusStamped {
                    session_id,
                    stimulus_id,
                    stimulus_time_s,
                    calibrated,
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a stimulus was refused");
                EngineMessage::StimulusRefused {
                    session_id,
                    stimulus_id,
                    code: Text::cut("stimulus_refused"),
                }
            }
        };
        self.outbox.send(message);
    }

    fn reached(&self) -> Reached {
        Reached {
            audio_ns: self.pcm.end_ns(),
            video_ns: self.video_ns,
            clock_ns: None,
        }
    }

    /// Media time that both branches together have reached, nanoseconds.
    pub(crate) fn position_ns(&self) -> i64 {
        self.video_ns
            .max(self.pcm.end_ns())
            .unwrap_or(self.settings.resume_at_ns)
    }

    /// Media time of this instant of the host's monotonic clock for a live source, nanoseconds.
    pub(crate) fn live_position_ns(&self, now_host_ns: u64) -> i64 {
        self.host_offset_ns.map_or_else(
            || self.position_ns(),
            |offset| now_host_ns.cast_signed() - offset,
        )
    }

    /// The session's clock.
    pub(crate) const fn clock(&self) -> SessionClock {
        self.settings.clock
    }

    /// The source is gone; its clock runs on.
    pub(crate) fn lose(&mut self, now_host_ns: u64) {
        if self.is_lost() {
            return;
        }
        self.lost_seen_ns = self.live_position_ns(now_host_ns);
        let reached = self.reached();
        let earliest = reached.video_ns.into_iter().chain(reached.audio_ns).min();
        let resumed_ns = self.settings.resume_at_ns;
        self.lost_at_ns = Some(earliest.unwrap_or(resumed_ns));
    }

    /// Whether the source is gone.
    pub(crate) const fn is_lost(&self) -> bool {
        self.lost_at_ns.is_some()
    }

    /// How the source's own clock stands now, for the windows that hold this instant.
    pub(crate) fn note_clock(&mut self, clock: SegmentClock, now_host_ns: u64) {
        let pts_ns = self.live_position_ns(now_host_ns);
        self.clocks.push(pts_ns, clock);
    }

    /// A source that is there may rightly send nothing: its windows close by the clock, two seconds late.
    pub(crate) fn idle(&mut self, now_host_ns: u64) {
        if self.is_lost() {
            return;
        }
        let clock_ns = self.live_position_ns(now_host_ns) - IDLE_GRACE_NS;
        let reached = Reached {
            clock_ns: Some(clock_ns),
            ..self.reached()
        };
        for window in self.windower.poll(reached) {
            self.send_segment(&window);
        }
    }

    /// While the source is gone, windows close by the clock, with the gap in them.
    pub(crate) fn wait(&mut self, now_host_ns: u64) {
        let Some(from_ns) = self.lost_at_ns else {
            return;
        };
        let to_ns = self.live_position_ns(now_host_ns);
        self.windower.note_gap(Gap {
            from_ns,
            to_ns,
            reason: GapReason::SourceRecovering,
        });
        let reached = Reached {
            clock_ns: Some(to_ns),
            ..self.reached()
        };
        for window in self.windower.poll(reached) {
            self.send_segment(&window);
        }
    }

    /// The first item from after a loss ends the gap; one that was still under way moves its beginning.
    fn regain(&mut self, item: &Either<FaceObservation, SoundChunk>) {
        let Some(from_ns) = self.lost_at_ns else {
            return;
        };
        let to_ns = match item {
            Either::Left(observation) => observation.pts_ns,
            Either::Right(chunk) => chunk.pts_ns,
        };
        if to_ns <= self.lost_seen_ns {
            self.lost_at_ns = Some(from_ns.max(to_ns));
            return;
        }
        tracing::info!(to_ns, "the source is back");
        self.end_gap(to_ns);
    }

    fn end_gap(&mut self, to_ns: i64) {
        let Some(from_ns) = self.lost_at_ns.take() else {
            return;
        };
        let to_ns = to_ns.max(from_ns);
        let reason = GapReason::SourceRecovering;
        self.windower.note_gap(Gap {
            from_ns,
            to_ns,
            reason,
        });
        let clock = self.settings.clock;
        self.outbox.send(EngineMessage::Gap {
            session_id: self.settings.session_id,
            gap: GapNote {
                from_s: clock.epoch_secs_at(from_ns),
                to_s: clock.epoch_secs_at(to_ns),
                reason: Text::cut(reason.code()),
            },
        });
    }

    /// Ends the session: windows the streams have passed close, the others are given up.
    pub(crate) fn finish(&mut self, now_host_ns: u64) {
        self.end_gap(self.live_position_ns(now_host_ns));
        let finished = self.windower.finish(self.reached(), GapReason::SourceEnded);
        for window in finished.closed {
            self.send_segment(&window);
        }
        for window in finished.abandoned {
            tracing::info!(kind = ?window.kind, reason = window.reason.code(), "a window was given up");
        }
    }

    /// Cuts a window. Sound that was overwritten before its window closed is a gap; the picture's part still counts.
    fn cut(&self, window: &ClosedWindow) -> Option<SegmentParts<FrameNote>> {
        let sound = self.settings.has_audio.then_some(&self.pcm);
        let without_sound = |error| {
            tracing::error!(%error, "the sound of a window was lost");
            let clock = self.settings.clock;
            let mut silent = window.clone();
            silent.gaps.push(Gap {
                from_ns: clock.pts_of(window.bounds.start_utc),
                to_ns: clock.pts_of(window.bounds.end_utc),
                reason: GapReason::AudioMissing,
            });
            cut_segment(silent, None, &self.frames)
        };
        cut_segment(window.clone(), sound, &self.frames)
            .or_else(without_sound)
            .ok()
    }

    fn send_segment(&mut self, window: &ClosedWindow) {
        let Some(parts) = self.cut(window) else {
            return;
        };
        let clock = self.settings.clock;
        let (start_ns, end_ns) = (
            clock.pts_of(parts.window.bounds.start_utc),
            clock.pts_of(parts.window.bounds.end_utc),
        );
        let mut absent = BTreeMap::new();
        for reason in parts.series.iter().filter_map(|frame| frame.value.absent) {
            *absent.entry(reason).or_insert(0) += 1;
        }
        let action_units = self.summarise(parts.series.iter().map(|frame| &frame.value));
        let scored = parts.series.iter().filter_map(|frame| {
            frame.value.score.map(|intensity| Au12Observation {
                timestamp_s: frame.timestamp_s,
                intensity,
            })
        });
        let (au12_series, cut) = Bounded::cut(scored.collect());
        if cut > 0 {
            tracing::warn!(
                cut,
                "a window holds more observations than a segment may carry"
            );
        }
        let stimulus_time_s = match parts.window.kind {
            SegmentKind::Stimulus {
                stimulus_time_s, ..
            } => Some(stimulus_time_s),
            SegmentKind::Grid { .. } => None,
        };
        let acoustic = match (&parts.pcm, stimulus_time_s) {
            (Some(cut), Some(t)) => Some(self.measurer.segment(
                &cut.samples,
                parts.window.start_s,
                Some(t),
                MeasureSettings::default(),
            )),
            _ => None,
        };
        if let Some(error) = self.measurer.take_fault() {
            tracing::warn!(%error, "segments are measured on the processor from now on");
        }
        let notes = parts.gaps.iter().map(|gap| GapNote {
            from_s: clock.epoch_secs_at(gap.from_ns),
            to_s: clock.epoch_secs_at(gap.to_ns),
            reason: Text::cut(gap.reason.code()),
        });
        self.segments += 1;
        self.outbox
            .send(EngineMessage::Segment(Box::new(SegmentMessage {
                session_id: self.settings.session_id,
                segment_id: parts.window.segment_id,
                kind: parts.window.kind,
                window_start: parts.window.bounds.start_utc,
                window_end: parts.window.bounds.end_utc,
                action_units: Bounded::cut(action_units).0,
                frames: parts.series.len() as u32,
                au12_series,
                absent,
                acoustic,
                voice: self
                    .settings
                    .has_audio
                    .then(|| self.voice.summary(start_ns, end_ns))
                    .flatten(),
                pcm_sha256: parts.pcm.as_ref().map(|cut| Text::cut(&cut.checksum)),
                silence_prefix_s: parts.pcm.as_ref().map_or(0.0, |cut| cut.silence_prefix_s),
                gaps: Bounded::cut(notes.collect()).0,
                baseline_ratio: self.calibration.baseline(),
                clock: self.clocks.over(start_ns, end_ns),
            })));
    }

    /// What a window's frames say of each action unit, by number.
    fn summarise<'a>(
        &mut self,
        frames: impl Iterator<Item = &'a FrameNote>,
    ) -> Vec<UnitStatistics> {
        let mut rows = ActionUnit::ALL.map(|unit| (unit, Vec::new()));
        for (unit, score) in frames.flat_map(FrameNote::units) {
            let row = rows.iter_mut().find(|(of, _)| *of == unit);
            if let Some((_, scores)) = row {
                scores.extend(score.map(|score| score as f32));
            }
        }
        let rows = rows.iter().map(|(unit, scores)| (*unit, scores.as_slice()));
        self.unit_summary
            .summarise(rows)
            .into_iter()
            .flatten()
            .collect()
    }

    /// Baseline measured so far.
    pub(crate) const fn calibration(&self) -> CalibrationState {
        self.calibration
    }

    /// Segments sent and items refused so far.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.segments, self.rejects)
    }

    /// Median and 95th percentile of the newest latencies, milliseconds.
    pub(crate) fn latency_ms(&self) -> Option<(f32, f32)> {
        let mut sorted: Vec<f32> = self.latencies_ms.iter().copied().collect();
        sorted.sort_by(f32::total_cmp);
        let at = |share: usize| {
            sorted
                .get(sorted.len().saturating_sub(1) * share / 100)
                .copied()
        };
        Some((at(50)?, at(95)?))
    }
}

#[cfg(test)]
mod tests;
