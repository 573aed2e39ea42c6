//! The memory that strangers cost, measured from outside on the binary: while they are there, and after.

use crate::admission::{address, http};
use crate::binary::{line, start};
use crate::client::soon;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const MIB: usize = 1 << 20;

/// Resident bytes of a process.
fn resident(id: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

/// A session that is given as much as a POST may have: CONNECTs of other namespaces, then signs of life.
async fn stuffed(url: &str) -> TcpStream {
    let opened = http(url, "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\nHost: localhost\n\n").await;
    let sid = opened.split(r#""sid":""#).nth(1).unwrap().split('"').next().unwrap();
    let mut body = vec!["40/x,"; 257].join("\u{1e}");
    while body.len() < (64 << 10) - 2 {
        body += "\u{1e}3";
    }
    let mut stream = TcpStream::connect(address(url)).await.unwrap();
    let head = format!(
        "POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    // It may be refused before all of it is sent.
    let _ = stream.write_all((head + &body).as_bytes()).await;
    stream
}

/// A session that has sent nearly all of the largest frame.
async fn unfinished(url: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address(url)).await.unwrap();
    let request = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
                   Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    soon(stream.read_exact(&mut head)).await.unwrap();
    assert_eq!(&head[9..], b"101");
    stream.write_all(&[0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4]).await.unwrap();
    stream.write_all(&vec![b'x'; 65_000]).await.unwrap();
    stream
}

#[tokio::test]
async fn sessions_without_a_name_cost_little_and_what_they_cost_is_given_back() {
    let (child, mut lines) = start(&["--listen", "127.0.0.1:0"]);
    let first = line(&mut lines).await;
    let url = first.strip_prefix("listening on ").unwrap();
    let id = child.id().unwrap();
    let start = resident(id);
    for _ in 0..3 {
        let mut strangers = Vec::new();
        for _ in 0..200 {
            strangers.push(stuffed(url).await);
        }
        // Each had taken 1.4 MiB.
        let taken = resident(id).saturating_sub(start);
        assert!(taken < 40 * MIB, "{} MiB", taken / MIB);
        drop(strangers);
    }
    let mut strangers = Vec::new();
    for _ in 0..400 {
        strangers.push(unfinished(url).await);
    }
    let taken = resident(id).saturating_sub(start);
    assert!((15 * MIB..60 * MIB).contains(&taken), "{} MiB", taken / MIB);
    drop(strangers);
    let patience = Instant::now();
    while resident(id).saturating_sub(start) > 15 * MIB {
        assert!(patience.elapsed() < Duration::from_secs(60), "{} MiB", resident(id) / MIB);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
