//! `lsie analyze FILE…`: recordings to tables. Runs the media plane in this process; no server is needed.

#[cfg(feature = "parquet")]
mod parquet;
mod table;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use lsie_engine::analyze::{
    AnalyzeError, AnalyzeItem, AnalyzeSettings, CalibrationRule, SourceAddress,
};
use lsie_schemas::config::Config;

use super::Output;
use crate::cli::{AnalyzeArgs, Baseline, TableForm};
use crate::settings;
use table::{CsvTables, JsonTables, Tables, write_dictionary};

/// How often the progress bar is drawn.
const DRAW: Duration = Duration::from_millis(200);
const BAR_CELLS: u64 = 24;

/// Analyses each file in turn; one that fails is told and the rest goes on. The exit status is 1 when any failed.
pub(crate) fn analyze(
    config: &Config,
    args: &AnalyzeArgs,
    out: &mut Output<'_>,
) -> Result<ExitCode> {
    if args.dictionary {
        write_dictionary(out.to)?;
        return Ok(ExitCode::SUCCESS);
    }
    if args
        .seconds
        .is_some_and(|secs| !(secs > 0.0 && secs.is_finite()))
    {
        bail!("--seconds must be more than 0");
    }
    let analysis = AnalyzeSettings {
        cache_dir: settings::cache_dir(&config.engine.cache_dir)?,
        every: args.every,
        calibration: match args.calibration {
            Baseline::Mean => CalibrationRule::Mean,
            Baseline::Median => CalibrationRule::MEDIAN,
        },
        is_paced: false,
        limit_secs: args.seconds,
        device: args.device.unwrap_or(config.engine.device),
        precision: args.precision.unwrap_or(config.engine.precision),
    };
    let mut tables = open_tables(args, out)?;
    let mut failures = 0;
    for file in &args.files {
        let mut progress = Progress::new(file);
        let result = analyze_file(file, &analysis, tables.as_mut(), &mut progress);
        progress.clear();
        match result {
            Ok(()) => progress.tell("done"),
            // A reader that went away or a full disk ends everything.
            Err(AnalyzeError::Output(error)) => return Err(error.into()),
            Err(error) => {
                failures += 1;
                progress.tell(&format!("{} ({})", error, error.code()));
            }
        }
    }
    tables.finish()?;
    Ok(ExitCode::from(u8::from(failures > 0)))
}

fn analyze_file(
    file: &str,
    settings: &AnalyzeSettings,
    tables: &mut (dyn Tables + '_),
    progress: &mut Progress<'_>,
) -> Result<(), AnalyzeError> {
    let is_address = ["demo:", "test:", "file:"]
        .iter()
        .any(|scheme| file.starts_with(scheme));
    let address = if is_address {
        SourceAddress::parse(file)?
    } else {
        SourceAddress::File {
            path: file.into(),
            pace: lsie_engine::analyze::Pace::Fast,
            start_secs: 0.0,
        }
    };
    lsie_engine::analyze::analyze(address, settings, |item| {
        match item {
            AnalyzeItem::Opened { rows } => progress.expected = rows,
            AnalyzeItem::Frame(row) => {
                progress.step(row.face_id.is_some());
                tables.frame(file, &row)?;
            }
            AnalyzeItem::Window(row) => tables.window(file, &row)?,
        }
        Ok(())
    })
}

fn open_tables<'a>(args: &AnalyzeArgs, out: &'a mut Output<'_>) -> Result<Box<dyn Tables + 'a>> {
    Ok(match (args.out, &args.output) {
        (TableForm::Csv, Some(path)) => Box::new(CsvTables::beside(path)?),
        (TableForm::Csv, None) => Box::new(CsvTables::frames_to(&mut *out.to)?),
        (TableForm::Json, Some(path)) => Box::new(JsonTables::to_file(path)?),
        (TableForm::Json, None) => Box::new(JsonTables::new(&mut *out.to)?),
        #[cfg(feature = "parquet")]
        (TableForm::Parquet, Some(path)) => Box::new(parquet::ParquetTables::beside(path)?),
        #[cfg(not(feature = "parquet"))]
        (TableForm::Parquet, Some(_)) => {
            bail!("this build has no Parquet; build it with `--features parquet`")
        }
        (TableForm::Parquet, None) => bail!("--out parquet needs --output"),
    })
}

/// A bar on a terminal, and one line for each file at its end.
struct Progress<'a> {
    file: &'a str,
    expected: Option<u64>,
    rows: u64,
    measured: u64,
    started: Instant,
    drawn: Option<Instant>,
    is_terminal: bool,
}

impl<'a> Progress<'a> {
    fn new(file: &'a str) -> Self {
        Progress {
            file,
            expected: None,
            rows: 0,
            measured: 0,
            started: Instant::now(),
            drawn: None,
            is_terminal: std::io::stderr().is_terminal(),
        }
    }

    fn step(&mut self, is_measured: bool) {
        self.rows += 1;
        self.measured += u64::from(is_measured);
        if self.is_terminal && self.drawn.is_none_or(|at| at.elapsed() >= DRAW) {
            self.drawn = Some(Instant::now());
            let _ = write!(std::io::stderr(), "\r{}\x1b[K", self.bar());
        }
    }

    fn rate(&self) -> f64 {
        self.rows as f64 / self.started.elapsed().as_secs_f64().max(1e-3)
    }

    fn bar(&self) -> String {
        let rate = self.rate();
        let Some(expected) = self.expected.filter(|rows| *rows > 0) else {
            return format!("{}  {} frames, {rate:.0}/s", self.file, self.rows);
        };
        let done = self.rows.min(expected);
        let filled = (BAR_CELLS * done / expected) as usize;
        let (full, rest) = ("#".repeat(filled), "-".repeat(BAR_CELLS as usize - filled));
        let left_secs = (expected - done) as f64 / rate.max(1e-3);
        let percent = 100 * done / expected;
        format!(
            "{}  [{full}{rest}] {percent:3} %  {rate:.0} frames/s  {left_secs:.0} s left",
            self.file
        )
    }

    fn clear(&self) {
        if self.drawn.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }

    fn tell(&self, words: &str) {
        let _ = writeln!(
            std::io::stderr(),
            "{}: {words}; {} rows, {} with a face, {:.1} s, {:.0} frames/s",
            self.file,
            self.rows,
            self.measured,
            self.started.elapsed().as_secs_f64(),
            self.rate()
        );
    }
}
