//! Random graphs: building never panics, every sink sees an ordered stream without duplicates, stop returns.

use std::time::{Duration, Instant};

use lsie_graph::nodes::{Collected, Replay, channel_source, collector};
use lsie_graph::{
    DropReason, Edge, Graph, Liveness, MediaTime, NoHooks, Ordered, Packet, Pairing, Run, Status,
    Stream, filter_fn, map_fn,
};
use proptest::prelude::*;

const CEILING: Duration = Duration::from_secs(15);
/// Graphs of the whole test; each of its parts builds and runs a share of them.
const GRAPHS: u32 = 10_000;
/// Graphs that run to their end, and as many that are stopped while they run.
const CASES: u32 = GRAPHS * 9 / 20;
/// Chains with blocking edges only.
const LOSSLESS: u32 = GRAPHS - 2 * CASES;
const PACKETS: i64 = 24;

/// Where a number came from and which it was.
type Tagged = (usize, i64);

#[derive(Clone, Debug)]
enum Op {
    Apply(usize, Edge),
    Then(usize),
    Thin(usize, Edge),
    Ordered(usize, usize),
    Any(usize, usize),
    Sync(usize, usize),
}

fn edge() -> impl Strategy<Value = Edge> {
    (1_usize..5, 0..3).prop_map(|(capacity, policy)| match policy {
        0 => Edge::block(capacity),
        1 => Edge::drop_oldest(capacity),
        _ => Edge::drop_newest(capacity),
    })
}

fn op() -> impl Strategy<Value = Op> {
    let at = any::<usize>();
    prop_oneof![
        (at, edge()).prop_map(|(a, edge)| Op::Apply(a, edge)),
        at.prop_map(Op::Then),
        (at, edge()).prop_map(|(a, edge)| Op::Thin(a, edge)),
        (at, at).prop_map(|(a, b)| Op::Ordered(a, b)),
        (at, at).prop_map(|(a, b)| Op::Any(a, b)),
        (at, at).prop_map(|(a, b)| Op::Sync(a, b)),
    ]
}

/// A stream, the operation that made it, and whether it is in order of time.
struct Made {
    stream: Stream<Tagged>,
    used: bool,
}

fn grow(sources: Vec<Stream<Tagged>>, ops: &[Op]) -> Vec<Collected<Tagged>> {
    let mut made: Vec<Made> = sources
        .into_iter()
        .map(|stream| Made {
            stream,
            used: false,
        })
        .collect();
    for (index, op) in ops.iter().enumerate() {
        let name = format!("n{index}");
        let count = made.len();
        let mut pick = |at: &usize| {
            let at = at % count;
            made[at].used = true;
            at
        };
        let stream = match op {
            Op::Apply(a, edge) => {
                let a = pick(a);
                made[a]
                    .stream
                    .apply(&name, map_fn(|tag: Tagged| tag))
                    .edge(*edge)
            }
            Op::Then(a) => {
                let a = pick(a);
                made[a].stream.then(&name, map_fn(|tag: Tagged| tag))
            }
            Op::Thin(a, edge) => {
                let a = pick(a);
                made[a]
                    .stream
                    .apply(
                        &name,
                        filter_fn(|packet: &Packet<Tagged>| packet.payload.1 % 3 != 0),
                    )
                    .edge(*edge)
            }
            Op::Ordered(a, b) => {
                let (a, b) = (pick(a), pick(b));
                let both =
                    made[a]
                        .stream
                        .merge_ordered(&name, &made[b].stream, Ordered { limit: 8 });
                both.then(&format!("{name}.flat"), map_fn(flat))
            }
            Op::Any(a, b) => {
                let (a, b) = (pick(a), pick(b));
                made[a]
                    .stream
                    .merge_any(&name, &made[b].stream)
                    .then(&format!("{name}.flat"), map_fn(flat))
            }
            Op::Sync(a, b) => {
                let (a, b) = (pick(a), pick(b));
                let pairs =
                    made[a]
                        .stream
                        .merge_sync(&name, &made[b].stream, Pairing::within_nanos(2));
                pairs.then(&format!("{name}.first"), map_fn(|(left, _)| left))
            }
        };
        made.push(Made {
            stream,
            used: false,
        });
    }
    let ends = made.iter().enumerate().filter(|(_, made)| !made.used);
    let ends = ends.map(|(index, made)| {
        let (seen, sink) = collector(1 << 16);
        made.stream.sink(&format!("sink{index}"), sink);
        seen
    });
    ends.collect()
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "used as the closure of a map"
)]
fn flat(either: lsie_graph::Either<Tagged, Tagged>) -> Tagged {
    match either {
        lsie_graph::Either::Left(tag) | lsie_graph::Either::Right(tag) => tag,
    }
}

