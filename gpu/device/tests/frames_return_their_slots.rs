//! The life of a frame slot.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use lsie_device::{
    Buffer, CpuDevice, Device, DeviceError, DeviceInfo, Frame, FrameError, FrameLayout, FrameMeta,
    FramePool, PixelFormat, PoolStats, Stream, Transfers,
};

#[expect(clippy::unwrap_used, reason = "set-up of a test")]
fn pool(slots: usize, layout: &FrameLayout) -> FramePool {
    FramePool::new(&CpuDevice::new(), slots, layout.bytes()).unwrap()
}

#[test]
fn a_slot_returns_when_the_last_clone_is_dropped() {
    let layout = FrameLayout::tight(PixelFormat::Nv12, 16, 8).unwrap();
    let pool = pool(2, &layout);

    let first = Frame::new(pool.acquire().unwrap(), FrameMeta::still(layout)).unwrap();
    let clone = first.clone();
    let second = pool.acquire().unwrap();
    assert!(pool.acquire().is_none());
    drop(first);
    assert!(pool.acquire().is_none(), "the clone still holds the slot");
    drop(clone);
    assert!(pool.acquire().is_some());
    drop(second);

    assert_eq!(
        pool.stats(),
        PoolStats {
            slots: 2,
            in_use: 0,
            high_water: 2,
            exhausted: 2
        }
    );
}

#[test]
fn slots_are_reused_and_never_added() {
    let layout = FrameLayout::tight(PixelFormat::Rgb8, 3, 3).unwrap();
    let pool = pool(1, &layout);
    let address = pool
        .acquire()
        .unwrap()
        .buffer()
        .host::<u8>()
        .unwrap()
        .as_ptr();
    for _ in 0..100 {
        let slot = pool.acquire().unwrap();
        assert_eq!(slot.buffer().host::<u8>().unwrap().as_ptr(), address);
        assert_eq!(slot.buffer().len_bytes(), pool.bytes_per_slot());
    }
    assert_eq!(pool.stats().high_water, 1);
}

#[test]
fn a_frame_outlives_its_pool_and_its_device() {
    let layout = FrameLayout::tight(PixelFormat::I420, 4, 4).unwrap();
    let device = CpuDevice::new();
    let stream = device.stream("test").unwrap();
    let pool = FramePool::new(&device, 1, layout.bytes()).unwrap();
    let mut slot = pool.acquire().unwrap();
    slot.buffer_mut().upload(&stream, 0, &[5; 24]).unwrap();
    let frame = Frame::new(
        slot,
        FrameMeta {
            pts_ns: -7,
            seq: 3,
            ..FrameMeta::still(layout)
        },
    )
    .unwrap();
    drop(pool);
    drop(device);

    assert_eq!(frame.buffer().host::<u8>().unwrap(), [5; 24]);
    assert_eq!(
        (frame.pts_ns(), frame.seq(), frame.planes().len()),
        (-7, 3, 3)
    );
}

#[test]
fn a_frame_that_does_not_fit_is_refused_and_its_slot_returns() {
    let layout = FrameLayout::tight(PixelFormat::Nv12, 16, 8).unwrap();
    let small = FramePool::new(&CpuDevice::new(), 1, layout.bytes() - 1).unwrap();
    let refused = Frame::new(small.acquire().unwrap(), FrameMeta::still(layout));

    assert!(
        matches!(refused, Err(FrameError::BeyondSlot { plane: 1, .. })),
        "{refused:?}"
    );
    assert_eq!(small.stats().in_use, 0);
}

#[test]
fn frames_cross_threads() {
    let layout = FrameLayout::tight(PixelFormat::Rgb8, 2, 2).unwrap();
    let pool = pool(1, &layout);
    let frame = Frame::new(pool.acquire().unwrap(), FrameMeta::still(layout)).unwrap();
    let other = std::thread::Builder::new()
        .name("reader".into())
        .spawn(move || frame.width())
        .unwrap();
    assert_eq!(other.join().unwrap(), 2);
    assert_eq!(pool.stats().in_use, 0);
}

/// The processor with no memory at its 4th and 8th allocation.
struct Cramped {
    inner: CpuDevice,
    calls: AtomicUsize,
}

impl Device for Cramped {
    fn info(&self) -> &DeviceInfo {
        self.inner.info()
    }

    fn alloc(&self, bytes: usize, label: &str) -> Result<Buffer, DeviceError> {
        if [3, 7].contains(&self.calls.fetch_add(1, Ordering::Relaxed)) {
            return Err(DeviceError::OutOfMemory {
                bytes,
                label: label.to_owned(),
            });
        }
        self.inner.alloc(bytes, label)
    }

    fn stream(&self, name: &str) -> Result<Stream, DeviceError> {
        self.inner.stream(name)
    }

    fn transfers(&self) -> Transfers {
        self.inner.transfers()
    }

    fn launches(&self) -> BTreeMap<&'static str, u64> {
        self.inner.launches()
    }

    fn check(&self) -> Result<(), DeviceError> {
        Ok(())
    }
}

#[test]
fn a_pool_takes_as_many_slots_as_there_is_room_for() {
    let cramped = || Cramped {
        inner: CpuDevice::new(),
        calls: AtomicUsize::new(0),
    };
    // Eight fail at the fourth, four at the fourth, two are had.
    let pool = FramePool::up_to(&cramped(), 8, 2, 64).unwrap();
    assert_eq!(pool.stats().slots, 2);
    assert_eq!(pool.bytes_per_slot(), 64);
    let refused = FramePool::up_to(&cramped(), 8, 4, 64).map(|pool| pool.stats());
    assert!(
        matches!(refused, Err(DeviceError::OutOfMemory { bytes: 64, .. })),
        "{refused:?}"
    );
    let roomy = FramePool::up_to(&CpuDevice::new(), 8, 2, 64).unwrap();
    assert_eq!(roomy.stats().slots, 8);
}
