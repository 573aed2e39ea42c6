//! Chooses which of Engine.IO's transports a dial takes. The driver opens the connection, and moves it from long polling to
//! a WebSocket where both are allowed.

use super::{ConnId, Link};
use crate::cause::{DialError, DialErrorKind, Disconnect};

/// Dials by WebSocket in a row that a blocked upgrade may have failed, after which long polling is tried.
const BLOCKED_DIALS: u8 = 3;

/// Which transports a Socket.IO client may use, as `transports` of socket.io's own client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Transports {
    /// WebSocket. After three dials in a row that something on the way may have blocked, or at once where the server says
    /// that it takes no WebSocket, long polling, from where the connection moves to a WebSocket as soon as that opens. The
    /// default.
    #[default]
    Auto,
    /// WebSocket alone.
    WebSocket,
    /// Long polling alone, without a move to a WebSocket.
    Polling,
}

impl Transports {
    /// Whether a connection that began with long polling may move to a WebSocket.
    fn upgrades(self) -> bool {
        self == Self::Auto
    }
}

/// How the packets of a connection travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineTransport {
    /// As frames of a WebSocket.
    WebSocket,
    /// In the answers to GET requests and the bodies of POST requests.
    Polling,
}

impl EngineTransport {
    fn other(self) -> Self {
        match self {
            Self::WebSocket => Self::Polling,
            Self::Polling => Self::WebSocket,
        }
    }
}

/// What has become of the dials so far, as far as the next one depends on it.
#[derive(Debug)]
pub(super) struct TransportChoice {
    allowed: Transports,
    next: EngineTransport,
    dialled: EngineTransport,
    /// The server's engine has answered on the connection that was dialled last.
    has_answered: bool,
    /// Dials by WebSocket in a row that may have been blocked.
    blocked: u8,
    /// The one that the server itself has said last that it does not take, until a connection proves otherwise.
    refused: Option<EngineTransport>,
}

impl Default for TransportChoice {
    fn default() -> Self {
        Self::new(Transports::WebSocket)
    }
}

impl TransportChoice {
    fn new(allowed: Transports) -> Self {
        let first = match allowed {
            Transports::Auto | Transports::WebSocket => EngineTransport::WebSocket,
            Transports::Polling => EngineTransport::Polling,
        };
        Self { allowed, next: first, dialled: first, has_answered: false, blocked: 0, refused: None }
    }

    pub(super) fn dial(&mut self) {
        self.dialled = self.next;
        self.has_answered = false;
    }

    fn answered(&mut self) {
        self.has_answered = true;
        if self.refused == Some(self.dialled) {
            self.refused = None;
        }
        if self.dialled == EngineTransport::WebSocket {
            self.blocked = 0;
        }
    }

    fn upgraded(&mut self) {
        if self.allowed.upgrades() {
            self.blocked = 0;
            self.refused = None;
            self.next = EngineTransport::WebSocket;
        }
    }

    /// The dial under way has failed, or its connection was closed before the client was let in.
    fn failed(&mut self, may_be_blocked: bool) {
        if self.allowed != Transports::Auto || self.has_answered {
            return;
        }
        if let Some(refused) = self.refused {
            // What else fails meanwhile, such as a server that is not back yet, says nothing about its transports.
            self.blocked = 0;
            self.next = refused.other();
            return;
        }
        match self.dialled {
            // What is not reached at all may be reached by WebSocket too, when it is back.
            EngineTransport::Polling => self.next = EngineTransport::WebSocket,
            EngineTransport::WebSocket if may_be_blocked => {
                self.blocked = self.blocked.saturating_add(1);
                if self.blocked >= BLOCKED_DIALS {
                    self.next = EngineTransport::Polling;
                }
            }
            EngineTransport::WebSocket => self.blocked = 0,
        }
    }

    pub(super) fn dial_failed(&mut self, error: &DialError) {
        if error.refuses_transport {
            self.refused = Some(self.dialled);
        }
        self.failed(error.kind.may_be_blocked());
    }

    pub(super) fn closed_in_handshake(&mut self, how: &Disconnect) {
        self.failed(matches!(how, Disconnect::Lost | Disconnect::Protocol));
    }

    /// Whether the next dial takes another transport than the one that has failed, so that the failure does not show yet
    /// that the address is wrong.
    pub(super) fn has_untried(&self) -> bool {
        self.dialled == EngineTransport::WebSocket && self.next == EngineTransport::Polling
    }
}

impl DialErrorKind {
    /// Whether a dial may have failed because something on the way lets no WebSocket through, so that long polling may work. Not
    /// when the server was not reached, or has said what is wrong.
    pub fn may_be_blocked(self) -> bool {
        match self {
            Self::Unreachable | Self::Timeout | Self::NotWebSocket => true,
            Self::Http(status) => matches!(status, 400 | 405 | 426) || (status >= 500 && status != 503),
            _ => false,
        }
    }
}

impl Link {
    /// Before the first dial.
    pub(crate) fn set_transports(&mut self, allowed: Transports) {
        self.transports = TransportChoice::new(allowed);
    }

    /// The transport of the dial under way, and of the connection made by it until that has moved.
    pub(crate) fn transport(&self) -> EngineTransport {
        self.transports.dialled
    }

    /// Whether a connection by long polling may move to a WebSocket.
    pub(crate) fn upgrades(&self) -> bool {
        self.transports.allowed.upgrades()
    }

    /// The server's engine has answered on the connection of the dial under way: nothing blocks its transport.
    pub(crate) fn transport_answered(&mut self) {
        self.transports.answered();
    }

