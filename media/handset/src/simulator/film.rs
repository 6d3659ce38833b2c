//! What the phone's camera sees: the access units of a clip, looped.

use std::path::Path;

use super::error::SimulatorError;

/// 30 pictures a second.
const FRAME_NS: i64 = 33_333_333;

/// One access unit or its parameter sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Annex-B bytes.
    pub bytes: Vec<u8>,
    /// Parameter sets alone.
    pub is_config: bool,
    /// Decodable by itself.
    pub is_key: bool,
}

/// A clip cut into units.
#[derive(Debug, Clone)]
pub struct Film {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// From one picture to the next, nanoseconds.
    pub frame_ns: i64,
    /// In order; the first is a configuration.
    pub units: Vec<Unit>,
}

impl Film {
    /// The built-in clip of this size.
    pub fn built_in(width: u32, height: u32) -> Result<Self, SimulatorError> {
        let bytes: &[u8] = match (width, height) {
            (320, 180) => include_bytes!("../../assets/ball-320x180.h264"),
            (180, 320) => include_bytes!("../../assets/ball-180x320.h264"),
            _ => return Err(SimulatorError::NoClip { width, height }),
        };
        Self::from_annex_b(width, height, FRAME_NS, bytes)
    }

    /// The demo presenter as the demo's cache file holds it: a magic word, a version, a count, then units, each with a mark
    /// and its length in front.
    pub fn presenter(path: &Path) -> Result<Self, SimulatorError> {
        let file = std::fs::read(path).map_err(SimulatorError::io("reading the presenter"))?;
        let cut_short = SimulatorError::NotAFilm("it is cut short");
        let stream = presenter_stream(&file).ok_or(cut_short)?;
        Self::from_annex_b(1280, 720, FRAME_NS, &stream)
    }

    /// An H.264 byte stream with one slice to a picture, cut into units.
    pub fn from_annex_b(
        width: u32,
        height: u32,
        frame_ns: i64,
        stream: &[u8],
    ) -> Result<Self, SimulatorError> {
        let units = cut(stream);
        if units.first().is_none_or(|unit| !unit.is_config) {
            return Err(SimulatorError::NotAFilm(
                "it does not begin with parameter sets",
            ));
        }
        if !units.iter().any(|unit| unit.is_key) {
            return Err(SimulatorError::NotAFilm("it has no key picture"));
        }
        Ok(Self {
            width,
            height,
            frame_ns: frame_ns.max(1_000_000),
            units,
        })
    }
}

fn presenter_stream(file: &[u8]) -> Option<Vec<u8>> {
    let mut rest = file.strip_prefix(b"LSIEDEMO")?;
    let mut take = |bytes: usize| -> Option<&[u8]> {
        let (head, tail) = rest.split_at_checked(bytes)?;
        rest = tail;
        Some(head)
    };
    let word = |bytes: &[u8]| {
        let digits = bytes.iter().rev();
        digits.fold(0, |sum, byte| sum << 8 | usize::from(*byte))
    };
    take(4)?;
    let count = word(take(4)?);
    let mut stream = Vec::new();
    for _ in 0..count {
        take(1)?;
        let length = word(take(4)?);
        stream.extend(take(length)?);
    }
    Some(stream)
}

/// Places where a start code of three bytes begins.
fn starts(bytes: &[u8]) -> Vec<usize> {
    let places = bytes.windows(3).enumerate();
    let found = places.filter(|(_, code)| *code == [0, 0, 1]);
    found.map(|(at, _)| at).collect()
}

fn cut(bytes: &[u8]) -> Vec<Unit> {
    let starts = starts(bytes);
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    let (mut units, mut sets): (Vec<Unit>, Vec<u8>) = (Vec::new(), Vec::new());
    for (from, to) in starts.iter().zip(ends) {
        let mut unit = vec![0];
        unit.extend(bytes.get(*from..to).unwrap_or_default());
        if unit.last() == Some(&0) {
            unit.pop();
        }
        let kind = unit.get(4).map_or(0, |head| head & 0x1f);
        match kind {
            7 | 8 => sets.extend(unit),
            1 | 5 => {
                if !sets.is_empty() {
                    let bytes = std::mem::take(&mut sets);
                    let (is_config, is_key) = (true, false);
                    units.push(Unit {
                        bytes,
                        is_config,
                        is_key,
                    });
                }
                units.push(Unit {
                    bytes: unit,
                    is_config: false,
                    is_key: kind == 5,
                });
            }
            _ => {}
        }
    }
    units
}
