//! Text forms that enter hashes: float text, canonical JSON, digests and decimal rounding (math 1.4, 1.5, 1.8).
//!
//! These strings are identity material. A change here changes every segment id, signature and upload id.

use std::fmt::Write as _;

use serde_json::{Number, Value};
use sha2::{Digest, Sha256};

/// Writes a float as float text "FT" (math 1.4): the shortest decimal that round-trips.
///
/// Plain notation for decimal exponents in `-4..16`, always with a point; otherwise `d.ddde+XX`.
/// Of two shortest decimals that lie equally near, the one with the even last digit is written, as the systems do whose
/// identities we share. Negative zero keeps its sign. Non-finite values give `nan`, `inf`, `-inf`, which are not JSON;
/// identity parts replace them first (math 1.9).
#[must_use]
pub fn float_text(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    if value.is_infinite() {
        return format!("{sign}inf");
    }
    let scientific = shortest(value.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let body = if (-4..16).contains(&exponent) {
        plain_notation(&digits, exponent)
    } else {
        let exponent_sign = if exponent < 0 { '-' } else { '+' };
        format!("{mantissa}e{exponent_sign}{:02}", exponent.abs())
    };
    format!("{sign}{body}")
}

/// The shortest round-trip digits as `d[.ddd]eX`, ties to even.
///
/// `{:e}` breaks a tie upwards; written to as many places, the exact value is rounded to even.
fn shortest(value: f64) -> String {
    let shortest = format!("{value:e}");
    let digits = shortest
        .chars()
        .take_while(|c| *c != 'e')
        .filter(char::is_ascii_digit);
    let places = digits.count().saturating_sub(1);
    let exact = format!("{value:.places$e}");
    if exact.parse() == Ok(value) {
        exact
    } else {
        shortest
    }
}

/// Writes a JSON value as canonical JSON "CJ" (math 1.5).
///
/// ASCII only, keys sorted by code point, no blanks, floats as [`float_text`], integers plain.
#[must_use]
pub fn canonical_json(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value);
    out
}

/// Hashes bytes with SHA-256 and returns 64 lowercase hex digits.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex_lower(&Sha256::digest(bytes))
}

/// Rounds to `places` decimals, ties to even on the exact binary value (math 1.8).
///
/// Non-finite values pass through unchanged.
#[must_use]
pub fn round_half_even(value: f64, places: u32) -> f64 {
    if !value.is_finite() {
        return value;
    }
    // Beyond 17 places past the smallest subnormal every f64 is already exact.
    let places = places.min(1100) as usize;
    format!("{value:.places$}").parse().unwrap_or(value)
}

/// Trims outer whitespace and collapses every inner Unicode whitespace run to one blank (math 13.1).
#[must_use]
pub fn collapse_whitespace(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// Hashes the text of a rule: SHA-256 of [`collapse_whitespace`] (math 13.1).
#[must_use]
pub fn rule_text_hash(text: &str) -> String {
    sha256_hex(collapse_whitespace(text).as_bytes())
}

/// Tells whether text is exactly 64 lowercase hex digits, the form of every SHA-256 on the wire.
#[must_use]
pub fn is_sha256_hex(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Writes bytes as lowercase hex digits.
#[must_use]
pub fn hex_lower(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
}

fn plain_notation(digits: &str, exponent: i32) -> String {
    if exponent < 0 {
        let zeros = "0".repeat((-exponent - 1) as usize);
        return format!("0.{zeros}{digits}");
    }
    let whole_len = exponent as usize + 1;
    if digits.len() <= whole_len {
        return format!("{digits}{}.0", "0".repeat(whole_len - digits.len()));
    }
    let (whole, fraction) = digits.split_at(whole_len);
    format!("{whole}.{fraction}")
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => out.push_str(&number_text(number)),
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(out, item);
            }
            out.push(']');
        }
        Value::Object(map) => {
            // UTF-8 byte order equals code point order.
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by(|a, b| a.0.cmp(b.0));
            out.push('{');
            for (index, (key, item)) in entries.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_string(out, key);
                out.push(':');
                write_value(out, item);
            }
            out.push('}');
        }
    }
}

