//! Retries a refused token in the other places: in the URL instead of the header, or the reverse, and in the first message.

use super::is_refusal;
use crate::hints;
use crate::hints::Login;
use crate::settings::Settings;
use crate::token::TokenFrom;
use rejoin::{Cause, CauseCode, DialErrorKind, Event, FeedEvent, Remedy, State, TokenLocation};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long the second try may take as a whole.
const TRY: Duration = Duration::from_secs(10);
/// How long a plain server may take to refuse a token after it has let the client in.
const REFUSAL: Duration = Duration::from_secs(2);

/// What became of the second try.
enum Found {
    Accepted,
    Refused,
    /// It ended for another reason, or had no end in time.
    Nothing,
}

/// Whether a cause is about the token: those that [`is_refusal`] knows, and the refusals of an HTTP server.
pub(super) fn is_about_token(cause: &Cause) -> bool {
    is_refusal(cause) || matches!(cause.code, CauseCode::Dial(DialErrorKind::Http(401 | 403)))
}

/// What to do about a refused token. Tries the places where it was not; `room` is that of a stream of events.
pub(super) async fn advice(settings: &mut Settings, room: Option<&str>, cause: &Cause) -> String {
    let general = hints::general(CauseCode::Unauthorized(4001)).unwrap_or_default();
    if settings.login() == Login::Ticket {
        return hints::SPENT_TICKET.to_owned();
    }
    if matches!(settings.token, TokenFrom::Nowhere) {
        return match (settings.login(), cause.code) {
            (Login::Password, _) => "check the user name and password of the URL".to_owned(),
            (Login::Authorization, _) => "check the value of the Authorization header".to_owned(),
            _ if cause.remedy == Some(Remedy::InMessage) => {
                "USER:PASSWORD@ before the URL's host sends them".to_owned()
            }
            (_, CauseCode::Unauthorized(403) | CauseCode::Dial(DialErrorKind::Http(403))) => {
                format!("{}; if it wants a token: {}", hints::ORIGIN, hints::TOKEN_OPTIONS)
            }
            _ => hints::NO_TOKEN.to_owned(),
        };
    }
    if cause.code == CauseCode::TokenUnavailable {
        return hints::general(cause.code).unwrap_or(general).to_owned();
    }
    let here = settings.token_place();
    // Toward Socket.IO that is the place of a token of which nothing else was said.
    let is_in_auth =
        settings.socket_io.is_some() && here == TokenLocation::Header && settings.token_location.is_none();
    // A stream of events has no first message, and toward Socket.IO the `auth` object is in it.
    let has_messages = room.is_none() && settings.socket_io.is_none();
    let before = settings.token_location;
    let until = Instant::now() + TRY;
    let mut tried = vec![if is_in_auth { "in the auth object" } else { describe_location(here) }];
    let mut answer = None;
    for (place, option) in PLACES {
        if place == here || place == TokenLocation::Message && !has_messages {
            continue;
        }
        settings.token_location = Some(place);
        let found = match room {
            Some(room) => read(settings, room, until).await,
            None => chat(settings, until).await,
        };
        let shown = describe_location(place);
        match found {
            Found::Accepted => {
                answer = Some(format!(
                    "it is accepted {shown}: add --token-in {option}, or set REJOIN_TOKEN_IN or token_in in the profile"
                ));
                break;
            }
            Found::Refused => tried.push(shown),
            Found::Nothing => {
                answer = Some(general.to_owned());
                break;
            }
        }
    }
    settings.token_location = before;
    answer.unwrap_or_else(|| {
        let tried = tried.join(" and ");
        format!(
            "it is refused {tried}: give a valid token with --token-file, --token-command or REJOIN_TOKEN"
        )
    })
}

/// Where a token may be, and the value of `--token-in` for it, in the order in which they are tried.
const PLACES: [(TokenLocation, &str); 3] =
    [(TokenLocation::Header, "header"), (TokenLocation::Query, "query"), (TokenLocation::Message, "message")];

fn describe_location(location: TokenLocation) -> &'static str {
    match location {
        TokenLocation::Header => "in the Authorization header",
        TokenLocation::Query => "in the URL (?token=)",
        TokenLocation::Message => "in the first message",
    }
}

/// Connects for a chat.
async fn chat(settings: &Settings, until: Instant) -> Found {
    let Ok((client, mut events)) = settings.connect() else { return Found::Nothing };
    let mut until = until;
    let mut found = Found::Nothing;
    let found = loop {
        match timeout_at(until, events.next()).await {
            // A server that speaks first lets nobody in whom it refuses.
            Ok(Some(Event::Mode(rejoin::Mode::Extended | rejoin::Mode::SocketIo))) => break Found::Accepted,
            Ok(Some(Event::State(change))) => match (change.state, change.cause) {
                (State::Connected, _) => {
                    until = until.min(Instant::now() + REFUSAL);
                    found = Found::Accepted;
                }
                (_, Some(cause)) if is_about_token(&cause) => break Found::Refused,
                (_, Some(_)) => break Found::Nothing,
                _ => {}
            },
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => break found,
        }
    };
    client.close().await;
    found
}

/// Connects for reading a room.
async fn read(settings: &Settings, room: &str, until: Instant) -> Found {
    let Ok(mut events) = settings.follow(room, None) else { return Found::Nothing };
    let found = loop {
        match timeout_at(until, events.next()).await {
            Ok(Some(FeedEvent::State(change))) => match (change.state, change.cause) {
                (State::Connected, _) => break Found::Accepted,
                (_, Some(cause)) if is_about_token(&cause) => break Found::Refused,
                (_, Some(_)) => break Found::Nothing,
                _ => {}
            },
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => break Found::Nothing,
        }
    };
    events.close().await;
    found
}
