//! A full store says so, keeps what it has, and goes on when there is room.

mod fixture;

use fixture::{ARM, START, encounter, session};
use lsie_store::{CommitOutcome, GREETING_EXPERIMENT, Store, StoreError, StoreSettings};

#[test]
fn a_full_store_writes_nothing_half_and_goes_on_after_room_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = StoreSettings::new(folder.path());
    settings.max_page_count = Some(110);
    let store = Store::open(settings, START).unwrap();
    let writer = store.writer();
    let new = session(1);
    let session_id = new.session_id;
    writer.create_session(new).wait().unwrap();
    let mut committed = 0_u32;
    let refused = (1..2000).find(|n| {
        match writer
            .commit_encounter(encounter(session_id, *n, 0.5))
            .wait()
        {
            Ok(CommitOutcome::Committed { .. }) => {
                committed += 1;
                false
            }
            Ok(CommitOutcome::AlreadyCommitted) => panic!("encounter {n} was never committed"),
            Err(StoreError::StoreFull) => true,
            Err(other) => panic!("expected StoreFull, got {other:?}"),
        }
    });
    let refused = refused.expect("the store never filled up");
    assert!(
        committed > 0,
        "the limit leaves room for at least one encounter"
    );
    let report = store.verify().wait().unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.ledger_rows, u64::from(committed));
    let mass = |store: &Store| {
        let beta = store
            .reader()
            .read(|view| view.posterior(GREETING_EXPERIMENT, ARM))
            .unwrap()
            .unwrap();
        beta.alpha + beta.beta
    };
    assert_eq!(mass(&store), 2.0 + f64::from(committed));
    assert!(matches!(
        writer
            .commit_encounter(encounter(session_id, refused, 0.5))
            .wait(),
        Err(StoreError::StoreFull)
    ));

    writer.set_max_page_count(10_000).wait().unwrap();
    assert!(matches!(
        writer
            .commit_encounter(encounter(session_id, refused, 0.5))
            .wait(),
        Ok(CommitOutcome::Committed { .. })
    ));
    assert_eq!(mass(&store), 3.0 + f64::from(committed));
    assert!(store.verify().wait().unwrap().is_sound());
}
