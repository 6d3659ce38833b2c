//! Every kernel with buffers of the size that sessions use, on one device, and its reference on the same numbers.

use std::hint::black_box;

use anyhow::{Context as _, Result};
use lsie_device::{
    Buffer, CpuDevice, Device, Frame, FrameLayout, FrameMeta, FramePool, PixelFormat, Stream,
};
use lsie_kernels::KernelError;
use lsie_kernels::action_units::{self, Shape};
use lsie_kernels::au12::{self, Au12};
use lsie_kernels::correlate;
use lsie_kernels::crop::{self, Border, CropParams, Sampling, TensorOrder, ValueRange};
use lsie_kernels::crops::{self, FrameCrop};
use lsie_kernels::detect::{self, ANCHOR_COUNT, DetectParams, REGRESSORS_PER_ANCHOR};
use lsie_kernels::exposure::{self, Area, Exposure};
use lsie_kernels::pose::{self, Pose};
use lsie_kernels::project::reference::Parts;
use lsie_kernels::project::{
    self, EYE_COUNT, IRIS_COUNT, LANDMARK_COUNT, LIP_COUNT, MESH_COUNT, MeshOutputs, MeshSubsets,
};
use lsie_kernels::pulse;
use lsie_kernels::region::Region;
use lsie_kernels::resample::{self, Filter, Row};
use lsie_kernels::tensor::{self, TensorParams};

/// Faces of a batch.
const FACES: usize = 64;
/// Regions of a batch of crops.
const REGIONS: usize = 5;
/// Streams of a batch of sound, and the 16 kHz samples of each: 20 ms.
const VOICES: usize = resample::MAX_ROWS;
const VOICE_SAMPLES: usize = 320;
/// Samples of a stretch around a pulse, and its shifts: a voice of 130 Hz.
const PERIOD: u32 = 124;
const SHIFTS: u32 = 57;
/// Samples between two frames of pitch.
const FRAME_STEP: usize = 160;
const SIZE: [u32; 2] = [1920, 1080];
const LETTERBOX: TensorParams = TensorParams {
    side_px: detect::INPUT_SIDE_PX,
    range: ValueRange::Symmetric,
    sampling: Sampling::Codes,
};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kernel {
    Crop,
    CropFive,
    Cameras,
    Tensor,
    Detect,
    Project,
    Au12,
    Pose,
    Shape,
    Exposure,
    Resample,
    Correlate,
    Pulse,
}

