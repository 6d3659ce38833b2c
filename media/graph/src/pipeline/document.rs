//! A pipeline as a document: the tree behind its TOML, its JSON and its hash.

use std::collections::BTreeMap;

use lsie_schemas::text::{canonical_json, sha256_hex};
use serde_json::{Map, Value, json};

use crate::pipeline::parse::named_params;
use crate::pipeline::problem::nearest;
use crate::pipeline::settings::SetError;
use crate::policy::{ErrorPolicy, StopRule, WhenFull};

/// Which clock stamps the packets of a pipeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// The source's own media time.
    #[default]
    Capture,
    /// The time since the source was started, when the packet arrived.
    Wall,
}

/// A pipeline as it is written down (pipeline 2.5). Equal documents have equal TOML, JSON and hash.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// Name of the pipeline, for logs and results.
    pub id: String,
    /// Which clock stamps packets.
    pub clock: Clock,
    /// When a run with several sources ends.
    pub stop: StopRule,
    /// Values of named parameters.
    pub params: BTreeMap<String, Value>,
    /// The nodes, in any order.
    pub nodes: Vec<NodeEntry>,
}

/// One node of a document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeEntry {
    /// Its name, unique.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Where its items come from, in the order of its inputs.
    pub inputs: Vec<InputEntry>,
    /// The queue before it, where it is not the usual one.
    pub edge: Option<EdgeEntry>,
    /// What happens when it reports an error.
    pub on_error: ErrorPolicy,
    /// How many packets it works on at a time, at least 1; its output stays in order.
    pub parallel: usize,
    /// Its parameters as written.
    pub params: BTreeMap<String, ParamEntry>,
}

/// One input of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputEntry {
    /// The port; `None` takes the next one of the kind, in a merge the name of the node.
    pub port: Option<String>,
    /// The node whose output it is.
    pub from: String,
    /// The output; `None` takes the only one that fits.
    pub output: Option<String>,
}

/// The queue before a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgeEntry {
    /// None: the node works on the thread of its producer.
    Fused,
    /// A bounded queue; parts left out are the usual ones.
    Queue {
        /// Packets it holds.
        capacity: Option<usize>,
        /// What happens when it is full.
        when_full: WhenFull,
    },
}

/// A parameter as written.
#[derive(Clone, Debug, PartialEq)]
pub enum ParamEntry {
    /// A value.
    Value(Value),
    /// A value with a name of its own in the pipeline.
    Named {
        /// The name.
        param: String,
        /// Value unless `[pipeline.params]` has one; `None` is the kind's own default.
        default: Option<Value>,
        /// Narrower range than the kind's.
        min: Option<f64>,
        /// Narrower range than the kind's.
        max: Option<f64>,
    },
}

impl NodeEntry {
    /// A node of a kind without inputs and parameters.
    pub fn new(name: impl Into<String>, kind: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: kind.into(),
            parallel: 1,
            ..Self::default()
        }
    }

    /// Adds an input: `node` or `node:output`.
    #[must_use]
    pub fn input(mut self, from: &str) -> Self {
        self.inputs.push(InputEntry::parse(None, from));
        self
    }

    /// Adds an input to a port by name.
    #[must_use]
    pub fn port(mut self, port: &str, from: &str) -> Self {
        self.inputs
            .push(InputEntry::parse(Some(port.to_owned()), from));
        self
    }

    /// Sets a parameter.
    #[must_use]
    pub fn param(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.params
            .insert(name.to_owned(), ParamEntry::Value(value.into()));
        self
    }

    /// Sets the queue before it.
    #[must_use]
    pub fn edge(mut self, edge: EdgeEntry) -> Self {
        self.edge = Some(edge);
        self
    }

    fn tree(&self) -> Value {
        let mut tree = Map::new();
        tree.insert("name".into(), json!(self.name));
        tree.insert("kind".into(), json!(self.kind));
        if let Some(inputs) = inputs_tree(&self.inputs) {
            tree.insert("in".into(), inputs);
        }
        if let Some(edge) = self.edge {
            tree.insert("edge".into(), edge.tree());
        }
        match self.on_error {
            ErrorPolicy::Fail => {}
            ErrorPolicy::Drop => drop(tree.insert("on_error".into(), json!("drop"))),
            ErrorPolicy::Restart { max: None } => {
                tree.insert("on_error".into(), json!("restart"));
            }
            ErrorPolicy::Restart { max: Some(max) } => {
                tree.insert("on_error".into(), json!({ "restart": max }));
            }
        }
        if self.parallel > 1 {
            tree.insert("parallel".into(), json!(self.parallel));
        }
        for (name, entry) in &self.params {
            tree.insert(name.clone(), entry.tree());
        }
        Value::Object(tree)
    }
}

impl InputEntry {
    /// Reads `node` or `node:output`.
    pub fn parse(port: Option<String>, text: &str) -> Self {
        let (from, output) = match text.split_once(':') {
            Some((from, output)) => (from, Some(output.to_owned())),
            None => (text, None),
        };
        Self {
            port,
            from: from.to_owned(),
            output,
        }
    }

