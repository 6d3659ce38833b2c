//! NaN and both infinities in every float that a public function takes: a typed refusal, `None`, or a finite answer.
//! Reward, physiology, bandit updates and the ledger have their own tests beside this one.

use std::collections::BTreeMap;

use lsie_analytics::attribution::{
    DEFAULT_HORIZON_SECS, FoundOutcome, KnownEvent, lift, link_late_outcome, scan_lags, soft_reward,
};
use lsie_analytics::bandit::{
    LoggedChoice, Posterior, draw, evaluate_policy, seed, seed_material, with_floor,
};
use lsie_analytics::comodulation::{RmssdRow, comodulation};
use lsie_analytics::retry::outbox_delay_secs;
use lsie_analytics::reward::{Progress, p90};
use lsie_analytics::semantic::{Primary, Routed, ScoreOutput, calibrate, is_pending_legal, route};
use lsie_analytics::window::Window;
use lsie_analytics::{clamp01, percentile};
use lsie_schemas::contract::{Au12Observation, SubjectRole};
use lsie_schemas::time::UtcMicros;
use uuid::Uuid;

const BROKEN: [f64; 3] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
const NOW: UtcMicros = UtcMicros(1_767_225_600_000_000);

#[test]
fn statistics_and_windows() {
    for bad in BROKEN {
        assert!((0.0..=1.0).contains(&clamp01(bad)));
        assert_eq!(percentile(&[0.1, bad, 0.2], 90.0), None);
        assert_eq!(percentile(&[0.1, 0.2], bad), None);
        assert_eq!(p90(&[bad]), 0.0);
        for window in [Window::Baseline, Window::Measure] {
            assert!(!window.contains(bad, 1.0) && !window.contains(0.0, bad));
            let frame = Au12Observation {
                timestamp_s: 1.0,
                intensity: bad,
            };
            assert!(window.select(&[frame], 0.0).is_empty());
        }
        assert!((1.0..=1.1).contains(&outbox_delay_secs(1, bad)));
        // Nothing has been given at a broken time, or it is over: never a measurement.
        let _ = Progress::at(Some(bad), 0.0);
        let _ = Progress::at(Some(0.0), bad);
    }
}

#[test]
fn attribution() {
    for bad in BROKEN {
        let frame = |timestamp_s, intensity| Au12Observation {
            timestamp_s,
            intensity,
        };
        let clean = lift(&[frame(1.0, 0.5)], Some(0.0));
        for broken in [frame(1.0, bad), frame(bad, 0.9)] {
            assert_eq!(lift(&[broken, frame(1.0, 0.5)], Some(0.0)), clean);
        }
        assert_eq!(soft_reward(Some(bad), Some(0.5)), None);
        assert_eq!(soft_reward(Some(0.5), Some(bad)), None);
        let steps = [0.0, 1.0, bad, 3.0, 4.0];
        assert_eq!(scan_lags(&steps, &[0.0, 1.0, 2.0, 3.0, 4.0], 1).peak, None);
        let outcome = FoundOutcome {
            value: bad,
            time_utc: NOW,
            source_system: "s".to_owned(),
            source_event_ref: None,
            confidence: bad,
        };
        let event = KnownEvent {
            event_id: Uuid::nil(),
            event_time_utc: NOW,
            unowed_scores: Vec::new(),
        };
        let late = |horizon| {
            link_late_outcome(
                Uuid::nil(),
                &outcome,
                std::slice::from_ref(&event),
                horizon,
                NOW,
            )
        };
        assert!(late(bad).is_err());
        let linked = late(DEFAULT_HORIZON_SECS).unwrap().unwrap();
        assert!(linked.outcome.outcome_value.is_finite() && linked.outcome.confidence.is_finite());
    }
}

