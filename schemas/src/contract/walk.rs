//! How a payload is walked: trims texts, fills defaults and records every defect on the way.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use uuid::{Uuid, Variant};

use super::check::{Check, Field, Object, Presence};
use super::defect::{ErrorCode, Report};
use crate::text::is_sha256_hex;
use crate::time::UtcMicros;

impl Object {
    pub(super) fn check(&self, value: &mut Value, report: &mut Report) {
        let Value::Object(map) = value else {
            return report.error(ErrorCode::BadType, "must be an object");
        };
        let errors_before = report.count();
        for key in map.keys() {
            if !self.fields.iter().any(|field| field.name == key) {
                report.within(key.clone().into(), |report| {
                    report.error(ErrorCode::UnknownField, "unknown field");
                });
            }
        }
        for field in self.fields {
            report.within(field.name.into(), |report| {
                field.check(map, self.is_trimmed, report);
            });
        }
        if let (Some(rules), true) = (self.rules, report.count() == errors_before) {
            rules(value, report);
        }
    }
}

impl Field {
    fn check(&self, map: &mut Map<String, Value>, is_trimmed: bool, report: &mut Report) {
        match (map.get_mut(self.name), self.presence) {
            (Some(Value::Null), Presence::Nullable | Presence::Optional)
            | (None, Presence::Optional | Presence::Omittable) => {}
            (None, Presence::Default(default)) => {
                map.insert(self.name.to_owned(), default());
            }
            (None, Presence::Required | Presence::Nullable) => {
                report.error(ErrorCode::Required, "field is required");
            }
            (Some(value), _) => self.check.run(value, is_trimmed, report),
        }
    }
}

impl Check {
    fn run(&self, value: &mut Value, is_trimmed: bool, report: &mut Report) {
        match self {
            Self::Int(min, max) => check_int(value, report, |whole| {
                (!(min..=max).contains(&&whole)).then(|| {
                    (
                        ErrorCode::OutOfRange,
                        format!("must be within {min} and {max}"),
                    )
                })
            }),
            Self::IntOf(list) => check_int(value, report, |whole| {
                (!list.contains(&whole))
                    .then(|| (ErrorCode::BadEnum, format!("must be one of {list:?}")))
            }),
            Self::Float(min, max) => check_float(value, report, |number| {
                (!(min..=max).contains(&&number)).then(|| bounds_message(*min, *max))
            }),
            Self::Above(min) => {
                check_float(value, report, |number| {
                    (number <= *min).then(|| format!("must be above {min}"))
                });
            }
            Self::Bool => report.demand_code(value.is_boolean(), ErrorCode::BadType, || {
                "must be a boolean".into()
            }),
            Self::Free => report.demand_code(value.is_object(), ErrorCode::BadType, || {
                "must be an object".into()
            }),
            Self::List(of, min, max) => {
                let Value::Array(items) = value else {
                    return report.error(ErrorCode::BadType, "must be a list");
                };
                check_count(items.len(), *min, *max, "items", report);
                for (index, item) in items.iter_mut().enumerate() {
                    report.within(index.to_string().into(), |report| {
                        of.run(item, is_trimmed, report);
                    });
                }
            }
            Self::Set(of, min) => {
                Self::List(of, *min, usize::MAX).run(value, is_trimmed, report);
                let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                let distinct: BTreeSet<_> = items.iter().filter_map(Value::as_str).collect();
                let texts = items.iter().filter(|item| item.is_string()).count();
                report.demand_code(distinct.len() == texts, ErrorCode::Rule, || {
                    "entries must be distinct".into()
                });
            }
            Self::Map(of, min) => {
                let Value::Object(map) = value else {
                    return report.error(ErrorCode::BadType, "must be an object");
                };
                check_count(map.len(), *min, usize::MAX, "entries", report);
                for (key, item) in map {
                    report.within(key.clone().into(), |report| {
                        of.run(item, is_trimmed, report);
                    });
                }
            }
            Self::Object(object) => object.check(value, report),
            _ => self.run_text(value, is_trimmed, report),
        }
    }

