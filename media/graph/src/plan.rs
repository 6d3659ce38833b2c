//! The untyped side of a graph under construction: who feeds whom, checked as a whole.

use std::collections::BTreeSet;

use crate::error::BuildError;
use crate::node::Liveness;
use crate::policy::{Edge, ErrorPolicy, WhenFull};

const LONGEST_NAME: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Source(Liveness),
    Layer,
    Merge,
    Sink,
}

#[derive(Clone, Debug)]
pub(crate) struct InputPlan {
    pub(crate) from: usize,
    /// `None`: fused with its producer.
    pub(crate) edge: Option<Edge>,
}

#[derive(Clone, Debug)]
pub(crate) struct NodePlan {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) role: Role,
    pub(crate) policy: ErrorPolicy,
    pub(crate) inputs: Vec<InputPlan>,
}

/// All nodes in the order in which they were added; inputs always come before their consumers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) nodes: Vec<NodePlan>,
    /// Problems found while nodes were connected, by node.
    pub(crate) problems: Vec<(usize, Wrong)>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Wrong {
    NoEdge,
    NoPort(usize),
    ForeignStream,
}

impl Plan {
    pub(crate) fn node(&self, index: usize) -> Option<&NodePlan> {
        self.nodes.get(index)
    }

    /// Names from a source to the node, along first inputs.
    pub(crate) fn path(&self, index: usize) -> String {
        let mut names = Vec::new();
        let mut at = Some(index);
        while let Some(node) = at.and_then(|index| self.node(index)) {
            names.push(node.name.as_str());
            at = node.inputs.first().map(|input| input.from);
        }
        names.reverse();
        names.join(" -> ")
    }

    fn live_behind(&self) -> Vec<bool> {
        let mut live: Vec<bool> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let own = node.role == Role::Source(Liveness::Live);
            let fed = node
                .inputs
                .iter()
                .any(|input| live.get(input.from).copied().unwrap_or(false));
            live.push(own || fed);
        }
        live
    }

    /// Replaces [`WhenFull::Auto`] by what the sources demand.
    pub(crate) fn resolve(&mut self) {
        let live = self.live_behind();
        for input in self.nodes.iter_mut().flat_map(|node| &mut node.inputs) {
            if let Some(edge) = &mut input.edge
                && edge.when_full == WhenFull::Auto
            {
                let fed_live = live.get(input.from).copied().unwrap_or(false);
                edge.when_full = if fed_live {
                    WhenFull::DropOldest
                } else {
                    WhenFull::Block
                };
            }
        }
    }

    /// Everything that is wrong, in the order of the nodes. Expects a resolved plan.
    pub(crate) fn problems(&self) -> Vec<BuildError> {
        let mut found = Vec::new();
        self.check_names(&mut found);
        if !self
            .nodes
            .iter()
            .any(|node| matches!(node.role, Role::Source(_)))
        {
            found.push(BuildError::NoSource);
        }
        if !self.nodes.iter().any(|node| node.role == Role::Sink) {
            found.push(BuildError::NoSink);
        }
        self.check_outputs(&mut found);
        self.check_edges(&mut found);
        for (index, wrong) in &self.problems {
            let path = self.path(*index);
            found.push(match wrong {
                Wrong::NoEdge => BuildError::NoEdge { path },
                Wrong::NoPort(port) => BuildError::NoPort { path, port: *port },
                Wrong::ForeignStream => BuildError::ForeignStream { path },
            });
        }
        found
    }

    fn check_names(&self, found: &mut Vec<BuildError>) {
        let mut seen = BTreeSet::new();
        let mut told = BTreeSet::new();
        for NodePlan { name, .. } in &self.nodes {
            let usable = |c: char| c.is_ascii_alphanumeric() || "_.:/-".contains(c);
            if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(usable) {
                found.push(BuildError::BadName { name: name.clone() });
            }
            if !seen.insert(name) && told.insert(name) {
                found.push(BuildError::DuplicateName { name: name.clone() });
            }
        }
    }

    fn check_outputs(&self, found: &mut Vec<BuildError>) {
        let used: BTreeSet<usize> = self
            .nodes
            .iter()
            .flat_map(|node| &node.inputs)
            .map(|input| input.from)
            .collect();
        for (index, node) in self.nodes.iter().enumerate() {
            if node.role == Role::Merge && node.inputs.is_empty() {
                found.push(BuildError::EmptyMerge {
                    path: node.name.clone(),
                });
            }
            if used.contains(&index) {
                continue;
            }
            match node.role {
                Role::Sink => {}
                Role::Source(_) => found.push(BuildError::UnusedSource {
                    path: node.name.clone(),
                }),
                Role::Layer | Role::Merge => found.push(BuildError::UnusedOutput {
                    path: self.path(index),
                }),
            }
        }
    }

    /// A live source must reach a dropping edge before it reaches a blocking one.
    fn check_edges(&self, found: &mut Vec<BuildError>) {
        // Per node, the path from a live source whose thread stalls when this node's output does.
        let mut exposed: Vec<Option<String>> = Vec::with_capacity(self.nodes.len());
        for (index, node) in self.nodes.iter().enumerate() {
            let mut own = (node.role == Role::Source(Liveness::Live)).then(|| node.name.clone());
            for input in &node.inputs {
                if input.edge.is_some_and(|edge| edge.capacity == 0) {
                    found.push(BuildError::ZeroCapacity {
                        path: self.path(index),
                    });
                }
                let Some(Some(before)) = exposed.get(input.from) else {
                    continue;
                };
                let path = format!("{before} -> {}", node.name);
                match input.edge.map(|edge| edge.when_full) {
                    None => own = own.or(Some(path)),
                    Some(WhenFull::Block) => {
                        found.push(BuildError::BlockingLiveEdge { path: path.clone() });
                        // Report each further blocking edge on the way too.
                        own = own.or(Some(path));
                    }
                    Some(WhenFull::Auto | WhenFull::DropOldest | WhenFull::DropNewest) => {}
                }
            }
            exposed.push(own);
        }
    }
}
