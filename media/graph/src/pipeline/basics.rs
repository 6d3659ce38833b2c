//! Kinds that need nothing but items and time; every registry begins with them.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::NodeError;
use crate::item::{Item, ROW, Row, VALUE};
use crate::merge::{
    JoinAllOf, JoinAny, JoinLatestOf, JoinOrdered, JoinSyncOf, Latest, Ordered, Pairing,
};
use crate::node::{Emitter, Liveness, Source, SourceContext};
use crate::nodes::{Constant, Delay, NullSink, collector};
use crate::packet::{MediaTime, Packet};
use crate::pipeline::expr::Expr;
use crate::pipeline::kind::{Gives, Inputs, NodeKind, Outputs, Port, Registry, Takes};
use crate::pipeline::layers::{Every, Filter, Gate, LiveFps, MapExpr, Pass, PickField};
use crate::pipeline::make::{MakeError, Maker};
use crate::pipeline::param::{ParamKind, ParamSpec, Params};
use crate::unit::Join;

const COUNT: ParamKind = ParamKind::Whole {
    min: 1,
    max: i64::MAX,
};
const SECS: ParamKind = ParamKind::Number {
    min: 0.0,
    max: 86_400.0,
};
const EXPRESSION: ParamKind = ParamKind::Text { max_bytes: 512 };
const MERGES: [&str; 5] = ["any", "all", "ordered", "sync", "latest"];

impl Registry {
    /// The kinds that need no device, model or file: `const`, `fps`, `delay`, `map`, `filter`, `gate`, `sample`, `merge`,
    /// `split`, `collect`, `null`.
    pub fn basic() -> Self {
        let mut registry = Self::new();
        for kind in [
            constant(),
            fps(),
            delay(),
            map(),
            filter(),
            gate(),
            sample(),
            merge(),
            split(),
            collect(),
            null(),
        ] {
            registry.add(kind);
        }
        registry
    }
}

fn constant() -> NodeKind {
    let liveness = |params: &Params| {
        if params.number("interval") == Some(0.0) {
            Liveness::Fast
        } else {
            Liveness::Paced
        }
    };
    NodeKind::source(
        "const",
        "Gives one value again and again.",
        Outputs::One(Gives::Type(VALUE.name())),
        liveness,
    )
    .param(ParamSpec::required("value", ParamKind::Any, "The value.").live())
    .param(ParamSpec::with_default(
        "interval",
        SECS,
        json!(0.0),
        "Seconds between two values; 0 is as fast as they are taken.",
    ))
    .param(ParamSpec::optional(
        "count",
        COUNT,
        "How many; without it there is no end.",
    ))
    .make(|maker| {
        let secs = maker.params().number("interval").unwrap_or_default();
        let mut ticks = Constant::new((), Duration::from_secs_f64(secs));
        if let Some(count) = maker.params().whole("count") {
            ticks = ticks.count(count.unsigned_abs());
        }
        let value = maker.live("value");
        maker.source(&VALUE, Valued { ticks, value });
        Ok(())
    })
}

/// The value is read anew for each packet.
struct Valued {
    ticks: Constant<()>,
    value: crate::pipeline::settings::Live,
}

impl Source for Valued {
    type Out = Value;

    fn liveness(&self) -> Liveness {
        self.ticks.liveness()
    }

    fn start(&mut self, ctx: &SourceContext) -> Result<(), NodeError> {
        self.ticks.start(ctx)
    }

    fn next(&mut self, ctx: &SourceContext) -> Result<Option<Packet<Value>>, NodeError> {
        let packet = self.ticks.next(ctx)?;
        Ok(packet.map(|packet| packet.map(|()| self.value.value())))
    }
}

