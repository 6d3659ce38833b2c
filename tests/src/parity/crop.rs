//! The crop.

use anyhow::{Context as _, ensure};
use lsie_device::{
    ColorMatrix, ColorRange, ColorSpace, CpuDevice, Frame, FrameLayout, FrameMeta, FramePool,
    PixelFormat,
};
use lsie_kernels::KernelError;
use lsie_kernels::crop::{
    Border, CropParams, Sampling, TensorOrder, ValueRange, launch, reference,
};
use lsie_kernels::region::Region;

use super::{Budget, Case, Place};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "crop/every_format_border_order_and_colour",
        run: everything,
    },
    Case {
        name: "crop/odd_and_tiny_pictures",
        run: odd_and_tiny,
    },
    Case {
        name: "crop/many_regions",
        run: many_regions,
    },
    Case {
        name: "crop/codes_are_exact_where_positions_are",
        run: codes,
    },
    Case {
        name: "crop/a_batch_of_any_length_writes_its_crops_in_order",
        run: batch,
    },
    Case {
        name: "crop/extreme_maps_stay_in_range",
        run: extremes,
    },
    Case {
        name: "crop/bad_parameters_are_refused_before_anything_is_written",
        run: refusals,
    },
];

pub(super) const FORMATS: [PixelFormat; 3] =
    [PixelFormat::Nv12, PixelFormat::I420, PixelFormat::Rgb8];

/// The same picture on the host, for the reference, and on the place.
pub(super) struct Pair {
    pub(super) host: Frame,
    pub(super) there: Frame,
}

impl Pair {
    /// Planes with `padding` bytes before them and after each row, and a texture in them.
    pub(super) fn new(
        place: &Place,
        format: PixelFormat,
        size: [u32; 2],
        padding: usize,
        color: ColorSpace,
    ) -> anyhow::Result<Self> {
        let [width, height] = size;
        let mut layout = FrameLayout::tight(format, width, height)?;
        let mut offset_bytes = padding;
        let planes = layout.planes.iter_mut().take(format.plane_count());
        for (index, plane) in planes.enumerate() {
            let (row_bytes, rows) = format.plane_size(index, width, height);
            plane.offset_bytes = offset_bytes;
            plane.pitch_bytes = row_bytes + padding;
            offset_bytes += plane.pitch_bytes * rows;
        }
        // Another texture for each width, so that no frame passes for another.
        let shift = 11 * width as usize;
        let bytes: Vec<u8> = (0..offset_bytes + 5)
            .map(|at| ((at + shift) * 37 % 251 + at / 97 % 5) as u8)
            .collect();
        let meta = FrameMeta {
            color,
            ..FrameMeta::still(layout)
        };
        let host = Place::on(std::sync::Arc::new(CpuDevice::new()))?;
        let on = |place: &Place| {
            let pool = FramePool::new(place.device.as_ref(), 1, bytes.len())?;
            let mut slot = pool.acquire().context("no slot")?;
            slot.buffer_mut().upload(&place.stream, 0, &bytes)?;
            anyhow::Ok(Frame::new(slot, meta)?)
        };
        Ok(Pair {
            host: on(&host)?,
            there: on(place)?,
        })
    }

    fn run(&self, place: &Place, batch: &[CropParams]) -> anyhow::Result<Vec<f32>> {
        let total = batch.iter().map(CropParams::out_len).sum();
        let mut out = place.poisoned::<f32>(total, "crops")?;
        launch(&place.stream, &self.there, batch, &mut out)?;
        place.values(&out, total)
    }

    /// Largest difference from the reference, in codes of 0 to 255.
    fn worst(&self, place: &Place, params: &CropParams) -> anyhow::Result<f64> {
        let got = self.run(place, &[*params])?;
        let wanted = reference::crop(&self.host, params)?;
        let differences = got
            .iter()
            .zip(&wanted)
            .map(|(got, wanted)| (f64::from(*got) - wanted).abs());
        // Of a difference that is no number the largest is infinite.
        let worst = differences.fold(0.0, |worst, difference| {
            if difference <= worst {
                worst
            } else if difference.is_nan() {
                f64::INFINITY
            } else {
                difference
            }
        });
        Ok(worst / f64::from(params.scale))
    }

    fn agrees(&self, place: &Place, params: &CropParams) -> anyhow::Result<()> {
        let (worst, bound) = (self.worst(place, params)?, Budget::absolute("crop")?);
        let layout = self.host.layout();
        ensure!(worst <= bound, "{worst} codes: {params:?} of {layout:?}");
        Ok(())
    }
}

fn tilted([width, height]: [u32; 2]) -> Region {
    Region {
        center: [width as f32 * 0.4, height as f32 * 0.6],
        size: [width as f32 * 1.3, height as f32 * 0.9],
        rotation_rad: 0.35,
    }
}

