//! `lsie pipeline run`: progress while it goes on, a report when it has ended.

use std::fmt::Write as _;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lsie_engine::pipeline::{
    Checked, EventKind, MakeError, NoHooks, NodeStats, PipelineError, PipelineRun, RunError,
    Settings, Status,
};
use serde::Serialize;

use crate::cli::PipelineRunArgs;
use crate::commands::Output;
use crate::commands::pipeline::setting;
use crate::render::table;

/// How often a terminal is refreshed.
const REFRESH: Duration = Duration::from_millis(500);
/// How often a line is written where there is no terminal.
const PLAIN: Duration = Duration::from_secs(5);
/// How often the end is looked for.
const SLICE: Duration = Duration::from_millis(50);
/// How long queues may take to empty when the run is stopped.
const STOP_DEADLINE: Duration = Duration::from_secs(2);

/// What a run came to.
#[derive(Debug, Serialize)]
struct Report {
    pipeline: String,
    hash: String,
    status: Status,
    seconds: f64,
    error: Option<String>,
    abandoned: Vec<String>,
    nodes: Vec<Row>,
}

/// One node of the table.
#[derive(Debug, Serialize)]
struct Row {
    node: String,
    kind: String,
    packets_in: u64,
    packets_out: u64,
    dropped: std::collections::BTreeMap<&'static str, u64>,
    errors: u64,
    restarts: u64,
    queue_depth: usize,
    queue_high_water: usize,
    queue_capacity: usize,
    latency_p50_ms: f64,
    latency_p95_ms: f64,
    latency_p99_ms: f64,
    busy_share: f64,
}

impl Row {
    fn new(stats: &NodeStats) -> Self {
        let ms = |latency: Duration| (latency.as_secs_f64() * 1e6).round() / 1e3;
        Self {
            node: stats.node.clone(),
            kind: stats.kind.clone(),
            packets_in: stats.packets_in,
            packets_out: stats.packets_out,
            dropped: stats
                .dropped
                .iter()
                .map(|(reason, count)| (reason.name(), *count))
                .collect(),
            errors: stats.errors,
            restarts: stats.restarts,
            queue_depth: stats.queue_depth,
            queue_high_water: stats.queue_high_water,
            queue_capacity: stats.queue_capacity,
            latency_p50_ms: ms(stats.latency_p50),
            latency_p95_ms: ms(stats.latency_p95),
            latency_p99_ms: ms(stats.latency_p99),
            busy_share: (stats.busy_share * 1e3).round() / 1e3,
        }
    }

    fn dropped(&self) -> String {
        let parts = self
            .dropped
            .iter()
            .map(|(reason, count)| format!("{reason} {count}"));
        parts.collect::<Vec<_>>().join(", ")
    }
}

/// Runs a pipeline to its end, to `--seconds`, or until it is interrupted. 0 when it ended or was stopped, 1 when a node
/// failed, 3 when something must be installed first.
pub(crate) fn run(
    checked: &Checked,
    args: &PipelineRunArgs,
    out: &mut Output<'_>,
) -> Result<ExitCode> {
    let mut errors = std::io::stderr();
    for warning in checked.warnings() {
        let _ = writeln!(errors, "lsie: warning: {warning}");
    }
    let pipeline = match checked.build(args.once) {
        Ok(pipeline) => pipeline,
        Err(
            error @ PipelineError::Node {
                source: MakeError::Unavailable { .. },
                ..
            },
        ) => {
            writeln!(errors, "lsie: {error}")?;
            return Ok(ExitCode::from(3));
        }
        Err(error) => return Err(error.into()),
    };
    let hash = pipeline.hash.clone();
    let interrupted = on_interrupt()?;
    let begun = Instant::now();
    let run = pipeline.start(NoHooks)?;
    if args.control {
        take_orders(Arc::clone(run.settings()))?;
    }
    let (failure, abandoned) = watch(&run, args, begun, &interrupted);
    let nodes: Vec<Row> = run.run().stats().iter().map(Row::new).collect();
    let report = Report {
        pipeline: checked.document().id.clone(),
        hash,
        status: run.run().status(),
        seconds: (begun.elapsed().as_secs_f64() * 1e3).round() / 1e3,
        error: failure.as_ref().map(ToString::to_string),
        abandoned,
        nodes,
    };
    if out.json {
        out.show(&report, |_| String::new())?;
    } else {
        // Items go to standard output, words about the run do not.
        errors.write_all(closing_words(&report).as_bytes())?;
    }
    Ok(ExitCode::from(u8::from(failure.is_some())))
}

fn on_interrupt() -> Result<Arc<AtomicBool>> {
    let raised = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&raised);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("waiting for interrupts")?;
    thread::Builder::new()
        .name("interrupt".into())
        .spawn(move || {
            if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
                seen.store(true, Ordering::SeqCst);
            }
        })
        .context("waiting for interrupts")?;
    Ok(raised)
}

