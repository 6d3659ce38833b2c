//! Every kernel that exists as text, for the tests and checks that go through all of them.

use lsie_device::KernelSource;

/// A kernel as text and the folder below `kernels/src` that holds it.
#[derive(Debug, Clone, Copy)]
pub struct TextKernel {
    /// Folder of the kernel.
    pub folder: &'static str,
    /// Its text.
    pub source: &'static KernelSource,
}

/// All of them.
pub const ALL: [TextKernel; 14] = [
    TextKernel {
        folder: "crop",
        source: &crate::crop::SOURCE,
    },
    TextKernel {
        folder: "crops",
        source: &crate::crops::SOURCE,
    },
    TextKernel {
        folder: "detect",
        source: &crate::detect::SOURCE,
    },
    TextKernel {
        folder: "project",
        source: &crate::project::SOURCE,
    },
    TextKernel {
        folder: "au12",
        source: &crate::au12::SOURCE,
    },
    TextKernel {
        folder: "pose",
        source: &crate::pose::SOURCE,
    },
    TextKernel {
        folder: "action_units",
        source: &crate::action_units::SOURCE,
    },
    TextKernel {
        folder: "statistics",
        source: &crate::statistics::SOURCE,
    },
    TextKernel {
        folder: "exposure",
        source: &crate::exposure::SOURCE,
    },
    TextKernel {
        folder: "tensor",
        source: &crate::tensor::SOURCE,
    },
    TextKernel {
        folder: "correlate",
        source: &crate::correlate::SOURCE,
    },
    TextKernel {
        folder: "stft",
        source: &crate::stft::SOURCE,
    },
    TextKernel {
        folder: "resample",
        source: &crate::resample::SOURCE,
    },
    TextKernel {
        folder: "pulse",
        source: &crate::pulse::SOURCE,
    },
];
