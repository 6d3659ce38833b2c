//! What can go wrong, by what the caller can do about it.

use std::path::PathBuf;

use uuid::Uuid;

/// Everything the store refuses or fails at.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another server holds this state folder; stop it or choose another folder.
    #[error("the state folder is already in use by process {}", pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string()))]
    AlreadyOpen {
        /// Process named in the lock file, when it could be read.
        pid: Option<u32>,
    },
    /// The file was written by a newer version; install that version.
    #[error("the state file has schema version {found}, this program knows up to {known}")]
    NewerFile {
        /// Version found in the file.
        found: i64,
        /// Newest version this program can read.
        known: i64,
    },
    /// The file is a database of another program; move it away.
    #[error("the state file belongs to another program (application id {found:#x})")]
    NotOurs {
        /// Application id found in the file.
        found: i64,
    },
    /// The file is damaged; restore a backup.
    #[error("the state file is damaged: {finding}")]
    Corrupt {
        /// First finding of SQLite's own check.
        finding: String,
    },
    /// The disk or the configured page limit is exhausted. Nothing was written; the writer keeps working.
    #[error("the store is full")]
    StoreFull,
    /// The file stayed locked for longer than the busy timeout; try again.
    #[error("the store stayed busy")]
    Busy,
    /// The session is not in the store.
    #[error("session {0} is unknown")]
    UnknownSession(Uuid),
    /// The experiment is not in the store.
    #[error("experiment {0:?} is unknown")]
    UnknownExperiment(String),
    /// The arm is not in the store; the whole transaction was rolled back.
    #[error("experiment {experiment_id:?} has no arm {arm:?}")]
    UnknownArm {
        /// Experiment asked for.
        experiment_id: String,
        /// Arm asked for.
        arm: String,
    },
    /// The stimulus is not in the store.
    #[error("stimulus {0} is unknown")]
    UnknownStimulus(Uuid),
    /// The alert is not in the store.
    #[error("alert {0} is unknown")]
    UnknownAlert(Uuid),
    /// The request contradicts what is stored; nothing was written.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// A value breaks a rule of the contract; nothing was written.
    #[error("{field} {rule}")]
    Invalid {
        /// Field that breaks the rule.
        field: &'static str,
        /// The rule, as the end of a sentence.
        rule: &'static str,
    },
    /// A stored value no longer parses; run `verify` and restore a backup.
    #[error("stored {what} does not parse: {reason}")]
    Decode {
        /// Kind of value.
        what: &'static str,
        /// The parser's words, without the value.
        reason: String,
    },
    /// A file or folder could not be used.
    #[error("cannot use {path}: {source}")]
    Folder {
        /// Path that failed.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A thread of the store could not be started.
    #[error("cannot start a store thread: {0}")]
    Thread(#[source] std::io::Error),
    /// The database engine failed in a way the caller cannot mend.
    #[error("database failure: {0}")]
    Database(#[source] rusqlite::Error),
    /// The store was closed before it could answer.
    #[error("the store is closed")]
    Closed,
}

/// Contradictions between a request and the stored state (HTTP 409).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Another session is open; one at a time.
    #[error("session {open} is still active")]
    SessionActive {
        /// The open session.
        open: Uuid,
    },
    /// The session has ended.
    #[error("the session has ended")]
    SessionEnded,
    /// The client action id was used before for something else.
    #[error("the client action id was used for another request")]
    ActionReused,
    /// A stimulus of this session is still being measured.
    #[error("stimulus {open} is still being measured")]
    StimulusOpen {
        /// The open stimulus.
        open: Uuid,
    },
    /// The stimulus already has another time, or is closed.
    #[error("the stimulus is already timed or closed")]
    StimulusClosed,
    /// The experiment exists.
    #[error("the experiment exists")]
    ExperimentExists,
    /// The arm exists.
    #[error("the arm exists")]
    ArmExists,
    /// A different decision is stored for this session and instant.
    #[error("another decision is stored for this session and instant")]
    DecisionReused,
    /// The segment id is stored with another window or session.
    #[error("the segment is stored with other content")]
    SegmentReused,
    /// The analytics message id was used for another segment, client or arm.
    #[error("the analytics message id was used for another result")]
    MessageReused,
}

impl StoreError {
    /// Builds the error of a broken rule.
    pub(crate) fn invalid(field: &'static str, rule: &'static str) -> Self {
        Self::Invalid { field, rule }
    }

    /// Builds the error of a folder or file that cannot be used.
    pub(crate) fn folder(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::Folder {
            path: path.to_owned(),
            source,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match &error {
            rusqlite::Error::SqliteFailure(cause, text) => match cause.code {
                ErrorCode::DiskFull => Self::StoreFull,
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy,
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Corrupt {
                    finding: text.clone().unwrap_or_else(|| cause.to_string()),
                },
                ErrorCode::ConstraintViolation => Self::Invalid {
                    field: "row",
                    rule: "breaks a constraint of the database",
                },
                _ => Self::Database(error),
            },
            rusqlite::Error::FromSqlConversionFailure(_, _, cause) => Self::Decode {
                what: "column",
                reason: cause.to_string(),
            },
            _ => Self::Database(error),
        }
    }
}
