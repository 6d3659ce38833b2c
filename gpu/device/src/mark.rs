//! A place in a stream's queue, to ask whether the device has come that far.

use crate::backend::Passed;
use crate::error::DeviceError;
use crate::stream::Stream;

/// The end of what was queued on a stream when it was made.
#[derive(Debug)]
pub struct Mark {
    passed: Box<dyn Passed>,
}

impl Mark {
    /// Whether everything queued before it is done, or never will be because the device is lost. Waits for nothing.
    pub fn is_reached(&self) -> bool {
        self.passed.is_reached()
    }

    /// Waits until it is.
    pub fn wait(&self) {
        self.passed.wait();
    }
}

impl Stream {
    /// Marks the end of what is queued now. On `cuda` an event, which costs microseconds; elsewhere it waits for the work itself.
    pub fn mark(&self) -> Result<Mark, DeviceError> {
        let passed = self.lane().mark()?;
        Ok(Mark { passed })
    }
}
