//! What is wrong with a pipeline document: everything at once, each with its place and the nearest known word.

use std::fmt;

use crate::error::BuildError;
use crate::pipeline::param::ParamFault;

/// One problem of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Where: `pipeline.stop`, `node "slow"`, `node "slow".fps`, or a line and column for text that is not readable.
    pub place: String,
    /// What.
    pub kind: ProblemKind,
}

/// Kinds of problems. `nearest` is the known word that looks most like the one given, when one does.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ProblemKind {
    /// The text is neither TOML nor JSON, or nests too deep.
    Unreadable(String),
    /// More than this form accepts (`what` may not exceed `most`).
    TooMuch {
        /// Of what.
        what: &'static str,
        /// Largest accepted number.
        most: usize,
    },
    /// A field nobody knows.
    UnknownField {
        /// The field.
        field: String,
        /// Nearest known one.
        nearest: Option<String>,
    },
    /// A field that must be there.
    MissingField(&'static str),
    /// A field of the wrong shape.
    Shape {
        /// What it should be.
        wants: &'static str,
        /// What it is.
        found: String,
    },
    /// A word that is none of the accepted ones.
    Word {
        /// The word.
        word: String,
        /// Accepted words.
        known: Vec<String>,
        /// Nearest accepted one.
        nearest: Option<String>,
    },
    /// A node kind that this build does not have.
    UnknownKind {
        /// The kind.
        kind: String,
        /// Nearest known one.
        nearest: Option<String>,
    },
    /// Two nodes have this name.
    DuplicateName,
    /// A name that is empty, too long, or has other characters than letters, digits and `_ . / -`.
    BadName,
    /// An input names a node that does not exist.
    UnknownInput {
        /// The name.
        from: String,
        /// Nearest node.
        nearest: Option<String>,
    },
    /// An input names an output that the node does not have.
    UnknownOutput {
        /// The node.
        from: String,
        /// The output.
        output: String,
        /// Its outputs.
        known: Vec<String>,
        /// Nearest output.
        nearest: Option<String>,
    },
    /// The node has several outputs that fit: say which, as `node:output`.
    WhichOutput {
        /// The node.
        from: String,
        /// Its outputs.
        known: Vec<String>,
    },
    /// The node has no such input.
    UnknownPort {
        /// The input.
        port: String,
        /// Its inputs.
        known: Vec<String>,
        /// Nearest input.
        nearest: Option<String>,
    },
    /// A required input is not connected.
    MissingInput {
        /// The input.
        port: String,
        /// What it takes.
        takes: String,
    },
    /// The node takes no inputs.
    NoInputs,
    /// Two inputs have the same port.
    DuplicatePort(String),
    /// The item types of both ends differ.
    Type {
        /// The output it is connected to.
        from: String,
        /// What that gives.
        gives: String,
        /// What is taken.
        takes: String,
    },
    /// The nodes of a circle, in order.
    Cycle(Vec<String>),
    /// A parameter's value is not usable.
    Parameter(ParamFault),
    /// A parameter nobody knows.
    UnknownParameter {
        /// The parameter.
        name: String,
        /// Nearest known one.
        nearest: Option<String>,
        /// Its parameters.
        known: Vec<String>,
    },
    /// A named parameter of `[pipeline.params]` that no node uses.
    UnusedName(Option<String>),
    /// The node cannot run several at a time.
    NotParallel,
    /// A file to include could not be read.
    Include(String),
    /// What the wiring rules of every graph forbid.
    Wiring(BuildError),
    /// What the node's own check says.
    Node(String),
}

impl Problem {
    /// A problem at a place.
    pub fn new(place: impl Into<String>, kind: ProblemKind) -> Self {
        Self {
            place: place.into(),
            kind,
        }
    }

    /// Short stable code, for programs.
    pub fn code(&self) -> &'static str {
        match &self.kind {
            ProblemKind::Unreadable(_) => "unreadable",
            ProblemKind::TooMuch { .. } => "too_much",
            ProblemKind::UnknownField { .. } => "unknown_field",
            ProblemKind::MissingField(_) => "missing_field",
            ProblemKind::Shape { .. } => "shape",
            ProblemKind::Word { .. } => "unknown_word",
            ProblemKind::UnknownKind { .. } => "unknown_kind",
            ProblemKind::DuplicateName => "duplicate_name",
            ProblemKind::BadName => "bad_name",
            ProblemKind::UnknownInput { .. } => "unknown_input",
            ProblemKind::UnknownOutput { .. } => "unknown_output",
            ProblemKind::WhichOutput { .. } => "which_output",
            ProblemKind::UnknownPort { .. } => "unknown_port",
            ProblemKind::MissingInput { .. } => "missing_input",
            ProblemKind::NoInputs => "no_inputs",
            ProblemKind::DuplicatePort(_) => "duplicate_port",
            ProblemKind::Type { .. } => "type_mismatch",
            ProblemKind::Cycle(_) => "cycle",
            ProblemKind::Parameter(_) => "parameter",
            ProblemKind::UnknownParameter { .. } => "unknown_parameter",
            ProblemKind::UnusedName(_) => "unused_name",
            ProblemKind::NotParallel => "not_parallel",
            ProblemKind::Include(_) => "include",
            ProblemKind::Wiring(_) => "wiring",
            ProblemKind::Node(_) => "node",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            write!(f, "{}", self.kind)
        } else {
            write!(f, "{}: {}", self.place, self.kind)
        }
    }
}

