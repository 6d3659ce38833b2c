//! The life of a peer. Pure: time is an argument.
//!
//! ```text
//! answered ──connected──▶ live ──disconnected──▶ away ──connected──▶ live
//!    │ 15 s                 │                      │ 5 s
//!    └────────────▶ over ◀──┴── failed, closed ◀───┘
//! ```

use std::time::Duration;

/// How long a peer may take to connect.
pub(crate) const CONNECT_LIMIT: Duration = Duration::from_secs(15);
/// How long a peer that is not heard of may take to come back.
pub(crate) const AWAY_LIMIT: Duration = Duration::from_secs(5);

/// Where a peer is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerState {
    /// Answered, not connected yet.
    Answered,
    /// Connected.
    Live,
    /// Not heard of for a while.
    Away,
    /// Gone, and why.
    Over(&'static str),
}

/// What the transport says of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// ICE and DTLS are through.
    Connected,
    /// Nothing was heard for a while.
    Disconnected,
    /// It will not come back.
    Failed,
    /// The other side, or we, closed it.
    Closed,
}

/// A peer's state and when it ends by itself.
#[derive(Debug)]
pub(crate) struct PeerMachine {
    state: PeerState,
    deadline: Option<Duration>,
}

impl PeerMachine {
    pub(crate) fn answered(now: Duration) -> Self {
        Self {
            state: PeerState::Answered,
            deadline: Some(now + CONNECT_LIMIT),
        }
    }

    pub(crate) fn state(&self) -> PeerState {
        self.state
    }

    /// When to call [`PeerMachine::tick`] at the latest.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    pub(crate) fn heard(&mut self, connection: Connection, now: Duration) {
        let (state, deadline) = match (self.state, connection) {
            (PeerState::Over(_), _) => return,
            (_, Connection::Connected) => (PeerState::Live, None),
            (PeerState::Live, Connection::Disconnected) => {
                (PeerState::Away, Some(now + AWAY_LIMIT))
            }
            (_, Connection::Disconnected) => return,
            (PeerState::Answered, Connection::Failed) => (PeerState::Over("never_connected"), None),
            (_, Connection::Failed) => (PeerState::Over("disconnected"), None),
            (_, Connection::Closed) => (PeerState::Over("closed"), None),
        };
        (self.state, self.deadline) = (state, deadline);
    }

    /// Ends a peer whose time is over.
    pub(crate) fn tick(&mut self, now: Duration) {
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            let why = match self.state {
                PeerState::Answered => "never_connected",
                _ => "disconnected",
            };
            self.end(why);
        }
    }

    /// Ends it for a reason of ours.
    pub(crate) fn end(&mut self, why: &'static str) {
        if !matches!(self.state, PeerState::Over(_)) {
            self.state = PeerState::Over(why);
        }
        self.deadline = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_peer_that_never_connects_is_over() {
        let mut peer = PeerMachine::answered(at(0));
        peer.heard(Connection::Disconnected, at(1));
        peer.tick(at(14));
        assert_eq!(peer.state(), PeerState::Answered);
        peer.tick(at(15));
        assert_eq!(peer.state(), PeerState::Over("never_connected"));
        peer.heard(Connection::Connected, at(16));
        assert_eq!(peer.state(), PeerState::Over("never_connected"));
    }

    #[test]
    fn a_peer_may_come_back_for_a_while() {
        let mut peer = PeerMachine::answered(at(0));
        peer.heard(Connection::Connected, at(1));
        assert_eq!(peer.deadline(), None);
        peer.heard(Connection::Disconnected, at(2));
        peer.tick(at(6));
        peer.heard(Connection::Connected, at(6));
        peer.tick(at(60));
        assert_eq!(peer.state(), PeerState::Live);
        peer.heard(Connection::Disconnected, at(61));
        peer.tick(at(66));
        assert_eq!(peer.state(), PeerState::Over("disconnected"));
    }

    #[test]
    fn the_first_reason_stays() {
        let mut peer = PeerMachine::answered(at(0));
        peer.end("requested");
        peer.heard(Connection::Closed, at(1));
        peer.end("session_ended");
        assert_eq!(peer.state(), PeerState::Over("requested"));
    }
}
