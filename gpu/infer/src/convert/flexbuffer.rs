//! Reading the options of custom operators: a FlexBuffers map from names to numbers and lists of numbers.

use std::collections::BTreeMap;

use crate::error::ConvertError;

/// More entries than any operator has.
const MAX_ENTRIES: usize = 4096;

/// A value of an option.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Int(i64),
    Float(f64),
    Ints(Vec<i64>),
    /// A kind that no supported operator uses.
    Other,
}

/// The options of one operator.
#[derive(Debug, Default)]
pub(super) struct Options(BTreeMap<String, Value>);

impl Options {
    /// Reads a map. No bytes at all are a map without entries.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ConvertError> {
        if bytes.is_empty() {
            return Ok(Options::default());
        }
        let end = bytes.len();
        let width = usize::from(byte(bytes, end.wrapping_sub(1))?);
        let packed = byte(bytes, end.wrapping_sub(2))?;
        let at = end
            .checked_sub(2 + width)
            .ok_or(ConvertError::Truncated { offset: 0 })?;
        if packed >> 2 != kind::MAP {
            return Err(malformed("options that are no map"));
        }
        let reader = Reader { bytes };
        let map = reader.target(at, width)?;
        reader.map(map, 1 << (packed & 3)).map(Options)
    }

    /// A whole number, required.
    pub(super) fn int(&self, name: &'static str) -> Result<i64, ConvertError> {
        match self.0.get(name) {
            Some(Value::Int(value)) => Ok(*value),
            _ => Err(ConvertError::Malformed { what: name }),
        }
    }

    /// A number, required.
    pub(super) fn float(&self, name: &'static str) -> Result<f64, ConvertError> {
        match self.0.get(name) {
            Some(Value::Float(value)) => Ok(*value),
            Some(Value::Int(value)) => Ok(*value as f64),
            _ => Err(ConvertError::Malformed { what: name }),
        }
    }

    /// A list of whole numbers, required.
    pub(super) fn ints(&self, name: &'static str) -> Result<&[i64], ConvertError> {
        match self.0.get(name) {
            Some(Value::Ints(values)) => Ok(values),
            _ => Err(ConvertError::Malformed { what: name }),
        }
    }
}

mod kind {
    pub(super) const INT: u8 = 1;
    pub(super) const UINT: u8 = 2;
    pub(super) const FLOAT: u8 = 3;
    pub(super) const INDIRECT_INT: u8 = 6;
    pub(super) const INDIRECT_UINT: u8 = 7;
    pub(super) const INDIRECT_FLOAT: u8 = 8;
    pub(super) const MAP: u8 = 9;
    pub(super) const VECTOR: u8 = 10;
    pub(super) const VECTOR_INT: u8 = 11;
    pub(super) const VECTOR_UINT: u8 = 12;
    pub(super) const BOOL: u8 = 26;
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    /// An unsigned number of `width` bytes.
    fn unsigned(&self, at: usize, width: usize) -> Result<u64, ConvertError> {
        let bytes = self
            .bytes
            .get(at..at.saturating_add(width))
            .ok_or(ConvertError::Truncated { offset: at })?;
        if !matches!(width, 1 | 2 | 4 | 8) {
            return Err(malformed("number width"));
        }
        let mut wide = [0; 8];
        for (to, from) in wide.iter_mut().zip(bytes) {
            *to = *from;
        }
        Ok(u64::from_le_bytes(wide))
    }

    fn signed(&self, at: usize, width: usize) -> Result<i64, ConvertError> {
        let value = self.unsigned(at, width)?;
        let unused_bits = 64 - 8 * width as u32;
        Ok((value << unused_bits).cast_signed() >> unused_bits)
    }

    fn float(&self, at: usize, width: usize) -> Result<f64, ConvertError> {
        let bits = self.unsigned(at, width)?;
        match width {
            4 => Ok(f64::from(f32::from_bits(bits as u32))),
            8 => Ok(f64::from_bits(bits)),
            _ => Err(malformed("float width")),
        }
    }

    /// Where the offset at `at` points: offsets are subtracted from their own place.
    fn target(&self, at: usize, width: usize) -> Result<usize, ConvertError> {
        let back = usize::try_from(self.unsigned(at, width)?).unwrap_or(usize::MAX);
        at.checked_sub(back).ok_or(malformed("offset"))
    }

    /// Number of elements of the vector whose first element is at `start`.
    fn len(&self, start: usize, width: usize) -> Result<usize, ConvertError> {
        let at = start.checked_sub(width).ok_or(malformed("vector length"))?;
        let len = usize::try_from(self.unsigned(at, width)?).unwrap_or(usize::MAX);
        if len > MAX_ENTRIES {
            return Err(ConvertError::TooLarge {
                what: "options",
                limit: MAX_ENTRIES,
            });
        }
        Ok(len)
    }

