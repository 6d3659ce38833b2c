//! Files: whole, partial, broken, and odd.

use std::thread;
use std::time::Duration;

use lsie_device::{ColorMatrix, PixelFormat};
use lsie_ingest::{IngestError, IngestEvent, Input, OpenSettings, Pull, open};
use tempfile::TempDir;

use crate::making::{CEILING, all_blocks, all_times, movie, one_frame, plane, run, settings};

fn open_in(folder: &TempDir, name: &str, settings: &OpenSettings) -> Result<Input, IngestError> {
    open(
        &format!("file://{}/{name}", folder.path().display()),
        settings,
    )
}

#[test]
fn a_file_gives_every_frame_and_every_sample() {
    let folder = TempDir::new().unwrap();
    movie(
        &folder.path().join("whole.mkv"),
        "matroskamux",
        45,
        (320, 180),
        true,
    );
    let mut input = open_in(&folder, "whole.mkv?pace=fast", &settings()).unwrap();
    assert_eq!(input.info.video.unwrap().width, 320);
    assert_eq!(input.info.audio.unwrap().channels, 2);
    let mut audio = input.audio.take().unwrap();
    let sound = thread::Builder::new()
        .spawn(move || all_blocks(&mut audio).unwrap())
        .unwrap();
    let times = all_times(input.video.as_mut().unwrap()).unwrap();
    let blocks = sound.join().unwrap();
    assert_eq!(times.len(), 45);
    for (n, time) in times.iter().enumerate() {
        assert!(
            (time - n.cast_signed() as i64 * 33_333_333).abs() < 1_100_000,
            "frame {n} at {time}"
        );
    }
    assert_eq!(
        blocks
            .iter()
            .map(lsie_ingest::PcmBlock::frames)
            .sum::<usize>(),
        45 * 1600
    );
    for (n, block) in blocks.iter().enumerate() {
        assert_eq!(
            (block.pts_ns, block.seq),
            (n.cast_signed() as i64 * 20_000_000, n as u64)
        );
    }
    assert_eq!(input.counters().sound_gaps, 0);
    assert_eq!(input.counters().frames, 45);
    assert_eq!(input.counters().frames_converted, 0);
}

#[test]
fn the_same_file_gives_the_same_twice() {
    let folder = TempDir::new().unwrap();
    movie(
        &folder.path().join("same.mp4"),
        "mp4mux",
        20,
        (160, 120),
        false,
    );
    let once = || {
        let mut input = open_in(&folder, "same.mp4?pace=fast", &settings()).unwrap();
        let mut video = input.video.take().unwrap();
        let mut all = Vec::new();
        while let Pull::Item(frame) = video.next(CEILING).unwrap() {
            all.push((
                frame.pts_ns(),
                frame.seq(),
                plane(&frame, 0),
                plane(&frame, 2),
            ));
        }
        all
    };
    let first = once();
    assert_eq!(first.len(), 20);
    assert!(first == once());
}

#[test]
fn picture_without_sound_and_sound_without_picture_open() {
    let folder = TempDir::new().unwrap();
    movie(
        &folder.path().join("mute.mp4"),
        "mp4mux",
        12,
        (160, 120),
        false,
    );
    let mut mute = open_in(&folder, "mute.mp4?pace=fast", &settings()).unwrap();
    assert!(mute.audio.is_none() && mute.info.audio.is_none());
    assert_eq!(all_times(mute.video.as_mut().unwrap()).unwrap().len(), 12);

    let wav = folder.path().join("blind.wav");
    run(&format!(
        "audiotestsrc num-buffers=10 samplesperbuffer=4410 ! audio/x-raw,format=S16LE,rate=44100,channels=1 \
         ! wavenc ! filesink location={}",
        wav.display()
    ));
    let mut blind = open_in(&folder, "blind.wav?pace=fast", &settings()).unwrap();
    assert!(blind.video.is_none());
    assert_eq!(blind.info.audio.unwrap().source_rate_hz, 44_100);
    let blocks = all_blocks(blind.audio.as_mut().unwrap()).unwrap();
    let frames: usize = blocks.iter().map(lsie_ingest::PcmBlock::frames).sum();
    assert!(
        frames.abs_diff(48_000) <= 2,
        "{frames} samples for one second"
    );
    assert!(
        blocks
            .iter()
            .all(|block| block.rate_hz == 48_000 && block.channels == 1)
    );
}

