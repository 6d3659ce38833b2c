//! Sound that is late, absent or dead, pictures that stall, sources that end inside a window.

mod session;

use lsie_schemas::link::SegmentKind;
use lsie_schemas::time::UtcMicros;
use lsie_segment::{
    Gap, GapReason, MAX_PENDING_STIMULI, Patience, Reached, SegmentError, SessionClock,
    WindowSettings, Windower,
};
use session::{EPOCH, Script, Session};
use uuid::Uuid;

const SECOND: i64 = 1_000_000_000;

fn settings(has_audio: bool, has_video: bool, patience: Patience) -> WindowSettings {
    WindowSettings {
        session_id: Uuid::from_u128(1),
        clock: SessionClock::new(EPOCH),
        has_audio,
        has_video,
        patience,
        grid_anchor: Some(EPOCH),
        resume_at_ns: 0,
    }
}

fn reached(audio_ns: Option<i64>, video_ns: Option<i64>) -> Reached {
    Reached {
        audio_ns,
        video_ns,
        clock_ns: None,
    }
}

#[test]
fn a_window_closes_with_the_sample_that_completes_it() {
    let mut windower = Windower::new(settings(true, false, Patience::Live));
    assert!(
        windower
            .poll(reached(Some(30 * SECOND - 62_500), None))
            .is_empty()
    );
    assert_eq!(windower.poll(reached(Some(30 * SECOND), None)).len(), 1);
    assert!(
        windower.poll(reached(Some(30 * SECOND), None)).is_empty(),
        "once"
    );
}

#[test]
fn without_sound_the_picture_decides_and_without_both_the_clock() {
    let mut silent = Windower::new(settings(false, true, Patience::Live));
    assert!(
        silent
            .poll(reached(Some(90 * SECOND), Some(29 * SECOND)))
            .is_empty()
    );
    assert_eq!(silent.poll(reached(None, Some(30 * SECOND))).len(), 1);
    let mut blind = Windower::new(settings(false, false, Patience::File));
    assert_eq!(
        blind
            .poll(Reached {
                clock_ns: Some(61 * SECOND),
                ..Reached::default()
            })
            .len(),
        2
    );
}

#[test]
fn a_live_window_does_not_wait_for_a_stalled_picture_and_says_so() {
    let mut windower = Windower::new(settings(true, true, Patience::Live));
    assert!(
        windower
            .poll(reached(Some(30 * SECOND), Some(20 * SECOND)))
            .is_empty(),
        "a short grace"
    );
    let closed = windower.poll(reached(Some(30 * SECOND + 250_000_000), Some(20 * SECOND)));
    assert_eq!(
        closed[0].gaps,
        vec![Gap {
            from_ns: 20 * SECOND,
            to_ns: 30 * SECOND,
            reason: GapReason::VideoLate
        }]
    );
    let mut file = Windower::new(settings(true, true, Patience::File));
    assert!(
        file.poll(reached(Some(300 * SECOND), Some(20 * SECOND)))
            .is_empty(),
        "a file waits"
    );
}

#[test]
fn dead_sound_closes_by_the_picture_after_its_grace() {
    let mut windower = Windower::new(settings(true, true, Patience::Live));
    assert!(windower.poll(reached(None, Some(31 * SECOND))).is_empty());
    let closed = windower.poll(reached(None, Some(32 * SECOND)));
    assert_eq!(
        closed[0].gaps,
        vec![Gap {
            from_ns: 0,
            to_ns: 30 * SECOND,
            reason: GapReason::AudioLate
        }]
    );
}

#[test]
fn late_sound_is_a_silent_prefix_not_quiet_speech() {
    let script = Script {
        secs: 31.0,
        lost_blocks: vec![(0, 4)],
        ..Script::default()
    };
    let parts = Session::new(&script, Patience::Live).play(&script, 0, 1);
    assert_eq!(parts[0].pcm.as_ref().unwrap().silence_prefix_s, 4.0);
}

#[test]
fn a_source_that_ends_just_before_a_window_closes_it_truncated() {
    let script = Script {
        secs: 29.8,
        ..Script::default()
    };
    let mut session = Session::new(&script, Patience::File);
    assert!(session.play(&script, 0, 1).is_empty());
    let finished = session
        .windower
        .finish(session.reached(), GapReason::SourceEnded);
    assert!(finished.abandoned.is_empty());
    let parts = session.cut(finished.closed[0].clone());
    assert!(parts.window.is_truncated);
    let gap = parts
        .gaps
        .iter()
        .find(|g| g.reason == GapReason::SourceEnded)
        .unwrap();
    assert_eq!((gap.from_ns, gap.to_ns), (29_800_000_000, 30 * SECOND));
    assert!((parts.pcm.unwrap().silence_tail_s - 0.2).abs() < 1e-9);
}

