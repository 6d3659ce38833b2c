//! ONNX Runtime's CUDA provider: device pointers in, device pointers out, on our stream.

#![expect(
    unsafe_code,
    reason = "hands device memory and a stream to a C library"
)]

use std::ffi::{CString, c_void};
use std::fmt;
use std::path::Path;

use lsie_device::{Buffer, Stream};
use ort::AsPointer;
use ort::ep::ExecutionProvider;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{IoBinding, NoSelectedOutputs, RunOptions, Session};
use ort::value::{Shape, TensorRefMut};

use crate::error::InferError;
use crate::network::{Network, TensorInfo};
use crate::provider::Provider;
use crate::runtime::{ModelSource, Runtime, binding_fault, tensor_infos};

impl Runtime {
    /// Whether the CUDA provider of this library opens on a device; else [`InferError::ProviderAbsent`] with the way to get it.
    pub fn check_cuda(&self, device_index: usize) -> Result<(), InferError> {
        let provider = ort::ep::CUDA::default().with_device_id(ordinal(device_index));
        self.session_builder(provider).map(drop)
    }

    /// Loads a model for the CUDA provider, to run on `stream`. Never falls back: where the provider is missing it is
    /// [`InferError::ProviderAbsent`], and a model with an operation that only the processor has is refused.
    pub fn open_on_cuda(
        &self,
        model: &Path,
        device_index: usize,
        stream: &Stream,
    ) -> Result<OrtCudaNetwork, InferError> {
        self.open_source_on_cuda(&ModelSource::File(model), device_index, stream)
    }

    pub(crate) fn open_source_on_cuda(
        &self,
        model: &ModelSource<'_>,
        device_index: usize,
        stream: &Stream,
    ) -> Result<OrtCudaNetwork, InferError> {
        self.check_cuda(device_index)?;
        OrtCudaNetwork::open(self, model, device_index, stream)
    }

    fn session_builder(
        &self,
        provider: ort::ep::CUDA,
    ) -> Result<ort::session::builder::SessionBuilder, InferError> {
        let absent = |reason: String| InferError::ProviderAbsent {
            provider: Provider::OnnxCuda,
            reason,
            how_to_get: Provider::OnnxCuda.how_to_get(),
        };
        let is_built_in = ort::ep::CUDA::is_available().unwrap_or(false);
        if !is_built_in {
            let library = self.library().file_name().unwrap_or_default();
            let library = library.to_string_lossy();
            return Err(absent(format!("{library} was built without it")));
        }
        Session::builder(self.environment())
            .map_err(|error| absent(error.to_string()))?
            .with_execution_providers([provider.build().error_on_failure()])
            .map_err(|error| absent(error.to_string()))
    }
}

/// A model run by ONNX Runtime on an NVIDIA GPU. Buffers are bound where they lie; nothing crosses to the host, and `run` only
/// queues. It allocates and may wait inside the library, so it cannot be recorded.
pub struct OrtCudaNetwork {
    // Before the stream: the provider uses it until it is gone.
    binding: IoBinding,
    session: Session,
    options: RunOptions<NoSelectedOutputs>,
    /// Addresses that are bound now: inputs, then outputs.
    bound: Vec<u64>,
    tensors: Vec<TensorRefMut<'static, f32>>,
    inputs: Vec<TensorInfo>,
    outputs: Vec<TensorInfo>,
    device_index: usize,
    stream: Stream,
    model: String,
}

// SAFETY: the tensors are descriptions of device memory that nothing but the library follows; session and binding may move between
// threads, and `run` takes the network alone.
unsafe impl Send for OrtCudaNetwork {}

impl fmt::Debug for OrtCudaNetwork {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("OrtCudaNetwork")
            .field("model", &self.model)
            .field("device_index", &self.device_index)
            .finish_non_exhaustive()
    }
}

impl OrtCudaNetwork {
    fn open(
        runtime: &Runtime,
        model: &ModelSource<'_>,
        device_index: usize,
        stream: &Stream,
    ) -> Result<Self, InferError> {
        let name = model.name();
        let failed = |reason: String| InferError::Runtime {
            operation: "load",
            model: name.clone(),
            reason,
        };
        let handle = stream
            .raw_handle()
            .ok_or_else(|| failed(format!("the stream is one of the {} device", stream.kind())))?;
        let provider = ort::ep::CUDA::default().with_device_id(ordinal(device_index));
        // SAFETY: the network keeps the stream and drops it after the session.
        let provider = unsafe { provider.with_compute_stream(handle as *mut ()) };
        let mut builder = runtime
            .session_builder(provider)?
            .with_config_entry("session.disable_cpu_ep_fallback", "1")
            .map_err(|error| failed(error.to_string()))?
            .with_optimization_level(GraphOptimizationLevel::All)
            .map_err(|error| failed(error.to_string()))?;
        let session = model.commit(&mut builder);
        let session = session.map_err(|error| failed(error.to_string()))?;
        let inputs = tensor_infos(session.inputs()).map_err(&failed)?;
        let outputs = tensor_infos(session.outputs()).map_err(&failed)?;
        let mut options = RunOptions::new().map_err(|error| failed(error.to_string()))?;
        options
            .disable_device_sync()
            .map_err(|error| failed(error.to_string()))?;
        Ok(OrtCudaNetwork {
            binding: session
                .create_binding()
                .map_err(|error| failed(error.to_string()))?,
            session,
            options,
            bound: Vec::new(),
            tensors: Vec::new(),
            inputs,
            outputs,
            device_index,
            stream: stream.clone(),
            model: name,
        })
    }