impl Kernel {
    pub(crate) const ALL: [Kernel; 13] = [
        Kernel::Crop,
        Kernel::CropFive,
        Kernel::Cameras,
        Kernel::Tensor,
        Kernel::Detect,
        Kernel::Project,
        Kernel::Au12,
        Kernel::Pose,
        Kernel::Shape,
        Kernel::Exposure,
        Kernel::Resample,
        Kernel::Correlate,
        Kernel::Pulse,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Kernel::Crop => "crop 192x192 of 1080p",
            Kernel::CropFive => "crop 5 x 192x192 of 1080p",
            Kernel::Cameras => "five cameras, one launch: crop 192x192 of 1080p",
            Kernel::Tensor => "letterbox 128x128 of 1080p",
            Kernel::Detect => "detector decode and NMS",
            Kernel::Project => "landmark projection",
            Kernel::Au12 => "AU12 ratio, 64 faces",
            Kernel::Pose => "head pose, 64 faces",
            Kernel::Shape => "AU geometry, 64 faces",
            Kernel::Exposure => "exposure of 1080p",
            Kernel::Resample => "48 to 16 kHz, 32 streams of 20 ms",
            Kernel::Correlate => "pitch correlation, 64 frames",
            Kernel::Pulse => "pulse correlation, 64 stretches",
        }
    }

    /// Whether there is a reference besides the version of the `cpu` device.
    pub(crate) const fn has_own_reference(self) -> bool {
        !matches!(self, Kernel::Pose | Kernel::Correlate)
    }

    /// Bytes that must be moved once.
    pub(crate) const fn bytes(self) -> f64 {
        let side = project::INPUT_SIDE_PX as f64;
        let input = detect::INPUT_SIDE_PX as f64;
        let points = FACES as f64 * 12.0;
        match self {
            Kernel::Crop => 24.0 * side * side,
            Kernel::CropFive | Kernel::Cameras => REGIONS as f64 * 24.0 * side * side,
            Kernel::Tensor => 24.0 * input * input,
            Kernel::Detect => 4.0 * (ANCHOR_COUNT * (REGRESSORS_PER_ANCHOR + 1)) as f64 + 1088.0,
            Kernel::Project => {
                4.0 * (3 * MESH_COUNT + 2 * LIP_COUNT + 5 * EYE_COUNT) as f64 + 5736.0
            }
            Kernel::Au12 => points * 6.0 + FACES as f64 * 8.0,
            Kernel::Pose => points * 11.0 + FACES as f64 * 16.0,
            Kernel::Shape => points * 34.0 + FACES as f64 * 72.0,
            Kernel::Exposure => 5.0 * 256.0 * 144.0 + 32.0,
            Kernel::Pulse => {
                let touched = PERIOD as usize + PERIOD as usize + SHIFTS as usize - 1;
                (pulse::MAX_ROWS * (2 * touched + 8 * SHIFTS as usize)) as f64
            }
            // 303 samples before a block belong to its first window.
            Kernel::Resample => 4.0 * (VOICES * (4 * VOICE_SAMPLES + 303) + 304) as f64,
            Kernel::Correlate => {
                let (frames, tables) = (correlate::MAX_FRAMES, correlate::WINDOW + correlate::LAGS);
                let samples = correlate::WINDOW + (frames - 1) * FRAME_STEP;
                4.0 * (samples + tables + frames * correlate::ROW) as f64
            }
        }
    }

    /// Arithmetic operations, by the formula.
    pub(crate) const fn operations(self) -> f64 {
        let side = project::INPUT_SIDE_PX as f64;
        let input = detect::INPUT_SIDE_PX as f64;
        let faces = FACES as f64;
        match self {
            Kernel::Crop => 80.0 * side * side,
            Kernel::CropFive | Kernel::Cameras => REGIONS as f64 * 80.0 * side * side,
            Kernel::Tensor => 76.0 * input * input,
            Kernel::Detect => 40.0 * ANCHOR_COUNT as f64,
            Kernel::Project => 14.0 * LANDMARK_COUNT as f64,
            Kernel::Au12 => 40.0 * faces,
            Kernel::Pose => 2600.0 * faces,
            Kernel::Shape => 500.0 * faces,
            Kernel::Exposure => 18.0 * 256.0 * 144.0,
            Kernel::Resample => 2.0 * 304.0 * (VOICES * VOICE_SAMPLES) as f64,
            Kernel::Pulse => 2.0 * (PERIOD * SHIFTS) as f64 * pulse::MAX_ROWS as f64,
            Kernel::Correlate => 305_000.0 * correlate::MAX_FRAMES as f64,
        }
    }
}

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
    exposure: Buffer,
    sound: Sound,
}

/// Arguments of the kernels of sound.
struct Sound {
    filter: Filter,
    samples: (Vec<f64>, Buffer),
    filter_table: Buffer,
    rows: Vec<Row>,
    resampled: Buffer,
    pitch_tables: Buffer,
    frames: Vec<u32>,
    correlations: Buffer,
    whole: (Vec<i16>, Buffer),
    stretches: Vec<pulse::Row>,
    products: Buffer,
}

