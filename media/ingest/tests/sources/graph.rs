//! Sources as nodes of a graph.

use lsie_graph::nodes::collector;
use lsie_graph::{Edge, Graph, NoHooks, Status};
use lsie_ingest::open;

use crate::making::{CEILING, settings};

#[test]
fn a_fast_source_runs_through_a_graph_to_its_end() {
    let mut input = open(
        "test:bars?size=64x48&fps=30&seconds=1&pace=fast",
        &settings(),
    )
    .unwrap();
    let mut graph = Graph::new("test");
    let (frames, frame_sink) = collector(4);
    let (blocks, block_sink) = collector(64);
    graph
        .source("video", input.video.take().unwrap())
        .sink("frames", frame_sink)
        .edge(Edge::auto(2));
    graph
        .source("audio", input.audio.take().unwrap())
        .sink("blocks", block_sink)
        .edge(Edge::auto(8));
    let run = graph.build().unwrap().start(NoHooks).unwrap();
    assert_eq!(run.wait(CEILING).unwrap(), Status::Completed);
    assert_eq!(frames.seen(), 30);
    assert_eq!(blocks.seen(), 50);
}

#[test]
fn an_endless_source_ends_with_its_run() {
    let mut input = open("test:bars?size=64x48", &settings()).unwrap();
    drop(input.audio.take());
    let mut graph = Graph::new("test");
    let (_frames, sink) = collector(4);
    graph
        .source("video", input.video.take().unwrap())
        .sink("frames", sink)
        .edge(Edge::auto(2));
    let run = graph.build().unwrap().start(NoHooks).unwrap();
    let report = run.stop(CEILING);
    assert_eq!(run.wait(CEILING).unwrap(), Status::Stopped, "{report:?}");
}
