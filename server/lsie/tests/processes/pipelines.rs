//! Pipelines from the terminal: the committed examples run on real sources, faults are told at once, exit codes differ.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::lsie;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../media/engine/pipelines")
        .join(name)
}

fn pipeline(arguments: &[&str], file: &Path, more: &[&str]) -> (Output, String, String) {
    let mut command = lsie();
    command.arg("pipeline").args(arguments).arg(file).args(more);
    let done = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&done.stdout), text(&done.stderr));
    (done, out, err)
}

fn lines(out: &str) -> Vec<Value> {
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn every_committed_example_is_usable_and_drawn() {
    let mut count = 0;
    for entry in fs::read_dir(example("")).unwrap() {
        let path = entry.unwrap().path();
        let (done, out, err) = pipeline(&["check", "--json"], &path, &[]);
        assert_eq!(
            done.status.code(),
            Some(0),
            "{}: {out}{err}",
            path.display()
        );
        let answer: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(answer["hash"].as_str().unwrap().len(), 64);
        for (format, word) in [("tree", "■"), ("dot", "digraph"), ("mermaid", "flowchart")] {
            let (_, out, _) = pipeline(&["draw", "--format", format], &path, &[]);
            assert!(out.contains(word), "{out}");
        }
        count += 1;
    }
    assert!(count >= 4, "{count}");
}

#[test]
fn the_presenter_s_smile_is_seen_through_a_pipeline() {
    let set = [
        "--set",
        "camera.url=demo:presenter?pace=fast",
        "--set",
        "rate=30",
    ];
    let mut child = lsie()
        .args(["pipeline", "run", "--quiet", "--seconds", "120"])
        .arg(example("smile.toml"))
        .args(set)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let smiles: Vec<Value> = out
        .lines()
        .take(3)
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(smiles.len(), 3, "no smile in two minutes");
    for line in &smiles {
        assert!(line["item"]["score"].as_f64().unwrap() > 0.3, "{line}");
        assert_eq!(line["type"], "face");
        // The presenter is neutral for six seconds.
        assert!(line["pts_s"].as_f64().unwrap() > 6.0, "{line}");
    }
}

#[test]
fn sound_and_pictures_keep_step_in_both_modes() {
    for mode in ["clock", "seed"] {
        let source = "source.url=test:bars?size=320x240&seconds=4&pace=paced";
        let mode = format!("step.mode={mode}");
        let set = ["--set", source, "--set", &mode];
        let (done, out, err) = pipeline(&["run", "--quiet"], &example("in_step.toml"), &set);
        assert_eq!(done.status.code(), Some(0), "{mode}: {out}{err}");
        let rows = lines(&out);
        let pictures = rows
            .iter()
            .filter_map(|row| row["item"]["picture"]["seq"].as_u64());
        let pictures: Vec<u64> = pictures.collect();
        assert!(pictures.len() >= 4 && pictures.is_sorted(), "{mode}: {out}");
        let sounds = rows
            .iter()
            .filter(|row| row["item"]["sound"]["rate_hz"] == 48_000);
        assert!(sounds.count() >= 3, "{mode}: {out}");
    }
}

#[test]
fn a_pipeline_without_an_end_is_stopped_and_told() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("endless.toml");
    let text = "[pipeline]\nid = \"endless\"\n[[node]]\nname = \"s\"\nkind = \"const\"\nvalue = 1\ninterval = 0.01\n[[node]]\nname = \"f\"\nkind = \"fps\"\nin = \"s\"\nfps = 10\n[[node]]\nname = \"o\"\nkind = \"null\"\nin = \"f\"\n";
    fs::write(&file, text).unwrap();
    let (done, out, err) = pipeline(&["run"], &file, &["--seconds", "1", "--json"]);
    assert_eq!(done.status.code(), Some(0), "{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&report["status"], &report["abandoned"]),
        (&"stopped".into(), &json!([]))
    );
    assert!(
        report["nodes"][1]["dropped"]["rate"].as_u64().unwrap() > 0,
        "{report}"
    );
    let (_, _, err) = pipeline(&["run"], &file, &["--seconds", "1"]);
    assert!(
        err.contains("was stopped") && err.contains("rate "),
        "{err}"
    );
}

