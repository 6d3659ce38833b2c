//! `lsie doctor` and `lsie config`: what this machine offers and what is in force.

#[cfg(feature = "media")]
mod inference;

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use lsie_schemas::config::{Config, Layered, Origin, example_toml};
use serde::Serialize;

use super::Output;
use crate::render::table;
use crate::{settings, token};

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    subject: String,
    state: &'static str,
    detail: String,
    next_step: Option<String>,
}

fn ok(subject: &str, detail: impl Into<String>) -> Finding {
    Finding {
        subject: subject.into(),
        state: "ok",
        detail: detail.into(),
        next_step: None,
    }
}

fn missing(subject: &str, detail: impl Into<String>, next_step: &str) -> Finding {
    Finding {
        subject: subject.into(),
        state: "missing",
        detail: detail.into(),
        next_step: Some(next_step.into()),
    }
}

/// Something that makes more possible and is not needed.
fn optional(subject: &str, detail: impl Into<String>, next_step: &str) -> Finding {
    Finding {
        state: "absent",
        ..missing(subject, detail, next_step)
    }
}

pub(crate) fn doctor(config: &Config, out: &mut Output<'_>) -> Result<()> {
    let state_dir = settings::state_dir(&config.server.state_dir)?;
    let cache_dir = settings::cache_dir(&config.engine.cache_dir)?;
    let mut findings = vec![
        exposure(config),
        folder("state folder", &state_dir),
        folder("cache folder", &cache_dir),
        token_file(&state_dir),
    ];
    findings.extend(devices(config, &cache_dir));
    findings.extend(models(&cache_dir));
    #[cfg(feature = "media")]
    findings.extend(inference::libraries(&cache_dir));
    findings.extend(elements());
    #[cfg(feature = "media")]
    findings.push(inference::zero_copy());
    out.show(&findings, |findings| {
        let rows: Vec<_> = findings
            .iter()
            .map(|f| {
                vec![
                    f.subject.clone(),
                    f.state.to_owned(),
                    f.detail.clone(),
                    f.next_step.clone().unwrap_or_default(),
                ]
            })
            .collect();
        table(&["what", "state", "detail", "next step"], &rows)
    })
}

/// Who can reach the server as it is configured.
fn exposure(config: &Config) -> Finding {
    let server = &config.server;
    let loopback = server.bind.parse().is_ok_and(lsie_api::guard::is_loopback);
    if loopback {
        return ok(
            "exposure",
            format!(
                "{} only: no token for your own user, token for everybody else",
                server.bind
            ),
        );
    }
    Finding {
        subject: "exposure".into(),
        state: "warning",
        detail: format!(
            "{} is reachable from other machines; every request needs the token and one of these hosts: {}",
            server.bind,
            if server.hosts.is_empty() {
                "its own address".to_owned()
            } else {
                server.hosts.join(", ")
            }
        ),
        next_step: Some("set server.bind = \"127.0.0.1\" unless you need this".into()),
    }
}

fn folder(subject: &str, path: &Path) -> Finding {
    if path.is_dir() {
        ok(subject, path.display().to_string())
    } else {
        Finding {
            subject: subject.into(),
            state: "ok",
            detail: format!("{} (made at first use)", path.display()),
            next_step: None,
        }
    }
}

fn token_file(state_dir: &Path) -> Finding {
    if token::read(state_dir).is_some() {
        ok("token", "present, readable by its owner only")
    } else {
        ok("token", "made when the server first starts")
    }
}

#[cfg(feature = "media")]
fn devices(config: &Config, cache_dir: &Path) -> Vec<Finding> {
    use lsie_engine::DeviceReport;
    let choice = config.engine.device;
    let subject = format!("engine.device = {choice}");
    let chosen = match lsie_engine::choose_device(choice, cache_dir) {
        Ok(chosen) => {
            let networks = networks_on(&chosen, config.engine.precision, cache_dir);
            vec![ok(&subject, chosen.why), networks]
        }
        Err(error) => vec![missing(
            &subject,
            error.to_string(),
            "set engine.device = \"auto\", or name a device that is there",
        )],
    };
    lsie_engine::probe()
        .into_iter()
        .map(|report| match report {
            DeviceReport::Found(info) => {
                let software = if info.is_software {
                    "; this processor computes it"
                } else {
                    ""
                };
                let driver = if info.driver.is_empty() {
                    String::new()
                } else {
                    format!(" ({})", info.driver)
                };
                let features = if info.features.is_empty() {
                    String::new()
                } else {
                    format!("; {}", info.features)
                };
                ok(
                    &format!("device {}:{}", info.kind, info.index),
                    format!("{}{driver}{software}{features}", info.name),
                )
            }
            DeviceReport::Unavailable {
                kind,
                reason,
                how_to_get,
            } => missing(&format!("device {kind}"), reason.to_string(), &how_to_get),
        })
        .chain(chosen)
        .collect()
}

