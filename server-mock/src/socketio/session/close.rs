//! Closes a session.

use super::Session;
use crate::close_reason::CloseReason;
use crate::send_queue::Shutdown;
use crate::socket::{self, CLOSE_TIMEOUT};
use crate::socketio::packet;
use crate::socketio::sessions::Command;
use crate::socketio::transport::{EngineTransport, Polling};
use crate::socketio::write_queue::WriteQueue;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Says them over what carries the session. `is_aborting`: it was told to end at once.
pub(super) async fn farewell(session: Session, is_aborting: bool, ending: CloseReason) {
    let Session { app, transport, commands, fault_state, write_queue, .. } = session;
    let mut polling = match transport {
        EngineTransport::WebSocket { stream, .. } => {
            return socket::end(*stream, &fault_state, is_aborting, ending, &app.metrics).await;
        }
        EngineTransport::Polling(polling) => polling,
    };
    match ending {
        CloseReason::Lost | CloseReason::Silent | CloseReason::Requested(Shutdown::Abort(_)) => return,
        CloseReason::ClosedByPeer { .. } => return polling.send_away(packet::NOOP),
        CloseReason::Violation(..) | CloseReason::Over(..) => {
            app.metrics.closed_violation.one_more();
            // Only whoever waits is told: a session that broke the rules is gone at once.
            polling.finish(&mut WriteQueue::default(), packet::CLOSE);
            return;
        }
        CloseReason::Requested(Shutdown::Close { .. } | Shutdown::HangUp { .. }) => {}
    }
    tokio::select! {
        _ = timeout(CLOSE_TIMEOUT, dismiss(polling, write_queue, commands)) => {}
        // No further poll can come.
        () = app.drain_ended_with_grace() => {}
    }
}

/// Tells the poll that waits, or the next one, that the session is over.
async fn dismiss(
    mut polling: Polling,
    mut write_queue: WriteQueue,
    commands: Option<mpsc::Receiver<Command>>,
) {
    let Some(mut commands) = commands else { return };
    while !polling.finish(&mut write_queue, packet::CLOSE) {
        match commands.recv().await {
            Some(Command::Poll(answer)) => {
                polling.poll(answer);
            }
            // Nothing else is heard any more.
            Some(_) => {}
            None => return,
        }
    }
}
