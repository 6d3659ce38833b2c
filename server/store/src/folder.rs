//! The state folder: its mode, its lock and the paths inside it.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// Name of the database inside the state folder.
pub const DATABASE_FILE: &str = "lsie.sqlite";
/// Name of the lock file inside the state folder.
pub const LOCK_FILE: &str = "lsie.lock";

const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// The folder, held exclusively for as long as the value lives.
///
/// The lock is the operating system's, so a killed process leaves none behind; the file itself stays.
#[derive(Debug)]
pub(crate) struct StateFolder {
    path: PathBuf,
    lock: File,
}

impl StateFolder {
    /// Creates the folder (mode 0700) where missing, tightens its mode, and takes the lock.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(path)
            .map_err(|cause| StoreError::folder(path, cause))?;
        std::fs::set_permissions(path, Permissions::from_mode(FOLDER_MODE))
            .map_err(|cause| StoreError::folder(path, cause))?;
        let lock_path = path.join(LOCK_FILE);
        let mut lock = open_private(&lock_path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::AlreadyOpen {
                    pid: read_pid(&mut lock),
                });
            }
            Err(TryLockError::Error(cause)) => return Err(StoreError::folder(&lock_path, cause)),
        }
        write_pid(&mut lock).map_err(|cause| StoreError::folder(&lock_path, cause))?;
        Ok(Self {
            path: path.to_owned(),
            lock,
        })
    }

    /// Returns the database's path after making sure that it exists with mode 0600.
    ///
    /// SQLite gives its WAL and shared-memory files the mode of the database.
    pub(crate) fn database(&self) -> Result<PathBuf, StoreError> {
        let path = self.path.join(DATABASE_FILE);
        let file = open_private(&path)?;
        file.set_permissions(Permissions::from_mode(FILE_MODE))
            .map_err(|cause| StoreError::folder(&path, cause))?;
        Ok(path)
    }
}

impl Drop for StateFolder {
    fn drop(&mut self) {
        if self
            .lock
            .set_len(0)
            .and_then(|()| self.lock.unlock())
            .is_err()
        {
            tracing::debug!("the lock file could not be emptied; the system releases the lock");
        }
    }
}

/// Opens or creates a file that only its owner can read.
pub(crate) fn open_private(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .open(path)
        .map_err(|cause| StoreError::folder(path, cause))
}

fn read_pid(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.seek(SeekFrom::Start(0)).ok()?;
    lock.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(lock: &mut File) -> std::io::Result<()> {
    lock.set_len(0)?;
    lock.seek(SeekFrom::Start(0))?;
    writeln!(lock, "{}", std::process::id())?;
    lock.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn folder_and_files_belong_to_their_owner_alone() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        std::fs::create_dir_all(&path).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        let folder = StateFolder::open(&path).unwrap();
        let database = folder.database().unwrap();
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&database), 0o600);
        assert_eq!(mode(&path.join(LOCK_FILE)), 0o600);
    }

    #[test]
    fn a_second_holder_is_told_the_first_ones_pid() {
        let parent = tempfile::tempdir().unwrap();
        let first = StateFolder::open(parent.path()).unwrap();
        match StateFolder::open(parent.path()) {
            Err(StoreError::AlreadyOpen { pid }) => assert_eq!(pid, Some(std::process::id())),
            other => panic!("expected AlreadyOpen, got {other:?}"),
        }
        drop(first);
        StateFolder::open(parent.path()).unwrap();
    }
}
