//! Chains of launches that are recorded and played again.

use anyhow::ensure;
use lsie_device::{Buffer, DeviceError};
use lsie_kernels::KernelError;
use lsie_kernels::au12::{Au12, SOURCE, launch};
use lsie_kernels::project::LANDMARK_COUNT;

use super::{Case, Place};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "recording/a_replay_does_what_was_recorded_and_counts_it",
        run: replayed,
    },
    Case {
        name: "recording/only_launches_are_taken_and_a_failed_recording_leaves_the_stream_usable",
        run: refused,
    },
];

const FACES: usize = 3;

/// Faces whose mouths are 1, 2, 3 … times `width` eye distances wide.
fn faces(place: &Place, width: f32) -> anyhow::Result<Buffer> {
    let mut landmarks = vec![[0.0_f32; 3]; FACES * LANDMARK_COUNT];
    for (number, face) in landmarks.chunks_exact_mut(LANDMARK_COUNT).enumerate() {
        for (index, x) in [(362, 1.0), (263, 1.0), (291, (number + 1) as f32 * width)] {
            face[index] = [x, 0.0, 0.0];
        }
    }
    place.holding(&landmarks, "landmarks")
}

fn ratios(place: &Place, out: &Buffer) -> anyhow::Result<Vec<f32>> {
    let results = place.values::<Au12>(out, FACES)?;
    let ratios = results.into_iter().map(|result| result.ratio().ok());
    Ok(ratios.map(Option::unwrap_or_default).collect())
}

fn replayed(place: &Place) -> anyhow::Result<()> {
    let (stream, mut out) = (&place.stream, place.poisoned::<Au12>(FACES, "ratios")?);
    let (narrow, wide) = (faces(place, 1.0)?, faces(place, 10.0)?);
    if !stream.can_record() {
        let recorded = stream.record(|stream| launch(stream, &narrow, FACES, &mut out));
        ensure!(
            matches!(
                recorded,
                Err(KernelError::Device(DeviceError::Rejected { .. }))
            ),
            "{recorded:?}"
        );
        return Ok(());
    }
    let count = || place.device.launches().get(SOURCE.name).copied();
    launch(stream, &narrow, FACES, &mut out)?;
    ensure!(count() == Some(1));
    let mut recorded = stream.record(|stream| launch(stream, &wide, FACES, &mut out))?;
    ensure!(recorded.launches() == 1 && count() == Some(1));
    ensure!(ratios(place, &out)? == [1.0, 2.0, 3.0], "it ran at once");
    for round in 2..5 {
        out.upload(stream, 0, &[0xA5; 8 * FACES])?;
        stream.replay(&recorded)?;
        ensure!(ratios(place, &out)? == [10.0, 20.0, 30.0]);
        ensure!(count() == Some(round));
    }
    // The same shape with another buffer and other parameters.
    out.upload(stream, 0, &[0; 8 * FACES])?;
    stream.record_again(&mut recorded, |stream| launch(stream, &narrow, 2, &mut out))?;
    stream.replay(&recorded)?;
    ensure!(ratios(place, &out)? == [1.0, 2.0, 0.0]);
    // And another shape.
    stream.record_again(&mut recorded, |stream| {
        launch(stream, &narrow, FACES, &mut out)?;
        launch(stream, &wide, FACES, &mut out)
    })?;
    stream.replay(&recorded)?;
    ensure!(recorded.launches() == 2 && ratios(place, &out)? == [10.0, 20.0, 30.0]);
    Ok(())
}

fn refused(place: &Place) -> anyhow::Result<()> {
    let (stream, mut out) = (&place.stream, place.poisoned::<Au12>(FACES, "ratios")?);
    let landmarks = faces(place, 1.0)?;
    if stream.can_record() {
        launch(stream, &landmarks, FACES, &mut out)?;
        let upload = stream.record(|stream| out.upload(stream, 0, &[1]));
        let wait = stream.record(lsie_device::Stream::synchronize);
        for refused in [upload.err(), wait.err()] {
            ensure!(
                matches!(refused, Some(DeviceError::Rejected { .. })),
                "{refused:?}"
            );
        }
    }
    launch(stream, &landmarks, FACES, &mut out)?;
    ensure!(ratios(place, &out)? == [1.0, 2.0, 3.0]);
    Ok(())
}
