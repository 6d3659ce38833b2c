//! Who feeds whom in a document: names become numbers, outputs get types, circles are found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::pipeline::check::output_names;
use crate::pipeline::document::{InputEntry, NodeEntry};
use crate::pipeline::kind::{Gives, Inputs, ItemType, NodeKind, Outputs, Takes};
use crate::pipeline::parse::{is_name, place_of};
use crate::pipeline::problem::{Problem, ProblemKind, nearest};

/// One input that leads somewhere.
#[derive(Clone, Debug)]
pub(crate) struct Connected {
    pub(crate) port: String,
    /// Number of the node in the document.
    pub(crate) from: usize,
    /// Empty for a node with one output.
    pub(crate) output: String,
    /// `None` when it cannot be known because of another problem.
    pub(crate) item: Option<ItemType>,
}

/// The connections of a document, by the number of the node.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    /// Nodes, each after those that feed it; nodes of a circle and what hangs on them are left out.
    pub(crate) order: Vec<usize>,
    pub(crate) inputs: Vec<Vec<Connected>>,
    /// Outputs that somebody takes.
    pub(crate) wanted: Vec<BTreeSet<String>>,
    /// Whether every input leads to a node and there is no circle.
    pub(crate) is_whole: bool,
    pub(crate) problems: Vec<Problem>,
}

type Kinds = [Option<Arc<NodeKind>>];

pub(crate) fn connect(nodes: &[NodeEntry], kinds: &Kinds) -> Connection {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, node) in nodes.iter().enumerate() {
        numbers.entry(&node.name).or_insert(index);
    }
    let mut connection = Connection {
        inputs: vec![Vec::new(); nodes.len()],
        wanted: vec![BTreeSet::new(); nodes.len()],
        is_whole: true,
        ..Connection::default()
    };
    connection.order = order(nodes, &numbers, &mut connection);
    let mut work = Work {
        nodes,
        kinds,
        numbers,
        connection,
    };
    for index in work.connection.order.clone() {
        work.node(index);
    }
    work.connection
}

/// Sorts by dependency; what remains is on a circle or behind one.
fn order(
    nodes: &[NodeEntry],
    numbers: &BTreeMap<&str, usize>,
    connection: &mut Connection,
) -> Vec<usize> {
    let mut waits: Vec<BTreeSet<usize>> = Vec::with_capacity(nodes.len());
    let mut feeds: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        let from = node
            .inputs
            .iter()
            .filter_map(|input| numbers.get(input.from.as_str()));
        let from: BTreeSet<usize> = from.copied().collect();
        for &fed in &from {
            if let Some(feeds) = feeds.get_mut(fed) {
                feeds.insert(index);
            }
        }
        waits.push(from);
    }
    let mut order: Vec<usize> = Vec::with_capacity(nodes.len());
    let mut ready: BTreeSet<usize> = (0..nodes.len())
        .filter(|&index| waits.get(index).is_some_and(BTreeSet::is_empty))
        .collect();
    while let Some(index) = ready.pop_first() {
        order.push(index);
        for &next in feeds.get(index).into_iter().flatten() {
            if let Some(waits) = waits.get_mut(next)
                && waits.remove(&index)
                && waits.is_empty()
            {
                ready.insert(next);
            }
        }
    }
    if let Some(circle) = circle(&waits, &order) {
        let names = circle.iter().filter_map(|&index| nodes.get(index));
        let names: Vec<String> = names.map(|node| node.name.clone()).collect();
        let place = circle.first().map_or(0, |&index| index);
        let name = nodes.get(place).map_or("", |node| node.name.as_str());
        connection.problems.push(Problem::new(
            place_of(name, place),
            ProblemKind::Cycle(names),
        ));
        connection.is_whole = false;
    }
    order
}

