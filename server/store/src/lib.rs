//! Durable state of a server: one SQLite file, one writer.
//!
//! **What it is.** `lsie.sqlite` in a folder of its own (mode 0700, locked), with STRICT tables, integer microseconds
//! for instants, versioned migrations, and two kinds of handles: [`Writer`] sends typed commands to the one thread
//! that owns the writing connection, [`Reader`] runs queries on a small pool of read-only connections. Both answer
//! through [`Pending`], which a thread waits for and a task awaits; no async runtime is involved.
//!
//! **The contract.** A command is one synced transaction: it happens completely or not at all, whatever is killed
//! when. An encounter moves a posterior exactly once per (segment, client, arm), together with its evidence and its
//! ledger row. A full disk is a typed answer, after which the writer goes on.
//!
//! **What it never does.** It computes no reward and draws no arm, keeps no pixel, sample or transcript, reads no
//! clock (instants are arguments), and closes no session behind the caller's back: [`RecoveryReport`] lists what a
//! crash left open.
//!
//! ```
//! use lsie_schemas::time::UtcMicros;
//! use lsie_store::{NewSession, Store, StoreSettings};
//! use uuid::Uuid;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let now = UtcMicros(1_775_037_600_000_000);
//! let store = Store::open(StoreSettings::new(folder.path()), now)?;
//! let session_id = Uuid::from_u128(1);
//! store
//!     .writer()
//!     .create_session(NewSession {
//!         session_id,
//!         client_action_id: Uuid::from_u128(2),
//!         client_id: "desktop-app".to_owned(),
//!         source_url: "demo:presenter".to_owned(),
//!         experiment_id: Some("greeting_line_v1".to_owned()),
//!         epoch: None,
//!         started_at: now,
//!         decision: None,
//!     })
//!     .wait()?;
//! let (open, arms) = store.reader().read(|view| Ok((view.open_session()?, view.arms("greeting_line_v1")?)))?;
//! assert_eq!(open.map(|session| session.session_id), Some(session_id));
//! assert_eq!(arms.len(), 4);
//! assert!(store.verify().wait()?.is_sound());
//! # Ok(())
//! # }
//! ```

mod backup;
mod column;
mod error;
mod folder;
mod migrate;
mod pending;
mod read;
pub mod rows;
mod seed;
mod settings;
mod store;
mod verify;
mod worker;
mod write;
mod writer;

pub use error::{Conflict, StoreError};
pub use folder::{DATABASE_FILE, LOCK_FILE};
pub use migrate::MigrationReport;
pub use pending::Pending;
pub use read::{EncounterFilter, ReadView, Reader};
pub use seed::GREETING_EXPERIMENT;
pub use settings::StoreSettings;
pub use store::{RecoveryReport, Store};
pub use verify::{PosteriorMass, VerifyReport};
pub use write::attribution::{AttributionBatch, FINALISE_LIMIT};
pub use write::encounter::{
    CommitOutcome, CommitStep, EncounterCommit, MAX_NOTES, Reward, StepHook, Update, Verdict,
};
pub use write::experiment::{ArmDeleted, ArmPatch, Beta, NewArm, NewExperiment};
pub use write::operation::{ANSWER_LIFETIME_MICROS, LiveState, NewAlert, Remembered};
pub use write::physiology::{CoModulationRecord, PhysiologyRecord};
pub use write::segment::{EvaluationRecord, MetricsRecord, NewGap, SegmentRecord, WindowKind};
pub use write::session::{NewDecision, NewSession, SessionCreated, SessionEnded};
pub use write::stimulus::{NewStimulus, StimulusRecorded, StimulusState};
pub use writer::Writer;
