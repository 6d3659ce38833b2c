//! What can go wrong, by what the caller can do about it.

use thiserror::Error;

/// Refusals of this crate; nothing has changed when one is returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AnalyticsError {
    /// The reward is NaN or outside [0, 1]: drop the update.
    #[error("reward is not a number in [0, 1]")]
    RewardOutOfRange,
    /// No enabled arm is left: use the default arm, flagged, without a posterior (math 7.2).
    #[error("the experiment has no enabled arm")]
    NoArms,
    /// A Beta parameter is not positive and finite: refuse the row that carries it.
    #[error("posterior parameters must be positive and finite")]
    InvalidPosterior,
    /// Two arms share an id: refuse the experiment.
    #[error("two arms share one id")]
    DuplicateArm,
    /// The arm is not among the given ones: roll the transaction back.
    #[error("unknown arm")]
    UnknownArm,
    /// A part of a hashed identity contains `|` (math 1.9): refuse the name.
    #[error("the {part} contains the separator `|`")]
    SeparatorInPart {
        /// Which part it was.
        part: &'static str,
    },
    /// A number is NaN or infinite where a finite one is required.
    #[error("the {what} is not finite")]
    NotFinite {
        /// Which number it was.
        what: &'static str,
    },
    /// A set of probabilities is empty, negative, or does not sum to one.
    #[error("not a probability distribution")]
    NotADistribution,
    /// The exploration floor is negative or exceeds 1 / number of arms.
    #[error("the exploration floor is not in [0, 1/arms]")]
    FloorOutOfRange,
    /// The calibration or the scorer gave NaN or an infinity: treat it as a scorer failure.
    #[error("the raw score is not finite")]
    NonFiniteScore,
}

impl AnalyticsError {
    /// Stable code for records and the API.
    pub fn code(self) -> &'static str {
        match self {
            Self::RewardOutOfRange => "reward_out_of_range",
            Self::NoArms => "no_arms",
            Self::InvalidPosterior => "invalid_posterior",
            Self::DuplicateArm => "duplicate_arm",
            Self::UnknownArm => "unknown_arm",
            Self::SeparatorInPart { .. } => "rule",
            Self::NotFinite { .. } => "non_finite",
            Self::NotADistribution => "not_a_distribution",
            Self::FloorOutOfRange => "floor_out_of_range",
            Self::NonFiniteScore => "non_finite_score",
        }
    }
}
