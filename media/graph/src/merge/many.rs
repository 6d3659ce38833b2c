//! `sync` and `latest` for any number of streams of one type, with any of them as the leader.

use std::collections::VecDeque;

use crate::merge::{Latest, Pairing, PortState};
use crate::node::Emitter;
use crate::packet::{MediaTime, Packet, Payload};
use crate::stats::DropReason;
use crate::unit::Join;

/// What is known and kept of one port.
struct Port<T> {
    state: PortState,
    queue: VecDeque<Packet<T>>,
}

impl<T> Port<T> {
    fn new() -> Self {
        Self {
            state: PortState::new(),
            queue: VecDeque::new(),
        }
    }

    /// Index of the packet nearest to `pts` and its distance; the earlier one at equal distance.
    fn nearest(&self, pts: MediaTime, tolerance_nanos: u64) -> Option<(usize, u64)> {
        let distances = self
            .queue
            .iter()
            .enumerate()
            .map(|(index, packet)| (index, packet.pts.distance_nanos(pts)));
        distances
            .filter(|(_, distance)| *distance <= tolerance_nanos)
            .min_by_key(|(index, distance)| (*distance, *index))
    }

    /// Whether nothing nearer to `pts` than what is here can still come.
    fn is_decided(&self, pts: MediaTime, tolerance_nanos: u64) -> bool {
        let reach = self
            .nearest(pts, tolerance_nanos)
            .map_or(tolerance_nanos.saturating_add(1), |(_, distance)| distance);
        self.state.settled() >= pts.plus_nanos(clamped(reach))
    }

    fn forget_before<O>(&mut self, pts: MediaTime, limit: usize, out: &mut Emitter<'_, O>) {
        while let Some(first) = self.queue.front() {
            let reason = if first.pts < pts {
                DropReason::Unpaired
            } else if self.queue.len() > limit {
                DropReason::Overflow
            } else {
                return;
            };
            out.count_drop(reason, first.pts);
            self.queue.pop_front();
        }
    }
}

/// Each packet of the leader with the nearest of every other port. A packet is used at most once.
pub(crate) struct JoinSyncOf<T> {
    settings: Pairing,
    leader: usize,
    partial: bool,
    ports: Vec<Port<T>>,
}

impl<T: Payload> JoinSyncOf<T> {
    /// With `partial`, a leader goes out with whoever is there; otherwise it is dropped unless all are.
    pub(crate) fn new(ports: usize, leader: usize, partial: bool, settings: Pairing) -> Self {
        Self {
            settings: Pairing {
                limit: settings.limit.max(1),
                ..settings
            },
            leader: leader.min(ports.saturating_sub(1)),
            partial,
            ports: (0..ports).map(|_| Port::new()).collect(),
        }
    }

    fn followers(&self) -> impl Iterator<Item = &Port<T>> {
        let leader = self.leader;
        self.ports
            .iter()
            .enumerate()
            .filter(move |(index, _)| *index != leader)
            .map(|(_, port)| port)
    }

    fn advance(&mut self, out: &mut Emitter<'_, Vec<Option<T>>>) {
        loop {
            let Some(lead) = self.ports.get(self.leader) else {
                return;
            };
            let Some(pts) = lead.queue.front().map(|packet| packet.pts) else {
                break;
            };
            let tolerance = self.settings.tolerance_nanos;
            let decided = self.followers().all(|port| port.is_decided(pts, tolerance));
            let latest = self.ports.iter().map(|port| port.state.bound).max();
            let waited = latest >= Some(pts.plus_nanos(clamped(self.settings.max_delay_nanos)));
            if !decided && !waited && lead.queue.len() <= self.settings.limit {
                break;
            }
            self.release(out);
        }
        self.forget(out);
    }

