//! The little Markdown that the documents use: sections, tables, code spans, fenced code.

/// Lines of the section with this heading, up to the next heading of the same or a higher level. Empty when there is none.
#[must_use]
pub fn section<'t>(text: &'t str, heading: &str) -> Vec<&'t str> {
    let level = heading.chars().take_while(|&c| c == '#').count();
    let mut fenced = false;
    text.lines()
        .skip_while(|line| *line != heading)
        .skip(1)
        .take_while(|line| {
            fenced ^= line.starts_with("```");
            let own = line.chars().take_while(|&c| c == '#').count();
            fenced || own == 0 || own > level
        })
        .collect()
}

/// Rows of the tables among the lines, without the head and the rule under it.
#[must_use]
pub fn rows(lines: &[&str]) -> Vec<Vec<String>> {
    let is_row = |line: &&&str| line.trim_start().starts_with('|');
    let cells = |line: &&str| {
        let inside = line.trim().trim_matches('|');
        inside
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect::<Vec<_>>()
    };
    let all: Vec<Vec<String>> = lines.iter().filter(is_row).map(cells).collect();
    let is_rule = |row: &Vec<String>| row.iter().all(|cell| cell.starts_with("--"));
    (0..all.len())
        .filter(|&n| {
            let below = all.get(n + 1).is_some_and(is_rule);
            !below && all.get(n).is_some_and(|row| !is_rule(row))
        })
        .filter_map(|n| all.get(n).cloned())
        .collect()
}

/// What stands between single back ticks.
#[must_use]
pub fn code_spans(text: &str) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Lines that are neither fenced code, nor a table, nor a heading.
#[must_use]
pub fn prose(text: &str) -> Vec<&str> {
    let mut fenced = false;
    text.lines()
        .filter(|line| {
            let fence = line.trim_start().starts_with("```");
            fenced ^= fence;
            !fenced && !fence && !line.starts_with(['|', '#']) && !line.trim().is_empty()
        })
        .collect()
}

/// Lines inside fenced code.
#[must_use]
pub fn fenced(text: &str) -> Vec<&str> {
    let mut inside = false;
    text.lines()
        .filter(|line| {
            let fence = line.trim_start().starts_with("```");
            inside ^= fence;
            inside && !fence
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# T\nA b.\n\n## One\n| a | b |\n|---|---|\n| `x`, `y` | 1 |\n```\n# code\n```\n### Sub\nwords\n## Two\nend\n";

    #[test]
    fn sections_tables_and_code_are_told_apart() {
        let one = section(TEXT, "## One");
        assert_eq!(one.last(), Some(&"words"));
        assert!(section(TEXT, "## None").is_empty());
        let table = rows(&one);
        assert_eq!(table, [["`x`, `y`", "1"]]);
        assert_eq!(code_spans("`x`, `y`"), ["x", "y"]);
        assert_eq!(prose(TEXT), ["A b.", "words", "end"]);
        assert_eq!(fenced(TEXT), ["# code"]);
    }
}
