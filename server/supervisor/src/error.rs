//! Why the supervisor refuses: stable codes with the next step, ready for the API.

use lsie_schemas::link::PeerRefusal;
use lsie_store::StoreError;
use uuid::Uuid;

/// A refusal or failure.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// No such session.
    #[error("session {0} is not known")]
    SessionNotFound(Uuid),
    /// Another session is open.
    #[error("session {0} is still active")]
    SessionActive(Uuid),
    /// The session is closed.
    #[error("session {0} has ended")]
    SessionEnded(Uuid),
    /// The session is open in the store and not the one being measured.
    #[error("session {0} is not the active one")]
    NotActive(Uuid),
    /// The action id was used for something else.
    #[error("client_action_id {0} was used for another request")]
    ActionReused(Uuid),
    /// No such experiment.
    #[error("experiment `{0}` is not known")]
    UnknownExperiment(String),
    /// The experiment has no arm that may be drawn.
    #[error("experiment `{0}` has no enabled arm")]
    NoArms(String),
    /// The address has no scheme a source answers to.
    #[error("no source opens `{url}`; schemes are: {known}")]
    UnknownScheme {
        /// What was asked for.
        url: String,
        /// What exists, with help.
        known: String,
    },
    /// A field of the request is not acceptable.
    #[error("{field}: {reason}")]
    Invalid {
        /// Member of the body.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// An encounter is still open.
    #[error("stimulus {0} is still being measured or waits for its attestation")]
    EncounterOpen(Uuid),
    /// The media process took the order and never gave the stimulus a time.
    #[error("the media process did not stamp stimulus {0} in time")]
    NotStamped(Uuid),
    /// Nothing waits for an attestation.
    #[error("no stimulus of this session waits for an attestation")]
    NothingToAttest,
    /// No session is open to be watched.
    #[error("no session is open")]
    NothingToWatch,
    /// No such WebRTC peer, or not any more.
    #[error("peer {0} is not known")]
    PeerNotFound(Uuid),
    /// There are as many WebRTC peers as there may be.
    #[error("there are {0} peers already")]
    TooManyPeers(usize),
    /// The tag is of another ICE session.
    #[error("the tag is not that of the peer's ICE session")]
    PeerChanged,
    /// The peer wants to begin its ICE session anew.
    #[error("an ICE restart is not supported")]
    IceRestart,
    /// The media process does not take the offer.
    #[error("{detail}")]
    PeerRefused {
        /// What stands against it.
        why: PeerRefusal,
        /// One sentence.
        detail: String,
    },
    /// The media process is not there.
    #[error("the media process is {0}")]
    EngineUnavailable(&'static str),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Formulas refused; the stored evidence is unusable.
    #[error("the evidence cannot be judged: {0}")]
    Analytics(#[from] lsie_analytics::AnalyticsError),
    /// The supervisor is shutting down.
    #[error("the server is shutting down")]
    Stopping,
}

impl SupervisorError {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::SessionNotFound(_) => "session_not_found",
            Self::SessionActive(_) => "session_active",
            Self::SessionEnded(_) => "session_ended",
            Self::NotActive(_) => "not_active",
            Self::ActionReused(_) => "action_reused",
            Self::UnknownExperiment(_) => "experiment_not_found",
            Self::NoArms(_) => "no_arms",
            Self::UnknownScheme { .. } => "unknown_scheme",
            Self::Invalid { .. } | Self::Store(StoreError::Invalid { .. }) => "validation_failed",
            Self::EncounterOpen(_) => "encounter_open",
            Self::NotStamped(_) => "not_stamped",
            Self::NothingToAttest => "nothing_to_attest",
            Self::NothingToWatch => "nothing_to_watch",
            Self::PeerNotFound(_) => "peer_not_found",
            Self::TooManyPeers(_) => "too_many_peers",
            Self::PeerChanged => "peer_changed",
            Self::IceRestart => "ice_restart_unsupported",
            Self::PeerRefused { why, .. } => refusal_code(*why),
            Self::EngineUnavailable(_) => "engine_unavailable",
            Self::Store(StoreError::StoreFull) => "store_full",
            Self::Store(StoreError::UnknownAlert(_)) => "alert_not_found",
            Self::Store(StoreError::Conflict(_)) => "conflict",
            Self::Store(_) => "store_unavailable",
            Self::Analytics(_) => "evidence_unusable",
            Self::Stopping => "stopping",
        }
    }

    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::SessionNotFound(_) => "list sessions with `lsie sessions list`",
            Self::SessionActive(_) => "end it with `lsie sessions end ID` first",
            Self::UnknownExperiment(_) => "list experiments with `lsie experiments list`",
            Self::NoArms(_) => "enable or add an arm",
            Self::UnknownScheme { .. } => "use one of the listed schemes, e.g. demo:presenter",
            Self::EncounterOpen(_) => {
                "attest it with `lsie stimulus attest SESSION`, or wait until it commits"
            }
            Self::NotStamped(_) => {
                "look whether the source still plays with `lsie live-session readback SESSION`, then give it again"
            }
            Self::NothingToWatch => "start a session, then come again",
            Self::IceRestart | Self::PeerChanged => "offer anew",
            Self::TooManyPeers(_) => "close a page that watches",
            Self::EngineUnavailable("circuit_open") => {
                "look at the log, then run `lsie engine-control reset`"
            }
            Self::EngineUnavailable(_) => "wait: it is being restarted",
            Self::Store(StoreError::StoreFull) => {
                "free disk space or raise the limit; nothing committed is lost"
            }
            _ => return None,
        })
    }
}

const fn refusal_code(why: PeerRefusal) -> &'static str {
    match why {
        PeerRefusal::NothingThere => "nothing_to_watch",
        PeerRefusal::BadOffer => "offer_malformed",
        PeerRefusal::NothingInCommon => "nothing_in_common",
        PeerRefusal::NameTaken => "name_taken",
        PeerRefusal::Full => "too_many_peers",
        PeerRefusal::Failed => "peer_failed",
    }
}

/// Whether the store itself takes no writes, as opposed to refusing this one for its content.
pub(crate) const fn is_store_fault(error: &StoreError) -> bool {
    !matches!(
        error,
        StoreError::Conflict(_)
            | StoreError::Invalid { .. }
            | StoreError::UnknownSession(_)
            | StoreError::UnknownExperiment(_)
            | StoreError::UnknownArm { .. }
            | StoreError::UnknownStimulus(_)
            | StoreError::UnknownAlert(_)
    )
}
