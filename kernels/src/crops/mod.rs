//! Rotated crops of several frames, every face of every camera, in one launch.
//!
//! ```text
//! as crop, of up to six frames: each of its own size, format and colour   out: the crops one behind the other
//! v1 on the processor one crop after the other        text: kernel.wgsl, kernel.cu, around the crop's own pixel
//! tolerance as the crop's, whose reference this is        moves: reads 12 B, writes 12 B an output pixel
//! ```
//!
//! What a launch costs besides its work is paid once for all cameras. A batch of more frames than a launch binds
//! ([`MAX_FRAMES`]) or more crops than its parameters hold is several launches, cut in the batch's order.

use bytemuck::Zeroable;
use lsie_device::{Argument, Buffer, Frame, KernelSource, Launch, Stream};

use crate::crop::text::{Crop, MAX_CROPS, most_params_bytes, params_of};
use crate::crop::{self, CropParams, Picture};
use crate::error::KernelError;
use crate::launch::{check, runs_text};

/// Frames that one launch binds: with parameters and output as many buffers as every device takes.
pub const MAX_FRAMES: usize = 6;

/// The batch as text.
pub static SOURCE: KernelSource = KernelSource {
    name: "crop_frames",
    group: [16, 16, 1],
    arguments: MAX_FRAMES + 1,
    wgsl: concat!(
        include_str!("../crop/pixels.wgsl"),
        include_str!("../crop/pixel.wgsl"),
        include_str!("kernel.wgsl")
    ),
    cuda: concat!(
        include_str!("../crop/pixels.cu"),
        include_str!("../crop/pixel.cu"),
        include_str!("kernel.cu")
    ),
};

/// One crop of a batch.
#[derive(Debug, Clone, Copy)]
pub struct FrameCrop<'a> {
    /// Of which frame.
    pub frame: &'a Frame,
    /// What of it, and how.
    pub params: CropParams,
}

const _: () = assert!(most_params_bytes(MAX_FRAMES) <= lsie_device::MAX_PARAMS_BYTES);

/// Crops every entry of `batch`; crop `k` is written after crop `k - 1`. Allocates no device memory.
pub fn launch(
    stream: &Stream,
    batch: &[FrameCrop<'_>],
    out: &mut Buffer,
) -> Result<(), KernelError> {
    let mut total = 0_usize;
    for entry in batch {
        entry.frame.buffer().check_stream(stream)?;
        entry.params.check()?;
        total = total.saturating_add(entry.params.out_len());
    }
    check::<f32>(stream, out, total, "crop output")?;
    if runs_text(stream) {
        return launch_text(stream, batch, out);
    }
    let mut first = 0;
    for entry in batch {
        crop::run_on_host_at(stream, entry.frame, &entry.params, out, first)?;
        first += entry.params.out_len();
    }
    stream.launched(&SOURCE);
    Ok(())
}

fn launch_text(
    stream: &Stream,
    batch: &[FrameCrop<'_>],
    out: &mut Buffer,
) -> Result<(), KernelError> {
    // The text counts bytes and numbers with 32 bits.
    let sizes = batch.iter().map(|entry| entry.frame.buffer().len_bytes());
    if u32::try_from(sizes.fold(out.len_bytes(), usize::max)).is_err() {
        return Err(KernelError::OutOfRange {
            what: "crop buffers",
        });
    }
    let (mut rest, mut out_first) = (batch, 0);
    while let Some(first) = rest.first() {
        let mut part = Part::new(first.frame);
        let taken = rest
            .iter()
            .take_while(|entry| part.take(entry, &mut out_first))
            .count();
        part.launch(stream, out)?;
        // The first entry always fits: the batch gets shorter.
        rest = rest.get(taken..).unwrap_or_default();
    }
    Ok(())
}

/// What one launch takes of a batch.
struct Part<'a> {
    /// Places without a frame of their own have the first one.
    frames: [&'a Frame; MAX_FRAMES],
    frame_count: usize,
    pictures: [Picture; MAX_FRAMES],
    crops: Vec<Crop>,
    /// Of the largest crop.
    size: [u32; 2],
}

impl<'a> Part<'a> {
    fn new(first: &'a Frame) -> Self {
        Part {
            frames: [first; MAX_FRAMES],
            frame_count: 0,
            pictures: [Picture::zeroed(); MAX_FRAMES],
            crops: Vec::new(),
            size: [0; 2],
        }
    }

    /// Takes an entry unless there is no place for it or its frame.
    fn take(&mut self, entry: &FrameCrop<'a>, out_first: &mut usize) -> bool {
        if self.crops.len() >= MAX_CROPS {
            return false;
        }
        let mut known = self.frames.iter().take(self.frame_count);
        // A clone of a frame has the same memory and the same description.
        let own = entry.frame.buffer();
        let source = known.position(|frame| std::ptr::eq(frame.buffer(), own));
        let source = source.unwrap_or(self.frame_count);
        if source == self.frame_count {
            let (Some(frame), Some(picture)) =
                (self.frames.get_mut(source), self.pictures.get_mut(source))
            else {
                return false;
            };
            (*frame, *picture) = (entry.frame, Picture::of(entry.frame));
            self.frame_count += 1;
        }
        self.crops.push(Crop {
            params: entry.params,
            out_first: *out_first as u32,
            source: source as u32,
        });
        *out_first += entry.params.out_len();
        let [width, height] = self.size;
        self.size = [
            width.max(entry.params.out_width),
            height.max(entry.params.out_height),
        ];
        true
    }

    fn launch(&self, stream: &Stream, out: &mut Buffer) -> Result<(), KernelError> {
        let [a, b, c, d, e, f] = self.frames.map(Frame::buffer);
        let [width, height] = self.size;
        Ok(stream.launch(&Launch {
            source: &SOURCE,
            groups: [
                width.div_ceil(SOURCE.group[0]),
                height.div_ceil(SOURCE.group[1]),
                self.crops.len() as u32,
            ],
            params: &params_of(&self.pictures, &self.crops),
            arguments: &[
                Argument::Input(a),
                Argument::Input(b),
                Argument::Input(c),
                Argument::Input(d),
                Argument::Input(e),
                Argument::Input(f),
                Argument::Output(out),
            ],
        })?)
    }
}
