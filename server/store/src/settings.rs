//! What the caller chooses.

use std::path::PathBuf;

use crate::write::encounter::StepHook;

/// Settings of a [`crate::Store`].
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// State folder; created with mode 0700 where missing. Its mode is tightened to 0700, so give the store a folder
    /// of its own.
    pub dir: PathBuf,
    /// Largest size of the database in pages of 4096 bytes; beyond it commands answer `StoreFull`.
    pub max_page_count: Option<u64>,
    /// Commands that may wait for the writer before senders block.
    pub writer_queue: usize,
    /// Read-only connections, each with its own thread.
    pub readers: usize,
    /// Called inside the encounter commit; for tests that stop the process there.
    pub step_hook: Option<StepHook>,
}

impl StoreSettings {
    /// Default settings for a folder: no size limit, 256 waiting commands, 3 readers.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            max_page_count: None,
            writer_queue: 256,
            readers: 3,
            step_hook: None,
        }
    }
}
