//! Random blocks and windows against the obvious model: a map from position to sample.

use std::collections::BTreeMap;

use lsie_schemas::time::UtcMicros;
use lsie_schemas::window::SegmentWindow;
use lsie_segment::{ObservationRing, PcmRing, SessionClock};
use proptest::prelude::*;

const EPOCH: UtcMicros = UtcMicros(1_767_225_600_000_000);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn cuts_hold_exactly_the_samples_at_their_positions(
        blocks in prop::collection::vec((1_i64..40_000, 0_i64..40_000), 1..60),
        start_ms in -40_000_i64..60_000,
    ) {
        let mut ring = PcmRing::new(SessionClock::new(EPOCH));
        let mut model = BTreeMap::new();
        let mut next = 0_i64;
        for (len, jump) in blocks {
            // Jumps within the jitter allowance do not move the count.
            let position = if jump > 160 && jump < 20_000 { next + jump } else { next };
            let block: Vec<i16> = (0..len).map(|j| ((position + j) % 30_000 + 1) as i16).collect();
            ring.push(position * 62_500, &block).unwrap();
            model.extend((position..).zip(block.iter().copied()));
            next = position + len;
        }
        let cut = ring.cut_available(SegmentWindow::starting_at(EPOCH.plus_micros(start_ms * 1000)));
        if let Ok(cut) = cut {
            for (position, sample) in (start_ms * 16..).zip(&cut.samples).step_by(37) {
                prop_assert_eq!(*sample, model.get(&position).copied().unwrap_or(0), "position {}", position);
            }
        } else {
            prop_assert!(start_ms * 16 < next - 1_440_000, "only overwritten windows are refused");
        }
    }

    #[test]
    fn hostile_blocks_never_panic(blocks in prop::collection::vec((any::<i64>(), 0_usize..300), 0..40), start in any::<i64>()) {
        let mut ring = PcmRing::new(SessionClock::new(EPOCH));
        for (pts, len) in blocks {
            let _ = ring.push(pts, &vec![1; len]);
        }
        let _ = ring.cut(SegmentWindow::starting_at(UtcMicros(start)));
        let _ = ring.cut_available(SegmentWindow::starting_at(UtcMicros(start)));
    }

    #[test]
    fn window_queries_match_a_filter(times in prop::collection::vec(0.0_f64..59.0, 0..200), a in -5.0_f64..65.0, b in -5.0_f64..65.0) {
        let mut ring = ObservationRing::new(60.0, 1000);
        for (k, t) in times.iter().enumerate() {
            ring.push(*t, k).unwrap();
        }
        let got: Vec<usize> = ring.window(a, b).map(|o| o.value).collect();
        let want: Vec<usize> = times.iter().enumerate().filter(|(_, t)| a <= **t && **t <= b).map(|(k, _)| k).collect();
        prop_assert_eq!(got, want);
    }
}
