//! A bounded delay line in media time.

use std::collections::VecDeque;

use crate::error::NodeError;
use crate::node::{Emitter, Layer};
use crate::packet::{MediaTime, Packet, Payload};
use crate::stats::DropReason;

/// Holds each packet until the stream has gone on by the delay; times stay as they are. The line is bounded:
/// when it is full the oldest packet is dropped as overflow. At the end of the stream the rest goes out.
pub struct Delay<T> {
    by_nanos: u64,
    capacity: usize,
    line: VecDeque<Packet<T>>,
}

impl<T> Delay<T> {
    /// Delays by `delay_nanos` of media time, holding at most `capacity` packets (at least one).
    pub fn new(delay_nanos: u64, capacity: usize) -> Self {
        Self {
            by_nanos: delay_nanos,
            capacity: capacity.max(1),
            line: VecDeque::new(),
        }
    }

    fn due(&self, now: MediaTime) -> MediaTime {
        now.plus_nanos(i64::try_from(self.by_nanos).map_or(i64::MIN, |nanos| -nanos))
    }
}

impl<T: Payload> Layer for Delay<T> {
    type In = T;
    type Out = T;

    fn start(&mut self) -> Result<(), NodeError> {
        self.line.clear();
        Ok(())
    }

    fn process(&mut self, packet: Packet<T>, out: &mut Emitter<'_, T>) -> Result<(), NodeError> {
        let due = self.due(packet.pts);
        self.line.push_back(packet);
        while self.line.front().is_some_and(|first| first.pts <= due) {
            if let Some(first) = self.line.pop_front() {
                out.emit(first.pts, first.payload);
            }
        }
        if self.line.len() > self.capacity
            && let Some(oldest) = self.line.pop_front()
        {
            out.count_drop(DropReason::Overflow, oldest.pts);
        }
        Ok(())
    }

    fn flush(&mut self, out: &mut Emitter<'_, T>) -> Result<(), NodeError> {
        for packet in self.line.drain(..) {
            out.emit(packet.pts, packet.payload);
        }
        Ok(())
    }

    fn settled(&self, input: MediaTime) -> MediaTime {
        self.line
            .front()
            .map_or(input, |first| first.pts.min(input))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::run_layer;
    use crate::stats::Counters;

    #[test]
    fn packets_come_out_in_order_after_the_delay_and_at_the_end() {
        let mut delay = Delay::new(30, 10);
        let counters = Counters::default();
        let mut out = Vec::new();
        for pts in [0, 10, 20, 30, 40] {
            delay
                .process(
                    Packet::new(MediaTime(pts), pts),
                    &mut Emitter::new(&mut out, &counters),
                )
                .unwrap();
        }
        assert_eq!(
            out.iter().map(|packet| packet.payload).collect::<Vec<_>>(),
            [0, 10]
        );
        assert_eq!(delay.settled(MediaTime(40)), MediaTime(20));
        let all = run_layer(
            &mut delay,
            (0..5).map(|pts| Packet::new(MediaTime(pts), pts)),
        )
        .unwrap();
        assert_eq!(all.len(), 5);
    }

    #[test]
    fn a_full_line_drops_its_oldest() {
        let mut delay = Delay::new(u64::MAX, 3);
        let kept = run_layer(
            &mut delay,
            (0..10).map(|pts| Packet::new(MediaTime(pts), pts)),
        )
        .unwrap();
        assert_eq!(
            kept.iter().map(|packet| packet.payload).collect::<Vec<_>>(),
            [7, 8, 9]
        );
    }
}
