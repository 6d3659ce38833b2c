//! Runs every golden case of the claimed vector files.
//!
//! A file holds `{area, tolerance, cases: [{id, op, input, expect, tol?, required?}]}` (math 16.3).
//! An area computes what it got for one case; comparing, counting and reporting happen here, once for all areas.

mod acoustics;
mod attribution;
mod au12;
mod bandit;
mod bundle;
mod case;
mod comodulation;
mod compare;
mod contracts;
mod drift;
mod identity;
mod physiology;
mod pipeline;
mod privacy;
mod reward;
mod semantic;
pub(crate) mod waveform;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

pub use case::{Case, Input};
pub use compare::{Tolerance, difference, number};

/// What an area made of one case.
#[derive(Debug)]
pub enum Outcome {
    /// The computed output; every key of `expect` is compared with it under the case's tolerance.
    Output(Value),
    /// The area compared by itself: `Err` names the difference.
    Verdict(std::result::Result<(), String>),
}

/// Why an area produced no outcome.
#[derive(Debug)]
pub enum RunError {
    /// The area does not know the operation: the whole run fails.
    UnknownOperation,
    /// The case's input does not have the form the area expects.
    Input(String),
}

/// Runs one case of an area.
pub type RunFn = fn(&Case<'_>) -> std::result::Result<Outcome, RunError>;

/// Claimed areas: file name without `.json`, and the function that runs its cases. One line per area.
pub const AREAS: &[(&str, RunFn)] = &[
    ("acoustics", acoustics::run),
    ("attribution", attribution::run),
    ("au12", au12::run),
    ("bandit", bandit::run),
    ("comodulation", comodulation::run),
    ("contracts", contracts::run),
    ("drift", drift::run),
    ("identity", identity::run),
    ("physiology", physiology::run),
    ("pipeline", pipeline::run),
    ("privacy", privacy::run),
    ("reward", reward::run),
    ("semantic", semantic::run),
];

/// Areas whose file names its operation `kind` and writes arguments and expectations beside it (pipeline 1.3 and 2.3).
const BARE_AREAS: &[&str] = &["pipeline"];

/// Vector files no area has claimed yet. Printed with every run; a file in neither list fails the run.
pub const UNCLAIMED: &[&str] = &["bytetrack", "director", "ranker", "streaming"];

/// Counts of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReport {
    /// Area name.
    pub area: String,
    /// Required cases that passed.
    pub passed: usize,
    /// Informative cases (`required: false`) that passed.
    pub informative_passed: usize,
    /// Informative cases that differ; they are shown and never fail the run.
    pub informative_differing: Vec<String>,
    /// Required cases that differ, with the difference.
    pub failures: Vec<String>,
}

/// Folder of the golden cases and whether it is the committed one.
#[derive(Debug, Clone)]
pub struct VectorFolder {
    /// Where the files are.
    pub path: PathBuf,
    /// True for the committed folder, where a missing file is an error.
    pub is_default: bool,
}

impl VectorFolder {
    /// The folder named by `LSIE_VECTORS_DIR`, else the committed one.
    #[must_use]
    pub fn from_environment() -> Self {
        match std::env::var_os("LSIE_VECTORS_DIR").filter(|value| !value.is_empty()) {
            Some(path) => Self {
                path: path.into(),
                is_default: false,
            },
            None => Self::committed(),
        }
    }

    /// The committed folder.
    #[must_use]
    pub fn committed() -> Self {
        Self {
            path: Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/vectors"),
            is_default: true,
        }
    }

    /// Areas that have a file here. An empty folder, or a file in neither list, is an error.
    pub fn areas(&self) -> Result<BTreeSet<String>> {
        let mut areas = BTreeSet::new();
        let entries = fs::read_dir(&self.path)
            .with_context(|| format!("vector folder {}", self.path.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                let stem = path
                    .file_stem()
                    .map(|stem| stem.to_string_lossy().into_owned());
                areas.extend(stem);
            }
        }
        ensure!(
            !areas.is_empty(),
            "no vector files in {}",
            self.path.display()
        );
        for area in &areas {
            let known =
                AREAS.iter().any(|(name, _)| name == area) || UNCLAIMED.contains(&area.as_str());
            ensure!(
                known,
                "{area}.json is neither claimed nor listed as unclaimed"
            );
        }
        Ok(areas)
    }

    /// Reads the file of an area.
    pub fn read(&self, area: &str) -> Result<Value> {
        let path = self.path.join(format!("{area}.json"));
        let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        serde_json::from_slice(&bytes).with_context(|| format!("parsing {}", path.display()))
    }
}

/// Runs all claimed files of a folder, one report per file present.
pub fn run_folder(folder: &VectorFolder) -> Result<Vec<FileReport>> {
    let present = folder.areas()?;
    let mut reports = Vec::new();
    for (area, run) in AREAS {
        if present.contains(*area) {
            reports.push(run_file(area, &folder.read(area)?, *run)?);
        } else if folder.is_default {
            bail!("{area}.json is missing from {}", folder.path.display());
        }
    }
    ensure!(
        !reports.is_empty(),
        "none of the claimed files is in {}",
        folder.path.display()
    );
    Ok(reports)
}

/// Runs every case of one file. Unknown operations and files without cases are errors.
pub fn run_file(area: &str, file: &Value, run: RunFn) -> Result<FileReport> {
    let cases = file
        .get("cases")
        .and_then(Value::as_array)
        .with_context(|| format!("{area}: no `cases` list"))?;
    ensure!(!cases.is_empty(), "{area}: the file has no cases");
    let mut report = FileReport {
        area: area.to_owned(),
        passed: 0,
        informative_passed: 0,
        informative_differing: Vec::new(),
        failures: Vec::new(),
    };
    for raw in cases {
        let read = if BARE_AREAS.contains(&area) {
            Case::read_bare(raw, file)
        } else {
            Case::read(raw, file)
        };
        let case = read.with_context(|| format!("{area}: malformed case {raw}"))?;
        let difference = match run(&case) {
            Ok(Outcome::Output(got)) => difference(&got, case.expect, case.tolerance),
            Ok(Outcome::Verdict(verdict)) => verdict.err(),
            Err(RunError::Input(reason)) => Some(format!("input: {reason}")),
            Err(RunError::UnknownOperation) => {
                bail!("{area}: unknown operation `{}` in {}", case.op, case.id)
            }
        };
        match (difference, case.is_required) {
            (None, true) => report.passed += 1,
            (None, false) => report.informative_passed += 1,
            (Some(text), true) => report.failures.push(format!("{}: {text}", case.id)),
            (Some(text), false) => report
                .informative_differing
                .push(format!("{}: {text}", case.id)),
        }
    }
    Ok(report)
}
