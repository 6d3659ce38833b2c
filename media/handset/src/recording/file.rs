//! A recording as files.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

use super::cutter::{Piece, PieceKind, payload_length};
use super::error::RecordingError;
use crate::scrcpy::{Dialect, MAX_VIDEO_BYTES, ServerVersion, StreamKind};

const MAGIC: &str = "lsie-wire 1";
/// Longest first line, bytes.
const MAX_LINE_BYTES: usize = 64;
/// Most that one stream's recording may hold in memory, bytes: some quarter of an hour at 8 Mbit/s.
const MAX_STREAM_BYTES: u64 = 1 << 30;

/// The name of a stream's file.
pub(super) fn file_name(kind: StreamKind) -> &'static str {
    match kind {
        StreamKind::Video => "video.wire",
        StreamKind::Audio => "audio.wire",
    }
}

fn word(kind: StreamKind) -> &'static str {
    match kind {
        StreamKind::Video => "video",
        StreamKind::Audio => "audio",
    }
}

/// Writes what stands before the pieces.
pub(super) fn write_head(
    to: &mut impl Write,
    kind: StreamKind,
    version: ServerVersion,
) -> std::io::Result<()> {
    writeln!(to, "{MAGIC} {} {version}", word(kind))
}

/// Writes one piece.
pub(super) fn write_piece(to: &mut impl Write, piece: &Piece) -> std::io::Result<()> {
    to.write_all(&piece.at_ns.to_le_bytes())?;
    to.write_all(&[piece.kind.letter()])?;
    to.write_all(&(piece.bytes.len() as u32).to_le_bytes())?;
    to.write_all(&piece.bytes)
}

/// One stream of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamTrace {
    /// Which.
    pub kind: StreamKind,
    /// In order.
    pub pieces: Vec<Piece>,
}

impl StreamTrace {
    /// Time of capture of every packet that has one, on the phone's clock, and when its header came, nanoseconds.
    fn stamps(&self, dialect: Dialect) -> impl Iterator<Item = (i64, i64)> + '_ {
        let headers = self
            .pieces
            .iter()
            .filter(|piece| piece.kind == PieceKind::Header);
        headers.filter_map(move |piece| {
            let bytes: [u8; 8] = piece.bytes.get(..8)?.try_into().ok()?;
            let word = u64::from_be_bytes(bytes);
            let (config_bit, key_bit) = match dialect {
                Dialect::A => (63, 62),
                Dialect::B => (62, 61),
            };
            let is_media =
                word >> config_bit & 1 == 0 && (dialect == Dialect::A || word >> 63 == 0);
            let pts_us = word & ((1 << key_bit) - 1);
            let pts_ns = i64::try_from(pts_us).ok()?.checked_mul(1000)?;
            is_media.then_some((pts_ns, piece.at_ns))
        })
    }
}

/// What a phone sent, in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// Version of the server that sent it; decides the dialect.
    pub version: ServerVersion,
    /// Its streams: pictures before sound.
    pub streams: Vec<StreamTrace>,
}

impl Recording {
    /// Reads the streams of a folder, 1 GiB each at most.
    pub fn open(folder: &Path) -> Result<Self, RecordingError> {
        let mut version = None;
        let mut streams = Vec::new();
        for kind in [StreamKind::Video, StreamKind::Audio] {
            let path = folder.join(file_name(kind));
            if !path.is_file() {
                continue;
            }
            let io = |source| RecordingError::Io {
                path: path.clone(),
                source,
            };
            let file = File::open(&path).map_err(io)?;
            let mut bytes = Vec::new();
            let mut capped = BufReader::new(file).take(MAX_STREAM_BYTES + 1);
            capped.read_to_end(&mut bytes).map_err(io)?;
            if bytes.len() as u64 > MAX_STREAM_BYTES {
                return Err(damaged(&path)("it is longer than 1 GiB"));
            }
            let (stated, trace) = Self::read(kind, &bytes).map_err(damaged(&path))?;
            if version.replace(stated).is_some_and(|other| other != stated) {
                return Err(RecordingError::Mixed);
            }
            streams.push(trace);
        }
        match version {
            Some(version) => Ok(Self { version, streams }),
            None => Err(RecordingError::Empty(folder.to_owned())),
        }
    }

