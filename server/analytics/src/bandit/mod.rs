//! Thompson sampling over Beta posteriors (math 7), replayable draw by draw.
//!
//! ```text
//! arms ─ candidates ─▶ seed (hash of the context) ─▶ one draw per arm ─▶ largest wins ─▶ snapshot, propensity
//! reward ─ posterior gate ─▶ alpha += r, beta += 1 - r
//! ```

mod best;
mod choice;
mod decision;
mod off_policy;
mod posterior;
mod readout;
mod seed;
mod verify;

pub use best::{Best, best_arm};
pub use choice::{Choice, choose, draw, draw_uniform};
pub use decision::{
    Arm, Decision, DecisionContext, candidates, context_canonical_json, context_hash, decide,
};
pub use off_policy::{Estimate, LoggedChoice, OffPolicy, evaluate_policy, mean_reward_by_arm};
pub use posterior::Posterior;
pub use readout::{ArmReadout, read_out, with_floor};
pub use seed::{POLICY_LEGACY, POLICY_V2, legacy_seed, seed, seed_material};
pub use verify::{Mismatch, Replay, verify_decision};
