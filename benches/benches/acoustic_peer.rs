//! How long does the acoustic set of 5 s and 30 s take, against what users have today, and is it the same set?
//!
//! The peers are Praat 6.1.38 (`praat-parselmouth`) and openSMILE's eGeMAPS functionals (`opensmile`), in an environment that the
//! bench makes under the cache folder (`--python PATH`; it needs the package registry once). Sound is the demo's voice and a
//! synthetic voice without pauses, 16 kHz. All run in turns on one core (`--core N`); processor time counts, not the clock.
//! Aims: a quarter of Praat's time for the same set; the same voicing in 99.9 % of frames; pitch within 0.01 Hz (median);
//! jitter and shimmer within 1e-6 of Praat's.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lsie_benches::{Call, Series, cache_dir, peer_python, pin_to_core, run};
use lsie_device::CpuDevice;
use lsie_ingest::{OpenSettings, Pull, open};
use lsie_kernels::audio::{
    Form, MeasureSettings, Pitch, PulseWindow, Pulses, Resampler, find_pulses, intensity_frames,
    jitter_local, mean_harmonics_to_noise_db, measure_span, shimmer_local, unit_from_s16,
};

const PULL: Duration = Duration::from_secs(15);
const RATE: usize = 16_000;
const PEER: &str = include_str!("acoustic_peer.py");
const PACKAGES: [&str; 2] = ["praat-parselmouth==0.4.7", "opensmile==2.6.0"];
/// Stages that both have, and the whole set.
const STAGES: [&str; 7] = [
    "pitch",
    "pulses",
    "jitter",
    "shimmer",
    "hnr",
    "intensity",
    "whole set",
];

fn main() -> ExitCode {
    run(
        "acoustic_peer",
        &["turns", "rounds", "core", "python"],
        measure,
    )
}

/// A sound to measure and what came out.
struct Case {
    name: &'static str,
    samples: Vec<i16>,
    ours: BTreeMap<&'static str, Series>,
    peer: BTreeMap<String, Series>,
    found: Found,
}

/// What Praat found.
#[derive(Default)]
struct Found {
    values: BTreeMap<String, Vec<f64>>,
    /// Start, end, jitter, shimmer.
    islands: Vec<[f64; 4]>,
}

impl Found {
    fn list(&self, name: &str) -> &[f64] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    fn one(&self, name: &str) -> f64 {
        self.list(name).first().copied().unwrap_or(f64::NAN)
    }
}

fn measure(call: &Call) -> Result<()> {
    let cache = cache_dir(call)?;
    let voice = demo_voice(&cache, call.count(45, 7))?;
    let synthetic = synthetic_voice(30);
    let mut cases = vec![
        case("demo voice, 5 s", &voice, 1, 5),
        case("synthetic voice, 5 s", &synthetic, 10, 5),
        case("demo voice, 30 s", &voice, 0, 30),
        case("synthetic voice, 30 s", &synthetic, 0, 30),
    ];
    pin_to_core(call.number("core", 0_usize)?)?;
    let rounds = call.number("rounds", call.count(5_usize, 1))?;
    if !call.measures() {
        return cases.iter_mut().try_for_each(|case| ours(case, rounds));
    }
    let python = peer_python(
        call,
        &cache,
        "peer-praat-0.4.7-opensmile-2.6.0",
        "python3",
        &PACKAGES,
        "parselmouth, opensmile",
    )?;
    let folder = tempfile::tempdir()?;
    let turns = call.number("turns", 5_usize)?;
    call.say(format_args!(
        "input    16 kHz mono s16; {turns} turns of {rounds} rounds each, the first round of a turn not counted\n"
    ));
    for _ in 0..turns {
        peer(&python, folder.path(), &mut cases, rounds)?;
        cases.iter_mut().try_for_each(|case| ours(case, rounds))?;
    }
    for case in &cases {
        report_time(call, case);
        report_agreement(call, case);
    }
    Ok(())
}

fn case(name: &'static str, sound: &[i16], from_secs: usize, secs: usize) -> Case {
    let rest = sound.get(from_secs * RATE..).unwrap_or_default();
    Case {
        name,
        samples: rest.iter().take(secs * RATE).copied().collect(),
        ours: BTreeMap::new(),
        peer: BTreeMap::new(),
        found: Found::default(),
    }
}

