//! From the draft of a graph to its threads.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use crate::edge::edge;
use crate::graph::Stream;
use crate::node_state::NodeState;
use crate::packet::{MediaTime, Packet, Payload};
use crate::plan::{InputPlan, NodePlan, Plan, Role, Wrong};
use crate::policy::{Edge, ErrorPolicy};
use crate::shared::Shared;
use crate::stage::{Outlet, Stage};
use crate::unit::{Join, MergeUnit, Port, Unit, run_edge};

/// What the streams of one graph share while it is put together.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) plan: Plan,
    pub(crate) heads: Vec<Head>,
}

/// Makes the thread of a source or merge, with everything it feeds.
pub(crate) type Head = Box<dyn FnOnce(&mut Wiring)>;

/// What consumers leave with a stream until the graph is built.
pub(crate) type Slot<T> = Rc<RefCell<Vec<Attach<T>>>>;
pub(crate) type Attach<T> = Box<dyn FnOnce(&mut Wiring) -> Box<dyn Stage<T>>>;

/// Turns the draft into threads.
pub(crate) struct Wiring {
    pub(crate) shared: Arc<Shared>,
    pub(crate) units: Vec<Unit>,
}

impl Wiring {
    /// The state of a node; cannot miss, because the shared state was made from the plan that numbers the nodes.
    pub(crate) fn node(&self, index: usize) -> Arc<NodeState> {
        Arc::clone(&self.shared.nodes[index])
    }

    pub(crate) fn outlet<T: Payload>(
        &mut self,
        node: &Arc<NodeState>,
        slot: &Slot<T>,
    ) -> Outlet<T> {
        let waiting = std::mem::take(&mut *slot.borrow_mut());
        let consumers = waiting.into_iter().map(|attach| attach(self)).collect();
        Outlet::new(Arc::clone(node), consumers)
    }

    pub(crate) fn unit(&mut self, node: &Arc<NodeState>, body: impl FnOnce() + Send + 'static) {
        self.named_unit(node.name.clone(), node, body);
    }

    /// A thread with a name of its own, for nodes that have several.
    pub(crate) fn named_unit(
        &mut self,
        name: String,
        node: &Arc<NodeState>,
        body: impl FnOnce() + Send + 'static,
    ) {
        self.units.push(Unit {
            name,
            node: Arc::clone(node),
            body: Box::new(body),
        });
    }

    /// Puts a queue and a thread before `stage`.
    pub(crate) fn behind_edge<T: Payload>(
        &mut self,
        node: &Arc<NodeState>,
        stage: Box<dyn Stage<T>>,
    ) -> Box<dyn Stage<T>> {
        let Some(lane) = node.lanes.first() else {
            return stage;
        };
        let (tx, rx) = edge(lane, node, &self.shared);
        let shared = Arc::clone(&self.shared);
        self.unit(node, move || run_edge(rx, stage, &shared));
        Box::new(tx)
    }
}

/// The inputs of a merge until the graph is built.
pub(crate) type PortSlot<M> = Rc<RefCell<Vec<(usize, Box<dyn Port<M>>)>>>;

/// A merge whose inputs are being attached.
pub(crate) struct MergeDraft<M, O> {
    pub(crate) draft: Rc<RefCell<Draft>>,
    pub(crate) node: usize,
    pub(crate) ports: PortSlot<M>,
    slot: Slot<O>,
}

impl<M: Payload, O: Payload> MergeDraft<M, O> {
    pub(crate) fn new(draft: &Rc<RefCell<Draft>>, name: &str, kind: &'static str) -> Self {
        let (node, slot) = add_node(draft, name, kind, Role::Merge, Vec::new());
        Self {
            draft: Rc::clone(draft),
            node,
            ports: Rc::default(),
            slot,
        }
    }

