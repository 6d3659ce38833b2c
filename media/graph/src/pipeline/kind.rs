//! Kinds of nodes: what a document may name, and the registry that crates above fill.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::node::Liveness;
use crate::pipeline::make::{MakeError, Maker};
use crate::pipeline::param::{ParamSpec, Params};
use crate::pipeline::problem::nearest;

/// Which item types a port takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Takes {
    /// Every type.
    Any,
    /// One of these.
    Types(&'static [&'static str]),
}

/// One input of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Port {
    /// Its name in documents.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// Whether it must be connected.
    pub required: bool,
}

/// The inputs of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Inputs {
    /// None: a source.
    None,
    /// These; the first is the one that a plain `in = "node"` means.
    Ports(Vec<Port>),
    /// Any number, named by the document.
    Many(Takes),
}

/// What an output gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gives {
    /// This type.
    Type(&'static str),
    /// The type of the first input.
    Same,
    /// A row with a field per input.
    Row,
}

/// The outputs of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outputs {
    /// None: a sink.
    None,
    /// One, without a name.
    One(Gives),
    /// Several, chosen by `node:name`.
    Named(Vec<(&'static str, Gives)>),
    /// One per field of the row that comes in.
    Fields,
}

/// The static type of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemType {
    /// A named type.
    Is(&'static str),
    /// A row with these fields.
    Row(Arc<BTreeMap<String, ItemType>>),
}

impl ItemType {
    /// Its name; `row` for every row.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Is(name) => name,
            Self::Row(_) => "row",
        }
    }
}

impl fmt::Display for ItemType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(name) => f.write_str(name),
            Self::Row(fields) => {
                // One level: rows of rows of rows would be no message.
                let fields = fields
                    .iter()
                    .map(|(name, item)| format!("{name}: {}", item.name()));
                write!(f, "row {{ {} }}", fields.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

impl Takes {
    /// Whether items of this type are taken.
    pub fn accepts(&self, item: &ItemType) -> bool {
        match self {
            Self::Any => true,
            Self::Types(names) => names.contains(&item.name()),
        }
    }
}

impl fmt::Display for Takes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any item"),
            Self::Types(names) => f.write_str(&names.join(" or ")),
        }
    }
}

type Make = dyn Fn(&mut Maker<'_>) -> Result<(), MakeError> + Send + Sync;
type LivenessOf = dyn Fn(&Params) -> Liveness + Send + Sync;
type Faults = dyn Fn(&Params, &[&str]) -> Vec<(&'static str, String)> + Send + Sync;
type Warnings = dyn Fn(&Params) -> Vec<String> + Send + Sync;

/// One kind of node: how documents may use it, what a person should know, and how it is made.
pub struct NodeKind {
    /// Its name in documents.
    pub name: &'static str,
    /// One sentence.
    pub doc: &'static str,
    /// What it takes.
    pub inputs: Inputs,
    /// What it gives.
    pub outputs: Outputs,
    /// Its parameters.
    pub params: Vec<ParamSpec>,
    /// Whether it may work on several packets at a time.
    pub parallel: bool,
    pub(crate) liveness: Option<Box<LivenessOf>>,
    pub(crate) faults: Option<Box<Faults>>,
    pub(crate) warnings: Option<Box<Warnings>>,
    pub(crate) make: Box<Make>,
}

impl NodeKind {
    fn new(name: &'static str, doc: &'static str, inputs: Inputs, outputs: Outputs) -> Self {
        Self {
            name,
            doc,
            inputs,
            outputs,
            params: Vec::new(),
            parallel: false,
            liveness: None,
            faults: None,
            warnings: None,
            make: Box::new(|_| Err(MakeError::failed("this kind has no maker"))),
        }
    }

    /// A source; `liveness` must say the same as the node that is made.
    pub fn source(
        name: &'static str,
        doc: &'static str,
        outputs: Outputs,
        liveness: impl Fn(&Params) -> Liveness + Send + Sync + 'static,
    ) -> Self {
        Self {
            liveness: Some(Box::new(liveness)),
            ..Self::new(name, doc, Inputs::None, outputs)
        }
    }

    /// A layer with one input called `in`.
    pub fn layer(name: &'static str, doc: &'static str, takes: Takes, gives: Gives) -> Self {
        let port = Port {
            name: "in",
            takes,
            required: true,
        };
        Self::new(name, doc, Inputs::Ports(vec![port]), Outputs::One(gives))
    }

    /// A layer with inputs of its own choice.
    pub fn join(name: &'static str, doc: &'static str, inputs: Inputs, outputs: Outputs) -> Self {
        Self::new(name, doc, inputs, outputs)
    }

    /// A sink with one input called `in`.
    pub fn sink(name: &'static str, doc: &'static str, takes: Takes) -> Self {
        let port = Port {
            name: "in",
            takes,
            required: true,
        };
        Self::new(name, doc, Inputs::Ports(vec![port]), Outputs::None)
    }

    /// Adds a parameter.
    #[must_use]
    pub fn param(mut self, spec: ParamSpec) -> Self {
        self.params.push(spec);
        self
    }

    /// Allows `parallel`: the layer keeps nothing from packet to packet.
    #[must_use]
    pub fn parallel(mut self) -> Self {
        self.parallel = true;
        self
    }

    /// Adds a check of the parameters against each other and the connected inputs: the faulty one and why. Opens nothing.
    #[must_use]
    pub fn check(
        mut self,
        faults: impl Fn(&Params, &[&str]) -> Vec<(&'static str, String)> + Send + Sync + 'static,
    ) -> Self {
        self.faults = Some(Box::new(faults));
        self
    }

    /// Adds a look at this machine: what is missing, and what happens instead.
    #[must_use]
    pub fn warn(mut self, warn: impl Fn(&Params) -> Vec<String> + Send + Sync + 'static) -> Self {
        self.warnings = Some(Box::new(warn));
        self
    }

    /// How it is made.
    #[must_use]
    pub fn make(
        mut self,
        make: impl Fn(&mut Maker<'_>) -> Result<(), MakeError> + Send + Sync + 'static,
    ) -> Self {
        self.make = Box::new(make);
        self
    }

    /// `source`, `merge`, `layer` or `sink`.
    pub fn role(&self) -> &'static str {
        match (&self.inputs, &self.outputs) {
            (Inputs::None, _) => "source",
            (_, Outputs::None) => "sink",
            (Inputs::Ports(ports), _) if ports.len() < 2 => "layer",
            _ => "merge",
        }
    }
}

impl fmt::Debug for NodeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeKind({})", self.name)
    }
}

/// The kinds of nodes that documents may name.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    kinds: BTreeMap<&'static str, Arc<NodeKind>>,
}

impl Registry {
    /// A registry without kinds.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a kind; one of the same name is replaced.
    pub fn add(&mut self, kind: NodeKind) {
        self.kinds.insert(kind.name, Arc::new(kind));
    }

    /// A kind by name.
    pub fn get(&self, name: &str) -> Option<&Arc<NodeKind>> {
        self.kinds.get(name)
    }

    /// All kinds by name.
    pub fn kinds(&self) -> impl Iterator<Item = &NodeKind> {
        self.kinds.values().map(AsRef::as_ref)
    }

    /// The name that looks most like `word`.
    pub fn nearest(&self, word: &str) -> Option<String> {
        nearest(word, self.kinds.keys().copied())
    }
}
