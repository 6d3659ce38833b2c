//! A recording of a phone, played back by the simulated one, is the same phone once more.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lsie_handset::Handset;
use lsie_handset::recording::{
    PieceKind, RecordSettings, Recorder, Recording, RecordingError, RecordingReport,
};
use lsie_handset::scrcpy::StreamKind;
use lsie_handset::session::SessionState;
use lsie_tests::phone::{Phone, PhoneSettings, adb_server};

use crate::stage::{Bench, config};

/// Records a phone until `is_done`; `None` where adb is not installed.
fn record(
    name: &str,
    version: &str,
    folder: &Path,
    keeps_payload: bool,
    change: impl FnOnce(&mut PhoneSettings),
    is_done: impl Fn(&Bench) -> bool,
) -> Result<Option<RecordingReport>> {
    let Some(server) = adb_server(name)? else {
        return Ok(None);
    };
    let recorder = Recorder::start(RecordSettings {
        folder: folder.to_owned(),
        keeps_payload,
    })?;
    let epoch = Instant::now();
    let mut settings = PhoneSettings::new(version, epoch);
    change(&mut settings);
    let phone = Phone::start(settings)?;
    server.attach(&phone)?;
    let mut wanted = config(&server, version, epoch)?;
    wanted.recorder = Some(recorder.tap());
    let (handset, streams) = Handset::open(wanted)?;
    let mut bench = Bench::of(server, phone, handset, streams);
    bench.wait_state(SessionState::Streaming)?;
    let begun = Instant::now();
    while !is_done(&bench) {
        ensure!(begun.elapsed() < Duration::from_secs(15), "it never ended");
        while bench.streams.audio.pop(Duration::ZERO).is_some() {}
        while bench.streams.video.pop(Duration::ZERO).is_some() {}
        std::thread::sleep(Duration::from_millis(20));
    }
    bench.stop();
    Ok(Some(recorder.finish()))
}

/// Kind and bytes of every piece but the last few, which the end may have cut.
fn pieces(recording: &Recording, kind: StreamKind) -> Result<Vec<(PieceKind, Vec<u8>)>> {
    let trace = recording.stream(kind).context("a stream is missing")?;
    let pieces = trace.pieces.iter();
    Ok(pieces
        .map(|piece| (piece.kind, piece.bytes.clone()))
        .collect())
}

fn plays_back(version: &str, keeps_payload: bool) -> Result<()> {
    let root = std::env::temp_dir().join(format!(
        "lsie-recording-{}-{version}-{keeps_payload}",
        std::process::id()
    ));
    let (first, second) = (root.join("first"), root.join("second"));
    let enough = |bench: &Bench| {
        bench.handset().is_ok_and(|handset| {
            let status = handset.status();
            status.video.packets >= 45 && status.audio.packets >= 45
        })
    };
    let name = format!("record-{version}-{keeps_payload}");
    let Some(report) = record(&name, version, &first, keeps_payload, |_| {}, enough)? else {
        return Ok(());
    };
    ensure!(!report.is_cut_short && report.fault.is_none(), "{report:?}");
    ensure!(report.video.packets >= 45 && report.audio.packets >= 45);
    let recording = Arc::new(Recording::open(&first)?);
    let length_ns = recording.length_ns();
    let replay = Arc::clone(&recording);
    let name = format!("replay-{version}-{keeps_payload}");
    let played = |bench: &Bench| bench.phone.has_played(length_ns + 300_000_000);
    let change = |settings: &mut PhoneSettings| settings.replay = Some(replay);
    record(&name, version, &second, keeps_payload, change, played)?;
    let again = Recording::open(&second)?;
    ensure!(again.version == recording.version && again.model() == recording.model());
    for kind in [StreamKind::Video, StreamKind::Audio] {
        let (was, is) = (pieces(&recording, kind)?, pieces(&again, kind)?);
        // The last packet may have been cut by the end of the first recording.
        let whole = was.len().saturating_sub(2);
        ensure!(is.len() >= whole, "{kind:?}: {} of {whole}", is.len());
        for (before, after) in was.iter().zip(&is).take(whole) {
            let is_hash = before.0 == PieceKind::LeftOut;
            ensure!(
                before.0 == after.0 && (is_hash || before.1 == after.1),
                "{kind:?}: a piece differs"
            );
        }
    }
    std::fs::remove_dir_all(root)?;
    Ok(())
}

#[test]
fn a_recording_with_media_is_played_back_bit_for_bit() -> Result<()> {
    plays_back("4.1", true)?;
    plays_back("3.3.4", true)
}

#[test]
fn a_recording_without_media_is_played_back_with_its_headers() -> Result<()> {
    plays_back("4.1", false)
}

#[test]
fn a_recording_is_never_written_over() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("lsie-taken-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let settings = || RecordSettings {
        folder: folder.clone(),
        keeps_payload: false,
    };
    ensure!(matches!(
        Recording::open(&folder),
        Err(RecordingError::Empty(_))
    ));
    std::fs::write(folder.join("video.wire"), b"lsie-wire 1 video 4.1\n")?;
    let refused = Recorder::start(settings());
    ensure!(matches!(refused, Err(RecordingError::Taken(_))));
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