    pub(crate) fn finish(self, join: impl Join<M, O> + 'static) -> Stream<O> {
        let Self {
            draft,
            node,
            ports,
            slot,
        } = self;
        let consumers = Rc::clone(&slot);
        let head = move |wiring: &mut Wiring| {
            let node = wiring.node(node);
            let outlet = wiring.outlet(&node, &consumers);
            let mut ports = std::mem::take(&mut *ports.borrow_mut());
            ports.sort_by_key(|(port, _)| *port);
            let unit = MergeUnit {
                ports: ports.into_iter().map(|(_, port)| port).collect(),
                join: Box::new(join),
                outlet,
                node: Arc::clone(&node),
                shared: Arc::clone(&wiring.shared),
            };
            wiring.unit(&node, move || unit.run());
        };
        draft.borrow_mut().heads.push(Box::new(head));
        Stream::new(draft, node, slot)
    }
}

/// Stands in for a port that the plan does not know; such a plan is refused before it is wired.
pub(crate) struct Nowhere<T>(pub(crate) PhantomData<fn(T)>);

impl<T> Stage<T> for Nowhere<T> {
    fn start(&mut self) {}
    fn push(&mut self, _packet: Packet<T>, _entered: Instant) {}
    fn bound(&mut self, _bound: MediaTime) {}
    fn end(&mut self) {}
}

pub(crate) fn add_node<T>(
    draft: &Rc<RefCell<Draft>>,
    name: &str,
    kind: &'static str,
    role: Role,
    inputs: Vec<InputPlan>,
) -> (usize, Slot<T>) {
    let nodes = &mut draft.borrow_mut().plan.nodes;
    nodes.push(NodePlan {
        name: name.to_owned(),
        kind,
        role,
        policy: ErrorPolicy::default(),
        inputs,
    });
    (nodes.len() - 1, Rc::default())
}

/// A layer behind an edge.
pub(crate) fn add_layer_node<T>(
    draft: &Rc<RefCell<Draft>>,
    name: &str,
    kind: &'static str,
    from: usize,
) -> (usize, Slot<T>) {
    let edge = Some(Edge::default());
    let inputs = vec![InputPlan { from, edge }];
    add_node(draft, name, kind, Role::Layer, inputs)
}

pub(crate) fn add_port(
    draft: &Rc<RefCell<Draft>>,
    merge: usize,
    of: &Rc<RefCell<Draft>>,
    from: usize,
) -> usize {
    let plan = &mut draft.borrow_mut().plan;
    if !Rc::ptr_eq(draft, of) {
        plan.problems.push((merge, Wrong::ForeignStream));
        return 0;
    }
    let Some(node) = plan.nodes.get_mut(merge) else {
        return 0;
    };
    node.inputs.push(InputPlan {
        from,
        edge: Some(Edge::default()),
    });
    node.inputs.len() - 1
}

pub(crate) fn set_edges(draft: &Rc<RefCell<Draft>>, node: usize, edge: Edge) {
    let plan = &mut draft.borrow_mut().plan;
    let inputs = plan
        .nodes
        .get_mut(node)
        .map(|node| node.inputs.as_mut_slice())
        .unwrap_or_default();
    let mut edges = inputs
        .iter_mut()
        .filter_map(|input| input.edge.as_mut())
        .peekable();
    if edges.peek().is_none() {
        plan.problems.push((node, Wrong::NoEdge));
        return;
    }
    edges.for_each(|slot| *slot = edge);
}

pub(crate) fn set_port_edge(draft: &Rc<RefCell<Draft>>, node: usize, port: usize, edge: Edge) {
    let plan = &mut draft.borrow_mut().plan;
    match plan
        .nodes
        .get_mut(node)
        .and_then(|node| node.inputs.get_mut(port))
        .and_then(|input| input.edge.as_mut())
    {
        Some(slot) => *slot = edge,
        None => plan.problems.push((node, Wrong::NoPort(port))),
    }
}

pub(crate) fn set_policy(draft: &Rc<RefCell<Draft>>, node: usize, policy: ErrorPolicy) {
    if let Some(node) = draft.borrow_mut().plan.nodes.get_mut(node) {
        node.policy = policy;
    }
}
