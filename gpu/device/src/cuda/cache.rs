//! Compiled kernels on disk. A file says for what it was made; one that does not suit, or is damaged, is as good as none.
//!
//! ```text
//! "LSIE-KERNEL-1\n" · key length u64 · key · image length u64 · checksum u64 · image       numbers little-endian
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::nvrtc::Target;

const MAGIC: &[u8] = b"LSIE-KERNEL-1\n";

/// What an image was made from and for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key<'a> {
    /// Entry point, part of the file's name.
    pub(super) name: &'a str,
    pub(super) text: &'a str,
    pub(super) target: Target,
    /// Version of the compiler.
    pub(super) compiler: &'a str,
}

impl Key<'_> {
    fn bytes(&self) -> Vec<u8> {
        let head = format!("{}\n{}\n", self.target.name(), self.compiler);
        [head.as_bytes(), self.text.as_bytes()].concat()
    }

    fn path(&self, folder: &Path) -> PathBuf {
        let hash = checksum(&self.bytes());
        folder.join(format!(
            "{}-{}-{hash:016x}.kernel",
            self.name,
            self.target.name()
        ))
    }
}

/// The image of a key, if the folder has a whole one.
pub(super) fn load(folder: &Path, key: &Key<'_>) -> Option<Vec<u8>> {
    let content = fs::read(key.path(folder)).ok()?;
    let rest = content.strip_prefix(MAGIC)?;
    let (key_bytes, rest) = number(rest)?;
    let (found, rest) = rest.split_at_checked(usize::try_from(key_bytes).ok()?)?;
    let (image_bytes, rest) = number(rest)?;
    let (wanted, image) = number(rest)?;
    let is_whole = found == key.bytes()
        && image_bytes == image.len() as u64
        && image_bytes > 0
        && wanted == checksum(image);
    is_whole.then(|| image.to_vec())
}

/// Keeps an image. Readers see the whole file or none.
pub(super) fn store(folder: &Path, key: &Key<'_>, image: &[u8]) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    fs::create_dir_all(folder)?;
    let key_bytes = key.bytes();
    let content = [
        MAGIC,
        &(key_bytes.len() as u64).to_le_bytes(),
        &key_bytes,
        &(image.len() as u64).to_le_bytes(),
        &checksum(image).to_le_bytes(),
        image,
    ]
    .concat();
    let path = key.path(folder);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let part = path.with_extension(format!("{}-{number}.part", std::process::id()));
    fs::write(&part, content)?;
    fs::rename(&part, &path).inspect_err(|_| {
        let _ = fs::remove_file(&part);
    })
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (head, rest) = bytes.split_first_chunk()?;
    Some((u64::from_le_bytes(*head), rest))
}

/// FNV-1a with 64 bits: it finds damage, it does not resist an attacker, who could write the folder anyway.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("lsie-kernels-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    const KEY: Key<'_> = Key {
        name: "add",
        text: "text",
        target: Target::Binary(90),
        compiler: "13.0",
    };

    #[test]
    fn an_image_comes_back_for_its_own_key_only() {
        let folder = folder("own");
        assert_eq!(load(&folder, &KEY), None);
        store(&folder, &KEY, b"image").unwrap();
        assert_eq!(load(&folder, &KEY).unwrap(), b"image");
        for other in [
            Key {
                text: "text2",
                ..KEY
            },
            Key {
                target: Target::Portable(90),
                ..KEY
            },
            Key {
                compiler: "13.1",
                ..KEY
            },
        ] {
            assert_eq!(load(&folder, &other), None, "{other:?}");
            // Not even where the names of the files meet.
            fs::copy(KEY.path(&folder), other.path(&folder)).unwrap();
            assert_eq!(load(&folder, &other), None, "{other:?}");
        }
        store(&folder, &KEY, b"newer").unwrap();
        assert_eq!(load(&folder, &KEY).unwrap(), b"newer");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn any_damage_makes_it_as_good_as_none() {
        let folder = folder("damage");
        store(&folder, &KEY, b"image").unwrap();
        let path = KEY.path(&folder);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x40;
            fs::write(&path, &damaged).unwrap();
            assert_eq!(load(&folder, &KEY), None, "byte {at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(load(&folder, &KEY), None, "cut at {at}");
        }
        store(&folder, &KEY, b"image").unwrap();
        assert_eq!(load(&folder, &KEY).unwrap(), b"image");
        fs::remove_dir_all(folder).unwrap();
    }
}
