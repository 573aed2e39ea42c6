//! A TCP proxy that injects network faults.

use fastrand::Rng;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// How one connection is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Treatment {
    /// Passed on as it is.
    Honest,
    /// Reset after this many bytes toward the server.
    Reset(usize),
    /// Swallowed in both directions after this many bytes toward the server.
    HalfOpen(usize),
    /// Cut into pieces of a few bytes, for the first [`SLOW_BYTES`].
    Split,
    /// Stands still for a moment now and then, for the first [`SLOW_BYTES`].
    Stall,
    /// Lets through a little at a time, for the first [`SLOW_BYTES`].
    Drip,
}

/// A connection is slow for this many bytes in each direction and is passed on as it is afterwards: what a slow
/// connection costs is bounded, however much is sent over it and however slow the machine is.
const SLOW_BYTES: usize = 64 * 1024;

/// So many connections of a proxy can suffer: one client that is cut off each time, and waits longer each time, does not
/// decide how long a test takes.
const FAULTY_CONNECTIONS: usize = 30;

/// So many connections in a row are lost. A half-open connection costs its client 15 s, and each loss in a row doubles
/// the delay before the next attempt: without this bound, the last client of a test may need minutes.
const LOST_IN_A_ROW: usize = 3;

impl Treatment {
    fn name(self) -> &'static str {
        match self {
            Self::Honest => "honest",
            Self::Reset(_) => "reset",
            Self::HalfOpen(_) => "half_open",
            Self::Split => "split",
            Self::Stall => "stall",
            Self::Drip => "drip",
        }
    }

    /// Its name, and after how many bytes toward the server it begins.
    fn told(self) -> String {
        match self {
            Self::Reset(bytes) | Self::HalfOpen(bytes) => format!("{} after {bytes} bytes", self.name()),
            _ => self.name().to_owned(),
        }
    }

    /// Whether the connection ends by it.
    fn is_lost(self) -> bool {
        matches!(self, Self::Reset(_) | Self::HalfOpen(_))
    }

    /// What becomes of the next bytes of a connection that has carried `passed` bytes in their direction.
    fn after(self, passed: usize) -> Self {
        match self {
            Self::Split | Self::Stall | Self::Drip if passed > SLOW_BYTES => Self::Honest,
            treatment => treatment,
        }
    }
}

/// A running proxy. Dropping it cuts everything.
#[derive(Debug)]
pub struct FaultProxy {
    /// Where it listens.
    pub address: SocketAddr,
    faulty: Arc<AtomicBool>,
    fault_counts: Arc<Mutex<BTreeMap<&'static str, usize>>>,
    task: JoinHandle<()>,
}

impl FaultProxy {
    /// Starts a proxy to `target`; what each connection suffers is drawn from `seed`.
    pub async fn start(target: SocketAddr, seed: u64) -> Self {
        Self::start_told(target, seed, |_, _| {}).await
    }

    /// The same, which tells of each connection its number, from 1 on, and how it is treated.
    pub async fn start_told(
        target: SocketAddr,
        seed: u64,
        tell: impl Fn(usize, &str) + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let faulty = Arc::new(AtomicBool::new(true));
        let still_faulty = Arc::clone(&faulty);
        let fault_counts = Arc::new(Mutex::new(BTreeMap::new()));
        let counted = Arc::clone(&fault_counts);
        let task = tokio::spawn(async move {
            let mut rng = Rng::with_seed(seed);
            let mut connections = tokio::task::JoinSet::new();
            let mut lost = 0;
            for number in 0.. {
                let Ok((client, _)) = listener.accept().await else { return };
                let faulty = number < FAULTY_CONNECTIONS && still_faulty.load(Ordering::Relaxed);
                let mut treatment = if faulty { draw(&mut rng) } else { Treatment::Honest };
                while treatment.is_lost() && lost == LOST_IN_A_ROW {
                    treatment = draw(&mut rng);
                }
                lost = if treatment.is_lost() { lost + 1 } else { 0 };
                tell(number + 1, &treatment.told());
                *counted.lock().unwrap().entry(treatment.name()).or_default() += 1;
                let rng = rng.fork();
                connections.spawn(async move {
                    if let Ok(server) = TcpStream::connect(target).await {
                        carry(client, server, treatment, rng).await;
                    }
                });
            }
        });
        Self { address, faulty, fault_counts, task }
    }

