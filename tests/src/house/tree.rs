//! Files of the repository, without what builds leave behind.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Folders that builds and tools fill.
const BUILT: [&str; 4] = ["target", "node_modules", "dist", "__pycache__"];
/// Entries with a leading dot that belong to the repository.
const DOT_FILES: [&str; 5] = [".ci", ".config", ".cargo", ".clippy.toml", ".gitignore"];

/// A file of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoFile {
    /// Path below the root with forward slashes.
    pub path: String,
    /// Its text; `None` when it is not UTF-8.
    pub text: Option<String>,
}

/// Root of the repository.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
        .to_owned()
}

/// Reads one text below the root.
pub fn text(path: &str) -> Result<String> {
    fs::read_to_string(root().join(path)).with_context(|| format!("cannot read {path}"))
}

/// Every file of the repository, sorted by path.
pub fn files() -> Result<Vec<RepoFile>> {
    let mut found = Vec::new();
    walk(&root(), "", &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Every Rust source of the repository, as path and text.
pub fn rust_files() -> Result<Vec<(String, String)>> {
    Ok(files()?
        .into_iter()
        .filter(|file| is_rust(&file.path))
        .filter_map(|file| file.text.map(|text| (file.path, text)))
        .collect())
}

/// Whether the path names a Rust source.
#[must_use]
pub fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|end| end == "rs")
}

fn walk(folder: &Path, prefix: &str, found: &mut Vec<RepoFile>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list /{prefix}"))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if BUILT.contains(&name.as_str())
            || name.starts_with('.') && !DOT_FILES.contains(&name.as_str())
        {
            continue;
        }
        let path = format!("{prefix}{name}");
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), found)?;
        } else if kind.is_file() {
            let bytes = fs::read(entry.path()).with_context(|| format!("cannot read {path}"))?;
            let text = String::from_utf8(bytes).ok();
            found.push(RepoFile { path, text });
        }
    }
    Ok(())
}
