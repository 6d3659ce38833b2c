//! The pull side of every picture source.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use lsie_device::{DeviceKind, Frame};

use crate::error::IngestError;
use crate::gst::cadence::Cadence;
use crate::gst::complaints;
use crate::gst::core::{PipelineCore, abandon, pipeline_error};
use crate::gst::cuda::{CudaFrame, SurfaceIntake};
use crate::gst::ending::Ending;
use crate::gst::planes::{PictureCaps, Upload, Uploader};
use crate::gst::stamps::{Counting, Stamps};
use crate::pull::{LONGEST_PULL, Pull, host_time_ns};
use crate::scheme::Pace;
use crate::watch::{IngestEvent, Watch};

/// Longest wait inside one pull before the bus is looked at again.
const SLICE: Duration = Duration::from_millis(50);
/// Wait between two looks for a free slot.
const SLOT_WAIT: Duration = Duration::from_millis(1);

/// When media time runs with host time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PaceClock {
    pub(crate) start_host_ns: u64,
    pub(crate) start_pts_ns: i64,
}

impl PaceClock {
    pub(crate) fn starting_now(start_pts_ns: i64) -> Self {
        PaceClock {
            start_host_ns: host_time_ns(),
            start_pts_ns,
        }
    }

    /// Host time at which a media time is due.
    pub(crate) fn due_ns(self, pts_ns: i64) -> u64 {
        self.start_host_ns
            .saturating_add_signed(pts_ns.saturating_sub(self.start_pts_ns))
    }
}

/// Whoever pushes access units into a source's decoder from a thread of its own, which ends when this is dropped.
pub(crate) trait Feed: Send {
    /// Lets the thread end at its next look; does not wait for it.
    fn ask_to_stop(&self);

    /// Why nothing will come any more, if so.
    fn fault(&self) -> Option<IngestError> {
        None
    }
}

/// Where pictures go from the decoder.
pub(crate) enum Intake {
    /// Into slots of our pool, with a copy.
    Slots(Uploader),
    /// Nowhere: they are read where they lie.
    Surfaces(SurfaceIntake),
    /// Nowhere: they are frames over the decoder's own memory.
    Lent(SurfaceIntake),
}

impl Intake {
    fn caps(&self) -> &PictureCaps {
        match self {
            Intake::Slots(uploader) => uploader.caps(),
            Intake::Surfaces(surfaces) | Intake::Lent(surfaces) => surfaces.caps(),
        }
    }
}

/// What an intake made of a sample.
enum Picture {
    Slot(Frame),
    Lent(Frame),
    Surface(CudaFrame),
}

impl Picture {
    /// Media time, arrival and number.
    fn times(&self) -> (i64, u64, u64) {
        match self {
            Picture::Slot(frame) | Picture::Lent(frame) => {
                (frame.pts_ns(), frame.host_time_ns(), frame.seq())
            }
            Picture::Surface(frame) => (frame.pts_ns(), frame.host_time_ns(), frame.seq()),
        }
    }
}

/// A source of frames, pulled by one thread. Dropping it ends its decoding.
pub struct VideoSource {
    pub(crate) sink: gst_app::AppSink,
    pub(crate) core: Arc<PipelineCore>,
    pub(crate) stamps: Arc<Stamps>,
    intake: Intake,
    watch: Watch,
    pace: Pace,
    clock: Option<PaceClock>,
    /// Frames before this media time are discarded.
    start_pts_ns: i64,
    /// Added to the pipeline's media time.
    pts_offset_ns: i64,
    counting: Counting,
    /// Pictures pass a `videoconvert` on their way.
    converted: bool,
    /// Faults are dealt with by whoever pushes access units.
    fault_is_mine: bool,
    held: Option<gst::Sample>,
    last_seq: Option<u64>,
    last_pts_ns: Option<i64>,
    /// Files only: what is pushed has been counted by its sender.
    cadence: Option<Cadence>,
    /// What a file promised about its end.
    ending: Option<Arc<Ending>>,
    feeder: Option<Box<dyn Feed>>,
    /// Frames up to this media time are decoded and left out.
    stale_ns: Option<Arc<AtomicI64>>,
    over: bool,
}

