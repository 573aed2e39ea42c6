//! A proxy that simulates an outage: when shut, it cuts every connection and accepts none, while the server goes on. It can answer
//! new connections itself meanwhile.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

#[derive(Debug, Default)]
struct Passing {
    is_shut: bool,
    /// What everybody is answered.
    answer: Option<&'static str>,
    streams: Vec<TcpStream>,
}

/// Forwards to a server while it is open. Its thread ends with the test process.
#[derive(Debug)]
pub struct OutageProxy {
    /// Where it listens.
    pub address: SocketAddr,
    passing: Arc<Mutex<Passing>>,
}

impl OutageProxy {
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
                if let Some(answer) = passing.answer {
                    std::thread::spawn(move || refuse(&client, answer));
                    continue;
                }
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

    /// As [`OutageProxy::shut`]; whoever asks for something is given this answer of HTTP.
    pub fn shut_with(&self, answer: &'static str) {
        self.passing.lock().unwrap().answer = Some(answer);
        self.shut();
    }

    /// Lets everybody in again.
    pub fn open(&self) {
        let mut passing = self.passing.lock().unwrap();
        (passing.is_shut, passing.answer) = (false, None);
    }
}

/// Reads a request and gives an answer that has nothing to do with it. The client may go before that.
fn refuse(mut client: &TcpStream, answer: &str) {
    let mut lines = BufReader::new(client).lines();
    if lines.any(|line| line.is_ok_and(|line| line.is_empty())) {
        let _ = client.write_all(answer.as_bytes());
    }
}
