//! Opening, recovering and closing the store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lsie_schemas::time::UtcMicros;
use rusqlite::{Connection, OpenFlags};

use crate::backup;
use crate::error::StoreError;
use crate::folder::StateFolder;
use crate::migrate::{MIGRATIONS, MigrationReport, check_origin, migrate};
use crate::pending::Pending;
use crate::read::{ReadView, Reader};
use crate::rows::{SessionRow, StimulusRow};
use crate::settings::StoreSettings;
use crate::verify::{self, VerifyReport};
use crate::worker::Worker;
use crate::write::encounter::StepHook;
use crate::writer::Writer;

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const STATEMENT_CACHE: usize = 64;
/// Pages that the writer keeps in memory, KiB; beyond it the one unused longest goes, and the system's own cache has it.
/// An encounter's transaction touches fewer.
const WRITER_CACHE_KIB: i64 = 512;
/// The same for each reader. Left to itself a connection keeps 2 MB, which a growing store fills over hours.
const READER_CACHE_KIB: i64 = 128;
/// Jobs that may wait for the readers before callers block.
const READER_QUEUE: usize = 256;

/// The open store. Dropping it finishes what is queued, folds the WAL into the file and releases the folder.
#[derive(Debug)]
pub struct Store {
    // Order of the fields is order of dropping: readers, writer, then the lock.
    readers: Worker<ReadView>,
    writer: Worker<Connection>,
    step_hook: Option<StepHook>,
    revision: Arc<AtomicU64>,
    recovery: RecoveryReport,
    database: PathBuf,
    _folder: StateFolder,
}

/// What opening found. Nothing is closed behind the caller's back: open sessions and stimuli are his to resume or
/// to close with a reason.
#[derive(Debug, Clone, PartialEq)]
pub struct RecoveryReport {
    /// Schema version found and left.
    pub migration: MigrationReport,
    /// Pages of the write-ahead log that were folded into the file; more than 0 after a crash.
    pub wal_pages_recovered: u64,
    /// Sessions without an end.
    pub open_sessions: Vec<SessionRow>,
    /// Stimuli without an encounter.
    pub uncommitted_stimuli: Vec<StimulusRow>,
}

impl Store {
    /// Opens or creates the store in `settings.dir`, migrates it, checks it, and starts its threads.
    ///
    /// Fails with `AlreadyOpen` when another process holds the folder, `NewerFile` or `NotOurs` when the file is not
    /// for this program, `Corrupt` when SQLite's quick check finds damage.
    pub fn open(settings: StoreSettings, now: UtcMicros) -> Result<Self, StoreError> {
        let folder = StateFolder::open(&settings.dir)?;
        let database = folder.database()?;
        let mut writer = Connection::open(&database)?;
        // Refuse foreign and newer files before the first byte is written to them.
        check_origin(&writer, MIGRATIONS)?;
        configure_writer(&writer, settings.max_page_count)?;
        let wal_pages_recovered = checkpoint(&writer)?;
        if let Some(finding) = verify::check(&writer, "quick_check(1)")?.into_iter().next() {
            return Err(StoreError::Corrupt { finding });
        }
        let migration = migrate(&mut writer, &database, MIGRATIONS, now)?;
        let readers = (0..settings.readers.max(1))
            .map(|_| open_reader(&database).map(ReadView::new))
            .collect::<Result<Vec<_>, _>>()?;
        let (open_sessions, uncommitted_stimuli) = match readers.first() {
            Some(view) => view.snapshot(|view| {
                Ok((
                    view.open_session()?.into_iter().collect(),
                    view.uncommitted_stimuli()?,
                ))
            })?,
            None => (Vec::new(), Vec::new()),
        };
        let writer = Worker::start(
            "lsie-store-write",
            vec![writer],
            settings.writer_queue,
            close_writer,
        )?;
        let readers = Worker::start("lsie-store-read", readers, READER_QUEUE, |_| ())?;
        let recovery = RecoveryReport {
            migration,
            wal_pages_recovered,
            open_sessions,
            uncommitted_stimuli,
        };
        Ok(Self {
            readers,
            writer,
            step_hook: settings.step_hook,
            revision: Arc::new(AtomicU64::new(0)),
            recovery,
            database,
            _folder: folder,
        })
    }

