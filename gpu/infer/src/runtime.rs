//! ONNX Runtime, opened at run time, on the processor.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use lsie_device::{Buffer, Stream};
use ort::environment::Environment;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{HasSelectedOutputs, OutputSelector, RunOptions, Session, SessionInputValue};
use ort::value::{Outlet, Tensor, TensorElementType, TensorRef, ValueType};

use crate::error::InferError;
use crate::network::{Network, TensorInfo};

/// Environment variable that, set to `1`, keeps ONNX Runtime from gathering usage data and sending it to its publisher. The library
/// reads it while it is opened; what its interface offers comes after the first record.
pub const TELEMETRY_OFF: &str = "ORT_DISABLE_TELEMETRY";

/// The library can be opened once per process; later requests share it.
static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

/// Largest input or output; the networks of the manifest stay below 1 MiB.
const MAX_ELEMENTS: usize = 1 << 26;

/// The opened inference library. A clone is the same library.
#[derive(Debug, Clone)]
pub struct Runtime {
    environment: Environment,
    library: PathBuf,
}

impl Runtime {
    /// Opens the library at `path`. A process has one: opening the same file again is free, another file is
    /// [`InferError::RuntimeUnavailable`]. Refuses with [`InferError::TelemetryOn`] unless [`TELEMETRY_OFF`] is `1`.
    pub fn load(path: &Path) -> Result<Self, InferError> {
        let unavailable = |reason: String| InferError::RuntimeUnavailable {
            path: path.to_owned(),
            reason,
        };
        if std::env::var_os(TELEMETRY_OFF).is_none_or(|value| value != "1") {
            return Err(InferError::TelemetryOn {
                variable: TELEMETRY_OFF,
            });
        }
        let library = path
            .canonicalize()
            .map_err(|error| unavailable(error.to_string()))?;
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = loaded.as_ref() {
            if runtime.library == library {
                return Ok(runtime.clone());
            }
            let reason = format!("{} is loaded already", runtime.library.display());
            return Err(unavailable(reason));
        }
        let environment = ort::init_from(&library)
            .map_err(|error| unavailable(error.to_string()))?
            .with_name("lsie")
            .with_telemetry(false)
            .build()
            .map_err(|error| unavailable(error.to_string()))?;
        let runtime = Runtime {
            environment,
            library,
        };
        *loaded = Some(runtime.clone());
        Ok(runtime)
    }

    /// The file that was opened.
    pub fn library(&self) -> &Path {
        &self.library
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The library's version and how it was built, in its own words.
    pub fn description(&self) -> &'static str {
        ort::info()
    }

    /// The providers that the library was built with, by its own names. Whether one opens on this machine is another question.
    pub fn providers(&self) -> Vec<&'static str> {
        use ort::ep::{CPU, CUDA, ExecutionProvider, NVRTX, TensorRT, WebGPU};
        fn of<P: ExecutionProvider>() -> Option<&'static str> {
            P::is_available().unwrap_or(false).then_some(P::NAME)
        }
        let known = [
            of::<TensorRT>(),
            of::<NVRTX>(),
            of::<CUDA>(),
            of::<WebGPU>(),
            of::<CPU>(),
        ];
        known.into_iter().flatten().collect()
    }

    /// Loads a model for the processor: one thread, deterministic. Sizes are fixed but for named axes of inputs.
    pub fn open(&self, model: &Path) -> Result<OrtNetwork, InferError> {
        self.open_source(&ModelSource::File(model))
    }

    pub(crate) fn open_source(&self, model: &ModelSource<'_>) -> Result<OrtNetwork, InferError> {
        OrtNetwork::open(self, model)
    }
}

/// Where a model in ONNX form is read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ModelSource<'m> {
    /// In a file.
    File(&'m Path),
    /// In memory, under a name for errors.
    Bytes { name: &'m str, bytes: &'m [u8] },
}

impl ModelSource<'_> {
    pub(crate) fn name(&self) -> String {
        match self {
            ModelSource::File(path) => path.display().to_string(),
            ModelSource::Bytes { name, .. } => (*name).to_owned(),
        }
    }

    pub(crate) fn commit(&self, builder: &mut SessionBuilder) -> ort::Result<Session> {
        match self {
            ModelSource::File(path) => builder.commit_from_file(path),
            ModelSource::Bytes { bytes, .. } => builder.commit_from_memory(bytes),
        }
    }

    #[cfg(feature = "tensorrt")]
    pub(crate) fn bytes(&self) -> Result<std::borrow::Cow<'_, [u8]>, InferError> {
        match self {
            ModelSource::File(path) => {
                let read = std::fs::read(path).map(Into::into);
                read.map_err(|source| InferError::Io {
                    path: (*path).to_owned(),
                    source,
                })
            }
            ModelSource::Bytes { bytes, .. } => Ok((*bytes).into()),
        }
    }
}

