//! `lsie device list|doctor|record|fetch-server`: which phones are attached, what is wrong, what to do.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use lsie_handset::HandsetError;
use lsie_handset::adb::{AdbClient, DeviceEntry, DeviceState};
use lsie_handset::scrcpy::{JarError, JarSearch, PINS, ServerVersion};
use lsie_schemas::config::{Config, DeviceConfig};
use serde::Serialize;

use super::Output;
use super::fetch_server::fetch_server;
use super::record::record;
use crate::cli::{Device, DeviceArgs};
use crate::render::table;
use crate::settings::cache_dir;

/// One phone as it is shown.
#[derive(Debug, Serialize)]
struct Row {
    serial: String,
    state: &'static str,
    model: Option<String>,
    meaning: String,
    next_step: &'static str,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    subject: String,
    is_ok: bool,
    detail: String,
    next_step: Option<String>,
}

/// Where phones are reached: what the line says, else the configuration.
pub(super) struct Place {
    pub(super) adb_port: u16,
    pub(super) adb: PathBuf,
    pub(super) jar: JarSearch,
}

impl Place {
    fn new(args: DeviceArgs, config: &DeviceConfig, cache_dir: &Path) -> Result<Self> {
        let set = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
        let configured_version = match config.scrcpy_version.as_str() {
            "" => None,
            text => Some(text.parse().context("device.scrcpy_version")?),
        };
        Ok(Self {
            adb_port: args.adb_port.unwrap_or(config.adb_port),
            adb: args
                .adb
                .or_else(|| set(&config.adb))
                .unwrap_or_else(|| "adb".into()),
            jar: JarSearch {
                flag: args.scrcpy_server,
                configured: set(&config.scrcpy_server),
                upstream_environment: std::env::var_os("SCRCPY_SERVER_PATH").map(Into::into),
                data_dir: Some(cache_dir.join("scrcpy")),
                stated_version: args.scrcpy_version.or(configured_version),
                ..JarSearch::default()
            },
        })
    }
}

pub(crate) fn device(command: Device, config: &Config, out: &mut Output<'_>) -> Result<ExitCode> {
    let cache_dir = cache_dir(&config.engine.cache_dir)?;
    let place = |args| Place::new(args, &config.device, &cache_dir);
    match command {
        Device::List(args) => list(&place(args)?, out)?,
        Device::Doctor(args) => doctor(&place(args)?, out)?,
        Device::Record(mut args) => {
            let place = place(std::mem::take(&mut args.place))?;
            record(args, &place, out)?;
        }
        Device::FetchServer(args) => return fetch_server(&args, &cache_dir, out),
    }
    Ok(ExitCode::SUCCESS)
}

fn list(place: &Place, out: &mut Output<'_>) -> Result<()> {
    let rows: Vec<Row> = match attached(place) {
        Ok(list) => list.into_iter().map(row).collect(),
        Err(error) => {
            let remedy = DeviceState::NoServer.remedy();
            anyhow::bail!("{error}; {}", remedy.next_step);
        }
    };
    out.show(&rows, |rows| {
        if rows.is_empty() {
            let remedy = DeviceState::NoDevice.remedy();
            return format!("{}: {}\n", remedy.meaning, remedy.next_step);
        }
        let cells: Vec<_> = rows
            .iter()
            .map(|row| {
                vec![
                    row.serial.clone(),
                    row.state.to_owned(),
                    row.model.clone().unwrap_or_default(),
                    row.next_step.to_owned(),
                ]
            })
            .collect();
        table(&["serial", "state", "model", "next step"], &cells)
    })
}

fn doctor(place: &Place, out: &mut Output<'_>) -> Result<()> {
    let mut findings = vec![adb_program(&place.adb)];
    findings.extend(phones(place));
    findings.push(server_jar(place));
    out.show(&findings, |findings| {
        let cells: Vec<_> = findings
            .iter()
            .map(|finding| {
                vec![
                    finding.subject.clone(),
                    if finding.is_ok { "ok" } else { "missing" }.to_owned(),
                    finding.detail.clone(),
                    finding.next_step.clone().unwrap_or_default(),
                ]
            })
            .collect();
        table(&["what", "state", "detail", "next step"], &cells)
    })
}

