//! The builder: typed streams, so that wrong wiring does not compile.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use crate::draw::{Draw, draw};
use crate::edge::edge;
use crate::error::BuildError;
use crate::node::{Layer, Sink, Source};
use crate::node_state::NodeState;
use crate::packet::Payload;
use crate::plan::{InputPlan, Role};
use crate::policy::{Edge, ErrorPolicy, StopRule};
use crate::run::Built;
use crate::shared::Shared;
use crate::stage::{LayerStage, SinkStage, Stage};
use crate::unit::{MappedPort, SourceUnit};
use crate::wiring::{
    Draft, MergeDraft, Nowhere, Slot, Wiring, add_node, add_port, set_edges, set_policy,
    set_port_edge,
};

/// A graph under construction.
///
/// Streams hold on to the graph that made them; after [`Graph::build`] they have no effect any more.
pub struct Graph {
    name: String,
    stop: StopRule,
    once: bool,
    draft: Rc<RefCell<Draft>>,
}

/// The output of a source, layer or merge. Using it more than once copies each packet to every consumer.
pub struct Stream<T> {
    draft: Rc<RefCell<Draft>>,
    node: usize,
    slot: Slot<T>,
}

impl<T> Clone for Stream<T> {
    /// The same output again, not another one.
    fn clone(&self) -> Self {
        Self {
            draft: Rc::clone(&self.draft),
            node: self.node,
            slot: Rc::clone(&self.slot),
        }
    }
}

/// The end of a branch; offers the settings of the sink.
pub struct SinkEnd {
    draft: Rc<RefCell<Draft>>,
    node: usize,
}

impl Graph {
    /// Begins a graph; the name is used for logs.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            stop: StopRule::All,
            once: false,
            draft: Rc::default(),
        }
    }

    /// Chooses when a run with several sources ends.
    #[must_use]
    pub fn stop_rule(mut self, rule: StopRule) -> Self {
        self.stop = rule;
        self
    }

    /// Takes one packet per source, then ends.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.once = true;
        self
    }

    /// Adds a source.
    pub fn source<S: Source>(&mut self, name: &str, source: S) -> Stream<S::Out> {
        let role = Role::Source(source.liveness());
        let (node, slot) = add_node(&self.draft, name, source.kind(), role, Vec::new());
        let consumers = Rc::clone(&slot);
        let head = move |wiring: &mut Wiring| {
            let node = wiring.node(node);
            let outlet = wiring.outlet(&node, &consumers);
            let unit = SourceUnit {
                source,
                outlet,
                node: Arc::clone(&node),
                shared: Arc::clone(&wiring.shared),
            };
            wiring.unit(&node, move || unit.run());
        };
        self.draft.borrow_mut().heads.push(Box::new(head));
        Stream {
            draft: Rc::clone(&self.draft),
            node,
            slot,
        }
    }

    /// Draws the graph as it is so far.
    pub fn draw(&self, form: Draw) -> String {
        let mut plan = self.draft.borrow().plan.clone();
        plan.resolve();
        draw(&plan, form)
    }

    /// Checks the graph and makes it ready to run, or reports everything that is wrong with it.
    pub fn build(self) -> Result<Built, Vec<BuildError>> {
        let mut draft = std::mem::take(&mut *self.draft.borrow_mut());
        draft.plan.resolve();
        let problems = draft.plan.problems();
        if !problems.is_empty() {
            return Err(problems);
        }
        let nodes = draft
            .plan
            .nodes
            .iter()
            .map(|node| Arc::new(NodeState::new(node)))
            .collect();
        let shared = Arc::new(Shared::new(self.name, nodes, self.stop, self.once));
        let mut wiring = Wiring {
            shared: Arc::clone(&shared),
            units: Vec::new(),
        };
        for head in draft.heads {
            head(&mut wiring);
        }
        Ok(Built::new(draft.plan, shared, wiring.units))
    }

    pub(crate) fn draft(&self) -> &Rc<RefCell<Draft>> {
        &self.draft
    }
}

impl<T: Payload> Stream<T> {
    pub(crate) fn new(draft: Rc<RefCell<Draft>>, node: usize, slot: Slot<T>) -> Self {
        Self { draft, node, slot }
    }

    /// Adds a layer on a thread of its own, behind an [`Edge`].
    pub fn apply<L: Layer<In = T>>(&self, name: &str, layer: L) -> Stream<L::Out> {
        self.add_layer(name, layer, Some(Edge::default()))
    }

    /// Adds a layer on the thread of this stream, without a queue. While it works or waits, its producer waits.
    pub fn then<L: Layer<In = T>>(&self, name: &str, layer: L) -> Stream<L::Out> {
        self.add_layer(name, layer, None)
    }