#[test]
fn picture_and_sound_of_a_pattern_meet_and_a_table_is_written() {
    let folder = TempDir::new().unwrap();
    let source = "source.url=test:bars?size=320x240&seconds=3&pace=fast";
    let (done, out, err) = pipeline(
        &["run", "--quiet"],
        &example("voice_and_face.toml"),
        &["--set", source],
    );
    assert_eq!(done.status.code(), Some(0), "{err}");
    let rows = lines(&out);
    assert!(rows.len() >= 5, "{out}");
    assert!(
        rows.iter()
            .any(|row| row["item"]["voice"]["rms_dbfs"].is_number()),
        "{out}"
    );
    assert!(
        rows.iter()
            .all(|row| row["item"]["face"]["absent"] == "no_face"),
        "{out}"
    );

    let table = folder.path().join("table.csv");
    let path = format!("table.path={}", table.display());
    let set = ["--set", source, "--set", &path, "--json"];
    let (done, out, err) = pipeline(&["run"], &example("table.toml"), &set);
    assert_eq!(done.status.code(), Some(0), "{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["status"], "completed");
    let face = report["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|node| node["node"] == "face");
    assert_eq!(face.unwrap()["packets_out"], 90, "{report}");
    let table = fs::read_to_string(table).unwrap();
    assert_eq!(table.lines().count(), 91);
    assert!(
        table.starts_with("pts_s,seq,faces,absent,ratio,score,"),
        "{table}"
    );
}

#[test]
fn once_gives_the_product_and_faults_have_codes_of_their_own() {
    let (done, out, _) = pipeline(&["run", "--once"], &example("product.json"), &[]);
    assert_eq!(done.status.code(), Some(0));
    assert_eq!(lines(&out)[0]["item"], 128.0);

    let folder = TempDir::new().unwrap();
    let file = folder.path().join("bad.toml");
    let text = "[pipeline]\nid = \"bad\"\n[[node]]\nname = \"cam\"\nkind = \"inptu\"\nurl = \"demo:\"\n[[node]]\nname = \"o\"\nkind = \"print\"\nin = \"cma\"\n";
    fs::write(&file, text).unwrap();
    let (done, out, _) = pipeline(&["check"], &file, &[]);
    assert_eq!(done.status.code(), Some(1));
    for word in ["did you mean \"input\"?", "did you mean \"cam\"?"] {
        assert!(out.contains(word), "{word}: {out}");
    }
    let path = format!("table.path={}", folder.path().join("none.csv").display());
    let (done, _, err) = pipeline(
        &["run", "--quiet"],
        &example("table.toml"),
        &["--set", "source.url=file:/nonexistent.mp4", "--set", &path],
    );
    assert_eq!(done.status.code(), Some(1), "{err}");
    assert!(err.contains("/nonexistent.mp4"), "{err}");
    let (done, _, err) = pipeline(&["run"], &example("smile.toml"), &["--set", "slwo.fps=3"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(err.contains("slow"), "{err}");
    let mut bare = lsie();
    bare.env("LSIE_ENGINE_CACHE_DIR", folder.path());
    let done = bare
        .args(["pipeline", "run"])
        .arg(example("smile.toml"))
        .output()
        .unwrap();
    assert_eq!(
        done.status.code(),
        Some(3),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

#[test]
fn the_kinds_of_nodes_are_listed_and_described() {
    let (done, out, _) = pipeline(&["nodes"], Path::new("face"), &[]);
    assert!(
        done.status.success() && out.contains("takes  in: video"),
        "{out}"
    );
    let all = lsie()
        .args(["pipeline", "nodes", "--json"])
        .output()
        .unwrap();
    let all: Value = serde_json::from_slice(&all.stdout).unwrap();
    for kind in all.as_array().unwrap() {
        let complete = kind["doc"].as_str().is_some_and(|doc| doc.ends_with('.'));
        assert!(complete, "{kind}");
    }
    let (done, _, err) = pipeline(&["nodes"], Path::new("fcae"), &[]);
    assert_eq!(done.status.code(), Some(1));
    assert!(err.contains("`face`"), "{err}");
}
