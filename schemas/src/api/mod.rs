//! What the HTTP API says and accepts (api 3 and our `/api/v2`).
//!
//! Bodies under `/api/v1` carry exactly the keys of the specification, null when unknown; what is new goes under v2.

mod encounter;
mod experiment;
mod health;
mod intake;
mod physiology;
mod readout;
mod segment;
mod session;
mod state;

pub use encounter::*;
pub use experiment::*;
pub use health::*;
pub use intake::*;
pub use physiology::*;
pub use readout::*;
pub use segment::*;
pub use session::*;
pub use state::*;
