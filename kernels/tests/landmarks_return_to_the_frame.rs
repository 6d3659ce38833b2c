//! Merging and projecting the landmark networks' outputs.

use lsie_device::{Buffer, CpuDevice, Device, Stream};
use lsie_kernels::KernelError;
use lsie_kernels::project::{
    EYE_COUNT, IRIS_COUNT, LANDMARK_COUNT, LIP_COUNT, MESH_COUNT, MeshOutputs, MeshSubsets,
    OUTPUT_BYTES, launch, reference,
};
use lsie_kernels::region::Region;

#[expect(clippy::unwrap_used, reason = "set-up of a test")]
fn subsets() -> MeshSubsets {
    let spread = |count: usize, first: u32| {
        (0..count as u32)
            .map(|k| (first + 2 * k) % 468)
            .collect::<Vec<_>>()
    };
    MeshSubsets::new(
        &spread(LIP_COUNT, 0),
        &spread(EYE_COUNT, 1),
        &spread(EYE_COUNT, 200),
    )
    .unwrap()
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

#[expect(clippy::unwrap_used, reason = "set-up of a test")]
fn buffer<T: bytemuck::Pod>(device: &CpuDevice, values: &[T]) -> Buffer {
    let mut buffer = device.alloc(size_of_val(values), "part").unwrap();
    buffer.host_mut::<T>().unwrap().copy_from_slice(values);
    buffer
}

#[expect(clippy::unwrap_used, reason = "set-up of a test")]
fn project(parts: &reference::Parts, region: &Region) -> Result<Vec<[f32; 3]>, KernelError> {
    let device = CpuDevice::new();
    let stream: Stream = device.stream("test").unwrap();
    let mut out = device.alloc(OUTPUT_BYTES, "landmarks").unwrap();
    let (lips, eyes) = parts.refined.split_at(LIP_COUNT);
    let (left_eye, right_eye) = eyes.split_at(EYE_COUNT);
    let (left_iris, right_iris) = parts.irises.split_at(IRIS_COUNT);
    let outputs = MeshOutputs {
        mesh: &buffer(&device, &parts.mesh),
        lips: &buffer(&device, lips),
        left_eye: &buffer(&device, left_eye),
        right_eye: &buffer(&device, right_eye),
        left_iris: &buffer(&device, left_iris),
        right_iris: &buffer(&device, right_iris),
        subsets: &subsets().upload(&device, &stream).unwrap(),
    };
    launch(&stream, &outputs, region, &mut out)?;
    Ok(out.host::<[f32; 3]>().unwrap().to_vec())
}

#[test]
fn every_landmark_agrees_with_the_reference() {
    let (parts, subsets) = (parts(), subsets());
    for region in [
        Region {
            center: [96.0, 96.0],
            size: [192.0, 192.0],
            rotation_rad: 0.0,
        },
        Region {
            center: [1500.5, 33.25],
            size: [700.0, 641.0],
            rotation_rad: 2.5,
        },
        Region {
            center: [-20.0, -10.0],
            size: [0.5, 3000.0],
            rotation_rad: -0.3,
        },
    ] {
        let got = project(&parts, &region).unwrap();
        assert_eq!(got.len(), LANDMARK_COUNT);
        for (index, point) in got.iter().enumerate() {
            let wanted = reference::landmark(&parts, &subsets, &region, index).unwrap();
            for axis in 0..3 {
                let error = (f64::from(point[axis]) - wanted[axis]).abs();
                assert!(
                    error < 2e-3,
                    "{region:?} {index} {axis}: {point:?} {wanted:?}"
                );
            }
        }
    }
}

#[test]
fn the_identity_region_returns_the_refined_points_unchanged() {
    let parts = parts();
    let region = Region {
        center: [96.0, 96.0],
        size: [192.0, 192.0],
        rotation_rad: 0.0,
    };
    let got = project(&parts, &region).unwrap();
    let lip = subsets().indices()[0] as usize;
    assert!((got[lip][0] - parts.refined[0][0]).abs() < 1e-3);
    assert!(
        (got[lip][2] - parts.mesh[lip][2]).abs() < 1e-3,
        "depth stays the mesh's"
    );
    assert!((got[468][1] - parts.irises[0][1]).abs() < 1e-3);
    assert_eq!(got[468][2], got[472][2]);
    assert_ne!(got[468][2], got[473][2]);
}

#[test]
fn a_quarter_turn_is_clockwise_in_the_picture() {
    let region = Region {
        center: [0.0, 0.0],
        size: [2.0, 2.0],
        rotation_rad: std::f32::consts::FRAC_PI_2,
    };
    let [x, y] = region.frame_from_crop([1.0, 0.5]);
    assert!(
        x.abs() < 1e-6 && (y - 1.0).abs() < 1e-6,
        "the crop's right edge points down: {x} {y}"
    );
}

#[test]
fn landmarks_that_are_not_finite_pass_through_alone() {
    let mut parts = parts();
    let free = (0..468)
        .find(|index| !subsets().indices().contains(index))
        .unwrap() as usize;
    parts.mesh[free] = [f32::NAN, f32::INFINITY, 0.0];
    let region = Region {
        center: [5.0, 5.0],
        size: [10.0, 10.0],
        rotation_rad: 0.1,
    };
    let got = project(&parts, &region).unwrap();
    let broken: Vec<_> = got
        .iter()
        .enumerate()
        .filter(|(_, point)| !point[0].is_finite())
        .map(|(index, _)| index)
        .collect();
    assert_eq!(broken, [free]);
}

#[test]
fn bad_regions_and_subsets_are_refused() {
    for region in [
        Region {
            center: [f32::NAN, 0.0],
            size: [1.0, 1.0],
            rotation_rad: 0.0,
        },
        Region {
            center: [0.0, 0.0],
            size: [0.0, 1.0],
            rotation_rad: 0.0,
        },
        Region {
            center: [0.0, 0.0],
            size: [1.0, 1.0],
            rotation_rad: f32::INFINITY,
        },
    ] {
        assert!(
            matches!(
                project(&parts(), &region),
                Err(KernelError::NotFinite { .. })
            ),
            "{region:?}"
        );
    }
    assert!(MeshSubsets::new(&[0; 79], &[0; 71], &[0; 71]).is_none());
    assert!(MeshSubsets::new(&[468; 80], &[0; 71], &[0; 71]).is_none());
}
