//! Those who watch: each session has a broadcast, and one desk answers offers.

use std::sync::Arc;

use bytes::Bytes;
use lsie_graph::Either;
use lsie_ingest::{AccessUnit, MediaTap};
use lsie_schemas::link::{
    EngineCounters, EngineMessage, PeerGauges, PeerOrder, PeerRefusal, PeerRole,
};
use lsie_schemas::live::LiveMessage;
use lsie_schemas::observation::FaceObservation;
use lsie_webrtc::{
    Broadcast, HostSettings, LiveKind, PeerCounters, PeerError, PeerHost, PictureUnit,
    Publications, SoundUnit,
};
use uuid::Uuid;

use crate::link::Outbox;
use crate::sound::SoundChunk;

/// Answers peers of the engine.
pub(crate) struct ViewerDesk {
    host: PeerHost,
    counters: Arc<PeerCounters>,
    publications: Arc<Publications>,
}

impl ViewerDesk {
    pub(crate) fn start(outbox: Outbox) -> Result<Self, PeerError> {
        let counters = Arc::new(PeerCounters::default());
        // A report that does not fit is missed by its caller, who has a time limit: a peer must not wait for the link.
        let report = Arc::new(move |report| outbox.tick(EngineMessage::Peer(Box::new(report))));
        let host = PeerHost::start(HostSettings::default(), Arc::clone(&counters), report)?;
        Ok(Self {
            host,
            counters,
            publications: Arc::default(),
        })
    }

    /// The part of a session that is about to begin.
    pub(crate) fn session(&self) -> SessionViewers {
        SessionViewers {
            broadcast: Broadcast::new(Arc::clone(&self.counters)),
            publications: Arc::clone(&self.publications),
        }
    }

    /// `session` is the one that is open.
    pub(crate) fn obey(&self, order: PeerOrder, session: Option<(Uuid, &SessionViewers)>) {
        match order {
            PeerOrder::Open {
                peer_id,
                role: PeerRole::View { session_id },
                offer,
            } => match session.filter(|(open, _)| *open == session_id) {
                Some((_, viewers)) => {
                    let broadcast = Arc::clone(&viewers.broadcast);
                    self.host.view(peer_id, offer, broadcast);
                }
                None => self.host.refuse(
                    peer_id,
                    PeerRefusal::NothingThere,
                    "no such session is open here",
                ),
            },
            PeerOrder::Open {
                peer_id,
                role: PeerRole::Publish { name },
                offer,
            } => self
                .host
                .publish(peer_id, offer, &self.publications.of(&name)),
            PeerOrder::Trickle { peer_id, fragment } => self.host.trickle(peer_id, fragment),
            PeerOrder::Close { peer_id } => self.host.close(peer_id),
        }
    }

    pub(crate) fn gauges(&self) -> PeerGauges {
        self.host.gauges()
    }

    pub(crate) fn tell(&self, counters: &mut EngineCounters) {
        self.counters.tell(counters);
    }
}

/// Whoever watches one session.
#[derive(Clone)]
pub(crate) struct SessionViewers {
    broadcast: Arc<Broadcast>,
    publications: Arc<Publications>,
}

impl SessionViewers {
    /// What publishers send, for a source that takes it.
    pub(crate) fn publications(&self) -> Arc<Publications> {
        Arc::clone(&self.publications)
    }

    /// Where the source gives its media.
    pub(crate) fn tap(&self) -> Arc<dyn MediaTap> {
        Arc::new(BroadcastTap(Arc::clone(&self.broadcast)))
    }

    /// Another opening of the source: its pictures do not follow the last ones.
    pub(crate) fn restart(&self) {
        self.broadcast.restart();
    }

    /// Shows viewers what was measured, each with the RTP time of its frame.
    pub(crate) fn observe(&self, item: &Either<FaceObservation, SoundChunk>) {
        if !self.broadcast.is_watched() {
            return;
        }
        let (kind, message) = match item {
            Either::Left(observation) => (LiveKind::Face, LiveMessage::face(observation)),
            Either::Right(chunk) => match chunk.voice.last() {
                Some(observation) => (LiveKind::Voice, LiveMessage::voice(observation)),
                None => return,
            },
        };
        if let Some(bytes) = message.encode() {
            self.broadcast.live(kind, bytes);
        }
    }

    /// The session is over.
    pub(crate) fn end(&self) {
        self.broadcast.end("session_ended");
    }
}

struct BroadcastTap(Arc<Broadcast>);

impl MediaTap for BroadcastTap {
    fn is_watched(&self) -> bool {
        self.0.is_watched()
    }

    fn picture(&self, unit: &AccessUnit) {
        self.0.picture(&PictureUnit {
            data: Bytes::from_owner(Arc::clone(&unit.data)),
            pts_ns: unit.pts_ns,
            is_key: unit.key,
        });
    }

    fn sound(&self, packet: Arc<[u8]>, pts_ns: i64) {
        let data = Bytes::from_owner(packet);
        self.0.sound(&SoundUnit { data, pts_ns });
    }

    fn take_key_request(&self) -> bool {
        self.0.take_key_request()
    }

    fn restart(&self) {
        self.0.restart();
    }
}
