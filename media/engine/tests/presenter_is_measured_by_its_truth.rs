//! The presenter, whose smile is known, through the whole engine as fast as it goes.

#![expect(clippy::unwrap_used, reason = "set-up of a test")]

mod server;

use std::sync::Arc;
use std::time::Duration;

use lsie_analysis::voice::pitch_summary;
use lsie_device::CpuDevice;
use lsie_ingest::truth::truth_p90;
use lsie_ingest::{OpenSettings, PCM_RATE_HZ, Pull, open};
use lsie_kernels::audio::{Form, Pitch, Resampler};
use lsie_schemas::id::pcm_checksum;
use lsie_schemas::link::{EngineMessage, SegmentKind, SegmentMessage, ServerMessage};
use lsie_schemas::observation::CalibrationState;

use server::{EPOCH, Server, cache_dir, is_over, order, planned, segments};

/// 90th percentile of the series over the measurement window, linear between ranks (math 6.2).
fn p90(segment: &SegmentMessage, stimulus_time_s: f64) -> f64 {
    let window = stimulus_time_s + 0.5..=stimulus_time_s + 5.0;
    let series = segment.au12_series.as_slice().iter();
    let mut scores: Vec<f64> = series
        .filter(|o| window.contains(&o.timestamp_s))
        .map(|o| o.intensity)
        .collect();
    scores.sort_by(f64::total_cmp);
    let rank = 0.9 * (scores.len() - 1) as f64;
    let (low, high) = (scores[rank.floor() as usize], scores[rank.ceil() as usize]);
    low + (high - low) * rank.fract()
}

/// Runs until `count` segments have come.
fn measure(count: usize) -> Vec<EngineMessage> {
    let (mut server, _) = Server::start(&cache_dir());
    let mut order = order("demo:presenter?pace=fast");
    order.planned = vec![planned(1, 14.0)];
    let session_id = order.session_id;
    server.open(order);
    let mut left = count;
    let mut seen = server.until(|message| {
        assert!(!is_over(message), "{message:?}");
        left -= usize::from(matches!(message, EngineMessage::Segment(_)));
        left == 0
    });
    server.send(&ServerMessage::End { session_id });
    seen.extend(server.until(is_over));
    server.shut_down();
    seen
}

#[test]
fn a_session_gives_its_stimulus_its_segments_and_the_same_again() {
    let seen = measure(2);
    let Some(EngineMessage::SessionStarted(started)) = seen
        .iter()
        .find(|m| matches!(m, EngineMessage::SessionStarted(_)))
    else {
        panic!("not started");
    };
    assert_eq!((started.epoch, started.has_audio), (EPOCH, true));
    assert_eq!(
        (started.codec.as_str(), started.pace.as_str()),
        ("h264", "fast")
    );
    let t = EPOCH.as_epoch_secs() + 14.0;
    assert!(seen.iter().any(
        |m| matches!(m, EngineMessage::StimulusStamped { stimulus_time_s, calibrated: true, .. }
        if (stimulus_time_s - t).abs() < 1e-6)
    ));
    assert!(
        seen.iter()
            .any(|m| matches!(m, EngineMessage::Visual(tick) if tick.face_present))
    );
    assert!(
        matches!(seen.last(), Some(EngineMessage::SessionEnded { reason, .. }) if reason.as_str() == "requested")
    );

    let first: Vec<SegmentMessage> = segments(&seen).into_iter().take(2).collect();
    let stimulus = first
        .iter()
        .find(|s| matches!(s.kind, SegmentKind::Stimulus { .. }))
        .unwrap();
    let measured = p90(stimulus, t);
    let truth = truth_p90(14.0);
    assert!(
        (measured - truth).abs() < 0.05,
        "measured {measured}, true {truth}"
    );
    assert!(stimulus.acoustic.is_some());
    let grid = first
        .iter()
        .find(|s| matches!(s.kind, SegmentKind::Grid { .. }))
        .unwrap();
    assert!(grid.acoustic.is_none());
    // 30 frames a second for 30 s: every one is in, and the first ones calibrate.
    assert!((900..=901).contains(&grid.frames), "{}", grid.frames);
    assert!(grid.au12_series.as_slice().len() > 800);
    assert_eq!(grid.pcm_sha256.as_ref().unwrap().as_str().len(), 64);
    assert!(grid.voice.unwrap().speech_s.unwrap() > 0.0);
    assert!(grid.gaps.as_slice().is_empty(), "{:?}", grid.gaps);

    let again: Vec<SegmentMessage> = segments(&measure(2)).into_iter().take(2).collect();
    assert_eq!(first, again);
}

