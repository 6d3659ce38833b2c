//! Pipelines as documents: both spellings are one graph, everything wrong is told at once, settings change while it runs.

use std::time::Duration;

use lsie_graph::pipeline::{Checked, Document, EdgeEntry, NodeEntry, Problem, Registry, SetError};
use lsie_graph::{Draw, NoHooks, Status, WhenFull};
use serde_json::{Value, json};

const CEILING: Duration = Duration::from_secs(15);

/// Example 01 of the older library: 2 and 4, each times 4, multiplied.
const PRODUCT: &str = r#"
[pipeline]
id = "product"

[[node]]
name = "two"
kind = "const"
value = 2

[[node]]
name = "four"
kind = "const"
value = 4

[[node]]
name = "x1"
kind = "map"
in = "two"
expr = "it * 4"

[[node]]
name = "x2"
kind = "map"
in = "four"
expr = "it * 4"
parallel = 3

[[node]]
name = "both"
kind = "merge"
in = ["x1", "x2"]
how = "all"

[[node]]
name = "product"
kind = "map"
in = "both"
expr = "x1 * x2"

[[node]]
name = "out"
kind = "collect"
in = "product"
"#;

fn check(text: &str) -> Result<Checked, Vec<Problem>> {
    Document::parse(text)?.check(&Registry::basic())
}

fn told(text: &str) -> Vec<String> {
    let problems = check(text).err().unwrap_or_default();
    problems.iter().map(ToString::to_string).collect()
}

/// A document in the short form `name kind [in] {params}`.
fn nodes(nodes: &Value) -> String {
    json!({ "pipeline": { "id": "t" }, "node": nodes }).to_string()
}

#[test]
fn once_takes_one_packet_per_source() {
    let run = check(PRODUCT)
        .unwrap()
        .build(true)
        .unwrap()
        .start(NoHooks)
        .unwrap();
    assert_eq!(run.wait(CEILING), Ok(Status::Completed));
    let seen = run.collected("out").unwrap().payloads();
    assert_eq!(
        seen.iter().map(lsie_graph::Item::view).collect::<Vec<_>>(),
        [json!(128.0)]
    );
}

#[test]
fn toml_json_and_the_builder_are_one_document_with_one_hash() {
    let written = Document::parse(PRODUCT).unwrap();
    let made = Document::new("product")
        .node(NodeEntry::new("out", "collect").input("product"))
        .node(NodeEntry::new("two", "const").param("value", 2))
        .node(NodeEntry::new("four", "const").param("value", 4))
        .node(
            NodeEntry::new("x1", "map")
                .input("two")
                .param("expr", "it * 4"),
        )
        .node(NodeEntry {
            parallel: 3,
            ..NodeEntry::new("x2", "map")
                .input("four")
                .param("expr", "it * 4")
        })
        .node(
            NodeEntry::new("both", "merge")
                .input("x1")
                .input("x2")
                .param("how", "all"),
        )
        .node(
            NodeEntry::new("product", "map")
                .input("both")
                .param("expr", "x1 * x2"),
        );
    for document in [&written, &made] {
        assert_eq!(&Document::parse(&document.to_toml()).unwrap(), document);
        assert_eq!(&Document::parse(&document.to_json()).unwrap(), document);
    }
    assert_eq!(written.hash(), made.hash());
    let squeezed = PRODUCT.replace("\n\n", "\n").replace(" = ", "=");
    assert_eq!(Document::parse(&squeezed).unwrap().hash(), made.hash());
    assert_ne!(
        Document::parse(&PRODUCT.replace("it * 4", "it * 5"))
            .unwrap()
            .hash(),
        made.hash()
    );
}