    /// The connection in use, or being let in on, has moved to a WebSocket.
    pub(crate) fn upgraded(&mut self, conn: ConnId) {
        if self.is_current(conn) || self.is_dialling(conn) {
            self.transports.upgraded();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The transports of dials that fail so.
    fn dialled(choice: &mut TransportChoice, failures: &[DialErrorKind]) -> String {
        let mut transports = String::new();
        for kind in failures {
            choice.dial();
            transports.push(if choice.dialled == EngineTransport::Polling { 'p' } else { 'w' });
            choice.dial_failed(&DialError::new(*kind, ""));
        }
        transports
    }

    #[test]
    fn three_dials_in_a_row_that_may_have_been_blocked_are_followed_by_one_with_long_polling() {
        use DialErrorKind::{Http, NotWebSocket, Timeout, Unreachable};
        for kind in
            [Http(400), Http(405), Http(426), Http(501), Http(502), NotWebSocket, Timeout, Unreachable]
        {
            let mut choice = TransportChoice::new(Transports::Auto);
            assert_eq!(dialled(&mut choice, &[kind; 8]), "wwwpwpwp", "{kind:?}");
        }
    }

    #[test]
    fn a_server_that_is_not_there_or_says_what_is_wrong_is_not_asked_by_long_polling() {
        use DialErrorKind::{Certificate, Dns, Headers, Http, Proxy, Refused, Tls};
        let others = [Dns, Refused, Certificate, Tls, Proxy, Headers];
        for kind in others.into_iter().chain([401, 403, 404, 410, 429, 503].map(Http)) {
            let mut choice = TransportChoice::new(Transports::Auto);
            assert_eq!(dialled(&mut choice, &[kind; 8]), "wwwwwwww", "{kind:?}");
        }
        let mut choice = TransportChoice::new(Transports::Auto);
        assert_eq!(dialled(&mut choice, &[Http(400), Http(400), Refused, Http(400), Http(400)]), "wwwww");
    }

    #[test]
    fn what_the_engine_has_answered_on_is_not_blocked() {
        let mut choice = TransportChoice::new(Transports::Auto);
        assert_eq!(dialled(&mut choice, &[DialErrorKind::Timeout; 2]), "ww");
        choice.dial();
        choice.answered();
        choice.dial_failed(&DialError::new(DialErrorKind::Timeout, ""));
        assert_eq!(dialled(&mut choice, &[DialErrorKind::Timeout; 4]), "wwwp");
    }

    #[test]
    fn long_polling_that_worked_is_dialled_again_until_the_connection_has_moved() {
        let mut choice = TransportChoice::new(Transports::Auto);
        dialled(&mut choice, &[DialErrorKind::Http(400); 3]);
        for _ in 0..2 {
            choice.dial();
            choice.answered();
            assert_eq!(choice.dialled, EngineTransport::Polling);
        }
        choice.upgraded();
        assert_eq!(dialled(&mut choice, &[DialErrorKind::Http(400); 4]), "wwwp");
    }

    /// The next dial, which the server answers by saying that it does not take its transport.
    fn refuse(choice: &mut TransportChoice) {
        choice.dial();
        choice.dial_failed(&DialError::new(DialErrorKind::Http(400), "").refusing_transport());
    }

    #[test]
    fn a_server_that_says_that_it_takes_no_websocket_is_polled_next_and_after_whatever_happens_meanwhile() {
        use DialErrorKind::{Dns, Http, Refused, Timeout, Unreachable};
        let mut choice = TransportChoice::new(Transports::Auto);
        assert_eq!(dialled(&mut choice, &[Http(502), Refused]), "ww");
        refuse(&mut choice);
        assert!(choice.has_untried());
        assert_eq!(dialled(&mut choice, &[Refused, Dns, Timeout, Unreachable, Http(502)]), "ppppp");
        choice.dial();
        choice.answered();
        assert_eq!(dialled(&mut choice, &[Refused; 4]), "pppp");
        // It was started anew with WebSocket alone.
        refuse(&mut choice);
        assert_eq!(dialled(&mut choice, &[Timeout; 5]), "wwwww");
        choice.dial();
        choice.answered();
        choice.upgraded();
        assert_eq!(dialled(&mut choice, &[Timeout; 4]), "wwwp", "a move shows that a WebSocket passes");
    }

    #[test]
    fn one_transport_alone_is_dialled_whatever_the_server_says_of_it() {
        let mut choice = TransportChoice::new(Transports::WebSocket);
        refuse(&mut choice);
        assert_eq!(dialled(&mut choice, &[DialErrorKind::Refused; 4]), "wwww");
    }

    #[test]
    fn a_websocket_that_lets_nothing_through_counts_as_blocked() {
        let mut choice = TransportChoice::new(Transports::Auto);
        for how in [Disconnect::Lost, Disconnect::Protocol, Disconnect::Lost] {
            assert_eq!(choice.next, EngineTransport::WebSocket);
            choice.dial();
            choice.closed_in_handshake(&how);
        }
        assert!(choice.has_untried());
        choice.dial();
        assert!(!choice.has_untried());
    }

    #[test]
    fn one_transport_alone_is_dialled_whatever_comes_of_it() {
        for (allowed, expected) in [(Transports::WebSocket, "wwwwww"), (Transports::Polling, "pppppp")] {
            let mut choice = TransportChoice::new(allowed);
            assert_eq!(dialled(&mut choice, &[DialErrorKind::Http(400); 6]), expected);
            choice.upgraded();
            assert_eq!(dialled(&mut choice, &[DialErrorKind::Timeout; 6]), expected);
        }
    }
}
