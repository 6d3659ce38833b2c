//! Runs every golden case of every claimed vector file: `cargo test -p lsie-tests --test vectors -- --nocapture`.

use anyhow::{Result, ensure};
use lsie_tests::vectors::{
    AREAS, Case, Outcome, RunError, UNCLAIMED, VectorFolder, run_file, run_folder,
};
use serde_json::json;

#[test]
fn every_case_of_every_claimed_file_holds() -> Result<()> {
    let folder = VectorFolder::from_environment();
    println!("vectors from {}", folder.path.display());
    let reports = run_folder(&folder)?;
    let mut failures = Vec::new();
    for report in &reports {
        println!(
            "{:<14} {:>4} passed, {} failed, informative {} agree, {} differ",
            report.area,
            report.passed,
            report.failures.len(),
            report.informative_passed,
            report.informative_differing.len()
        );
        report
            .informative_differing
            .iter()
            .for_each(|line| println!("  informative: {line}"));
        failures.extend(report.failures.iter().cloned());
    }
    println!(
        "unclaimed: {}",
        if UNCLAIMED.is_empty() {
            "none".to_owned()
        } else {
            UNCLAIMED.join(" ")
        }
    );
    ensure!(
        failures.is_empty(),
        "{} cases differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
    Ok(())
}

#[test]
fn no_file_is_both_claimed_and_unclaimed() {
    for (area, _) in AREAS {
        assert!(!UNCLAIMED.contains(area), "{area} is in both lists");
    }
}

#[test]
fn an_empty_or_foreign_folder_fails() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let vectors = VectorFolder {
        path: folder.path().to_owned(),
        is_default: false,
    };
    assert!(run_folder(&vectors).is_err(), "an empty folder must fail");
    std::fs::write(folder.path().join("nobody.json"), "{}")?;
    assert!(
        run_folder(&vectors).is_err(),
        "a file nobody knows must fail"
    );
    Ok(())
}

#[test]
fn a_missing_file_fails_in_the_committed_folder_only() -> Result<()> {
    let source = VectorFolder::committed();
    let folder = tempfile::tempdir()?;
    std::fs::copy(
        source.path.join("identity.json"),
        folder.path().join("identity.json"),
    )?;
    let path = folder.path().to_owned();
    assert!(
        run_folder(&VectorFolder {
            path: path.clone(),
            is_default: true
        })
        .is_err()
    );
    assert_eq!(
        run_folder(&VectorFolder {
            path,
            is_default: false
        })?
        .len(),
        1
    );
    Ok(())
}

#[test]
fn unknown_operations_fail_and_informative_cases_do_not() -> Result<()> {
    fn area(case: &Case<'_>) -> Result<Outcome, RunError> {
        match case.op {
            "double" => Ok(Outcome::Output(json!({"y": 2.0 * case.input.float("x")?}))),
            _ => Err(RunError::UnknownOperation),
        }
    }
    let case = |op: &str, want: f64, required: bool| json!({"id": format!("t/{op}"), "op": op, "input": {"x": 1}, "expect": {"y": want}, "required": required});
    let report = run_file(
        "t",
        &json!({"cases": [case("double", 2.0, true), case("double", 3.0, false)]}),
        area,
    )?;
    assert_eq!(
        (
            report.passed,
            report.failures.len(),
            report.informative_differing.len()
        ),
        (1, 0, 1)
    );
    let report = run_file("t", &json!({"cases": [case("double", 2.5, true)]}), area)?;
    assert_eq!((report.passed, report.failures.len()), (0, 1));
    assert!(run_file("t", &json!({"cases": [case("halve", 2.0, false)]}), area).is_err());
    assert!(run_file("t", &json!({"cases": []}), area).is_err());
    assert!(run_file("t", &json!({"cases": [{"id": "t"}]}), area).is_err());
    Ok(())
}