fn fps() -> NodeKind {
    NodeKind::layer(
        "fps",
        "Lowers the rate of a stream to exactly this many items per second of media time.",
        Takes::Any,
        Gives::Same,
    )
    .param(
        ParamSpec::required(
            "fps",
            ParamKind::Number {
                min: 0.001,
                max: 1000.0,
            },
            "Items per second; a slower stream stays as it is.",
        )
        .live(),
    )
    .param(ParamSpec::with_default(
        "mode",
        ParamKind::Word {
            known: &["exact", "seed"],
        },
        json!("exact"),
        "`seed` is the older tick rule, whose real rates are often not the wanted ones.",
    ))
    .make(|maker| {
        let is_seed = maker.params().text("mode") == "seed";
        let rate = maker.live("fps");
        maker.item_layer(LiveFps::new(rate, is_seed))
    })
}

fn delay() -> NodeKind {
    NodeKind::layer(
        "delay",
        "Holds each item until the stream has gone on by this much media time; times stay as they are.",
        Takes::Any,
        Gives::Same,
    )
    .param(ParamSpec::required("seconds", SECS, "The delay, seconds."))
    .param(ParamSpec::with_default(
        "capacity",
        ParamKind::Whole {
            min: 1,
            max: 1 << 20,
        },
        json!(1024),
        "Most items held; beyond it the oldest is dropped as overflow. A held picture keeps its slot of the frame pool.",
    ))
    .make(|maker| {
        let secs = maker.params().number("seconds").unwrap_or_default();
        let capacity = maker.params().whole("capacity").unwrap_or(1).unsigned_abs();
        let nanos = (secs * 1e9) as u64;
        maker.item_layer(Delay::new(nanos, capacity as usize))
    })
}

fn expression_fault(
    name: &'static str,
) -> impl Fn(&Params, &[&str]) -> Vec<(&'static str, String)> {
    move |params, _| match Expr::parse(params.text(name)) {
        Ok(_) => Vec::new(),
        Err(error) => vec![(name, error.to_string())],
    }
}

fn parsed(maker: &Maker<'_>, name: &str) -> Result<Expr, MakeError> {
    Expr::parse(maker.params().text(name)).map_err(MakeError::failed)
}

fn map() -> NodeKind {
    NodeKind::layer(
        "map",
        "Computes a value from each item: `a * b`, `score > 0.5`, `face.pose.yaw_deg`; `it` is the item itself.",
        Takes::Any,
        Gives::Type(VALUE.name()),
    )
    .param(ParamSpec::required(
        "expr",
        EXPRESSION,
        "The expression over the fields of the item's JSON: + - * / %, == != < <= > >=, and or not, brackets.",
    ))
    .parallel()
    .check(expression_fault("expr"))
    .make(|maker| {
        let expr = parsed(maker, "expr")?;
        maker.stateless_layer(move || MapExpr::new(expr.clone()))
    })
}

fn filter() -> NodeKind {
    NodeKind::layer(
        "filter",
        "Passes on the items for which an expression holds; the others are counted as filtered.",
        Takes::Any,
        Gives::Same,
    )
    .param(ParamSpec::required(
        "when",
        EXPRESSION,
        "The expression, as in `map`.",
    ))
    .parallel()
    .check(expression_fault("when"))
    .make(|maker| {
        let expr = parsed(maker, "when")?;
        maker.stateless_layer(move || Filter::new(expr.clone()))
    })
}

fn gate() -> NodeKind {
    NodeKind::layer(
        "gate",
        "Passes everything on while it is open; what meets a closed gate is counted as filtered.",
        Takes::Any,
        Gives::Same,
    )
    .param(
        ParamSpec::with_default("open", ParamKind::Flag, json!(true), "Whether it is open.").live(),
    )
    .make(|maker| {
        let open = maker.live("open");
        maker.item_layer(Gate::new(open))
    })
}

fn sample() -> NodeKind {
    NodeKind::layer(
        "sample",
        "Passes on every n-th item, the first one first; the others are counted as filtered.",
        Takes::Any,
        Gives::Same,
    )
    .param(ParamSpec::required("every", COUNT, "n.").live())
    .make(|maker| {
        let every = maker.live("every");
        maker.item_layer(Every::new(every))
    })
}

