//! From a checked document to a graph that runs: what the maker of a kind may do, and the handle of the run.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{BuildError, RunError, StartError};
use crate::event::Hooks;
use crate::graph::{Graph, SinkEnd, Stream};
use crate::item::{ErasedLayer, ErasedSink, ErasedSource, Item, ItemKind, NamedLayer, NamedSink};
use crate::node::{Layer, Sink, Source};
use crate::nodes::Collected;
use crate::pipeline::check::{Checked, CheckedNode};
use crate::pipeline::document::Clock;
use crate::pipeline::param::Params;
use crate::pipeline::settings::{Live, Settings};
use crate::policy::Edge;
use crate::run::{Built, Run, Status, StopReport};

/// Why a node could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MakeError {
    /// Something this machine does not have; `how` says how to get it.
    #[error("{what}; {how}")]
    Unavailable {
        /// What is missing.
        what: String,
        /// How to get it.
        how: String,
    },
    /// Anything else.
    #[error("{0}")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

impl MakeError {
    /// A failure with its cause or a sentence.
    pub fn failed(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed(cause.into())
    }
}

/// Why a checked pipeline could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// A node could not be made.
    #[error("node {node:?}: {source}")]
    Node {
        /// The node.
        node: String,
        /// Why.
        source: MakeError,
    },
    /// The nodes that were made do not fit together.
    #[error("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Wiring {
        /// What is wrong.
        problems: Vec<BuildError>,
    },
}

/// What the maker of a kind works with.
pub struct Maker<'a> {
    graph: &'a mut Graph,
    node: &'a CheckedNode,
    clock: Clock,
    inputs: Vec<(String, Stream<Item>)>,
    outputs: BTreeMap<String, Stream<Item>>,
    settings: &'a mut Settings,
    collected: &'a mut BTreeMap<String, Collected<Item>>,
}

