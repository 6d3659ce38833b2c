//! Cuts a stream's bytes into pieces without judging them (device 3.4, 3.5). Pure.

use sha2::{Digest as _, Sha256};

use crate::scrcpy::{Dialect, MAX_VIDEO_BYTES, ParserSettings, StreamKind};

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceKind {
    /// The phone's model, 64 bytes, only on the socket that was opened first.
    Model,
    /// Codec id, and in dialect A's video the size.
    Head,
    /// A packet's header, 12 bytes.
    Header,
    /// A packet's payload.
    Payload,
    /// SHA-256 of a payload that was left out.
    LeftOut,
}

impl PieceKind {
    /// Its letter in the file.
    #[must_use]
    pub const fn letter(self) -> u8 {
        match self {
            Self::Model => b'M',
            Self::Head => b'H',
            Self::Header => b'P',
            Self::Payload => b'D',
            Self::LeftOut => b'X',
        }
    }

    /// The kind of this letter.
    #[must_use]
    pub const fn of_letter(letter: u8) -> Option<Self> {
        Some(match letter {
            b'M' => Self::Model,
            b'H' => Self::Head,
            b'P' => Self::Header,
            b'D' => Self::Payload,
            b'X' => Self::LeftOut,
            _ => return None,
        })
    }
}

/// A piece and when it was complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The recorder's clock, nanoseconds.
    pub at_ns: i64,
    /// What it is.
    pub kind: PieceKind,
    /// The bytes as they came, or the hash of them.
    pub bytes: Vec<u8>,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Dummy,
    Whole(PieceKind, usize),
    Broken,
}

/// The pieces of one stream, however its bytes are cut. A header that announces more than any packet may hold ends it: what
/// follows has no framing.
#[derive(Debug)]
pub struct WireCutter {
    settings: ParserSettings,
    keeps_payload: bool,
    stage: Stage,
    inbox: Vec<u8>,
}

impl WireCutter {
    /// At the beginning of a stream.
    #[must_use]
    pub fn new(settings: ParserSettings, keeps_payload: bool) -> Self {
        let stage = if settings.is_first {
            Stage::Dummy
        } else {
            head(settings)
        };
        Self {
            settings,
            keeps_payload,
            stage,
            inbox: Vec::new(),
        }
    }

    /// Takes bytes and gives the pieces that they complete.
    pub fn push(&mut self, at_ns: i64, bytes: &[u8]) -> Vec<Piece> {
        self.inbox.extend_from_slice(bytes);
        let mut pieces = Vec::new();
        let mut taken = 0;
        loop {
            let rest = self.inbox.get(taken..).unwrap_or_default();
            match self.stage {
                Stage::Broken => {
                    taken = self.inbox.len();
                    break;
                }
                Stage::Dummy if rest.is_empty() => break,
                Stage::Dummy => {
                    taken += 1;
                    self.stage = Stage::Whole(PieceKind::Model, 64);
                }
                Stage::Whole(kind, length) => {
                    let Some(whole) = rest.get(..length) else {
                        break;
                    };
                    let piece = self.piece(at_ns, kind, whole);
                    taken += length;
                    self.stage = self.after(kind, &piece.bytes);
                    pieces.push(piece);
                }
            }
        }
        self.inbox.drain(..taken);
        pieces
    }

    fn piece(&self, at_ns: i64, kind: PieceKind, whole: &[u8]) -> Piece {
        let (kind, bytes) = match kind {
            PieceKind::Payload if !self.keeps_payload => {
                (PieceKind::LeftOut, Sha256::digest(whole).to_vec())
            }
            kind => (kind, whole.to_vec()),
        };
        Piece { at_ns, kind, bytes }
    }

    fn after(&self, kind: PieceKind, bytes: &[u8]) -> Stage {
        match kind {
            PieceKind::Model => head(self.settings),
            PieceKind::Header => match payload_length(self.settings.dialect, bytes) {
                Some(0) => Stage::Whole(PieceKind::Header, 12),
                Some(length) => Stage::Whole(PieceKind::Payload, length),
                None => Stage::Broken,
            },
            // An audio codec below 2 is a refusal, behind which nothing comes.
            _ => Stage::Whole(PieceKind::Header, 12),
        }
    }
}

fn head(settings: ParserSettings) -> Stage {
    let has_size = settings.kind == StreamKind::Video && settings.dialect == Dialect::A;
    Stage::Whole(PieceKind::Head, if has_size { 12 } else { 4 })
}

/// Bytes behind a header; a session packet has none. `None` for what no packet may hold.
pub(super) fn payload_length(dialect: Dialect, header: &[u8]) -> Option<usize> {
    let [first, .., a, b, c, d] = header else {
        return None;
    };
    if dialect == Dialect::B && first >> 7 == 1 {
        return Some(0);
    }
    let length = u32::from_be_bytes([*a, *b, *c, *d]);
    (1..=MAX_VIDEO_BYTES)
        .contains(&length)
        .then_some(length as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire() -> Vec<u8> {
        let mut wire = vec![0];
        wire.extend([b'm'; 64]);
        wire.extend(b"h264");
        wire.extend([0x80, 0, 0, 0, 0, 0, 1, 64, 0, 0, 0, 180]);
        wire.extend([0x20, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 3, 1, 2, 3]);
        wire
    }

    fn settings() -> ParserSettings {
        ParserSettings {
            dialect: Dialect::B,
            kind: StreamKind::Video,
            is_first: true,
        }
    }

    #[test]
    fn any_split_gives_the_same_pieces() {
        let whole = WireCutter::new(settings(), true).push(7, &wire());
        let kinds: Vec<u8> = whole.iter().map(|piece| piece.kind.letter()).collect();
        assert_eq!(kinds, *b"MHPPD");
        assert_eq!(whole[4].bytes, [1, 2, 3]);
        let mut cutter = WireCutter::new(settings(), true);
        let single: Vec<Piece> = wire()
            .iter()
            .flat_map(|byte| cutter.push(7, &[*byte]))
            .collect();
        assert_eq!(single, whole);
    }

    #[test]
    fn a_payload_that_is_not_wanted_leaves_its_hash_alone() {
        let pieces = WireCutter::new(settings(), false).push(7, &wire());
        let last = pieces.last().unwrap();
        assert_eq!(
            (last.kind, last.bytes.as_slice()),
            (PieceKind::LeftOut, Sha256::digest([1, 2, 3]).as_slice())
        );
    }

    #[test]
    fn behind_a_header_that_lies_nothing_is_kept() {
        let mut cutter = WireCutter::new(settings(), true);
        let mut wire = wire();
        wire.extend([0, 0, 0, 0, 0, 0, 0, 9, 255, 255, 255, 255]);
        wire.extend(vec![5; 100_000]);
        assert_eq!(cutter.push(7, &wire).len(), 6);
        assert!(cutter.push(8, &vec![1; 100_000]).is_empty());
        assert!(cutter.inbox.is_empty());
    }
}
