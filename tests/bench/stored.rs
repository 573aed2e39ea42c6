//! The cost of a stored state: acknowledged sends with a state file to the same without one, on a disk where fsync is
//! free and on one where it takes 5 ms, and the bytes that are written.

use super::{ROUNDS, bare, line, median, multi_thread, peer};
use rejoin::machine::{Change, Saved};
use rejoin::{Client, Event, Mode, StateError, StateFile, StateStore};
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const COUNT: usize = 2000;
const FSYNC: Duration = Duration::from_millis(5);

type Storing = Pin<Box<dyn Future<Output = Result<(), StateError>> + Send>>;

/// A state file that counts what it writes, on a disk as slow as wanted.
struct Watched {
    file: StateFile,
    path: PathBuf,
    fsync: Duration,
    written: Arc<AtomicU64>,
    saves: Arc<AtomicU64>,
}

impl Watched {
    fn watch(&self, storing: Storing, length_before: u64) -> Storing {
        let (path, fsync) = (self.path.clone(), self.fsync);
        let (written, saves) = (Arc::clone(&self.written), Arc::clone(&self.saves));
        Box::pin(async move {
            storing.await?;
            let length = std::fs::metadata(path).map_or(0, |file| file.len());
            written.fetch_add(length - length_before, Ordering::Relaxed);
            saves.fetch_add(1, Ordering::Relaxed);
            if !fsync.is_zero() {
                tokio::time::sleep(fsync).await;
            }
            Ok(())
        })
    }
}

impl StateStore for Watched {
    fn load(&mut self, url: &str) -> Result<Option<Saved>, StateError> {
        self.file.load(url)
    }

    fn save(&mut self, state: Saved) -> Storing {
        let saving = self.file.save(state);
        self.watch(saving, 0)
    }

    fn append(&mut self, changes: Vec<Change>) -> Option<Storing> {
        let before = std::fs::metadata(&self.path).map_or(0, |file| file.len());
        let appending = self.file.append(changes)?;
        Some(self.watch(appending, before))
    }
}

/// Seconds for all of them, with each its own reference.
fn seconds(address: SocketAddr, store: Option<Watched>) -> f64 {
    multi_thread().block_on(async move {
        tokio::spawn(async move {
            let mut builder =
                Client::builder(format!("ws://{address}/ws")).token("user-0001").room("benchmark-room");
            if let Some(store) = store {
                builder = builder.state_store(store);
            }
            let (client, mut events) = builder.connect().unwrap();
            assert_eq!(client.ready().await.unwrap(), Mode::Extended);
            let start = Instant::now();
            for number in 0..COUNT {
                let draft = client.message("benchmark-room", bare::CONTENT);
                draft.reference(number.to_string()).submit().unwrap();
            }
            let mut resolved = 0;
            while resolved < COUNT {
                resolved += usize::from(matches!(events.next().await.unwrap(), Event::Delivery(_)));
            }
            let seconds = start.elapsed().as_secs_f64();
            client.close().await;
            seconds
        })
        .await
        .unwrap()
    })
}

/// In memory, where the system has such a folder: its fsync is free.
fn folder() -> tempfile::TempDir {
    let shared = Path::new("/dev/shm");
    if shared.is_dir() { tempfile::tempdir_in(shared) } else { tempfile::tempdir() }.unwrap()
}

pub(crate) fn run() {
    // As `pipe` is given it.
    let sent = (0..COUNT).map(|number| {
        let content = bare::CONTENT;
        format!(
            r#"{{"type":"send_message","roomId":"benchmark-room","content":"{content}","ref":"{number}"}}"#
        )
        .len()
    });
    let sent = sent.sum::<usize>() as f64;
    let (mut without, mut with, mut slow, mut bytes, mut groups) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let address = peer::serve(0);
        without.push(seconds(address, None));
        for (fsync, into) in [(Duration::ZERO, &mut with), (FSYNC, &mut slow)] {
            let folder = folder();
            let path = folder.path().join("state");
            let file = StateFile::open(&path).unwrap();
            let (written, saves) = (Arc::default(), Arc::default());
            let store =
                Watched { file, path, fsync, written: Arc::clone(&written), saves: Arc::clone(&saves) };
            into.push(seconds(address, Some(store)));
            bytes.push(written.load(Ordering::Relaxed) as f64);
            groups.push(saves.load(Ordering::Relaxed) as f64);
        }
    }
    let (without, with, slow) = (median(without), median(with), median(slow));
    let millis = |seconds: f64| format!("{:.0} ms", seconds * 1e3);
    line("2,000 sends stored, fsync free", &millis(without), &millis(with), with / without, "3.00");
    line("2,000 sends stored, 5 ms for each fsync", &millis(without), &millis(slow), slow / without, "");
    let (most, saves) = (bytes.iter().copied().fold(0.0, f64::max), median(groups));
    let kib = |bytes: f64| format!("{:.0} KiB", bytes / 1024.0);
    line(
        &format!("bytes written to bytes given ({saves:.0} saves)"),
        &kib(sent),
        &kib(most),
        most / sent,
        "4.00",
    );
}
