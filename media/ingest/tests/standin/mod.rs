//! Builds and drives the stand-in for `libgstcuda-1.0` (its contract is at the head of `gstcuda.c`).

#![expect(unsafe_code, reason = "calls the functions of the stand-in")]

mod behaviour;
mod mistakes;

use std::ffi::{CStr, c_char, c_int};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libloading::Library;
use lsie_device::{DeviceError, Executor, Job, KernelSource};
use lsie_ingest::cuda::{CudaFrame, CudaLibrary, CudaShare, PrimaryContext, WorkMark, WorkQueue};

/// Which version the stand-in plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "each test file plays one of them")]
pub(crate) enum Flavour {
    V1_22,
    V1_24,
}

/// Queues a kernel: luma and its pitch, chroma and its pitch.
type Launch = unsafe extern "C" fn(u64, usize, u64, usize) -> c_int;

/// The stand-in is one for the whole process.
static ALONE: Mutex<()> = Mutex::new(());
/// Where it was compiled to.
static BUILT: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Compiles one of the C files beside this one for the flavour of this test file. Needs the packages of the media crates.
fn compile(source: &str, arguments: &[&str], to: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let target = folder.join(format!("{to}-{:?}", crate::FLAVOUR));
    let own = folder.join(format!("{to}-{:?}-{}", crate::FLAVOUR, std::process::id()));
    let packages = Command::new("pkg-config")
        .args(["--cflags", "--libs", "gstreamer-1.0", "gstreamer-video-1.0"])
        .output()
        .unwrap();
    assert!(packages.status.success(), "{packages:?}");
    let flags = String::from_utf8(packages.stdout).unwrap();
    let mut compiler = Command::new("cc");
    if crate::FLAVOUR == Flavour::V1_24 {
        compiler.arg("-DSTANDIN_1_24");
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/standin");
    let done = compiler
        .args(["-O1", "-g", "-Wall", "-Wextra", "-Werror"])
        .args(arguments)
        .arg(here.join(source))
        .arg("-o")
        .arg(&own)
        .args(flags.split_whitespace())
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    // Whole or not at all, whoever else builds the same.
    std::fs::rename(&own, &target).unwrap();
    target
}

/// The stand-in, as the tests drive it. Only one test at a time has it.
pub(crate) struct Standin {
    library: Library,
    pub(crate) path: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

impl Standin {
    /// A fresh machine, with NVIDIA's driver or without.
    pub(crate) fn new(with_driver: bool) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        gstreamer::init().unwrap();
        let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
        let path = built
            .get_or_insert_with(|| compile("gstcuda.c", &["-shared", "-fPIC"], "libstandin"))
            .clone();
        // SAFETY: our own library, which does nothing when it is opened.
        let library = unsafe { Library::new(&path) }.unwrap();
        let standin = Standin {
            library,
            path,
            _alone: alone,
        };
        standin.call::<unsafe extern "C" fn(c_int), _>(c"standin_reset", |reset| {
            // SAFETY: it takes a number.
            unsafe { reset(c_int::from(with_driver)) }
        });
        standin
    }

    fn call<F: Copy, T>(&self, name: &CStr, how: impl FnOnce(F) -> T) -> T {
        // SAFETY: the callers below name the types of gstcuda.c.
        let function = unsafe { self.library.get::<F>(name.to_bytes_with_nul()) }.unwrap();
        how(*function)
    }

    fn number(&self, name: &CStr) -> c_int {
        // SAFETY: it takes nothing.
        self.call::<unsafe extern "C" fn() -> c_int, _>(name, |count| unsafe { count() })
    }

    /// The breaches noted so far.
    pub(crate) fn faults(&self) -> Vec<String> {
        self.call::<unsafe extern "C" fn() -> *const c_char, _>(c"standin_faults", |faults| {
            // SAFETY: it gives a text of the library that ends with a zero.
            let text = unsafe { CStr::from_ptr(faults()) };
            text.to_str().unwrap().lines().map(str::to_owned).collect()
        })
    }

    pub(crate) fn contexts(&self) -> c_int {
        self.number(c"standin_contexts")
    }

    /// Surfaces that are not the decoder's now.
    pub(crate) fn surfaces_out(&self) -> c_int {
        self.number(c"standin_surfaces_out")
    }

    /// Most surfaces that were ever out.
    pub(crate) fn peak(&self) -> c_int {
        self.number(c"standin_peak")
    }

    /// Queues a kernel that reads the whole picture.
    pub(crate) fn launch(&self, frame: &CudaFrame) -> c_int {
        let [luma, chroma] = frame.planes();
        self.call::<Launch, _>(c"standin_launch", |launch| {
            // SAFETY: it takes numbers and follows none of them.
            unsafe {
                launch(
                    luma.address,
                    luma.pitch_bytes,
                    chroma.address,
                    chroma.pitch_bytes,
                )
            }
        })
    }

    /// Who reads pictures in the place of a device.
    pub(crate) fn reader(&self) -> Arc<Reader> {
        Arc::new(Reader {
            launch: self.call::<Launch, _>(c"standin_launch", |launch| launch),
            launches: Mutex::default(),
        })
    }

    /// Ends a kernel.
    pub(crate) fn finish(&self, launch: c_int) {
        // SAFETY: it takes a number.
        self.call::<unsafe extern "C" fn(c_int), _>(c"standin_finish", |finish| unsafe {
            finish(launch);
        });
    }

    /// Opens it as the ingest crate does and shares a context.
    pub(crate) fn share(&self, queue: &Arc<TestQueue>) -> (CudaShare, Owner) {
        let library = CudaLibrary::open_at(&self.path).unwrap();
        let owner = Owner::default();
        let context: Arc<dyn std::any::Any + Send + Sync> = Arc::new(owner.clone().held());
        // SAFETY: the stand-in never follows the handle.
        let primary =
            unsafe { PrimaryContext::from_raw(NonZeroUsize::new(0xC0DE).unwrap(), 0, context) };
        let queue: Arc<dyn WorkQueue> = Arc::clone(queue) as _;
        (CudaShare::new(&library, primary, queue).unwrap(), owner)
    }
}

/// Says whether the context it stands for was let go.
#[derive(Clone, Default)]
pub(crate) struct Owner {
    is_gone: Arc<AtomicBool>,
}

struct Held(Owner);

impl Owner {
    fn held(self) -> Held {
        Held(self)
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Acquire)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.is_gone.store(true, Ordering::Release);
    }
}

