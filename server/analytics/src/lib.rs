//! What LSIE concludes from what it measured: reward, arms, attribution, physiology, semantics.
//!
//! The one contract: **values in, values out**. Every function here is pure; the time it needs is an argument.
//! The same input gives the same bits, so a stored decision can be replayed and a stored reward recomputed.
//! Missing evidence is a reason, never a zero that punishes an arm, and no NaN or infinity leaves.
//!
//! What this crate never does: read a clock, a database, a file or a socket; start a thread; log; keep state
//! between calls, except [`physiology::PhysiologyBuffer`], which its caller owns.
//!
//! ```
//! use lsie_analytics::bandit::Posterior;
//! use lsie_analytics::reward::{Evidence, Gate, Update, evaluate};
//! use lsie_schemas::contract::Au12Observation;
//!
//! // A smile one and two seconds after a stimulus at t = 100 s, delivery confirmed by the operator.
//! let series = [(101.0, 0.6), (102.0, 0.8)].map(|(timestamp_s, intensity)| Au12Observation { timestamp_s, intensity });
//! let evidence = Evidence {
//!     series: &series,
//!     stimulus_time_secs: Some(100.0),
//!     gate: Gate::attested(true),
//!     has_data_gap: false,
//! };
//! let outcome = evaluate(&evidence).expect("there was a stimulus");
//! assert_eq!(outcome.n_frames, 2);
//!
//! let Update::Apply(reward) = outcome.update else { panic!("nothing was missing") };
//! let posterior = Posterior::PRIOR.updated(reward).expect("a reward lies in [0, 1]");
//! assert!((posterior.alpha() + posterior.beta() - 3.0).abs() < 1e-12);
//! ```

pub mod attribution;
pub mod bandit;
mod beta;
pub mod comodulation;
mod error;
pub mod health;
pub mod physiology;
pub mod retry;
pub mod reward;
pub mod semantic;
mod statistics;
pub mod window;

pub use error::AnalyticsError;
pub use statistics::{clamp01, percentile};
