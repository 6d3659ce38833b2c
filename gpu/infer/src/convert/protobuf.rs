//! Protobuf messages field by field, as far as ONNX files need it.

use crate::error::ConvertError;

/// One field of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) number: u32,
    wire: u8,
    /// What stands behind the tag (and the length).
    pub(super) payload: &'a [u8],
    /// Tag and all.
    pub(super) raw: &'a [u8],
}

impl<'a> Field<'a> {
    /// The payload of a text, bytes, or message field.
    pub(super) fn bytes(&self) -> Result<&'a [u8], ConvertError> {
        if self.wire == 2 {
            return Ok(self.payload);
        }
        Err(ConvertError::Malformed {
            what: "a field's kind",
        })
    }

    /// The value of a whole-number field.
    pub(super) fn int(&self) -> Result<u64, ConvertError> {
        let value = (self.wire == 0).then(|| varint(self.payload, 0)).flatten();
        value
            .map(|(value, _)| value)
            .ok_or(ConvertError::Malformed {
                what: "a field's kind",
            })
    }
}

/// The fields of a message in order. After an error there are no more.
pub(super) fn fields(
    message: &[u8],
) -> impl Iterator<Item = Result<Field<'_>, ConvertError>> + use<'_> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= message.len() {
            return None;
        }
        let field = read(message, at);
        at = match &field {
            Some(field) => at + field.raw.len(),
            None => message.len(),
        };
        Some(field.ok_or(ConvertError::Truncated { offset: at }))
    })
}

fn read(message: &[u8], start: usize) -> Option<Field<'_>> {
    let (tag, begin) = varint(message, start)?;
    let wire = (tag & 7) as u8;
    let (begin, end) = match wire {
        0 => (begin, varint(message, begin)?.1),
        1 => (begin, begin.checked_add(8)?),
        2 => {
            let (length, begin) = varint(message, begin)?;
            (begin, begin.checked_add(usize::try_from(length).ok()?)?)
        }
        5 => (begin, begin.checked_add(4)?),
        _ => return None,
    };
    Some(Field {
        number: u32::try_from(tag >> 3).ok()?,
        wire,
        payload: message.get(begin..end)?,
        raw: message.get(start..end)?,
    })
}

/// A number and where it ends.
fn varint(bytes: &[u8], start: usize) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (place, byte) in bytes.get(start..)?.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f).checked_shl(7 * place as u32)?;
        if byte & 0x80 == 0 {
            return Some((value, start + place + 1));
        }
    }
    None
}

/// Writes a text, bytes, or message field.
pub(super) fn put_bytes(message: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_varint(message, u64::from(number) << 3 | 2);
    put_varint(message, bytes.len() as u64);
    message.extend_from_slice(bytes);
}

/// Writes a whole-number field.
pub(super) fn put_int(message: &mut Vec<u8>, number: u32, value: u64) {
    put_varint(message, u64::from(number) << 3);
    put_varint(message, value);
}

fn put_varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut message = Vec::new();
        put_int(&mut message, 3, u64::MAX);
        put_bytes(&mut message, 300, b"name");
        put_int(&mut message, 1, 0);
        let read: Vec<_> = fields(&message).map(Result::unwrap).collect();
        assert_eq!(read.len(), 3);
        assert_eq!((read[0].number, read[0].int().unwrap()), (3, u64::MAX));
        assert_eq!(
            (read[1].number, read[1].bytes().unwrap()),
            (300, &b"name"[..])
        );
        assert!(read[1].int().is_err() && read[2].bytes().is_err());
        let again: Vec<u8> = read.iter().flat_map(|field| field.raw.to_vec()).collect();
        assert_eq!(again, message);
    }

    #[test]
    fn damaged_messages_end_in_an_error() {
        let mut message = Vec::new();
        put_bytes(&mut message, 1, &[7; 300]);
        for end in 1..message.len() {
            assert!(fields(&message[..end]).any(|field| field.is_err()), "{end}");
        }
        for bad in [
            &[0xff; 20][..],
            &[0x0b],
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f],
        ] {
            assert!(fields(bad).any(|field| field.is_err()), "{bad:?}");
        }
    }
}