    /// Reads one stream's file. A piece that was cut short by a crash of its writer ends it.
    pub fn read(
        kind: StreamKind,
        bytes: &[u8],
    ) -> Result<(ServerVersion, StreamTrace), &'static str> {
        let line_bytes = bytes.iter().take(MAX_LINE_BYTES);
        let end = line_bytes
            .clone()
            .position(|byte| *byte == b'\n')
            .ok_or("it has no first line")?;
        let line = bytes.get(..end).and_then(|line| str::from_utf8(line).ok());
        let rest = line
            .and_then(|line| line.strip_prefix(MAGIC)?.strip_prefix(' '))
            .ok_or("it does not begin with lsie-wire 1")?;
        let (stream, version) = rest.split_once(' ').ok_or("it names no server version")?;
        if stream != word(kind) {
            return Err("it is of another stream");
        }
        let version: ServerVersion = version.parse().map_err(|_| "it names no server version")?;
        let dialect = version
            .dialect()
            .map_err(|_| "the server's version is not supported")?;
        let mut rest = bytes.get(end + 1..).unwrap_or_default();
        let mut pieces = Vec::new();
        let mut expected = None;
        while let Some((piece, after)) = next_piece(rest)? {
            check(&piece, &mut expected, dialect)?;
            pieces.push(piece);
            rest = after;
        }
        Ok((version, StreamTrace { kind, pieces }))
    }

    /// A stream.
    #[must_use]
    pub fn stream(&self, kind: StreamKind) -> Option<&StreamTrace> {
        self.streams.iter().find(|trace| trace.kind == kind)
    }

    /// The phone's model, 64 bytes as they stood on the wire.
    #[must_use]
    pub fn model(&self) -> Option<&[u8]> {
        let mut pieces = self.streams.iter().flat_map(|trace| &trace.pieces);
        let model = pieces.find(|piece| piece.kind == PieceKind::Model)?;
        Some(&model.bytes)
    }

    /// When the first packet came, the recorder's clock, nanoseconds; 0 without any.
    #[must_use]
    pub fn begins_ns(&self) -> i64 {
        self.all_stamps().map(|(_, at_ns)| at_ns).min().unwrap_or(0)
    }

    /// How long it plays, nanoseconds.
    #[must_use]
    pub fn length_ns(&self) -> i64 {
        let last = self.all_stamps().map(|(_, at_ns)| at_ns).max();
        last.unwrap_or(0).saturating_sub(self.begins_ns())
    }

    /// The least time from capture to arrival, as if both clocks had one zero, nanoseconds; 0 without any packet.
    #[must_use]
    pub fn least_age_ns(&self) -> i64 {
        let ages = self
            .all_stamps()
            .map(|(pts_ns, at_ns)| at_ns.saturating_sub(pts_ns));
        ages.min().unwrap_or(0)
    }

    fn all_stamps(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        let dialect = self.version.dialect().unwrap_or(Dialect::B);
        self.streams
            .iter()
            .flat_map(move |trace| trace.stamps(dialect))
    }
}

fn damaged(path: &Path) -> impl Fn(&'static str) -> RecordingError {
    let path: PathBuf = path.to_owned();
    move |reason| RecordingError::Damaged {
        path: path.clone(),
        reason,
    }
}

