//! A session and its source: a live source that fails is opened again until the operator ends the session.
//!
//! ```text
//!            fails, media had run                 pause over                  opened
//! playing ───────────────────────▶ waiting ───────────────────▶ opening ───────────────▶ playing
//!    │ ends, or a file fails          ▲                            │ cannot be opened
//!    ▼                                └────────────────────────────┘ the pause doubles, at most 30 s
//!   over
//! ```
//!
//! Meanwhile the session's clock runs on by the host's clock, windows close with the gap noted in them, and stimuli are
//! stamped. The gap itself is told when the first item arrives again, or when the session ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, TryRecvError, bounded};
use lsie_analysis::face::PictureHint;
use lsie_ingest::{MediaAnchor, Pace, SourceAddress, SourceClock, SourceHealth, host_time_ns};
use lsie_schemas::link::{ClockRung, EngineCounters, SegmentClock, StartSession};
use lsie_schemas::observation::CalibrationState;
use uuid::Uuid;

use crate::assembler::Assembler;
use crate::error::OpenError;
use crate::link::Outbox;
use crate::live::{OpenParts, Playing};
use crate::session::SessionState;
use crate::viewers::SessionViewers;

/// Pause before the first attempt to open a source again.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A source that ran this long was well: the next pause is the first one again.
const STEADY: Duration = Duration::from_secs(10);

/// A session that is being measured, or waits for its source. Dropping it stops the graph.
pub(crate) struct LiveRun {
    pub(crate) session_id: Uuid,
    pace: Pace,
    session: Arc<Mutex<SessionState>>,
    parts: OpenParts,
    source: Source,
    pauses: Pauses,
    /// When the order arrived and where it resumes.
    ordered: MediaAnchor,
    /// Counters of sources that were closed.
    past: EngineCounters,
}

enum Source {
    Opening(Receiver<Result<Playing, OpenError>>),
    Playing { playing: Playing, since: Instant },
    Waiting { until: Instant },
}

