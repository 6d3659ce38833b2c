//! The demo presenter, played through the real decoder.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use lsie_ingest::truth::truth;
use lsie_ingest::{OpenSettings, Pull, open};

use crate::making::{CEILING, device, one_block, one_frame, plane, settings};

/// The first run takes most of a minute on a small machine, so it happens once.
static FIRST_RUN: Mutex<()> = Mutex::new(());

fn frame_ns(n: i64) -> i64 {
    n * 1_000_000_000 / 30
}

#[test]
fn frames_and_voice_run_on_one_media_time() {
    let _one = FIRST_RUN.lock().unwrap();
    let mut input = open("demo:presenter?pace=fast", &settings()).unwrap();
    let (mut video, mut audio) = (input.video.take().unwrap(), input.audio.take().unwrap());
    for n in 0..40 {
        let frame = one_frame(&mut video);
        assert_eq!((frame.pts_ns(), frame.seq()), (frame_ns(n), n as u64));
        assert_eq!((frame.width(), frame.height()), (1280, 720));
    }
    for n in 0..40 {
        let block = one_block(&mut audio);
        assert_eq!(
            (block.pts_ns, block.frames(), block.channels),
            (n * 20_000_000, 960, 1)
        );
    }
    // The declared exception of the host path: each picture is copied once into its slot, and no more.
    let counters = input.counters();
    assert_eq!((counters.frames, counters.host_copies), (40, 40));
    assert_eq!((counters.device_copies, counters.frames_converted), (0, 0));
}

#[test]
fn the_loop_goes_on_with_the_same_pictures_and_later_times() {
    let _one = FIRST_RUN.lock().unwrap();
    // 65.5 s lies before the seam at 66 s; its picture at 66 s + x is that of 6 s + x.
    let mut input = open("demo:presenter?pace=fast&start=65.5", &settings()).unwrap();
    let video = input.video.as_mut().unwrap();
    let mut late = Vec::new();
    for n in 1965..1965 + 120 {
        let frame = one_frame(video);
        assert_eq!(frame.pts_ns(), frame_ns(n));
        late.push(plane(&frame, 0));
    }
    let mut input = open("demo:presenter?pace=fast&start=6", &settings()).unwrap();
    let early = one_frame(input.video.as_mut().unwrap());
    assert_eq!(early.pts_ns(), 6_000_000_000);
    assert!(
        plane(&early, 0) == late[15],
        "both are the key frame of the loop's start"
    );
}

#[test]
fn the_mouth_moves_as_the_truth_says_and_only_then() {
    let _one = FIRST_RUN.lock().unwrap();
    let mut settings = settings();
    settings.wants_audio = false;
    let mouth_at = |secs: f64| {
        let mut settings = settings.clone();
        settings.start_secs = Some(secs);
        let mut input = open("demo:presenter?pace=fast", &settings).unwrap();
        let frame = one_frame(input.video.as_mut().unwrap());
        let luma = plane(&frame, 0);
        // A box about the mouth, in frame pixels.
        (310..390)
            .flat_map(|row| luma[row * 1280 + 460..row * 1280 + 660].to_vec())
            .collect::<Vec<u8>>()
    };
    let difference = |a: &[u8], b: &[u8]| {
        a.iter()
            .zip(b)
            .map(|(a, b)| f64::from(a.abs_diff(*b)))
            .sum::<f64>()
            / a.len() as f64
    };
    // The head moves a little in each; 60 s apart it is at the same place, with and without smile.
    assert!(
        truth(4.5).smile == 0.0 && truth(64.5).smile > 0.5,
        "{:?}",
        truth(64.5)
    );
    let smiling = difference(&mouth_at(4.5), &mouth_at(64.5));
    let same = difference(&mouth_at(7.0), &mouth_at(67.0));
    assert!(smiling > 3.0 * same + 1.0, "{smiling} {same}");
}

#[test]
fn a_live_presenter_keeps_time_and_stops_when_told() {
    let _one = FIRST_RUN.lock().unwrap();
    let mut input = open("demo:presenter?start=4", &settings()).unwrap();
    let handle = input.handle();
    let (mut video, mut audio) = (input.video.take().unwrap(), input.audio.take().unwrap());
    let first = one_frame(&mut video);
    assert!(first.pts_ns() >= 4_000_000_000);
    assert!(one_block(&mut audio).pts_ns >= 4_000_000_000);
    thread::sleep(Duration::from_millis(400));
    let second = one_frame(&mut video);
    assert!(second.pts_ns() > first.pts_ns());
    let host_ns = second.host_time_ns() - first.host_time_ns();
    let media_ns = (second.pts_ns() - first.pts_ns()) as u64;
    assert!(
        host_ns.abs_diff(media_ns) < 1_500_000_000,
        "{host_ns} {media_ns}"
    );
    handle.stop();
    assert!(matches!(video.next(CEILING).unwrap(), Pull::End));
    assert_eq!(audio.next(CEILING).unwrap(), Pull::End);
}

#[test]
fn a_damaged_cache_is_made_again_with_progress_and_nothing_left_over() {
    let _one = FIRST_RUN.lock().unwrap();
    let shared = settings();
    drop(open("demo:presenter?pace=fast", &shared).unwrap());
    let files = |folder: &std::path::Path| {
        let mut files: Vec<_> = std::fs::read_dir(folder.join("demo"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files
    };
    let good = files(&shared.cache_dir)
        .into_iter()
        .find(|path| {
            !path.to_string_lossy().contains("mask")
                && path.extension().is_some_and(|e| e == "lsiedemo")
        })
        .unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("demo")).unwrap();
    let path = folder.path().join("demo").join(good.file_name().unwrap());
    let bytes = std::fs::read(&good).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();

    let mut settings = OpenSettings::new(device(), folder.path());
    let (done, total) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (seen_done, seen_total) = (Arc::clone(&done), Arc::clone(&total));
    settings.progress = Some(Arc::new(move |progress| {
        assert!(progress.done_frames > seen_done.swap(progress.done_frames, Ordering::Relaxed));
        seen_total.store(progress.total_frames, Ordering::Relaxed);
    }));
    let mut input = open("demo:presenter?pace=fast", &settings).unwrap();
    one_frame(input.video.as_mut().unwrap());
    assert_eq!(done.load(Ordering::Relaxed), total.load(Ordering::Relaxed));
    assert_eq!(total.load(Ordering::Relaxed), 1980);
    assert_eq!(files(folder.path()), std::slice::from_ref(&path));
    assert!(
        std::fs::read(&path).unwrap() == bytes,
        "the same portrait gives the same bytes"
    );
}

#[test]
fn a_cache_that_cannot_be_written_is_a_typed_error() {
    let mut settings = settings();
    settings.cache_dir = "/proc/no/such/folder".into();
    settings.wants_video = false;
    // Without picture no cache is needed.
    let mut input = open("demo:presenter?pace=fast", &settings).unwrap();
    one_block(input.audio.as_mut().unwrap());
}
