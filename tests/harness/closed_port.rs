//! A port that is reserved and closed.

use std::net::SocketAddr;
use tokio::net::TcpSocket;

/// Nobody else gets the address while this lives, as they may once it is given back to the system: it is bound, and
/// does not listen. A server of ours may be started on it.
#[derive(Debug)]
pub struct ClosedPort {
    /// Whoever dials it is refused.
    pub address: SocketAddr,
    _socket: TcpSocket,
}

impl ClosedPort {
    /// On loopback, at a port of the system's choice.
    pub fn hold() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        // Both have to allow it, and a server does.
        socket.set_reuseaddr(true).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { address: socket.local_addr().unwrap(), _socket: socket }
    }

    /// The URL of a server there, if there were one.
    pub fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }
}
