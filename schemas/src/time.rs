//! Instants as whole microseconds of UTC, their canonical text "CUT" (math 1.3) and strict parsing.
//!
//! ```text
//! payload text ──parse──▶ UtcMicros ──to_text──▶ CUT      naive text is rejected
//! hash material ─parse_or_naive_utc─▶ UtcMicros           naive text is taken as UTC
//! ```

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const MICROS_PER_SEC: i64 = 1_000_000;
const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SEC;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SEC;

/// An instant: microseconds since 1970-01-01T00:00:00 UTC, leap seconds not counted.
///
/// Serialises as CUT text. Text can be written for every value; only years 0001..=9999 can be read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UtcMicros(pub i64);

/// Why a text is not an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// The text is not of the form `YYYY-MM-DDTHH:MM:SS[.f][Z|±HH:MM]`.
    #[error("not an RFC 3339 instant")]
    Format,
    /// The text is well formed and names a day, clock time or offset that does not exist.
    #[error("no such date or time")]
    Range,
    /// The text has no offset; payloads must carry one (contracts 2.4).
    #[error("instant without a UTC offset")]
    Naive,
}

impl UtcMicros {
    /// First instant that text can name: 0001-01-01T00:00:00Z.
    pub const MIN_TEXT: Self = Self(-62_135_596_800 * MICROS_PER_SEC);
    /// Last instant that text can name: 9999-12-31T23:59:59.999999Z.
    pub const MAX_TEXT: Self = Self(253_402_300_800 * MICROS_PER_SEC - 1);

    /// Rounds epoch seconds to the nearest microsecond, ties to even (math 1.3).
    ///
    /// `None` for non-finite values and for instants outside years 0001..=9999.
    #[must_use]
    pub fn from_epoch_secs(epoch_secs: f64) -> Option<Self> {
        if !epoch_secs.is_finite() || epoch_secs.abs() > 1e12 {
            return None;
        }
        // Whole and fractional part are exact; only the product below can round.
        let whole = epoch_secs.trunc() as i64;
        let fraction_micros = (epoch_secs.fract() * 1e6).round_ties_even() as i64;
        let micros = Self(whole * MICROS_PER_SEC + fraction_micros);
        (Self::MIN_TEXT..=Self::MAX_TEXT)
            .contains(&micros)
            .then_some(micros)
    }

    /// Epoch seconds as the nearest f64 (about 2.4e-7 s apart today).
    #[must_use]
    pub fn as_epoch_secs(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// CUT text: `Z` suffix, six fraction digits unless the fraction is zero.
    #[must_use]
    pub fn to_text(self) -> String {
        format!("{}Z", self.local_text(0))
    }

    /// ISO text with `+00:00` in place of `Z`, the form used inside visual-state message ids (math 1.10).
    #[must_use]
    pub fn to_offset_text(self) -> String {
        format!("{}+00:00", self.local_text(0))
    }

    /// Reads an RFC 3339 instant with an offset. Digits beyond microseconds are cut off.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let parsed = ParsedInstant::read(text)?;
        parsed.offset_minutes.ok_or(TimeError::Naive)?;
        parsed.utc()
    }

    /// Reads an instant for identity material only: a missing offset means UTC (math 1.3).
    pub fn parse_or_naive_utc(text: &str) -> Result<Self, TimeError> {
        ParsedInstant::read(text)?.utc()
    }

    /// Moves by microseconds; saturates at the ends of `i64`.
    #[must_use]
    pub const fn plus_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// Moves by whole seconds; saturates at the ends of `i64`.
    #[must_use]
    pub const fn plus_secs(self, secs: i64) -> Self {
        self.plus_micros(secs.saturating_mul(MICROS_PER_SEC))
    }

    /// Microseconds from `earlier` to `self`; saturates, negative when `self` is earlier.
    #[must_use]
    pub const fn micros_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Seconds from `earlier` to `self`, negative when `self` is earlier.
    #[must_use]
    pub fn secs_since(self, earlier: Self) -> f64 {
        self.micros_since(earlier) as f64 / 1e6
    }

