//! NaN and both infinities in every float of a poll: a failed poll, and the offset known before stays.

use lsie_segment::{DriftEstimator, DriftPoll};

#[test]
fn a_poll_with_a_broken_time_changes_no_offset() {
    let good = [100.0, 100.2, 99.35];
    let poll = |[before_s, after_s, device_s]: [f64; 3]| DriftPoll::Value {
        before_s,
        after_s,
        device_s,
    };
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for place in 0..3 {
            let mut drift = DriftEstimator::default();
            let known = drift.record(poll(good), 0.0);
            let mut broken = good;
            broken[place] = bad;
            for mono_s in [30.0, 60.0, 90.0] {
                drift.record(poll(broken), mono_s);
            }
            let after = drift.state(90.0);
            assert_eq!(after.offset_s.to_bits(), known.offset_s.to_bits());
            assert_eq!(after.uncertainty_s.to_bits(), known.uncertainty_s.to_bits());
            assert!(known.is_valid && after.is_frozen, "{bad} at {place}");
        }
    }
}

#[test]
fn a_broken_time_of_ours_is_never_called_valid_while_frozen() {
    for bad in [f64::NAN, f64::INFINITY] {
        let mut drift = DriftEstimator::default();
        let good = DriftPoll::Value {
            before_s: 1.0,
            after_s: 1.1,
            device_s: 1.0,
        };
        drift.record(good, 0.0);
        for mono_s in [30.0, 60.0, 90.0] {
            drift.record(DriftPoll::Failed, mono_s);
        }
        assert!(!drift.state(bad).is_valid);
    }
}