    fn release(&mut self, out: &mut Emitter<'_, Vec<Option<T>>>) {
        let Some(lead) = self
            .ports
            .get_mut(self.leader)
            .and_then(|port| port.queue.pop_front())
        else {
            return;
        };
        let tolerance = self.settings.tolerance_nanos;
        let partners: Vec<_> = self
            .ports
            .iter()
            .map(|port| port.nearest(lead.pts, tolerance).map(|(index, _)| index))
            .collect();
        let missing = partners
            .iter()
            .enumerate()
            .any(|(port, partner)| port != self.leader && partner.is_none());
        if missing && !self.partial {
            out.count_drop(DropReason::Unpaired, lead.pts);
            return;
        }
        let (pts, mut leading) = (lead.pts, Some(lead.payload));
        let mut row = Vec::with_capacity(self.ports.len());
        for (index, (port, partner)) in self.ports.iter_mut().zip(partners).enumerate() {
            if index == self.leader {
                row.push(leading.take());
                continue;
            }
            let found = partner.and_then(|at| {
                for passed in port.queue.drain(..at) {
                    out.count_drop(DropReason::Unpaired, passed.pts);
                }
                port.queue.pop_front()
            });
            row.push(found.map(|packet| packet.payload));
        }
        out.emit(pts, row);
    }

    fn forget(&mut self, out: &mut Emitter<'_, Vec<Option<T>>>) {
        let Some(lead) = self.ports.get(self.leader) else {
            return;
        };
        let next = lead
            .queue
            .front()
            .map_or_else(|| lead.state.settled(), |packet| packet.pts);
        let too_old = next.plus_nanos(-clamped(self.settings.tolerance_nanos));
        let (leader, limit) = (self.leader, self.settings.limit);
        for (index, port) in self.ports.iter_mut().enumerate() {
            if index != leader {
                port.forget_before(too_old, limit, out);
            }
        }
    }
}

impl<T: Payload> Join<(usize, T), Vec<Option<T>>> for JoinSyncOf<T> {
    fn packet(
        &mut self,
        port: usize,
        packet: Packet<(usize, T)>,
        out: &mut Emitter<'_, Vec<Option<T>>>,
    ) {
        let packet = packet.map(|(_, payload)| payload);
        if let Some(port) = self.ports.get_mut(port) {
            if packet.pts < port.state.bound {
                out.count_drop(DropReason::Late, packet.pts);
                return;
            }
            port.state.advance(packet.pts);
            port.queue.push_back(packet);
        }
        self.advance(out);
    }

    fn bound(&mut self, port: usize, bound: MediaTime, out: &mut Emitter<'_, Vec<Option<T>>>) {
        if let Some(port) = self.ports.get_mut(port) {
            port.state.advance(bound);
        }
        self.advance(out);
    }

    fn end(&mut self, port: usize, out: &mut Emitter<'_, Vec<Option<T>>>) -> bool {
        if let Some(port) = self.ports.get_mut(port) {
            port.state.ended = true;
        }
        self.advance(out);
        self.ports
            .get(self.leader)
            .is_none_or(|lead| lead.state.ended && lead.queue.is_empty())
    }

    fn settled(&self) -> MediaTime {
        self.ports.get(self.leader).map_or(MediaTime::MIN, |lead| {
            lead.queue
                .front()
                .map_or_else(|| lead.state.settled(), |packet| packet.pts)
        })
    }
}

/// Each packet of the leader with the last known one of every other port.
pub(crate) struct JoinLatestOf<T> {
    settings: Latest,
    leader: usize,
    lead: PortState,
    known: Vec<Option<Packet<T>>>,
}

impl<T: Payload> JoinLatestOf<T> {
    pub(crate) fn new(ports: usize, leader: usize, settings: Latest) -> Self {
        Self {
            settings,
            leader: leader.min(ports.saturating_sub(1)),
            lead: PortState::new(),
            known: (0..ports).map(|_| None).collect(),
        }
    }
}

