//! A proxy that cuts a connection after a number of the server's bytes, at any position.

use fastrand::Rng;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A running proxy. Dropping it cuts everything.
#[derive(Debug)]
pub struct CuttingProxy {
    /// Where it listens.
    pub address: SocketAddr,
    blunt: Arc<AtomicBool>,
    cuts: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl CuttingProxy {
    /// Starts a proxy to `target`; where each connection is cut is drawn from `seed`.
    pub async fn start(target: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (blunt, cuts) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (is_blunt, counted) = (Arc::clone(&blunt), Arc::clone(&cuts));
        let task = tokio::spawn(async move {
            let mut rng = Rng::with_seed(seed);
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let Ok((client, _)) = listener.accept().await else { return };
                let most = (!is_blunt.load(Ordering::Relaxed)).then(|| rng.usize(1..4000));
                let counted = Arc::clone(&counted);
                connections.spawn(async move {
                    if let Ok(server) = TcpStream::connect(target).await
                        && carry(client, server, most).await
                    {
                        counted.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        Self { address, blunt, cuts, task }
    }

    /// How many connections have been cut.
    pub fn cuts(&self) -> usize {
        self.cuts.load(Ordering::Relaxed)
    }

    /// Waits until so many connections have been cut.
    pub async fn until_cut(&self, times: usize) {
        while self.cuts() < times {
            tokio::task::yield_now().await;
        }
    }

    /// From now on connections are passed on as they are; those under way are still cut.
    pub fn stop_cutting(&self) {
        self.blunt.store(true, Ordering::Relaxed);
    }
}

impl Drop for CuttingProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Says whether it has been cut.
async fn carry(client: TcpStream, server: TcpStream, most: Option<usize>) -> bool {
    let (mut client_read, mut client_write) = client.into_split();
    let (mut server_read, mut server_write) = server.into_split();
    let up = async {
        let _ = tokio::io::copy(&mut client_read, &mut server_write).await;
    };
    let down = async {
        let mut left = most.unwrap_or(usize::MAX);
        let mut buffer = [0; 4096];
        loop {
            let Ok(read @ 1..) = server_read.read(&mut buffer).await else { return false };
            let part = read.min(left);
            left -= part;
            if client_write.write_all(&buffer[..part]).await.is_err() {
                return false;
            }
            if left == 0 {
                return true;
            }
        }
    };
    tokio::select! {
        () = up => false,
        cut = down => cut,
    }
}
