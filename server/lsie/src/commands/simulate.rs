//! `lsie simulate-phone`: a phone that is none, below the adb server of this machine.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use lsie_handset::adb::AdbClient;
use lsie_handset::recording::Recording;
use lsie_handset::simulator::{Fault, Film, Phone, PhoneSettings, attach, play};
use lsie_schemas::config::DeviceConfig;
use serde::Serialize;

use super::Output;
use crate::cli::SimulatePhoneArgs;

/// From one look at the end to the next.
const LOOK: Duration = Duration::from_millis(100);

/// What is told once the phone is plugged in.
#[derive(Debug, Serialize)]
struct Plugged {
    serial: String,
    adb_port: u16,
    server_version: String,
    shows: String,
    /// What a session with it is started as.
    source: String,
}

/// Runs until `--seconds` are over, a recording was played, or the process is ended.
pub(crate) fn simulate_phone(
    args: &SimulatePhoneArgs,
    config: &DeviceConfig,
    out: &mut Output<'_>,
) -> Result<()> {
    let mut settings = PhoneSettings::new(&args.server_version.to_string(), Instant::now());
    settings.model.clone_from(&args.model);
    settings.clock.ppm = args.drift_ppm;
    settings.is_authorized = !args.unauthorised;
    settings.runs_responder = !args.no_responder;
    let shows = show(args, &mut settings)?;
    let plays = settings
        .replay
        .as_ref()
        .map(|recording| recording.length_ns());
    let server_version = settings.server_version.clone();
    let phone = Phone::start(settings)?;
    let adb_port = args.adb_port.unwrap_or(config.adb_port);
    let client = AdbClient::new(adb_port);
    if client.version().is_err() {
        let program = args.adb.as_deref().unwrap_or(Path::new("adb"));
        client.start_server(program)?;
    }
    attach(adb_port, &phone)?;
    let plugged = Plugged {
        serial: phone.serial(),
        adb_port,
        server_version,
        shows,
        source: format!("android://{}", phone.serial()),
    };
    out.show(&plugged, words)?;
    out.to.flush()?;
    run(args, &phone, plays, out)
}

fn words(plugged: &Plugged) -> String {
    format!(
        "a simulated phone is plugged in as {}, showing {}\n\
         measure it:  lsie sessions start '{}' --experiment greeting_line_v1\n\
         its scrcpy server is any file, stated as version {version}:  --set device.scrcpy_server=FILE --set device.scrcpy_version={version}\n\
         Ctrl-C unplugs it\n",
        plugged.serial,
        plugged.shows,
        plugged.source,
        version = plugged.server_version,
    )
}

/// Puts what the phone shows into its settings; tells it in words.
fn show(args: &SimulatePhoneArgs, settings: &mut PhoneSettings) -> Result<String> {
    if let Some(folder) = &args.recording {
        let recording = Recording::open(folder)?;
        settings.server_version = recording.version.to_string();
        settings.replay = Some(Arc::new(recording));
        return Ok(format!("the recording {}", folder.display()));
    }
    let Some(file) = &args.file else {
        return Ok("a ball of 320x180 and a constant".into());
    };
    let (film, sound) = clip(file)?;
    let shows = format!("{} as {}x{}", file.display(), film.width, film.height);
    settings.film = Some(Arc::new(film));
    settings.sound = Some(sound.into()).filter(|sound: &Arc<[u8]>| !sound.is_empty());
    Ok(shows)
}

#[cfg(feature = "media")]
fn clip(file: &Path) -> Result<(Film, Vec<u8>)> {
    let clip = lsie_engine::encode_clip(file).map_err(|error| {
        let hint = error.hint();
        anyhow::Error::new(error).context(format!("{}; {hint}", file.display()))
    })?;
    let frame_ns = 1_000_000_000 / i64::from(lsie_engine::CLIP_FPS);
    let film = Film::from_annex_b(clip.width, clip.height, frame_ns, &clip.video)?;
    // Both are looped: the sound ends with the pictures.
    let pictures = film.units.iter().filter(|unit| !unit.is_config).count();
    let mut sound = clip.sound;
    sound.truncate(pictures * 48_000 / lsie_engine::CLIP_FPS as usize * 4);
    Ok((film, sound))
}

#[cfg(not(feature = "media"))]
fn clip(_: &Path) -> Result<(Film, Vec<u8>)> {
    bail!(
        "this is the light client; it has no media plane to read a file with. A recording can be played"
    )
}

fn run(
    args: &SimulatePhoneArgs,
    phone: &Arc<Phone>,
    plays: Option<i64>,
    out: &mut Output<'_>,
) -> Result<()> {
    if args
        .seconds
        .is_some_and(|secs| !(secs > 0.0 && secs.is_finite()))
    {
        bail!("--seconds must be more than 0");
    }
    let begun = Instant::now();
    let stop = Arc::new(AtomicBool::new(false));
    let faults = {
        let (phone, faults, stop) = (Arc::clone(phone), args.fault.clone(), Arc::clone(&stop));
        std::thread::Builder::new()
            .name("phone-faults".into())
            .spawn(move || {
                play(&phone, &faults, &stop, |timed| {
                    tracing::info!(at_secs = timed.at_secs, fault = ?timed.fault, "a fault");
                })
            })
            .context("starting a thread")?
    };
    let is_over = || {
        let secs = begun.elapsed().as_secs_f64();
        args.seconds.is_some_and(|limit| secs >= limit)
    };
    while !is_over() {
        std::thread::sleep(LOOK);
        if plays.is_some_and(|length_ns| phone.has_played(length_ns)) {
            writeln!(out.to, "the recording was played to its end")?;
            break;
        }
    }
    stop.store(true, Ordering::Release);
    let played = faults
        .join()
        .map_err(|_| anyhow::anyhow!("the faults' thread panicked"))?;
    phone.unplug();
    Ok(played?)
}

/// Every fault with what it does, for the help.
pub(crate) fn fault_help() -> String {
    let lines = Fault::words()
        .iter()
        .map(|(word, meaning)| format!("  {word:<18} {meaning}"));
    lines.collect::<Vec<_>>().join("\n")
}
