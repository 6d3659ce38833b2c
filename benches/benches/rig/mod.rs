//! Every kernel with buffers of the size that sessions use, on one device, and its reference on the same numbers.

mod kernel;
mod sound;

use std::hint::black_box;

use anyhow::{Context as _, Result};
use lsie_device::{
    Buffer, CpuDevice, Device, Frame, FrameLayout, FrameMeta, FramePool, PixelFormat, Stream,
};
use lsie_kernels::action_units::{self, Shape};
use lsie_kernels::au12::{self, Au12};
use lsie_kernels::crop::{self, Border, CropParams, Sampling, TensorOrder, ValueRange};
use lsie_kernels::crops::{self, FrameCrop};
use lsie_kernels::detect::{self, ANCHOR_COUNT, DetectParams, REGRESSORS_PER_ANCHOR};
use lsie_kernels::exposure::{self, Area, Exposure};
use lsie_kernels::pose::{self, Pose};
use lsie_kernels::project::reference::Parts;
use lsie_kernels::project::{
    self, EYE_COUNT, IRIS_COUNT, LANDMARK_COUNT, LIP_COUNT, MESH_COUNT, MeshOutputs, MeshSubsets,
};
use lsie_kernels::region::Region;
use lsie_kernels::statistics::{self, Statistics};
use lsie_kernels::tensor::{self, TensorParams};

pub(crate) use self::kernel::Kernel;
use self::kernel::{FACES, REGIONS, WINDOW_FRAMES, WINDOWS};
use self::sound::Sound;

const SIZE: [u32; 2] = [1920, 1080];
const LETTERBOX: TensorParams = TensorParams {
    side_px: detect::INPUT_SIDE_PX,
    range: ValueRange::Symmetric,
    sampling: Sampling::Codes,
};

/// The kernels' arguments on one device, and on the host for the references.
pub(crate) struct Rig {
    stream: Stream,
    frame: Frame,
    /// A frame of each camera.
    cameras: Vec<Frame>,
    host_frame: Frame,
    crops: Vec<CropParams>,
    tensor: Buffer,
    regressors: (Vec<f32>, Buffer),
    scores: (Vec<f32>, Buffer),
    detections: Buffer,
    parts: Parts,
    mesh: [Buffer; 6],
    subsets: (MeshSubsets, Buffer),
    region: Region,
    landmarks: (Vec<[f32; 3]>, Buffer),
    projected: Buffer,
    au12: Buffer,
    pose: Buffer,
    /// What is given to the geometry: some turn.
    turns: (Vec<Pose>, Buffer),
    shape: Buffer,
    units: (Vec<f32>, Buffer),
    windows: Vec<statistics::Row>,
    statistics: Buffer,
    exposure: Buffer,
    sound: Sound,
}

/// How every face looks.
const TURN: Pose = Pose {
    yaw_deg: 12.0,
    pitch_deg: -6.0,
    roll_deg: 3.0,
    is_measured: 1,
};