    /// How many connections were treated how.
    pub fn fault_counts(&self) -> BTreeMap<&'static str, usize> {
        self.fault_counts.lock().unwrap().clone()
    }

    /// From now on connections are passed on as they are; those under way suffer on.
    pub fn stop_faults(&self) {
        self.faulty.store(false, Ordering::Relaxed);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn draw(rng: &mut Rng) -> Treatment {
    match rng.u8(..7) {
        0 | 1 => Treatment::Reset(rng.usize(200..8000)),
        2 => Treatment::HalfOpen(rng.usize(200..8000)),
        3 => Treatment::Split,
        4 => Treatment::Stall,
        5 => Treatment::Drip,
        _ => Treatment::Honest,
    }
}

async fn carry(client: TcpStream, server: TcpStream, treatment: Treatment, mut rng: Rng) {
    // A reset, not a polite end: with linger zero, what is unread is lost as well.
    #[expect(deprecated, reason = "zero does not block, which is what the deprecation is about")]
    for stream in [&client, &server] {
        let _ = stream.set_nodelay(true);
        if matches!(treatment, Treatment::Reset(_)) {
            let _ = stream.set_linger(Some(Duration::ZERO));
        }
    }
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let swallow = Notify::new();
    let other = rng.fork();
    tokio::select! {
        () = up(client_read, server_write, treatment, rng, &swallow) => {}
        () = down(server_read, client_write, treatment, other, &swallow) => {}
    }
}

async fn up(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    treatment: Treatment,
    mut rng: Rng,
    swallow: &Notify,
) {
    let mut buffer = [0; 4096];
    let mut passed = 0;
    loop {
        let Ok(read @ 1..) = from.read(&mut buffer).await else { return };
        passed += read;
        match treatment {
            Treatment::Reset(after) if passed > after => {
                // Part of it still gets through.
                let _ = to.write_all(&buffer[..read / 2]).await;
                return;
            }
            Treatment::HalfOpen(after) if passed > after => {
                swallow.notify_one();
                continue;
            }
            _ => {}
        }
        if pass(&buffer[..read], &mut to, treatment.after(passed), &mut rng).await.is_err() {
            return;
        }
    }
}

async fn down(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    treatment: Treatment,
    mut rng: Rng,
    swallow: &Notify,
) {
    let mut buffer = [0; 4096];
    let mut passed = 0;
    let mut swallowing = false;
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            () = swallow.notified(), if !swallowing => {
                swallowing = true;
                continue;
            }
        };
        let Ok(read @ 1..) = read else {
            if swallowing {
                // The server gave up; the client must find out by itself.
                return std::future::pending().await;
            }
            return;
        };
        passed += read;
        let treatment = treatment.after(passed);
        if !swallowing && pass(&buffer[..read], &mut to, treatment, &mut rng).await.is_err() {
            return;
        }
    }
}

async fn pass(
    bytes: &[u8],
    to: &mut OwnedWriteHalf,
    treatment: Treatment,
    rng: &mut Rng,
) -> std::io::Result<()> {
    match treatment {
        Treatment::Split => {
            for piece in bytes.chunks(rng.usize(1..40)) {
                to.write_all(piece).await?;
                tokio::task::yield_now().await;
            }
            Ok(())
        }
        Treatment::Drip => {
            for piece in bytes.chunks(512) {
                to.write_all(piece).await?;
                // The slowness itself is the fault.
                tokio::time::sleep(Duration::from_millis(rng.u64(1..8))).await;
            }
            Ok(())
        }
        Treatment::Stall => {
            if rng.u8(..20) == 0 {
                // The stall itself is the fault.
                tokio::time::sleep(Duration::from_millis(rng.u64(10..300))).await;
            }
            to.write_all(bytes).await
        }
        _ => to.write_all(bytes).await,
    }
}