/// What is attached. An adb server is started only when the port refuses.
fn attached(place: &Place) -> Result<Vec<DeviceEntry>, HandsetError> {
    let client = AdbClient::new(place.adb_port);
    match client.devices() {
        Err(HandsetError::NoServer { .. }) => {
            client.start_server(&place.adb)?;
            client.devices()
        }
        answer => answer,
    }
}

fn row(entry: DeviceEntry) -> Row {
    let remedy = entry.state.remedy();
    let meaning = if entry.state == DeviceState::Ready {
        remedy.meaning.to_owned()
    } else {
        format!("{} ({})", remedy.meaning, entry.state_text)
    };
    Row {
        serial: entry.serial,
        state: entry.state.word(),
        model: entry.model,
        meaning,
        next_step: remedy.next_step,
    }
}

fn adb_program(program: &Path) -> Finding {
    let subject = "adb program".to_owned();
    match Command::new(program).arg("version").output() {
        Ok(told) => Finding {
            subject,
            is_ok: true,
            detail: String::from_utf8_lossy(&told.stdout)
                .lines()
                .take(2)
                .collect::<Vec<_>>()
                .join(", "),
            next_step: None,
        },
        Err(error) => Finding {
            subject,
            is_ok: false,
            detail: format!("{}: {error}", program.display()),
            next_step: Some("apt-get install adb".into()),
        },
    }
}

/// The adb server and every phone it sees.
fn phones(place: &Place) -> Vec<Finding> {
    let state = |subject: &str, state: DeviceState, detail: String| Finding {
        subject: subject.into(),
        is_ok: state == DeviceState::Ready,
        detail,
        next_step: Some(state.remedy().next_step.to_owned()).filter(|step| !step.is_empty()),
    };
    let list = match attached(place) {
        Ok(list) => list,
        Err(error) => {
            return vec![state(
                "adb server",
                DeviceState::NoServer,
                error.to_string(),
            )];
        }
    };
    let server = Finding {
        subject: "adb server".into(),
        is_ok: true,
        detail: format!("answers on port {}", place.adb_port),
        next_step: None,
    };
    let mut findings = vec![server];
    if list.is_empty() {
        let meaning = DeviceState::NoDevice.remedy().meaning.to_owned();
        findings.push(state("phone", DeviceState::NoDevice, meaning));
    }
    findings.extend(list.into_iter().map(|entry| {
        let device_state = entry.state;
        let model = entry.model.clone().unwrap_or_default();
        let row = row(entry);
        let detail = format!("{model} {}", row.meaning).trim().to_owned();
        state(&format!("phone {}", row.serial), device_state, detail)
    }));
    findings
}

fn server_jar(place: &Place) -> Finding {
    let subject = "scrcpy server".to_owned();
    match place.jar.load() {
        Ok(jar) => Finding {
            subject,
            is_ok: true,
            detail: format!(
                "{} is {}{}",
                jar.path.display(),
                jar.version,
                if jar.is_pinned { "" } else { ", as was stated" }
            ),
            next_step: None,
        },
        Err(error) => {
            let newest: Option<ServerVersion> = PINS.first().map(|pin| pin.version);
            let newest = newest.map_or_else(String::new, |version| version.to_string());
            let next_step = match error {
                JarError::Unknown { .. } => "state its version with --scrcpy-version".into(),
                _ => format!(
                    "lsie device fetch-server gets release {newest}; or name one with --scrcpy-server"
                ),
            };
            Finding {
                subject,
                is_ok: false,
                detail: error.to_string(),
                next_step: Some(next_step),
            }
        }
    }
}
