//! The run-time compiler: CUDA C++ text to a binary for one architecture. It needs no driver and no GPU.

#![expect(
    unsafe_code,
    reason = "the compiler is a C library; every call of it is unsafe"
)]

use std::ffi::{CStr, CString, c_char, c_int};
use std::sync::OnceLock;

use cudarc::nvrtc::result::{create_program, destroy_program, get_program_log};
use cudarc::nvrtc::sys::{self, nvrtcProgram, nvrtcResult};

use super::driver::Version;
use super::resources::KernelResources;
use crate::absent::{Absence, absent};
use crate::error::{DeviceError, UnavailableReason};
use crate::kind::DeviceKind;

/// How kernels are compiled; a change of it makes kept binaries void.
const OPTIONS: [&CStr; 3] = [c"--std=c++17", c"-lineinfo", c"--ptxas-options=-v"];

/// What to compile for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A binary for this architecture, 90 for `sm_90`.
    Binary(u32),
    /// PTX for this architecture, which the driver translates for any newer one.
    Portable(u32),
}

impl Target {
    /// The name that the compiler and the kept files use.
    pub fn name(self) -> String {
        match self {
            Target::Binary(architecture) => format!("sm_{architecture}"),
            Target::Portable(architecture) => format!("compute_{architecture}"),
        }
    }

    /// The best target for a GPU: its own architecture where the compiler knows it, else the newest one below it. `None` for a GPU
    /// that is older than all of them.
    pub fn for_capability(capability: u32, known: &[u32]) -> Option<Self> {
        if known.contains(&capability) {
            return Some(Target::Binary(capability));
        }
        let below = known.iter().filter(|known| **known < capability);
        below.max().map(|known| Target::Portable(*known))
    }
}

/// A compiled kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    /// What the driver loads.
    pub image: Vec<u8>,
    /// What it uses of a multiprocessor; `None` for [`Target::Portable`], which is not final.
    pub resources: Option<KernelResources>,
}

/// NVRTC, opened.
#[derive(Debug, Clone)]
pub struct Compiler {
    version: Version,
    architectures: Vec<u32>,
}

impl Compiler {
    /// Opens the library, or says why not.
    pub fn open() -> Result<Self, DeviceError> {
        let version = version().map_err(|absence| absent(DeviceKind::Cuda, absence))?;
        Ok(Compiler {
            version,
            architectures: architectures(),
        })
    }

    /// Its version, as `13.0`.
    pub fn version(&self) -> String {
        self.version.to_string()
    }

    /// The architectures it compiles for, 75 for `sm_75`.
    pub fn architectures(&self) -> &[u32] {
        &self.architectures
    }

    /// Compiles `text`, whose entry point is `name`. The compiler's words are in the error.
    pub fn compile(&self, name: &str, text: &str, target: Target) -> Result<Compiled, DeviceError> {
        let refused = |detail: String| DeviceError::Rejected {
            what: name.to_owned(),
            detail,
        };
        let text = CString::new(text).map_err(|error| refused(error.to_string()))?;
        let architecture = CString::new(format!("--gpu-architecture={}", target.name()))
            .map_err(|error| refused(error.to_string()))?;
        let program = Program::new(&text).map_err(refused)?;
        let outcome = program.compile(&architecture);
        let log = program.log();
        outcome.map_err(|error| refused(format!("{error}: {}", log.trim())))?;
        let image = program.image(target).map_err(refused)?;
        let resources = match target {
            Target::Binary(_) => KernelResources::of_log(&log, name),
            Target::Portable(_) => None,
        };
        Ok(Compiled { image, resources })
    }
}

/// The compiler's version, or why there is none.
pub(super) fn version() -> Result<Version, Absence> {
    static IS_THERE: OnceLock<bool> = OnceLock::new();
    // SAFETY: opens and closes a library by name. Nothing else of it may be called before: without the library cudarc panics.
    let is_there = *IS_THERE.get_or_init(|| unsafe { sys::is_culib_present() });
    let missing = |words: &str| (UnavailableReason::NoCompiler, words.to_owned());
    if !is_there {
        return Err(missing(
            "kernels are compiled by NVRTC (libnvrtc.so): install it with the CUDA toolkit or as the Python package \
             nvidia-cuda-nvrtc, and name its folder in LD_LIBRARY_PATH",
        ));
    }
    let (mut major, mut minor): (c_int, c_int) = (0, 0);
    // SAFETY: the library is there and both pointers are valid for one write.
    let outcome = unsafe { sys::nvrtcVersion(&raw mut major, &raw mut minor) };
    if outcome != nvrtcResult::NVRTC_SUCCESS || major < 12 {
        return Err(missing("NVRTC 12 or newer is needed"));
    }
    Ok(Version {
        major: major.unsigned_abs(),
        minor: minor.unsigned_abs(),
    })
}

