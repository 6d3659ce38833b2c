//! Closures as nodes.

use std::marker::PhantomData;

use crate::error::NodeError;
use crate::node::{Emitter, Layer, Liveness, Sink, Source, SourceContext};
use crate::packet::{Packet, Payload};
use crate::stats::DropReason;

/// A closure as a source; made by [`source_fn`].
pub struct SourceFn<F, T> {
    liveness: Liveness,
    next: F,
    payload: PhantomData<fn() -> T>,
}

/// A closure as a layer; made by [`layer_fn`].
pub struct LayerFn<F, A, B> {
    process: F,
    payloads: PhantomData<fn(A) -> B>,
}

/// A closure as a sink; made by [`sink_fn`].
pub struct SinkFn<F, T> {
    consume: F,
    payload: PhantomData<fn(T)>,
}

/// A source that calls `next` for each packet; `Ok(None)` ends the stream.
pub fn source_fn<T, F>(liveness: Liveness, next: F) -> SourceFn<F, T>
where
    T: Payload,
    F: FnMut(&SourceContext) -> Result<Option<Packet<T>>, NodeError> + Send + 'static,
{
    SourceFn {
        liveness,
        next,
        payload: PhantomData,
    }
}

/// A layer that calls `process` for each packet.
pub fn layer_fn<A, B, F>(process: F) -> LayerFn<F, A, B>
where
    A: Payload,
    B: Payload,
    F: FnMut(Packet<A>, &mut Emitter<'_, B>) -> Result<(), NodeError> + Send + 'static,
{
    LayerFn {
        process,
        payloads: PhantomData,
    }
}

/// A layer that changes each payload and keeps its time.
pub fn map_fn<A, B, F>(mut change: F) -> impl Layer<In = A, Out = B>
where
    A: Payload,
    B: Payload,
    F: FnMut(A) -> B + Send + 'static,
{
    layer_fn(move |packet: Packet<A>, out: &mut Emitter<'_, B>| {
        out.emit(packet.pts, change(packet.payload));
        Ok(())
    })
}

/// A layer that passes on the packets for which `keep` says so; the others are counted as filtered.
pub fn filter_fn<T, F>(mut keep: F) -> impl Layer<In = T, Out = T>
where
    T: Payload,
    F: FnMut(&Packet<T>) -> bool + Send + 'static,
{
    layer_fn(move |packet: Packet<T>, out: &mut Emitter<'_, T>| {
        if keep(&packet) {
            out.emit(packet.pts, packet.payload);
        } else {
            out.count_drop(DropReason::Filtered, packet.pts);
        }
        Ok(())
    })
}

/// A sink that calls `consume` for each packet.
pub fn sink_fn<T, F>(consume: F) -> SinkFn<F, T>
where
    T: Payload,
    F: FnMut(Packet<T>) -> Result<(), NodeError> + Send + 'static,
{
    SinkFn {
        consume,
        payload: PhantomData,
    }
}

impl<T, F> Source for SourceFn<F, T>
where
    T: Payload,
    F: FnMut(&SourceContext) -> Result<Option<Packet<T>>, NodeError> + Send + 'static,
{
    type Out = T;

    fn liveness(&self) -> Liveness {
        self.liveness
    }

    fn kind(&self) -> &'static str {
        "fn"
    }

    fn next(&mut self, ctx: &SourceContext) -> Result<Option<Packet<T>>, NodeError> {
        (self.next)(ctx)
    }
}

impl<A, B, F> Layer for LayerFn<F, A, B>
where
    A: Payload,
    B: Payload,
    F: FnMut(Packet<A>, &mut Emitter<'_, B>) -> Result<(), NodeError> + Send + 'static,
{
    type In = A;
    type Out = B;

    fn kind(&self) -> &'static str {
        "fn"
    }

    fn process(&mut self, packet: Packet<A>, out: &mut Emitter<'_, B>) -> Result<(), NodeError> {
        (self.process)(packet, out)
    }
}

impl<T, F> Sink for SinkFn<F, T>
where
    T: Payload,
    F: FnMut(Packet<T>) -> Result<(), NodeError> + Send + 'static,
{
    type In = T;

    fn kind(&self) -> &'static str {
        "fn"
    }

    fn consume(&mut self, packet: Packet<T>) -> Result<(), NodeError> {
        (self.consume)(packet)
    }
}
