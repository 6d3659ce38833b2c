//! Attribution ledger: what a stimulus may have caused (math 13). It never touches a posterior.

mod finality;
mod lag_scan;
mod late;
mod ledger;
mod lift;
mod outcome;

pub use finality::{FINALITY_CHECK_SECS, FINALITY_PER_PASS, due_for_finality, is_final};
pub use lag_scan::{LagPeak, LagScan, scan_lags};
pub use late::{KnownEvent, LateOutcome, link_late_outcome};
pub use ledger::{
    DEFAULT_HORIZON_SECS, EVENT_TYPE, Ledger, LedgerInput, LedgerSemantic, METHOD_VERSION,
    RewardProxy, build_ledger,
};
pub use lift::{Lift, lift, soft_reward};
pub use outcome::{
    FoundOutcome, outcome_from_live_event, outcome_of_live_event, outcomes_from_inputs,
    outcomes_from_object,
};
