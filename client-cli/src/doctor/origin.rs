//! Tries one connection with the Origin header that a page of the URL's own host would send. Changes no other step.

use super::report::{self, Step};
use super::{SILENCE, STEP, until_connected};
use crate::settings::Settings;
use crate::{suggested, words};
use rejoin::{Event, State};
use tokio::time::timeout;

pub(super) async fn examine(settings: &mut Settings) {
    let origin = suggested::origin(&settings.endpoint);
    if !settings.add_origin(&origin) {
        report::skipped(Step::Origin, "the one given as a header is accepted");
        return;
    }
    let Ok((client, mut events)) = settings.connect() else { return };
    let refusal = match timeout(STEP, until_connected(&mut events)).await {
        Err(_) => Some("no answer in time".to_owned()),
        Ok(Err(cause)) => Some(words::cause(&cause)),
        // A server may also let everybody in, and close the connection then.
        Ok(Ok(())) => timeout(SILENCE, lost(&mut events)).await.ok(),
    };
    client.close().await;
    match refusal {
        None => report::ok(Step::Origin, &format!("pages of {origin} may connect")),
        Some(why) => {
            let text = format!("pages of {origin} may not connect: {why}");
            report::warned(
                Step::Origin,
                &text,
                "allow their origin in the server's or the proxy's configuration",
            );
        }
    }
}

/// What ended the connection.
async fn lost(events: &mut rejoin::Events) -> String {
    while let Some(event) = events.next().await {
        if let Event::State(change) = event
            && change.state != State::Connected
        {
            return change.cause.as_ref().map_or_else(|| "the connection was lost".to_owned(), words::cause);
        }
    }
    "the connection was lost".to_owned()
}
