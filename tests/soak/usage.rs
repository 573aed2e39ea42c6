//! Measures memory, descriptors, threads and tasks of processes, and judges whether they stay where they were. Starts and ends
//! nothing.

use std::fmt;
use std::fs;
use std::time::Duration;

/// Memory may move by a tenth and this: allocators keep what they have had.
const MEMORY_SLACK_KIB: u64 = 16 << 10;

/// Visitors that are there in one sample and not in another.
const COUNT_SLACK: u64 = 60;

/// What is used at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    at: Duration,
    processes: Vec<Process>,
    /// Tasks of this process, in which the clients are.
    tasks: u64,
}

#[derive(Debug, Clone)]
struct Process {
    memory_kib: u64,
    descriptors: u64,
    threads: u64,
}

impl Sample {
    /// Of these processes, and of this one.
    pub(crate) fn take(at: Duration, ids: [u32; 2]) -> Self {
        let processes = ids.into_iter().chain([std::process::id()]).map(Process::read).collect();
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        Self { at, processes, tasks: u64::try_from(tasks).unwrap() }
    }

    /// Each figure, in the order of [`names`].
    fn figures(&self) -> Vec<u64> {
        let of = |process: &Process| [process.memory_kib, process.descriptors, process.threads];
        [self.tasks].into_iter().chain(self.processes.iter().flat_map(of)).collect()
    }
}

/// The figures of a sample: what each is, and how much it may move beside a tenth.
fn names() -> Vec<(String, u64)> {
    let of = |process: &str| {
        [
            (format!("memory of {process} in KiB"), MEMORY_SLACK_KIB),
            (format!("descriptors of {process}"), COUNT_SLACK),
            (format!("threads of {process}"), COUNT_SLACK),
        ]
    };
    let tasks = (String::from("tasks of the clients"), COUNT_SLACK);
    [tasks].into_iter().chain(["server 1", "server 2", "clients"].into_iter().flat_map(of)).collect()
}

/// The middle of one figure in some samples.
fn median(samples: &[Sample], figure: usize) -> u64 {
    let mut values: Vec<u64> = samples.iter().map(|sample| sample.figures()[figure]).collect();
    values.sort_unstable();
    values[values.len() / 2]
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>5} s", self.at.as_secs())?;
        for process in &self.processes {
            let Process { memory_kib, descriptors, threads } = process;
            write!(f, "  {memory_kib:>7} KiB {descriptors:>4} fds {threads:>3} threads")?;
        }
        write!(f, "  {} tasks", self.tasks)
    }
}

impl Process {
    fn read(id: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{id}/status")).expect("a server has ended");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim_start_matches(':').split_whitespace().next().unwrap().parse().unwrap()
        };
        let descriptors = fs::read_dir(format!("/proc/{id}/fd")).unwrap().count();
        Self {
            memory_kib: field("VmRSS"),
            threads: field("Threads"),
            descriptors: u64::try_from(descriptors).unwrap(),
        }
    }
}

/// Compares the median of each figure in the last quarter with the one in the second quarter, when everything had begun.
pub(crate) fn judge(samples: &[Sample]) -> Result<String, String> {
    let quarter = samples.len() / 4;
    if quarter < 3 {
        return Err(String::from("too few samples: at least a minute is needed"));
    }
    let (second, last) = (&samples[quarter..2 * quarter], &samples[samples.len() - quarter..]);
    let (mut words, mut is_flat) = (Vec::new(), true);
    for (figure, (name, slack)) in names().into_iter().enumerate() {
        let (before, after) = (median(second, figure), median(last, figure));
        is_flat &= after <= before + before / 10 + slack;
        words.push(format!("{name}: {before} -> {after}"));
    }
    let words = words.join("\n");
    if is_flat { Ok(words) } else { Err(words) }
}
