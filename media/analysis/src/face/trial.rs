//! The frame chain without its networks: what a device is tried with before it is chosen.

use lsie_device::{Buffer, Device, Frame, FrameLayout, FrameMeta, FramePool, PixelFormat, Stream};
use lsie_infer::{InferError, Network, TensorInfo, ThroughHost};
use lsie_kernels::project::{EYE_COUNT, LANDMARK_COUNT, LIP_COUNT};
use lsie_kernels::region::Region;

use super::networks::{DETECTOR_OUTPUTS, FaceNetworks, MESH_OUTPUTS};
use crate::error::AnalysisError;

/// The frame of the trial: a phone's picture.
const SIZE: [u32; 2] = [1280, 720];

/// One frame after the other through upload, crop, the copies that a network would need, projection and geometry.
pub struct FaceTrial {
    networks: FaceNetworks,
    pool: FramePool,
    layout: FrameLayout,
    stream: Stream,
    pixels: Vec<u8>,
    landmarks: Box<[[f32; 3]; LANDMARK_COUNT]>,
}

impl FaceTrial {
    /// Allocates everything.
    pub fn new(device: &dyn Device) -> Result<Self, AnalysisError> {
        let [width, height] = SIZE;
        let layout = FrameLayout::tight(PixelFormat::Nv12, width, height)?;
        let network = |network| ThroughHost::unless_host(Box::new(network), device);
        Ok(FaceTrial {
            networks: FaceNetworks::new(
                device,
                network(Still::detector())?,
                network(Still::mesh())?,
            )?,
            pool: FramePool::new(device, 2, layout.bytes())?,
            stream: device.stream("trial")?,
            pixels: vec![100; layout.bytes()],
            landmarks: Box::new([[0.0; 3]; LANDMARK_COUNT]),
            layout,
        })
    }

    /// Sends one frame through and waits for its result.
    pub fn run(&mut self) -> Result<(), AnalysisError> {
        let Some(mut slot) = self.pool.acquire() else {
            return Ok(());
        };
        slot.buffer_mut().upload(&self.stream, 0, &self.pixels)?;
        let frame = Frame::new(slot, FrameMeta::still(self.layout))?;
        let [width, height] = SIZE.map(|side| side as f32);
        let region = Region {
            center: [width / 2.0, height / 2.0],
            size: [height / 2.0; 2],
            rotation_rad: 0.1,
        };
        self.networks
            .measure(&frame, &region, &mut self.landmarks)?;
        Ok(())
    }
}

/// A network that writes nothing and takes no time.
struct Still {
    inputs: [TensorInfo; 1],
    outputs: Vec<TensorInfo>,
    indices: String,
}

impl Still {
    fn new(side: usize, outputs: &[(&str, usize)], indices: String) -> Self {
        let info = |name: &str, shape: Vec<usize>| TensorInfo {
            name: name.to_owned(),
            shape,
        };
        Still {
            inputs: [info("input", vec![1, 3, side, side])],
            outputs: outputs
                .iter()
                .map(|(name, elements)| info(name, vec![1, *elements]))
                .collect(),
            indices,
        }
    }

    fn detector() -> Self {
        Still::new(128, &DETECTOR_OUTPUTS, String::new())
    }

    fn mesh() -> Self {
        let list = |count: usize| {
            let numbers: Vec<String> = (0..count).map(|number| number.to_string()).collect();
            numbers.join(",")
        };
        let indices = format!(
            r#"{{"output_lips":[{}],"output_left_eye":[{}],"output_right_eye":[{}]}}"#,
            list(LIP_COUNT),
            list(EYE_COUNT),
            list(EYE_COUNT)
        );
        Still::new(192, &MESH_OUTPUTS, indices)
    }
}

impl Network for Still {
    fn inputs(&self) -> &[TensorInfo] {
        &self.inputs
    }

    fn outputs(&self) -> &[TensorInfo] {
        &self.outputs
    }

    fn metadata(&self, _: &str) -> Option<String> {
        Some(self.indices.clone())
    }

    fn run(&mut self, _: &Stream, _: &[&Buffer], _: &mut [&mut Buffer]) -> Result<(), InferError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use lsie_device::CpuDevice;

    use super::*;

    #[test]
    fn a_frame_passes_every_kernel_of_the_chain() {
        let device = CpuDevice::new();
        let mut trial = FaceTrial::new(&device).unwrap();
        trial.run().unwrap();
        trial.run().unwrap();
        let launches = device.launches();
        for kernel in [
            "crop_frame",
            "project_landmarks",
            "measure_au12",
            "fit_pose",
            "measure_shape",
        ] {
            assert_eq!(launches.get(kernel), Some(&2), "{launches:?}");
        }
    }
}