    /// Sends commands to the writer.
    pub fn writer(&self) -> Writer {
        Writer::new(
            self.writer.queue(),
            Arc::clone(&self.revision),
            self.step_hook.clone(),
        )
    }

    /// Runs queries.
    pub fn reader(&self) -> Reader {
        Reader::new(self.readers.queue())
    }

    /// What opening found.
    pub fn recovery(&self) -> &RecoveryReport {
        &self.recovery
    }

    /// Counts committed commands since opening; a changed value means something may read differently.
    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    /// Path of the database file.
    pub fn database(&self) -> &Path {
        &self.database
    }

    /// Checks the whole file, foreign keys, ledger and posterior arithmetic.
    pub fn verify(&self) -> Pending<VerifyReport> {
        self.reader().submit(verify::verify)
    }

    /// Copies the store to a new file (mode 0600) while it is in use; an existing file is refused.
    pub fn backup(&self, target: impl Into<PathBuf>) -> Pending<()> {
        let target = target.into();
        self.reader()
            .submit(move |connection| backup::copy_database(connection, &target))
    }

    /// Finishes what is queued, folds the WAL into the file and releases the folder; the same as dropping.
    pub fn close(self) {
        drop(self);
    }
}

fn configure_writer(
    connection: &Connection,
    max_page_count: Option<u64>,
) -> Result<(), StoreError> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    connection.pragma_update(None, "page_size", 4096)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    bound_cache(connection, WRITER_CACHE_KIB)?;
    if let Some(pages) = max_page_count {
        connection.pragma_update(
            None,
            "max_page_count",
            i64::try_from(pages).unwrap_or(i64::MAX),
        )?;
    }
    Ok(())
}

fn open_reader(database: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(
        database,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "query_only", true)?;
    bound_cache(&connection, READER_CACHE_KIB)?;
    Ok(connection)
}

/// A negative number is a size, a positive one counts pages.
fn bound_cache(connection: &Connection, kib: i64) -> Result<(), StoreError> {
    Ok(connection.pragma_update(None, "cache_size", -kib)?)
}

/// Folds the write-ahead log into the file and empties it; returns the pages it held.
fn checkpoint(connection: &Connection) -> Result<u64, StoreError> {
    // Answers busy, pages in the log, pages moved. After TRUNCATE the counts read 0, so they are asked for first.
    let pages = connection.query_row("PRAGMA wal_checkpoint(FULL)", [], |row| {
        row.get::<_, i64>(1)
    })?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(pages.max(0).unsigned_abs())
}

fn close_writer(connection: &Connection) {
    if let Err(cause) = connection
        .execute_batch("PRAGMA optimize")
        .map_err(StoreError::from)
        .and(checkpoint(connection))
    {
        tracing::warn!(%cause, "the write-ahead log was not folded into the file; the next start does it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writer_syncs_fully_and_the_readers_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lsie.sqlite");
        let writer = Connection::open(&path).unwrap();
        configure_writer(&writer, Some(77)).unwrap();
        let pragma = |connection: &Connection, name: &str| -> i64 {
            connection
                .pragma_query_value(None, name, |row| row.get(0))
                .unwrap()
        };
        assert_eq!(pragma(&writer, "synchronous"), 2);
        assert_eq!(pragma(&writer, "foreign_keys"), 1);
        assert_eq!(pragma(&writer, "busy_timeout"), 5000);
        assert_eq!(pragma(&writer, "temp_store"), 2);
        assert_eq!(pragma(&writer, "max_page_count"), 77);
        assert_eq!(pragma(&writer, "cache_size"), -WRITER_CACHE_KIB);
        writer
            .execute_batch("CREATE TABLE a (b INTEGER) STRICT")
            .unwrap();
        let reader = open_reader(&path).unwrap();
        assert_eq!(pragma(&reader, "query_only"), 1);
        assert_eq!(pragma(&reader, "cache_size"), -READER_CACHE_KIB);
        assert!(reader.execute("INSERT INTO a VALUES (1)", []).is_err());
    }
}
