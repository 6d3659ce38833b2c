//! The letterboxed tensor.

use anyhow::ensure;
use lsie_device::{ColorMatrix, ColorRange, ColorSpace, PixelFormat};
use lsie_kernels::KernelError;
use lsie_kernels::crop::{Sampling, ValueRange};
use lsie_kernels::tensor::{TensorParams, launch, reference};

use super::crop::{FORMATS, Pair};
use super::{Budget, Case, Place};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "tensor/every_format_and_colour",
        run: colours,
    },
    Case {
        name: "tensor/odd_tiny_and_very_large_pictures",
        run: sizes,
    },
    Case {
        name: "tensor/bad_parameters_are_refused_before_anything_is_written",
        run: refusals,
    },
];

fn agrees(place: &Place, pair: &Pair, params: &TensorParams) -> anyhow::Result<()> {
    let mut out = place.poisoned::<f32>(params.out_len(), "tensor")?;
    launch(&place.stream, &pair.there, params, &mut out)?;
    let got = place.values::<f32>(&out, params.out_len())?;
    let wanted = reference::letterbox(&pair.host, params)?;
    let scale = match params.range {
        ValueRange::Unit => 1.0 / 255.0,
        ValueRange::Symmetric => 2.0 / 255.0,
    };
    let bound = Budget::absolute("tensor")?;
    for (at, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
        let codes = (f64::from(*got) - wanted).abs() / scale;
        ensure!(
            codes <= bound,
            "{codes} codes at {at}: {got} {wanted} {params:?}"
        );
    }
    Ok(())
}

fn colours(place: &Place) -> anyhow::Result<()> {
    for format in FORMATS {
        for matrix in [ColorMatrix::Bt601, ColorMatrix::Bt709] {
            for range in [ColorRange::Limited, ColorRange::Full] {
                let pair = Pair::new(place, format, [94, 61], 11, ColorSpace { matrix, range })?;
                for (range, side_px) in [(ValueRange::Unit, 40), (ValueRange::Symmetric, 33)] {
                    let params = TensorParams {
                        side_px,
                        range,
                        sampling: Sampling::Exact,
                    };
                    agrees(place, &pair, &params)?;
                }
            }
        }
    }
    // Positions that f32 holds exactly, so that whole codes are equal.
    let pair = Pair::new(
        place,
        PixelFormat::Nv12,
        [256, 128],
        0,
        ColorSpace::default(),
    )?;
    let params = TensorParams {
        side_px: 64,
        range: ValueRange::Unit,
        sampling: Sampling::Codes,
    };
    agrees(place, &pair, &params)
}

fn sizes(place: &Place) -> anyhow::Result<()> {
    for size in [[1, 1], [1, 7], [2, 1], [3, 3], [65, 129], [7680, 43]] {
        for padding in [0, 3] {
            let pair = Pair::new(
                place,
                PixelFormat::I420,
                size,
                padding,
                ColorSpace::default(),
            )?;
            for side_px in [1, 17, 128] {
                let params = TensorParams {
                    side_px,
                    range: ValueRange::Unit,
                    sampling: Sampling::Exact,
                };
                agrees(place, &pair, &params)?;
            }
        }
    }
    Ok(())
}

fn refusals(place: &Place) -> anyhow::Result<()> {
    let pair = Pair::new(place, PixelFormat::Nv12, [8, 8], 0, ColorSpace::default())?;
    let params = |side_px| TensorParams {
        side_px,
        range: ValueRange::Unit,
        sampling: Sampling::Exact,
    };
    let mut out = place.poisoned::<f32>(3 * 16, "tensor")?;
    for side_px in [0, 4097, u32::MAX] {
        let refused = launch(&place.stream, &pair.there, &params(side_px), &mut out);
        ensure!(
            matches!(refused, Err(KernelError::OutOfRange { .. })),
            "{refused:?}"
        );
    }
    let refused = launch(&place.stream, &pair.there, &params(5), &mut out);
    ensure!(
        matches!(refused, Err(KernelError::Size { .. })),
        "{refused:?}"
    );
    let bytes = place.values::<u8>(&out, 3 * 16 * 4)?;
    ensure!(
        bytes.iter().all(|byte| *byte == 0xA5),
        "something was written"
    );
    Ok(())
}