fn everything(place: &Place) -> anyhow::Result<()> {
    for format in FORMATS {
        for matrix in [ColorMatrix::Bt601, ColorMatrix::Bt709] {
            for range in [ColorRange::Limited, ColorRange::Full] {
                let size = [94, 61];
                let pair = Pair::new(place, format, size, 11, ColorSpace { matrix, range })?;
                for border in [Border::Replicate, Border::Black] {
                    for (order, values) in [
                        (TensorOrder::Nhwc, ValueRange::Unit),
                        (TensorOrder::Nchw, ValueRange::Symmetric),
                    ] {
                        let params =
                            CropParams::new(&tilted(size), [67, 40], values, border, order);
                        pair.agrees(place, &params)?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn odd_and_tiny(place: &Place) -> anyhow::Result<()> {
    for format in FORMATS {
        for size in [[1, 1], [1, 7], [2, 1], [3, 3], [65, 129]] {
            for padding in [0, 3] {
                let pair = Pair::new(place, format, size, padding, ColorSpace::default())?;
                for out_size in [[1, 1], [3, 2], [64, 64], [65, 5]] {
                    let params = CropParams::new(
                        &tilted(size),
                        out_size,
                        ValueRange::Unit,
                        Border::Black,
                        TensorOrder::Nhwc,
                    );
                    pair.agrees(place, &params)?;
                }
            }
        }
    }
    Ok(())
}

fn many_regions(place: &Place) -> anyhow::Result<()> {
    let pair = Pair::new(place, PixelFormat::Nv12, [83, 59], 5, ColorSpace::default())?;
    let mut state = 11_u32;
    let mut within = |low: f32, high: f32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        low + (high - low) * ((state >> 8) as f32 / (1 << 24) as f32)
    };
    for _ in 0..60 {
        let region = Region {
            center: [within(-60.0, 160.0), within(-60.0, 160.0)],
            size: [within(0.5, 300.0), within(0.5, 300.0)],
            rotation_rad: within(-4.0, 4.0),
        };
        let params = CropParams::new(
            &region,
            [33, 9],
            ValueRange::Unit,
            Border::Black,
            TensorOrder::Nhwc,
        );
        pair.agrees(place, &params)?;
    }
    Ok(())
}

fn codes(place: &Place) -> anyhow::Result<()> {
    let size = [50, 40];
    let pair = Pair::new(place, PixelFormat::Rgb8, size, 0, ColorSpace::default())?;
    // Every position and product is exact in f32, so versions agree to the last code, ties included.
    let params = CropParams {
        frame_from_output: [1.1875, 0.015625, -3.25, -0.40625, 1.5, 2.046875],
        scale: 1.0,
        ..CropParams::new(
            &tilted(size),
            [40, 30],
            ValueRange::Unit,
            Border::Replicate,
            TensorOrder::Nhwc,
        )
    };
    let worst = pair.worst(place, &params.with_sampling(Sampling::Codes))?;
    ensure!(worst == 0.0, "{worst} codes");
    Ok(())
}

fn batch(place: &Place) -> anyhow::Result<()> {
    let size = [40, 30];
    let pair = Pair::new(place, PixelFormat::I420, size, 2, ColorSpace::default())?;
    let crop = |k: u32| {
        CropParams::new(
            &tilted(size),
            [1 + k % 23, 1 + k % 17],
            ValueRange::Symmetric,
            Border::Black,
            if k.is_multiple_of(2) {
                TensorOrder::Nhwc
            } else {
                TensorOrder::Nchw
            },
        )
    };
    // More crops than the parameters of one launch hold.
    let crops: Vec<_> = (0..300).map(crop).collect();
    let together = pair.run(place, &crops)?;
    let mut alone = Vec::new();
    for params in &crops {
        alone.extend(pair.run(place, &[*params])?);
    }
    ensure!(together == alone);
    ensure!(pair.run(place, &[])?.is_empty());
    Ok(())
}

fn extremes(place: &Place) -> anyhow::Result<()> {
    for (format, border) in [
        (PixelFormat::I420, Border::Replicate),
        (PixelFormat::Rgb8, Border::Black),
    ] {
        let pair = Pair::new(place, format, [5, 5], 0, ColorSpace::default())?;
        let good = CropParams::new(
            &Region::letterbox(5, 5),
            [4, 4],
            ValueRange::Unit,
            border,
            TensorOrder::Nhwc,
        );
        for extreme in [f32::MAX, -f32::MAX, f32::MIN_POSITIVE] {
            let map = [extreme, -extreme, extreme, -extreme, extreme, extreme];
            for sampling in [Sampling::Exact, Sampling::Codes] {
                let params = CropParams {
                    frame_from_output: map,
                    ..good
                }
                .with_sampling(sampling);
                let values = pair.run(place, &[params])?;
                ensure!(
                    values.iter().all(|value| (0.0..=1.0).contains(value)),
                    "{extreme}: {values:?}"
                );
            }
        }
    }
    Ok(())
}

fn refusals(place: &Place) -> anyhow::Result<()> {
    let pair = Pair::new(place, PixelFormat::Rgb8, [4, 4], 0, ColorSpace::default())?;
    let mut out = place.poisoned::<f32>(12, "out")?;
    let untouched = place.values::<u32>(&out, 12)?;
    let good = CropParams::new(
        &Region::letterbox(4, 4),
        [2, 2],
        ValueRange::Unit,
        Border::Black,
        TensorOrder::Nhwc,
    );
    let bad = [
        CropParams {
            frame_from_output: [f32::NAN; 6],
            ..good
        },
        CropParams {
            out_width: 0,
            ..good
        },
        CropParams { order: 2, ..good },
    ];
    for params in bad {
        let refused = launch(&place.stream, &pair.there, &[good, params], &mut out);
        ensure!(
            matches!(
                refused,
                Err(KernelError::NotFinite { .. } | KernelError::OutOfRange { .. })
            ),
            "{refused:?}"
        );
    }
    let refused = launch(&place.stream, &pair.there, &[good, good], &mut out);
    ensure!(
        matches!(
            refused,
            Err(KernelError::Size {
                wanted_bytes: 96,
                ..
            })
        ),
        "{refused:?}"
    );
    ensure!(place.values::<u32>(&out, 12)? == untouched);
    Ok(())
}
