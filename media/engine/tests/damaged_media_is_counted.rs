//! Damage inside files, through the whole engine: the session goes on, the damage is counted, the end says what it was.

#![expect(clippy::unwrap_used, reason = "set-up of a test")]

mod server;

use std::path::Path;

use lsie_schemas::link::{EngineCounters, EngineMessage};
use lsie_schemas::observation::NullReason;

use server::media::{Damage, H264, damage, film, grey, gst, presenter, snow};
use server::{cache_dir, end_reason, play, segments, tick_secs};

const PICTURES: u64 = 310;
const CONTAINERS: [(&str, &str); 3] = [
    ("mkv", "matroskamux"),
    ("ts", "mpegtsmux"),
    ("mp4", "mp4mux faststart=true"),
];

/// Plays 31 s of snow, injured, without models: what is measured does not matter here.
fn play_snow(container: (&str, &str), how: Option<Damage>) -> (Vec<EngineMessage>, EngineCounters) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("snow").with_extension(container.0);
    snow(&path, container.1, PICTURES as u32);
    if let Some(how) = how {
        damage(&path, how);
    }
    play(folder.path(), &fast(&path))
}

fn fast(path: &Path) -> String {
    format!("file:{}?pace=fast", path.display())
}

#[test]
fn a_whole_file_counts_nothing() {
    for container in CONTAINERS {
        let (seen, counters) = play_snow(container, None);
        assert_eq!(end_reason(&seen), "end_of_stream");
        assert_eq!(
            (
                counters.frames_decoded,
                counters.decode_errors,
                counters.frames_missing
            ),
            (PICTURES, 0, 0),
            "{container:?}"
        );
    }
}

#[test]
fn flipped_bytes_are_survived_and_counted() {
    for container in CONTAINERS {
        let (seen, counters) = play_snow(container, Some(Damage::Flipped));
        assert_eq!(end_reason(&seen), "end_of_stream", "{container:?}");
        assert!(counters.decode_errors > 0, "{container:?} {counters:?}");
        assert!(counters.frames_decoded > 280, "{container:?} {counters:?}");
        assert_eq!(
            counters.frames_decoded + counters.frames_missing,
            PICTURES,
            "{container:?} {counters:?}"
        );
        assert_measured_on_both_sides(&seen);
    }
}

#[test]
fn a_zeroed_stretch_is_survived_and_counted() {
    for container in CONTAINERS {
        let (seen, counters) = play_snow(container, Some(Damage::Zeroed));
        assert_eq!(end_reason(&seen), "end_of_stream", "{container:?}");
        assert!(counters.decode_errors > 0, "{container:?} {counters:?}");
        assert!(counters.frames_missing >= 5, "{container:?} {counters:?}");
        assert_measured_on_both_sides(&seen);
    }
}

#[test]
fn a_file_that_was_cut_short_ends_with_a_reason_of_its_own() {
    for container in CONTAINERS {
        let (seen, counters) = play_snow(container, Some(Damage::CutShort));
        // A transport stream states no length: only its damaged last picture can be told.
        let expected = if container.0 == "ts" {
            "end_of_stream"
        } else {
            "source_truncated"
        };
        assert_eq!(end_reason(&seen), expected, "{container:?}");
        assert!(
            (200..=210).contains(&counters.frames_decoded),
            "{container:?} {counters:?}"
        );
        assert!(counters.decode_errors > 0, "{container:?} {counters:?}");
        if container.0 != "ts" {
            assert_eq!(counters.frames_decoded + counters.frames_missing, PICTURES);
        }
    }
}

fn assert_measured_on_both_sides(seen: &[EngineMessage]) {
    let ticks = tick_secs(seen);
    assert!(ticks.iter().any(|at| *at < 9.0), "{ticks:?}");
    assert!(ticks.iter().any(|at| *at > 29.0), "{ticks:?}");
}

