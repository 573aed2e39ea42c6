//! Tries one connection with the Origin header that a page of the URL's host would send. Changes no other step.

use super::report::{self, Step};
use super::{SILENCE, STEP, until_connected};
use crate::settings::Settings;
use crate::{describe, suggested_urls};
use rejoin::{Cause, CauseCode, DialErrorKind, Event, State};
use tokio::time::timeout;

pub(super) async fn examine(settings: &mut Settings) {
    let origin = suggested_urls::origin(&settings.endpoint);
    if !settings.add_origin(&origin) {
        report::skipped(Step::Origin, "the one given as a header is accepted");
        return;
    }
    let Ok((client, mut events)) = settings.connect() else { return };
    let refusal = match timeout(STEP, until_connected(&mut events)).await {
        Err(_) => Some("no answer in time".to_owned()),
        Ok(Err(cause)) => Some(refusal(&cause)),
        // A server may also let everybody in, and close the connection then.
        Ok(Ok(())) => timeout(SILENCE, lost(&mut events)).await.ok(),
    };
    client.close().await;
    match refusal {
        None => report::ok(Step::Origin, &format!("web pages of {origin} can connect")),
        Some(why) => {
            let text = format!("web pages of {origin} cannot connect: {why}");
            let hint = format!(
                "add {origin} to the origins that the server, or the proxy in front of it, allows; programs other than \
                 browsers need nothing"
            );
            report::warned(Step::Origin, &text, &hint);
        }
    }
}

/// The Origin with which the server lets us in that has refused us without one.
pub(super) async fn wanted(settings: &Settings) -> Option<String> {
    let mut settings = settings.clone();
    let origin = suggested_urls::origin(&settings.endpoint);
    if !settings.add_origin(&origin) {
        return None;
    }
    let (client, mut events) = settings.connect().ok()?;
    let connected = timeout(STEP, until_connected(&mut events)).await;
    client.close().await;
    matches!(connected, Ok(Ok(()))).then_some(origin)
}

/// What became of the Origin header, without the general advice about such an answer.
fn refusal(cause: &Cause) -> String {
    match cause.code {
        CauseCode::Dial(DialErrorKind::Http(status)) | CauseCode::Unauthorized(status @ ..=999) => {
            format!("the server answers HTTP {status} to their Origin header")
        }
        CauseCode::Closed(code) | CauseCode::Unauthorized(code) => {
            format!("the server closes the connection with {code} because of their Origin header")
        }
        _ => describe::cause(cause),
    }
}

/// What ended the connection.
async fn lost(events: &mut rejoin::Events) -> String {
    while let Some(event) = events.next().await {
        if let Event::State(change) = event
            && change.state != State::Connected
        {
            return change.cause.as_ref().map_or_else(|| "the connection was lost".to_owned(), refusal);
        }
    }
    "the connection was lost".to_owned()
}
