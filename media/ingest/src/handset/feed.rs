//! The thread that gives the phone's access units to the decoder.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use lsie_handset::UnitFlags;

use super::link::HandsetLink;
use super::timeline::Growing;
use crate::error::IngestError;
use crate::gst::decoder::{AccessUnitDecoder, Pushed};
use crate::gst::video::Feed;
use crate::pull::AccessUnit;

const THREAD_NAME: &str = "handset-feed";
/// Longest wait before the stop flag is looked at again.
const NAP: Duration = Duration::from_millis(50);

/// Owns the thread; joined when dropped.
pub(crate) struct HandsetFeed {
    link: Arc<HandsetLink>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl HandsetFeed {
    /// Starts feeding. `stale_ns` is moved to the media time up to which pictures are too old to be measured.
    pub(crate) fn start(
        link: Arc<HandsetLink>,
        decoder: AccessUnitDecoder,
        stale_ns: Arc<AtomicI64>,
    ) -> Result<Self, IngestError> {
        let ended = Arc::new(AtomicBool::new(false));
        let mut run = Run {
            link: Arc::clone(&link),
            decoder,
            stale_ns,
            growing: Growing::default(),
            ended: Arc::clone(&ended),
        };
        let thread = std::thread::Builder::new()
            .name(THREAD_NAME.to_owned())
            .spawn(move || run.feed())
            .map_err(|error| IngestError::Thread {
                name: THREAD_NAME,
                reason: error.to_string(),
            })?;
        Ok(HandsetFeed {
            link,
            ended,
            thread: Some(thread),
        })
    }
}

impl Feed for HandsetFeed {
    fn ask_to_stop(&self) {
        self.ended.store(true, Ordering::Release);
    }

    fn fault(&self) -> Option<IngestError> {
        self.link.fault()
    }
}

impl Drop for HandsetFeed {
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
    link: Arc<HandsetLink>,
    decoder: AccessUnitDecoder,
    stale_ns: Arc<AtomicI64>,
    growing: Growing,
    ended: Arc<AtomicBool>,
}

impl Run {
    fn feed(&mut self) {
        while !self.link.is_stopped() && !self.ended.load(Ordering::Acquire) {
            self.link.note_events();
            if self.decoder.viewers_want_key_frame() {
                self.link.streams.video.want_key();
            }
            let Some(unit) = self.link.streams.video.pop(NAP) else {
                if self.link.streams.video.is_finished() {
                    return;
                }
                continue;
            };
            if !self.give(unit) {
                return;
            }
        }
    }

    /// False when nothing more can be given.
    fn give(&mut self, unit: lsie_handset::AccessUnit) -> bool {
        let captured = self.link.captured(unit.host_time, unit.arrived_ns);
        let pts_ns = self
            .growing
            .next(self.link.timeline.pts_ns(captured.host_ns));
        if unit.flags.has(UnitFlags::LATE) {
            // Decoded, since others refer to it, but not measured as if it were now.
            self.stale_ns.fetch_max(pts_ns, Ordering::AcqRel);
        }
        let unit = AccessUnit {
            data: unit.data.into(),
            pts_ns,
            key: unit.flags.has(UnitFlags::KEY),
        };
        let captured_ns = u64::try_from(captured.host_ns).unwrap_or(0);
        match self.decoder.push_captured(&unit, captured_ns) {
            // The next key comes within a second.
            Ok(Pushed::Accepted | Pushed::AwaitingKeyFrame | Pushed::Rejected) => true,
            Ok(Pushed::Stopped) => false,
            Err(error) => {
                tracing::error!(%error, "the phone's decoder cannot be started again");
                false
            }
        }
    }
}
