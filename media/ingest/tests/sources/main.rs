//! Behaviour of real sources, with files made by GStreamer on the spot.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up fails there"
)]

mod decoder;
mod demo;
mod file;
mod graph;
mod hotplug;
mod live;
mod making;
mod tethered;
