//! Prints events of further Socket.IO namespaces, each line with its namespace. Connection failures are printed once, for the first
//! namespace.

use super::EventPrinter;
use crate::{describe, sanitise, socket_io};
use rejoin::{
    Cause, CauseCode, DialErrorKind, Event, Name, PERSONAL_ROOM, RoomState, State, StateChange, Timestamp,
};

/// Why a namespace is waited for that has not answered within the connect timeout.
const NO_ANSWER: CauseCode = CauseCode::Dial(DialErrorKind::Timeout);

impl EventPrinter {
    /// Tells an event of another namespace; with `first_has_failed` it ends because the first one has.
    pub(crate) fn event_in(&mut self, namespace: &str, event: &Event, at: Timestamp, first_has_failed: bool) {
        let place = sanitise::line(namespace);
        match event {
            // Why is told of the first: it has ended with that.
            Event::State(change) if change.state == State::Failed && first_has_failed => {
                self.notice(&format!("{place} is followed no longer: the connection has ended"));
            }
            Event::State(change) if change.state == State::Failed => {
                let why = change.cause.as_ref().map_or_else(|| "it is over".to_owned(), describe::cause);
                self.notice(&format!("{place} is followed no longer: {why}"));
                self.leave_rooms_in(namespace);
            }
            Event::State(StateChange { cause: Some(Cause { code: NO_ANSWER, .. }), state, .. })
                if matches!(state, State::Reconnecting { .. }) && self.state == State::Connected =>
            {
                self.notice(&format!("{place} has not answered yet; waiting for it"));
            }
            Event::State(_) | Event::Mode(_) | Event::Ready(_) => {}
            Event::Notification(notification) => {
                let data = notification.data.as_deref().unwrap_or_default();
                let kind = sanitise::line(&notification.kind);
                self.alert(&kind, data);
                self.notice(&format!("notification in {place}: {kind} {}", sanitise::line(data)));
            }
            Event::Frame(frame) => {
                let name = sanitise::line(frame.kind().unwrap_or_default());
                self.notice(&format!(
                    "event in {place}: {name} {}",
                    sanitise::line(frame.text().unwrap_or_default())
                ));
            }
            Event::Joined(joined) if *joined.room == *PERSONAL_ROOM => {}
            Event::Gap(gap) if *gap.room == *PERSONAL_ROOM => {
                self.notice(&format!("in {place} notifications may be missing"));
            }
            Event::ServerError { message, .. } => {
                self.notice(&format!("the server says in {place}: {}", sanitise::line(message)));
            }
            event => self.event(&moved(event.clone(), namespace), at),
        }
    }
}

impl EventPrinter {
    /// The user is in no room of a namespace any more.
    fn leave_rooms_in(&mut self, namespace: &str) {
        let current = self.rooms.current().map(str::to_owned);
        let inside = socket_io::room_in(namespace, "");
        let rooms: Vec<String> = self.rooms.list().map(|(room, _)| room.to_owned()).collect();
        for room in rooms.iter().filter(|room| room.starts_with(&inside)) {
            self.rooms.change(room, RoomState::Left);
        }
        if current.is_some() && self.rooms.current() != current.as_deref() && self.focus.is_on() {
            self.show_room();
        }
    }
}

/// An event of a room as one of the room that says its namespace too.
pub(crate) fn moved(mut event: Event, namespace: &str) -> Event {
    let room = match &mut event {
        Event::Room(change) => &mut change.room,
        Event::Joined(joined) => &mut joined.room,
        Event::Message(message) => &mut message.room,
        Event::Presence(presence) => &mut presence.room,
        Event::Gap(gap) => &mut gap.room,
        Event::Signal(signal) => &mut signal.room,
        Event::JoinReply { room, .. } | Event::UserJoined { room, .. } | Event::UserLeft { room, .. } => room,
        _ => return event,
    };
    *room = Name::from(socket_io::room_in(namespace, room).as_str());
    event
}

#[cfg(test)]
mod tests {
    use crate::clock::Clock;
    use crate::event_printer::EventPrinter;
    use crate::render::Layout;
    use rejoin::messages::Code;
    use rejoin::{
        Cause, CauseCode, Event, Gap, GapReason, RoomChange, RoomState, State, StateChange, Timestamp,
    };

    fn told(events: &[Event]) -> String {
        let rooms = ["lobby".to_owned(), "/n,lobby".to_owned()];
        let mut printer = EventPrinter::new(Layout::Plain, Clock::new(true), &rooms);
        for event in events {
            printer.event_in("/n", event, Timestamp::from_millis(1000), false);
        }
        assert!(printer.failed.is_none());
        String::from_utf8(printer.printed).unwrap()
    }

    #[test]
    fn each_line_says_the_namespace_and_the_connections_troubles_are_left_to_the_first() {
        let room = |state| Event::Room(RoomChange::new("lobby".into(), state));
        let state = |state, code| Event::State(StateChange::new(state, Some(Cause::new(code, "no\u{1b}"))));
        let lost = State::Reconnecting { attempt: 1, retry_at: Some(Timestamp::from_millis(3000)) };
        let gap = |room: &str| Event::Gap(Gap::unknown(room.into(), GapReason::Reconnected));
        assert_eq!(
            told(&[
                room(RoomState::Joined),
                Event::UserJoined { room: "lobby".into(), user: "ada".into() },
                state(lost, CauseCode::ConnectionLost),
                gap("@me"),
                Event::ServerError { message: "late".to_owned(), code: None, server_code: None },
                room(RoomState::Failed(Code::Forbidden)),
            ])
            .lines()
            .map(|line| line.split(':').next().unwrap_or_default())
            .collect::<Vec<_>>(),
            [
                "* joined /n,lobby",
                "* ada joined /n,lobby",
                "* in /n notifications may be missing",
                "* the server says in /n",
                "* cannot join /n,lobby",
            ]
        );
        let failed = told(&[state(State::Failed, CauseCode::Unauthorized(4001))]);
        assert!(failed.starts_with("* /n is followed no longer: ") && !failed.contains('\u{1b}'), "{failed}");
    }
}