/// What is known when a source is made; the rest has defaults.
pub(crate) struct VideoParts {
    pub(crate) sink: gst_app::AppSink,
    pub(crate) core: Arc<PipelineCore>,
    pub(crate) stamps: Arc<Stamps>,
    pub(crate) intake: Intake,
    pub(crate) watch: Watch,
    pub(crate) pace: Pace,
}

impl VideoSource {
    pub(crate) fn new(parts: VideoParts) -> Self {
        VideoSource {
            sink: parts.sink,
            core: parts.core,
            stamps: parts.stamps,
            intake: parts.intake,
            watch: parts.watch,
            pace: parts.pace,
            clock: None,
            start_pts_ns: 0,
            pts_offset_ns: 0,
            counting: Counting::Stream,
            converted: false,
            fault_is_mine: true,
            held: None,
            last_seq: None,
            last_pts_ns: None,
            cadence: None,
            ending: None,
            feeder: None,
            stale_ns: None,
            over: false,
        }
    }

    pub(crate) fn starting_at(mut self, start_pts_ns: i64, clock: Option<PaceClock>) -> Self {
        self.start_pts_ns = start_pts_ns;
        self.clock = clock;
        self
    }

    pub(crate) fn offset_by(mut self, pts_offset_ns: i64) -> Self {
        self.pts_offset_ns = pts_offset_ns;
        self
    }

    /// For live pipelines: their senders count from anywhere.
    pub(crate) fn by_running_time(mut self) -> Self {
        self.counting = Counting::Running;
        self
    }

    pub(crate) fn converted(mut self, converted: bool) -> Self {
        self.converted = converted;
        self
    }

    /// Counts pictures that a file lacks, inside and at its end.
    pub(crate) fn of_file(mut self, ending: Option<Arc<Ending>>) -> Self {
        self.cadence = Some(Cadence::default());
        self.ending = ending;
        self
    }

    /// For decoders that are restarted by their pushing half.
    pub(crate) fn with_foreign_faults(mut self) -> Self {
        self.fault_is_mine = false;
        self
    }

    pub(crate) fn fed_by(mut self, feeder: impl Feed + 'static) -> Self {
        self.feeder = Some(Box::new(feeder));
        self
    }

    /// Leaves out frames up to a media time that somebody moves.
    pub(crate) fn leaving_out(mut self, stale_ns: Arc<AtomicI64>) -> Self {
        self.stale_ns = Some(stale_ns);
        self
    }

    /// Waits at most `timeout` for the next frame.
    ///
    /// `Live` sources give the newest frame and count those it replaced; `Paced` and `Fast` sources give every frame and
    /// wait for the consumer. A pipeline error is returned once, after the frames before it; then `End`.
    pub fn next(&mut self, timeout: Duration) -> Result<Pull<Frame>, IngestError> {
        match self.next_picture(timeout)? {
            Pull::Item(Picture::Slot(frame) | Picture::Lent(frame)) => Ok(Pull::Item(frame)),
            Pull::Item(Picture::Surface(_)) => {
                Err(pipeline_error("appsink", "no slot was asked for"))
            }
            Pull::Pending => Ok(Pull::Pending),
            Pull::End => Ok(Pull::End),
        }
    }

    /// As [`VideoSource::next`], for one that reads surfaces.
    pub(crate) fn next_surface(
        &mut self,
        timeout: Duration,
    ) -> Result<Pull<CudaFrame>, IngestError> {
        match self.next_picture(timeout)? {
            Pull::Item(Picture::Surface(frame)) => Ok(Pull::Item(frame)),
            Pull::Item(Picture::Slot(_) | Picture::Lent(_)) => {
                Err(pipeline_error("appsink", "no surface was asked for"))
            }
            Pull::Pending => Ok(Pull::Pending),
            Pull::End => Ok(Pull::End),
        }
    }

