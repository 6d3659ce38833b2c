//! The thread that writes a recording.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::cutter::{PieceKind, WireCutter};
use super::error::RecordingError;
use super::file::{file_name, write_head, write_piece};
use crate::scrcpy::{ParserSettings, ServerVersion, StreamKind};

/// Reads that wait to be written. On overflow the recording ends there: one with a hole could not be played.
const WAITING: usize = 1024;
/// How long an empty queue is watched before the thread looks whether it is over.
const LOOK: Duration = Duration::from_millis(100);

/// What the operator chose.
#[derive(Debug, Clone)]
pub struct RecordSettings {
    /// Folder of the recording; made where there is none, never written over.
    pub folder: PathBuf,
    /// Whether pictures and sound themselves are written; otherwise only their headers, timing and hashes.
    pub keeps_payload: bool,
}

/// What was written of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamReport {
    /// Packets with a payload.
    pub packets: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// What was written.
#[derive(Debug, Default)]
pub struct RecordingReport {
    /// Pictures.
    pub video: StreamReport,
    /// Sound.
    pub audio: StreamReport,
    /// Whether the disk was slower than the phone: the recording ends where it was.
    pub is_cut_short: bool,
    /// What kept it from being written.
    pub fault: Option<RecordingError>,
}

enum Heard {
    Begin(ParserSettings, ServerVersion),
    Bytes(StreamKind, i64, Vec<u8>),
}

/// Where the readers of a session put what they read. It never waits: what finds no place ends the recording.
#[derive(Debug, Clone)]
pub struct RecorderTap {
    to: SyncSender<Heard>,
    is_over: Arc<AtomicBool>,
    is_cut_short: Arc<AtomicBool>,
}

impl RecorderTap {
    pub(crate) fn begin(&self, settings: ParserSettings, version: ServerVersion) {
        self.send(Heard::Begin(settings, version));
    }

    pub(crate) fn heard(&self, kind: StreamKind, at_ns: i64, bytes: &[u8]) {
        self.send(Heard::Bytes(kind, at_ns, bytes.to_vec()));
    }

    fn send(&self, heard: Heard) {
        if !self.is_over.load(Ordering::Acquire) && self.to.try_send(heard).is_err() {
            self.is_over.store(true, Ordering::Release);
            self.is_cut_short.store(true, Ordering::Release);
        }
    }
}

/// A recording that is being written: the first session of a phone, to its end or to [`Recorder::finish`].
#[derive(Debug)]
pub struct Recorder {
    tap: RecorderTap,
    thread: JoinHandle<RecordingReport>,
}

impl Recorder {
    /// Makes the folder and waits for a session.
    pub fn start(settings: RecordSettings) -> Result<Self, RecordingError> {
        let folder = &settings.folder;
        let io = |source| RecordingError::Io {
            path: folder.clone(),
            source,
        };
        fs::create_dir_all(folder).map_err(io)?;
        let is_taken = |kind| folder.join(file_name(kind)).exists();
        if is_taken(StreamKind::Video) || is_taken(StreamKind::Audio) {
            return Err(RecordingError::Taken(folder.clone()));
        }
        let (to, inbox) = sync_channel(WAITING);
        let tap = RecorderTap {
            to,
            is_over: Arc::default(),
            is_cut_short: Arc::default(),
        };
        let is_over = Arc::clone(&tap.is_over);
        let thread = std::thread::Builder::new()
            .name("handset-recorder".into())
            .spawn(move || write(&settings, &inbox, &is_over))
            .map_err(RecordingError::Thread)?;
        Ok(Self { tap, thread })
    }

    /// For [`crate::HandsetConfig::recorder`].
    #[must_use]
    pub fn tap(&self) -> RecorderTap {
        self.tap.clone()
    }

    /// Writes what waits and says what was written. Stop the handset first.
    #[must_use]
    pub fn finish(self) -> RecordingReport {
        self.tap.is_over.store(true, Ordering::Release);
        let is_cut_short = Arc::clone(&self.tap.is_cut_short);
        drop(self.tap);
        let mut report = self.thread.join().unwrap_or_else(|_| {
            tracing::error!("the recorder's thread panicked");
            RecordingReport::default()
        });
        report.is_cut_short |= is_cut_short.load(Ordering::Acquire);
        report
    }
}

