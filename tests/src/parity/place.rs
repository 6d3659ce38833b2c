//! The devices the suite runs on, and the ones it cannot.

use std::sync::Arc;

use anyhow::Context as _;
use bytemuck::Pod;
use lsie_device::{Buffer, Device, DeviceKind, DeviceReport, Stream, open_nth, probe};

use crate::cuda_host::{CudaHost, Flavour};

/// An open device and a stream on it.
pub struct Place {
    /// The device.
    pub device: Arc<dyn Device>,
    /// Its stream.
    pub stream: Stream,
}

/// A device that this machine has, or why it has not.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// `cpu`, `wgpu:0` and so on; only the kind when it is absent.
    pub label: String,
    /// Where to run, or why not.
    pub found: Result<Way, String>,
}

/// How a place is opened.
#[derive(Debug, Clone)]
pub enum Way {
    /// A device of the machine: kind and number.
    Device(DeviceKind, usize),
    /// CUDA text on the processor.
    Host(Arc<CudaHost>),
}

/// What the probe says of this machine, and CUDA text on the processor.
#[must_use]
pub fn candidates() -> Vec<Candidate> {
    let hosts = Flavour::ALL.into_iter().map(|flavour| Candidate {
        label: format!("cuda-host:{}", flavour.as_str()),
        found: CudaHost::new(flavour)
            .map(Way::Host)
            .map_err(|error| format!("{error:#}")),
    });
    devices().chain(hosts).collect()
}

fn devices() -> impl Iterator<Item = Candidate> {
    let reports = probe().into_iter();
    reports.map(|report| match report {
        DeviceReport::Found(info) => Candidate {
            label: match info.kind {
                DeviceKind::Cpu => "cpu".to_owned(),
                kind => format!("{kind}:{}", info.index),
            },
            found: Ok(Way::Device(info.kind, info.index)),
        },
        DeviceReport::Unavailable {
            kind,
            reason,
            how_to_get,
        } => Candidate {
            label: kind.to_string(),
            found: Err(format!("{reason}; {how_to_get}")),
        },
    })
}

impl Place {
    /// Opens a way of [`candidates`].
    pub fn open(way: &Way) -> anyhow::Result<Self> {
        match way {
            Way::Device(kind, index) => Self::on(open_nth(*kind, *index)?),
            Way::Host(host) => Self::on(Arc::new(host.device())),
        }
    }

    /// Makes a stream on an open device.
    pub fn on(device: Arc<dyn Device>) -> anyhow::Result<Self> {
        let stream = device.stream("parity")?;
        Ok(Place { device, stream })
    }

    /// A buffer that holds these values.
    pub fn holding<T: Pod>(&self, values: &[T], label: &str) -> anyhow::Result<Buffer> {
        let mut buffer = self.device.alloc(size_of_val(values), label)?;
        buffer.upload(&self.stream, 0, bytemuck::cast_slice(values))?;
        Ok(buffer)
    }

    /// A buffer of `count` values whose bytes are all 0xA5: what a kernel does not write can be seen.
    pub fn poisoned<T: Pod>(&self, count: usize, label: &str) -> anyhow::Result<Buffer> {
        self.holding(&vec![0xA5_u8; count * size_of::<T>()], label)
    }

    /// The first `count` values of a buffer.
    pub fn values<T: Pod>(&self, buffer: &Buffer, count: usize) -> anyhow::Result<Vec<T>> {
        let mut values = vec![T::zeroed(); count];
        let bytes = bytemuck::cast_slice_mut(&mut values);
        buffer
            .copy_to_host(&self.stream, 0, bytes)
            .with_context(|| format!("read of {}", buffer.label()))?;
        Ok(values)
    }
}
