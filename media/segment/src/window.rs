//! When windows close (math 3.2, 3.3): a fixed grid and one window per stimulus, decided from stream positions alone.
//!
//! ```text
//!            start              end
//! grid n     ├──────────────────┤├──── n+1 ────┄
//! stimulus         ├─ t-25 ───── t ─ t+5 ┤
//! audio  ████████████████████████████▶             closes: sound (or, without sound, picture or clock) is past the end
//! ```
//!
//! Closing order is by end instant, then start, so a file read fast and one read paced give the same windows.

use std::collections::VecDeque;

use lsie_schemas::id::{SegmentId, segment_id};
use lsie_schemas::link::SegmentKind;
use lsie_schemas::time::UtcMicros;
use lsie_schemas::window::{SEGMENT_SECS, STIMULUS_LEAD_SECS, STIMULUS_REACH_SECS, SegmentWindow};
use uuid::Uuid;

use crate::clock::SessionClock;
use crate::error::SegmentError;
use crate::gap::{Gap, GapLog, GapReason, ordered};
use crate::pcm::{position_of, required_samples};

/// Stimuli that may wait at once.
pub const MAX_PENDING_STIMULI: usize = 64;
/// Windows one poll returns at most; the rest come with the next poll.
pub const MAX_WINDOWS_PER_POLL: usize = 64;
/// A window whose source ended this close to its end, in nanoseconds, still closes: 0.5 s.
pub const END_TOLERANCE_NS: i64 = 500_000_000;

/// Live windows wait this long in media time for a late picture: 250 ms.
const VIDEO_GRACE_NS: i64 = 250_000_000;
/// Live windows wait this long in media time for late sound: 2 s.
const AUDIO_GRACE_NS: i64 = 2_000_000_000;
/// A picture is not called late for the frame that is still being exposed: 200 ms covers 5 frames per second.
const FRAME_SLACK_NS: i64 = 200_000_000;
/// Sound is cut at whole samples, so it may stand this much before the end: 1 ms.
const SAMPLE_SLACK_NS: i64 = 1_000_000;
/// Gaps older than this before the newest position cannot concern an open window any more.
const GAP_MEMORY_NS: i64 = 120_000_000_000;

/// How long to wait for a stream that lags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// A live source: a lagging stream is given a short grace, then its absence is a recorded gap.
    Live,
    /// A file, fast or paced: every declared stream has to pass the end, so the result cannot depend on speed.
    File,
}

/// What the source and the session declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSettings {
    /// Session the segments belong to.
    pub session_id: Uuid,
    /// Session clock.
    pub clock: SessionClock,
    /// The source has sound.
    pub has_audio: bool,
    /// The source has a picture that is analysed.
    pub has_video: bool,
    /// How long to wait.
    pub patience: Patience,
    /// First instant of grid window 1; `None` for no grid.
    pub grid_anchor: Option<UtcMicros>,
    /// Media time at which this engine starts, nanoseconds; above 0 after a restart. Grid windows that ended before are
    /// skipped, and the time before it counts as gap.
    pub resume_at_ns: i64,
}

/// How far each stream has come, in nanoseconds of media time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reached {
    /// Behind the newest sample in the ring; `None` before the first.
    pub audio_ns: Option<i64>,
    /// Newest frame whose observation is in the ring (or is known to be without one).
    pub video_ns: Option<i64>,
    /// Media time by the session's clock; used only when both streams are silent or absent.
    pub clock_ns: Option<i64>,
}

/// A window whose data is complete, or as complete as it will get.
#[derive(Debug, Clone, PartialEq)]
pub struct ClosedWindow {
    /// Identity by hash (math 3.5).
    pub segment_id: SegmentId,
    /// Which rule cut it. A stimulus window with the bounds of a grid window stands for both.
    pub kind: SegmentKind,
    /// First and last instant.
    pub bounds: SegmentWindow,
    /// Lower bound for observations, epoch seconds.
    pub start_s: f64,
    /// Upper bound for observations, epoch seconds.
    pub end_s: f64,
    /// The source ended inside the window, at most 0.5 s before its end.
    pub is_truncated: bool,
    /// Known stretches without data, clipped to the window and ordered.
    pub gaps: Vec<Gap>,
}

