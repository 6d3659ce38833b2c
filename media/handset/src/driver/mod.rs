//! The drivers: sockets, threads and clocks around the pure parts.

mod handset;
mod launch;
mod pinger;
mod queue;
mod reader;
mod shared;
mod supervisor;
mod tracker;

pub use handset::{Handset, HandsetConfig, HandsetEvent, HandsetStatus, HandsetStreams};
pub use queue::{BoundedQueue, VideoQueue};
pub use tracker::{DeviceTracker, TrackedDevices};
