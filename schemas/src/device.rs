//! Which compute device is asked for, and how exactly networks compute.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A wish for a compute device: `auto`, `cpu`, `wgpu`, `wgpu:1`, `cuda`, `cuda:1`. The number counts devices of a kind from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum DeviceChoice {
    /// The quickest one that a short trial finds; a GPU that this processor computes is not tried.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// A GPU through Vulkan, Metal or Direct3D 12.
    Wgpu(u16),
    /// An NVIDIA GPU through its own driver.
    Cuda(u16),
}

/// The text names no device that there could be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no compute device; known are auto, cpu, wgpu, wgpu:N, cuda, cuda:N")]
pub struct UnknownDevice {
    /// What was asked for.
    pub text: String,
}

impl FromStr for DeviceChoice {
    type Err = UnknownDevice;

    fn from_str(text: &str) -> Result<Self, UnknownDevice> {
        let unknown = || UnknownDevice {
            text: text.chars().take(64).collect(),
        };
        let (kind, number) = match text.split_once(':') {
            None => (text, None),
            Some((kind, digits)) => {
                let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
                let number = digits.parse::<u16>().ok().filter(|_| is_number);
                (kind, Some(number.ok_or_else(unknown)?))
            }
        };
        match (kind, number) {
            ("auto", None) => Ok(DeviceChoice::Auto),
            ("cpu", None | Some(0)) => Ok(DeviceChoice::Cpu),
            ("wgpu", number) => Ok(DeviceChoice::Wgpu(number.unwrap_or(0))),
            ("cuda", number) => Ok(DeviceChoice::Cuda(number.unwrap_or(0))),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceChoice::Auto => formatter.write_str("auto"),
            DeviceChoice::Cpu => formatter.write_str("cpu"),
            DeviceChoice::Wgpu(number) => write!(formatter, "wgpu:{number}"),
            DeviceChoice::Cuda(number) => write!(formatter, "cuda:{number}"),
        }
    }
}

impl TryFrom<String> for DeviceChoice {
    type Error = UnknownDevice;

    fn try_from(text: String) -> Result<Self, UnknownDevice> {
        text.parse()
    }
}

impl From<DeviceChoice> for String {
    fn from(choice: DeviceChoice) -> Self {
        choice.to_string()
    }
}

/// Floats inside the face networks. Their inputs and outputs, and every kernel, have 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits: the numbers that were recorded with the models.
    #[default]
    F32,
    /// 16 bits: half the memory traffic where a GPU computes in them. Landmarks of the recorded portrait move by less than a tenth of
    /// a pixel, the presenter's scores (0 to 1) by less than 0.06.
    F16,
}

/// The text names no precision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no precision; known are f32, f16")]
pub struct UnknownPrecision {
    /// What was asked for.
    pub text: String,
}

impl Precision {
    /// Lower-case name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::F16 => "f16",
        }
    }
}

impl FromStr for Precision {
    type Err = UnknownPrecision;

    fn from_str(text: &str) -> Result<Self, UnknownPrecision> {
        match text {
            "f32" => Ok(Precision::F32),
            "f16" => Ok(Precision::F16),
            _ => Err(UnknownPrecision {
                text: text.chars().take(64).collect(),
            }),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (text, wanted) in [
            ("auto", DeviceChoice::Auto),
            ("cpu", DeviceChoice::Cpu),
            ("cpu:0", DeviceChoice::Cpu),
            ("wgpu", DeviceChoice::Wgpu(0)),
            ("wgpu:3", DeviceChoice::Wgpu(3)),
            ("cuda:0", DeviceChoice::Cuda(0)),
        ] {
            assert_eq!(text.parse(), Ok(wanted));
            assert_eq!(wanted.to_string().parse(), Ok(wanted));
        }
    }

    #[test]
    fn everything_else_is_refused_with_what_is_known() {
        for text in [
            "",
            "gpu",
            "CPU",
            "cpu:1",
            "auto:0",
            "wgpu:",
            "wgpu:-1",
            "wgpu:+1",
            "wgpu:1:2",
            "cuda:70000",
            " cpu",
        ] {
            let refused = text.parse::<DeviceChoice>().unwrap_err();
            assert_eq!(refused.text, text);
            assert!(refused.to_string().contains("wgpu:N"));
        }
    }

    #[test]
    fn precisions_are_read_as_they_are_written_and_nothing_else() {
        for precision in [Precision::F32, Precision::F16] {
            assert_eq!(precision.to_string().parse(), Ok(precision));
            let written = serde_json::to_string(&precision).unwrap();
            assert_eq!(written, format!("\"{precision}\""));
        }
        for text in ["", "F16", "fp16", "half", "f64"] {
            assert!(text.parse::<Precision>().is_err(), "{text}");
        }
    }
}