/// The next whole piece; `None` at the end, or where the last one was cut short.
fn next_piece(bytes: &[u8]) -> Result<Option<(Piece, &[u8])>, &'static str> {
    let Some((head, rest)) = bytes.split_at_checked(13) else {
        return Ok(None);
    };
    let (at, rest_of_head) = head.split_at(8);
    let at_ns = i64::from_le_bytes(at.try_into().map_err(|_| "a piece has no time")?);
    let [letter, a, b, c, d] = *rest_of_head else {
        return Err("a piece has no head");
    };
    let kind = PieceKind::of_letter(letter).ok_or("a piece is of an unknown kind")?;
    let length = u32::from_le_bytes([a, b, c, d]);
    if length > MAX_VIDEO_BYTES {
        return Err("a piece is longer than any packet");
    }
    let Some((bytes, rest)) = rest.split_at_checked(length as usize) else {
        return Ok(None);
    };
    let bytes = bytes.to_vec();
    Ok(Some((Piece { at_ns, kind, bytes }, rest)))
}

/// A payload stands behind its header and is as long as that says.
fn check(
    piece: &Piece,
    expected: &mut Option<usize>,
    dialect: Dialect,
) -> Result<(), &'static str> {
    let wanted = expected.take();
    match (piece.kind, wanted) {
        (PieceKind::Payload, Some(length)) if length == piece.bytes.len() => Ok(()),
        (PieceKind::LeftOut, Some(_)) if piece.bytes.len() == 32 => Ok(()),
        (PieceKind::Header, None) if piece.bytes.len() == 12 => {
            *expected = payload_length(dialect, &piece.bytes).filter(|length| *length > 0);
            Ok(())
        }
        (PieceKind::Model, None) if piece.bytes.len() == 64 => Ok(()),
        (PieceKind::Head, None) if [4, 12].contains(&piece.bytes.len()) => Ok(()),
        _ => Err("a piece stands where it cannot"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(at_ns: i64, kind: PieceKind, bytes: &[u8]) -> Piece {
        let bytes = bytes.to_vec();
        Piece { at_ns, kind, bytes }
    }

    fn written(pieces: &[Piece]) -> Vec<u8> {
        let mut file = Vec::new();
        write_head(&mut file, StreamKind::Video, "4.1".parse().unwrap()).unwrap();
        for piece in pieces {
            write_piece(&mut file, piece).unwrap();
        }
        file
    }

    fn whole() -> Vec<Piece> {
        vec![
            piece(3, PieceKind::Head, b"h264"),
            piece(
                5,
                PieceKind::Header,
                &[0x80, 0, 0, 0, 0, 0, 1, 64, 0, 0, 0, 180],
            ),
            piece(
                9_000,
                PieceKind::Header,
                &[0x20, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 2],
            ),
            piece(9_100, PieceKind::Payload, &[1, 2]),
        ]
    }

    #[test]
    fn what_is_written_is_read() {
        let file = written(&whole());
        let (version, trace) = Recording::read(StreamKind::Video, &file).unwrap();
        assert_eq!(trace.pieces, whole());
        let recording = Recording {
            version,
            streams: vec![trace],
        };
        assert_eq!(
            (recording.begins_ns(), recording.least_age_ns()),
            (9_000, 2_000)
        );
        assert_eq!(recording.length_ns(), 0);
        for end in 23..file.len() {
            let cut = Recording::read(StreamKind::Video, &file[..end]).unwrap().1;
            assert!(cut.pieces.len() < 4 && whole().starts_with(&cut.pieces));
        }
    }

    #[test]
    fn what_is_no_recording_is_refused() {
        let mut long = written(&[]);
        long.extend([0; 8]);
        long.extend([b'D', 255, 255, 255, 255]);
        let orphan = written(&[piece(0, PieceKind::Payload, &[1])]);
        let mut short = whole();
        short[3].bytes.pop();
        let short = written(&short);
        let other = written(&[]);
        for bytes in [
            &b""[..],
            b"lsie-wire 2 video 4.1\n",
            b"lsie-wire 1 video x\n",
            &long,
            &orphan,
            &short,
        ] {
            assert!(
                Recording::read(StreamKind::Video, bytes).is_err(),
                "{bytes:?}"
            );
        }
        assert!(Recording::read(StreamKind::Audio, &other).is_err());
    }
}
