//! Effective configuration of this process and the folders that follow from it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use lsie_schemas::config::{Layered, Origin};

use crate::cli::{Cli, Command};

/// Applies defaults, file, environment and flags.
pub(crate) fn load(cli: &Cli) -> Result<Layered> {
    let mut layered = Layered::default();
    let chosen = cli.config.clone().or_else(|| {
        config_home()
            .map(|home| home.join("lsie/lsie.toml"))
            .filter(|path| path.is_file())
    });
    if let Some(path) = chosen {
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("reading configuration {}", path.display()))?;
        let tree: toml::Table = text
            .parse()
            .with_context(|| format!("parsing configuration {}", path.display()))?;
        layered.apply_tree(
            &serde_json::to_value(tree)?,
            &Origin::File(path.display().to_string()),
        )?;
    }
    layered.apply_environment(std::env::vars())?;
    // Below `pipeline` the same flag sets parameters of nodes.
    let is_pipeline = matches!(cli.command, Command::Pipeline(_));
    for pair in cli.set.iter().filter(|_| !is_pipeline) {
        let Some((key, value)) = pair.split_once('=') else {
            bail!("--set wants KEY=VALUE, got `{pair}`")
        };
        layered.apply_text(key.trim(), value, &Origin::Flag("--set".into()))?;
    }
    Ok(layered)
}

/// Folder with database, token and port file.
pub(crate) fn state_dir(configured: &str) -> Result<PathBuf> {
    folder(configured, "XDG_DATA_HOME", ".local/share")
}

/// Folder with models and derived files; it can be deleted at any time.
pub(crate) fn cache_dir(configured: &str) -> Result<PathBuf> {
    folder(configured, "XDG_CACHE_HOME", ".cache")
}

fn config_home() -> Option<PathBuf> {
    base("XDG_CONFIG_HOME", ".config")
}

fn folder(configured: &str, variable: &str, below_home: &str) -> Result<PathBuf> {
    if !configured.is_empty() {
        return std::path::absolute(Path::new(configured))
            .with_context(|| format!("resolving {configured}"));
    }
    let base = base(variable, below_home).with_context(|| {
        format!("neither HOME nor {variable} is set; name the folder in the configuration")
    })?;
    Ok(base.join("lsie"))
}

fn base(variable: &str, below_home: &str) -> Option<PathBuf> {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set(variable).or_else(|| set("HOME").map(|home| home.join(below_home)))
}
