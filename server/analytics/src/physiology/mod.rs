//! Heart-rate variability from wearable chunks (math 8). Chunks live in memory only; snapshots may be stored.

mod buffer;
mod snapshot;

pub use buffer::{Intake, PhysiologyBuffer};
pub use snapshot::{Derived, DisplayState, context, derive_snapshot, display_state, reread};
