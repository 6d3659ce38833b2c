//! Where does the time of a frame go, from the access unit to the observation?
//!
//! Each stage alone, on decoded frames of the demo, 720p; then decoder and tracker together as fast as they go, for the frames
//! that one core-second holds; then live at 30 frames per second in this process. `--frames N` changes the number of frames. Last, on
//! every device that is found, the kernels of 1, 5, 16 and 64 streams, and how many frames a second 1, 5 and 16 streams analyse against
//! how many they decode; `--device wgpu:0` measures those two parts on that device, and nothing else.

mod saturation;
mod streams;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lsie_analysis::face::{
    FaceNetworks, FaceTracker, SessionPhase, SubjectRules, region_from_detection,
};
use lsie_benches::{Call, Series, cache_dir, open_network, own_cpu_secs, run};
use lsie_device::{Buffer, CpuDevice, Device, Frame, Stream};
use lsie_infer::{ModelStore, Network, landmark_indices};
use lsie_ingest::{Input, OpenSettings, Pull, VideoSource, host_time_ns, open};
use lsie_kernels::au12::{self, Au12};
use lsie_kernels::crop::{self, Border, CropParams, Sampling, TensorOrder, ValueRange};
use lsie_kernels::detect::{self, DetectParams};
use lsie_kernels::pose::{self, Pose};
use lsie_kernels::project::{self, MeshOutputs, MeshSubsets};
use lsie_kernels::region::Region;

/// Frames that are held while stages run over them: more bytes than any cache.
const HELD: usize = 48;
/// Every so many frames one is held, so that the face moves between them.
const STRIDE: usize = 12;
const PULL: Duration = Duration::from_secs(15);
/// Bytes of the copy that says what the machine can move.
const COPY_BYTES: usize = 64 << 20;

fn main() -> ExitCode {
    run(
        "frame_path",
        &["frames", "live-seconds", "saturation-seconds", "device"],
        measure,
    )
}

/// What every part needs.
struct Bench<'a> {
    call: &'a Call,
    device: Arc<dyn Device>,
    models: ModelStore,
    settings: OpenSettings,
    /// Bytes per second that a copy of memory reaches, GB/s.
    peak: f64,
}

fn measure(call: &Call) -> Result<()> {
    if call.text("device").is_some() {
        streams::measure(call)?;
        return saturation::measure(call);
    }
    let cache = cache_dir(call)?;
    let device: Arc<dyn Device> = Arc::new(CpuDevice::new());
    let mut settings = OpenSettings::new(Arc::clone(&device), cache.join("demo"));
    settings.wants_audio = false;
    settings.pool_slots = HELD + 8;
    let bench = Bench {
        call,
        models: ModelStore::open(&cache)?,
        device,
        settings,
        peak: copy_rate(call.count(20, 1)),
    };
    // A missing model is told before anything takes time.
    let mut tracker = bench.tracker()?;
    let frames = call.number("frames", call.count(1200_usize, STRIDE))?;
    call.say(format_args!(
        "input    demo:presenter, 1280x720 H.264 at 30 frames per second, {frames} frames; peak is a copy of {} MiB: {:.1} GB/s read \
         and written\n\n{}",
        COPY_BYTES >> 20,
        bench.peak,
        Series::HEAD
    ));
    bench.decode(frames)?;
    let held = bench.hold()?;
    bench.stages(&held)?;
    let rate = bench.whole(&mut tracker, frames)?;
    bench.live(&mut tracker)?;
    call.say(format_args!(
        "\nframes per core-second, decoder and tracker together, all threads of this process: {rate:.1}; processor time per frame \
         {:.2} ms",
        1000.0 / rate
    ));
    streams::measure(call)?;
    saturation::measure(call)
}