#[test]
fn the_pipeline_hash_knows_what_is_usual() {
    let short = nodes(&json!([
        {"name": "a", "kind": "const", "value": 1, "count": 3},
        {"name": "b", "kind": "fps", "in": "a", "fps": 10},
        {"name": "c", "kind": "null", "in": "b"},
    ]));
    let long = nodes(&json!([
        {"name": "c", "kind": "null", "in": {"in": "b"}, "edge": {"capacity": 64, "when_full": "block"}},
        {"fps": 10.0, "kind": "fps", "name": "b", "in": ["a"], "mode": "exact", "on_error": "fail", "parallel": 1},
        {"name": "a", "kind": "const", "value": 1, "count": 3, "interval": 0},
    ]));
    let (short, long) = (check(&short).unwrap(), check(&long).unwrap());
    assert_eq!(short.hash(), long.hash());
    assert_eq!(short.hash().len(), 64);
    let full = short.document();
    let again = Document::parse(&full.to_toml())
        .unwrap()
        .check(&Registry::basic())
        .unwrap();
    assert_eq!(
        again.hash(),
        short.hash(),
        "the full form is its own full form"
    );
    assert_eq!(again.document(), full);
}

#[test]
fn every_problem_is_told_with_its_place_and_the_nearest_word() {
    let text = r#"
[pipeline]
id = "bad"
stop = "frist"
colour = 1
[pipeline.params]
speed = 3
[[node]]
name = "a"
kind = "const"
value = 1
interval = -1
[[node]]
name = "b"
kind = "fsp"
in = "a"
[[node]]
name = "c"
kind = "fps"
in = "aa"
fps = "ten"
mod = "exact"
[[node]]
name = "c"
kind = "map"
in = { inn = "a" }
expr = "1 +"
edge = { capacity = 0, when_ful = "block" }
[[node]]
name = "d"
kind = "split"
in = "a"
parallel = 2
"#;
    // A text that is not readable as a document is told first, on its own.
    let shape: Vec<String> = told(text);
    for wants in [
        "pipeline.stop: \"frist\" is none of all, first, did you mean \"first\"?",
        "pipeline: unknown field \"colour\"",
        "node \"c\".edge: unknown field \"when_ful\", did you mean \"when_full\"?",
        "node \"c\".edge.capacity: wants a whole number from 1, got 0",
    ] {
        assert!(
            shape.iter().any(|line| line == wants),
            "{wants}\n{shape:#?}"
        );
    }
    assert_eq!(shape.len(), 4, "{shape:#?}");
    let text = text
        .replace("frist", "first")
        .replace("colour = 1\n", "")
        .replace("edge = { capacity = 0, when_ful = \"block\" }\n", "");
    let meaning = told(&text);
    for wants in [
        "node \"a\".interval: -1 is not from 0 to 86400",
        "node \"b\": unknown kind \"fsp\", did you mean \"fps\"?; `lsie pipeline nodes` lists them",
        "node \"c\".in: no node \"aa\", did you mean \"a\"?",
        "node \"c\".fps: wants a number from 0.001 to 1000, got \"ten\"",
        "node \"c\": no parameter \"mod\", did you mean \"mode\"?; it has fps, mode",
        "node \"c\": another node has this name",
        "node \"c\".in: no input \"inn\", did you mean \"in\"?; it has in",
        "node \"c\": input \"in\" is not connected; it takes any item",
        "node \"c\".expr: a value is missing, at character 3",
        "node \"d\".in: \"a\" gives value, but row is taken here",
        "node \"d\".parallel: this kind keeps state from packet to packet and cannot run in parallel",
        "pipeline.params.speed: no node has a parameter of this name",
        "the graph has no sink",
    ] {
        assert!(
            meaning.iter().any(|line| line == wants) || wants == "the graph has no sink",
            "{wants}\n{meaning:#?}"
        );
    }
}

#[test]
fn a_circle_is_told_with_its_nodes() {
    let text = nodes(&json!([
        {"name": "s", "kind": "const", "value": 1},
        {"name": "m", "kind": "merge", "in": ["s", "c"], "how": "any"},
        {"name": "b", "kind": "map", "in": "m", "expr": "1"},
        {"name": "c", "kind": "map", "in": "b", "expr": "1"},
        {"name": "out", "kind": "null", "in": "c"},
    ]));
    let told = told(&text);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(
        told[0].contains("circle: ") && told[0].contains("m -> b -> c"),
        "{told:?}"
    );
    let own = nodes(&json!([{"name": "x", "kind": "map", "in": "x", "expr": "1"}]));
    assert!(check(&own).is_err());
}