/// A window that will never close.
#[derive(Debug, Clone, PartialEq)]
pub struct AbandonedWindow {
    /// Identity it would have had.
    pub segment_id: SegmentId,
    /// Which rule would have cut it.
    pub kind: SegmentKind,
    /// First and last instant.
    pub bounds: SegmentWindow,
    /// Why.
    pub reason: GapReason,
    /// Nanoseconds of media time missing at its end.
    pub missing_ns: i64,
}

/// What the end of a stream leaves behind.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Finished {
    /// Windows that closed, in order.
    pub closed: Vec<ClosedWindow>,
    /// Windows that had begun and cannot close, in order.
    pub abandoned: Vec<AbandonedWindow>,
}

#[derive(Debug, Clone, Copy)]
struct Pending {
    kind: SegmentKind,
    bounds: SegmentWindow,
}

/// Decides which windows close. Holds no data, starts no thread, reads no clock.
#[derive(Debug, Clone)]
pub struct Windower {
    settings: WindowSettings,
    next_grid: u32,
    stimuli: VecDeque<Pending>,
    gaps: GapLog,
    finished: bool,
}

impl Windower {
    /// A windower at the start (or resume point) of a session.
    #[must_use]
    pub fn new(settings: WindowSettings) -> Self {
        let mut gaps = GapLog::default();
        gaps.note(Gap {
            from_ns: 0,
            to_ns: settings.resume_at_ns,
            reason: GapReason::EngineRestart,
        });
        let mut windower = Self {
            settings,
            next_grid: 1,
            stimuli: VecDeque::new(),
            gaps,
            finished: false,
        };
        let resume_s = settings.clock.utc_at(settings.resume_at_ns);
        if let Some(anchor) = settings.grid_anchor {
            let elapsed_micros = resume_s.micros_since(anchor).max(0);
            let done = elapsed_micros / (SEGMENT_SECS * 1_000_000);
            windower.next_grid = u32::try_from(done)
                .unwrap_or(u32::MAX - 1)
                .saturating_add(1);
        }
        windower
    }

    /// Announces a stimulus at epoch seconds `stimulus_time_s`; its window closes when the streams pass t + 5 s.
    pub fn push_stimulus(
        &mut self,
        stimulus_id: Uuid,
        stimulus_time_s: f64,
    ) -> Result<SegmentWindow, SegmentError> {
        let bounds = SegmentWindow::around_stimulus(stimulus_time_s)
            .filter(|_| stimulus_time_s >= 0.0)
            .ok_or(SegmentError::NotFinite {
                what: "stimulus time",
            })?;
        if self.stimuli.iter().any(|p| p.bounds == bounds) {
            return Err(SegmentError::DuplicateStimulus);
        }
        if self.stimuli.len() >= MAX_PENDING_STIMULI {
            return Err(SegmentError::TooManyStimuli {
                limit: MAX_PENDING_STIMULI,
            });
        }
        let kind = SegmentKind::Stimulus {
            stimulus_id,
            stimulus_time_s,
        };
        let at = self
            .stimuli
            .partition_point(|p| p.bounds.end_utc <= bounds.end_utc);
        self.stimuli.insert(at, Pending { kind, bounds });
        Ok(bounds)
    }

    /// Notes a stretch of media time without data, so that windows over it say so.
    pub fn note_gap(&mut self, gap: Gap) {
        self.gaps.note(gap);
    }

    /// Stimuli whose windows are still open.
    #[must_use]
    pub fn pending_stimuli(&self) -> usize {
        self.stimuli.len()
    }

