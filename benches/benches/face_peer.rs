//! How many frames of 720p30 does a core measure in a second, against what users have today?
//!
//! The peer is PyAV, its conversion to RGB, and MediaPipe 0.10.14's Face Mesh with refined landmarks and tracking, in an environment
//! that the bench makes under the cache folder with Python 3.11 (`--python PATH`; it needs the package registry once). Ours is the
//! decoder and the tracker: 478 points, pose, AU12 and the other units; and again with the network that leaves the irises out, which
//! no unit reads. Both read the same H.264 file, one after the other in
//! turns, pinned to one core (`--core N`). Processor time counts, not the clock, so that a neighbour disturbs both alike.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lsie_analysis::face::{FaceNetworks, FaceTracker, SessionPhase, SubjectRules};
use lsie_benches::{
    Call, Series, cache_dir, open_network, own_cpu_secs, peer_python, pin_to_core, run,
};
use lsie_device::{CpuDevice, Device, Frame};
use lsie_infer::ModelStore;
use lsie_ingest::{OpenSettings, Pull, VideoSource, open};

const PULL: Duration = Duration::from_secs(15);
/// Frames of a turn that do not count: the first detection, caches, the processor's clock.
const WARM_UP: usize = 60;
const PEER: &str = include_str!("face_peer.py");
const PACKAGES: [&str; 2] = ["mediapipe==0.10.14", "av"];

fn main() -> ExitCode {
    run("face_peer", &["frames", "turns", "core", "python"], measure)
}

/// Milliseconds of processor time per frame of one turn.
#[derive(Debug, Clone, Copy)]
struct Turn {
    whole: f64,
    decoding: f64,
    converting: f64,
    meshing: f64,
}

impl Turn {
    fn after_decoding(self) -> f64 {
        self.converting + self.meshing
    }
}

fn measure(call: &Call) -> Result<()> {
    let cache = cache_dir(call)?;
    let frames = call.number("frames", call.count(900_usize, 8))?;
    let device: Arc<dyn Device> = Arc::new(CpuDevice::new());
    let models = ModelStore::open(&cache)?;
    let clip = clip(&cache, &device, frames)?;
    let core = call.number("core", 0_usize)?;
    // Children inherit it.
    pin_to_core(core)?;
    let mut whole = tracker(&models, &device, "face_mesh")?;
    let mut units = tracker(&models, &device, "face_shape")?;
    let warm_up = call.count(WARM_UP, 2);
    if !call.measures() {
        ours(&clip, &device, &mut whole, warm_up)?;
        return ours(&clip, &device, &mut units, warm_up).map(drop);
    }
    let python = peer_python(
        call,
        &cache,
        "peer-mediapipe-0.10.14",
        "python3.11",
        &PACKAGES,
        "av, mediapipe",
    )?;
    call.say(format_args!(
        "input    demo:presenter as H.264 in MP4, 1280x720, 30 frames per second, {frames} frames, {warm_up} of them not counted; \
         core {core}\n\n{}",
        Series::HEAD
    ));
    let mut turns = Turns::default();
    for _ in 0..call.number("turns", 5_usize)? {
        turns.peer.push(peer(&python, &clip, warm_up)?);
        turns.whole.push(ours(&clip, &device, &mut whole, warm_up)?);
        turns.units.push(ours(&clip, &device, &mut units, warm_up)?);
    }
    report(call, &turns);
    Ok(())
}

/// What was measured, one entry a turn.
#[derive(Debug, Default)]
struct Turns {
    peer: Vec<Turn>,
    /// All 478 points.
    whole: Vec<Turn>,
    /// What action units read.
    units: Vec<Turn>,
}

