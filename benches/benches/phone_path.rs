//! How long does a picture of a phone take to arrive, to be decoded, to become an observation, and how soon does a phone come back?
//!
//! Simulated phones below a genuine adb server of the bench's own: what is measured is the path on this machine. A phone's
//! encoder and USB are not in it. The time of capture is known to the simulator, so no clock stands between.

use std::fs;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use lsie_analysis::face::{FaceNetworks, FaceTracker, SessionPhase, SubjectRules};
use lsie_benches::{Call, Series, Server, Usage, cache_dir, open_network, own_cpu_secs, run};
use lsie_device::{CpuDevice, Device};
use lsie_handset::clock::ClockState;
use lsie_handset::scrcpy::JarSearch;
use lsie_handset::session::SessionState;
use lsie_handset::simulator::{AdbServer, Phone, PhoneSettings, SimulatorError};
use lsie_handset::{AccessUnit, Handset, HandsetConfig, HandsetStreams};
use lsie_infer::ModelStore;
use lsie_ingest::{OpenSettings, Pull, SourceState, host_time_ns, open};

const VERSION: &str = "4.1";
const PATIENCE: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_millis(20);
/// The engine's latencies cover its newest 300 frames.
const OBSERVATION_SECS: u64 = 15;

const HEAD: &str =
    "| span | median ms | p95 ms | p99 ms | max ms | runs |\n|---|---|---|---|---|---|";

fn main() -> ExitCode {
    run("phone_path", &["seconds", "drops", "phones"], measure)
}

fn measure(call: &Call) -> Result<()> {
    let bench = match AdbServer::start("phone-path") {
        Err(SimulatorError::NoAdb) => {
            call.say(format_args!("NOT RUN: adb is not installed"));
            return Ok(());
        }
        started => Bench { adb: started? },
    };
    fs::write(
        bench.adb.home().join("scrcpy-server"),
        b"PK\x03\x04 no real jar",
    )?;
    let secs: f64 = call.number("seconds", call.count(60.0, 1.0))?;
    let drops: usize = call.number("drops", call.count(200, 1))?;
    let phones: usize = call.number("phones", call.count(5, 2))?;
    call.say(format_args!(
        "input    simulated phones, 320x180 H.264 at 30 frames per second and raw sound, below adb {}",
        bench.adb.port()
    ));
    call.say(format_args!("{HEAD}"));
    access_units(call, &bench, 1, secs)?;
    decoded(call, &bench, secs)?;
    access_units(call, &bench, phones, secs)?;
    comebacks(call, &bench, drops)?;
    if call.measures() {
        observations(call, &bench)?;
    }
    Ok(())
}

struct Bench {
    adb: AdbServer,
}

/// One phone and the handset on top.
struct Tethered {
    phone: Arc<Phone>,
    handset: Handset,
    streams: HandsetStreams,
    /// From the opening of the session to its first picture, milliseconds.
    handshake_ms: f64,
}

impl Bench {
    fn plug_in(&self) -> Result<Arc<Phone>> {
        let phone = Phone::start(PhoneSettings::new(VERSION, Instant::now()))?;
        self.adb.attach(&phone)?;
        Ok(phone)
    }

    fn tether(&self) -> Result<Tethered> {
        let epoch = Instant::now();
        let phone = Phone::start(PhoneSettings::new(VERSION, epoch))?;
        self.adb.attach(&phone)?;
        let begun = Instant::now();
        let (handset, streams) = Handset::open(HandsetConfig {
            serial: Some(phone.serial()),
            adb_port: self.adb.port(),
            adb_program: None,
            jar: JarSearch {
                flag: Some(self.adb.home().join("scrcpy-server")),
                stated_version: Some(VERSION.parse()?),
                ..JarSearch::default()
            },
            epoch,
            ..HandsetConfig::default()
        })?;
        let mut tethered = Tethered {
            phone,
            handset,
            streams,
            handshake_ms: 0.0,
        };
        tethered.unit()?;
        tethered.handshake_ms = ms(begun.elapsed());
        Ok(tethered)
    }
}

