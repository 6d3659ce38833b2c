//! Gated reward of one encounter (math 6) and whether it may move a posterior (math 6.4).

mod outcome;
mod state;

pub use outcome::{Evidence, Gate, RewardOutcome, SkipReason, Update, evaluate, p90, update_of};
pub use state::{Progress, encounter_state, encounter_state_v2};
