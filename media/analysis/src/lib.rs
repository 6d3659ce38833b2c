//! Every measurement on pictures, sound and words: what the media plane says about a person.
//!
//! **The one contract.** A measurement takes frames or samples and gives derived values of `lsie-schemas` with the time of their
//! input. What cannot be measured is a typed [`NullReason`](lsie_schemas::observation::NullReason), never a zero.
//! The same inputs give the same values: time comes from the input, not from a clock.
//!
//! **What it never does.** It never decides what a value means for a session, never stores anything, never opens a model
//! file or a device by itself.
//!
//! ```
//! use lsie_analysis::face::{CALIBRATION_PERIOD_NS, Calibrator};
//! use lsie_schemas::observation::NullReason;
//!
//! let mut calibrator = Calibrator::default();
//! for frame in 0..45 {
//!     assert_eq!(calibrator.score(1.0), Err(NullReason::NotCalibrated));
//!     calibrator.offer(frame * CALIBRATION_PERIOD_NS, 0.9);
//! }
//! let smile = calibrator.score(1.05)?;
//! assert!((smile - 0.7163).abs() < 1e-4);
//! # Ok::<(), NullReason>(())
//! ```

mod error;
pub mod face;
pub mod semantic;
pub mod voice;

pub use error::AnalysisError;