impl Maker<'_> {
    /// Name of the node.
    pub fn name(&self) -> &str {
        &self.node.entry.name
    }

    /// Its checked parameters.
    pub fn params(&self) -> &Params {
        &self.node.params
    }

    /// Whether a live source feeds it, or it is one.
    pub fn is_live(&self) -> bool {
        self.node.is_live
    }

    /// Whether somebody takes this output.
    pub fn wants(&self, output: &str) -> bool {
        self.node.wanted.contains(output)
    }

    /// Outputs that somebody takes.
    pub fn wanted(&self) -> Vec<String> {
        self.node.wanted.iter().cloned().collect()
    }

    /// A parameter that can be set while the pipeline runs; one that its kind does not call live is only read.
    pub fn live(&mut self, name: &str) -> Live {
        let unknown = crate::pipeline::param::ParamSpec::required(
            "",
            crate::pipeline::param::ParamKind::Any,
            "",
        );
        let spec = self.node.kind.params.iter().find(|spec| spec.name == name);
        let range = self.node.ranges.get(name).copied().unwrap_or_default();
        let value = self.node.params.value(name);
        let node = &self.node.entry.name;
        self.settings
            .live(node, spec.unwrap_or(&unknown), value, range)
    }

    /// The graph, for nodes that are more than one.
    pub fn graph(&mut self) -> &mut Graph {
        self.graph
    }

    /// The first input.
    pub fn input(&self) -> Result<Stream<Item>, MakeError> {
        match self.inputs.first() {
            Some((_, stream)) => Ok(stream.clone()),
            None => Err(MakeError::failed("no input is connected")),
        }
    }

    /// The input of a port, when it is connected.
    pub fn port(&self, port: &str) -> Option<Stream<Item>> {
        let found = self.inputs.iter().find(|(name, _)| name == port);
        found.map(|(_, stream)| stream.clone())
    }

    /// All inputs by port, in the order of the document.
    pub fn ports(&self) -> &[(String, Stream<Item>)] {
        &self.inputs
    }

    /// The queue before a port; `None` when the node works on its producer's thread.
    pub fn edge(&self, port: usize) -> Option<Edge> {
        self.node.edges.get(port).copied().flatten()
    }

    /// Adds the source of a kind with one output.
    pub fn source<S: Source>(&mut self, gives: &'static ItemKind<S::Out>, source: S) {
        self.add_source(String::new(), gives, source);
    }

    /// Adds the source of one output of a kind with several; it is called `node:output` in statistics.
    pub fn source_of<S: Source>(
        &mut self,
        output: &str,
        gives: &'static ItemKind<S::Out>,
        source: S,
    ) {
        self.add_source(output.to_owned(), gives, source);
    }

    fn add_source<S: Source>(
        &mut self,
        output: String,
        gives: &'static ItemKind<S::Out>,
        source: S,
    ) {
        let source = ErasedSource {
            kind: self.node.kind.name,
            gives,
            source,
            clock_is_wall: self.clock == Clock::Wall,
            started: None,
        };
        let stream = self
            .graph
            .source(&full_name(&self.node.entry.name, &output), source)
            .on_error(self.node.entry.on_error);
        self.outputs.insert(output, stream);
    }

    /// Adds a typed layer behind the first input.
    pub fn layer<L: Layer>(
        &mut self,
        gives: &'static ItemKind<L::Out>,
        layer: L,
    ) -> Result<(), MakeError> {
        let layer = ErasedLayer {
            kind: self.node.kind.name,
            gives,
            layer,
        };
        self.add_layer(layer)
    }

    /// Adds a layer that works on items of any type behind the first input.
    pub fn item_layer<L: Layer<In = Item, Out = Item>>(
        &mut self,
        layer: L,
    ) -> Result<(), MakeError> {
        let kind = self.node.kind.name;
        self.add_layer(NamedLayer { kind, layer })
    }

    fn add_layer<L: Layer<In = Item, Out = Item>>(&mut self, layer: L) -> Result<(), MakeError> {
        let (input, name) = (self.input()?, self.node.entry.name.clone());
        let stream = match self.edge(0) {
            Some(edge) => input.apply(&name, layer).edge(edge),
            None => input.then(&name, layer),
        };
        self.output("", stream);
        Ok(())
    }

    /// Adds several copies of a layer that keeps nothing from packet to packet, as the document's `parallel` says.
    pub fn stateless_layer<L: Layer<In = Item, Out = Item>>(
        &mut self,
        make: impl Fn() -> L,
    ) -> Result<(), MakeError> {
        let copies = self.node.entry.parallel;
        let (Some(edge), 2..) = (self.edge(0), copies) else {
            return self.item_layer(make());
        };
        let (kind, name) = (self.node.kind.name, self.node.entry.name.clone());
        let stream = self.input()?.apply_parallel(&name, copies, || NamedLayer {
            kind,
            layer: make(),
        });
        self.output("", stream.edge(edge));
        Ok(())
    }

    /// Hands out what was made as an output, the empty name being the only one. The node's error policy is set on it.
    pub fn output(&mut self, output: &str, stream: Stream<Item>) {
        let stream = stream.on_error(self.node.entry.on_error);
        self.outputs.insert(output.to_owned(), stream);
    }

    /// Adds a typed sink behind the first input.
    pub fn sink<S: Sink>(&mut self, sink: S) -> Result<(), MakeError>
    where
        S::In: crate::packet::Payload,
    {
        let kind = self.node.kind.name;
        self.add_sink(ErasedSink { kind, sink })
    }

    /// Adds a sink that works on items of any type behind the first input.
    pub fn item_sink<S: Sink<In = Item>>(&mut self, sink: S) -> Result<(), MakeError> {
        let kind = self.node.kind.name;
        self.add_sink(NamedSink { kind, sink })
    }

    fn add_sink<S: Sink<In = Item>>(&mut self, sink: S) -> Result<(), MakeError> {
        let (input, name) = (self.input()?, self.node.entry.name.clone());
        let end: SinkEnd = match self.edge(0) {
            Some(edge) => input.sink(&name, sink).edge(edge),
            None => input.then_sink(&name, sink),
        };
        end.on_error(self.node.entry.on_error);
        Ok(())
    }

    /// Makes what a `collect` sink keeps readable through the run.
    pub fn collect(&mut self, collected: Collected<Item>) {
        self.collected
            .insert(self.node.entry.name.clone(), collected);
    }
}