#[test]
fn a_resumed_session_keeps_clock_and_baseline_and_notes_the_gap() {
    let (mut server, _) = Server::start(&cache_dir());
    let mut order = order("demo:presenter?pace=fast");
    order.resume_at_ns = 50_000_000_000;
    order.calibration = CalibrationState {
        accepted: 45,
        ratio_sum: 45.0 * 0.8,
    };
    let baseline = order.calibration.baseline();
    let session_id = order.session_id;
    server.open(order);
    let seen = server.until(|m| is_over(m) || matches!(m, EngineMessage::Segment(_)));
    server.send(&ServerMessage::End { session_id });
    let segment = segments(&seen).remove(0);
    assert_eq!(segment.window_start, EPOCH.plus_micros(30_000_000));
    assert_eq!(segment.baseline_ratio, baseline);
    let series = segment.au12_series.as_slice();
    let resumed_s = EPOCH.as_epoch_secs() + 50.0;
    // Scored from the first frame: nothing calibrates anew.
    assert!((series[0].timestamp_s - resumed_s).abs() < 0.1);
    let gap = &segment.gaps.as_slice()[0];
    assert_eq!(gap.reason.as_str(), "engine_restart");
    assert!((gap.to_s - resumed_s).abs() < 1e-3, "{gap:?}");
    server.until(is_over);
    server.shut_down();
}

/// The presenter's first 30 s of sound as the engine hears them.
fn heard() -> Vec<i16> {
    let settings = OpenSettings::new(Arc::new(CpuDevice::new()), cache_dir().join("demo"));
    let mut input = open("demo:presenter?pace=fast", &settings).unwrap();
    drop(input.video.take());
    let mut audio = input.audio.take().unwrap();
    let mut resampler = Resampler::new(PCM_RATE_HZ, 1).unwrap();
    let mut samples = Vec::new();
    while samples.len() < 480_000 {
        let Pull::Item(block) = audio.next(Duration::from_secs(15)).unwrap() else {
            panic!("the presenter never ends");
        };
        resampler.push(&block.samples, &mut samples);
    }
    samples.truncate(480_000);
    samples
}

#[test]
fn pitch_is_told_as_it_is_spoken_and_its_window_equals_the_analysis_in_one_piece() {
    let seen = measure(2);
    let grid = segments(&seen)
        .into_iter()
        .find(|segment| matches!(segment.kind, SegmentKind::Grid { .. }))
        .unwrap();
    let samples = heard();
    let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    assert_eq!(
        grid.pcm_sha256.as_ref().unwrap().as_str(),
        pcm_checksum(&bytes),
        "the same sound"
    );
    let batch = pitch_summary(&Pitch::analyse(&samples, Form::Fast));
    assert_eq!(grid.voice.unwrap().pitch, Some(batch));
    assert!(batch.voiced_s > 3.0, "{batch:?}");

    let ticks = seen.iter().filter_map(|message| match message {
        EngineMessage::Visual(tick) => tick.voice,
        _ => None,
    });
    let (spoken, silent): (Vec<_>, Vec<_>) = ticks.partition(|voice| voice.pitch_hz.is_some());
    assert!(!silent.is_empty());
    assert!(silent.iter().any(|voice| voice.rms_dbfs < -60.0));
    let mut pitches: Vec<f32> = spoken.iter().filter_map(|voice| voice.pitch_hz).collect();
    pitches.sort_by(f32::total_cmp);
    assert!(pitches.len() > 20, "{pitches:?}");
    let (middle, mean) = (
        f64::from(pitches[pitches.len() / 2]),
        batch.mean_hz.unwrap(),
    );
    assert!(
        (middle / mean - 1.0).abs() < 0.25,
        "median {middle}, mean {mean}"
    );
    assert!(pitches.iter().all(|hz| (75.0..=600.0).contains(hz)));
}
