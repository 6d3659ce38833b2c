//! The two networks of a face, their buffers, and the kernels before and after them. Everything on one stream.

use std::slice::from_mut;

use lsie_device::{Buffer, Device, DeviceKind, Frame, Read, Recorded, Stream};
use lsie_infer::{Network, TensorInfo, landmark_indices};
use lsie_kernels::action_units::{self, Shape};
use lsie_kernels::au12::{self, Absent, Au12};
use lsie_kernels::crop::{self, Border, CropParams, Sampling, TensorOrder, ValueRange};
use lsie_kernels::crops::{self, FrameCrop};
use lsie_kernels::detect::{
    self, ANCHOR_COUNT, DetectParams, Detection, MAX_FACES, REGRESSORS_PER_ANCHOR,
};
use lsie_kernels::exposure::{self, Area, Exposure};
use lsie_kernels::pose::{self, Pose};
use lsie_kernels::project::{
    self, EYE_COUNT, IRIS_COUNT, LANDMARK_COUNT, LIP_COUNT, MESH_COUNT, MeshOutputs, MeshSubsets,
};
use lsie_kernels::region::Region;
use lsie_kernels::tensor::{self, TensorParams};

use crate::error::AnalysisError;

const DETECTOR: &str = "face_detector";
const MESH: &str = "face_mesh";
pub(super) const DETECTOR_OUTPUTS: [(&str, usize); 2] = [
    ("regressors", ANCHOR_COUNT * REGRESSORS_PER_ANCHOR),
    ("classificators", ANCHOR_COUNT),
];
/// The irises stand last: the network that leaves them out (`face_shape`) has the others.
pub(super) const MESH_OUTPUTS: [(&str, usize); 7] = [
    ("output_mesh_identity", MESH_COUNT * 3),
    ("output_lips", LIP_COUNT * 2),
    ("output_left_eye", EYE_COUNT * 2),
    ("output_right_eye", EYE_COUNT * 2),
    ("conv_faceflag", 1),
    ("output_left_iris", IRIS_COUNT * 2),
    ("output_right_iris", IRIS_COUNT * 2),
];
const IRIS_OUTPUTS: usize = 2;
/// Corners of the eye of each iris.
const EYE_CORNERS: [[usize; 2]; 2] = [[33, 133], [362, 263]];

/// What the mesh network and the kernels behind it say about one region of one frame. The landmarks are read separately.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct MeshReading {
    /// Probability that there is a face, 0 to 1; NaN when the network says nothing sensible.
    pub(super) confidence: f32,
    /// Mouth width over eye distance (math 4.3), or why there is none.
    pub(super) ratio: Result<f32, Absent>,
    /// Head rotation.
    pub(super) pose: Pose,
    /// Brows, lids, lips and jaw, or why there are none.
    pub(super) shape: Result<Shape, Absent>,
}

/// A network with buffers for all its tensors. `N` outputs, in the network's order; those that it does not have stand last and
/// stay zero.
struct Bound<const N: usize> {
    network: Box<dyn Network>,
    input: Buffer,
    outputs: [Buffer; N],
    /// How many of `outputs` the network writes.
    written: usize,
    /// Position in `outputs` of each tensor that is asked for by name.
    positions: [usize; N],
    order: TensorOrder,
    side_px: u32,
}

/// Detector and attention mesh on one device. Allocates when made, not per frame.
pub struct FaceNetworks {
    stream: Stream,
    detector: Bound<2>,
    mesh: Bound<7>,
    subsets: Buffer,
    detections: Buffer,
    landmarks: Buffer,
    geometry: Geometry,
    exposure: Buffer,
    /// Crops of places at which the mesh may look; `None` on the processor, which gains nothing by cropping ahead.
    ahead: Option<Ahead>,
    params: DetectParams,
}

/// What is measured on the landmarks of one face, by launches that are the same for every frame: where the device records, they
/// are recorded at the second frame, when their kernels are compiled, and from then on queued in one call.
struct Geometry {
    au12: Buffer,
    pose: Buffer,
    shape: Buffer,
    chain: Chain,
}

/// How the launches are queued.
enum Chain {
    /// One by one: they were never run.
    Fresh,
    /// Recorded at the next frame: they were run once.
    Compiled,
    /// By playing what was recorded. The buffers it names are in [`Geometry`] and in [`FaceNetworks`] and stay.
    Recorded(Recorded),
    /// One by one, because the device does not record, or refused to.
    Single,
}

/// Inputs of the mesh network for several places of one frame, cropped in one launch.
struct Ahead {
    tensors: Buffer,
    /// What lies in `tensors`, in order.
    regions: Vec<Region>,
    /// Number of the frame.
    seq: u64,
}

