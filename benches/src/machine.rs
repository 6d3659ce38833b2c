//! The machine in words, without its name.

use std::fs::read_to_string;
use std::thread::available_parallelism;
use std::time::SystemTime;

use lsie_schemas::time::UtcMicros;

/// Processor, cores, memory, system, kernel, load and date. `date` replaces the clock's.
pub fn machine_line(date: Option<&str>) -> String {
    let load = field("/proc/loadavg", |text| {
        Some(text.split(' ').take(3).collect::<Vec<_>>().join(" "))
    });
    let date = date.map_or_else(today, str::to_owned);
    format!(
        "{}, {} GiB, {}, kernel {}, compute device cpu; {date}, load average {load}",
        machine_name(),
        memory_gib(),
        system(),
        kernel()
    )
}

/// Cores and processor: what numbers belong to.
pub fn machine_name() -> String {
    let cores = available_parallelism().map_or(0, std::num::NonZero::get);
    format!("{cores} vCPU {}", processor())
}

fn field(path: &str, find: impl FnOnce(&str) -> Option<String>) -> String {
    let text = read_to_string(path).unwrap_or_default();
    find(&text).unwrap_or_else(|| "unknown".to_owned())
}

fn processor() -> String {
    field("/proc/cpuinfo", |text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    })
}

fn memory_gib() -> String {
    field("/proc/meminfo", |text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal"))?;
        let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(format!("{:.0}", kib / 1_048_576.0))
    })
}

fn system() -> String {
    field("/etc/os-release", |text| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
        Some(line.trim_matches('"').to_owned())
    })
}

fn kernel() -> String {
    field("/proc/sys/kernel/osrelease", |text| {
        let numbers = text.trim().split('-').next()?;
        Some(numbers.to_owned())
    })
}

fn today() -> String {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let text = UtcMicros(since.as_micros() as i64).to_text();
    text.split('T').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_carries_a_given_date() {
        let line = machine_line(Some("2020-02-29"));
        assert!(
            line.contains("vCPU") && line.contains("2020-02-29"),
            "{line}"
        );
    }

    #[test]
    fn without_a_date_it_is_the_clocks() {
        let date = today();
        assert_eq!(date.len(), 10);
        assert!(date.starts_with("20"), "{date}");
    }
}
