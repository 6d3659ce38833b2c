//! Online copies of the database.

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use crate::error::StoreError;

const BUSY_PAUSE: Duration = Duration::from_millis(20);
const MAX_BUSY_STEPS: u32 = 500;

/// Copies the database behind `source` to the new file `target` (mode 0600), as one consistent snapshot.
///
/// Written beside the target first and renamed when complete and synced, so a killed copy never looks like a backup.
/// An existing target is refused. Writers are not blocked.
pub(crate) fn copy_database(source: &Connection, target: &Path) -> Result<(), StoreError> {
    if target.exists() {
        return Err(StoreError::folder(
            target,
            std::io::ErrorKind::AlreadyExists.into(),
        ));
    }
    let mut name = target.file_name().unwrap_or_default().to_os_string();
    name.push(".partial");
    let partial = target.with_file_name(name);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)
        .map_err(|cause| StoreError::folder(&partial, cause))?;
    file.set_permissions(Permissions::from_mode(0o600))
        .map_err(|cause| StoreError::folder(&partial, cause))?;
    let copied = copy_pages(source, &partial).and_then(|()| {
        file.sync_all()
            .map_err(|cause| StoreError::folder(&partial, cause))?;
        std::fs::rename(&partial, target).map_err(|cause| StoreError::folder(target, cause))
    });
    if copied.is_err() && std::fs::remove_file(&partial).is_err() {
        tracing::warn!(path = %partial.display(), "an incomplete backup could not be removed");
    }
    copied
}

fn copy_pages(source: &Connection, partial: &Path) -> Result<(), StoreError> {
    let mut copy = Connection::open(partial)?;
    // The copy is a single file: no WAL beside it.
    copy.pragma_update(None, "journal_mode", "DELETE")?;
    {
        let backup = Backup::new(source, &mut copy)?;
        let mut busy_steps = 0;
        loop {
            // All pages in one step: one read snapshot, no restart when a writer commits meanwhile.
            match backup.step(-1)? {
                StepResult::Done => break,
                _ if busy_steps >= MAX_BUSY_STEPS => return Err(StoreError::Busy),
                _ => {
                    busy_steps += 1;
                    std::thread::sleep(BUSY_PAUSE);
                }
            }
        }
    }
    copy.pragma_update(None, "journal_mode", "DELETE")?;
    copy.close().map_err(|(_, cause)| StoreError::from(cause))
}