impl FaceNetworks {
    /// Takes two networks of the manifest, `face_detector` and either `face_mesh` or `face_shape`, and allocates their buffers.
    /// With `face_shape` there are no irises: their ten points lie between the corners of their eye, all else is the same.
    pub fn new(
        device: &dyn Device,
        detector: Box<dyn Network>,
        mesh: Box<dyn Network>,
    ) -> Result<Self, AnalysisError> {
        Self::on(device, device.stream("face")?, detector, mesh)
    }

    /// As [`FaceNetworks::new`], on a stream of the device that the networks were opened for.
    pub fn on(
        device: &dyn Device,
        stream: Stream,
        detector: Box<dyn Network>,
        mesh: Box<dyn Network>,
    ) -> Result<Self, AnalysisError> {
        let subsets = mesh_subsets(mesh.as_ref())?.upload(device, &stream)?;
        Ok(FaceNetworks {
            detector: Bound::new(
                device,
                DETECTOR,
                detector,
                detect::INPUT_SIDE_PX,
                &DETECTOR_OUTPUTS,
                0,
            )?,
            mesh: Bound::new(
                device,
                MESH,
                mesh,
                project::INPUT_SIDE_PX,
                &MESH_OUTPUTS,
                IRIS_OUTPUTS,
            )?,
            subsets,
            detections: device.alloc(detect::OUTPUT_BYTES, "detections")?,
            landmarks: device.alloc(project::OUTPUT_BYTES, "landmarks")?,
            geometry: Geometry {
                au12: device.alloc(size_of::<Au12>(), "au12")?,
                pose: device.alloc(size_of::<Pose>(), "pose")?,
                shape: device.alloc(size_of::<Shape>(), "shape")?,
                chain: if stream.can_record() {
                    Chain::Fresh
                } else {
                    Chain::Single
                },
            },
            exposure: device.alloc(size_of::<Exposure>(), "exposure")?,
            ahead: (device.info().kind != DeviceKind::Cpu)
                .then(|| Ahead::new(device))
                .transpose()?,
            params: DetectParams::default(),
            stream,
        })
    }

    /// Finds the faces of a whole frame, best first; entries without score are unused. Coordinates are fractions of the
    /// frame's letterbox.
    pub(super) fn detect(
        &mut self,
        frame: &Frame,
    ) -> Result<[Detection; MAX_FACES], AnalysisError> {
        self.detector
            .run_whole(&self.stream, frame, ValueRange::Symmetric)?;
        let [regressors, scores] = self.detector.named(DETECTOR, &DETECTOR_OUTPUTS)?;
        detect::launch(
            &self.stream,
            regressors,
            scores,
            &self.params,
            &mut self.detections,
        )?;
        Ok(detect::read(&self.stream, &self.detections)?)
    }

    /// Light and sharpness of a part of a frame: 32 bytes to the host.
    pub(super) fn exposure(
        &mut self,
        frame: &Frame,
        area: &Area,
    ) -> Result<Exposure, AnalysisError> {
        exposure::launch(&self.stream, frame, area, &mut self.exposure)?;
        Ok(exposure::read(&self.stream, &self.exposure)?)
    }

    /// Crops every place at which the mesh may look in this frame, in one launch: what is asked for next costs a copy on the device.
    pub(super) fn crop_ahead(
        &mut self,
        frame: &Frame,
        regions: impl Iterator<Item = Region>,
    ) -> Result<(), AnalysisError> {
        let Some(ahead) = &mut self.ahead else {
            return Ok(());
        };
        ahead.regions.clear();
        ahead.regions.extend(regions.take(MAX_FACES));
        if ahead.regions.len() < 2 {
            ahead.regions.clear();
            return Ok(());
        }
        let mesh = &self.mesh;
        let entries = ahead.regions.iter().map(|region| FrameCrop {
            frame,
            params: mesh.crop_of(region, ValueRange::Unit, Border::Replicate),
        });
        let entries: Vec<_> = entries.collect();
        ahead.seq = frame.seq();
        Ok(crops::launch(&self.stream, &entries, &mut ahead.tensors)?)
    }

