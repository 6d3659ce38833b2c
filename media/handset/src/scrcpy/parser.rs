//! The packet parser of both dialects (device 3.4, 3.5): bytes in, packets out, however the bytes are cut.
//!
//! ```text
//! first socket   00 | 64 bytes model            only with a tunnel, only on the socket that was opened first
//! head           u32 codec [u32 width u32 height in dialect A's video]
//! media          u64 flags and PTS | u32 length | payload       B: bit 62 config, 61 key    A: bit 63 config, 62 key
//! session (B)    u32 bit31, bit0 | u32 width | u32 height       everything big-endian
//! ```
//!
//! There is no mark to synchronise on again, so every error ends the stream.

use thiserror::Error;

use super::codec::{Codec, StreamKind};
use super::picture::{begins_with_start_code, size_of_parameter_sets};
use super::version::Dialect;
use crate::inbox::Inbox;

/// Longest video payload, in bytes.
pub const MAX_VIDEO_BYTES: u32 = 16 << 20;
/// Longest audio payload, in bytes.
pub const MAX_AUDIO_BYTES: u32 = 64 << 10;
/// Longest side of a picture, in pixels.
pub const MAX_SIDE: u32 = 8192;
/// Furthest a PTS may go beyond the previous one plus the time that passed between their arrivals, in microseconds.
pub const MAX_PTS_STEP_US: u64 = 10_000_000;

/// Length of the device's name on the wire.
const NAME_BYTES: usize = 64;

/// Why a stream ended. Nothing after the fault can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FramingError {
    /// The byte that proves the tunnel was not zero.
    #[error("the first byte is {0:#04x}, not 0")]
    DummyByte(u8),
    /// The codec id belongs to no codec of this stream.
    #[error("unknown codec id {0:#010x}")]
    UnknownCodec(u32),
    /// A dialect B video did not begin with a session packet.
    #[error("the first packet is not a session packet")]
    SessionMissing,
    /// A session packet where none can be: on audio, or in dialect A.
    #[error("a session packet in a stream that has none")]
    SessionUnexpected,
    /// Width or height is 0 or above [`MAX_SIDE`].
    #[error("a picture of {width}x{height}")]
    Size {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// The payload length is 0 or above the cap.
    #[error("a payload of {0} bytes")]
    Length(u32),
    /// A configuration packet with a PTS: flags of another dialect.
    #[error("a configuration packet with a PTS")]
    ConfigPts,
    /// Raw sound has no configuration.
    #[error("a configuration packet in raw sound")]
    ConfigInRaw,
    /// A raw payload is not a whole number of sample frames.
    #[error("a raw payload of {0} bytes")]
    RawLength(u32),
    /// The PTS went backwards or too far ahead, or does not fit into nanoseconds.
    #[error("a PTS of {pts_us} us after {previous_us} us")]
    PtsStep {
        /// This packet's.
        pts_us: u64,
        /// The packet's before.
        previous_us: u64,
    },
    /// The stream ended inside a packet; the part that arrived is discarded.
    #[error("the stream ended {0} bytes into a packet")]
    Truncated(usize),
}

/// Size of a picture in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VideoSize {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// What a media packet holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    /// Parameter sets or a codec's head; belongs in front of the next media packet.
    Config,
    /// One access unit or block of sound.
    Media {
        /// Phone's clock, microseconds.
        pts_us: u64,
        /// Decodable without what came before.
        is_key: bool,
    },
}

/// One packet with a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaPacket {
    /// What it holds.
    pub kind: MediaKind,
    /// The payload, never empty.
    pub payload: Vec<u8>,
    /// H.26x that does not begin with a start code: count it and drop to the next key.
    pub is_corrupt: bool,
}

/// What a stream said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEvent {
    /// Model of the phone, on the socket that was opened first.
    DeviceName(String),
    /// What follows is encoded with this.
    Codec(Codec),
    /// The phone refused sound; pictures go on.
    AudioDisabled,
    /// The phone could not set sound up; the session fails.
    AudioMisconfigured,
    /// Size of the pictures that follow.
    Size {
        /// Pixels.
        size: VideoSize,
        /// A client asked for this size.
        is_asked: bool,
    },
    /// A packet with a payload.
    Packet(MediaPacket),
}

/// What the stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParserSettings {
    /// Framing.
    pub dialect: Dialect,
    /// Pictures or sound.
    pub kind: StreamKind,
    /// Whether this socket was opened first and so begins with the dummy byte and the model.
    pub is_first: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    DummyByte,
    Name,
    Codec,
    SizeHead,
    FirstSession,
    Packets,
    Ended,
}

