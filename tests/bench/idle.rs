//! Memory of a connection that does nothing: the growth of a process of its own, divided by the connections.

use super::bare;
use super::{child_figures, line, multi_thread, single_thread};
use futures_util::{SinkExt as _, StreamExt as _};
use rejoin::{Client, State};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// Messages in the burst that follows the idle measurement, for each connection.
const BURST: usize = 50;

/// Connections opened before the measurement: code and tables that one connection needs as much as many.
const WARM_UP: usize = 20;

fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = status.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4.0
}

/// The measured process: opens connections and prints KiB for each, idle and after a burst.
pub(crate) fn child(role: &str, count: usize, address: &str) {
    let figures = multi_thread().block_on(async {
        if role == "idle-bare" {
            bare_connections(count, address).await
        } else {
            clients(count, address).await
        }
    });
    println!("{} {}", figures.0, figures.1);
}

async fn bare_connections(count: usize, address: &str) -> (f64, f64) {
    let (burst, _) = tokio::sync::broadcast::channel::<()>(1);
    let (done, mut finished) = tokio::sync::mpsc::channel(1000);
    let mut before = 0.0;
    for opened in 0..count + WARM_UP {
        if opened == WARM_UP {
            before = resident();
        }
        let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
        let config = WebSocketConfig::default().read_buffer_size(4 << 10);
        let url = format!("ws://{address}/");
        let (mut socket, _) =
            tokio_tungstenite::client_async_with_config(url, tcp, Some(config)).await.unwrap();
        let (mut start, done) = (burst.subscribe(), done.clone());
        tokio::spawn(async move {
            start.recv().await.unwrap();
            socket.send(Message::text(bare::outgoing())).await.unwrap();
            for _ in 0..BURST {
                socket.next().await.unwrap().unwrap();
            }
            done.send(()).await.unwrap();
            while let Some(Ok(_)) = socket.next().await {}
        });
    }
    let idle = resident() - before;
    burst.send(()).unwrap();
    for _ in 0..count + WARM_UP {
        finished.recv().await.unwrap();
    }
    (idle / count as f64, (resident() - before) / count as f64)
}

async fn clients(count: usize, address: &str) -> (f64, f64) {
    let mut before = 0.0;
    let mut all = Vec::with_capacity(count + WARM_UP);
    for opened in 0..count + WARM_UP {
        if opened == WARM_UP {
            before = resident();
        }
        let (client, mut events) =
            Client::builder(format!("ws://{address}/")).extended(false).room("lobby").connect().unwrap();
        client.ready().await.unwrap();
        // What a bot does: it reads its events.
        while let Some(event) = events.next().await {
            if matches!(event, rejoin::Event::Ready(_)) {
                break;
            }
        }
        all.push((client, events));
    }
    let idle = resident() - before;
    for (client, events) in &mut all {
        client.send("lobby", bare::CONTENT).await.unwrap();
        let mut seen = 0;
        while seen < BURST {
            match events.next().await.unwrap() {
                rejoin::Event::Message(_) => seen += 1,
                rejoin::Event::State(change) if change.state != State::Connected => panic!("{change:?}"),
                _ => {}
            }
        }
    }
    (idle / count as f64, (resident() - before) / count as f64)
}

/// Accepts connections for ever; answers a `send_message` with a burst of frames.
fn serve() -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        single_thread().block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let config = WebSocketConfig::default().read_buffer_size(4 << 10);
                    let socket = tokio_tungstenite::accept_async_with_config(tcp, Some(config)).await;
                    let mut socket = socket.unwrap();
                    while let Some(Ok(message)) = socket.next().await {
                        if message.is_text() && message.to_text().unwrap().contains("send_message") {
                            for _ in 0..BURST {
                                socket.feed(Message::text(bare::FRAME)).await.unwrap();
                            }
                            socket.flush().await.unwrap();
                        }
                    }
                });
            }
        });
    });
    address
}

pub(crate) fn run() {
    let address = serve();
    for count in [1_000, 10_000] {
        let bare = child_figures("idle-bare", count, address);
        let ours = child_figures("idle-client", count, address);
        let kib = |figure: f64| format!("{figure:.1} KiB");
        let what = format!("memory per idle connection, {count} connections");
        line(&what, &kib(bare.0), &kib(ours.0), ours.0 / bare.0, "10 KiB");
        line("    after a burst of 50 messages each", &kib(bare.1), &kib(ours.1), ours.1 / bare.1, "");
    }
}
