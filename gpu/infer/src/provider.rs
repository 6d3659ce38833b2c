//! The libraries that run networks, and the GPUs that each has code for.

use std::fmt;

/// What runs networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    /// ONNX Runtime on the processor: the default, always there.
    OnnxCpu,
    /// ONNX Runtime's CUDA provider.
    OnnxCuda,
    /// NVIDIA TensorRT for RTX.
    TensorRt,
}

impl Provider {
    /// Lower-case name, as the configuration and the reports spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Provider::OnnxCpu => "onnxruntime-cpu",
            Provider::OnnxCuda => "onnxruntime-cuda",
            Provider::TensorRt => "tensorrt-rtx",
        }
    }

    /// What the operator does to have it.
    pub const fn how_to_get(self) -> &'static str {
        match self {
            Provider::OnnxCpu => "run `lsie models fetch`",
            Provider::OnnxCuda => {
                "install NVIDIA's driver, CUDA 13 and cuDNN 9, and use the library of the PyPI package onnxruntime-gpu 1.31.1"
            }
            Provider::TensorRt => {
                "build with --features tensorrt and install the PyPI package tensorrt-rtx-cu13-libs 1.7.1.116"
            }
        }
    }

    /// Whether its library has code for a GPU.
    pub const fn serves(self, gpu: Capability) -> bool {
        match self {
            Provider::OnnxCpu => true,
            // CUDA 13 begins with Turing.
            Provider::OnnxCuda => gpu.major > 7 || (gpu.major == 7 && gpu.minor >= 5),
            // What its interface has names for; Hopper (9.0) and Blackwell of data centres (10.x) are not among them.
            Provider::TensorRt => {
                matches!(
                    (gpu.major, gpu.minor),
                    (7, 5) | (8, 0 | 6 | 9) | (12, 0 | 1)
                )
            }
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Compute capability of an NVIDIA GPU: 8.9 is major 8, minor 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability {
    /// Generation.
    pub major: u32,
    /// Variant.
    pub minor: u32,
}

impl fmt::Display for Capability {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}
