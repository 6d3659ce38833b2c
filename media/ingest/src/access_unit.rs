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

    proptest! {
        #[test]
        fn no_bytes_can_upset_it(data in proptest::collection::vec(0u8..4, 0..200)) {
            inspect(&data);
        }
    }
}
