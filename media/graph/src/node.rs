//! What a node is: [`Source`], [`Layer`], [`Sink`], and the contexts they are called with.

use std::any::type_name;
use std::time::{Duration, Instant};

use crate::error::NodeError;
use crate::packet::{MediaTime, Packet, Payload};
use crate::stats::{Counters, DropReason};
use crate::token::StopToken;

/// How a source relates to real time; decides whether the edges behind it may block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Liveness {
    /// A device or peer that does not wait: something behind it must drop.
    Live,
    /// A recording played at its own speed: its edges block and the lag is counted.
    Paced,
    /// A recording read as fast as its consumers take it: its edges block.
    Fast,
}

/// Produces packets. Runs on a thread of its own.
pub trait Source: Send + 'static {
    /// What it produces.
    type Out: Payload;

    /// How it relates to real time; asked once, while the graph is built.
    fn liveness(&self) -> Liveness;

    /// What it is, for statistics and drawings.
    fn kind(&self) -> &'static str {
        short_name(type_name::<Self>())
    }

    /// Opens the device. Called after all consumers have started, and again before each restart: it must
    /// establish fresh state, also after a panic.
    fn start(&mut self, _ctx: &SourceContext) -> Result<(), NodeError> {
        Ok(())
    }

    /// Waits for the next packet; `None` ends the stream. Waits must end when the context's stop token is
    /// raised (return `None` or [`NodeError::Interrupted`]); a source that ignores it is abandoned at the deadline.
    fn next(&mut self, ctx: &SourceContext) -> Result<Option<Packet<Self::Out>>, NodeError>;

    /// Releases the device. Called once, after the last packet.
    fn stop(&mut self) {}
}

/// Turns packets into packets, one at a time and in order.
pub trait Layer: Send + 'static {
    /// What it takes.
    type In: Payload;
    /// What it gives.
    type Out: Payload;

    /// What it is, for statistics and drawings.
    fn kind(&self) -> &'static str {
        short_name(type_name::<Self>())
    }

    /// Prepares the layer. Called on its thread before any source starts, and again before each restart: it
    /// must establish fresh state, also after a panic.
    fn start(&mut self) -> Result<(), NodeError> {
        Ok(())
    }

    /// Processes one packet and emits any number of packets. What was emitted before an error stays delivered.
    fn process(
        &mut self,
        packet: Packet<Self::In>,
        out: &mut Emitter<'_, Self::Out>,
    ) -> Result<(), NodeError>;

    /// Emits what is still held, at the end of the stream.
    fn flush(&mut self, _out: &mut Emitter<'_, Self::Out>) -> Result<(), NodeError> {
        Ok(())
    }

    /// Output bound for an input bound: when nothing earlier than `input` will come in, nothing earlier than the
    /// result will go out. Layers that hold packets back or re-stamp them must override it.
    fn settled(&self, input: MediaTime) -> MediaTime {
        input
    }
}

/// Consumes packets at the end of a branch.
pub trait Sink: Send + 'static {
    /// What it takes.
    type In: Payload;

    /// What it is, for statistics and drawings.
    fn kind(&self) -> &'static str {
        short_name(type_name::<Self>())
    }

    /// Prepares the sink. Called on its thread before any source starts, and again before each restart.
    fn start(&mut self) -> Result<(), NodeError> {
        Ok(())
    }

    /// Consumes one packet.
    fn consume(&mut self, packet: Packet<Self::In>) -> Result<(), NodeError>;

    /// Flushes and closes. Called once at the end of the stream, also when the run is cancelled or has failed.
    fn finish(&mut self) -> Result<(), NodeError> {
        Ok(())
    }
}

/// What a source may ask while it waits.
#[derive(Clone, Debug)]
pub struct SourceContext {
    name: String,
    stop: StopToken,
}

impl SourceContext {
    /// Makes a context; the runtime does this for a run, a test for a source alone.
    pub fn new(name: impl Into<String>, stop: StopToken) -> Self {
        Self {
            name: name.into(),
            stop,
        }
    }

    /// Name of the node in its graph.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The token that is raised when the source must end.
    pub fn stop(&self) -> &StopToken {
        &self.stop
    }