impl std::error::Error for Problem {}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) | Self::Include(why) | Self::Node(why) => f.write_str(why),
            Self::TooMuch { what, most } => write!(f, "too many {what}: at most {most}"),
            Self::UnknownField { field, nearest } => {
                write!(f, "unknown field {field:?}{}", meant(nearest.as_deref()))
            }
            Self::MissingField(field) => write!(f, "{field:?} is missing"),
            Self::Shape { wants, found } => write!(f, "wants {wants}, got {found}"),
            Self::Word {
                word,
                known,
                nearest,
            } => write!(
                f,
                "{word:?} is none of {}{}",
                known.join(", "),
                meant(nearest.as_deref())
            ),
            Self::UnknownKind { kind, nearest } => write!(
                f,
                "unknown kind {kind:?}{}; `lsie pipeline nodes` lists them",
                meant(nearest.as_deref())
            ),
            Self::DuplicateName => f.write_str("another node has this name"),
            Self::BadName => f.write_str(
                "a name has 1 to 48 letters, digits, or one of _ . / - and nothing else",
            ),
            Self::NoInputs => f.write_str("a source takes no input"),
            Self::Cycle(names) => write!(f, "the nodes form a circle: {}", names.join(" -> ")),
            Self::Parameter(fault) => write!(f, "{fault}"),
            Self::UnknownParameter {
                name,
                nearest,
                known,
            } => write!(
                f,
                "no parameter {name:?}{}{}",
                meant(nearest.as_deref()),
                listed("; it has ", known)
            ),
            Self::UnusedName(nearest) => {
                write!(
                    f,
                    "no node has a parameter of this name{}",
                    meant(nearest.as_deref())
                )
            }
            Self::NotParallel => f.write_str(
                "this kind keeps state from packet to packet and cannot run in parallel",
            ),
            Self::Wiring(error) => write!(f, "{error}"),
            connection => connection.fmt_connection(f),
        }
    }
}

impl ProblemKind {
    fn fmt_connection(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownInput { from, nearest } => {
                write!(f, "no node {from:?}{}", meant(nearest.as_deref()))
            }
            Self::UnknownOutput {
                from,
                output,
                known,
                nearest,
            } => write!(
                f,
                "{from:?} has no output {output:?}{}{}",
                meant(nearest.as_deref()),
                listed("; it has ", known)
            ),
            Self::WhichOutput { from, known } => write!(
                f,
                "{from:?} has several outputs: say which, as {from}:output with one of {}",
                known.join(", ")
            ),
            Self::UnknownPort {
                port,
                known,
                nearest,
            } => write!(
                f,
                "no input {port:?}{}{}",
                meant(nearest.as_deref()),
                listed("; it has ", known)
            ),
            Self::MissingInput { port, takes } => {
                write!(f, "input {port:?} is not connected; it takes {takes}")
            }
            Self::DuplicatePort(port) => write!(f, "input {port:?} is connected twice"),
            Self::Type { from, gives, takes } => {
                write!(f, "{from:?} gives {gives}, but {takes} is taken here")
            }
            _ => Ok(()),
        }
    }
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |word| format!(", did you mean {word:?}?"))
}

fn listed(lead: &str, known: &[String]) -> String {
    if known.is_empty() {
        String::new()
    } else {
        format!("{lead}{}", known.join(", "))
    }
}

/// Longest word that is compared, in bytes: distances cost the product of both lengths.
const LONGEST_COMPARED: usize = 64;

/// The known word that looks most like `word`: at most a third of its letters differ (two letters swapped count once).
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    if word.len() > LONGEST_COMPARED {
        return None;
    }
    let lower = word.to_lowercase();
    let limit = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .filter(|other| other.len() <= LONGEST_COMPARED)
        .map(|other| (distance(&lower, &other.to_lowercase()), other))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, other)| other.to_owned())
}

/// Edit distance with swaps of neighbours (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at =
                |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
            let change = at(&last, j) + usize::from(x != y);
            let mut best = change.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_hand_find_their_word_and_strangers_do_not() {
        let known = ["fps", "delay", "webcam", "sync_av"];
        for (word, wants) in [
            ("fsp", Some("fps")),
            ("wbecam", Some("webcam")),
            ("Delay", Some("delay")),
            ("syncav", Some("sync_av")),
            ("microphone", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, known).as_deref(), wants, "{word}");
        }
        assert_eq!(nearest(&"f".repeat(10_000), known), None);
    }

    #[test]
    fn distances_count_edits() {
        for (a, b, wants) in [
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("abc", "acb", 1),
            ("abc", "xbz", 2),
        ] {
            assert_eq!(distance(a, b), wants);
            assert_eq!(distance(b, a), wants);
        }
    }
}
