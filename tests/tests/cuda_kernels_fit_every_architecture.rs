//! Every CUDA text compiled for every architecture that is served, without a GPU, and what it uses against its budget.
//!
//! The compiler comes from the folder that `./test` fetches it into, so that budgets mean one version of it; without that folder from
//! wherever the system has it. Where there is none all cases are listed as ignored, with the reason printed.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail, ensure};
use libtest_mimic::{Arguments, Trial};
use lsie_device::{Compiler, DeviceError, KernelResources, Target};
use lsie_kernels::text::{ALL, TextKernel};
use lsie_tests::parity::Budget;

/// Turing, Ampere, Ada, Hopper, Blackwell.
const ARCHITECTURES: [u32; 7] = [75, 80, 86, 89, 90, 100, 120];
/// Where `./test` puts the compiler, below the user's cache.
const FETCHED: &str = "lsie/test/nvrtc-13.5.37/nvidia/cu13/lib";
/// Registers a budget may be above what the worst architecture needs.
const SLACK_REGISTERS: u32 = 4;

fn main() -> ExitCode {
    if let Some(folder) = fetched() {
        // The loader reads its path once, at the start of a process.
        with_path(&folder);
    }
    let arguments = Arguments::from_args();
    let compiler = Compiler::open();
    if let Err(reason) = &compiler {
        let _ = writeln!(std::io::stderr(), "NOT RUN: {reason}");
    }
    let mut trials = vec![
        trial(
            "broken_text_comes_back_with_the_compilers_words",
            &compiler,
            broken,
        ),
        trial("a_newer_gpu_gets_text_for_its_driver", &compiler, portable),
        trial("a_kernel_that_spills_is_noticed", &compiler, spilling),
        trial("a_kernel_is_compiled_once_for_all_starts", &compiler, kept),
    ];
    for kernel in ALL {
        let name = format!("{}_fits_its_budget_on_every_architecture", kernel.folder);
        trials.push(trial(&name, &compiler, move |compiler| {
            fits(compiler, &kernel)
        }));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(
    name: &str,
    compiler: &Result<Compiler, DeviceError>,
    run: impl FnOnce(&Compiler) -> anyhow::Result<()> + Send + 'static,
) -> Trial {
    let compiler = compiler.clone();
    let is_absent = compiler.is_err();
    let run = move || {
        let outcome = compiler.map_err(anyhow::Error::from);
        outcome
            .and_then(|compiler| run(&compiler))
            .map_err(|error| format!("{error:#}").into())
    };
    Trial::test(name, run).with_ignored_flag(is_absent)
}

fn fetched() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let cache = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")))?;
    Some(cache.join(FETCHED)).filter(|folder| folder.is_dir())
}

/// Starts this test again with `folder` first on the loader's path, unless it is there already.
fn with_path(folder: &Path) {
    const NAME: &str = "LD_LIBRARY_PATH";
    let old = std::env::var_os(NAME).unwrap_or_default();
    let paths: Vec<PathBuf> = std::env::split_paths(&old).collect();
    if paths.first().is_some_and(|first| first == folder) {
        return;
    }
    let all = std::iter::once(folder.to_owned()).chain(paths);
    if let (Ok(program), Ok(joined)) = (std::env::current_exe(), std::env::join_paths(all)) {
        // It only comes back when it fails; then the system's compiler serves, if there is one.
        let _ = Command::new(program)
            .args(std::env::args_os().skip(1))
            .env(NAME, joined)
            .exec();
    }
}

fn resources(
    compiler: &Compiler,
    name: &str,
    text: &str,
    architecture: u32,
) -> anyhow::Result<KernelResources> {
    let compiled = compiler.compile(name, text, Target::Binary(architecture))?;
    ensure!(compiled.image.starts_with(b"\x7fELF"), "not a binary");
    compiled.resources.context("the compiler did not report")
}

fn fits(compiler: &Compiler, kernel: &TextKernel) -> anyhow::Result<()> {
    let budget = Budget::of(kernel.folder)?.cuda;
    let source = kernel.source;
    let mut used = BTreeMap::new();
    for architecture in ARCHITECTURES {
        ensure!(
            compiler.architectures().contains(&architecture),
            "NVRTC {} does not know sm_{architecture}",
            compiler.version()
        );
        let found = resources(compiler, source.name, source.cuda, architecture)?;
        ensure!(
            found.registers <= budget.registers
                && found.shared_bytes <= budget.shared_bytes
                && found.spill_bytes <= budget.spill_bytes,
            "sm_{architecture}: {found:?} is above {budget:?}"
        );
        used.insert(architecture, found);
    }
    let worst = used.values().map(|found| found.registers).max();
    ensure!(
        worst.is_some_and(|worst| budget.registers <= worst + SLACK_REGISTERS),
        "the budget of {} registers is too wide: {used:?}",
        budget.registers
    );
    let shared = used.values().map(|found| found.shared_bytes).max();
    ensure!(
        shared == Some(budget.shared_bytes),
        "shared memory: {used:?}"
    );
    Ok(())
}

fn broken(compiler: &Compiler) -> anyhow::Result<()> {
    let text = ALL[0].source.cuda.replacen("unsigned", "unsinged", 1);
    match compiler.compile("broken", &text, Target::Binary(90)) {
        Err(DeviceError::Rejected { detail, .. }) => {
            ensure!(
                detail.contains("unsinged") && detail.contains("kernel.cu("),
                "{detail}"
            );
            Ok(())
        }
        other => bail!("{other:?}"),
    }
}

fn portable(compiler: &Compiler) -> anyhow::Result<()> {
    let source = ALL[0].source;
    let compiled = compiler.compile(source.name, source.cuda, Target::Portable(75))?;
    let text = String::from_utf8_lossy(&compiled.image);
    ensure!(
        text.contains(".target sm_75") && text.contains(source.name),
        "{text}"
    );
    ensure!(compiled.resources.is_none());
    Ok(())
}

fn kept(compiler: &Compiler) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path().join("kernels");
    let source = ALL[0].source;
    let image = |text: &str, target| compiler.image(Some(&folder), source.name, text, target);
    let files = || -> anyhow::Result<Vec<String>> {
        let entries = std::fs::read_dir(&folder)?;
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect()
    };
    let (own, next) = (Target::Binary(90), Target::Portable(75));
    let first = image(source.cuda, own)?;
    let again = Compiler::open()?.image(Some(&folder), source.name, source.cuda, own)?;
    ensure!(!first.is_kept && again.is_kept && first.bytes == again.bytes);
    // Another target and another text are other files.
    ensure!(!image(source.cuda, next)?.is_kept);
    let changed = format!("{}// changed\n", source.cuda);
    ensure!(!image(&changed, own)?.is_kept && image(&changed, own)?.is_kept);
    let names = files()?;
    ensure!(names.len() == 3, "{names:?}");
    for part in ["sm_90-", "compute_75-"] {
        let wanted = format!("{}-{part}", source.name);
        ensure!(
            names.iter().any(|name| name.starts_with(&wanted)),
            "{names:?}"
        );
    }
    // A damaged file is made again, and a folder that cannot be is none.
    for name in names {
        std::fs::write(folder.join(name), b"damaged")?;
    }
    ensure!(!image(source.cuda, own)?.is_kept && image(source.cuda, own)?.is_kept);
    let nowhere = Path::new("/dev/null/kernels");
    let made = compiler.image(Some(nowhere), source.name, source.cuda, own)?;
    ensure!(!made.is_kept && made.bytes == first.bytes);
    Ok(())
}

fn spilling(compiler: &Compiler) -> anyhow::Result<()> {
    let text = "extern \"C\" __global__ void __launch_bounds__(1024, 2) greedy(const float* in, float* out) {
        float held[128];
        #pragma unroll
        for (int k = 0; k < 128; k++) held[k] = in[threadIdx.x * 128 + k];
        __syncthreads();
        float sum = 0.0f;
        #pragma unroll
        for (int k = 0; k < 128; k++) sum = sum * 1.5f + held[127 - k] * held[(k * 7) % 128];
        out[threadIdx.x] = sum;
    }";
    let found = resources(compiler, "greedy", text, 90)?;
    ensure!(found.spill_bytes > 0, "{found:?}");
    Ok(())
}
