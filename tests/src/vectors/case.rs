//! One golden case and typed access to its input.

use lsie_schemas::id::SegmentId;
use lsie_schemas::time::UtcMicros;
use serde_json::Value;
use uuid::Uuid;

use super::{RunError, Tolerance};

/// One golden case, borrowed from its file.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// Unique name, `area/op/label`.
    pub id: &'a str,
    /// Operation to run.
    pub op: &'a str,
    /// Arguments.
    pub input: Input<'a>,
    /// Expected output.
    pub expect: &'a Value,
    /// Tolerance of the case, else of the file.
    pub tolerance: Tolerance,
    /// False for informative cases, which are reported and not asserted.
    pub is_required: bool,
    /// The case as written, for fields only one area uses.
    pub raw: &'a Value,
    /// The file as written, for constants shared by its cases.
    pub file: &'a Value,
}

/// Arguments of a case: a JSON value with readers that name what is wrong.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a>(pub &'a Value);

impl<'a> Case<'a> {
    /// Borrows a case; `None` if `id`, `op`, `input` or `expect` is missing.
    #[must_use]
    pub fn read(raw: &'a Value, file: &'a Value) -> Option<Self> {
        Some(Self {
            id: raw.get("id")?.as_str()?,
            op: raw.get("op")?.as_str()?,
            input: Input(raw.get("input")?),
            expect: raw.get("expect")?,
            tolerance: Tolerance::read(raw.get("tol"), file.get("tolerance")),
            is_required: raw.get("required").and_then(Value::as_bool).unwrap_or(true),
            raw,
            file,
        })
    }
}

impl<'a> Case<'a> {
    /// Borrows a case without `id`, `input` and `expect`: its `kind` is the operation, the whole case the input, and the
    /// area compares by itself. `None` if `kind` is missing.
    #[must_use]
    pub fn read_bare(raw: &'a Value, file: &'a Value) -> Option<Self> {
        let op = raw.get("kind")?.as_str()?;
        Some(Self {
            id: raw.get("id").and_then(Value::as_str).unwrap_or(op),
            op,
            input: Input(raw),
            expect: &Value::Null,
            tolerance: Tolerance::read(raw.get("tol"), file.get("tolerance")),
            is_required: raw.get("required").and_then(Value::as_bool).unwrap_or(true),
            raw,
            file,
        })
    }
}

impl<'a> Input<'a> {
    /// The value under a key, JSON null included.
    pub fn get(self, key: &str) -> Result<&'a Value, RunError> {
        self.0
            .get(key)
            .ok_or_else(|| RunError::Input(format!("no `{key}`")))
    }

    /// The object or list under a key.
    pub fn at(self, key: &str) -> Result<Self, RunError> {
        self.get(key).map(Input)
    }

    /// True if the key is absent or null.
    #[must_use]
    pub fn is_null(self, key: &str) -> bool {
        self.0.get(key).is_none_or(Value::is_null)
    }

    /// Text under a key.
    pub fn text(self, key: &str) -> Result<&'a str, RunError> {
        self.get(key)?.as_str().ok_or_else(|| wrong(key, "text"))
    }

    /// Text under a key, `None` if absent or null.
    pub fn optional_text(self, key: &str) -> Result<Option<&'a str>, RunError> {
        if self.is_null(key) {
            Ok(None)
        } else {
            self.text(key).map(Some)
        }
    }

    /// Number under a key; the strings `NaN`, `Infinity` and `-Infinity` count.
    pub fn float(self, key: &str) -> Result<f64, RunError> {
        as_float(self.get(key)?).ok_or_else(|| wrong(key, "a number"))
    }

    /// Number under a key, `None` if absent or null.
    pub fn optional_float(self, key: &str) -> Result<Option<f64>, RunError> {
        if self.is_null(key) {
            Ok(None)
        } else {
            self.float(key).map(Some)
        }
    }

    /// Integer under a key.
    pub fn integer(self, key: &str) -> Result<i64, RunError> {
        self.get(key)?
            .as_i64()
            .ok_or_else(|| wrong(key, "an integer"))
    }

    /// Unsigned integer under a key; decimal text counts, for values above 2^53.
    pub fn unsigned(self, key: &str) -> Result<u64, RunError> {
        let value = self.get(key)?;
        value
            .as_u64()
            .or_else(|| value.as_str()?.parse().ok())
            .ok_or_else(|| wrong(key, "an unsigned integer"))
    }

    /// Boolean under a key.
    pub fn boolean(self, key: &str) -> Result<bool, RunError> {
        self.get(key)?
            .as_bool()
            .ok_or_else(|| wrong(key, "a boolean"))
    }

    /// List under a key.
    pub fn list(self, key: &str) -> Result<&'a [Value], RunError> {
        self.get(key)?
            .as_array()
            .map(Vec::as_slice)
            .ok_or_else(|| wrong(key, "a list"))
    }

    /// Series of `[timestamp_s, value]` pairs under a key; non-finite strings count.
    pub fn pairs(self, key: &str) -> Result<Vec<(f64, f64)>, RunError> {
        let read = |pair: &Value| Some((as_float(pair.get(0)?)?, as_float(pair.get(1)?)?));
        self.list(key)?
            .iter()
            .map(read)
            .collect::<Option<_>>()
            .ok_or_else(|| wrong(key, "pairs of numbers"))
    }

    /// List of numbers under a key; non-finite strings count.
    pub fn floats(self, key: &str) -> Result<Vec<f64>, RunError> {
        self.list(key)?
            .iter()
            .map(as_float)
            .collect::<Option<_>>()
            .ok_or_else(|| wrong(key, "numbers"))
    }

    /// Instant under a key; a missing offset means UTC.
    pub fn instant(self, key: &str) -> Result<UtcMicros, RunError> {
        UtcMicros::parse_or_naive_utc(self.text(key)?).map_err(|_| wrong(key, "an instant"))
    }

    /// UUID under a key.
    pub fn uuid(self, key: &str) -> Result<Uuid, RunError> {
        Uuid::parse_str(self.text(key)?).map_err(|_| wrong(key, "a UUID"))
    }

    /// Segment id under a key.
    pub fn segment_id(self, key: &str) -> Result<SegmentId, RunError> {
        SegmentId::new(self.text(key)?).map_err(|_| wrong(key, "a segment id"))
    }
}

/// Reads a number, or one of the non-finite strings of math 16.3.
pub(super) fn as_float(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) if text == "NaN" => Some(f64::NAN),
        Value::String(text) if text == "Infinity" => Some(f64::INFINITY),
        Value::String(text) if text == "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn wrong(key: &str, wanted: &str) -> RunError {
    RunError::Input(format!("`{key}` is not {wanted}"))
}
