//! What the API asks about WebRTC peers.

use lsie_schemas::link::{PublisherName, Sdp, SdpFragment};
use uuid::Uuid;

use crate::error::SupervisorError;
use crate::handle::{Command, Supervisor};

/// What a peer is there for, as its address says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerTarget {
    /// Watch the session that is open now.
    LiveSession,
    /// Watch this session.
    Session(Uuid),
    /// Publish under this name.
    Publisher(PublisherName),
}

/// A peer that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerOpened {
    /// Its name.
    pub peer_id: Uuid,
    /// Tag of its ICE session.
    pub etag: String,
    /// The answer, candidates included.
    pub answer: Sdp,
}

impl Supervisor {
    /// Asks the media process to answer an offer.
    pub async fn open_peer(
        &self,
        target: PeerTarget,
        offer: Sdp,
    ) -> Result<PeerOpened, SupervisorError> {
        self.ask(|reply| Command::OpenPeer(target, Box::new(offer), reply))
            .await
    }

    /// Hands on candidates that came later; `etag` is the one of the ICE session, or `*`.
    pub async fn trickle_peer(
        &self,
        target: PeerTarget,
        peer_id: Uuid,
        etag: String,
        fragment: SdpFragment,
    ) -> Result<(), SupervisorError> {
        self.ask(|reply| Command::TricklePeer(target, peer_id, etag, Box::new(fragment), reply))
            .await
    }

    /// Lets a peer go.
    pub async fn close_peer(
        &self,
        target: PeerTarget,
        peer_id: Uuid,
    ) -> Result<(), SupervisorError> {
        self.ask(|reply| Command::ClosePeer(target, peer_id, reply))
            .await
    }
}
