//! Deterministic damage: seeds are cut, spliced and peppered with awkward words. The same number gives the same bytes.

use crate::vectors::waveform::Lcg;

/// Longest input that is made, in bytes.
const MAX_BYTES: usize = 1 << 14;

/// JSON values that put a token at the edge of its type.
const VALUES: &[&[u8]] = &[
    b"null",
    b"true",
    b"-0",
    b"0",
    b"-1",
    b"1e308",
    b"-1e-400",
    b"0.1",
    b"18446744073709551615",
    b"-9223372036854775808",
    b"[]",
    b"{}",
    b"2026-01-01T00:00:00Z",
];

/// Words that parsers trip over.
const WORDS: &[&[u8]] = &[
    b"1e999",
    b"NaN",
    b"nan",
    b"inf",
    b"-inf",
    b"\"\"",
    b"\"\\u0000\"",
    b"\"\\ud83d\"",
    b"[[[[[[[[[[[[[[[[",
    b"{\"a\":",
    b"\"pcm\":1,",
    b"\xc3\xa9",
    b"\xf0\x9f\x98\x80",
    b"\xff",
    b"\0",
    b"\n",
    b"=",
    b"%",
    b"%00",
    b"..",
    b"/",
    b"+24:00",
    b"Z",
    b"9999-12-31T23:59:59.9999999Z",
    b"0001-01-01T00:00:00Z",
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x80",
    b"\xc1",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
];

/// Bytes between which a token stands in the text formats.
const DELIMITERS: &[u8] = b",:{}[]\"=\n?&; ";

/// Endless changed inputs of one set of seeds.
pub struct Changes<'a> {
    seeds: &'a [Vec<u8>],
    random: Lcg,
}

impl<'a> Changes<'a> {
    /// Starts at the generator's state `seed` (math 16.1). Without seeds the inputs grow out of nothing.
    #[must_use]
    pub fn new(seeds: &'a [Vec<u8>], seed: u64) -> Self {
        Self {
            seeds,
            random: Lcg(seed),
        }
    }

    /// A number in `0..bound`, 0 when there is none.
    fn below(&mut self, bound: usize) -> usize {
        (self.random.next() * bound as f64) as usize
    }

    fn seed(&mut self) -> &'a [u8] {
        let place = self.below(self.seeds.len());
        self.seeds.get(place).map_or(&[], Vec::as_slice)
    }

    /// Two places in order, both at most `len`.
    fn stretch(&mut self, len: usize) -> (usize, usize) {
        let start = self.below(len + 1);
        let longest = if self.below(4) == 0 { len } else { 16 };
        (start, (start + self.below(longest + 1)).min(len))
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let (start, end) = self.stretch(bytes.len());
        match self.below(12) {
            0 => drop(bytes.drain(start..end)),
            1 => bytes.truncate(start),
            2 => bytes.splice(start..start, self.word(WORDS)).for_each(drop),
            3 => bytes.splice(start..end, self.word(WORDS)).for_each(drop),
            4..=7 => {
                let (start, end) = token(bytes, start);
                let words = if self.below(4) == 0 { WORDS } else { VALUES };
                bytes.splice(start..end, self.word(words)).for_each(drop);
            }
            8 => {
                let repeated = bytes.get(start..end).unwrap_or_default().to_vec();
                bytes.splice(start..start, repeated).for_each(drop);
            }
            9 => {
                let other = self.seed();
                let (from, to) = self.stretch(other.len());
                let part = other.get(from..to).unwrap_or_default();
                bytes
                    .splice(start..end, part.iter().copied())
                    .for_each(drop);
            }
            _ => {
                let flipped = 1 << self.below(8);
                if let Some(byte) = bytes.get_mut(start) {
                    *byte ^= flipped;
                }
            }
        }
    }

    fn word(&mut self, words: &[&'static [u8]]) -> impl Iterator<Item = u8> + use<> {
        let place = self.below(words.len());
        words
            .get(place)
            .copied()
            .unwrap_or_default()
            .iter()
            .copied()
    }
}

impl Iterator for Changes<'_> {
    type Item = Vec<u8>;

    /// Mostly one changed seed; one in sixteen is plain noise. Never ends.
    fn next(&mut self) -> Option<Vec<u8>> {
        if self.below(16) == 0 {
            let len = self.below(256);
            return Some((0..len).map(|_| self.below(256) as u8).collect());
        }
        let mut bytes = self.seed().to_vec();
        let changes = self.below(4);
        for _ in 0..=self.below(changes + 1) {
            self.change(&mut bytes);
        }
        bytes.truncate(MAX_BYTES);
        Some(bytes)
    }
}

/// The token around a place: from behind the delimiter before it to the one after it.
fn token(bytes: &[u8], place: usize) -> (usize, usize) {
    let is_delimiter = |byte: &u8| DELIMITERS.contains(byte);
    let blanks = bytes.get(place..).unwrap_or_default().iter();
    let place = place + blanks.take_while(|byte| is_delimiter(byte)).count();
    let before = bytes.get(..place).unwrap_or_default();
    let after = bytes.get(place..).unwrap_or_default();
    let start = before.iter().rposition(is_delimiter).map_or(0, |at| at + 1);
    let end = after
        .iter()
        .position(is_delimiter)
        .map_or(bytes.len(), |at| place + at);
    (start, end)
}
