//! Errors are never silent, and a run always ends when it is told to.

#![expect(clippy::unwrap_used, reason = "test helpers outside of test functions")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam::channel::bounded;
use lsie_graph::nodes::{Constant, NullSink, Replay, channel_source, collector};
use lsie_graph::{
    DropReason, Edge, Emitter, ErrorPolicy, EventKind, Graph, Hooks, Layer, Liveness, MediaTime,
    NoHooks, NodeError, Packet, Sink, Source, SourceContext, Status, Step, StopRule, layer_fn,
    map_fn, sink_fn, source_fn,
};

const CEILING: Duration = Duration::from_secs(15);

fn numbers(count: i64) -> Replay<i64> {
    Replay::new((0..count).map(|n| Packet::new(MediaTime(n), n)))
}

fn chain_of(event: &EventKind) -> Option<&[String]> {
    if let EventKind::Error { chain, .. } = event {
        Some(chain)
    } else {
        None
    }
}

#[test]
fn a_panic_fails_the_run_with_node_time_and_message_and_still_closes_the_sinks() {
    let (seen, sink) = collector(16);
    let mut graph = Graph::new("panic");
    let picky = map_fn(|n: i64| {
        assert!(n < 3, "no threes");
        n
    });
    graph
        .source("file", numbers(10))
        .apply("picky", picky)
        .sink("out", sink);
    let run = graph.build().unwrap().start(NoHooks).unwrap();
    let error = run.wait(CEILING).unwrap_err();
    assert_eq!(
        (error.node.as_str(), error.pts),
        ("picky", Some(MediaTime(3)))
    );
    assert!(error.chain[0].contains("no threes"), "{error}");
    assert_eq!(run.status(), Status::Failed);
    assert!(seen.has_ended());
    let events = run.events();
    assert!(
        events
            .iter()
            .any(|event| event.node == "picky" && chain_of(&event.kind).is_some())
    );
}

#[test]
fn policy_drop_loses_only_the_packet_and_counts_it() {
    let (seen, sink) = collector(16);
    let mut graph = Graph::new("drop");
    let picky = layer_fn(|packet: Packet<i64>, out: &mut Emitter<'_, i64>| {
        if packet.payload % 3 == 0 {
            return Err(NodeError::with_cause(
                "multiple of three",
                std::io::Error::other("bad luck"),
            ));
        }
        out.emit(packet.pts, packet.payload);
        Ok(())
    });
    graph
        .source("file", numbers(10))
        .then("picky", picky)
        .on_error(ErrorPolicy::Drop)
        .sink("out", sink);
    let run = graph.build().unwrap().start(NoHooks).unwrap();
    assert_eq!(run.wait(CEILING), Ok(Status::Completed));
    assert_eq!(seen.payloads(), [1, 2, 4, 5, 7, 8]);
    let stats = run.stats_of("picky").unwrap();
    assert_eq!((stats.errors, stats.dropped_by(DropReason::Error)), (4, 4));
    let chains: Vec<_> = run
        .events()
        .iter()
        .filter_map(|event| chain_of(&event.kind).map(<[_]>::to_vec))
        .collect();
    assert_eq!(
        chains,
        vec![vec!["multiple of three".to_owned(), "bad luck".to_owned()]; 4]
    );
}

/// Fails while `broken` is above zero.
struct Fragile {
    broken: u32,
    starts: Arc<AtomicU32>,
}

impl Layer for Fragile {
    type In = i64;
    type Out = i64;

