//! How long does a live frame take to become an observation, and do the processes stay small?
//!
//! A server measures the live demo for a minute (`--seconds N`, `--minutes N`) with a stimulus every minute, so that encounters
//! are committed too. Every 10 s the latency that the engine reports (over its newest 300 frames), the memory, threads and
//! descriptors of both processes are read. PSS moves when other programs begin or cease to share the same libraries; a leak
//! shows in the anonymous memory.

use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lsie_benches::{Call, Series, Server, Usage, run, slope};
use lsie_schemas::api::Status;
use uuid::Uuid;

/// Warm-up before the slope counts, seconds: caches fill, rings reach their span, the first segments are cut.
const WARM_UP_SECS: f64 = 300.0;
/// The engine's latencies cover this many seconds at 30 frames per second.
const SAMPLE_SECS: f64 = 10.0;
const STIMULUS_SECS: f64 = 60.0;
/// The neutral face is measured before the first stimulus, seconds.
const FIRST_STIMULUS_SECS: f64 = 15.0;

fn main() -> ExitCode {
    run("live_latency", &["seconds", "minutes"], measure)
}

/// Both processes at one instant.
struct Sample {
    at_secs: f64,
    server: Usage,
    engine: Usage,
    latency_ms: Option<(f32, f32)>,
}

impl Sample {
    fn pss_mib(&self) -> f64 {
        self.server.pss_mib + self.engine.pss_mib
    }

    fn anonymous_mib(&self) -> f64 {
        self.server.anonymous_mib + self.engine.anonymous_mib
    }
}

/// What a run has gathered.
struct Watched {
    samples: Vec<Sample>,
    last: Status,
    stimuli: (u32, u32),
}

fn measure(call: &Call) -> Result<()> {
    let secs = match call.text("minutes") {
        Some(_) => 60.0 * call.number("minutes", 1.0)?,
        None => call.number("seconds", call.count(60.0, 2.0))?,
    };
    let server = Server::start(call, &[])?;
    let session_id = server.start_session("demo:presenter")?;
    call.say(format_args!(
        "input    demo:presenter, 1280x720 H.264 and sound, live at 30 frames per second, {secs} s, a stimulus every \
         {STIMULUS_SECS} s"
    ));
    let watched = watch(call, &server, session_id, secs)?;
    report(call, &watched)
}

fn watch(call: &Call, server: &Server, session_id: Uuid, secs: f64) -> Result<Watched> {
    let start = Instant::now();
    let mut next_stimulus = FIRST_STIMULUS_SECS;
    let mut watched = Watched {
        samples: vec![sample(server, 0.0)?.0],
        last: server.status()?,
        stimuli: (0, 0),
    };
    let mut next_sample = SAMPLE_SECS.min(secs);
    while next_sample <= secs {
        let now = start.elapsed().as_secs_f64();
        if now >= next_stimulus {
            next_stimulus += STIMULUS_SECS;
            match server.stimulus(session_id) {
                Ok(()) => watched.stimuli.0 += 1,
                Err(error) => {
                    watched.stimuli.1 += 1;
                    call.say(format_args!("  {now:.0} s: stimulus: {error:#}"));
                }
            }
        }
        if now >= next_sample {
            next_sample += SAMPLE_SECS;
            let (newest, status) = sample(server, now)?;
            line(call, &newest);
            watched.samples.push(newest);
            watched.last = status;
        }
        sleep(Duration::from_millis(100));
    }
    Ok(watched)
}

fn sample(server: &Server, at_secs: f64) -> Result<(Sample, Status)> {
    let status = server.status()?;
    let engine = status.engine.pid.context("no engine")?;
    let sample = Sample {
        at_secs,
        server: Usage::of(server.pid())?,
        engine: Usage::of(engine)?,
        latency_ms: status.engine.observation_latency_ms,
    };
    Ok((sample, status))
}

fn line(call: &Call, sample: &Sample) {
    let (p50, p95) = sample.latency_ms.unwrap_or((f32::NAN, f32::NAN));
    let (server, engine) = (sample.server, sample.engine);
    call.say(format_args!(
        "  {:4.0} s: {p50:.1} ms median, {p95:.1} ms p95; PSS {:.1} + {:.1} MiB, anonymous {:.1} + {:.1}; threads {} + {}; \
         descriptors {} + {}",
        sample.at_secs,
        server.pss_mib,
        engine.pss_mib,
        server.anonymous_mib,
        engine.anonymous_mib,
        server.threads,
        engine.threads,
        server.descriptors,
        engine.descriptors,
    ));
}