    /// Finds the landmarks of the face in a region. They lie in frame pixels in `landmarks` afterwards, on the host: with
    /// what else is read, 5.9 KiB and one wait.
    pub(super) fn measure(
        &mut self,
        frame: &Frame,
        region: &Region,
        landmarks: &mut [[f32; 3]; LANDMARK_COUNT],
    ) -> Result<MeshReading, AnalysisError> {
        let stream = &self.stream;
        match self
            .ahead
            .as_ref()
            .and_then(|ahead| ahead.place_of(frame, region))
        {
            Some((tensors, first)) => self.mesh.run_cropped(stream, tensors, first)?,
            None => self
                .mesh
                .run(stream, frame, region, ValueRange::Unit, Border::Replicate)?,
        }
        let [mesh, lips, left_eye, right_eye, flag, left_iris, right_iris] =
            self.mesh.named(MESH, &MESH_OUTPUTS)?;
        let outputs = MeshOutputs {
            mesh,
            lips,
            left_eye,
            right_eye,
            left_iris,
            right_iris,
            subsets: &self.subsets,
        };
        project::launch(stream, &outputs, region, &mut self.landmarks)?;
        self.geometry.queue(stream, &self.landmarks)?;

        let (mut logit, mut au12, mut pose) = (0.0_f32, Au12::default(), Pose::default());
        let mut shape = Shape::default();
        stream.read(&mut [
            Read::of(flag, from_mut(&mut logit)),
            Read::of(&self.geometry.au12, from_mut(&mut au12)),
            Read::of(&self.geometry.pose, from_mut(&mut pose)),
            Read::of(&self.geometry.shape, from_mut(&mut shape)),
            Read::of(&self.landmarks, landmarks),
        ])?;
        if self.mesh.written < MESH_OUTPUTS.len() {
            fill_irises(landmarks);
        }
        Ok(MeshReading {
            confidence: 1.0 / (1.0 + (-logit).exp()),
            ratio: au12.ratio(),
            pose,
            shape: shape.checked(),
        })
    }
}

impl Geometry {
    fn queue(&mut self, stream: &Stream, landmarks: &Buffer) -> Result<(), AnalysisError> {
        if matches!(self.chain, Chain::Compiled) {
            self.chain = match stream.record(|stream| self.launch(stream, landmarks)) {
                Ok(recorded) => Chain::Recorded(recorded),
                Err(error) => {
                    tracing::warn!(%error, "the face's kernels could not be recorded and are launched one by one");
                    Chain::Single
                }
            };
        }
        if let Chain::Recorded(recorded) = &self.chain {
            return Ok(stream.replay(recorded)?);
        }
        self.launch(stream, landmarks)?;
        if matches!(self.chain, Chain::Fresh) {
            self.chain = Chain::Compiled;
        }
        Ok(())
    }

    fn launch(&mut self, stream: &Stream, landmarks: &Buffer) -> Result<(), AnalysisError> {
        au12::launch(stream, landmarks, 1, &mut self.au12)?;
        pose::launch(stream, landmarks, 1, &mut self.pose)?;
        action_units::launch(stream, landmarks, &self.pose, 1, &mut self.shape)?;
        Ok(())
    }
}

impl Ahead {
    /// Bytes of one input of the mesh network.
    const INPUT_BYTES: usize = 12 * (project::INPUT_SIDE_PX * project::INPUT_SIDE_PX) as usize;

    fn new(device: &dyn Device) -> Result<Self, AnalysisError> {
        Ok(Ahead {
            tensors: device.alloc(MAX_FACES * Self::INPUT_BYTES, "crops ahead")?,
            regions: Vec::with_capacity(MAX_FACES),
            seq: 0,
        })
    }

    /// Where the crop of this region of this frame begins, if there is one.
    fn place_of(&self, frame: &Frame, region: &Region) -> Option<(&Buffer, usize)> {
        let mut regions = self.regions.iter().filter(|_| frame.seq() == self.seq);
        let place = regions.position(|known| known == region)?;
        Some((&self.tensors, place * Self::INPUT_BYTES))
    }
}

