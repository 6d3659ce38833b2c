//! Landmarks in the frame.

use anyhow::{Context as _, ensure};
use lsie_kernels::project::{
    EYE_COUNT, IRIS_COUNT, LANDMARK_COUNT, LIP_COUNT, MESH_COUNT, MeshOutputs, MeshSubsets, launch,
    reference,
};
use lsie_kernels::region::Region;

use super::{Budget, Case, Place};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "project/every_landmark",
        run: every_landmark,
    },
    Case {
        name: "project/what_is_not_finite_passes_alone",
        run: passes_alone,
    },
];

fn subsets() -> anyhow::Result<MeshSubsets> {
    let spread = |count: usize, first: u32| -> Vec<u32> {
        (0..count as u32).map(|k| (first + 2 * k) % 468).collect()
    };
    // The lists overlap: the last entry of a point wins.
    let (lips, left, right) = (
        spread(LIP_COUNT, 0),
        spread(EYE_COUNT, 1),
        spread(EYE_COUNT, 100),
    );
    MeshSubsets::new(&lips, &left, &right).context("subsets")
}

fn parts() -> reference::Parts {
    let wave = |k: usize, axis: usize| 96.0 + 90.0 * ((k * 3 + axis * 7) as f32).sin();
    reference::Parts {
        mesh: (0..MESH_COUNT)
            .map(|k| [wave(k, 0), wave(k, 1), wave(k, 2) - 96.0])
            .collect(),
        refined: (0..LIP_COUNT + 2 * EYE_COUNT)
            .map(|k| [wave(k, 3), wave(k, 4)])
            .collect(),
        irises: (0..2 * IRIS_COUNT)
            .map(|k| [wave(k, 5), wave(k, 6)])
            .collect(),
    }
}

fn project(
    place: &Place,
    parts: &reference::Parts,
    region: &Region,
) -> anyhow::Result<Vec<[f32; 3]>> {
    let (lips, eyes) = parts.refined.split_at(LIP_COUNT);
    let (left_eye, right_eye) = eyes.split_at(EYE_COUNT);
    let (left_iris, right_iris) = parts.irises.split_at(IRIS_COUNT);
    let outputs = MeshOutputs {
        mesh: &place.holding(&parts.mesh, "mesh")?,
        lips: &place.holding(lips, "lips")?,
        left_eye: &place.holding(left_eye, "left eye")?,
        right_eye: &place.holding(right_eye, "right eye")?,
        left_iris: &place.holding(left_iris, "left iris")?,
        right_iris: &place.holding(right_iris, "right iris")?,
        subsets: &subsets()?.upload(place.device.as_ref(), &place.stream)?,
    };
    let mut out = place.poisoned::<[f32; 3]>(LANDMARK_COUNT, "landmarks")?;
    launch(&place.stream, &outputs, region, &mut out)?;
    place.values(&out, LANDMARK_COUNT)
}

fn every_landmark(place: &Place) -> anyhow::Result<()> {
    let (parts, subsets, bound) = (parts(), subsets()?, Budget::absolute("project")?);
    for (center, size, rotation_rad) in [
        ([96.0, 96.0], [192.0, 192.0], 0.0),
        ([1500.5, 33.25], [700.0, 641.0], 2.5),
        ([-20.0, -10.0], [0.5, 3000.0], -0.3),
    ] {
        let region = Region {
            center,
            size,
            rotation_rad,
        };
        let got = project(place, &parts, &region)?;
        for (index, point) in got.iter().enumerate() {
            let wanted = reference::landmark(&parts, &subsets, &region, index)
                .with_context(|| format!("no landmark {index}"))?;
            for (number, wanted) in point.iter().zip(wanted) {
                let error = (f64::from(*number) - wanted).abs();
                ensure!(error <= bound, "{region:?} {index}: {point:?} {wanted}");
            }
        }
    }
    Ok(())
}

fn passes_alone(place: &Place) -> anyhow::Result<()> {
    let (mut parts, subsets) = (parts(), subsets()?);
    let free = (0..MESH_COUNT)
        .find(|index| !subsets.indices().contains(&(*index as u32)))
        .context("every point is in a subset")?;
    parts.mesh[free] = [f32::NAN, f32::INFINITY, 0.0];
    let region = Region {
        center: [5.0, 5.0],
        size: [10.0, 10.0],
        rotation_rad: 0.1,
    };
    let got = project(place, &parts, &region)?;
    let broken: Vec<_> = (0..LANDMARK_COUNT)
        .filter(|index| !got[*index][0].is_finite())
        .collect();
    ensure!(broken == [free], "{broken:?}");
    Ok(())
}
