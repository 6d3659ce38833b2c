//! The neutral baselines of the people in front of the camera: nobody is scored against somebody else's.
//!
//! ```text
//! followed ── another person is measured ──▶ kept, at most 8 ── the same person is measured again ──▶ followed
//! ```
//!
//! A baseline is a mean of one face's ratios (math 4.4). A face that takes over has none: until its own 45 frames are
//! accepted it calibrates and has no score.

use std::collections::VecDeque;

use lsie_schemas::observation::CalibrationState;

use super::action_units::UnitMeter;
use super::calibration::{CalibrationRule, Calibrator};

/// People whose baseline is kept while somebody else is followed; beyond it the one longest away calibrates anew.
const KEPT: usize = 8;

/// What a person is scored against.
#[derive(Debug, Clone, Default)]
struct Baseline {
    /// Number of the person; `None` until one is measured: a restored baseline belongs to whom the source shows first.
    owner: Option<u32>,
    calibrator: Calibrator,
    units: UnitMeter,
}

/// The baseline of the person who is followed, and those of the others.
#[derive(Debug, Clone, Default)]
pub(super) struct Baselines {
    current: Baseline,
    kept: VecDeque<Baseline>,
}

impl Baselines {
    /// Chooses how baselines are made; calibrates everybody anew.
    pub(super) fn set_rule(&mut self, rule: CalibrationRule) {
        self.current.calibrator = Calibrator::with_rule(rule);
        self.kept.clear();
    }

    /// Replaces the baseline of whoever is followed, or measured next; those of the others are forgotten. The default state
    /// calibrates anew.
    pub(super) fn restore(&mut self, state: CalibrationState) {
        if state == CalibrationState::default() {
            self.current.units.reset();
        }
        self.current.calibrator.restore(state);
        self.disown();
    }

    /// The next person to be measured goes on with the newest baseline: the source was opened again.
    pub(super) fn disown(&mut self) {
        self.current.owner = None;
        self.kept.clear();
    }

    /// This person is measured now. Says whether they took over from somebody else.
    pub(super) fn follow(&mut self, person: u32) -> bool {
        let owner = *self.current.owner.get_or_insert(person);
        if owner == person {
            return false;
        }
        let place = self.kept.iter().position(|kept| kept.owner == Some(person));
        let known = place.and_then(|place| self.kept.remove(place));
        let next = known.unwrap_or_else(|| Baseline {
            owner: Some(person),
            calibrator: self.current.calibrator.anew(),
            units: UnitMeter::default(),
        });
        if self.kept.len() >= KEPT {
            self.kept.pop_front();
        }
        self.kept
            .push_back(std::mem::replace(&mut self.current, next));
        true
    }

    /// The AU12 baseline of the person who is followed.
    pub(super) fn calibrator(&self) -> &Calibrator {
        &self.current.calibrator
    }

    /// The same, to take frames.
    pub(super) fn calibrator_mut(&mut self) -> &mut Calibrator {
        &mut self.current.calibrator
    }

    /// The other units of the person who is followed.
    pub(super) fn units_mut(&mut self) -> &mut UnitMeter {
        &mut self.current.units
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(baselines: &mut Baselines, ratio: f64) {
        for k in 0..45 {
            baselines
                .calibrator_mut()
                .offer(k * super::super::CALIBRATION_PERIOD_NS, ratio);
        }
        assert!(baselines.calibrator().state().is_complete());
    }

    fn baseline(baselines: &Baselines) -> Option<f64> {
        let state = baselines.calibrator().state();
        state.baseline().filter(|_| state.is_complete())
    }

    #[test]
    fn who_takes_over_begins_without_a_baseline_and_who_returns_has_the_own_one() {
        let mut baselines = Baselines::default();
        assert!(!baselines.follow(1));
        complete(&mut baselines, 0.5);
        assert!(baselines.follow(2));
        assert_eq!(baseline(&baselines), None);
        complete(&mut baselines, 0.75);
        assert!(!baselines.follow(2));
        assert!(baselines.follow(1));
        assert_eq!(baseline(&baselines), Some(0.5));
        assert!(baselines.follow(2));
        assert_eq!(baseline(&baselines), Some(0.75));
    }

    #[test]
    fn a_restored_baseline_belongs_to_whom_the_source_shows_first() {
        let mut baselines = Baselines::default();
        let state = CalibrationState {
            accepted: 45,
            ratio_sum: 22.5,
        };
        baselines.restore(state);
        assert!(!baselines.follow(7));
        assert_eq!(baseline(&baselines), Some(0.5));
        baselines.disown();
        assert!(!baselines.follow(8));
        assert_eq!(baseline(&baselines), Some(0.5));
        assert!(baselines.follow(7));
        assert_eq!(baseline(&baselines), None);
    }

    #[test]
    fn of_many_people_the_newest_are_kept() {
        let mut baselines = Baselines::default();
        for person in 1..=1000 {
            baselines.follow(person);
            complete(&mut baselines, f64::from(person));
        }
        assert_eq!(baselines.kept.len(), KEPT);
        baselines.follow(995);
        assert_eq!(baseline(&baselines), Some(995.0));
        baselines.follow(3);
        assert_eq!(baseline(&baselines), None);
    }

    #[test]
    fn the_rule_holds_for_everybody() {
        let mut baselines = Baselines::default();
        baselines.set_rule(CalibrationRule::MEDIAN);
        baselines.follow(1);
        baselines.follow(2);
        for k in 0..45 {
            let ratio = if k % 9 == 0 { 1.2 } else { 0.9 };
            let at_ns = k * super::super::CALIBRATION_PERIOD_NS;
            baselines.calibrator_mut().offer(at_ns, ratio);
        }
        let middle = baseline(&baselines).unwrap();
        assert!((middle - 0.9).abs() < 1e-12, "{middle}");
    }
}
