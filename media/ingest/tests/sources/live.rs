//! The test pattern and what all sources share: stopping, counting, addresses.

use std::thread;
use std::time::{Duration, Instant};

use lsie_ingest::{IngestError, MediaAnchor, Pull, host_time_ns, known_schemes, open};

use crate::making::{CEILING, all_blocks, all_times, one_block, one_frame, settings};

#[test]
fn an_unknown_scheme_lists_the_known_ones() {
    match open("gopher://camera/1", &settings()) {
        Err(IngestError::UnknownScheme { scheme, known }) => {
            assert_eq!(scheme, "gopher");
            assert_eq!(known, known_schemes());
            assert!(
                known
                    .iter()
                    .all(|help| !help.help.is_empty() && !help.form.is_empty())
            );
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("opened"),
    }
}

#[test]
fn a_fast_pattern_has_exactly_its_length() {
    let mut input = open(
        "test:bars?size=64x48&fps=25&seconds=2&pace=fast&start=10",
        &settings(),
    )
    .unwrap();
    let mut audio = input.audio.take().unwrap();
    let sound = thread::Builder::new()
        .spawn(move || all_blocks(&mut audio).unwrap())
        .unwrap();
    let times = all_times(input.video.as_mut().unwrap()).unwrap();
    let expected: Vec<i64> = (0..50).map(|n| 10_000_000_000 + n * 40_000_000).collect();
    assert_eq!(times, expected);
    let blocks = sound.join().unwrap();
    assert_eq!(blocks.len(), 100);
    assert_eq!(blocks[99].pts_ns, 10_000_000_000 + 99 * 20_000_000);
    let loudest = blocks[50]
        .samples
        .iter()
        .fold(0.0_f32, |most, value| most.max(value.abs()));
    assert!((0.15..0.25).contains(&loudest), "{loudest}");
}

#[test]
fn a_fault_on_purpose_is_a_real_error_after_the_pictures_before_it() {
    let url = "test:bars?size=64x48&fps=25&pace=fast&fail_after=2";
    let mut input = open(url, &settings()).unwrap();
    drop(input.audio.take());
    let video = input.video.as_mut().unwrap();
    let mut frames = 0;
    let error = loop {
        match video.next(CEILING) {
            Ok(Pull::Item(_frame)) => frames += 1,
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert!((48..=50).contains(&frames), "{frames}");
    assert_eq!(error.code(), "source_failed");
    assert!(matches!(video.next(CEILING), Ok(Pull::End)));

    let mut settings = settings();
    settings.wants_video = false;
    let mut sound = open("test:bars?pace=fast&fail_after=1", &settings).unwrap();
    assert!(all_blocks(sound.audio.as_mut().unwrap()).is_err());
}

#[test]
fn an_anchored_live_source_goes_on_with_the_clock_of_the_host() {
    for url in ["test:bars?size=64x48", "demo:presenter"] {
        let mut settings = settings();
        settings.anchor = Some(MediaAnchor {
            host_time_ns: host_time_ns() - 3_000_000_000,
            pts_ns: 100_000_000_000,
        });
        let mut input = open(url, &settings).unwrap();
        drop(input.audio.take());
        let frame = one_frame(input.video.as_mut().unwrap());
        let behind_ns = settings.anchor.unwrap().pts_at(frame.host_time_ns()) - frame.pts_ns();
        assert!(
            frame.pts_ns() >= 103_000_000_000,
            "{url} {}",
            frame.pts_ns()
        );
        // Generous: what a loaded machine takes to start a pipeline.
        assert!(behind_ns.abs() < 3_000_000_000, "{url} {behind_ns}");
    }
}

#[test]
fn the_newest_frame_of_a_live_source_wins_and_the_others_are_counted() {
    let mut input = open("test:bars?size=64x48&fps=60", &settings()).unwrap();
    let video = input.video.as_mut().unwrap();
    let first = one_frame(video).seq();
    thread::sleep(Duration::from_millis(300));
    let second = one_frame(video).seq();
    assert!(second > first + 5, "{first} {second}");
    assert_eq!(input.counters().frames_superseded, second - first - 1);
    let sound = one_block(input.audio.as_mut().unwrap());
    assert!(
        (0..1_000_000_000).contains(&sound.pts_ns),
        "{}",
        sound.pts_ns
    );
}

#[test]
fn a_live_source_without_a_free_slot_drops_and_counts() {
    let mut settings = settings();
    settings.pool_slots = 2;
    let mut input = open("test:bars?size=64x48&fps=60", &settings).unwrap();
    let video = input.video.as_mut().unwrap();
    let held = [one_frame(video), one_frame(video)];
    assert!(matches!(
        video.next(Duration::from_millis(200)).unwrap(),
        Pull::Pending
    ));
    drop(held);
    one_frame(video);
    assert!(input.counters().frames_without_slot > 0);
}

#[test]
fn stopping_ends_every_pull_within_two_seconds() {
    for url in [
        "test:bars?size=64x48",
        "test:bars?size=64x48&pace=fast",
        "test:bars?size=64x48&pace=paced",
    ] {
        let mut input = open(url, &settings()).unwrap();
        let handle = input.handle();
        let mut video = input.video.take().unwrap();
        let mut audio = input.audio.take().unwrap();
        let pulling = thread::Builder::new()
            .spawn(move || while !matches!(video.next(CEILING).unwrap(), Pull::End) {})
            .unwrap();
        let hearing = thread::Builder::new()
            .spawn(move || while audio.next(CEILING).unwrap() != Pull::End {})
            .unwrap();
        thread::sleep(Duration::from_millis(50));
        let told = Instant::now();
        handle.stop();
        pulling.join().unwrap();
        hearing.join().unwrap();
        // The promise is 2 s; the ceiling is generous because the machine may be busy.
        assert!(told.elapsed() < CEILING, "{url}");
    }
}

#[test]
fn an_unwanted_half_is_not_there() {
    let mut settings = settings();
    settings.wants_audio = false;
    let input = open("test:bars?size=64x48", &settings).unwrap();
    assert!(input.audio.is_none() && input.info.audio.is_none() && input.video.is_some());
}
