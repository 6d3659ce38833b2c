//! Why a peer cannot be, or cannot go on.

use lsie_schemas::link::PeerRefusal;

/// Failure of this crate.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The threads of the peers could not be started.
    #[error("the peers' threads: {0}")]
    Runtime(std::io::Error),
    /// The offer cannot be taken.
    #[error("{0}")]
    Offer(#[from] crate::offer::OfferFault),
    /// The WebRTC library failed.
    #[error("webrtc: {0}")]
    Transport(String),
    /// Candidates were not gathered in time.
    #[error("no candidates were gathered in time")]
    NoCandidates,
    /// The peer is gone.
    #[error("the peer is gone")]
    Gone,
}

impl PeerError {
    /// What stands against the offer.
    #[must_use]
    pub fn refusal(&self) -> PeerRefusal {
        match self {
            Self::Offer(fault) => fault.refusal(),
            Self::Runtime(_) | Self::Transport(_) | Self::NoCandidates | Self::Gone => {
                PeerRefusal::Failed
            }
        }
    }
}
