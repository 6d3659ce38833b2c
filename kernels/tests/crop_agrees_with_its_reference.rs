//! The crop against the plain `f64` transcription, over formats, sizes, pitches, regions and bad parameters.

use lsie_device::{
    ColorMatrix, ColorRange, ColorSpace, CpuDevice, Device, Frame, FrameLayout, FrameMeta,
    FramePool, PixelFormat, Stream,
};
use lsie_kernels::KernelError;
use lsie_kernels::crop::{
    Border, CropParams, Sampling, TensorOrder, ValueRange, launch, reference,
};
use lsie_kernels::region::Region;
use proptest::prelude::{Strategy, prop_assert, proptest};

const FORMATS: [PixelFormat; 3] = [PixelFormat::Nv12, PixelFormat::I420, PixelFormat::Rgb8];

/// A byte that depends on the sample's place, not on the format's memory layout.
fn texture(x: usize, y: usize, channel: usize) -> u8 {
    let hash = (x * 7 + y * 13 + channel * 101) ^ (x * y * 3);
    (hash * 29 % 251) as u8
}

/// A frame whose planes have `padding` bytes after each row and are filled with [`texture`]; the padding is 255.
#[expect(clippy::unwrap_used, reason = "set-up of a test")]
fn frame(format: PixelFormat, width: u32, height: u32, padding: usize, color: ColorSpace) -> Frame {
    let mut layout = FrameLayout::tight(format, width, height).unwrap();
    let mut offset_bytes = padding;
    for (index, plane) in layout
        .planes
        .iter_mut()
        .enumerate()
        .take(format.plane_count())
    {
        let (row_bytes, rows) = format.plane_size(index, width, height);
        plane.offset_bytes = offset_bytes;
        plane.pitch_bytes = row_bytes + padding;
        offset_bytes += plane.pitch_bytes * rows;
    }
    let device = CpuDevice::new();
    let mut slot = FramePool::new(&device, 1, offset_bytes + 5)
        .unwrap()
        .acquire()
        .unwrap();
    let bytes = slot.buffer_mut().host_mut::<u8>().unwrap();
    bytes.fill(255);
    for (index, plane) in layout.planes().iter().enumerate() {
        let (row_bytes, rows) = format.plane_size(index, width, height);
        for y in 0..rows {
            for x in 0..row_bytes {
                let (column, channel) = match (format, index) {
                    (PixelFormat::Rgb8, _) => (x / 3, x % 3),
                    (PixelFormat::Nv12, 1) => (x / 2, 1 + x % 2),
                    (_, plane) => (x, plane),
                };
                bytes[plane.offset_bytes + y * plane.pitch_bytes + x] = texture(column, y, channel);
            }
        }
    }
    Frame::new(
        slot,
        FrameMeta {
            color,
            ..FrameMeta::still(layout)
        },
    )
    .unwrap()
}

#[expect(clippy::unwrap_used, reason = "set-up of a test")]
fn run(frame: &Frame, params: &CropParams) -> Vec<f32> {
    let device = CpuDevice::new();
    let mut out = device.alloc(params.out_len() * 4, "crop").unwrap();
    launch(&stream(&device), frame, &[*params], &mut out).unwrap();
    out.host::<f32>().unwrap().to_vec()
}

#[expect(clippy::unwrap_used, reason = "set-up of a test")]
fn stream(device: &CpuDevice) -> Stream {
    device.stream("test").unwrap()
}

/// Largest difference from the reference, in codes of 0 to 255.
#[expect(clippy::unwrap_used, reason = "set-up of a test")]
fn worst(frame: &Frame, params: &CropParams) -> f64 {
    let wanted = reference::crop(frame, params).unwrap();
    let got = run(frame, params);
    assert_eq!(got.len(), wanted.len());
    let pairs = got.iter().zip(&wanted);
    pairs
        .map(|(got, wanted)| (f64::from(*got) - wanted).abs())
        .fold(0.0, f64::max)
        / f64::from(params.scale)
}

fn tilted(width: u32, height: u32) -> Region {
    Region {
        center: [width as f32 * 0.4, height as f32 * 0.6],
        size: [width as f32 * 1.3, height as f32 * 0.9],
        rotation_rad: 0.35,
    }
}

