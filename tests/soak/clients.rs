//! The clients of the soak: members who stay and talk, and visitors who come and leave in every way.

use futures_util::{SinkExt as _, StreamExt as _};
use rejoin::{Client, Receipt};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

/// Time between two messages of a talker, and between two visits of a visitor.
const PAUSE: Duration = Duration::from_millis(40);

/// Rooms among which visitors choose.
const ROOMS: u64 = 50;

/// Nothing that a client waits for takes longer.
const DEADLINE: Duration = Duration::from_secs(60);

/// A member who stays.
pub(crate) struct Talker {
    task: JoinHandle<u64>,
    over: Arc<AtomicBool>,
}

impl Talker {
    pub(crate) async fn start(url: &str, number: usize) -> Self {
        let room = format!("room{}", number % 5);
        let (client, mut events) =
            Client::builder(url).token(&*format!("talker{number}")).room(&*room).connect().unwrap();
        timeout(DEADLINE, client.ready()).await.unwrap().unwrap();
        let over = Arc::<AtomicBool>::default();
        let is_over = Arc::clone(&over);
        let task = tokio::spawn(async move {
            let reading = tokio::spawn(async move { while events.next().await.is_some() {} });
            let mut sent = 0;
            while !is_over.load(Ordering::Acquire) {
                let outcome = timeout(DEADLINE, client.send(&room, format!("message {sent}"))).await.unwrap();
                let is_acked = matches!(outcome, Ok(Receipt::Acked { .. }));
                assert!(is_acked, "{outcome:?}");
                sent += 1;
                sleep(PAUSE).await;
            }
            timeout(DEADLINE, client.close()).await.unwrap();
            reading.await.unwrap();
            sent
        });
        Self { task, over }
    }

    /// Ends it; gives how many messages were acknowledged.
    pub(crate) async fn stop(self) -> u64 {
        self.over.store(true, Ordering::Release);
        self.task.await.unwrap()
    }
}

/// Those who come and leave.
pub(crate) struct Visitors {
    tasks: Vec<JoinHandle<()>>,
    over: Arc<AtomicBool>,
    visits: Arc<AtomicU64>,
}

impl Visitors {
    pub(crate) fn start(urls: &[String; 2]) -> Self {
        let (over, visits) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let visitor = |kind: u64| {
            let (url, over) = (urls[usize::try_from(kind % 2).unwrap()].clone(), Arc::clone(&over));
            let visits = Arc::clone(&visits);
            tokio::spawn(async move {
                for number in 0.. {
                    if over.load(Ordering::Acquire) {
                        return;
                    }
                    timeout(DEADLINE, visit(&url, kind / 2, number)).await.expect("a visit hangs");
                    visits.fetch_add(1, Ordering::Relaxed);
                    sleep(PAUSE).await;
                }
            })
        };
        Self { tasks: (0..12).map(visitor).collect(), over, visits }
    }

    /// Ends them; gives how many visits there were.
    pub(crate) async fn stop(self) -> u64 {
        self.over.store(true, Ordering::Release);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.visits.load(Ordering::Relaxed)
    }
}

async fn visit(url: &str, kind: u64, number: u64) {
    let (user, room) = (format!("visitor{kind}"), format!("room{}", number % ROOMS));
    match kind {
        // A client that leaves as one should, and one that is dropped.
        0 | 1 => {
            let (client, _events) = Client::builder(url).token(&*user).room(&*room).connect().unwrap();
            client.ready().await.unwrap();
            if kind == 0 {
                client.close().await;
            }
        }
        // A plain client, which is cut.
        2 => {
            let (mut socket, _) =
                tokio_tungstenite::connect_async(format!("{url}?token={user}")).await.unwrap();
            for frame in [
                format!(r#"{{"type":"join_room","roomId":"{room}"}}"#),
                format!(r#"{{"type":"send_message","roomId":"{room}","content":"hello"}}"#),
            ] {
                socket.send(Message::from(frame)).await.unwrap();
            }
            socket.next().await.unwrap().unwrap();
        }
        // A stream of events that nobody reads to its end, a session of long polling that is forgotten, and a request
        // that ends in its middle.
        3 => {
            let get = format!("GET /rooms/{room}/events?token={user} HTTP/1.1\r\nHost: x\r\n\r\n");
            request(url, &get, true).await;
        }
        4 => request(url, "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n", true).await,
        _ => request(url, "GET /ws HTTP/1.1\r\nHost: x\r\nUpgr", false).await,
    }
}

/// Writes a request, and reads the beginning of the answer if there is to be one.
async fn request(url: &str, text: &str, is_answered: bool) {
    let address = url.trim_start_matches("ws://").trim_end_matches("/ws");
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(text.as_bytes()).await.unwrap();
    if is_answered {
        let mut beginning = [0; 12];
        tcp.read_exact(&mut beginning).await.unwrap();
        assert!(beginning.starts_with(b"HTTP/1.1 "), "{beginning:?}");
    }
}