    fn run_text(&self, value: &mut Value, is_trimmed: bool, report: &mut Report) {
        let Value::String(text) = value else {
            return report.error(ErrorCode::BadType, "must be a text");
        };
        let keeps_whitespace = matches!(
            self,
            Self::Enum(_) | Self::Uuid | Self::Uuid4 | Self::Instant
        );
        if is_trimmed && !keeps_whitespace && text.trim().len() != text.len() {
            *text = text.trim().to_owned();
        }
        let count = text.chars().count();
        match self {
            Self::Prose(max) => {
                check_count(count, 1, usize::MAX, "characters", report);
                report.demand_code(count <= *max, ErrorCode::Rule, || {
                    format!("at most {max} characters").into()
                });
            }
            Self::Text(min, max) => check_count(count, *min, *max, "characters", report),
            Self::IdentityPart => {
                report.demand_code(!text.contains('|'), ErrorCode::Rule, || {
                    "must not contain `|`".into()
                });
            }
            Self::Enum(names) => {
                report.demand_code(names.contains(&text.as_str()), ErrorCode::BadEnum, || {
                    format!("must be one of {}", names.join(", ")).into()
                });
            }
            Self::Hash => report.demand_code(is_sha256_hex(text), ErrorCode::BadPattern, || {
                "must be 64 lowercase hex digits".into()
            }),
            Self::Uuid => {
                report.demand_code(
                    hyphenated_uuid(text).is_some(),
                    ErrorCode::BadFormat,
                    || "must be a UUID".into(),
                );
            }
            Self::Uuid4 => {
                let is_v4 = hyphenated_uuid(text).is_some_and(|uuid| {
                    uuid.get_version_num() == 4 && uuid.get_variant() == Variant::RFC4122
                });
                report.demand_code(is_v4, ErrorCode::BadFormat, || {
                    "must be a UUID of version 4".into()
                });
            }
            Self::Instant => {
                if let Err(error) = UtcMicros::parse(text) {
                    report.error(ErrorCode::BadFormat, error.to_string());
                }
            }
            Self::Url => report.demand_code(is_absolute_url(text), ErrorCode::BadFormat, || {
                "must be an absolute URL with a scheme".into()
            }),
            _ => {}
        }
    }
}

fn check_int(
    value: &mut Value,
    report: &mut Report,
    defect: impl FnOnce(i128) -> Option<(ErrorCode, String)>,
) {
    // JSON writers without an integer type send `3.0`; it becomes `3`.
    if let Some(whole) = value
        .as_f64()
        .filter(|number| value.is_f64() && number.fract() == 0.0 && number.abs() < 9e15)
    {
        *value = Value::from(whole as i64);
    }
    let whole = value
        .as_i64()
        .map(i128::from)
        .or_else(|| value.as_u64().map(i128::from));
    let Some(whole) = whole else {
        return report.error(ErrorCode::BadType, "must be a whole number");
    };
    if let Some((code, message)) = defect(whole) {
        report.error(code, message);
    }
}

fn check_float(value: &Value, report: &mut Report, defect: impl FnOnce(f64) -> Option<String>) {
    let number = if value.is_number() {
        value.as_f64()
    } else {
        None
    };
    let Some(number) = number else {
        return report.error(ErrorCode::BadType, "must be a number");
    };
    if !number.is_finite() {
        report.error(ErrorCode::NonFinite, "must be finite");
    } else if let Some(message) = defect(number) {
        report.error(ErrorCode::OutOfRange, message);
    }
}

fn bounds_message(min: f64, max: f64) -> String {
    if max == f64::INFINITY {
        format!("must be at least {min}")
    } else {
        format!("must be within {min} and {max}")
    }
}

fn check_count(count: usize, min: usize, max: usize, unit: &str, report: &mut Report) {
    report.demand_code(count >= min, ErrorCode::TooShort, || {
        format!("at least {min} {unit}").into()
    });
    report.demand_code(count <= max, ErrorCode::TooLong, || {
        format!("at most {max} {unit}").into()
    });
}

/// Only the hyphenated form is on the wire; braces, URNs and bare hex are not.
fn hyphenated_uuid(text: &str) -> Option<Uuid> {
    if text.len() == 36 {
        Uuid::try_parse(text).ok()
    } else {
        None
    }
}

fn is_absolute_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let mut scheme = scheme.bytes();
    scheme
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && scheme.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        && !rest.is_empty()
        && !text.chars().any(|ch| ch.is_whitespace() || ch.is_control())
}
