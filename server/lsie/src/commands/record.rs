//! `lsie device record`: what a phone sends, kept so that the simulator plays it back.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use lsie_handset::recording::{RecordSettings, Recorder, RecordingReport};
use lsie_handset::scrcpy::{
    AudioSettings, CaptureSettings, DisplaySettings, VideoOrigin, VideoSettings,
};
use lsie_handset::session::SessionState;
use lsie_handset::{Handset, HandsetConfig};
use serde::Serialize;

use super::Output;
use super::device::Place;
use crate::cli::{RecordArgs, RecordPicture};

const POLL: Duration = Duration::from_millis(50);
/// How long the phone may take to stream.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Debug, Serialize)]
struct Recorded {
    folder: PathBuf,
    has_media: bool,
    model: Option<String>,
    server_version: String,
    video_packets: u64,
    audio_packets: u64,
    bytes: u64,
}

/// Records the first session with the phone for `--seconds`.
pub(super) fn record(args: RecordArgs, place: &Place, out: &mut Output<'_>) -> Result<()> {
    if !(args.seconds > 0.0 && args.seconds <= 3600.0) {
        bail!("--seconds lies above 0 and up to 3600");
    }
    warn(&args)?;
    let recorder = Recorder::start(RecordSettings {
        folder: args.folder.clone(),
        keeps_payload: args.with_media,
    })?;
    let (handset, streams) = Handset::open(HandsetConfig {
        serial: args.serial,
        adb_port: place.adb_port,
        adb_program: Some(place.adb.clone()),
        jar: place.jar.clone(),
        capture: capture(args.source),
        recorder: Some(recorder.tap()),
        ..HandsetConfig::default()
    })?;
    let begun = Instant::now();
    let mut streaming_since: Option<Instant> = None;
    let outcome = loop {
        // Nothing is shown; what comes is dropped here and written by the recorder.
        while streams.video.pop(Duration::ZERO).is_some() {}
        while streams.audio.pop(Duration::ZERO).is_some() {}
        while streams.events.pop(Duration::ZERO).is_some() {}
        let state = handset.status().state;
        match (state, streaming_since) {
            (SessionState::Streaming, None) => streaming_since = Some(Instant::now()),
            (SessionState::Streaming, Some(since))
                if since.elapsed().as_secs_f64() >= args.seconds =>
            {
                break Ok(());
            }
            (SessionState::Streaming, Some(_)) => {}
            (SessionState::Failed(cause), _) => {
                break Err(anyhow::anyhow!("the phone was given up: {}", cause.word()));
            }
            // The recording is of one session: it ends with it.
            (_, Some(_)) => break Ok(()),
            (state, None) if begun.elapsed() > PATIENCE => {
                break Err(anyhow::anyhow!(
                    "the phone does not stream, it is {}; lsie device doctor says what is missing",
                    state.word()
                ));
            }
            _ => {}
        }
        std::thread::sleep(POLL);
    };
    let status = handset.status();
    handset.stop();
    let report = recorder.finish();
    outcome?;
    let bytes = checked(&report)?;
    let recorded = Recorded {
        folder: args.folder,
        has_media: args.with_media,
        model: status.model,
        server_version: status.server_version.to_string(),
        video_packets: report.video.packets,
        audio_packets: report.audio.packets,
        bytes,
    };
    out.show(&recorded, |recorded| {
        format!(
            "{}: {} pictures and {} blocks of sound, {} bytes\nplay it back:  lsie simulate-phone --recording {}\n",
            recorded.folder.display(),
            recorded.video_packets,
            recorded.audio_packets,
            recorded.bytes,
            recorded.folder.display()
        )
    })
}

/// The consent line. It goes to standard error, so that a redirected result does not hide it.
fn warn(args: &RecordArgs) -> Result<()> {
    let words = if args.with_media {
        "WARNING: the phone's pictures and sound themselves are written to"
    } else {
        "headers, timing and hashes are written, no picture and no sound, to"
    };
    writeln!(std::io::stderr(), "{words} {}", args.folder.display())?;
    Ok(())
}

fn capture(source: RecordPicture) -> CaptureSettings {
    match source {
        RecordPicture::Camera => CaptureSettings::default(),
        RecordPicture::Display => CaptureSettings {
            video: Some(VideoSettings {
                origin: VideoOrigin::Display(DisplaySettings::default()),
                ..VideoSettings::default()
            }),
            audio: Some(AudioSettings::default()),
            ..CaptureSettings::default()
        },
    }
}

/// Bytes written; an error where the recording is not what was asked for.
fn checked(report: &RecordingReport) -> Result<u64> {
    if let Some(fault) = &report.fault {
        bail!("{fault}");
    }
    if report.is_cut_short {
        bail!("the disk was slower than the phone: the recording ends where it fell behind");
    }
    let bytes = report.video.bytes + report.audio.bytes;
    (bytes > 0)
        .then_some(bytes)
        .context("the phone sent nothing")
}
