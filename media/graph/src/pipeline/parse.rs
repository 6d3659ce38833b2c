//! From text to a document. Reports every problem it meets and never panics, whatever the text holds.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Number, Value};

use crate::pipeline::document::{
    Clock, Document, EdgeEntry, InputEntry, NodeEntry, ParamEntry, when_full_word,
};
use crate::pipeline::param::shown;
use crate::pipeline::problem::{Problem, ProblemKind, nearest};
use crate::policy::{ErrorPolicy, StopRule, WhenFull};

/// Longest text of one file, bytes.
pub const MAX_DOCUMENT_BYTES: usize = 1 << 20;
/// Most nodes of a pipeline, included files counted.
pub const MAX_NODES: usize = 1024;
/// Most files that one pipeline is composed of.
pub const MAX_INCLUDES: usize = 32;
/// Most packets that an edge of a document may hold.
pub const MAX_CAPACITY: usize = 1 << 16;
/// Most packets that a node of a document may work on at a time.
pub const MAX_PARALLEL: usize = 64;

const ROOT_FIELDS: [&str; 3] = ["pipeline", "node", "include"];
const HEAD_FIELDS: [&str; 4] = ["id", "clock", "stop", "params"];
const NODE_FIELDS: [&str; 6] = ["name", "kind", "in", "edge", "on_error", "parallel"];
const EDGE_FIELDS: [&str; 2] = ["capacity", "when_full"];
const NAMED_FIELDS: [&str; 4] = ["param", "default", "min", "max"];

/// Reads the file that an `include` names, relative to the file that names it; the text of the error is shown.
pub type Fetch<'a> = dyn FnMut(&str) -> Result<String, String> + 'a;

impl Document {
    /// Reads TOML, or JSON when the first character is a brace. `include` is refused: use [`Document::parse_with`].
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        Self::parse_with(text, &mut |name| {
            Err(format!("{name:?} cannot be included here"))
        })
    }

    /// Reads TOML or JSON and everything it includes. The nodes of an included file come before the file's own; its
    /// head counts only for parameters that the including file does not set.
    pub fn parse_with(text: &str, fetch: &mut Fetch<'_>) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader::default();
        let mut document = Document::default();
        reader.file(text, "", &mut document, fetch);
        if document.nodes.len() > MAX_NODES {
            reader.too_much("pipeline", "nodes", MAX_NODES);
        }
        if reader.problems.is_empty() {
            Ok(document)
        } else {
            Err(reader.problems)
        }
    }
}

#[derive(Default)]
struct Reader {
    problems: Vec<Problem>,
    included: BTreeSet<String>,
}

/// The tree of a text in either spelling.
fn tree_of(text: &str) -> Result<Value, ProblemKind> {
    if text.len() > MAX_DOCUMENT_BYTES {
        return Err(ProblemKind::TooMuch {
            what: "bytes",
            most: MAX_DOCUMENT_BYTES,
        });
    }
    // A message quotes the line, which may be the whole text.
    let unreadable =
        |why: String| ProblemKind::Unreadable(why.trim_end().chars().take(600).collect());
    if text.trim_start().starts_with('{') {
        let tree =
            serde_json::from_str(text).map_err(|error| unreadable(format!("JSON: {error}")))?;
        match beyond_toml(&tree) {
            Some(number) => Err(unreadable(format!("JSON: {number} is beyond {}", i64::MAX))),
            None => Ok(tree),
        }
    } else {
        let table: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| unreadable(error.to_string()))?;
        serde_json::to_value(table).map_err(|error| unreadable(format!("TOML: {error}")))
    }
}

/// A whole number that TOML cannot hold: a document means the same in both spellings.
fn beyond_toml(value: &Value) -> Option<&Number> {
    match value {
        Value::Number(number) => Some(number).filter(|n| n.is_u64() && !n.is_i64()),
        Value::Array(list) => list.iter().find_map(beyond_toml),
        Value::Object(map) => map.values().find_map(beyond_toml),
        Value::Null | Value::Bool(_) | Value::String(_) => None,
    }
}

