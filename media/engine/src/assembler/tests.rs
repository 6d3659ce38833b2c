use crossbeam::channel::Receiver;
use lsie_schemas::link::ClockRung;
use lsie_schemas::observation::{FaceMeasurement, HeadPose, Landmarks, UnitScores};
use lsie_schemas::time::UtcMicros;

use super::*;

const FRAME_NS: i64 = 100_000_000;
const CHUNK: usize = 1600;

fn assembler(has_audio: bool, capacity: usize) -> (Assembler, Receiver<EngineMessage>) {
    assembler_with(has_audio, capacity, Patience::File)
}

fn assembler_with(
    has_audio: bool,
    capacity: usize,
    patience: Patience,
) -> (Assembler, Receiver<EngineMessage>) {
    let (outbox, sent) = Outbox::for_tests(capacity);
    let settings = AssemblerSettings {
        session_id: Uuid::from_u128(1),
        clock: SessionClock::new(UtcMicros(1_700_000_000_000_000)),
        has_audio,
        has_video: true,
        patience,
        resume_at_ns: 0,
        planned: Vec::new(),
    };
    (
        Assembler::new(
            settings,
            CalibrationState::default(),
            outbox,
            (SegmentMeasurer::default(), UnitSummary::default()),
        ),
        sent,
    )
}

fn frame(pts_ns: i64, ratio: Option<f64>, score: Option<f64>) -> FaceObservation {
    FaceObservation {
        seq: 0,
        pts_ns,
        host_time_ns: 5_000_000_000 + pts_ns as u64,
        frame_width: 640,
        frame_height: 360,
        faces: 1,
        face: Ok(FaceMeasurement {
            subject: 1,
            box_in_frame: [0.0; 4],
            confidence: 0.9,
            pose: HeadPose {
                yaw_deg: 0.0,
                pitch_deg: 0.0,
                roll_deg: 0.0,
            },
            ratio,
            ratio_absent: None,
            landmarks: Landmarks(Box::default()),
        }),
        calibration: CalibrationState::default(),
        score,
        units: UnitScores::default(),
        status: VisualStatus::Ready,
    }
}

fn show(assembler: &mut Assembler, observation: FaceObservation) {
    let now_ns = observation.host_time_ns;
    assembler.take(Either::Left(observation), now_ns);
}

fn sound(pts_ns: i64) -> SoundChunk {
    SoundChunk {
        pts_ns,
        host_offset_ns: 0,
        samples: vec![1; CHUNK].into(),
        voice: Vec::new(),
        pitch: Vec::new(),
    }
}

fn segments(sent: &Receiver<EngineMessage>) -> Vec<SegmentMessage> {
    sent.try_iter()
        .filter_map(|message| match message {
            EngineMessage::Segment(segment) => Some(*segment),
            _ => None,
        })
        .collect()
}

