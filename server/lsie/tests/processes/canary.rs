//! Known pixel and sample patterns, and the search for them in whatever form a program could write them.
//!
//! Text is not compared with a few renderings of the pattern: it is read back as bytes or numbers, by every notation that a
//! log or a document uses, and any short piece of the pattern in what was read is a find.

use std::fs;
use std::path::{Path, PathBuf};

/// A sample value that is held for long stretches: it survives resampling, the random pattern need not.
pub(crate) const PLATEAU: i16 = 0x2b67;
/// As many samples near the plateau in a row are sound, not chance.
const PLATEAU_RUN: usize = 32;
/// Bytes in a row that are no accident.
const PIECE: usize = 8;
const PATTERN: usize = 64;

/// Bytes without structure that never change, so that a find is no accident.
fn pattern(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..PATTERN).map(next).collect()
}

pub(crate) fn pixels() -> Vec<u8> {
    pattern(0x5eed_0001)
}

pub(crate) fn samples() -> Vec<u8> {
    pattern(0x5eed_0002)
}

/// The sample pattern as numbers.
pub(crate) fn noise() -> Vec<i16> {
    samples()
        .chunks_exact(2)
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
        .collect()
}

/// What is looked for: every piece of both patterns, wherever a repetition of the pattern is cut.
pub(crate) struct Search {
    pieces: Vec<(&'static str, [u8; PIECE])>,
    /// Whether a piece begins with these two bytes.
    begins: Vec<bool>,
}

impl Search {
    pub(crate) fn new() -> Self {
        let mut pieces = Vec::new();
        for (name, pattern) in [("pixels", pixels()), ("samples", samples())] {
            for start in 0..PATTERN {
                let piece = std::array::from_fn(|k| pattern[(start + k) % PATTERN]);
                pieces.push((name, piece));
            }
        }
        let mut begins = vec![false; 1 << 16];
        for (_, piece) in &pieces {
            begins[usize::from(u16::from_le_bytes([piece[0], piece[1]]))] = true;
        }
        Self { pieces, begins }
    }

    /// What of the patterns stands in `bytes`, and in which notation.
    pub(crate) fn finds(&self, bytes: &[u8]) -> Vec<String> {
        let mut found = self.raw(bytes);
        for (notation, streams) in [
            ("hex", hex(bytes)),
            ("hex list", hex_list(bytes)),
            ("base64", base64(bytes)),
        ] {
            found.extend(self.in_streams(notation, &streams));
        }
        found.extend(self.in_numbers(&numbers(bytes)));
        found.sort();
        found.dedup();
        found
    }

    /// The same, of memory: as it is, without notations.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Vec<String> {
        let mut found = self.in_streams("bytes", &[bytes.to_vec()]);
        if has_plateau(bytes) {
            found.push("plateau as bytes".to_owned());
        }
        found
    }

    fn in_streams(&self, notation: &str, streams: &[Vec<u8>]) -> Vec<String> {
        let mut found = Vec::new();
        for window in streams.iter().flat_map(|stream| stream.windows(PIECE)) {
            if !self.begins[usize::from(u16::from_le_bytes([window[0], window[1]]))] {
                continue;
            }
            let names = self.pieces.iter().filter(|(_, piece)| piece == window);
            found.extend(names.map(|(name, _)| format!("{name} as {notation}")));
        }
        found.dedup();
        found
    }

    /// Lists of numbers: bytes, 16-bit samples, and both scaled to 1.
    fn in_numbers(&self, numbers: &[f64]) -> Vec<String> {
        let whole = |scale: f64, least: f64, most: f64| {
            numbers.iter().map(move |number| {
                let value = (number * scale).round();
                (least..=most).contains(&value).then_some(value as i32)
            })
        };
        let mut found = Vec::new();
        for (notation, scale) in [("list", 1.0), ("list of shares", 255.0)] {
            let bytes = runs(whole(scale, 0.0, 255.0).map(|value| Some(value? as u8)));
            found.extend(self.in_streams(notation, &bytes));
        }
        for (notation, scale) in [("list", 1.0), ("list of shares", 32768.0)] {
            let values = runs(whole(scale, -32768.0, 32767.0).map(|value| Some(value? as i16)));
            let bytes: Vec<Vec<u8>> = values
                .iter()
                .map(|run| run.iter().flat_map(|value| value.to_le_bytes()).collect())
                .collect();
            found.extend(self.in_streams(&format!("sample {notation}"), &bytes));
            let is_flat = |run: &Vec<i16>| longest(run.iter().map(|v| is_near(f32::from(*v))));
            if values.iter().any(|run| is_flat(run) >= PLATEAU_RUN) {
                found.push(format!("plateau as {notation}"));
            }
        }
        found
    }
}

