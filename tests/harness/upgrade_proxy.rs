//! A proxy of HTTP that lets no WebSocket through while it is told so.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// A running proxy. Dropping it ends everything that goes through it.
#[derive(Debug)]
pub struct UpgradeProxy {
    /// Where it listens.
    pub address: SocketAddr,
    refuses: Arc<AtomicBool>,
    lines: Arc<Mutex<Vec<String>>>,
    cut: Arc<Notify>,
    task: JoinHandle<()>,
}

const REFUSAL: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

impl UpgradeProxy {
    /// Starts a proxy to `target`, which refuses upgrades at first.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (refuses, lines) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::default()));
        let (is_refusing, seen) = (Arc::clone(&refuses), Arc::clone(&lines));
        let cut = Arc::new(Notify::new());
        let is_cut = Arc::clone(&cut);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let carried = carry(client, target, Arc::clone(&is_refusing), Arc::clone(&seen));
                let is_cut = Arc::clone(&is_cut);
                connections.spawn(async move {
                    tokio::select! {
                        () = carried => {}
                        () = is_cut.notified() => {}
                    }
                });
            }
        });
        Self { address, refuses, lines, cut, task }
    }

    /// Refuses upgrades from here on, or lets them through.
    pub fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::Relaxed);
    }

    /// Cuts all connections that there are.
    pub fn cut(&self) {
        self.cut.notify_waiters();
    }

    /// The first request line of each connection so far.
    pub fn requests(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn carry(
    mut client: TcpStream,
    target: SocketAddr,
    refuses: Arc<AtomicBool>,
    lines: Arc<Mutex<Vec<String>>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = client.read_u8().await else { return };
        head.push(byte);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let line = text.lines().next().unwrap_or_default().to_owned();
    lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    let wants_upgrade = text.to_ascii_lowercase().contains("\r\nupgrade:");
    if wants_upgrade && refuses.load(Ordering::Relaxed) {
        // The client may have gone.
        let _ = client.write_all(REFUSAL).await;
        return;
    }
    if let Ok(mut server) = TcpStream::connect(target).await
        && server.write_all(&head).await.is_ok()
    {
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
}

impl Drop for UpgradeProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}