    fn start(&mut self) -> Result<(), NodeError> {
        self.starts.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn process(
        &mut self,
        packet: Packet<i64>,
        out: &mut Emitter<'_, i64>,
    ) -> Result<(), NodeError> {
        if self.broken > 0 {
            self.broken -= 1;
            return Err(NodeError::new("still broken"));
        }
        out.emit(packet.pts, packet.payload);
        Ok(())
    }
}

#[derive(Default, Clone)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn write(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

impl Hooks for Diary {
    fn on_run_start(&self, run: &str) {
        self.write(format!("start {run}"));
    }
    fn on_run_end(&self, run: &str, status: Status) {
        self.write(format!("end {run} {status:?}"));
    }
    fn on_run_error(&self, _run: &str, node: &str, error: &NodeError) {
        self.write(format!("failed {node} {error}"));
    }
    fn on_stream_error(&self, step: &Step<'_>, error: &NodeError) {
        self.write(format!("error {} {error}", step.node));
    }
    fn on_drop(&self, node: &str, reason: DropReason, pts: MediaTime) {
        self.write(format!("drop {node} {reason} {}", pts.0));
    }
    fn on_restart(&self, node: &str, attempt: u32, after: Duration) {
        self.write(format!("restart {node} {attempt} {}", after.as_millis()));
        assert!(attempt < 100, "a panic in a hook is not the node's");
    }
}

#[test]
fn restart_begins_anew_after_growing_pauses() {
    let starts = Arc::new(AtomicU32::new(0));
    let (seen, sink) = collector(16);
    let diary = Diary::default();
    let mut graph = Graph::new("restart");
    let fragile = Fragile {
        broken: 2,
        starts: Arc::clone(&starts),
    };
    let source = graph.source("file", numbers(4));
    source
        .apply("fragile", fragile)
        .on_error(ErrorPolicy::Restart { max: Some(5) })
        .sink("out", sink);
    let run = graph.build().unwrap().start(diary.clone()).unwrap();
    assert_eq!(run.wait(CEILING), Ok(Status::Completed));
    assert_eq!(seen.payloads(), [2, 3]);
    assert_eq!(starts.load(Ordering::SeqCst), 3);
    assert_eq!(run.stats_of("fragile").unwrap().restarts, 2);
    let expected = [
        "start restart",
        "drop fragile error 0",
        "error fragile still broken",
        "restart fragile 1 100",
        "drop fragile error 1",
        "error fragile still broken",
        "restart fragile 2 200",
        "end restart Completed",
    ];
    assert_eq!(*diary.0.lock().unwrap(), expected);
}

#[test]
fn restart_gives_up_after_its_attempts() {
    let mut graph = Graph::new("give-up");
    let fragile = Fragile {
        broken: u32::MAX,
        starts: Arc::default(),
    };
    let source = graph.source("file", numbers(100));
    source
        .apply("fragile", fragile)
        .on_error(ErrorPolicy::Restart { max: Some(1) })
        .sink("out", NullSink::default());
    let run = graph.build().unwrap().start(NoHooks).unwrap();
    let error = run.wait(CEILING).unwrap_err();
    assert_eq!(
        (error.node.as_str(), error.chain),
        ("fragile", vec!["still broken".to_owned()])
    );
}

struct Unplugged {
    opened: u32,
}

impl Source for Unplugged {
    type Out = u32;

    fn liveness(&self) -> Liveness {
        Liveness::Live
    }

    fn start(&mut self, _ctx: &SourceContext) -> Result<(), NodeError> {
        self.opened += 1;
        if self.opened == 2 {
            Err(NodeError::new("not there yet"))
        } else {
            Ok(())
        }
    }