/// A queue whose work is done when the test says so, or when it is waited for.
#[derive(Default)]
pub(crate) struct TestQueue {
    /// Work ends at once.
    pub(crate) is_quick: bool,
    /// No mark can be set.
    pub(crate) is_lost: AtomicBool,
    marks: Mutex<Vec<Arc<AtomicBool>>>,
    pub(crate) waits: Arc<AtomicU32>,
}

struct TestMark {
    is_reached: Arc<AtomicBool>,
    waits: Arc<AtomicU32>,
}

impl TestQueue {
    /// All work queued so far is done.
    pub(crate) fn advance(&self) {
        for mark in self.marks.lock().unwrap().drain(..) {
            mark.store(true, Ordering::Release);
        }
    }
}

impl WorkQueue for TestQueue {
    fn mark(&self) -> Result<Box<dyn WorkMark>, DeviceError> {
        if self.is_lost.load(Ordering::Acquire) {
            return Err(DeviceError::Rejected {
                what: "an event".to_owned(),
                detail: "the device is lost".to_owned(),
            });
        }
        let is_reached = Arc::new(AtomicBool::new(self.is_quick));
        self.marks.lock().unwrap().push(Arc::clone(&is_reached));
        Ok(Box::new(TestMark {
            is_reached,
            waits: Arc::clone(&self.waits),
        }))
    }
}

impl WorkMark for TestMark {
    fn is_reached(&self) -> bool {
        self.is_reached.load(Ordering::Acquire)
    }

    fn wait(&self) {
        self.waits.fetch_add(1, Ordering::AcqRel);
    }
}

/// What a device would run to read a whole picture: the offsets and pitches of its planes are the parameters.
pub(crate) static READ_PICTURE: KernelSource = KernelSource {
    name: "read_picture",
    group: [1, 1, 1],
    arguments: 1,
    wgsl: "",
    cuda: "",
};

/// Runs [`READ_PICTURE`] on the stand-in.
#[derive(Debug)]
pub(crate) struct Reader {
    launch: Launch,
    /// What was launched and not ended.
    pub(crate) launches: Mutex<Vec<c_int>>,
}

impl Executor for Reader {
    fn run(&self, job: &mut Job) -> Result<(), DeviceError> {
        let at = job.buffers[0].lent_at;
        let numbers: Vec<u64> = job
            .params
            .chunks_exact(4)
            .map(|bytes| u64::from(u32::from_ne_bytes(bytes.try_into().unwrap())))
            .collect();
        let [luma, luma_pitch, chroma, chroma_pitch] = numbers[..] else {
            panic!("other parameters: {numbers:?}");
        };
        // SAFETY: it takes numbers and follows none of them.
        let launch = unsafe {
            (self.launch)(
                at + luma,
                luma_pitch as usize,
                at + chroma,
                chroma_pitch as usize,
            )
        };
        self.launches.lock().unwrap().push(launch);
        Ok(())
    }
}
