//! Clocks: media time to UTC, and foreign clocks to ours with a stated uncertainty.

mod drift;
mod foreign;
mod session;

pub use drift::{DriftEstimator, DriftPoll, DriftState};
pub use foreign::{ClockMap, ForeignClock, ForeignEvent, PingSample};
pub use session::SessionClock;
