//! `ordered`: every packet of every port, in the order of media time; the same result on every run.

use std::collections::VecDeque;

use crate::merge::{DEFAULT_MERGE_LIMIT, PortState};
use crate::node::Emitter;
use crate::packet::{MediaTime, Packet, Payload};
use crate::stats::DropReason;
use crate::unit::Join;

/// Settings of an `ordered` merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ordered {
    /// Packets kept per port while another port is silent; beyond it the oldest goes out without waiting, and
    /// what comes later with an earlier time is dropped as late.
    pub limit: usize,
}

impl Default for Ordered {
    fn default() -> Self {
        Self {
            limit: DEFAULT_MERGE_LIMIT,
        }
    }
}

/// A packet goes out when no port can bring an earlier one; at equal times the lower port goes first.
pub(crate) struct JoinOrdered<M> {
    limit: usize,
    ports: Vec<(PortState, VecDeque<Packet<M>>)>,
    emitted: MediaTime,
}

impl<M: Payload> JoinOrdered<M> {
    pub(crate) fn new(ports: usize, settings: Ordered) -> Self {
        let ports = (0..ports)
            .map(|_| (PortState::new(), VecDeque::new()))
            .collect();
        Self {
            limit: settings.limit.max(1),
            ports,
            emitted: MediaTime::MIN,
        }
    }

    fn advance(&mut self, out: &mut Emitter<'_, M>) {
        loop {
            let heads = self.ports.iter().enumerate();
            let heads = heads
                .filter_map(|(index, (_, queue))| queue.front().map(|packet| (packet.pts, index)));
            let Some((pts, port)) = heads.min() else {
                return;
            };
            let waits = self
                .ports
                .iter()
                .enumerate()
                .any(|(index, (state, queue))| {
                    // A port before ours could still bring a packet of the same time.
                    queue.is_empty()
                        && (state.settled() < pts || (index < port && state.settled() == pts))
                });
            let full = self.ports.iter().any(|(_, queue)| queue.len() > self.limit);
            if waits && !full {
                return;
            }
            let Some(packet) = self
                .ports
                .get_mut(port)
                .and_then(|(_, queue)| queue.pop_front())
            else {
                return;
            };
            self.emitted = pts;
            out.emit(pts, packet.payload);
        }
    }
}

impl<M: Payload> Join<M, M> for JoinOrdered<M> {
    fn packet(&mut self, port: usize, packet: Packet<M>, out: &mut Emitter<'_, M>) {
        let Some((state, queue)) = self.ports.get_mut(port) else {
            return;
        };
        let back = queue.back().map_or(MediaTime::MIN, |last| last.pts);
        if packet.pts < self.emitted.max(back) {
            out.count_drop(DropReason::Late, packet.pts);
            return;
        }
        state.advance(packet.pts);
        queue.push_back(packet);
        self.advance(out);
    }

    fn bound(&mut self, port: usize, bound: MediaTime, out: &mut Emitter<'_, M>) {
        if let Some((state, _)) = self.ports.get_mut(port) {
            state.advance(bound);
        }
        self.advance(out);
    }

    fn end(&mut self, port: usize, out: &mut Emitter<'_, M>) -> bool {
        if let Some((state, _)) = self.ports.get_mut(port) {
            state.ended = true;
        }
        self.advance(out);
        self.ports
            .iter()
            .all(|(state, queue)| state.ended && queue.is_empty())
    }

    fn settled(&self) -> MediaTime {
        let next = |(state, queue): &(PortState, VecDeque<Packet<M>>)| {
            queue
                .front()
                .map_or_else(|| state.settled(), |packet| packet.pts)
        };
        self.ports.iter().map(next).min().unwrap_or(MediaTime::MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::bench::Bench;

    #[test]
    fn arrival_order_does_not_matter() {
        let arrivals = [(0, 10), (0, 20), (1, 5), (1, 20), (0, 30), (1, 25)];
        for rotation in 0..2 {
            let mut bench = Bench::new(JoinOrdered::<(usize, i64)>::new(2, Ordered::default()));
            let mut sorted = arrivals.to_vec();
            if rotation == 1 {
                sorted.sort_by_key(|(port, pts)| (usize::MAX - port, *pts));
            }
            for (port, pts) in sorted {
                bench.packet(port, pts, (port, pts));
            }
            bench.end::<(usize, i64)>(1);
            assert!(bench.end::<(usize, i64)>(0));
            let got: Vec<_> = bench.out.iter().map(|packet| packet.payload).collect();
            assert_eq!(got, [(1, 5), (0, 10), (0, 20), (1, 20), (1, 25), (0, 30)]);
        }
    }

    #[test]
    fn a_bound_releases_what_a_silent_port_held_up() {
        let mut bench = Bench::new(JoinOrdered::<u8>::new(2, Ordered::default()));
        bench.packet(0, 10, 1);
        assert!(bench.times().is_empty());
        bench.bound::<u8>(1, 10);
        assert_eq!(bench.times(), [10]);
        bench.packet(1, 3, 9);
        assert_eq!(bench.dropped(), [(DropReason::Late, 1)]);
    }

    #[test]
    fn a_silent_port_holds_up_a_bounded_number() {
        let mut bench = Bench::new(JoinOrdered::<u8>::new(2, Ordered { limit: 3 }));
        for pts in 0..10 {
            bench.packet(0, pts, 0);
        }
        assert_eq!(bench.times(), [0, 1, 2, 3, 4, 5, 6]);
    }
}