fn full_name(node: &str, output: &str) -> String {
    if output.is_empty() {
        node.to_owned()
    } else {
        format!("{node}:{output}")
    }
}

/// A pipeline whose nodes are made.
pub struct Pipeline {
    /// The graph, ready to run.
    pub built: Built,
    /// The pipeline hash.
    pub hash: String,
    settings: Settings,
    collected: BTreeMap<String, Collected<Item>>,
}

/// A pipeline that runs. Dropping it stops it.
pub struct PipelineRun {
    run: Run,
    settings: Arc<Settings>,
    collected: BTreeMap<String, Collected<Item>>,
}

impl Checked {
    /// Makes every node. With `once`, each source gives one packet.
    pub fn build(&self, once: bool) -> Result<Pipeline, PipelineError> {
        let mut graph = Graph::new(self.document.id.clone()).stop_rule(self.document.stop);
        if once {
            graph = graph.once();
        }
        let mut settings = Settings::default();
        let mut collected = BTreeMap::new();
        // By number of the node in the document that was given.
        let mut streams: BTreeMap<(String, String), Stream<Item>> = BTreeMap::new();
        for node in &self.nodes {
            let name = &node.entry.name;
            let inputs = node.inputs.iter().zip(&node.entry.inputs);
            let inputs = inputs.filter_map(|(connected, written)| {
                let key = (written.from.clone(), connected.output.clone());
                Some((connected.port.clone(), streams.get(&key)?.clone()))
            });
            let mut maker = Maker {
                inputs: inputs.collect(),
                graph: &mut graph,
                node,
                clock: self.document.clock,
                outputs: BTreeMap::new(),
                settings: &mut settings,
                collected: &mut collected,
            };
            (node.kind.make)(&mut maker).map_err(|source| PipelineError::Node {
                node: name.clone(),
                source,
            })?;
            for (output, stream) in maker.outputs {
                streams.insert((name.clone(), output), stream);
            }
            for spec in &node.kind.params {
                settings.add_fixed(name, spec.name);
            }
        }
        for (name, targets) in crate::pipeline::parse::named_params(&self.document) {
            let targets = targets.into_iter();
            let targets = targets.map(|(node, param)| (node.to_owned(), param.to_owned()));
            settings.add_name(name, targets.collect());
        }
        drop(streams);
        let built = graph
            .build()
            .map_err(|problems| PipelineError::Wiring { problems })?;
        Ok(Pipeline {
            built,
            hash: self.hash(),
            settings,
            collected,
        })
    }
}

impl Pipeline {
    /// Starts it. Returns at once; errors of nodes come through the handle.
    pub fn start(self, hooks: impl Hooks) -> Result<PipelineRun, StartError> {
        Ok(PipelineRun {
            run: self.built.start(hooks)?,
            settings: Arc::new(self.settings),
            collected: self.collected,
        })
    }
}

impl PipelineRun {
    /// The run: status, statistics, events.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Its parameters; a clone may be kept by whoever sets them.
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// What the `collect` sink of this name has kept.
    pub fn collected(&self, sink: &str) -> Option<&Collected<Item>> {
        self.collected.get(sink)
    }

    /// Waits for the end, at most `timeout`; a failed run is an error.
    pub fn wait(&self, timeout: Duration) -> Result<Status, RunError> {
        self.run.wait(timeout)
    }

    /// Ends the run within `deadline`.
    pub fn stop(&self, deadline: Duration) -> StopReport {
        self.run.stop(deadline)
    }
}
