//! The models and the demo's pictures.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use lsie_infer::{ModelStore, Network};

use crate::call::Call;

/// Folder with models and the demo's pictures: `--cache`, `LSIE_CACHE_DIR`, `LSIE_ENGINE_CACHE_DIR`, else the user's cache.
pub fn cache_dir(call: &Call) -> Result<PathBuf> {
    let folder = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let named = call.text("cache").map(PathBuf::from);
    let named = named
        .or_else(|| folder("LSIE_CACHE_DIR"))
        .or_else(|| folder("LSIE_ENGINE_CACHE_DIR"));
    if let Some(named) = named {
        return std::path::absolute(&named).context("the cache folder");
    }
    let user = folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")));
    Ok(user
        .context("neither HOME nor XDG_CACHE_HOME is set; pass --cache")?
        .join("lsie"))
}

/// Loads a model of the manifest; fails with the way to get it when it is missing.
pub fn open_network(models: &ModelStore, name: &str) -> Result<Box<dyn Network>> {
    let path = models.check(name)?;
    Ok(Box::new(models.runtime()?.open(&path)?))
}