    fn next(&mut self, _ctx: &SourceContext) -> Result<Option<Packet<u32>>, NodeError> {
        match self.opened {
            1 => Err(NodeError::new("cable pulled")),
            _ => Ok(Some(Packet::new(MediaTime(0), self.opened))),
        }
    }
}

#[test]
fn an_unplugged_source_comes_back() {
    let (seen, sink) = collector(4);
    let mut graph = Graph::new("unplugged");
    let source = graph
        .source("camera", Unplugged { opened: 0 })
        .on_error(ErrorPolicy::Restart { max: None });
    source.sink("out", sink);
    let run = graph.build().unwrap().start(NoHooks).unwrap();
    assert!(seen.wait_for(1, CEILING));
    assert_eq!(seen.payloads()[0], 3);
    assert_eq!(run.stats_of("camera").unwrap().restarts, 2);
    assert!(run.stop(CEILING).abandoned.is_empty());
    assert_eq!(run.status(), Status::Stopped);
}

#[test]
fn stop_drains_what_is_queued_and_flushes_the_tail() {
    let (input, source) = channel_source(100, Liveness::Paced);
    let (seen, sink) = collector(100);
    let (gate, open) = bounded::<()>(1);
    let mut graph = Graph::new("tail");
    let held = map_fn(move |n: i64| {
        let _ = open.recv();
        n
    });
    graph
        .source("in", source)
        .apply("held", held)
        .edge(Edge::block(100))
        .sink("out", sink);
    let run = graph.build().unwrap().start(NoHooks).unwrap();
    for n in 0..50 {
        input.push(Packet::new(MediaTime(n), n)).unwrap();
    }
    let sent = Instant::now() + CEILING;
    while run.stats_of("in").unwrap().packets_out < 50 && Instant::now() < sent {
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(gate);
    let report = run.stop(CEILING);
    assert!(report.drained);
    assert_eq!(seen.payloads(), (0..50).collect::<Vec<_>>());
    assert!(seen.has_ended());
}

#[test]
fn stop_returns_in_time_although_nodes_block_for_ever() {
    let (never, blocked) = bounded::<()>(0);
    let in_sink = blocked.clone();
    let (arrived, arrivals) = bounded::<()>(2);
    let in_frozen = arrived.clone();
    let (seen, sink) = collector(4);
    let mut graph = Graph::new("stuck");
    let deaf = source_fn(Liveness::Live, move |_ctx: &SourceContext| {
        let _ = arrived.send(());
        let _ = blocked.recv();
        Ok(None::<Packet<i64>>)
    });
    graph.source("deaf", deaf).sink("idle", sink);
    let frozen = sink_fn(move |_packet: Packet<i64>| {
        let _ = in_frozen.send(());
        let _ = in_sink.recv();
        Ok(())
    });
    graph.source("file", numbers(100)).sink("frozen", frozen);
    let run = graph.build().unwrap().start(NoHooks).unwrap();
    for _ in 0..2 {
        arrivals.recv_timeout(CEILING).unwrap();
    }
    let begun = Instant::now();
    let report = run.stop(Duration::from_millis(400));
    assert!(begun.elapsed() < CEILING);
    assert!(!report.drained);
    assert_eq!(report.abandoned, ["deaf", "frozen"]);
    assert!(
        seen.has_ended(),
        "the sink behind the deaf source is closed all the same"
    );
    assert_eq!(run.status(), Status::Stopped);
    let left = run
        .events()
        .into_iter()
        .filter(|event| event.kind == EventKind::Abandoned)
        .count();
    assert_eq!(left, 2);
    drop(never);
}

#[test]
fn the_end_of_one_source_ends_its_own_branch_only() {
    let (input, source) = channel_source(4, Liveness::Fast);
    let (short, short_sink) = collector(4);
    let (long, long_sink) = collector(4);
    let mut graph = Graph::new("branches");
    graph.source("short", numbers(2)).sink("a", short_sink);
    graph.source("long", source).sink("b", long_sink);
    let run = graph.build().unwrap().start(NoHooks).unwrap();
    let begun = Instant::now();
    while !short.has_ended() && begun.elapsed() < CEILING {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(short.has_ended() && !long.has_ended());
    assert_eq!(run.status(), Status::Running);
    input.push(Packet::new(MediaTime(0), 1_i64)).unwrap();
    drop(input);
    assert_eq!(run.wait(CEILING), Ok(Status::Completed));
    assert_eq!(long.payloads(), [1]);
}

#[test]
fn stop_rule_first_ends_all_with_the_first_source() {
    let (_input, source) = channel_source::<i64>(4, Liveness::Fast);
    let mut graph = Graph::new("first").stop_rule(StopRule::First);
    graph
        .source("short", numbers(2))
        .sink("a", NullSink::default());
    graph.source("long", source).sink("b", NullSink::default());
    let run = graph.build().unwrap().start(NoHooks).unwrap();
    assert_eq!(run.wait(CEILING), Ok(Status::Completed));
}

#[test]
fn once_takes_one_packet_per_source() {
    // Example 01 of the older library: 2 and 4, each times 4, multiplied.
    let (seen, sink) = collector(4);
    let mut graph = Graph::new("once").once();
    let two = graph
        .source("two", Constant::new(2, Duration::ZERO))
        .then("x1", map_fn(|n| n * 4));
    let four = graph
        .source("four", Constant::new(4, Duration::ZERO))
        .then("x2", map_fn(|n| n * 4));
    two.merge_all("both", &four)
        .then("product", map_fn(|(a, b)| a * b))
        .sink("out", sink);
    let run = graph.build().unwrap().start(NoHooks).unwrap();
    assert_eq!(run.wait(CEILING), Ok(Status::Completed));
    assert_eq!(seen.payloads(), [128]);
}

struct BadAtClosing;

impl Sink for BadAtClosing {
    type In = i64;

    fn consume(&mut self, _packet: Packet<i64>) -> Result<(), NodeError> {
        Ok(())
    }

    fn finish(&mut self) -> Result<(), NodeError> {
        Err(NodeError::new("disk full"))
    }
}

#[test]
fn an_error_while_closing_is_not_silent() {
    let mut graph = Graph::new("closing");
    graph.source("file", numbers(2)).sink("disk", BadAtClosing);
    let run = graph.build().unwrap().start(NoHooks).unwrap();
    assert_eq!(run.wait(CEILING).unwrap_err().chain, ["disk full"]);
}
