//! Parameters of node kinds: type, range, default, and what a person should know about them.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};

/// What a parameter may be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ParamKind {
    /// A whole number.
    Whole {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A finite number.
    Number {
        /// Smallest.
        min: f64,
        /// Largest.
        max: f64,
    },
    /// `true` or `false`.
    Flag,
    /// Text.
    Text {
        /// Longest, in bytes of UTF-8.
        max_bytes: usize,
    },
    /// One of these words.
    Word {
        /// The words.
        known: &'static [&'static str],
    },
    /// A list of texts.
    Texts {
        /// Most entries.
        most: usize,
    },
    /// Any JSON value.
    Any,
}

/// One parameter of a node kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ParamSpec {
    /// Its name in documents.
    pub name: &'static str,
    /// What it does, one sentence, with the unit.
    pub doc: &'static str,
    /// What it may be.
    pub kind: ParamKind,
    /// Value when it is left out; `None` makes it required, a JSON null makes it optional without a value.
    pub default: Option<Value>,
    /// Whether it can be set while the pipeline runs.
    pub live: bool,
}

/// Why a value is not usable for a parameter.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ParamFault {
    /// It must be given.
    #[error("must be given: {0}")]
    Required(String),
    /// It is of another type.
    #[error("wants {wants}, got {found}")]
    Type {
        /// What it should be.
        wants: String,
        /// What it is.
        found: String,
    },
    /// It is outside of the range.
    #[error("{value} is not from {min} to {max}")]
    Range {
        /// The value.
        value: String,
        /// Smallest.
        min: String,
        /// Largest.
        max: String,
    },
    /// It is none of the words.
    #[error("{word:?} is none of {}{}", known.join(", "), nearest.as_ref().map_or_else(String::new, |word| format!(", did you mean {word:?}?")))]
    Word {
        /// The word.
        word: String,
        /// Accepted words.
        known: Vec<String>,
        /// Nearest accepted one.
        nearest: Option<String>,
    },
    /// It is too long.
    #[error("is longer than {0}")]
    Long(usize),
}

impl ParamSpec {
    /// A required parameter.
    pub const fn required(name: &'static str, kind: ParamKind, doc: &'static str) -> Self {
        Self {
            name,
            doc,
            kind,
            default: None,
            live: false,
        }
    }

    /// A parameter with a default.
    pub fn with_default(
        name: &'static str,
        kind: ParamKind,
        default: Value,
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            doc,
            kind,
            default: Some(default),
            live: false,
        }
    }

    /// A parameter that may be left out.
    pub fn optional(name: &'static str, kind: ParamKind, doc: &'static str) -> Self {
        Self::with_default(name, kind, Value::Null, doc)
    }

    /// It can be set while the pipeline runs.
    #[must_use]
    pub fn live(mut self) -> Self {
        self.live = true;
        self
    }

    /// Brings a value into its one form (numbers as floats or integers), or says why it cannot be used.
    pub fn accept(&self, value: &Value) -> Result<Value, ParamFault> {
        if value.is_null() && self.default == Some(Value::Null) {
            return Ok(Value::Null);
        }
        self.kind.accept(value)
    }
}

