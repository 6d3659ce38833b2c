//! Recordings to tables from the command line: what is written where, and what a bad file does to the others.

use std::fs;

use serde_json::Value;

use crate::server::lsie;

#[test]
fn good_files_are_measured_although_one_is_missing_and_one_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let (missing, damaged) = (
        folder.path().join("none.mp4"),
        folder.path().join("bad.mp4"),
    );
    fs::write(&damaged, vec![7; 4096]).unwrap();
    let table = folder.path().join("talk.csv");
    let done = lsie()
        .args(["analyze", "--seconds", "2", "--output"])
        .args([&table, &missing, &damaged])
        .arg("demo:presenter")
        .output()
        .unwrap();
    let told = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1), "{told}");
    assert!(told.contains("source_file_unreadable"), "{told}");
    assert!(told.contains("source_not_media"), "{told}");
    assert!(
        told.contains("demo:presenter: done; 60 rows, 60 with a face"),
        "{told}"
    );

    let frames = fs::read_to_string(&table).unwrap();
    let mut lines = frames.lines();
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    assert_eq!(
        head[..5],
        ["file", "frame", "pts_s", "face_id", "confidence"]
    );
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 60);
    assert!(rows.iter().all(|row| row.len() == head.len()));
    let column = |name: &str| head.iter().position(|head| *head == name).unwrap();
    // Two seconds are all calibration: a ratio, no score, and the reason.
    let last = &rows[59];
    assert!(last[column("au12_ratio")].parse::<f64>().unwrap() > 0.5);
    assert_eq!(last[column("au12_score")], "");
    assert_eq!(last[column("absent")], "not_calibrated");
    let windows = fs::read_to_string(folder.path().join("talk.windows.csv")).unwrap();
    assert_eq!(windows.lines().count(), 2, "{windows}");
    let dictionary = fs::read_to_string(folder.path().join("talk.dictionary.csv")).unwrap();
    for name in &head {
        assert!(dictionary.contains(&format!("frames,{name},")), "{name}");
    }
}

#[test]
fn json_is_one_object_and_the_dictionary_needs_no_file() {
    let done = lsie()
        .args([
            "analyze",
            "demo:presenter",
            "--seconds",
            "1",
            "--every",
            "10",
        ])
        .args(["--out", "json"])
        .output()
        .unwrap();
    assert!(done.status.success());
    let table: Value = serde_json::from_slice(&done.stdout).unwrap();
    let frames = table["frames"].as_array().unwrap();
    let numbers: Vec<u64> = frames
        .iter()
        .map(|row| row["frame"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, [0, 10, 20]);
    assert_eq!(table["windows"].as_array().unwrap().len(), 1);
    let done = lsie().args(["analyze", "--dictionary"]).output().unwrap();
    assert!(done.status.success());
    assert!(done.stdout.starts_with(b"table,column,unit,meaning\n"));
    let wrong = |arguments: &[&str]| lsie().args(arguments).output().unwrap().status.code();
    assert_eq!(wrong(&["analyze"]), Some(2));
    assert_eq!(wrong(&["analyze", "x.mp4", "--every", "0"]), Some(2));
    assert_eq!(wrong(&["analyze", "x.mp4", "--seconds", "-1"]), Some(2));
    assert_eq!(wrong(&["analyze", "x.mp4", "--out", "parquet"]), Some(1));
}
