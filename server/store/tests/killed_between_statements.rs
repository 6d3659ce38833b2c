//! A killed process leaves whole encounters only. The child is this binary again; the parent kills it for real.

#![expect(clippy::unwrap_used, reason = "a broken child has to fail its test")]

mod fixture;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use fixture::{ARM, START, encounter, open, session, stimulus};
use lsie_store::{
    Beta, CommitOutcome, CommitStep, GREETING_EXPERIMENT, ReadView, StepHook, Store, StoreError,
    StoreSettings,
};

const FOLDER: &str = "LSIE_TEST_FOLDER";
const STEP: &str = "LSIE_TEST_STEP";
const STEPS: [CommitStep; 6] = [
    CommitStep::LedgerChecked,
    CommitStep::EvidenceWritten,
    CommitStep::PosteriorMoved,
    CommitStep::EncounterWritten,
    CommitStep::AttributionWritten,
    CommitStep::LedgerWritten,
];

/// Kills its process when dropped.
struct Killed {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Killed {
    fn start(test: &str, folder: &Path, step: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                test,
                "--ignored",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(FOLDER, folder)
            .env(STEP, step)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Reads the child's words until one holds `mark`; fails when the child ends first.
    fn wait_for(&mut self, mark: &str) {
        for line in self.lines.by_ref() {
            if line.unwrap().contains(mark) {
                return;
            }
        }
        panic!("the child ended before saying {mark:?}");
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        // SIGKILL on Unix: no destructor, no flush.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn say(word: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{word}").unwrap();
    out.flush().unwrap();
}

fn park() -> ! {
    loop {
        std::thread::park();
    }
}

#[test]
#[ignore = "runs as the child of killed_at_every_step"]
fn child_parks_inside_the_commit() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let step: usize = std::env::var(STEP).unwrap().parse().unwrap();
    let mut settings = StoreSettings::new(folder);
    settings.step_hook = Some(StepHook::new(move |at| {
        if STEPS.get(step) == Some(&at) {
            say("parked");
            park();
        }
    }));
    let store = Store::open(settings, START).unwrap();
    let new = session(1);
    let session_id = new.session_id;
    store.writer().create_session(new).wait().unwrap();
    let given = stimulus(session_id, 1);
    store
        .writer()
        .record_stimulus(given.clone())
        .wait()
        .unwrap();
    let mut commit = encounter(session_id, 1, 0.75);
    commit.stimulus_id = Some(given.stimulus_id);
    commit.attribution = Some(fixture::attribution(&commit));
    store.writer().commit_encounter(commit).wait().unwrap();
    say("parked");
    park();
}

#[test]
fn killed_at_every_step_leaves_all_or_nothing() {
    for step in 0..=STEPS.len() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Killed::start(
            "child_parks_inside_the_commit",
            folder.path(),
            &step.to_string(),
        );
        child.wait_for("parked");
        match Store::open(StoreSettings::new(folder.path()), START) {
            Err(StoreError::AlreadyOpen { pid }) => assert_eq!(pid, Some(child.child.id())),
            other => panic!("expected AlreadyOpen, got {other:?}"),
        }
        drop(child);

        let is_committed = step == STEPS.len();
        let store = open(folder.path());
        let recovery = store.recovery();
        assert_eq!(recovery.open_sessions.len(), 1, "step {step}");
        assert_eq!(
            recovery.uncommitted_stimuli.len(),
            usize::from(!is_committed),
            "step {step}"
        );
        assert!(recovery.wal_pages_recovered > 0, "step {step}");
        let report = store.verify().wait().unwrap();
        assert!(report.is_sound(), "step {step}: {report:?}");
        assert_eq!(report.ledger_rows, u64::from(is_committed), "step {step}");
        let counts = store.reader().read(ReadView::counts).unwrap();
        assert_eq!(counts.segments, u64::from(is_committed), "step {step}");

        let session_id = recovery.open_sessions[0].session_id;
        let again = store
            .writer()
            .commit_encounter(encounter(session_id, 1, 0.75))
            .wait()
            .unwrap();
        assert_eq!(
            again == CommitOutcome::AlreadyCommitted,
            is_committed,
            "step {step}"
        );
        let posterior = store
            .reader()
            .read(|view| view.posterior(GREETING_EXPERIMENT, ARM))
            .unwrap();
        assert_eq!(
            posterior,
            Some(Beta {
                alpha: 1.75,
                beta: 1.25
            }),
            "step {step}"
        );
    }
}

#[test]
#[ignore = "runs as the child of what_was_acknowledged_survives"]
fn child_commits_without_end() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let store = open(Path::new(&folder));
    let new = session(1);
    let session_id = new.session_id;
    store.writer().create_session(new).wait().unwrap();
    for n in 1.. {
        store
            .writer()
            .commit_encounter(encounter(session_id, n, 1.0))
            .wait()
            .unwrap();
        say(&format!("acknowledged {n};"));
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    for acknowledged in [1_u64, 7, 23] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Killed::start("child_commits_without_end", folder.path(), "0");
        child.wait_for(&format!("acknowledged {acknowledged};"));
        drop(child);
        let store = open(folder.path());
        let report = store.verify().wait().unwrap();
        assert!(report.is_sound(), "{report:?}");
        assert!(
            report.ledger_rows >= acknowledged,
            "{} of {acknowledged} survived",
            report.ledger_rows
        );
        assert_eq!(report.ledger_rows, report.encounter_rows);
    }
}
