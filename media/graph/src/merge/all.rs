//! `all`: first with first, second with second, whatever their times say.

use std::collections::VecDeque;

use crate::node::Emitter;
use crate::packet::{Either, MediaTime, Packet, Payload};
use crate::stats::DropReason;
use crate::unit::Join;

/// Pairs two streams by order of arrival; keeps at most `limit` waiting packets per port.
pub(crate) struct JoinAll<A, B> {
    left: Waiting<A>,
    right: Waiting<B>,
}

/// The same for any number of streams of one type.
pub(crate) struct JoinAllOf<T> {
    ports: Vec<Waiting<T>>,
}

struct Waiting<T> {
    queue: VecDeque<Packet<T>>,
    limit: usize,
    ended: bool,
}

impl<T> Waiting<T> {
    fn new(limit: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            limit: limit.max(1),
            ended: false,
        }
    }

    fn push<O>(&mut self, packet: Packet<T>, out: &mut Emitter<'_, O>) {
        if self.queue.len() >= self.limit
            && let Some(oldest) = self.queue.pop_front()
        {
            out.count_drop(DropReason::Unpaired, oldest.pts);
        }
        self.queue.push_back(packet);
    }

    fn is_exhausted(&self) -> bool {
        self.ended && self.queue.is_empty()
    }

    fn drop_all<O>(&mut self, out: &mut Emitter<'_, O>) {
        for packet in self.queue.drain(..) {
            out.count_drop(DropReason::Unpaired, packet.pts);
        }
    }
}

impl<A, B> JoinAll<A, B> {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            left: Waiting::new(limit),
            right: Waiting::new(limit),
        }
    }
}

impl<A: Payload, B: Payload> Join<Either<A, B>, (A, B)> for JoinAll<A, B> {
    fn packet(
        &mut self,
        _port: usize,
        packet: Packet<Either<A, B>>,
        out: &mut Emitter<'_, (A, B)>,
    ) {
        let Packet { pts, seq, payload } = packet;
        match payload {
            Either::Left(payload) => self.left.push(Packet { pts, seq, payload }, out),
            Either::Right(payload) => self.right.push(Packet { pts, seq, payload }, out),
        }
        if self.left.queue.is_empty() || self.right.queue.is_empty() {
            return;
        }
        if let (Some(left), Some(right)) =
            (self.left.queue.pop_front(), self.right.queue.pop_front())
        {
            out.emit(left.pts, (left.payload, right.payload));
        }
    }

    fn bound(&mut self, _port: usize, _bound: MediaTime, _out: &mut Emitter<'_, (A, B)>) {}

    fn end(&mut self, port: usize, out: &mut Emitter<'_, (A, B)>) -> bool {
        if port == 0 {
            self.left.ended = true;
        } else {
            self.right.ended = true;
        }
        let over = self.left.is_exhausted() || self.right.is_exhausted();
        if over {
            self.left.drop_all(out);
            self.right.drop_all(out);
        }
        over
    }

    fn settled(&self) -> MediaTime {
        // Pairing by arrival promises nothing about times.
        MediaTime::MIN
    }
}

impl<T> JoinAllOf<T> {
    pub(crate) fn new(ports: usize, limit: usize) -> Self {
        Self {
            ports: (0..ports).map(|_| Waiting::new(limit)).collect(),
        }
    }
}

impl<T: Payload> Join<(usize, T), Vec<T>> for JoinAllOf<T> {
    fn packet(&mut self, port: usize, packet: Packet<(usize, T)>, out: &mut Emitter<'_, Vec<T>>) {
        if let Some(waiting) = self.ports.get_mut(port) {
            waiting.push(packet.map(|(_, payload)| payload), out);
        }
        if self.ports.iter().any(|waiting| waiting.queue.is_empty()) {
            return;
        }
        let row: Vec<Packet<T>> = self
            .ports
            .iter_mut()
            .filter_map(|waiting| waiting.queue.pop_front())
            .collect();
        if let Some(pts) = row.first().map(|packet| packet.pts) {
            out.emit(pts, row.into_iter().map(|packet| packet.payload).collect());
        }
    }

    fn bound(&mut self, _port: usize, _bound: MediaTime, _out: &mut Emitter<'_, Vec<T>>) {}

    fn end(&mut self, port: usize, out: &mut Emitter<'_, Vec<T>>) -> bool {
        if let Some(waiting) = self.ports.get_mut(port) {
            waiting.ended = true;
        }
        let over = self.ports.iter().any(Waiting::is_exhausted);
        if over {
            for waiting in &mut self.ports {
                waiting.drop_all(out);
            }
        }
        over
    }

    fn settled(&self) -> MediaTime {
        MediaTime::MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::bench::Bench;

    type M = Either<i32, char>;

    #[test]
    fn pairs_by_arrival_and_keeps_the_first_port_s_time() {
        let mut bench = Bench::new(JoinAll::<i32, char>::new(8));
        bench.packet(0, 10, M::Left(1));
        bench.packet(0, 20, M::Left(2));
        bench.packet(1, 99, M::Right('a'));
        bench.packet(1, 98, M::Right('b'));
        assert_eq!(bench.times(), [10, 20]);
        assert_eq!(bench.out[1].payload, (2, 'b'));
    }

    #[test]
    fn a_stalled_port_costs_a_bounded_number_of_packets() {
        let mut bench = Bench::new(JoinAll::<i32, char>::new(4));
        for index in 0..10 {
            bench.packet(0, index, M::Left(0));
        }
        assert_eq!(bench.dropped(), [(DropReason::Unpaired, 6)]);
        assert!(bench.end(1));
        assert_eq!(bench.dropped(), [(DropReason::Unpaired, 10)]);
    }

    #[test]
    fn the_end_of_a_port_still_lets_its_queue_pair() {
        let mut bench = Bench::new(JoinAllOf::<i32>::new(2, 4));
        bench.packet(0, 1, (0, 5));
        assert!(!bench.end(0));
        bench.packet(1, 2, (1, 6));
        assert_eq!(bench.out[0].payload, [5, 6]);
        assert!(bench.end(1));
    }
}