/// The architectures that the library lists; none if it does not answer.
fn architectures() -> Vec<u32> {
    let mut count: c_int = 0;
    // SAFETY: the pointer is valid for one write.
    let counted = unsafe { sys::nvrtcGetNumSupportedArchs(&raw mut count) };
    let mut found: Vec<c_int> = vec![0; count.unsigned_abs() as usize];
    // SAFETY: the library writes as many numbers as it has just counted.
    let listed = unsafe { sys::nvrtcGetSupportedArchs(found.as_mut_ptr()) };
    if [counted, listed] != [nvrtcResult::NVRTC_SUCCESS; 2] {
        return Vec::new();
    }
    found.into_iter().map(c_int::unsigned_abs).collect()
}

/// A text on its way through the compiler.
struct Program<'a> {
    raw: nvrtcProgram,
    /// The library may keep looking at it.
    _text: &'a CStr,
}

impl<'a> Program<'a> {
    fn new(text: &'a CStr) -> Result<Self, String> {
        let raw = create_program(text, Some(c"kernel.cu")).map_err(|error| error.to_string())?;
        Ok(Program { raw, _text: text })
    }

    fn compile(&self, architecture: &CStr) -> Result<(), String> {
        let options: Vec<*const c_char> = std::iter::once(architecture)
            .chain(OPTIONS)
            .map(CStr::as_ptr)
            .collect();
        let count = c_int::try_from(options.len()).unwrap_or(0);
        // SAFETY: the program is alive, and so are the options, as many as are said.
        let outcome = unsafe { sys::nvrtcCompileProgram(self.raw, count, options.as_ptr()) };
        outcome.result().map_err(|error| error.to_string())
    }

    /// What the compiler said; empty if it does not tell.
    fn log(&self) -> String {
        // SAFETY: the program is alive.
        let log = unsafe { get_program_log(self.raw) }.unwrap_or_default();
        let bytes: Vec<u8> = log.iter().map(|byte| *byte as u8).collect();
        String::from_utf8_lossy(&bytes)
            .trim_end_matches('\0')
            .to_owned()
    }

    fn image(&self, target: Target) -> Result<Vec<u8>, String> {
        let mut bytes = 0_usize;
        // SAFETY: the program is alive and compiled, and the pointer is valid for one write.
        let sized = unsafe {
            match target {
                Target::Binary(_) => sys::nvrtcGetCUBINSize(self.raw, &raw mut bytes),
                Target::Portable(_) => sys::nvrtcGetPTXSize(self.raw, &raw mut bytes),
            }
        };
        sized.result().map_err(|error| error.to_string())?;
        let mut image = vec![0_u8; bytes];
        let at: *mut c_char = image.as_mut_ptr().cast();
        // SAFETY: there is room for as many bytes as the library has just said.
        let copied = unsafe {
            match target {
                Target::Binary(_) => sys::nvrtcGetCUBIN(self.raw, at),
                Target::Portable(_) => sys::nvrtcGetPTX(self.raw, at),
            }
        };
        copied.result().map_err(|error| error.to_string())?;
        Ok(image)
    }
}

impl Drop for Program<'_> {
    fn drop(&mut self) {
        // SAFETY: the program is alive and nobody uses it after this. There is nobody to tell of a failure.
        let _ = unsafe { destroy_program(self.raw) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_gets_its_own_architecture_or_the_newest_below() {
        let known = [75, 80, 90, 120];
        assert_eq!(Target::for_capability(90, &known), Some(Target::Binary(90)));
        assert_eq!(
            Target::for_capability(103, &known),
            Some(Target::Portable(90))
        );
        assert_eq!(Target::for_capability(61, &known), None);
        assert_eq!(Target::Binary(90).name(), "sm_90");
        assert_eq!(Target::Portable(90).name(), "compute_90");
    }
}