impl Tethered {
    /// The next picture; sound is thrown away.
    fn unit(&self) -> Result<AccessUnit> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            while self.streams.audio.pop(Duration::ZERO).is_some() {}
            while self.streams.events.pop(Duration::ZERO).is_some() {}
            if let Some(unit) = self.streams.video.pop(SOON) {
                return Ok(unit);
            }
        }
        bail!("no picture; {:?}", self.handset.status())
    }

    /// From the capture of a picture to its last byte here, milliseconds.
    fn age_ms(&self, unit: &AccessUnit) -> Option<f64> {
        let pts_us = u64::try_from(unit.device_pts_ns / 1000).ok()?;
        let captured_ns = self.phone.captured_ns(pts_us)?;
        Some((unit.arrived_ns - captured_ns) as f64 / 1e6)
    }

    /// How far the told time of capture is from the true one, and how far it may be as the clock says, milliseconds; `None` before
    /// the clock is good.
    fn error_ms(&self, unit: &AccessUnit) -> Option<[f64; 2]> {
        let time = unit
            .host_time
            .filter(|time| time.state == ClockState::Good)?;
        let pts_us = u64::try_from(unit.device_pts_ns / 1000).ok()?;
        let captured_ns = self.phone.captured_ns(pts_us)?;
        let error_ns = (time.host_ns - captured_ns).abs() as f64;
        Some([error_ns / 1e6, time.uncertainty_ns / 1e6])
    }
}