#[test]
fn what_is_no_media_file_is_a_typed_error() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let error = |name: &str| match open_in(&folder, name, &settings()) {
        Ok(_) => panic!("{name} opened"),
        Err(error) => error,
    };
    assert!(matches!(error("missing.mp4"), IngestError::File { .. }));
    assert!(matches!(error("."), IngestError::File { .. }));
    write("empty.mp4", b"");
    assert!(matches!(error("empty.mp4"), IngestError::NotMedia { .. }));
    write(
        "noise.mp4",
        &(0..20_000_u32)
            .map(|n| ((n * n) >> 3) as u8)
            .collect::<Vec<_>>(),
    );
    assert!(matches!(error("noise.mp4"), IngestError::NotMedia { .. }));
    write(
        "words.txt",
        b"just words, many of them, and nothing to see or hear",
    );
    assert!(matches!(error("words.txt"), IngestError::NotMedia { .. }));
    // An MP4 that lost its end has no index.
    movie(
        &folder.path().join("cut.mp4"),
        "mp4mux",
        30,
        (160, 120),
        false,
    );
    let whole = std::fs::read(folder.path().join("cut.mp4")).unwrap();
    write("cut.mp4", &whole[..whole.len() / 2]);
    let cut = error("cut.mp4");
    assert!(matches!(cut, IngestError::NotMedia { .. }), "{cut}");
    assert!(!cut.hint().is_empty() && cut.code() == "source_not_media");
}

#[test]
fn a_file_that_lost_its_end_plays_up_to_the_damage() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("cut.mkv");
    movie(&path, "matroskamux", 60, (320, 180), false);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() * 2 / 3]).unwrap();
    let mut input = open_in(&folder, "cut.mkv?pace=fast", &settings()).unwrap();
    let mut video = input.video.take().unwrap();
    let mut frames = 0;
    loop {
        match video.next(CEILING) {
            Ok(Pull::Item(_)) => frames += 1,
            Ok(Pull::Pending) => panic!("hangs after {frames} frames"),
            Ok(Pull::End) | Err(IngestError::Pipeline { .. }) => break,
            Err(other) => panic!("{other}"),
        }
    }
    assert!((10..60).contains(&frames), "{frames}");
    assert!(matches!(video.next(CEILING).unwrap(), Pull::End));
}

#[test]
fn strides_come_from_the_decoder_and_colours_from_the_caps() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("odd.mkv");
    // 62 wide: the rows of a raw picture are padded to 64, chroma to 32.
    run(&format!(
        "videotestsrc num-buffers=3 pattern=solid-color foreground-color=0xffff0000 \
         ! video/x-raw,format=I420,width=62,height=46,framerate=30/1,colorimetry=bt601 ! matroskamux \
         ! filesink location={}",
        path.display()
    ));
    let mut input = open_in(&folder, "odd.mkv?pace=fast", &settings()).unwrap();
    let frame = one_frame(input.video.as_mut().unwrap());
    assert_eq!(frame.format(), PixelFormat::I420);
    assert_eq!((frame.width(), frame.height()), (62, 46));
    assert!(frame.planes()[0].pitch_bytes >= 62);
    assert_eq!(frame.color().matrix, ColorMatrix::Bt601);
    for (index, expected) in [(0, 81), (1, 90), (2, 240)] {
        let samples = plane(&frame, index);
        assert!(
            samples.iter().all(|value| value.abs_diff(expected) <= 1),
            "plane {index}: {:?}",
            &samples[..4]
        );
    }
}

