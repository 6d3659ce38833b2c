//! The kernels of the frame path for many streams at once, networks left out: what a device takes besides them. Where a device can
//! record, the same launches once more as a graph.

use std::time::Instant;

use anyhow::{Context as _, Result};
use lsie_benches::{Call, Series};
use lsie_device::{
    Buffer, Device, DeviceKind, DeviceReport, Frame, FrameLayout, FrameMeta, FramePool,
    PixelFormat, Recorded, Stream, open_nth, probe,
};
use lsie_kernels::action_units::{self, Shape};
use lsie_kernels::au12::{self, Au12};
use lsie_kernels::crop::{Border, CropParams, Sampling, TensorOrder, ValueRange};
use lsie_kernels::crops::{self, FrameCrop};
use lsie_kernels::pose::{self, Pose};
use lsie_kernels::project::{
    self, EYE_COUNT, IRIS_COUNT, LANDMARK_COUNT, LIP_COUNT, MESH_COUNT, MeshOutputs, MeshSubsets,
};
use lsie_kernels::region::Region;
use lsie_schemas::device::DeviceChoice;

const STREAMS: [usize; 4] = [1, 5, 16, 64];
const SIZE: [u32; 2] = [1280, 720];

/// A row for each number of streams on each device: the one that `--device` names, or all.
pub(crate) fn measure(call: &Call) -> Result<()> {
    call.say(format_args!(
        "\nkernels of all streams' newest frames, 720p: upload and projection of each, the crops of up to six frames in one launch, AU12, \
         pose and AU geometry of all in one launch, one wait, one copy to the host; networks left out\n\n\
         | device | streams | version | median ms | p95 ms | ms a stream | frames per second |\n|---|---|---|---|---|---|---|"
    ));
    for (kind, index) in devices(call)? {
        let device = open_nth(kind, index)?;
        for streams in STREAMS {
            let mut chains = Chains::new(device.as_ref(), streams)?;
            let versions = if chains.stream.can_record() {
                &[Version::Launches, Version::Graph][..]
            } else {
                &[Version::Launches]
            };
            for version in versions {
                let mut series = Series::new("chains");
                for round in 0..call.count(33, 1) {
                    let begin = Instant::now();
                    chains.run(*version)?;
                    // The first rounds compile, record and touch.
                    if round >= call.count(3, 0) {
                        series.push(begin.elapsed().as_secs_f64() * 1e3);
                    }
                }
                let median = series.median();
                call.say(format_args!(
                    "| {kind}:{index} | {streams} | {} | {median:.2} | {:.2} | {:.3} | {:.0} |",
                    version.name(),
                    series.p95(),
                    median / streams as f64,
                    1e3 * streams as f64 / median
                ));
            }
        }
    }
    Ok(())
}

/// The device that `--device` names, or all.
pub(crate) fn devices(call: &Call) -> Result<Vec<(DeviceKind, usize)>> {
    if let Some(text) = call.text("device") {
        return Ok(vec![match text.parse()? {
            DeviceChoice::Auto | DeviceChoice::Cpu => (DeviceKind::Cpu, 0),
            DeviceChoice::Wgpu(number) => (DeviceKind::Wgpu, usize::from(number)),
            DeviceChoice::Cuda(number) => (DeviceKind::Cuda, usize::from(number)),
        }]);
    }
    let found = probe().into_iter().filter_map(|report| match report {
        DeviceReport::Found(info) => Some((info.kind, info.index)),
        DeviceReport::Unavailable { .. } => None,
    });
    Ok(found.collect())
}

/// How the kernels are queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    /// One by one.
    Launches,
    /// Recorded in the first round, replayed in one call after it.
    Graph,
}

impl Version {
    const fn name(self) -> &'static str {
        match self {
            Version::Launches => "launches",
            Version::Graph => "graph",
        }
    }
}

/// One stream's frame and landmarks. Its pool has one slot: the frame lies at the same place in every round, as a recording wants.
struct Chain {
    pool: FramePool,
    landmarks: Buffer,
}

/// The chains of all streams on one queue.
struct Chains {
    stream: Stream,
    each: Vec<Chain>,
    /// Crops of all.
    tensors: Buffer,
    pixels: Vec<u8>,
    layout: FrameLayout,
    crop: CropParams,
    region: Region,
    mesh: [Buffer; 6],
    subsets: Buffer,
    faces: Buffer,
    au12: Buffer,
    pose: Buffer,
    shape: Buffer,
    ratios: Vec<Au12>,
    recorded: Option<Recorded>,
}

