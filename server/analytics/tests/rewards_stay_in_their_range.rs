//! Rewards under any numbers: in [0, 1], from usable frames only, and whatever is applied is taken by a posterior.

use lsie_analytics::bandit::Posterior;
use lsie_analytics::reward::{Evidence, Gate, Update, evaluate, p90};
use lsie_schemas::contract::Au12Observation;
use proptest::prelude::*;

const STIMULUS_SECS: f64 = 1_767_225_600.0;

/// Times around the stimulus with any value, now and then any time.
fn observation() -> impl Strategy<Value = Au12Observation> {
    let near = (-10.0..10.0_f64).prop_map(|offset| STIMULUS_SECS + offset);
    let time = prop_oneof![8 => near, 1 => prop::num::f64::ANY];
    let value = prop_oneof![4 => 0.0..1.0_f64, 1 => prop::num::f64::ANY];
    (time, value).prop_map(|(timestamp_s, intensity)| Au12Observation {
        timestamp_s,
        intensity,
    })
}

fn evidence(series: &[Au12Observation], stimulus_time_secs: f64, delivered: bool) -> Evidence<'_> {
    Evidence {
        series,
        stimulus_time_secs: Some(stimulus_time_secs),
        gate: Gate::attested(delivered),
        has_data_gap: false,
    }
}

proptest! {
    #[test]
    fn a_reward_is_bounded_and_its_update_adds_one_of_mass(series in prop::collection::vec(observation(), 0..60), delivered in any::<bool>()) {
        let outcome = evaluate(&evidence(&series, STIMULUS_SECS, delivered)).unwrap();
        prop_assert!((0.0..=1.0).contains(&outcome.gated_reward) && (0.0..=1.0).contains(&outcome.p90));
        prop_assert!(outcome.gated_reward <= outcome.p90);
        prop_assert!(outcome.baseline.is_none_or(|mean| (0.0..=1.0).contains(&mean)));
        let usable = series.iter().filter(|o| o.timestamp_s.is_finite() && o.intensity.is_finite()).count();
        prop_assert!(outcome.n_frames as usize <= usable);
        if let Update::Apply(reward) = outcome.update {
            let after = Posterior::PRIOR.updated(reward).unwrap();
            prop_assert!((after.alpha() + after.beta() - 3.0).abs() < 1e-12);
            prop_assert!(outcome.n_frames > 0);
        } else {
            prop_assert_eq!(outcome.n_frames, 0);
        }
    }

    #[test]
    fn numbers_that_are_not_finite_change_nothing(series in prop::collection::vec(observation(), 0..40), bad in prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY]), place in any::<prop::sample::Index>(), in_time in any::<bool>()) {
        let clean = evaluate(&evidence(&series, STIMULUS_SECS, true));
        let mut broken = series.clone();
        let added = if in_time {
            Au12Observation { timestamp_s: bad, intensity: 1.0 }
        } else {
            Au12Observation { timestamp_s: STIMULUS_SECS + 1.0, intensity: bad }
        };
        broken.insert(place.index(series.len() + 1), added);
        prop_assert_eq!(evaluate(&evidence(&broken, STIMULUS_SECS, true)), clean);
    }

    #[test]
    fn order_of_arrival_does_not_change_the_reward(series in prop::collection::vec(observation(), 0..40), turn in any::<prop::sample::Index>(), delivered in any::<bool>()) {
        let mut turned = series.clone();
        if !turned.is_empty() {
            turned.rotate_left(turn.index(series.len()));
            turned.reverse();
        }
        let (first, second) = (evaluate(&evidence(&series, STIMULUS_SECS, delivered)).unwrap(), evaluate(&evidence(&turned, STIMULUS_SECS, delivered)).unwrap());
        prop_assert_eq!(first.gated_reward.to_bits(), second.gated_reward.to_bits());
        prop_assert_eq!((first.n_frames, first.update), (second.n_frames, second.update));
        let (a, b) = (first.baseline.unwrap_or(-1.0), second.baseline.unwrap_or(-1.0));
        prop_assert!((a - b).abs() < 1e-12);
    }

    #[test]
    fn a_percentile_is_one_of_its_bounds_or_between(values in prop::collection::vec(prop::num::f64::ANY, 0..40), time in prop::num::f64::ANY) {
        prop_assert!((0.0..=1.0).contains(&p90(&values)));
        prop_assert_eq!(evaluate(&evidence(&[], time, true)).is_some(), time.is_finite());
    }
}