/// Values that stand together; what is none parts them.
pub(crate) fn runs<T>(values: impl Iterator<Item = Option<T>>) -> Vec<Vec<T>> {
    let mut runs = vec![Vec::new()];
    for value in values {
        match (value, runs.last_mut()) {
            (Some(value), Some(run)) => run.push(value),
            _ => runs.push(Vec::new()),
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

fn longest(near: impl Iterator<Item = bool>) -> usize {
    let (mut run, mut longest) = (0, 0);
    for is_near in near {
        run = if is_near { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

fn is_near(value: f32) -> bool {
    (value - f32::from(PLATEAU)).abs() <= 16.0
}

/// Whether the plateau stands there as 16-bit integers or as 32-bit floats, at any alignment.
fn has_plateau(bytes: &[u8]) -> bool {
    let integer = |b: &[u8]| is_near(f32::from(i16::from_le_bytes([b[0], b[1]])));
    let float = |b: &[u8]| is_near(f32::from_le_bytes([b[0], b[1], b[2], b[3]]) * 32768.0);
    let from = |skip: usize| bytes.get(skip..).unwrap_or_default();
    (0..2).any(|skip| longest(from(skip).chunks_exact(2).map(integer)) >= PLATEAU_RUN)
        || (0..4).any(|skip| longest(from(skip).chunks_exact(4).map(float)) >= PLATEAU_RUN)
}

fn words(bytes: &[u8], is_part: impl Fn(u8) -> bool) -> impl Iterator<Item = &[u8]> {
    bytes
        .split(move |byte| !is_part(*byte))
        .filter(|word| !word.is_empty())
}

fn digit(byte: u8) -> u8 {
    char::from(byte).to_digit(16).unwrap_or_default() as u8
}

/// Unbroken hexadecimal digits, from either half of a byte.
fn hex(bytes: &[u8]) -> Vec<Vec<u8>> {
    words(bytes, |byte| byte.is_ascii_hexdigit())
        .filter(|word| word.len() >= 2 * PIECE)
        .flat_map(|word| [word, &word[1..]])
        .map(|word| {
            let pairs = word.chunks_exact(2);
            pairs
                .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
                .collect()
        })
        .collect()
}

/// Bytes of one or two hexadecimal digits each, parted by anything: `5e 0d`, `[5e, d]`, `0x5e, 0x0d`, `\x5e\x0d`.
fn hex_list(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut plain = bytes.to_vec();
    for place in 1..plain.len() {
        if plain[place] == b'x' && matches!(plain[place - 1], b'0' | b'\\') {
            plain[place - 1] = b' ';
        }
    }
    runs(words(&plain, |byte| byte.is_ascii_hexdigit()).map(|word| {
        let value = word
            .iter()
            .fold(0, |value: u8, byte| value.wrapping_shl(4) | digit(*byte));
        (word.len() <= 2).then_some(value)
    }))
}

/// Both alphabets of base64, from each of the four places where a group may begin.
fn base64(bytes: &[u8]) -> Vec<Vec<u8>> {
    let six = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        _ => 63,
    };
    let is_part =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
    words(bytes, is_part)
        .filter(|word| word.len() >= 2 * PIECE)
        .flat_map(|word| (0..4).map(move |skip| &word[skip..]))
        .map(|word| {
            let groups = word.chunks_exact(4);
            groups
                .flat_map(|group| {
                    let bits = group
                        .iter()
                        .fold(0, |bits, byte| bits << 6 | u32::from(six(*byte)));
                    [(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]
                })
                .collect()
        })
        .collect()
}

/// Decimal numbers in the order in which they stand, whatever stands between them.
fn numbers(bytes: &[u8]) -> Vec<f64> {
    let is_part = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e');
    words(bytes, is_part)
        .filter_map(|word| std::str::from_utf8(word).ok()?.parse().ok())
        .filter(|number: &f64| number.is_finite())
        .collect()
}

/// Every file of a folder and the folders in it.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                files_below(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// The same bytes as a program might write them.
pub(crate) fn renderings(bytes: &[u8]) -> Vec<(&'static str, String)> {
    let shares: Vec<f64> = bytes.iter().map(|byte| f64::from(*byte) / 255.0).collect();
    let joined = |each: fn(&u8) -> String| bytes.iter().map(each).collect::<String>();
    vec![
        ("hex", joined(|byte| format!("{byte:02x}"))),
        ("hex", joined(|byte| format!("{byte:02X}"))),
        ("hex list", format!("{bytes:02x?}")),
        ("hex list", format!("{bytes:#x?}")),
        ("hex list", joined(|byte| format!("\\x{byte:02x}"))),
        ("base64", encoded(bytes, b"+/")),
        ("base64", format!("c{}", encoded(bytes, b"-_"))),
        ("list", format!("{bytes:?}")),
        ("list", serde_json::to_string(bytes).unwrap()),
        ("list of shares", format!("{shares:.4?}")),
    ]
}

fn encoded(bytes: &[u8], last: &[u8; 2]) -> String {
    let digit = |value: u32| match value {
        0..26 => (b'A' + value as u8).into(),
        26..52 => (b'a' + value as u8 - 26).into(),
        52..62 => (b'0' + value as u8 - 52).into(),
        _ => char::from(last[value as usize - 62]),
    };
    let groups = bytes.chunks_exact(3).flat_map(|c| {
        let word = u32::from(c[0]) << 16 | u32::from(c[1]) << 8 | u32::from(c[2]);
        [18, 12, 6, 0].map(|shift| digit(word >> shift & 63))
    });
    groups.collect()
}

#[test]
fn the_search_finds_every_notation_of_every_part() {
    let search = Search::new();
    for start in [0, 5, 23] {
        let part = &pixels()[start..start + 27];
        for (notation, text) in renderings(part) {
            let line = format!("TRACE frame seq=12 data={text} ms=0.5\n");
            let wanted = format!("pixels as {notation}");
            let found = search.finds(line.as_bytes());
            assert!(found.contains(&wanted), "{line}: {found:?}");
        }
    }
    assert_eq!(search.finds(&samples()[3..14]), ["samples as bytes"]);
    let heard = noise();
    let listed = format!("{:?}", &heard[7..13]);
    assert_eq!(search.finds(listed.as_bytes()), ["samples as sample list"]);
    let shares: Vec<f32> = heard.iter().map(|v| f32::from(*v) / 32768.0).collect();
    assert_eq!(
        search.finds(serde_json::to_string(&shares[2..9]).unwrap().as_bytes()),
        ["samples as sample list of shares"]
    );
}

#[test]
fn the_search_finds_the_plateau_and_nothing_in_ordinary_words() {
    let search = Search::new();
    let float = f32::from(PLATEAU) / 32768.0;
    let floats = [float; 40].map(f32::to_le_bytes).concat();
    assert_eq!(
        search.finds(&[b"abc".as_slice(), &floats].concat()),
        ["plateau as bytes"]
    );
    let written = format!("{:?}", [float; 40]);
    assert_eq!(
        search.finds(written.as_bytes()),
        ["plateau as list of shares"]
    );
    let written = format!("{:?}", [PLATEAU + 3; 40]);
    assert_eq!(search.finds(written.as_bytes()), ["plateau as list"]);
    for plain in [
        include_bytes!("canary.rs").as_slice(),
        &[0; 4096],
        b"2026-11-21T10:00:00.123456Z  INFO encounter committed alpha=1.25 beta=2.0",
    ] {
        assert_eq!(search.finds(plain), [""; 0]);
    }
}
