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
        name: "recording/launches_and_copies_alone_are_taken_and_a_failed_recording_leaves_the_stream_usable",
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
    let (stream, mut out) = (&place.stream, out_like(place)?);
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
    // A copy between launches, and one at the end: each sees what came before it.
    let (mut before, mut after) = (out_like(place)?, out_like(place)?);
    let bytes = out.len_bytes();
    stream.record_again(&mut recorded, |stream| {
        launch(stream, &narrow, FACES, &mut out)?;
        before.copy_from(stream, &out, 0, bytes)?;
        launch(stream, &wide, FACES, &mut out)?;
        after.copy_from(stream, &out, 0, bytes)?;
        Ok::<(), KernelError>(())
    })?;
    for _ in 0..2 {
        stream.replay(&recorded)?;
        ensure!(ratios(place, &before)? == [1.0, 2.0, 3.0]);
        ensure!(ratios(place, &after)? == [10.0, 20.0, 30.0]);
    }
    ensure!(place.device.transfers().replays == 7, "replays are counted");
    Ok(())
}

fn out_like(place: &Place) -> anyhow::Result<Buffer> {
    place.poisoned::<Au12>(FACES, "ratios")
}

fn refused(place: &Place) -> anyhow::Result<()> {
    let (stream, mut out) = (&place.stream, out_like(place)?);
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