impl Bench<'_> {
    fn tracker(&self) -> Result<FaceTracker> {
        let networks = FaceNetworks::new(
            self.device.as_ref(),
            open_network(&self.models, "face_detector")?,
            open_network(&self.models, "face_mesh")?,
        )?;
        let mut tracker = FaceTracker::new(networks, SubjectRules::default());
        tracker.set_phase(SessionPhase::Open);
        Ok(tracker)
    }

    fn open(&self, pace: &str) -> Result<(Input, VideoSource)> {
        let mut input = open(&format!("demo:presenter?pace={pace}"), &self.settings)?;
        let video = input.video.take().context("the demo has no picture")?;
        Ok((input, video))
    }

    fn row(&self, series: &Series) {
        self.call.say(format_args!("{}", series.row(self.peak)));
    }

    /// Processor time of decoding and the copy into the pool, over all threads, in pieces of some frames.
    fn decode(&self, frames: usize) -> Result<()> {
        let (_input, mut video) = self.open("fast")?;
        let piece = STRIDE.min(frames).max(1);
        let mut decode = Series::new("decode and copy to the pool (processor time)");
        for _ in 0..(frames / piece).max(1) {
            let start = own_cpu_secs()?;
            for _ in 0..piece {
                drop(pull(&mut video)?);
            }
            decode.push((own_cpu_secs()? - start) * 1000.0 / piece as f64);
        }
        self.row(&decode);
        Ok(())
    }

    /// Decoded frames some way apart.
    fn hold(&self) -> Result<Vec<Frame>> {
        let (_input, mut video) = self.open("fast")?;
        let mut held = Vec::new();
        while held.len() < self.call.count(HELD, 1) {
            let frame = pull(&mut video)?;
            for _ in 1..STRIDE {
                drop(pull(&mut video)?);
            }
            held.push(frame);
        }
        Ok(held)
    }

    /// Each stage by itself over the held frames.
    fn stages(&self, held: &[Frame]) -> Result<()> {
        let mut rig = Rig::new(self)?;
        let mut series = Stages::new();
        for round in 0..self.call.count(9, 1) {
            for frame in held {
                let regions = rig.detect(frame, &mut series)?;
                rig.mesh(frame, &regions, &mut series)?;
            }
            // The first round touches everything once and does not count.
            if round == 0 && self.call.measures() {
                series = Stages::new();
            }
        }
        series.all().iter().for_each(|stage| self.row(stage));
        Ok(())
    }

    /// Decoder and tracker as fast as they go; returns frames per core-second.
    fn whole(&self, tracker: &mut FaceTracker, frames: usize) -> Result<f64> {
        let (_input, mut video) = self.open("fast")?;
        let before = tracker.counters();
        let mut process = Series::new("tracker, whole");
        let cpu = own_cpu_secs()?;
        for _ in 0..frames {
            let frame = pull(&mut video)?;
            timed(&mut process, || tracker.process(&frame));
        }
        let cpu = own_cpu_secs()? - cpu;
        let measured = tracker.counters().measured - before.measured;
        ensure!(measured > 0, "no face was measured in {frames} frames");
        self.row(&process);
        Ok(frames as f64 / cpu)
    }

    /// At 30 frames per second: from the access unit to the pulled frame, and to the observation.
    fn live(&self, tracker: &mut FaceTracker) -> Result<()> {
        let secs = self
            .call
            .number("live-seconds", self.call.count(60.0, 0.2))?;
        tracker.reset_tracking();
        let (_input, mut video) = self.open("live")?;
        let mut pulled = Series::new("live: access unit to decoded frame").waiting();
        let mut observed = Series::new("live: access unit to observation").waiting();
        let start = Instant::now();
        while start.elapsed().as_secs_f64() < secs {
            let frame = pull(&mut video)?;
            pulled.push(age_ms(&frame));
            drop(tracker.process(&frame));
            observed.push(age_ms(&frame));
        }
        self.row(&pulled);
        self.row(&observed);
        Ok(())
    }
}

/// One series for each stage.
struct Stages {
    letterbox: Series,
    detector: Series,
    decode_boxes: Series,
    crop: Series,
    mesh: Series,
    geometry: Series,
}

