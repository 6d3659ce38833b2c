//! A media file as a phone would send it: H.264 without reordering and raw sound, for the simulated phone.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use crate::error::IngestError;
use crate::gst::core::{PipelineCore, make, pipeline_error};

/// Pictures per second of a clip.
pub const CLIP_FPS: u32 = 30;
/// Most of a file that becomes a clip, seconds.
pub const MAX_CLIP_SECS: u32 = 600;
/// Bytes of sound per second: signed 16-bit samples, 2 channels, 48 kHz.
const SOUND_BYTES_PER_SEC: usize = 48_000 * 4;
/// How long the whole of a file may take.
const PATIENCE: Duration = Duration::from_mins(10);
/// Longest side of a clip's picture, pixels.
const MAX_SIDE_PX: i32 = 4096;

/// A clip in memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EncodedClip {
    /// Width, pixels.
    pub width: u32,
    /// Height, pixels.
    pub height: u32,
    /// H.264 byte stream, baseline, one slice to a picture, a key picture every second, [`CLIP_FPS`].
    pub video: Vec<u8>,
    /// Signed 16-bit samples, little endian, 2 channels, 48 kHz; empty where the file has no sound.
    pub sound: Vec<u8>,
}

/// Encodes the first [`MAX_CLIP_SECS`] of a file. Blocks until that is done; takes one or two cores.
pub fn encode_clip(path: &Path) -> Result<EncodedClip, IngestError> {
    if !path.is_file() {
        return Err(IngestError::File {
            path: path.to_owned(),
            reason: "there is no such file".to_owned(),
        });
    }
    let core = PipelineCore::new("clip")?;
    let clip = Arc::new(Mutex::new(EncodedClip::default()));
    let source = make("filesrc")?;
    source.set_property("location", path);
    let decode = make("decodebin")?;
    core.add_chain(&[&source, &decode])?;
    let pipeline = core.pipeline().downgrade();
    let taken = Arc::new(Mutex::new((false, false)));
    let (into, failed) = (Arc::clone(&clip), Arc::new(Mutex::new(None)));
    let first_failure = Arc::clone(&failed);
    decode.connect_pad_added(move |_, pad| {
        let Some(pipeline) = pipeline.upgrade() else {
            return;
        };
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let kind = caps
            .structure(0)
            .map(|structure| structure.name().to_string());
        let branched = match kind.as_deref() {
            Some("video/x-raw") if !taken.0 => {
                taken.0 = true;
                branch(&pipeline, pad, video_branch(&into))
            }
            Some("audio/x-raw") if !taken.1 => {
                taken.1 = true;
                branch(&pipeline, pad, sound_branch(&into))
            }
            _ => Ok(()),
        };
        if let Err(error) = branched {
            let mut first = first_failure.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert(error);
        }
    });
    core.play()?;
    let ended = core.wait_for_end(PATIENCE);
    core.stop();
    if let Some(error) = failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(error);
    }
    let not_media = |reason: String| IngestError::NotMedia {
        path: path.to_owned(),
        reason,
    };
    ended.map_err(|error| not_media(error.to_string()))?;
    let mut clip = std::mem::take(&mut *clip.lock().unwrap_or_else(PoisonError::into_inner));
    if clip.video.is_empty() {
        return Err(not_media("no picture in it".to_owned()));
    }
    clip.sound.truncate(clip.sound.len() / 4 * 4);
    Ok(clip)
}

fn video_branch(clip: &Arc<Mutex<EncodedClip>>) -> Result<Vec<gst::Element>, IngestError> {
    let (convert, scale, rate) = (
        make("videoconvert")?,
        make("videoscale")?,
        make("videorate")?,
    );
    let filter = make("capsfilter")?;
    let side = gst::IntRange::new(16, MAX_SIDE_PX);
    let raw = gst::Caps::builder("video/x-raw")
        .field("format", "I420")
        .field("width", side)
        .field("height", side)
        .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
        .field("framerate", gst::Fraction::new(CLIP_FPS.cast_signed(), 1))
        .build();
    filter.set_property("caps", raw);
    let encoder = make("x264enc")?;
    encoder.set_property_from_str("tune", "zerolatency");
    encoder.set_property_from_str("speed-preset", "ultrafast");
    encoder.set_property("bitrate", 8000_u32);
    encoder.set_property("key-int-max", CLIP_FPS);
    encoder.set_property("threads", 1_u32);
    encoder.set_property("sliced-threads", false);
    let caps = gst::Caps::builder("video/x-h264")
        .field("profile", "constrained-baseline")
        .field("stream-format", "byte-stream")
        .field("alignment", "au")
        .build();
    let mut frames = 0;
    let sink = taking(&caps, clip, move |clip, sample, bytes| {
        frames += 1;
        if frames > MAX_CLIP_SECS * CLIP_FPS {
            return false;
        }
        if let Some(size) = sample.caps().and_then(|caps| caps.structure(0)) {
            let side = |name| size.get::<i32>(name).map_or(0, i32::cast_unsigned);
            (clip.width, clip.height) = (side("width"), side("height"));
        }
        clip.video.extend_from_slice(bytes);
        true
    });
    Ok(vec![convert, scale, rate, filter, encoder, sink.upcast()])
}

fn sound_branch(clip: &Arc<Mutex<EncodedClip>>) -> Result<Vec<gst::Element>, IngestError> {
    let (convert, resample) = (make("audioconvert")?, make("audioresample")?);
    let caps = gst::Caps::builder("audio/x-raw")
        .field("format", "S16LE")
        .field("layout", "interleaved")
        .field("rate", 48_000_i32)
        .field("channels", 2_i32)
        .build();
    let sink = taking(&caps, clip, |clip, _, bytes| {
        let room = MAX_CLIP_SECS as usize * SOUND_BYTES_PER_SEC - clip.sound.len();
        clip.sound
            .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        room > bytes.len()
    });
    Ok(vec![convert, resample, sink.upcast()])
}

/// A sink that adds to the clip until `take` says that it is full.
fn taking(
    caps: &gst::Caps,
    clip: &Arc<Mutex<EncodedClip>>,
    mut take: impl FnMut(&mut EncodedClip, &gst::Sample, &[u8]) -> bool + Send + 'static,
) -> gst_app::AppSink {
    let clip = Arc::clone(clip);
    let sink = gst_app::AppSink::builder().caps(caps).sync(false).build();
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let buffer = sample.buffer().ok_or(gst::FlowError::Error)?;
                let map = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
                let mut clip = clip.lock().unwrap_or_else(PoisonError::into_inner);
                if take(&mut clip, &sample, map.as_slice()) {
                    Ok(gst::FlowSuccess::Ok)
                } else {
                    Err(gst::FlowError::Eos)
                }
            })
            .build(),
    );
    sink
}

fn branch(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    elements: Result<Vec<gst::Element>, IngestError>,
) -> Result<(), IngestError> {
    let elements = elements?;
    let failed = |words: &str| pipeline_error("decodebin", words);
    pipeline
        .add_many(&elements)
        .and_then(|()| gst::Element::link_many(&elements))
        .map_err(|error| failed(&error.to_string()))?;
    for element in elements.iter().rev() {
        element
            .sync_state_with_parent()
            .map_err(|error| failed(&error.to_string()))?;
    }
    let entry = elements
        .first()
        .and_then(|element| element.static_pad("sink"))
        .ok_or_else(|| failed("a branch without entry"))?;
    pad.link(&entry)
        .map(drop)
        .map_err(|error| failed(&error.to_string()))
}
