//! A payload whose type is known at run time: what travels in graphs that are read from a file.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::error::NodeError;
use crate::node::{Emitter, Layer, Liveness, Sink, Source, SourceContext};
use crate::packet::{MediaTime, Packet, Payload};

/// Name and display of a payload type in pipeline documents. One static per type.
#[derive(Debug)]
pub struct ItemKind<T> {
    name: &'static str,
    view: fn(&T) -> Value,
}

impl<T> ItemKind<T> {
    /// A type called `name` in documents; `view` shows an item as JSON for sinks that print (pixels and samples are summed up).
    pub const fn new(name: &'static str, view: fn(&T) -> Value) -> Self {
        Self { name, view }
    }

    /// Its name in documents.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

/// JSON values: what `const` gives and `map` takes.
pub static VALUE: ItemKind<Value> = ItemKind::new("value", Value::clone);
/// Rows: what a merge gives, one field per port.
pub static ROW: ItemKind<Row> = ItemKind::new("row", Row::view);

/// One payload with its type. A clone costs what a clone of the payload costs.
pub struct Item {
    body: Box<dyn Body>,
}

/// What a merge emits: the items of its ports by name; a port without an item is left out.
#[derive(Clone, Debug)]
pub struct Row {
    fields: Vec<(Arc<str>, Item)>,
}

trait Body: Send {
    fn kind(&self) -> &'static str;
    fn view(&self) -> Value;
    fn copy(&self) -> Box<dyn Body>;
    fn as_any(&self) -> &dyn Any;
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

struct Typed<T: 'static> {
    kind: &'static ItemKind<T>,
    payload: T,
}

impl<T: Payload> Body for Typed<T> {
    fn kind(&self) -> &'static str {
        self.kind.name
    }

    fn view(&self) -> Value {
        (self.kind.view)(&self.payload)
    }

    fn copy(&self) -> Box<dyn Body> {
        Box::new(Self {
            kind: self.kind,
            payload: self.payload.clone(),
        })
    }

    fn as_any(&self) -> &dyn Any {
        &self.payload
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        Box::new(self.payload)
    }
}

impl Item {
    /// Wraps a payload.
    pub fn new<T: Payload>(kind: &'static ItemKind<T>, payload: T) -> Self {
        Self {
            body: Box::new(Typed { kind, payload }),
        }
    }

    /// Wraps a JSON value.
    pub fn value(value: Value) -> Self {
        Self::new(&VALUE, value)
    }

    /// Name of its type.
    pub fn kind(&self) -> &'static str {
        self.body.kind()
    }

    /// The item as JSON, for display.
    pub fn view(&self) -> Value {
        self.body.view()
    }

    /// The payload, when it is a `T`.
    pub fn get<T: Payload>(&self) -> Option<&T> {
        self.body.as_any().downcast_ref()
    }

    /// Takes the payload out; an item of another type is an error that names both. The check of a document makes it
    /// impossible, a node that emits what it did not declare does not.
    pub fn take<T: Payload>(self) -> Result<T, NodeError> {
        let kind = self.kind();
        match self.body.into_any().downcast::<T>() {
            Ok(payload) => Ok(*payload),
            Err(_) => Err(NodeError::new(format!(
                "an item of type {kind} came where {} is taken",
                std::any::type_name::<T>()
            ))),
        }
    }
}

impl Clone for Item {
    fn clone(&self) -> Self {
        Self {
            body: self.body.copy(),
        }
    }
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.kind(), self.view())
    }
}

impl Row {
    /// A row of these fields, in this order.
    pub fn new(fields: Vec<(Arc<str>, Item)>) -> Self {
        Self { fields }
    }

    /// The item of a port; `None` when this row has none.
    pub fn field(&self, port: &str) -> Option<&Item> {
        self.fields
            .iter()
            .find(|(name, _)| **name == *port)
            .map(|(_, item)| item)
    }

    /// Takes the item of a port out.
    pub fn into_field(self, port: &str) -> Option<Item> {
        self.fields
            .into_iter()
            .find(|(name, _)| **name == *port)
            .map(|(_, item)| item)
    }

    fn view(&self) -> Value {
        let fields = self
            .fields
            .iter()
            .map(|(name, item)| ((**name).to_owned(), item.view()));
        Value::Object(fields.collect::<Map<_, _>>())
    }
}

/// A typed source as one of items. `clock_is_wall` stamps packets with the time since the start instead of their own.
pub(crate) struct ErasedSource<S: Source> {
    pub(crate) kind: &'static str,
    pub(crate) gives: &'static ItemKind<S::Out>,
    pub(crate) source: S,
    pub(crate) clock_is_wall: bool,
    pub(crate) started: Option<std::time::Instant>,
}

impl<S: Source> Source for ErasedSource<S> {
    type Out = Item;

    fn liveness(&self) -> Liveness {
        self.source.liveness()
    }

