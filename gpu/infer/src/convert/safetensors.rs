//! Reading safetensors: a length, a JSON table of tensors, then their bytes. Nothing in the file is trusted.
//!
//! ```text
//! u64 length N | N bytes JSON {name: {dtype, shape, data_offsets: [begin, end]}} | data
//! ```

use std::collections::BTreeMap;

use half::f16;
use serde::Deserialize;

use crate::error::ConvertError;

/// Longest table; the one of a hundred tensors takes 12 kB.
const MAX_TABLE_BYTES: usize = 4 << 20;
/// Longest file that is looked at.
pub(super) const MAX_FILE_BYTES: usize = 512 << 20;
/// The entry that is no tensor.
const METADATA: &str = "__metadata__";

/// The tensors of one file.
#[derive(Debug)]
pub(super) struct Tensors<'a> {
    entries: BTreeMap<String, Entry>,
    data: &'a [u8],
}

#[derive(Debug, Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

impl<'a> Tensors<'a> {
    /// Reads the table. The tensors themselves are checked when they are asked for.
    pub(super) fn parse(file: &'a [u8]) -> Result<Self, ConvertError> {
        if file.len() > MAX_FILE_BYTES {
            return Err(ConvertError::TooLarge {
                what: "weights file",
                limit: MAX_FILE_BYTES,
            });
        }
        let (length, rest) = file
            .split_first_chunk::<8>()
            .ok_or(ConvertError::Truncated { offset: file.len() })?;
        let length = u64::from_le_bytes(*length);
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= MAX_TABLE_BYTES)
            .ok_or(ConvertError::TooLarge {
                what: "table of tensors",
                limit: MAX_TABLE_BYTES,
            })?;
        let (table, data) = rest
            .split_at_checked(length)
            .ok_or(ConvertError::Truncated { offset: file.len() })?;
        let malformed = |_| ConvertError::Malformed {
            what: "table of tensors",
        };
        let mut table: BTreeMap<String, serde_json::Value> =
            serde_json::from_slice(table).map_err(malformed)?;
        table.remove(METADATA);
        let entries = table
            .into_iter()
            .map(|(name, entry)| Ok((name, serde_json::from_value(entry).map_err(malformed)?)));
        Ok(Tensors {
            entries: entries.collect::<Result<_, ConvertError>>()?,
            data,
        })
    }

    /// Whether there is a tensor of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The sizes of a tensor's axes, unchecked.
    pub(super) fn shape(&self, name: &str) -> Result<&[usize], ConvertError> {
        Ok(&self.entry(name)?.shape)
    }

    /// The numbers of a tensor that must have this shape; 16-bit ones are widened. Numbers that are not finite are refused.
    pub(super) fn floats(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ConvertError> {
        let entry = self.entry(name)?;
        if entry.shape != shape {
            return Err(ConvertError::Unsupported {
                what: format!("{name} of shape {:?} instead of {shape:?}", entry.shape),
            });
        }
        let width_bytes = match entry.dtype.as_str() {
            "F32" => 4,
            "F16" => 2,
            other => {
                return Err(ConvertError::Unsupported {
                    what: format!("{name} of type {other}"),
                });
            }
        };
        let [begin, end] = entry.data_offsets;
        let bytes = self
            .data
            .get(begin..end)
            .ok_or(ConvertError::Truncated { offset: end })?;
        let elements = shape
            .iter()
            .try_fold(width_bytes, |all: usize, size| all.checked_mul(*size));
        if elements != Some(bytes.len()) {
            return Err(ConvertError::Malformed {
                what: "length of a tensor",
            });
        }
        let floats = read(bytes, width_bytes);
        if floats.iter().all(|number| number.is_finite()) {
            Ok(floats)
        } else {
            Err(ConvertError::Malformed {
                what: "a weight that is not finite",
            })
        }
    }

    fn entry(&self, name: &str) -> Result<&Entry, ConvertError> {
        self.entries
            .get(name)
            .ok_or_else(|| ConvertError::Unsupported {
                what: format!("weights without {name}"),
            })
    }
}

fn read(bytes: &[u8], width_bytes: usize) -> Vec<f32> {
    if width_bytes == 2 {
        let (halves, _) = bytes.as_chunks::<2>();
        return halves
            .iter()
            .map(|half| f16::from_le_bytes(*half).to_f32())
            .collect();
    }
    let (words, _) = bytes.as_chunks::<4>();
    words.iter().map(|word| f32::from_le_bytes(*word)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(table: &str, data: &[u8]) -> Vec<u8> {
        let mut file = (table.len() as u64).to_le_bytes().to_vec();
        file.extend(table.as_bytes());
        file.extend(data);
        file
    }

    fn entry(dtype: &str, shape: &str, offsets: &str) -> String {
        format!(r#"{{"w":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
    }

    #[test]
    fn both_widths_are_read() {
        let words = [1.5_f32.to_le_bytes(), (-2.0_f32).to_le_bytes()].concat();
        let wide = file(&entry("F32", "[2]", "[0,8]"), &words);
        let tensors = Tensors::parse(&wide).unwrap();
        assert_eq!(tensors.floats("w", &[2]).unwrap(), [1.5, -2.0]);
        let halves = [f16::ONE.to_le_bytes(), f16::NEG_ONE.to_le_bytes()].concat();
        let narrow = file(&entry("F16", "[1,2]", "[0,4]"), &halves);
        let tensors = Tensors::parse(&narrow).unwrap();
        assert_eq!(tensors.floats("w", &[1, 2]).unwrap(), [1.0, -1.0]);
    }

    #[test]
    fn lengths_that_lie_are_errors() {
        for length in [9, 1 << 22, (1 << 22) + 1, u64::MAX] {
            let mut file = length.to_le_bytes().to_vec();
            file.extend(b"{}");
            assert!(Tensors::parse(&file).is_err(), "{length}");
        }
        for (shape, offsets) in [
            ("[2]", "[0,9]"),
            ("[2]", "[8,0]"),
            ("[2]", "[18446744073709551615,8]"),
            ("[3]", "[0,8]"),
        ] {
            let file = file(&entry("F32", shape, offsets), &[0; 8]);
            let tensors = Tensors::parse(&file).unwrap();
            let shape: Vec<usize> = serde_json::from_str(shape).unwrap();
            assert!(tensors.floats("w", &shape).is_err(), "{shape:?} {offsets}");
        }
        let huge = "[4294967296,4294967296]";
        let file = file(&entry("F32", huge, "[0,0]"), &[]);
        let tensors = Tensors::parse(&file).unwrap();
        assert!(tensors.floats("w", &[1 << 32, 1 << 32]).is_err());
    }

    #[test]
    fn weights_that_are_not_finite_and_unknown_types_are_refused() {
        for number in [f32::NAN, f32::INFINITY] {
            let file = file(&entry("F32", "[1]", "[0,4]"), &number.to_le_bytes());
            assert!(Tensors::parse(&file).unwrap().floats("w", &[1]).is_err());
        }
        let file = file(&entry("I64", "[1]", "[0,8]"), &[0; 8]);
        let tensors = Tensors::parse(&file).unwrap();
        assert!(matches!(
            tensors.floats("w", &[1]),
            Err(ConvertError::Unsupported { .. })
        ));
        assert!(tensors.floats("v", &[1]).is_err());
    }
}
