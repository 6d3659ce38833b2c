//! Reading FlatBuffers without trusting them: tables, vectors and strings, each access checked against the end of the file.

use crate::error::ConvertError;

/// Longest vector of tables or offsets that is accepted; keeps a hostile count from costing memory.
const MAX_VECTOR_LEN: usize = 1 << 16;

/// A table inside a file. Copying it copies a reference.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table<'a> {
    bytes: &'a [u8],
    position: usize,
    vtable: usize,
    vtable_bytes: usize,
}

impl<'a> Table<'a> {
    /// The root table of a file.
    pub(super) fn root(bytes: &'a [u8]) -> Result<Self, ConvertError> {
        let position = follow(bytes, 0)?;
        Self::at(bytes, position)
    }

    fn at(bytes: &'a [u8], position: usize) -> Result<Self, ConvertError> {
        let back = i64::from(read_i32(bytes, position)?);
        let vtable = i64::try_from(position)
            .ok()
            .and_then(|position| position.checked_sub(back))
            .and_then(|vtable| usize::try_from(vtable).ok())
            .ok_or(ConvertError::Malformed {
                what: "table without field list",
            })?;
        let vtable_bytes = usize::from(read_u16(bytes, vtable)?);
        Ok(Table {
            bytes,
            position,
            vtable,
            vtable_bytes,
        })
    }

    /// Where the field lies, or `None` where the file leaves it at its default.
    fn field(&self, id: usize) -> Result<Option<usize>, ConvertError> {
        let slot = 4 + 2 * id;
        if slot + 2 > self.vtable_bytes {
            return Ok(None);
        }
        let offset = usize::from(read_u16(self.bytes, self.vtable.saturating_add(slot))?);
        Ok((offset != 0).then(|| self.position.saturating_add(offset)))
    }

    pub(super) fn u8(&self, id: usize, default: u8) -> Result<u8, ConvertError> {
        match self.field(id)? {
            Some(at) => Ok(take::<1>(self.bytes, at)?[0]),
            None => Ok(default),
        }
    }

    pub(super) fn i32(&self, id: usize, default: i32) -> Result<i32, ConvertError> {
        match self.field(id)? {
            Some(at) => read_i32(self.bytes, at),
            None => Ok(default),
        }
    }

    pub(super) fn u32(&self, id: usize, default: u32) -> Result<u32, ConvertError> {
        match self.field(id)? {
            Some(at) => Ok(u32::from_le_bytes(take(self.bytes, at)?)),
            None => Ok(default),
        }
    }

    pub(super) fn table(&self, id: usize) -> Result<Option<Table<'a>>, ConvertError> {
        match self.field(id)? {
            Some(at) => Ok(Some(Table::at(self.bytes, follow(self.bytes, at)?)?)),
            None => Ok(None),
        }
    }

    /// The bytes of a vector of bytes; empty where the field is absent.
    pub(super) fn byte_vector(&self, id: usize) -> Result<&'a [u8], ConvertError> {
        match self.vector(id)? {
            Some((start, len)) => slice(self.bytes, start, len),
            None => Ok(&[]),
        }
    }

    pub(super) fn text(&self, id: usize) -> Result<&'a str, ConvertError> {
        std::str::from_utf8(self.byte_vector(id)?).map_err(|_| ConvertError::Malformed {
            what: "name that is not UTF-8",
        })
    }

    pub(super) fn i32_vector(&self, id: usize) -> Result<Vec<i32>, ConvertError> {
        let Some((start, len)) = self.vector(id)? else {
            return Ok(Vec::new());
        };
        let bytes = slice(self.bytes, start, bounded(len)?.saturating_mul(4))?;
        let (numbers, _) = bytes.as_chunks::<4>();
        Ok(numbers.iter().copied().map(i32::from_le_bytes).collect())
    }

    pub(super) fn table_vector(&self, id: usize) -> Result<Vec<Table<'a>>, ConvertError> {
        let Some((start, len)) = self.vector(id)? else {
            return Ok(Vec::new());
        };
        let len = bounded(len)?;
        slice(self.bytes, start, len.saturating_mul(4))?;
        (0..len)
            .map(|i| Table::at(self.bytes, follow(self.bytes, start + 4 * i)?))
            .collect()
    }

    /// First element and number of elements of a vector.
    fn vector(&self, id: usize) -> Result<Option<(usize, usize)>, ConvertError> {
        let Some(at) = self.field(id)? else {
            return Ok(None);
        };
        let start = follow(self.bytes, at)?;
        let len = u32::from_le_bytes(take(self.bytes, start)?) as usize;
        Ok(Some((start.saturating_add(4), len)))
    }
}

fn bounded(len: usize) -> Result<usize, ConvertError> {
    if len > MAX_VECTOR_LEN {
        return Err(ConvertError::TooLarge {
            what: "vector",
            limit: MAX_VECTOR_LEN,
        });
    }
    Ok(len)
}

fn follow(bytes: &[u8], at: usize) -> Result<usize, ConvertError> {
    let offset = u32::from_le_bytes(take(bytes, at)?) as usize;
    Ok(at.saturating_add(offset))
}

fn read_i32(bytes: &[u8], at: usize) -> Result<i32, ConvertError> {
    Ok(i32::from_le_bytes(take(bytes, at)?))
}

fn read_u16(bytes: &[u8], at: usize) -> Result<u16, ConvertError> {
    Ok(u16::from_le_bytes(take(bytes, at)?))
}

fn slice(bytes: &[u8], at: usize, len: usize) -> Result<&[u8], ConvertError> {
    bytes
        .get(at..at.saturating_add(len))
        .ok_or(ConvertError::Truncated { offset: at })
}

fn take<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], ConvertError> {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk::<N>())
        .copied()
        .ok_or(ConvertError::Truncated { offset: at })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Root offset 8, field list at 4 (four bytes long, no field), table at 8.
    const EMPTY_TABLE: [u8; 12] = [8, 0, 0, 0, 4, 0, 4, 0, 4, 0, 0, 0];

    #[test]
    fn absent_fields_have_their_default() {
        let table = Table::root(&EMPTY_TABLE).unwrap();
        assert_eq!(table.i32(0, 7).unwrap(), 7);
        assert_eq!(table.u8(99, 3).unwrap(), 3);
        assert!(table.table_vector(1).unwrap().is_empty());
        assert!(table.table(2).unwrap().is_none());
    }

    #[test]
    fn every_truncation_is_an_error() {
        for len in 0..EMPTY_TABLE.len() {
            assert!(Table::root(&EMPTY_TABLE[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn offsets_beyond_the_end_are_errors() {
        assert!(Table::root(&[0xff; 64]).is_err());
        assert!(Table::root(&[0xff, 0xff, 0xff, 0x7f]).is_err());
    }
}
