//! Everything that is wrong with a graph is reported together, and drawings show all branches.

use lsie_graph::nodes::{NullSink, Replay};
use lsie_graph::{BuildError, Draw, Edge, Graph, Liveness, MediaTime, Packet, Pairing, map_fn};

fn source() -> Replay<i32> {
    Replay::new([Packet::new(MediaTime(0), 1)])
}

#[test]
fn all_problems_come_at_once() {
    let mut other = Graph::new("other");
    let foreign = other.source("elsewhere", source());
    let mut graph = Graph::new("bad");
    let camera = graph.source("camera", source().as_if(Liveness::Live));
    let _unused = graph.source("unused", source()).edge(Edge::block(1));
    let _dangling = camera.then("camera", map_fn(|n: i32| n));
    let _ = camera
        .sink("bad name", NullSink::default())
        .edge(Edge::drop_oldest(0));
    let _ = camera
        .sink("waits", NullSink::default())
        .edge(Edge::block(2));
    let both = camera
        .merge_any("both", &foreign)
        .port_edge(7, Edge::default());
    both.sink("end", NullSink::default());
    let problems = graph.build().err().unwrap();
    let expected = [
        BuildError::DuplicateName {
            name: "camera".into(),
        },
        BuildError::BadName {
            name: "bad name".into(),
        },
        BuildError::UnusedSource {
            path: "unused".into(),
        },
        BuildError::UnusedOutput {
            path: "camera -> camera".into(),
        },
        BuildError::ZeroCapacity {
            path: "camera -> bad name".into(),
        },
        BuildError::BlockingLiveEdge {
            path: "camera -> waits".into(),
        },
        BuildError::NoEdge {
            path: "unused".into(),
        },
        BuildError::ForeignStream {
            path: "camera -> both".into(),
        },
        BuildError::NoPort {
            path: "camera -> both".into(),
            port: 7,
        },
    ];
    for problem in &expected {
        assert!(
            problems.contains(problem),
            "missing {problem:?} in {problems:?}"
        );
    }
    assert_eq!(problems.len(), expected.len(), "{problems:?}");
}

#[test]
fn an_empty_graph_and_an_empty_merge_are_refused() {
    assert_eq!(
        Graph::new("empty").build().err().unwrap(),
        [BuildError::NoSource, BuildError::NoSink]
    );
    let mut graph = Graph::new("hollow");
    graph
        .merge_any_of::<i32>("none", &[])
        .sink("out", NullSink::default());
    let problems = graph.build().err().unwrap();
    assert!(
        problems.contains(&BuildError::EmptyMerge {
            path: "none".into()
        }),
        "{problems:?}"
    );
}

fn diamond() -> Graph {
    let mut graph = Graph::new("diamond");
    let camera = graph.source("camera", source().as_if(Liveness::Live));
    let left = camera.apply("left", map_fn(|n: i32| n));
    let right = camera.then("right", map_fn(|n: i32| n));
    left.merge_sync("pair", &right, Pairing::within_nanos(5))
        .sink("out", NullSink::default());
    graph
}

#[test]
fn the_tree_shows_every_branch() {
    let expected = "\
■ out (NullSink)
└─ ○ pair (merge_sync)  [2 drop oldest]
   ├─ · left (fn)  [2 drop oldest]
   │  └─ ◇ camera (Replay)  [2 drop oldest]
   └─ · right (fn)  [2 drop oldest]
      └─ ◇ camera (Replay)
";
    assert_eq!(diamond().draw(Draw::Tree), expected);
}

#[test]
fn dot_and_mermaid_have_every_edge() {
    let dot = diamond().draw(Draw::Dot);
    assert!(
        dot.starts_with("digraph") && dot.matches("->").count() == 5,
        "{dot}"
    );
    let mermaid = diamond().draw(Draw::Mermaid);
    assert!(
        mermaid.starts_with("flowchart LR") && mermaid.matches("-->").count() == 4,
        "{mermaid}"
    );
    assert_eq!(mermaid.matches("==>").count(), 1);
}

#[test]
fn a_long_ladder_of_diamonds_is_drawn_once() {
    let mut graph = Graph::new("ladder");
    let mut rung = graph.source("camera", source());
    for step in 0..40 {
        let left = rung.then(&format!("l{step}"), map_fn(|n: i32| n));
        let right = rung.then(&format!("r{step}"), map_fn(|n: i32| n));
        rung = left
            .merge_all(&format!("m{step}"), &right)
            .then(&format!("s{step}"), map_fn(|(a, _b)| a));
    }
    rung.sink("out", NullSink::default());
    assert!(graph.draw(Draw::Tree).lines().count() < 400);
}

#[test]
fn a_built_graph_and_a_run_can_be_handed_to_another_thread() {
    fn needs_send<T: Send>() {}
    fn needs_sync<T: Sync>() {}
    needs_send::<lsie_graph::Built>();
    needs_send::<lsie_graph::Run>();
    needs_sync::<lsie_graph::Run>();
}
