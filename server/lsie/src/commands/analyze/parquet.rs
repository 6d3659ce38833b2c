//! The tables as Apache Parquet, one file each.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;
use std::sync::Arc;

use lsie_engine::analyze::{ColumnHelp, FRAME_COLUMNS, FrameRow, Value, WINDOW_COLUMNS, WindowRow};
use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use super::table::{FILE_COLUMN, Tables, beside, create, write_dictionary};

/// Rows of one row group: some minutes of frames.
const GROUP_ROWS: usize = 16_384;

/// Frames, and the windows beside them.
pub(super) struct ParquetTables {
    frames: Table<FrameRow>,
    windows: Table<WindowRow>,
}

impl ParquetTables {
    pub(super) fn beside(path: &Path) -> io::Result<Self> {
        write_dictionary(&mut create(&path.with_extension("dictionary.csv"))?)?;
        Ok(ParquetTables {
            frames: Table::new(path, FRAME_COLUMNS, &FrameRow::empty())?,
            windows: Table::new(
                &beside(path, "windows"),
                WINDOW_COLUMNS,
                &WindowRow::default(),
            )?,
        })
    }
}

impl Tables for ParquetTables {
    fn frame(&mut self, file: &str, row: &FrameRow) -> io::Result<()> {
        self.frames.push(file, row)
    }

    fn window(&mut self, file: &str, row: &WindowRow) -> io::Result<()> {
        self.windows.push(file, row)
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.frames.finish()?;
        self.windows.finish()
    }
}

/// One file and the rows that wait for their group.
struct Table<R: 'static> {
    columns: &'static [ColumnHelp<R>],
    writer: SerializedFileWriter<BufWriter<File>>,
    files: Vec<ByteArray>,
    cells: Vec<Vec<Value>>,
}

impl<R> Table<R> {
    fn new(path: &Path, columns: &'static [ColumnHelp<R>], empty: &R) -> io::Result<Self> {
        let schema = schema(columns, empty).map_err(io_error)?;
        let properties = Arc::new(WriterProperties::builder().build());
        let writer = SerializedFileWriter::new(create(path)?, Arc::new(schema), properties)
            .map_err(io_error)?;
        Ok(Table {
            columns,
            writer,
            files: Vec::new(),
            cells: columns.iter().map(|_| Vec::new()).collect(),
        })
    }

    fn push(&mut self, file: &str, row: &R) -> io::Result<()> {
        self.files.push(ByteArray::from(file));
        for (column, cells) in self.columns.iter().zip(&mut self.cells) {
            cells.push((column.read)(row));
        }
        if self.files.len() >= GROUP_ROWS {
            self.flush().map_err(io_error)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        let mut position = 0_usize;
        while let Some(mut column) = group.next_column()? {
            match (position, column.untyped()) {
                (0, ColumnWriter::ByteArrayColumnWriter(writer)) => {
                    writer.write_batch(&self.files, None, None)?;
                }
                (_, writer) => {
                    let cells = self
                        .cells
                        .get(position.saturating_sub(1))
                        .map(Vec::as_slice);
                    write_column(writer, cells.unwrap_or_default())?;
                }
            }
            column.close()?;
            position += 1;
        }
        group.close()?;
        self.files.clear();
        self.cells.iter_mut().for_each(Vec::clear);
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        if !self.files.is_empty() {
            self.flush().map_err(io_error)?;
        }
        self.writer.close().map(drop).map_err(io_error)
    }
}

/// One field for each column: numbers and words may be missing, flags may not.
fn schema<R>(columns: &[ColumnHelp<R>], empty: &R) -> Result<Type, ParquetError> {
    let mut fields = vec![text(FILE_COLUMN.0, Repetition::REQUIRED)?];
    for column in columns {
        let plain = |physical, repetition| {
            Type::primitive_type_builder(column.name, physical)
                .with_repetition(repetition)
                .build()
        };
        fields.push(Arc::new(match (column.read)(empty) {
            Value::Int(_) => plain(Physical::INT64, Repetition::OPTIONAL)?,
            Value::Real(_) => plain(Physical::DOUBLE, Repetition::OPTIONAL)?,
            Value::Flag(_) => plain(Physical::BOOLEAN, Repetition::REQUIRED)?,
            Value::Word(_) => {
                fields.push(text(column.name, Repetition::OPTIONAL)?);
                continue;
            }
        }));
    }
    Type::group_type_builder("rows").with_fields(fields).build()
}

fn text(name: &str, repetition: Repetition) -> Result<Arc<Type>, ParquetError> {
    Type::primitive_type_builder(name, Physical::BYTE_ARRAY)
        .with_logical_type(Some(LogicalType::String))
        .with_repetition(repetition)
        .build()
        .map(Arc::new)
}

/// Writes the cells that have a value, and which ones those are.
fn write_column(writer: &mut ColumnWriter<'_>, cells: &[Value]) -> Result<(), ParquetError> {
    let present: Vec<i16> = cells
        .iter()
        .map(|cell| {
            let is_missing = matches!(
                cell,
                Value::Int(None) | Value::Real(None) | Value::Word(None)
            );
            i16::from(!is_missing)
        })
        .collect();
    let cells = cells.iter();
    match writer {
        ColumnWriter::Int64ColumnWriter(writer) => {
            let values = cells.filter_map(|cell| match cell {
                Value::Int(number) => *number,
                _ => None,
            });
            writer.write_batch(&values.collect::<Vec<_>>(), Some(&present), None)?;
        }
        ColumnWriter::DoubleColumnWriter(writer) => {
            let values = cells.filter_map(|cell| match cell {
                Value::Real(number) => *number,
                _ => None,
            });
            writer.write_batch(&values.collect::<Vec<_>>(), Some(&present), None)?;
        }
        ColumnWriter::BoolColumnWriter(writer) => {
            let values = cells.map(|cell| *cell == Value::Flag(true));
            writer.write_batch(&values.collect::<Vec<_>>(), None, None)?;
        }
        ColumnWriter::ByteArrayColumnWriter(writer) => {
            let values = cells.filter_map(|cell| match cell {
                Value::Word(word) => word.map(ByteArray::from),
                _ => None,
            });
            writer.write_batch(&values.collect::<Vec<_>>(), Some(&present), None)?;
        }
        _ => return Err(ParquetError::General("a column of another kind".to_owned())),
    }
    Ok(())
}

fn io_error(error: ParquetError) -> io::Error {
    io::Error::other(error)
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;

    #[test]
    fn what_is_written_is_read_back_with_its_gaps() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("talk.parquet");
        let mut tables = Box::new(ParquetTables::beside(&path).unwrap());
        let mut row = FrameRow::empty();
        tables.frame("a.mp4", &row).unwrap();
        row.frame = 1;
        row.au12_score = Some(0.25);
        row.absent = None;
        tables.frame("a.mp4", &row).unwrap();
        tables.window("a.mp4", &WindowRow::default()).unwrap();
        tables.finish().unwrap();
        let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
        let rows: Vec<String> = reader
            .get_row_iter(None)
            .unwrap()
            .map(|row| row.unwrap().to_string())
            .collect();
        assert_eq!(rows.len(), 2);
        assert!(
            rows[0].contains("au12_score: null, absent: \"no_face\""),
            "{}",
            rows[0]
        );
        assert!(
            rows[1].contains("au12_score: 0.25, absent: null"),
            "{}",
            rows[1]
        );
        assert!(folder.path().join("talk.windows.parquet").is_file());
        assert!(folder.path().join("talk.dictionary.csv").is_file());
    }
}
