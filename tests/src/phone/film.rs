//! What the phone's camera sees: the access units of a clip, looped.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

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
    /// In order; the first is a configuration.
    pub units: Vec<Unit>,
}

impl Film {
    /// The committed clip of this size.
    pub fn committed(width: u32, height: u32) -> Result<Self> {
        let bytes: &[u8] = match (width, height) {
            (320, 180) => include_bytes!("../../fixtures/handset/ball-320x180.h264"),
            (180, 320) => include_bytes!("../../fixtures/handset/ball-180x320.h264"),
            _ => bail!("no clip of {width}x{height} is committed"),
        };
        Self::of(width, height, bytes)
    }

    /// The demo presenter as the demo's cache file holds it: a magic word, a version, a count, then units, each with a mark
    /// and its length in front.
    pub fn presenter(path: &Path) -> Result<Self> {
        let file = std::fs::read(path).with_context(|| path.display().to_string())?;
        let mut rest = file.strip_prefix(b"LSIEDEMO").context("no demo file")?;
        let mut number = |bytes: usize| -> Result<Vec<u8>> {
            let (head, tail) = rest.split_at_checked(bytes).context("it is cut short")?;
            rest = tail;
            Ok(head.to_vec())
        };
        let word = |bytes: Vec<u8>| {
            bytes
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte))
        };
        number(4)?;
        let count = word(number(4)?);
        let mut stream = Vec::new();
        for _ in 0..count {
            number(1)?;
            let length = word(number(4)?);
            stream.extend(number(length)?);
        }
        Self::of(1280, 720, &stream)
    }

    fn of(width: u32, height: u32, stream: &[u8]) -> Result<Self> {
        let units = cut(stream);
        ensure!(units.first().is_some_and(|unit| unit.is_config));
        ensure!(units.iter().any(|unit| unit.is_key));
        Ok(Self {
            width,
            height,
            units,
        })
    }
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
