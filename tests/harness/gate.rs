//! A gate in front of a server: shut, it cuts every connection and lets nobody in, while the server goes on.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

#[derive(Debug, Default)]
struct Passing {
    is_shut: bool,
    streams: Vec<TcpStream>,
}

/// Forwards to a server while it is open. Its thread ends with the test process.
#[derive(Debug)]
pub struct Gate {
    /// Where it listens.
    pub address: SocketAddr,
    passing: Arc<Mutex<Passing>>,
}

impl Gate {
    /// An open gate in front of `target`.
    pub fn start(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let passing = Arc::new(Mutex::new(Passing::default()));
        let (shared, target) = (Arc::clone(&passing), target.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let mut passing = shared.lock().unwrap();
                if passing.is_shut {
                    continue;
                }
                // Nobody there: dropping the client says so.
                let Ok(server) = TcpStream::connect(&target) else { continue };
                for (mut from, mut to) in [(&client, &server), (&server, &client)]
                    .map(|(from, to)| (from.try_clone().unwrap(), to.try_clone().unwrap()))
                {
                    std::thread::spawn(move || {
                        // A broken connection is what this is for; the other side is to see it too.
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
                passing.streams.extend([client, server]);
            }
        });
        Self { address, passing }
    }

    /// Cuts what goes through it, and lets nobody in.
    pub fn shut(&self) {
        let mut passing = self.passing.lock().unwrap();
        passing.is_shut = true;
        for stream in passing.streams.drain(..) {
            // Perhaps it is closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Lets everybody in again.
    pub fn open(&self) {
        self.passing.lock().unwrap().is_shut = false;
    }
}
