//! A whole picture to a network's planar input: letterbox, colour conversion and normalisation in one pass.
//!
//! ```text
//! NV12, I420 or RGB8 planes to 3×H×W f32.   in: u8, any pitch and offset; BT.601 or BT.709, limited or full range
//! out: R, G, B planes, value 0..255 × scale + bias, black beside the picture
//! v1 on the processor the crop's own vectorised loop        text: kernel.wgsl, kernel.cu, upright, no turn to compute
//! tolerance as the crop's, whose reference this is        moves: reads 12 B, writes 12 B an output pixel
//! ```
//!
//! It is the crop of [`Region::letterbox`] with black beyond the edge: the picture lies in the middle, its longer side fills the
//! square, and samples are the crop's ([`crop`]). What is upright and whole needs neither a map nor a batch.

pub mod reference;

use bytemuck::{Pod, Zeroable};
use lsie_device::{Argument, Buffer, Frame, KernelSource, Launch, Stream};

use crate::crop::{self, Border, CropParams, Picture, Sampling, TensorOrder, ValueRange};
use crate::error::KernelError;
use crate::launch::{check, runs_text};
use crate::region::Region;

/// The letterbox as text.
pub static SOURCE: KernelSource = KernelSource {
    name: "letterbox_frame",
    group: [16, 16, 1],
    arguments: 2,
    wgsl: concat!(
        include_str!("../crop/pixels.wgsl"),
        include_str!("kernel.wgsl")
    ),
    cuda: concat!(include_str!("../crop/pixels.cu"), include_str!("kernel.cu")),
};

/// What a network takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TensorParams {
    /// Side of the square input, 1 to [`crop::MAX_CROP_SIDE_PX`].
    pub side_px: u32,
    /// Range of the values.
    pub range: ValueRange,
    /// How exact samples are.
    pub sampling: Sampling,
}

impl TensorParams {
    /// How many `f32` the output has.
    pub const fn out_len(&self) -> usize {
        3 * self.side_px as usize * self.side_px as usize
    }

    /// The crop that says the same.
    fn as_crop(&self, frame: &Frame) -> CropParams {
        let region = Region::letterbox(frame.width(), frame.height());
        let (side, order) = (self.side_px, TensorOrder::Nchw);
        CropParams::new(&region, [side, side], self.range, Border::Black, order)
            .with_sampling(self.sampling)
    }
}

/// The parameters as a device reads them. 96 bytes.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    picture: Picture,
    side: u32,
    /// Pixels of the frame between two of the output.
    pace: f32,
    /// Sample position of output column 0 and row 0.
    first: [f32; 2],
    scale: f32,
    bias: f32,
    sampling: u32,
    padding: u32,
}

const _: () = assert!(size_of::<Params>() == size_of::<Picture>() + 32);

/// Puts `frame` into a network's input. Allocates nothing.
pub fn launch(
    stream: &Stream,
    frame: &Frame,
    params: &TensorParams,
    out: &mut Buffer,
) -> Result<(), KernelError> {
    if !(1..=crop::MAX_CROP_SIDE_PX).contains(&params.side_px) {
        return Err(KernelError::OutOfRange {
            what: "tensor side",
        });
    }
    let same = params.as_crop(frame);
    if !runs_text(stream) {
        crop::run_on_host(stream, frame, &same, out)?;
        stream.launched(&SOURCE);
        return Ok(());
    }
    frame.buffer().check_stream(stream)?;
    same.check()?;
    check::<f32>(stream, out, params.out_len(), "tensor")?;
    // The text counts bytes and numbers with 32 bits.
    if u32::try_from(frame.buffer().len_bytes().max(out.len_bytes())).is_err() {
        return Err(KernelError::OutOfRange {
            what: "tensor buffers",
        });
    }
    let [pace, _, first_x, _, _, first_y] = same.frame_from_output;
    let device_params = Params {
        picture: Picture::of(frame),
        side: params.side_px,
        pace,
        first: [first_x, first_y],
        scale: same.scale,
        bias: same.bias,
        sampling: same.sampling,
        padding: 0,
    };
    let groups = params.side_px.div_ceil(SOURCE.group[0]);
    Ok(stream.launch(&Launch {
        source: &SOURCE,
        groups: [groups, groups, 1],
        params: bytemuck::bytes_of(&device_params),
        arguments: &[Argument::Input(frame.buffer()), Argument::Output(out)],
    })?)
}
