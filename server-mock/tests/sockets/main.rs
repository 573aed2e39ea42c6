//! The server over real sockets, spoken to by plain tokio-tungstenite clients.

mod client;
mod rooms;
