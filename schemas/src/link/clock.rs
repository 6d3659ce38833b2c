//! How a source's clock stood while a window was measured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What maps a foreign clock onto ours, best first (device 6.2).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ClockRung {
    /// The responder answers.
    Good,
    /// The responder's last map, with an error bound that grows by 1 ms and 20 ppm of its age.
    Holdover,
    /// Arrivals of pictures alone; error bound 30 ms.
    OneWay,
    /// Nothing maps: media stand at their arrival, and no bound can be stated.
    None,
}

impl ClockRung {
    /// The rung of this word; a word that is none maps nothing.
    #[must_use]
    pub fn of_word(word: &str) -> Self {
        match word {
            "good" => Self::Good,
            "holdover" => Self::Holdover,
            "one_way" => Self::OneWay,
            _ => Self::None,
        }
    }

    /// The word in bodies and rows.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Holdover => "holdover",
            Self::OneWay => "one_way",
            Self::None => "none",
        }
    }
}

/// How a source's clock stood against the host's over a window. Absent where the source has no clock of its own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SegmentClock {
    /// The worst rung of the window.
    pub state: ClockRung,
    /// The host's wall clock minus the source's, seconds, at the end of the window; `None` when it was not asked for 300 s.
    pub offset_s: Option<f64>,
    /// Its rate against the host's at the end of the window, millionths; positive runs fast.
    pub drift_ppm: Option<f64>,
    /// Greatest error bound that was stated in the window, milliseconds; `None` when none was.
    pub uncertainty_ms: Option<f64>,
}

impl SegmentClock {
    /// Both together, `later` behind this one: the worse rung, the greater bound, the newer numbers.
    #[must_use]
    pub fn and_later(self, later: Self) -> Self {
        let greatest = match (self.uncertainty_ms, later.uncertainty_ms) {
            (Some(before), Some(after)) => Some(before.max(after)),
            (before, after) => before.or(after),
        };
        Self {
            state: self.state.max(later.state),
            offset_s: later.offset_s.or(self.offset_s),
            drift_ppm: later.drift_ppm.or(self.drift_ppm),
            uncertainty_ms: greatest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_shows_its_worst_rung_and_its_newest_numbers() {
        let good = SegmentClock {
            state: ClockRung::Good,
            offset_s: Some(1.0),
            drift_ppm: Some(80.0),
            uncertainty_ms: Some(0.4),
        };
        let one_way = SegmentClock {
            state: ClockRung::OneWay,
            offset_s: None,
            drift_ppm: None,
            uncertainty_ms: Some(30.0),
        };
        let later = SegmentClock {
            drift_ppm: Some(81.0),
            ..good
        };
        let whole = good.and_later(one_way).and_later(later);
        assert_eq!(
            whole,
            SegmentClock {
                state: ClockRung::OneWay,
                offset_s: Some(1.0),
                drift_ppm: Some(81.0),
                uncertainty_ms: Some(30.0),
            }
        );
        for rung in [
            ClockRung::Good,
            ClockRung::Holdover,
            ClockRung::OneWay,
            ClockRung::None,
        ] {
            assert_eq!(ClockRung::of_word(rung.word()), rung);
        }
    }
}
