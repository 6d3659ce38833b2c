//! The same file gives the same windows bit for bit, read fast or paced, however its streams interleave.

mod session;

use lsie_segment::{Patience, SegmentParts};
use proptest::prelude::*;
use session::{EPOCH, Script, Session};

fn run(script: &Script, audio_lead_ms: i64, poll_every: usize) -> Vec<SegmentParts<f64>> {
    let mut session = Session::new(script, Patience::File);
    session.play(script, audio_lead_ms, poll_every)
}

#[test]
fn fast_and_paced_files_give_identical_parts() {
    let script = Script {
        secs: 95.0,
        stimuli: vec![31.25, 58.000_001, 85.5],
        ..Script::default()
    };
    let paced = run(&script, 0, 1);
    assert_eq!(paced.len(), 6, "three grid windows and three stimuli");
    assert!(
        paced
            .iter()
            .all(|p| p.gaps.is_empty() && p.window.gaps.is_empty())
    );
    for (lead_ms, every) in [(2_000, 1), (-2_000, 7), (15_000, 500), (-20_000, 1000)] {
        assert_eq!(
            run(&script, lead_ms, every),
            paced,
            "lead {lead_ms} ms, poll every {every} events"
        );
    }
}

#[test]
fn a_stimulus_window_holds_its_whole_measurement() {
    let script = Script {
        secs: 60.0,
        stimuli: vec![40.0],
        fps: 10.0,
        ..Script::default()
    };
    let parts = run(&script, 0, 1);
    let stimulus = parts
        .iter()
        .find(|p| p.window.start_s == EPOCH.as_epoch_secs() + 15.0)
        .unwrap();
    assert_eq!(stimulus.series.len(), 301, "both ends belong to the window");
    assert_eq!(stimulus.pcm.as_ref().unwrap().start_ns, 15_000_000_000);
}

#[test]
fn a_stimulus_window_on_the_grid_stands_for_both() {
    let script = Script {
        secs: 61.0,
        stimuli: vec![25.0],
        ..Script::default()
    };
    let parts = run(&script, 0, 1);
    assert_eq!(parts.len(), 2);
    assert!(matches!(
        parts[0].window.kind,
        lsie_schemas::link::SegmentKind::Stimulus { .. }
    ));
    assert_ne!(parts[0].window.segment_id, parts[1].window.segment_id);
}

#[test]
fn a_stimulus_in_the_first_seconds_gets_a_silent_prefix() {
    let script = Script {
        secs: 40.0,
        stimuli: vec![6.0],
        ..Script::default()
    };
    let parts = run(&script, 0, 1);
    let early = parts[0].pcm.as_ref().unwrap();
    assert_eq!(
        (early.silence_prefix_s, early.start_ns),
        (19.0, -19_000_000_000)
    );
    assert!(early.samples[..19 * 16_000].iter().all(|s| *s == 0));
    assert_ne!(early.samples[19 * 16_000 + 3], 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_interleaving_gives_the_same_windows(
        lead_ms in -20_000_i64..20_000,
        every in 1_usize..800,
        stimuli in prop::collection::btree_set(0_u32..60_000, 0..4),
        lost in 0_u32..70,
    ) {
        let script = Script {
            secs: 70.0,
            stimuli: stimuli.iter().map(|ms| f64::from(*ms) / 1000.0).collect(),
            lost_blocks: vec![(lost, lost + 2)],
            ..Script::default()
        };
        prop_assert_eq!(run(&script, lead_ms, every), run(&script, 0, 1));
    }
}
