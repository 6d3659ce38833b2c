//! Merges inside a running graph.

#![expect(clippy::unwrap_used, reason = "test helpers outside of test functions")]

use std::num::NonZeroU32;
use std::time::Duration;

use lsie_graph::nodes::{Delay, Fps, Replay, channel_source, collector};
use lsie_graph::{
    Either, Graph, Latest, Liveness, MediaTime, NoHooks, Ordered, Packet, Pairing, Status,
    filter_fn, map_fn,
};

const CEILING: Duration = Duration::from_secs(15);
const MILLI: i64 = 1_000_000;

fn every(millis: i64, count: i64) -> Replay<i64> {
    Replay::new((0..count).map(move |n| Packet::new(MediaTime(n * millis * MILLI), n)))
}

fn run(graph: Graph) {
    let run = graph.build().unwrap().start(NoHooks).unwrap();
    assert_eq!(run.wait(CEILING), Ok(Status::Completed));
}

#[test]
fn bounds_let_a_merge_by_time_go_on_behind_a_layer_that_drops_everything() {
    // The source stays open, so only bounds can release the packets.
    let (input, source) = channel_source(64, Liveness::Fast);
    let (seen, sink) = collector(64);
    let mut graph = Graph::new("bounds");
    let all = graph.source("in", source);
    let nothing = all
        .apply("nothing", filter_fn(|_: &Packet<i64>| false))
        .apply("more", map_fn(|n: i64| n));
    all.merge_ordered("join", &nothing, Ordered::default())
        .sink("out", sink);
    let run = graph.build().unwrap().start(NoHooks).unwrap();
    for n in 0..10 {
        input.push(Packet::new(MediaTime(n), n)).unwrap();
    }
    assert!(seen.wait_for(10, CEILING));
    assert!(run.stop(CEILING).drained);
}

#[test]
fn ordered_gives_the_same_result_on_every_run() {
    let mut first = None;
    for _ in 0..20 {
        let (seen, sink) = collector(4096);
        let mut graph = Graph::new("ordered");
        let video = graph
            .source("video", every(33, 200))
            .apply("work", map_fn(|n: i64| n));
        let audio = graph.source("audio", every(10, 600));
        video
            .merge_ordered("join", &audio, Ordered { limit: 4096 })
            .sink("out", sink);
        run(graph);
        let packets = seen.packets();
        assert_eq!(packets.len(), 800);
        assert!(packets.windows(2).all(|pair| pair[0].pts <= pair[1].pts));
        let order: Vec<_> = packets
            .into_iter()
            .map(|packet| (packet.pts, packet.payload))
            .collect();
        assert_eq!(first.get_or_insert_with(|| order.clone()), &order);
    }
}

#[test]
fn sync_pairs_by_time_not_by_arrival() {
    let (seen, sink) = collector(4096);
    let mut graph = Graph::new("sync");
    let video = graph.source("video", every(40, 100));
    let audio = graph.source("audio", every(10, 400));
    let late = audio.apply("late", Delay::new(50_000_000, 16));
    let settings = Pairing {
        limit: 4096,
        max_delay_nanos: u64::MAX,
        ..Pairing::within_nanos(2_000_000)
    };
    video.merge_sync("pair", &late, settings).sink("out", sink);
    run(graph);
    let pairs = seen.payloads();
    assert_eq!(pairs.len(), 100);
    assert!(pairs.iter().all(|(video, audio)| audio == &(video * 4)));
}

#[test]
fn a_diamond_with_a_slower_branch_does_not_lock_up() {
    let (seen, sink) = collector(4096);
    let mut graph = Graph::new("diamond");
    let frames = graph.source("frames", every(1, 1000));
    let few = frames.apply("few", Fps::to(NonZeroU32::new(100).unwrap()));
    frames.merge_all("pair", &few).sink("out", sink);
    run(graph);
    assert_eq!(
        seen.seen(),
        100,
        "all pairing is by arrival; the rest is dropped as unpaired"
    );
}

#[test]
fn latest_follows_its_leader() {
    let (seen, sink) = collector(64);
    let mut graph = Graph::new("latest");
    let lead = graph.source("lead", every(10, 20));
    let other = graph.source("other", every(1, 3));
    lead.merge_latest("join", &other, Latest::default())
        .sink("out", sink);
    run(graph);
    assert_eq!(
        seen.payloads()
            .iter()
            .map(|(lead, _)| *lead)
            .collect::<Vec<_>>(),
        (0..20).collect::<Vec<_>>()
    );
}

#[test]
fn many_streams_keep_their_number() {
    let (seen, sink) = collector(64);
    let mut graph = Graph::new("many");
    let cameras: Vec<_> = (0..5)
        .map(|index| graph.source(&format!("cam{index}"), every(10, 3)))
        .collect();
    graph
        .merge_ordered_of("wall", &cameras, Ordered::default())
        .sink("out", sink);
    run(graph);
    let expected: Vec<(usize, i64)> = (0..3)
        .flat_map(|n| (0..5).map(move |camera| (camera, n)))
        .collect();
    assert_eq!(seen.payloads(), expected);
}

#[test]
fn any_passes_everything_on() {
    let (seen, sink) = collector(64);
    let mut graph = Graph::new("any");
    let numbers = graph.source("numbers", every(1, 20));
    let words = graph
        .source("words", every(1, 20))
        .then("text", map_fn(|n: i64| n.to_string()));
    numbers.merge_any("join", &words).sink("out", sink);
    run(graph);
    let left = seen.payloads().into_iter().filter_map(|p| {
        if let Either::Left(n) = p {
            Some(n)
        } else {
            None
        }
    });
    let left: Vec<i64> = left.collect();
    assert_eq!(left, (0..20).collect::<Vec<_>>());
    assert_eq!(seen.seen(), 40);
}
