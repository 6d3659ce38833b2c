//! Merges (pipeline 2.2): several streams become one, by a rule with a bound on everything it keeps.

mod all;
mod any;
mod latest;
mod many;
mod ordered;
mod sync;

pub(crate) use all::{JoinAll, JoinAllOf};
pub(crate) use any::JoinAny;
pub(crate) use latest::JoinLatest;
pub use latest::Latest;
pub(crate) use many::{JoinLatestOf, JoinSyncOf};
pub(crate) use ordered::JoinOrdered;
pub use ordered::Ordered;
pub use sync::Pairing;
pub(crate) use sync::{DropAlone, EmitAlone, JoinSync};

/// Packets a merge keeps per port unless told otherwise.
pub const DEFAULT_MERGE_LIMIT: usize = 64;

use crate::packet::MediaTime;

/// What is known about one port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortState {
    pub(crate) bound: MediaTime,
    pub(crate) ended: bool,
}

impl PortState {
    pub(crate) fn new() -> Self {
        Self {
            bound: MediaTime::MIN,
            ended: false,
        }
    }

    pub(crate) fn advance(&mut self, bound: MediaTime) {
        self.bound = self.bound.max(bound);
    }

    /// Nothing earlier than this will come.
    pub(crate) fn settled(&self) -> MediaTime {
        if self.ended {
            MediaTime::MAX
        } else {
            self.bound
        }
    }
}

#[cfg(test)]
pub(crate) mod bench {
    //! Drives a rule without a graph.

    use super::super::node::Emitter;
    use super::super::packet::{MediaTime, Packet};
    use super::super::stats::{Counters, DropReason};
    use super::super::unit::Join;

    pub(crate) struct Bench<J, O> {
        pub(crate) join: J,
        pub(crate) out: Vec<Packet<O>>,
        pub(crate) counters: Counters,
    }

    impl<J, O> Bench<J, O> {
        pub(crate) fn new(join: J) -> Self {
            Self {
                join,
                out: Vec::new(),
                counters: Counters::default(),
            }
        }

        pub(crate) fn packet<M>(&mut self, port: usize, pts: i64, payload: M)
        where
            J: Join<M, O>,
        {
            let packet = Packet::new(MediaTime(pts), payload);
            self.join.packet(
                port,
                packet,
                &mut Emitter::new(&mut self.out, &self.counters),
            );
        }

        pub(crate) fn bound<M>(&mut self, port: usize, pts: i64)
        where
            J: Join<M, O>,
        {
            self.join.bound(
                port,
                MediaTime(pts),
                &mut Emitter::new(&mut self.out, &self.counters),
            );
        }

        pub(crate) fn end<M>(&mut self, port: usize) -> bool
        where
            J: Join<M, O>,
        {
            self.join
                .end(port, &mut Emitter::new(&mut self.out, &self.counters))
        }

        pub(crate) fn dropped(&self) -> Vec<(DropReason, u64)> {
            self.counters.dropped()
        }

        pub(crate) fn times(&self) -> Vec<i64> {
            self.out.iter().map(|packet| packet.pts.0).collect()
        }
    }
}