fn report(call: &Call, watched: &Watched) -> Result<()> {
    let samples = &watched.samples;
    let (first, last) = (samples.first(), samples.last());
    let (first, last) = first.zip(last).context("nothing was measured")?;
    let (mut medians, mut p95s) = (Series::new("median"), Series::new("p95"));
    for (p50, p95) in samples
        .iter()
        .skip(1)
        .filter_map(|sample| sample.latency_ms)
    {
        medians.push(f64::from(p50));
        p95s.push(f64::from(p95));
    }
    call.say(format_args!(
        "\naccess unit to observation, {} windows of 300 frames: median {:.2} ms (worst window {:.2}), p95 {:.2} ms (worst window \
         {:.2})",
        medians.len(),
        medians.median(),
        medians.max(),
        p95s.median(),
        p95s.max()
    ));
    let counters = &watched.last.engine.counters;
    call.say(format_args!(
        "frames decoded {}, analysed {}, dropped {}, without face {}; segments {}, encounters {:?}; stimuli given {}, refused {}; \
         engine deaths {}, messages lost on the link {}",
        counters.frames_decoded,
        counters.frames_analysed,
        counters.frames_dropped,
        counters.frames_without_face,
        counters.segments,
        watched.last.rows.get("encounters"),
        watched.stimuli.0,
        watched.stimuli.1,
        watched.last.engine.deaths,
        counters.link_drops,
    ));
    let span = last.at_secs - first.at_secs;
    let cpu = |pick: fn(&Sample) -> f64| 100.0 * (pick(last) - pick(first)) / span;
    call.say(format_args!(
        "processor: server {:.1} %, engine {:.1} % of one core",
        cpu(|sample| sample.server.cpu_secs),
        cpu(|sample| sample.engine.cpu_secs)
    ));
    call.say(format_args!(
        "\n| process | PSS first | PSS last | PSS max | growth MiB/h | anonymous growth MiB/h | threads first, last | descriptors \
         first, last |\n|---|---|---|---|---|---|---|---|"
    ));
    row(call, "server", samples, |sample| sample.server);
    row(call, "engine", samples, |sample| sample.engine);
    let highest = samples.iter().map(Sample::pss_mib).fold(0.0, f64::max);
    call.say(format_args!(
        "\nboth together: PSS first {:.1} MiB, last {:.1} MiB, highest {highest:.1} MiB; anonymous growth after {WARM_UP_SECS} s \
         {} MiB/h",
        first.pss_mib(),
        last.pss_mib(),
        growth(samples, Sample::anonymous_mib)
    ));
    Ok(())
}

fn row(call: &Call, name: &str, samples: &[Sample], pick: fn(&Sample) -> Usage) {
    let Some((first, last)) = samples.first().zip(samples.last()) else {
        return;
    };
    let (first, last) = (pick(first), pick(last));
    let highest = samples.iter().map(|sample| pick(sample).pss_mib);
    call.say(format_args!(
        "| {name} | {:.1} MiB | {:.1} MiB | {:.1} MiB | {} | {} | {}, {} | {}, {} |",
        first.pss_mib,
        last.pss_mib,
        highest.fold(0.0, f64::max),
        growth(samples, |sample| pick(sample).pss_mib),
        growth(samples, |sample| pick(sample).anonymous_mib),
        first.threads,
        last.threads,
        first.descriptors,
        last.descriptors,
    ));
}

/// Least-squares slope after the warm-up, MiB per hour.
fn growth(samples: &[Sample], pick: impl Fn(&Sample) -> f64) -> String {
    let points: Vec<_> = samples
        .iter()
        .filter(|sample| sample.at_secs >= WARM_UP_SECS)
        .map(|sample| (sample.at_secs / 3600.0, pick(sample)))
        .collect();
    slope(&points).map_or_else(|| "-".to_owned(), |slope| format!("{slope:+.2}"))
}
