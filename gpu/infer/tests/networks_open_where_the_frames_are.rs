//! Which library runs the networks of a device, found on this machine, and that the choice is kept. The GPU is pretended: its memory
//! is the host's and nobody runs kernels on it.

#![expect(clippy::unwrap_used, reason = "set-up of a test")]

mod installed;

use std::collections::BTreeMap;
use std::sync::Arc;

use installed::{must, store};
use lsie_device::{
    Buffer, CpuDevice, Device, DeviceError, DeviceInfo, DeviceKind, Executor, ExecutorDevice, Job,
    Stream, Transfers,
};
use lsie_infer::{InferError, Network, NetworkOpener, Provider};
use lsie_schemas::device::Precision;

#[derive(Debug)]
struct Nobody;

impl Executor for Nobody {
    fn run(&self, _: &mut Job) -> Result<(), DeviceError> {
        Ok(())
    }
}

/// A Hopper that is none.
struct Pretended(ExecutorDevice);

fn pretended() -> Arc<dyn Device> {
    let device = ExecutorDevice::new(DeviceKind::Cuda, "pretended", Arc::new(Nobody));
    Arc::new(Pretended(device))
}

impl Device for Pretended {
    fn info(&self) -> &DeviceInfo {
        self.0.info()
    }

    fn alloc(&self, bytes: usize, label: &str) -> Result<Buffer, DeviceError> {
        self.0.alloc(bytes, label)
    }

    fn stream(&self, name: &str) -> Result<Stream, DeviceError> {
        self.0.stream(name)
    }

    fn transfers(&self) -> Transfers {
        self.0.transfers()
    }

    fn launches(&self) -> BTreeMap<&'static str, u64> {
        self.0.launches()
    }

    fn compute_capability(&self) -> Option<(u32, u32)> {
        Some((9, 0))
    }

    fn check(&self) -> Result<(), DeviceError> {
        self.0.check()
    }
}

/// Runs a network once on buffers of the device; gives what crossed.
fn run(device: &dyn Device, stream: &Stream, network: &mut dyn Network) -> Transfers {
    let alloc = |infos: &[lsie_infer::TensorInfo]| -> Vec<Buffer> {
        let buffers = infos
            .iter()
            .map(|info| device.alloc(info.len_bytes(), &info.name).unwrap());
        buffers.collect()
    };
    let (inputs, mut outputs) = (alloc(network.inputs()), alloc(network.outputs()));
    let inputs: Vec<&Buffer> = inputs.iter().collect();
    let mut outputs: Vec<&mut Buffer> = outputs.iter_mut().collect();
    network.run(stream, &inputs, &mut outputs).unwrap();
    device.transfers()
}

#[test]
fn on_a_gpu_without_its_libraries_the_processor_runs_them_and_says_why() {
    let (device, models) = (pretended(), store());
    let opener = NetworkOpener::find(&device, &models, None).unwrap();
    let choice = opener.choice().clone();
    assert_eq!((choice.provider, choice.copies), (Provider::OnnxCpu, true));
    let told = choice.to_string();
    for part in [
        "onnxruntime-cpu, by way of the host: ",
        "tensorrt-rtx: its library does not serve compute capability 9.0",
        "onnxruntime-cuda: libonnxruntime",
        "was built without it",
    ] {
        assert!(told.contains(part), "{told}");
    }
    let stream = device.stream("test").unwrap();
    let mut network = must(opener.open(&models, "face_detector", &stream));
    let crossed = run(device.as_ref(), &stream, network.as_mut());
    assert_eq!((crossed.downloads, crossed.uploads), (1, 2), "{crossed:?}");
}

#[test]
fn a_library_that_is_named_and_absent_is_an_error() {
    let (device, models) = (pretended(), store());
    for provider in [Provider::OnnxCuda, Provider::TensorRt] {
        let refused = NetworkOpener::find(&device, &models, Some(provider)).map(drop);
        assert!(
            matches!(refused, Err(InferError::ProviderAbsent { provider: named, .. }) if named == provider),
            "{refused:?}"
        );
    }
}

#[test]
fn on_the_processor_nothing_is_asked_and_nothing_crosses() {
    let device: Arc<dyn Device> = Arc::new(CpuDevice::new());
    let models = store();
    let opener = NetworkOpener::find(&device, &models, None).unwrap();
    assert_eq!(
        opener.choice().to_string(),
        "onnxruntime-cpu: frames live on the processor"
    );
    let opener = opener.with_precision(Precision::F16);
    assert_eq!(
        opener.description(),
        "onnxruntime-cpu: frames live on the processor; 16-bit floats inside"
    );
    let stream = device.stream("test").unwrap();
    let mut network = must(opener.open(&models, "face_detector", &stream));
    let crossed = run(device.as_ref(), &stream, network.as_mut());
    assert_eq!(crossed, Transfers::default());
}