/// A model run by ONNX Runtime on the processor, on the thread that calls it.
///
/// Inputs are read where they lie. Outputs are computed into memory that is made once at loading and then copied into the
/// caller's buffers (a few kilobytes: the library refuses to bind foreign memory safely).
pub struct OrtNetwork {
    session: Session,
    options: RunOptions<HasSelectedOutputs>,
    inputs: Vec<Input>,
    input_infos: Vec<TensorInfo>,
    free_axes: Vec<FreeAxis>,
    outputs: Vec<TensorInfo>,
    model: String,
}

/// An axis of an input whose size the caller chooses.
#[derive(Debug)]
struct FreeAxis {
    name: String,
    input: usize,
    axis: usize,
}

/// The shape of an input as the library takes it.
#[derive(Debug)]
struct Input {
    shape: Vec<i64>,
}

impl fmt::Debug for OrtNetwork {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("OrtNetwork")
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

impl OrtNetwork {
    fn open(runtime: &Runtime, model: &ModelSource<'_>) -> Result<Self, InferError> {
        let name = model.name();
        let failed = |reason: String| InferError::Runtime {
            operation: "load",
            model: name.clone(),
            reason,
        };
        let session = build_session(runtime, model).map_err(&failed)?;
        let input_infos = tensor_infos(session.inputs()).map_err(&failed)?;
        let outputs = tensor_infos(session.outputs()).map_err(&failed)?;
        let free_axes = free_axes(session.inputs());
        if let Some(axis) = self::free_axes(session.outputs()).first() {
            return Err(failed(format!("an output has the free axis {}", axis.name)));
        }
        let mut selector = OutputSelector::default();
        for output in &outputs {
            let memory = Tensor::<f32>::new(session.allocator(), output.shape.clone())
                .map_err(|error| failed(error.to_string()))?;
            selector = selector.preallocate(output.name.clone(), memory);
        }
        let options = RunOptions::new()
            .map_err(|error| failed(error.to_string()))?
            .with_outputs(selector);
        let inputs = input_infos.iter().map(Input::new).collect();
        Ok(OrtNetwork {
            session,
            options,
            inputs,
            input_infos,
            free_axes,
            outputs,
            model: name,
        })
    }
}

impl Network for OrtNetwork {
    fn inputs(&self) -> &[TensorInfo] {
        &self.input_infos
    }

    fn outputs(&self) -> &[TensorInfo] {
        &self.outputs
    }