#[test]
fn a_lost_source_leaves_a_gap_that_its_windows_name_and_the_clock_closes() {
    let (mut assembler, sent) = assembler_with(true, 4096, Patience::Live);
    for n in 0..=50 {
        assembler.take(Either::Right(sound(n * FRAME_NS)), 0);
        show(&mut assembler, frame(n * FRAME_NS, Some(0.8), Some(0.1)));
    }
    // A stimulus at 4 s: its window ends at 9 s, when the source is long gone.
    assembler.stamp(
        Uuid::from_u128(9),
        assembler.clock().epoch_secs_at(4_000_000_000),
    );
    let host_at = |ns: i64| (5_000_000_000 + ns) as u64;
    assembler.wait(host_at(8_000_000_000));
    assert!(!assembler.is_lost());
    assembler.lose(host_at(5_200_000_000));
    assembler.lose(host_at(9_000_000_000));
    // What was still under way when the loss was seen does not end the gap.
    assembler.take(Either::Right(sound(4_900_000_000)), 0);
    assert!(assembler.is_lost());
    assembler.wait(host_at(8_000_000_000));
    assert!(assembler.is_lost());
    assert_eq!(segments(&sent).len(), 0);
    assembler.wait(host_at(12_000_000_000));
    let closed = segments(&sent);
    assert_eq!(closed.len(), 1);
    let epoch_s = assembler.clock().epoch().as_epoch_secs();
    let lost = |segment: &SegmentMessage| {
        let gaps = segment.gaps.as_slice().iter();
        gaps.filter(|gap| gap.reason.as_str() == "source_recovering")
            .map(|gap| (gap.from_s - epoch_s, gap.to_s - epoch_s))
            .collect::<Vec<_>>()
    };
    let near = |found: &[(f64, f64)], from: f64, to: f64| {
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            (found[0].0 - from).abs() < 1e-3 && (found[0].1 - to).abs() < 1e-3,
            "{found:?}"
        );
    };
    near(&lost(&closed[0]), 5.0, 9.0);

    show(&mut assembler, frame(20_000_000_000, Some(0.8), Some(0.1)));
    assert!(!assembler.is_lost());
    let told: Vec<GapNote> = sent
        .try_iter()
        .filter_map(|message| match message {
            EngineMessage::Gap { gap, .. } => Some(gap),
            _ => None,
        })
        .collect();
    assert_eq!(told.len(), 1);
    near(
        &[(told[0].from_s - epoch_s, told[0].to_s - epoch_s)],
        5.0,
        20.0,
    );
    for n in 200..=330 {
        assembler.take(Either::Right(sound(n * FRAME_NS)), 0);
        show(&mut assembler, frame(n * FRAME_NS, Some(0.8), Some(0.1)));
    }
    let grid = segments(&sent);
    assert_eq!(grid.len(), 1);
    near(&lost(&grid[0]), 5.0, 20.0);
}

#[test]
fn a_clock_that_steps_back_is_refused_and_counted() {
    let (mut assembler, sent) = assembler(true, 4096);
    for n in 0..=300 {
        show(&mut assembler, frame(n * FRAME_NS, Some(0.5), Some(0.1)));
        assembler.take(Either::Right(sound(n * FRAME_NS)), 0);
        if n == 100 {
            // Both branches step back by five seconds.
            show(&mut assembler, frame(50 * FRAME_NS, Some(0.5), Some(0.9)));
            assembler.take(Either::Right(sound(50 * FRAME_NS)), 0);
        }
    }
    assert_eq!(assembler.counts(), (1, 2));
    let segment = segments(&sent).remove(0);
    assert!(
        segment
            .au12_series
            .as_slice()
            .iter()
            .all(|o| o.intensity < 0.5)
    );
    let times: Vec<f64> = segment
        .au12_series
        .as_slice()
        .iter()
        .map(|o| o.timestamp_s)
        .collect();
    assert!(times.is_sorted());
}