/// Reads `node.param=value` lines until standard input ends; each is answered on standard error.
fn take_orders(settings: Arc<Settings>) -> Result<()> {
    let read = move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            let done = setting(line).and_then(|(path, value)| Ok(settings.set(path, &value)?));
            let answer = done.map_or_else(
                |error| format!("refused: {error}"),
                |()| format!("set {line}"),
            );
            let _ = writeln!(std::io::stderr(), "lsie: {answer}");
        }
    };
    thread::Builder::new()
        .name("orders".into())
        .spawn(read)
        .context("reading standard input")?;
    Ok(())
}

/// Waits for the end and shows progress. Returns the failure and the threads that were left behind.
fn watch(
    run: &PipelineRun,
    args: &PipelineRunArgs,
    begun: Instant,
    interrupted: &AtomicBool,
) -> (Option<RunError>, Vec<String>) {
    let mut progress = Progress::new(args.quiet);
    loop {
        match run.wait(SLICE) {
            Err(error) => {
                progress.clear();
                let abandoned = run.stop(STOP_DEADLINE).abandoned;
                return (Some(error), abandoned);
            }
            Ok(Status::Running | Status::Draining) => {}
            Ok(_) => {
                progress.clear();
                return (None, Vec::new());
            }
        }
        let is_over = args
            .seconds
            .is_some_and(|secs| begun.elapsed().as_secs_f64() >= secs);
        if is_over || interrupted.load(Ordering::SeqCst) {
            progress.clear();
            let report = run.stop(STOP_DEADLINE);
            return (run.wait(Duration::ZERO).err(), report.abandoned);
        }
        progress.show(run, begun);
    }
}

/// The table on a terminal, lines elsewhere.
struct Progress {
    is_terminal: bool,
    is_quiet: bool,
    next: Instant,
    lines: usize,
}

impl Progress {
    fn new(is_quiet: bool) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let first = if is_terminal { REFRESH } else { PLAIN };
        Self {
            is_terminal,
            is_quiet,
            next: Instant::now() + first,
            lines: 0,
        }
    }

    fn show(&mut self, run: &PipelineRun, begun: Instant) {
        self.tell_events(run);
        if self.is_quiet || Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + if self.is_terminal { REFRESH } else { PLAIN };
        let rows: Vec<Row> = run.run().stats().iter().map(Row::new).collect();
        let secs = begun.elapsed().as_secs();
        if self.is_terminal {
            let text = format!("{secs} s\n{}", node_table(&rows));
            self.clear();
            self.lines = text.lines().count();
            let _ = std::io::stderr().write_all(text.as_bytes());
        } else {
            let _ = writeln!(std::io::stderr(), "lsie: {secs} s: {}", plain(&rows));
        }
    }

    /// Errors and restarts are told when they happen.
    fn tell_events(&mut self, run: &PipelineRun) {
        for event in run.run().events() {
            let words = match event.kind {
                EventKind::Error { chain, .. } => chain.join(": "),
                EventKind::Restart { attempt, after } => {
                    format!(
                        "starts again in {} ms, attempt {attempt}",
                        after.as_millis()
                    )
                }
                _ => continue,
            };
            self.clear();
            let _ = writeln!(std::io::stderr(), "lsie: node {}: {words}", event.node);
        }
    }

    fn clear(&mut self) {
        if self.lines > 0 {
            let _ = write!(std::io::stderr(), "\x1b[{}A\x1b[J", self.lines);
            self.lines = 0;
        }
    }
}

fn plain(rows: &[Row]) -> String {
    let mut parts = Vec::new();
    for row in rows {
        let mut part = format!("{} {}/{}", row.node, row.packets_in, row.packets_out);
        if !row.dropped.is_empty() {
            let _ = write!(part, " ({})", row.dropped());
        }
        parts.push(part);
    }
    parts.join(", ")
}

fn node_table(rows: &[Row]) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.node.clone(),
                row.packets_in.to_string(),
                row.packets_out.to_string(),
                row.dropped(),
                format!("{}/{}", row.queue_depth, row.queue_capacity),
                format!("{:.1}", row.latency_p50_ms),
                format!("{:.1}", row.latency_p95_ms),
                format!("{:.1}", row.latency_p99_ms),
                format!("{:.0} %", row.busy_share * 100.0),
            ]
        })
        .collect();
    let headings = [
        "NODE", "IN", "OUT", "DROPPED", "QUEUE", "P50 MS", "P95", "P99", "BUSY",
    ];
    table(&headings, &rows)
}

fn closing_words(report: &Report) -> String {
    let status = match report.status {
        Status::Failed => "failed",
        Status::Stopped => "was stopped",
        _ => "has ended",
    };
    let mut text = format!(
        "pipeline {} {status} after {:.1} s, hash {}\n{}",
        report.pipeline,
        report.seconds,
        report.hash,
        node_table(&report.nodes)
    );
    if let Some(error) = &report.error {
        let _ = writeln!(text, "lsie: {error}");
    }
    if !report.abandoned.is_empty() {
        let _ = writeln!(text, "lsie: left behind: {}", report.abandoned.join(", "));
    }
    text
}