/// Ours, stage by stage, then the whole set in one call with its islands and validity.
fn ours(case: &mut Case, rounds: usize) -> Result<()> {
    let samples = case.samples.as_slice();
    for round in 0..=rounds {
        let mut pitch = None;
        let mut stage = |name: &'static str, work: &mut dyn FnMut()| -> Result<()> {
            let start = thread_cpu_secs()?;
            work();
            let ms = (thread_cpu_secs()? - start) * 1000.0;
            if round > 0 {
                let series = case.ours.entry(name).or_insert_with(|| Series::new(name));
                series.push(ms);
            }
            Ok(())
        };
        stage("pitch", &mut || {
            pitch = Some(Pitch::analyse(samples, Form::Fast));
        })?;
        let pitch = pitch.context("no pitch")?;
        let mut pulses = Pulses::default();
        stage("pulses", &mut || pulses = find_pulses(samples, &pitch))?;
        let window = whole(&pulses);
        stage("jitter", &mut || {
            black_box(jitter_local(&window));
        })?;
        stage("shimmer", &mut || {
            black_box(shimmer_local(&window, &unit_from_s16(samples)));
        })?;
        stage("hnr", &mut || {
            black_box(mean_harmonics_to_noise_db(&pitch, 0.0, f64::INFINITY));
        })?;
        stage("intensity", &mut || {
            black_box(intensity_frames(samples, 75.0).is_ok());
        })?;
        stage("whole set", &mut || {
            black_box(measure_span(samples, MeasureSettings::default()));
        })?;
    }
    Ok(())
}

fn whole(pulses: &Pulses) -> PulseWindow<'_> {
    PulseWindow::new(pulses.times_s(), f64::NEG_INFINITY, f64::INFINITY)
}

/// Processor time of this thread.
fn thread_cpu_secs() -> Result<f64> {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9)
}

