//! Clocks: media time to UTC, and the older system's drift value. A phone's clock is mapped where its pings are, in
//! `lsie-handset`.

mod drift;
mod session;

pub use drift::{DriftEstimator, DriftPoll, DriftState};
pub use session::SessionClock;
