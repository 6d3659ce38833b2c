//! Does a node three times slower than its input cost memory, and how old do its frames get?
//!
//! A live source gives 30 buffers of 1080p NV12 a second for ten minutes (`--minutes N`); the node behind an edge of two
//! packets, newest wins, takes 100 ms for each. Every second the process's memory is read. The age of a packet is how many
//! frames the source had given after it when the node took it.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use lsie_benches::{Call, Series, Usage, run, slope};
use lsie_graph::nodes::NullSink;
use lsie_graph::{
    DropReason, Edge, Graph, Liveness, MediaTime, NoHooks, Packet, SourceContext, layer_fn,
    source_fn,
};

const FRAME_BYTES: usize = 1920 * 1080 * 3 / 2;
const INTERVAL: Duration = Duration::from_nanos(33_333_333);
const CAPACITY: usize = 2;
/// Memory is flat or not from here on.
const WARM_UP: Duration = Duration::from_secs(10);
const STOP_DEADLINE: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    run("slow_node", &["minutes"], measure)
}

/// A picture of zeros and when it was made.
#[derive(Clone)]
struct Buffer {
    _pixels: Arc<Vec<u8>>,
    number: u64,
    made: Instant,
}

fn measure(call: &Call) -> Result<()> {
    let minutes: f64 = call.number("minutes", call.count(10.0, 0.02))?;
    let length = Duration::from_secs_f64(60.0 * minutes);
    call.say(format_args!(
        "input    {minutes} minutes of 1920x1080 NV12 ({FRAME_BYTES} bytes) at 30 per second, a node of 100 ms behind an edge of \
         {CAPACITY}, newest wins"
    ));
    let given = Arc::new(AtomicU64::new(0));
    let (age_tx, ages) = age_channel();
    let mut graph = Graph::new("slow_node");
    let camera = graph.source("camera", camera(Arc::clone(&given)));
    let seen = Arc::clone(&given);
    let slow = layer_fn(move |packet: Packet<Buffer>, out| {
        let newest = seen.load(Ordering::SeqCst);
        let behind = newest.saturating_sub(packet.payload.number + 1);
        let _ = age_tx.try_send((behind, packet.payload.made.elapsed()));
        sleep(3 * INTERVAL);
        out.emit(packet.pts, packet.payload);
        Ok(())
    });
    let slowed = camera.apply("slow", slow).edge(Edge::drop_oldest(CAPACITY));
    slowed.then_sink("out", NullSink::default());
    let built = graph.build().map_err(|problems| anyhow!("{problems:?}"))?;
    let begun = Instant::now();
    let run = built.start(NoHooks)?;
    let mut memory = Vec::new();
    while begun.elapsed() < length {
        sleep(Duration::from_secs(1).min(length));
        memory.push((begun.elapsed(), Usage::of(std::process::id())?));
    }
    let stats = run.stats_of("slow").context("no such node")?;
    let given = given.load(Ordering::SeqCst);
    let report = run.stop(STOP_DEADLINE);
    let (mut frames, mut millis) = (Series::new("frames behind"), Series::new("age"));
    for (behind, age) in ages.try_iter() {
        frames.push(behind as f64);
        millis.push(age.as_secs_f64() * 1e3);
    }
    call.say(format_args!(
        "frames   {given} given, {} taken, {} dropped as {}, {} dropped otherwise; queue at most {} of {}",
        stats.packets_in,
        stats.dropped_by(DropReason::EdgeFullOldest),
        DropReason::EdgeFullOldest,
        stats.dropped_total() - stats.dropped_by(DropReason::EdgeFullOldest),
        stats.queue_high_water,
        stats.queue_capacity,
    ));
    call.say(format_args!(
        "age      when taken: median {:.0}, p95 {:.0}, most {:.0} frames (aim: at most {}); median {:.1} ms, p95 {:.1} ms, most \
         {:.1} ms",
        frames.median(),
        frames.p95(),
        frames.max(),
        CAPACITY + 1,
        millis.median(),
        millis.p95(),
        millis.max(),
    ));
    tell_memory(call, &memory);
    call.say(format_args!("stop     drained {}", report.drained));
    Ok(())
}

fn camera(given: Arc<AtomicU64>) -> impl lsie_graph::Source<Out = Buffer> {
    let mut begun = None;
    let mut number = 0;
    source_fn(Liveness::Live, move |ctx: &SourceContext| {
        let begun: Instant = *begun.get_or_insert_with(Instant::now);
        let due = begun + INTERVAL * u32::try_from(number).unwrap_or(u32::MAX);
        if !ctx.sleep(due.saturating_duration_since(Instant::now())) {
            return Ok(None);
        }
        let buffer = Buffer {
            _pixels: Arc::new(vec![16; FRAME_BYTES]),
            number,
            made: Instant::now(),
        };
        number += 1;
        given.store(number, Ordering::SeqCst);
        let pts = MediaTime(
            i64::try_from(number)
                .unwrap_or(i64::MAX)
                .saturating_mul(33_333_333),
        );
        Ok(Some(Packet::new(pts, buffer)))
    })
}

/// Age of a taken frame in frames, and when it was taken.
type Age = (u64, Duration);

/// One age per taken frame: ten a second for as long as anybody would measure.
fn age_channel() -> (SyncSender<Age>, Receiver<Age>) {
    sync_channel(100_000)
}

fn tell_memory(call: &Call, memory: &[(Duration, Usage)]) {
    let warm: Vec<_> = memory.iter().filter(|(at, _)| *at >= WARM_UP).collect();
    let points: Vec<_> = warm
        .iter()
        .map(|(at, usage)| (at.as_secs_f64() / 60.0, usage.anonymous_mib))
        .collect();
    let values = || warm.iter().map(|(_, usage)| usage.anonymous_mib);
    call.say(format_args!(
        "memory   not backed by files, after {} s: least {:.1}, most {:.1} MiB, slope {}",
        WARM_UP.as_secs(),
        values().fold(f64::INFINITY, f64::min),
        values().fold(0.0, f64::max),
        slope(&points).map_or_else(
            || "-".to_owned(),
            |slope| format!("{slope:+.4} MiB a minute")
        ),
    ));
}
