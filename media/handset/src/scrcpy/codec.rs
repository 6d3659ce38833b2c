//! Codec ids of the two media streams (device 3.4).

/// Which of the two media streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
}

/// What a stream is encoded with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// H.264, Annex-B.
    H264,
    /// H.265, Annex-B.
    H265,
    /// AV1.
    Av1,
    /// VP8, from 4.1 on.
    Vp8,
    /// VP9, from 4.1 on.
    Vp9,
    /// Opus.
    Opus,
    /// AAC.
    Aac,
    /// FLAC.
    Flac,
    /// Signed 16-bit little-endian samples, 2 channels, 48 kHz.
    Raw,
}

const ALL: [(Codec, u32, &str, StreamKind); 9] = [
    (Codec::H264, 0x6832_3634, "h264", StreamKind::Video),
    (Codec::H265, 0x6832_3635, "h265", StreamKind::Video),
    (Codec::Av1, 0x0061_7631, "av1", StreamKind::Video),
    (Codec::Vp8, 0x0076_7038, "vp8", StreamKind::Video),
    (Codec::Vp9, 0x0076_7039, "vp9", StreamKind::Video),
    (Codec::Opus, 0x6f70_7573, "opus", StreamKind::Audio),
    (Codec::Aac, 0x0061_6163, "aac", StreamKind::Audio),
    (Codec::Flac, 0x666c_6163, "flac", StreamKind::Audio),
    (Codec::Raw, 0x0072_6177, "raw", StreamKind::Audio),
];

impl Codec {
    /// The codec of an id on the wire; `None` for an id that stream cannot carry.
    #[must_use]
    pub fn from_id(id: u32, kind: StreamKind) -> Option<Self> {
        let row = ALL.iter().find(|row| row.1 == id && row.3 == kind);
        row.map(|row| row.0)
    }

    /// Its id on the wire.
    #[must_use]
    pub fn id(self) -> u32 {
        self.row().map_or(0, |row| row.1)
    }

    /// Its name as an option value.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().map_or("", |row| row.2)
    }

    /// The stream it belongs to.
    #[must_use]
    pub fn kind(self) -> StreamKind {
        self.row().map_or(StreamKind::Video, |row| row.3)
    }

    /// Whether payloads are Annex-B and so begin with a start code.
    #[must_use]
    pub fn is_annex_b(self) -> bool {
        matches!(self, Self::H264 | Self::H265)
    }

    fn row(self) -> Option<&'static (Codec, u32, &'static str, StreamKind)> {
        ALL.iter().find(|row| row.0 == self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_the_names_in_ascii() {
        for (codec, id, name, kind) in ALL {
            let text: Vec<u8> = id.to_be_bytes().into_iter().filter(|b| *b != 0).collect();
            assert_eq!(text, name.as_bytes());
            assert_eq!(Codec::from_id(id, kind), Some(codec));
            assert_eq!((codec.id(), codec.kind()), (id, kind));
        }
        assert_eq!(Codec::from_id(Codec::Raw.id(), StreamKind::Video), None);
    }
}