#[test]
fn a_damaged_face_is_measured_before_and_after() {
    let folder = tempfile::tempdir().unwrap();
    // A container that finds its way again wherever it is hit.
    let path = folder.path().join("presenter.ts");
    let pictures = presenter(31, 10);
    film(
        &path,
        &pictures.iter().map(Vec::as_slice).collect::<Vec<_>>(),
        10,
    );
    damage(&path, Damage::Flipped);
    let (seen, counters) = play(&cache_dir(), &fast(&path));
    assert_eq!(end_reason(&seen), "end_of_stream");
    assert!(counters.decode_errors > 0, "{counters:?}");
    let segment = segments(&seen).remove(0);
    let epoch_s = server::EPOCH.as_epoch_secs();
    let at = segment
        .au12_series
        .as_slice()
        .iter()
        .map(|o| o.timestamp_s - epoch_s);
    let (before, after): (Vec<f64>, Vec<f64>) = at.partition(|at| *at < 10.0);
    assert!(before.len() > 20, "{}", before.len());
    assert!(
        after.iter().filter(|at| **at > 12.0).count() > 150,
        "{}",
        after.len()
    );
}

#[test]
fn another_picture_size_in_mid_stream_is_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sizes.ts");
    let part = |width: u32, height: u32| {
        format!(
            "videotestsrc num-buffers=160 ! video/x-raw,format=I420,width={width},height={height},framerate=10/1 \
             ! {H264} ! video/x-h264,stream-format=byte-stream ! joined."
        )
    };
    gst(&format!(
        "concat name=joined ! h264parse ! mpegtsmux ! filesink location={} {} {}",
        path.display(),
        part(160, 120),
        part(320, 240)
    ));
    let (seen, counters) = play(folder.path(), &fast(&path));
    assert_eq!(end_reason(&seen), "end_of_stream");
    assert_eq!(counters.frames_decoded, 320, "{counters:?}");
    assert_eq!(
        (counters.picture_changes, counters.decode_errors),
        (1, 0),
        "{counters:?}"
    );
    // On the host path every picture is copied once, and no device copies any.
    assert_eq!(
        (counters.ingest_host_copies, counters.ingest_device_copies),
        (320, 0)
    );
    assert!(segments(&seen)[0].frames >= 299);
}

#[test]
fn a_face_that_is_gone_for_a_minute_is_found_again() {
    const FPS: usize = 5;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("away.mkv");
    let (here, away) = (presenter(12, FPS), grey());
    let mut pictures: Vec<&[u8]> = here.iter().map(Vec::as_slice).collect();
    pictures.extend(std::iter::repeat_n(away.as_slice(), 60 * FPS));
    pictures.extend(here.iter().map(Vec::as_slice));
    pictures.extend(here.iter().map(Vec::as_slice));
    film(&path, &pictures, FPS);
    let (seen, counters) = play(&cache_dir(), &fast(&path));
    assert_eq!(end_reason(&seen), "end_of_stream");
    assert_eq!(counters.frames_decoded as usize, pictures.len());
    assert!(counters.frames_without_face >= 296, "{counters:?}");
    assert_eq!(counters.face_takeovers, 0, "it is the same person");
    let segments = segments(&seen);
    assert_eq!(segments.len(), 3);
    let gone = |number: usize| -> u32 {
        let absent = &segments[number].absent;
        [
            NullReason::NoFace,
            NullReason::FaceLost,
            NullReason::LowConfidence,
        ]
        .iter()
        .filter_map(|reason| absent.get(reason))
        .sum()
    };
    // Away from 12 s to 72 s, in windows of 30 s at 5 a second.
    assert!((88..=94).contains(&gone(0)), "{:?}", segments[0].absent);
    assert_eq!(gone(1), segments[1].frames, "{:?}", segments[1].absent);
    assert!((58..=66).contains(&gone(2)), "{:?}", segments[2].absent);
    assert!(
        segments[0].absent.contains_key(&NullReason::FaceLost)
            || segments[0].absent.contains_key(&NullReason::LowConfidence)
    );
    // The baseline of the first 12 s scores the face that comes back.
    let back_s = server::EPOCH.as_epoch_secs() + 73.0;
    let scored = segments[2].au12_series.as_slice().iter();
    assert!(scored.filter(|o| o.timestamp_s >= back_s).count() > 75);
}