/// One turn of the peers, in a process of their own; its start does not count.
fn peer(python: &Path, folder: &Path, cases: &mut [Case], rounds: usize) -> Result<()> {
    let mut command = Command::new(python);
    command.args(["-c", PEER]).arg(rounds.to_string());
    for (number, case) in cases.iter().enumerate() {
        let path = folder.join(format!("{number}.s16"));
        let bytes: Vec<u8> = case.samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        std::fs::write(&path, bytes)?;
        command.arg(path);
    }
    let output = command
        .stderr(Stdio::null())
        .output()
        .context("cannot run the peers")?;
    ensure!(
        output.status.success(),
        "the peers failed: {}",
        output.status
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let files: Vec<&str> = text.split("file\n").skip(1).collect();
    ensure!(
        files.len() == cases.len(),
        "the peers measured {} files",
        files.len()
    );
    for (case, file) in cases.iter_mut().zip(files) {
        case.found = Found::default();
        for line in file.lines() {
            read_line(case, line)?;
        }
        add_sets(case, rounds);
    }
    Ok(())
}

fn read_line(case: &mut Case, line: &str) -> Result<()> {
    let mut words = line.split(' ');
    let mut name = words.next().unwrap_or_default().to_owned();
    if name == "ms" {
        words.next().unwrap_or_default().clone_into(&mut name);
        let series = case
            .peer
            .entry(name.clone())
            .or_insert_with(|| Series::new(name));
        words.try_for_each(|word| word.parse().map(|ms| series.push(ms)))?;
        return Ok(());
    }
    let values = words.map(str::parse).collect::<Result<Vec<f64>, _>>()?;
    match values[..] {
        [start, end, jitter, shimmer] if name == "island" => {
            case.found.islands.push([start, end, jitter, shimmer]);
        }
        _ => drop(case.found.values.insert(name, values)),
    }
    Ok(())
}

/// Two sums of a turn's rounds: the calls of the system before ours (pitch is found twice), and pitch found once with HNR.
fn add_sets(case: &mut Case, rounds: usize) {
    let older = ["pitch", "pulses_alone", "jitter", "shimmer"];
    let once = ["pitch", "pulses", "jitter", "shimmer", "hnr"];
    for (name, stages) in [("older set", &older[..]), ("whole set", &once[..])] {
        let mut sums = vec![0.0; rounds];
        for stage in stages {
            let values = case.peer.get(*stage).map_or(&[][..], Series::values_ms);
            let last = values
                .get(values.len().saturating_sub(rounds)..)
                .unwrap_or_default();
            for (sum, value) in sums.iter_mut().zip(last) {
                *sum += value;
            }
        }
        let series = case
            .peer
            .entry(name.to_owned())
            .or_insert_with(|| Series::new(name));
        for sum in sums {
            series.push(sum);
        }
    }
}

fn report_time(call: &Call, case: &Case) {
    call.say(format_args!(
        "\n{}\n\n| stage | peer ms | ours ms | ours p95 | peer over ours |\n|---|---|---|---|---|",
        case.name
    ));
    let peer = |stage: &str| case.peer.get(stage).map_or(f64::NAN, Series::median);
    for stage in STAGES {
        let (theirs, our) = (peer(stage), case.ours.get(stage));
        let (median, p95) = our.map_or((f64::NAN, f64::NAN), |s| (s.median(), s.p95()));
        call.say(format_args!(
            "| {stage} | {theirs:.3} | {median:.3} | {p95:.3} | {:.1} |",
            theirs / median
        ));
    }
    let whole = case.ours.get("whole set").map_or(f64::NAN, Series::median);
    for (name, stage) in [
        ("Praat as the older system calls it, no HNR", "older set"),
        ("openSMILE eGeMAPS functionals", "egemaps"),
    ] {
        let theirs = peer(stage);
        call.say(format_args!(
            "| {name} | {theirs:.3} | {whole:.3} | - | {:.1} |",
            theirs / whole
        ));
    }
    call.say(format_args!(
        "\n{} at most a quarter of Praat's time, pitch found once: {:.3}\n{} the same against the older system's calls: {:.3}",
        verdict(whole <= peer("whole set") / 4.0),
        whole / peer("whole set"),
        verdict(whole <= peer("older set") / 4.0),
        whole / peer("older set")
    ));
}

fn report_agreement(call: &Call, case: &Case) {
    let (samples, found) = (case.samples.as_slice(), &case.found);
    let pitch = Pitch::analyse(samples, Form::Fast);
    let pulses = find_pulses(samples, &pitch);
    let frames = pitch.frames();
    let theirs = found.list("f0");
    let (mut same, mut differences) = (0_usize, Vec::new());
    for (frame, f0) in frames.iter().zip(theirs) {
        same += usize::from(frame.is_voiced() == (*f0 > 0.0));
        if frame.is_voiced() && *f0 > 0.0 {
            differences.push((frame.f0_hz - f0).abs());
        }
    }
    differences.sort_by(f64::total_cmp);
    let median = differences
        .get(differences.len() / 2)
        .copied()
        .unwrap_or(f64::NAN);
    let largest = differences.last().copied().unwrap_or(f64::NAN);
    let share = same as f64 / theirs.len().max(1) as f64;
    call.say(format_args!(
        "{} voicing: {same} of {} frames the same; ours has {}\n{} pitch of {} voiced frames: median difference {median:.2e} Hz, largest {largest:.2e} Hz",
        verdict(share >= 0.999 && frames.len() == theirs.len()),
        theirs.len(),
        frames.len(),
        verdict(median <= 0.01),
        differences.len()
    ));
    let (our_times, their_times) = (pulses.times_s(), found.list("pulses"));
    let apart = our_times
        .iter()
        .zip(their_times)
        .map(|(a, b)| (a - b).abs());
    call.say(format_args!(
        "     pulses: {} ours, {} of Praat; largest distance {:.2e} s",
        our_times.len(),
        their_times.len(),
        apart.fold(0.0, f64::max)
    ));
    report_perturbation(call, case, &pulses);
    let hnr = mean_harmonics_to_noise_db(&pitch, 0.0, f64::INFINITY);
    let intensity = intensity_frames(samples, 75.0).unwrap_or_default();
    let off = intensity
        .iter()
        .zip(found.list("intensity"))
        .filter_map(|(frame, theirs)| Some((frame.db? - theirs).abs()));
    call.say(format_args!(
        "     HNR: Praat {:.6} dB, {:.2e} relative; intensity: {} frames ours, {} of Praat, largest difference {:.2e} dB",
        found.one("hnr"),
        relative(hnr, found.one("hnr")),
        intensity.len(),
        found.list("intensity").len(),
        off.fold(0.0, f64::max)
    ));
}

/// Jitter and shimmer over the whole sound and over each of Praat's islands.
fn report_perturbation(call: &Call, case: &Case, pulses: &Pulses) {
    let (found, unit) = (&case.found, unit_from_s16(&case.samples));
    let mut spans = vec![[
        f64::NEG_INFINITY,
        f64::INFINITY,
        found.one("jitter"),
        found.one("shimmer"),
    ]];
    spans.extend(&found.islands);
    for (number, name) in ["jitter", "shimmer"].into_iter().enumerate() {
        let error = |span: &[f64; 4]| {
            let window = PulseWindow::new(pulses.times_s(), span[0], span[1]);
            let ours = match number {
                0 => jitter_local(&window),
                _ => shimmer_local(&window, &unit),
            };
            relative(ours, span[2 + number])
        };
        let errors: Vec<f64> = spans.iter().map(error).collect();
        let worst = errors.iter().copied().fold(0.0, f64::max);
        call.say(format_args!(
            "{} {name}: whole sound {:.2e} relative, worst of {} islands {worst:.2e}; Praat {:.6}",
            verdict(worst <= 1e-6),
            errors.first().copied().unwrap_or(f64::NAN),
            found.islands.len(),
            found.one(name)
        ));
    }
}

/// Relative difference; 0 when both have no value, infinite when only one has.
fn relative(ours: Option<f64>, theirs: f64) -> f64 {
    match ours {
        Some(ours) if theirs.is_finite() => {
            (ours - theirs).abs() / theirs.abs().max(f64::MIN_POSITIVE)
        }
        None if theirs.is_nan() => 0.0,
        _ => f64::INFINITY,
    }
}

fn verdict(met: bool) -> &'static str {
    if met { "PASS" } else { "MISS" }
}

