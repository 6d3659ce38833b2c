//! Looking for the driver, and what its errors mean.

#![expect(
    unsafe_code,
    reason = "the driver is a C library; every call of it is unsafe"
)]

use std::ffi::c_int;
use std::sync::OnceLock;

use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys::{self, CUdevice_attribute as Attribute, CUresult};

use crate::absent::Absence;
use crate::error::{DeviceError, UnavailableReason};
use crate::kind::{DeviceInfo, DeviceKind};

/// The oldest interface that has every function of the driver that is used here.
const OLDEST: Version = Version {
    major: 12,
    minor: 8,
};

/// Version of the CUDA interface that a driver or compiler offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    pub(super) major: u32,
    pub(super) minor: u32,
}

impl std::fmt::Display for Version {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

/// The interface that the driver offers, started, or why it cannot be used.
pub(super) fn version() -> Result<Version, Absence> {
    static IS_THERE: OnceLock<bool> = OnceLock::new();
    // SAFETY: opens and closes a library by name; its initialisers are the driver's own. Nothing else of the driver may be called
    // before: without the library cudarc panics.
    let is_there = *IS_THERE.get_or_init(|| unsafe { sys::is_culib_present() });
    if !is_there {
        let words = "an NVIDIA GPU needs its driver (libcuda.so.1); the cpu device does all work";
        return Err((UnavailableReason::NoDriver, words.to_owned()));
    }
    let mut number: c_int = 0;
    // SAFETY: the library is there, this function is in every version of it, and the pointer is valid for one write.
    let outcome = unsafe { sys::cuDriverGetVersion(&raw mut number) };
    let version = Version::of(number);
    if outcome != CUresult::CUDA_SUCCESS || version < OLDEST {
        return Err(unusable(&format!(
            "it offers CUDA {version}; CUDA {OLDEST} (driver 570) or newer is needed"
        )));
    }
    match result::init() {
        Ok(()) => Ok(version),
        Err(DriverError(CUresult::CUDA_ERROR_NO_DEVICE)) => Err(no_hardware()),
        Err(error) => Err(unusable(&format!("it does not start: {}", words(error)))),
    }
}

/// Whether the driver loads what the compiler writes.
pub(super) fn suits(driver: Version, compiler: Version) -> Result<(), Absence> {
    if compiler.major <= driver.major {
        return Ok(());
    }
    let words = format!(
        "NVRTC {compiler} is too new for a driver that offers CUDA {driver}; install NVRTC {} or a newer driver",
        driver.major
    );
    Err((UnavailableReason::NoCompiler, words))
}

/// The GPUs that the started driver sees, at least one.
pub(super) fn enumerate(driver: Version, compiler: Version) -> Result<Vec<DeviceInfo>, Absence> {
    let count = result::device::get_count().map_err(|error| unusable(&words(error)))?;
    let devices: Vec<DeviceInfo> = (0..count)
        .filter_map(|ordinal| describe(ordinal, driver, compiler).ok())
        .collect();
    if devices.is_empty() {
        return Err(no_hardware());
    }
    Ok(devices)
}

/// Major and minor number of what a GPU can do, as 10 × major + minor.
pub(super) fn capability(device: sys::CUdevice) -> Result<u32, DriverError> {
    let part = |attribute| attribute_of(device, attribute);
    let major = part(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
    let minor = part(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
    Ok((10 * major + minor).unsigned_abs())
}

/// Name and words of an error.
pub(super) fn words(error: DriverError) -> String {
    let part = |text: Result<&std::ffi::CStr, DriverError>| {
        text.map(|text| text.to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    format!(
        "{} ({})",
        part(error.error_string()),
        part(error.error_name())
    )
}

/// Whether nothing works any more after this error.
pub(super) fn is_loss(error: DriverError) -> bool {
    matches!(
        error.0,
        CUresult::CUDA_ERROR_DEINITIALIZED
            | CUresult::CUDA_ERROR_DEVICE_UNAVAILABLE
            | CUresult::CUDA_ERROR_CONTEXT_IS_DESTROYED
            | CUresult::CUDA_ERROR_ECC_UNCORRECTABLE
            | CUresult::CUDA_ERROR_NVLINK_UNCORRECTABLE
            | CUresult::CUDA_ERROR_ILLEGAL_ADDRESS
            | CUresult::CUDA_ERROR_LAUNCH_TIMEOUT
            | CUresult::CUDA_ERROR_ASSERT
            | CUresult::CUDA_ERROR_HARDWARE_STACK_ERROR
            | CUresult::CUDA_ERROR_ILLEGAL_INSTRUCTION
            | CUresult::CUDA_ERROR_MISALIGNED_ADDRESS
            | CUresult::CUDA_ERROR_INVALID_ADDRESS_SPACE
            | CUresult::CUDA_ERROR_INVALID_PC
            | CUresult::CUDA_ERROR_LAUNCH_FAILED
    )
}

/// The error for a driver's refusal; `bytes` and `label` are what an error about memory names.
pub(super) fn refused(error: DriverError, bytes: usize, label: &str) -> DeviceError {
    if error.0 == CUresult::CUDA_ERROR_OUT_OF_MEMORY {
        return DeviceError::OutOfMemory {
            bytes,
            label: label.to_owned(),
        };
    }
    let (kind, detail) = (DeviceKind::Cuda, words(error));
    if is_loss(error) {
        return DeviceError::Lost { kind, detail };
    }
    DeviceError::Failed { kind, detail }
}

impl Version {
    /// From the number that the driver gives: 1000 × major + 10 × minor.
    fn of(number: c_int) -> Self {
        let number = number.unsigned_abs();
        Version {
            major: number / 1000,
            minor: number % 1000 / 10,
        }
    }
}

fn describe(ordinal: c_int, driver: Version, compiler: Version) -> Result<DeviceInfo, DriverError> {
    let device = result::device::get(ordinal)?;
    let capability = capability(device)?;
    let processors = attribute_of(device, Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
    // SAFETY: `device` came from the driver.
    let bytes = unsafe { result::device::total_mem(device) }?;
    Ok(DeviceInfo {
        kind: DeviceKind::Cuda,
        index: ordinal.unsigned_abs() as usize,
        name: result::device::get_name(device)?,
        driver: format!(
            "CUDA {driver}, compute capability {}.{}, NVRTC {compiler}",
            capability / 10,
            capability % 10
        ),
        features: format!("{processors} multiprocessors, {} GiB", bytes >> 30),
        is_software: false,
        parallelism: processors.unsigned_abs() as usize,
    })
}

fn attribute_of(device: sys::CUdevice, attribute: Attribute) -> Result<i32, DriverError> {
    // SAFETY: `device` came from the driver.
    unsafe { result::device::get_attribute(device, attribute) }
}

fn no_hardware() -> Absence {
    let words = "the NVIDIA driver sees no GPU; the cpu device does all work";
    (UnavailableReason::NoHardware, words.to_owned())
}

fn unusable(detail: &str) -> Absence {
    let words = format!("the NVIDIA driver is there, but {detail}");
    (UnavailableReason::DriverUnusable, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared() {
        let version = Version::of(12_080);
        assert_eq!((version.major, version.minor), (12, 8));
        assert!(Version::of(12_020) < OLDEST && Version::of(13_010) > OLDEST);
        assert!(suits(version, Version::of(12_090)).is_ok());
        let (reason, words) = suits(version, Version::of(13_050)).unwrap_err();
        assert_eq!(reason, UnavailableReason::NoCompiler);
        assert!(words.contains("NVRTC 13.5") && words.contains("12.8"));
    }
}