    /// Whether the source must end.
    pub fn is_stopping(&self) -> bool {
        self.stop.is_raised()
    }

    /// Sleeps; returns `false` at once when the source must end.
    pub fn sleep(&self, duration: Duration) -> bool {
        !self.stop.wait(duration)
    }
}

/// Takes the outputs of a layer and hands each on at once; a full blocking edge makes it wait.
pub struct Emitter<'a, T> {
    outlet: &'a mut dyn Emit<T>,
    losses: &'a dyn Losses,
    downstream: Duration,
}

/// Where an emitter delivers.
pub(crate) trait Emit<T> {
    fn emit(&mut self, packet: Packet<T>);
}

/// Who counts what a node drops.
pub(crate) trait Losses {
    fn count_drop(&self, reason: DropReason, pts: MediaTime);
}

impl<T> Emit<T> for Vec<Packet<T>> {
    fn emit(&mut self, mut packet: Packet<T>) {
        packet.seq = self.len() as u64;
        self.push(packet);
    }
}

impl Losses for Counters {
    fn count_drop(&self, reason: DropReason, _pts: MediaTime) {
        self.add_drops(reason, 1);
    }
}

impl<'a, T> Emitter<'a, T> {
    pub(crate) fn new(outlet: &'a mut dyn Emit<T>, losses: &'a dyn Losses) -> Self {
        Self {
            outlet,
            losses,
            downstream: Duration::ZERO,
        }
    }

    /// Puts a packet on the output stream.
    pub fn emit(&mut self, pts: MediaTime, payload: T) {
        let before = Instant::now();
        self.outlet.emit(Packet::new(pts, payload));
        self.downstream += before.elapsed();
    }

    /// Counts a packet that the layer does not pass on, so that the loss is visible.
    pub fn count_drop(&mut self, reason: DropReason, pts: MediaTime) {
        self.losses.count_drop(reason, pts);
    }

    /// Lends this emitter to a layer with another output type.
    pub(crate) fn mapped<U, R>(
        &mut self,
        wrap: impl Fn(U) -> T,
        call: impl FnOnce(&mut Emitter<'_, U>) -> R,
    ) -> R {
        let mut outlet = Wrapped {
            outlet: &mut *self.outlet,
            wrap,
        };
        let mut inner = Emitter::new(&mut outlet, self.losses);
        let result = call(&mut inner);
        self.downstream += inner.downstream;
        result
    }

    /// Time that the consumers took inside `emit`.
    pub(crate) fn downstream(&self) -> Duration {
        self.downstream
    }
}

/// An outlet behind a change of payload.
struct Wrapped<'o, F, T> {
    outlet: &'o mut dyn Emit<T>,
    wrap: F,
}

impl<U, T, F: Fn(U) -> T> Emit<U> for Wrapped<'_, F, T> {
    fn emit(&mut self, packet: Packet<U>) {
        self.outlet.emit(packet.map(&self.wrap));
    }
}

/// Runs a layer without a graph: starts it, gives it all packets, flushes it. For tests of layers.
pub fn run_layer<L: Layer>(
    layer: &mut L,
    packets: impl IntoIterator<Item = Packet<L::In>>,
) -> Result<Vec<Packet<L::Out>>, NodeError> {
    let counters = Counters::default();
    let mut outputs = Vec::new();
    layer.start()?;
    for packet in packets {
        layer.process(packet, &mut Emitter::new(&mut outputs, &counters))?;
    }
    layer.flush(&mut Emitter::new(&mut outputs, &counters))?;
    Ok(outputs)
}

/// `a::b::Fps<u8>` becomes `Fps`.
fn short_name(path: &'static str) -> &'static str {
    let plain = path.split('<').next().unwrap_or(path);
    plain.rsplit("::").next().unwrap_or(plain)
}

#[cfg(test)]
mod tests {
    use super::short_name;

    #[test]
    fn kinds_are_the_last_word_of_the_type() {
        assert_eq!(
            short_name("lsie_graph::nodes::Fps<alloc::vec::Vec<u8>>"),
            "Fps"
        );
        assert_eq!(short_name("Plain"), "Plain");
    }
}
