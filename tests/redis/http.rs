//! As much HTTP as these tests need.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// The status and the body of an answer.
pub(crate) fn http(
    address: &str,
    method: &str,
    path: &str,
    fields: &[(&str, &str)],
    body: &str,
) -> (u16, String) {
    let address = address.trim_start_matches("ws://").trim_end_matches("/ws");
    let mut tcp = TcpStream::connect(address).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let fields = fields.concat();
    let length = body.len();
    write!(
        tcp,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{fields}\r\n{body}"
    )
    .unwrap();
    let mut answer = Vec::new();
    // An answer to HEAD has no end of its own.
    let mut part = [0; 4_096];
    while !(method == "HEAD" && answer.windows(4).any(|end| end == b"\r\n\r\n")) {
        match tcp.read(&mut part).unwrap() {
            0 => break,
            count => answer.extend_from_slice(&part[..count]),
        }
    }
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// What a feed answers to whoever shows this.
pub(crate) fn shows(server: &str, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    http(server, "HEAD", "/rooms/lobby/events", &[("Authorization", &bearer)], "").0
}
