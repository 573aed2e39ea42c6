//! Figures of this process: memory, time, open files. Empty without `/proc`.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fs;

/// The figures under the names that Prometheus' own libraries give them.
#[derive(Debug)]
pub(crate) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut tell = |name: &str, help: &str, metric: &dyn EncodeMetric| {
            metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
        };
        if let Some(bytes) = resident_bytes() {
            tell("process_resident_memory_bytes", "Resident memory size.", &ConstGauge::new(bytes))?;
        }
        if let Some(Stat { cpu_seconds, threads }) = stat() {
            tell("process_cpu_seconds", "User and system time spent.", &ConstCounter::new(cpu_seconds))?;
            tell("process_threads", "Threads.", &ConstGauge::new(threads))?;
        }
        if let Some(open) = open_files() {
            tell("process_open_fds", "Open file descriptors.", &ConstGauge::new(open))?;
        }
        if let Some(most) = crate::file_limit::current() {
            tell("process_max_fds", "Most open file descriptors.", &ConstGauge::new(most))?;
        }
        Ok(())
    }
}

/// Bytes of memory that are in use.
pub(crate) fn resident_bytes() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages.saturating_mul(page_size()))
}

struct Stat {
    cpu_seconds: f64,
    threads: u64,
}

fn stat() -> Option<Stat> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    parse(&stat, ticks_per_second())
}

/// The program's name is in brackets and may hold anything; the fields are counted behind it, from the third on.
fn parse(stat: &str, ticks: f64) -> Option<Stat> {
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    #[expect(clippy::cast_precision_loss, reason = "ticks of a process are far fewer than 2^52")]
    let cpu_seconds = (number(14)? + number(15)?) as f64 / ticks;
    Some(Stat { cpu_seconds, threads: number(20)? })
}

fn open_files() -> Option<u64> {
    // One of them is the folder that is read here.
    Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as u64)
}

#[cfg(unix)]
fn page_size() -> u64 {
    rustix::param::page_size() as u64
}

#[cfg(not(unix))]
fn page_size() -> u64 {
    4096
}

#[cfg(unix)]
fn ticks_per_second() -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "it is 100")]
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    ticks
}

#[cfg(not(unix))]
fn ticks_per_second() -> f64 {
    100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_behind_a_name_with_brackets_and_spaces() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 1 0 0 0 250 150 0 0 20 0 9 0 100 1 1";
        let Stat { cpu_seconds, threads } = parse(stat, 100.0).unwrap();
        assert!((cpu_seconds - 4.0).abs() < 1e-9 && threads == 9);
        for broken in ["", "7 (a", "7 (a) S 1", "7 (a) S 1 7 7 0 -1 4194560 1 0 0 0 x 150 0 0 20 0 9"] {
            assert!(parse(broken, 100.0).is_none(), "{broken}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_uses_memory_and_files() {
        assert!(resident_bytes().unwrap() > 100_000);
        assert!(open_files().unwrap() >= 3);
        assert!(stat().unwrap().threads >= 1);
    }
}