    fn kind(&self) -> &'static str {
        self.kind
    }

    fn start(&mut self, ctx: &SourceContext) -> Result<(), NodeError> {
        self.started.get_or_insert_with(std::time::Instant::now);
        self.source.start(ctx)
    }

    fn next(&mut self, ctx: &SourceContext) -> Result<Option<Packet<Item>>, NodeError> {
        let Some(packet) = self.source.next(ctx)? else {
            return Ok(None);
        };
        let mut packet = packet.map(|payload| Item::new(self.gives, payload));
        if let Some(started) = self.started.filter(|_| self.clock_is_wall) {
            let nanos = i64::try_from(started.elapsed().as_nanos()).unwrap_or(i64::MAX);
            packet.pts = MediaTime(nanos);
        }
        Ok(Some(packet))
    }

    fn stop(&mut self) {
        self.source.stop();
    }
}

/// A typed layer as one from items to items.
pub(crate) struct ErasedLayer<L: Layer> {
    pub(crate) kind: &'static str,
    pub(crate) gives: &'static ItemKind<L::Out>,
    pub(crate) layer: L,
}

impl<L: Layer> Layer for ErasedLayer<L> {
    type In = Item;
    type Out = Item;

    fn kind(&self) -> &'static str {
        self.kind
    }

    fn start(&mut self) -> Result<(), NodeError> {
        self.layer.start()
    }

    fn process(
        &mut self,
        packet: Packet<Item>,
        out: &mut Emitter<'_, Item>,
    ) -> Result<(), NodeError> {
        let (layer, gives) = (&mut self.layer, self.gives);
        let Packet { pts, seq, payload } = packet;
        let payload = payload.take()?;
        out.mapped(
            |payload| Item::new(gives, payload),
            |out| layer.process(Packet { pts, seq, payload }, out),
        )
    }

    fn flush(&mut self, out: &mut Emitter<'_, Item>) -> Result<(), NodeError> {
        let (layer, gives) = (&mut self.layer, self.gives);
        out.mapped(|payload| Item::new(gives, payload), |out| layer.flush(out))
    }

    fn settled(&self, input: MediaTime) -> MediaTime {
        self.layer.settled(input)
    }
}

/// A layer of items under the name of its kind.
pub(crate) struct NamedLayer<L> {
    pub(crate) kind: &'static str,
    pub(crate) layer: L,
}

impl<L: Layer> Layer for NamedLayer<L> {
    type In = L::In;
    type Out = L::Out;

    fn kind(&self) -> &'static str {
        self.kind
    }

    fn start(&mut self) -> Result<(), NodeError> {
        self.layer.start()
    }

    fn process(
        &mut self,
        packet: Packet<L::In>,
        out: &mut Emitter<'_, L::Out>,
    ) -> Result<(), NodeError> {
        self.layer.process(packet, out)
    }

    fn flush(&mut self, out: &mut Emitter<'_, L::Out>) -> Result<(), NodeError> {
        self.layer.flush(out)
    }

    fn settled(&self, input: MediaTime) -> MediaTime {
        self.layer.settled(input)
    }
}

/// A typed sink as one of items.
pub(crate) struct ErasedSink<S> {
    pub(crate) kind: &'static str,
    pub(crate) sink: S,
}

impl<S: Sink> Sink for ErasedSink<S> {
    type In = Item;

    fn kind(&self) -> &'static str {
        self.kind
    }

    fn start(&mut self) -> Result<(), NodeError> {
        self.sink.start()
    }

    fn consume(&mut self, packet: Packet<Item>) -> Result<(), NodeError> {
        let Packet { pts, seq, payload } = packet;
        let payload = payload.take()?;
        self.sink.consume(Packet { pts, seq, payload })
    }

    fn finish(&mut self) -> Result<(), NodeError> {
        self.sink.finish()
    }
}

/// A sink under the name of its kind.
pub(crate) struct NamedSink<S> {
    pub(crate) kind: &'static str,
    pub(crate) sink: S,
}

impl<S: Sink> Sink for NamedSink<S> {
    type In = S::In;

    fn kind(&self) -> &'static str {
        self.kind
    }

    fn start(&mut self) -> Result<(), NodeError> {
        self.sink.start()
    }

    fn consume(&mut self, packet: Packet<S::In>) -> Result<(), NodeError> {
        self.sink.consume(packet)
    }

    fn finish(&mut self) -> Result<(), NodeError> {
        self.sink.finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_item_gives_back_what_was_put_in_and_names_what_was_not() {
        let item = Item::value(json!({"a": 1}));
        assert_eq!(item.get::<Value>(), Some(&json!({"a": 1})));
        assert!(item.get::<Row>().is_none());
        let error = item.clone().take::<Row>().unwrap_err();
        assert!(error.to_string().contains("type value"), "{error}");
        assert_eq!(item.take::<Value>().unwrap(), json!({"a": 1}));
    }

    #[test]
    fn a_row_shows_its_fields_by_port() {
        let row = Row::new(vec![("left".into(), Item::value(json!(2)))]);
        assert_eq!(row.field("left").map(Item::view), Some(json!(2)));
        assert!(row.field("right").is_none());
        assert_eq!(Item::new(&ROW, row).view(), json!({"left": 2}));
    }
}
