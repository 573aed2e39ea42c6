//! The last words of a session.

use super::carrier::{Carrier, Polling};
use super::outgoing::Outgoing;
use super::packet;
use super::session::Session;
use super::sessions::Command;
use crate::mailbox::End;
use crate::socket::{self, Ending, FAREWELL};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Says them over what carries the session. `hurries`: it was told to end at once.
pub(super) async fn farewell(session: Session, hurries: bool, ending: Ending) {
    let Session { app, carrier, commands, link, outgoing, .. } = session;
    let mut polling = match carrier {
        Carrier::WebSocket { stream, .. } => {
            return socket::end(*stream, &link, hurries, ending, &app.metrics).await;
        }
        Carrier::Polling(polling) => polling,
    };
    match ending {
        Ending::Lost | Ending::Silent | Ending::Told(End::Cut(_)) => return,
        Ending::ClosedByPeer { .. } => return polling.send_away(packet::NOOP),
        Ending::Violation(..) | Ending::Over(..) => {
            app.metrics.closed_violation.one_more();
            // Only whoever waits is told: a session that broke the rules is gone at once.
            polling.finish(&mut Outgoing::default(), packet::CLOSE);
            return;
        }
        Ending::Told(End::Close { .. } | End::HangUp { .. }) => {}
    }
    tokio::select! {
        _ = timeout(FAREWELL, dismiss(polling, outgoing, commands)) => {}
        // No further poll can come.
        () = app.long_over() => {}
    }
}

/// Tells the poll that waits, or the next one, that the session is over.
async fn dismiss(mut polling: Polling, mut outgoing: Outgoing, commands: Option<mpsc::Receiver<Command>>) {
    let Some(mut commands) = commands else { return };
    while !polling.finish(&mut outgoing, packet::CLOSE) {
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
