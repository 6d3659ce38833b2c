//! Imports go down only: every manifest is compared with the floors of the design.

use std::collections::BTreeSet;

use lsie_tests::house::floors::{self, FLOORS, FREE, SCHEMAS};
use lsie_tests::house::{packages, tree};

#[test]
fn every_import_is_an_arrow_of_the_design() -> anyhow::Result<()> {
    let packages = packages::workspace()?;
    assert!(packages.len() > 10, "the workspace was not read");
    let refused: Vec<String> = packages
        .iter()
        .flat_map(|package| {
            let named = package.dependencies.iter().filter(|d| !d.is_dev);
            named.filter_map(|d| floors::refusal(&package.name, &d.name))
        })
        .collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    Ok(())
}

#[test]
fn every_crate_stands_on_its_floor_and_in_its_folder() -> anyhow::Result<()> {
    for package in packages::workspace()? {
        if FREE.contains(&package.name.as_str()) {
            continue;
        }
        let floor = floors::of(&package.name);
        let folder = floor.map(|floor| floor.folder);
        assert_eq!(folder, Some(package.folder.as_str()), "{}", package.name);
        let strangers: Vec<_> = package
            .dependencies
            .iter()
            .filter(|d| d.is_ours && floors::of(&d.name).is_none())
            .collect();
        assert!(strangers.is_empty(), "{}: {strangers:?}", package.name);
    }
    Ok(())
}

#[test]
fn every_dependency_is_used() -> anyhow::Result<()> {
    let sources = tree::rust_files()?;
    let mut unused = Vec::new();
    for package in packages::workspace()? {
        let within = format!("{}/", package.folder);
        for dependency in &package.dependencies {
            let word = dependency.name.replace('-', "_");
            let product = format!("{within}src/");
            let place = if dependency.is_dev { &within } else { &product };
            // A crate of benches or of tests may keep everything in its own folders.
            let place = if FREE.contains(&package.name.as_str()) {
                &within
            } else {
                place
            };
            let used = sources
                .iter()
                .any(|(path, text)| path.starts_with(place.as_str()) && names(text, &word));
            if !used {
                unused.push(format!("{} -> {}", package.name, dependency.name));
            }
        }
    }
    assert!(unused.is_empty(), "named and not used: {unused:#?}");
    Ok(())
}

fn names(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let before = text.get(..at).and_then(|head| head.chars().next_back());
        let after = text
            .get(at + word.len()..)
            .and_then(|tail| tail.chars().next());
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

#[test]
fn the_floors_themselves_go_down_and_keep_server_and_media_apart() {
    let height = |package: &str| floors::of(package).map(|floor| floor.floor);
    for floor in FLOORS {
        for import in floor.imports {
            let down = height(import) < Some(floor.floor);
            // The inference crate stands beside the device crate in one folder.
            let beside = (floor.package, *import) == ("lsie-infer", "lsie-device");
            let store = *import == "lsie-store";
            assert!(down || beside || store, "{} -> {import}", floor.package);
            let crosses = |a: &str, b: &[&str]| {
                let to = floors::of(import).map_or("", |to| to.folder);
                floor.folder.starts_with(a) && b.iter().any(|b| to.starts_with(b))
            };
            assert!(
                !crosses("media", &["server"]),
                "{} -> {import}",
                floor.package
            );
            let server = crosses("server", &["media", "gpu", "kernels"]);
            assert!(
                !server || floor.package == "lsie",
                "{} -> {import}",
                floor.package
            );
        }
    }
    let names: BTreeSet<_> = FLOORS.iter().map(|floor| floor.package).collect();
    assert_eq!(names.len(), FLOORS.len(), "a crate has two floors");
}

#[test]
fn a_wrong_import_is_refused_and_the_arrow_is_named() {
    let cases = [
        ("lsie-api", "lsie-kernels"),
        ("lsie-store", "lsie-analytics"),
        ("lsie-graph", "lsie-store"),
        ("lsie-schemas", "lsie-device"),
        ("lsie-device", "lsie-infer"),
        ("lsie-ingest", "lsie-analysis"),
        ("lsie-analysis", "ort"),
        ("lsie-analysis", "gstreamer-app"),
        ("lsie-supervisor", "rusqlite"),
        ("lsie-supervisor", "axum"),
        ("lsie-store", "tokio"),
        ("lsie-kernels", "cudarc"),
        ("lsie-engine", "wgpu"),
        ("lsie-engine", "webrtc"),
        ("lsie", "lsie-tests"),
        ("lsie-unheard-of", "lsie-device"),
    ];
    for (from, to) in cases {
        let refusal = floors::refusal(from, to).unwrap_or_default();
        assert!(
            refusal.starts_with(&format!("{from} -> {to}: ")),
            "{from} -> {to}"
        );
    }
    for (from, to) in [
        ("lsie-api", SCHEMAS),
        ("lsie-api", "lsie-store"),
        ("lsie-ingest", "gstreamer-video"),
        ("lsie-infer", "ort"),
        ("lsie-kernels", "realfft"),
        ("lsie-tests", "rusqlite"),
        ("lsie-benches", "lsie-engine"),
    ] {
        assert_eq!(floors::refusal(from, to), None);
    }
}
