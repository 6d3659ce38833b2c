//! Defects of a payload and their collection (contracts 2.2).

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kind of defect a field has (contracts 2.2).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// A key that must be present is absent.
    Required,
    /// A key the contract does not know.
    UnknownField,
    /// The JSON type differs; nothing is coerced.
    BadType,
    /// The text or number is not in the closed list.
    BadEnum,
    /// The text does not have the demanded shape.
    BadPattern,
    /// The text is no UUID, instant or URL.
    BadFormat,
    /// A number lies outside its bounds.
    OutOfRange,
    /// A text or list is too short.
    TooShort,
    /// A text or list is too long.
    TooLong,
    /// Fields contradict each other.
    Rule,
    /// A float is NaN or infinite.
    NonFinite,
    /// The bytes are not JSON.
    BadJson,
}

/// One defect of a payload. The message never repeats the payload's content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct FieldError {
    /// Dotted path with list indices, empty for the payload itself.
    pub path: String,
    /// Stable code.
    pub code: ErrorCode,
    /// What would be accepted, for people.
    pub message: Cow<'static, str>,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() {
            "payload"
        } else {
            &self.path
        };
        write!(f, "{path}: {}", self.message)
    }
}

impl std::error::Error for FieldError {}

/// Collects defects while walking a payload.
#[derive(Debug, Default)]
pub struct Report {
    path: Vec<Cow<'static, str>>,
    errors: Vec<FieldError>,
}

impl Report {
    /// Records a broken cross-field rule at a field of the object under check; the empty name means the object.
    pub fn rule(&mut self, field: &'static str, message: &'static str) {
        if field.is_empty() {
            self.error(ErrorCode::Rule, message);
        } else {
            self.within(field.into(), |report| {
                report.error(ErrorCode::Rule, message);
            });
        }
    }

    /// Records a rule unless it holds.
    pub fn demand(&mut self, holds: bool, field: &'static str, message: &'static str) {
        if !holds {
            self.rule(field, message);
        }
    }

    /// Number of defects so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.errors.len()
    }

    /// All defects, sorted by path.
    #[must_use]
    pub fn into_errors(mut self) -> Vec<FieldError> {
        self.errors.sort();
        self.errors
    }

    pub(super) fn error(&mut self, code: ErrorCode, message: impl Into<Cow<'static, str>>) {
        self.errors.push(FieldError {
            path: self.path.join("."),
            code,
            message: message.into(),
        });
    }

    pub(super) fn demand_code(
        &mut self,
        holds: bool,
        code: ErrorCode,
        message: impl FnOnce() -> Cow<'static, str>,
    ) {
        if !holds {
            self.error(code, message());
        }
    }

    pub(super) fn within(&mut self, step: Cow<'static, str>, run: impl FnOnce(&mut Self)) {
        self.path.push(step);
        run(self);
        self.path.pop();
    }
}