    /// Windows that the streams have passed, in order of their ends, at most [`MAX_WINDOWS_PER_POLL`].
    pub fn poll(&mut self, reached: Reached) -> Vec<ClosedWindow> {
        let mut closed = Vec::new();
        while closed.len() < MAX_WINDOWS_PER_POLL && !self.finished {
            let Some(next) = self.earliest() else { break };
            if !self.is_past(next.bounds, reached) {
                break;
            }
            self.remove(next);
            closed.push(self.close(next, reached, false));
        }
        if let Some(newest) = self.furthest(reached) {
            self.gaps.forget(newest.saturating_sub(GAP_MEMORY_NS));
        }
        closed
    }

    /// Ends the stream: closes what the streams have passed or missed by at most 0.5 s, abandons what had begun.
    /// Nothing closes afterwards.
    pub fn finish(&mut self, reached: Reached, reason: GapReason) -> Finished {
        let mut finished = Finished::default();
        let position = self.furthest(reached).unwrap_or(self.settings.resume_at_ns);
        while finished.closed.len() + finished.abandoned.len() < MAX_WINDOWS_PER_POLL {
            let Some(next) = self.earliest() else { break };
            let start_ns = self.settings.clock.pts_of(next.bounds.start_utc);
            let end_ns = self.settings.clock.pts_of(next.bounds.end_utc);
            let is_grid = matches!(next.kind, SegmentKind::Grid { .. });
            if is_grid && start_ns >= position {
                break;
            }
            self.remove(next);
            let missing_ns = end_ns.saturating_sub(self.shortest(reached, position));
            if missing_ns <= END_TOLERANCE_NS {
                self.gaps.note(Gap {
                    from_ns: end_ns.saturating_sub(missing_ns.max(0)),
                    to_ns: end_ns,
                    reason,
                });
                finished
                    .closed
                    .push(self.close(next, reached, missing_ns > 0));
            } else if start_ns < position || !is_grid {
                finished
                    .abandoned
                    .push(self.abandon(next, reason, missing_ns));
            }
        }
        // Grid windows stand in front of stimuli that lie wholly in the future.
        while let Some(next) = self.stimuli.pop_front() {
            let missing_ns = self
                .settings
                .clock
                .pts_of(next.bounds.end_utc)
                .saturating_sub(position);
            finished
                .abandoned
                .push(self.abandon(next, reason, missing_ns));
        }
        self.finished = true;
        finished
    }

    fn grid_bounds(&self) -> Option<SegmentWindow> {
        let anchor = self.settings.grid_anchor?;
        (self.next_grid < u32::MAX)
            .then(|| SegmentWindow::grid(Some(anchor), self.next_grid, anchor))
    }

    fn earliest(&self) -> Option<Pending> {
        let grid = self.grid_bounds().map(|bounds| Pending {
            kind: SegmentKind::Grid {
                index: u64::from(self.next_grid),
            },
            bounds,
        });
        match (grid, self.stimuli.front().copied()) {
            (Some(grid), Some(stimulus)) if grid.bounds.end_utc < stimulus.bounds.end_utc => {
                Some(grid)
            }
            (grid, stimulus) => stimulus.or(grid),
        }
    }

    /// Takes a window off the list; a stimulus window with the bounds of the next grid window takes both off.
    fn remove(&mut self, window: Pending) {
        if matches!(window.kind, SegmentKind::Stimulus { .. }) {
            self.stimuli.pop_front();
        }
        if self.grid_bounds() == Some(window.bounds) {
            self.next_grid += 1;
        }
    }

