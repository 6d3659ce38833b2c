//! A document against a registry: every problem at once, or a pipeline that can be drawn and built.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::draw::{Draw, draw};
use crate::error::BuildError;
use crate::node::Liveness;
use crate::pipeline::connect::{Connected, connect};
use crate::pipeline::document::{Document, EdgeEntry, NodeEntry, ParamEntry};
use crate::pipeline::kind::{Inputs, ItemType, NodeKind, Outputs, Registry};
use crate::pipeline::param::{ParamFault, Params};
use crate::pipeline::parse::{named_params, place_of};
use crate::pipeline::problem::{Problem, ProblemKind, nearest};
use crate::pipeline::settings::within;
use crate::plan::{InputPlan, NodePlan, Plan, Role};
use crate::policy::Edge;

/// Packets on an edge of video unless the document says otherwise.
const VIDEO_CAPACITY: usize = 2;
/// Packets on every other edge.
const OTHER_CAPACITY: usize = 64;

/// A document without problems, with all defaults filled in.
#[derive(Debug)]
pub struct Checked {
    pub(crate) document: Document,
    /// Each after the nodes that feed it.
    pub(crate) nodes: Vec<CheckedNode>,
    plan: Plan,
    warnings: Vec<Problem>,
}

/// One node, ready to be made.
#[derive(Debug)]
pub(crate) struct CheckedNode {
    pub(crate) entry: NodeEntry,
    pub(crate) kind: Arc<NodeKind>,
    pub(crate) params: Params,
    /// Narrower ranges of named parameters.
    pub(crate) ranges: BTreeMap<String, (Option<f64>, Option<f64>)>,
    pub(crate) inputs: Vec<Connected>,
    /// `None`: fused with its producer.
    pub(crate) edges: Vec<Option<Edge>>,
    /// Outputs that somebody takes; the empty name is the only output.
    pub(crate) wanted: BTreeSet<String>,
    pub(crate) is_live: bool,
}

impl Document {
    /// Checks everything that can be known without opening anything.
    pub fn check(&self, registry: &Registry) -> Result<Checked, Vec<Problem>> {
        Checker::new(self, registry).run()
    }
}

impl Checked {
    /// The document with every default, port and edge written out.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The pipeline hash: documents that mean the same have the same one, whatever they leave out.
    pub fn hash(&self) -> String {
        self.document.hash()
    }

    /// What does not hinder the pipeline but should be known on this machine.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// Draws the pipeline, nothing being opened.
    pub fn draw(&self, form: Draw) -> String {
        draw(&self.plan, form)
    }
}

