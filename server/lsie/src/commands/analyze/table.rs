//! The tables as CSV and JSON, and the data dictionary of both.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use lsie_engine::analyze::{ColumnHelp, FRAME_COLUMNS, FrameRow, Value, WINDOW_COLUMNS, WindowRow};
use serde_json::{Map, Value as Json, json};

/// Name, unit and words of the column that every table begins with.
pub(super) const FILE_COLUMN: (&str, &str, &str) = ("file", "", "The file as it was named");

/// Where rows go.
pub(super) trait Tables {
    fn frame(&mut self, file: &str, row: &FrameRow) -> io::Result<()>;
    fn window(&mut self, file: &str, row: &WindowRow) -> io::Result<()>;
    /// Writes what is still to be written.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// `talk.csv` → `talk.windows.csv`.
pub(super) fn beside(path: &Path, part: &str) -> PathBuf {
    let end = path.extension().unwrap_or_default().to_string_lossy();
    let end = if end.is_empty() { "csv".into() } else { end };
    path.with_extension(format!("{part}.{end}"))
}

/// The data dictionary as CSV.
pub(super) fn write_dictionary(to: &mut dyn Write) -> io::Result<()> {
    writeln!(to, "table,column,unit,meaning")?;
    let mut line = |table: &str, (name, unit, words): (&str, &str, &str)| {
        writeln!(to, "{table},{name},{},{}", quoted(unit), quoted(words))
    };
    line("frames", FILE_COLUMN)?;
    for column in FRAME_COLUMNS {
        line("frames", (column.name, column.unit, column.words))?;
    }
    line("windows", FILE_COLUMN)?;
    for column in WINDOW_COLUMNS {
        line("windows", (column.name, column.unit, column.words))?;
    }
    Ok(())
}

/// Frames to one stream; windows and dictionary beside it where there is a file.
pub(super) struct CsvTables<W: Write> {
    frames: W,
    windows: Option<BufWriter<File>>,
}

impl CsvTables<BufWriter<File>> {
    pub(super) fn beside(path: &Path) -> io::Result<Self> {
        let mut windows = create(&beside(path, "windows"))?;
        write_dictionary(&mut create(&path.with_extension("dictionary.csv"))?)?;
        head(&mut windows, WINDOW_COLUMNS)?;
        let mut tables = Self::frames_to(create(path)?)?;
        tables.windows = Some(windows);
        Ok(tables)
    }
}

impl<W: Write> CsvTables<W> {
    pub(super) fn frames_to(mut frames: W) -> io::Result<Self> {
        head(&mut frames, FRAME_COLUMNS)?;
        Ok(CsvTables {
            frames,
            windows: None,
        })
    }
}

impl<W: Write> Tables for CsvTables<W> {
    fn frame(&mut self, file: &str, row: &FrameRow) -> io::Result<()> {
        line(&mut self.frames, file, FRAME_COLUMNS, row)
    }