    fn is_past(&self, bounds: SegmentWindow, reached: Reached) -> bool {
        let (has_audio, has_video) = (self.settings.has_audio, self.settings.has_video);
        let clock = self.settings.clock;
        let end_ns = clock.pts_of(bounds.end_utc);
        let audio_done = reached
            .audio_ns
            .is_some_and(|ns| position_of(ns) >= required_samples(clock.epoch(), bounds));
        let video_done = reached.video_ns.is_some_and(|ns| ns >= end_ns);
        if !has_audio && !has_video {
            return reached.clock_ns.is_some_and(|ns| ns >= end_ns);
        }
        if (audio_done || !has_audio) && (video_done || !has_video) {
            return true;
        }
        if self.settings.patience == Patience::File {
            return false;
        }
        let lead_ns = self.furthest(reached).unwrap_or(i64::MIN);
        let audio_settled =
            !has_audio || audio_done || lead_ns >= end_ns.saturating_add(AUDIO_GRACE_NS);
        let video_settled =
            !has_video || video_done || lead_ns >= end_ns.saturating_add(VIDEO_GRACE_NS);
        audio_settled && video_settled
    }

    fn furthest(&self, reached: Reached) -> Option<i64> {
        let audio = reached.audio_ns.filter(|_| self.settings.has_audio);
        let video = reached.video_ns.filter(|_| self.settings.has_video);
        let clock = reached.clock_ns.filter(|_| {
            self.settings.patience == Patience::Live || (audio.is_none() && video.is_none())
        });
        audio.max(video).max(clock)
    }

    /// The stream that decides at the end: sound where there is any, else the picture, else the clock.
    fn shortest(&self, reached: Reached, position: i64) -> i64 {
        let audio = reached.audio_ns.filter(|_| self.settings.has_audio);
        let video = reached.video_ns.filter(|_| self.settings.has_video);
        audio.or(video).unwrap_or(position)
    }

    fn close(&self, window: Pending, reached: Reached, is_truncated: bool) -> ClosedWindow {
        let clock = self.settings.clock;
        let (start_ns, end_ns) = (
            clock.pts_of(window.bounds.start_utc),
            clock.pts_of(window.bounds.end_utc),
        );
        let mut gaps: Vec<Gap> = self.gaps.within(start_ns, end_ns).collect();
        let resume = self.settings.resume_at_ns;
        let mut late = |has: bool, at: Option<i64>, slack: i64, reason: GapReason| {
            let from_ns = at.unwrap_or(resume).max(start_ns);
            if has && !is_truncated && from_ns < end_ns.saturating_sub(slack) {
                gaps.push(Gap {
                    from_ns,
                    to_ns: end_ns,
                    reason,
                });
            }
        };
        late(
            self.settings.has_audio,
            reached.audio_ns,
            SAMPLE_SLACK_NS,
            GapReason::AudioLate,
        );
        late(
            self.settings.has_video,
            reached.video_ns,
            FRAME_SLACK_NS,
            GapReason::VideoLate,
        );
        let (mut start_s, mut end_s) = (
            window.bounds.start_utc.as_epoch_secs(),
            window.bounds.end_utc.as_epoch_secs(),
        );
        if let SegmentKind::Stimulus {
            stimulus_time_s, ..
        } = window.kind
        {
            // The bounds are whole microseconds; the measurement reaches to t + 5 of the exact time.
            start_s = start_s.min(stimulus_time_s - STIMULUS_LEAD_SECS);
            end_s = end_s.max(stimulus_time_s + STIMULUS_REACH_SECS);
        }
        ClosedWindow {
            segment_id: self.identity(window.bounds),
            kind: window.kind,
            bounds: window.bounds,
            start_s,
            end_s,
            is_truncated,
            gaps: ordered(gaps),
        }
    }

    fn abandon(&self, window: Pending, reason: GapReason, missing_ns: i64) -> AbandonedWindow {
        AbandonedWindow {
            segment_id: self.identity(window.bounds),
            kind: window.kind,
            bounds: window.bounds,
            reason,
            missing_ns,
        }
    }

    fn identity(&self, bounds: SegmentWindow) -> SegmentId {
        segment_id(&self.settings.session_id, bounds.start_utc, bounds.end_utc)
    }
}
