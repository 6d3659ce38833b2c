//! Networks for the chain of one device, opened by the library that was chosen for it.
//!
//! ```text
//! what the machine has ──▶ choose ──▶ Choice ──▶ TensorRT: engine of the cache, or built now ┐
//!                                            ──▶ ONNX Runtime on CUDA: on the given stream    ├──▶ Box<dyn Network>
//!                                            ──▶ ONNX Runtime on the processor: by the host ──┘
//! ```
//!
//! With [`Precision::F16`] each of them gets the network as [`to_half`] rewrites it.

use std::path::Path;
use std::sync::Arc;

use lsie_device::{Device, DeviceKind, Stream};
use lsie_schemas::device::Precision;

use crate::choice::{Choice, Found, choose};
use crate::convert::to_half;
use crate::error::InferError;
use crate::network::Network;
use crate::provider::{Capability, Provider};
use crate::runtime::ModelSource;
use crate::store::ModelStore;
use crate::through_host::ThroughHost;

/// Opens networks where the frames of one device are. What was chosen at the beginning stays: a network that the chosen library
/// refuses is an error, never another library's.
pub struct NetworkOpener {
    device: Arc<dyn Device>,
    choice: Choice,
    precision: Precision,
    #[cfg(feature = "tensorrt")]
    tensorrt: Option<crate::tensorrt::TensorRt>,
}

impl NetworkOpener {
    /// Looks at what this machine has for `device` and chooses as [`choose`] does. Asks libraries of GPUs only where the device is
    /// theirs; those that are not there are reasons in the choice, not errors, unless one was `wanted` by name.
    pub fn find(
        device: &Arc<dyn Device>,
        models: &ModelStore,
        wanted: Option<Provider>,
    ) -> Result<Self, InferError> {
        let info = device.info();
        let is_asked = info.kind == DeviceKind::Cuda;
        let gpu = device
            .compute_capability()
            .map(|(major, minor)| Capability { major, minor });
        let mut found = Found {
            device: info.kind,
            gpu,
            onnx_cuda: Err("not asked for".to_owned()),
            tensorrt: Err("not in this build".to_owned()),
        };
        if is_asked {
            let runtime = models.runtime();
            let opened = runtime.and_then(|runtime| runtime.check_cuda(info.index));
            found.onnx_cuda = opened.map_err(|error| reason_of(&error));
        }
        #[cfg(feature = "tensorrt")]
        let tensorrt = if is_asked {
            // Beside the models before the system's own.
            let folder = models.cache_dir().join(crate::tensorrt::FOLDER);
            let folder = folder.is_dir().then_some(folder);
            let opened = crate::tensorrt::TensorRt::open(folder.as_deref());
            found.tensorrt = opened.as_ref().map(drop).map_err(reason_of);
            opened.ok()
        } else {
            None
        };
        Ok(NetworkOpener {
            device: Arc::clone(device),
            choice: choose(wanted, &found)?,
            precision: Precision::F32,
            #[cfg(feature = "tensorrt")]
            tensorrt,
        })
    }

    /// The same, whose networks compute in `precision` inside; without it in 32 bits, as the numbers that the manifest recorded.
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// What runs the networks, and why.
    pub fn choice(&self) -> &Choice {
        &self.choice
    }

    /// What runs the networks, why, and with which floats where they are not the usual ones: one line for the operator.
    pub fn description(&self) -> String {
        match self.precision {
            Precision::F32 => self.choice.to_string(),
            Precision::F16 => format!("{}; 16-bit floats inside", self.choice),
        }
    }

