//! A network of the processor in the chain of another device.

use std::fmt;

use lsie_device::{Buffer, CpuDevice, Device, DeviceKind, Stream};

use crate::error::InferError;
use crate::network::{Network, TensorInfo};

/// Runs a network that reads and writes host memory on buffers of any device.
///
/// Inputs are copied to the host and outputs to the device, both counted by the device ([`lsie_device::Transfers`]): that is
/// the declared price of a device for which there is no runtime that shares its buffers. Allocates when made, not per run.
pub struct ThroughHost {
    network: Box<dyn Network>,
    host: CpuDevice,
    stream: Stream,
    inputs: Vec<Buffer>,
    outputs: Vec<Buffer>,
}

impl fmt::Debug for ThroughHost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ThroughHost")
            .field("inputs", &self.inputs)
            .field("outputs", &self.outputs)
            .finish_non_exhaustive()
    }
}

impl ThroughHost {
    /// Allocates the host's side of every tensor.
    pub fn new(network: Box<dyn Network>) -> Result<Self, InferError> {
        let host = CpuDevice::new();
        Ok(ThroughHost {
            inputs: buffers(&host, network.inputs())?,
            outputs: buffers(&host, network.outputs())?,
            stream: host.stream("network")?,
            host,
            network,
        })
    }

    /// The network itself on the `cpu` device, else the network by way of the host.
    pub fn unless_host(
        network: Box<dyn Network>,
        device: &dyn Device,
    ) -> Result<Box<dyn Network>, InferError> {
        if device.info().kind == DeviceKind::Cpu {
            return Ok(network);
        }
        Ok(Box::new(ThroughHost::new(network)?))
    }
}

impl Network for ThroughHost {
    fn inputs(&self) -> &[TensorInfo] {
        self.network.inputs()
    }

    fn outputs(&self) -> &[TensorInfo] {
        self.network.outputs()
    }

    fn set_axis(&mut self, axis: &str, size: usize) -> Result<(), InferError> {
        self.network.set_axis(axis, size)?;
        self.inputs = buffers(&self.host, self.network.inputs())?;
        Ok(())
    }

    fn metadata(&self, key: &str) -> Option<String> {
        self.network.metadata(key)
    }

    fn run(
        &mut self,
        stream: &Stream,
        inputs: &[&Buffer],
        outputs: &mut [&mut Buffer],
    ) -> Result<(), InferError> {
        let infos = self.network.inputs().iter();
        for (number, (info, host)) in infos.zip(&mut self.inputs).enumerate() {
            let given = inputs.get(number).ok_or_else(|| missing(info))?;
            if let Some(bytes) = host.host_mut::<u8>() {
                given.copy_to_host(stream, 0, bytes)?;
            }
        }
        let given: Vec<&Buffer> = self.inputs.iter().collect();
        let mut made: Vec<&mut Buffer> = self.outputs.iter_mut().collect();
        self.network.run(&self.stream, &given, &mut made)?;
        let infos = self.network.outputs().iter();
        for (number, (info, host)) in infos.zip(&self.outputs).enumerate() {
            let wanted = outputs.get_mut(number).ok_or_else(|| missing(info))?;
            wanted.upload(stream, 0, host.host::<u8>().unwrap_or_default())?;
        }
        Ok(())
    }
}

fn buffers(host: &CpuDevice, infos: &[TensorInfo]) -> Result<Vec<Buffer>, InferError> {
    infos
        .iter()
        .map(|info| Ok(host.alloc(info.len_bytes(), &info.name)?))
        .collect()
}

fn missing(info: &TensorInfo) -> InferError {
    InferError::Binding {
        tensor: info.name.clone(),
        wanted_bytes: info.len_bytes(),
        wanted_device: "stream's",
        label: "none".to_owned(),
    }
}