impl<const N: usize> Bound<N> {
    fn new(
        device: &dyn Device,
        model: &'static str,
        network: Box<dyn Network>,
        side_px: u32,
        wanted: &[(&'static str, usize); N],
        optional: usize,
    ) -> Result<Self, AnalysisError> {
        let side = side_px as usize;
        let wrong_input = AnalysisError::WrongModel {
            model,
            tensor: "input",
            elements: 3 * side * side,
        };
        let order = match network.inputs() {
            [input] if input.shape == [1, 3, side, side] => TensorOrder::Nchw,
            [input] if input.shape == [1, side, side, 3] => TensorOrder::Nhwc,
            _ => return Err(wrong_input),
        };
        let mut outputs = Vec::with_capacity(N);
        for info in network.outputs() {
            outputs.push(device.alloc(info.len_bytes(), &info.name)?);
        }
        let written = outputs.len();
        let mut positions = [0; N];
        for (number, ((tensor, elements), position)) in
            wanted.iter().zip(&mut positions).enumerate()
        {
            let is_it = |info: &TensorInfo| info.name == *tensor && info.elements() == *elements;
            *position = match network.outputs().iter().position(is_it) {
                Some(position) => position,
                None if number + optional >= N => {
                    outputs.push(device.alloc(elements * size_of::<f32>(), tensor)?);
                    outputs.len() - 1
                }
                None => {
                    return Err(AnalysisError::WrongModel {
                        model,
                        tensor,
                        elements: *elements,
                    });
                }
            };
        }
        let outputs = <[Buffer; N]>::try_from(outputs).map_err(|_| AnalysisError::WrongModel {
            model,
            tensor: "outputs",
            elements: N,
        })?;
        let input = device.alloc(3 * side * side * size_of::<f32>(), model)?;
        Ok(Bound {
            network,
            input,
            outputs,
            written,
            positions,
            order,
            side_px,
        })
    }

    /// Crops the frame into the input and runs the network.
    fn run(
        &mut self,
        stream: &Stream,
        frame: &Frame,
        region: &Region,
        range: ValueRange,
        border: Border,
    ) -> Result<(), AnalysisError> {
        let params = self.crop_of(region, range, border);
        crop::launch(stream, frame, &[params], &mut self.input)?;
        self.infer(stream)
    }

    /// Takes an input that was cropped before, at byte `first` of `tensors`, and runs the network.
    fn run_cropped(
        &mut self,
        stream: &Stream,
        tensors: &Buffer,
        first: usize,
    ) -> Result<(), AnalysisError> {
        let bytes = self.input.len_bytes();
        self.input.copy_from(stream, tensors, first, bytes)?;
        self.infer(stream)
    }

    fn crop_of(&self, region: &Region, range: ValueRange, border: Border) -> CropParams {
        let side = [self.side_px; 2];
        CropParams::new(region, side, range, border, self.order).with_sampling(Sampling::Codes)
    }

    /// Puts the whole frame into the input, letterboxed, and runs the network.
    fn run_whole(
        &mut self,
        stream: &Stream,
        frame: &Frame,
        range: ValueRange,
    ) -> Result<(), AnalysisError> {
        if self.order == TensorOrder::Nhwc {
            let region = Region::letterbox(frame.width(), frame.height());
            return self.run(stream, frame, &region, range, Border::Black);
        }
        let params = TensorParams {
            side_px: self.side_px,
            range,
            sampling: Sampling::Codes,
        };
        tensor::launch(stream, frame, &params, &mut self.input)?;
        self.infer(stream)
    }

    fn infer(&mut self, stream: &Stream) -> Result<(), AnalysisError> {
        let mut outputs = self.outputs.each_mut();
        let outputs = outputs.get_mut(..self.written).unwrap_or_default();
        self.network.run(stream, &[&self.input], outputs)?;
        Ok(())
    }

    /// The outputs in the order in which they were asked for.
    fn named(
        &self,
        model: &'static str,
        wanted: &[(&'static str, usize); N],
    ) -> Result<[&Buffer; N], AnalysisError> {
        let mut named = self.outputs.each_ref();
        for ((slot, position), (tensor, elements)) in
            named.iter_mut().zip(self.positions).zip(wanted)
        {
            *slot = self
                .outputs
                .get(position)
                .ok_or(AnalysisError::WrongModel {
                    model,
                    tensor,
                    elements: *elements,
                })?;
        }
        Ok(named)
    }
}

/// Puts the points of each iris between the corners of its eye.
fn fill_irises(landmarks: &mut [[f32; 3]; LANDMARK_COUNT]) {
    let eyes = EYE_CORNERS.map(|[from, to]| {
        let (from, to) = (landmarks[from], landmarks[to]);
        [0, 1, 2].map(|axis| f32::midpoint(from[axis], to[axis]))
    });
    let (_, irises) = landmarks.split_at_mut(MESH_COUNT);
    for (iris, eye) in irises.chunks_exact_mut(IRIS_COUNT).zip(eyes) {
        iris.fill(eye);
    }
}

/// Which mesh points the model's refined outputs replace.
fn mesh_subsets(mesh: &dyn Network) -> Result<MeshSubsets, AnalysisError> {
    let indices = landmark_indices(mesh);
    let list = |output: &str| -> Vec<u32> {
        let indices = indices.get(output).map(Vec::as_slice).unwrap_or_default();
        indices
            .iter()
            .map(|index| u32::try_from(*index).unwrap_or(u32::MAX))
            .collect()
    };
    MeshSubsets::new(
        &list("output_lips"),
        &list("output_left_eye"),
        &list("output_right_eye"),
    )
    .ok_or(AnalysisError::WrongModel {
        model: MESH,
        tensor: "landmark indices",
        elements: LIP_COUNT + 2 * EYE_COUNT,
    })
}