    fn map(&self, start: usize, width: usize) -> Result<BTreeMap<String, Value>, ConvertError> {
        let len = self.len(start, width)?;
        let keys_at = start.checked_sub(3 * width).ok_or(malformed("map keys"))?;
        let keys = self.target(keys_at, width)?;
        let key_width = usize::try_from(self.unsigned(keys_at + width, width)?).unwrap_or(0);
        let mut entries = BTreeMap::new();
        for i in 0..len {
            let key = self.key(self.target(keys.saturating_add(i * key_width), key_width)?)?;
            let packed = byte(self.bytes, start + len * width + i)?;
            entries.insert(key, self.value(start + i * width, width, packed)?);
        }
        Ok(entries)
    }

    fn key(&self, at: usize) -> Result<String, ConvertError> {
        let rest = self
            .bytes
            .get(at..)
            .ok_or(ConvertError::Truncated { offset: at })?;
        let text = rest.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8(text.to_vec()).map_err(|_| malformed("option name"))
    }

    fn value(&self, at: usize, width: usize, packed: u8) -> Result<Value, ConvertError> {
        let child_width = 1 << (packed & 3);
        Ok(match packed >> 2 {
            kind::INT => Value::Int(self.signed(at, width)?),
            kind::UINT | kind::BOOL => Value::Int(self.unsigned(at, width)?.cast_signed()),
            kind::FLOAT => Value::Float(self.float(at, width)?),
            kind::INDIRECT_INT => Value::Int(self.signed(self.target(at, width)?, child_width)?),
            kind::INDIRECT_UINT => Value::Int(
                self.unsigned(self.target(at, width)?, child_width)?
                    .cast_signed(),
            ),
            kind::INDIRECT_FLOAT => Value::Float(self.float(self.target(at, width)?, child_width)?),
            kind::VECTOR => self.mixed_ints(self.target(at, width)?, child_width)?,
            kind::VECTOR_INT | kind::VECTOR_UINT => {
                let start = self.target(at, width)?;
                let len = self.len(start, child_width)?;
                let values = (0..len).map(|i| self.signed(start + i * child_width, child_width));
                Value::Ints(values.collect::<Result<_, _>>()?)
            }
            _ => Value::Other,
        })
    }

    /// A vector whose elements carry their own kind; only whole numbers are wanted.
    fn mixed_ints(&self, start: usize, width: usize) -> Result<Value, ConvertError> {
        let len = self.len(start, width)?;
        let mut values = Vec::new();
        for i in 0..len {
            let packed = byte(self.bytes, start + len * width + i)?;
            let at = start + i * width;
            values.push(match packed >> 2 {
                kind::INT => self.signed(at, width)?,
                kind::UINT => self.unsigned(at, width)?.cast_signed(),
                _ => return Ok(Value::Other),
            });
        }
        Ok(Value::Ints(values))
    }
}

fn byte(bytes: &[u8], at: usize) -> Result<u8, ConvertError> {
    bytes
        .get(at)
        .copied()
        .ok_or(ConvertError::Truncated { offset: at })
}

fn malformed(what: &'static str) -> ConvertError {
    ConvertError::Malformed { what }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"a": 5, "b": -2}` as the reference writer lays it out.
    const MAP: [u8; 16] = [
        b'a', 0, b'b', 0, // keys
        2, 5, 4, // key vector: length, offsets back to the keys
        2, 1, // the map's key offset, key width
        2, 5, 0xfe, // length, values
        4, 4, // packed kinds: 8-bit integers
        4, 36, // root: offset back to the first value, packed kind of a map
    ];

    fn with_width() -> Vec<u8> {
        let mut bytes = MAP.to_vec();
        bytes.push(1);
        bytes
    }

    #[test]
    fn a_map_of_numbers_is_read() {
        let options = Options::parse(&with_width()).unwrap();
        assert_eq!(options.int("a").unwrap(), 5);
        assert_eq!(options.int("b").unwrap(), -2);
        assert_eq!(options.float("b").unwrap(), -2.0);
        assert!(options.int("c").is_err());
        assert!(options.ints("a").is_err());
    }

    #[test]
    fn no_bytes_are_no_options() {
        assert!(Options::parse(&[]).unwrap().int("a").is_err());
    }

    #[test]
    fn every_single_byte_change_and_truncation_is_survived() {
        let bytes = with_width();
        for len in 0..bytes.len() {
            let _ = Options::parse(&bytes[..len]);
        }
        for at in 0..bytes.len() {
            for value in 0..=255 {
                let mut changed = bytes.clone();
                changed[at] = value;
                let _ = Options::parse(&changed);
            }
        }
    }
}
