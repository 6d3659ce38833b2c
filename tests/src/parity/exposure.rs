//! Light and sharpness.

use anyhow::ensure;
use lsie_device::{ColorMatrix, ColorRange, ColorSpace, PixelFormat};
use lsie_kernels::KernelError;
use lsie_kernels::exposure::{Area, Exposure, launch, read, reference};

use super::crop::{FORMATS, Pair};
use super::{Case, Place};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "exposure/sums_are_equal_to_the_last_one",
        run: sums,
    },
    Case {
        name: "exposure/the_largest_grid_does_not_overflow",
        run: largest,
    },
    Case {
        name: "exposure/an_area_outside_the_frame_is_refused",
        run: refusals,
    },
];

fn measure(place: &Place, pair: &Pair, area: &Area) -> anyhow::Result<Exposure> {
    let mut out = place.poisoned::<Exposure>(1, "exposure")?;
    launch(&place.stream, &pair.there, area, &mut out)?;
    Ok(read(&place.stream, &out)?)
}

fn sums(place: &Place) -> anyhow::Result<()> {
    for format in FORMATS {
        for range in [ColorRange::Limited, ColorRange::Full] {
            for size in [[1, 1], [1, 9], [2, 2], [3, 3], [67, 41], [530, 301]] {
                for padding in [0, 13] {
                    let color = ColorSpace {
                        matrix: ColorMatrix::Bt709,
                        range,
                    };
                    let pair = Pair::new(place, format, size, padding, color)?;
                    let [width, height] = size;
                    let mut areas = vec![Area::whole(&pair.host)];
                    areas.push(Area {
                        left: width / 2,
                        top: height / 3,
                        width: width - width / 2,
                        height: (height - height / 3).min(7),
                    });
                    for area in areas {
                        let wanted = reference::measure(&pair.host, &area)?;
                        let got = measure(place, &pair, &area)?;
                        ensure!(got == wanted, "{got:?} {wanted:?} {area:?} {format:?}");
                        ensure!(got.points > 0);
                    }
                }
            }
        }
    }
    Ok(())
}

fn largest(place: &Place) -> anyhow::Result<()> {
    // A grid of 256 by 256 on the texture whose codes and edges are large everywhere.
    let pair = Pair::new(
        place,
        PixelFormat::Nv12,
        [512, 512],
        0,
        ColorSpace::default(),
    )?;
    let area = Area::whole(&pair.host);
    let got = measure(place, &pair, &area)?;
    ensure!(got == reference::measure(&pair.host, &area)?);
    ensure!(got.points == 256 * 256, "{got:?}");
    let most = u64::from(got.points) * (1020 * 1020 / 16);
    ensure!(most <= u64::from(u32::MAX));
    Ok(())
}

fn refusals(place: &Place) -> anyhow::Result<()> {
    let pair = Pair::new(place, PixelFormat::I420, [20, 10], 0, ColorSpace::default())?;
    for (left, top, width, height) in [
        (0, 0, 0, 10),
        (0, 0, 20, 0),
        (20, 0, 1, 1),
        (0, 5, 20, 6),
        (u32::MAX, 0, 2, 1),
    ] {
        let area = Area {
            left,
            top,
            width,
            height,
        };
        let mut out = place.poisoned::<Exposure>(1, "exposure")?;
        let refused = launch(&place.stream, &pair.there, &area, &mut out);
        ensure!(
            matches!(refused, Err(KernelError::OutOfRange { .. })),
            "{refused:?} {area:?}"
        );
    }
    let mut small = place.poisoned::<u8>(31, "exposure")?;
    let refused = launch(
        &place.stream,
        &pair.there,
        &Area::whole(&pair.host),
        &mut small,
    );
    ensure!(
        matches!(refused, Err(KernelError::Size { .. })),
        "{refused:?}"
    );
    Ok(())
}
