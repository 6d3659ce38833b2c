//! A small honest reader of Rust sources: masks what is not code, then finds functions by their braces.

/// A function with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Line of the word `fn`, counted from 1.
    pub first_line: usize,
    /// Lines from the word `fn` to the closing brace, both counted.
    pub lines: usize,
}

/// The source with the inside of comments, texts and character literals replaced by spaces. Line breaks stay, so lines and
/// byte positions are the same as in the source.
#[must_use]
pub fn mask(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = token_end(bytes, at);
        if end > at {
            blank(&mut out, at, end);
            at = end;
        } else {
            at = word_end(bytes, at);
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Every function with a body, in order of appearance; functions inside functions are listed too.
#[must_use]
pub fn functions(source: &str) -> Vec<Function> {
    let code = mask(source);
    let bytes = code.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let end = word_end(bytes, at);
        if bytes.get(at..end) == Some(b"fn") {
            let name_at = end + spaces(bytes, end);
            let name_end = word_end(bytes, name_at);
            // A function pointer type has no name.
            let is_named = bytes.get(name_at).copied().is_some_and(is_word);
            if let Some(close) = body(bytes, name_end).filter(|_| is_named) {
                let first_line = line_of(bytes, at);
                found.push(Function {
                    name: code.get(name_at..name_end).unwrap_or_default().to_owned(),
                    first_line,
                    lines: line_of(bytes, close) + 1 - first_line,
                });
            }
        }
        at = end;
    }
    found
}

/// Items of a module that are neither `mod` nor `use`; a `mod` with a body may hold the same. Each is given as its first line.
#[must_use]
pub fn items_beyond_modules(source: &str) -> Vec<String> {
    let code = mask(source);
    let mut foreign = Vec::new();
    list_foreign(&code, &mut foreign);
    foreign
}

fn list_foreign(code: &str, foreign: &mut Vec<String>) {
    let bytes = code.as_bytes();
    let mut at = spaces(bytes, 0);
    while at < bytes.len() {
        if bytes.get(at) == Some(&b'#') {
            let open = at + code.get(at..).and_then(|rest| rest.find('[')).unwrap_or(0);
            at = closing(bytes, open).map_or(bytes.len(), |close| close + 1);
        } else {
            let end = item_end(bytes, at);
            let item = code.get(at..end).unwrap_or_default();
            judge(item, foreign);
            at = end;
        }
        at += spaces(bytes, at);
    }
}

fn judge(item: &str, foreign: &mut Vec<String>) {
    let mut plain = item;
    if let Some(rest) = item.strip_prefix("pub") {
        let rest = rest.trim_start();
        plain = match rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            Some((_, rest)) => rest.trim_start(),
            None => rest,
        };
    }
    if plain.starts_with("use ") {
        return;
    }
    match (plain.starts_with("mod "), plain.split_once('{')) {
        (true, None) => {}
        (true, Some((_, inside))) => {
            list_foreign(inside.trim_end().trim_end_matches('}'), foreign);
        }
        (false, _) => foreign.push(item.lines().next().unwrap_or_default().to_owned()),
    }
}

/// End of the item at `at`: behind its `;`, or behind the closing brace of its body. The braces of a `use` are followed by `;`.
fn item_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b';' => return at + 1,
            b'{' | b'(' | b'[' => {
                let Some(close) = closing(bytes, at) else {
                    return bytes.len();
                };
                let next = close + 1 + spaces(bytes, close + 1);
                if byte == b'{' && bytes.get(next) != Some(&b';') {
                    return close + 1;
                }
                at = close + 1;
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Position of the brace that closes the body of a function whose name ends at `at`; `None` when it has no body.
fn body(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match bytes.get(at)? {
            b';' => return None,
            b'{' => return closing(bytes, at),
            b'(' | b'[' => at = closing(bytes, at)? + 1,
            _ => at += 1,
        }
    }
}