    /// `node` or `node:output`.
    pub fn reference(&self) -> String {
        match &self.output {
            Some(output) => format!("{}:{output}", self.from),
            None => self.from.clone(),
        }
    }
}

impl EdgeEntry {
    fn tree(self) -> Value {
        let Self::Queue {
            capacity,
            when_full,
        } = self
        else {
            return json!("fused");
        };
        let mut tree = Map::new();
        if let Some(capacity) = capacity {
            tree.insert("capacity".into(), json!(capacity));
        }
        if when_full != WhenFull::Auto {
            tree.insert("when_full".into(), json!(when_full_word(when_full)));
        }
        Value::Object(tree)
    }
}

impl ParamEntry {
    fn tree(&self) -> Value {
        let Self::Named {
            param,
            default,
            min,
            max,
        } = self
        else {
            return match self {
                Self::Value(value) => value.clone(),
                Self::Named { .. } => Value::Null,
            };
        };
        let mut tree = Map::new();
        tree.insert("param".into(), json!(param));
        if let Some(default) = default {
            tree.insert("default".into(), default.clone());
        }
        for (name, bound) in [("min", min), ("max", max)] {
            if let Some(bound) = bound {
                tree.insert(name.into(), json!(bound));
            }
        }
        Value::Object(tree)
    }
}

impl Document {
    /// A document with no nodes.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            ..Self::default()
        }
    }

    /// Sets `node.parameter` or a named parameter before the check; only the place is looked at here.
    pub fn set(&mut self, path: &str, value: Value) -> Result<(), SetError> {
        let named = named_params(self).contains_key(path);
        if named {
            self.params.insert(path.to_owned(), value);
            return Ok(());
        }
        let found = path.rsplit_once('.').and_then(|(node, name)| {
            let node = self.nodes.iter_mut().find(|known| known.name == node)?;
            Some((node, name))
        });
        if let Some((node, name)) = found {
            node.params
                .insert(name.to_owned(), ParamEntry::Value(value));
            return Ok(());
        }
        let node = path.rsplit_once('.').map_or(path, |(node, _)| node);
        let names = self.nodes.iter().map(|node| node.name.as_str());
        Err(SetError::Unknown {
            path: path.chars().take(120).collect(),
            nearest: nearest(node, names),
        })
    }

    /// Adds a node.
    #[must_use]
    pub fn node(mut self, node: NodeEntry) -> Self {
        self.nodes.push(node);
        self
    }

    /// The document as a tree, what is usual left out.
    pub fn tree(&self) -> Value {
        let mut head = Map::new();
        head.insert("id".into(), json!(self.id));
        if self.clock == Clock::Wall {
            head.insert("clock".into(), json!("wall"));
        }
        if self.stop == StopRule::First {
            head.insert("stop".into(), json!("first"));
        }
        if !self.params.is_empty() {
            head.insert("params".into(), json!(self.params));
        }
        let nodes: Vec<_> = self.nodes.iter().map(NodeEntry::tree).collect();
        json!({ "pipeline": head, "node": nodes })
    }

    /// The document as JSON text.
    pub fn to_json(&self) -> String {
        // A tree of strings and finite numbers always has a text.
        let mut text = serde_json::to_string_pretty(&self.tree()).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The document as TOML. TOML has no null: such values are left out, which is what they mean.
    pub fn to_toml(&self) -> String {
        let mut tree = self.tree();
        remove_nulls(&mut tree);
        toml::to_string(&tree).unwrap_or_default()
    }

    /// SHA-256 over the canonical JSON with the nodes sorted by name: independent of the order of keys and nodes, of
    /// blanks and of the spelling as TOML or JSON. [`Checked::hash`](super::Checked::hash) is over defaults too.
    pub fn hash(&self) -> String {
        let mut sorted = self.clone();
        sorted.nodes.sort_by(|a, b| a.name.cmp(&b.name));
        let mut tree = sorted.tree();
        remove_nulls(&mut tree);
        sha256_hex(canonical_json(&tree).as_bytes())
    }
}

/// `in` in its shortest form: a name, a list, or a table.
fn inputs_tree(inputs: &[InputEntry]) -> Option<Value> {
    match inputs {
        [] => None,
        [only @ InputEntry { port: None, .. }] => Some(json!(only.reference())),
        several if several.iter().all(|input| input.port.is_none()) => Some(json!(
            several
                .iter()
                .map(InputEntry::reference)
                .collect::<Vec<_>>()
        )),
        several => {
            let entries = several.iter().map(|input| {
                let port = input.port.clone().unwrap_or_else(|| input.from.clone());
                (port, json!(input.reference()))
            });
            Some(Value::Object(entries.collect()))
        }
    }
}

pub(crate) const fn when_full_word(when_full: WhenFull) -> &'static str {
    match when_full {
        WhenFull::Auto => "auto",
        WhenFull::Block => "block",
        WhenFull::DropOldest => "drop_oldest",
        WhenFull::DropNewest => "drop_newest",
    }
}

fn remove_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(remove_nulls);
        }
        Value::Array(list) => {
            list.retain(|value| !value.is_null());
            list.iter_mut().for_each(remove_nulls);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
