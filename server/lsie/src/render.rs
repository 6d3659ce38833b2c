//! Tables and values for the terminal. A missing value is `—`, never a zero.

use lsie_schemas::time::UtcMicros;

/// What stands for a missing value.
pub(crate) const MISSING: &str = "—";

/// Rows under headings, columns as wide as their widest cell, two blanks between.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = headings
        .iter()
        .map(|heading| heading.chars().count())
        .collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell}{}", " ".repeat(width - cell.chars().count())))
            .collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut out = line(&mut headings.iter().copied());
    for row in rows {
        out.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    if rows.is_empty() {
        out.push_str("(none)\n");
    }
    out
}

/// `name: value` lines with aligned values.
pub(crate) fn facts(pairs: &[(&str, String)]) -> String {
    let width = pairs
        .iter()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or_default();
    pairs
        .iter()
        .map(|(name, value)| format!("{name:<width$}  {value}\n"))
        .collect()
}

/// A number with `places` decimals.
pub(crate) fn number(value: Option<f64>, places: usize) -> String {
    value.map_or_else(|| MISSING.to_owned(), |value| format!("{value:.places$}"))
}

/// Anything that prints.
pub(crate) fn text<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| MISSING.to_owned(), |value| value.to_string())
}

/// An instant to the second.
pub(crate) fn instant(value: Option<UtcMicros>) -> String {
    value.map_or_else(
        || MISSING.to_owned(),
        |at| at.to_text().chars().take(19).chain("Z".chars()).collect(),
    )
}

/// Seconds as `1 h 02 min`, `3 min 20 s` or `12 s`.
pub(crate) fn duration(secs: Option<f64>) -> String {
    let Some(secs) = secs.filter(|secs| secs.is_finite()) else {
        return MISSING.to_owned();
    };
    let whole = secs.max(0.0) as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} min"),
    }
}

/// The wire word of an enum.
pub(crate) fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => MISSING.to_owned(),
    }
}

/// A bar of ten cells for a value in [0, 1].
pub(crate) fn bar(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| {
        let full = (value.clamp(0.0, 1.0) * 10.0).round() as usize;
        format!("{}{}", "█".repeat(full), "·".repeat(10 - full))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_by_characters_not_bytes() {
        let out = table(
            &["a", "b"],
            &[
                vec!["—".into(), "x".into()],
                vec!["long".into(), "y".into()],
            ],
        );
        assert_eq!(out, "a     b\n—     x\nlong  y\n");
    }

    #[test]
    fn durations_read_like_people_say_them() {
        let said: Vec<_> = [Some(12.4), Some(200.0), Some(3725.0), None, Some(f64::NAN)]
            .map(duration)
            .into();
        assert_eq!(said, ["12 s", "3 min 20 s", "1 h 02 min", "—", "—"]);
    }
}
