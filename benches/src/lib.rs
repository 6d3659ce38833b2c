//! What the benches share: how they are called, what they print, and a server of their own to measure.
//!
//! **The one contract.** One file in `benches/` answers one question. It prints the machine, the input and one table of median
//! and 95th percentile, and fails loudly when something it needs (a model, the server) is missing. Under `cargo bench` it
//! measures; under `cargo test`, and in a debug build, it does everything once, so that it stays alive.
//!
//! ```text
//! cargo bench -p lsie-benches --bench kernels -- --device wgpu:0        us, GB/s and share of a copy per kernel and version, roofline
//! cargo bench -p lsie-benches --bench kernels -- --baseline check      the same, failing when a series became slower than its noise
//! cargo bench -p lsie-benches --bench frame_path                        ms per stage, frames per core-second, streams against decoding alone
//! cargo bench -p lsie-benches --bench semantic_pair                     ms per compared pair, by length of the utterance
//! cargo bench -p lsie-benches --bench live_latency -- --minutes 30      access unit to observation, PSS, growth
//! cargo bench -p lsie-benches --bench engine_kills                      kill to `ok`, kill to measuring again
//! cargo bench -p lsie-benches --bench slow_node                         drops, age, memory of an overloaded node
//! cargo bench -p lsie-benches --bench face_peer                         frames per core-second against MediaPipe, same clip, same core
//! cargo bench -p lsie-benches --bench acoustic_peer                     pitch to HNR against Praat and openSMILE, and agreement
//! cargo bench -p lsie-benches --bench phone_path                        ms from a phone's capture to here, and back after a pulled cable
//! cargo bench -p lsie-benches --bench math_core                         us per geometry, reward, draw, propensity
//! ```
//!
//! Options: `--date YYYY-MM-DD` for the machine line, `--lsie PATH` for a binary built before, `--cache DIR` for models and demo
//! pictures (else `LSIE_CACHE_DIR`, `LSIE_ENGINE_CACHE_DIR`, the user's cache).
//!
//! **What it never does.** Unless asked to (`--baseline check`) it never asserts a time: numbers are for people, who compare them with
//! `results/` of the same machine. It never touches a server, a state folder or a process that it did not start.
//!
//! ```
//! use lsie_benches::Series;
//!
//! let mut series = Series::new("crop");
//! for ms in [1.0, 2.0, 3.0, 4.0, 100.0] {
//!     series.push(ms);
//! }
//! assert_eq!((series.median(), series.p95()), (3.0, 100.0));
//! ```

mod call;
mod gate;
mod machine;
mod models;
mod peer;
mod process;
mod roofline;
mod series;
mod server;

pub use call::{Call, run, run_with_help};
pub use gate::{BASELINE, Change, Gate, Kept, changes, slug};
pub use machine::{machine_line, machine_name};
pub use models::{cache_dir, open_network};
pub use peer::peer_python;
pub use process::{Usage, own_cpu_secs, pin_to_core};
pub use roofline::{Roof, RoofPoint, roofline_svg};
pub use series::{Series, slope};
pub use server::Server;