    fn window(&mut self, file: &str, row: &WindowRow) -> io::Result<()> {
        match &mut self.windows {
            Some(windows) => line(windows, file, WINDOW_COLUMNS, row),
            None => Ok(()),
        }
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.frames.flush()?;
        self.windows.as_mut().map_or(Ok(()), Write::flush)
    }
}

fn head<R>(to: &mut impl Write, columns: &[ColumnHelp<R>]) -> io::Result<()> {
    write!(to, "{}", FILE_COLUMN.0)?;
    for column in columns {
        write!(to, ",{}", column.name)?;
    }
    writeln!(to)
}

fn line<R>(to: &mut impl Write, file: &str, columns: &[ColumnHelp<R>], row: &R) -> io::Result<()> {
    write!(to, "{}", quoted(file))?;
    for column in columns {
        match (column.read)(row) {
            Value::Int(Some(number)) => write!(to, ",{number}")?,
            // The shortest text that reads back as the same number.
            Value::Real(Some(number)) => write!(to, ",{number}")?,
            Value::Flag(flag) => write!(to, ",{flag}")?,
            Value::Word(Some(word)) => write!(to, ",{word}")?,
            Value::Int(None) | Value::Real(None) | Value::Word(None) => write!(to, ",")?,
        }
    }
    writeln!(to)
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// One object; frames are written as they come, windows are kept until the end.
pub(super) struct JsonTables<W: Write> {
    to: W,
    is_first: bool,
    windows: Vec<Json>,
}

impl JsonTables<BufWriter<File>> {
    pub(super) fn to_file(path: &Path) -> io::Result<Self> {
        Self::new(create(path)?)
    }
}

impl<W: Write> JsonTables<W> {
    pub(super) fn new(mut to: W) -> io::Result<Self> {
        write!(to, "{{\"frames\":[")?;
        Ok(JsonTables {
            to,
            is_first: true,
            windows: Vec::new(),
        })
    }
}

impl<W: Write> Tables for JsonTables<W> {
    fn frame(&mut self, file: &str, row: &FrameRow) -> io::Result<()> {
        let comma = if std::mem::take(&mut self.is_first) {
            ""
        } else {
            ","
        };
        write!(self.to, "{comma}\n{}", object(file, FRAME_COLUMNS, row))
    }

    fn window(&mut self, file: &str, row: &WindowRow) -> io::Result<()> {
        self.windows.push(object(file, WINDOW_COLUMNS, row));
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        let dictionary = json!({
            "frames": dictionary(FRAME_COLUMNS),
            "windows": dictionary(WINDOW_COLUMNS),
        });
        let windows = Json::Array(std::mem::take(&mut self.windows));
        writeln!(
            self.to,
            "\n],\"windows\":{windows},\n\"dictionary\":{dictionary}}}"
        )?;
        self.to.flush()
    }
}

fn object<R>(file: &str, columns: &[ColumnHelp<R>], row: &R) -> Json {
    let mut object = Map::new();
    object.insert(FILE_COLUMN.0.to_owned(), json!(file));
    for column in columns {
        let value = match (column.read)(row) {
            Value::Int(number) => json!(number),
            Value::Real(number) => json!(number),
            Value::Flag(flag) => json!(flag),
            Value::Word(word) => json!(word),
        };
        object.insert(column.name.to_owned(), value);
    }
    Json::Object(object)
}

fn dictionary<R>(columns: &[ColumnHelp<R>]) -> Vec<Json> {
    let all = columns.iter();
    all.map(|c| json!({ "column": c.name, "unit": c.unit, "meaning": c.words }))
        .collect()
}

pub(super) fn create(path: &Path) -> io::Result<BufWriter<File>> {
    let file = File::create(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    Ok(BufWriter::new(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dictionary_names_every_column_once() {
        let mut text = Vec::new();
        write_dictionary(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(
            text.lines().count(),
            3 + FRAME_COLUMNS.len() + WINDOW_COLUMNS.len()
        );
        let mut names: Vec<_> = FRAME_COLUMNS.iter().map(|c| c.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FRAME_COLUMNS.len());
    }

    #[test]
    fn names_with_commas_are_quoted_and_tables_lie_beside() {
        assert_eq!(quoted("a,\"b\".mp4"), "\"a,\"\"b\"\".mp4\"");
        assert_eq!(
            beside(Path::new("x/talk.csv"), "windows"),
            Path::new("x/talk.windows.csv")
        );
    }

    #[test]
    fn a_window_without_anything_has_empty_cells() {
        let row = WindowRow::default();
        let mut text = Vec::new();
        line(&mut text, "f", WINDOW_COLUMNS, &row).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.starts_with("f,0,0,0,0,0,0,,,,,,,,,,,,,,,0,,false,"),
            "{text}"
        );
        assert_eq!(text.matches(',').count(), WINDOW_COLUMNS.len());
        let json = object("f", WINDOW_COLUMNS, &row);
        assert!(json["au12_mean"].is_null() && json["frames"] == 0);
    }
}
