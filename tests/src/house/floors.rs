//! The floors: which crate may import which. A new arrow is a decision, not a convenience.

/// One crate and what it may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// Package name.
    pub package: &'static str,
    /// Folder below the root.
    pub folder: &'static str,
    /// Floor as written in the README.
    pub floor: &'static str,
    /// Crates of this workspace that it may import, besides `lsie-schemas`, which everybody may.
    pub imports: &'static [&'static str],
}

/// What everybody may import.
pub const SCHEMAS: &str = "lsie-schemas";

/// Packages that may import anything and are imported by nobody.
pub const FREE: [&str; 2] = ["lsie-tests", "lsie-benches"];

/// Every crate of the design, built yet or not. A crate of the workspace that is not here fails the test.
pub const FLOORS: &[Floor] = &[
    floor(SCHEMAS, "schemas", "0", &[]),
    floor("lsie-device", "gpu/device", "1", &[]),
    floor("lsie-infer", "gpu/infer", "1", &["lsie-device"]),
    floor("lsie-kernels", "kernels", "2", &["lsie-device"]),
    floor("lsie-graph", "media/graph", "3a", &["lsie-device"]),
    floor("lsie-handset", "media/handset", "3a", &[]),
    floor("lsie-webrtc", "media/webrtc", "3a", &[]),
    floor("lsie-segment", "media/segment", "3a", &[]),
    floor(
        "lsie-ingest",
        "media/ingest",
        "3b",
        &["lsie-graph", "lsie-device", "lsie-handset", "lsie-webrtc"],
    ),
    floor(
        "lsie-analysis",
        "media/analysis",
        "3b",
        &["lsie-graph", "lsie-device", "lsie-kernels", "lsie-infer"],
    ),
    floor(
        "lsie-egress",
        "media/egress",
        "3b",
        &["lsie-graph", "lsie-device", "lsie-kernels", "lsie-webrtc"],
    ),
    floor(
        "lsie-engine",
        "media/engine",
        "3c",
        &[
            "lsie-device",
            "lsie-infer",
            "lsie-kernels",
            "lsie-graph",
            "lsie-handset",
            "lsie-webrtc",
            "lsie-segment",
            "lsie-ingest",
            "lsie-analysis",
            "lsie-egress",
        ],
    ),
    floor("lsie-analytics", "server/analytics", "4a", &[]),
    floor("lsie-director", "server/director", "4a", &[]),
    floor("lsie-store", "server/store", "4a", &[]),
    floor("lsie-cloud", "server/cloud", "4b", &["lsie-store"]),
    floor(
        "lsie-supervisor",
        "server/supervisor",
        "4b",
        &["lsie-analytics", "lsie-director", "lsie-store"],
    ),
    floor(
        "lsie-api",
        "server/api",
        "4c",
        &["lsie-supervisor", "lsie-store"],
    ),
    floor(
        "lsie",
        "server/lsie",
        "5",
        &[
            "lsie-api",
            "lsie-cloud",
            "lsie-supervisor",
            "lsie-store",
            "lsie-engine",
            "lsie-infer",
            "lsie-handset",
        ],
    ),
];

/// A binding that only some crates may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Home {
    /// Package names; a name ending in `*` covers everything that begins so.
    pub bindings: &'static [&'static str],
    /// Packages of the workspace that may import them.
    pub homes: &'static [&'static str],
}

/// Homes of the heavy bindings.
pub const HOMES: &[Home] = &[
    home(&["cudarc", "wgpu"], &["lsie-device"]),
    home(&["ort", "ort-sys", "trtx"], &["lsie-infer"]),
    home(&["gstreamer*"], &["lsie-ingest", "lsie-egress"]),
    home(&["rtc", "webrtc", "webrtc-*"], &["lsie-webrtc"]),
    home(&["rusqlite", "libsqlite3-sys"], &["lsie-store"]),
    home(&["axum", "axum-*", "hyper*"], &["lsie-api"]),
    home(
        &["tokio", "tokio-*"],
        &[
            "lsie-webrtc",
            "lsie-engine",
            "lsie-api",
            "lsie-cloud",
            "lsie-supervisor",
            "lsie",
        ],
    ),
];

const fn floor(
    package: &'static str,
    folder: &'static str,
    floor: &'static str,
    imports: &'static [&'static str],
) -> Floor {
    Floor {
        package,
        folder,
        floor,
        imports,
    }
}

const fn home(bindings: &'static [&'static str], homes: &'static [&'static str]) -> Home {
    Home { bindings, homes }
}

/// The line of a package, if the design knows it.
#[must_use]
pub fn of(package: &str) -> Option<&'static Floor> {
    FLOORS.iter().find(|floor| floor.package == package)
}

/// Why `from` may not import `to`, naming the arrow; `None` when it may. Both are package names.
#[must_use]
pub fn refusal(from: &str, to: &str) -> Option<String> {
    if FREE.contains(&from) {
        return None;
    }
    let arrow = format!("{from} -> {to}");
    if FREE.contains(&to) {
        return Some(format!("{arrow}: nothing imports tests or benches"));
    }
    if of(to).is_some() {
        let Some(floor) = of(from) else {
            return Some(format!("{arrow}: {from} stands on no floor yet"));
        };
        let may = to == SCHEMAS || floor.imports.contains(&to);
        return (!may).then(|| {
            format!(
                "{arrow}: floor {} may import {SCHEMAS} and {:?}",
                floor.floor, floor.imports
            )
        });
    }
    let home = HOMES.iter().find(|home| home.covers(to))?;
    (!home.homes.contains(&from)).then(|| format!("{arrow}: its home is {:?}", home.homes))
}

impl Home {
    fn covers(&self, package: &str) -> bool {
        self.bindings
            .iter()
            .any(|binding| match binding.strip_suffix('*') {
                Some(stem) => package.starts_with(stem),
                None => package == *binding,
            })
    }
}