/// One circle, its first node again at the end, in the direction in which packets would go.
fn circle(waits: &[BTreeSet<usize>], sorted: &[usize]) -> Option<Vec<usize>> {
    let sorted: BTreeSet<usize> = sorted.iter().copied().collect();
    let mut at = (0..waits.len()).find(|index| !sorted.contains(index))?;
    let mut path: Vec<usize> = Vec::new();
    let mut places: BTreeMap<usize, usize> = BTreeMap::new();
    // Everything unsorted waits for something unsorted, so the walk closes.
    while let std::collections::btree_map::Entry::Vacant(slot) = places.entry(at) {
        slot.insert(path.len());
        path.push(at);
        at = *waits
            .get(at)?
            .iter()
            .find(|index| !sorted.contains(index))?;
    }
    let mut circle = path.split_off(*places.get(&at)?);
    circle.push(at);
    circle.reverse();
    Some(circle)
}

struct Work<'a> {
    nodes: &'a [NodeEntry],
    kinds: &'a Kinds,
    numbers: BTreeMap<&'a str, usize>,
    connection: Connection,
}

impl Work<'_> {
    fn add(&mut self, index: usize, part: &str, kind: ProblemKind) {
        let name = self.nodes.get(index).map_or("", |node| node.name.as_str());
        let place = format!("{}{part}", place_of(name, index));
        self.connection.problems.push(Problem::new(place, kind));
    }

    fn kind(&self, index: usize) -> Option<&Arc<NodeKind>> {
        self.kinds.get(index).and_then(Option::as_ref)
    }

    fn node(&mut self, index: usize) {
        let Some(node) = self.nodes.get(index) else {
            return;
        };
        let Some(kind) = self.kind(index).cloned() else {
            // Its inputs are taken all the same, so that their nodes are not called unused.
            for input in &node.inputs {
                self.resolve(index, input, Takes::Any, "");
            }
            return;
        };
        if matches!(kind.inputs, Inputs::None) && !node.inputs.is_empty() {
            self.add(index, ".in", ProblemKind::NoInputs);
            return;
        }
        let mut taken = BTreeSet::new();
        for (place, input) in node.inputs.iter().enumerate() {
            let Some((port, takes)) = self.port(index, &kind, place, input) else {
                self.resolve(index, input, Takes::Any, "");
                continue;
            };
            if !taken.insert(port.clone()) {
                self.add(index, ".in", ProblemKind::DuplicatePort(port));
                continue;
            }
            if let Some(connected) = self.resolve(index, input, takes, &port)
                && let Some(inputs) = self.connection.inputs.get_mut(index)
            {
                inputs.push(connected);
            }
        }
        self.missing(index, &kind, &taken);
    }

    fn missing(&mut self, index: usize, kind: &NodeKind, taken: &BTreeSet<String>) {
        match &kind.inputs {
            Inputs::None => {}
            Inputs::Many(takes) => {
                if taken.is_empty() {
                    let (port, takes) = ("in".to_owned(), takes.to_string());
                    self.add(index, "", ProblemKind::MissingInput { port, takes });
                }
            }
            Inputs::Ports(ports) => {
                let missing = ports
                    .iter()
                    .filter(|port| port.required && !taken.contains(port.name));
                for port in missing {
                    let kind = ProblemKind::MissingInput {
                        port: port.name.to_owned(),
                        takes: port.takes.to_string(),
                    };
                    self.add(index, "", kind);
                }
            }
        }
    }

    /// The port an input goes to and what that takes.
    fn port(
        &mut self,
        index: usize,
        kind: &NodeKind,
        place: usize,
        input: &InputEntry,
    ) -> Option<(String, Takes)> {
        let ports = match &kind.inputs {
            Inputs::None => return None,
            Inputs::Many(takes) => {
                let port = input.port.clone().unwrap_or_else(|| input.from.clone());
                if !is_name(&port) {
                    self.add(index, ".in", ProblemKind::BadName);
                    return None;
                }
                return Some((port, *takes));
            }
            Inputs::Ports(ports) => ports,
        };
        let found = match &input.port {
            Some(port) => ports.iter().find(|known| known.name == port),
            None => ports.get(place),
        };
        if let Some(port) = found {
            return Some((port.name.to_owned(), port.takes));
        }
        let port = input
            .port
            .clone()
            .unwrap_or_else(|| format!("number {}", place + 1));
        let problem = ProblemKind::UnknownPort {
            nearest: nearest(&port, ports.iter().map(|known| known.name)),
            known: ports.iter().map(|known| known.name.to_owned()).collect(),
            port,
        };
        self.add(index, ".in", problem);
        None
    }

    fn resolve(
        &mut self,
        index: usize,
        input: &InputEntry,
        takes: Takes,
        port: &str,
    ) -> Option<Connected> {
        let Some(&from) = self.numbers.get(input.from.as_str()) else {
            let kind = ProblemKind::UnknownInput {
                from: input.from.chars().take(80).collect(),
                nearest: nearest(&input.from, self.numbers.keys().copied()),
            };
            self.add(index, ".in", kind);
            self.connection.is_whole = false;
            return None;
        };
        let feeder = self.kind(from)?.clone();
        let first = self.first_item(from);
        let known = output_names(&feeder, first.as_ref());
        let fitting: Vec<&String> = known
            .iter()
            .filter(|name| {
                let item = self.item_of(from, &feeder, name);
                item.is_none_or(|item| takes.accepts(&item))
            })
            .collect();
        let chosen = match (&input.output, fitting.as_slice(), known.as_slice()) {
            (Some(output), _, _) if known.contains(output) && !output.is_empty() => output.clone(),
            (None, [only], _) => (*only).clone(),
            (None, [], [only]) => only.clone(),
            (Some(output), _, _) => {
                if matches!(feeder.outputs, Outputs::Fields) && first.is_none() {
                    return None; // Its row is a problem already.
                }
                let kind = ProblemKind::UnknownOutput {
                    from: input.from.clone(),
                    nearest: nearest(output, known.iter().map(String::as_str)),
                    output: output.chars().take(80).collect(),
                    known: known.into_iter().filter(|name| !name.is_empty()).collect(),
                };
                self.add(index, ".in", kind);
                return None;
            }
            (None, _, []) => {
                let kind = ProblemKind::UnknownOutput {
                    from: input.from.clone(),
                    output: String::new(),
                    known,
                    nearest: None,
                };
                self.add(index, ".in", kind);
                return None;
            }
            (None, _, _) => {
                let from = input.from.clone();
                self.add(index, ".in", ProblemKind::WhichOutput { from, known });
                return None;
            }
        };
        if let Some(wanted) = self.connection.wanted.get_mut(from) {
            wanted.insert(chosen.clone());
        }
        let item = self.item_of(from, &feeder, &chosen);
        if let Some(item) = item.as_ref().filter(|item| !takes.accepts(item)) {
            let kind = ProblemKind::Type {
                from: input.reference(),
                gives: item.to_string(),
                takes: takes.to_string(),
            };
            self.add(index, ".in", kind);
        }
        Some(Connected {
            port: port.to_owned(),
            from,
            output: chosen,
            item,
        })
    }

    fn first_item(&self, index: usize) -> Option<ItemType> {
        let inputs = self.connection.inputs.get(index)?;
        inputs.first()?.item.clone()
    }

    /// The type of an output; the node's own inputs are resolved before.
    fn item_of(&self, index: usize, kind: &NodeKind, output: &str) -> Option<ItemType> {
        let gives = match &kind.outputs {
            Outputs::None => return None,
            Outputs::One(gives) => *gives,
            Outputs::Named(outputs) => outputs.iter().find(|(name, _)| *name == output)?.1,
            Outputs::Fields => {
                return match self.first_item(index)? {
                    ItemType::Row(fields) => fields.get(output).cloned(),
                    ItemType::Is(_) => None,
                };
            }
        };
        match gives {
            Gives::Type(name) => Some(ItemType::Is(name)),
            Gives::Same => self.first_item(index),
            Gives::Row => {
                let inputs = self.connection.inputs.get(index)?;
                let fields = inputs.iter().map(|input| {
                    let item = input.item.clone().unwrap_or(ItemType::Is("unknown"));
                    (input.port.clone(), item)
                });
                Some(ItemType::Row(Arc::new(fields.collect())))
            }
        }
    }
}