    fn local_text(self, offset_minutes: i64) -> String {
        let local = i128::from(self.0) + i128::from(offset_minutes * MICROS_PER_MINUTE);
        let day = local.div_euclid(i128::from(MICROS_PER_DAY)) as i64;
        let in_day = local.rem_euclid(i128::from(MICROS_PER_DAY)) as i64;
        let (year, month, month_day) = civil_from_days(day);
        let (secs, micros) = (in_day / MICROS_PER_SEC, in_day % MICROS_PER_SEC);
        let (hour, minute, second) = (secs / 3600, secs / 60 % 60, secs % 60);
        let fraction = if micros == 0 {
            String::new()
        } else {
            format!(".{micros:06}")
        };
        format!("{year:04}-{month:02}-{month_day:02}T{hour:02}:{minute:02}:{second:02}{fraction}")
    }
}

/// Rewrites an instant in canonical digits but in the offset it was given in: `Z` for offset zero, else `±HH:MM`.
///
/// This is the form an issuer signs inside an experiment bundle (contracts 7.3).
pub fn canonical_offset_text(text: &str) -> Result<String, TimeError> {
    let parsed = ParsedInstant::read(text)?;
    let offset_minutes = parsed.offset_minutes.ok_or(TimeError::Naive)?;
    let utc = parsed.utc()?;
    if offset_minutes == 0 {
        return Ok(utc.to_text());
    }
    let sign = if offset_minutes < 0 { '-' } else { '+' };
    let (hours, minutes) = (offset_minutes.abs() / 60, offset_minutes.abs() % 60);
    Ok(format!(
        "{}{sign}{hours:02}:{minutes:02}",
        utc.local_text(offset_minutes)
    ))
}

impl fmt::Display for UtcMicros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

impl FromStr for UtcMicros {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        Self::parse(text)
    }
}

impl Serialize for UtcMicros {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl<'de> Deserialize<'de> for UtcMicros {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

impl JsonSchema for UtcMicros {
    fn schema_name() -> Cow<'static, str> {
        "UtcInstant".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time", "description": "RFC 3339 instant with an offset"})
    }
}

/// Fields of an instant as written, before the offset is applied.
struct ParsedInstant {
    local_micros: i64,
    offset_minutes: Option<i64>,
}

impl ParsedInstant {
    fn read(text: &str) -> Result<Self, TimeError> {
        let mut reader = Reader {
            rest: text.as_bytes(),
        };
        let year = reader.number(4)?;
        reader.one_of(b"-")?;
        let month = reader.number(2)?;
        reader.one_of(b"-")?;
        let day = reader.number(2)?;
        reader.one_of(b"Tt ")?;
        let hour = reader.number(2)?;
        reader.one_of(b":")?;
        let minute = reader.number(2)?;
        reader.one_of(b":")?;
        let second = reader.number(2)?;
        let micros = reader.fraction_micros()?;
        let offset_minutes = reader.offset_minutes()?;
        let in_range = year >= 1
            && (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day)
            && hour <= 23
            && minute <= 59
            && second <= 59;
        if !in_range {
            return Err(TimeError::Range);
        }
        let secs = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
        Ok(Self {
            local_micros: secs * MICROS_PER_SEC + micros,
            offset_minutes,
        })
    }

