//! A bounded queue to stdout with its own thread: a slow reader delays nothing else.

use std::io::{self, ErrorKind, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

/// Chunks on their way to the thread.
const CHUNKS: usize = 2;

/// A bounded way to stdout or to the terminal. When nothing can be written any more, the channel closes.
pub(crate) struct StdoutWriter {
    sender: mpsc::Sender<Vec<u8>>,
    last_chunk: AtomicU64,
    /// Chunks written and flushed; closed when nothing more will be.
    flushed: watch::Receiver<u64>,
    ended: Arc<OnceLock<WriteFailure>>,
    is_stdout: bool,
}

/// Why nothing can be printed any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WriteFailure {
    /// Nobody reads: that is how `| head` ends a program.
    BrokenPipe,
    /// The system refuses, for this reason.
    Failed(String),
}

impl From<&io::Error> for WriteFailure {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::BrokenPipe,
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// How often it is looked whether somebody still reads. No write says so where there is nothing to write.
const READER_CHECK: Duration = Duration::from_secs(1);

#[cfg(unix)]
fn stdout_has_reader() -> bool {
    use rustix::event::{PollFd, PollFlags, poll};
    let stdout = io::stdout();
    let mut stdout = [PollFd::new(&stdout, PollFlags::empty())];
    let polled = poll(&mut stdout, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 }));
    // What cannot be asked, a file for instance, is written to as it is.
    polled.is_err() || !stdout.iter().any(|fd| fd.revents().contains(PollFlags::ERR))
}

#[cfg(not(unix))]
fn stdout_has_reader() -> bool {
    true
}

impl StdoutWriter {
    /// To stdout, flushed per chunk.
    pub(crate) fn stdout() -> Self {
        let writer = Self::spawn(|chunk| {
            let mut stdout = io::stdout().lock();
            stdout.write_all(&chunk)?;
            stdout.flush()
        });
        Self { is_stdout: true, ..writer }
    }

    /// To `write`, which may block. The thread ends with the first error, or with [`Outlet::finish`].
    pub(crate) fn spawn(mut write: impl FnMut(Vec<u8>) -> io::Result<()> + Send + 'static) -> Self {
        let (sender, mut receiver) = mpsc::channel::<Vec<u8>>(CHUNKS);
        let (written, flushed) = watch::channel(0);
        let ended = Arc::new(OnceLock::new());
        let why = Arc::clone(&ended);
        std::thread::spawn(move || {
            while let Some(chunk) = receiver.blocking_recv() {
                if let Err(error) = write(chunk) {
                    // It is the only one that says so.
                    let _ = why.set(WriteFailure::from(&error));
                    break;
                }
                written.send_modify(|count| *count += 1);
            }
        });
        Self { sender, last_chunk: AtomicU64::new(0), flushed, ended, is_stdout: false }
    }

    fn failure(&self) -> WriteFailure {
        self.ended.get().cloned().unwrap_or(WriteFailure::BrokenPipe)
    }

    /// Hands over what `buffer` holds as soon as the reader keeps up, and empties it.
    ///
    /// Gives the chunk's number, from 1. Cancel safe: the buffer is taken only when there is room for it.
    pub(crate) async fn write(&self, buffer: &mut Vec<u8>) -> Result<u64, WriteFailure> {
        let permit = self.sender.reserve().await.map_err(|_| self.failure())?;
        permit.send(std::mem::take(buffer));
        Ok(self.last_chunk.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Waits until that chunk is written and flushed; gives the number of the last one that is. What came through the
    /// side door counts too, so only an outlet without one knows.
    ///
    /// Cancel safe.
    pub(crate) async fn flushed(&self, chunk: u64) -> Result<u64, WriteFailure> {
        let mut flushed = self.flushed.clone();
        flushed.wait_for(|count| *count >= chunk).await.map(|count| *count).map_err(|_| self.failure())
    }

    /// Waits until nothing can be written any more, which nobody learns who has nothing more to write.
    ///
    /// Cancel safe.
    pub(crate) async fn failed(&self) -> WriteFailure {
        let mut flushed = self.flushed.clone();
        loop {
            tokio::select! {
                changed = flushed.changed() => if changed.is_err() {
                    return self.failure();
                },
                () = sleep(READER_CHECK), if self.is_stdout => if !stdout_has_reader() {
                    return WriteFailure::BrokenPipe;
                },
            }
        }
    }

    /// A way in for those who cannot wait, such as the log: what does not fit is lost. It does not keep the outlet
    /// from finishing.
    pub(crate) fn line_sender(&self) -> impl Fn(String) + Send + use<> {
        let sender = self.sender.downgrade();
        move |line| {
            if let Some(sender) = sender.upgrade() {
                // Full: the log has the least right to be printed.
                let _ = sender.try_send((line + "\n").into_bytes());
            }
        }
    }

    /// Waits until everything is written.
    ///
    /// # Errors
    /// When something was not.
    pub(crate) async fn finish(mut self) -> Result<(), WriteFailure> {
        drop(self.sender);
        while self.flushed.changed().await.is_ok() {}
        self.ended.get().cloned().map_or(Ok(()), Err)
    }
}