#[test]
fn every_format_border_order_and_colour_agrees() {
    for format in FORMATS {
        for matrix in [ColorMatrix::Bt601, ColorMatrix::Bt709] {
            for range in [ColorRange::Limited, ColorRange::Full] {
                let frame = frame(format, 94, 61, 11, ColorSpace { matrix, range });
                for border in [Border::Replicate, Border::Black] {
                    for (order, values) in [
                        (TensorOrder::Nhwc, ValueRange::Unit),
                        (TensorOrder::Nchw, ValueRange::Symmetric),
                    ] {
                        let params =
                            CropParams::new(&tilted(94, 61), [67, 40], values, border, order);
                        let worst = worst(&frame, &params);
                        assert!(
                            worst < 0.02,
                            "{format:?} {matrix:?} {range:?} {border:?} {order:?}: {worst}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn odd_and_tiny_pictures_agree() {
    for format in FORMATS {
        for (width, height) in [(1, 1), (1, 7), (2, 1), (3, 3), (65, 129)] {
            for padding in [0, 3] {
                let frame = frame(format, width, height, padding, ColorSpace::default());
                for out_size in [[1, 1], [3, 2], [64, 64], [65, 5]] {
                    let region = tilted(width, height);
                    let params = CropParams::new(
                        &region,
                        out_size,
                        ValueRange::Unit,
                        Border::Black,
                        TensorOrder::Nhwc,
                    );
                    let worst = worst(&frame, &params);
                    assert!(
                        worst < 0.02,
                        "{format:?} {width}x{height}+{padding} to {out_size:?}: {worst}"
                    );
                }
            }
        }
    }
}

#[test]
fn codes_are_whole_and_positions_lie_on_the_grid() {
    let frame = frame(PixelFormat::Rgb8, 50, 40, 0, ColorSpace::default());
    // Every position and product is exact in f32, so the versions agree to the last code, ties included.
    let exact = CropParams {
        frame_from_output: [1.1875, 0.015625, -3.25, -0.40625, 1.5, 2.046875],
        scale: 1.0,
        ..CropParams::new(
            &tilted(50, 40),
            [40, 30],
            ValueRange::Unit,
            Border::Replicate,
            TensorOrder::Nhwc,
        )
    };
    let codes = exact.with_sampling(Sampling::Codes);
    assert_eq!(worst(&frame, &codes), 0.0);
    let (exact, codes) = (run(&frame, &exact), run(&frame, &codes));
    assert!(codes.iter().all(|value| value.fract() == 0.0));
    let furthest = exact
        .iter()
        .zip(&codes)
        .map(|(exact, code)| (exact - code).abs())
        .fold(0.0, f32::max);
    // Half a code, and 1/64 of a pixel in both directions on this busy texture.
    assert!(
        (0.1..0.5 + 2.0 * 250.0 / 64.0).contains(&furthest),
        "{furthest}"
    );
}

#[test]
fn nv12_and_i420_of_the_same_picture_are_equal() {
    let nv12 = frame(PixelFormat::Nv12, 51, 38, 0, ColorSpace::default());
    let i420 = frame(PixelFormat::I420, 51, 38, 9, ColorSpace::default());
    let params = CropParams::new(
        &tilted(51, 38),
        [192, 192],
        ValueRange::Unit,
        Border::Replicate,
        TensorOrder::Nhwc,
    );
    assert_eq!(run(&nv12, &params), run(&i420, &params));
}

#[test]
fn the_identity_crop_of_rgb_is_the_picture() {
    let frame = frame(PixelFormat::Rgb8, 5, 4, 2, ColorSpace::default());
    let region = Region {
        center: [2.5, 2.0],
        size: [5.0, 4.0],
        rotation_rad: 0.0,
    };
    let params = CropParams::new(
        &region,
        [5, 4],
        ValueRange::Unit,
        Border::Black,
        TensorOrder::Nchw,
    );
    let got = run(&frame, &params);
    for channel in 0..3 {
        for y in 0..4 {
            for x in 0..5 {
                let wanted = f32::from(texture(x, y, channel)) / 255.0;
                let value = got[(channel * 4 + y) * 5 + x];
                assert!(
                    (value - wanted).abs() < 1e-6,
                    "{channel} {x} {y}: {value} {wanted}"
                );
            }
        }
    }
}

#[test]
fn known_codes_become_known_colours() {
    let device = CpuDevice::new();
    let layout = FrameLayout::tight(PixelFormat::Nv12, 2, 2).unwrap();
    let limited709 = ColorSpace::default();
    let full601 = ColorSpace {
        matrix: ColorMatrix::Bt601,
        range: ColorRange::Full,
    };
    // White, black, and the primaries as both standards print them.
    for (color, codes, wanted) in [
        (limited709, [235, 128, 128], [1.0, 1.0, 1.0]),
        (limited709, [16, 128, 128], [0.0, 0.0, 0.0]),
        (limited709, [63, 102, 240], [1.0, 0.0, 0.0]),
        (limited709, [32, 240, 118], [0.0, 0.0, 1.0]),
        (full601, [76, 85, 255], [1.0, 0.0, 0.0]),
        (full601, [150, 44, 21], [0.0, 1.0, 0.0]),
    ] {
        let mut slot = FramePool::new(&device, 1, layout.bytes())
            .unwrap()
            .acquire()
            .unwrap();
        let [y, u, v] = codes;
        slot.buffer_mut()
            .upload(&stream(&device), 0, &[y, y, y, y, u, v])
            .unwrap();
        let frame = Frame::new(
            slot,
            FrameMeta {
                color,
                ..FrameMeta::still(layout)
            },
        )
        .unwrap();
        let region = Region::letterbox(2, 2);
        let params = CropParams::new(
            &region,
            [1, 1],
            ValueRange::Unit,
            Border::Replicate,
            TensorOrder::Nhwc,
        );
        for (value, wanted) in run(&frame, &params).iter().zip(wanted) {
            assert!(
                (value - wanted).abs() < 0.012,
                "{codes:?}: {value} {wanted}"
            );
        }
    }
}

#[test]
fn far_outside_is_black_or_the_edge() {
    let frame = frame(PixelFormat::Rgb8, 4, 4, 0, ColorSpace::default());
    let region = Region {
        center: [1e6, -1e6],
        size: [10.0, 10.0],
        rotation_rad: 0.0,
    };
    let corner = f32::from(texture(3, 0, 0)) / 255.0;
    for (border, red) in [(Border::Black, 0.0), (Border::Replicate, corner)] {
        let params = CropParams::new(&region, [2, 2], ValueRange::Unit, border, TensorOrder::Nchw);
        assert!(
            run(&frame, &params)[..4]
                .iter()
                .all(|value| (value - red).abs() < 1e-6)
        );
    }
}

#[test]
fn a_batch_writes_its_crops_in_order() {
    let frame = frame(PixelFormat::Nv12, 40, 30, 0, ColorSpace::default());
    let small = CropParams::new(
        &tilted(40, 30),
        [7, 5],
        ValueRange::Unit,
        Border::Black,
        TensorOrder::Nhwc,
    );
    let large = CropParams::new(
        &Region::letterbox(40, 30),
        [16, 16],
        ValueRange::Symmetric,
        Border::Black,
        TensorOrder::Nchw,
    );
    let device = CpuDevice::new();
    let mut out = device
        .alloc((small.out_len() + large.out_len() + 1) * 4, "both")
        .unwrap();
    launch(&stream(&device), &frame, &[small, large], &mut out).unwrap();

    let both = [run(&frame, &small), run(&frame, &large), vec![0.0]].concat();
    assert_eq!(
        out.host::<f32>().unwrap(),
        both,
        "and nothing behind them is touched"
    );
}

#[test]
fn bad_parameters_are_refused_before_anything_is_written() {
    let frame = frame(PixelFormat::Rgb8, 4, 4, 0, ColorSpace::default());
    let device = CpuDevice::new();
    let mut out = device.alloc(48, "out").unwrap();
    let good = CropParams::new(
        &Region::letterbox(4, 4),
        [2, 2],
        ValueRange::Unit,
        Border::Black,
        TensorOrder::Nhwc,
    );
    let mut refuse =
        |params: CropParams| launch(&stream(&device), &frame, &[params], &mut out).unwrap_err();

    let nan = CropParams {
        frame_from_output: [f32::NAN; 6],
        ..good
    };
    assert!(matches!(refuse(nan), KernelError::NotFinite { .. }));
    let infinite = CropParams {
        bias: f32::INFINITY,
        ..good
    };
    assert!(matches!(refuse(infinite), KernelError::NotFinite { .. }));
    for empty in [
        CropParams {
            out_width: 0,
            ..good
        },
        CropParams {
            out_height: u32::MAX,
            ..good
        },
    ] {
        assert!(matches!(refuse(empty), KernelError::OutOfRange { .. }));
    }
    assert!(matches!(
        refuse(CropParams { order: 2, ..good }),
        KernelError::OutOfRange { .. }
    ));
    let too_large = CropParams {
        out_width: 3,
        ..good
    };
    assert!(matches!(
        refuse(too_large),
        KernelError::Size {
            wanted_bytes: 72,
            found_bytes: 48,
            ..
        }
    ));
    assert_eq!(out.host::<f32>().unwrap(), [0.0; 12]);
}

#[test]
fn extreme_but_finite_maps_do_not_panic() {
    let frame = frame(PixelFormat::I420, 5, 5, 0, ColorSpace::default());
    let good = CropParams::new(
        &Region::letterbox(5, 5),
        [4, 4],
        ValueRange::Unit,
        Border::Replicate,
        TensorOrder::Nhwc,
    );
    for extreme in [f32::MAX, -f32::MAX, f32::MIN_POSITIVE] {
        let params = CropParams {
            frame_from_output: [extreme, -extreme, extreme, -extreme, extreme, extreme],
            ..good
        };
        assert!(
            run(&frame, &params)
                .iter()
                .all(|value| (0.0..=1.0).contains(value))
        );
    }
}

fn region() -> impl Strategy<Value = Region> {
    (
        -60.0..160.0_f32,
        -60.0..160.0_f32,
        0.5..300.0_f32,
        0.5..300.0_f32,
        -4.0..4.0_f32,
    )
        .prop_map(|(x, y, width, height, rotation_rad)| Region {
            center: [x, y],
            size: [width, height],
            rotation_rad,
        })
}

proptest! {
    #[test]
    fn any_region_agrees(region in region(), width in 1_u32..90, height in 1_u32..90, format in 0_usize..3, padding in 0_usize..9) {
        let frame = frame(FORMATS[format], width, height, padding, ColorSpace::default());
        let params = CropParams::new(&region, [33, 9], ValueRange::Unit, Border::Black, TensorOrder::Nhwc);
        let worst = worst(&frame, &params);
        prop_assert!(worst < 0.02, "{worst}");
    }
}
