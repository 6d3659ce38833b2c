//! Counting what crosses the border between host and device memory.

use std::sync::atomic::{AtomicU64, Ordering};

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
}

/// The live counters behind [`Transfers`], shared by a device and its buffers.
#[derive(Debug, Default)]
pub(crate) struct TransferCounters {
    uploads: AtomicU64,
    upload_bytes: AtomicU64,
    downloads: AtomicU64,
    download_bytes: AtomicU64,
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

    pub(crate) fn snapshot(&self) -> Transfers {
        Transfers {
            uploads: self.uploads.load(Ordering::Relaxed),
            upload_bytes: self.upload_bytes.load(Ordering::Relaxed),
            downloads: self.downloads.load(Ordering::Relaxed),
            download_bytes: self.download_bytes.load(Ordering::Relaxed),
        }
    }
}