    fn utc(&self) -> Result<UtcMicros, TimeError> {
        let utc =
            UtcMicros(self.local_micros - self.offset_minutes.unwrap_or(0) * MICROS_PER_MINUTE);
        (UtcMicros::MIN_TEXT..=UtcMicros::MAX_TEXT)
            .contains(&utc)
            .then_some(utc)
            .ok_or(TimeError::Range)
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn one_of(&mut self, accepted: &[u8]) -> Result<u8, TimeError> {
        self.next()
            .filter(|byte| accepted.contains(byte))
            .ok_or(TimeError::Format)
    }

    fn number(&mut self, digits: usize) -> Result<i64, TimeError> {
        (0..digits).try_fold(0, |value, _| {
            let digit = self
                .next()
                .filter(u8::is_ascii_digit)
                .ok_or(TimeError::Format)?;
            Ok(value * 10 + i64::from(digit - b'0'))
        })
    }

    fn fraction_micros(&mut self) -> Result<i64, TimeError> {
        let Some((b'.', rest)) = self.rest.split_first() else {
            return Ok(0);
        };
        self.rest = rest;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return Err(TimeError::Format);
        }
        let mut micros = 0;
        for position in 0..digits.max(6) {
            let digit = if position < digits {
                self.number(1)?
            } else {
                0
            };
            if position < 6 {
                micros = micros * 10 + digit;
            }
        }
        Ok(micros)
    }

    fn offset_minutes(&mut self) -> Result<Option<i64>, TimeError> {
        let Some(mark) = self.next() else {
            return Ok(None);
        };
        let sign = match mark {
            b'Z' | b'z' => 0,
            b'+' => 1,
            b'-' => -1,
            _ => return Err(TimeError::Format),
        };
        let mut minutes = 0;
        if sign != 0 {
            let hours = self.number(2)?;
            self.one_of(b":")?;
            let within_hour = self.number(2)?;
            if hours > 23 || within_hour > 59 {
                return Err(TimeError::Range);
            }
            minutes = sign * (hours * 60 + within_hour);
        }
        if self.rest.is_empty() {
            Ok(Some(minutes))
        } else {
            Err(TimeError::Format)
        }
    }
}

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a proleptic Gregorian date; the year starts in March so that leap days come last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a day number; inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn canonical_text_converts_offsets_and_keeps_six_digits() {
        for (text, canonical) in [
            ("2026-05-05T05:05:05.5+03:00", "2026-05-05T02:05:05.500000Z"),
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            (
                "2024-02-29t23:59:59.1234569z",
                "2024-02-29T23:59:59.123456Z",
            ),
            (
                "1969-12-31 23:59:59.999999-00:00",
                "1969-12-31T23:59:59.999999Z",
            ),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(UtcMicros::parse(text).unwrap().to_text(), canonical);
        }
    }

    #[test]
    fn naive_instants_are_for_identity_material_only() {
        let text = "2026-02-03T04:05:06.12";
        assert_eq!(UtcMicros::parse(text), Err(TimeError::Naive));
        assert_eq!(
            UtcMicros::parse_or_naive_utc(text).unwrap().to_text(),
            "2026-02-03T04:05:06.120000Z"
        );
    }

    #[test]
    fn malformed_and_impossible_instants_are_told_apart() {
        for text in [
            "",
            "2026",
            "2026-1-01T00:00:00Z",
            "2026-01-01T00:00Z",
            "2026-01-01T00:00:00.Z",
            "²026-01-01T00:00:00Z",
        ] {
            assert_eq!(UtcMicros::parse(text), Err(TimeError::Format), "{text}");
        }
        for text in [
            "2026-01-01T00:00:00Z ",
            "2026-01-01T00:00:00+0300",
            "2026-01-01T00:00:00+03",
            "+2026-01-01T00:00:00Z",
        ] {
            assert_eq!(UtcMicros::parse(text), Err(TimeError::Format), "{text}");
        }
        for text in [
            "2026-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2016-12-31T23:59:60Z",
            "2026-01-01T00:00:00+24:00",
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-00:01",
        ] {
            assert_eq!(UtcMicros::parse(text), Err(TimeError::Range), "{text}");
        }
    }

