//! Deliveries per second to one room of 1,000 members, the server on one thread.

use super::bare;
use super::{ROUNDS, line, median, per_second, single_thread, thousands};
use futures_util::{SinkExt as _, StreamExt as _};
use rejoin_server::{Config, Server};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt as _;
use tokio::sync::broadcast;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

const MEMBERS: usize = 1_000;
const MESSAGES: usize = 500;

/// A loop that anybody would write after reading what a flush costs: a broadcast channel, each connection takes
/// all that is there, then flushes once.
fn serve_bare() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        single_thread().block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let (room, _) = broadcast::channel::<Utf8Bytes>(2 * MESSAGES);
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                tcp.set_nodelay(true).unwrap();
                tokio::spawn(bare_member(tcp, room.clone()));
            }
        });
    });
    address
}

async fn bare_member(tcp: tokio::net::TcpStream, room: broadcast::Sender<Utf8Bytes>) {
    let Ok(socket) = tokio_tungstenite::accept_async(tcp).await else { return };
    let (mut sink, mut stream) = socket.split();
    let mut news = room.subscribe();
    loop {
        tokio::select! {
            message = stream.next() => match message {
                Some(Ok(Message::Text(text))) if text.contains("send_message") => {
                    let _: bare::Outgoing = serde_json::from_str(&text).unwrap();
                    let _ = room.send(Utf8Bytes::from(bare::FRAME));
                }
                Some(Ok(_)) => {}
                _ => return,
            },
            text = news.recv() => {
                let Ok(text) = text else { return };
                if sink.feed(Message::Text(text)).await.is_err() { return }
                while let Ok(text) = news.try_recv() {
                    if sink.feed(Message::Text(text)).await.is_err() { return }
                }
                if sink.flush().await.is_err() { return }
            }
        }
    }
}

/// The real server with everything on, but for limits that would end a benchmark.
fn serve_ours() -> SocketAddr {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        single_thread().block_on(async move {
            let mut config = Config::default();
            config.hub.sockets_per_user = 2 * MEMBERS;
            let server = Server::bind(config).await.unwrap();
            sender.send(server.url()).unwrap();
            server.run(std::future::pending()).await;
        });
    });
    let url = receiver.recv().unwrap();
    url.trim_start_matches("ws://").trim_end_matches("/ws").parse().unwrap()
}

/// Waits until the readers have read so many bytes. It looks once a millisecond: what a thousand readers would have to
/// say of each read would be measured too.
async fn have_read(bytes: &AtomicU64, target: u64) {
    while bytes.load(Ordering::Relaxed) < target {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Joins all members, has one of them say everything, and counts what arrives.
fn measure(address: SocketAddr) -> f64 {
    single_thread().block_on(async move {
        let bytes = Arc::new(AtomicU64::new(0));
        let mut readers = tokio::task::JoinSet::new();
        let mut speaker = None;
        for member in 0..MEMBERS {
            let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
            tcp.set_nodelay(true).unwrap();
            let url = format!("ws://{address}/ws?token=user-0001");
            let (mut socket, _) = tokio_tungstenite::client_async(url, tcp).await.unwrap();
            socket.send(Message::text(r#"{"type":"join_room","roomId":"benchmark-room"}"#)).await.unwrap();
            if member == 0 {
                // Hears itself: everything is one message long from here on.
                socket.send(Message::text(bare::outgoing())).await.unwrap();
                socket.next().await.unwrap().unwrap();
            }
            if member + 1 == MEMBERS {
                socket.send(Message::text(bare::outgoing())).await.unwrap();
                socket.next().await.unwrap().unwrap();
                speaker = Some(socket);
                break;
            }
            let bytes = Arc::clone(&bytes);
            let mut tcp = socket.into_inner();
            readers.spawn(async move {
                let mut buffer = vec![0; 16 << 10];
                while let Ok(read) = tcp.read(&mut buffer).await {
                    if read == 0 {
                        return;
                    }
                    bytes.fetch_add(read as u64, Ordering::Relaxed);
                }
            });
        }
        let mut speaker = speaker.unwrap();
        // The second greeting reaches everybody else once; after that the counter is quiet.
        let frame = 4 + bare::FRAME.len() as u64;
        let quiet = (MEMBERS as u64 - 1) * frame;
        have_read(&bytes, quiet).await;
        let target = quiet + MESSAGES as u64 * quiet;
        let start = Instant::now();
        for _ in 0..MESSAGES {
            speaker.feed(Message::text(bare::outgoing())).await.unwrap();
        }
        speaker.flush().await.unwrap();
        let own = tokio::spawn(async move {
            for _ in 0..MESSAGES {
                speaker.next().await.unwrap().unwrap();
            }
        });
        have_read(&bytes, target).await;
        let rate = per_second(MESSAGES * MEMBERS, start.elapsed());
        own.await.unwrap();
        rate
    })
}

pub(crate) fn run() {
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(measure(serve_bare()));
        ours.push(measure(serve_ours()));
    }
    let (bare, ours) = (median(bare), median(ours));
    line("fan-out to 1,000 members, deliveries", &thousands(bare), &thousands(ours), ours / bare, "0.6");
}
