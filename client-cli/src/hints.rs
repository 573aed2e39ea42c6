//! Hints about failures, as far as they depend on the server that the command line describes. Does no I/O.

use crate::describe::{self, cause, is_uninformative, malformed};
use crate::error::{Exit, Failure};
use crate::sanitise;
use rejoin::socketio::json::BARE_TEXT;
use rejoin::{Cause, CauseCode, DialErrorKind, Remedy, SOCKET_IO_DETECTED};
use std::borrow::Cow;

/// How the user says who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Login {
    Token,
    /// A ticket in the place of a token, which is good once.
    Ticket,
    /// A user name and a password before the URL's host.
    Password,
    /// A header of the user's own.
    Authorization,
    Nothing,
}

/// What to say to the user of one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hints {
    /// How the user has said who they are.
    pub(crate) login: Login,
    /// The command for a Socket.IO server at the same host, unless it is already that.
    pub(crate) socket_io: Option<String>,
    /// The command that says what answers there.
    pub(crate) doctor: String,
    /// The first of several namespaces: what ends the connection is about that one.
    pub(crate) namespace: Option<String>,
}

impl Default for Hints {
    /// For a user with a token, of whose command nothing is known.
    fn default() -> Self {
        Self { login: Login::Token, socket_io: None, doctor: "rejoin doctor URL".to_owned(), namespace: None }
    }
}

/// Said where a token was refused that was never given.
pub(crate) const NO_TOKEN: &str =
    "this server wants a token and none was given: --token NAME, --token-file FILE or REJOIN_TOKEN";
/// Said where a ticket was refused.
pub(crate) const SPENT_TICKET: &str = "the ticket was used before or has expired: it lets in once, and within 30 s; get another one for each connection \
     (POST /tickets), or give the token itself with --token-file or REJOIN_TOKEN";
/// For what a gateway wants in place of a token.
const OWN_HEADER: &str = "a cookie or another key is sent with --header 'NAME: VALUE'";
/// What was refused of a login that is no token.
const PASSWORD: &str = "the user name and password";
const AUTHORIZATION: &str = "the Authorization header";
/// How to send what a server may check before it looks at a token.
pub(crate) const ORIGIN: &str = "an Origin is sent with --header 'Origin: https://PAGE'";
pub(crate) const TOKEN_OPTIONS: &str = "--token NAME, --token-file FILE or REJOIN_TOKEN";

/// What to do about messages that are texts alone.
pub(crate) const AS_NOTIFICATION: &str = "To see such texts: rejoin tail … --notifications --event-map 'notification=NAME' \
                                          with the event's name for NAME";

/// What to do about a failure of this kind, whatever the command.
pub(crate) fn general(code: CauseCode) -> Option<&'static str> {
    match code {
        CauseCode::Unauthorized(_) => Some(
            "give a valid token with --token-file, --token-command or REJOIN_TOKEN; if it is valid, the server may \
                 read it elsewhere: `rejoin doctor` finds out where, for --token-in",
        ),
        CauseCode::UnknownNamespace => Some("give the name that the server's code uses with --namespace"),
        CauseCode::Dial(DialErrorKind::Timeout) => Some(
            "a server that takes longer to let anybody in is given more time with --connect-timeout SECS",
        ),
        CauseCode::TokenUnavailable => Some("check the token file or command"),
        CauseCode::GaveUp => Some("the default policy has no limit of attempts: leave out --policy legacy"),
        _ => None,
    }
}

/// Whether a cause may be about one namespace of several: the connection ends because it is the first one.
fn is_about_namespace(code: CauseCode) -> bool {
    matches!(code, CauseCode::UnknownNamespace | CauseCode::Unauthorized(_))
}