    fn set_axis(&mut self, axis: &str, size: usize) -> Result<(), InferError> {
        let refused = || InferError::Axis {
            axis: axis.to_owned(),
            size,
        };
        let mut infos = self.input_infos.clone();
        let mut is_known = false;
        for free in self.free_axes.iter().filter(|free| free.name == axis) {
            let info = infos.get_mut(free.input).ok_or_else(refused)?;
            *info.shape.get_mut(free.axis).ok_or_else(refused)? = size;
            is_known = is_known || size > 0;
        }
        if !is_known || infos.iter().any(|info| !is_bounded(&info.shape)) {
            return Err(refused());
        }
        self.inputs = infos.iter().map(Input::new).collect();
        self.input_infos = infos;
        Ok(())
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
        let failed = |error: ort::Error| InferError::Runtime {
            operation: "run",
            model: self.model.clone(),
            reason: error.to_string(),
        };
        let mut values: Vec<SessionInputValue<'_>> = Vec::with_capacity(inputs.len());
        for (position, info) in self.input_infos.iter().enumerate() {
            let buffer = inputs.get(position);
            let data = buffer
                .map(|buffer| buffer.check_stream(stream).map(|()| buffer.host::<f32>()))
                .transpose()?
                .flatten()
                .and_then(|data| data.get(..info.elements()));
            let (Some(data), Some(input)) = (data, self.inputs.get(position)) else {
                return Err(binding(info, buffer.map(|buffer| buffer.label())));
            };
            let shape = input.shape.as_slice();
            values.push(
                TensorRef::from_array_view((shape, data))
                    .map_err(failed)?
                    .into(),
            );
        }
        let results = self
            .session
            .run_with_options(values.as_slice(), &self.options)
            .map_err(failed)?;
        for (position, info) in self.outputs.iter().enumerate() {
            let Some(buffer) = outputs.get_mut(position) else {
                return Err(binding(info, None));
            };
            buffer.check_stream(stream)?;
            let label = buffer.label().to_owned();
            let Some(target) = buffer
                .host_mut::<f32>()
                .and_then(|data| data.get_mut(..info.elements()))
            else {
                return Err(binding(info, Some(&label)));
            };
            let value = results.get(&info.name).ok_or_else(|| binding(info, None))?;
            let (_, numbers) = value.try_extract_tensor::<f32>().map_err(failed)?;
            if numbers.len() != target.len() {
                return Err(binding(info, Some(&label)));
            }
            target.copy_from_slice(numbers);
        }
        Ok(())
    }
}

impl Input {
    fn new(info: &TensorInfo) -> Self {
        let sizes = info.shape.iter();
        Input {
            shape: sizes
                .map(|size| i64::try_from(*size).unwrap_or(i64::MAX))
                .collect(),
        }
    }
}

fn build_session(runtime: &Runtime, model: &ModelSource<'_>) -> Result<Session, String> {
    let mut builder = Session::builder(&runtime.environment)
        .map_err(|error| error.to_string())?
        .with_intra_threads(1)
        .map_err(|error| error.to_string())?
        .with_inter_threads(1)
        .map_err(|error| error.to_string())?
        .with_deterministic_compute(true)
        .map_err(|error| error.to_string())?
        .with_optimization_level(GraphOptimizationLevel::All)
        .map_err(|error| error.to_string())?;
    let session = model.commit(&mut builder);
    session.map_err(|error| error.to_string())
}

/// The tensors of one side of a model, or why they cannot be taken.
pub(crate) fn tensor_infos(outlets: &[Outlet]) -> Result<Vec<TensorInfo>, String> {
    outlets.iter().map(tensor_info).collect()
}

fn tensor_info(outlet: &Outlet) -> Result<TensorInfo, String> {
    let name = outlet.name().to_owned();
    if outlet.dtype().tensor_type() != Some(TensorElementType::Float32) {
        return Err(format!("{name} is no tensor of 32-bit floats"));
    }
    let ValueType::Tensor {
        shape,
        dimension_symbols,
        ..
    } = outlet.dtype()
    else {
        return Err(format!("{name} is no tensor"));
    };
    let symbols = dimension_symbols.iter().map(String::as_str);
    let sizes = shape.iter().zip(symbols.chain(std::iter::repeat("")));
    let shape = sizes
        .map(|(size, symbol)| match usize::try_from(*size) {
            Ok(size) => Some(size),
            Err(_) => (!symbol.is_empty()).then_some(1),
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| format!("{name} has a size that is neither fixed nor named"))?;
    if !is_bounded(&shape) {
        return Err(format!("{name} is larger than {MAX_ELEMENTS} numbers"));
    }
    Ok(TensorInfo { name, shape })
}

fn is_bounded(shape: &[usize]) -> bool {
    let elements = shape
        .iter()
        .try_fold(1_usize, |all, size| all.checked_mul(*size));
    elements.is_some_and(|elements| elements <= MAX_ELEMENTS)
}

/// The axes without a size that have a name.
fn free_axes(outlets: &[Outlet]) -> Vec<FreeAxis> {
    let mut found = Vec::new();
    for (input, outlet) in outlets.iter().enumerate() {
        if let ValueType::Tensor {
            shape,
            dimension_symbols,
            ..
        } = outlet.dtype()
        {
            let named = shape.iter().zip(dimension_symbols.iter()).enumerate();
            let free = named.filter(|(_, (size, name))| **size < 0 && !name.is_empty());
            found.extend(free.map(|(axis, (_, name))| FreeAxis {
                name: name.clone(),
                input,
                axis,
            }));
        }
    }
    found
}

fn binding(info: &TensorInfo, label: Option<&str>) -> InferError {
    binding_fault(info, "cpu", label)
}

/// The error for a buffer that does not fit a tensor.
pub(crate) fn binding_fault(
    info: &TensorInfo,
    wanted_device: &'static str,
    label: Option<&str>,
) -> InferError {
    InferError::Binding {
        tensor: info.name.clone(),
        wanted_bytes: info.len_bytes(),
        wanted_device,
        label: label.unwrap_or("none").to_owned(),
    }
}