fn split() -> NodeKind {
    let port = Port {
        name: "in",
        takes: Takes::Types(&["row"]),
        required: true,
    };
    NodeKind::join(
        "split",
        "Takes a row apart: `split:port` is the stream of that port.",
        Inputs::Ports(vec![port]),
        Outputs::Fields,
    )
    .make(|maker| {
        let (input, name, edge) = (maker.input()?, maker.name().to_owned(), maker.edge(0));
        let rows = match edge {
            Some(edge) => input.apply(&name, Pass).edge(edge),
            None => input.then(&name, Pass),
        };
        for field in maker.wanted() {
            let picked = rows.then(&format!("{name}:{field}"), PickField::new(&field));
            maker.output(&field, picked);
        }
        Ok(())
    })
}

fn merge() -> NodeKind {
    NodeKind::join(
        "merge",
        "Makes rows of several streams: a row has one field per input, named by `in`.",
        Inputs::Many(Takes::Any),
        Outputs::One(Gives::Row),
    )
    .param(ParamSpec::required(
        "how",
        ParamKind::Word { known: &MERGES },
        "any: each arrival alone. all: by order of arrival. ordered: each alone, by media time. sync: nearest in media \
         time. latest: each of the leader with the last of the others.",
    ))
    .param(ParamSpec::optional(
        "leader",
        ParamKind::Text { max_bytes: 48 },
        "sync, latest: the input that leads; the first unless said.",
    ))
    .param(ParamSpec::with_default(
        "tolerance",
        SECS,
        json!(0.05),
        "sync: largest distance of a pair, seconds.",
    ))
    .param(ParamSpec::with_default(
        "max_delay",
        SECS,
        json!(0.5),
        "sync: longest a leader waits, seconds of media time.",
    ))
    .param(ParamSpec::with_default(
        "partial",
        ParamKind::Flag,
        json!(false),
        "sync: a leader goes out with whoever is there.",
    ))
    .param(ParamSpec::optional(
        "stale",
        SECS,
        "latest: a value older than this counts as absent, seconds.",
    ))
    .param(ParamSpec::with_default(
        "limit",
        ParamKind::Whole { min: 1, max: 65_536 },
        json!(64),
        "Items kept per input.",
    ))
    .check(|params, ports| match params.text("leader") {
        "" => Vec::new(),
        leader if ports.contains(&leader) => Vec::new(),
        _ => vec![("leader", format!("is none of the inputs {}", ports.join(", ")))],
    })
    .make(|maker| {
        make_merge(maker);
        Ok(())
    })
}

fn make_merge(maker: &mut Maker<'_>) {
    let names: Arc<[Arc<str>]> = maker
        .ports()
        .iter()
        .map(|(name, _)| name.as_str().into())
        .collect();
    let params = maker.params();
    let leader = params.text("leader");
    let leader = names.iter().position(|name| **name == *leader).unwrap_or(0);
    let nanos = |name: &str| params.number(name).map(|secs| (secs * 1e9) as u64);
    let limit = params.whole("limit").unwrap_or(64).unsigned_abs() as usize;
    let pairing = Pairing {
        tolerance_nanos: nanos("tolerance").unwrap_or_default(),
        max_delay_nanos: nanos("max_delay").unwrap_or_default(),
        limit,
    };
    let (ports, how, partial) = (
        names.len(),
        params.text("how").to_owned(),
        params.flag("partial"),
    );
    let latest = Latest {
        stale_nanos: nanos("stale"),
    };
    match how.as_str() {
        "any" => merge_rows(maker, names, JoinAny::new(ports), one),
        "all" => merge_rows(maker, names, JoinAllOf::new(ports, limit), all),
        "ordered" => merge_rows(
            maker,
            names,
            JoinOrdered::new(ports, Ordered { limit }),
            one,
        ),
        "latest" => merge_rows(maker, names, JoinLatestOf::new(ports, leader, latest), some),
        _ => merge_rows(
            maker,
            names,
            JoinSyncOf::new(ports, leader, partial, pairing),
            some,
        ),
    }
}

