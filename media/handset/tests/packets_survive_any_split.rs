//! The packet parser: exact bytes of both dialects, every refusal, and the same packets however the bytes are cut.

use lsie_handset::scrcpy::{
    Codec, Dialect, FramingError, MAX_AUDIO_BYTES, MAX_VIDEO_BYTES, MediaKind, ParserSettings,
    StreamEvent, StreamKind, StreamParser, VideoSize,
};
use proptest::prelude::*;

const VIDEO_B: ParserSettings = ParserSettings {
    dialect: Dialect::B,
    kind: StreamKind::Video,
    is_first: true,
};
const VIDEO_A: ParserSettings = ParserSettings {
    dialect: Dialect::A,
    ..VIDEO_B
};
const AUDIO_B: ParserSettings = ParserSettings {
    kind: StreamKind::Audio,
    is_first: false,
    ..VIDEO_B
};

fn first_bytes(name: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend(name.bytes().chain([0; 64]).take(64));
    bytes
}

fn packet(word: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = word.to_be_bytes().to_vec();
    bytes.extend((payload.len() as u32).to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn session(width: u32, height: u32, is_asked: bool) -> Vec<u8> {
    let word = 0x8000_0000 | u32::from(is_asked);
    [word, width, height].map(u32::to_be_bytes).concat()
}

/// Head of a video in either dialect, 320x180.
fn head(dialect: Dialect) -> Vec<u8> {
    let mut bytes = first_bytes("Phone");
    bytes.extend(b"h264");
    bytes.extend(match dialect {
        Dialect::A => [320_u32, 180].map(u32::to_be_bytes).concat(),
        Dialect::B => session(320, 180, false),
    });
    bytes
}

fn parse(
    settings: ParserSettings,
    pieces: &[&[u8]],
) -> (Vec<StreamEvent>, Result<(), FramingError>) {
    let mut parser = StreamParser::new(settings);
    let mut events = Vec::new();
    for piece in pieces {
        parser.push(piece);
        loop {
            match parser.poll(1_000_000) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Err(error)),
            }
        }
    }
    (events, parser.finish())
}

fn failure(settings: ParserSettings, bytes: &[u8]) -> FramingError {
    let Err(error) = parse(settings, &[bytes]).1 else {
        panic!("{bytes:02x?} was read");
    };
    error
}

const KEY_UNIT: &[u8] = &[0, 0, 0, 1, 0x65, 1, 2, 3];
const UNIT: &[u8] = &[0, 0, 1, 0x41, 9];

#[test]
fn dialect_b_is_read_field_by_field() {
    let mut bytes = head(Dialect::B);
    bytes.extend(packet(1 << 62, &[0, 0, 0, 1, 0x67, 1]));
    bytes.extend(packet(1 << 61 | 0x1388, KEY_UNIT));
    bytes.extend(packet(38_000, UNIT));
    bytes.extend(session(180, 320, true));
    let (events, end) = parse(VIDEO_B, &[&bytes]);
    assert_eq!(end, Ok(()));
    assert_eq!(events[0], StreamEvent::DeviceName("Phone".into()));
    assert_eq!(events[1], StreamEvent::Codec(Codec::H264));
    let size = |width, height| VideoSize { width, height };
    let (size, is_asked) = (size(320, 180), false);
    assert_eq!(events[2], StreamEvent::Size { size, is_asked });
    let kinds: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            StreamEvent::Packet(packet) => Some((packet.kind, packet.payload.len())),
            _ => None,
        })
        .collect();
    let media = |pts_us, is_key| MediaKind::Media { pts_us, is_key };
    assert_eq!(
        kinds,
        [
            (MediaKind::Config, 6),
            (media(5_000, true), 8),
            (media(38_000, false), 5)
        ]
    );
    let last = VideoSize {
        width: 180,
        height: 320,
    };
    assert!(matches!(events[6], StreamEvent::Size { size, is_asked: true } if size == last));
}