/// One stream's file.
struct Track {
    path: PathBuf,
    file: BufWriter<File>,
    cutter: WireCutter,
    report: StreamReport,
}

impl Track {
    fn create(
        folder: &Path,
        settings: ParserSettings,
        version: ServerVersion,
        keeps_payload: bool,
    ) -> Result<Self, RecordingError> {
        let path = folder.join(file_name(settings.kind));
        let file = File::create_new(&path).and_then(|file| {
            let mut file = BufWriter::new(file);
            write_head(&mut file, settings.kind, version)?;
            Ok(file)
        });
        match file {
            Ok(file) => Ok(Self {
                path,
                file,
                cutter: WireCutter::new(settings, keeps_payload),
                report: StreamReport::default(),
            }),
            Err(source) => Err(RecordingError::Io { path, source }),
        }
    }

    fn take(&mut self, at_ns: i64, bytes: &[u8]) -> Result<(), RecordingError> {
        for piece in self.cutter.push(at_ns, bytes) {
            let written = write_piece(&mut self.file, &piece);
            written.map_err(|source| self.io(source))?;
            let is_payload = matches!(piece.kind, PieceKind::Payload | PieceKind::LeftOut);
            self.report.packets += u64::from(is_payload);
            self.report.bytes += 13 + piece.bytes.len() as u64;
        }
        Ok(())
    }

    fn close(mut self) -> Result<StreamReport, RecordingError> {
        let flushed = self.file.flush();
        flushed.map_err(|source| self.io(source))?;
        Ok(self.report)
    }

    fn io(&self, source: std::io::Error) -> RecordingError {
        let path = self.path.clone();
        RecordingError::Io { path, source }
    }
}

/// The files of a recording.
#[derive(Default)]
struct Tracks {
    video: Option<Track>,
    audio: Option<Track>,
}

impl Tracks {
    fn of(&mut self, kind: StreamKind) -> &mut Option<Track> {
        match kind {
            StreamKind::Video => &mut self.video,
            StreamKind::Audio => &mut self.audio,
        }
    }

    /// `false` at the beginning of a second session: the recording is of the first.
    fn take(&mut self, settings: &RecordSettings, heard: Heard) -> Result<bool, RecordingError> {
        match heard {
            Heard::Begin(parser, version) => {
                let track = self.of(parser.kind);
                if track.is_some() {
                    return Ok(false);
                }
                let keeps_payload = settings.keeps_payload;
                *track = Some(Track::create(
                    &settings.folder,
                    parser,
                    version,
                    keeps_payload,
                )?);
            }
            Heard::Bytes(kind, at_ns, bytes) => {
                if let Some(track) = self.of(kind) {
                    track.take(at_ns, &bytes)?;
                }
            }
        }
        Ok(true)
    }
}

/// Runs until it is over and nothing waits.
fn write(
    settings: &RecordSettings,
    inbox: &Receiver<Heard>,
    is_over: &AtomicBool,
) -> RecordingReport {
    let mut report = RecordingReport::default();
    let mut tracks = Tracks::default();
    loop {
        let heard = match inbox.recv_timeout(LOOK) {
            Ok(heard) => heard,
            Err(RecvTimeoutError::Timeout) if !is_over.load(Ordering::Acquire) => continue,
            Err(_) => break,
        };
        match tracks.take(settings, heard) {
            Ok(true) => continue,
            Ok(false) => {}
            Err(fault) => {
                tracing::error!(%fault, "a recording cannot be written");
                report.fault = Some(fault);
            }
        }
        is_over.store(true, Ordering::Release);
        break;
    }
    let mut close = |track: Option<Track>| match track.map(Track::close) {
        Some(Ok(stream)) => stream,
        Some(Err(fault)) => {
            report.fault = Some(fault);
            StreamReport::default()
        }
        None => StreamReport::default(),
    };
    let (video, audio) = (close(tracks.video), close(tracks.audio));
    RecordingReport {
        video,
        audio,
        ..report
    }
}
