//! What kinds of device there are, and what a device says of itself.

use std::fmt;

/// The kinds of device the project knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceKind {
    /// The processor: the reference, always there.
    Cpu,
    /// Any GPU through wgpu.
    Wgpu,
    /// An NVIDIA GPU through the CUDA driver.
    Cuda,
}

impl DeviceKind {
    /// Lower-case name, as the configuration and the reports spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            DeviceKind::Cpu => "cpu",
            DeviceKind::Wgpu => "wgpu",
            DeviceKind::Cuda => "cuda",
        }
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What a device is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Its kind.
    pub kind: DeviceKind,
    /// Its number among the devices of its kind, from 0: the `n` of `wgpu:n`.
    pub index: usize,
    /// The name its maker gave it.
    pub name: String,
    /// Interface and driver with version; empty for the processor.
    pub driver: String,
    /// What it offers, for people: threads, memory, clocks of its own, kinds of numbers; empty where nothing is known.
    pub features: String,
    /// A GPU's interface that the processor computes: right, and slow.
    pub is_software: bool,
    /// How many things it does at once: hardware threads of a CPU, multiprocessors of a GPU; 0 where the driver does not say.
    pub parallelism: usize,
}
