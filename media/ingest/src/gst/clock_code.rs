//! The time of day, painted into the lower left corner of each picture as it is made: whoever shows the picture reads from
//! the pixels how old it is.
//!
//! ```text
//! 8 cells of 8 × 8 px  │ t26 … t19 │      light = 1, dark = 0      t = milliseconds of UTC, modulo 2^27 (37 hours)
//! three times more     │ t18 … t11 │ t10 … t3 │ t2 t1 t0 c4 c3 c2 c1 c0 │      c = (t mod 31) xor 10101
//! ```

use std::time::SystemTime;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;

use crate::error::IngestError;
use crate::gst::core::pipeline_error;

/// Edge of a cell, pixels.
const CELL_PX: usize = 8;
const COLUMNS: usize = 8;
const ROWS: usize = 4;
const DARK: u8 = 24;
const LIGHT: u8 = 216;
const COLOURLESS: u8 = 128;
const TIME_BITS: u32 = 27;

/// Paints the time at which a source makes each of its I420 pictures; one too small for the code stays as it is.
pub(crate) fn paint_time(source: &gst::Element, caps: &gst::Caps) -> Result<(), IngestError> {
    let broken = |words: &str| pipeline_error("clock", words);
    let info = gst_video::VideoInfo::from_caps(caps).map_err(|_| broken("no picture format"))?;
    let pad = source
        .static_pad("src")
        .ok_or_else(|| broken("a source without a pad"))?;
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, probe| {
        if let Some(gst::PadProbeData::Buffer(buffer)) = &mut probe.data {
            let frame =
                gst_video::VideoFrameRef::from_buffer_ref_writable(buffer.make_mut(), &info);
            if let Ok(mut frame) = frame {
                paint(&mut frame, word(now_ms()));
            }
        }
        gst::PadProbeReturn::Ok
    });
    Ok(())
}

/// Milliseconds of UTC.
fn now_ms() -> u64 {
    SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
}

/// The cells, first cell in the highest bit.
fn word(time_ms: u64) -> u32 {
    let time = (time_ms & ((1 << TIME_BITS) - 1)) as u32;
    (time << 5) | ((time % 31) ^ 0b10101)
}

fn paint(frame: &mut gst_video::VideoFrameRef<&mut gst::BufferRef>, word: u32) {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    if width < COLUMNS * CELL_PX || height < ROWS * CELL_PX {
        return;
    }
    for (plane, scale) in [(0, 1), (1, 2), (2, 2)] {
        let Some(pitch) = frame
            .plane_stride()
            .get(plane)
            .and_then(|pitch| usize::try_from(*pitch).ok())
        else {
            return;
        };
        let Ok(pixels) = frame.plane_data_mut(plane as u32) else {
            return;
        };
        let edge = CELL_PX / scale;
        let top = (height / scale).saturating_sub(ROWS * edge);
        for cell in 0..ROWS * COLUMNS {
            let is_light = (word >> (ROWS * COLUMNS - 1 - cell)) & 1 == 1;
            let value = match (plane, is_light) {
                (0, true) => LIGHT,
                (0, false) => DARK,
                _ => COLOURLESS,
            };
            let (x, y) = (cell % COLUMNS * edge, top + cell / COLUMNS * edge);
            for row in y..y + edge {
                let start = row * pitch + x;
                if let Some(line) = pixels.get_mut(start..start + edge) {
                    line.fill(value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_is_painted_is_the_one_that_is_read() {
        gst::init().unwrap();
        for (width, height) in [(1280, 720), (64, 32), (322, 50), (62, 720)] {
            let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, width, height)
                .build()
                .unwrap();
            let mut buffer = gst::Buffer::with_size(info.size()).unwrap();
            let buffer = buffer.get_mut().unwrap();
            let mut frame =
                gst_video::VideoFrameRef::from_buffer_ref_writable(buffer, &info).unwrap();
            let time_ms = 1_767_225_600_123_u64;
            paint(&mut frame, word(time_ms));
            let pitch = frame.plane_stride()[0] as usize;
            let pixels = frame.plane_data(0).unwrap();
            let mut read = 0_u32;
            for cell in 0..ROWS * COLUMNS {
                let x = cell % COLUMNS * CELL_PX + CELL_PX / 2;
                let y = (height as usize).saturating_sub(ROWS * CELL_PX)
                    + cell / COLUMNS * CELL_PX
                    + CELL_PX / 2;
                read = (read << 1) | u32::from(pixels[y * pitch + x] > 128);
            }
            if width < 64 {
                assert_eq!(read, 0, "too small for the code");
                continue;
            }
            assert_eq!(
                u64::from(read >> 5),
                time_ms % (1 << 27),
                "{width}x{height}"
            );
            assert_eq!(read & 31, ((read >> 5) % 31) ^ 0b10101);
        }
    }
}