/// A row per stage, then the ratios turn by turn.
fn report(call: &Call, turns: &Turns) {
    let row = |name: &str, turns: &[Turn], pick: fn(&Turn) -> f64| {
        let mut series = Series::new(name);
        for turn in turns {
            series.push(pick(turn));
        }
        call.say(format_args!("{}", series.row(1.0)));
    };
    let peers = &turns.peer;
    row("peer: decode", peers, |t| t.decoding);
    row("peer: to RGB", peers, |t| t.converting);
    row("peer: Face Mesh, 478 points", peers, |t| t.meshing);
    row("peer: after decoding", peers, |t| t.after_decoding());
    row("peer: whole process", peers, |t| t.whole);
    let ours = [
        ("478 points, pose, units", &turns.whole),
        ("pose, units", &turns.units),
    ];
    for (name, ourses) in ours {
        row("ours: decode and copy to the pool", ourses, |t| t.decoding);
        row(&format!("ours: tracker, {name}"), ourses, |t| t.meshing);
        row("ours: whole process", ourses, |t| t.whole);
    }
    for (name, ourses) in ours {
        let pairs = || peers.iter().zip(ourses.iter());
        let after = spread(pairs().map(|(peer, our)| peer.after_decoding() / our.after_decoding()));
        let whole = spread(pairs().map(|(peer, our)| peer.whole / our.whole));
        call.say(format_args!(
            "\n{name}: ours against the peer, median over turns (least to most): after decoding {after}, whole process {whole}"
        ));
    }
}

/// Median, least and most of the ratios.
fn spread(ratios: impl Iterator<Item = f64>) -> String {
    let mut ratios: Vec<f64> = ratios.collect();
    ratios.sort_by(f64::total_cmp);
    let at = |index: usize| ratios.get(index).copied().unwrap_or(f64::NAN);
    let last = ratios.len().saturating_sub(1);
    format!(
        "{:.2} times ({:.2} to {:.2})",
        at(ratios.len() / 2),
        at(0),
        at(last)
    )
}

fn tracker(models: &ModelStore, device: &Arc<dyn Device>, mesh: &str) -> Result<FaceTracker> {
    let networks = FaceNetworks::new(
        device.as_ref(),
        open_network(models, "face_detector")?,
        open_network(models, mesh)?,
    )?;
    let mut tracker = FaceTracker::new(networks, SubjectRules::default());
    tracker.set_phase(SessionPhase::Open);
    Ok(tracker)
}

/// One turn of ours. The decoder has threads of its own; on one core their time is what is not the tracker's.
fn ours(
    clip: &Path,
    device: &Arc<dyn Device>,
    tracker: &mut FaceTracker,
    warm_up: usize,
) -> Result<Turn> {
    let mut settings = OpenSettings::new(Arc::clone(device), std::env::temp_dir());
    settings.wants_audio = false;
    let mut input = open(&format!("file:{}?pace=fast", clip.display()), &settings)?;
    let mut video = input.video.take().context("the clip has no picture")?;
    tracker.reset_tracking();
    let (mut tracking, mut frames, mut start) = (0.0, 0_usize, own_cpu_secs()?);
    let measured = tracker.counters().measured;
    for number in 0_usize.. {
        if number == warm_up {
            (tracking, frames, start) = (0.0, 0, own_cpu_secs()?);
        }
        let Some(frame) = pull(&mut video)? else {
            break;
        };
        let before = thread_cpu_secs()?;
        drop(tracker.process(&frame));
        tracking += thread_cpu_secs()? - before;
        frames += 1;
    }
    let whole = own_cpu_secs()? - start;
    ensure!(frames > 0, "the clip is too short");
    ensure!(
        tracker.counters().measured > measured,
        "no face was measured"
    );
    let ms = |secs: f64| secs * 1000.0 / frames as f64;
    Ok(Turn {
        whole: ms(whole),
        decoding: ms(whole - tracking),
        converting: 0.0,
        meshing: ms(tracking),
    })
}

/// Processor time of this thread.
fn thread_cpu_secs() -> Result<f64> {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_THREAD)?;
    let secs = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(secs(usage.user_time()) + secs(usage.system_time()))
}

