//! What a process uses, from `/proc`.

use std::fs::{read_dir, read_to_string};

use anyhow::{Context as _, Result};
use nix::sys::resource::{UsageWho, getrusage};

/// Clock ticks of `/proc` in a second, fixed for programs on Linux.
const TICKS_PER_SEC: f64 = 100.0;

/// Keeps this process, the threads it starts and its children on one core.
pub fn pin_to_core(core: usize) -> Result<()> {
    let mut cores = nix::sched::CpuSet::new();
    cores.set(core).context("no such core")?;
    nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &cores).context("cannot pin")
}

/// What a process uses at one instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// Resident memory, pages that are shared counted in proportion, MiB.
    pub pss_mib: f64,
    /// Part of it that no file backs, MiB: what a leak grows.
    pub anonymous_mib: f64,
    /// Threads.
    pub threads: usize,
    /// Open file descriptors.
    pub descriptors: usize,
    /// Processor time since its start, user and system, seconds.
    pub cpu_secs: f64,
}

impl Usage {
    /// Reads it; fails when the process is gone.
    pub fn of(pid: u32) -> Result<Self> {
        let rollup = read_to_string(format!("/proc/{pid}/smaps_rollup"))
            .with_context(|| format!("process {pid}"))?;
        let stat = read_to_string(format!("/proc/{pid}/stat"))?;
        Ok(Usage {
            pss_mib: mib(&rollup, "Pss:").context("no Pss")?,
            anonymous_mib: mib(&rollup, "Pss_Anon:").unwrap_or(f64::NAN),
            threads: read_dir(format!("/proc/{pid}/task"))?.count(),
            descriptors: read_dir(format!("/proc/{pid}/fd"))?.count(),
            cpu_secs: cpu_secs(&stat).context("no processor time")?,
        })
    }
}

/// Processor time of this process since its start, user and system, all threads, seconds.
pub fn own_cpu_secs() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let secs = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(secs(usage.user_time()) + secs(usage.system_time()))
}

fn mib(rollup: &str, field: &str) -> Option<f64> {
    let line = rollup.lines().find(|line| line.starts_with(field))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}

/// Fields 14 and 15; the second field, the name in brackets, may hold spaces.
fn cpu_secs(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SEC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.pss_mib > 0.1 && usage.threads >= 1 && usage.descriptors >= 3);
        assert!(own_cpu_secs().unwrap() >= 0.0);
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        assert!(Usage::of(u32::MAX).is_err());
    }

    #[test]
    fn names_with_spaces_and_brackets_do_not_shift_the_fields() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        assert_eq!(cpu_secs(stat), Some(2.0));
        assert_eq!(cpu_secs("7 (a) S 1"), None);
    }

    #[test]
    fn anonymous_memory_is_not_taken_for_all_of_it() {
        let rollup = "Rss:  9 kB\nPss:   2048 kB\nPss_Anon:  1024 kB\n";
        assert_eq!(
            (mib(rollup, "Pss:"), mib(rollup, "Pss_Anon:")),
            (Some(2.0), Some(1.0))
        );
        assert_eq!(mib(rollup, "Swap:"), None);
    }
}
