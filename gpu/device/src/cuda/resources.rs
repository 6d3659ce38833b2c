//! What a compiled kernel uses of a multiprocessor, from the compiler's report.

/// Registers, memory and spills of one kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KernelResources {
    /// Registers of a thread.
    pub registers: u32,
    /// Static shared memory of a group, bytes.
    pub shared_bytes: u32,
    /// Bytes of a thread's own memory, which is slow: arrays and spilled registers.
    pub stack_bytes: u32,
    /// Bytes of registers that did not fit, stores and loads counted.
    pub spill_bytes: u32,
}

impl KernelResources {
    /// Reads the report of the entry point `name`; `None` when there is none.
    pub(super) fn of_log(log: &str, name: &str) -> Option<Self> {
        let entry = format!("entry function '{name}'");
        let own = log
            .split("Compiling ")
            .find(|part| part.starts_with(&entry))?;
        let is_complete = own.contains("registers");
        is_complete.then(|| KernelResources {
            registers: before(own, "registers"),
            shared_bytes: before(own, "bytes smem"),
            stack_bytes: before(own, "bytes stack frame"),
            spill_bytes: before(own, "bytes spill stores") + before(own, "bytes spill loads"),
        })
    }
}

/// The number that stands before `words`, 0 when they are not there.
fn before(report: &str, words: &str) -> u32 {
    let head = report
        .split(words)
        .next()
        .filter(|head| head.len() < report.len());
    let number = head.and_then(|head| head.split_whitespace().next_back());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'other' for 'sm_75'
ptxas info    : Function properties for other
ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 9 registers, used 0 barriers, 384 bytes cmem[0]
ptxas info    : Compiling entry function 'detect_faces' for 'sm_75'
ptxas info    : Function properties for detect_faces
ptxas         .     16 bytes stack frame, 8 bytes spill stores, 4 bytes spill loads
ptxas info    : Used 41 registers, used 1 barriers, 3872 bytes smem, 392 bytes cmem[0]
";

    #[test]
    fn the_report_of_the_entry_point_is_read() {
        let wanted = KernelResources {
            registers: 41,
            shared_bytes: 3872,
            stack_bytes: 16,
            spill_bytes: 12,
        };
        assert_eq!(KernelResources::of_log(LOG, "detect_faces"), Some(wanted));
        let other = KernelResources::of_log(LOG, "other").unwrap();
        assert_eq!((other.registers, other.shared_bytes), (9, 0));
        assert_eq!(KernelResources::of_log(LOG, "absent"), None);
        assert_eq!(KernelResources::of_log("", "other"), None);
    }
}
