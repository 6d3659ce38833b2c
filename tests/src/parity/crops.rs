//! Crops of several frames.

use anyhow::ensure;
use lsie_device::{ColorMatrix, ColorRange, ColorSpace, PixelFormat};
use lsie_kernels::KernelError;
use lsie_kernels::crop::{Border, CropParams, Sampling, TensorOrder, ValueRange, reference};
use lsie_kernels::crops::{FrameCrop, MAX_FRAMES, SOURCE, launch};
use lsie_kernels::region::Region;

use super::crop::{FORMATS, Pair};
use super::{Budget, Case, Place};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "crops/five_cameras_of_any_kind_in_one_launch",
        run: cameras,
    },
    Case {
        name: "crops/more_frames_than_a_launch_binds",
        run: many_frames,
    },
    Case {
        name: "crops/more_crops_than_a_launch_holds",
        run: many_crops,
    },
    Case {
        name: "crops/bad_parameters_are_refused_before_anything_is_written",
        run: refusals,
    },
];

/// Frames that differ in size, format, padding and colour.
fn pairs(place: &Place, count: usize) -> anyhow::Result<Vec<Pair>> {
    let numbers = 0..count as u32;
    numbers
        .map(|number| {
            let format = FORMATS[number as usize % FORMATS.len()];
            let color = ColorSpace {
                matrix: [ColorMatrix::Bt601, ColorMatrix::Bt709][number as usize % 2],
                range: [ColorRange::Full, ColorRange::Limited][number as usize / 2 % 2],
            };
            let size = [40 + 13 * number, 71 - 5 * number];
            Pair::new(place, format, size, 3 * number as usize, color)
        })
        .collect()
}

/// Crop number `k`, of a size and kind of its own.
fn params(k: u32) -> CropParams {
    let region = Region {
        center: [20.0 + k as f32 % 7.0, 25.0],
        size: [50.0, 30.0 + k as f32 % 11.0],
        rotation_rad: 0.2 * k as f32,
    };
    let is_even = k.is_multiple_of(2);
    let (border, order) = if is_even {
        (Border::Black, TensorOrder::Nchw)
    } else {
        (Border::Replicate, TensorOrder::Nhwc)
    };
    let size = [20 + k % 9, 17 + k % 5];
    CropParams::new(&region, size, ValueRange::Symmetric, border, order)
}

/// Runs crops `(frame, crop number)` and compares every number with the reference; gives the launches it took.
fn agree(place: &Place, pairs: &[Pair], batch: &[(usize, u32)]) -> anyhow::Result<u64> {
    let entries: Vec<_> = batch
        .iter()
        .map(|(frame, k)| FrameCrop {
            frame: &pairs[*frame].there,
            params: params(*k),
        })
        .collect();
    let total = entries.iter().map(|entry| entry.params.out_len()).sum();
    let mut out = place.poisoned::<f32>(total, "crops")?;
    let launches = || place.device.launches().get(SOURCE.name).copied();
    let before = launches().unwrap_or(0);
    launch(&place.stream, &entries, &mut out)?;
    let after = launches().unwrap_or(0);
    let got = place.values::<f32>(&out, total)?;
    let (mut at, bound) = (0, Budget::absolute("crops")?);
    for (frame, k) in batch {
        let params = params(*k);
        let wanted = reference::crop(&pairs[*frame].host, &params)?;
        for wanted in &wanted {
            let codes = (f64::from(got[at]) - wanted).abs() / f64::from(params.scale);
            ensure!(codes <= bound, "{codes} codes: {params:?} of frame {frame}");
            at += 1;
        }
    }
    Ok(after - before)
}

fn cameras(place: &Place) -> anyhow::Result<()> {
    let pairs = pairs(place, 5)?;
    // Two faces of each camera, the cameras in no order.
    let batch = [3, 0, 4, 1, 1, 2, 0, 4, 2, 3].into_iter().zip(0..);
    let launches = agree(place, &pairs, &batch.collect::<Vec<_>>())?;
    ensure!(launches == 1, "{launches} launches");
    ensure!(agree(place, &pairs, &[])? <= 1);
    Ok(())
}

fn many_frames(place: &Place) -> anyhow::Result<()> {
    let pairs = pairs(place, MAX_FRAMES + 2)?;
    let batch: Vec<_> = (0..pairs.len()).chain([0]).zip(20..).collect();
    let launches = agree(place, &pairs, &batch)?;
    ensure!((1..=2).contains(&launches), "{launches} launches");
    Ok(())
}

fn many_crops(place: &Place) -> anyhow::Result<()> {
    let pairs = pairs(place, 2)?;
    let batch: Vec<_> = (0..300).map(|k| (k as usize / 7 % 2, k)).collect();
    let launches = agree(place, &pairs, &batch)?;
    ensure!((1..=2).contains(&launches), "{launches} launches");
    Ok(())
}

fn refusals(place: &Place) -> anyhow::Result<()> {
    let pair = Pair::new(place, PixelFormat::Rgb8, [4, 4], 0, ColorSpace::default())?;
    let mut out = place.poisoned::<f32>(24, "out")?;
    let untouched = place.values::<u32>(&out, 24)?;
    let good = CropParams::new(
        &Region::letterbox(4, 4),
        [2, 2],
        ValueRange::Unit,
        Border::Black,
        TensorOrder::Nhwc,
    )
    .with_sampling(Sampling::Codes);
    let bad = CropParams {
        frame_from_output: [f32::NAN; 6],
        ..good
    };
    let entry = |params| FrameCrop {
        frame: &pair.there,
        params,
    };
    let refused = launch(&place.stream, &[entry(good), entry(bad)], &mut out);
    ensure!(
        matches!(refused, Err(KernelError::NotFinite { .. })),
        "{refused:?}"
    );
    let refused = launch(&place.stream, &[entry(good); 3], &mut out);
    let is_size = matches!(
        refused,
        Err(KernelError::Size {
            wanted_bytes: 144,
            ..
        })
    );
    ensure!(is_size, "{refused:?}");
    ensure!(place.values::<u32>(&out, 24)? == untouched);
    Ok(())
}
