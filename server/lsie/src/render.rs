//! Tables and values for the terminal. A missing value is `—`, never a zero.

use lsie_schemas::time::UtcMicros;

/// What stands for a missing value.
pub(crate) const MISSING: &str = "—";

/// Widest table, also on a wider terminal: longer lines are hard to follow.
const WIDEST: usize = 140;
/// Narrowest terminal that is respected.
const NARROWEST: usize = 40;
/// Width where nobody says which.
const USUAL: usize = 100;

/// Columns to print in: `COLUMNS` where it is set.
fn screen_width() -> usize {
    std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok())
        .map_or(USUAL, |columns: usize| columns.clamp(NARROWEST, WIDEST))
}

/// Rows under headings, two blanks between columns. Cells are folded between words so that the table fits the screen;
/// ids and numbers stay whole.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    table_within(screen_width(), headings, rows)
}

fn table_within(limit: usize, headings: &[&str], rows: &[Vec<String>]) -> String {
    let headings: Vec<String> = headings.iter().map(|&heading| heading.to_owned()).collect();
    let mut all = vec![headings];
    all.extend(rows.iter().cloned());
    let widths = column_widths(limit, &all);
    let mut out: String = all.iter().map(|row| table_row(row, &widths)).collect();
    if rows.is_empty() {
        out.push_str("(none)\n");
    }
    out
}

/// As wide as the widest cell; while the sum is above `limit`, the widest column that can be folded gives way.
fn column_widths(limit: usize, rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widest = |measure: fn(&str) -> usize, column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| measure(cell)).max().unwrap_or_default()
    };
    let longest_piece = |text: &str| pieces(text).map(piece_width).max().unwrap_or_default();
    let least: Vec<usize> = (0..columns).map(|c| widest(longest_piece, c)).collect();
    let mut widths: Vec<usize> = (0..columns)
        .map(|c| widest(|text| text.chars().count(), c))
        .collect();
    let gaps = 2 * columns.saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > limit {
        let foldable = widths
            .iter_mut()
            .zip(&least)
            .filter(|(width, least)| **width > **least);
        match foldable.max_by_key(|(width, _)| **width) {
            Some((width, _)) => *width -= 1,
            None => break,
        }
    }
    widths
}

fn table_row(row: &[String], widths: &[usize]) -> String {
    let cells: Vec<Vec<String>> = row
        .iter()
        .zip(widths)
        .map(|(cell, &width)| fold(cell, width))
        .collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or_default();
    let line = |n: usize| {
        let padded: Vec<String> = cells
            .iter()
            .zip(widths)
            .map(|(cell, &width)| {
                let text = cell.get(n).map_or("", String::as_str);
                let blanks = width.saturating_sub(text.chars().count());
                format!("{text}{}", " ".repeat(blanks))
            })
            .collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    (0..height).map(line).collect()
}

/// Text in lines of at most `width` characters; a piece that is longer stands alone.
fn fold(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for piece in pieces(text) {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() || line.chars().count() + piece_width(piece) <= width {
            line.push_str(piece);
        } else {
            line.truncate(line.trim_end().len());
            lines.push(piece.to_owned());
        }
    }
    if let Some(line) = lines.last_mut() {
        line.truncate(line.trim_end().len());
    }
    lines
}

/// Longest word of a sentence that stays whole on a narrow screen, characters.
const WHOLE_WORD: usize = 20;

/// Parts between which a line may end: words of a sentence, parts of its longest ones, else parts of a code or path.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let is_sentence = text.contains(' ');
    text.split_inclusive(' ').flat_map(move |word| {
        let ends: &[char] = match (is_sentence, piece_width(word) > WHOLE_WORD) {
            (false, _) => &['_', '/', ','],
            (true, false) => &[],
            (true, true) => &['_', '/', ',', '-'],
        };
        word.split_inclusive(ends)
    })
}

fn piece_width(piece: &str) -> usize {
    piece.trim_end().chars().count()
}

/// `name  value` lines with aligned values, folded to the screen.
pub(crate) fn facts(pairs: &[(&str, String)]) -> String {
    let width = pairs
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or_default();
    let room = screen_width().saturating_sub(width + 2);
    let fact = |(name, value): &(&str, String)| {
        let lines = fold(value, room);
        let indent = format!("\n{}", " ".repeat(width + 2));
        format!("{name:<width$}  {}\n", lines.join(&indent))
    };
    pairs.iter().map(fact).collect()
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
        |at| {
            let text: String = at.to_text().chars().take(19).collect();
            format!("{}Z", text.replace('T', " "))
        },
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

/// An interval in [0, 1] on twenty cells, its middle marked: `····├──●──┤·········`.
pub(crate) fn interval(low: f64, middle: f64, high: f64) -> String {
    const CELLS: f64 = 20.0;
    let cell = |value: f64| (value.clamp(0.0, 1.0) * CELLS).min(CELLS - 1.0) as usize;
    let (low, middle, high) = (cell(low), cell(middle), cell(high));
    (0..CELLS as usize)
        .map(|at| match at {
            at if at == middle => '●',
            at if at == low => '├',
            at if at == high => '┤',
            at if at > low && at < high => '─',
            _ => '·',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_drawn_where_it_lies() {
        assert_eq!(interval(0.2, 0.35, 0.5), "····├──●──┤·········");
        assert_eq!(interval(0.0, 0.0, 1.0), "●──────────────────┤");
        assert_eq!(interval(f64::NAN, 2.0, 3.0).chars().count(), 20);
    }

    #[test]
    fn columns_align_by_characters_not_bytes() {
        let out = table_within(
            80,
            &["a", "b"],
            &[
                vec!["—".into(), "x".into()],
                vec!["long".into(), "y".into()],
            ],
        );
        assert_eq!(out, "a     b\n—     x\nlong  y\n");
    }

    #[test]
    fn cells_fold_between_words_and_ids_stay_whole() {
        let id = "045a2dbb-a6a8-4bb0-89dd-beb10ce25caa";
        let row = vec![id.to_owned(), "run it, then look again".to_owned()];
        let out = table_within(52, &["id", "what to do"], &[row]);
        assert_eq!(
            out,
            format!(
                "id{0:36}what to do\n{id}  run it, then\n{0:36}  look again\n",
                ""
            )
        );
        assert_eq!(fold("", 10), [""]);
        assert_eq!(fold("much_too_long", 3), ["much_", "too_", "long"]);
    }

    #[test]
    fn a_long_word_of_a_sentence_gives_way_at_its_hyphens() {
        let parts: Vec<&str> = pieces("install gstreamer1.0-plugins-bad now").collect();
        assert_eq!(
            parts,
            ["install ", "gstreamer1.0-", "plugins-", "bad ", "now"]
        );
        let id = "8520469e-fa36-4256-ad75-afb722d5c4a7";
        assert_eq!(pieces(id).collect::<Vec<_>>(), [id]);
    }

    #[test]
    fn durations_read_like_people_say_them() {
        let said: Vec<_> = [Some(12.4), Some(200.0), Some(3725.0), None, Some(f64::NAN)]
            .map(duration)
            .into();
        assert_eq!(said, ["12 s", "3 min 20 s", "1 h 02 min", "—", "—"]);
    }
}
