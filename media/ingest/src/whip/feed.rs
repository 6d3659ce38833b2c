//! The thread that gives a publisher's pictures and sound to their decoders.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer_app as gst_app;
use lsie_webrtc::{Published, PublishedPicture, PublishedSound, VideoCodec};

use super::Taking;
use super::clock::RtpClock;
use crate::access_unit::UnitCodec;
use crate::error::IngestError;
use crate::gst::core::PipelineCore;
use crate::gst::decoder::{AccessUnitDecoder, Pushed};
use crate::gst::video::Feed;
use crate::handset::{Growing, Timeline};
use crate::pull::{AccessUnit, host_time_ns};

const THREAD_NAME: &str = "whip-feed";
/// Longest wait before the stop flag is looked at again.
const NAP: Duration = Duration::from_millis(50);
const PICTURE_RATE_HZ: u32 = 90_000;
const SOUND_RATE_HZ: u32 = 48_000;

/// Owns the thread; joined when dropped.
pub(crate) struct WhipFeed {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl WhipFeed {
    pub(crate) fn start(
        taking: Arc<Taking>,
        decoder: AccessUnitDecoder,
        timeline: Timeline,
        sound: (Arc<PipelineCore>, gst_app::AppSrc),
        flag: Arc<AtomicBool>,
    ) -> Result<Self, IngestError> {
        let ended = Arc::new(AtomicBool::new(false));
        let already = taking.publication.dropped();
        let mut run = Run {
            taking,
            decoder,
            timeline,
            sound,
            flag,
            ended: Arc::clone(&ended),
            picture_clock: RtpClock::new(PICTURE_RATE_HZ),
            sound_clock: RtpClock::new(SOUND_RATE_HZ),
            growing: Growing::default(),
            dropped: already,
        };
        let thread = std::thread::Builder::new()
            .name(THREAD_NAME.to_owned())
            .spawn(move || run.feed())
            .map_err(|error| IngestError::Thread {
                name: THREAD_NAME,
                reason: error.to_string(),
            })?;
        Ok(Self {
            ended,
            thread: Some(thread),
        })
    }
}

impl Feed for WhipFeed {
    fn ask_to_stop(&self) {
        self.ended.store(true, Ordering::Release);
    }
}

impl Drop for WhipFeed {
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
    taking: Arc<Taking>,
    decoder: AccessUnitDecoder,
    timeline: Timeline,
    sound: (Arc<PipelineCore>, gst_app::AppSrc),
    flag: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
    picture_clock: RtpClock,
    sound_clock: RtpClock,
    growing: Growing,
    /// What the publication had dropped when it was last looked at.
    dropped: u64,
}

impl Run {
    fn feed(&mut self) {
        while !self.flag.load(Ordering::Acquire) && !self.ended.load(Ordering::Acquire) {
            let goes_on = match self.taking.publication.next(NAP) {
                Some(Published::Picture(picture)) => self.picture(picture),
                Some(Published::Sound(sound)) => {
                    self.sound(sound);
                    true
                }
                None => true,
            };
            self.count_dropped();
            if self.decoder.viewers_want_key_frame() {
                self.taking.publication.ask_key_frame();
            }
            if !goes_on {
                break;
            }
        }
        self.sound.0.stop();
    }

    /// What came without a key frame before it, or was one too many, gave no picture.
    fn count_dropped(&mut self) {
        let dropped = self.taking.publication.dropped();
        let more = dropped.saturating_sub(std::mem::replace(&mut self.dropped, dropped));
        if more > 0 {
            self.decoder.watch().access_units_undecoded(more);
        }
    }

    /// False when nothing more can be given.
    fn picture(&mut self, picture: PublishedPicture) -> bool {
        let codec = match picture.codec {
            VideoCodec::H264 => UnitCodec::H264,
            VideoCodec::Vp8 => UnitCodec::Vp8,
        };
        let arrived_ns = host_time_of(picture.arrived);
        let host_ns = self
            .picture_clock
            .host_ns(picture.publisher, picture.rtp_time, arrived_ns);
        let unit = AccessUnit {
            data: picture.data.into(),
            pts_ns: self.growing.next(self.timeline.pts_ns(host_ns)),
            key: picture.is_key,
        };
        let captured_ns = u64::try_from(host_ns).unwrap_or(0);
        let pushed = self
            .decoder
            .switch_to(codec)
            .and_then(|()| self.decoder.push_captured(&unit, captured_ns));
        match pushed {
            Ok(Pushed::Accepted | Pushed::Rejected) => true,
            Ok(Pushed::AwaitingKeyFrame) => {
                self.taking.publication.ask_key_frame();
                true
            }
            Ok(Pushed::Stopped) => false,
            Err(error) => {
                tracing::error!(%error, "the publisher's decoder cannot be started again");
                false
            }
        }
    }

    fn sound(&mut self, sound: PublishedSound) {
        let arrived_ns = host_time_of(sound.arrived);
        let host_ns = self
            .sound_clock
            .host_ns(sound.publisher, sound.rtp_time, arrived_ns);
        let Ok(pts_ns) = u64::try_from(self.timeline.pts_ns(host_ns)) else {
            return;
        };
        let mut buffer = gst::Buffer::from_mut_slice(sound.data);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_nseconds(pts_ns));
        }
        // A decoder that was stopped takes none, and the source is at its end then.
        self.sound.1.push_buffer(buffer).ok();
    }
}

/// An instant on the host's clock, nanoseconds.
fn host_time_of(instant: Instant) -> i64 {
    let ago = i64::try_from(instant.elapsed().as_nanos()).unwrap_or(i64::MAX);
    host_time_ns().cast_signed().saturating_sub(ago)
}
