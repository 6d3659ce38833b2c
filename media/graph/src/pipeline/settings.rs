//! Parameters that can be changed while a pipeline runs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::pipeline::param::{ParamFault, ParamSpec};
use crate::pipeline::problem::nearest;

/// One value that a node reads while it runs. Reading an unchanged one costs one atomic load.
#[derive(Debug)]
pub struct Live {
    cell: Arc<Cell>,
    seen: u64,
}

#[derive(Debug)]
struct Cell {
    version: AtomicU64,
    value: Mutex<Value>,
}

#[derive(Debug)]
struct Entry {
    spec: ParamSpec,
    min: Option<f64>,
    max: Option<f64>,
    cell: Arc<Cell>,
}

/// The live parameters of a running pipeline, and the parameters it has besides.
#[derive(Debug, Default)]
pub struct Settings {
    /// By node and parameter; `None` for one that is fixed.
    entries: BTreeMap<String, BTreeMap<String, Option<Entry>>>,
    /// Names of the pipeline's own parameters.
    named: BTreeMap<String, Vec<(String, String)>>,
}

/// Why a parameter was not set. Nothing has changed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SetError {
    /// It is neither `node.parameter` nor a named parameter of the pipeline.
    #[error("no parameter {path:?}{}", nearest.as_ref().map_or_else(String::new, |word| format!(", did you mean {word:?}?")))]
    Unknown {
        /// What was given.
        path: String,
        /// Nearest known one.
        nearest: Option<String>,
    },
    /// It can only be set before the start.
    #[error("{path} cannot be changed while the pipeline runs")]
    Fixed {
        /// The parameter.
        path: String,
    },
    /// The value cannot be used.
    #[error("{path} {fault}")]
    Value {
        /// The parameter.
        path: String,
        /// Why.
        fault: ParamFault,
    },
}

impl Live {
    /// The value now.
    pub fn value(&self) -> Value {
        self.cell.get()
    }

    /// The value when it has changed since the last call; also at the first call.
    pub fn changed(&mut self) -> Option<Value> {
        let version = self.cell.version.load(Ordering::Acquire);
        if version == self.seen {
            return None;
        }
        self.seen = version;
        Some(self.cell.get())
    }
}

impl Cell {
    fn get(&self) -> Value {
        self.value
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Settings {
    pub(crate) fn add_fixed(&mut self, node: &str, name: &str) {
        let node = self.entries.entry(node.to_owned()).or_default();
        node.entry(name.to_owned()).or_insert(None);
    }

    pub(crate) fn add_name(&mut self, name: &str, targets: Vec<(String, String)>) {
        self.named.insert(name.to_owned(), targets);
    }

    /// Makes a parameter live; a second reader of it shares the value.
    pub(crate) fn live(
        &mut self,
        node: &str,
        spec: &ParamSpec,
        value: &Value,
        range: (Option<f64>, Option<f64>),
    ) -> Live {
        let parameters = self.entries.entry(node.to_owned()).or_default();
        let slot = parameters.entry(spec.name.to_owned()).or_default();
        let entry = slot.get_or_insert_with(|| Entry {
            spec: spec.clone(),
            min: range.0,
            max: range.1,
            cell: Arc::new(Cell {
                version: AtomicU64::new(1),
                value: Mutex::new(value.clone()),
            }),
        });
        Live {
            cell: Arc::clone(&entry.cell),
            seen: 0,
        }
    }

    /// Sets `node.parameter`, or a named parameter of the pipeline at every node that uses it. The nodes see it with their
    /// next packet.
    pub fn set(&self, path: &str, value: &Value) -> Result<(), SetError> {
        if let Some(targets) = self.named.get(path) {
            let mut accepted = Vec::new();
            for (node, name) in targets {
                accepted.push(self.accept(&format!("{node}.{name}"), node, name, value)?);
            }
            for (entry, value) in accepted {
                entry.store(value);
            }
            return Ok(());
        }
        let Some((node, name)) = path.rsplit_once('.') else {
            return Err(self.unknown(path));
        };
        let (entry, value) = self.accept(path, node, name, value)?;
        entry.store(value);
        Ok(())
    }

    /// Value of a live parameter.
    pub fn get(&self, node: &str, name: &str) -> Option<Value> {
        let entry = self.entries.get(node)?.get(name)?.as_ref()?;
        Some(entry.cell.get())
    }

    /// Every live parameter as `node.parameter`, sorted.
    pub fn live_paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for (node, parameters) in &self.entries {
            for (name, entry) in parameters {
                if entry.is_some() {
                    paths.push(format!("{node}.{name}"));
                }
            }
        }
        paths
    }

    fn accept(
        &self,
        path: &str,
        node: &str,
        name: &str,
        value: &Value,
    ) -> Result<(&Entry, Value), SetError> {
        let found = self.entries.get(node).and_then(|known| known.get(name));
        let Some(found) = found else {
            return Err(self.unknown(path));
        };
        let Some(entry) = found else {
            return Err(SetError::Fixed {
                path: path.to_owned(),
            });
        };
        let accepted = entry.spec.accept(value);
        let accepted = accepted.and_then(|value| within(value, entry.min, entry.max));
        match accepted {
            Ok(value) => Ok((entry, value)),
            Err(fault) => Err(SetError::Value {
                path: path.to_owned(),
                fault,
            }),
        }
    }

    fn unknown(&self, path: &str) -> SetError {
        let known: Vec<String> = self
            .entries
            .iter()
            .flat_map(|(node, names)| names.keys().map(move |name| format!("{node}.{name}")))
            .chain(self.named.keys().cloned())
            .collect();
        SetError::Unknown {
            path: path.chars().take(120).collect(),
            nearest: nearest(path, known.iter().map(String::as_str)),
        }
    }
}

impl Entry {
    fn store(&self, value: Value) {
        *self
            .cell
            .value
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = value;
        self.cell.version.fetch_add(1, Ordering::Release);
    }
}

/// Applies the narrower range that a document may give a parameter.
pub(crate) fn within(
    value: Value,
    min: Option<f64>,
    max: Option<f64>,
) -> Result<Value, ParamFault> {
    let Some(number) = value.as_f64() else {
        return Ok(value);
    };
    let (low, high) = (min.unwrap_or(f64::MIN), max.unwrap_or(f64::MAX));
    if low <= number && number <= high {
        return Ok(value);
    }
    Err(ParamFault::Range {
        value: number.to_string(),
        min: low.to_string(),
        max: high.to_string(),
    })
}
