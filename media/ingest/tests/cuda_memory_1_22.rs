//! Pictures in CUDA memory, against a stand-in for the library of GStreamer 1.22.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up fails there"
)]

mod standin;

/// What the stand-in is compiled as.
const FLAVOUR: standin::Flavour = standin::Flavour::V1_22;
