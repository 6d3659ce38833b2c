//! The peers of a process, on a runtime of their own.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lsie_schemas::link::{PeerGauges, PeerRefusal, PeerReport, Sdp, SdpFragment, Text};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::broadcast::Broadcast;
use crate::counters::{PeerCounters, count};
use crate::error::PeerError;
use crate::offer::{Offer, OfferFault, publisher_offer, viewer_offer};
use crate::peer::{Peer, Role};
use crate::publish::{Claim, Publication};
use crate::rtc::{Answered, answer_publisher, answer_viewer};
use crate::transport::{PeerTransport, TransportEvents};

/// Most peers at a time, of both kinds.
pub const MAX_PEERS: usize = 32;
/// Orders that may wait for one peer; a further one is left out.
const ORDERS: usize = 16;
/// How long peers may take to close when the process ends.
const STOP_LIMIT: Duration = Duration::from_secs(1);
/// One thread serves all: a viewer wakes it about 110 times a second, and a second thread only doubles what that costs.
const WORKERS: usize = 1;

/// Takes what is to be said about peers. Must not wait.
pub type Reporter = Arc<dyn Fn(PeerReport) + Send + Sync>;

/// What a host is started with.
#[derive(Debug, Clone, Copy)]
pub struct HostSettings {
    /// Address that peers reach; each peer gets a port of its own.
    pub address: IpAddr,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }
}

/// Runs peers. Dropping it closes them all.
pub struct PeerHost {
    runtime: Option<Runtime>,
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) settings: HostSettings,
    pub(crate) counters: Arc<PeerCounters>,
    peers: Mutex<HashMap<Uuid, Entry>>,
    report: Reporter,
}

struct Entry {
    orders: mpsc::Sender<Order>,
    claim: Option<Arc<Claim>>,
    /// Whether it was ever connected. One that is silent for a moment still watches: its pictures go on.
    has_connected: bool,
}

/// What a peer is told.
pub(crate) enum Order {
    Trickle(Box<SdpFragment>),
    Close(&'static str),
}

impl PeerHost {
    /// Starts the threads.
    pub fn start(
        settings: HostSettings,
        counters: Arc<PeerCounters>,
        report: Reporter,
    ) -> Result<Self, PeerError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("peers")
            .enable_all()
            .build()
            .map_err(PeerError::Runtime)?;
        Ok(Self {
            runtime: Some(runtime),
            shared: Arc::new(Shared {
                settings,
                counters,
                peers: Mutex::default(),
                report,
            }),
        })
    }

    /// Answers somebody who wants to watch. The word on it goes to the reporter.
    pub fn view(&self, peer_id: Uuid, offer: Sdp, broadcast: Arc<Broadcast>) {
        self.open(peer_id, offer, Role::Viewer(broadcast));
    }

    /// Answers somebody who wants to publish; refuses a second one of the same name. The word on it goes to the reporter.
    pub fn publish(&self, peer_id: Uuid, offer: Sdp, publication: &Arc<Publication>) {
        match publication.claim() {
            Some(claim) => self.open(peer_id, offer, Role::Publisher(Arc::new(claim))),
            None => self.refuse(
                peer_id,
                PeerRefusal::NameTaken,
                "somebody publishes under this name already",
            ),
        }
    }

    fn open(&self, peer_id: Uuid, offer: Sdp, role: Role) {
        let claim = match &role {
            Role::Viewer(_) => None,
            Role::Publisher(claim) => Some(Arc::clone(claim)),
        };
        let Some(orders) = self.shared.admit(peer_id, claim) else {
            return;
        };
        let shared = Arc::clone(&self.shared);
        self.spawn(async move {
            let outcome = shared.open(peer_id, &offer, role, orders).await;
            shared.gone(peer_id, outcome);
        });
    }

    /// Says that an offer is refused.
    pub fn refuse(&self, peer_id: Uuid, why: PeerRefusal, detail: &str) {
        self.shared.refuse(peer_id, why, detail);
    }

    /// Takes candidates that came later.
    pub fn trickle(&self, peer_id: Uuid, fragment: SdpFragment) {
        self.shared
            .order(peer_id, Order::Trickle(Box::new(fragment)));
    }

    /// Lets a peer go.
    pub fn close(&self, peer_id: Uuid) {
        if let Some(Entry {
            claim: Some(claim), ..
        }) = self.shared.peers().get(&peer_id)
        {
            claim.release();
        }
        self.shared.order(peer_id, Order::Close("requested"));
    }

    /// Peers now.
    pub fn gauges(&self) -> PeerGauges {
        let mut gauges = PeerGauges::default();
        for entry in self.shared.peers().values() {
            match (entry.has_connected, entry.claim.is_some()) {
                (true, false) => gauges.viewers += 1,
                (true, true) => gauges.publishers += 1,
                (false, _) => gauges.connecting += 1,
            }
        }
        gauges
    }

    /// Tasks that run for peers, for tests of what is left behind.
    pub fn tasks(&self) -> usize {
        self.runtime
            .as_ref()
            .map_or(0, |runtime| runtime.metrics().num_alive_tasks())
    }

