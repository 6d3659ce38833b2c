//! The tests of the tests: kernels with a fault in them, and which check must say so.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use lsie_device::{DeviceError, DeviceKind, Executor, ExecutorDevice, Job, KernelSource};
use lsie_kernels::text::{ALL, TextKernel};
use lsie_tests::cuda_host::{CudaHost, Flavour};
use lsie_tests::parity::{Place, cases};

/// Runs a changed text wherever the launcher asks for its kernel.
#[derive(Debug)]
struct Mutant {
    host: Arc<CudaHost>,
    changed: &'static KernelSource,
}

impl Executor for Mutant {
    fn run(&self, job: &mut Job) -> Result<(), DeviceError> {
        if job.source.name == self.changed.name {
            job.source = self.changed;
        }
        self.host.run(job)
    }
}

fn kernel(folder: &str) -> anyhow::Result<TextKernel> {
    let found = ALL.iter().find(|kernel| kernel.folder == folder);
    found.copied().context(folder.to_owned())
}

/// The words of the first case of the kernel that fails with this text; `None` when all pass.
fn first_fault(
    kernel: &TextKernel,
    text: String,
    flavour: Flavour,
) -> anyhow::Result<Option<String>> {
    ensure!(text != kernel.source.cuda, "the text is as it was");
    let changed = KernelSource {
        cuda: Box::leak(text.into_boxed_str()),
        ..*kernel.source
    };
    let mutant = Mutant {
        host: CudaHost::new(flavour)?,
        changed: Box::leak(Box::new(changed)),
    };
    let device = ExecutorDevice::new(DeviceKind::Cuda, "mutant", Arc::new(mutant));
    let place = Place::on(Arc::new(device))?;
    let own = cases()
        .into_iter()
        .filter(|case| case.name.starts_with(&format!("{}/", kernel.folder)));
    let fault = own.map(|case| (case.run)(&place)).find_map(Result::err);
    Ok(fault.map(|error| format!("{error:#}")))
}

/// Changes one place of a kernel and expects a fault with these words.
fn expect(folder: &str, from: &str, to: &str, flavour: Flavour, words: &str) -> anyhow::Result<()> {
    let kernel = kernel(folder)?;
    let text = kernel.source.cuda.replacen(from, to, 1);
    let fault = first_fault(&kernel, text, flavour)?;
    let fault = fault.with_context(|| format!("{folder}: nothing noticed {to:?}"))?;
    ensure!(fault.contains(words), "{folder}: {fault}");
    Ok(())
}

#[test]
fn any_missing_barrier_is_found_by_schedules_over_poisoned_memory() -> anyhow::Result<()> {
    const BARRIER: &str = "__syncthreads();";
    let mut barriers = 0;
    for kernel in ALL {
        for (at, _) in kernel.source.cuda.match_indices(BARRIER) {
            barriers += 1;
            let mut text = kernel.source.cuda.to_owned();
            text.replace_range(at..at + BARRIER.len(), "");
            let fault = first_fault(&kernel, text, Flavour::Plain)?
                .with_context(|| format!("{}: nobody misses barrier {at}", kernel.folder))?;
            // What nobody has written yet makes results differ, or addresses that lead nowhere.
            let is_found = ["schedules:", "crash:"]
                .iter()
                .any(|mark| fault.contains(mark));
            assert!(is_found, "{}: {fault}", kernel.folder);
        }
    }
    assert!(barriers >= 5, "only {barriers} barriers");
    Ok(())
}

#[test]
fn an_off_by_one_is_found_by_the_guards_and_by_the_sanitizer() -> anyhow::Result<()> {
    for (flavour, words) in [
        (Flavour::Plain, "guard: a write beyond buffer"),
        (Flavour::Sanitized, "heap-buffer-overflow"),
    ] {
        expect(
            "project",
            "index >= LANDMARKS",
            "index > LANDMARKS",
            flavour,
            words,
        )?;
        expect(
            "au12",
            "index >= params.count",
            "index > params.count",
            flavour,
            words,
        )?;
    }
    Ok(())
}

#[test]
fn a_wrong_pitch_is_found_by_the_reference() -> anyhow::Result<()> {
    expect(
        "crop",
        "y.second * picture.pitch[channel]",
        "y.second * picture.width",
        Flavour::Plain,
        " codes: CropParams",
    )
}

#[test]
fn a_crop_of_the_wrong_camera_is_found_by_the_reference() -> anyhow::Result<()> {
    expect(
        "crops",
        "crop.source == 4u ? frame_4",
        "crop.source == 7u ? frame_4",
        Flavour::Plain,
        " codes: CropParams",
    )
}

#[test]
fn a_read_beyond_the_picture_is_found_by_the_sanitizer() -> anyhow::Result<()> {
    expect(
        "crop",
        "min(first + 1u, size - 1u)",
        "first + 1u",
        Flavour::Sanitized,
        "heap-buffer-overflow",
    )
}

#[test]
fn a_forgotten_phase_is_found_by_the_reference() -> anyhow::Result<()> {
    expect(
        "resample",
        "at % params.up * params.taps",
        "0u * params.taps",
        Flavour::Plain,
        "8000 Hz, place",
    )
}

#[test]
fn a_sum_of_32_bits_is_found_by_the_reference() -> anyhow::Result<()> {
    expect(
        "pulse",
        "long long sum = 0;",
        "unsigned sum = 0;",
        Flavour::Plain,
        " shift ",
    )
}

#[test]
fn a_shift_too_many_is_found_by_the_sanitizer() -> anyhow::Result<()> {
    expect(
        "pulse",
        "k + 1u < row.length",
        "k < row.length",
        Flavour::Sanitized,
        "heap-buffer-overflow",
    )
}

#[test]
fn a_tap_too_many_is_found_by_the_sanitizer() -> anyhow::Result<()> {
    expect(
        "resample",
        "k < params.taps; k",
        "k <= params.taps; k",
        Flavour::Sanitized,
        "heap-buffer-overflow",
    )
}

#[test]
fn a_barrier_that_not_all_threads_share_is_found() -> anyhow::Result<()> {
    expect(
        "project",
        "    __syncthreads();\n    if (index",
        "    if (threadIdx.x < 32u) {\n        __syncthreads();\n    } else {\n        __syncthreads();\n    }\n    if (index",
        Flavour::Plain,
        "threads: threads wait at different barriers",
    )
}

#[test]
fn a_lane_that_left_before_a_shuffle_is_found() -> anyhow::Result<()> {
    expect(
        "detect",
        "        best = best_of_warp(best);",
        "        if (thread == 5u) return;\n        best = best_of_warp(best);",
        Flavour::Plain,
        "threads: a lane of the mask has ended",
    )
}

#[test]
fn a_write_to_an_input_is_found() -> anyhow::Result<()> {
    expect(
        "au12",
        "    results[index] = result;",
        "    results[index] = result;\n    ((float*)landmarks)[0] = 1.0f;",
        Flavour::Plain,
        "input: buffer 0 was written to",
    )
}

#[test]
fn text_that_is_no_kernel_is_refused_with_the_compilers_words() -> anyhow::Result<()> {
    expect("au12", "sqrtf", "squareroot", Flavour::Plain, "squareroot")
}