#[test]
fn a_value_that_is_no_number_enters_no_series_and_says_so() {
    let (mut assembler, sent) = assembler(false, 4096);
    for n in 0..=300 {
        let score = match n {
            10 => Some(f64::NAN),
            20 => Some(f64::INFINITY),
            _ => Some(0.25),
        };
        show(&mut assembler, frame(n * FRAME_NS, Some(0.5), score));
    }
    for message in sent.try_iter() {
        match message {
            EngineMessage::Visual(tick) => assert!(tick.au12.is_none_or(f64::is_finite)),
            EngineMessage::Segment(segment) => {
                assert_eq!(segment.absent.get(&NullReason::NonFinite), Some(&2));
                let series = segment.au12_series.as_slice();
                assert!(
                    series
                        .iter()
                        .all(|o| o.intensity.to_bits() == 0.25_f64.to_bits())
                );
                assert_eq!(series.len() as u32 + 2, segment.frames);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(assembler.counts(), (1, 0));
}

#[test]
fn a_lone_frame_from_far_ahead_moves_nothing() {
    let (mut assembler, _sent) = assembler(false, 64);
    show(&mut assembler, frame(0, None, None));
    show(&mut assembler, frame(i64::MAX / 4, None, None));
    assert_eq!(assembler.position_ns(), 0);
    assert_eq!(assembler.counts(), (0, 1));
}

#[test]
fn a_full_outbox_loses_ticks_and_counts_them_but_no_segment() {
    let (mut assembler, sent) = assembler(false, 2);
    let outbox = assembler.outbox.clone();
    let feeder = std::thread::Builder::new()
        .spawn(move || {
            for n in 0..=600 {
                show(&mut assembler, frame(n * FRAME_NS, Some(0.5), Some(0.1)));
            }
            assembler.counts().0
        })
        .unwrap();
    // The server reads nothing until ticks were lost; then the first segment waits for room.
    while outbox.dropped() == 0 {
        std::thread::yield_now();
    }
    drop(outbox.clone());
    let mut received = 0;
    let mut ticks = 0;
    while received < 2 {
        match sent.recv().unwrap() {
            EngineMessage::Segment(segment) => {
                assert_eq!(
                    segment.kind,
                    SegmentKind::Grid {
                        index: received + 1
                    }
                );
                received += 1;
            }
            EngineMessage::Visual(_) => ticks += 1,
            other => panic!("{other:?}"),
        }
    }
    // The feeder may have sent ticks after the second segment.
    assert_eq!(feeder.join().unwrap(), 2);
    ticks += sent.try_iter().count() as u64;
    assert_eq!(ticks + outbox.dropped(), 601);
}

#[test]
fn a_live_stimulus_gets_the_media_time_of_its_host_time() {
    let (mut assembler, _sent) = assembler(false, 64);
    // The second frame was 30 ms late: the quickest one tells where media time stands.
    show(&mut assembler, frame(0, None, None));
    let mut late = frame(FRAME_NS, None, None);
    late.host_time_ns += 30_000_000;
    show(&mut assembler, late);
    assert_eq!(assembler.live_position_ns(5_250_000_000), 250_000_000);
}

#[test]
fn a_segment_carries_the_worst_that_its_clock_was() {
    let (mut assembler, sent) = assembler(false, 4096);
    let said = |state, uncertainty_ms| SegmentClock {
        state,
        offset_s: Some(2.5),
        drift_ppm: Some(80.0),
        uncertainty_ms: Some(uncertainty_ms),
    };
    for n in 0..=310 {
        let now_ns = (5_000_000_000 + n * FRAME_NS) as u64;
        show(&mut assembler, frame(n * FRAME_NS, Some(0.8), Some(0.1)));
        let (rung, bound_ms) = match n {
            100..120 => (ClockRung::OneWay, 30.0),
            _ => (ClockRung::Good, 0.4),
        };
        assembler.note_clock(said(rung, bound_ms), now_ns);
    }
    let closed = segments(&sent);
    assert_eq!(closed.len(), 1);
    assert_eq!(closed[0].clock, Some(said(ClockRung::OneWay, 30.0)));
}

#[test]
fn a_segment_tells_of_each_unit_that_was_scored_and_of_no_other() {
    let (mut assembler, sent) = assembler(false, 4096);
    for n in 0..=310 {
        let mut observation = frame(n * FRAME_NS, Some(0.8), Some(0.25));
        observation.units.jaw_drop = (n % 2 == 0).then_some(if n < 150 { 0.5 } else { 0.75 });
        observation.units.inner_brow = Some(f64::NAN);
        show(&mut assembler, observation);
    }
    let closed = segments(&sent);
    let [smile, jaw] = closed[0].action_units.as_slice() else {
        panic!("{:?}", closed[0].action_units);
    };
    assert_eq!(
        (smile.unit, jaw.unit),
        (ActionUnit::LipCorner, ActionUnit::JawDrop)
    );
    // The window's ends belong to it: 301 frames, of which every second has a jaw.
    assert_eq!((smile.frames, jaw.frames), (301, 151));
    assert_eq!((smile.mean, smile.deviation, smile.p90), (0.25, 0.0, 0.25));
    assert_eq!(
        (jaw.p10, jaw.median, jaw.p90, jaw.largest),
        (0.5, 0.75, 0.75, 0.75)
    );
    assert!(
        (jaw.mean - (75.0 * 0.5 + 76.0 * 0.75) / 151.0).abs() < 1e-6,
        "{jaw:?}"
    );
}
