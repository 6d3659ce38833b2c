//! A node on several threads keeps the order of its input, and its errors and its end are those of any other node.

use std::time::Duration;

use crossbeam::channel::bounded;
use lsie_graph::nodes::{Replay, channel_source, collector};
use lsie_graph::{
    DropReason, Edge, Emitter, ErrorPolicy, Graph, Liveness, MediaTime, NoHooks, NodeError, Packet,
    Pairing, Status, layer_fn, map_fn,
};

const CEILING: Duration = Duration::from_secs(15);

fn numbers(count: i64) -> Replay<i64> {
    Replay::new((0..count).map(|n| Packet::new(MediaTime(n), n)))
}

#[test]
fn outputs_come_in_the_order_of_the_inputs_however_long_each_takes() {
    let (seen, sink) = collector(1000);
    let mut graph = Graph::new("parallel");
    // The first of four waits for the last of them: only with four at a time does anything go on.
    let doors: Vec<_> = (0..50).map(|_| bounded::<()>(1)).collect();
    let work = || {
        let doors = doors.clone();
        map_fn(move |n: i64| {
            let (release, wait) = &doors[usize::try_from(n / 4).unwrap()];
            match n % 4 {
                0 => drop(wait.recv_timeout(CEILING)),
                3 => drop(release.send_timeout((), CEILING)),
                _ => {}
            }
            n
        })
    };
    let worked = graph
        .source("in", numbers(200))
        .apply_parallel("work", 4, work);
    worked.edge(Edge::block(8)).sink("out", sink);
    let run = graph.build().unwrap().start(NoHooks).unwrap();
    assert_eq!(run.wait(CEILING), Ok(Status::Completed));
    assert_eq!(seen.payloads(), (0..200).collect::<Vec<_>>());
    let stats = run.stats_of("work").unwrap();
    assert_eq!(
        (stats.packets_in, stats.packets_out, stats.dropped_total()),
        (200, 200, 0)
    );
}

#[test]
fn an_error_costs_its_packet_and_bounds_go_on() {
    let (seen, sink) = collector(1000);
    let mut graph = Graph::new("parallel");
    let picky = || {
        layer_fn(|packet: Packet<i64>, out: &mut Emitter<'_, i64>| {
            if packet.payload % 10 == 0 {
                return Err(NodeError::new("round number"));
            }
            out.emit(packet.pts, packet.payload);
            Ok(())
        })
    };
    let source = graph.source("in", numbers(100));
    let picked = source
        .apply_parallel("picky", 3, picky)
        .on_error(ErrorPolicy::Drop);
    // The merge decides by bounds: without them it would wait for the missing ones.
    let patient = Pairing {
        max_delay_nanos: u64::MAX,
        ..Pairing::within_nanos(0)
    };
    let pairs = source.merge_sync_partial("pairs", &picked, patient);
    pairs.sink("out", sink);
    let run = graph.build().unwrap().start(NoHooks).unwrap();
    assert_eq!(run.wait(CEILING), Ok(Status::Completed));
    let alone = seen
        .payloads()
        .iter()
        .filter(|(_, other)| other.is_none())
        .count();
    assert_eq!((seen.seen(), alone), (100, 10));
    assert_eq!(
        run.stats_of("picky").unwrap().dropped_by(DropReason::Error),
        10
    );
}

#[test]
fn a_failing_copy_fails_the_run_and_stop_returns_while_copies_hang() {
    let mut graph = Graph::new("fails");
    let bad = || layer_fn(|_: Packet<i64>, _: &mut Emitter<'_, i64>| Err(NodeError::new("no")));
    let (seen, sink) = collector(4);
    graph
        .source("in", numbers(10))
        .apply_parallel("bad", 2, bad)
        .sink("out", sink);
    let run = graph.build().unwrap().start(NoHooks).unwrap();
    assert_eq!(run.wait(CEILING).unwrap_err().node, "bad");
    assert!(run.stop(CEILING).abandoned.is_empty());
    assert!(seen.has_ended());

    let (never, blocked) = bounded::<()>(0);
    let (arrived, arrivals) = bounded::<()>(8);
    let hang = || {
        let (blocked, arrived) = (blocked.clone(), arrived.clone());
        map_fn(move |n: i64| {
            let _ = arrived.send(());
            let _ = blocked.recv();
            n
        })
    };
    let (seen, sink) = collector(4);
    let mut graph = Graph::new("hangs");
    let (input, source) = channel_source(8, Liveness::Fast);
    graph
        .source("in", source)
        .apply_parallel("hang", 2, hang)
        .sink("out", sink);
    let run = graph.build().unwrap().start(NoHooks).unwrap();
    for n in 0..2 {
        input.push(Packet::new(MediaTime(n), n)).unwrap();
        arrivals.recv_timeout(CEILING).unwrap();
    }
    let report = run.stop(Duration::from_millis(400));
    assert_eq!(report.abandoned, ["hang#1", "hang#2"]);
    assert!(
        seen.has_ended(),
        "the sink behind the hanging copies is closed all the same"
    );
    drop(never);
}