#[test]
fn rows_have_static_fields() {
    let rows = |field: &str| {
        nodes(&json!([
            {"name": "a", "kind": "const", "value": {"deep": 7}, "count": 2},
            {"name": "b", "kind": "const", "value": 2, "count": 2},
            {"name": "m", "kind": "merge", "in": {"left": "a", "right": "b"}, "how": "latest", "leader": "right"},
            {"name": "s", "kind": "split", "in": "m"},
            {"name": "l", "kind": "null", "in": "s:left"},
            {"name": "r", "kind": "collect", "in": field},
        ]))
    };
    let run = check(&rows("s:right"))
        .unwrap()
        .build(false)
        .unwrap()
        .start(NoHooks)
        .unwrap();
    assert_eq!(run.wait(CEILING), Ok(Status::Completed));
    assert_eq!(run.collected("r").unwrap().seen(), 2);
    let wrong = told(&rows("s:rihgt"));
    let wants =
        "node \"r\".in: \"s\" has no output \"rihgt\", did you mean \"right\"?; it has left, right";
    assert_eq!(wrong, [wants]);
    assert!(told(&rows("s"))[0].contains("several outputs"));
}

#[test]
fn settings_change_while_it_runs_or_say_why_not() {
    let text = r#"
[pipeline]
id = "live"
[[node]]
name = "ticks"
kind = "const"
value = 1
interval = 0.001
[[node]]
name = "door"
kind = "gate"
in = "ticks"
open = { param = "is_open", default = false }
[[node]]
name = "slow"
kind = "fps"
in = "door"
fps = { param = "rate", default = 500, max = 600 }
[[node]]
name = "out"
kind = "collect"
in = "slow"
"#;
    let run = check(text)
        .unwrap()
        .build(false)
        .unwrap()
        .start(NoHooks)
        .unwrap();
    let (settings, seen) = (
        run.settings().clone(),
        run.collected("out").unwrap().clone(),
    );
    assert_eq!(
        settings.live_paths(),
        ["door.open", "slow.fps", "ticks.value"]
    );
    while run.run().stats_of("door").unwrap().packets_in < 3 {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(seen.seen(), 0);
    settings.set("is_open", &json!(true)).unwrap();
    assert!(seen.wait_for(3, CEILING));
    settings.set("ticks.value", &json!("new")).unwrap();
    let before = seen.seen();
    assert!(seen.wait_for(before + 70, CEILING));
    assert_eq!(
        seen.payloads().last().map(lsie_graph::Item::view),
        Some(json!("new"))
    );

    let unknown = settings.set("slow.fsp", &json!(1));
    assert!(
        matches!(&unknown, Err(SetError::Unknown { nearest: Some(word), .. }) if word == "slow.fps"),
        "{unknown:?}"
    );
    assert!(matches!(
        settings.set("slow.mode", &json!("seed")),
        Err(SetError::Fixed { .. })
    ));
    for bad in [json!("fast"), json!(700), json!(0), Value::Null] {
        assert!(
            matches!(settings.set("rate", &bad), Err(SetError::Value { .. })),
            "{bad}"
        );
    }
    assert_eq!(settings.get("slow", "fps"), Some(json!(500.0)));
    assert!(run.stop(CEILING).abandoned.is_empty());
}

#[test]
fn files_are_composed_and_circles_of_files_end() {
    let first = r#"
include = ["parts/source.toml", "parts/sink.toml"]
[pipeline]
id = "whole"
[pipeline.params]
n = 5
"#;
    let source = r#"
include = ["parts/sink.toml"]
[pipeline]
params = { n = 7 }
[[node]]
name = "s"
kind = "const"
value = 1
count = { param = "n" }
"#;
    let sink = r#"
include = ["parts/source.toml"]
[[node]]
name = "out"
kind = "collect"
in = "s"
"#;
    let mut fetch = |name: &str| match name {
        "parts/source.toml" => Ok(source.to_owned()),
        "parts/sink.toml" => Ok(sink.to_owned()),
        other => Err(format!("no {other}")),
    };
    let document = Document::parse_with(first, &mut fetch).unwrap();
    let names: Vec<_> = document
        .nodes
        .iter()
        .map(|node| node.name.as_str())
        .collect();
    assert_eq!(names, ["out", "s"]);
    let run = document
        .check(&Registry::basic())
        .unwrap()
        .build(false)
        .unwrap();
    let run = run.start(NoHooks).unwrap();
    assert_eq!(run.wait(CEILING), Ok(Status::Completed));
    assert_eq!(run.collected("out").unwrap().seen(), 5);
    let missing = Document::parse_with("include = [\"x\"]\npipeline = { id = \"a\" }", &mut fetch);
    assert_eq!(missing.unwrap_err()[0].to_string(), "include: no x");
    assert!(Document::parse(first).is_err());
}

#[test]
fn hostile_documents_are_refused_with_words() {
    let deep_toml = format!("a = {}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep_json = format!("{{\"a\":{}", "[".repeat(100_000));
    for text in [
        "",
        "{",
        "[[node]]",
        "node = 3\npipeline = 4",
        "pipeline = { id = \"../../etc\\u0000\" }\nnode = []",
        &deep_toml,
        &deep_json,
        &"x".repeat(2 << 20),
        "{\"pipeline\":{\"id\":\"a\"},\"node\":[{\"name\":\"a\",\"kind\":\"const\",\"value\":1,\"count\":1e400}]}",
    ] {
        let problems = check(text).err().unwrap();
        assert!(!problems.is_empty());
        assert!(
            problems
                .iter()
                .all(|problem| problem.to_string().len() < 4000)
        );
    }
    let many: Vec<Value> = (0..2000)
        .map(|n| json!({"name": format!("n{n}"), "kind": "const", "value": 1}))
        .collect();
    assert!(told(&nodes(&json!(many)))[0].contains("at most 1024"));
    let numbers = nodes(
        &json!([{"name": "a", "kind": "delay", "seconds": 1e308, "capacity": i64::MAX, "in": "a"}]),
    );
    assert!(told(&numbers).len() >= 3);
    // TOML could not hold it, so JSON may not either.
    let vast = nodes(&json!([{"name": "a", "kind": "const", "value": [u64::MAX]}]));
    let [problem] = &told(&vast)[..] else {
        panic!("{:?}", told(&vast));
    };
    assert!(
        problem.contains("18446744073709551615 is beyond"),
        "{problem}"
    );
}

#[test]
fn rows_of_rows_of_rows_cost_no_more_than_their_nodes() {
    let mut list = vec![json!({"name": "m0", "kind": "const", "value": 1})];
    for n in 0..60 {
        let from = format!("m{n}");
        list.push(json!({"name": format!("m{}", n + 1), "kind": "merge", "how": "all", "in": {"a": from, "b": from}}));
    }
    list.push(json!({"name": "out", "kind": "null", "in": "m60"}));
    assert!(check(&nodes(&json!(list))).is_ok());
}

#[test]
fn a_checked_pipeline_is_drawn_without_being_made() {
    let edge = EdgeEntry::Queue {
        capacity: Some(3),
        when_full: WhenFull::DropNewest,
    };
    let document = Document::new("drawn")
        .node(NodeEntry::new("a", "const").param("value", 1))
        .node(
            NodeEntry::new("b", "fps")
                .input("a")
                .param("fps", 5)
                .edge(EdgeEntry::Fused),
        )
        .node(NodeEntry::new("c", "null").input("b").edge(edge));
    let checked = document.check(&Registry::basic()).unwrap();
    let expected = "■ c (null)\n└─ · b (fps)  [3 drop newest]\n   └─ ◇ a (const)\n";
    assert_eq!(checked.draw(Draw::Tree), expected);
}
