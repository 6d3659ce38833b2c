//! What is queued on one stream runs in the order of the calls, however much of it waits.

use anyhow::ensure;
use lsie_device::{DeviceError, Read};
use lsie_kernels::au12::{Au12, launch};
use lsie_kernels::project::LANDMARK_COUNT;

use super::{Case, Place};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "order/uploads_launches_and_copies_follow_each_other",
        run: mixed,
    },
    Case {
        name: "order/each_launch_has_its_own_parameters",
        run: parameters,
    },
    Case {
        name: "order/several_values_are_read_as_if_one_by_one",
        run: several,
    },
];

/// More than any device lets wait.
const ROUNDS: usize = 100;

/// A face whose mouth is `width` eye distances wide.
fn face(width: f32) -> Vec<[f32; 3]> {
    let mut landmarks = vec![[0.0_f32; 3]; LANDMARK_COUNT];
    for (index, x) in [(362, 1.0), (263, 1.0), (291, width)] {
        landmarks[index] = [x, 0.0, 0.0];
    }
    landmarks
}

fn mixed(place: &Place) -> anyhow::Result<()> {
    let stream = &place.stream;
    let mut landmarks = place.holding(&face(1.0), "landmarks")?;
    let mut out = place.poisoned::<Au12>(1, "ratio")?;
    let kept = (0..ROUNDS).map(|_| place.poisoned::<Au12>(1, "kept"));
    let mut kept = kept.collect::<anyhow::Result<Vec<_>>>()?;
    for (width, copy) in (1_u8..).zip(&mut kept) {
        let mouth = face(f32::from(width));
        landmarks.upload(stream, 0, bytemuck::cast_slice(&mouth))?;
        launch(stream, &landmarks, 1, &mut out)?;
        copy.copy_from(stream, &out, 0, size_of::<Au12>())?;
    }
    for (width, copy) in (1_u8..).zip(&kept) {
        let found = place.values::<Au12>(copy, 1)?;
        let ratio = found.first().and_then(|found| found.ratio().ok());
        ensure!(ratio == Some(f32::from(width)), "{ratio:?} of {width}");
    }
    Ok(())
}

fn parameters(place: &Place) -> anyhow::Result<()> {
    let stream = &place.stream;
    let faces = |width: f32| place.holding(&face(width).repeat(ROUNDS), "landmarks");
    let (narrow, wide) = (faces(1.0)?, faces(2.0)?);
    let mut out = place.poisoned::<Au12>(ROUNDS, "ratios")?;
    // Each launch writes one face fewer than the one before it.
    for count in (1..=ROUNDS).rev() {
        let landmarks = if count % 2 == 0 { &wide } else { &narrow };
        launch(stream, landmarks, count, &mut out)?;
    }
    for (number, found) in place.values::<Au12>(&out, ROUNDS)?.iter().enumerate() {
        let expected = if (number + 1) % 2 == 0 { 2.0 } else { 1.0 };
        let ratio = found.ratio().ok();
        ensure!(ratio == Some(expected), "face {number} has {ratio:?}");
    }
    Ok(())
}

fn several(place: &Place) -> anyhow::Result<()> {
    let stream = &place.stream;
    let mut out = place.poisoned::<Au12>(2, "ratios")?;
    let (bytes, words) = (
        place.holding(&[1_u8, 2, 3, 4, 5, 6, 7], "bytes")?,
        place.holding(&[8_u32, 9, 10], "words")?,
    );
    launch(
        stream,
        &place.holding(&face(3.0), "landmarks")?,
        1,
        &mut out,
    )?;
    let before = place.device.transfers();
    let (mut ratio, mut odd, mut none, mut whole) =
        ([Au12::default()], [0_u8; 5], [0_u8; 0], [0_u32; 3]);
    stream.read(&mut [
        Read::of(&bytes, &mut odd),
        Read::of(&out, &mut ratio),
        Read::of(&words, &mut none),
        Read::of(&words, &mut whole),
    ])?;
    ensure!(odd == [1, 2, 3, 4, 5] && whole == [8, 9, 10]);
    ensure!(ratio[0].ratio().ok() == Some(3.0), "{ratio:?}");
    let after = place.device.transfers();
    ensure!(after.downloads == before.downloads + 4);
    ensure!(after.download_bytes == before.download_bytes + 5 + 8 + 12);
    let mut much = [0_u32; 4];
    let refused = stream.read(&mut [Read::of(&bytes, &mut odd), Read::of(&words, &mut much)]);
    ensure!(
        matches!(refused, Err(DeviceError::OutOfBounds { .. })),
        "{refused:?}"
    );
    Ok(())
}
