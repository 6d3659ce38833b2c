//! The crop on devices that run text: parameters as `kernel.wgsl` reads them, and the launch.

use bytemuck::{Pod, Zeroable};
use lsie_device::{Argument, Buffer, Frame, KernelSource, Launch, PixelFormat, Stream};

use super::{CropParams, YuvToRgb};
use crate::error::KernelError;

/// The crop as text.
pub static SOURCE: KernelSource = KernelSource {
    name: "crop_frame",
    group: [16, 16, 1],
    arguments: 2,
    wgsl: concat!(
        include_str!("pixels.wgsl"),
        include_str!("pixel.wgsl"),
        include_str!("kernel.wgsl")
    ),
    cuda: concat!(
        include_str!("pixels.cu"),
        include_str!("pixel.cu"),
        include_str!("kernel.cu")
    ),
};

/// Crops of one launch; a larger batch is several launches.
pub(crate) const MAX_CROPS: usize = 256;

/// A frame. 72 bytes.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Picture {
    width: u32,
    height: u32,
    is_yuv: u32,
    /// [`YuvToRgb`], in the order of its fields.
    to_rgb: [f32; 6],
    offset: [u32; 3],
    pitch: [u32; 3],
    step: [u32; 3],
}

/// One crop, where its output begins, and of which frame it is. 60 bytes.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Crop {
    pub(crate) params: CropParams,
    /// First number of its output.
    pub(crate) out_first: u32,
    /// Index of its frame.
    pub(crate) source: u32,
}

const _: () = assert!(size_of::<Picture>() == 72 && size_of::<Crop>() == 60);

/// Bytes of the parameters of so many pictures and as many crops as a launch takes.
pub(crate) const fn most_params_bytes(pictures: usize) -> usize {
    pictures * size_of::<Picture>() + MAX_CROPS * size_of::<Crop>()
}

const _: () = assert!(most_params_bytes(1) <= lsie_device::MAX_PARAMS_BYTES);

/// The parameters as a device reads them: all pictures, then as many crops as there are.
pub(crate) fn params_of(pictures: &[Picture], crops: &[Crop]) -> Vec<u8> {
    let (pictures, crops): (&[u8], &[u8]) =
        (bytemuck::cast_slice(pictures), bytemuck::cast_slice(crops));
    [pictures, crops].concat()
}

/// Launches the batch. The caller has checked the parameters and the output's size.
pub(super) fn launch(
    stream: &Stream,
    frame: &Frame,
    batch: &[CropParams],
    out: &mut Buffer,
) -> Result<(), KernelError> {
    let too_large = KernelError::OutOfRange {
        what: "crop buffers",
    };
    // The text counts bytes and numbers with 32 bits.
    if u32::try_from(frame.buffer().len_bytes().max(out.len_bytes())).is_err() {
        return Err(too_large);
    }
    let picture = Picture::of(frame);
    let mut out_first = 0_usize;
    for part in batch.chunks(MAX_CROPS) {
        let (mut width, mut height) = (0, 0);
        let crops = part.iter().map(|crop| {
            let first = out_first;
            out_first += crop.out_len();
            (width, height) = (width.max(crop.out_width), height.max(crop.out_height));
            Crop {
                params: *crop,
                out_first: first as u32,
                source: 0,
            }
        });
        let crops: Vec<_> = crops.collect();
        stream.launch(&Launch {
            source: &SOURCE,
            groups: [
                width.div_ceil(SOURCE.group[0]),
                height.div_ceil(SOURCE.group[1]),
                crops.len() as u32,
            ],
            params: &params_of(&[picture], &crops),
            arguments: &[Argument::Input(frame.buffer()), Argument::Output(out)],
        })?;
    }
    Ok(())
}

impl Picture {
    pub(crate) fn of(frame: &Frame) -> Self {
        let to_rgb = YuvToRgb::new(frame.color());
        // Plane and first byte of each channel, and the bytes between its samples.
        let channels = match frame.format() {
            PixelFormat::Nv12 => [(0, 0, 1), (1, 0, 2), (1, 1, 2)],
            PixelFormat::I420 => [(0, 0, 1), (1, 0, 1), (2, 0, 1)],
            PixelFormat::Rgb8 => [(0, 0, 3), (0, 1, 3), (0, 2, 3)],
        };
        let plane = |index: usize| frame.planes().get(index).copied().unwrap_or_default();
        Picture {
            width: frame.width(),
            height: frame.height(),
            is_yuv: u32::from(frame.format() != PixelFormat::Rgb8),
            to_rgb: [
                to_rgb.black,
                to_rgb.luma,
                to_rgb.red_v,
                to_rgb.green_u,
                to_rgb.green_v,
                to_rgb.blue_u,
            ]
            .map(|number| number as f32),
            offset: channels.map(|(index, first, _)| (plane(index).offset_bytes + first) as u32),
            pitch: channels.map(|(index, _, _)| plane(index).pitch_bytes as u32),
            step: channels.map(|(_, _, step)| step),
        }
    }
}