impl<T: Payload> Join<(usize, T), Vec<Option<T>>> for JoinLatestOf<T> {
    fn packet(
        &mut self,
        port: usize,
        packet: Packet<(usize, T)>,
        out: &mut Emitter<'_, Vec<Option<T>>>,
    ) {
        let packet = packet.map(|(_, payload)| payload);
        let pts = packet.pts;
        if let Some(slot) = self.known.get_mut(port) {
            *slot = Some(packet);
        }
        if port != self.leader {
            return;
        }
        self.lead.advance(pts);
        let limit = self.settings.stale_nanos.unwrap_or(u64::MAX);
        let fresh = |known: &Packet<T>| known.pts > pts || pts.distance_nanos(known.pts) <= limit;
        let row = self.known.iter().map(|known| {
            let known = known.as_ref().filter(|known| fresh(known))?;
            Some(known.payload.clone())
        });
        out.emit(pts, row.collect());
    }

    fn bound(&mut self, port: usize, bound: MediaTime, _out: &mut Emitter<'_, Vec<Option<T>>>) {
        if port == self.leader {
            self.lead.advance(bound);
        }
    }

    fn end(&mut self, port: usize, _out: &mut Emitter<'_, Vec<Option<T>>>) -> bool {
        self.lead.ended |= port == self.leader;
        port == self.leader
    }

    fn settled(&self) -> MediaTime {
        self.lead.settled()
    }
}

fn clamped(nanos: u64) -> i64 {
    i64::try_from(nanos).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::bench::Bench;

    const SETTINGS: Pairing = Pairing {
        tolerance_nanos: 5,
        max_delay_nanos: 100,
        limit: 4,
    };

    #[test]
    fn the_second_of_three_streams_may_lead() {
        let mut bench = Bench::new(JoinSyncOf::<char>::new(3, 1, false, SETTINGS));
        bench.packet(0, 98, (0, 'a'));
        bench.packet(2, 103, (2, 'c'));
        bench.packet(1, 100, (1, 'b'));
        assert!(bench.out.is_empty(), "a nearer one may follow");
        bench.bound::<(usize, char)>(0, 102);
        assert_eq!(bench.times(), [100]);
        assert_eq!(bench.out[0].payload, [Some('a'), Some('b'), Some('c')]);
    }

    #[test]
    fn a_row_with_a_gap_goes_out_only_when_it_may() {
        for (partial, rows) in [(false, 0), (true, 1)] {
            let mut bench = Bench::new(JoinSyncOf::<char>::new(2, 0, partial, SETTINGS));
            bench.packet(0, 10, (0, 'a'));
            bench.packet(1, 50, (1, 'z'));
            assert_eq!(bench.out.len(), rows);
            assert_eq!(
                bench.dropped(),
                if partial {
                    vec![]
                } else {
                    vec![(DropReason::Unpaired, 1)]
                }
            );
            assert!(bench.end::<(usize, char)>(0));
        }
    }

    #[test]
    fn a_silent_leader_costs_a_bounded_number_of_packets() {
        let mut bench = Bench::new(JoinSyncOf::<char>::new(2, 1, false, SETTINGS));
        for pts in 0..20 {
            bench.packet(0, pts, (0, 'x'));
        }
        assert_eq!(bench.join.ports[0].queue.len(), 4);
        assert_eq!(bench.dropped(), [(DropReason::Overflow, 16)]);
    }

    #[test]
    fn the_latest_of_every_port_goes_with_the_leader_until_it_is_stale() {
        let latest = Latest::stale_after_nanos(10);
        let mut bench = Bench::new(JoinLatestOf::<char>::new(3, 2, latest));
        bench.packet(0, 1, (0, 'a'));
        bench.packet(2, 2, (2, 'x'));
        bench.packet(1, 3, (1, 'b'));
        bench.packet(2, 12, (2, 'y'));
        assert_eq!(bench.out[0].payload, [Some('a'), None, Some('x')]);
        assert_eq!(bench.out[1].payload, [None, Some('b'), Some('y')]);
        assert!(!bench.end::<(usize, char)>(0));
        assert!(bench.end::<(usize, char)>(2));
    }
}