fn check(run: &Run, ends: &[Collected<Tagged>]) {
    for end in ends {
        let packets = end.packets();
        assert!(end.has_ended());
        assert!(
            packets.windows(2).all(|pair| pair[0].seq < pair[1].seq),
            "out of order or twice"
        );
        assert!(
            packets
                .iter()
                .all(|packet| packet.pts.0 == packet.payload.1)
        );
    }
    for stats in run.stats() {
        assert!(stats.queue_high_water <= stats.queue_capacity, "{stats:?}");
        assert_eq!(stats.queue_depth, 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_graphs_run_to_their_end(
        liveness in prop::collection::vec(0..2, 1..4),
        ops in prop::collection::vec(op(), 0..10),
    ) {
        let mut graph = Graph::new("random");
        let sources = liveness.iter().enumerate().map(|(index, live)| {
            let packets = (0..PACKETS).map(move |n| Packet::new(MediaTime(n), (index, n)));
            let liveness = if *live == 0 { Liveness::Fast } else { Liveness::Live };
            graph.source(&format!("s{index}"), Replay::new(packets).as_if(liveness))
        }).collect();
        let ends = grow(sources, &ops);
        if let Ok(built) = graph.build() {
            let run = built.start(NoHooks).unwrap();
            prop_assert_eq!(run.wait(CEILING), Ok(Status::Completed));
            check(&run, &ends);
        } else {
            prop_assert!(liveness.contains(&1), "only a live source can make such a graph invalid");
        }
    }

    #[test]
    fn random_graphs_stop_while_they_run(ops in prop::collection::vec(op(), 0..8), pushed in 0_i64..24) {
        let mut graph = Graph::new("random");
        let (input, source) = channel_source(64, Liveness::Fast);
        let sources = vec![graph.source("s0", source)];
        let ends = grow(sources, &ops);
        let run = graph.build().unwrap().start(NoHooks).unwrap();
        for n in 0..pushed {
            input.push(Packet::new(MediaTime(n), (0, n))).unwrap();
        }
        let begun = Instant::now();
        let report = run.stop(CEILING);
        prop_assert!(begun.elapsed() < CEILING + CEILING);
        prop_assert!(report.drained && report.abandoned.is_empty());
        prop_assert_eq!(run.status(), Status::Stopped);
        check(&run, &ends);
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: LOSSLESS, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn blocking_edges_never_lose(edges in prop::collection::vec(1_usize..4, 1..6), fan in 1_usize..4) {
        let mut graph = Graph::new("lossless");
        let packets = (0..PACKETS).map(|n| Packet::new(MediaTime(n), (0, n)));
        let source = graph.source("s", Replay::new(packets));
        let mut ends = Vec::new();
        for branch in 0..fan {
            let mut stream = source.apply(&format!("b{branch}"), map_fn(|tag: Tagged| tag)).edge(Edge::block(1));
            for (step, capacity) in edges.iter().enumerate() {
                let layer = map_fn(|tag: Tagged| tag);
                stream = stream.apply(&format!("b{branch}.{step}"), layer).edge(Edge::block(*capacity));
            }
            let (seen, sink) = collector(1 << 16);
            let _ = stream.sink(&format!("sink{branch}"), sink).edge(Edge::block(1));
            ends.push(seen);
        }
        let run = graph.build().unwrap().start(NoHooks).unwrap();
        prop_assert_eq!(run.wait(CEILING), Ok(Status::Completed));
        for end in &ends {
            let numbers: Vec<i64> = end.payloads().into_iter().map(|(_, n)| n).collect();
            prop_assert_eq!(numbers, (0..PACKETS).collect::<Vec<_>>());
        }
        for stats in run.stats() {
            prop_assert_eq!(stats.dropped_total(), 0, "{}: {:?}", stats.node, stats.dropped);
            prop_assert_eq!(stats.dropped_by(DropReason::EdgeFullOldest), 0);
        }
    }
}