fn row(call: &Call, series: &Series) {
    call.say(format_args!(
        "| {} | {:.3} | {:.3} | {:.3} | {:.3} | {} |",
        series.name(),
        series.median(),
        series.p95(),
        series.p99(),
        series.max(),
        series.len()
    ));
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Capture to complete access unit, and what a phone costs.
fn access_units(call: &Call, bench: &Bench, phones: usize, secs: f64) -> Result<()> {
    let mut tethered = Vec::new();
    for _ in 0..phones {
        tethered.push(bench.tether()?);
    }
    let mut handshakes = Series::new(format!("handshake, {phones} phones"));
    for phone in &tethered {
        handshakes.push(phone.handshake_ms);
    }
    let mut ages = Series::new(format!("capture to access unit, {phones} phones"));
    let mut errors = Series::new(format!(
        "error of the time of capture, {phones} phones, +80 ppm"
    ));
    // The largest error and when it was; errors beyond what the clock said of itself.
    let (mut worst, mut beyond) = ((0.0, 0.0), 0);
    let (begun, cpu_before) = (Instant::now(), own_cpu_secs()?);
    while begun.elapsed().as_secs_f64() < secs {
        for phone in &tethered {
            while phone.streams.audio.pop(Duration::ZERO).is_some() {}
            while let Some(unit) = phone.streams.video.pop(Duration::ZERO) {
                ages.push(phone.age_ms(&unit).context("a stamp nobody gave")?);
                if let Some([error_ms, bound_ms]) = phone.error_ms(&unit) {
                    errors.push(error_ms);
                    beyond += u32::from(error_ms > bound_ms);
                    if error_ms > worst.0 {
                        worst = (error_ms, begun.elapsed().as_secs_f64());
                    }
                }
            }
        }
        sleep(Duration::from_millis(2));
    }
    let cpu = (own_cpu_secs()? - cpu_before) / begun.elapsed().as_secs_f64() / phones as f64;
    row(call, &handshakes);
    row(call, &ages);
    row(call, &errors);
    call.say(format_args!(
        "  {beyond} of {} errors beyond the bound that was stated with them; the largest at {:.1} s",
        errors.len(),
        worst.1
    ));
    call.say(format_args!(
        "  {:.1} % of a core per phone, the simulated phone included",
        cpu * 100.0
    ));
    for phone in tethered {
        phone.handset.stop();
    }
    Ok(())
}

/// Capture to decoded picture and to its observation, by the source and the tracker that a session opens.
fn decoded(call: &Call, bench: &Bench, secs: f64) -> Result<()> {
    let phone = bench.plug_in()?;
    let folder = tempfile::tempdir()?;
    let device: Arc<dyn Device> = Arc::new(CpuDevice::new());
    let models = ModelStore::open(&cache_dir(call)?)?;
    let networks = FaceNetworks::new(
        device.as_ref(),
        open_network(&models, "face_detector")?,
        open_network(&models, "face_mesh")?,
    )?;
    let mut tracker = FaceTracker::new(networks, SubjectRules::default());
    tracker.set_phase(SessionPhase::Open);
    let settings = OpenSettings::new(device, folder.path());
    let begun = Instant::now();
    let url = format!(
        "android://{}?adb_port={}&server={}&server_version={VERSION}&audio=none",
        phone.serial(),
        bench.adb.port(),
        bench.adb.home().join("scrcpy-server").display()
    );
    let mut input = open(&url, &settings)?;
    let handle = input.handle();
    let mut video = input.video.take().context("no picture")?;
    let mut first_ms = None;
    let age_ms =
        |captured_ns: u64| (host_time_ns().cast_signed() - captured_ns.cast_signed()) as f64 / 1e6;
    let mut ages = Series::new("capture to decoded picture");
    let mut observed = Series::new("capture to observation, no face in the picture");
    let mut measured_since: Option<Instant> = None;
    while measured_since.is_none_or(|since| since.elapsed().as_secs_f64() < secs) {
        ensure!(
            measured_since.is_some() || begun.elapsed() < PATIENCE,
            "the phone's clock was never good"
        );
        let Pull::Item(frame) = video.next(SOON)? else {
            continue;
        };
        first_ms.get_or_insert(ms(begun.elapsed()));
        if measured_since.is_some() {
            ages.push(age_ms(frame.host_time_ns()));
            drop(tracker.process(&frame));
            observed.push(age_ms(frame.host_time_ns()));
        } else if handle
            .health()
            .is_some_and(|health| health.state == SourceState::Ok)
        {
            measured_since = Some(Instant::now());
        }
    }
    row(call, &ages);
    row(call, &observed);
    call.say(format_args!(
        "  plug to first decoded picture {:.0} ms",
        first_ms.unwrap_or(f64::NAN)
    ));
    Ok(())
}

/// Cable pulled and plugged in again, over and over: to the next picture, and what is left behind.
fn comebacks(call: &Call, bench: &Bench, drops: usize) -> Result<()> {
    let tethered = bench.tether()?;
    let mut times = Series::new(format!("plugged in again to picture, {drops} drops"));
    let before = Usage::of(std::process::id())?;
    for _ in 0..drops {
        tethered.phone.unplug();
        let begun = Instant::now();
        while tethered.handset.status().state == SessionState::Streaming {
            ensure!(begun.elapsed() < PATIENCE, "the drop was never seen");
            sleep(Duration::from_millis(5));
        }
        while tethered.streams.video.pop(Duration::ZERO).is_some() {}
        tethered.phone.replug()?;
        let begun = Instant::now();
        tethered.unit()?;
        times.push(ms(begun.elapsed()));
    }
    let after = Usage::of(std::process::id())?;
    row(call, &times);
    call.say(format_args!(
        "  threads {} then {}, descriptors {} then {}, anonymous memory {:.1} then {:.1} MiB, the simulated phone included",
        before.threads,
        after.threads,
        before.descriptors,
        after.descriptors,
        before.anonymous_mib,
        after.anonymous_mib
    ));
    tethered.handset.stop();
    Ok(())
}

/// Access unit to observation, as the engine reports it, and the time from the plug to the first one.
fn observations(call: &Call, bench: &Bench) -> Result<()> {
    let jar = bench.adb.home().join("scrcpy-server");
    let settings = [
        format!("device.adb_port={}", bench.adb.port()),
        format!("device.scrcpy_server={}", jar.display()),
        format!("device.scrcpy_version={VERSION}"),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let server = Server::start(call, &settings)?;
    let phone = bench.plug_in()?;
    let begun = Instant::now();
    let session = server.start_session(&format!("android://{}", phone.serial()))?;
    while server.readback(session)?.visual.is_none() {
        ensure!(begun.elapsed() < PATIENCE, "nothing was observed");
        sleep(Duration::from_millis(5));
    }
    let first_ms = ms(begun.elapsed());
    sleep(Duration::from_secs(OBSERVATION_SECS));
    let latency = server.status()?.engine.observation_latency_ms;
    let (p50, p95) = latency.context("the engine reports no latency")?;
    call.say(format_args!(
        "capture to observation, newest 300 frames: median {p50:.1} ms, p95 {p95:.1} ms; plug to first observation {first_ms:.0} ms"
    ));
    Ok(())
}
