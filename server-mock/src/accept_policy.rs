//! Decides whether a TCP connection that was just accepted is served or refused. Reads nothing from it.

use crate::admission::{Cause, Full, Given, Handshake, Network, Wait};
use crate::lingering;
use crate::socketio::SocketIo;
use crate::state::AppState;
use crate::upgrade::BUSY_SECONDS;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Shutdown};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a refused peer may take to send its request and read the refusal.
const REFUSAL: Duration = Duration::from_secs(1);

/// Reads of what a refused peer has sent already.
const READS: usize = 8;

/// Why a connection is not served.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// There is no room for anybody.
    Busy,
    /// There is none for this address.
    Address(Wait),
}

/// A place among the handshakes for a connection from `peer`, when so many are `open` already.
pub(crate) fn open(
    app: &AppState,
    socket_io: &SocketIo,
    peer: IpAddr,
    open: usize,
) -> Result<Handshake, Refusal> {
    let gate = &app.gate;
    let refused = |cause| gate.refusals.note(cause, peer);
    if open >= app.files.connections {
        refused(Cause::Files);
        return Err(Refusal::Busy);
    }
    let now = Instant::now();
    // Whom a trusted proxy brings is not known yet.
    let network = (!gate.proxies.trusts(peer)).then(|| Network::from(peer));
    if let Some(network) = network
        && let Err(wait) = gate.rates.connect(network, now)
    {
        refused(Cause::Rate);
        return Err(Refusal::Address(wait));
    }
    // In the calm there is time for an answer with words. And where somebody polls, this may be the next request of one
    // who has a place.
    let presses = gate.handshakes.count() >= app.limits.handshakes.div_ceil(2);
    if presses && !app.has_capacity() && !socket_io.has_polling() {
        app.metrics.refused_busy.one_more();
        refused(app.why_full());
        return Err(Refusal::Busy);
    }
    match gate.handshakes.begin(network, now) {
        Ok((handshake, given)) => {
            if given == Given::Evicted {
                refused(Cause::Evicted);
            }
            Ok(handshake)
        }
        Err(Full::All) => {
            app.metrics.refused_busy.one_more();
            refused(Cause::Handshakes);
            Err(Refusal::Busy)
        }
        Err(Full::Share) => {
            refused(Cause::Share);
            Err(Refusal::Address(Wait::SHORT))
        }
    }
}

/// Says why, at no cost: no parsing, no TLS, no waiting. A peer that expects TLS could not read it: it is cut, which clients
/// take for a network that failed, and come again. Gives the connection if its peer may still be sending: closed with
/// something unread it would be reset, and [`linger`] keeps it from that.
pub(crate) fn refuse(stream: TcpStream, refusal: &Refusal, tls: bool) -> Option<std::net::TcpStream> {
    if tls {
        return None;
    }
    let (status, seconds) = match refusal {
        Refusal::Busy => ("503 Service Unavailable", BUSY_SECONDS),
        Refusal::Address(wait) => ("429 Too Many Requests", wait.seconds()),
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\nRetry-After: {seconds}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    // The buffer of a new connection has room for it: nothing is waited for.
    let mut stream = stream.into_std().ok()?;
    stream.write_all(answer.as_bytes()).ok()?;
    stream.shutdown(Shutdown::Write).ok()?;
    let mut scratch = [0; 4096];
    let mut ended = false;
    // What has come already is read here, so that without lingering, too, most peers get the answer whole.
    for _ in 0..READS {
        match stream.read(&mut scratch) {
            Ok(0) => ended = true,
            Ok(_) => continue,
            Err(_) => {}
        }
        break;
    }
    (!ended).then_some(stream)
}

/// Waits for the end of a peer that was refused, for a second at most.
pub(crate) async fn linger(stream: std::net::TcpStream) {
    if let Ok(stream) = TcpStream::from_std(stream) {
        let _ = timeout(REFUSAL, lingering::drain(stream)).await;
    }
}
