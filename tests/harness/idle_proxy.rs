//! A proxy that cuts connections without traffic, as many proxies do.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Forwards to a server. Its threads end with the test process.
#[derive(Debug)]
pub struct IdleProxy {
    /// Where it listens.
    pub address: SocketAddr,
}

impl IdleProxy {
    /// A proxy in front of `target` with this idle timeout.
    pub fn start(target: &str, timeout: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let target = target.to_owned();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                // Nobody there: dropping the client says so.
                let Ok(server) = TcpStream::connect(&target) else { continue };
                let last = Arc::new(Mutex::new(Instant::now()));
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let last = Arc::clone(&last);
                    std::thread::spawn(move || {
                        forward(&from, &to, &last, timeout);
                        // The other direction ends with this one. They may be gone already.
                        let _ = from.shutdown(Shutdown::Both);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Self { address }
    }
}

/// Passes bytes on until one side ends or nothing has gone in either direction for that long.
fn forward(mut from: &TcpStream, mut to: &TcpStream, last: &Mutex<Instant>, timeout: Duration) {
    let mut bytes = [0; 4096];
    loop {
        let left = timeout.saturating_sub(last.lock().unwrap().elapsed());
        if left.is_zero() {
            return;
        }
        from.set_read_timeout(Some(left)).unwrap();
        match from.read(&mut bytes) {
            Ok(read @ 1..) => {
                *last.lock().unwrap() = Instant::now();
                if to.write_all(&bytes[..read]).is_err() {
                    return;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            _ => return,
        }
    }
}