    /// Binds every tensor to its address. The library keeps them until the next binding.
    fn bind(&mut self, addresses: &[u64]) -> Result<(), ort::Error> {
        self.bound.clear();
        self.binding.clear();
        self.tensors.clear();
        let sides = [(&self.inputs, true), (&self.outputs, false)];
        let infos = sides
            .into_iter()
            .flat_map(|(infos, is_input)| infos.iter().map(move |info| (info, is_input)));
        for ((info, is_input), address) in infos.zip(addresses) {
            let memory = MemoryInfo::new(
                AllocationDevice::CUDA,
                ordinal(self.device_index),
                AllocatorType::Device,
                MemoryType::Default,
            )?;
            let sizes = info.shape.iter();
            let shape: Vec<i64> = sizes
                .map(|size| i64::try_from(*size).unwrap_or(i64::MAX))
                .collect();
            // SAFETY: `run` has found a buffer of at least this tensor's length there; the caller keeps it while work is queued.
            let tensor = unsafe {
                TensorRefMut::<f32>::from_raw(memory, *address as *mut c_void, Shape::new(shape))?
            };
            let name = CString::new(info.name.as_str())
                .map_err(|error| ort::Error::new(error.to_string()))?;
            let binding = self.binding.ptr().cast_mut();
            // The safe form copies what it did not allocate itself.
            // SAFETY: binding, name and tensor are alive; the tensor is kept below for as long as it is bound.
            unsafe {
                let status = if is_input {
                    (ort::api().BindInput)(binding, name.as_ptr(), tensor.ptr())
                } else {
                    (ort::api().BindOutput)(binding, name.as_ptr(), tensor.ptr())
                };
                ort::Error::result_from_status(status)?;
            }
            self.tensors.push(tensor);
        }
        self.bound.extend_from_slice(addresses);
        Ok(())
    }
}

impl Network for OrtCudaNetwork {
    fn inputs(&self) -> &[TensorInfo] {
        &self.inputs
    }

    fn outputs(&self) -> &[TensorInfo] {
        &self.outputs
    }

    fn metadata(&self, key: &str) -> Option<String> {
        self.session.metadata().ok()?.custom(key)
    }

    fn run(
        &mut self,
        stream: &Stream,
        inputs: &[&Buffer],
        outputs: &mut [&mut Buffer],
    ) -> Result<(), InferError> {
        let addresses = device_addresses(stream, self, inputs, outputs)?;
        let failed = |model: &str, error: ort::Error| InferError::Runtime {
            operation: "run",
            model: model.to_owned(),
            reason: error.to_string(),
        };
        if stream.raw_handle() != self.stream.raw_handle() {
            let error = ort::Error::new("it was opened for another stream");
            return Err(failed(&self.model, error));
        }
        if addresses != self.bound {
            self.bind(&addresses)
                .map_err(|error| failed(&self.model, error))?;
        }
        self.session
            .run_binding_with_options(&self.binding, &self.options)
            .map(drop)
            .map_err(|error| failed(&self.model, error))
    }
}

/// Addresses of all buffers, inputs first, each checked against its tensor.
pub(crate) fn device_addresses(
    stream: &Stream,
    network: &dyn Network,
    inputs: &[&Buffer],
    outputs: &[&mut Buffer],
) -> Result<Vec<u64>, InferError> {
    let ins = network.inputs().iter().enumerate();
    let ins = ins.map(|(n, info)| (info, inputs.get(n).copied()));
    let outs = network.outputs().iter().enumerate();
    let outs = outs.map(|(n, info)| (info, outputs.get(n).map(|buffer| &**buffer)));
    ins.chain(outs)
        .map(|(info, buffer)| {
            let refused = || binding_fault(info, "cuda", buffer.map(Buffer::label));
            let buffer = buffer.ok_or_else(refused)?;
            buffer.check_stream(stream)?;
            let is_long_enough = buffer.len_bytes() >= info.len_bytes();
            buffer
                .raw_address()
                .filter(|_| is_long_enough)
                .ok_or_else(refused)
        })
        .collect()
}

fn ordinal(device_index: usize) -> i32 {
    i32::try_from(device_index).unwrap_or(i32::MAX)
}
