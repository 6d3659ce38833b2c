//! A source that is pushed from code outside of the graph: callbacks, sockets, tests.

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded, select};
use std::time::Duration;

use crate::error::NodeError;
use crate::node::{Liveness, Source, SourceContext};
use crate::packet::{Packet, Payload};

/// The end that code pushes into; clones share the stream, and it ends when all of them are gone.
#[derive(Clone, Debug)]
pub struct ChannelInput<T> {
    sender: Sender<Packet<T>>,
}

/// The end that goes into the graph.
#[derive(Debug)]
pub struct ChannelSource<T> {
    liveness: Liveness,
    receiver: Option<Receiver<Packet<T>>>,
}

/// The packet was not taken; it comes back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError<T> {
    /// The channel is full: wait, drop, or count.
    #[error("the graph has not taken the packets before")]
    Full(Packet<T>),
    /// The graph has ended: stop pushing.
    #[error("the graph has ended")]
    Ended(Packet<T>),
}

/// A source fed from outside. `capacity` packets wait at most (at least 1); a live pusher uses
/// [`ChannelInput::try_push`] and counts its own refusals.
pub fn channel_source<T: Payload>(
    capacity: usize,
    liveness: Liveness,
) -> (ChannelInput<T>, ChannelSource<T>) {
    let (sender, receiver) = bounded(capacity.max(1));
    (
        ChannelInput { sender },
        ChannelSource {
            liveness,
            receiver: Some(receiver),
        },
    )
}

impl<T> ChannelInput<T> {
    /// Hands over a packet without waiting.
    pub fn try_push(&self, packet: Packet<T>) -> Result<(), PushError<T>> {
        self.sender.try_send(packet).map_err(|error| match error {
            TrySendError::Full(packet) => PushError::Full(packet),
            TrySendError::Disconnected(packet) => PushError::Ended(packet),
        })
    }

    /// Hands over a packet, waiting for room.
    pub fn push(&self, packet: Packet<T>) -> Result<(), PushError<T>> {
        self.sender
            .send(packet)
            .map_err(|error| PushError::Ended(error.0))
    }

    /// Packets that the graph has not taken yet.
    pub fn waiting(&self) -> usize {
        self.sender.len()
    }
}

impl<T: Payload> Source for ChannelSource<T> {
    type Out = T;

    fn liveness(&self) -> Liveness {
        self.liveness
    }

    fn next(&mut self, ctx: &SourceContext) -> Result<Option<Packet<T>>, NodeError> {
        let Some(receiver) = &self.receiver else {
            return Ok(None);
        };
        select! {
            recv(receiver) -> packet => Ok(packet.ok()),
            recv(ctx.stop().channel()) -> _ => Ok(receiver.try_recv().ok()),
        }
    }

    fn stop(&mut self) {
        // Pushers learn that nobody listens any more.
        self.receiver = None;
    }
}

impl<T> ChannelSource<T> {
    /// Takes one packet outside of a graph, waiting at most `timeout`; for tests of pushers.
    pub fn take(&self, timeout: Duration) -> Option<Packet<T>> {
        self.receiver.as_ref()?.recv_timeout(timeout).ok()
    }
}