impl Stages {
    fn new() -> Self {
        // A crop reads and writes 12 bytes an output pixel.
        let crop_bytes = |side: u32| 24 * (side * side) as usize;
        Stages {
            letterbox: Series::new("letterbox crop, 128x128")
                .moving(crop_bytes(detect::INPUT_SIDE_PX)),
            detector: Series::new("detector network"),
            decode_boxes: Series::new("boxes from the detector"),
            crop: Series::new("face crop, 192x192").moving(crop_bytes(project::INPUT_SIDE_PX)),
            mesh: Series::new("attention mesh network"),
            geometry: Series::new("landmarks, AU12 ratio, head pose"),
        }
    }

    fn all(&self) -> [&Series; 6] {
        [
            &self.letterbox,
            &self.detector,
            &self.decode_boxes,
            &self.crop,
            &self.mesh,
            &self.geometry,
        ]
    }
}

/// The networks with their buffers, stage by stage as the tracker runs them.
struct Rig {
    stream: Stream,
    detector: Loaded,
    mesh: Loaded,
    subsets: Buffer,
    detections: Buffer,
    landmarks: Buffer,
    au12: Buffer,
    pose: Buffer,
}

/// A network with buffers of its size.
struct Loaded {
    network: Box<dyn Network>,
    order: TensorOrder,
    side_px: u32,
    input: Buffer,
    outputs: Vec<Buffer>,
}

impl Loaded {
    fn new(bench: &Bench<'_>, name: &str, side_px: u32) -> Result<Self> {
        let device = bench.device.as_ref();
        let network = open_network(&bench.models, name)?;
        let info = network.inputs().first().context("no input")?;
        let is_planar = info.shape.get(1) == Some(&3);
        let input = device.alloc(info.len_bytes(), name)?;
        let outputs = network.outputs().iter();
        let outputs = outputs.map(|info| device.alloc(info.len_bytes(), &info.name));
        Ok(Loaded {
            outputs: outputs.collect::<Result<_, _>>()?,
            order: if is_planar {
                TensorOrder::Nchw
            } else {
                TensorOrder::Nhwc
            },
            side_px,
            input,
            network,
        })
    }

    fn crop(
        &mut self,
        stream: &Stream,
        frame: &Frame,
        region: &Region,
        range: ValueRange,
        border: Border,
    ) -> Result<()> {
        let size = [self.side_px; 2];
        let params =
            CropParams::new(region, size, range, border, self.order).with_sampling(Sampling::Codes);
        Ok(crop::launch(stream, frame, &[params], &mut self.input)?)
    }

    fn run(&mut self, stream: &Stream) -> Result<()> {
        let mut outputs: Vec<_> = self.outputs.iter_mut().collect();
        Ok(self.network.run(stream, &[&self.input], &mut outputs)?)
    }

    fn output(&self, name: &str) -> Result<&Buffer> {
        let infos = self.network.outputs().iter();
        let mut pairs = infos.zip(&self.outputs);
        let found = pairs.find(|(info, _)| info.name == name);
        Ok(found.with_context(|| format!("no output {name}"))?.1)
    }
}

impl Rig {
    fn new(bench: &Bench<'_>) -> Result<Self> {
        let device = bench.device.as_ref();
        let stream = device.stream("bench")?;
        let mesh = Loaded::new(bench, "face_mesh", project::INPUT_SIDE_PX)?;
        let indices = landmark_indices(mesh.network.as_ref());
        let list = |output: &str| -> Vec<u32> {
            let indices = indices.get(output).map(Vec::as_slice).unwrap_or_default();
            indices.iter().map(|index| *index as u32).collect()
        };
        let subsets = MeshSubsets::new(
            &list("output_lips"),
            &list("output_left_eye"),
            &list("output_right_eye"),
        );
        let subsets = subsets.context("the mesh model says nothing about its outputs")?;
        Ok(Rig {
            detector: Loaded::new(bench, "face_detector", detect::INPUT_SIDE_PX)?,
            mesh,
            subsets: subsets.upload(device, &stream)?,
            detections: device.alloc(detect::OUTPUT_BYTES, "detections")?,
            landmarks: device.alloc(project::OUTPUT_BYTES, "landmarks")?,
            au12: device.alloc(size_of::<Au12>(), "au12")?,
            pose: device.alloc(size_of::<Pose>(), "pose")?,
            stream,
        })
    }