impl Rig {
    pub(crate) fn new(device: &dyn Device, stream: Stream) -> Result<Self> {
        let mut next = generator(7);
        let host = CpuDevice::new();
        let region = |number: usize| Region {
            center: [700.0 + 60.0 * number as f32, 500.0],
            size: [420.0, 420.0],
            rotation_rad: 0.1 * number as f32,
        };
        let side = [project::INPUT_SIDE_PX; 2];
        let crops: Vec<_> = (0..REGIONS)
            .map(|number| {
                let (range, order) = (ValueRange::Unit, TensorOrder::Nchw);
                CropParams::new(&region(number), side, range, Border::Replicate, order)
                    .with_sampling(Sampling::Codes)
            })
            .collect();
        let mut numbers =
            |count: usize, scale: f32| -> Vec<f32> { (0..count).map(|_| scale * next()).collect() };
        let regressors = numbers(ANCHOR_COUNT * REGRESSORS_PER_ANCHOR, 40.0);
        // Most anchors see nothing, some dozens something.
        let mut scores: Vec<f32> = numbers(ANCHOR_COUNT, 1.0);
        for score in &mut scores {
            *score = *score * 30.0 - 28.5;
        }
        let parts = mesh_parts(&mut numbers);
        let landmarks = faces(&mut numbers);
        let sound = Sound::new(device, &stream, &mut numbers)?;
        let units = numbers(WINDOWS * WINDOW_FRAMES, 1.0);
        let turns = vec![TURN; FACES];
        let list = |first: u32, count: usize| -> Vec<u32> { (first..).take(count).collect() };
        let subsets = MeshSubsets::new(
            &list(0, LIP_COUNT),
            &list(100, EYE_COUNT),
            &list(200, EYE_COUNT),
        )
        .context("subsets")?;
        let on = |bytes: &[u8], label: &str| -> Result<Buffer> {
            let mut buffer = device.alloc(bytes.len(), label)?;
            buffer.upload(&stream, 0, bytes)?;
            Ok(buffer)
        };
        Ok(Rig {
            frame: picture(device, &stream)?,
            cameras: pictures(device, &stream)?,
            host_frame: picture(&host, &host.stream("reference")?)?,
            tensor: device.alloc(
                4 * crops.iter().map(CropParams::out_len).sum::<usize>(),
                "tensor",
            )?,
            regressors: (
                regressors.clone(),
                on(bytemuck::cast_slice(&regressors), "regressors")?,
            ),
            scores: (scores.clone(), on(bytemuck::cast_slice(&scores), "scores")?),
            detections: device.alloc(detect::OUTPUT_BYTES, "detections")?,
            subsets: (subsets.clone(), subsets.upload(device, &stream)?),
            region: region(0),
            landmarks: (
                landmarks.clone(),
                on(bytemuck::cast_slice(&landmarks), "landmarks")?,
            ),
            projected: device.alloc(project::OUTPUT_BYTES, "projected")?,
            au12: device.alloc(FACES * size_of::<Au12>(), "au12")?,
            pose: device.alloc(FACES * size_of::<Pose>(), "pose")?,
            turns: (turns.clone(), on(bytemuck::cast_slice(&turns), "turns")?),
            shape: device.alloc(FACES * size_of::<Shape>(), "shape")?,
            units: (units.clone(), on(bytemuck::cast_slice(&units), "units")?),
            windows: windows(),
            statistics: device.alloc(WINDOWS * size_of::<Statistics>(), "statistics")?,
            exposure: device.alloc(size_of::<Exposure>(), "exposure")?,
            mesh: mesh_buffers(&parts, on)?,
            sound,
            crops,
            parts,
            stream,
        })
    }

    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// One call of a launcher.
    pub(crate) fn launch(&mut self, kernel: Kernel) -> Result<()> {
        let stream = &self.stream;
        match kernel {
            Kernel::Crop => crop::launch(stream, &self.frame, &self.crops[..1], &mut self.tensor),
            Kernel::CropFive => crop::launch(stream, &self.frame, &self.crops, &mut self.tensor),
            Kernel::Cameras => {
                let batch = [0, 1, 2, 3, 4].map(|number: usize| FrameCrop {
                    frame: &self.cameras[number],
                    params: self.crops[number],
                });
                crops::launch(stream, &batch, &mut self.tensor)
            }
            Kernel::Tensor => tensor::launch(stream, &self.frame, &LETTERBOX, &mut self.tensor),
            Kernel::Detect => {
                let (regressors, scores) = (&self.regressors.1, &self.scores.1);
                let params = DetectParams::default();
                detect::launch(stream, regressors, scores, &params, &mut self.detections)
            }
            Kernel::Project => {
                let [mesh, lips, left_eye, right_eye, left_iris, right_iris] = &self.mesh;
                let outputs = MeshOutputs {
                    mesh,
                    lips,
                    left_eye,
                    right_eye,
                    left_iris,
                    right_iris,
                    subsets: &self.subsets.1,
                };
                project::launch(stream, &outputs, &self.region, &mut self.projected)
            }
            Kernel::Au12 => au12::launch(stream, &self.landmarks.1, FACES, &mut self.au12),
            Kernel::Pose => pose::launch(stream, &self.landmarks.1, FACES, &mut self.pose),
            Kernel::Shape => {
                let (landmarks, turns) = (&self.landmarks.1, &self.turns.1);
                action_units::launch(stream, landmarks, turns, FACES, &mut self.shape)
            }
            Kernel::Statistics => {
                let (units, out) = (&self.units.1, &mut self.statistics);
                statistics::launch(stream, units, &self.windows, out)
            }
            Kernel::Exposure => {
                let area = Area::whole(&self.frame);
                exposure::launch(stream, &self.frame, &area, &mut self.exposure)
            }
            Kernel::Resample => self.sound.resample(stream),
            Kernel::Correlate => self.sound.correlate(stream),
            Kernel::Spectrum => self.sound.spectrum(stream),
            Kernel::Pulse => self.sound.pulse(stream),
        }?;
        Ok(())
    }

