//! Counting what a device does: what crosses the border between host and device memory, which kernels were launched, and how often
//! a recorded chain of them was played.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// How much one device has moved since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Transfers {
    /// Calls of [`crate::Buffer::upload`].
    pub uploads: u64,
    /// Bytes they moved.
    pub upload_bytes: u64,
    /// Calls of [`crate::Buffer::copy_to_host`].
    pub downloads: u64,
    /// Bytes they moved.
    pub download_bytes: u64,
    /// Calls of [`crate::Stream::replay`], each of which queued several launches.
    pub replays: u64,
}

/// The live counters behind [`Transfers`], shared by a device and its buffers.
#[derive(Debug, Default)]
pub(crate) struct TransferCounters {
    uploads: AtomicU64,
    upload_bytes: AtomicU64,
    downloads: AtomicU64,
    download_bytes: AtomicU64,
    replays: AtomicU64,
    /// Launches by name of the kernel; a name is added at its first launch.
    launches: Mutex<BTreeMap<&'static str, u64>>,
}

impl TransferCounters {
    pub(crate) fn uploaded(&self, bytes: usize) {
        self.uploads.fetch_add(1, Ordering::Relaxed);
        self.upload_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn downloaded(&self, bytes: usize) {
        self.downloads.fetch_add(1, Ordering::Relaxed);
        self.download_bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn replayed(&self) {
        self.replays.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn launched(&self, kernel: &'static str) {
        // Numbers are whole after a panic elsewhere.
        let mut launches = self.launches.lock().unwrap_or_else(PoisonError::into_inner);
        *launches.entry(kernel).or_default() += 1;
    }

    pub(crate) fn launches(&self) -> BTreeMap<&'static str, u64> {
        self.launches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn snapshot(&self) -> Transfers {
        Transfers {
            uploads: self.uploads.load(Ordering::Relaxed),
            upload_bytes: self.upload_bytes.load(Ordering::Relaxed),
            downloads: self.downloads.load(Ordering::Relaxed),
            download_bytes: self.download_bytes.load(Ordering::Relaxed),
            replays: self.replays.load(Ordering::Relaxed),
        }
    }
}