/// How a session came to its end by itself.
pub(crate) enum Outcome {
    /// Its source has ended; the stable reason.
    Ended(&'static str),
    /// It cannot go on: code and words.
    Failed(&'static str, String),
}

impl LiveRun {
    /// Begins to open the source on a thread of its own: it may take seconds (the demo is rendered at its first use).
    pub(crate) fn start(order: StartSession, outbox: Outbox, parts: OpenParts) -> Self {
        let session_id = order.session_id;
        // An address that cannot be read fails when it is opened.
        let pace = SourceAddress::parse(&order.source_url).map_or(Pace::Fast, |a| a.pace());
        let ordered = MediaAnchor {
            host_time_ns: host_time_ns(),
            pts_ns: order.resume_at_ns,
        };
        let anchor = (order.resume_at_ns > 0).then_some(ordered);
        let session = Arc::new(Mutex::new(SessionState::new(
            order,
            outbox,
            pace,
            Arc::clone(&parts.device),
            parts.viewers.clone(),
        )));
        let source = Source::Opening(open_in_background(&session, &parts, anchor));
        Self {
            session_id,
            pace,
            session,
            parts,
            source,
            pauses: Pauses::default(),
            ordered,
            past: EngineCounters::default(),
        }
    }

    fn session(&self) -> MutexGuard<'_, SessionState> {
        // Plain values: whole after a panic elsewhere.
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks after the source; says when the session has come to its end.
    pub(crate) fn tend(&mut self, now: Instant) -> Option<Outcome> {
        match &self.source {
            Source::Opening(opened) => {
                let opened = match opened.try_recv() {
                    Ok(opened) => opened,
                    Err(TryRecvError::Empty) => {
                        self.wait();
                        return None;
                    }
                    Err(TryRecvError::Disconnected) => Err(OpenError::Panicked),
                };
                self.take_opened(opened, now)
            }
            Source::Playing { playing, since } => {
                let since = *since;
                self.follow(playing.health().as_ref());
                let cut_short = playing.is_cut_short();
                match playing.ended()? {
                    Ok(()) if cut_short => Some(Outcome::Ended("source_truncated")),
                    Ok(()) => Some(Outcome::Ended("end_of_stream")),
                    Err(words) => self.lose("source_failed", words, now, now - since),
                }
            }
            Source::Waiting { until } if *until <= now => {
                let anchor = self.anchor();
                self.source =
                    Source::Opening(open_in_background(&self.session, &self.parts, Some(anchor)));
                None
            }
            Source::Waiting { .. } => {
                self.wait();
                None
            }
        }
    }

    fn take_opened(&mut self, opened: Result<Playing, OpenError>, now: Instant) -> Option<Outcome> {
        match opened {
            Ok(playing) => {
                self.source = Source::Playing {
                    playing,
                    since: now,
                };
                None
            }
            Err(error) => self.lose(error.code(), error.to_string(), now, Duration::ZERO),
        }
    }

    /// The source failed after it `ran` so long. A live session that has begun goes on without it.
    fn lose(
        &mut self,
        code: &'static str,
        words: String,
        now: Instant,
        ran: Duration,
    ) -> Option<Outcome> {
        let has_begun = {
            let state = self.session();
            state.assembler.is_some() || state.opening.order.resume_at_ns > 0
        };
        if self.pace != Pace::Live || !has_begun {
            return Some(Outcome::Failed(code, words));
        }
        let pause = self.pauses.next_after(ran);
        tracing::warn!(
            code,
            words,
            pause_ms = pause.as_millis() as u64,
            "a live source is lost and will be opened again"
        );
        self.close_source(Source::Waiting { until: now + pause });
        self.past.source_losses += 1;
        if let Some(assembler) = &mut self.session().assembler {
            assembler.lose(host_time_ns());
        }
        None
    }

    fn close_source(&mut self, next: Source) {
        if let Source::Playing { playing, .. } = std::mem::replace(&mut self.source, next) {
            self.past.add(&playing.finish());
        }
        self.session().openings += 1;
    }

    /// A phone that is away comes back by itself: its time away is a gap, and the session's clock runs on. One whose screen
    /// stands still sends nothing and lacks nothing.
    fn follow(&self, health: Option<&SourceHealth>) {
        let mut session = self.session();
        let Some(assembler) = &mut session.assembler else {
            return;
        };
        match health {
            Some(health) if health.is_connected => {
                if let Some(clock) = &health.clock {
                    assembler.note_clock(clock_over(clock), host_time_ns());
                }
                assembler.idle(host_time_ns());
            }
            Some(_) => assembler.lose(host_time_ns()),
            None => {}
        }
        assembler.wait(host_time_ns());
    }

    /// The clock runs on while nothing comes from the source.
    fn wait(&self) {
        if let Some(assembler) = &mut self.session().assembler {
            assembler.wait(host_time_ns());
        }
    }

    /// Where the session's clock is now, for the next opening of its source.
    fn anchor(&self) -> MediaAnchor {
        let now_ns = host_time_ns();
        let pts_ns = match &self.session().assembler {
            Some(assembler) => assembler.live_position_ns(now_ns),
            None => self.ordered.pts_at(now_ns),
        };
        MediaAnchor {
            host_time_ns: now_ns,
            pts_ns,
        }
    }

    /// Stamps a stimulus with this instant of the session's clock; `false` before media runs.
    pub(crate) fn stimulus(&self, stimulus_id: Uuid) -> bool {
        let mut state = self.session();
        let Some(assembler) = state.assembler.as_mut() else {
            return false;
        };
        let position_ns = match self.pace {
            Pace::Live => assembler.live_position_ns(host_time_ns()),
            Pace::Paced | Pace::Fast => assembler.position_ns(),
        };
        let t = assembler.clock().epoch_secs_at(position_ns);
        assembler.stamp(stimulus_id, t);
        true
    }

    /// Stops the source, drains the graph, closes what can be closed. Returns the media time reached and the final
    /// counters.
    pub(crate) fn finish(mut self) -> (i64, EngineCounters) {
        self.close_source(Source::Waiting {
            until: Instant::now(),
        });
        self.parts.viewers.end();
        let mut state = self.session();
        let resume_at_ns = state.opening.order.resume_at_ns;
        let media_ns = state.assembler.as_mut().map_or(resume_at_ns, |assembler| {
            assembler.finish(host_time_ns());
            assembler.position_ns()
        });
        drop(state);
        (media_ns, self.counters())
    }

    /// Baseline, media time and latency for the heartbeat.
    pub(crate) fn progress(&self) -> (CalibrationState, i64, Option<(f32, f32)>) {
        let state = self.session();
        let (media_ns, latency_ms) = match &state.assembler {
            Some(assembler) if assembler.is_lost() => {
                (assembler.live_position_ns(host_time_ns()), None)
            }
            Some(assembler) => (assembler.position_ns(), assembler.latency_ms()),
            None => (state.opening.order.resume_at_ns, None),
        };
        (state.calibration(), media_ns, latency_ms)
    }

    /// Stable code for the heartbeat.
    pub(crate) fn state(&self) -> &'static str {
        let state = self.session();
        match (&state.assembler, &self.source) {
            (Some(assembler), _) if !assembler.is_lost() => "playing",
            (Some(_), _) | (None, Source::Waiting { .. }) => "recovering",
            (None, _) => "opening",
        }
    }

    /// Whoever watches it.
    pub(crate) fn viewers(&self) -> &SessionViewers {
        &self.parts.viewers
    }

    /// How a source outside this process is, for the heartbeat.
    pub(crate) fn health(&self) -> Option<SourceHealth> {
        match &self.source {
            Source::Playing { playing, .. } => playing.health(),
            Source::Opening(_) | Source::Waiting { .. } => None,
        }
    }

    /// What is wrong with the picture of a source that plays.
    pub(crate) fn picture_hint(&self) -> Option<PictureHint> {
        match &self.source {
            Source::Playing { playing, .. } => playing.picture_hint(),
            Source::Opening(_) | Source::Waiting { .. } => None,
        }
    }

    /// Counters since the session was started here.
    pub(crate) fn counters(&self) -> EngineCounters {
        let mut counters = self.past.clone();
        if let Source::Playing { playing, .. } = &self.source {
            counters.add(&playing.counters());
        }
        let session = self.session();
        let counts = session.assembler.as_ref().map(Assembler::counts);
        (counters.segments, counters.time_rejects) = counts.unwrap_or_default();
        counters
    }
}

/// A source's clock as its segments carry it.
fn clock_over(clock: &SourceClock) -> SegmentClock {
    SegmentClock {
        state: ClockRung::of_word(clock.state),
        offset_s: clock.offset_secs,
        drift_ppm: clock.drift_ppm,
        uncertainty_ms: clock.uncertainty_ms,
    }
}

fn open_in_background(
    session: &Arc<Mutex<SessionState>>,
    parts: &OpenParts,
    anchor: Option<MediaAnchor>,
) -> Receiver<Result<Playing, OpenError>> {
    let (tx, rx) = bounded(1);
    let (session, parts) = (Arc::clone(session), parts.clone());
    let failed = tx.clone();
    let opener = thread::Builder::new()
        .name("open-source".into())
        .spawn(move || {
            let _ = tx.send(Playing::open(&session, &parts, anchor));
        });
    if let Err(error) = opener {
        let _ = failed.send(Err(OpenError::Thread(error)));
    }
    rx
}

/// The pauses between attempts. Pure.
#[derive(Debug)]
struct Pauses {
    next: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { next: FIRST_PAUSE }
    }
}

impl Pauses {
    /// The pause after a source that `ran` so long before it failed.
    fn next_after(&mut self, ran: Duration) -> Duration {
        if ran >= STEADY {
            self.next = FIRST_PAUSE;
        }
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST_PAUSE);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_a_minute_and_begin_anew_after_a_good_run() {
        let mut pauses = Pauses::default();
        let said: Vec<u128> = (0..9)
            .map(|_| pauses.next_after(Duration::ZERO).as_millis())
            .collect();
        assert_eq!(
            said,
            [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]
        );
        assert_eq!(pauses.next_after(STEADY), FIRST_PAUSE);
        assert_eq!(pauses.next_after(Duration::from_secs(2)), FIRST_PAUSE * 2);
    }
}
