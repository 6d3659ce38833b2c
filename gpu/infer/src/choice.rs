//! Which library runs the networks: a pure rule over what was found.

use std::fmt;

use lsie_device::DeviceKind;

use crate::error::InferError;
use crate::provider::{Capability, Provider};

/// What a machine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The device on which frames live.
    pub device: DeviceKind,
    /// Its compute capability, where it is a CUDA device.
    pub gpu: Option<Capability>,
    /// Whether ONNX Runtime's CUDA provider opens; else why not.
    pub onnx_cuda: Result<(), String>,
    /// Whether TensorRT opens; else why not.
    pub tensorrt: Result<(), String>,
}

/// What runs the networks, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The library.
    pub provider: Provider,
    /// One sentence for the operator.
    pub why: String,
    /// Whether inputs and outputs must cross between host and device, which is counted as copies.
    pub copies: bool,
}

impl fmt::Display for Choice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let copies = if self.copies {
            ", by way of the host"
        } else {
            ""
        };
        write!(formatter, "{}{copies}: {}", self.provider, self.why)
    }
}

/// Chooses. `wanted` is `None` for `auto`: TensorRT where its library serves the GPU, else ONNX Runtime's CUDA provider, else the
/// processor, with the reason. A provider asked for by name is that one or [`InferError::ProviderAbsent`], never another.
pub fn choose(wanted: Option<Provider>, found: &Found) -> Result<Choice, InferError> {
    if let Some(provider) = wanted {
        check(provider, found).map_err(|reason| InferError::ProviderAbsent {
            provider,
            reason,
            how_to_get: provider.how_to_get(),
        })?;
        return Ok(choice(provider, found, "asked for".to_owned()));
    }
    if found.device != DeviceKind::Cuda {
        let why = format!("no library runs networks on the {} device", found.device);
        let why = match found.device {
            DeviceKind::Cpu => "frames live on the processor".to_owned(),
            _ => why,
        };
        return Ok(choice(Provider::OnnxCpu, found, why));
    }
    let mut reasons = Vec::new();
    for provider in [Provider::TensorRt, Provider::OnnxCuda] {
        match check(provider, found) {
            Ok(()) => {
                reasons.push("it works where the frames are".to_owned());
                return Ok(choice(provider, found, reasons.join("; ")));
            }
            Err(reason) => reasons.push(format!("{provider}: {reason}")),
        }
    }
    Ok(choice(Provider::OnnxCpu, found, reasons.join("; ")))
}

/// Why this provider cannot be used here.
fn check(provider: Provider, found: &Found) -> Result<(), String> {
    let library = match provider {
        Provider::OnnxCpu => return Ok(()),
        Provider::OnnxCuda => &found.onnx_cuda,
        Provider::TensorRt => &found.tensorrt,
    };
    let Some(gpu) = found.gpu.filter(|_| found.device == DeviceKind::Cuda) else {
        return Err(format!("frames are on the {} device", found.device));
    };
    if !provider.serves(gpu) {
        return Err(format!(
            "its library does not serve compute capability {gpu}"
        ));
    }
    library.clone()
}

fn choice(provider: Provider, found: &Found, why: String) -> Choice {
    Choice {
        provider,
        why,
        copies: provider == Provider::OnnxCpu && found.device != DeviceKind::Cpu,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(device: DeviceKind, gpu: Option<(u32, u32)>, onnx: bool, tensorrt: bool) -> Found {
        let there = |is: bool| is.then_some(()).ok_or_else(|| "not installed".to_owned());
        Found {
            device,
            gpu: gpu.map(|(major, minor)| Capability { major, minor }),
            onnx_cuda: there(onnx),
            tensorrt: there(tensorrt),
        }
    }

    #[test]
    fn auto_takes_the_best_library_that_serves_the_gpu() {
        use DeviceKind::{Cpu, Cuda, Wgpu};
        use Provider::{OnnxCpu, OnnxCuda, TensorRt};
        let table = [
            // device, capability, ONNX Runtime CUDA, TensorRT → what runs, copies
            (Cpu, None, false, false, OnnxCpu, false),
            (Cpu, None, true, true, OnnxCpu, false),
            (Wgpu, None, true, true, OnnxCpu, true),
            (Cuda, Some((7, 5)), true, true, TensorRt, false),
            (Cuda, Some((8, 0)), true, true, TensorRt, false),
            (Cuda, Some((8, 6)), false, true, TensorRt, false),
            (Cuda, Some((8, 9)), true, true, TensorRt, false),
            (Cuda, Some((12, 0)), true, true, TensorRt, false),
            (Cuda, Some((9, 0)), true, true, OnnxCuda, false),
            (Cuda, Some((10, 0)), true, true, OnnxCuda, false),
            (Cuda, Some((12, 1)), true, true, TensorRt, false),
            (Cuda, Some((8, 7)), true, true, OnnxCuda, false),
            (Cuda, Some((8, 9)), true, false, OnnxCuda, false),
            (Cuda, Some((8, 9)), false, false, OnnxCpu, true),
            (Cuda, Some((9, 0)), false, true, OnnxCpu, true),
            (Cuda, Some((7, 0)), true, true, OnnxCpu, true),
            (Cuda, None, true, true, OnnxCpu, true),
        ];
        for (device, gpu, onnx, tensorrt, provider, copies) in table {
            let choice = choose(None, &found(device, gpu, onnx, tensorrt)).unwrap();
            let row = (device, gpu, onnx, tensorrt);
            assert_eq!(
                (choice.provider, choice.copies),
                (provider, copies),
                "{row:?}"
            );
            assert!(!choice.why.is_empty());
        }
    }

    #[test]
    fn auto_says_why_it_did_not_take_the_others() {
        let choice = choose(None, &found(DeviceKind::Cuda, Some((9, 0)), false, true)).unwrap();
        assert_eq!(
            choice.why,
            "tensorrt-rtx: its library does not serve compute capability 9.0; onnxruntime-cuda: not installed"
        );
    }

    #[test]
    fn what_is_asked_for_by_name_is_that_or_an_error() {
        let machine = found(DeviceKind::Cuda, Some((9, 0)), true, true);
        let taken = choose(Some(Provider::OnnxCuda), &machine).unwrap();
        assert_eq!(taken.provider, Provider::OnnxCuda);
        for (provider, machine) in [
            (Provider::TensorRt, machine),
            (
                Provider::OnnxCuda,
                found(DeviceKind::Wgpu, None, true, true),
            ),
            (
                Provider::OnnxCuda,
                found(DeviceKind::Cuda, Some((8, 9)), false, true),
            ),
        ] {
            let refused = choose(Some(provider), &machine).unwrap_err();
            let InferError::ProviderAbsent { how_to_get, .. } = refused else {
                panic!("{refused}");
            };
            assert!(how_to_get.contains("PyPI package"));
        }
    }
}