struct Checker<'a> {
    document: &'a Document,
    registry: &'a Registry,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl<'a> Checker<'a> {
    fn new(document: &'a Document, registry: &'a Registry) -> Self {
        Self {
            document,
            registry,
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn add(&mut self, place: impl Into<String>, kind: ProblemKind) {
        self.problems.push(Problem::new(place, kind));
    }

    fn run(mut self) -> Result<Checked, Vec<Problem>> {
        self.names();
        let kinds: Vec<_> = self
            .document
            .nodes
            .iter()
            .map(|node| self.kind(node))
            .collect();
        let connection = connect(&self.document.nodes, &kinds);
        self.problems.extend(connection.problems);
        let is_whole = connection.is_whole && kinds.iter().all(Option::is_some);
        let mut nodes: Vec<CheckedNode> = Vec::new();
        let mut place_in_plan: BTreeMap<usize, usize> = BTreeMap::new();
        for index in connection.order {
            let entry = self.document.nodes.get(index);
            let (Some(entry), Some(Some(kind))) = (entry, kinds.get(index)) else {
                continue;
            };
            let place = place_of(&entry.name, index);
            let inputs = connection.inputs.get(index).cloned().unwrap_or_default();
            let (params, ranges) = self.params(&place, entry, kind);
            let edges = self.edges(&place, entry, kind, &inputs);
            let fed_live = inputs.iter().any(|input| {
                let fed = place_in_plan.get(&input.from).and_then(|&at| nodes.get(at));
                fed.is_some_and(|fed| fed.is_live)
            });
            place_in_plan.insert(index, nodes.len());
            nodes.push(CheckedNode {
                is_live: fed_live || liveness(kind, &params) == Some(Liveness::Live),
                wanted: connection.wanted.get(index).cloned().unwrap_or_default(),
                entry: entry.clone(),
                kind: Arc::clone(kind),
                params,
                ranges,
                inputs,
                edges,
            });
        }
        self.left_out(&kinds, &place_in_plan);
        self.unused_names();
        let plan = plan_of(&nodes, &place_in_plan);
        self.wiring(&plan, is_whole);
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        Ok(Checked {
            document: written_out(self.document, &nodes, &plan),
            nodes,
            plan,
            warnings: self.warnings,
        })
    }

    fn names(&mut self) {
        let mut seen = BTreeSet::new();
        let mut told = BTreeSet::new();
        for (index, node) in self.document.nodes.iter().enumerate() {
            if !seen.insert(&node.name) && !node.name.is_empty() && told.insert(&node.name) {
                self.add(place_of(&node.name, index), ProblemKind::DuplicateName);
            }
        }
    }

    fn kind(&mut self, node: &NodeEntry) -> Option<Arc<NodeKind>> {
        let found = self.registry.get(&node.kind).cloned();
        if found.is_none() {
            let kind = ProblemKind::UnknownKind {
                nearest: self.registry.nearest(&node.kind),
                kind: node.kind.chars().take(80).collect(),
            };
            self.add(place_of(&node.name, 0), kind);
        }
        if found.as_ref().is_some_and(|kind| !kind.parallel) && node.parallel > 1 {
            self.add(
                format!("{}.parallel", place_of(&node.name, 0)),
                ProblemKind::NotParallel,
            );
        }
        found
    }

    /// Nodes on a circle or behind one have parameters too.
    fn left_out(&mut self, kinds: &[Option<Arc<NodeKind>>], done: &BTreeMap<usize, usize>) {
        for (index, (entry, kind)) in self.document.nodes.iter().zip(kinds).enumerate() {
            if let (Some(kind), false) = (kind, done.contains_key(&index)) {
                self.params(&place_of(&entry.name, index), entry, kind);
            }
        }
    }

    #[expect(clippy::type_complexity, reason = "values and their narrower ranges")]
    fn params(
        &mut self,
        place: &str,
        entry: &NodeEntry,
        kind: &NodeKind,
    ) -> (Params, BTreeMap<String, (Option<f64>, Option<f64>)>) {
        let (mut params, mut ranges) = (Params::default(), BTreeMap::new());
        let known = || kind.params.iter().map(|spec| spec.name);
        for name in entry
            .params
            .keys()
            .filter(|name| !known().any(|known| known == **name))
        {
            let problem = ProblemKind::UnknownParameter {
                name: name.chars().take(80).collect(),
                nearest: nearest(name, known()),
                known: known().map(str::to_owned).collect(),
            };
            self.add(place, problem);
        }
        let before = self.problems.len();
        for spec in &kind.params {
            let (given, range) = self.given(entry.params.get(spec.name));
            let value = given.as_ref().or(spec.default.as_ref());
            let accepted = match value {
                Some(value) => spec
                    .accept(value)
                    .and_then(|value| within(value, range.0, range.1)),
                None => Err(ParamFault::Required(spec.kind.to_string())),
            };
            match accepted {
                Ok(value) => drop(params.values.insert(spec.name.to_owned(), value)),
                Err(fault) => self.add(
                    format!("{place}.{}", spec.name),
                    ProblemKind::Parameter(fault),
                ),
            }
            ranges.insert(spec.name.to_owned(), range);
        }
        if self.problems.len() == before {
            let ports = entry.inputs.iter();
            let ports: Vec<_> = ports
                .map(|input| input.port.as_ref().unwrap_or(&input.from).as_str())
                .collect();
            for (name, why) in kind
                .faults
                .iter()
                .flat_map(|faults| faults(&params, &ports))
            {
                self.add(format!("{place}.{name}"), ProblemKind::Node(why));
            }
            for why in kind.warnings.iter().flat_map(|warnings| warnings(&params)) {
                self.warnings
                    .push(Problem::new(place, ProblemKind::Node(why)));
            }
        }
        (params, ranges)
    }

    /// The value a document gives a parameter, and the range it narrows it to.
    fn given(&self, entry: Option<&ParamEntry>) -> (Option<Value>, (Option<f64>, Option<f64>)) {
        match entry {
            None => (None, (None, None)),
            Some(ParamEntry::Value(value)) => (Some(value.clone()), (None, None)),
            Some(ParamEntry::Named {
                param,
                default,
                min,
                max,
            }) => {
                let value = self.document.params.get(param).or(default.as_ref());
                (value.cloned(), (*min, *max))
            }
        }
    }

    fn unused_names(&mut self) {
        let used = named_params(self.document);
        for name in self.document.params.keys() {
            if !used.contains_key(name.as_str()) {
                let nearest = nearest(name, used.keys().copied());
                let short: String = name.chars().take(60).collect();
                self.problems.push(Problem::new(
                    format!("pipeline.params.{short}"),
                    ProblemKind::UnusedName(nearest),
                ));
            }
        }
    }

    fn edges(
        &mut self,
        place: &str,
        entry: &NodeEntry,
        kind: &NodeKind,
        inputs: &[Connected],
    ) -> Vec<Option<Edge>> {
        let is_fused = entry.edge == Some(EdgeEntry::Fused);
        if matches!(kind.inputs, Inputs::None) && entry.edge.is_some() {
            self.add(format!("{place}.edge"), ProblemKind::NoInputs);
        } else if is_fused && kind.role() == "merge" {
            let why = "a node with several inputs has a thread of its own; give it a queue";
            self.add(format!("{place}.edge"), ProblemKind::Node(why.to_owned()));
        }
        let edge_of = |input: &Connected| {
            let usual = match &input.item {
                Some(ItemType::Is("video")) => VIDEO_CAPACITY,
                _ => OTHER_CAPACITY,
            };
            match entry.edge {
                Some(EdgeEntry::Fused) => None,
                Some(EdgeEntry::Queue {
                    capacity,
                    when_full,
                }) => Some(Edge {
                    capacity: capacity.unwrap_or(usual),
                    when_full,
                }),
                None => Some(Edge::auto(usual)),
            }
        };
        inputs.iter().map(edge_of).collect()
    }

    fn wiring(&mut self, plan: &Plan, is_whole: bool) {
        for error in plan.problems() {
            let tells = match error {
                BuildError::BadName { .. } | BuildError::DuplicateName { .. } => false,
                // What hangs on a missing node is not another problem.
                BuildError::BlockingLiveEdge { .. } | BuildError::ZeroCapacity { .. } => true,
                _ => is_whole,
            };
            if tells {
                self.add("", ProblemKind::Wiring(error));
            }
        }
    }
}

fn liveness(kind: &NodeKind, params: &Params) -> Option<Liveness> {
    kind.liveness.as_ref().map(|liveness| liveness(params))
}

fn plan_of(nodes: &[CheckedNode], place_in_plan: &BTreeMap<usize, usize>) -> Plan {
    let mut plan = Plan::default();
    for node in nodes {
        let role = match node.kind.role() {
            "source" => Role::Source(liveness(&node.kind, &node.params).unwrap_or(Liveness::Fast)),
            "sink" => Role::Sink,
            "merge" => Role::Merge,
            _ => Role::Layer,
        };
        let inputs = node.inputs.iter().zip(&node.edges);
        let inputs = inputs.filter_map(|(input, edge)| {
            let from = *place_in_plan.get(&input.from)?;
            Some(InputPlan { from, edge: *edge })
        });
        plan.nodes.push(NodePlan {
            name: node.entry.name.clone(),
            kind: node.kind.name,
            role,
            policy: node.entry.on_error,
            inputs: inputs.collect(),
        });
    }
    plan.resolve();
    plan
}

/// The document with everything a reader of the short form would have to know.
fn written_out(document: &Document, nodes: &[CheckedNode], plan: &Plan) -> Document {
    let mut full = document.clone();
    full.params.clear();
    full.nodes.clear();
    for (node, planned) in nodes.iter().zip(&plan.nodes) {
        let mut entry = node.entry.clone();
        for (input, connected) in entry.inputs.iter_mut().zip(&node.inputs) {
            input.port = Some(connected.port.clone());
            input.output = Some(connected.output.clone()).filter(|output| !output.is_empty());
        }
        let is_many = matches!(node.kind.inputs, Inputs::Many(_));
        if !is_many {
            entry.inputs.sort_by(|a, b| a.port.cmp(&b.port));
        }
        entry.edge = planned.inputs.first().map(|input| match input.edge {
            None => EdgeEntry::Fused,
            Some(edge) => EdgeEntry::Queue {
                capacity: Some(edge.capacity),
                when_full: edge.when_full,
            },
        });
        for (name, value) in &node.params.values {
            let value = value.clone();
            let written = match entry.params.remove(name) {
                Some(ParamEntry::Named {
                    param, min, max, ..
                }) => ParamEntry::Named {
                    param,
                    min,
                    max,
                    default: Some(value),
                },
                _ => ParamEntry::Value(value),
            };
            entry.params.insert(name.clone(), written);
        }
        entry
            .params
            .retain(|_, entry| *entry != ParamEntry::Value(Value::Null));
        full.nodes.push(entry);
    }
    full
}

/// Names of the outputs of a kind, given what comes in; empty for one without a name.
pub(crate) fn output_names(kind: &NodeKind, first: Option<&ItemType>) -> Vec<String> {
    match &kind.outputs {
        Outputs::None => Vec::new(),
        Outputs::One(_) => vec![String::new()],
        Outputs::Named(outputs) => outputs.iter().map(|(name, _)| (*name).to_owned()).collect(),
        Outputs::Fields => match first {
            Some(ItemType::Row(fields)) => fields.keys().cloned().collect(),
            _ => Vec::new(),
        },
    }
}