    /// Opens a network of the store, after its files were checked, to run on `stream`, which is one of the device.
    pub fn open(
        &self,
        models: &ModelStore,
        name: &str,
        stream: &Stream,
    ) -> Result<Box<dyn Network>, InferError> {
        let path = models.check(name)?;
        let half = match self.precision {
            Precision::F32 => None,
            Precision::F16 => Some(half_of(name, &path)?),
        };
        let model = half
            .as_ref()
            .map_or(ModelSource::File(&path), |bytes| ModelSource::Bytes {
                name,
                bytes,
            });
        let runtime = models.runtime()?;
        match self.choice.provider {
            Provider::OnnxCpu => {
                let network = Box::new(runtime.open_source(&model)?);
                ThroughHost::unless_host(network, self.device.as_ref())
            }
            Provider::OnnxCuda => {
                let index = self.device.info().index;
                let network = runtime.open_source_on_cuda(&model, index, stream)?;
                Ok(Box::new(network))
            }
            #[cfg(feature = "tensorrt")]
            Provider::TensorRt => self.open_engine(models, name, &model, &hash_of(&path), stream),
            #[cfg(not(feature = "tensorrt"))]
            Provider::TensorRt => Err(absent("not in this build")),
        }
    }

    /// The engine of a network from the cache, or built now, which takes a second or two.
    #[cfg(feature = "tensorrt")]
    fn open_engine(
        &self,
        models: &ModelStore,
        name: &str,
        model: &ModelSource<'_>,
        model_sha256: &str,
        stream: &Stream,
    ) -> Result<Box<dyn Network>, InferError> {
        use crate::engine_cache::{EngineCache, EngineKey};
        use crate::tensorrt::{Described, GraphUse};

        let library = self.tensorrt.as_ref().ok_or_else(|| absent("not open"))?;
        let (major, minor) = self
            .device
            .compute_capability()
            .ok_or_else(|| absent("the device has no compute capability"))?;
        let capabilities = vec![Capability { major, minor }];
        // Engines carry no words of their own.
        let description = models.runtime()?.open_source(model)?;
        let key = EngineKey {
            model_sha256: model_sha256.to_owned(),
            library: library.version().to_owned(),
            gpu: self.device.info().name.clone(),
            capabilities: capabilities.clone(),
            driver: self.device.info().driver.clone(),
            precision: self.precision,
            shapes: description
                .inputs()
                .iter()
                .map(|info| (info.name.clone(), info.shape.clone()))
                .collect(),
        };
        // Waiting makes the device's context the calling thread's, which the library asks for.
        stream.synchronize()?;
        let (network, _) = EngineCache::new(models.cache_dir()).get_or_build(
            &key,
            |engine| library.open_engine(name, engine, GraphUse::Library).ok(),
            || library.build(name, &model.bytes()?, &capabilities),
        )?;
        Ok(Box::new(Described::new(network, description)))
    }
}

impl std::fmt::Debug for NetworkOpener {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("NetworkOpener")
            .field("device", self.device.info())
            .field("choice", &self.choice)
            .field("precision", &self.precision)
            .finish_non_exhaustive()
    }
}

/// A network of the store, rewritten to compute in 16-bit floats.
fn half_of(name: &str, path: &Path) -> Result<Vec<u8>, InferError> {
    let whole = std::fs::read(path).map_err(|source| InferError::Io {
        path: path.to_owned(),
        source,
    })?;
    to_half(&whole).map_err(|source| InferError::Convert {
        name: name.to_owned(),
        source,
    })
}

/// Why a library is not there, without the name of it and the way to get it.
fn reason_of(error: &InferError) -> String {
    match error {
        InferError::ProviderAbsent { reason, .. } => reason.clone(),
        other => other.to_string(),
    }
}

/// The store keeps each file in a folder of its hash.
#[cfg(feature = "tensorrt")]
fn hash_of(path: &Path) -> String {
    let folder = path.parent().and_then(std::path::Path::file_name);
    let folder = folder.unwrap_or_default();
    folder.to_string_lossy().into_owned()
}

fn absent(reason: &str) -> InferError {
    InferError::ProviderAbsent {
        provider: Provider::TensorRt,
        reason: reason.to_owned(),
        how_to_get: Provider::TensorRt.how_to_get(),
    }
}