/// The demo presenter's voice from its start, 16 kHz, as the engine hears it.
fn demo_voice(cache: &Path, secs: usize) -> Result<Vec<i16>> {
    let mut settings = OpenSettings::new(Arc::new(CpuDevice::new()), cache.join("demo"));
    settings.wants_video = false;
    let mut input = open("demo:presenter?pace=fast", &settings)?;
    let mut audio = input.audio.take().context("the demo has no sound")?;
    let mut resampler: Option<Resampler> = None;
    let mut samples = Vec::new();
    while samples.len() < secs * RATE {
        let block = match audio.next(PULL)? {
            Pull::Item(block) => block,
            Pull::Pending => anyhow::bail!("no sound within {} s", PULL.as_secs()),
            Pull::End => anyhow::bail!("the demo ended"),
        };
        let resampler = match &mut resampler {
            Some(resampler) => resampler,
            none => none.insert(Resampler::new(block.rate_hz, block.channels)?),
        };
        resampler.push(&block.samples, &mut samples);
    }
    Ok(samples)
}

/// A voice without pauses, which is the most work: decaying resonances struck at 110 to 220 Hz with jitter, shimmer and noise.
fn synthetic_voice(secs: usize) -> Vec<i16> {
    let mut state = 1_u64;
    let mut uniform = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / 2_f64.powi(53) * 2.0 - 1.0
    };
    let mut wave: Vec<f64> = (0..secs * RATE).map(|_| 0.003 * uniform()).collect();
    let rate = RATE as f64;
    let mut at_s = 0.0;
    while at_s < secs as f64 {
        let strength = 0.3 * (1.0 + 0.04 * uniform());
        let first = (at_s * rate).ceil() as usize;
        for (n, x) in wave.iter_mut().enumerate().skip(first).take(320) {
            let tau = n as f64 / rate - at_s;
            for (hz, width, gain) in [
                (700.0, 130.0, 1.0),
                (1220.0, 170.0, 0.5),
                (2600.0, 250.0, 0.25),
            ] {
                let decay = (-std::f64::consts::PI * width * tau).exp();
                *x += strength * gain * decay * (std::f64::consts::TAU * hz * tau).sin();
            }
        }
        let melody = 165.0 + 55.0 * (at_s * 1.7).sin();
        at_s += (1.0 + 0.006 * uniform()) / melody;
    }
    wave.iter()
        .map(|x| (x * 32767.0 + 0.5).floor().clamp(-32768.0, 32767.0) as i16)
        .collect()
}