impl ParamKind {
    fn accept(self, value: &Value) -> Result<Value, ParamFault> {
        let wrong = || ParamFault::Type {
            wants: self.to_string(),
            found: shown(value),
        };
        match self {
            Self::Whole { min, max } => {
                let number = value.as_i64().ok_or_else(wrong)?;
                if (min..=max).contains(&number) {
                    Ok(json!(number))
                } else {
                    Err(range(number, min, max))
                }
            }
            Self::Number { min, max } => {
                let number = value.as_f64().filter(|n| n.is_finite()).ok_or_else(wrong)?;
                if (min..=max).contains(&number) {
                    // -0.0 would hash unlike 0.0.
                    Ok(json!(number + 0.0))
                } else {
                    Err(range(number, min, max))
                }
            }
            Self::Flag => value.as_bool().map(Value::Bool).ok_or_else(wrong),
            Self::Text { max_bytes } => match value.as_str().ok_or_else(wrong)? {
                text if text.len() > max_bytes => Err(ParamFault::Long(max_bytes)),
                text => Ok(json!(text)),
            },
            Self::Word { known } => {
                let word = value.as_str().ok_or_else(wrong)?;
                if known.contains(&word) {
                    return Ok(json!(word));
                }
                Err(ParamFault::Word {
                    word: word.chars().take(80).collect(),
                    known: known.iter().map(|&word| word.to_owned()).collect(),
                    nearest: super::problem::nearest(word, known.iter().copied()),
                })
            }
            Self::Texts { most } => {
                let list = value.as_array().ok_or_else(wrong)?;
                if list.len() > most {
                    return Err(ParamFault::Long(most));
                }
                if list.iter().all(Value::is_string) {
                    Ok(value.clone())
                } else {
                    Err(wrong())
                }
            }
            Self::Any => Ok(value.clone()),
        }
    }
}

impl fmt::Display for ParamKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::Number { min, max } => write!(f, "a number from {min} to {max}"),
            Self::Flag => f.write_str("true or false"),
            Self::Text { .. } => f.write_str("text"),
            Self::Word { known } => write!(f, "one of {}", known.join(", ")),
            Self::Texts { .. } => f.write_str("a list of texts"),
            Self::Any => f.write_str("any value"),
        }
    }
}

fn range<T: fmt::Display>(value: T, min: T, max: T) -> ParamFault {
    ParamFault::Range {
        value: value.to_string(),
        min: min.to_string(),
        max: max.to_string(),
    }
}

/// A value as it stands in a message: short, and only its shape when it is a tree.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("{:?}", text.chars().take(60).collect::<String>()),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a table".to_owned(),
    }
}

/// The checked parameters of one node: every one its kind knows, in its one form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Params {
    pub(crate) values: BTreeMap<String, Value>,
}

impl Params {
    /// The value; JSON null for one that was left out.
    pub fn value(&self, name: &str) -> &Value {
        self.values.get(name).unwrap_or(&Value::Null)
    }

    /// A text or word; empty when it was left out.
    pub fn text(&self, name: &str) -> &str {
        self.value(name).as_str().unwrap_or_default()
    }

    /// A number; `None` when it was left out.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.value(name).as_f64()
    }

    /// A whole number; `None` when it was left out.
    pub fn whole(&self, name: &str) -> Option<i64> {
        self.value(name).as_i64()
    }

    /// A flag; `false` when it was left out.
    pub fn flag(&self, name: &str) -> bool {
        self.value(name).as_bool().unwrap_or(false)
    }

    /// A list of texts.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        let list = self.value(name).as_array().map(Vec::as_slice);
        list.unwrap_or_default().iter().filter_map(Value::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_their_one_form_or_say_why_not() {
        let fps = ParamSpec::required(
            "fps",
            ParamKind::Number {
                min: 0.1,
                max: 240.0,
            },
            "",
        );
        assert_eq!(fps.accept(&json!(10)), Ok(json!(10.0)));
        assert!(matches!(
            fps.accept(&json!(0)),
            Err(ParamFault::Range { .. })
        ));
        assert!(matches!(
            fps.accept(&json!("10")),
            Err(ParamFault::Type { .. })
        ));
        let count = ParamKind::Whole { min: 0, max: 5 };
        assert!(count.accept(&json!(1.5)).is_err());
        assert!(count.accept(&json!(u64::MAX)).is_err());
        let how = ParamKind::Word {
            known: &["all", "any"],
        };
        let fault = how.accept(&json!("al")).unwrap_err();
        assert!(
            fault.to_string().ends_with("did you mean \"all\"?"),
            "{fault}"
        );
        let left_out = ParamSpec::optional("count", count, "");
        assert_eq!(left_out.accept(&Value::Null), Ok(Value::Null));
        assert!(fps.accept(&Value::Null).is_err());
    }
}
