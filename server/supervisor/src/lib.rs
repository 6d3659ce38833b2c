//! The control plane's centre: the engine process, the open session, its encounters, and what readers see of them.
//!
//! The one contract: a single task handles commands, engine events and deadlines one after another, writes through the one
//! writer, and publishes a snapshot after each step. The engine may die at any instant: the API stays up, nothing committed
//! is lost, and what was open is resumed or closed with its reason. Nothing here speaks HTTP or can name a frame.
//!
//! ```
//! use std::time::Duration;
//! use lsie_schemas::config::EngineConfig;
//! use lsie_supervisor::{RestartDecision, RestartPolicy};
//!
//! let mut policy = RestartPolicy::new(&EngineConfig::default());
//! assert_eq!(policy.on_death(Duration::ZERO), RestartDecision::After(Duration::from_millis(500)));
//! ```

mod actor;
mod attribution;
mod encounter;
mod engine;
mod error;
mod handle;
mod held;
mod live;
mod peers;
mod restart;
pub mod semantic;
mod snapshot;
mod views;

pub use actor::{SupervisorSettings, supervise};
pub use encounter::{ENCOUNTER_SCHEMA_VERSION, REWARD_PATH_VERSION};
pub use engine::EngineSettings;
pub use error::SupervisorError;
pub use handle::Supervisor;
pub use held::Held;
pub use peers::{PeerOpened, PeerTarget};
pub use restart::{RestartDecision, RestartPolicy};
