//! The thread that gives the demo's access units to the decoder, as a phone's socket would.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::demo::clip::{Clip, frame_at, frame_pts_ns};
use crate::error::IngestError;
use crate::gst::decoder::{AccessUnitDecoder, Pushed};
use crate::gst::video::{Feed, PaceClock};
use crate::pull::host_time_ns;
use crate::scheme::Pace;

const THREAD_NAME: &str = "demo-feed";
/// Longest sleep before the stop flag is looked at again.
const NAP: Duration = Duration::from_millis(100);
/// A live demo that is later than this goes on at the key frame before now.
const HOPELESS_NS: u64 = 1_500_000_000;

/// Owns the thread; joined when dropped.
pub(crate) struct Feeder {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Feeder {
    /// Starts feeding: the frames before `start_frame` back to a key frame at once, the rest by `clock`.
    pub(crate) fn start(
        clip: Clip,
        decoder: AccessUnitDecoder,
        start_frame: u64,
        pace: Pace,
        clock: PaceClock,
        flag: Arc<AtomicBool>,
    ) -> Result<Self, IngestError> {
        let ended = Arc::new(AtomicBool::new(false));
        let mut run = Run {
            clip,
            decoder,
            start_frame,
            pace,
            clock,
            flag,
            ended: Arc::clone(&ended),
        };
        let thread = std::thread::Builder::new()
            .name(THREAD_NAME.to_owned())
            .spawn(move || run.feed())
            .map_err(|error| IngestError::Thread {
                name: THREAD_NAME,
                reason: error.to_string(),
            })?;
        Ok(Feeder {
            ended,
            thread: Some(thread),
        })
    }
}

impl Feed for Feeder {
    fn ask_to_stop(&self) {
        self.ended.store(true, Ordering::Release);
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.ask_to_stop();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(thread = THREAD_NAME, "thread panicked");
        }
    }
}

struct Run {
    clip: Clip,
    decoder: AccessUnitDecoder,
    start_frame: u64,
    pace: Pace,
    clock: PaceClock,
    flag: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
}

impl Run {
    fn feed(&mut self) {
        let mut frame = self.clip.key_before(self.start_frame);
        while self.goes_on() {
            if frame >= self.start_frame && self.pace != Pace::Fast {
                frame = self.skip_if_hopeless(frame);
                if !self.sleep_until(self.clock.due_ns(frame_pts_ns(frame))) {
                    return;
                }
            }
            let Some(unit) = self.clip.unit(frame) else {
                return;
            };
            match self.decoder.push(&unit) {
                // While a restarted decoder awaits a key frame, the clip runs on to it.
                Ok(Pushed::Accepted | Pushed::AwaitingKeyFrame | Pushed::Rejected) => frame += 1,
                Ok(Pushed::Stopped) => return,
                Err(error) => {
                    tracing::error!(%error, "demo decoder cannot be started again");
                    return;
                }
            }
        }
    }

    fn goes_on(&self) -> bool {
        !self.flag.load(Ordering::Acquire) && !self.ended.load(Ordering::Acquire)
    }

    /// A live source does not catch up by showing the past.
    fn skip_if_hopeless(&self, frame: u64) -> u64 {
        let late_ns = host_time_ns().saturating_sub(self.clock.due_ns(frame_pts_ns(frame)));
        if self.pace != Pace::Live || late_ns < HOPELESS_NS {
            return frame;
        }
        let now_pts_ns = frame_pts_ns(frame).saturating_add_unsigned(late_ns);
        let key = self.clip.key_before(frame_at(now_pts_ns));
        if key > frame {
            self.decoder.watch().access_units_dropped(key - frame);
        }
        key.max(frame)
    }

    /// False when it was woken to end.
    fn sleep_until(&self, due_ns: u64) -> bool {
        loop {
            if !self.goes_on() {
                return false;
            }
            let left = Duration::from_nanos(due_ns.saturating_sub(host_time_ns()));
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(NAP));
        }
    }
}
