//! Everything a phone or an adb server may send: in any pieces the same is read, and no length is believed before it is met.

use std::fmt::Debug;

use lsie_handset::adb::{
    HexBlocks, MAX_BLOCK_BYTES, ShellReader, StatusReader, SyncReplyReader, parse_devices,
};
use lsie_handset::clock::{ANSWER_BYTES, parse_answer};
use lsie_handset::recording::{Recording, WireCutter};
use lsie_handset::scrcpy::{
    DeviceMessageReader, Dialect, MAX_VIDEO_BYTES, ParserSettings, StreamKind, StreamParser,
    size_of_parameter_sets,
};

/// What one reader makes of bytes that come in pieces: every item, then the error, if one ended it.
fn read<R, T: Debug, E: Debug>(
    mut reader: R,
    pieces: &[&[u8]],
    push: fn(&mut R, &[u8]),
    poll: fn(&mut R) -> Result<Option<T>, E>,
) -> Vec<String> {
    let mut seen = Vec::new();
    for piece in pieces {
        push(&mut reader, piece);
        loop {
            match poll(&mut reader) {
                Ok(Some(item)) => seen.push(format!("{item:?}")),
                Ok(None) => break,
                Err(error) => {
                    seen.push(format!("{error:?}"));
                    return seen;
                }
            }
        }
    }
    seen
}

fn pieces(data: &[u8]) -> Vec<&[u8]> {
    let step = data.first().map_or(1, |byte| usize::from(byte % 31) + 1);
    data.chunks(step).collect()
}

/// Answers and blocks of the host protocol.
pub fn adb_answers(data: &[u8]) {
    let status = |pieces: &[&[u8]]| {
        let reader = StatusReader::default();
        read(reader, pieces, StatusReader::push, StatusReader::poll)
    };
    assert_eq!(status(&pieces(data)), status(&[data]));
    let blocks = |pieces: &[&[u8]]| {
        let reader = HexBlocks::default();
        read(reader, pieces, HexBlocks::push, HexBlocks::poll)
    };
    assert_eq!(blocks(&pieces(data)), blocks(&[data]));
    let mut reader = StatusReader::default();
    reader.push(data);
    assert!(reader.wanted() <= MAX_BLOCK_BYTES + 8);
}

/// Device lists: every entry has a serial and a state, and the words of a state survive.
pub fn adb_devices(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for entry in parse_devices(&text) {
        assert!(!entry.serial.is_empty() && !entry.state_text.is_empty());
        let again = parse_devices(&format!("{}\t{}\n", entry.serial, entry.state_text));
        let states: Vec<_> = again.iter().map(|again| again.state).collect();
        if !entry.serial.contains(['\t', '\r', '\n']) {
            assert_eq!(states, [entry.state], "{entry:?}");
        }
    }
}

/// Shell packets, answers to a push, device messages, clock answers.
pub fn shell_and_sync(data: &[u8]) {
    let shell = |pieces: &[&[u8]]| {
        let reader = ShellReader::default();
        read(reader, pieces, ShellReader::push, ShellReader::poll)
    };
    assert_eq!(shell(&pieces(data)), shell(&[data]));
    let sync = |pieces: &[&[u8]]| {
        let reader = SyncReplyReader::default();
        read(reader, pieces, SyncReplyReader::push, SyncReplyReader::poll)
    };
    assert_eq!(sync(&pieces(data)), sync(&[data]));
    let control = |pieces: &[&[u8]]| {
        let reader = DeviceMessageReader::default();
        let poll = DeviceMessageReader::poll;
        read(reader, pieces, DeviceMessageReader::push, poll)
    };
    assert_eq!(control(&pieces(data)), control(&[data]));
    let mut answer = [0; ANSWER_BYTES];
    for (to, from) in answer.iter_mut().zip(data) {
        *to = *from;
    }
    let _ = parse_answer(&answer);
}

/// Media streams of both dialects: the first byte's bits choose dialect, kind and whether the socket is the first one.
pub fn phone_streams(data: &[u8]) {
    let Some((head, data)) = data.split_first() else {
        return;
    };
    let dialect = if head & 1 == 1 {
        Dialect::B
    } else {
        Dialect::A
    };
    let kind = if head & 2 == 2 {
        StreamKind::Audio
    } else {
        StreamKind::Video
    };
    let is_first = head & 4 == 4;
    let settings = ParserSettings {
        dialect,
        kind,
        is_first,
    };
    let stream = |pieces: &[&[u8]]| {
        let parser = StreamParser::new(settings);
        let poll = |parser: &mut StreamParser| {
            assert!(parser.waiting_bytes() <= MAX_VIDEO_BYTES as usize + (1 << 16));
            parser.poll(0)
        };
        read(parser, pieces, StreamParser::push, poll)
    };
    assert_eq!(stream(&pieces(data)), stream(&[data]));
    recorded(data, settings);
    if let Some(size) = size_of_parameter_sets(data) {
        assert!(size.width > 0 && size.height > 0);
    }
}

/// A recording of a stream holds the same pieces however its bytes come, and its reader takes any bytes.
fn recorded(data: &[u8], settings: ParserSettings) {
    let cut = |pieces: &[&[u8]]| {
        let mut cutter = WireCutter::new(settings, true);
        let cut = pieces.iter().flat_map(|piece| cutter.push(0, piece));
        cut.collect::<Vec<_>>()
    };
    assert_eq!(cut(&pieces(data)), cut(&[data]));
    for head in [
        &b""[..],
        b"lsie-wire 1 video 4.1\n",
        b"lsie-wire 1 audio 3.3.4\n",
    ] {
        let file = [head, data].concat();
        for kind in [StreamKind::Video, StreamKind::Audio] {
            if let Ok((_, trace)) = Recording::read(kind, &file) {
                let held: usize = trace.pieces.iter().map(|piece| piece.bytes.len()).sum();
                assert!(held <= file.len());
            }
        }
    }
}
