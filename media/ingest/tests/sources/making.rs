//! Makes the files and access units that the tests play, and drains sources.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use lsie_device::{CpuDevice, Device, Frame};
use lsie_ingest::{
    AccessUnit, AudioSource, IngestError, OpenSettings, PcmBlock, Pull, VideoSource,
};

/// No test depends on how quick the machine is; this only ends a hanging one.
pub(crate) const CEILING: Duration = Duration::from_secs(15);

pub(crate) fn device() -> Arc<dyn Device> {
    Arc::new(CpuDevice::new())
}

/// Settings whose demo cache is kept between test runs.
pub(crate) fn settings() -> OpenSettings {
    OpenSettings::new(
        device(),
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("demo-cache"),
    )
}

/// Runs a pipeline to its end.
pub(crate) fn run(description: &str) {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(description).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = bus
        .timed_pop_filtered(gst::ClockTime::from_seconds(60), &kinds)
        .unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
    if let gst::MessageView::Error(error) = message.view() {
        panic!("{description}: {} {:?}", error.error(), error.debug());
    }
}

/// H.264 with a key frame every 10, as phones send it.
pub(crate) fn encoder() -> &'static str {
    "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 threads=1 option-string=scenecut=0 \
     ! video/x-h264,profile=constrained-baseline,stream-format=byte-stream,alignment=au"
}

/// A file of `frames` pictures (30 a second) and, if asked for, as much tone.
pub(crate) fn movie(path: &Path, muxer: &str, frames: u32, size: (u32, u32), sound: bool) {
    let tone = format!(
        "audiotestsrc num-buffers={frames} samplesperbuffer=1600 freq=440 ! audio/x-raw,rate=48000,channels=2 \
         ! audioconvert ! audio/x-raw,format=S16LE ! flacenc ! mux."
    );
    run(&format!(
        "{muxer} name=mux ! filesink location={} videotestsrc num-buffers={frames} \
         ! video/x-raw,format=I420,width={},height={},framerate=30/1 ! {} ! h264parse ! mux. {}",
        path.display(),
        size.0,
        size.1,
        encoder(),
        if sound { tone } else { String::new() }
    ));
}

/// Encoded test pictures at 30 a second, the first at `first_pts_ns`.
pub(crate) fn access_units(frames: u32, size: (u32, u32), first_pts_ns: i64) -> Vec<AccessUnit> {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(&format!(
        "videotestsrc num-buffers={frames} ! video/x-raw,format=I420,width={},height={},framerate=30/1 \
         ! {} ! appsink name=sink sync=false",
        size.0,
        size.1,
        encoder()
    ))
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let sink = pipeline
        .by_name("sink")
        .unwrap()
        .downcast::<gst_app::AppSink>()
        .unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut units = Vec::new();
    while let Ok(sample) = sink.pull_sample() {
        let buffer = sample.buffer().unwrap();
        units.push(AccessUnit {
            data: buffer.map_readable().unwrap().as_slice().into(),
            pts_ns: first_pts_ns + i64::from(units.len() as u32) * 33_333_333,
            key: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
        });
    }
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(units.len(), frames as usize);
    units
}

/// Every frame up to the end.
pub(crate) fn all_frames(video: &mut VideoSource) -> Result<Vec<Frame>, IngestError> {
    let mut frames = Vec::new();
    loop {
        match video.next(CEILING)? {
            // Only the description is kept, so that slots go back.
            Pull::Item(frame) => frames.push(frame),
            Pull::Pending => panic!("nothing within {CEILING:?} after {} frames", frames.len()),
            Pull::End => return Ok(frames),
        }
    }
}

/// Number and times of all frames up to the end, without holding their slots.
pub(crate) fn all_times(video: &mut VideoSource) -> Result<Vec<i64>, IngestError> {
    let mut times = Vec::new();
    loop {
        match video.next(CEILING)? {
            Pull::Item(frame) => times.push(frame.pts_ns()),
            Pull::Pending => panic!("nothing within {CEILING:?} after {} frames", times.len()),
            Pull::End => return Ok(times),
        }
    }
}

/// Every block up to the end.
pub(crate) fn all_blocks(audio: &mut AudioSource) -> Result<Vec<PcmBlock>, IngestError> {
    let mut blocks = Vec::new();
    loop {
        match audio.next(CEILING)? {
            Pull::Item(block) => blocks.push(block),
            Pull::Pending => panic!("nothing within {CEILING:?} after {} blocks", blocks.len()),
            Pull::End => return Ok(blocks),
        }
    }
}

/// The next frame, however long it takes.
pub(crate) fn one_frame(video: &mut VideoSource) -> Frame {
    match video.next(CEILING).unwrap() {
        Pull::Item(frame) => frame,
        other => panic!("no frame: {other:?}"),
    }
}

/// The next block, however long it takes.
pub(crate) fn one_block(audio: &mut AudioSource) -> PcmBlock {
    match audio.next(CEILING).unwrap() {
        Pull::Item(block) => block,
        other => panic!("no block: {other:?}"),
    }
}

/// The rows of a plane without padding.
pub(crate) fn plane(frame: &Frame, index: usize) -> Vec<u8> {
    let layout = frame.layout();
    let (row_bytes, rows) = layout.format.plane_size(index, layout.width, layout.height);
    let plane = layout.planes()[index];
    let bytes = frame.buffer().host::<u8>().unwrap();
    (0..rows)
        .flat_map(|row| {
            let first = plane.offset_bytes + row * plane.pitch_bytes;
            bytes[first..first + row_bytes].to_vec()
        })
        .collect()
}
