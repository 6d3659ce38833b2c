//! A network that TensorRT runs.

#![expect(
    unsafe_code,
    reason = "hands device memory and a stream to a C++ library"
)]

use std::fmt;
use std::rc::Rc;

use lsie_device::{Buffer, Stream};
use trtx::{CudaEngine, CudaGraphStrategy, DataType, ExecutionContext, Runtime};

use super::TensorRt;
use crate::error::InferError;
use crate::network::{Network, TensorInfo};
use crate::onnx_cuda::device_addresses;

/// Who makes a CUDA graph of the engine's launches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphUse {
    /// The library, by itself.
    Library,
    /// The caller, who records the stream with everything before and behind.
    Caller,
}

/// An engine that is bound to device memory and runs on our stream.
pub struct TensorRtNetwork {
    // In the order in which they must go.
    context: ExecutionContext<'static>,
    _engine: CudaEngine<'static>,
    _runtime: Runtime<'static>,
    bound: Vec<u64>,
    inputs: Vec<TensorInfo>,
    outputs: Vec<TensorInfo>,
    graph: GraphUse,
    model: String,
}

// SAFETY: the library lets any thread use an engine and its context, one at a time, which `&mut self` keeps; the count of the
// configuration's owners changes only where the network is made and dropped, on one thread each.
unsafe impl Send for TensorRtNetwork {}

impl fmt::Debug for TensorRtNetwork {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TensorRtNetwork")
            .field("model", &self.model)
            .field("graph", &self.graph)
            .finish_non_exhaustive()
    }
}

impl TensorRt {
    /// Opens a built engine on the calling thread's CUDA device. The caller's context must be current.
    pub fn open_engine(
        &self,
        name: &str,
        engine: &[u8],
        graph: GraphUse,
    ) -> Result<TensorRtNetwork, InferError> {
        let failed = |error: &dyn fmt::Display| InferError::Runtime {
            operation: "open the engine of",
            model: name.to_owned(),
            reason: error.to_string(),
        };
        let mut runtime = Runtime::new(self.logger).map_err(|error| failed(&error))?;
        let mut engine = runtime
            .deserialize_cuda_engine(engine)
            .map_err(|error| failed(&error))?;
        let infos = |engine: &CudaEngine<'_>, names: Vec<String>| {
            let infos = names.into_iter().map(|name| tensor_info(engine, name));
            infos.collect::<Result<Vec<_>, String>>()
        };
        let names = engine
            .input_tensor_names()
            .map_err(|error| failed(&error))?;
        let inputs = infos(&engine, names.collect()).map_err(|error| failed(&error))?;
        let names = engine
            .output_tensor_names()
            .map_err(|error| failed(&error))?;
        let outputs = infos(&engine, names.collect()).map_err(|error| failed(&error))?;
        let mut config = engine
            .create_runtime_config()
            .map_err(|error| failed(&error))?;
        let strategy = match graph {
            GraphUse::Library => CudaGraphStrategy::kWHOLE_GRAPH_CAPTURE,
            GraphUse::Caller => CudaGraphStrategy::kDISABLED,
        };
        config
            .set_cuda_graph_strategy(strategy)
            .map_err(|error| failed(&error))?;
        let context = engine
            .create_execution_context_with_config(Rc::new(config))
            .map_err(|error| failed(&error))?;
        Ok(TensorRtNetwork {
            context,
            _engine: engine,
            _runtime: runtime,
            bound: Vec::new(),
            inputs,
            outputs,
            graph,
            model: name.to_owned(),
        })
    }
}

impl TensorRtNetwork {
    fn bind(&mut self, addresses: &[u64]) -> Result<(), trtx::Error> {
        self.bound.clear();
        let infos = self.inputs.iter().chain(&self.outputs);
        for (info, address) in infos.zip(addresses) {
            // SAFETY: `run` has found a buffer of at least this tensor's length there; the caller keeps it while work is queued.
            unsafe {
                self.context
                    .set_tensor_address(&info.name, *address as *mut std::ffi::c_void)?;
            }
        }
        self.bound.extend_from_slice(addresses);
        Ok(())
    }
}

impl Network for TensorRtNetwork {
    fn inputs(&self) -> &[TensorInfo] {
        &self.inputs
    }

    fn outputs(&self) -> &[TensorInfo] {
        &self.outputs
    }

    /// Engines carry none; ask the file that it was built from.
    fn metadata(&self, _: &str) -> Option<String> {
        None
    }

    fn can_be_recorded(&self) -> bool {
        self.graph == GraphUse::Caller
    }

    fn run(
        &mut self,
        stream: &Stream,
        inputs: &[&Buffer],
        outputs: &mut [&mut Buffer],
    ) -> Result<(), InferError> {
        let failed = |model: &str, reason: String| InferError::Runtime {
            operation: "run",
            model: model.to_owned(),
            reason,
        };
        let addresses = device_addresses(stream, self, inputs, outputs)?;
        let handle = stream.raw_handle().ok_or_else(|| {
            let words = format!("the stream is one of the {} device", stream.kind());
            failed(&self.model, words)
        })?;
        if addresses != self.bound {
            self.bind(&addresses)
                .map_err(|error| failed(&self.model, error.to_string()))?;
        }
        // SAFETY: the stream lives for this call and its queue outlives the work; every tensor has an address of its length.
        unsafe { self.context.enqueue_v3(handle as *mut std::ffi::c_void) }
            .map_err(|error| failed(&self.model, error.to_string()))
    }
}

/// Name and sizes of a tensor of 32-bit floats.
fn tensor_info(engine: &CudaEngine<'_>, name: String) -> Result<TensorInfo, String> {
    let data_type = engine
        .tensor_data_type(&name)
        .map_err(|error| error.to_string())?;
    if data_type != DataType::kFLOAT {
        return Err(format!("{name} is no tensor of 32-bit floats"));
    }
    let sizes = engine
        .tensor_shape(&name)
        .map_err(|error| error.to_string())?;
    let shape = sizes.iter().map(|size| usize::try_from(*size));
    let shape = shape
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| format!("{name} has a size that is not fixed"))?;
    Ok(TensorInfo { name, shape })
}