#[test]
fn a_source_that_ends_early_abandons_what_had_begun() {
    let script = Script {
        secs: 40.0,
        stimuli: vec![38.0, 500.0],
        ..Script::default()
    };
    let mut session = Session::new(&script, Patience::File);
    assert_eq!(session.play(&script, 0, 1).len(), 1);
    let finished = session
        .windower
        .finish(session.reached(), GapReason::SourceEnded);
    assert!(finished.closed.is_empty());
    let missing: Vec<i64> = finished
        .abandoned
        .iter()
        .map(|a| a.missing_ns / 1_000_000)
        .collect();
    assert_eq!(
        missing,
        vec![3_000, 20_000, 465_000],
        "stimulus, grid window 2, stimulus that was never reached"
    );
    assert!(
        finished
            .abandoned
            .iter()
            .all(|a| a.reason == GapReason::SourceEnded)
    );
    assert!(
        session
            .windower
            .poll(reached(Some(1000 * SECOND), Some(1000 * SECOND)))
            .is_empty(),
        "nothing closes afterwards"
    );
}

#[test]
fn after_a_restart_the_lost_time_is_a_gap_and_old_windows_are_skipped() {
    let mut windower = Windower::new(WindowSettings {
        resume_at_ns: 70 * SECOND,
        ..settings(true, false, Patience::Live)
    });
    let closed = windower.poll(reached(Some(121 * SECOND), None));
    assert_eq!(closed.len(), 2);
    assert_eq!(closed[0].kind, SegmentKind::Grid { index: 3 });
    assert_eq!(
        closed[0].gaps,
        vec![Gap {
            from_ns: 60 * SECOND,
            to_ns: 70 * SECOND,
            reason: GapReason::EngineRestart
        }]
    );
    assert!(closed[1].gaps.is_empty());
}

#[test]
fn ten_hours_of_windows_do_not_drift() {
    let mut windower = Windower::new(settings(true, false, Patience::Live));
    let mut starts = Vec::new();
    let mut position = 0;
    while position < 36_000 * SECOND {
        position += 21_333_333;
        starts.extend(
            windower
                .poll(reached(Some(position), None))
                .into_iter()
                .map(|w| w.bounds.start_utc),
        );
    }
    let exact: Vec<UtcMicros> = (0..1200).map(|n| EPOCH.plus_secs(30 * n)).collect();
    assert_eq!(starts, exact);
}

#[test]
fn impossible_stimuli_are_refused() {
    let mut windower = Windower::new(settings(true, true, Patience::Live));
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 1e300] {
        assert!(
            matches!(
                windower.push_stimulus(Uuid::nil(), bad),
                Err(SegmentError::NotFinite { .. })
            ),
            "{bad}"
        );
    }
    let t = EPOCH.as_epoch_secs() + 40.0;
    windower.push_stimulus(Uuid::from_u128(1), t).unwrap();
    assert_eq!(
        windower.push_stimulus(Uuid::from_u128(2), t),
        Err(SegmentError::DuplicateStimulus)
    );
    for k in 1..MAX_PENDING_STIMULI {
        windower.push_stimulus(Uuid::nil(), t + k as f64).unwrap();
    }
    assert!(matches!(
        windower.push_stimulus(Uuid::nil(), t + 0.5),
        Err(SegmentError::TooManyStimuli { .. })
    ));
}

#[test]
fn absurd_positions_stay_bounded() {
    let mut windower = Windower::new(settings(true, true, Patience::Live));
    assert_eq!(
        windower.poll(reached(Some(i64::MAX), Some(i64::MAX))).len(),
        lsie_segment::MAX_WINDOWS_PER_POLL
    );
    assert!(windower.poll(reached(Some(i64::MIN), None)).is_empty());
    let finished = windower.finish(
        reached(Some(i64::MAX), Some(i64::MAX)),
        GapReason::SourceEnded,
    );
    assert!(finished.closed.len() + finished.abandoned.len() <= lsie_segment::MAX_WINDOWS_PER_POLL);
}
