//! Everything that touches GStreamer pipelines.

pub(crate) mod cadence;
mod capture;
pub(crate) mod clip;
mod clock_code;
pub(crate) mod complaints;
pub(crate) mod core;
pub(crate) mod cuda;
pub(crate) mod decoder;
pub(crate) mod ending;
pub(crate) mod file;
mod forward;
mod live;
mod network;
pub(crate) mod pattern;
pub(crate) mod planes;
pub(crate) mod reblock;
pub(crate) mod sound;
pub(crate) mod stamps;
pub(crate) mod tethered;
pub(crate) mod video;
pub(crate) mod viewer_picture;
pub(crate) mod viewer_sound;
