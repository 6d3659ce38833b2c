//! What does each kernel reach on each device, beside its reference and beside what a copy reaches there? `--help` tells how to call
//! it and how to read it.

mod rig;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use lsie_benches::{
    BASELINE, Call, Gate, Roof, RoofPoint, Series, roofline_svg, run_with_help, slug,
};
use lsie_device::{
    Argument, Device, DeviceKind, DeviceReport, KernelSource, Launch, Stream, open_nth, probe,
};
use lsie_schemas::device::DeviceChoice;

use rig::{Kernel, Rig};

/// Bytes of each buffer of the copy that says what a device can move.
const COPY_BYTES: usize = 64 << 20;
/// Groups of the copy: 256 threads of 16 bytes each.
const COPY_GROUPS: u32 = (COPY_BYTES / (256 * 16)) as u32;

/// Every kernel is measured in turns, so that what it costs is seen at several times.
const TURNS: usize = 3;

/// Launches of a chain.
const CHAIN: u32 = 16;

/// The copy.
static COPY: KernelSource = KernelSource {
    name: "copy_words",
    group: [256, 1, 1],
    arguments: 2,
    wgsl: "struct Params { count: u32, a: u32, b: u32, c: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> sink: array<vec4<u32>>;
@compute @workgroup_size(256, 1, 1)
fn copy_words(@builtin(global_invocation_id) at: vec3<u32>) {
    if at.x < params.count { sink[at.x] = source[at.x]; }
}",
    cuda: "struct Params { unsigned count, a, b, c; };
extern \"C\" __global__ void __launch_bounds__(256)
copy_words(const Params params, const uint4* __restrict__ source, uint4* __restrict__ sink) {
    unsigned at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at < params.count) { sink[at] = source[at]; }
}",
};

const HEAD: &str = "| kernel | version | device us | x floor | with wait us | host us | replay us | GB/s | share of copy | Gop/s |\n\
                    |---|---|---|---|---|---|---|---|---|---|";

const HELP: &str = "\
What does each kernel reach on each device, beside its reference and beside what a copy reaches there?

  --device cpu|wgpu:N|cuda:N   this device; else every one that is found, and why the others are not run
  --rounds N                   calls of each kernel, 200 unless said, in three turns; their median is told
  --baseline keep|check        keep this run for this machine and device in benches/results, or fail when a kernel became slower
                               than the kept one by more than max(5 %, 3 x its own noise); without it changes are only told
  --svg FILE                   where the drawing goes; else benches/results/roofline-DEVICE.svg, the table beside it as .md

How to read a row
  reference      the formula as it is written, one core of this processor, whatever the device
  device us      by the device's own clock (timestamps of wgpu, events of CUDA); the host's where there is none
  x floor        device time over the time in which a copy moves the bytes that the kernel must move once: 1 is the hardware's limit
  with wait us   from the call until the host knows that it is done; what is above `device us` is launch and wake-up
  host us        until the launcher returns, in a chain of 16 of them: what is paid for each. A wgpu device gets the chain as one
                 when somebody waits, which is in `with wait us`
  replay us      the same in a recorded chain of 16, for each: a CUDA graph, or what a wgpu device keeps of its launches
  share of copy  the same as `x floor`, the other way round
  Gop/s          operations counted by hand from the formula, good to a third

A kernel far from its floor with many operations a byte is not bound by memory: look at the drawing. One far from it with few bytes
(`detector`, `AU12`) is a launch and little else: batch it, or replay it with its neighbours as a graph.
To change one: edit kernel.cu or kernel.wgsl in its folder below kernels/src, then
  cargo test -p lsie-tests --test kernels_agree_on_every_device KERNEL          right on every device and on the processor
  cargo test -p lsie-tests --test cuda_kernels_fit_every_architecture KERNEL    registers, spills, shared memory, sm_75 to sm_120
  cargo bench --bench kernels -- --device cuda:0                                what it brought

";

fn main() -> ExitCode {
    run_with_help(
        "kernels",
        HELP,
        &["device", "rounds", "svg", BASELINE],
        measure,
    )
}

/// What one call of a kernel costs, microseconds.
#[derive(Clone)]
struct Cost {
    /// By the device's own clock; the host's where there is none.
    device: Series,
    /// From the call until it is done.
    waited: Series,
    /// Until the launcher returns; nothing where it does the work itself.
    host: Option<Series>,
    /// The same for each launch of a recorded chain; nothing where the device does not record.
    replayed: Option<Series>,
}

impl Cost {
    /// Takes what a later turn measured.
    fn append(&mut self, later: &Cost) {
        self.device.append(&later.device);
        self.waited.append(&later.waited);
        let pairs = [
            (&mut self.host, &later.host),
            (&mut self.replayed, &later.replayed),
        ];
        for (own, later) in pairs {
            if let (Some(own), Some(later)) = (own, later) {
                own.append(later);
            }
        }
    }
}

