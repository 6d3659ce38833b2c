//! The doors between host and device.

use anyhow::ensure;
use lsie_device::{CpuDevice, Device as _, DeviceError, DeviceKind, Transfers, open_nth};

use super::{Case, Place};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "memory/zeroed_at_birth_and_exact_at_any_offset",
        run: any_offset,
    },
    Case {
        name: "memory/beyond_the_end_is_refused_and_nothing_is_counted",
        run: beyond_the_end,
    },
    Case {
        name: "memory/more_than_there_is_is_a_typed_error",
        run: too_much,
    },
    Case {
        name: "memory/copies_on_the_device_move_words_and_cross_nothing",
        run: on_the_device,
    },
    Case {
        name: "memory/marks_are_reached_once_the_work_is_done",
        run: marks,
    },
    Case {
        name: "memory/a_buffer_of_another_opening_is_refused",
        run: foreign,
    },
];

fn any_offset(place: &Place) -> anyhow::Result<()> {
    for offset in 0..9_usize {
        for count in [0_usize, 1, 2, 3, 4, 5, 7, 8, 13] {
            let mut buffer = place.device.alloc(23, "bytes")?;
            let bytes: Vec<u8> = (1..=count as u8).collect();
            let mut wanted = vec![0; 23];
            wanted[offset..offset + count].copy_from_slice(&bytes);
            buffer.upload(&place.stream, offset, &bytes)?;
            ensure!(
                place.values::<u8>(&buffer, 23)? == wanted,
                "{count} at {offset}"
            );
            let mut part = vec![0; count];
            buffer.copy_to_host(&place.stream, offset, &mut part)?;
            ensure!(part == bytes, "{count} from {offset}");
        }
    }
    Ok(())
}

fn beyond_the_end(place: &Place) -> anyhow::Result<()> {
    let mut buffer = place.device.alloc(8, "small")?;
    for offset in [1, 8, usize::MAX] {
        let up = buffer.upload(&place.stream, offset, &[7; 8]);
        let down = buffer.copy_to_host(&place.stream, offset, &mut [0; 8]);
        for refused in [up, down] {
            ensure!(
                matches!(refused, Err(DeviceError::OutOfBounds { .. })),
                "{refused:?}"
            );
        }
    }
    ensure!(place.device.transfers() == Transfers::default());
    ensure!(place.values::<u8>(&buffer, 8)? == [0; 8]);
    Ok(())
}

fn too_much(place: &Place) -> anyhow::Result<()> {
    let refused = place.device.alloc(usize::MAX / 2, "everything");
    ensure!(
        matches!(refused, Err(DeviceError::OutOfMemory { .. })),
        "{refused:?}"
    );
    // And the device goes on.
    let buffer = place.holding(&[1.0_f32, 2.0], "after")?;
    ensure!(place.values::<f32>(&buffer, 2)? == [1.0, 2.0]);
    Ok(())
}

fn foreign(place: &Place) -> anyhow::Result<()> {
    let info = place.device.info();
    if info.kind == DeviceKind::Cpu {
        // Host memory is host memory: any opening of the cpu may use it.
        return Ok(());
    }
    let mut others = vec![CpuDevice::new().alloc(4, "host")?];
    if let Ok(twin) = open_nth(info.kind, info.index) {
        others.push(twin.alloc(4, "twin")?);
    }
    for mut other in others {
        let refused = other.upload(&place.stream, 0, &[1]);
        ensure!(
            matches!(refused, Err(DeviceError::WrongDevice { .. })),
            "{refused:?}"
        );
    }
    Ok(())
}

fn on_the_device(place: &Place) -> anyhow::Result<()> {
    let source = place.holding(&[1_u32, 2, 3, 4, 5], "source")?;
    let mut target = place.poisoned::<u32>(4, "target")?;
    let before = place.device.transfers();
    target.copy_from(&place.stream, &source, 4, 12)?;
    for (from, bytes) in [(12, 12), (0, 20), (usize::MAX, 4)] {
        let refused = target.copy_from(&place.stream, &source, from, bytes);
        let is_typed = matches!(refused, Err(DeviceError::OutOfBounds { .. }));
        ensure!(is_typed, "{bytes} from {from}: {refused:?}");
    }
    for (from, bytes) in [(1, 4), (0, 3)] {
        let refused = target.copy_from(&place.stream, &source, from, bytes);
        let is_typed = matches!(refused, Err(DeviceError::Rejected { .. }));
        ensure!(is_typed, "{bytes} from {from}: {refused:?}");
    }
    ensure!(place.device.transfers() == before);
    ensure!(place.values::<u32>(&target, 4)? == [2, 3, 4, 0xA5A5_A5A5]);
    Ok(())
}

fn marks(place: &Place) -> anyhow::Result<()> {
    let first = place.stream.mark()?;
    let mut buffer = place.holding(&[1.0_f32; 1024], "numbers")?;
    buffer.upload(&place.stream, 0, &[7; 64])?;
    let second = place.stream.mark()?;
    second.wait();
    ensure!(first.is_reached() && second.is_reached());
    Ok(())
}
