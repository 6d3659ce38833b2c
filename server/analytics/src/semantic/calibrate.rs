//! From a raw scorer output to a probability (math 11.2).

use lsie_schemas::semantic::ScoreScale;

use crate::error::AnalyticsError;
use crate::statistics::clamp01;

/// What the scorer's manifest says its output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoreOutput {
    /// Log-odds.
    Logit,
    /// A probability, clamped to [0, 1].
    Probability,
    /// Cosine of two sentence vectors, clamped to [0, 1]: opposite is as far from a match as unrelated. Monotone, but not
    /// fitted to judgements: 0.72 is a strict demand on a cosine.
    Cosine,
    /// Replay of earlier records: [0, 1] passes through, anything else is log-odds. Not monotone.
    LegacyV1,
}

impl ScoreOutput {
    /// Version of the map to a probability; part of every method version.
    pub const fn version(self) -> &'static str {
        match self {
            Self::Logit => "logistic_v1",
            Self::Probability => "probability_clamp_v1",
            Self::Cosine => "cosine_clamp_v1",
            Self::LegacyV1 => "calibrate_v1",
        }
    }
}

impl From<ScoreScale> for ScoreOutput {
    fn from(scale: ScoreScale) -> Self {
        match scale {
            ScoreScale::Cosine => Self::Cosine,
            ScoreScale::Logit => Self::Logit,
            ScoreScale::Probability => Self::Probability,
        }
    }
}

/// Probability of a match; a score that is not finite is refused and counts as a scorer failure.
pub fn calibrate(raw: f64, output: ScoreOutput) -> Result<f64, AnalyticsError> {
    if !raw.is_finite() {
        return Err(AnalyticsError::NonFiniteScore);
    }
    Ok(match output {
        ScoreOutput::Probability | ScoreOutput::Cosine => clamp01(raw),
        ScoreOutput::LegacyV1 if (0.0..=1.0).contains(&raw) => raw,
        ScoreOutput::Logit | ScoreOutput::LegacyV1 => ((-raw).exp() + 1.0).recip(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn broken_scores_are_refused() {
        for raw in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for output in [
                ScoreOutput::Logit,
                ScoreOutput::Probability,
                ScoreOutput::Cosine,
                ScoreOutput::LegacyV1,
            ] {
                assert_eq!(
                    calibrate(raw, output).unwrap_err().code(),
                    "non_finite_score"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn declared_outputs_are_monotone(a in -900.0_f64..900.0, b in -900.0_f64..900.0) {
            for output in [ScoreOutput::Logit, ScoreOutput::Probability, ScoreOutput::Cosine] {
                let (p, q) = (calibrate(a.min(b), output).unwrap(), calibrate(a.max(b), output).unwrap());
                prop_assert!(p <= q && (0.0..=1.0).contains(&p) && (0.0..=1.0).contains(&q));
            }
        }
    }
}