fn measure(call: &Call) -> Result<()> {
    let rounds = call.number("rounds", call.count(200_usize, 1))?.max(1);
    let (mut roofs, mut gates) = (Vec::new(), Vec::new());
    for (kind, index) in wanted(call)? {
        let device = open_nth(kind, index)?;
        let info = device.info().clone();
        let stream = device.stream("bench")?;
        let copy = copy_rate(device.as_ref(), &stream, call.count(20, 1))?;
        let mut table = String::new();
        say(
            call,
            &mut table,
            &format!(
                "\ndevice   {kind}:{index} {} {}{}; a copy of {} MiB moves {copy:.1} GB/s read and written; median of {rounds}\n\n{HEAD}",
                info.name,
                info.driver,
                if info.is_software {
                    " (this processor computes it)"
                } else {
                    ""
                },
                COPY_BYTES >> 20,
            ),
        );
        let mut rig = Rig::new(device.as_ref(), stream)?;
        let mut points = Vec::new();
        let name = format!("{kind}:{index} {}", info.name);
        let mut gate = Gate::new(call, &results(), "kernels", &name)?;
        let costs = costs(call, &mut rig, rounds)?;
        for (kernel, cost) in Kernel::ALL.into_iter().zip(costs) {
            if kind == DeviceKind::Cpu || kernel.has_own_reference() {
                let cost = reference_cost(&mut rig, kernel, rounds)?;
                say(call, &mut table, &row(kernel, "reference", &cost, copy));
            }
            let version = match kind {
                DeviceKind::Cpu => "cpu",
                DeviceKind::Wgpu => "wgsl",
                DeviceKind::Cuda => "cuda",
            };
            say(call, &mut table, &row(kernel, version, &cost, copy));
            gate.push(format!("{}, device us", kernel.name()), &cost.device);
            if let Some(host) = &cost.host {
                gate.push(format!("{}, host us", kernel.name()), host);
            }
            points.push(RoofPoint {
                name: kernel.name().to_owned(),
                operations_per_byte: kernel.operations() / kernel.bytes(),
                giga_operations_per_sec: kernel.operations() / 1e3 / cost.device.median(),
            });
        }
        let roof = Roof {
            device: name,
            copy_gigabytes_per_sec: copy,
            points,
        };
        if call.measures() && call.text("svg").is_none() {
            keep(call, &roof, &table)?;
        }
        if call.measures() {
            gates.push(gate);
        }
        roofs.push(roof);
    }
    if let Some(path) = call.text("svg") {
        std::fs::write(path, roofline_svg(&roofs)).with_context(|| path.to_owned())?;
        call.say(format_args!("\nroofline {path}"));
    }
    gates.into_iter().try_for_each(|gate| gate.close(call))
}

/// What each kernel costs, in the order of [`Kernel::ALL`].
fn costs(call: &Call, rig: &mut Rig, rounds: usize) -> Result<Vec<Cost>> {
    let turns = call.count(TURNS, 1);
    let mut all: Vec<Cost> = Vec::new();
    for turn in 0..turns {
        for (number, kernel) in Kernel::ALL.into_iter().enumerate() {
            let cost = cost(rig, kernel, rounds.div_ceil(turns))?;
            match all.get_mut(number) {
                Some(known) if turn > 0 => known.append(&cost),
                _ => all.push(cost),
            }
        }
    }
    Ok(all)
}

/// Prints lines and keeps them for the table.
fn say(call: &Call, table: &mut String, words: &str) {
    call.say(format_args!("{words}"));
    let _ = writeln!(table, "{words}");
}

/// Writes drawing and table of a device beside the other results.
fn keep(call: &Call, roof: &Roof, table: &str) -> Result<()> {
    let drawing = beside_the_results(&roof.device);
    let words = drawing.with_extension("md");
    let machine = lsie_benches::machine_line(call.text("date"));
    let svg = roofline_svg(std::slice::from_ref(roof));
    for (path, content) in [
        (&drawing, svg),
        (&words, format!("machine  {machine}\n{table}")),
    ] {
        std::fs::write(path, content).with_context(|| path.display().to_string())?;
        call.say(format_args!("kept     {}", path.display()));
    }
    Ok(())
}

/// A file name of letters, digits and dashes.
fn beside_the_results(device: &str) -> PathBuf {
    results().join(format!("roofline-{}.svg", slug(device)))
}

fn results() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("results")
}

/// The device that was named, or all that there are.
fn wanted(call: &Call) -> Result<Vec<(DeviceKind, usize)>> {
    if let Some(text) = call.text("device") {
        return Ok(vec![match text.parse()? {
            DeviceChoice::Auto | DeviceChoice::Cpu => (DeviceKind::Cpu, 0),
            DeviceChoice::Wgpu(number) => (DeviceKind::Wgpu, usize::from(number)),
            DeviceChoice::Cuda(number) => (DeviceKind::Cuda, usize::from(number)),
        }]);
    }
    let mut found = Vec::new();
    for report in probe() {
        match report {
            DeviceReport::Found(info) => found.push((info.kind, info.index)),
            DeviceReport::Unavailable { kind, reason, .. } => {
                call.say(format_args!("NOT RUN on {kind}: {reason}"));
            }
        }
    }
    Ok(found)
}

