//! Stops and resumes a process, and detects that it is stopped. Independent of what the process is.

use std::fs;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// By then a process that is told to stop has stopped.
const DEADLINE: Duration = Duration::from_secs(10);

/// SIGSTOP: the process' sockets stay, nobody answers. Comes back when each of its threads stands still: the signal alone may
/// leave one running for a moment.
pub(crate) fn freeze(child: &Child) {
    signal(child, "STOP");
    let begun = Instant::now();
    // The system tells nobody but the parent's `waitpid` that a process has stopped: it is looked for.
    while !is_stopped(child.id()) {
        assert!(begun.elapsed() < DEADLINE, "the process does not stop");
        sleep(Duration::from_millis(1));
    }
}

/// SIGCONT.
pub(crate) fn thaw(child: &Child) {
    signal(child, "CONT");
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let status = Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap();
    assert!(status.success());
}

/// Whether every thread is stopped, by the letter behind the name in parentheses (`proc(5)`).
fn is_stopped(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads.flatten().all(|thread| {
        // One that has ended meanwhile has no file any more.
        let Ok(stat) = fs::read_to_string(thread.path().join("stat")) else { return true };
        stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
    })
}
