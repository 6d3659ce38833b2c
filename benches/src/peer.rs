//! A Python environment for the peers of a bench, made at its first use.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::call::Call;

/// The Python in the cache folder's `bench/NAME` that has these packages and can import `modules`. It is made with `--python PATH`,
/// or with `system`, and needs the package registry once.
pub fn peer_python(
    call: &Call,
    cache: &Path,
    name: &str,
    system: &str,
    packages: &[&str],
    modules: &str,
) -> Result<PathBuf> {
    let folder = cache.join("bench").join(name);
    let python = folder.join("bin/python");
    let is_complete = || {
        let check = Command::new(&python)
            .args(["-c", &format!("import {modules}")])
            .output();
        check.is_ok_and(|output| output.status.success())
    };
    if is_complete() {
        return Ok(python);
    }
    let system = call.text("python").unwrap_or(system);
    must(Command::new(system).args(["-m", "venv"]).arg(&folder))?;
    let mut install = Command::new(&python);
    must(
        install
            .args(["-m", "pip", "install", "--quiet"])
            .args(packages),
    )?;
    ensure!(
        is_complete(),
        "the peer's packages do not work with {system}"
    );
    Ok(python)
}

fn must(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}
