//! Any GPU through wgpu: Vulkan everywhere, Metal and Direct3D 12 where they are at home.
//!
//! Kernels are WGSL on storage buffers, with at most [`crate::MAX_GROUP_THREADS`] threads a group. A device that is lost, memory
//! that is not there and text that is refused are typed errors, never panics. All streams of one device share its one queue.

mod context;
mod groups;
mod lane;
mod memory;
mod queue;
mod tape;

use std::collections::BTreeMap;
use std::sync::Arc;

use ::wgpu::{
    Adapter, Backends, DeviceDescriptor, DeviceType, Features, Instance, InstanceDescriptor, Limits,
};

use crate::absent::{Absence, absent, beyond, no_adapter};
use crate::buffer::Buffer;
use crate::device::Device;
use crate::error::DeviceError;
use crate::kind::{DeviceInfo, DeviceKind};
use crate::stream::Stream;
use crate::transfer::Transfers;
use context::{Context, ready};
use lane::WgpuLane;
use memory::WgpuMemory;
use queue::Queue;

/// A GPU through wgpu. A clone of its streams and buffers keeps it open.
#[derive(Debug)]
pub struct WgpuDevice {
    info: DeviceInfo,
    queue: Arc<Queue>,
}

impl WgpuDevice {
    /// Opens adapter number `index` of [`probe`](crate::probe); 0 is the fastest kind.
    pub fn open(index: usize) -> Result<Self, DeviceError> {
        let mut found = ranked();
        if found.is_empty() {
            return Err(absent(DeviceKind::Wgpu, no_adapter()));
        }
        if index >= found.len() {
            return Err(beyond(DeviceKind::Wgpu, index, found.len()));
        }
        let adapter = found.swap_remove(index);
        let (offered, own) = (adapter.features(), adapter.limits());
        let wanted = DeviceDescriptor {
            label: Some("lsie"),
            required_features: offered & Features::TIMESTAMP_QUERY,
            required_limits: Limits {
                max_buffer_size: own.max_buffer_size,
                max_storage_buffer_binding_size: own.max_storage_buffer_binding_size,
                ..Limits::default()
            },
            ..DeviceDescriptor::default()
        };
        let refused = |detail: String| DeviceError::Failed {
            kind: DeviceKind::Wgpu,
            detail,
        };
        let (device, queue) = ready(adapter.request_device(&wanted))
            .ok_or_else(|| refused("the adapter did not answer".to_owned()))?
            .map_err(|error| refused(error.to_string()))?;
        Ok(WgpuDevice {
            info: describe(&adapter, index),
            queue: Arc::new(Queue::new(Context::new(device, queue))),
        })
    }
}

impl WgpuDevice {
    /// Ends the device as a reset of its driver would: from here on everything on it is [`DeviceError::Lost`]. For tests of what
    /// follows such a loss.
    pub fn destroy(&self) {
        self.queue.context.device.destroy();
    }
}

impl Device for WgpuDevice {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn alloc(&self, bytes: usize, label: &str) -> Result<Buffer, DeviceError> {
        let memory = WgpuMemory::new(&self.queue, bytes, label)?;
        Ok(Buffer::of_device(
            memory,
            bytes,
            label,
            Arc::clone(&self.queue.context.counters),
        ))
    }

    fn stream(&self, name: &str) -> Result<Stream, DeviceError> {
        let counters = Arc::clone(&self.queue.context.counters);
        Ok(Stream::new(WgpuLane::new(&self.queue), name, counters))
    }

    fn transfers(&self) -> Transfers {
        self.queue.context.counters.snapshot()
    }

    fn launches(&self) -> BTreeMap<&'static str, u64> {
        self.queue.context.counters.launches()
    }

    fn check(&self) -> Result<(), DeviceError> {
        self.queue.context.check_lost()
    }
}

/// Every adapter, fastest kind first: that is what the number in `wgpu:n` counts. Opens none of them.
pub(crate) fn adapters() -> Result<Vec<DeviceInfo>, Absence> {
    let found = ranked();
    if found.is_empty() {
        return Err(no_adapter());
    }
    let numbered = found.iter().enumerate();
    Ok(numbered
        .map(|(index, adapter)| describe(adapter, index))
        .collect())
}

fn ranked() -> Vec<Adapter> {
    let mut wanted = InstanceDescriptor::new_without_display_handle();
    wanted.backends = Backends::PRIMARY;
    let instance = Instance::new(wanted);
    let mut found = ready(instance.enumerate_adapters(Backends::PRIMARY)).unwrap_or_default();
    // A stable sort: among equals the driver's order stays.
    found.sort_by_key(|adapter| match adapter.get_info().device_type {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Other => 3,
        DeviceType::Cpu => 4,
    });
    found
}

fn describe(adapter: &Adapter, index: usize) -> DeviceInfo {
    let info = adapter.get_info();
    DeviceInfo {
        kind: DeviceKind::Wgpu,
        index,
        name: info.name,
        driver: [info.backend.to_string(), info.driver, info.driver_info]
            .join(" ")
            .trim()
            .to_owned(),
        features: features_of(adapter),
        is_software: info.device_type == DeviceType::Cpu,
        parallelism: 0,
    }
}

/// What kernels and benches may use of an adapter, in words.
fn features_of(adapter: &Adapter) -> String {
    let (info, offered) = (adapter.get_info(), adapter.features());
    let largest = adapter.limits().max_storage_buffer_binding_size >> 20;
    let known = [
        (Features::TIMESTAMP_QUERY, "a clock of its own".to_owned()),
        (
            Features::SUBGROUP,
            format!(
                "subgroups of {} to {}",
                info.subgroup_min_size, info.subgroup_max_size
            ),
        ),
        (Features::SHADER_F16, "16-bit floats".to_owned()),
    ];
    let found = known
        .into_iter()
        .filter(|(feature, _)| offered.contains(*feature));
    let mut words: Vec<String> = found.map(|(_, words)| words).collect();
    words.push(format!("buffers to {largest} MiB"));
    words.join(", ")
}
