//! The model cache that these tests use: the folder `LSIE_CACHE_DIR`, else the user's cache.

use std::path::PathBuf;
use std::sync::Arc;

use lsie_device::{Buffer, Device, DeviceKind, Stream, open};
use lsie_infer::{ModelStore, Network};

/// Opens the cache. A model that is missing there fails the test that needs it.
pub(crate) fn store() -> ModelStore {
    ModelStore::open(&cache_dir()).unwrap()
}

/// Fails with the way to get the models.
pub(crate) fn must<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => {
            panic!("{error}. These tests need the models: run `./test`, which fetches them first")
        }
    }
}

pub(crate) fn cache_dir() -> PathBuf {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(cache) = folder("LSIE_CACHE_DIR").or_else(|| folder("LSIE_ENGINE_CACHE_DIR")) {
        return cache.into();
    }
    let user = folder("XDG_CACHE_HOME").map(PathBuf::from);
    user.unwrap_or_else(|| PathBuf::from(folder("HOME").unwrap()).join(".cache"))
        .join("lsie")
}

/// A network with buffers of its size.
#[allow(dead_code, reason = "each test file uses its own part of this module")]
pub(crate) struct Rig {
    pub(crate) network: Box<dyn Network>,
    pub(crate) device: Arc<dyn Device>,
    pub(crate) stream: Stream,
    pub(crate) inputs: Vec<Buffer>,
    pub(crate) outputs: Vec<Buffer>,
}

#[allow(dead_code, reason = "each test file uses its own part of this module")]
impl Rig {
    pub(crate) fn new(name: &str) -> Self {
        Self::of_file(&must(store().path(name)))
    }

    /// As [`Rig::new`], with a file that a test has made.
    pub(crate) fn of_file(path: &std::path::Path) -> Self {
        let runtime = must(store().runtime());
        let network = Box::new(runtime.open(path).unwrap());
        let device = open(DeviceKind::Cpu).unwrap();
        let alloc = |infos: &[lsie_infer::TensorInfo]| {
            let buffers = infos
                .iter()
                .map(|info| device.alloc(info.len_bytes(), &info.name));
            buffers.collect::<Result<Vec<_>, _>>().unwrap()
        };
        Rig {
            inputs: alloc(network.inputs()),
            outputs: alloc(network.outputs()),
            stream: device.stream("test").unwrap(),
            network,
            device,
        }
    }

    pub(crate) fn run(&mut self) -> Result<(), lsie_infer::InferError> {
        let inputs: Vec<&Buffer> = self.inputs.iter().collect();
        let mut outputs: Vec<&mut Buffer> = self.outputs.iter_mut().collect();
        self.network.run(&self.stream, &inputs, &mut outputs)
    }

    pub(crate) fn output(&self, position: usize) -> &[f32] {
        self.outputs[position].host().unwrap()
    }
}
