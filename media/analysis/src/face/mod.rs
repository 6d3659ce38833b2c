//! The face of one person: detection, 478 landmarks, head pose and the AU12 score of each frame.
//!
//! ```text
//! Frame ─▶ followed? ──yes──▶ region from the last landmarks ─┐
//!             │ no                                            ▼
//!             └─▶ letterbox 128² ─▶ detector ─▶ choose ─▶ crop 192² ─▶ attention mesh ─▶ project ─┬─▶ AU12 ratio ─▶ calibration, score
//!                                                                                                 └─▶ pose, box, next region
//! ```
//!
//! Beside AU12, [`UnitMeter`] scores brows, lips, jaw and lids from the same landmarks: [`FaceTracker::action_units`].
//! [`UnitSummary`] says in few numbers what they were over a window.
//! [`Subject`] decides whom to follow and [`Calibrator`] keeps a neutral baseline; both are pure. Each person is scored against
//! their own baseline: whoever takes over calibrates first, whoever returns to their place goes on. [`FaceNetworks`] runs kernels and networks. [`FaceTracker`] joins them: one frame in, one observation out, always. [`FaceLayer`] is the
//! tracker as a node of a graph.

mod action_units;
mod baselines;
mod blink;
mod calibration;
mod layer;
mod networks;
mod picture;
mod region;
mod statistics;
mod subject;
mod tracker;
mod trial;

pub use action_units::{ActionUnits, PoseLimit, UnitAbsent, UnitMeter, UnitReading};
pub use blink::BlinkCounter;
pub use calibration::{CALIBRATION_PERIOD_NS, CalibrationRule, Calibrator};
pub use layer::{FaceControl, FaceLayer};
pub use networks::FaceNetworks;
pub use picture::{PictureHint, PictureMeter};
pub use region::{box_of, region_from_detection, region_from_landmarks};
pub use statistics::UnitSummary;
pub use subject::{Candidate, FaceBox, Loss, Plan, Subject, SubjectRules};
pub use tracker::{FaceCounters, FaceTracker, SessionPhase};
pub use trial::FaceTrial;
