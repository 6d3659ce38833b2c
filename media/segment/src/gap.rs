//! Stretches of media time without data: recorded, never hidden.

use std::collections::VecDeque;

/// Why nothing was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GapReason {
    /// The engine was not running; media before its resume point is gone.
    EngineRestart,
    /// Blocks of sound never came; zeros stand in for them.
    AudioMissing,
    /// The sound had not reached the end of the window when it closed.
    AudioLate,
    /// Frames never came.
    VideoMissing,
    /// The picture had not reached the end of the window when it closed.
    VideoLate,
    /// The source came to its end inside the window.
    SourceEnded,
    /// The source was lost and opened again.
    SourceRecovering,
}

impl GapReason {
    /// Stable wire code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::EngineRestart => "engine_restart",
            Self::AudioMissing => "audio_missing",
            Self::AudioLate => "audio_late",
            Self::VideoMissing => "video_missing",
            Self::VideoLate => "video_late",
            Self::SourceEnded => "source_ended",
            Self::SourceRecovering => "source_recovering",
        }
    }
}

/// One stretch, in nanoseconds of media time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// First instant without data.
    pub from_ns: i64,
    /// First instant with data again.
    pub to_ns: i64,
    /// Why.
    pub reason: GapReason,
}

impl Gap {
    /// The part of the stretch inside `start_ns..end_ns`, if any.
    #[must_use]
    pub fn clipped(self, start_ns: i64, end_ns: i64) -> Option<Self> {
        let (from_ns, to_ns) = (self.from_ns.max(start_ns), self.to_ns.min(end_ns));
        (from_ns < to_ns).then_some(Self {
            from_ns,
            to_ns,
            ..self
        })
    }
}

/// Largest number of gaps a window reports.
pub const MAX_GAPS_PER_WINDOW: usize = 64;

/// The newest gaps of a stream. Adjoining gaps of one reason merge; when full the two newest merge, so time without
/// data is never under-reported.
#[derive(Debug, Clone, Default)]
pub struct GapLog {
    gaps: VecDeque<Gap>,
}

impl GapLog {
    /// Gaps remembered at most.
    pub const CAPACITY: usize = 256;

    /// Notes a stretch; an empty or inverted one is ignored.
    pub fn note(&mut self, gap: Gap) {
        if gap.from_ns >= gap.to_ns {
            return;
        }
        let is_full = self.gaps.len() >= Self::CAPACITY;
        match self.gaps.back_mut() {
            Some(last) if (last.reason == gap.reason && touches(*last, gap)) || is_full => {
                last.from_ns = last.from_ns.min(gap.from_ns);
                last.to_ns = last.to_ns.max(gap.to_ns);
            }
            _ => self.gaps.push_back(gap),
        }
    }

    /// Forgets gaps that ended at or before `before_ns`.
    pub fn forget(&mut self, before_ns: i64) {
        self.gaps.retain(|gap| gap.to_ns > before_ns);
    }

    /// Gaps inside `start_ns..end_ns`, clipped to it.
    pub fn within(&self, start_ns: i64, end_ns: i64) -> impl Iterator<Item = Gap> + '_ {
        self.gaps
            .iter()
            .filter_map(move |gap| gap.clipped(start_ns, end_ns))
    }
}

/// Sorts by time and merges the tail so that at most [`MAX_GAPS_PER_WINDOW`] remain.
pub(crate) fn ordered(mut gaps: Vec<Gap>) -> Vec<Gap> {
    gaps.sort_unstable();
    gaps.dedup();
    while gaps.len() > MAX_GAPS_PER_WINDOW {
        let Some(tail) = gaps.pop() else { break };
        if let Some(last) = gaps.last_mut() {
            last.to_ns = last.to_ns.max(tail.to_ns);
        }
    }
    gaps
}

fn touches(a: Gap, b: Gap) -> bool {
    b.from_ns <= a.to_ns && a.from_ns <= b.to_ns
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn gap(from_ns: i64, to_ns: i64) -> Gap {
        Gap {
            from_ns,
            to_ns,
            reason: GapReason::AudioMissing,
        }
    }

    #[test]
    fn adjoining_gaps_merge_and_others_do_not() {
        let mut log = GapLog::default();
        log.note(gap(0, 10));
        log.note(gap(10, 20));
        log.note(gap(30, 40));
        log.note(gap(5, 5));
        assert_eq!(
            log.within(0, 100).collect::<Vec<_>>(),
            vec![gap(0, 20), gap(30, 40)]
        );
        assert_eq!(
            log.within(15, 35).collect::<Vec<_>>(),
            vec![gap(15, 20), gap(30, 35)]
        );
        log.forget(20);
        assert_eq!(log.within(0, 100).count(), 1);
    }

    #[test]
    fn a_full_log_widens_instead_of_forgetting() {
        let mut log = GapLog::default();
        for k in 0..1000 {
            log.note(gap(k * 10, k * 10 + 1));
        }
        assert_eq!(log.within(0, i64::MAX).count(), GapLog::CAPACITY);
        assert_eq!(log.within(0, i64::MAX).last().map(|g| g.to_ns), Some(9991));
    }

    #[test]
    fn a_window_reports_a_bounded_number() {
        let many: Vec<Gap> = (0..500).rev().map(|k| gap(k * 10, k * 10 + 1)).collect();
        let kept = ordered(many);
        assert_eq!(kept.len(), MAX_GAPS_PER_WINDOW);
        assert_eq!(kept.last().map(|g| g.to_ns), Some(4991));
    }
}