    /// Letterbox, detector, boxes; gives the region of the best face.
    fn detect(&mut self, frame: &Frame, series: &mut Stages) -> Result<Region> {
        let letterbox = Region::letterbox(frame.width(), frame.height());
        let (stream, detector) = (&self.stream, &mut self.detector);
        let (range, border) = (ValueRange::Symmetric, Border::Black);
        timed(&mut series.letterbox, || {
            detector.crop(stream, frame, &letterbox, range, border)
        })?;
        timed(&mut series.detector, || detector.run(stream))?;
        let regressors = detector.output("regressors")?;
        let scores = detector.output("classificators")?;
        let (params, out) = (DetectParams::default(), &mut self.detections);
        timed(&mut series.decode_boxes, || {
            detect::launch(stream, regressors, scores, &params, out)
        })?;
        let [best, ..] = detect::read(stream, &self.detections)?;
        ensure!(best.score > 0.0, "no face in the frame");
        region_from_detection(&best, &letterbox).context("the face has no region")
    }

    /// Crop, mesh and the geometry behind it.
    fn mesh(&mut self, frame: &Frame, region: &Region, series: &mut Stages) -> Result<()> {
        let (stream, mesh) = (&self.stream, &mut self.mesh);
        let (range, border) = (ValueRange::Unit, Border::Replicate);
        timed(&mut series.crop, || {
            mesh.crop(stream, frame, region, range, border)
        })?;
        timed(&mut series.mesh, || mesh.run(stream))?;
        let outputs = MeshOutputs {
            mesh: mesh.output("output_mesh_identity")?,
            lips: mesh.output("output_lips")?,
            left_eye: mesh.output("output_left_eye")?,
            right_eye: mesh.output("output_right_eye")?,
            left_iris: mesh.output("output_left_iris")?,
            right_iris: mesh.output("output_right_iris")?,
            subsets: &self.subsets,
        };
        let (landmarks, au12, pose) = (&mut self.landmarks, &mut self.au12, &mut self.pose);
        timed(&mut series.geometry, || {
            project::launch(stream, &outputs, region, landmarks)?;
            au12::launch(stream, landmarks, 1, au12)?;
            pose::launch(stream, landmarks, 1, pose)
        })?;
        Ok(())
    }
}

fn timed<T>(series: &mut Series, act: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = act();
    series.push(start.elapsed().as_secs_f64() * 1000.0);
    result
}

fn pull(video: &mut VideoSource) -> Result<Frame> {
    match video.next(PULL)? {
        Pull::Item(frame) => Ok(frame),
        Pull::Pending => anyhow::bail!("no frame within {} s", PULL.as_secs()),
        Pull::End => anyhow::bail!("the demo ended"),
    }
}

fn age_ms(frame: &Frame) -> f64 {
    host_time_ns().saturating_sub(frame.host_time_ns()) as f64 / 1e6
}

/// GB/s of a copy on one core, bytes read and bytes written counted; the best of some.
fn copy_rate(runs: usize) -> f64 {
    let (from, mut to) = (vec![1_u8; COPY_BYTES], vec![0_u8; COPY_BYTES]);
    let mut best: f64 = 0.0;
    for _ in 0..runs {
        let start = Instant::now();
        to.copy_from_slice(std::hint::black_box(&from));
        std::hint::black_box(&mut to);
        best = best.max(2.0 * COPY_BYTES as f64 / 1e9 / start.elapsed().as_secs_f64());
    }
    best
}
