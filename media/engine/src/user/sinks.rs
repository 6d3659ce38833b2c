//! Sinks that write items down.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use lsie_graph::pipeline::{NodeKind, ParamKind, ParamSpec, Takes};
use lsie_graph::{Item, NodeError, Packet, Sink};
use serde_json::{Value, json};

use super::PipelineContext;

const PATH: ParamKind = ParamKind::Text { max_bytes: 4096 };

/// JSON lines to where the program prints.
pub(super) fn print(context: &PipelineContext) -> NodeKind {
    let to = Arc::clone(&context.print);
    NodeKind::sink(
        "print",
        "Prints each item as one line of JSON: node, pts_s, type, item. Pixels and samples are summed up.",
        Takes::Any,
    )
    .make(move |maker| {
        let node = maker.name().to_owned();
        let to = Arc::clone(&to);
        maker.item_sink(Print { node, to })
    })
}

struct Print {
    node: String,
    to: Arc<Mutex<dyn Write + Send>>,
}

impl Sink for Print {
    type In = Item;

    fn consume(&mut self, packet: Packet<Item>) -> Result<(), NodeError> {
        let mut line = line(&self.node, &packet).to_string();
        line.push('\n');
        let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        to.write_all(line.as_bytes()).map_err(NodeError::from_error)
    }

    fn finish(&mut self) -> Result<(), NodeError> {
        let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        to.flush().map_err(NodeError::from_error)
    }
}

fn line(node: &str, packet: &Packet<Item>) -> Value {
    json!({
        "node": node,
        "pts_s": packet.pts.as_secs(),
        "type": packet.payload.kind(),
        "item": packet.payload.view(),
    })
}

/// JSON lines to a file.
pub(super) fn json_lines() -> NodeKind {
    NodeKind::sink(
        "json_lines",
        "Writes each item as one line of JSON into a file, which is replaced.",
        Takes::Any,
    )
    .param(ParamSpec::required("path", PATH, "The file."))
    .make(|maker| {
        let (node, path) = (maker.name().to_owned(), maker.params().text("path").into());
        maker.item_sink(JsonLines {
            node,
            path,
            file: None,
        })
    })
}

struct JsonLines {
    node: String,
    path: PathBuf,
    file: Option<BufWriter<File>>,
}

impl Sink for JsonLines {
    type In = Item;

    fn start(&mut self) -> Result<(), NodeError> {
        self.file = Some(create(&self.path, self.file.is_some())?);
        Ok(())
    }

    fn consume(&mut self, packet: Packet<Item>) -> Result<(), NodeError> {
        write_line(self.file.as_mut(), &line(&self.node, &packet).to_string())
    }

    fn finish(&mut self) -> Result<(), NodeError> {
        flush(self.file.as_mut())
    }
}

/// A table of chosen fields.
pub(super) fn csv() -> NodeKind {
    NodeKind::sink(
        "csv",
        "Writes pts_s and fields of each item as a row of a CSV file, which is replaced.",
        Takes::Any,
    )
    .param(ParamSpec::required("path", PATH, "The file."))
    .param(ParamSpec::optional(
        "columns",
        ParamKind::Texts { most: 256 },
        "Fields in order, `a.b` for inner ones; without it those of the first item, inner ones left out.",
    ))
    .make(|maker| {
        let columns: Vec<String> = maker.params().texts("columns").map(str::to_owned).collect();
        let path = maker.params().text("path").into();
        maker.item_sink(Csv {
            path,
            columns,
            has_heading: false,
            file: None,
        })
    })
}

struct Csv {
    path: PathBuf,
    columns: Vec<String>,
    has_heading: bool,
    file: Option<BufWriter<File>>,
}

impl Sink for Csv {
    type In = Item;

    fn start(&mut self) -> Result<(), NodeError> {
        self.file = Some(create(&self.path, self.file.is_some())?);
        Ok(())
    }

    fn consume(&mut self, packet: Packet<Item>) -> Result<(), NodeError> {
        let view = packet.payload.view();
        if !self.has_heading {
            if self.columns.is_empty() {
                self.columns = plain_fields(&view);
            }
            let names = self.columns.iter().map(|name| quoted(name));
            let heading: Vec<String> = std::iter::once("pts_s".to_owned()).chain(names).collect();
            write_line(self.file.as_mut(), &heading.join(","))?;
            self.has_heading = true;
        }
        let cells = self.columns.iter().map(|name| cell(&view, name));
        let row: Vec<String> = std::iter::once(packet.pts.as_secs().to_string())
            .chain(cells)
            .collect();
        write_line(self.file.as_mut(), &row.join(","))
    }

    fn finish(&mut self) -> Result<(), NodeError> {
        flush(self.file.as_mut())
    }
}

/// Names of the fields that hold no further tree; `it` for an item that is none itself.
fn plain_fields(view: &Value) -> Vec<String> {
    match view {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_object() && !value.is_array())
            .map(|(name, _)| name.clone())
            .collect(),
        _ => vec!["it".to_owned()],
    }
}

/// A field as a cell; one that is not there is empty, never a zero.
fn cell(view: &Value, name: &str) -> String {
    let found = match name {
        "it" => Some(view),
        _ => name.split('.').try_fold(view, |at, part| at.get(part)),
    };
    match found {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => quoted(text),
        Some(other) => quoted(&other.to_string()),
    }
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// A restarted sink goes on where it was.
fn create(path: &PathBuf, goes_on: bool) -> Result<BufWriter<File>, NodeError> {
    let file = if goes_on {
        File::options().append(true).open(path)
    } else {
        File::create(path)
    };
    let file =
        file.map_err(|error| NodeError::with_cause(format!("opening {}", path.display()), error));
    Ok(BufWriter::new(file?))
}

fn write_line(file: Option<&mut BufWriter<File>>, line: &str) -> Result<(), NodeError> {
    match file {
        Some(file) => writeln!(file, "{line}").map_err(NodeError::from_error),
        None => Err(NodeError::new("the file is not open")),
    }
}

fn flush(file: Option<&mut BufWriter<File>>) -> Result<(), NodeError> {
    file.map_or(Ok(()), |file| file.flush().map_err(NodeError::from_error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_missing_values_are_empty() {
        let view = json!({"a": 1, "b": {"c": "x, \"y\""}, "n": null});
        assert_eq!(plain_fields(&view), ["a", "n"]);
        assert_eq!(plain_fields(&json!(3)), ["it"]);
        let row: Vec<_> = ["a", "b.c", "n", "z"]
            .iter()
            .map(|name| cell(&view, name))
            .collect();
        assert_eq!(row, ["1", "\"x, \"\"y\"\"\"", "", ""]);
        assert_eq!(cell(&json!(3), "it"), "3");
    }
}
