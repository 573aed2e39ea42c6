//! The upgrade of a session from polling to WebSocket, from the probe to the takeover.

use super::packet::{PROBE, PROBED, UPGRADE};
use super::sessions::{Command, Commands, UpgradeClaim};
use crate::faults::FaultState;
use crate::transport::Transport;
use futures_util::{SinkExt as _, StreamExt as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

/// Shows the client that the WebSocket works, and hands it to the session when the client says so. `false`: that has taken too
/// long.
pub(super) async fn upgrade(
    mut stream: WebSocketStream<Transport>,
    fault_state: Arc<FaultState>,
    session: Commands,
    claim: UpgradeClaim,
    patience: Duration,
) -> bool {
    // A session that is gone takes nothing, and the stream is dropped.
    let command = match timeout(patience, probe(&mut stream, &session)).await {
        Ok(Some(())) => {
            claim.keep();
            Command::Upgraded(Box::new(stream), fault_state)
        }
        Ok(None) => Command::Probing(false),
        Err(_) => {
            let _ = session.send(Command::Probing(false)).await;
            return false;
        }
    };
    let _ = session.send(command).await;
    true
}

async fn probe(stream: &mut WebSocketStream<Transport>, session: &Commands) -> Option<()> {
    expect(stream, PROBE).await?;
    // Before the answer: after it the client waits for its last poll to end.
    session.send(Command::Probing(true)).await.ok()?;
    stream.send(Message::Text(Utf8Bytes::from_static(PROBED))).await.ok()?;
    expect(stream, UPGRADE).await
}

async fn expect(stream: &mut WebSocketStream<Transport>, packet: &str) -> Option<()> {
    loop {
        match stream.next().await?.ok()? {
            Message::Text(text) => return (*text == *packet).then_some(()),
            Message::Ping(_) | Message::Pong(_) => {}
            _ => return None,
        }
    }
}
