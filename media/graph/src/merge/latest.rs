//! `latest`: each leader packet with the last known value of the other stream.

use crate::merge::PortState;
use crate::node::Emitter;
use crate::packet::{Either, MediaTime, Packet, Payload};
use crate::unit::Join;

/// Settings of a `latest` merge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latest {
    /// A value older than this, in media time against the leader, counts as unknown; `None` never ages.
    pub stale_nanos: Option<u64>,
}

impl Latest {
    /// Values age after `nanos` of media time.
    pub const fn stale_after_nanos(nanos: u64) -> Self {
        Self {
            stale_nanos: Some(nanos),
        }
    }
}

/// The first port leads.
pub(crate) struct JoinLatest<B> {
    settings: Latest,
    known: Option<Packet<B>>,
    leader: PortState,
}

impl<B> JoinLatest<B> {
    pub(crate) fn new(settings: Latest) -> Self {
        Self {
            settings,
            known: None,
            leader: PortState::new(),
        }
    }
}

impl<A: Payload, B: Payload> Join<Either<A, B>, (A, Option<B>)> for JoinLatest<B> {
    fn packet(
        &mut self,
        _port: usize,
        packet: Packet<Either<A, B>>,
        out: &mut Emitter<'_, (A, Option<B>)>,
    ) {
        let Packet { pts, seq, payload } = packet;
        match payload {
            Either::Right(payload) => self.known = Some(Packet { pts, seq, payload }),
            Either::Left(leader) => {
                self.leader.advance(pts);
                let limit = self.settings.stale_nanos.unwrap_or(u64::MAX);
                let fresh = self
                    .known
                    .as_ref()
                    .filter(|known| known.pts > pts || pts.distance_nanos(known.pts) <= limit);
                out.emit(pts, (leader, fresh.map(|known| known.payload.clone())));
            }
        }
    }

    fn bound(&mut self, port: usize, bound: MediaTime, _out: &mut Emitter<'_, (A, Option<B>)>) {
        if port == 0 {
            self.leader.advance(bound);
        }
    }

    fn end(&mut self, port: usize, _out: &mut Emitter<'_, (A, Option<B>)>) -> bool {
        self.leader.ended |= port == 0;
        port == 0
    }

    fn settled(&self) -> MediaTime {
        self.leader.settled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::bench::Bench;

    type M = Either<i32, char>;

    #[test]
    fn leader_gets_the_last_value_until_it_is_stale() {
        let mut bench = Bench::new(JoinLatest::<char>::new(Latest::stale_after_nanos(10)));
        bench.packet(0, 1, M::Left(1));
        bench.packet(1, 2, M::Right('a'));
        bench.packet(0, 3, M::Left(2));
        bench.packet(0, 12, M::Left(3));
        bench.packet(0, 13, M::Left(4));
        let payloads: Vec<_> = bench.out.iter().map(|packet| packet.payload).collect();
        assert_eq!(
            payloads,
            [(1, None), (2, Some('a')), (3, Some('a')), (4, None)]
        );
        assert!(!bench.end::<M>(1));
        assert!(bench.end::<M>(0));
    }
}
