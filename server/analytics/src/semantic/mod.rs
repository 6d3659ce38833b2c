//! Judging delivery and response from scorer outputs (math 11 and 12). No model runs here and no text leaves.
//!
//! ```text
//! raw score ─ calibrate ─▶ p ─┬─ p >= 0.72 ─▶ match
//!                             ├─ p <  0.58 ─▶ no match
//!                             └─ gray band ─▶ fallback provider (off by default), at most two tries
//! ```
//!
//! One scorer decides; what the others say stands beside it as shadow readings and changes nothing (math 11.8).

mod calibrate;
mod gray_band;
mod judge;
mod lexical;
mod normalise;
mod response;
mod route;

pub use calibrate::{ScoreOutput, calibrate};
pub use gray_band::{FallbackFailure, GrayBand};
pub use judge::{Deciding, Judgement, LEXICAL_VERSION, Reading, ReadingState, judge};
pub use lexical::lexical_score;
pub use normalise::{DEFAULT_METHOD_VERSION, RawSemantic, normalise};
pub use response::{infer_response, is_pending_legal, response_affect, response_latency_secs};
pub use route::{LEXICAL_SUFFIX, Primary, Routed, empty_transcript, route};
