//! CUDA text executed on the processor: every thread of every group, under several schedules, with its memory watched.
//!
//! A kernel becomes a program: its own text, untouched, behind a header that gives CUDA's words a meaning for a C++ compiler.
//! Launches go to it through a pipe. [`CudaHost`] is an [`Executor`], so an [`ExecutorDevice`] over it runs the launchers and the
//! parity cases as they are. What it finds, and the first word of the fault that says so:
//!
//! | fault | finds |
//! |---|---|
//! | `schedules:` | results that depend on the order of threads: a missing barrier, shared memory read before it is written |
//! | `threads:` | threads that wait for ever, at different barriers, or for a lane that has ended |
//! | `guard:` | writes just outside a buffer, without a sanitizer |
//! | `input:` | writes to a buffer that is only to be read |
//! | `compile:` | text that is no C++ |
//! | `launch:` | parameters or buffers that the kernel does not declare |
//! | `crash:` | an address made of shared memory that nobody has written, without a sanitizer |
//! | `sanitizer:` | any access outside a buffer, an array or shared memory, misaligned access, undefined arithmetic |

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail, ensure};
use lsie_device::{DeviceError, DeviceKind, Executor, ExecutorDevice, Job, KernelSource};

const HEADER: &str = include_str!("cuda_host.h");
const PROGRAM: &str = include_str!("program.cpp");
/// The natural order, its opposite, and two drawn ones.
const SCHEDULES: u32 = 4;

/// How the programs are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// Optimised, with guards around the buffers.
    Plain,
    /// Under the address and undefined-behaviour sanitizers.
    Sanitized,
}

impl Flavour {
    /// Both.
    pub const ALL: [Flavour; 2] = [Flavour::Plain, Flavour::Sanitized];

    /// As labels spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Flavour::Plain => "plain",
            Flavour::Sanitized => "sanitized",
        }
    }

    fn options(self) -> &'static [&'static str] {
        match self {
            Flavour::Plain => &["-O2"],
            Flavour::Sanitized => &[
                "-O1",
                "-g",
                "-fsanitize=address,undefined,float-cast-overflow",
                "-fno-sanitize-recover=all",
                "-fsanitize-sections=cuda_shared",
            ],
        }
    }
}

/// Runs CUDA text on the processor.
#[derive(Debug)]
pub struct CudaHost {
    flavour: Flavour,
    folder: PathBuf,
    /// By text.
    programs: Mutex<HashMap<&'static str, Program>>,
}

impl CudaHost {
    /// Finds the compiler. Fails with the reason where there is none.
    pub fn new(flavour: Flavour) -> anyhow::Result<Arc<Self>> {
        let version = Command::new("g++").arg("--version").output();
        let version = version.context("g++ is not installed (Debian: build-essential)")?;
        ensure!(version.status.success(), "g++ does not run");
        let own = std::env::current_exe()?;
        let beside = own.parent().context("a test without a folder")?;
        let folder = beside.join("cuda-host");
        fs::create_dir_all(&folder)?;
        Ok(Arc::new(CudaHost {
            flavour,
            folder,
            programs: Mutex::new(HashMap::new()),
        }))
    }

    /// A device whose kernels it runs.
    #[must_use]
    pub fn device(self: &Arc<Self>) -> ExecutorDevice {
        let name = format!("CUDA text on the processor, {}", self.flavour.as_str());
        ExecutorDevice::new(
            DeviceKind::Cuda,
            &name,
            Arc::clone(self) as Arc<dyn Executor>,
        )
    }

    fn launch(&self, job: &mut Job) -> anyhow::Result<()> {
        let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        let text = job.source.cuda;
        let mut program = match programs.remove(text) {
            Some(program) => program,
            None => Program::start(&self.compiled(job.source)?)?,
        };
        program.launch(job)?;
        // After a fault it is gone, and the next launch starts another one.
        programs.insert(text, program);
        Ok(())
    }

