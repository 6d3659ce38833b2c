//! The documents say what the tree is.

use std::collections::{BTreeMap, BTreeSet};

use lsie_tests::house::{floors, markdown, packages, tree};

#[test]
fn the_crate_table_is_the_workspace() -> anyhow::Result<()> {
    let readme = tree::text("README.md")?;
    let rows = markdown::rows(&markdown::section(&readme, "## Crates"));
    let mut told = BTreeMap::new();
    for row in rows {
        let [name, folder, floor, words] = row.as_slice() else {
            anyhow::bail!("a row of the crate table has {} cells: {row:?}", row.len());
        };
        assert!(!words.is_empty(), "{name} has no words");
        let plain = |cell: &str| cell.trim_matches('`').trim_end_matches('/').to_owned();
        let twice = told.insert(plain(name), (plain(folder), plain(floor)));
        assert_eq!(twice, None, "{name} has two rows");
    }
    let built: BTreeMap<_, _> = packages::workspace()?
        .into_iter()
        .map(|package| {
            let floor = floors::of(&package.name).map_or("-", |floor| floor.floor);
            (package.name, (package.folder, floor.to_owned()))
        })
        .collect();
    assert_eq!(told, built);
    Ok(())
}

#[test]
fn every_direct_dependency_has_a_row_and_every_row_a_dependency() -> anyhow::Result<()> {
    let readme = tree::text("README.md")?;
    let mut told = BTreeSet::new();
    for row in markdown::rows(&markdown::section(&readme, "## Dependencies")) {
        let [names, what_for, why] = row.as_slice() else {
            anyhow::bail!(
                "a row of the dependency table has {} cells: {row:?}",
                row.len()
            );
        };
        assert!(
            !what_for.is_empty() && !why.is_empty(),
            "{names} has an empty cell"
        );
        for name in markdown::code_spans(names) {
            assert!(told.insert(name.clone()), "{name} has two rows");
        }
    }
    let named: BTreeSet<String> = packages::workspace()?
        .into_iter()
        .flat_map(|package| package.dependencies)
        .filter(|dependency| !dependency.is_ours)
        .map(|dependency| dependency.name)
        .collect();
    let missing: Vec<_> = named.difference(&told).collect();
    let stale: Vec<_> = told.difference(&named).collect();
    assert!(
        missing.is_empty() && stale.is_empty(),
        "without a row: {missing:?}; without use: {stale:?}"
    );
    Ok(())
}

#[test]
fn the_frame_can_be_followed_through_files_that_exist() -> anyhow::Result<()> {
    let readme = tree::text("README.md")?;
    let steps = markdown::section(&readme, "## Follow one frame");
    let named: Vec<String> = steps
        .iter()
        .flat_map(|line| markdown::code_spans(line))
        .filter(|span| tree::is_rust(span))
        .collect();
    assert!(named.len() >= 10, "only {named:?}");
    for path in &named {
        assert!(tree::root().join(path).is_file(), "{path} is not there");
    }
    for floor in [
        "media/ingest",
        "media/analysis",
        "kernels",
        "media/segment",
        "media/engine",
        "server/supervisor",
        "server/store",
        "server/api",
    ] {
        let passes = named.iter().any(|path| path.starts_with(floor));
        assert!(passes, "the frame does not pass {floor}");
    }
    Ok(())
}

#[test]
#[cfg(unix)]
fn the_two_commands_exist_and_can_be_executed() -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let readme = tree::text("README.md")?;
    for script in ["run", "test", ".ci/run"] {
        let mode = std::fs::metadata(tree::root().join(script))?
            .permissions()
            .mode();
        assert_eq!(mode & 0o111, 0o111, "{script} cannot be executed");
    }
    let head: Vec<_> = markdown::fenced(&readme).into_iter().take(4).collect();
    for command in ["./run", "./test"] {
        assert!(
            head.iter().any(|line| line.starts_with(command)),
            "{command} is not among the first commands"
        );
    }
    Ok(())
}

#[test]
fn every_command_of_the_readme_exists() -> anyhow::Result<()> {
    let readme = tree::text("README.md")?;
    let known = tree::text("server/lsie/src/cli.rs")?;
    let spans = markdown::prose(&readme)
        .into_iter()
        .flat_map(markdown::code_spans);
    let commands: BTreeSet<String> = markdown::fenced(&readme)
        .into_iter()
        .map(str::to_owned)
        .chain(spans)
        .filter_map(|text| {
            let word = text
                .trim()
                .strip_prefix("lsie ")?
                .split_whitespace()
                .next()?
                .to_owned();
            word.starts_with(|c: char| c.is_ascii_lowercase())
                .then_some(word)
        })
        .collect();
    assert!(commands.len() > 5, "only {commands:?}");
    for command in commands {
        let variant: String = command.split('-').map(capitalised).collect();
        let declared = known.lines().any(|line| {
            let rest = line.trim().strip_prefix(&variant);
            rest.is_some_and(|rest| rest.starts_with([',', '(', ' ']))
        });
        assert!(declared, "`lsie {command}` is not a command");
    }
    Ok(())
}

#[test]
fn a_line_of_the_documents_holds_one_sentence() -> anyhow::Result<()> {
    for path in ["README.md", "CHANGELOG.md"] {
        let text = tree::text(path)?;
        for line in markdown::prose(&text) {
            let second = line.split_once(". ").map(|(_, rest)| rest);
            let begins = second.is_some_and(|rest| rest.starts_with(|c: char| c.is_uppercase()));
            let is_item = line.trim_start().starts_with(|c: char| c.is_ascii_digit());
            assert!(!begins || is_item, "{path}: {line}");
        }
    }
    Ok(())
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_ascii_uppercase().to_string() + letters.as_str()
    })
}