#[test]
fn dialect_a_has_its_flags_one_bit_higher() {
    let mut bytes = head(Dialect::A);
    bytes.extend(packet(1 << 63, &[0, 0, 0, 1, 0x68, 1]));
    bytes.extend(packet(1 << 62 | 7, KEY_UNIT));
    let (events, end) = parse(VIDEO_A, &[&bytes]);
    assert_eq!((events.len(), end), (5, Ok(())));
    let StreamEvent::Packet(last) = &events[4] else {
        panic!("{events:?}");
    };
    let kind = MediaKind::Media {
        pts_us: 7,
        is_key: true,
    };
    assert_eq!((last.kind, &*last.payload), (kind, KEY_UNIT));
}

#[test]
fn in_dialect_a_the_parameter_sets_tell_a_rotation() {
    let portrait = std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/assets/ball-180x320.h264"
    ))
    .unwrap();
    let mut bytes = head(Dialect::A);
    bytes.extend(packet(1 << 63, &portrait[..60]));
    let (events, _) = parse(VIDEO_A, &[&bytes]);
    let size = VideoSize {
        width: 180,
        height: 320,
    };
    assert!(matches!(events[3], StreamEvent::Size { size: told, .. } if told == size));
    assert!(matches!(events[4], StreamEvent::Packet(_)));
}

#[test]
fn every_fault_of_a_header_has_its_error() {
    let with = |settings: ParserSettings, more: &[u8]| {
        let mut bytes = head(settings.dialect);
        bytes.extend(more);
        failure(settings, &bytes)
    };
    assert_eq!(failure(VIDEO_B, &[7]), FramingError::DummyByte(7));
    let mut unknown = first_bytes("x");
    unknown.extend(b"h26x");
    assert_eq!(
        failure(VIDEO_B, &unknown),
        FramingError::UnknownCodec(0x6832_3678)
    );
    let mut no_session = first_bytes("x");
    no_session.extend(b"h264");
    no_session.extend(packet(1 << 61 | 1, KEY_UNIT));
    assert_eq!(failure(VIDEO_B, &no_session), FramingError::SessionMissing);
    for (width, height) in [(0, 5), (5, 0), (8193, 5), (u32::MAX, u32::MAX)] {
        let error = FramingError::Size { width, height };
        assert_eq!(with(VIDEO_B, &session(width, height, false)), error);
    }
    assert_eq!(
        with(VIDEO_A, &session(320, 180, false)),
        FramingError::SessionUnexpected
    );
    assert_eq!(
        with(VIDEO_B, &packet(1 << 62 | 5, UNIT)),
        FramingError::ConfigPts
    );
    for length in [0, MAX_VIDEO_BYTES + 1, u32::MAX] {
        let mut header = 1_u64.to_be_bytes().to_vec();
        header.extend(length.to_be_bytes());
        assert_eq!(with(VIDEO_B, &header), FramingError::Length(length));
    }
    let mut raw = b"\0raw".to_vec();
    raw.extend(packet(1, &[0; 6]));
    assert_eq!(failure(AUDIO_B, &raw), FramingError::RawLength(6));
    let mut session_on_audio = b"\0raw".to_vec();
    session_on_audio.extend(session(1, 1, false));
    assert_eq!(
        failure(AUDIO_B, &session_on_audio),
        FramingError::SessionUnexpected
    );
    let mut long = b"opus\0\0\0\0\0\0\0\x01".to_vec();
    long.extend((MAX_AUDIO_BYTES + 1).to_be_bytes());
    assert_eq!(
        failure(AUDIO_B, &long),
        FramingError::Length(MAX_AUDIO_BYTES + 1)
    );
    let mut config = b"\0raw".to_vec();
    config.extend(packet(1 << 62, &[0; 4]));
    assert_eq!(failure(AUDIO_B, &config), FramingError::ConfigInRaw);
    let mut cut = packet(1, UNIT);
    cut.truncate(14);
    assert_eq!(with(VIDEO_B, &cut), FramingError::Truncated(14));
}