/// Reads one stream.
#[derive(Debug, Clone)]
pub struct StreamParser {
    settings: ParserSettings,
    stage: Stage,
    inbox: Inbox,
    codec: Option<Codec>,
    /// PTS and arrival of the last media packet, microseconds.
    previous: Option<(u64, u64)>,
    size: Option<VideoSize>,
    /// A size that parameter sets announced and that is told before their packet.
    queued: Option<MediaPacket>,
    failure: Option<FramingError>,
}

impl StreamParser {
    /// A stream from its first byte.
    #[must_use]
    pub fn new(settings: ParserSettings) -> Self {
        let stage = if settings.is_first {
            Stage::DummyByte
        } else {
            Stage::Codec
        };
        Self {
            settings,
            stage,
            inbox: Inbox::default(),
            codec: None,
            previous: None,
            size: None,
            queued: None,
            failure: None,
        }
    }

    /// Adds bytes that arrived. Callers poll until `None` between pushes, so that at most one payload waits here.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failure.is_none() && self.stage != Stage::Ended {
            self.inbox.push(bytes);
        }
    }

    /// The next event; `now_us` is the time at which the bytes arrived, on any steady clock in microseconds.
    /// After an error every further call gives the same error.
    pub fn poll(&mut self, now_us: u64) -> Result<Option<StreamEvent>, FramingError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        self.step(now_us).inspect_err(|failure| {
            self.failure = Some(*failure);
            self.inbox = Inbox::default();
        })
    }

    /// What the end of the stream means.
    pub fn finish(&self) -> Result<(), FramingError> {
        match (self.failure, self.inbox.len()) {
            (Some(failure), _) => Err(failure),
            (None, 0) => Ok(()),
            (None, left) => Err(FramingError::Truncated(left)),
        }
    }

    /// The codec, once it was told.
    #[must_use]
    pub fn codec(&self) -> Option<Codec> {
        self.codec
    }

    /// Bytes that wait here for the rest of their packet.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.inbox.len()
    }

    fn step(&mut self, now_us: u64) -> Result<Option<StreamEvent>, FramingError> {
        if let Some(packet) = self.queued.take() {
            return Ok(Some(StreamEvent::Packet(packet)));
        }
        match self.stage {
            Stage::DummyByte => {
                let Some([byte]) = self.inbox.peek_array() else {
                    return Ok(None);
                };
                if byte != 0 {
                    return Err(FramingError::DummyByte(byte));
                }
                self.inbox.skip(1);
                self.stage = Stage::Name;
                self.step(now_us)
            }
            Stage::Name => Ok(self.inbox.take(NAME_BYTES).map(|name| {
                self.stage = Stage::Codec;
                let end = name.iter().position(|b| *b == 0).unwrap_or(NAME_BYTES);
                let name = String::from_utf8_lossy(name.get(..end).unwrap_or_default());
                StreamEvent::DeviceName(name.into())
            })),
            Stage::Codec => self.codec_head(),
            Stage::SizeHead => {
                let Some([a, b, c, d, e, f, g, h]) = self.inbox.peek_array() else {
                    return Ok(None);
                };
                self.inbox.skip(8);
                self.stage = Stage::Packets;
                let [width, height] = [[a, b, c, d], [e, f, g, h]].map(u32::from_be_bytes);
                self.sized(width, height, false).map(Some)
            }
            Stage::FirstSession | Stage::Packets => self.packet(now_us),
            Stage::Ended => Ok(None),
        }
    }

    fn codec_head(&mut self) -> Result<Option<StreamEvent>, FramingError> {
        let Some(id) = self.inbox.peek_array().map(u32::from_be_bytes) else {
            return Ok(None);
        };
        self.inbox.skip(4);
        let kind = self.settings.kind;
        if kind == StreamKind::Audio && id < 2 {
            self.stage = Stage::Ended;
            self.inbox = Inbox::default();
            return Ok(Some(if id == 0 {
                StreamEvent::AudioDisabled
            } else {
                StreamEvent::AudioMisconfigured
            }));
        }
        let codec = Codec::from_id(id, kind).ok_or(FramingError::UnknownCodec(id))?;
        self.codec = Some(codec);
        self.stage = match (kind, self.settings.dialect) {
            (StreamKind::Audio, _) => Stage::Packets,
            (StreamKind::Video, Dialect::A) => Stage::SizeHead,
            (StreamKind::Video, Dialect::B) => Stage::FirstSession,
        };
        Ok(Some(StreamEvent::Codec(codec)))
    }

    fn sized(
        &mut self,
        width: u32,
        height: u32,
        is_asked: bool,
    ) -> Result<StreamEvent, FramingError> {
        let is_sane = |side: u32| (1..=MAX_SIDE).contains(&side);
        if !(is_sane(width) && is_sane(height)) {
            return Err(FramingError::Size { width, height });
        }
        let size = VideoSize { width, height };
        self.size = Some(size);
        Ok(StreamEvent::Size { size, is_asked })
    }

    fn packet(&mut self, now_us: u64) -> Result<Option<StreamEvent>, FramingError> {
        let Some(head) = self.inbox.peek_array::<12>() else {
            return Ok(None);
        };
        let [a, b, c, d, e, f, g, h, i, j, k, l] = head;
        let word = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        let is_video = self.settings.kind == StreamKind::Video;
        let is_b = self.settings.dialect == Dialect::B;
        if is_b && word >> 63 == 1 {
            if !is_video {
                return Err(FramingError::SessionUnexpected);
            }
            self.inbox.skip(12);
            self.stage = Stage::Packets;
            self.previous = None;
            let height = u32::from_be_bytes([i, j, k, l]);
            return self.sized(word as u32, height, d & 1 == 1).map(Some);
        }
        if self.stage == Stage::FirstSession {
            return Err(FramingError::SessionMissing);
        }
        let length = u32::from_be_bytes([i, j, k, l]);
        let kind = self.media_kind(word, length, now_us)?;
        if self.inbox.len() < 12 + length as usize {
            return Ok(None);
        }
        self.inbox.skip(12);
        let payload = self.inbox.take(length as usize).unwrap_or_default();
        if let MediaKind::Media { pts_us, .. } = kind {
            self.previous = Some((pts_us, now_us));
        }
        let is_annex_b = self.codec.is_some_and(Codec::is_annex_b);
        let is_corrupt = is_annex_b && !begins_with_start_code(&payload);
        let packet = MediaPacket {
            kind,
            payload,
            is_corrupt,
        };
        Ok(Some(self.announced(packet)))
    }

    /// Checks a header before any of its payload is waited for.
    fn media_kind(&self, word: u64, length: u32, now_us: u64) -> Result<MediaKind, FramingError> {
        let (config_bit, key_bit) = match self.settings.dialect {
            Dialect::A => (63, 62),
            Dialect::B => (62, 61),
        };
        let (is_config, is_key) = (word >> config_bit & 1 == 1, word >> key_bit & 1 == 1);
        let pts_us = word & ((1 << key_bit) - 1);
        let is_raw = self.codec == Some(Codec::Raw);
        if is_config && pts_us != 0 {
            // A session packet read with dialect A's eyes is a configuration with its width as PTS.
            return Err(match self.settings.dialect {
                Dialect::A if pts_us >> 32 <= 1 => FramingError::SessionUnexpected,
                _ => FramingError::ConfigPts,
            });
        }
        if is_config && is_raw {
            return Err(FramingError::ConfigInRaw);
        }
        let cap = match self.settings.kind {
            StreamKind::Video => MAX_VIDEO_BYTES,
            StreamKind::Audio => MAX_AUDIO_BYTES,
        };
        if !(1..=cap).contains(&length) {
            return Err(FramingError::Length(length));
        }
        if is_raw && !length.is_multiple_of(4) {
            return Err(FramingError::RawLength(length));
        }
        if is_config {
            return Ok(MediaKind::Config);
        }
        self.check_step(pts_us, now_us)?;
        Ok(MediaKind::Media { pts_us, is_key })
    }

    /// A still screen sends nothing for as long as it stands still, so the time that passed here may pass there too.
    fn check_step(&self, pts_us: u64, now_us: u64) -> Result<(), FramingError> {
        let (previous_us, arrived_us) = self.previous.unwrap_or((pts_us, now_us));
        let step = FramingError::PtsStep {
            pts_us,
            previous_us,
        };
        let limit = MAX_PTS_STEP_US.saturating_add(now_us.saturating_sub(arrived_us));
        let ahead = pts_us.checked_sub(previous_us).ok_or(step)?;
        let fits = pts_us <= i64::MAX as u64 / 1000;
        if ahead > limit || !fits {
            return Err(step);
        }
        Ok(())
    }

    /// In dialect A a new size is told by the parameter sets alone; it is announced before their packet.
    fn announced(&mut self, packet: MediaPacket) -> StreamEvent {
        let tells = self.settings.dialect == Dialect::A
            && self.codec == Some(Codec::H264)
            && packet.kind == MediaKind::Config;
        let told = tells
            .then(|| size_of_parameter_sets(&packet.payload))
            .flatten();
        match told.filter(|size| Some(*size) != self.size) {
            Some(size) => {
                self.size = Some(size);
                self.queued = Some(packet);
                StreamEvent::Size {
                    size,
                    is_asked: false,
                }
            }
            None => StreamEvent::Packet(packet),
        }
    }
}