impl Sound {
    fn new(
        device: &dyn Device,
        stream: &Stream,
        numbers: &mut impl FnMut(usize, f32) -> Vec<f32>,
    ) -> Result<Self> {
        let filter = Filter::new(48_000)?;
        let span = resample::Shape::of(&filter).span(0, VOICE_SAMPLES as u32);
        let samples = numbers(VOICES * span, 1.0);
        let mut buffer = device.alloc(size_of_val(samples.as_slice()), "samples")?;
        buffer.upload(stream, 0, bytemuck::cast_slice(&samples))?;
        let rows = (0..VOICES).map(|voice| Row {
            first: (voice * span) as u32,
            phase: 0,
            count: VOICE_SAMPLES as u32,
            out: (voice * VOICE_SAMPLES) as u32,
        });
        let frames = (0..correlate::MAX_FRAMES).map(|frame| (frame * FRAME_STEP) as u32);
        let whole: Vec<i16> = samples.iter().map(|x| (x * 20_000.0) as i16).collect();
        let mut whole_there = device.alloc(2 * whole.len(), "whole samples")?;
        whole_there.upload(stream, 0, bytemuck::cast_slice(&whole))?;
        let stretches = (0..pulse::MAX_ROWS as u32).map(|number| pulse::Row {
            first: 150 * number,
            length: PERIOD,
            from: 150 * number + PERIOD * 4 / 5,
            shifts: SHIFTS,
        });
        let rows_bytes = 4 * correlate::MAX_FRAMES * correlate::ROW;
        Ok(Sound {
            samples: (samples.iter().map(|x| f64::from(*x)).collect(), buffer),
            filter_table: resample::upload_table(device, stream, &filter)?,
            filter,
            rows: rows.collect(),
            resampled: device.alloc(4 * VOICES * VOICE_SAMPLES, "resampled")?,
            pitch_tables: correlate::upload_tables(device, stream)?,
            frames: frames.collect(),
            whole: (whole, whole_there),
            stretches: stretches.collect(),
            products: device.alloc(8 * pulse::MAX_ROWS * pulse::MAX_SHIFTS, "products")?,
            correlations: device.alloc(rows_bytes, "correlations")?,
        })
    }

    fn resample(&mut self, stream: &Stream) -> Result<(), KernelError> {
        let shape = resample::Shape::of(&self.filter);
        let (samples, table) = (&self.samples.1, &self.filter_table);
        resample::launch(
            stream,
            samples,
            table,
            shape,
            &self.rows,
            &mut self.resampled,
        )
    }

    fn resample_by_reference(&self) {
        for row in &self.rows {
            for number in 0..VOICE_SAMPLES {
                let window = [row.first as usize, row.phase as usize];
                let samples = &self.samples.0;
                black_box(resample::reference::output(
                    samples,
                    &self.filter,
                    window,
                    number,
                ));
            }
        }
    }

    fn pulse(&mut self, stream: &Stream) -> Result<(), KernelError> {
        pulse::launch(stream, &self.whole.1, &self.stretches, &mut self.products)
    }

    fn pulse_by_reference(&self) {
        for row in &self.stretches {
            for from in row.from..row.from + row.shifts {
                let (first, length) = (row.first as usize, row.length as usize);
                black_box(pulse::reference::product(
                    &self.whole.0,
                    first,
                    from as usize,
                    length,
                ));
            }
        }
    }

    fn correlate(&mut self, stream: &Stream) -> Result<(), KernelError> {
        let (samples, tables) = (&self.samples.1, &self.pitch_tables);
        correlate::launch(
            stream,
            samples,
            tables,
            &self.frames,
            &mut self.correlations,
        )
    }
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
            Kernel::Exposure => {
                let area = Area::whole(&self.frame);
                exposure::launch(stream, &self.frame, &area, &mut self.exposure)
            }
            Kernel::Resample => self.sound.resample(stream),
            Kernel::Correlate => self.sound.correlate(stream),
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
            Kernel::Exposure => {
                let area = Area::whole(frame);
                black_box(exposure::reference::measure(frame, &area)?);
            }
            Kernel::Resample => self.sound.resample_by_reference(),
            Kernel::Pulse => self.sound.pulse_by_reference(),
            Kernel::Pose | Kernel::Correlate => self.launch(kernel)?,
        }
        Ok(())
    }
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
