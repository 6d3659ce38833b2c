//! Networks: a model manifest, a verified cache, a deterministic converter, and the runtime that runs what comes out.
//!
//! **The one contract.** A model is used only if its file has the hash that the manifest records; what is made from it (TFLite
//! to ONNX) is made by this crate and has a recorded hash too. A loaded model is a [`Network`]: it reads and writes
//! [`lsie_device::Buffer`]s on a [`lsie_device::Stream`] and gives the same numbers for the same inputs.
//!
//! **What it never does.** It never downloads, never pre- or post-processes, never moves work to another device in silence. A
//! model that is not there is [`InferError::ModelMissing`] with the way to get it; a library that cannot be opened is
//! [`InferError::RuntimeUnavailable`], one that cannot run here [`InferError::ProviderAbsent`]. Which one runs is [`choose`]'s rule.
//!
//! ```
//! use lsie_infer::{InferError, ModelState, ModelStore};
//!
//! let store = ModelStore::open(std::path::Path::new("/nonexistent/cache"))?;
//! assert!(store.list().iter().all(|model| model.state != ModelState::Installed));
//! let Err(InferError::ModelMissing { how_to_get, .. }) = store.path("face_mesh") else {
//!     return Err("nothing can be installed there".into());
//! };
//! assert_eq!(how_to_get, "run `lsie models fetch face_mesh`");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod convert;
pub mod engine_cache;
pub mod manifest;

mod choice;
mod error;
mod network;
mod onnx_cuda;
mod opener;
mod provider;
mod runtime;
mod self_test;
mod store;
#[cfg(feature = "tensorrt")]
pub mod tensorrt;
mod through_host;

pub use choice::{Choice, Found, choose};
pub use error::{ConvertError, FileFault, InferError};
pub use manifest::Manifest;
pub use network::{Network, TensorInfo, landmark_indices};
pub use onnx_cuda::OrtCudaNetwork;
pub use opener::NetworkOpener;
pub use provider::{Capability, Provider};
pub use runtime::{OrtNetwork, Runtime, TELEMETRY_OFF};
pub use store::{LOCAL_MANIFEST, ModelState, ModelStatus, ModelStore};
pub use through_host::ThroughHost;