    /// Ends a branch in a sink on a thread of its own, behind an [`Edge`].
    pub fn sink<S: Sink<In = T>>(&self, name: &str, sink: S) -> SinkEnd {
        self.add_sink(name, sink, Some(Edge::default()))
    }

    /// Ends a branch in a sink on the thread of this stream, without a queue.
    pub fn then_sink<S: Sink<In = T>>(&self, name: &str, sink: S) -> SinkEnd {
        self.add_sink(name, sink, None)
    }

    /// Chooses the queue before the node that made this stream (before every port of a merge).
    #[must_use]
    pub fn edge(self, edge: Edge) -> Self {
        set_edges(&self.draft, self.node, edge);
        self
    }

    /// Chooses the queue before one port of the merge that made this stream.
    #[must_use]
    pub fn port_edge(self, port: usize, edge: Edge) -> Self {
        set_port_edge(&self.draft, self.node, port, edge);
        self
    }

    /// Chooses what happens when the node that made this stream reports an error.
    #[must_use]
    pub fn on_error(self, policy: ErrorPolicy) -> Self {
        set_policy(&self.draft, self.node, policy);
        self
    }

    fn add_layer<L: Layer<In = T>>(
        &self,
        name: &str,
        layer: L,
        edge: Option<Edge>,
    ) -> Stream<L::Out> {
        let inputs = vec![InputPlan {
            from: self.node,
            edge,
        }];
        let (node, slot) = add_node(&self.draft, name, layer.kind(), Role::Layer, inputs);
        let consumers: Slot<L::Out> = Rc::clone(&slot);
        self.attach(move |wiring| {
            let node = wiring.node(node);
            let outlet = wiring.outlet(&node, &consumers);
            let stage =
                LayerStage::new(layer, outlet, Arc::clone(&node), Arc::clone(&wiring.shared));
            wiring.behind_edge(&node, Box::new(stage))
        });
        Stream {
            draft: Rc::clone(&self.draft),
            node,
            slot,
        }
    }

    fn add_sink<S: Sink<In = T>>(&self, name: &str, sink: S, edge: Option<Edge>) -> SinkEnd {
        let inputs = vec![InputPlan {
            from: self.node,
            edge,
        }];
        let (node, _) = add_node::<()>(&self.draft, name, sink.kind(), Role::Sink, inputs);
        self.attach(move |wiring| {
            let node = wiring.node(node);
            let stage = SinkStage::new(sink, Arc::clone(&node), Arc::clone(&wiring.shared));
            wiring.behind_edge(&node, Box::new(stage))
        });
        SinkEnd {
            draft: Rc::clone(&self.draft),
            node,
        }
    }

    pub(crate) fn number(&self) -> usize {
        self.node
    }

    pub(crate) fn attach(&self, attach: impl FnOnce(&mut Wiring) -> Box<dyn Stage<T>> + 'static) {
        self.slot.borrow_mut().push(Box::new(attach));
    }

    pub(crate) fn draft(&self) -> &Rc<RefCell<Draft>> {
        &self.draft
    }

    /// Leaves port `port` of a merge with this stream.
    pub(crate) fn attach_port<M: Payload, O: Payload>(
        &self,
        merge: &mut MergeDraft<M, O>,
        change: impl Fn(T) -> M + Send + 'static,
    ) {
        let node = merge.node;
        let port = add_port(&merge.draft, node, &self.draft, self.node);
        let ports = Rc::clone(&merge.ports);
        self.attach(move |wiring| {
            let node = wiring.node(node);
            let Some(lane) = node.lanes.get(port).cloned() else {
                return Box::new(Nowhere(PhantomData));
            };
            let (tx, rx) = edge(&lane, &node, &wiring.shared);
            ports
                .borrow_mut()
                .push((port, Box::new(MappedPort { edge: rx, change })));
            Box::new(tx)
        });
    }
}

impl SinkEnd {
    /// Chooses the queue before the sink.
    #[expect(
        clippy::return_self_not_must_use,
        reason = "the last call of a chain; the value is of no further use"
    )]
    pub fn edge(self, edge: Edge) -> Self {
        set_edges(&self.draft, self.node, edge);
        self
    }

    /// Chooses what happens when the sink reports an error.
    #[expect(
        clippy::return_self_not_must_use,
        reason = "the last call of a chain; the value is of no further use"
    )]
    pub fn on_error(self, policy: ErrorPolicy) -> Self {
        set_policy(&self.draft, self.node, policy);
        self
    }
}