/// One turn of the peer, in a process of its own; its start does not count.
fn peer(python: &Path, clip: &Path, warm_up: usize) -> Result<Turn> {
    let output = Command::new(python)
        .args(["-c", PEER])
        .arg(clip)
        .arg(warm_up.to_string())
        .stderr(Stdio::null())
        .output()
        .context("cannot run the peer")?;
    ensure!(
        output.status.success(),
        "the peer failed: {}",
        output.status
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().last().unwrap_or_default();
    let numbers: Vec<f64> = line
        .split(' ')
        .filter_map(|word| word.parse().ok())
        .collect();
    let [frames, whole, decoding, converting, meshing, faces] = numbers[..] else {
        anyhow::bail!("the peer said {line:?}");
    };
    ensure!(
        faces > 0.9 * frames,
        "the peer saw a face in {faces} of {frames} frames"
    );
    let ms = |secs: f64| secs * 1000.0 / frames;
    Ok(Turn {
        whole: ms(whole),
        decoding: ms(decoding),
        converting: ms(converting),
        meshing: ms(meshing),
    })
}

/// The demo's first frames as a file that both can read, made once with GStreamer's x264 encoder.
fn clip(cache: &Path, device: &Arc<dyn Device>, frames: usize) -> Result<PathBuf> {
    let folder = cache.join("bench");
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(format!("presenter-720p30-{frames}.mp4"));
    if path.is_file() {
        return Ok(path);
    }
    let mut settings = OpenSettings::new(Arc::clone(device), cache.join("demo"));
    settings.wants_audio = false;
    let mut input = open("demo:presenter?pace=fast", &settings)?;
    let mut video = input.video.take().context("the demo has no picture")?;
    let partial = path.with_extension("partial");
    let mut encoder: Option<std::process::Child> = None;
    for _ in 0..frames {
        let frame = pull(&mut video)?.context("the demo ended")?;
        let encoder = match &mut encoder {
            Some(encoder) => encoder,
            none => none.insert(start_encoder(&frame, &partial)?),
        };
        let pipe = encoder.stdin.as_mut().context("no pipe to the encoder")?;
        write_planes(&frame, pipe)?;
    }
    let mut encoder = encoder.context("no frame")?;
    drop(encoder.stdin.take());
    ensure!(
        encoder.wait()?.success(),
        "gst-launch-1.0 could not encode the clip"
    );
    std::fs::rename(&partial, &path)?;
    Ok(path)
}

fn start_encoder(frame: &Frame, to: &Path) -> Result<std::process::Child> {
    let format = match frame.format() {
        lsie_device::PixelFormat::Nv12 => "nv12",
        lsie_device::PixelFormat::I420 => "i420",
        lsie_device::PixelFormat::Rgb8 => "rgb",
    };
    let pipeline = format!(
        "fdsrc fd=0 ! rawvideoparse width={} height={} format={format} framerate=30/1 ! videoconvert ! x264enc bitrate=4000 \
         speed-preset=veryfast key-int-max=60 bframes=0 ! h264parse ! mp4mux ! filesink location={}",
        frame.width(),
        frame.height(),
        to.display()
    );
    Command::new("gst-launch-1.0")
        .arg("--quiet")
        .args(pipeline.split_whitespace())
        .stdin(Stdio::piped())
        .spawn()
        .context("gst-launch-1.0 (Debian package gstreamer1.0-tools)")
}

/// The rows of every plane without their padding.
fn write_planes(frame: &Frame, to: &mut impl std::io::Write) -> Result<()> {
    let bytes = frame.buffer().host::<u8>().context("a frame on a device")?;
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let half = (width.div_ceil(2), height.div_ceil(2));
    let shapes: &[(usize, usize)] = match frame.format() {
        lsie_device::PixelFormat::Nv12 => &[(width, height), (2 * half.0, half.1)],
        lsie_device::PixelFormat::I420 => &[(width, height), half, half],
        lsie_device::PixelFormat::Rgb8 => &[(3 * width, height)],
    };
    for (plane, (row_bytes, rows)) in frame.planes().iter().zip(shapes) {
        for row in 0..*rows {
            let start = plane.offset_bytes + row * plane.pitch_bytes;
            let row = bytes
                .get(start..start + row_bytes)
                .context("a short plane")?;
            to.write_all(row)?;
        }
    }
    Ok(())
}

/// The next frame; `None` at the end.
fn pull(video: &mut VideoSource) -> Result<Option<Frame>> {
    match video.next(PULL)? {
        Pull::Item(frame) => Ok(Some(frame)),
        Pull::Pending => anyhow::bail!("no frame within {} s", PULL.as_secs()),
        Pull::End => Ok(None),
    }
}