    fn next_picture(&mut self, timeout: Duration) -> Result<Pull<Picture>, IngestError> {
        let deadline = Instant::now() + timeout.min(LONGEST_PULL);
        loop {
            if self.over || self.core.is_stopped() {
                return Ok(Pull::End);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(sample) = self.held.take().or_else(|| self.pull(left.min(SLICE))) else {
                if self.look_around()? {
                    return Ok(Pull::End);
                }
                if left.is_zero() {
                    return Ok(Pull::Pending);
                }
                continue;
            };
            if let Some(frame) = self.take(sample)? {
                return Ok(Pull::Item(frame));
            }
            if self.held.is_some() {
                if left.is_zero() {
                    return Ok(Pull::Pending);
                }
                std::thread::sleep(SLOT_WAIT);
            }
        }
    }

    /// How it is paced.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Ends its decoding without touching the sound of the same source.
    pub(crate) fn release(&mut self) {
        self.over = true;
        self.held = None;
        match self.feeder.take() {
            Some(feeder) => {
                // The feeder may be inside a push: the stopped pipeline lets it go before it is joined.
                feeder.ask_to_stop();
                self.core.stop();
                drop(feeder);
            }
            None => abandon(&self.sink),
        }
    }

    fn pull(&self, wait: Duration) -> Option<gst::Sample> {
        let nanos = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        self.sink
            .try_pull_sample(gst::ClockTime::from_nseconds(nanos))
    }

    /// After a pull that gave nothing: an error, or whether it is the end.
    fn look_around(&mut self) -> Result<bool, IngestError> {
        if self.core.is_stopped() {
            return Ok(true);
        }
        if self.fault_is_mine
            && let Some(fault) = self.core.fault()
        {
            self.over = true;
            return Err(fault);
        }
        if let Some(fault) = self.feeder.as_ref().and_then(|feeder| feeder.fault()) {
            self.over = true;
            return Err(fault);
        }
        if self.core.input_ended() && self.sink.is_eos() {
            self.over = true;
            self.stamps.flush();
            if let Some(ending) = self.ending.take() {
                let frame_ns = self.intake.caps().frame_ns();
                let end_pts_ns = self
                    .last_pts_ns
                    .map_or(self.start_pts_ns, |last| last.saturating_add(frame_ns));
                let regular_ns = self.intake.caps().is_rate_known().then_some(frame_ns);
                ending.pictures_ended(end_pts_ns, regular_ns);
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// Turns a sample into a frame; `None` when it is discarded or held back for want of a slot.
    fn take(&mut self, sample: gst::Sample) -> Result<Option<Picture>, IngestError> {
        let now_ns = host_time_ns();
        let buffer_pts = sample.buffer().and_then(gst::BufferRef::pts);
        let pts_ns = self.media_time(&sample, buffer_pts);
        if pts_ns < self.start_pts_ns {
            self.last_pts_ns = Some(pts_ns);
            return Ok(None);
        }
        if self
            .stale_ns
            .as_ref()
            .is_some_and(|stale| pts_ns <= stale.load(Ordering::Acquire))
        {
            self.watch.frames_stale(1);
            self.last_pts_ns = Some(pts_ns);
            return Ok(None);
        }
        let damaged = sample
            .buffer()
            .is_some_and(|buffer| buffer.flags().contains(gst::BufferFlags::CORRUPTED));
        let stamp = self
            .stamps
            .pulled(buffer_pts.map(gst::ClockTime::nseconds), now_ns);
        let taken = match &mut self.intake {
            Intake::Slots(uploader) => match uploader.upload(&sample, pts_ns, stamp)? {
                Upload::Done(frame) => Some(Picture::Slot(frame)),
                Upload::NoSlot => None,
            },
            Intake::Surfaces(surfaces) => {
                surfaces.take(&sample, pts_ns, stamp)?.map(Picture::Surface)
            }
            Intake::Lent(surfaces) => surfaces
                .take_frame(&sample, pts_ns, stamp)?
                .map(Picture::Lent),
        };
        let Some(picture) = taken else {
            if self.pace == Pace::Live {
                self.watch.frames_without_slot(1);
            } else {
                self.held = Some(sample);
            }
            return Ok(None);
        };
        self.last_pts_ns = Some(pts_ns);
        self.count(&picture, damaged, now_ns);
        Ok(Some(picture))
    }

    fn count(&mut self, picture: &Picture, damaged: bool, now_ns: u64) {
        let (pts_ns, host_time_ns, seq) = picture.times();
        self.watch.frames(1);
        self.watch.frames_damaged(u64::from(damaged));
        self.count_missing(pts_ns);
        self.watch.frames_converted(u64::from(self.converted));
        if let Picture::Slot(frame) = picture {
            self.watch.host_copies(1 + u64::from(self.converted));
            let is_elsewhere = frame.buffer().kind() != DeviceKind::Cpu;
            self.watch.device_copies(u64::from(is_elsewhere));
        }
        if let Some(last) = self.last_seq.replace(seq) {
            self.watch
                .frames_superseded(seq.saturating_sub(last).saturating_sub(1));
        }
        if self.pace != Pace::Fast {
            let due_ns = self
                .clock
                .map_or(host_time_ns, |clock| clock.due_ns(pts_ns));
            self.watch.lag(now_ns.saturating_sub(due_ns));
        }
    }

    fn count_missing(&mut self, pts_ns: i64) {
        let Some(cadence) = &mut self.cadence else {
            return;
        };
        let caps = self.intake.caps();
        if !caps.is_rate_known() {
            return;
        }
        let frames = cadence.note(pts_ns, caps.frame_ns());
        if frames > 0 {
            self.watch.breaks(1);
            self.watch.frames_missing(frames);
            self.watch
                .event(IngestEvent::PicturesMissing { pts_ns, frames });
        }
    }

    /// Nanoseconds from the start of the stream; pictures without time follow the one before.
    fn media_time(&self, sample: &gst::Sample, buffer_pts: Option<gst::ClockTime>) -> i64 {
        let segment = sample
            .segment()
            .and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
        let stream_time = buffer_pts.and_then(|pts| match segment {
            Some(segment) => self.counting.media_time(segment, pts),
            None => Some(pts),
        });
        match stream_time {
            Some(time) => i64::try_from(time.nseconds())
                .unwrap_or(i64::MAX)
                .saturating_add(self.pts_offset_ns),
            None => self.last_pts_ns.map_or(self.pts_offset_ns, |last| {
                last.saturating_add(self.intake.caps().frame_ns())
            }),
        }
    }
}

impl Drop for VideoSource {
    fn drop(&mut self) {
        self.release();
    }
}

/// Asks the decoder for strided pictures and notes when each picture arrives.
pub(crate) fn watch_arrivals(sink: &gst_app::AppSink, stamps: &Arc<Stamps>) {
    let Some(pad) = sink.static_pad("sink") else {
        return;
    };
    pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, |_, probe| {
        if let Some(gst::PadProbeData::Query(query)) = &mut probe.data
            && let gst::QueryViewMut::Allocation(allocation) = query.view_mut()
        {
            allocation.add_allocation_meta::<gst_video::VideoMeta>(None);
            return gst::PadProbeReturn::Handled;
        }
        gst::PadProbeReturn::Ok
    });
    let stamps = Arc::clone(stamps);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, probe| {
        if let Some(gst::PadProbeData::Buffer(buffer)) = &probe.data {
            stamps.arrived(buffer.pts().map(gst::ClockTime::nseconds), host_time_ns());
        }
        gst::PadProbeReturn::Ok
    });
}

/// Counts what the decoder before this sink says about damage: a break where it lost data, and `damaged` once for each
/// buffer (or end) that follows complaints. Must be told on the decoder's thread, which a sink without queues is.
pub(crate) fn watch_damage(
    sink: &gst_app::AppSink,
    watch: &Watch,
    damaged: impl Fn(&Watch) + Send + Sync + 'static,
) {
    let Some(pad) = sink.static_pad("sink") else {
        return;
    };
    let watch = watch.clone();
    let is_first = AtomicBool::new(true);
    let kinds = gst::PadProbeType::BUFFER
        | gst::PadProbeType::EVENT_DOWNSTREAM
        | gst::PadProbeType::EVENT_FLUSH;
    pad.add_probe(kinds, move |_, probe| {
        match &probe.data {
            Some(gst::PadProbeData::Buffer(buffer)) => {
                let begins_anew = buffer.flags().contains(gst::BufferFlags::DISCONT);
                if !is_first.swap(false, Ordering::AcqRel) && begins_anew {
                    watch.breaks(1);
                }
            }
            Some(gst::PadProbeData::Event(event)) if event.type_() == gst::EventType::FlushStop => {
                is_first.store(true, Ordering::Release);
                return gst::PadProbeReturn::Ok;
            }
            Some(gst::PadProbeData::Event(event)) if event.type_() == gst::EventType::Eos => {}
            _ => return gst::PadProbeReturn::Ok,
        }
        if complaints::take() > 0 {
            damaged(&watch);
        }
        gst::PadProbeReturn::Ok
    });
}
