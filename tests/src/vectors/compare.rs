//! Comparison of an output with the expected one (math 16.3).

use serde_json::Value;

use super::case::as_float;

/// Accepted difference of two numbers: `|got - want| <= abs + rel * |want|`. Zero means exact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Absolute part.
    pub abs: f64,
    /// Part that scales with the expected number.
    pub rel: f64,
}

impl Tolerance {
    /// Reads a case's own tolerance, falling back to the file's; `{"exact": true}` and absence mean zero.
    #[must_use]
    pub fn read(case: Option<&Value>, file: Option<&Value>) -> Self {
        let source = case.or(file);
        let part = |key| {
            source
                .and_then(|value| value.get(key))
                .and_then(Value::as_f64)
                .unwrap_or(0.0)
        };
        Self {
            abs: part("abs"),
            rel: part("rel"),
        }
    }

    fn accepts(self, got: f64, want: f64) -> bool {
        if got.is_nan() || want.is_nan() || got.is_infinite() || want.is_infinite() {
            return got == want || (got.is_nan() && want.is_nan());
        }
        (got - want).abs() <= self.abs + self.rel * want.abs()
    }
}

/// Writes a number as JSON; non-finite numbers become the strings of math 16.3.
#[must_use]
pub fn number(value: f64) -> Value {
    if value.is_nan() {
        return Value::from("NaN");
    }
    if value.is_infinite() {
        return Value::from(if value > 0.0 { "Infinity" } else { "-Infinity" });
    }
    Value::from(value)
}

/// First difference between an output and the expected one, or `None`.
///
/// Objects: every expected key must be there, further keys of the output are ignored. Lists: same length.
/// Null must be null. Numbers: within the tolerance. Everything else: equal.
#[must_use]
pub fn difference(got: &Value, want: &Value, tolerance: Tolerance) -> Option<String> {
    find(got, want, tolerance, &mut String::new())
}

fn find(got: &Value, want: &Value, tolerance: Tolerance, path: &mut String) -> Option<String> {
    match (got, want) {
        (Value::Object(got), Value::Object(want)) => want.iter().find_map(|(key, want)| {
            let Some(got) = got.get(key) else {
                return Some(format!("{path}.{key}: missing, want {want}"));
            };
            below(path, key, |path| find(got, want, tolerance, path))
        }),
        (Value::Array(got), Value::Array(want)) => {
            if got.len() != want.len() {
                return Some(format!("{path}: {} items, want {}", got.len(), want.len()));
            }
            got.iter()
                .zip(want)
                .enumerate()
                .find_map(|(index, (got, want))| {
                    below(path, &index.to_string(), |path| {
                        find(got, want, tolerance, path)
                    })
                })
        }
        _ => {
            (!leaves_match(got, want, tolerance)).then(|| format!("{path}: got {got}, want {want}"))
        }
    }
}

fn leaves_match(got: &Value, want: &Value, tolerance: Tolerance) -> bool {
    if got == want {
        return true;
    }
    // Two plain texts were just compared; a number may meet a non-finite string.
    match (got, want) {
        (Value::Number(_), _) | (_, Value::Number(_)) => {
            matches!((as_float(got), as_float(want)), (Some(got), Some(want)) if tolerance.accepts(got, want))
        }
        _ => false,
    }
}

fn below<T>(path: &mut String, step: &str, run: impl FnOnce(&mut String) -> T) -> T {
    let length = path.len();
    path.push('.');
    path.push_str(step);
    let result = run(path);
    path.truncate(length);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const EXACT: Tolerance = Tolerance { abs: 0.0, rel: 0.0 };
    const LOOSE: Tolerance = Tolerance {
        abs: 1e-3,
        rel: 1e-3,
    };

    #[test]
    fn numbers_match_within_absolute_plus_relative_tolerance() {
        assert!(difference(&json!(1000.9), &json!(1000), LOOSE).is_none());
        assert!(difference(&json!(1001.1), &json!(1000), LOOSE).is_some());
        assert!(difference(&json!(1), &json!(1.0), EXACT).is_none());
        assert!(difference(&json!(1.0000000000000002), &json!(1.0), EXACT).is_some());
    }

    #[test]
    fn null_text_and_booleans_never_match_numbers() {
        for (got, want) in [
            (json!(0), json!(null)),
            (json!(null), json!(0)),
            (json!("0"), json!(0)),
            (json!(true), json!(1)),
        ] {
            assert!(difference(&got, &want, LOOSE).is_some(), "{got} {want}");
        }
    }

    #[test]
    fn non_finite_strings_are_numbers() {
        assert_eq!(number(f64::NAN), json!("NaN"));
        assert!(difference(&number(f64::INFINITY), &json!("Infinity"), EXACT).is_none());
        assert!(difference(&json!(1e308), &json!("Infinity"), LOOSE).is_some());
        assert!(difference(&number(f64::NAN), &json!(0.0), LOOSE).is_some());
    }

    #[test]
    fn missing_keys_and_short_lists_differ_and_extra_keys_do_not() {
        assert!(difference(&json!({"a": 1, "b": 2}), &json!({"a": 1}), EXACT).is_none());
        assert!(difference(&json!({"b": 2}), &json!({"a": null}), EXACT).is_some());
        assert!(difference(&json!([1]), &json!([1, 2]), EXACT).is_some());
        assert_eq!(
            difference(
                &json!({"a": [0, {"x": 1}]}),
                &json!({"a": [0, {"x": 2}]}),
                EXACT
            )
            .unwrap(),
            ".a.1.x: got 1, want 2"
        );
    }

    #[test]
    fn a_case_tolerance_replaces_the_file_tolerance() {
        let tolerance = Tolerance::read(
            Some(&json!({"abs": 1e-6})),
            Some(&json!({"abs": 1, "rel": 1})),
        );
        assert_eq!(
            tolerance,
            Tolerance {
                abs: 1e-6,
                rel: 0.0
            }
        );
        assert_eq!(Tolerance::read(None, Some(&json!({"exact": true}))), EXACT);
    }
}
