//! WebRTC peers as the control plane knows them: who waits for an answer, who was answered, who is gone.

use std::time::Duration;

use lsie_schemas::link::{PeerOrder, PeerReport, PeerRole, Sdp, SdpFragment, ServerMessage};
use tokio::time::Instant;
use uuid::Uuid;

use super::Actor;
use crate::error::SupervisorError;
use crate::handle::Reply;
use crate::peers::{PeerOpened, PeerTarget};

/// Most peers; the engine has the same bound.
pub(super) const PEERS: usize = 32;
/// How long the engine may take for an answer.
const ANSWER: Duration = Duration::from_secs(5);

/// One peer.
#[derive(Debug)]
pub(super) struct PeerRecord {
    role: PeerRole,
    etag: String,
    ice_ufrag: Option<String>,
    waiting: Option<(Reply<PeerOpened>, Instant)>,
}

impl PeerRecord {
    /// Until when it waits for its answer.
    pub(super) fn until(&self) -> Option<Instant> {
        self.waiting.as_ref().map(|(_, until)| *until)
    }

    fn is_under(&self, target: &PeerTarget) -> bool {
        match (&self.role, target) {
            (PeerRole::View { .. }, PeerTarget::LiveSession) => true,
            (PeerRole::View { session_id }, PeerTarget::Session(id)) => session_id == id,
            (PeerRole::Publish { name }, PeerTarget::Publisher(wanted)) => name == wanted,
            _ => false,
        }
    }
}

impl Actor {
    pub(super) fn open_peer(&mut self, target: &PeerTarget, offer: Sdp, reply: Reply<PeerOpened>) {
        let peer_id = Uuid::new_v4();
        let etag = format!("{}-1", peer_id.simple());
        let ice_ufrag = offer.ice_ufrag().map(str::to_owned);
        let ordered = self.peer_role(target).and_then(|role| {
            let order = PeerOrder::Open {
                peer_id,
                role: role.clone(),
                offer,
            };
            self.order_peer(order).map(|()| role)
        });
        match ordered {
            Ok(role) => {
                let record = PeerRecord {
                    role,
                    etag,
                    ice_ufrag,
                    waiting: Some((reply, Instant::now() + ANSWER)),
                };
                self.peers.insert(peer_id, record);
            }
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    fn peer_role(&self, target: &PeerTarget) -> Result<PeerRole, SupervisorError> {
        let live = self.live.as_ref().filter(|live| live.ending.is_none());
        let role = match target {
            PeerTarget::LiveSession => PeerRole::View {
                session_id: live.ok_or(SupervisorError::NothingToWatch)?.id,
            },
            PeerTarget::Session(id) => {
                live.filter(|live| live.id == *id)
                    .ok_or(SupervisorError::SessionNotFound(*id))?;
                PeerRole::View { session_id: *id }
            }
            PeerTarget::Publisher(name) => PeerRole::Publish { name: name.clone() },
        };
        if self.peers.len() >= PEERS {
            return Err(SupervisorError::TooManyPeers(PEERS));
        }
        Ok(role)
    }

    fn order_peer(&self, order: PeerOrder) -> Result<(), SupervisorError> {
        if !self.ready {
            return Err(SupervisorError::EngineUnavailable("not ready"));
        }
        let order = ServerMessage::Peer(Box::new(order));
        match &self.engine {
            Some((engine, _)) if engine.send(order) => Ok(()),
            _ => Err(SupervisorError::EngineUnavailable("not taking orders")),
        }
    }

    /// Hands on candidates that came later. An ICE restart is not supported, and another ICE session is one.
    pub(super) fn trickle_peer(
        &self,
        target: &PeerTarget,
        peer_id: Uuid,
        etag: &str,
        fragment: SdpFragment,
    ) -> Result<(), SupervisorError> {
        let peer = self.answered_peer(target, peer_id)?;
        if etag != "*" && etag != peer.etag {
            return Err(SupervisorError::PeerChanged);
        }
        if fragment.ice_ufrag() != peer.ice_ufrag.as_deref() {
            return Err(SupervisorError::IceRestart);
        }
        self.order_peer(PeerOrder::Trickle { peer_id, fragment })
    }

    pub(super) fn close_peer(
        &mut self,
        target: &PeerTarget,
        peer_id: Uuid,
    ) -> Result<(), SupervisorError> {
        self.answered_peer(target, peer_id)?;
        self.peers.remove(&peer_id);
        self.order_peer(PeerOrder::Close { peer_id })
    }

    fn answered_peer(
        &self,
        target: &PeerTarget,
        peer_id: Uuid,
    ) -> Result<&PeerRecord, SupervisorError> {
        self.peers
            .get(&peer_id)
            .filter(|peer| peer.waiting.is_none() && peer.is_under(target))
            .ok_or(SupervisorError::PeerNotFound(peer_id))
    }

    pub(super) fn on_peer(&mut self, report: PeerReport) {
        match report {
            PeerReport::Answered { peer_id, answer } => {
                let Some(peer) = self.peers.get_mut(&peer_id) else {
                    // Its caller has given up already.
                    self.drop_peer(peer_id);
                    return;
                };
                let Some((reply, _)) = peer.waiting.take() else {
                    return;
                };
                let opened = PeerOpened {
                    peer_id,
                    etag: peer.etag.clone(),
                    answer,
                };
                if reply.send(Ok(opened)).is_err() {
                    self.peers.remove(&peer_id);
                    self.drop_peer(peer_id);
                }
            }
            PeerReport::Refused {
                peer_id,
                why,
                detail,
            } => {
                let peer = self.peers.remove(&peer_id);
                if let Some((reply, _)) = peer.and_then(|peer| peer.waiting) {
                    let detail = detail.to_string();
                    let _ = reply.send(Err(SupervisorError::PeerRefused { why, detail }));
                }
            }
            PeerReport::Closed { peer_id, reason } => {
                tracing::info!(%peer_id, %reason, "peer is gone");
                self.peers.remove(&peer_id);
            }
        }
    }

    fn drop_peer(&self, peer_id: Uuid) {
        if let Err(error) = self.order_peer(PeerOrder::Close { peer_id }) {
            tracing::warn!(%error, "a peer that nobody waits for could not be let go");
        }
    }

    /// Ends the waiting of those whose time is over; with the engine all peers are gone.
    pub(super) fn give_up_peers(&mut self, now: Option<Instant>) {
        let late: Vec<Uuid> = self
            .peers
            .iter()
            .filter(|(_, peer)| {
                now.is_none_or(|now| peer.until().is_some_and(|until| until <= now))
            })
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            let waiting = self.peers.remove(&id).and_then(|peer| peer.waiting);
            if let Some((reply, _)) = waiting {
                let error = SupervisorError::EngineUnavailable("without an answer");
                let _ = reply.send(Err(error));
            }
        }
    }
}
