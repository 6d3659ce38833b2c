//! Sources without a device.

use std::time::Duration;

use crate::error::NodeError;
use crate::node::{Liveness, Source, SourceContext};
use crate::packet::{MediaTime, Packet, Payload};

/// Yields a value at an interval of media time, `count` times or for ever. With an interval it keeps to real time.
#[derive(Clone, Debug)]
pub struct Constant<T> {
    value: T,
    interval: Duration,
    count: Option<u64>,
    made: u64,
}

impl<T: Payload> Constant<T> {
    /// Yields `value` every `interval`; without an interval as fast as it is taken, 1 ns apart.
    pub fn new(value: T, interval: Duration) -> Self {
        Self {
            value,
            interval,
            count: None,
            made: 0,
        }
    }

    /// Ends after `count` packets.
    #[must_use]
    pub fn count(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }
}

impl<T: Payload> Source for Constant<T> {
    type Out = T;

    fn liveness(&self) -> Liveness {
        if self.interval.is_zero() {
            Liveness::Fast
        } else {
            Liveness::Paced
        }
    }

    fn start(&mut self, _ctx: &SourceContext) -> Result<(), NodeError> {
        self.made = 0;
        Ok(())
    }

    fn next(&mut self, ctx: &SourceContext) -> Result<Option<Packet<T>>, NodeError> {
        if self.count.is_some_and(|count| self.made >= count) {
            return Ok(None);
        }
        if !self.interval.is_zero() && !ctx.sleep(self.interval) {
            return Ok(None);
        }
        let step = i64::try_from(self.interval.as_nanos())
            .unwrap_or(i64::MAX)
            .max(1);
        let pts = MediaTime(step.saturating_mul(i64::try_from(self.made).unwrap_or(i64::MAX)));
        self.made += 1;
        Ok(Some(Packet::new(pts, self.value.clone())))
    }
}

/// Yields prepared packets, as fast as they are taken.
#[derive(Clone, Debug)]
pub struct Replay<T> {
    packets: Vec<Packet<T>>,
    next: usize,
    liveness: Liveness,
}

impl<T: Payload> Replay<T> {
    /// Yields `packets` in their order.
    pub fn new(packets: impl IntoIterator<Item = Packet<T>>) -> Self {
        Self {
            packets: packets.into_iter().collect(),
            next: 0,
            liveness: Liveness::Fast,
        }
    }

    /// States another liveness, to try how a graph treats it.
    #[must_use]
    pub fn as_if(mut self, liveness: Liveness) -> Self {
        self.liveness = liveness;
        self
    }
}

impl<T: Payload> Source for Replay<T> {
    type Out = T;

    fn liveness(&self) -> Liveness {
        self.liveness
    }

    fn next(&mut self, _ctx: &SourceContext) -> Result<Option<Packet<T>>, NodeError> {
        let packet = self.packets.get(self.next).cloned();
        self.next += 1;
        Ok(packet)
    }
}