impl Reader {
    fn add(&mut self, place: impl Into<String>, kind: ProblemKind) {
        self.problems.push(Problem::new(place, kind));
    }

    fn too_much(&mut self, place: &str, what: &'static str, most: usize) {
        self.add(place, ProblemKind::TooMuch { what, most });
    }

    fn shape(&mut self, place: impl Into<String>, wants: &'static str, value: &Value) {
        let found = shown(value);
        self.add(place, ProblemKind::Shape { wants, found });
    }

    fn unknown(&mut self, place: &str, map: &Map<String, Value>, known: &[&str]) {
        for field in map.keys().filter(|field| !known.contains(&field.as_str())) {
            let nearest = nearest(field, known.iter().copied());
            let field = field.chars().take(80).collect();
            self.add(place, ProblemKind::UnknownField { field, nearest });
        }
    }

    fn word<T: Copy>(&mut self, place: String, value: &Value, words: &[(&str, T)]) -> Option<T> {
        let known = || words.iter().map(|(word, _)| *word);
        let Some(text) = value.as_str() else {
            self.shape(place, "a word", value);
            return None;
        };
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let kind = ProblemKind::Word {
                word: text.chars().take(80).collect(),
                known: known().map(str::to_owned).collect(),
                nearest: nearest(text, known()),
            };
            self.add(place, kind);
        }
        found.map(|(_, meaning)| *meaning)
    }

    /// `file` is where the text comes from; empty for the first one.
    fn file(&mut self, text: &str, file: &str, document: &mut Document, fetch: &mut Fetch<'_>) {
        let tree = match tree_of(text) {
            Ok(Value::Object(tree)) => tree,
            Ok(other) => return self.shape(file, "a table", &other),
            Err(kind) => return self.add(file, kind),
        };
        self.unknown(file, &tree, &ROOT_FIELDS);
        match tree.get("include") {
            None => {}
            Some(Value::Array(names)) => {
                for name in names {
                    match name.as_str() {
                        Some(name) => self.include(name, document, fetch),
                        None => self.shape("include", "a file name", name),
                    }
                }
            }
            Some(other) => self.shape("include", "a list of file names", other),
        }
        match tree.get("pipeline") {
            Some(Value::Object(head)) => self.head(head, file.is_empty(), document),
            Some(other) => self.shape("pipeline", "a table", other),
            None if file.is_empty() => self.add("", ProblemKind::MissingField("pipeline")),
            None => {}
        }
        match tree.get("node") {
            None if file.is_empty() && !tree.contains_key("include") => {
                self.add("", ProblemKind::MissingField("node"));
            }
            None => {}
            Some(Value::Array(nodes)) if nodes.len() > MAX_NODES => {
                self.too_much("node", "nodes", MAX_NODES);
            }
            Some(Value::Array(nodes)) => {
                for (index, node) in nodes.iter().enumerate() {
                    match node {
                        Value::Object(node) => self.node(index, node, document),
                        other => self.shape(format!("node {index}"), "a table", other),
                    }
                }
            }
            Some(other) => self.shape("node", "a list of tables ([[node]])", other),
        }
    }

    fn include(&mut self, name: &str, document: &mut Document, fetch: &mut Fetch<'_>) {
        if !self.included.insert(name.to_owned()) {
            return; // Once is enough; this also ends circles.
        }
        if self.included.len() > MAX_INCLUDES {
            return self.too_much("include", "included files", MAX_INCLUDES);
        }
        match fetch(name) {
            Ok(text) => self.file(&text, name, document, fetch),
            Err(why) => self.add("include", ProblemKind::Include(why)),
        }
    }

    fn head(&mut self, head: &Map<String, Value>, is_first: bool, document: &mut Document) {
        self.unknown("pipeline", head, &HEAD_FIELDS);
        match head.get("params") {
            None => {}
            Some(Value::Object(params)) => {
                let params = params
                    .iter()
                    .map(|(name, value)| (name.clone(), value.clone()));
                document.params.extend(params);
            }
            Some(other) => self.shape("pipeline.params", "a table", other),
        }
        if !is_first {
            return;
        }
        match head.get("id") {
            Some(Value::String(id)) if is_name(id) => document.id.clone_from(id),
            Some(Value::String(_)) => self.add("pipeline.id", ProblemKind::BadName),
            Some(other) => self.shape("pipeline.id", "a name", other),
            None => self.add("pipeline", ProblemKind::MissingField("id")),
        }
        if let Some(clock) = head.get("clock") {
            let words = [("capture", Clock::Capture), ("wall", Clock::Wall)];
            let clock = self.word("pipeline.clock".into(), clock, &words);
            document.clock = clock.unwrap_or_default();
        }
        if let Some(stop) = head.get("stop") {
            let words = [("all", StopRule::All), ("first", StopRule::First)];
            let stop = self.word("pipeline.stop".into(), stop, &words);
            document.stop = stop.unwrap_or_default();
        }
    }

    fn node(&mut self, index: usize, tree: &Map<String, Value>, document: &mut Document) {
        let name = match tree.get("name") {
            Some(Value::String(name)) => name.clone(),
            Some(other) => {
                self.shape(format!("node {index}"), "a name", other);
                String::new()
            }
            None => {
                self.add(format!("node {index}"), ProblemKind::MissingField("name"));
                String::new()
            }
        };
        let place = place_of(&name, index);
        if !name.is_empty() && !is_name(&name) {
            self.add(place.clone(), ProblemKind::BadName);
        }
        let kind = match tree.get("kind") {
            Some(Value::String(kind)) => kind.clone(),
            Some(other) => {
                self.shape(format!("{place}.kind"), "a word", other);
                String::new()
            }
            None => {
                self.add(place.clone(), ProblemKind::MissingField("kind"));
                String::new()
            }
        };
        let mut entry = NodeEntry::new(name, kind);
        if let Some(inputs) = tree.get("in") {
            entry.inputs = self.inputs(&place, inputs);
        }
        if let Some(edge) = tree.get("edge") {
            entry.edge = self.edge(&place, edge);
        }
        if let Some(policy) = tree.get("on_error") {
            entry.on_error = self.policy(&place, policy);
        }
        if let Some(parallel) = tree.get("parallel") {
            entry.parallel = self.count(&place, "parallel", parallel, MAX_PARALLEL);
        }
        for (name, value) in tree {
            if !NODE_FIELDS.contains(&name.as_str()) {
                let value = self.param(&format!("{place}.{name}"), value);
                entry.params.insert(name.clone(), value);
            }
        }
        document.nodes.push(entry);
    }

    fn count(&mut self, place: &str, field: &str, value: &Value, most: usize) -> usize {
        let place = format!("{place}.{field}");
        let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
        match count {
            Some(count) if (1..=most).contains(&count) => count,
            Some(count) if count > most => {
                self.add(
                    place,
                    ProblemKind::TooMuch {
                        what: "packets",
                        most,
                    },
                );
                1
            }
            _ => {
                self.shape(place, "a whole number from 1", value);
                1
            }
        }
    }

    fn inputs(&mut self, place: &str, value: &Value) -> Vec<InputEntry> {
        let place = format!("{place}.in");
        match value {
            Value::String(from) => vec![InputEntry::parse(None, from)],
            Value::Array(list) => {
                let mut inputs = Vec::new();
                for from in list.iter().take(MAX_NODES) {
                    match from.as_str() {
                        Some(from) => inputs.push(InputEntry::parse(None, from)),
                        None => self.shape(place.clone(), "names of nodes", from),
                    }
                }
                inputs
            }
            Value::Object(table) => {
                let mut inputs = Vec::new();
                for (port, from) in table {
                    if !is_name(port) {
                        self.add(format!("{place}.{port:?}"), ProblemKind::BadName);
                    }
                    match from.as_str() {
                        Some(from) => inputs.push(InputEntry::parse(Some(port.clone()), from)),
                        None => self.shape(format!("{place}.{port}"), "the name of a node", from),
                    }
                }
                inputs
            }
            other => {
                self.shape(place, "a name, a list or a table { port = name }", other);
                Vec::new()
            }
        }
    }

    fn edge(&mut self, place: &str, value: &Value) -> Option<EdgeEntry> {
        let place = format!("{place}.edge");
        match value {
            Value::String(_) => self.word(place, value, &[("fused", EdgeEntry::Fused)]),
            Value::Object(tree) => {
                self.unknown(&place, tree, &EDGE_FIELDS);
                let capacity = tree
                    .get("capacity")
                    .map(|capacity| self.count(&place, "capacity", capacity, MAX_CAPACITY));
                let words = [
                    WhenFull::Auto,
                    WhenFull::Block,
                    WhenFull::DropOldest,
                    WhenFull::DropNewest,
                ]
                .map(|policy| (when_full_word(policy), policy));
                let when_full = tree
                    .get("when_full")
                    .and_then(|word| self.word(format!("{place}.when_full"), word, &words));
                Some(EdgeEntry::Queue {
                    capacity,
                    when_full: when_full.unwrap_or(WhenFull::Auto),
                })
            }
            other => {
                let wants = "\"fused\" or a table { capacity, when_full }";
                self.shape(place, wants, other);
                None
            }
        }
    }

    fn policy(&mut self, place: &str, value: &Value) -> ErrorPolicy {
        let place = format!("{place}.on_error");
        let Value::Object(tree) = value else {
            let words = [
                ("fail", ErrorPolicy::Fail),
                ("drop", ErrorPolicy::Drop),
                ("restart", ErrorPolicy::Restart { max: None }),
            ];
            return self.word(place, value, &words).unwrap_or_default();
        };
        self.unknown(&place, tree, &["restart"]);
        let Some(max) = tree.get("restart") else {
            self.add(place, ProblemKind::MissingField("restart"));
            return ErrorPolicy::Fail;
        };
        let Some(max) = max.as_u64().and_then(|max| u32::try_from(max).ok()) else {
            self.shape(format!("{place}.restart"), "a number of attempts", max);
            return ErrorPolicy::Fail;
        };
        ErrorPolicy::Restart { max: Some(max) }
    }

    fn param(&mut self, place: &str, value: &Value) -> ParamEntry {
        let named = value.as_object().filter(|tree| tree.contains_key("param"));
        let Some(tree) = named else {
            return ParamEntry::Value(value.clone());
        };
        self.unknown(place, tree, &NAMED_FIELDS);
        let param = match tree.get("param") {
            Some(Value::String(param)) if is_name(param) => param.clone(),
            Some(other) => {
                self.shape(format!("{place}.param"), "a name", other);
                String::new()
            }
            None => String::new(),
        };
        let mut bound = |name: &str| {
            let bound = tree.get(name)?;
            let number = bound.as_f64().filter(|number| number.is_finite());
            if number.is_none() {
                self.shape(format!("{place}.{name}"), "a number", bound);
            }
            number
        };
        ParamEntry::Named {
            param,
            min: bound("min"),
            max: bound("max"),
            default: tree.get("default").cloned(),
        }
    }
}

/// Whether a word may name a node, port, parameter or pipeline.
pub(crate) fn is_name(name: &str) -> bool {
    let usable = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
    !name.is_empty() && name.len() <= 48 && name.chars().all(usable)
}

/// Where a node's problems are: its name, or its number when it has none.
pub(crate) fn place_of(name: &str, index: usize) -> String {
    if name.is_empty() {
        format!("node {index}")
    } else {
        let short: String = name.chars().take(60).collect();
        format!("node {short:?}")
    }
}

/// Named parameters of a document with the nodes that use them.
pub(crate) fn named_params(document: &Document) -> BTreeMap<&str, Vec<(&str, &str)>> {
    let mut found: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for node in &document.nodes {
        for (name, entry) in &node.params {
            if let ParamEntry::Named { param, .. } = entry {
                found.entry(param).or_default().push((&node.name, name));
            }
        }
    }
    found
}