    /// The same by the reference; where it has none of its own, the device's version, which is it on `cpu`.
    pub(crate) fn reference(&mut self, kernel: Kernel) -> Result<()> {
        let frame = &self.host_frame;
        match kernel {
            Kernel::Crop => drop(black_box(crop::reference::crop(frame, &self.crops[0])?)),
            Kernel::CropFive | Kernel::Cameras => {
                for params in &self.crops {
                    drop(black_box(crop::reference::crop(frame, params)?));
                }
            }
            Kernel::Tensor => drop(black_box(tensor::reference::letterbox(frame, &LETTERBOX)?)),
            Kernel::Detect => {
                let params = DetectParams::default();
                let (regressors, scores) = (&self.regressors.0, &self.scores.0);
                drop(black_box(detect::reference::detect(
                    regressors, scores, &params,
                )));
            }
            Kernel::Project => {
                for index in 0..LANDMARK_COUNT {
                    let (parts, subsets) = (&self.parts, &self.subsets.0);
                    let point = project::reference::landmark(parts, subsets, &self.region, index);
                    black_box(point);
                }
            }
            Kernel::Au12 => {
                for face in self.landmarks.0.chunks_exact(LANDMARK_COUNT) {
                    let points = au12::POINTS.map(|index| face[index].map(f64::from));
                    let _ = black_box(au12::reference::raw_ratio(&points));
                }
            }
            Kernel::Shape => {
                let faces = self.landmarks.0.chunks_exact(LANDMARK_COUNT);
                for (face, turn) in faces.zip(&self.turns.0) {
                    let _ = black_box(action_units::reference::shape(face, turn));
                }
            }
            Kernel::Statistics => {
                for row in self.units.0.chunks_exact(WINDOW_FRAMES) {
                    black_box(statistics::reference::summarise(row));
                }
            }
            Kernel::Exposure => {
                let area = Area::whole(frame);
                black_box(exposure::reference::measure(frame, &area)?);
            }
            Kernel::Resample => self.sound.resample_by_reference(),
            Kernel::Spectrum => self.sound.spectrum_by_reference(),
            Kernel::Pulse => self.sound.pulse_by_reference(),
            Kernel::Pose | Kernel::Correlate => self.launch(kernel)?,
        }
        Ok(())
    }
}

/// Where each window's scores lie.
fn windows() -> Vec<statistics::Row> {
    let row = |window: usize| statistics::Row {
        first: (window * WINDOW_FRAMES) as u32,
        count: WINDOW_FRAMES as u32,
    };
    (0..WINDOWS).map(row).collect()
}

/// What the mesh network might say.
fn mesh_parts(numbers: &mut impl FnMut(usize, f32) -> Vec<f32>) -> Parts {
    let mut pairs = |count: usize| -> Vec<[f32; 2]> {
        let values = numbers(2 * count, 192.0);
        values.chunks_exact(2).map(|p| [p[0], p[1]]).collect()
    };
    let (refined, irises) = (pairs(LIP_COUNT + 2 * EYE_COUNT), pairs(2 * IRIS_COUNT));
    let mesh = numbers(3 * MESH_COUNT, 192.0);
    Parts {
        mesh: mesh.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect(),
        refined,
        irises,
    }
}

/// The same on a device, in the order of [`MeshOutputs`].
fn mesh_buffers(parts: &Parts, on: impl Fn(&[u8], &str) -> Result<Buffer>) -> Result<[Buffer; 6]> {
    let (lips, eyes) = parts.refined.split_at(LIP_COUNT);
    let (left_eye, right_eye) = eyes.split_at(EYE_COUNT);
    let (left_iris, right_iris) = parts.irises.split_at(IRIS_COUNT);
    Ok([
        on(bytemuck::cast_slice(&parts.mesh), "mesh")?,
        on(bytemuck::cast_slice(lips), "lips")?,
        on(bytemuck::cast_slice(left_eye), "left eye")?,
        on(bytemuck::cast_slice(right_eye), "right eye")?,
        on(bytemuck::cast_slice(left_iris), "left iris")?,
        on(bytemuck::cast_slice(right_iris), "right iris")?,
    ])
}

/// Faces of noise, eyes apart.
fn faces(numbers: &mut impl FnMut(usize, f32) -> Vec<f32>) -> Vec<[f32; 3]> {
    let values = numbers(3 * FACES * LANDMARK_COUNT, 100.0);
    let mut points: Vec<[f32; 3]> = values.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect();
    for face in points.chunks_exact_mut(LANDMARK_COUNT) {
        for (index, x) in [(33, 100.0), (133, 130.0), (362, 170.0), (263, 200.0)] {
            face[index] = [x, 100.0, 0.0];
        }
    }
    points
}

/// A frame of each camera.
fn pictures(device: &dyn Device, stream: &Stream) -> Result<Vec<Frame>> {
    (0..REGIONS).map(|_| picture(device, stream)).collect()
}

/// A textured 1080p frame.
fn picture(device: &dyn Device, stream: &Stream) -> Result<Frame> {
    let layout = FrameLayout::tight(PixelFormat::Nv12, SIZE[0], SIZE[1])?;
    let bytes: Vec<u8> = (0..layout.bytes())
        .map(|at| (at * 37 % 251 + at / 97 % 5) as u8)
        .collect();
    let mut slot = FramePool::new(device, 1, bytes.len())?
        .acquire()
        .context("no slot")?;
    slot.buffer_mut().upload(stream, 0, &bytes)?;
    Ok(Frame::new(slot, FrameMeta::still(layout))?)
}

fn generator(seed: u32) -> impl FnMut() -> f32 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    }
}
