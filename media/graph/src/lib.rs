//! The graph runtime of the media plane: typed streams of [`Packet`]s between [`Source`]s, [`Layer`]s and [`Sink`]s.
//!
//! ```text
//!  Source ──▶ Edge ──▶ Layer ──▶ Edge ──▶ Sink        one named thread per node (`apply`, `sink`)
//!     └─────────────────▶ Layer ──▶ Sink              or on the producer's thread (`then`, `then_sink`)
//! ```
//!
//! **The one contract.** Every edge is bounded and names what it loses ([`WhenFull`]); every loss is counted with a
//! reason ([`DropReason`]); every consumer sees each stream in order and without duplicates; no error is silent;
//! [`Run::stop`] returns within its deadline, whatever the nodes do.
//!
//! **Time-stamp bounds** travel beside the packets: a node that drops tells its consumers "nothing before t", so merges
//! by media time never wait for what will not come.
//!
//! **What it never does.** It does not know a codec, a model or a device; it uses no async runtime; it never re-orders,
//! never re-stamps (nodes may), and never lets a live source wait for a slow consumer.
//!
//! ```
//! use std::num::NonZeroU32;
//! use std::time::Duration;
//! use lsie_graph::{Draw, Edge, Graph, MediaTime, NoHooks, Packet, Status, map_fn};
//! use lsie_graph::nodes::{Fps, Replay, collector};
//!
//! let frames = (0..30_i64).map(|n| Packet::new(MediaTime(n * 33_333_334), n));
//! let mut graph = Graph::new("example");
//! let camera = graph.source("camera", Replay::new(frames));
//! let slow = camera.then("slow", Fps::to(NonZeroU32::new(10).ok_or("zero")?));
//! let doubled = slow.apply("double", map_fn(|n: i64| n * 2)).edge(Edge::auto(4));
//! let (seen, sink) = collector(64);
//! doubled.sink("out", sink);
//!
//! let built = graph.build().map_err(|problems| format!("{problems:?}"))?;
//! println!("{}", built.draw(Draw::Tree));
//! let run = built.start(NoHooks)?;
//! assert_eq!(run.wait(Duration::from_secs(15))?, Status::Completed);
//! assert_eq!(seen.payloads().first(), Some(&0));
//! assert_eq!(seen.seen(), 10);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The same graph can be written down as TOML or JSON: [`pipeline`].

mod closures;
mod draw;
mod edge;
mod error;
mod event;
mod graph;
mod item;
mod joining;
mod merge;
mod node;
mod node_state;
pub mod nodes;
mod packet;
mod parallel;
pub mod pipeline;
mod plan;
mod policy;
mod recovery;
mod run;
mod shared;
mod stage;
mod stats;
mod token;
mod unit;
mod wiring;

pub use closures::{LayerFn, SinkFn, SourceFn, filter_fn, layer_fn, map_fn, sink_fn, source_fn};
pub use draw::Draw;
pub use error::{BuildError, NodeError, RunError, StartError};
pub use event::{Event, EventKind, Hooks, LogHooks, NoHooks, Step};
pub use graph::{Graph, SinkEnd, Stream};
pub use item::{Item, ItemKind, ROW, Row, VALUE};
pub use merge::{DEFAULT_MERGE_LIMIT, Latest, Ordered, Pairing};
pub use node::{Emitter, Layer, Liveness, Sink, Source, SourceContext, run_layer};
pub use packet::{Either, MediaTime, Packet, Payload};
pub use policy::{Edge, ErrorPolicy, StopRule, WhenFull};
pub use run::{Built, DEFAULT_STOP_DEADLINE, Run, Status, StopReport};
pub use stats::{DropReason, NodeStats};
pub use token::StopToken;
