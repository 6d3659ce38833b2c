//! Compiled engines on disk: each under the hash of everything it depends on, whole or not used.
//!
//! ```text
//! magic, 8 bytes ∣ length of the key, u32 ∣ key, text ∣ length of the engine, u64 ∣ SHA-256 of the engine ∣ engine
//! ```
//!
//! Numbers are little-endian. A file that is damaged, was made for another key, or is refused by the library is made again.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use lsie_schemas::device::Precision;
use sha2::{Digest, Sha256};

use crate::error::InferError;
use crate::provider::Capability;
use crate::store::hex;

const MAGIC: &[u8; 8] = b"LSIEENG1";
/// Larger files are no engines of the manifest's networks.
const MAX_BYTES: u64 = 1 << 30;

/// Everything that an engine depends on. Another value anywhere is another engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineKey {
    /// SHA-256 of the network's file, lower-case hexadecimal.
    pub model_sha256: String,
    /// The library that compiled it, with version.
    pub library: String,
    /// The GPU's name.
    pub gpu: String,
    /// Compute capabilities that it has code for, ascending.
    pub capabilities: Vec<Capability>,
    /// The driver's version.
    pub driver: String,
    /// Numbers inside.
    pub precision: Precision,
    /// Name and sizes of every input, in order.
    pub shapes: Vec<(String, Vec<usize>)>,
}

impl EngineKey {
    /// One text for all of it; two keys never have the same.
    fn text(&self) -> String {
        let capabilities: Vec<String> = self.capabilities.iter().map(ToString::to_string).collect();
        // Debug quotes and escapes, so that no name can pretend to be a separator.
        format!(
            "model {:?}\nlibrary {:?}\ngpu {:?}\ncapabilities {}\ndriver {:?}\nprecision {}\nshapes {:?}\n",
            self.model_sha256,
            self.library,
            self.gpu,
            capabilities.join(" "),
            self.driver,
            self.precision.as_str(),
            self.shapes
        )
    }
}

/// Where an engine came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineOrigin {
    /// Read from the cache.
    Cached,
    /// Compiled now.
    Built,
}

/// A folder of compiled engines.
#[derive(Debug, Clone)]
pub struct EngineCache {
    folder: PathBuf,
}

impl EngineCache {
    /// Uses `<cache>/engines`. Creates nothing until an engine is stored.
    pub fn new(cache_dir: &Path) -> Self {
        EngineCache {
            folder: cache_dir.join("engines"),
        }
    }

    /// The file of a key, there or not.
    pub fn path(&self, key: &EngineKey) -> PathBuf {
        let name = hex(&Sha256::digest(key.text()));
        self.folder.join(format!("{name}.engine"))
    }

    /// The engine of a key as `open` makes it from its bytes. Where the file is missing, damaged, another key's, or refused by
    /// `open` (`None`), it is built, opened and stored. What was just built and is refused is an error.
    pub fn get_or_build<T>(
        &self,
        key: &EngineKey,
        mut open: impl FnMut(&[u8]) -> Option<T>,
        build: impl FnOnce() -> Result<Vec<u8>, InferError>,
    ) -> Result<(T, EngineOrigin), InferError> {
        if let Some(engine) = self.load(key).and_then(|bytes| open(&bytes)) {
            return Ok((engine, EngineOrigin::Cached));
        }
        let bytes = build()?;
        let engine = open(&bytes).ok_or_else(|| InferError::Runtime {
            operation: "open the engine of",
            model: key.model_sha256.clone(),
            reason: "the library refuses what it has just built".to_owned(),
        })?;
        self.store(key, &bytes)?;
        Ok((engine, EngineOrigin::Built))
    }

    fn load(&self, key: &EngineKey) -> Option<Vec<u8>> {
        let mut file = File::open(self.path(key)).ok()?.take(MAX_BYTES);
        let mut head = Vec::new();
        let text = key.text();
        let head_bytes = MAGIC.len() + 4 + text.len();
        file.by_ref()
            .take(head_bytes as u64)
            .read_to_end(&mut head)
            .ok()?;
        if head != head_of(&text)? {
            return None;
        }
        let (mut length, mut hash) = ([0; 8], [0; 32]);
        file.read_exact(&mut length).ok()?;
        file.read_exact(&mut hash).ok()?;
        let mut engine = Vec::new();
        file.read_to_end(&mut engine).ok()?;
        let is_whole = u64::from_le_bytes(length) == engine.len() as u64
            && Sha256::digest(&engine).as_slice() == hash;
        is_whole.then_some(engine)
    }

    /// Under a name of its own first, so that nobody ever reads half of it.
    fn store(&self, key: &EngineKey, engine: &[u8]) -> Result<(), InferError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let path = self.path(key);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let own = path.with_extension(format!("{}-{number}.part", std::process::id()));
        let head = head_of(&key.text()).unwrap_or_default();
        let write = || {
            fs::create_dir_all(&self.folder)?;
            let mut file = File::create(&own)?;
            file.write_all(&head)?;
            file.write_all(&(engine.len() as u64).to_le_bytes())?;
            file.write_all(&Sha256::digest(engine))?;
            file.write_all(engine)?;
            file.sync_all()?;
            fs::rename(&own, &path)
        };
        write().map_err(|source: std::io::Error| {
            // What is left of it is of no use, and an error here adds nothing.
            let _ = fs::remove_file(&own);
            InferError::Io { path, source }
        })
    }
}

fn head_of(text: &str) -> Option<Vec<u8>> {
    let length = u32::try_from(text.len()).ok()?;
    let mut head = MAGIC.to_vec();
    head.extend(length.to_le_bytes());
    head.extend(text.as_bytes());
    Some(head)
}
