//! The upgrade of a session from polling to WebSocket, from the probe to the takeover.

use super::packet::{PROBE, PROBED, UPGRADE};
use super::sessions::{Command, Commands, UpgradeClaim};
use crate::faults::FaultState;
use crate::limits::Limit;
use crate::ping_limit::PingLimit;
use crate::transport::Transport;
use futures_util::{SinkExt as _, StreamExt as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

/// Shows the client that the WebSocket works, and hands it to the session when the client says so. Gives the limit that this
/// has met, if there is one.
pub(super) async fn upgrade(
    mut stream: WebSocketStream<Transport>,
    fault_state: Arc<FaultState>,
    session: Commands,
    claim: UpgradeClaim,
    patience: Duration,
    evicted: impl Future<Output = ()>,
) -> Option<Limit> {
    // A session that is gone takes nothing, and the stream is dropped.
    let probed = async {
        tokio::select! {
            probed = probe(&mut stream, &session) => probed,
            () = evicted => Err(None),
        }
    };
    let failure = match timeout(patience, probed).await {
        Ok(Ok(())) => {
            claim.keep();
            let _ = session.send(Command::Upgraded(Box::new(stream), fault_state)).await;
            return None;
        }
        Ok(Err(failure)) => failure,
        Err(_) => Some(Limit::ProbeDeadline),
    };
    let _ = session.send(Command::Probing(false)).await;
    failure
}

/// An error has the limit that was met, if the client has not just gone or said something else.
async fn probe(stream: &mut WebSocketStream<Transport>, session: &Commands) -> Result<(), Option<Limit>> {
    let mut pings = PingLimit::new();
    expect(stream, PROBE, &mut pings).await?;
    // Before the answer: after it the client waits for its last poll to end.
    session.send(Command::Probing(true)).await.map_err(|_| None)?;
    stream.send(Message::Text(Utf8Bytes::from_static(PROBED))).await.map_err(|_| None)?;
    expect(stream, UPGRADE, &mut pings).await
}

async fn expect(
    stream: &mut WebSocketStream<Transport>,
    packet: &str,
    pings: &mut PingLimit,
) -> Result<(), Option<Limit>> {
    loop {
        match stream.next().await {
            Some(Ok(Message::Text(text))) if *text == *packet => return Ok(()),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) if pings.exceeds() => {
                return Err(Some(Limit::PingRate));
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            _ => return Err(None),
        }
    }
}