/// Makes the fields of a row from what a merge gives.
type RowOf<O> = fn(&[Arc<str>], O) -> Vec<(Arc<str>, Item)>;

fn merge_rows<O: 'static>(
    maker: &mut Maker<'_>,
    names: Arc<[Arc<str>]>,
    join: impl Join<(usize, Item), O> + 'static,
    row: RowOf<O>,
) {
    let streams: Vec<_> = maker
        .ports()
        .iter()
        .map(|(_, stream)| stream.clone())
        .collect();
    let edges: Vec<_> = (0..streams.len()).map(|port| maker.edge(port)).collect();
    let name = maker.name().to_owned();
    let join = Rows { names, join, row };
    let mut merged = maker.graph().merge_many(&name, "merge", &streams, join);
    for (port, edge) in edges.into_iter().enumerate() {
        if let Some(edge) = edge {
            merged = merged.port_edge(port, edge);
        }
    }
    maker.output("", merged);
}

fn one(names: &[Arc<str>], (port, item): (usize, Item)) -> Vec<(Arc<str>, Item)> {
    names
        .get(port)
        .map(|name| (Arc::clone(name), item))
        .into_iter()
        .collect()
}

fn all(names: &[Arc<str>], items: Vec<Item>) -> Vec<(Arc<str>, Item)> {
    names.iter().cloned().zip(items).collect()
}

fn some(names: &[Arc<str>], items: Vec<Option<Item>>) -> Vec<(Arc<str>, Item)> {
    let fields = names.iter().zip(items);
    fields
        .filter_map(|(name, item)| Some((Arc::clone(name), item?)))
        .collect()
}

/// A merge whose output has the names of its ports.
struct Rows<J, O> {
    names: Arc<[Arc<str>]>,
    join: J,
    row: RowOf<O>,
}

impl<J: Join<(usize, Item), O>, O> Rows<J, O> {
    fn with<R>(
        &mut self,
        out: &mut Emitter<'_, Item>,
        call: impl FnOnce(&mut J, &mut Emitter<'_, O>) -> R,
    ) -> R {
        let (names, row, join) = (&self.names, self.row, &mut self.join);
        out.mapped(
            |items| Item::new(&ROW, Row::new(row(names, items))),
            |out| call(join, out),
        )
    }
}

impl<J: Join<(usize, Item), O>, O> Join<(usize, Item), Item> for Rows<J, O> {
    fn packet(&mut self, port: usize, packet: Packet<(usize, Item)>, out: &mut Emitter<'_, Item>) {
        self.with(out, |join, out| join.packet(port, packet, out));
    }

    fn bound(&mut self, port: usize, bound: MediaTime, out: &mut Emitter<'_, Item>) {
        self.with(out, |join, out| join.bound(port, bound, out));
    }

    fn end(&mut self, port: usize, out: &mut Emitter<'_, Item>) -> bool {
        self.with(out, |join, out| join.end(port, out))
    }

    fn settled(&self) -> MediaTime {
        self.join.settled()
    }
}

fn collect() -> NodeKind {
    NodeKind::sink(
        "collect",
        "Keeps the last items in memory, readable from code; for tests.",
        Takes::Any,
    )
    .param(ParamSpec::with_default(
        "keep",
        ParamKind::Whole {
            min: 1,
            max: 1 << 20,
        },
        json!(1024),
        "How many.",
    ))
    .make(|maker| {
        let keep = maker.params().whole("keep").unwrap_or(1).unsigned_abs();
        let (collected, sink) = collector(keep as usize);
        maker.collect(collected);
        maker.item_sink(sink)
    })
}

fn null() -> NodeKind {
    NodeKind::sink("null", "Takes everything and keeps nothing.", Takes::Any)
        .make(|maker| maker.item_sink(NullSink::default()))
}
