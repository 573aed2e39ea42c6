//! The way out for what is printed, on a thread of its own: whoever reads slowly holds up nothing but itself.

use std::io::{self, Write as _};
use tokio::sync::{mpsc, oneshot};

/// Chunks on their way to the thread.
const CHUNKS: usize = 2;

/// A bounded way to stdout or to the terminal. When the reader closes it, the channel closes.
pub(crate) struct Outlet {
    sender: mpsc::Sender<Vec<u8>>,
    done: oneshot::Receiver<()>,
}

/// Nobody reads any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReaderGone;

impl Outlet {
    /// To stdout, flushed per chunk.
    pub(crate) fn stdout() -> Self {
        Self::to(|chunk| {
            let mut stdout = io::stdout().lock();
            stdout.write_all(&chunk)?;
            stdout.flush()
        })
    }

    /// To `write`, which may block. The thread ends with the first error, or with [`Outlet::finish`].
    pub(crate) fn to(mut write: impl FnMut(Vec<u8>) -> io::Result<()> + Send + 'static) -> Self {
        let (sender, mut receiver) = mpsc::channel::<Vec<u8>>(CHUNKS);
        let (finished, done) = oneshot::channel();
        std::thread::spawn(move || {
            while let Some(chunk) = receiver.blocking_recv() {
                if write(chunk).is_err() {
                    break;
                }
            }
            // Whoever waited for the end may have been interrupted.
            let _ = finished.send(());
        });
        Self { sender, done }
    }

    /// Hands over what `buffer` holds as soon as the reader keeps up, and empties it.
    ///
    /// Cancel safe: the buffer is taken only when there is room for it.
    pub(crate) async fn write(&self, buffer: &mut Vec<u8>) -> Result<(), ReaderGone> {
        let permit = self.sender.reserve().await.map_err(|_| ReaderGone)?;
        permit.send(std::mem::take(buffer));
        Ok(())
    }

    /// A way in for those who cannot wait, such as the log: what does not fit is lost. It does not keep the outlet
    /// from finishing.
    pub(crate) fn side_door(&self) -> impl Fn(String) + Send + use<> {
        let sender = self.sender.downgrade();
        move |line| {
            if let Some(sender) = sender.upgrade() {
                // Full: the log has the least right to be printed.
                let _ = sender.try_send((line + "\n").into_bytes());
            }
        }
    }

    /// Waits until everything is written, or nobody reads any more.
    pub(crate) async fn finish(self) {
        drop(self.sender);
        // The thread is gone either way.
        let _ = self.done.await;
    }
}