    /// Closes every peer, waits at most a second, and ends the threads.
    pub fn stop(&mut self) {
        let Some(runtime) = self.runtime.take() else {
            return;
        };
        let ids: Vec<Uuid> = self.shared.peers().keys().copied().collect();
        for id in ids {
            self.shared.order(id, Order::Close("engine_ends"));
        }
        let deadline = Instant::now() + STOP_LIMIT;
        while !self.shared.peers().is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        runtime.shutdown_timeout(STOP_LIMIT);
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(task);
        }
    }
}

impl Drop for PeerHost {
    fn drop(&mut self) {
        self.stop();
    }
}

/// How a peer's task ended.
enum Outcome {
    Refused(PeerError),
    Over(&'static str),
}

impl Shared {
    fn peers(&self) -> MutexGuard<'_, HashMap<Uuid, Entry>> {
        // Plain values: whole after a panic elsewhere.
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::new(self.settings.address, 0)
    }

    /// Makes room for a peer, or refuses it.
    fn admit(&self, peer_id: Uuid, claim: Option<Arc<Claim>>) -> Option<mpsc::Receiver<Order>> {
        let mut peers = self.peers();
        if peers.len() >= MAX_PEERS {
            drop(peers);
            let detail = format!("there are {MAX_PEERS} peers already");
            self.refuse(peer_id, PeerRefusal::Full, &detail);
            return None;
        }
        let (orders, receiver) = mpsc::channel(ORDERS);
        let entry = Entry {
            orders,
            claim,
            has_connected: false,
        };
        peers.insert(peer_id, entry);
        Some(receiver)
    }

    fn refuse(&self, peer_id: Uuid, why: PeerRefusal, detail: &str) {
        count(&self.counters.refused, 1);
        (self.report)(PeerReport::Refused {
            peer_id,
            why,
            detail: Text::cut(detail),
        });
    }

    fn order(&self, peer_id: Uuid, order: Order) {
        let peers = self.peers();
        let Some(entry) = peers.get(&peer_id) else {
            return;
        };
        // The last place is kept for the order to leave, which must not be lost behind candidates.
        let is_full = matches!(order, Order::Trickle(_)) && entry.orders.capacity() <= 1;
        if is_full || entry.orders.try_send(order).is_err() {
            tracing::debug!(%peer_id, "a peer has more orders than it can take");
        }
    }

    fn gone(&self, peer_id: Uuid, outcome: Outcome) {
        self.peers().remove(&peer_id);
        match outcome {
            Outcome::Refused(error) => {
                tracing::info!(%peer_id, %error, "an offer was refused");
                self.refuse(peer_id, error.refusal(), &error.to_string());
            }
            Outcome::Over(reason) => {
                tracing::info!(%peer_id, reason, "peer is gone");
                count(&self.counters.closed, 1);
                (self.report)(PeerReport::Closed {
                    peer_id,
                    reason: Text::cut(reason),
                });
            }
        }
    }

    async fn open(
        self: &Arc<Self>,
        peer_id: Uuid,
        offer: &Sdp,
        role: Role,
        orders: mpsc::Receiver<Order>,
    ) -> Outcome {
        let answered = match &role {
            Role::Viewer(_) => self.answer(viewer_offer(offer), &role).await,
            Role::Publisher(_) => self.answer(publisher_offer(offer), &role).await,
        };
        match answered.and_then(|answered| self.tell(peer_id, answered)) {
            Ok((transport, events)) => {
                let peer = Peer {
                    id: peer_id,
                    shared: Arc::clone(self),
                    transport,
                    events,
                    orders,
                    role,
                };
                Outcome::Over(peer.live().await)
            }
            Err(error) => Outcome::Refused(error),
        }
    }

    async fn answer(
        &self,
        offer: Result<Offer, OfferFault>,
        role: &Role,
    ) -> Result<Answered, PeerError> {
        let offer = offer?;
        count(&self.counters.candidates_ignored, offer.candidates_ignored);
        match role {
            Role::Viewer(_) => answer_viewer(&offer, self.address(), &self.counters).await,
            Role::Publisher(_) => answer_publisher(&offer, self.address(), &self.counters).await,
        }
    }

    /// Reports the answer.
    fn tell(
        &self,
        peer_id: Uuid,
        answered: Answered,
    ) -> Result<(Arc<dyn PeerTransport>, TransportEvents), PeerError> {
        let answer = Sdp::parse(&answered.answer)
            .map_err(|fault| PeerError::Transport(format!("its answer: {fault}")))?;
        count(&self.counters.opened, 1);
        (self.report)(PeerReport::Answered { peer_id, answer });
        Ok((Arc::new(answered.peer), answered.events))
    }

    /// Notes that a peer was connected for the first time.
    pub(crate) fn note_connected(&self, peer_id: Uuid) {
        if let Some(entry) = self.peers().get_mut(&peer_id) {
            entry.has_connected = true;
        }
    }
}
