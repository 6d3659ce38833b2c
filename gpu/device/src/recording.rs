//! A chain of launches that is recorded once and queued again and again in one call.

use crate::backend::{Recorder, Tape};
use crate::error::DeviceError;
use crate::stream::Stream;

/// Launches of one stream, recorded. The buffers that they name must outlive its last replay; a replay after their end reads and
/// writes what is no longer theirs, and may lose the device.
#[derive(Debug)]
pub struct Recorded {
    /// `None` only when a new recording failed after the old one was given up.
    tape: Option<Box<dyn Tape>>,
    /// What a replay launches, to be counted.
    kernels: Vec<&'static str>,
}

impl Recorded {
    /// How many launches one replay queues.
    pub fn launches(&self) -> usize {
        self.kernels.len()
    }
}

impl Stream {
    /// Whether this stream can record: on `cuda` as a CUDA graph, on `wgpu` as launches with everything made that they need. On the
    /// `cpu` device a launch is a call and there is nothing to gain.
    pub fn can_record(&self) -> bool {
        self.lane().recorder().is_some()
    }

    /// Records what `chain` launches on this stream instead of running it. Launches take parameters and buffers as they are now.
    ///
    /// Inside, only launches and copies on the device are possible: uploading, waiting and copying to the host fail. Kernels must
    /// have been compiled, by a launch before.
    pub fn record<E: From<DeviceError>>(
        &self,
        chain: impl FnOnce(&Stream) -> Result<(), E>,
    ) -> Result<Recorded, E> {
        let mut recorded = Recorded {
            tape: None,
            kernels: Vec::new(),
        };
        self.record_again(&mut recorded, chain)?;
        Ok(recorded)
    }

    /// Records anew over an old recording. On `cuda` the same launches with other parameters or buffers change it in place, which is
    /// much cheaper than the first recording.
    pub fn record_again<E: From<DeviceError>>(
        &self,
        recorded: &mut Recorded,
        chain: impl FnOnce(&Stream) -> Result<(), E>,
    ) -> Result<(), E> {
        let recorder = self.recorder()?;
        recorder.begin()?;
        self.begin_notes();
        let outcome = chain(self);
        let kernels = self.end_notes();
        if let Err(error) = outcome {
            recorder.abandon();
            return Err(error);
        }
        recorded.tape = Some(recorder.end(recorded.tape.take())?);
        recorded.kernels = kernels;
        Ok(())
    }

    /// Queues everything that was recorded, in one call.
    pub fn replay(&self, recorded: &Recorded) -> Result<(), DeviceError> {
        let recorder = self.recorder()?;
        let tape = recorded
            .tape
            .as_deref()
            .ok_or_else(|| self.refused("nothing is recorded"))?;
        recorder.replay(tape)?;
        self.count_replay();
        for kernel in &recorded.kernels {
            self.count(kernel);
        }
        Ok(())
    }

    fn recorder(&self) -> Result<&dyn Recorder, DeviceError> {
        let recorder = self.lane().recorder();
        recorder.ok_or_else(|| self.refused("this device cannot record"))
    }

    fn refused(&self, detail: &str) -> DeviceError {
        DeviceError::Rejected {
            what: format!("recording on {}", self.name()),
            detail: detail.to_owned(),
        }
    }
}
