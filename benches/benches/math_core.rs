//! How long does it take to turn landmarks into a ratio, an encounter into a reward, and posteriors into a choice?
//!
//! Processor time of one thread, microseconds a call, each sample over a batch of calls. Aim: geometry of one face and the reward
//! of one encounter (30 s of observations at 30 frames per second) together at most 20 us.

use std::hint::black_box;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use lsie_analytics::bandit::{Posterior, best_arm, draw};
use lsie_analytics::reward::{Evidence, Gate, evaluate};
use lsie_benches::{Call, Series, pin_to_core, run};
use lsie_device::{CpuDevice, Device as _};
use lsie_kernels::au12::{self, ALPHA, Au12, POINTS};
use lsie_kernels::project::LANDMARK_COUNT;
use lsie_schemas::contract::Au12Observation;

const AIM_US: f64 = 20.0;
const STIMULUS_SECS: f64 = 1_767_225_600.0;
/// The six used points of a face, pixels.
const FACE: [[f32; 3]; 6] = [
    [585.0, 300.0, 2.0],
    [613.0, 301.0, 0.0],
    [647.0, 301.0, 0.0],
    [675.0, 300.0, 2.0],
    [602.0, 370.0, 5.0],
    [656.0, 369.0, 5.0],
];

fn main() -> ExitCode {
    run("math_core", &["core", "samples"], measure)
}

fn measure(call: &Call) -> Result<()> {
    pin_to_core(call.number("core", 0_usize)?)?;
    let bench = Batches {
        call,
        samples: call.number("samples", call.count(200_usize, 1))?,
    };
    call.say(format_args!(
        "input    one face of 478 points; 900 observations in 30 s; Beta posteriors of 3 and 20 arms\n\n\
         | stage | least us | median us | p95 us | samples |\n|---|---|---|---|---|"
    ));
    let geometry = bench.geometry()?;
    let reward = bench.reward()?;
    let few: Vec<Posterior> = posteriors(3)?;
    let many: Vec<Posterior> = posteriors(20)?;
    bench.row("draw of one arm", 100, || {
        black_box(draw(
            black_box(7),
            "greeting_a",
            black_box(Posterior::PRIOR),
        ));
    })?;
    bench.row("propensities, 3 arms", 10, || {
        black_box(best_arm(black_box(&few)).is_ok());
    })?;
    bench.row("propensities, 20 arms", 2, || {
        black_box(best_arm(black_box(&many)).is_ok());
    })?;
    let sum = geometry + reward;
    call.say(format_args!(
        "\n{} geometry and reward at most {AIM_US} us: {sum:.2} us",
        if sum <= AIM_US { "PASS" } else { "MISS" }
    ));
    Ok(())
}

fn posteriors(arms: u32) -> Result<Vec<Posterior>> {
    let arm = |k: u32| Posterior::new(1.5 + f64::from(k), 9.0 + 0.5 * f64::from(k));
    Ok((0..arms).map(arm).collect::<Result<_, _>>()?)
}

struct Batches<'a> {
    call: &'a Call,
    samples: usize,
}

impl Batches<'_> {
    /// Landmarks in a buffer to the score of their ratio, through the kernel as the tracker launches it.
    fn geometry(&self) -> Result<f64> {
        let device = CpuDevice::new();
        let stream = device.stream("bench")?;
        let mut landmarks = device.alloc(LANDMARK_COUNT * 12, "landmarks")?;
        let mut out = device.alloc(size_of::<Au12>(), "ratio")?;
        let face = landmarks
            .host_mut::<[f32; 3]>()
            .context("landmarks on a device")?;
        for (index, point) in POINTS.into_iter().zip(FACE) {
            *face.get_mut(index).context("a short face")? = point;
        }
        self.row("geometry: landmarks to ratio and score", 100, || {
            let launched = au12::launch(&stream, black_box(&landmarks), 1, &mut out);
            let ratio = out.host::<Au12>().and_then(|out| out.first()?.ratio().ok());
            let score = ratio.and_then(|ratio| au12::score(f64::from(ratio), 0.58, ALPHA).ok());
            black_box((launched.is_ok(), score));
        })
    }

    /// The reward of an encounter with its percentile, baseline, shadow lift and gate.
    fn reward(&self) -> Result<f64> {
        let series: Vec<Au12Observation> = (0..900)
            .map(|k| {
                let offset = f64::from(k) / 30.0 - 25.0;
                Au12Observation {
                    timestamp_s: STIMULUS_SECS + offset,
                    intensity: 0.5 + 0.5 * (offset * 2.3).sin(),
                }
            })
            .collect();
        let evidence = Evidence {
            series: &series,
            stimulus_time_secs: Some(STIMULUS_SECS),
            gate: Gate::attested(true),
            has_data_gap: false,
        };
        self.row("reward: 30 s of observations, gate, update", 20, || {
            let outcome = evaluate(black_box(&evidence));
            black_box(outcome.map(|outcome| outcome.gated_reward));
        })
    }

    /// One row; returns its median, microseconds a call.
    fn row(&self, name: &str, batch: u32, mut work: impl FnMut()) -> Result<f64> {
        let mut series = Series::new(name);
        for _ in 0..=self.samples {
            let start = thread_cpu_secs()?;
            for _ in 0..batch {
                work();
            }
            series.push((thread_cpu_secs()? - start) * 1000.0 / f64::from(batch));
        }
        let us = |ms: f64| ms * 1000.0;
        self.call.say(format_args!(
            "| {name} | {:.2} | {:.2} | {:.2} | {} |",
            us(series.min()),
            us(series.median()),
            us(series.p95()),
            series.len()
        ));
        Ok(us(series.median()))
    }
}

/// Processor time of this thread.
fn thread_cpu_secs() -> Result<f64> {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9)
}