    /// The program of a kernel, compiled unless an earlier run has left it.
    fn compiled(&self, source: &KernelSource) -> anyhow::Result<PathBuf> {
        let options = self.flavour.options().join(" ");
        let parts = [source.cuda, source.name, HEADER, PROGRAM, &options];
        let stem = format!(
            "{}-{}-{:016x}",
            source.name,
            self.flavour.as_str(),
            hash(&parts)
        );
        let program = self.folder.join(&stem);
        if program.exists() {
            return Ok(program);
        }
        // Tests run beside each other: each compiles in its own folder, and the last one to finish leaves its result.
        let work = self
            .folder
            .join(format!("{stem}-{}.work", std::process::id()));
        fs::create_dir_all(&work)?;
        for (name, text) in [
            ("kernel.cu", source.cuda),
            ("cuda_host.h", HEADER),
            ("program.cpp", PROGRAM),
        ] {
            fs::write(work.join(name), text)?;
        }
        let output = Command::new("g++")
            .current_dir(&work)
            .args(["-std=c++17", "-Wall", "-Wextra", "-Werror"])
            .args(["-Wno-unknown-pragmas", "-ffp-contract=off"])
            .args(self.flavour.options())
            .arg("-DKERNEL_FILE=\"kernel.cu\"")
            .arg(format!("-DKERNEL_NAME={}", source.name))
            .args(["program.cpp", "-o", "program"])
            .output()?;
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            fs::rename(work.join("program"), &program)?;
        }
        fs::remove_dir_all(&work)?;
        ensure!(output.status.success(), "compile: {}: {words}", source.name);
        Ok(program)
    }
}

impl Executor for CudaHost {
    fn run(&self, job: &mut Job) -> Result<(), DeviceError> {
        let name = job.source.name;
        self.launch(job).map_err(|error| DeviceError::Rejected {
            what: name.to_owned(),
            detail: format!("{error:#}"),
        })
    }
}

/// A kernel that waits for launches.
#[derive(Debug)]
struct Program {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    /// What it says on its standard error.
    words: PathBuf,
}

impl Program {
    fn start(path: &Path) -> anyhow::Result<Self> {
        let words = path.with_extension(format!("{}.txt", std::process::id()));
        let mut child = Command::new(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&words)?)
            .env(
                "ASAN_OPTIONS",
                "detect_leaks=0:detect_stack_use_after_return=0",
            )
            .env("UBSAN_OPTIONS", "print_stacktrace=1")
            .spawn()?;
        Ok(Program {
            input: child.stdin.take().context("no standard input")?,
            output: child.stdout.take().context("no standard output")?,
            child,
            words,
        })
    }

    fn launch(&mut self, job: &mut Job) -> anyhow::Result<()> {
        let sent = self.send(job);
        let received = sent.and_then(|()| self.receive(job));
        match received {
            Ok(None) => Ok(()),
            Ok(Some(fault)) => bail!("{fault}"),
            // The pipe has ended: the program tells why on its way out.
            Err(_) => {
                let status = self.child.wait()?;
                let words = fs::read_to_string(&self.words)?;
                let marks = ["ERROR:", "runtime error:"];
                let report = words
                    .lines()
                    .find(|line| marks.iter().any(|mark| line.contains(mark)));
                let Some(report) = report else {
                    bail!("crash: {status}: {words}");
                };
                let place = words.lines().find(|line| line.contains("kernel.cu:"));
                bail!(
                    "sanitizer: {} {}",
                    report.trim(),
                    place.unwrap_or_default().trim()
                );
            }
        }
    }

    fn send(&mut self, job: &Job) -> std::io::Result<()> {
        let mut head: Vec<u32> = [job.groups, job.source.group].concat();
        head.extend([job.params.len() as u32, job.buffers.len() as u32, SCHEDULES]);
        let mut bytes: Vec<u8> = bytemuck::cast_slice(&head).to_vec();
        bytes.extend(&job.params);
        for buffer in &job.buffers {
            bytes.extend((buffer.bytes.len() as u64).to_ne_bytes());
            bytes.extend(u32::from(buffer.is_output).to_ne_bytes());
            bytes.extend(&buffer.bytes);
        }
        self.input.write_all(&bytes)?;
        self.input.flush()
    }

    /// The outputs, or the words of a fault.
    fn receive(&mut self, job: &mut Job) -> std::io::Result<Option<String>> {
        if self.number()? != 0 {
            let mut words = vec![0; self.number()? as usize];
            self.output.read_exact(&mut words)?;
            return Ok(Some(String::from_utf8_lossy(&words).into_owned()));
        }
        for buffer in job.buffers.iter_mut().filter(|buffer| buffer.is_output) {
            self.output.read_exact(&mut buffer.bytes)?;
        }
        Ok(None)
    }

    fn number(&mut self) -> std::io::Result<u32> {
        let mut bytes = [0; 4];
        self.output.read_exact(&mut bytes)?;
        Ok(u32::from_ne_bytes(bytes))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.words);
    }
}

/// FNV-1a over the parts and their borders.
fn hash(parts: &[&str]) -> u64 {
    let bytes = parts
        .iter()
        .flat_map(|part| part.bytes().chain(std::iter::once(0xFF)));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