#[test]
fn other_formats_are_converted_and_the_conversion_is_declared() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("full.mkv");
    run(&format!(
        "videotestsrc num-buffers=8 ! video/x-raw,format=YUY2,width=160,height=120,framerate=25/1 ! matroskamux \
         ! filesink location={}",
        path.display()
    ));
    let mut input = open_in(&folder, "full.mkv?pace=fast", &settings()).unwrap();
    assert_eq!(all_times(input.video.as_mut().unwrap()).unwrap().len(), 8);
    assert_eq!(input.counters().frames_converted, 8);
    assert_eq!(
        input.counters().host_copies,
        2 * 8,
        "a conversion is a copy"
    );
    let events = input.handle().take_events();
    assert!(
        events
            .iter()
            .any(|event| matches!(event, IngestEvent::ConversionInserted { .. })),
        "{events:?}"
    );
}

#[test]
fn a_start_offset_begins_there_and_keeps_the_media_time() {
    let folder = TempDir::new().unwrap();
    movie(
        &folder.path().join("long.mkv"),
        "matroskamux",
        60,
        (160, 120),
        true,
    );
    let mut settings = settings();
    settings.start_secs = Some(1.0);
    let mut input = open_in(&folder, "long.mkv?pace=fast", &settings).unwrap();
    let mut audio = input.audio.take().unwrap();
    let sound = thread::Builder::new()
        .spawn(move || all_blocks(&mut audio).unwrap())
        .unwrap();
    let times = all_times(input.video.as_mut().unwrap()).unwrap();
    assert!(
        (1_000_000_000..1_040_000_000).contains(&times[0]),
        "{}",
        times[0]
    );
    assert!(times.len().abs_diff(30) <= 1, "{}", times.len());
    let blocks = sound.join().unwrap();
    assert!(
        (1_000_000_000..1_040_000_000).contains(&blocks[0].pts_ns),
        "{}",
        blocks[0].pts_ns
    );
}

#[test]
fn a_dropped_half_does_not_hold_up_the_other() {
    let folder = TempDir::new().unwrap();
    movie(
        &folder.path().join("both.mkv"),
        "matroskamux",
        150,
        (160, 120),
        true,
    );
    let mut input = open_in(&folder, "both.mkv?pace=fast", &settings()).unwrap();
    drop(input.audio.take());
    assert_eq!(all_times(input.video.as_mut().unwrap()).unwrap().len(), 150);

    let mut input = open_in(&folder, "both.mkv?pace=fast", &settings()).unwrap();
    drop(input.video.take());
    assert_eq!(
        all_blocks(input.audio.as_mut().unwrap()).unwrap().len(),
        250
    );
}

#[test]
fn a_paced_file_loses_nothing_and_counts_its_lag() {
    let folder = TempDir::new().unwrap();
    movie(
        &folder.path().join("paced.mp4"),
        "mp4mux",
        24,
        (160, 120),
        false,
    );
    let mut input = open_in(&folder, "paced.mp4", &settings()).unwrap();
    let mut video = input.video.take().unwrap();
    let mut frames = 0;
    while let Pull::Item(_frame) = video.next(CEILING).unwrap() {
        frames += 1;
        // Slower than the file on purpose.
        thread::sleep(Duration::from_millis(45));
    }
    assert_eq!(frames, 24);
    assert_eq!(input.counters().frames_superseded, 0);
    assert!(
        input.counters().lag_max_ns > 100_000_000,
        "{:?}",
        input.counters()
    );
    assert!(input.counters().frames_late > 0);
}

#[test]
fn a_consumer_that_holds_frames_makes_a_file_wait() {
    let folder = TempDir::new().unwrap();
    movie(
        &folder.path().join("held.mp4"),
        "mp4mux",
        20,
        (160, 120),
        false,
    );
    let mut settings = settings();
    settings.pool_slots = 2;
    let mut input = open_in(&folder, "held.mp4?pace=fast", &settings).unwrap();
    let video = input.video.as_mut().unwrap();
    let held = [one_frame(video), one_frame(video)];
    assert!(matches!(
        video.next(Duration::from_millis(30)).unwrap(),
        Pull::Pending
    ));
    drop(held);
    assert_eq!(all_times(video).unwrap().len(), 18);
    assert_eq!(input.counters().frames_without_slot, 0);
}