#[test]
fn a_length_that_lies_costs_no_memory() {
    let mut parser = StreamParser::new(VIDEO_B);
    let mut bytes = head(Dialect::B);
    bytes.extend(1_u64.to_be_bytes());
    bytes.extend(MAX_VIDEO_BYTES.to_be_bytes());
    parser.push(&bytes);
    while parser.poll(0).unwrap().is_some() {}
    assert_eq!(parser.waiting_bytes(), 12);
}

#[test]
fn stamps_go_forward_by_ten_seconds_at_most_unless_time_passed_or_the_session_is_new() {
    let units = |first: u64, second: u64| {
        let mut bytes = head(Dialect::B);
        bytes.extend(packet(first, KEY_UNIT));
        bytes.extend(packet(second, UNIT));
        parse(VIDEO_B, &[&bytes]).1
    };
    assert_eq!(units(5, 5), Ok(()));
    assert_eq!(units(5, 10_000_005), Ok(()));
    let step = |pts_us, previous_us| {
        Err(FramingError::PtsStep {
            pts_us,
            previous_us,
        })
    };
    assert_eq!(units(5, 4), step(4, 5));
    assert_eq!(units(5, 10_000_006), step(10_000_006, 5));
    let mut parser = StreamParser::new(VIDEO_B);
    parser.push(&head(Dialect::B));
    parser.push(&packet(5, KEY_UNIT));
    while parser.poll(0).unwrap().is_some() {}
    // A screen that stood still for a minute.
    parser.push(&packet(60_000_005, UNIT));
    assert!(parser.poll(59_000_000).unwrap().is_some());
    parser.push(&session(320, 180, false));
    parser.push(&packet(3, KEY_UNIT));
    while parser.poll(59_000_000).unwrap().is_some() {}
}

#[test]
fn sound_may_be_refused_or_misconfigured() {
    let (events, _) = parse(AUDIO_B, &[&[0, 0, 0, 0]]);
    assert_eq!(events, [StreamEvent::AudioDisabled]);
    let (events, _) = parse(AUDIO_B, &[&[0, 0, 0, 1]]);
    assert_eq!(events, [StreamEvent::AudioMisconfigured]);
}

#[test]
fn a_unit_without_a_start_code_is_marked_and_the_stream_goes_on() {
    let mut bytes = head(Dialect::B);
    bytes.extend(packet(1, &[9, 9, 9, 9]));
    bytes.extend(packet(2, UNIT));
    let (events, end) = parse(VIDEO_B, &[&bytes]);
    let marks: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            StreamEvent::Packet(packet) => Some(packet.is_corrupt),
            _ => None,
        })
        .collect();
    assert_eq!((marks, end), (vec![true, false], Ok(())));
}

/// A whole stream of the dialect with payloads of these lengths, and the faulty tail.
fn stream(dialect: Dialect, lengths: &[usize], tail: &[u8]) -> Vec<u8> {
    let key_bit = match dialect {
        Dialect::A => 62,
        Dialect::B => 61,
    };
    let mut bytes = head(dialect);
    for (number, length) in (1..).zip(lengths) {
        let mut payload = vec![0, 0, 1];
        payload.resize(3 + length, number as u8);
        let word = match number % 5 {
            1 => 1 << (key_bit + 1),
            2 => 1 << key_bit | number,
            _ => number,
        };
        bytes.extend(packet(word, &payload));
    }
    bytes.extend(tail);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_split_gives_the_same_packets(
        is_b in any::<bool>(),
        lengths in prop::collection::vec(0_usize..400, 0..12),
        tail in prop::collection::vec(any::<u8>(), 0..40),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let settings = if is_b { VIDEO_B } else { VIDEO_A };
        let bytes = stream(settings.dialect, &lengths, &tail);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts.into_iter().chain([bytes.len()]) {
            pieces.push(&bytes[from..cut]);
            from = cut;
        }
        prop_assert_eq!(parse(settings, &pieces), parse(settings, &[&bytes]));
    }
}