fn number_text(number: &Number) -> String {
    if number.is_f64() {
        number.as_f64().map_or_else(String::new, float_text)
    } else {
        number.to_string()
    }
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for ch in text.chars() {
        match ch {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='\u{7f}' => out.push(ch),
            _ => {
                let mut units = [0_u16; 2];
                for unit in ch.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn float_text_switches_notation_at_the_stated_exponents() {
        let cases = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (100.0, "100.0"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (9_999_999_999_999_998.0, "9999999999999998.0"),
            (1e16, "1e+16"),
            (1e100, "1e+100"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (-2.5, "-2.5"),
        ];
        for (value, text) in cases {
            assert_eq!(float_text(value), text);
        }
    }

    #[test]
    fn non_finite_floats_have_a_text_that_is_not_json() {
        // Midway between two shortest decimals.
        assert_eq!(float_text(263_735_014_831_506.62), "263735014831506.62");
        assert_eq!(float_text(-263_735_014_831_506.62), "-263735014831506.62");
        assert_eq!(float_text(f64::NAN), "nan");
        assert_eq!(float_text(f64::NEG_INFINITY), "-inf");
        assert!(serde_json::from_str::<Value>(&float_text(f64::INFINITY)).is_err());
    }

    #[test]
    fn canonical_json_escapes_everything_outside_printable_ascii() {
        let value = json!({"b": "\u{8}\u{c}\u{1}/\u{7f}é😀", "a": [18_446_744_073_709_551_615_u64, -1, 0.1, null]});
        assert_eq!(
            canonical_json(&value),
            "{\"a\":[18446744073709551615,-1,0.1,null],\"b\":\"\\b\\f\\u0001/\u{7f}\\u00e9\\ud83d\\ude00\"}"
        );
    }

    #[test]
    fn keys_sort_by_code_point_and_not_by_utf16_unit() {
        // U+FF5E sorts before U+1F600 by code point and after its surrogates by UTF-16 unit.
        let text = canonical_json(&json!({"\u{1f600}": 1, "\u{ff5e}": 2}));
        assert_eq!(text, "{\"\\uff5e\":2,\"\\ud83d\\ude00\":1}");
    }

    #[test]
    fn rounding_takes_ties_to_even_on_the_binary_value() {
        for (value, places, want) in [
            (0.125, 2, 0.12),
            (0.375, 2, 0.38),
            (2.5, 0, 2.0),
            (2.675, 2, 2.67),
            (1e22, 3, 1e22),
            (5e-324, 3, 0.0),
        ] {
            assert_eq!(round_half_even(value, places), want);
        }
        assert!(round_half_even(f64::NAN, 3).is_nan());
        assert_eq!(round_half_even(f64::INFINITY, 3), f64::INFINITY);
        assert_eq!(round_half_even(0.1, u32::MAX), 0.1);
        assert!(round_half_even(-0.5, 0).is_sign_negative());
    }

    #[test]
    fn rule_text_ignores_whitespace_shape_only() {
        assert_eq!(
            rule_text_hash("\u{a0}Say \t hello\n"),
            rule_text_hash("Say hello")
        );
        assert_ne!(rule_text_hash("say hello"), rule_text_hash("Say hello"));
    }

    #[test]
    fn a_digest_has_exactly_the_wire_form() {
        assert!(is_sha256_hex(&sha256_hex(b"")));
        assert!(!is_sha256_hex(&sha256_hex(b"").to_uppercase()));
        assert!(!is_sha256_hex("é"));
    }

    proptest! {
        #[test]
        fn float_text_round_trips(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let back: f64 = float_text(value).parse().unwrap();
            prop_assert_eq!(back.to_bits(), value.to_bits());
        }

        #[test]
        fn canonical_json_is_ascii_and_parses_back(key in ".*", text in ".*", number in any::<f64>()) {
            prop_assume!(number.is_finite());
            let value = json!({ key: [text, number] });
            let canonical = canonical_json(&value);
            prop_assert!(canonical.is_ascii());
            prop_assert_eq!(serde_json::from_str::<Value>(&canonical).unwrap(), value);
        }

        #[test]
        fn rounding_is_idempotent(value in -1e12_f64..1e12, places in 0_u32..9) {
            let once = round_half_even(value, places);
            prop_assert_eq!(round_half_even(once, places).to_bits(), once.to_bits());
        }
    }
}
