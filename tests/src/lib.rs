//! Whole-project tests and what they share.
//!
//! [`house`] reads the repository itself: its floors, sources, packages and documents.
//! [`vectors`] runs the golden cases of the specification against the crates.
//! [`phone`] is a simulated phone that the genuine adb server talks to.
//! [`parity`] is the suite that every kernel passes on every device; [`cuda_host`] executes CUDA text on the processor for it.
//! [`signalling`] is a conformance suite for WHEP and WHIP servers.
//! [`fuzz`] holds one body per parser of foreign bytes, for `cargo fuzz` and for the ordinary tests alike.
//!
//! **The one contract.** Every check here reads the repository and the crates' public interfaces as they are; a test that
//! finds nothing to check fails. **What it never does.** Nothing here is linked into a product, and no test needs a
//! network, a graphics card or a camera.
//!
//! ```
//! use lsie_tests::vectors::{VectorFolder, run_folder};
//!
//! let reports = run_folder(&VectorFolder::committed())?;
//! let failures: usize = reports.iter().map(|report| report.failures.len()).sum();
//! assert!(reports.iter().any(|report| report.area == "bandit" && report.passed > 0));
//! assert_eq!(failures, 0);
//! # Ok::<(), anyhow::Error>(())
//! ```

pub mod cuda_host;
pub mod fuzz;
pub mod house;
pub mod parity;
pub mod phone;
pub mod signalling;
pub mod vectors;
