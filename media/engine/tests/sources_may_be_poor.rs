//! Files that are missing or half, sources without a face, sessions without models.

#![expect(clippy::unwrap_used, reason = "set-up of a test")]

mod server;

use lsie_schemas::link::{EngineMessage, SegmentMessage, ServerMessage};
use lsie_schemas::observation::NullReason;
use uuid::Uuid;

use server::media::{H264, gst};
use server::{Server, cache_dir, is_over, order, play, segments};

fn failure(url: &str) -> (String, String) {
    let empty = tempfile::tempdir().unwrap();
    let (mut seen, counters) = play(empty.path(), url);
    assert_eq!(counters.sources_failed, 1, "{url}");
    match seen.pop().unwrap() {
        EngineMessage::SessionFailed { code, detail, .. } => (code.to_string(), detail.to_string()),
        other => panic!("{url}: {other:?}"),
    }
}

fn only_segment(seen: &[EngineMessage]) -> SegmentMessage {
    let mut segments = segments(seen);
    assert_eq!(segments.len(), 1);
    segments.remove(0)
}

fn is_complete(seen: &[EngineMessage]) -> bool {
    matches!(seen.last(), Some(EngineMessage::SessionEnded { reason, .. }) if reason.as_str() == "end_of_stream")
}

#[test]
fn a_source_that_cannot_be_opened_says_why_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("garbage.mp4");
    std::fs::write(&garbage, [0xa5; 4096]).unwrap();
    let (code, detail) = failure("ndi://somewhere/");
    assert_eq!(code, "source_scheme_unknown");
    assert!(detail.contains("use one of"), "{detail}");
    let (code, detail) = failure("file:///nowhere/talk.mp4");
    assert_eq!(code, "source_file_unreadable");
    assert!(detail.contains("check the path"), "{detail}");
    let (code, _) = failure(&format!("file:{}", garbage.display()));
    assert_eq!(code, "source_not_media");
}

#[test]
fn nobody_in_the_picture_is_a_reason_and_not_a_zero() {
    let (seen, counters) = play(
        &cache_dir(),
        "test:bars?size=160x120&fps=5&seconds=62&pace=fast",
    );
    assert!(is_complete(&seen), "{:?}", seen.last());
    let segments = segments(&seen);
    assert_eq!(segments.len(), 2);
    for segment in segments {
        assert_eq!(
            segment.absent.get(&NullReason::NoFace),
            Some(&segment.frames)
        );
        assert!(segment.au12_series.as_slice().is_empty());
        assert!(segment.pcm_sha256.is_some());
    }
    assert_eq!(counters.frames_analysed, counters.frames_without_face);
    assert_eq!(counters.frames_analysed, 310);
}

#[test]
fn without_face_models_a_session_still_runs_and_names_the_reason() {
    let empty = tempfile::tempdir().unwrap();
    let (seen, _) = play(
        empty.path(),
        "test:bars?size=160x120&fps=5&seconds=31&pace=fast",
    );
    assert!(is_complete(&seen), "{:?}", seen.last());
    let segment = only_segment(&seen);
    assert_eq!(
        segment.absent.get(&NullReason::ModelUnavailable),
        Some(&segment.frames)
    );
    assert_eq!(segment.voice.unwrap().speech_s, None);
    assert!(segment.pcm_sha256.is_some());
}

#[test]
fn picture_without_sound_and_sound_without_picture_are_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let (picture, sound) = (folder.path().join("p.mkv"), folder.path().join("s.wav"));
    gst(&format!(
        "videotestsrc num-buffers=310 ! video/x-raw,width=160,height=120,framerate=10/1 ! {H264} ! h264parse ! matroskamux ! filesink location={}",
        picture.display()
    ));
    gst(&format!(
        "audiotestsrc num-buffers=310 samplesperbuffer=4800 ! audio/x-raw,rate=48000,channels=2 ! wavenc ! filesink location={}",
        sound.display()
    ));
    let (seen, _) = play(
        &cache_dir(),
        &format!("file:{}?pace=fast", picture.display()),
    );
    let segment = only_segment(&seen);
    assert!(segment.pcm_sha256.is_none() && segment.voice.is_none());
    assert!(segment.frames >= 300);
    let (seen, _) = play(&cache_dir(), &format!("file:{}?pace=fast", sound.display()));
    let segment = only_segment(&seen);
    assert!(segment.pcm_sha256.is_some() && segment.frames == 0);
    assert!(is_complete(&seen));
}

#[test]
fn a_live_stimulus_is_stamped_on_the_clock_of_the_session() {
    let empty = tempfile::tempdir().unwrap();
    let (mut server, _) = Server::start(empty.path());
    server.open(order("test:bars?size=160x120&fps=10&pace=live"));
    server.until(|message| matches!(message, EngineMessage::Visual(_)));
    let (session_id, stimulus_id) = (Uuid::from_u128(7), Uuid::from_u128(9));
    server.send(&ServerMessage::Stimulus {
        session_id,
        stimulus_id,
    });
    let seen = server.until(|message| matches!(message, EngineMessage::StimulusStamped { .. }));
    let ticks = seen.iter().filter_map(|message| match message {
        EngineMessage::Visual(tick) => Some(tick.timestamp_s),
        _ => None,
    });
    let newest = ticks.fold(server::EPOCH.as_epoch_secs(), f64::max);
    let Some(EngineMessage::StimulusStamped {
        stimulus_time_s,
        calibrated,
        ..
    }) = seen.last()
    else {
        unreachable!()
    };
    assert!(!calibrated);
    assert!(
        (0.0..15.0).contains(&(stimulus_time_s - newest + 0.2)),
        "{stimulus_time_s} {newest}"
    );
    server.send(&ServerMessage::End { session_id });
    server.until(is_over);
    server.shut_down();
}