    #[test]
    fn epoch_seconds_round_to_even_microseconds() {
        assert_eq!(
            UtcMicros::from_epoch_secs(1_767_225_600.000_000_5),
            Some(UtcMicros(1_767_225_600_000_000))
        );
        assert_eq!(UtcMicros::from_epoch_secs(0.000_000_5), Some(UtcMicros(0)));
        assert_eq!(UtcMicros::from_epoch_secs(0.000_001_5), Some(UtcMicros(2)));
        assert_eq!(UtcMicros::from_epoch_secs(-0.25), Some(UtcMicros(-250_000)));
        for secs in [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            1e300,
            -1e300,
            253_402_300_800.0,
        ] {
            assert_eq!(UtcMicros::from_epoch_secs(secs), None);
        }
    }

    #[test]
    fn every_i64_has_a_text_and_arithmetic_saturates() {
        assert!(UtcMicros(i64::MAX).to_text().starts_with("294247-01-10T"));
        assert!(UtcMicros(i64::MIN).to_text().starts_with("-290308-12-21T"));
        assert_eq!(UtcMicros(i64::MAX).plus_micros(1), UtcMicros(i64::MAX));
        assert_eq!(UtcMicros(0).plus_secs(i64::MIN), UtcMicros(i64::MIN));
        assert_eq!(UtcMicros(i64::MIN).micros_since(UtcMicros(1)), i64::MIN);
        assert_eq!(UtcMicros::MAX_TEXT.to_text(), "9999-12-31T23:59:59.999999Z");
    }

    #[test]
    fn signed_text_keeps_the_offset_it_was_given_in() {
        for (text, canonical) in [
            ("2026-01-01T02:00:00+02:00", "2026-01-01T02:00:00+02:00"),
            ("2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00.500000Z"),
            ("2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00Z"),
            (
                "2025-12-31T19:30:00.25-04:30",
                "2025-12-31T19:30:00.250000-04:30",
            ),
        ] {
            assert_eq!(canonical_offset_text(text).unwrap(), canonical);
        }
        assert_eq!(
            canonical_offset_text("2026-01-01T00:00:00"),
            Err(TimeError::Naive)
        );
    }

    #[test]
    fn serde_uses_canonical_text_and_refuses_naive_text() {
        let instant: UtcMicros = serde_json::from_str("\"2026-01-01T01:00:00+01:00\"").unwrap();
        assert_eq!(
            serde_json::to_string(&instant).unwrap(),
            "\"2026-01-01T00:00:00Z\""
        );
        assert!(serde_json::from_str::<UtcMicros>("\"2026-01-01T01:00:00\"").is_err());
        assert!(serde_json::from_str::<UtcMicros>("17").is_err());
    }

    proptest! {
        #[test]
        fn text_round_trips(micros in UtcMicros::MIN_TEXT.0..=UtcMicros::MAX_TEXT.0) {
            let instant = UtcMicros(micros);
            prop_assert_eq!(UtcMicros::parse(&instant.to_text()), Ok(instant));
            prop_assert_eq!(UtcMicros::parse(&instant.to_offset_text()), Ok(instant));
        }

        #[test]
        fn civil_arithmetic_agrees_with_jiff(micros in UtcMicros::MIN_TEXT.0..=UtcMicros::MAX_TEXT.0 - 86_400_000_000) {
            let reference = jiff::Timestamp::from_microsecond(micros).unwrap();
            prop_assert_eq!(UtcMicros::parse(&reference.to_string()), Ok(UtcMicros(micros)));
            let text = UtcMicros(micros).to_text();
            prop_assert_eq!(text.parse::<jiff::Timestamp>().unwrap(), reference);
        }

        #[test]
        fn epoch_seconds_round_trip_in_this_century(micros in 0_i64..4_102_444_800_000_000) {
            let instant = UtcMicros(micros);
            prop_assert_eq!(UtcMicros::from_epoch_secs(instant.as_epoch_secs()), Some(instant));
        }

        #[test]
        fn arbitrary_text_never_panics(text in ".*") {
            let _ = UtcMicros::parse(&text);
        }
    }
}
