//! A web server without WebSocket: answers every request with a page.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 20\r\nConnection: close\r\n\r\n\
                      <html>Welcome</html>";

/// A page at every path. Its thread ends with the test process.
#[derive(Debug)]
pub struct WebPage {
    /// `ws://127.0.0.1:PORT/ws`
    pub url: String,
    requests: Arc<AtomicUsize>,
}

impl WebPage {
    /// Starts it on a free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/ws", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = client.unwrap();
                let mut lines = BufReader::new(client.try_clone().unwrap()).lines();
                // Up to the blank line. Who connects and asks nothing is not counted.
                if lines.any(|line| line.is_ok_and(|line| line.is_empty())) {
                    counted.fetch_add(1, Ordering::SeqCst);
                    // Who does not wait for the answer does not get it.
                    let _ = client.write_all(ANSWER.as_bytes());
                }
            }
        });
        Self { url, requests }
    }

    /// How often it has been asked for something.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}
