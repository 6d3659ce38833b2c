//! Packages as `cargo metadata` tells them.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::tree;

/// Platform whose packages are judged, so that every machine judges the same ones.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// A package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Name in the registry.
    pub name: String,
    /// Version.
    pub version: String,
    /// Licence expression, when stated.
    pub licence: Option<String>,
    /// Folder below the root; empty for packages of a registry.
    pub folder: String,
    /// What its manifest names.
    pub dependencies: Vec<Dependency>,
}

/// One line of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// Package name, whatever it is called inside.
    pub name: String,
    /// Only for tests, examples and benches.
    pub is_dev: bool,
    /// A crate of this repository.
    pub is_ours: bool,
}

/// The packages of this workspace with everything their manifests name, optional dependencies included.
pub fn workspace() -> Result<Vec<Package>> {
    metadata(&["--no-deps"])
}

/// Every package that a build on the judged platform uses, ours included.
pub fn all() -> Result<Vec<Package>> {
    metadata(&["--locked", "--filter-platform", PLATFORM])
}

fn metadata(arguments: &[&str]) -> Result<Vec<Package>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1"])
        .args(arguments)
        .current_dir(tree::root())
        .output()
        .context("cannot start cargo")?;
    ensure!(
        output.status.success(),
        "cargo metadata failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let told: Value = serde_json::from_slice(&output.stdout)?;
    let packages = told["packages"].as_array().context("no packages")?;
    packages
        .iter()
        .map(|package| read(package).context("a package is not in the known form"))
        .collect()
}

fn read(package: &Value) -> Option<Package> {
    let text = |name: &str| package[name].as_str().map(str::to_owned);
    let manifest = text("manifest_path")?;
    let root = tree::root();
    let folder = match package["source"].as_str() {
        Some(_) => String::new(),
        None => std::path::Path::new(&manifest)
            .parent()?
            .strip_prefix(&root)
            .ok()?
            .to_str()?
            .to_owned(),
    };
    let dependencies = package["dependencies"]
        .as_array()?
        .iter()
        .map(|dependency| {
            Some(Dependency {
                name: dependency["name"].as_str()?.to_owned(),
                is_dev: dependency["kind"] == "dev",
                is_ours: dependency["path"].is_string(),
            })
        })
        .collect::<Option<_>>()?;
    Some(Package {
        name: text("name")?,
        version: text("version")?,
        licence: text("license"),
        folder,
        dependencies,
    })
}
