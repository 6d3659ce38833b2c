//! Draws every frame of the demo and encodes it to H.264.

use std::sync::{Arc, Mutex, PoisonError};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use crate::demo::clip::{CLIP_FRAMES, ClipUnit, KEY_FRAMES, frame_pts_ns};
use crate::demo::picture::{HEIGHT_PX, Presenter, WIDTH_PX};
use crate::demo::portrait::BasePicture;
use crate::demo::truth::FPS;
use crate::error::IngestError;
use crate::gst::core::{PipelineCore, make};
use crate::settings::{Progress, ProgressFn};

/// Progress is told every this many frames.
const PROGRESS_STEP: u64 = 30;

/// Encodes the whole clip. Takes some seconds and one or two cores.
pub(crate) fn encode(
    mask: bool,
    progress: Option<&ProgressFn>,
) -> Result<Vec<ClipUnit>, IngestError> {
    let units = Arc::new(Mutex::new(Vec::with_capacity(CLIP_FRAMES as usize)));
    let (core, source) = encoder(Arc::clone(&units))?;
    let mut presenter = Presenter::new(BasePicture::load()?, mask);
    core.play()?;
    for frame in 0..CLIP_FRAMES {
        presenter.draw(frame as f64 / f64::from(FPS));
        let drawn = presenter.number(frame);
        let mut bytes = Vec::with_capacity((WIDTH_PX * HEIGHT_PX * 3 / 2) as usize);
        for plane in [&drawn.y, &drawn.u, &drawn.v] {
            bytes.extend_from_slice(&plane.data);
        }
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        if let Some(buffer) = buffer.get_mut() {
            let pts = frame_pts_ns(frame) as u64;
            buffer.set_pts(gst::ClockTime::from_nseconds(pts));
            buffer.set_duration(gst::ClockTime::from_nseconds(
                frame_pts_ns(frame + 1) as u64 - pts,
            ));
        }
        if source.push_buffer(buffer).is_err() {
            return Err(core.fault_or("the encoder stopped"));
        }
        if let Some(tell) = progress
            && (frame % PROGRESS_STEP == 0 || frame + 1 == CLIP_FRAMES)
        {
            tell(Progress {
                done_frames: frame + 1,
                total_frames: CLIP_FRAMES,
            });
        }
    }
    source
        .end_of_stream()
        .map_err(|_| core.fault_or("the encoder stopped"))?;
    core.wait_for_end(std::time::Duration::from_secs(30))?;
    core.stop();
    let mut units = units.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut *units))
}

fn encoder(
    units: Arc<Mutex<Vec<ClipUnit>>>,
) -> Result<(Arc<PipelineCore>, gst_app::AppSrc), IngestError> {
    let core = PipelineCore::new("demo-encode")?;
    let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, WIDTH_PX, HEIGHT_PX)
        .fps(gst::Fraction::new(FPS.cast_signed(), 1))
        .colorimetry(&gst_video::VideoColorimetry::new(
            gst_video::VideoColorRange::Range16_235,
            gst_video::VideoColorMatrix::Bt709,
            gst_video::VideoTransferFunction::Bt709,
            gst_video::VideoColorPrimaries::Bt709,
        ))
        .build()
        .and_then(|info| info.to_caps())
        .map_err(|error| IngestError::Unusable(error.to_string()))?;
    let source = gst_app::AppSrc::builder()
        .caps(&info)
        .format(gst::Format::Time)
        .block(true)
        .build();
    source.set_property("max-buffers", 4_u64);
    source.set_property("max-bytes", 0_u64);
    let encoder = make("x264enc")?;
    encoder.set_property_from_str("tune", "zerolatency");
    encoder.set_property_from_str("speed-preset", "ultrafast");
    encoder.set_property_from_str("pass", "quant");
    encoder.set_property("quantizer", 20_u32);
    encoder.set_property("key-int-max", KEY_FRAMES as u32);
    encoder.set_property("threads", 1_u32);
    encoder.set_property("sliced-threads", false);
    encoder.set_property(
        "option-string",
        format!("min-keyint={KEY_FRAMES}:scenecut=0"),
    );
    let caps = gst::Caps::builder("video/x-h264")
        .field("profile", "constrained-baseline")
        .field("stream-format", "byte-stream")
        .field("alignment", "au")
        .build();
    let sink = gst_app::AppSink::builder().caps(&caps).sync(false).build();
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let buffer = sample.buffer().ok_or(gst::FlowError::Error)?;
                let map = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
                let key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
                let mut units = units.lock().unwrap_or_else(PoisonError::into_inner);
                units.push(ClipUnit {
                    key,
                    data: map.as_slice().into(),
                });
                Ok(gst::FlowSuccess::Ok)
            })
            .build(),
    );
    core.add_chain(&[source.upcast_ref(), &encoder, sink.upcast_ref()])?;
    Ok((core, source))
}
