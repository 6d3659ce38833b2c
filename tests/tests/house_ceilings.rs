//! Ceilings and bans of the sources: sizes, crate pages, leftovers, names.

use std::collections::BTreeSet;

use lsie_tests::house::{rust, tree};

/// Longest file, in lines.
const FILE_CEILING: usize = 600;
/// Longest function, in lines.
const FUNCTION_CEILING: usize = 80;

/// Files above the ceiling, each with its reason.
const LONG_FILES: &[(&str, &str)] = &[];
/// Functions above the ceiling as `path::name`, each with its reason.
const LONG_FUNCTIONS: &[(&str, &str)] = &[];

/// Module names that say nothing.
const EMPTY_NAMES: [&str; 7] = [
    "utils", "util", "common", "helpers", "helper", "misc", "manager",
];

#[test]
fn no_file_is_longer_than_the_ceiling() -> anyhow::Result<()> {
    let long = tree::rust_files()?
        .into_iter()
        .map(|(path, text)| (text.lines().count(), path))
        .filter(|(lines, _)| *lines > FILE_CEILING)
        .map(|(lines, path)| (path, format!("{lines} lines")));
    settle(&long.collect::<Vec<_>>(), LONG_FILES);
    Ok(())
}

#[test]
fn no_function_is_longer_than_the_ceiling() -> anyhow::Result<()> {
    let mut functions = 0;
    let mut long = Vec::new();
    for (path, text) in tree::rust_files()? {
        for function in rust::functions(&text) {
            functions += 1;
            if function.lines > FUNCTION_CEILING {
                let at = format!("{} lines from line {}", function.lines, function.first_line);
                long.push((format!("{path}::{}", function.name), at));
            }
        }
    }
    assert!(functions > 1000, "only {functions} functions were found");
    settle(&long, LONG_FUNCTIONS);
    Ok(())
}

#[test]
fn crate_pages_hold_words_modules_and_imports_only() -> anyhow::Result<()> {
    for (path, text) in tree::rust_files()? {
        if path.ends_with("src/lib.rs") {
            assert!(text.starts_with("//! "), "{path} begins with its page");
            assert!(
                !text.contains(concat!("Crate page to be ", "written")),
                "{path}"
            );
            let foreign = rust::items_beyond_modules(&text);
            assert!(foreign.is_empty(), "{path} holds {foreign:?}");
        }
    }
    Ok(())
}

#[test]
fn nothing_is_left_unfinished() -> anyhow::Result<()> {
    let in_code = [
        concat!("todo", "!"),
        concat!("unimplemented", "!"),
        concat!("dbg", "!"),
    ];
    let in_words = [concat!("FIX", "ME"), concat!("XX", "X")];
    let mut found = Vec::new();
    for (path, text) in tree::rust_files()? {
        let code = rust::mask(&text);
        found.extend(
            in_code
                .iter()
                .filter(|w| code.contains(**w))
                .map(|w| format!("{path}: {w}")),
        );
        for (line, words) in (1..).zip(text.lines()) {
            let marked = in_words.iter().any(|word| words.contains(word));
            let promise = concat!("TO", "DO");
            let unpaid = words.contains(promise) && !words.contains(&format!("{promise}(#"));
            if marked || unpaid {
                found.push(format!("{path}:{line}: {}", words.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}

#[test]
fn modules_are_named_after_what_they_hold() -> anyhow::Result<()> {
    for (path, _) in tree::rust_files()? {
        let empty = path
            .trim_end_matches(".rs")
            .split('/')
            .find(|part| EMPTY_NAMES.contains(part));
        assert_eq!(empty, None, "{path}");
    }
    Ok(())
}

#[test]
fn no_machine_and_no_registry_is_named() -> anyhow::Result<()> {
    let places = [
        concat!("/ho", "me/"),
        concat!("/Us", "ers/"),
        concat!("/ro", "ot/"),
        concat!("/wo", "rk/"),
        concat!("C:", "\\Users"),
        concat!("..", "/shared"),
    ];
    let hosts = [
        concat!("pypi", ".org"),
        concat!("python", "hosted"),
        concat!("static.crates", ".io"),
        concat!("index.crates", ".io"),
        concat!("npm", "js."),
        concat!("index", "-url"),
        concat!("replace", "-with"),
    ];
    let mut found = Vec::new();
    for file in tree::files()? {
        let Some(text) = file.text else { continue };
        for (line, words) in (1..).zip(text.lines()) {
            if places.iter().chain(&hosts).any(|word| words.contains(word)) {
                let shown: String = words.trim().chars().take(120).collect();
                found.push(format!("{}:{line}: {shown}", file.path));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    let lock = tree::text("Cargo.lock")?;
    let sources: BTreeSet<_> = lock
        .lines()
        .filter(|line| line.starts_with("source = "))
        .collect();
    let index = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    assert_eq!(sources, BTreeSet::from([index]));
    Ok(())
}

/// Fails for what is too long without an exception, and for exceptions that nothing needs.
fn settle(long: &[(String, String)], exceptions: &[(&str, &str)]) {
    let excused = |name: &str| exceptions.iter().any(|(known, _)| *known == name);
    let surplus: Vec<_> = long.iter().filter(|(name, _)| !excused(name)).collect();
    assert!(surplus.is_empty(), "above the ceiling: {surplus:#?}");
    for (name, reason) in exceptions {
        assert!(!reason.is_empty(), "{name} is excused without a reason");
        let needed = long.iter().any(|(long, _)| long == name);
        assert!(needed, "the exception for {name} is not needed any more");
    }
}
