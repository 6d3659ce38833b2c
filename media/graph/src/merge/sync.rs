//! `sync`: two streams paired by media time, the nearest within a tolerance.

use std::collections::VecDeque;
use std::marker::PhantomData;

use crate::merge::{DEFAULT_MERGE_LIMIT, PortState};
use crate::node::Emitter;
use crate::packet::{Either, MediaTime, Packet, Payload};
use crate::stats::DropReason;
use crate::unit::Join;

/// Settings of a `sync` merge; the first stream leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pairing {
    /// Largest distance of a pair, in nanoseconds of media time.
    pub tolerance_nanos: u64,
    /// A leader waits until either stream has gone on for this long, in nanoseconds of media time.
    pub max_delay_nanos: u64,
    /// Packets kept per port.
    pub limit: usize,
}

impl Pairing {
    /// Pairs within `tolerance_nanos`, waits up to ten times as long.
    pub const fn within_nanos(tolerance_nanos: u64) -> Self {
        Self {
            tolerance_nanos,
            max_delay_nanos: tolerance_nanos.saturating_mul(10),
            limit: DEFAULT_MERGE_LIMIT,
        }
    }
}

/// What becomes of a leader without partner.
pub(crate) trait Unmatched<A, B>: Send + 'static {
    type Out: Payload;
    fn pair(leader: A, follower: B) -> Self::Out;
    /// `None` drops it.
    fn alone(leader: A) -> Option<Self::Out>;
}

/// It is dropped.
pub(crate) struct DropAlone;

/// It goes out alone.
pub(crate) struct EmitAlone;

impl<A: Payload, B: Payload> Unmatched<A, B> for DropAlone {
    type Out = (A, B);

    fn pair(leader: A, follower: B) -> (A, B) {
        (leader, follower)
    }

    fn alone(_leader: A) -> Option<(A, B)> {
        None
    }
}

impl<A: Payload, B: Payload> Unmatched<A, B> for EmitAlone {
    type Out = (A, Option<B>);

    fn pair(leader: A, follower: B) -> (A, Option<B>) {
        (leader, Some(follower))
    }

    fn alone(leader: A) -> Option<(A, Option<B>)> {
        Some((leader, None))
    }
}

/// Each packet is used at most once; what is passed over is dropped as unpaired.
pub(crate) struct JoinSync<A, B, U> {
    settings: Pairing,
    leaders: VecDeque<Packet<A>>,
    followers: VecDeque<Packet<B>>,
    leader: PortState,
    follower: PortState,
    unmatched: PhantomData<fn() -> U>,
}

impl<A: Payload, B: Payload, U: Unmatched<A, B>> JoinSync<A, B, U> {
    pub(crate) fn new(settings: Pairing) -> Self {
        Self {
            settings: Pairing {
                limit: settings.limit.max(1),
                ..settings
            },
            leaders: VecDeque::new(),
            followers: VecDeque::new(),
            leader: PortState::new(),
            follower: PortState::new(),
            unmatched: PhantomData,
        }
    }

    /// Index of the follower nearest to `pts` and its distance; the earlier one at equal distance.
    fn nearest(&self, pts: MediaTime) -> Option<(usize, u64)> {
        let distances = self
            .followers
            .iter()
            .enumerate()
            .map(|(index, packet)| (index, packet.pts.distance_nanos(pts)));
        distances.min_by_key(|(index, distance)| (*distance, *index))
    }

    fn advance(&mut self, out: &mut Emitter<'_, U::Out>) {
        while let Some(pts) = self.leaders.front().map(|leader| leader.pts) {
            let best = self
                .nearest(pts)
                .filter(|(_, distance)| *distance <= self.settings.tolerance_nanos);
            // Beyond this no nearer follower can come.
            let reach = best.map_or(
                self.settings.tolerance_nanos.saturating_add(1),
                |(_, distance)| distance,
            );
            let horizon = pts.plus_nanos(i64::try_from(reach).unwrap_or(i64::MAX));
            let decided = self.follower.settled() >= horizon;
            let latest = self.leader.bound.max(self.follower.bound);
            let waited =
                pts.plus_nanos(i64::try_from(self.settings.max_delay_nanos).unwrap_or(i64::MAX));
            if !decided && latest < waited && self.leaders.len() <= self.settings.limit {
                return;
            }
            self.release(best.map(|(index, _)| index), out);
        }
    }

    fn release(&mut self, partner: Option<usize>, out: &mut Emitter<'_, U::Out>) {
        let Some(leader) = self.leaders.pop_front() else {
            return;
        };
        let follower = partner.and_then(|index| {
            for passed in self.followers.drain(..index) {
                out.count_drop(DropReason::Unpaired, passed.pts);
            }
            self.followers.pop_front()
        });
        match follower {
            Some(follower) => out.emit(leader.pts, U::pair(leader.payload, follower.payload)),
            None => match U::alone(leader.payload) {
                Some(alone) => out.emit(leader.pts, alone),
                None => out.count_drop(DropReason::Unpaired, leader.pts),
            },
        }
    }

