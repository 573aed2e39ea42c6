//! Peers that ask for something and then take nothing of it.

use crate::admission::{address, http};
use crate::client::{Client, message, server, soon};
use crate::logbook::Logbook;
use rejoin_server::{Config, ServerHandle};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

const REQUEST: &str = "Host: localhost\r\n\r\n";

async fn impatient(change: impl FnOnce(&mut Config)) -> ServerHandle {
    server(|config| {
        config.admin = Some("127.0.0.1:0".parse().unwrap());
        config.hub.heartbeat = Duration::from_millis(500);
        change(config);
    })
    .await
}

/// A connection whose own buffer takes next to nothing.
pub(crate) async fn narrow(url: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    soon(socket.connect(address(url))).await.unwrap()
}

async fn until_metric(server: &ServerHandle, line: &str) {
    let admin = server.admin_url().unwrap();
    let seen = async {
        let request = "GET /metrics HTTP/1.1\nHost: localhost\nConnection: close\n\n";
        while !http(&admin, request).await.lines().any(|found| found == line) {
            tokio::task::yield_now().await;
        }
    };
    soon(seen).await;
}

/// A reader of a room's feed that has begun and takes nothing more, and a room where so much is said.
async fn stuck_reader(server: &ServerHandle, messages: usize) -> TcpStream {
    let mut reader = narrow(&server.url()).await;
    let request = format!("GET /rooms/lobby/events?token=eve HTTP/1.1\r\n{REQUEST}");
    reader.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 64];
    assert!(soon(reader.read(&mut first)).await.unwrap() > 0);
    let mut ada = Client::in_room(&server.url(), "ada", "lobby").await;
    let content = "x".repeat(8 << 10);
    for _ in 0..messages {
        ada.say(&message("lobby", &content)).await;
        ada.hear().await;
    }
    reader
}

#[tokio::test]
async fn a_reader_that_takes_nothing_of_a_busy_room_gives_its_place_back() {
    let log = Logbook::open();
    let server = impatient(|config| config.hub.sockets_per_user = 1).await;
    let _reader = stuck_reader(&server, 1_000).await;
    until_metric(&server, "rejoin_sockets 0").await;
    until_metric(&server, "rejoin_cut_stuck_total 1").await;
    let mut eve = Client::open(&server.url(), "eve").await;
    eve.sync().await;
    let ended = log.lines("disconnected user=\"eve\"");
    let reason = "code=1006 reason=\"It took nothing of what was sent\"";
    assert!(ended.len() == 1 && ended[0].contains(reason), "{ended:?}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn so_does_one_of_a_room_that_has_gone_quiet_whose_last_words_wait_in_the_system() {
    let server = impatient(|_| {}).await;
    let _reader = stuck_reader(&server, 20).await;
    until_metric(&server, "rejoin_sockets 0").await;
    until_metric(&server, "rejoin_cut_stuck_total 1").await;
}

#[tokio::test]
async fn who_asks_the_admin_listener_and_takes_no_answer_is_cut() {
    let server = impatient(|_| {}).await;
    let mut peer = narrow(&server.admin_url().unwrap()).await;
    let requests = format!("GET /metrics HTTP/1.1\r\n{REQUEST}").repeat(4_000);
    let writing = tokio::spawn(async move {
        let _ = peer.write_all(requests.as_bytes()).await;
        peer
    });
    until_metric(&server, "rejoin_cut_stuck_total 1").await;
    let mut peer = soon(writing).await.unwrap();
    let mut rest = Vec::new();
    let _ = soon(peer.read_to_end(&mut rest)).await;
    let answers = rest.windows(13).filter(|part| part == b"HTTP/1.1 200 ").count();
    assert!(answers < 4_000, "{answers}");
}
