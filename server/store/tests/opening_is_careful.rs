//! What opening refuses, repairs, reports and leaves alone.

mod fixture;

use std::os::unix::fs::PermissionsExt;

use fixture::{START, encounter, fresh, open, session, with_session};
use lsie_store::{
    ArmDeleted, DATABASE_FILE, GREETING_EXPERIMENT, Store, StoreError, StoreSettings,
};

#[test]
fn a_second_store_on_the_folder_is_refused_with_the_pid_and_closing_frees_it() {
    let (folder, store) = fresh();
    match Store::open(StoreSettings::new(folder.path()), START) {
        Err(StoreError::AlreadyOpen { pid }) => assert_eq!(pid, Some(std::process::id())),
        other => panic!("expected AlreadyOpen, got {other:?}"),
    }
    store.close();
    open(folder.path());
}

#[test]
fn a_newer_file_is_refused_and_left_untouched() {
    let (folder, store) = fresh();
    store.close();
    let database = folder.path().join(DATABASE_FILE);
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection.pragma_update(None, "user_version", 999).unwrap();
    drop(connection);
    let before = std::fs::read(&database).unwrap();
    match Store::open(StoreSettings::new(folder.path()), START) {
        Err(StoreError::NewerFile { found, known }) => assert!(found == 999 && known < 999),
        other => panic!("expected NewerFile, got {other:?}"),
    }
    assert_eq!(std::fs::read(&database).unwrap(), before);
}

#[test]
fn a_file_that_is_no_database_is_called_corrupt() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(DATABASE_FILE), vec![b'x'; 8192]).unwrap();
    let refused = Store::open(StoreSettings::new(folder.path()), START);
    assert!(
        matches!(refused, Err(StoreError::Corrupt { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_damaged_table_is_found_before_the_first_write() {
    let (folder, store, session_id) = with_session();
    for n in 1..40 {
        store
            .writer()
            .commit_encounter(encounter(session_id, n, 0.5))
            .wait()
            .unwrap();
    }
    store.close();
    let database = folder.path().join(DATABASE_FILE);
    let mut bytes = std::fs::read(&database).unwrap();
    let pages = bytes.len() / 4096;
    for page in pages / 2..pages {
        bytes[page * 4096..page * 4096 + 64].fill(0xEE);
    }
    std::fs::write(&database, bytes).unwrap();
    let refused = Store::open(StoreSettings::new(folder.path()), START);
    assert!(
        matches!(refused, Err(StoreError::Corrupt { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_clean_close_leaves_one_private_file_and_nothing_to_recover() {
    let (folder, store, session_id) = with_session();
    store
        .writer()
        .end_session(session_id, None, "requested", START)
        .wait()
        .unwrap();
    store.close();
    let database = folder.path().join(DATABASE_FILE);
    assert_eq!(
        std::fs::metadata(&database).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let wal = folder.path().join(format!("{DATABASE_FILE}-wal"));
    assert!(std::fs::metadata(wal).map_or(0, |meta| meta.len()) == 0);
    let store = open(folder.path());
    assert_eq!(store.recovery().wal_pages_recovered, 0);
    assert!(store.recovery().open_sessions.is_empty());
    assert_eq!(store.recovery().migration.backup, None);
}

#[test]
fn an_open_session_is_reported_and_left_open() {
    let (folder, store, session_id) = with_session();
    store.close();
    let store = open(folder.path());
    let open_sessions = &store.recovery().open_sessions;
    assert_eq!(
        open_sessions
            .iter()
            .map(|row| row.session_id)
            .collect::<Vec<_>>(),
        [session_id]
    );
    let ended = store
        .writer()
        .end_session(session_id, None, "server_restart", START)
        .wait()
        .unwrap();
    assert!(
        ended.ended_at >= session(1).started_at,
        "the end never precedes the start"
    );
    let row = store
        .reader()
        .read(move |view| view.session(session_id))
        .unwrap()
        .unwrap();
    assert_eq!(row.end_reason.as_deref(), Some("server_restart"));
}

#[test]
fn seeded_arms_are_written_once_and_a_deleted_one_stays_deleted() {
    let (folder, store) = fresh();
    let arms = store
        .reader()
        .read(|view| view.arms(GREETING_EXPERIMENT))
        .unwrap();
    let names: Vec<_> = arms.iter().map(|arm| arm.arm.as_str()).collect();
    assert_eq!(
        names,
        [
            "compliment_content",
            "direct_question",
            "simple_hello",
            "warm_welcome"
        ]
    );
    let deleted = store
        .writer()
        .delete_arm(GREETING_EXPERIMENT, "simple_hello", START)
        .wait()
        .unwrap();
    assert_eq!(deleted, ArmDeleted::Removed);
    store.close();
    let store = open(folder.path());
    assert_eq!(
        store
            .reader()
            .read(|view| view.arms(GREETING_EXPERIMENT))
            .unwrap()
            .len(),
        3
    );
}

#[test]
fn the_sync_mode_and_the_journal_are_what_durability_needs() {
    let (folder, store) = fresh();
    let connection = rusqlite::Connection::open(folder.path().join(DATABASE_FILE)).unwrap();
    let journal: String = connection
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .unwrap();
    assert_eq!(journal, "wal");
    let loose: i64 = connection
        .query_row(
            "SELECT count(*) FROM pragma_table_list WHERE type = 'table' AND strict = 0 AND name NOT LIKE 'sqlite_%'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(loose, 0, "every table is STRICT");
    drop(store);
}

#[test]
fn a_backup_is_a_whole_store_taken_while_writing() {
    let (folder, store, session_id) = with_session();
    let writer = store.writer();
    let target = folder.path().join("copy").join(DATABASE_FILE);
    std::fs::create_dir(target.parent().unwrap()).unwrap();
    let commits: Vec<_> = (1..=30)
        .map(|n| writer.commit_encounter(encounter(session_id, n, 0.5)))
        .collect();
    store.backup(&target).wait().unwrap();
    for commit in commits {
        commit.wait().unwrap();
    }
    assert!(
        matches!(store.backup(&target).wait(), Err(StoreError::Folder { .. })),
        "no silent overwrite"
    );
    assert_eq!(
        std::fs::metadata(&target).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let copy = open(target.parent().unwrap());
    let report = copy.verify().wait().unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert!(report.ledger_rows <= 30);
}

#[test]
fn verify_finds_a_posterior_that_was_moved_behind_the_ledger() {
    let (folder, store, session_id) = with_session();
    store
        .writer()
        .commit_encounter(encounter(session_id, 1, 0.5))
        .wait()
        .unwrap();
    assert!(store.verify().wait().unwrap().is_sound());
    let connection = rusqlite::Connection::open(folder.path().join(DATABASE_FILE)).unwrap();
    connection
        .execute(
            "UPDATE arms SET alpha = alpha + 1 WHERE arm = 'warm_welcome'",
            [],
        )
        .unwrap();
    let report = store.verify().wait().unwrap();
    assert!(!report.is_sound());
    assert_eq!(
        report
            .posteriors
            .iter()
            .filter(|mass| !mass.is_sound())
            .count(),
        1
    );
    connection
        .execute(
            "UPDATE arms SET alpha = alpha - 1 WHERE arm = 'warm_welcome'",
            [],
        )
        .unwrap();
    connection
        .execute("DELETE FROM analytics_message_ledger", [])
        .unwrap();
    assert_eq!(store.verify().wait().unwrap().unmatched_rows, 1);
}
