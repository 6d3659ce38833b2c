//! The task of one peer: follows its connection, obeys orders, and lets everything go when it is over.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use crate::broadcast::Broadcast;
use crate::counters::count;
use crate::host::{Order, Shared};
use crate::machine::{Connection, PeerMachine, PeerState};
use crate::offer::{MAX_CANDIDATES, candidates};
use crate::publish::{Claim, take_media};
use crate::transport::{PeerTransport, TransportEvents};
use crate::viewer::{send_live, send_media};

/// What a peer is there for.
pub(crate) enum Role {
    Viewer(Arc<Broadcast>),
    Publisher(Arc<Claim>),
}

/// A peer that was answered.
pub(crate) struct Peer {
    pub(crate) id: Uuid,
    pub(crate) shared: Arc<Shared>,
    pub(crate) transport: Arc<dyn PeerTransport>,
    pub(crate) events: TransportEvents,
    pub(crate) orders: mpsc::Receiver<Order>,
    pub(crate) role: Role,
}

/// Why a part of a peer's work ended; `None` when the peer goes on without it.
type Ended = Option<&'static str>;

enum Step {
    Connection(Option<Connection>),
    Asked,
    Order(Option<Order>),
    Ended(Ended),
    Deadline,
}

impl Peer {
    /// Runs until the peer is over, closes it, and gives the reason.
    pub(crate) async fn live(mut self) -> &'static str {
        let origin = Instant::now();
        let mut machine = PeerMachine::answered(Duration::ZERO);
        let mut work: JoinSet<Ended> = JoinSet::new();
        let mut has_begun = false;
        let mut room = MAX_CANDIDATES;
        let reason = loop {
            match machine.state() {
                PeerState::Over(reason) => break reason,
                PeerState::Live if !has_begun => {
                    has_begun = true;
                    self.shared.note_connected(self.id);
                    if let Some(reason) = self.begin(&mut work) {
                        machine.end(reason);
                    }
                }
                PeerState::Answered | PeerState::Live | PeerState::Away => {}
            }
            let step = self
                .next(&mut work, machine.deadline().map(|d| origin + d))
                .await;
            match step {
                Step::Connection(Some(heard)) => machine.heard(heard, origin.elapsed()),
                Step::Connection(None) | Step::Order(None) => machine.end("closed"),
                Step::Asked => self.asked(),
                Step::Order(Some(Order::Trickle(fragment))) => {
                    let (found, ignored) = candidates(&fragment, room);
                    room -= found.len();
                    count(&self.shared.counters.candidates_ignored, ignored);
                    for candidate in found {
                        if let Err(error) = self.transport.add_candidate(candidate).await {
                            tracing::debug!(%error, "a candidate was not taken");
                        }
                    }
                }
                Step::Order(Some(Order::Close(why))) | Step::Ended(Some(why)) => machine.end(why),
                Step::Ended(None) => {}
                Step::Deadline => machine.tick(origin.elapsed()),
            }
        };
        // What works for the peer lets go of it first.
        work.shutdown().await;
        self.transport.close().await;
        reason
    }

    async fn next(&mut self, work: &mut JoinSet<Ended>, deadline: Option<Instant>) -> Step {
        let late = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = self.events.connection.changed() => match changed {
                Ok(()) => match *self.events.connection.borrow_and_update() {
                    Some(connection) => Step::Connection(Some(connection)),
                    None => Step::Ended(None),
                },
                Err(_) => Step::Connection(None),
            },
            Some(_) = self.events.requests.recv() => Step::Asked,
            order = self.orders.recv() => Step::Order(order),
            Some(ended) = work.join_next() => Step::Ended(ended.unwrap_or(Some("failed"))),
            () = late => Step::Deadline,
        }
    }

    /// Starts what the peer is there for; a reason when there is nothing any more.
    fn begin(&mut self, work: &mut JoinSet<Ended>) -> Ended {
        match &self.role {
            Role::Viewer(broadcast) => {
                let Some(subscription) = broadcast.subscribe() else {
                    return Some("session_ended");
                };
                let subscription = Arc::new(subscription);
                let counters = Arc::clone(&self.shared.counters);
                let (transport, watched) = (Arc::clone(&self.transport), Arc::clone(&subscription));
                work.spawn(async move { Some(send_media(transport, watched, counters).await) });
                let transport = Arc::clone(&self.transport);
                work.spawn(async move {
                    if let Err(error) = send_live(transport, subscription).await {
                        tracing::debug!(%error, "a viewer takes no observations");
                    }
                    None
                });
                None
            }
            Role::Publisher(claim) => {
                let media = self.events.media.take()?;
                let counters = Arc::clone(&self.shared.counters);
                let (transport, claim) = (Arc::clone(&self.transport), Arc::clone(claim));
                work.spawn(
                    async move { Some(take_media(transport, media, claim, counters).await) },
                );
                None
            }
        }
    }

    fn asked(&self) {
        if let Role::Viewer(broadcast) = &self.role {
            broadcast.ask_key_frame();
        }
    }
}
