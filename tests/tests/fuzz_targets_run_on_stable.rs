//! Every fuzz target runs its committed seeds and some thousand changed ones without the fuzzer's toolchain.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use lsie_schemas::contract::{self, KINDS};
use lsie_schemas::text::hex_lower;
use lsie_tests::fuzz::{Body, Changes, TARGETS, seeds, typed_contracts};

/// Changed inputs of each target.
const ROUNDS: usize = 4000;

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// Names and bytes of the committed seeds of a target, sorted by name.
fn committed(target: &str) -> Result<Vec<(String, Vec<u8>)>> {
    let folder = fuzz_folder().join("corpus").join(target);
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("no corpus of {target}"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        found.push((name, fs::read(entry.path())?));
    }
    found.sort();
    Ok(found)
}

fn try_one(target: &str, body: Body, name: &str, bytes: &[u8]) -> Result<()> {
    let outcome = catch_unwind(AssertUnwindSafe(|| body(bytes)));
    ensure!(
        outcome.is_ok(),
        "{target} fails on {name}: {:?} = {}",
        String::from_utf8_lossy(bytes),
        hex_lower(bytes)
    );
    Ok(())
}

fn run_target(target: &str) -> Result<()> {
    let (_, body) = TARGETS
        .iter()
        .find(|(name, _)| *name == target)
        .context("no such target")?;
    let corpus = committed(target)?;
    ensure!(!corpus.is_empty(), "{target} has no seeds");
    try_one(target, *body, "nothing", &[])?;
    for (name, bytes) in &corpus {
        try_one(target, *body, name, bytes)?;
    }
    let seeds: Vec<_> = corpus.into_iter().map(|(_, bytes)| bytes).collect();
    for (number, bytes) in Changes::new(&seeds, 1).take(ROUNDS).enumerate() {
        try_one(target, *body, &format!("change {number}"), &bytes)?;
    }
    Ok(())
}

macro_rules! targets_run {
    ($($target:ident)+) => {
        $(
            #[test]
            fn $target() -> Result<()> {
                run_target(stringify!($target))
            }
        )+
        const RUN_HERE: &[&str] = &[$(stringify!($target)),+];
    };
}

targets_run! {
    adb_answers adb_devices api_bodies bundle config contracts drift gray_band link live_outcomes model_manifest
    phone_streams pipeline privacy safetensors shell_and_sync source_address tflite time_and_numbers word_pieces
}

#[test]
fn every_target_runs_here_and_under_the_fuzzer() -> Result<()> {
    let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, RUN_HERE);
    let manifest = fs::read_to_string(fuzz_folder().join("Cargo.toml"))?;
    let manifest: toml::Table = manifest.parse()?;
    let declared: BTreeSet<_> = manifest["bin"]
        .as_array()
        .context("no targets")?
        .iter()
        .filter_map(|bin| bin["name"].as_str())
        .collect();
    assert_eq!(declared, names.iter().copied().collect());
    for name in names {
        let source = fs::read_to_string(fuzz_folder().join(format!("targets/{name}.rs")))?;
        assert!(
            source.contains(&format!("run(\"{name}\"")),
            "{name} runs another body"
        );
    }
    Ok(())
}

#[test]
fn the_corpus_holds_the_generated_seeds() -> Result<()> {
    for (target, _) in TARGETS {
        let committed = committed(target)?;
        for seed in seeds(target)? {
            assert!(
                committed.contains(&seed),
                "{target}/{}: write_the_seeds is due",
                seed.0
            );
        }
    }
    Ok(())
}

#[test]
#[ignore = "writes the generated seeds into the corpus; run it after changing them"]
fn write_the_seeds() -> Result<()> {
    for (target, _) in TARGETS {
        let folder = fuzz_folder().join("corpus").join(target);
        fs::create_dir_all(&folder)?;
        for (name, bytes) in seeds(target)? {
            fs::write(folder.join(name), bytes)?;
        }
    }
    Ok(())
}

#[test]
fn seeds_get_behind_the_first_checks() -> Result<()> {
    for (name, bytes) in seeds("tflite")? {
        let outcome = lsie_infer::convert::tflite_to_onnx(&bytes, &[]);
        let is_refused = name == "unknown.tflite";
        assert_eq!(outcome.is_err(), is_refused, "{name}: {:?}", outcome.err());
    }
    for (name, bytes) in seeds("safetensors")? {
        let outcome = lsie_infer::convert::bert_to_onnx(&bytes, 2);
        let is_whole = ["pair.safetensors", "sentence.safetensors"].contains(&name.as_str());
        assert_eq!(outcome.is_ok(), is_whole, "{name}: {:?}", outcome.err());
    }
    for (name, bytes) in seeds("contracts")? {
        let payload = serde_json::from_slice(&bytes)?;
        assert_eq!(
            contract::validate(name.trim_end_matches(".json"), &payload),
            Ok(())
        );
    }
    for (name, bytes) in seeds("model_manifest")? {
        assert!(
            lsie_infer::Manifest::parse(&String::from_utf8(bytes)?).is_ok(),
            "{name}"
        );
    }
    Ok(())
}

#[test]
fn every_contract_is_checked_by_type() {
    let kinds: Vec<_> = KINDS.iter().map(|object| object.name).collect();
    assert_eq!(typed_contracts(), kinds);
}

#[test]
fn changes_are_the_same_every_time_and_differ_among_themselves() {
    let seeds = [b"{\"a\": 1, \"b\": [true]}".to_vec()];
    let first: Vec<_> = Changes::new(&seeds, 7).take(500).collect();
    let second: Vec<_> = Changes::new(&seeds, 7).take(500).collect();
    assert_eq!(first, second);
    let distinct: BTreeSet<_> = first.iter().collect();
    assert!(distinct.len() > 350, "only {} differ", distinct.len());
    let parsed = first
        .iter()
        .filter(|bytes| serde_json::from_slice::<serde_json::Value>(bytes).is_ok())
        .count();
    assert!(parsed > 50, "only {parsed} of 500 changes stay JSON");
}