#[test]
fn the_bandit() {
    for bad in BROKEN {
        assert!(Posterior::new(bad, 1.0).is_err() && Posterior::new(1.0, bad).is_err());
        assert!(Posterior::PRIOR.updated(bad).is_err());
        assert!((0.0..=1.0).contains(&Posterior::PRIOR.quantile(bad)));
        let (low, high) = Posterior::PRIOR.credible_interval(bad);
        assert!((0.0..=1.0).contains(&low) && (low..=1.0).contains(&high));
        assert!(seed(&Uuid::nil(), NOW, Some(bad), "e", "p").is_err());
        assert!(seed_material(&Uuid::nil(), NOW, Some(bad), "e", "p").is_err());
        assert!(with_floor(&[bad, 0.5], 0.0).is_err() && with_floor(&[0.5, 0.5], bad).is_err());
        let log = [(bad, 0.5), (0.5, bad), (0.5, 0.25)].map(|(propensity, reward)| LoggedChoice {
            arm_id: "a".to_owned(),
            propensity,
            reward,
        });
        let all = BTreeMap::from([("a".to_owned(), 1.0)]);
        let broken = BTreeMap::from([("a".to_owned(), bad)]);
        assert!(evaluate_policy(&log, &broken, &all).is_err());
        assert!(evaluate_policy(&log, &all, &broken).is_err());
        let seen = evaluate_policy(&log, &all, &all).unwrap().unwrap();
        assert_eq!((seen.used, seen.dropped), (1, 2));
        assert!(seen.doubly_robust.mean.is_finite() && seen.inverse_propensity.mean.is_finite());
    }
    for (alpha, beta) in [(1e-300, 1e-300), (1e300, 1e300), (1e-300, 1e300)] {
        let posterior = Posterior::new(alpha, beta).unwrap();
        for seed in 0..50 {
            assert!((0.0..=1.0).contains(&draw(seed, "a", posterior)));
        }
    }
}

#[test]
fn semantics() {
    for bad in BROKEN {
        for output in [
            ScoreOutput::Probability,
            ScoreOutput::Cosine,
            ScoreOutput::Logit,
            ScoreOutput::LegacyV1,
        ] {
            assert!(calibrate(bad, output).is_err());
        }
        let Routed::Done(judged) = route(Primary::Probability(bad), "v", None) else {
            panic!("a broken score asks nobody");
        };
        assert!(!judged.is_match && judged.confidence_score == 0.0);
        assert!(!is_pending_legal(0.0, bad, 0.0));
        assert!(!is_pending_legal(f64::NAN, 1.0, 0.0) && !is_pending_legal(0.0, 1.0, f64::NAN));
    }
}

#[test]
fn comodulation_of_broken_and_of_huge_values() {
    let row = |role, minute: i64, rmssd_ms: f64| RmssdRow {
        role,
        timestamp_utc: UtcMicros(NOW.0 - minute * 60_000_000),
        rmssd_ms: Some(rmssd_ms),
        is_valid: true,
        is_stale: false,
    };
    let both = |minute, value| {
        [SubjectRole::Streamer, SubjectRole::Operator].map(|role| row(role, minute, value))
    };
    let clean: Vec<RmssdRow> = (0..5_i32)
        .flat_map(|k| both(i64::from(k), 30.0 + f64::from(k)))
        .collect();
    for bad in BROKEN {
        let broken: Vec<RmssdRow> = clean.iter().copied().chain(both(2, bad)).collect();
        assert_eq!(comodulation(&broken, NOW), comodulation(&clean, NOW));
    }
    // Sums that overflow are no mean and no correlation.
    let huge: Vec<RmssdRow> = (0..6).flat_map(|k| both(k, 1.7e308)).collect();
    let seen = comodulation(&huge, NOW);
    assert!(seen.index.is_err());
    for mean in [seen.streamer_mean_ms, seen.operator_mean_ms] {
        assert!(mean.is_none_or(f64::is_finite), "{mean:?}");
    }
    // Rows out of order and given twice say the same as in order and once.
    let mut turned = clean.clone();
    turned.reverse();
    assert_eq!(comodulation(&turned, NOW), comodulation(&clean, NOW));
    let twice = [clean.clone(), clean.clone()].concat();
    assert_eq!(comodulation(&twice, NOW), comodulation(&clean, NOW));
}
