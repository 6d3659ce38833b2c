//! The `cpu` device: host memory, work done on the calling thread.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::backend::{Lane, Memory, Work};
use crate::buffer::Buffer;
use crate::device::Device;
use crate::error::DeviceError;
use crate::kind::{DeviceInfo, DeviceKind};
use crate::stream::Stream;
use crate::transfer::{TransferCounters, Transfers};

/// The processor as a device. The reference for the others, and always there.
#[derive(Debug)]
pub struct CpuDevice {
    info: DeviceInfo,
    counters: Arc<TransferCounters>,
}

impl CpuDevice {
    /// Opens it. Reads the processor's name from the system once.
    pub fn new() -> Self {
        CpuDevice {
            info: cpu_info(),
            counters: Arc::new(TransferCounters::default()),
        }
    }
}

impl Default for CpuDevice {
    fn default() -> Self {
        CpuDevice::new()
    }
}

impl Device for CpuDevice {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn alloc(&self, bytes: usize, label: &str) -> Result<Buffer, DeviceError> {
        Buffer::host_memory(bytes, label, Arc::clone(&self.counters))
    }

    fn stream(&self, name: &str) -> Result<Stream, DeviceError> {
        Ok(Stream::new(CpuLane, name, Arc::clone(&self.counters)))
    }

    fn transfers(&self) -> Transfers {
        self.counters.snapshot()
    }

    fn launches(&self) -> BTreeMap<&'static str, u64> {
        self.counters.launches()
    }

    fn check(&self) -> Result<(), DeviceError> {
        Ok(())
    }
}

/// A stream of the processor: there is nothing to wait for.
#[derive(Debug)]
struct CpuLane;

impl Lane for CpuLane {
    fn kind(&self) -> DeviceKind {
        DeviceKind::Cpu
    }

    fn launch(&self, work: &Work<'_>) -> Result<(), DeviceError> {
        Err(DeviceError::Rejected {
            what: work.source.name.to_owned(),
            detail: "the cpu device runs no text".to_owned(),
        })
    }

    fn synchronize(&self) -> Result<(), DeviceError> {
        Ok(())
    }

    /// Memory of the host is borrowed, never handed to a lane.
    fn owns(&self, _: &dyn Memory) -> bool {
        false
    }

    fn upload(&self, to: &dyn Memory, _: usize, _: &[u8]) -> Result<(), DeviceError> {
        Err(foreign(to))
    }

    fn copy_to_host(&self, from: &dyn Memory, _: usize, _: &mut [u8]) -> Result<(), DeviceError> {
        Err(foreign(from))
    }

    fn copy(
        &self,
        from: &dyn Memory,
        _: usize,
        _: &dyn Memory,
        _: usize,
    ) -> Result<(), DeviceError> {
        Err(foreign(from))
    }
}

fn foreign(memory: &dyn Memory) -> DeviceError {
    DeviceError::WrongDevice {
        wanted: DeviceKind::Cpu,
        found: memory.kind(),
    }
}

/// Describes this processor.
pub(crate) fn cpu_info() -> DeviceInfo {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    DeviceInfo {
        kind: DeviceKind::Cpu,
        index: 0,
        driver: String::new(),
        features: format!("{threads} hardware threads"),
        is_software: false,
        name: model_name(&text)
            .unwrap_or(std::env::consts::ARCH)
            .to_owned(),
        parallelism: threads,
    }
}

fn model_name(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))?;
    line.split_once(':')
        .map(|(_, name)| name.trim())
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_name_is_found_or_absent() {
        assert_eq!(
            model_name("processor : 0\nmodel name\t: Some CPU @ 2 GHz\n"),
            Some("Some CPU @ 2 GHz")
        );
        assert_eq!(model_name("model name\t:  \n"), None);
        assert_eq!(model_name("Hardware : board\n"), None);
    }
}
