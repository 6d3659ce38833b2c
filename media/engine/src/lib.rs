//! The media plane: takes orders over the link, opens sources, measures, sends derived values back.
//!
//! The one contract: pixels and samples stay in this process. What leaves it are [`lsie_schemas::link::EngineMessage`]s. It
//! ends when its server ends, it never speaks HTTP or SQL, and a session's graph is written out in one place (`live.rs`).
//!
//! ```no_run
//! use std::os::unix::net::UnixStream;
//!
//! // The link is an inherited socket; here it is a pair in one process.
//! let (ours, _server) = UnixStream::pair()?;
//! lsie_engine::run(ours, "build")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod analyze;
mod assembler;
mod blind;
mod device;
mod error;
mod link;
mod live;
mod lockstep;
mod recovery;
mod run;
mod semantic;
mod session;
mod sound;
mod user;
mod viewers;

pub use device::{ChosenDevice, choose_device, networks_on, trial};
pub use error::EngineError;
/// Compares a rule with an utterance, for `lsie semantics score`.
pub use lsie_analysis::semantic::SemanticScorers;
/// What this machine and this build can compute on, for `lsie doctor`.
pub use lsie_device::{DeviceError, DeviceReport, probe};
/// Whether pictures can stay where NVIDIA's decoder writes them, for `lsie doctor`.
pub use lsie_ingest::cuda::CudaLibrary;
/// What the demo presenter truly does, for `lsie check` and tests; the measurement never reads it.
pub use lsie_ingest::truth;
/// A media file as a phone would send it, for `lsie simulate-phone`.
pub use lsie_ingest::{CLIP_FPS, EncodedClip, IngestError, encode_clip};
pub use run::{EngineDevice, run, run_with};
pub use semantic::semantic_scorers;
pub use user::{PipelineContext, node_registry};

/// Pipelines that users write: documents, their check, their run.
pub mod pipeline {
    pub use lsie_graph::pipeline::*;
    pub use lsie_graph::{Draw, Event, EventKind, NoHooks, NodeStats, RunError, Status};
}
