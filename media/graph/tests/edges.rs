//! Loss policies of edges: exact, counted, and bounded.

#![expect(clippy::unwrap_used, reason = "test helpers outside of test functions")]

use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, bounded};
use lsie_graph::nodes::{ChannelInput, Replay, channel_source, collector};
use lsie_graph::{
    BuildError, DropReason, Edge, Graph, Liveness, MediaTime, NoHooks, NodeError, Packet, Run,
    Status, sink_fn,
};

const CEILING: Duration = Duration::from_secs(15);

/// A live source into a sink that takes a packet only when told to.
struct Gated {
    input: ChannelInput<u64>,
    gate: Sender<()>,
    taken: Receiver<u64>,
    run: Run,
}

fn gated(edge: Edge) -> Gated {
    let (input, source) = channel_source(1, Liveness::Live);
    let (gate, open) = bounded::<()>(1024);
    let (told, taken) = bounded(1024);
    let mut graph = Graph::new("gated");
    let camera = graph.source("camera", source);
    let slow = move |packet: Packet<u64>| {
        told.send(packet.payload).map_err(NodeError::from_error)?;
        // A closed gate is an open one, so that the end of a test is not held up.
        let _ = open.recv();
        Ok(())
    };
    let _ = camera.sink("slow", sink_fn(slow)).edge(edge);
    let run = graph.build().unwrap().start(NoHooks).unwrap();
    Gated {
        input,
        gate,
        taken,
        run,
    }
}

impl Gated {
    fn push(&self, numbers: std::ops::Range<u64>) {
        for number in numbers {
            self.input
                .push(Packet::new(MediaTime(number.cast_signed()), number))
                .unwrap();
            self.wait_until_sent(number + 1);
        }
    }

    fn wait_until_sent(&self, packets: u64) {
        wait_until(|| {
            let stats = self.run.stats_of("slow").unwrap();
            let handled = stats.packets_in + stats.dropped_total() + stats.queue_depth as u64;
            self.run.stats_of("camera").unwrap().packets_out >= packets && handled >= packets
        });
    }

    fn next(&self) -> u64 {
        self.taken.recv_timeout(CEILING).unwrap()
    }
}

fn wait_until(mut done: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + CEILING;
    while !done() {
        assert!(std::time::Instant::now() < end, "gave up waiting");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn newest_wins_and_age_is_bounded_by_capacity() {
    for capacity in [1_usize, 2, 5] {
        let bench = gated(Edge::drop_oldest(capacity));
        bench.push(0..1);
        assert_eq!(bench.next(), 0);
        bench.push(1..100);
        let stats = bench.run.stats_of("slow").unwrap();
        assert_eq!(
            stats.dropped_by(DropReason::EdgeFullOldest),
            99 - capacity as u64
        );
        assert_eq!(
            (stats.queue_depth, stats.queue_high_water),
            (capacity, capacity)
        );
        for expected in 100 - capacity as u64..100 {
            bench.gate.send(()).unwrap();
            let got = bench.next();
            assert_eq!(got, expected);
            assert!(99 - got <= capacity as u64 + 1);
        }
    }
}

#[test]
fn oldest_wins_when_asked_for() {
    let bench = gated(Edge::drop_newest(3));
    bench.push(0..1);
    assert_eq!(bench.next(), 0);
    bench.push(1..50);
    assert_eq!(
        bench
            .run
            .stats_of("slow")
            .unwrap()
            .dropped_by(DropReason::EdgeFullNewest),
        46
    );
    for expected in 1..4 {
        bench.gate.send(()).unwrap();
        assert_eq!(bench.next(), expected);
    }
}

#[test]
fn an_automatic_edge_drops_behind_a_live_source_and_blocks_behind_a_file() {
    let bench = gated(Edge::default());
    bench.push(0..1);
    assert_eq!(bench.next(), 0);
    bench.push(1..20);
    assert!(
        bench
            .run
            .stats_of("slow")
            .unwrap()
            .dropped_by(DropReason::EdgeFullOldest)
            > 0
    );

    for liveness in [Liveness::Fast, Liveness::Paced] {
        let packets = (0..500_i64).map(|n| Packet::new(MediaTime(n), n));
        let mut graph = Graph::new("file");
        let (seen, sink) = collector(500);
        let slow = lsie_graph::map_fn(|n: i64| {
            if n % 50 == 0 {
                std::thread::sleep(Duration::from_millis(2));
            }
            n
        });
        let source = graph.source("file", Replay::new(packets).as_if(liveness));
        source
            .apply("slow", slow)
            .edge(Edge::auto(1))
            .sink("out", sink);
        let run = graph.build().unwrap().start(NoHooks).unwrap();
        assert_eq!(run.wait(CEILING), Ok(Status::Completed));
        assert_eq!(seen.payloads(), (0..500).collect::<Vec<_>>());
        let slow = run.stats_of("slow").unwrap();
        assert_eq!(slow.dropped_total(), 0);
        assert!(slow.blocked > Duration::ZERO, "the lag is counted");
        assert!(slow.queue_high_water <= 1);
    }
}

#[test]
fn sequence_gaps_are_exactly_what_the_edge_dropped() {
    let (input, source) = channel_source(8, Liveness::Live);
    let (seen, sink) = collector(10_000);
    let mut graph = Graph::new("gaps");
    let _ = graph
        .source("camera", source)
        .sink("out", sink)
        .edge(Edge::drop_oldest(1));
    let run = graph.build().unwrap().start(NoHooks).unwrap();
    for number in 0..5000 {
        input.push(Packet::new(MediaTime(number), number)).unwrap();
    }
    drop(input);
    assert_eq!(run.wait(CEILING), Ok(Status::Completed));
    let packets = seen.packets();
    assert!(packets.windows(2).all(|pair| pair[0].seq < pair[1].seq));
    assert!(
        packets
            .iter()
            .all(|packet| packet.seq == packet.payload as u64)
    );
    assert_eq!(
        packets.last().unwrap().payload,
        4999,
        "the newest always arrives"
    );
    let stats = run.stats_of("out").unwrap();
    assert_eq!(
        packets.len() as u64 + stats.dropped_by(DropReason::EdgeFullOldest),
        5000
    );
}

#[test]
fn a_live_source_is_never_made_to_wait() {
    let live = || Replay::new([Packet::new(MediaTime(0), 1)]).as_if(Liveness::Live);
    let pass = || lsie_graph::map_fn(|n: i32| n);
    let mut graph = Graph::new("bad");
    let camera = graph.source("camera", live());
    let fused = camera.then("fused", pass());
    let _ = fused.sink("disk", sink_fn(|_| Ok(()))).edge(Edge::block(8));
    let problems = graph.build().err().unwrap();
    assert_eq!(
        problems,
        [BuildError::BlockingLiveEdge {
            path: "camera -> fused -> disk".to_owned()
        }]
    );

    let mut graph = Graph::new("good");
    let camera = graph.source("camera", live());
    let analysis = camera.apply("analysis", pass()).edge(Edge::drop_oldest(1));
    let _ = analysis
        .sink("rows", sink_fn(|_| Ok(())))
        .edge(Edge::block(8));
    assert!(graph.build().is_ok(), "the edge before drops");
}
