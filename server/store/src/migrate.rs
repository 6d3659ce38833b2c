//! Ordered schema migrations in one transaction, with a backup before an upgrade.
//!
//! `user_version` counts the migrations a file has seen. A migration, once released, is never edited.

use std::path::{Path, PathBuf};

use lsie_schemas::time::UtcMicros;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::backup;
use crate::error::StoreError;
use crate::seed;

/// Marks the file as ours (`LSIE`).
pub(crate) const APPLICATION_ID: i64 = 0x4C53_4945;

/// One step of the schema's history.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Migration {
    /// Statements run as one batch.
    Sql(&'static str),
    /// Data written by a function; receives the instant of the migration.
    Code(fn(&Transaction<'_>, UtcMicros) -> Result<(), StoreError>),
}

/// The whole history, oldest first.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration::Sql(include_str!("migrations/0001_core.sql")),
    Migration::Sql(include_str!("migrations/0002_attribution.sql")),
    Migration::Code(seed::insert_greeting_experiment),
    Migration::Sql(include_str!("migrations/0004_physiology.sql")),
    Migration::Sql(include_str!("migrations/0005_propensity.sql")),
    Migration::Sql(include_str!("migrations/0006_segment_clock.sql")),
    Migration::Sql(include_str!("migrations/0007_action_units.sql")),
];

/// What migrating found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationReport {
    /// Version found; 0 for a new file.
    pub from_version: i64,
    /// Version now.
    pub to_version: i64,
    /// Copy taken before an upgrade.
    pub backup: Option<PathBuf>,
}

/// Brings the file to the newest version, all steps or none.
pub(crate) fn migrate(
    connection: &mut Connection,
    database: &Path,
    migrations: &[Migration],
    now: UtcMicros,
) -> Result<MigrationReport, StoreError> {
    let known = version_after(migrations);
    let found = check_origin(connection, migrations)?;
    if found == known {
        return Ok(MigrationReport {
            from_version: found,
            to_version: known,
            backup: None,
        });
    }
    let backup = if found > 0 {
        Some(backup_before(connection, database, found)?)
    } else {
        None
    };
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = usize::try_from(found).unwrap_or(0);
    for migration in migrations.iter().skip(done) {
        match migration {
            Migration::Sql(statements) => transaction.execute_batch(statements)?,
            Migration::Code(step) => step(&transaction, now)?,
        }
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(MigrationReport {
        from_version: found,
        to_version: known,
        backup,
    })
}

/// Refuses foreign and newer files before anything is written; returns the version found.
pub(crate) fn check_origin(
    connection: &Connection,
    migrations: &[Migration],
) -> Result<i64, StoreError> {
    let known = version_after(migrations);
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i64 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let is_new = tables == 0 && version == 0 && application == 0;
    if !is_new && application != APPLICATION_ID {
        return Err(StoreError::NotOurs { found: application });
    }
    if version > known || version < 0 {
        return Err(StoreError::NewerFile {
            found: version,
            known,
        });
    }
    Ok(version)
}

fn version_after(migrations: &[Migration]) -> i64 {
    i64::try_from(migrations.len()).unwrap_or(i64::MAX)
}

fn backup_before(
    connection: &Connection,
    database: &Path,
    version: i64,
) -> Result<PathBuf, StoreError> {
    let name = database
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let path = (0..1000)
        .map(|attempt| match attempt {
            0 => database.with_file_name(format!("{name}.v{version}.backup")),
            _ => database.with_file_name(format!("{name}.v{version}.{attempt}.backup")),
        })
        .find(|path| !path.exists())
        .ok_or(StoreError::Invalid {
            field: "backup",
            rule: "has too many older copies beside the state file",
        })?;
    backup::copy_database(connection, &path)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UtcMicros = UtcMicros(1_775_037_600_000_000);

    fn open(path: &Path) -> Connection {
        Connection::open(path).unwrap()
    }

    fn count(connection: &Connection, table: &str) -> i64 {
        connection
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
                row.get(0)
            })
            .unwrap()
    }

    #[test]
    fn an_upgrade_keeps_rows_and_leaves_a_backup_of_the_old_version() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lsie.sqlite");
        let mut connection = open(&path);
        let first = migrate(&mut connection, &path, &MIGRATIONS[..1], NOW).unwrap();
        assert_eq!(
            (first.from_version, first.to_version, first.backup),
            (0, 1, None)
        );
        connection
            .execute(
                "INSERT INTO experiments VALUES (7, 'kept', 'Kept', 1, 1)",
                [],
            )
            .unwrap();
        let second = migrate(&mut connection, &path, MIGRATIONS, NOW).unwrap();
        assert_eq!(
            (second.from_version, second.to_version),
            (1, version_after(MIGRATIONS))
        );
        assert_eq!(count(&connection, "experiments"), 2);
        let copy = open(&second.backup.unwrap());
        assert_eq!(count(&copy, "experiments"), 1);
        assert_eq!(
            copy.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
                .unwrap(),
            1
        );
    }

    #[test]
    fn a_failing_step_leaves_the_file_at_its_old_version() {
        fn fails(transaction: &Transaction<'_>, _: UtcMicros) -> Result<(), StoreError> {
            transaction.execute_batch("CREATE TABLE half_done (a INTEGER) STRICT")?;
            Err(StoreError::Invalid {
                field: "test",
                rule: "fails",
            })
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lsie.sqlite");
        let mut connection = open(&path);
        migrate(&mut connection, &path, &MIGRATIONS[..1], NOW).unwrap();
        let history = [MIGRATIONS[0], Migration::Code(fails)];
        assert!(migrate(&mut connection, &path, &history, NOW).is_err());
        assert_eq!(check_origin(&connection, &history).unwrap(), 1);
        assert_eq!(
            count(&connection, "sqlite_schema WHERE name = 'half_done'"),
            0,
            "the table of the failed step was rolled back"
        );
    }

    #[test]
    fn a_database_of_another_program_is_refused_untouched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lsie.sqlite");
        let mut connection = open(&path);
        connection
            .execute_batch("CREATE TABLE foreign_rows (a INTEGER)")
            .unwrap();
        assert!(matches!(
            migrate(&mut connection, &path, MIGRATIONS, NOW),
            Err(StoreError::NotOurs { found: 0 })
        ));
        assert_eq!(count(&connection, "sqlite_schema"), 1);
    }
}
