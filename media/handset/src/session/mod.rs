//! The session as a pure machine: what happened goes in with the time, what to do comes out (device 4).

mod backoff;
mod cable;
mod machine;
mod presence;
mod watchdog;

pub use backoff::Backoff;
pub use cable::CableMeter;
pub use machine::{
    Action, EndCause, Input, Machine, MachineSettings, SessionState, TICK_NS, Transition,
};
pub use presence::{Chosen, choose};
pub use watchdog::{AudioState, Pulse, VideoState, Watchdog, WatchdogSettings, WatchdogVerdict};