impl Hints {
    /// What the user can do about it.
    pub(crate) fn for_cause(&self, cause: &Cause) -> Option<Cow<'static, str>> {
        match cause.remedy {
            Some(Remedy::InMessage) => return None,
            Some(Remedy::SocketIo) => return Some(self.is_socket_io().into()),
            _ => {}
        }
        let path = match cause.code {
            CauseCode::Dial(
                DialErrorKind::NotWebSocket
                | DialErrorKind::NotEventStream
                | DialErrorKind::Http(300..=399 | 404 | 405),
            ) => "check the URL's path",
            CauseCode::Dial(DialErrorKind::Http(403)) => return Some(ORIGIN.into()),
            // Of other statuses the cause's own words say what to do.
            code => return general(code).map(Cow::from),
        };
        let doctor = format!("to see what answers there: {}", self.doctor);
        Some(match &self.socket_io {
            Some(command) => format!("{path}; if it is a Socket.IO server: {command}; {doctor}").into(),
            None => format!("{path}; {doctor}").into(),
        })
    }

    /// A Socket.IO server answers, and it was not asked as one.
    fn is_socket_io(&self) -> String {
        match &self.socket_io {
            Some(command) => format!("a Socket.IO server answers at this address: {command}"),
            None => "a Socket.IO server answers at this address".to_owned(),
        }
    }

    /// What the server sent that cannot be read.
    pub(crate) fn malformed(&self, error: &str, count: u64) -> String {
        if error == SOCKET_IO_DETECTED {
            return self.is_socket_io();
        }
        let what = format!(
            "skipped something unreadable from the server: {}",
            sanitise::line(&malformed(error, count))
        );
        if error.contains(BARE_TEXT) { format!("{what}. {AS_NOTIFICATION}") } else { what }
    }

    /// The failure that a terminal cause ends the program with.
    pub(crate) fn failure(&self, reason: Option<&Cause>) -> Failure {
        let Some(reason) = reason else {
            return Failure::terminal("failed", "the connection has ended for good");
        };
        let failure = self.refusal(reason).unwrap_or_else(|| {
            let failure = Failure {
                exit: Exit::of_failed(Some(reason)),
                ..Failure::terminal(reason.code.as_str(), cause(reason))
            };
            match self.for_cause(reason) {
                Some(advice) => failure.hint(advice),
                None => failure,
            }
        });
        match &self.namespace {
            Some(first) if is_about_namespace(reason.code) => {
                let message = format!("{}: {}", sanitise::line(first), failure.message);
                Failure { message, ..failure }
            }
            _ => failure,
        }
    }

    /// The refusal of somebody who has given no token, or a ticket in its place.
    fn refusal(&self, refused: &Cause) -> Option<Failure> {
        if !matches!(refused.code, CauseCode::Unauthorized(_)) {
            return None;
        }
        let words = sanitise::line(&refused.text);
        let words = match &refused.data {
            Some(data) => format!("{words} ({})", describe::json(data)).trim_start().to_owned(),
            None => words,
        };
        let message = match (self.login, is_uninformative(&words) || words.is_empty()) {
            (Login::Token, _) => return None,
            (Login::Ticket, true) => SPENT_TICKET.to_owned(),
            (Login::Ticket, false) => format!("{SPENT_TICKET} ({words})"),
            (Login::Nothing, true) => NO_TOKEN.to_owned(),
            // No token helps where a user and a password are wanted.
            (Login::Nothing, false) if refused.remedy == Some(Remedy::InMessage) => {
                format!("the server refused the connection: {words}")
            }
            (Login::Nothing, false) if refused.code == CauseCode::Unauthorized(401) => {
                format!("{NO_TOKEN} ({words}); {OWN_HEADER}")
            }
            // It may refuse for reasons of its own.
            (Login::Nothing, false) => {
                format!(
                    "the server refused the connection: {words}; if it wants a token: {TOKEN_OPTIONS}; {OWN_HEADER}"
                )
            }
            (Login::Password, true) => format!("the server refused {PASSWORD}"),
            (Login::Password, false) => format!("the server refused {PASSWORD}: {words}"),
            (Login::Authorization, true) => format!("the server refused {AUTHORIZATION}"),
            (Login::Authorization, false) => format!("the server refused {AUTHORIZATION}: {words}"),
        };
        let failure = Failure::terminal(refused.code.as_str(), message);
        Some(match self.login {
            Login::Password => failure.hint("check what stands before the URL's host"),
            Login::Authorization => {
                failure.hint("check the value of --header 'Authorization: …', or of the profile's headers")
            }
            _ => failure,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice() -> Hints {
        let socket_io = Some("rejoin send http://h -r a --protocol socketio".to_owned());
        Hints { socket_io, doctor: "rejoin doctor ws://h/".to_owned(), ..Hints::default() }
    }

    fn http(status: u16) -> Cause {
        Cause::new(CauseCode::Dial(DialErrorKind::Http(status)), "the server answered")
    }

    #[test]
    fn the_path_is_to_be_checked_only_where_it_may_be_wrong_and_commands_are_whole() {
        let of = |status| advice().for_cause(&http(status));
        assert_eq!(
            of(404).unwrap(),
            "check the URL's path; if it is a Socket.IO server: rejoin send http://h -r a --protocol socketio; to see \
             what answers there: rejoin doctor ws://h/"
        );
        assert!(of(301).is_some());
        assert!(of(403).unwrap().contains("--header 'Origin: "));
        for status in [400, 413, 426, 429, 431, 500, 502, 503, 504] {
            assert_eq!(of(status), None, "{status}");
        }
        let without = Hints { socket_io: None, ..advice() }.for_cause(&http(404)).unwrap();
        assert!(!without.contains("Socket.IO"), "{without}");
    }

    #[test]
    fn a_cause_that_says_what_to_do_has_no_other_advice_below_it_and_a_known_server_has_its_command() {
        assert_eq!(advice().for_cause(&http(301).with_remedy(Some(Remedy::InMessage))), None);
        let told = advice().for_cause(&http(400).with_remedy(Some(Remedy::SocketIo))).unwrap();
        assert_eq!(
            told,
            "a Socket.IO server answers at this address: rejoin send http://h -r a --protocol socketio"
        );
        assert_eq!(advice().malformed(SOCKET_IO_DETECTED, 1), told);
        let bare = advice().malformed(&format!("the message packet is malformed: {BARE_TEXT}"), 10);
        assert!(
            bare.contains("(10 of the type") && bare.contains("--event-map 'notification=NAME'"),
            "{bare}"
        );
    }

    #[test]
    fn a_refusal_of_nobody_asks_for_a_token_and_one_of_a_password_for_another() {
        let of = |cause: Cause, login| Hints { login, ..advice() }.failure(Some(&cause)).render();
        let refused =
            |text: &str, login| of(Cause::new(CauseCode::Unauthorized(4001), text).without_retry(), login);
        let told = refused("Unauthorized", Login::Nothing);
        assert!(
            told.starts_with("rejoin: this server wants a token and none was given: --token NAME"),
            "{told}"
        );
        assert!(told.ends_with("[unauthorized]\n"), "{told}");
        assert!(refused("no guests\u{1b}", Login::Nothing).contains("refused the connection: no guests^["));
        let data = Some("{\"plan\":\"free\"}".into());
        let with_data = Cause::new(CauseCode::Unauthorized(4001), "not here").with_data(data);
        let told = of(with_data.without_retry(), Login::Nothing);
        assert!(told.contains("not here ({\"plan\":\"free\"})"), "{told}");
        let basic =
            Cause::new(CauseCode::Unauthorized(401), "it wants a user and a password").without_retry();
        let basic = of(basic.with_remedy(Some(Remedy::InMessage)), Login::Nothing);
        assert!(!basic.contains("token"), "{basic}");
        assert!(refused("", Login::Password).contains("refused the user name and password ["));
        let header = refused("no", Login::Authorization);
        assert!(header.contains("refused the Authorization header: no ["), "{header}");
        assert!(header.contains("--header 'Authorization: …'") && !header.contains("password"), "{header}");
        assert!(refused("Unauthorized", Login::Token).contains("the server refused the token ["));
        let spent = refused("Unauthorized", Login::Ticket);
        assert!(spent.contains("the ticket was used before or has expired"), "{spent}");
        assert!(!spent.contains("none was given"), "{spent}");
        assert!(refused("no\u{1b}", Login::Ticket).contains("(no^[)"));
    }

    #[test]
    fn a_terminal_cause_says_what_to_do() {
        let reason = Cause::new(CauseCode::Unauthorized(4001), "Unauthorized").without_retry();
        let failure = advice().failure(Some(&reason));
        assert_eq!((failure.exit.code(), failure.code), (3, "unauthorized"));
        assert!(failure.render().contains("--token-file"));
    }
}