/// Position of the bracket that closes the one at `open`, in masked code.
fn closing(bytes: &[u8], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in bytes.iter().enumerate().skip(open) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// End of the comment, text or character literal that begins at `at`; `at` itself when none does.
fn token_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest {
        [b'/', b'/', ..] => at + rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => at + block_comment(rest),
        [b'"', ..] => at + quoted(rest, b'"'),
        [b'\'', b'\\', ..] => at + quoted(rest, b'\''),
        [b'\'', ..] => at + character(rest),
        [b'b' | b'c', b'"', ..] => at + 1 + quoted(rest.get(1..).unwrap_or_default(), b'"'),
        [b'b', b'\'', ..] => at + 1 + quoted(rest.get(1..).unwrap_or_default(), b'\''),
        [b'b' | b'c', b'r', b'"' | b'#', ..] => at + raw(rest, 2),
        [b'r', b'"' | b'#', ..] => at + raw(rest, 1),
        _ => at,
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(pair) = rest.get(at..at + 2) {
        match pair {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// Length of a literal that begins and ends with `mark` and may hold escapes.
fn quoted(rest: &[u8], mark: u8) -> usize {
    let mut at = 1;
    while let Some(&byte) = rest.get(at) {
        match byte {
            b'\\' => at += 2,
            _ if byte == mark => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Length of a character literal without escape, 0 for a lifetime.
fn character(rest: &[u8]) -> usize {
    let text = rest.get(1..rest.len().min(6)).unwrap_or_default();
    let width = match text.first() {
        Some(first) if *first >= 0xF0 => 4,
        Some(first) if *first >= 0xE0 => 3,
        Some(first) if *first >= 0xC0 => 2,
        _ => 1,
    };
    if text.get(width) == Some(&b'\'') {
        width + 2
    } else {
        0
    }
}

/// Length of a raw text whose prefix letters are `prefix` long, 0 when it is a raw identifier.
fn raw(rest: &[u8], prefix: usize) -> usize {
    let after = rest.get(prefix..).unwrap_or_default();
    let hashes = after.iter().take_while(|&&byte| byte == b'#').count();
    if after.get(hashes) != Some(&b'"') {
        return 0;
    }
    let mut end = vec![b'"'];
    end.extend(std::iter::repeat_n(b'#', hashes));
    let inside = after.get(hashes + 1..).unwrap_or_default();
    let length = inside.windows(end.len()).position(|window| window == end);
    length.map_or(rest.len(), |length| {
        prefix + hashes + 1 + length + end.len()
    })
}

fn blank(out: &mut [u8], from: usize, to: usize) {
    for byte in out.get_mut(from..to).unwrap_or_default() {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

/// End of the word at `at`, or the next position when there is none.
fn word_end(bytes: &[u8], at: usize) -> usize {
    let length = bytes.get(at..).unwrap_or_default();
    at + length
        .iter()
        .take_while(|&&byte| is_word(byte))
        .count()
        .max(1)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn spaces(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter()
        .take_while(|byte| byte.is_ascii_whitespace())
        .count()
}

fn line_of(bytes: &[u8], at: usize) -> usize {
    let before = bytes.get(..at).unwrap_or_default();
    1 + before.split(|&byte| byte == b'\n').skip(1).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(source: &str) -> Vec<(String, usize)> {
        let found = functions(source).into_iter();
        found.map(|f| (f.name, f.lines)).collect()
    }

    #[test]
    fn braces_in_comments_texts_and_characters_do_not_count() {
        let source = r##"
fn a() {
    // }
    /* } /* } */ } */
    let _ = ("}", '}', '\'', b'}', b"}\"", r#"}"}"#, br"}", '"', 'ß', '}');
    let _: &'static str = "fn not_here() {}";
    #[allow(unused)] let r#fn = 1;
}
fn b<'a>(x: &'a str) -> [u8; { 1 }] where 'a: 'static { [0] }
"##;
        assert_eq!(names(source), [("a".into(), 7), ("b".into(), 1)]);
    }

    #[test]
    fn declarations_and_pointer_types_are_not_functions_and_nested_ones_are() {
        let source = "trait T { fn declared(&self) -> u8; fn given(&self) {} }\ntype P = fn(u8) -> u8;\n\
                      pub const fn outer(f: fn(u8)) {\n    fn inner() {\n    }\n}\nstruct S { fn_like: u8 }\n";
        assert_eq!(
            names(source),
            [
                ("given".into(), 1),
                ("outer".into(), 4),
                ("inner".into(), 2)
            ]
        );
    }

    #[test]
    fn masking_keeps_lines_and_positions() {
        let source = "let a = \"ü\nx\"; // é\nlet b = 'c';";
        let code = mask(source);
        assert_eq!(code.len(), source.len());
        assert_eq!(code.lines().count(), source.lines().count());
        assert!(code.contains("let b =") && !code.contains('c'));
    }

    #[test]
    fn unfinished_sources_end_instead_of_hanging() {
        for source in [
            "fn a() {", "/* /*", "\"abc", "r#\"abc", "'", "b'", "fn", "fn a(", "#",
        ] {
            assert!(functions(source).is_empty(), "{source}");
            let _ = items_beyond_modules(source);
        }
    }

    #[test]
    fn only_modules_and_imports_pass_as_a_crate_page() {
        let page = "//! fn words() {}\n#![warn(missing_docs)]\nmod a;\npub(crate) mod b;\n/// Words.\npub mod c {\n    \
                    pub use crate::a::{X, Y};\n}\n#[cfg(test)]\nmod tests;\npub use a::{self, b::C};\nuse a as _;\n";
        assert_eq!(items_beyond_modules(page), Vec::<String>::new());
        let full =
            "mod a;\npub fn f() {\n}\nconst N: u8 = 1;\npub mod c { pub struct S; }\nuse a::{b};\n";
        assert_eq!(
            items_beyond_modules(full),
            ["pub fn f() {", "const N: u8 = 1;", "pub struct S;"]
        );
    }
}
