//! Stdout, written on a thread of its own so that a reader who is slow holds up nothing but itself.

use std::io::Write as _;
use tokio::sync::{mpsc, oneshot};

/// Chunks on their way to the thread.
const CHUNKS: usize = 2;

/// The way to stdout. When the reader closes it, the channel closes.
pub(crate) struct Stdout {
    sender: mpsc::Sender<Vec<u8>>,
    done: oneshot::Receiver<()>,
}

/// The reader of stdout has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReaderGone;

impl Stdout {
    pub(crate) fn start() -> Self {
        let (sender, mut receiver) = mpsc::channel::<Vec<u8>>(CHUNKS);
        let (finished, done) = oneshot::channel();
        std::thread::spawn(move || {
            let mut stdout = std::io::stdout().lock();
            while let Some(chunk) = receiver.blocking_recv() {
                if stdout.write_all(&chunk).and_then(|()| stdout.flush()).is_err() {
                    break;
                }
            }
            // Whoever waited for the end may have been interrupted.
            let _ = finished.send(());
        });
        Self { sender, done }
    }

    /// Writes what `buffer` holds as soon as the reader keeps up, and empties it.
    ///
    /// Cancel safe: the buffer is taken only when there is room for it.
    pub(crate) async fn write(&self, buffer: &mut Vec<u8>) -> Result<(), ReaderGone> {
        let permit = self.sender.reserve().await.map_err(|_| ReaderGone)?;
        permit.send(std::mem::take(buffer));
        Ok(())
    }

    /// Waits until everything is written, or the reader has gone.
    pub(crate) async fn finish(self) {
        drop(self.sender);
        // The thread is gone either way.
        let _ = self.done.await;
    }
}