impl Chains {
    fn new(device: &dyn Device, streams: usize) -> Result<Self> {
        let stream = device.stream("bench")?;
        let layout = FrameLayout::tight(PixelFormat::Nv12, SIZE[0], SIZE[1])?;
        let region = Region {
            center: [640.0, 360.0],
            size: [300.0, 300.0],
            rotation_rad: 0.1,
        };
        let side = [project::INPUT_SIDE_PX; 2];
        let (range, order) = (ValueRange::Unit, TensorOrder::Nchw);
        let crop = CropParams::new(&region, side, range, Border::Replicate, order)
            .with_sampling(Sampling::Codes);
        let chain = || -> Result<Chain> {
            Ok(Chain {
                pool: FramePool::new(device, 1, layout.bytes())?,
                landmarks: device.alloc(project::OUTPUT_BYTES, "landmarks")?,
            })
        };
        let points = |count: usize, label: &str| device.alloc(4 * count, label);
        let list = |first: u32, count: usize| -> Vec<u32> { (first..).take(count).collect() };
        let (lips, left) = (list(0, LIP_COUNT), list(100, EYE_COUNT));
        let subsets = MeshSubsets::new(&lips, &left, &list(200, EYE_COUNT)).context("subsets")?;
        let mut faces = device.alloc(streams * project::OUTPUT_BYTES, "faces")?;
        let numbers: Vec<f32> = (0..streams * LANDMARK_COUNT * 3)
            .map(|at| (at * 37 % 251) as f32)
            .collect();
        faces.upload(&stream, 0, bytemuck::cast_slice(&numbers))?;
        Ok(Chains {
            each: (0..streams).map(|_| chain()).collect::<Result<_>>()?,
            tensors: device.alloc(4 * streams * crop.out_len(), "tensors")?,
            pixels: vec![90; layout.bytes()],
            mesh: [
                points(3 * MESH_COUNT, "mesh")?,
                points(2 * LIP_COUNT, "lips")?,
                points(2 * EYE_COUNT, "left eye")?,
                points(2 * EYE_COUNT, "right eye")?,
                points(2 * IRIS_COUNT, "left iris")?,
                points(2 * IRIS_COUNT, "right iris")?,
            ],
            subsets: subsets.upload(device, &stream)?,
            au12: device.alloc(streams * size_of::<Au12>(), "au12")?,
            pose: device.alloc(streams * size_of::<Pose>(), "pose")?,
            shape: device.alloc(streams * size_of::<Shape>(), "shape")?,
            ratios: vec![Au12::default(); streams],
            recorded: None,
            faces,
            layout,
            crop,
            region,
            stream,
        })
    }

    /// One frame of every stream.
    fn run(&mut self, version: Version) -> Result<()> {
        let stream = self.stream.clone();
        let mut frames = Vec::with_capacity(self.each.len());
        for chain in &self.each {
            let mut slot = chain.pool.acquire().context("no slot")?;
            slot.buffer_mut().upload(&stream, 0, &self.pixels)?;
            frames.push(Frame::new(slot, FrameMeta::still(self.layout))?);
        }
        match (version, self.recorded.take()) {
            (Version::Launches, _) => self.launch(&stream, &frames)?,
            (Version::Graph, known) => {
                let recorded = match known {
                    Some(recorded) => recorded,
                    None => stream.record(|stream| self.launch(stream, &frames))?,
                };
                stream.replay(&recorded)?;
                self.recorded = Some(recorded);
            }
        }
        self.au12
            .copy_to_host(&stream, 0, bytemuck::cast_slice_mut(&mut self.ratios))?;
        Ok(())
    }

    /// The kernels of all frames.
    fn launch(&mut self, stream: &Stream, frames: &[Frame]) -> Result<()> {
        let [mesh, lips, left_eye, right_eye, left_iris, right_iris] = &self.mesh;
        let outputs = MeshOutputs {
            mesh,
            lips,
            left_eye,
            right_eye,
            left_iris,
            right_iris,
            subsets: &self.subsets,
        };
        let entries = frames.iter().map(|frame| FrameCrop {
            frame,
            params: self.crop,
        });
        let entries: Vec<_> = entries.collect();
        crops::launch(stream, &entries, &mut self.tensors)?;
        for chain in &mut self.each {
            project::launch(stream, &outputs, &self.region, &mut chain.landmarks)?;
        }
        let count = self.each.len();
        au12::launch(stream, &self.faces, count, &mut self.au12)?;
        pose::launch(stream, &self.faces, count, &mut self.pose)?;
        action_units::launch(stream, &self.faces, &self.pose, count, &mut self.shape)?;
        Ok(())
    }
}
