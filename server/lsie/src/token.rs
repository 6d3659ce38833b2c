//! Files in the state folder that let our own tools find and address the server: the token and the address.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use lsie_schemas::config::ServerConfig;

const TOKEN_FILE: &str = "token";
const ADDRESS_FILE: &str = "address";
const TOKEN_BYTES: usize = 32;

/// The token of this installation, made at its first use: 64 hex digits in a file only its owner can read.
pub(crate) fn ensure(state_dir: &Path) -> Result<String> {
    if let Some(token) = read(state_dir) {
        return Ok(token);
    }
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    let token = lsie_schemas::text::hex_lower(&bytes);
    write_private(&state_dir.join(TOKEN_FILE), &token)?;
    Ok(token)
}

/// The token, when it exists and is whole.
pub(crate) fn read(state_dir: &Path) -> Option<String> {
    let text = fs::read_to_string(state_dir.join(TOKEN_FILE)).ok()?;
    let token = text.trim();
    (token.len() == 2 * TOKEN_BYTES).then(|| token.to_owned())
}

/// Writes down where the server listens.
pub(crate) fn announce(state_dir: &Path, address: &str) -> Result<()> {
    write_private(&state_dir.join(ADDRESS_FILE), address)
}

/// Forgets the address at an orderly end.
pub(crate) fn withdraw(state_dir: &Path) {
    let _ = fs::remove_file(state_dir.join(ADDRESS_FILE));
}

/// Where a server of this state folder listens: the announced address, else the configured one.
pub(crate) fn known_address(state_dir: &Path, config: &ServerConfig) -> String {
    fs::read_to_string(state_dir.join(ADDRESS_FILE))
        .ok()
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| format!("http://{}:{}", config.bind, config.port))
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)
        .with_context(|| format!("writing {}", fresh.display()))?;
    file.write_all(text.as_bytes())?;
    drop(file);
    fs::rename(&fresh, path).with_context(|| format!("writing {}", path.display()))
}
