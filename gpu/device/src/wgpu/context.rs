//! What all streams and buffers of one wgpu device share: the device, its queue, its compiled kernels, its faults.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use ::wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindGroupLayout, BindingResource, Buffer,
    BufferBinding, ComputePipeline, ComputePipelineDescriptor, Device, Error, ErrorFilter,
    PollError, PollType, Queue, ShaderModuleDescriptor, ShaderSource, SubmissionIndex,
};

use crate::error::DeviceError;
use crate::kind::DeviceKind;
use crate::source::KernelSource;
use crate::transfer::TransferCounters;

/// Longest wait for the device; a kernel of this project takes milliseconds.
const WAIT_LIMIT: Duration = Duration::from_secs(30);

/// Longest wait for the word that a device which refused something is lost.
const LOSS_LIMIT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Context {
    pub(super) device: Device,
    pub(super) queue: Queue,
    pub(super) counters: Arc<TransferCounters>,
    /// Compiled kernels, by their source's address.
    kernels: Mutex<HashMap<usize, Kernel>>,
    faults: Arc<Mutex<Faults>>,
}

/// A compiled kernel.
#[derive(Debug, Clone)]
pub(super) struct Kernel {
    pub(super) pipeline: ComputePipeline,
    /// Of its one group.
    pub(super) layout: BindGroupLayout,
}

/// What the driver reported outside of any error scope.
#[derive(Debug, Default)]
struct Faults {
    /// Why the device is gone: stays for ever.
    lost: Option<String>,
    /// The first error since the last look.
    error: Option<String>,
}

impl Context {
    pub(super) fn new(device: Device, queue: Queue) -> Self {
        let faults = Arc::new(Mutex::new(Faults::default()));
        let seen = Arc::clone(&faults);
        device.set_device_lost_callback(move |reason, words| {
            held(&seen).lost = Some(format!("{reason:?}: {words}"));
        });
        let seen = Arc::clone(&faults);
        // Without a handler an error is a panic.
        device.on_uncaptured_error(Arc::new(move |error: Error| {
            held(&seen).error.get_or_insert(error.to_string());
        }));
        Context {
            device,
            queue,
            counters: Arc::new(TransferCounters::default()),
            kernels: Mutex::new(HashMap::new()),
            faults,
        }
    }

    /// Fails when the device is lost.
    pub(super) fn check_lost(&self) -> Result<(), DeviceError> {
        match held(&self.faults).lost.clone() {
            None => Ok(()),
            Some(detail) => Err(DeviceError::Lost {
                kind: DeviceKind::Wgpu,
                detail,
            }),
        }
    }

    /// Fails when the device is lost, or with the first error since the last look.
    pub(super) fn check(&self) -> Result<(), DeviceError> {
        self.check_lost()?;
        let error = held(&self.faults).error.take();
        error.map_or(Ok(()), |detail| Err(self.unless_lost(failed(detail))))
    }

    /// That the device is lost, where that is behind an error: a device that is gone refuses everything, and says why only to
    /// whoever waits for its work.
    fn unless_lost(&self, error: DeviceError) -> DeviceError {
        // What the wait itself says does not matter: the loss is told to the callback.
        let _ = self.device.poll(PollType::Wait {
            submission_index: None,
            timeout: Some(LOSS_LIMIT),
        });
        self.check_lost().err().unwrap_or(error)
    }

    /// Makes something and catches what the driver says against it. `bytes` is what an error about memory names.
    pub(super) fn guarded<T>(
        &self,
        label: &str,
        bytes: usize,
        make: impl FnOnce(&Device) -> T,
    ) -> Result<T, DeviceError> {
        self.check()?;
        let scopes = [
            ErrorFilter::Internal,
            ErrorFilter::Validation,
            ErrorFilter::OutOfMemory,
        ]
        .map(|filter| self.device.push_error_scope(filter));
        let made = make(&self.device);
        let mut refused = None;
        // Scopes end in the opposite order of their beginning.
        for scope in scopes.into_iter().rev() {
            refused = ready(scope.pop()).flatten().or(refused);
        }
        match refused {
            None => Ok(made),
            Some(Error::OutOfMemory { .. }) => Err(DeviceError::OutOfMemory {
                bytes,
                label: label.to_owned(),
            }),
            Some(error) => Err(self.unless_lost(DeviceError::Rejected {
                what: label.to_owned(),
                detail: error.to_string(),
            })),
        }
    }

    /// The compiled form of a kernel, compiled at its first use.
    pub(super) fn kernel(&self, source: &'static KernelSource) -> Result<Kernel, DeviceError> {
        let mut kernels = held(&self.kernels);
        if let Some(kernel) = kernels.get(&source.address()) {
            return Ok(kernel.clone());
        }
        let kernel = self.guarded(source.name, 0, |device| {
            let module = device.create_shader_module(ShaderModuleDescriptor {
                label: Some(source.name),
                source: ShaderSource::Wgsl(source.wgsl.into()),
            });
            let pipeline = device.create_compute_pipeline(&ComputePipelineDescriptor {
                label: Some(source.name),
                layout: None,
                module: &module,
                entry_point: Some(source.name),
                compilation_options: ::wgpu::PipelineCompilationOptions::default(),
                cache: None,
            });
            let layout = pipeline.get_bind_group_layout(0);
            Kernel { pipeline, layout }
        })?;
        kernels.insert(source.address(), kernel.clone());
        Ok(kernel)
    }

    /// What a launch of a kernel reads and writes: parameters first, then the buffers in the order of the text.
    pub(super) fn bind<'a>(
        &self,
        kernel: &Kernel,
        name: &str,
        params: BufferBinding<'a>,
        buffers: impl Iterator<Item = &'a Buffer>,
    ) -> Result<BindGroup, DeviceError> {
        let buffers = buffers.map(Buffer::as_entire_binding);
        let entries: Vec<_> = (0_u32..)
            .zip(std::iter::once(BindingResource::Buffer(params)).chain(buffers))
            .map(|(binding, resource)| BindGroupEntry { binding, resource })
            .collect();
        self.guarded(name, 0, |device| {
            device.create_bind_group(&BindGroupDescriptor {
                label: Some(name),
                layout: &kernel.layout,
                entries: &entries,
            })
        })
    }

    /// Waits for one submission, or for all of them.
    pub(super) fn wait(
        &self,
        submission_index: Option<SubmissionIndex>,
    ) -> Result<(), DeviceError> {
        let waited = self.device.poll(PollType::Wait {
            submission_index,
            timeout: Some(WAIT_LIMIT),
        });
        self.check()?;
        match waited {
            Ok(_) => Ok(()),
            Err(PollError::Timeout) => Err(failed(format!(
                "no answer within {} s",
                WAIT_LIMIT.as_secs()
            ))),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

/// An error of the driver that fits no other variant.
pub(super) fn failed(detail: String) -> DeviceError {
    DeviceError::Failed {
        kind: DeviceKind::Wgpu,
        detail,
    }
}

/// Takes a lock whose content is whole after a panic elsewhere.
pub(super) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The result of a future that does not wait, as all of wgpu's are outside browsers.
pub(super) fn ready<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(Waker::noop());
    match future.as_mut().poll(&mut context) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}
