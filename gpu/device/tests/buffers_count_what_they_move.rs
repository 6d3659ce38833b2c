//! The two doors between host and device, and their counters.

use lsie_device::{
    CpuDevice, Device, DeviceError, DeviceKind, DeviceReport, Transfers, UnavailableReason, open,
    open_nth, probe,
};

#[test]
fn uploads_and_downloads_are_counted_and_exact() {
    let device = CpuDevice::new();
    let stream = device.stream("test").unwrap();
    let mut buffer = device.alloc(100, "numbers").unwrap();
    assert_eq!(buffer.host::<u8>().unwrap(), [0; 100], "zeroed at birth");

    buffer.upload(&stream, 10, &[1, 2, 3]).unwrap();
    buffer.upload(&stream, 100, &[]).unwrap();
    let mut read = [9; 5];
    buffer.copy_to_host(&stream, 9, &mut read).unwrap();
    stream.synchronize().unwrap();

    assert_eq!(read, [0, 1, 2, 3, 0]);
    assert_eq!(
        device.transfers(),
        Transfers {
            uploads: 2,
            upload_bytes: 3,
            downloads: 1,
            download_bytes: 5,
            replays: 0,
        }
    );
}

#[test]
fn an_access_beyond_the_end_is_refused_and_changes_nothing() {
    let device = CpuDevice::new();
    let stream = device.stream("test").unwrap();
    let mut buffer = device.alloc(8, "small").unwrap();

    for offset_bytes in [1, 8, usize::MAX] {
        let refused = buffer.upload(&stream, offset_bytes, &[7; 8]);
        assert!(
            matches!(
                refused,
                Err(DeviceError::OutOfBounds {
                    buffer_bytes: 8,
                    ..
                })
            ),
            "{refused:?}"
        );
        assert!(
            buffer
                .copy_to_host(&stream, offset_bytes, &mut [0; 8])
                .is_err()
        );
    }
    assert_eq!(buffer.host::<u8>().unwrap(), [0; 8]);
    assert_eq!(device.transfers(), Transfers::default());
}

#[test]
fn borrows_are_aligned_and_typed() {
    let device = CpuDevice::new();
    let mut buffer = device.alloc(12, "floats").unwrap();
    buffer
        .host_mut::<f32>()
        .unwrap()
        .copy_from_slice(&[1.0, 2.0, 3.0]);

    let floats = buffer.host::<f32>().unwrap();
    assert_eq!(floats, [1.0, 2.0, 3.0]);
    assert_eq!(floats.as_ptr().addr() % 64, 0);
    assert!(
        buffer.host::<f64>().is_none(),
        "12 bytes are no whole number of f64"
    );
    assert!(
        device
            .alloc(0, "empty")
            .unwrap()
            .host::<f32>()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn memory_that_cannot_be_had_is_an_error() {
    let refused = CpuDevice::new().alloc(usize::MAX, "everything");
    assert!(
        matches!(refused, Err(DeviceError::OutOfMemory { .. })),
        "{refused:?}"
    );
}

#[test]
fn the_probe_finds_the_cpu_and_explains_the_others() {
    let reports = probe();
    assert!(
        matches!(&reports[0], DeviceReport::Found(info) if info.kind == DeviceKind::Cpu && info.parallelism > 0)
    );
    for report in &reports {
        if let DeviceReport::Found(info) = report {
            assert!(!info.features.is_empty(), "{info:?}");
        }
    }
    for kind in [DeviceKind::Wgpu, DeviceKind::Cuda] {
        let own: Vec<_> = reports
            .iter()
            .filter(|report| match report {
                DeviceReport::Found(info) => info.kind == kind,
                DeviceReport::Unavailable { kind: absent, .. } => *absent == kind,
            })
            .collect();
        assert!(!own.is_empty(), "{kind} is not spoken of");
        for (index, report) in own.iter().enumerate() {
            match report {
                DeviceReport::Found(info) => assert_eq!(info.index, index),
                DeviceReport::Unavailable { how_to_get, .. } => {
                    assert!(!how_to_get.is_empty());
                    assert!(matches!(open(kind), Err(DeviceError::Unavailable { .. })));
                }
            }
        }
        let beyond = open_nth(kind, 1000).err();
        assert!(
            matches!(beyond, Some(DeviceError::Unavailable { .. })),
            "{beyond:?}"
        );
    }
    assert_eq!(open(DeviceKind::Cpu).unwrap().info().kind, DeviceKind::Cpu);
}

#[test]
fn a_device_that_was_not_built_is_told_from_one_that_is_not_there() {
    for (kind, is_built) in [
        (DeviceKind::Wgpu, cfg!(feature = "wgpu")),
        (DeviceKind::Cuda, cfg!(feature = "cuda")),
    ] {
        if let Err(DeviceError::Unavailable { reason, .. }) = open(kind) {
            let says_not_built = reason == UnavailableReason::NotInThisBuild;
            assert_eq!(says_not_built, !is_built, "{kind}: {reason}");
        }
    }
}

#[test]
fn the_cpu_records_nothing_and_says_so() {
    let stream = CpuDevice::new().stream("test").unwrap();
    assert!(!stream.can_record());
    let refused = stream.record(|_| Ok::<(), DeviceError>(()));
    assert!(
        matches!(refused, Err(DeviceError::Rejected { .. })),
        "{refused:?}"
    );
}
