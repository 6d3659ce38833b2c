//! The one validator behind every contract: declarative checks over JSON, all errors, no early exit (contracts 2).
//!
//! ```text
//! Value ─clone─▶ Object::check ──▶ trimmed, defaults filled ──▶ typed rules ──▶ T
//!                     └── FieldError per defect, sorted by path
//! ```

use schemars::Schema;
use serde_json::Value;

use super::defect::{FieldError, Report};

/// What a value must be.
#[derive(Debug, Clone, Copy)]
pub enum Check {
    /// Whole number within inclusive bounds; `3.0` is one, `3.5` is not.
    Int(i128, i128),
    /// One of a few whole numbers.
    IntOf(&'static [i128]),
    /// Finite number within inclusive bounds.
    Float(f64, f64),
    /// Finite number above an exclusive bound.
    Above(f64),
    /// Boolean.
    Bool,
    /// Text with inclusive bounds on its length in characters.
    Text(usize, usize),
    /// Non-empty text; longer than the limit in characters breaks a rule (contracts 2.4).
    Prose(usize),
    /// Text that becomes part of an identifier: no `|` (math 1.9).
    IdentityPart,
    /// One of a closed list of texts.
    Enum(&'static [&'static str]),
    /// 64 lowercase hex digits.
    Hash,
    /// UUID of any version, hyphenated.
    Uuid,
    /// UUID of version 4, hyphenated.
    Uuid4,
    /// RFC 3339 instant with an offset.
    Instant,
    /// Absolute URL `scheme://...`.
    Url,
    /// Any object.
    Free,
    /// List of values with bounds on its length.
    List(&'static Check, usize, usize),
    /// List of distinct texts with a lower bound on its length.
    Set(&'static Check, usize),
    /// Object with free keys and a lower bound on their number.
    Map(&'static Check, usize),
    /// Nested contract.
    Object(&'static Object),
}

/// When a key must be there and whether null counts.
#[derive(Debug, Clone, Copy)]
pub enum Presence {
    /// Present and not null.
    Required,
    /// Present, null allowed (`!?`).
    Nullable,
    /// Absent or null allowed (`?`).
    Optional,
    /// Absent allowed, null not.
    Omittable,
    /// Absent means this value (`=x`), null is refused.
    Default(fn() -> Value),
}

/// One key of a contract.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Wire name.
    pub name: &'static str,
    /// When it must be there.
    pub presence: Presence,
    /// What its value must be.
    pub check: &'static Check,
}

/// A closed JSON object: its keys and its cross-field rules.
#[derive(Debug, Clone, Copy)]
pub struct Object {
    /// Name of the contract.
    pub name: &'static str,
    /// Known keys; all others are refused.
    pub fields: &'static [Field],
    /// Outer whitespace of texts is removed before checks.
    pub is_trimmed: bool,
    /// JSON schema of the typed form, for documents and generated clients.
    pub schema: fn() -> Schema,
    pub(super) rules: Option<fn(&Value, &mut Report)>,
}

impl Object {
    /// Describes a contract without trimming and without rules.
    #[must_use]
    pub const fn new(name: &'static str, fields: &'static [Field], schema: fn() -> Schema) -> Self {
        Self {
            name,
            fields,
            is_trimmed: false,
            schema,
            rules: None,
        }
    }

    /// Removes outer whitespace of the object's own texts before checks.
    #[must_use]
    pub const fn trim(mut self) -> Self {
        self.is_trimmed = true;
        self
    }

    /// Adds cross-field rules, run once all fields are sound.
    #[must_use]
    pub const fn rules(mut self, rules: fn(&Value, &mut Report)) -> Self {
        self.rules = Some(rules);
        self
    }

    /// Checks a payload and returns it with texts trimmed and defaults filled in, or every defect.
    pub fn normalise(&self, payload: &Value) -> Result<Value, Vec<FieldError>> {
        let mut value = payload.clone();
        let mut report = Report::default();
        self.check(&mut value, &mut report);
        if report.count() == 0 {
            Ok(value)
        } else {
            Err(report.into_errors())
        }
    }
}
