//! What an H.264 payload tells without decoding: whether it begins as one, and the size in its parameter sets.

use super::parser::{MAX_SIDE, VideoSize};

/// Whether a payload begins with `00 00 01` or `00 00 00 01`.
#[must_use]
pub fn begins_with_start_code(payload: &[u8]) -> bool {
    payload.starts_with(&[0, 0, 1]) || payload.starts_with(&[0, 0, 0, 1])
}

/// Size of the picture from the first H.264 sequence parameter set of an Annex-B payload (ITU-T H.264 7.3.2.1.1).
/// `None` when there is none, or when it is damaged or out of range.
#[must_use]
pub fn size_of_parameter_sets(payload: &[u8]) -> Option<VideoSize> {
    let start = payload
        .windows(4)
        .position(|w| matches!(w, [0, 0, 1, unit] if unit & 0x1f == 7))?;
    let rest = payload.get(start + 4..)?;
    let end = rest.windows(3).position(|w| matches!(w, [0, 0, 0 | 1]));
    let unit = rest.get(..end.unwrap_or(rest.len()))?;
    let size = Bits::new(&without_emulation(unit)).size()?;
    let is_sane = |side: u32| (1..=MAX_SIDE).contains(&side);
    (is_sane(size.width) && is_sane(size.height)).then_some(size)
}

/// Takes the emulation prevention bytes out: `00 00 03` stands for `00 00`.
fn without_emulation(unit: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(unit.len());
    for &byte in unit {
        if byte == 3 && plain.ends_with(&[0, 0]) {
            continue;
        }
        plain.push(byte);
    }
    plain
}

/// Profiles whose sets name a chroma format.
const CHROMA_PROFILES: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn bit(&mut self) -> Option<u32> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(u32::from(bit))
    }

    fn bits(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |value, _| Some(value << 1 | self.bit()?))
    }

    /// Exp-Golomb, unsigned; at most 24 leading zeros.
    fn golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 24 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.bits(zeros)?)
    }

    fn skip_scaling_lists(&mut self, lists: u32) -> Option<()> {
        for list in 0..lists {
            if self.bit()? == 0 {
                continue;
            }
            let entries = if list < 6 { 16 } else { 64 };
            let (mut last, mut next) = (8_i64, 8_i64);
            for _ in 0..entries {
                if next != 0 {
                    let code = i64::from(self.golomb()?);
                    let delta = if code % 2 == 0 {
                        -code / 2
                    } else {
                        (code + 1) / 2
                    };
                    next = (last + delta).rem_euclid(256);
                }
                last = if next == 0 { last } else { next };
            }
        }
        Some(())
    }

    fn size(&mut self) -> Option<VideoSize> {
        let profile = self.bits(8)?;
        self.bits(16)?;
        self.golomb()?;
        let mut chroma = 1;
        if CHROMA_PROFILES.contains(&profile) {
            chroma = self.golomb()?;
            if chroma == 3 {
                self.bit()?;
            }
            self.golomb()?;
            self.golomb()?;
            self.bit()?;
            if self.bit()? == 1 {
                self.skip_scaling_lists(if chroma == 3 { 12 } else { 8 })?;
            }
        }
        self.golomb()?;
        match self.golomb()? {
            0 => drop(self.golomb()?),
            1 => {
                self.bit()?;
                self.golomb()?;
                self.golomb()?;
                for _ in 0..self.golomb()?.min(255) {
                    self.golomb()?;
                }
            }
            _ => {}
        }
        self.golomb()?;
        self.bit()?;
        let width = self.golomb()?.checked_add(1)?.checked_mul(16)?;
        let height_units = self.golomb()?.checked_add(1)?.checked_mul(16)?;
        let fields = 2 - self.bit()?;
        if fields == 2 {
            self.bit()?;
        }
        self.bit()?;
        let height = height_units.checked_mul(fields)?;
        let mut crop = [0; 4];
        if self.bit()? == 1 {
            for side in &mut crop {
                *side = self.golomb()?;
            }
        }
        let [left, right, top, bottom] = crop;
        let (across, down) = match chroma {
            1 => (2, 2 * fields),
            2 => (2, fields),
            _ => (1, fields),
        };
        let cut = |length: u32, a: u32, b: u32, unit: u32| {
            length.checked_sub(a.checked_add(b)?.checked_mul(unit)?)
        };
        Some(VideoSize {
            width: cut(width, left, right, across)?,
            height: cut(height, top, bottom, down)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_codes_have_three_or_four_bytes() {
        assert!(begins_with_start_code(&[0, 0, 1, 0x65]));
        assert!(begins_with_start_code(&[0, 0, 0, 1, 0x65]));
        assert!(!begins_with_start_code(&[0, 0, 2, 1]));
        assert!(!begins_with_start_code(&[0, 0]));
    }

    #[test]
    fn a_baseline_set_of_x264_gives_its_cropped_size() {
        let set = [
            0, 0, 0, 1, 9, 0x10, 0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x0d, 0xda, 0x05, 0x06, 0x7e, 0x7c,
            0x05, 0xa8, 0x30, 0x30, 0x35, 0x28, 0, 0, 3, 0, 8, 0, 0, 3, 1, 0xe4, 0x78, 0xa1, 0x55,
            0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80,
        ];
        let size = size_of_parameter_sets(&set);
        assert_eq!(size.map(|s| (s.width, s.height)), Some((320, 180)));
        for cut in 0..18 {
            assert_eq!(size_of_parameter_sets(&set[..cut]), None, "{cut}");
        }
    }
}
