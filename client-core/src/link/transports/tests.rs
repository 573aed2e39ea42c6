//! The choice of the transport, dial by dial.

use super::*;

/// The transports of dials that fail so.
fn dialled(choice: &mut TransportChoice, failures: &[DialErrorKind]) -> String {
    let mut transports = String::new();
    for kind in failures {
        choice.dial();
        transports.push(if choice.dialled == Transport::Fallback { 'p' } else { 'w' });
        choice.dial_failed(&DialError::new(*kind, ""));
    }
    transports
}

#[test]
fn three_dials_in_a_row_that_may_have_been_blocked_are_followed_by_one_with_long_polling() {
    use DialErrorKind::{Http, NotWebSocket, Timeout, Unreachable};
    for kind in [Http(400), Http(405), Http(426), Http(501), Http(502), NotWebSocket, Timeout, Unreachable] {
        let mut choice = TransportChoice::new(Allowed::Both);
        assert_eq!(dialled(&mut choice, &[kind; 8]), "wwwpwpwp", "{kind:?}");
    }
}

#[test]
fn a_server_that_is_not_there_or_says_what_is_wrong_is_not_asked_by_long_polling() {
    use DialErrorKind::{Certificate, Dns, Headers, Http, Proxy, Refused, Tls};
    let others = [Dns, Refused, Certificate, Tls, Proxy, Headers];
    for kind in others.into_iter().chain([401, 403, 404, 410, 429, 503].map(Http)) {
        let mut choice = TransportChoice::new(Allowed::Both);
        assert_eq!(dialled(&mut choice, &[kind; 8]), "wwwwwwww", "{kind:?}");
    }
    let mut choice = TransportChoice::new(Allowed::Both);
    assert_eq!(dialled(&mut choice, &[Http(400), Http(400), Refused, Http(400), Http(400)]), "wwwww");
}

#[test]
fn what_the_engine_has_answered_on_is_not_blocked() {
    let mut choice = TransportChoice::new(Allowed::Both);
    assert_eq!(dialled(&mut choice, &[DialErrorKind::Timeout; 2]), "ww");
    choice.dial();
    choice.answered();
    choice.dial_failed(&DialError::new(DialErrorKind::Timeout, ""));
    assert_eq!(dialled(&mut choice, &[DialErrorKind::Timeout; 4]), "wwwp");
}

#[test]
fn long_polling_that_worked_is_dialled_again_until_the_connection_has_moved() {
    let mut choice = TransportChoice::new(Allowed::Both);
    dialled(&mut choice, &[DialErrorKind::Http(400); 3]);
    for _ in 0..2 {
        choice.dial();
        choice.answered();
        assert_eq!(choice.dialled, Transport::Fallback);
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
    let mut choice = TransportChoice::new(Allowed::Both);
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
    let mut choice = TransportChoice::new(Allowed::Only(Transport::WebSocket));
    refuse(&mut choice);
    assert_eq!(dialled(&mut choice, &[DialErrorKind::Refused; 4]), "wwww");
}

#[test]
fn a_websocket_that_lets_nothing_through_counts_as_blocked() {
    let mut choice = TransportChoice::new(Allowed::Both);
    for how in [Disconnect::Lost, Disconnect::Protocol, Disconnect::Lost] {
        assert_eq!(choice.next, Transport::WebSocket);
        choice.dial();
        choice.closed_in_handshake(&how);
    }
    assert!(choice.has_untried());
    choice.dial();
    assert!(!choice.has_untried());
}

#[test]
fn one_transport_alone_is_dialled_whatever_comes_of_it() {
    for (allowed, expected) in [(Transport::WebSocket, "wwwwww"), (Transport::Fallback, "pppppp")] {
        let mut choice = TransportChoice::new(Allowed::Only(allowed));
        assert_eq!(dialled(&mut choice, &[DialErrorKind::Http(400); 6]), expected);
        choice.upgraded();
        assert_eq!(dialled(&mut choice, &[DialErrorKind::Timeout; 6]), expected);
    }
}

/// A choice that may read by streams.
#[cfg(feature = "sse")]
fn by_streams(allowed: Allowed, has_room: bool) -> TransportChoice {
    let streams = Streams { has_room, ..Streams::default() };
    TransportChoice { streams: Some(streams), ..TransportChoice::new(allowed) }
}

#[test]
#[cfg(feature = "sse")]
fn streams_are_opened_where_there_is_a_room_to_be_read() {
    let kinds = [DialErrorKind::Http(502); 8];
    assert_eq!(dialled(&mut by_streams(Allowed::Both, true), &kinds), "wwwpwpwp");
    let mut without = by_streams(Allowed::Both, false);
    assert_eq!(dialled(&mut without, &kinds), "wwwwwwww");
    assert!(!without.has_untried());
    let never = Allowed::Only(Transport::WebSocket);
    assert_eq!(dialled(&mut by_streams(never, true), &kinds), "wwwwwwww");
}

#[test]
#[cfg(feature = "sse")]
fn a_websocket_replaces_streams_and_is_preferred_on_another_network() {
    let mut choice = by_streams(Allowed::Both, true);
    dialled(&mut choice, &[DialErrorKind::Http(400); 3]);
    choice.dial();
    choice.opened();
    let streams = choice.streams.as_mut().unwrap();
    assert!(streams.is_read_only && std::mem::take(&mut streams.is_untold));
    choice.dial_replacement();
    assert_eq!(choice.dialled, Transport::WebSocket);
    choice.opened();
    assert!(choice.streams.as_ref().is_some_and(|streams| !streams.is_read_only && streams.is_untold));
    dialled(&mut choice, &[DialErrorKind::Http(400); 3]);
    choice.dial();
    choice.opened();
    choice.prefer_websocket();
    // Where that fails too, the streams are next.
    assert_eq!(dialled(&mut choice, &[DialErrorKind::Http(400); 2]), "wp");
}

#[test]
#[cfg(feature = "sse")]
fn what_failed_the_websocket_decides_whether_the_address_is_wrong() {
    let mut choice = by_streams(Allowed::Both, true);
    let mut last = DialError::new(DialErrorKind::Dns, "");
    for (kind, text) in [(502, "a"), (502, "b"), (502, "c"), (404, "d")] {
        choice.dial();
        let error = DialError::new(DialErrorKind::Http(kind), text);
        choice.dial_failed(&error);
        last = choice.judged_as_websocket(error);
    }
    assert_eq!((last.kind, &*last.text), (DialErrorKind::Http(502), "c; server-sent events: d"));
    for kind in [401, 429, 503].map(DialErrorKind::Http) {
        assert_eq!(choice.judged_as_websocket(DialError::new(kind, "no")).kind, kind);
    }
}