/// Which library runs the networks on the device that was chosen.
#[cfg(feature = "media")]
fn networks_on(
    chosen: &lsie_engine::ChosenDevice,
    precision: lsie_schemas::device::Precision,
    cache_dir: &Path,
) -> Finding {
    const SUBJECT: &str = "networks on this device";
    match lsie_engine::networks_on(chosen, precision, cache_dir) {
        Ok(choice) => ok(SUBJECT, choice),
        Err(error) => missing(SUBJECT, error.to_string(), "lsie models fetch"),
    }
}

#[cfg(feature = "media")]
fn models(cache_dir: &Path) -> Vec<Finding> {
    let store = match lsie_infer::ModelStore::open(cache_dir) {
        Ok(store) => store,
        Err(error) => {
            return vec![missing(
                "models",
                error.to_string(),
                "reinstall this program",
            )];
        }
    };
    let describe = |model: lsie_infer::ModelStatus| match model.state {
        lsie_infer::ModelState::Installed => ok(
            &format!("model {}", model.name),
            installed(model.path.as_deref()),
        ),
        state => missing(
            &format!("model {}", model.name),
            format!("{state:?}"),
            &format!("lsie models fetch {}", model.name),
        ),
    };
    store.list().into_iter().map(describe).collect()
}

/// The file's name and the first digits of the hash its folder is named after.
#[cfg(feature = "media")]
fn installed(path: Option<&Path>) -> String {
    let part = |path: Option<&std::ffi::OsStr>| {
        path.map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    let hash = part(path.and_then(Path::parent).and_then(Path::file_name));
    format!(
        "{} ({})",
        part(path.and_then(Path::file_name)),
        hash.get(..12).unwrap_or(&hash)
    )
}

#[cfg(not(feature = "media"))]
fn devices(_: &Config, _: &Path) -> Vec<Finding> {
    Vec::new()
}

#[cfg(not(feature = "media"))]
fn models(_: &Path) -> Vec<Finding> {
    Vec::new()
}

/// GStreamer elements the sources need, with the Debian package of each.
const ELEMENTS: [(&str, &str); 5] = [
    ("appsrc", "gstreamer1.0-plugins-base"),
    ("qtdemux", "gstreamer1.0-plugins-good"),
    ("h264parse", "gstreamer1.0-plugins-bad"),
    ("x264enc", "gstreamer1.0-plugins-ugly"),
    ("avdec_h264", "gstreamer1.0-libav"),
];

/// Other H.264 decoders, what each is good for, and how to get it.
const DECODERS: [(&str, &str, &str); 4] = [
    (
        "openh264dec",
        "on the processor, where avdec_h264 is missing",
        "apt-get install gstreamer1.0-plugins-bad",
    ),
    (
        "nvh264dec",
        "NVIDIA: pictures stay in the memory of the GPU",
        "NVIDIA's driver with libnvcuvid, and gstreamer1.0-plugins-bad 1.22 or newer",
    ),
    (
        "nvh264sldec",
        "NVIDIA's stateless one, a name of its own up to GStreamer 1.22",
        "as nvh264dec; from GStreamer 1.24 on that is the stateless one",
    ),
    (
        "vah264dec",
        "Intel and AMD; not used yet",
        "a VA-API driver (intel-media-va-driver, mesa-va-drivers) and gstreamer1.0-plugins-bad",
    ),
];

fn elements() -> Vec<Finding> {
    let Ok(listing) = Command::new("gst-inspect-1.0").output() else {
        return vec![missing(
            "GStreamer",
            "gst-inspect-1.0 is not installed, elements cannot be listed",
            "apt-get install gstreamer1.0-tools",
        )];
    };
    let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
    let has = |element: &str| {
        listing
            .lines()
            .any(|line| line.contains(&format!(" {element}:")))
    };
    let needed = ELEMENTS.iter().map(|(element, package)| {
        let subject = format!("element {element}");
        if has(element) {
            ok(&subject, *package)
        } else {
            missing(&subject, *package, &format!("apt-get install {package}"))
        }
    });
    let decoders = DECODERS.iter().map(|(decoder, good_for, next_step)| {
        let subject = format!("decoder {decoder}");
        if has(decoder) {
            ok(&subject, *good_for)
        } else {
            optional(&subject, *good_for, next_step)
        }
    });
    needed.chain(decoders).collect()
}

pub(crate) fn config(layered: &Layered, out: &mut Output<'_>, example: bool) -> Result<()> {
    if example {
        out.to.write_all(example_toml().as_bytes())?;
        return Ok(());
    }
    out.show(&layered.explain(), |rows| {
        let cells: Vec<_> = rows
            .iter()
            .map(|(key, value, origin)| vec![key.clone(), value.to_string(), origin_words(origin)])
            .collect();
        table(&["key", "value", "from"], &cells)
    })
}

fn origin_words(origin: &Origin) -> String {
    match origin {
        Origin::Default => "default".into(),
        Origin::File(path) => format!("file {path}"),
        Origin::Environment(name) => format!("environment {name}"),
        Origin::Flag(name) => format!("flag {name}"),
    }
}
