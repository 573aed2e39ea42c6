//! A minimal HTTP client for a server's admin listener.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// Posts JSON; gives the status.
pub fn post(address: &str, path: &str, body: &str) -> u16 {
    let mut tcp = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        tcp,
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
}