    fn drop_followers_before(&mut self, pts: MediaTime, out: &mut Emitter<'_, U::Out>) {
        while self.followers.front().is_some_and(|first| first.pts < pts) {
            if let Some(first) = self.followers.pop_front() {
                out.count_drop(DropReason::Unpaired, first.pts);
            }
        }
    }

    /// Drops followers that no leader, present or future, can use.
    fn forget(&mut self, out: &mut Emitter<'_, U::Out>) {
        let next = self
            .leaders
            .front()
            .map_or_else(|| self.leader.settled(), |leader| leader.pts);
        let tolerance = i64::try_from(self.settings.tolerance_nanos).unwrap_or(i64::MAX);
        self.drop_followers_before(next.plus_nanos(-tolerance), out);
        while self.followers.len() > self.settings.limit {
            if let Some(oldest) = self.followers.pop_front() {
                out.count_drop(DropReason::Overflow, oldest.pts);
            }
        }
    }
}

impl<A: Payload, B: Payload, U: Unmatched<A, B>> Join<Either<A, B>, U::Out> for JoinSync<A, B, U> {
    fn packet(
        &mut self,
        _port: usize,
        packet: Packet<Either<A, B>>,
        out: &mut Emitter<'_, U::Out>,
    ) {
        let Packet { pts, seq, payload } = packet;
        let state = if matches!(payload, Either::Left(_)) {
            &mut self.leader
        } else {
            &mut self.follower
        };
        if pts < state.bound {
            out.count_drop(DropReason::Late, pts);
            return;
        }
        state.advance(pts);
        match payload {
            Either::Left(payload) => self.leaders.push_back(Packet { pts, seq, payload }),
            Either::Right(payload) => self.followers.push_back(Packet { pts, seq, payload }),
        }
        self.advance(out);
        self.forget(out);
    }

    fn bound(&mut self, port: usize, bound: MediaTime, out: &mut Emitter<'_, U::Out>) {
        let state = if port == 0 {
            &mut self.leader
        } else {
            &mut self.follower
        };
        state.advance(bound);
        self.advance(out);
        self.forget(out);
    }

    fn end(&mut self, port: usize, out: &mut Emitter<'_, U::Out>) -> bool {
        let state = if port == 0 {
            &mut self.leader
        } else {
            &mut self.follower
        };
        state.ended = true;
        self.advance(out);
        self.forget(out);
        self.leader.ended && self.leaders.is_empty()
    }

    fn settled(&self) -> MediaTime {
        self.leaders
            .front()
            .map_or_else(|| self.leader.settled(), |leader| leader.pts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::bench::Bench;

    type M = Either<i32, char>;
    type Strict = JoinSync<i32, char, DropAlone>;
    type Partial = JoinSync<i32, char, EmitAlone>;

    const SETTINGS: Pairing = Pairing {
        tolerance_nanos: 5,
        max_delay_nanos: 100,
        limit: 4,
    };

    #[test]
    fn waits_until_no_nearer_partner_can_come() {
        let mut bench = Bench::new(Strict::new(SETTINGS));
        bench.packet(0, 100, M::Left(1));
        bench.packet(1, 97, M::Right('a'));
        assert!(bench.out.is_empty(), "a nearer one may follow");
        bench.packet(1, 101, M::Right('b'));
        assert_eq!(bench.out[0].payload, (1, 'b'));
        assert_eq!(bench.dropped(), [(DropReason::Unpaired, 1)]);
    }

    #[test]
    fn a_bound_decides_like_a_packet() {
        let mut bench = Bench::new(Partial::new(SETTINGS));
        bench.packet(0, 100, M::Left(1));
        bench.bound::<M>(1, 105);
        assert!(
            bench.out.is_empty(),
            "a packet at 105 would be within the tolerance"
        );
        bench.bound::<M>(1, 106);
        assert_eq!(bench.out[0].payload, (1, None));
    }

    #[test]
    fn a_silent_follower_delays_by_at_most_max_delay() {
        let mut bench = Bench::new(Strict::new(SETTINGS));
        bench.packet(0, 0, M::Left(1));
        bench.packet(0, 99, M::Left(2));
        assert!(bench.dropped().is_empty());
        bench.packet(0, 100, M::Left(3));
        assert_eq!(bench.dropped(), [(DropReason::Unpaired, 1)]);
    }

    #[test]
    fn both_sides_are_bounded() {
        let mut bench = Bench::new(Strict::new(Pairing {
            max_delay_nanos: u64::MAX,
            ..SETTINGS
        }));
        for pts in 0..20 {
            bench.packet(1, pts, M::Right('x'));
        }
        assert_eq!(bench.join.followers.len(), 4);
        assert_eq!(bench.dropped(), [(DropReason::Overflow, 16)]);
    }

    #[test]
    fn the_end_of_the_follower_releases_leaders_and_the_end_of_the_leader_ends_all() {
        let mut bench = Bench::new(Partial::new(SETTINGS));
        bench.packet(0, 10, M::Left(1));
        bench.packet(1, 8, M::Right('a'));
        assert!(!bench.end::<M>(1));
        assert_eq!(bench.out[0].payload, (1, Some('a')));
        bench.packet(0, 50, M::Left(2));
        assert_eq!(bench.out[1].payload, (2, None));
        assert!(bench.end::<M>(0));
    }
}