fn row(kernel: Kernel, version: &str, cost: &Cost, copy: f64) -> String {
    let device_us = cost.device.median();
    let rate = kernel.bytes() / 1e3 / device_us;
    let told = |cost: Option<&Series>| {
        cost.map_or_else(|| "-".to_owned(), |us| format!("{:.1}", us.median()))
    };
    let (host, replayed) = (told(cost.host.as_ref()), told(cost.replayed.as_ref()));
    format!(
        "| {} | {version} | {:.1} | {:.1} | {:.1} | {host} | {replayed} | {rate:.2} | {:.0} % | {:.2} |",
        kernel.name(),
        device_us,
        copy / rate,
        cost.waited.median(),
        100.0 * rate / copy,
        kernel.operations() / 1e3 / device_us,
    )
}

fn cost(rig: &mut Rig, kernel: Kernel, rounds: usize) -> Result<Cost> {
    let stream = rig.stream().clone();
    // The first calls compile and touch.
    for _ in 0..3 {
        rig.launch(kernel)?;
        stream.synchronize()?;
    }
    let host = match stream.kind() {
        DeviceKind::Cpu => None,
        DeviceKind::Wgpu | DeviceKind::Cuda => Some(host_cost(rig, kernel, rounds.div_ceil(10))?),
    };
    let replayed = if stream.can_record() {
        Some(replay_cost(rig, kernel, rounds.div_ceil(10))?)
    } else {
        None
    };
    // From here on the device's clock runs, which costs time.
    stream.last_launch_ns()?;
    let (mut device, mut waited) = (series(), series());
    for _ in 0..rounds {
        stream.synchronize()?;
        let begin = Instant::now();
        rig.launch(kernel)?;
        stream.synchronize()?;
        let done = begin.elapsed().as_secs_f64() * 1e6;
        let own = stream.last_launch_ns()?.map(|ns| ns as f64 / 1e3);
        waited.push(done);
        device.push(own.unwrap_or(done));
    }
    Ok(Cost {
        device,
        waited,
        host,
        replayed,
    })
}

/// Microseconds of the host for each launch of a chain.
fn host_cost(rig: &mut Rig, kernel: Kernel, rounds: usize) -> Result<Series> {
    let stream = rig.stream().clone();
    let mut host = series();
    for _ in 0..rounds {
        stream.synchronize()?;
        let begin = Instant::now();
        for _ in 0..CHAIN {
            rig.launch(kernel)?;
        }
        host.push(begin.elapsed().as_secs_f64() * 1e6 / f64::from(CHAIN));
    }
    stream.synchronize()?;
    Ok(host)
}

/// Microseconds of the host for each launch of a recorded chain.
fn replay_cost(rig: &mut Rig, kernel: Kernel, rounds: usize) -> Result<Series> {
    let stream = rig.stream().clone();
    let recorded = stream.record(|_| (0..CHAIN).try_for_each(|_| rig.launch(kernel)))?;
    let mut host = series();
    for _ in 0..rounds {
        stream.synchronize()?;
        let begin = Instant::now();
        stream.replay(&recorded)?;
        host.push(begin.elapsed().as_secs_f64() * 1e6 / f64::from(CHAIN));
    }
    stream.synchronize()?;
    Ok(host)
}

fn reference_cost(rig: &mut Rig, kernel: Kernel, rounds: usize) -> Result<Cost> {
    let mut times = series();
    for _ in 0..=rounds.div_ceil(20) {
        let begin = Instant::now();
        rig.reference(kernel)?;
        times.push(begin.elapsed().as_secs_f64() * 1e6);
    }
    Ok(Cost {
        waited: times.clone(),
        device: times,
        host: None,
        replayed: None,
    })
}

fn series() -> Series {
    Series::new("us")
}

/// GB/s of a copy, bytes read and bytes written counted; the best of some.
fn copy_rate(device: &dyn Device, stream: &Stream, runs: usize) -> Result<f64> {
    let mut from = device.alloc(COPY_BYTES, "copy from")?;
    let mut to = device.alloc(COPY_BYTES, "copy to")?;
    let mut best: f64 = 0.0;
    for _ in 0..=runs {
        stream.synchronize()?;
        let begin = Instant::now();
        let own_ns = if stream.kind() == DeviceKind::Cpu {
            let (from, to) = (from.host_mut::<u8>(), to.host_mut::<u8>());
            let (from, to) = from.zip(to).context("no host memory")?;
            to.copy_from_slice(std::hint::black_box(from));
            None
        } else {
            stream.launch(&Launch {
                source: &COPY,
                groups: [COPY_GROUPS, 1, 1],
                params: bytemuck::bytes_of(&[COPY_GROUPS * 256, 0, 0, 0]),
                arguments: &[Argument::Input(&from), Argument::Output(&mut to)],
            })?;
            stream.synchronize()?;
            stream.last_launch_ns()?
        };
        let secs = own_ns.map_or(begin.elapsed().as_secs_f64(), |ns| ns as f64 / 1e9);
        best = best.max(2.0 * COPY_BYTES as f64 / 1e9 / secs);
    }
    ensure!(best.is_finite() && best > 0.0, "the copy took no time");
    Ok(best)
}
