//! A look into an H.264 byte stream, just deep enough to keep garbage away from the decoder. Pure.

/// Largest access unit that is decoded, bytes.
pub(crate) const MAX_ACCESS_UNIT_BYTES: usize = 8 << 20;

/// What the first picture of an access unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnitKind {
    /// An IDR picture: decoding can begin here.
    Key,
    /// Another picture.
    Delta,
}

/// What encoded pictures are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnitCodec {
    /// H.264 byte stream.
    H264,
    /// VP8 frames.
    Vp8,
}

/// As [`inspect`], for either codec.
pub(crate) fn inspect_as(codec: UnitCodec, data: &[u8]) -> Option<UnitKind> {
    match codec {
        UnitCodec::H264 => inspect(data),
        UnitCodec::Vp8 if data.len() > MAX_ACCESS_UNIT_BYTES => None,
        // A frame begins with three bytes of its tag, a key frame with a start code behind them.
        UnitCodec::Vp8 => match data {
            [tag, _, _, 0x9d, 0x01, 0x2a, ..] if tag & 1 == 0 => Some(UnitKind::Key),
            [tag, _, _, ..] if tag & 1 == 1 => Some(UnitKind::Delta),
            _ => None,
        },
    }
}

/// Whether the first slice refers to pictures shown later, which a browser does not take.
pub(crate) fn has_b_slice(data: &[u8]) -> bool {
    let mut rest = data;
    while let Some(at) = rest.windows(3).position(|window| window == [0, 0, 1]) {
        rest = rest.get(at + 3..).unwrap_or_default();
        let Some((header, slice)) = rest.split_first() else {
            return false;
        };
        if matches!(header & 0x1f, 1..=5) {
            let mut bits = Bits { data: slice, at: 0 };
            let kind = bits.exp_golomb().and_then(|_first_block| bits.exp_golomb());
            return kind.is_some_and(|kind| kind % 5 == 1);
        }
    }
    false
}

struct Bits<'d> {
    data: &'d [u8],
    at: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> Option<u32> {
        let byte = self.data.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(u32::from(bit))
    }

    fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 20 {
                return None;
            }
        }
        let mut value = 1;
        for _ in 0..zeros {
            value = value << 1 | self.bit()?;
        }
        Some(value - 1)
    }
}

/// Looks for the first slice. `None` if the bytes are no byte stream, hold no slice, or break its syntax before it.
pub(crate) fn inspect(data: &[u8]) -> Option<UnitKind> {
    if data.len() > MAX_ACCESS_UNIT_BYTES {
        return None;
    }
    let mut rest = after_start_code(data)?;
    loop {
        let header = *rest.first()?;
        if header & 0x80 != 0 {
            return None;
        }
        match header & 0x1f {
            5 => return Some(UnitKind::Key),
            1..=4 => return Some(UnitKind::Delta),
            _ => {}
        }
        let next = rest.windows(3).position(|window| window == [0, 0, 1])?;
        rest = rest.get(next + 3..)?;
    }
}

/// What follows a start code at the very beginning.
fn after_start_code(data: &[u8]) -> Option<&[u8]> {
    data.strip_prefix(&[0, 0, 0, 1])
        .or_else(|| data.strip_prefix(&[0, 0, 1]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn slices_are_found_behind_parameter_sets() {
        assert_eq!(
            inspect(&[
                0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x65, 9
            ]),
            Some(UnitKind::Key)
        );
        assert_eq!(inspect(&[0, 0, 1, 0x41, 9]), Some(UnitKind::Delta));
    }

    #[test]
    fn what_is_no_access_unit_is_refused() {
        for bad in [
            &[][..],
            &[0, 0, 1],
            &[0, 0, 0, 0, 1, 0x65],
            &[1, 2, 3, 4],
            &[0, 0, 1, 0xe5],
            &[0, 0, 1, 0x67, 1, 2, 3],
            &[0, 0, 1, 0x67, 0, 0, 1],
        ] {
            assert_eq!(inspect(bad), None, "{bad:?}");
        }
        assert_eq!(inspect(&vec![0; MAX_ACCESS_UNIT_BYTES + 1]), None);
    }

    #[test]
    fn b_slices_are_seen() {
        // first_mb 0, slice_type 5 (P), 6 (B), 1 (B), 7 (I).
        for (byte, is_b) in [
            (0b1001_1000, false),
            (0b1001_1100, true),
            (0b1010_0000, true),
            (0b1000_1000, false),
        ] {
            assert_eq!(has_b_slice(&[0, 0, 1, 0x41, byte]), is_b, "{byte:b}");
        }
        assert!(!has_b_slice(&[0, 0, 1, 0x41]) && !has_b_slice(&[]));
    }

    #[test]
    fn vp8_frames_are_told_apart() {
        let look = |data: &[u8]| inspect_as(UnitCodec::Vp8, data);
        assert_eq!(
            look(&[0x10, 0, 0, 0x9d, 0x01, 0x2a, 0]),
            Some(UnitKind::Key)
        );
        assert_eq!(look(&[0x11, 0, 0, 0]), Some(UnitKind::Delta));
        assert_eq!((look(&[]), look(&[0x10, 0, 0, 1])), (None, None));
    }

    proptest! {
        #[test]
        fn no_bytes_can_upset_it(data in proptest::collection::vec(0u8..4, 0..200)) {
            inspect(&data);
            has_b_slice(&data);
            inspect_as(UnitCodec::Vp8, &data);
        }
    }
}
