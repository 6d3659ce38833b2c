//! Licences and duplicate versions of everything that is built, from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use lsie_tests::house::packages::{self, Package};
use lsie_tests::house::{spdx, tree};

/// Licences that a binary of this project may carry.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// Our own licence.
const OURS: &str = "MIT OR Apache-2.0";

/// Packages that are there in two versions, grouped by the reason.
const DUPLICATES: &[(&[&str], &str)] = &[
    (
        &[
            "block-buffer",
            "const-oid",
            "cpufeatures",
            "crypto-common",
            "digest",
            "getrandom",
            "rand_core",
            "sha2",
        ],
        "ed25519-dalek 2, which only the tests use, and the cryptography of webrtc are on the older hash traits",
    ),
    (
        &["hashbrown", "libloading"],
        "wgpu's Vulkan binding and memory allocator are behind the others",
    ),
    (&["miniz_oxide"], "png and flate2 moved at different times"),
    (
        &["syn", "synstructure"],
        "some derive macros are still on syn 2",
    ),
    (
        &[
            "asn1-rs",
            "asn1-rs-derive",
            "base64",
            "der-parser",
            "num-bigint",
            "oid-registry",
            "pem",
            "rustc-hash",
            "thiserror",
            "thiserror-impl",
            "x509-parser",
        ],
        "webrtc's certificates are read and written by libraries of different age",
    ),
];

#[test]
fn every_licence_is_allowed() -> anyhow::Result<()> {
    let packages = packages::all()?;
    assert!(packages.len() > 100, "only {} packages", packages.len());
    let refused: Vec<String> = packages
        .iter()
        .filter(|p| !spdx::is_met(p.licence.as_deref().unwrap_or_default(), ALLOWED))
        .map(|p| format!("{} {}: {:?}", p.name, p.version, p.licence))
        .collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    Ok(())
}

#[test]
fn no_package_is_there_twice_without_a_reason() -> anyhow::Result<()> {
    let packages = packages::all()?;
    let found = twice(&packages);
    let listed: BTreeSet<&str> = DUPLICATES
        .iter()
        .flat_map(|(names, _)| *names)
        .copied()
        .collect();
    for (name, versions) in &found {
        assert!(
            listed.contains(name),
            "{name} is there as {versions:?}; list it with a reason or remove one"
        );
    }
    for name in listed {
        assert!(
            found.contains_key(name),
            "{name} is there once; take it off the list"
        );
    }
    assert!(DUPLICATES.iter().all(|(_, reason)| !reason.is_empty()));
    Ok(())
}

#[test]
fn our_own_licence_is_stated_and_its_texts_are_there() -> anyhow::Result<()> {
    for package in packages::workspace()? {
        assert_eq!(package.licence.as_deref(), Some(OURS), "{}", package.name);
    }
    assert!(tree::text("LICENSE")?.contains(OURS));
    assert!(tree::text("LICENSE-MIT")?.contains("Permission is hereby granted, free of charge"));
    assert!(tree::text("LICENSE-APACHE")?.contains("END OF TERMS AND CONDITIONS"));
    let notice = tree::text("NOTICE")?;
    for foreign in ["presenter.png", "voice.flac"] {
        assert!(
            notice.contains(foreign),
            "NOTICE tells where {foreign} comes from"
        );
    }
    Ok(())
}

#[test]
fn a_second_version_is_noticed() {
    let package = |name: &str, version: &str| Package {
        name: name.into(),
        version: version.into(),
        licence: None,
        folder: String::new(),
        dependencies: Vec::new(),
    };
    let packages = [
        package("a", "1.0.0"),
        package("b", "1.0.0"),
        package("a", "2.0.0"),
    ];
    assert_eq!(
        twice(&packages),
        BTreeMap::from([("a", BTreeSet::from(["1.0.0", "2.0.0"]))])
    );
}

fn twice(packages: &[Package]) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        versions
            .entry(&package.name)
            .or_default()
            .insert(&package.version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    versions
}
