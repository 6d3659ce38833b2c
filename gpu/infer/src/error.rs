//! What can go wrong with models, and what to do about each.

use std::path::PathBuf;

use lsie_device::DeviceError;

use crate::provider::Provider;

/// A model or the inference runtime refused. The variants say what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// The model is not in the cache. Report the feature as unavailable and show `how_to_get`.
    #[error("model {name} is not installed; {how_to_get}")]
    ModelMissing {
        /// Name in the manifest.
        name: String,
        /// One sentence for the operator.
        how_to_get: String,
    },
    /// No model has this name. The caller's name is wrong.
    #[error("no model is called {name}")]
    UnknownModel {
        /// The name that was asked for.
        name: String,
    },
    /// A file is not what the manifest describes. Remove it and fetch again.
    #[error("{path} is not what the manifest describes: {fault}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: FileFault,
    },
    /// The file could not be converted to ONNX.
    #[error("{name} cannot be converted")]
    Convert {
        /// Name in the manifest.
        name: String,
        /// Why.
        #[source]
        source: ConvertError,
    },
    /// The manifest itself cannot be used. Only a manifest given by the caller can be at fault.
    #[error("model manifest: {reason}")]
    Manifest {
        /// What is wrong.
        reason: String,
    },
    /// The inference library is missing or cannot be opened. Fetch it, or give another path.
    #[error("ONNX Runtime cannot be loaded from {path}: {reason}")]
    RuntimeUnavailable {
        /// The library that was asked for.
        path: PathBuf,
        /// What the loader said.
        reason: String,
    },
    /// The library that was asked for cannot run networks here. Do what `how_to_get` says, or ask for another; none is taken in its
    /// place.
    #[error("{provider} cannot be used: {reason}; {how_to_get}")]
    ProviderAbsent {
        /// What was asked for.
        provider: Provider,
        /// What is missing.
        reason: String,
        /// One sentence for the operator.
        how_to_get: &'static str,
    },
    /// The inference library would gather usage data. Start the program with the variable set; `lsie` does so for itself.
    #[error("ONNX Runtime would gather usage data: set {variable}=1")]
    TelemetryOn {
        /// Name of the environment variable.
        variable: &'static str,
    },
    /// The inference library refused a model or a run.
    #[error("cannot {operation} {model}: {reason}")]
    Runtime {
        /// The verb.
        operation: &'static str,
        /// The model's file.
        model: String,
        /// What the library said.
        reason: String,
    },
    /// A buffer does not fit the tensor it was given for. The caller's buffers are wrong.
    #[error(
        "{tensor} takes {wanted_bytes} bytes on {wanted_device}, the buffer {label} does not fit"
    )]
    Binding {
        /// Name of the tensor.
        tensor: String,
        /// Bytes it takes.
        wanted_bytes: usize,
        /// The device on which the network runs.
        wanted_device: &'static str,
        /// The buffer's label, or `none` where it is missing.
        label: String,
    },
    /// The model has no free axis of that name, or it does not take that size. The caller's size is wrong.
    #[error("no free axis {axis} takes the size {size}")]
    Axis {
        /// Name of the axis.
        axis: String,
        /// The size that was asked for.
        size: usize,
    },
    /// The network answers with other numbers than the manifest recorded. Do not use it on this machine.
    #[error("self-test of {name}: {output}[{index}] is {found}, recorded was {wanted}")]
    SelfTest {
        /// Name in the manifest.
        name: String,
        /// Name of the output.
        output: String,
        /// Place in it.
        index: usize,
        /// What came out.
        found: f32,
        /// What the manifest says.
        wanted: f32,
    },
    /// The device refused.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The cache folder cannot be read or written.
    #[error("{path}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// How a file differs from the manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileFault {
    /// It has other bytes.
    #[error("its hash is {found}, not {wanted}")]
    Hash {
        /// Hash of the file.
        found: String,
        /// Hash in the manifest.
        wanted: String,
    },
    /// It has another length.
    #[error("it has {found_bytes} bytes, not {wanted_bytes}")]
    Size {
        /// Bytes of the file.
        found_bytes: u64,
        /// Bytes in the manifest.
        wanted_bytes: u64,
    },
    /// It is no readable archive.
    #[error("it is no readable archive: {reason}")]
    Archive {
        /// What the archive reader said.
        reason: String,
    },
    /// The archive lacks the model's file.
    #[error("it does not contain {inner_path}")]
    NoSuchEntry {
        /// The file that was looked for.
        inner_path: String,
    },
    /// The converter of this build writes other bytes than the manifest recorded.
    #[error("converted, its hash is {found}, not {wanted}")]
    Derived {
        /// Hash of the converted file.
        found: String,
        /// Hash in the manifest.
        wanted: String,
    },
}

/// A model file cannot be converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// The file ends early, or points behind its own end.
    #[error("the file ends before byte {offset}")]
    Truncated {
        /// Where a read was tried.
        offset: usize,
    },
    /// The file contradicts its own format.
    #[error("malformed: {what}")]
    Malformed {
        /// The part that is wrong.
        what: &'static str,
    },
    /// The file is well formed but uses something that this converter does not know.
    #[error("unsupported: {what}")]
    Unsupported {
        /// The part that is not known.
        what: String,
    },
    /// A count or size is beyond what any model of the manifest needs.
    #[error("{what} is larger than {limit}")]
    TooLarge {
        /// The part.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
}
