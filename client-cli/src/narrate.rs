//! What happens, told to people: the events that `chat` and `tail` show alike.

use crate::error::Failure;
use crate::render::{Layout, Renderer, Who, now, plain_name};
use crate::rooms::{Change, RoomBook};
use crate::{sanitise, words};
use rejoin::{Event, RoomState, State, StateChange, Timestamp};

/// Attempts that are each worth a line; after them every doubling is.
const FIRST_ATTEMPTS: u32 = 3;

#[derive(Debug)]
pub(crate) struct Narrator {
    pub(crate) rooms: RoomBook,
    pub(crate) state: State,
    /// The connection has ended for good.
    pub(crate) failed: Option<Failure>,
    /// To be printed.
    pub(crate) printed: Vec<u8>,
    renderer: Renderer,
}

impl Narrator {
    pub(crate) fn new(layout: Layout, rooms: &[String]) -> Self {
        let mut book = RoomBook::default();
        for room in rooms {
            book.change(room, RoomState::Joining);
        }
        if let Some(first) = rooms.first() {
            book.select(first);
        }
        Self {
            rooms: book,
            state: State::Connecting,
            failed: None,
            printed: Vec::new(),
            renderer: Renderer::new(layout),
        }
    }

    pub(crate) fn set_layout(&mut self, layout: Layout) {
        self.renderer.layout = layout;
    }

    /// Says something. Remote parts of `text` have been sanitised.
    pub(crate) fn notice(&mut self, text: &str) {
        let mut out = String::new();
        self.renderer.notice(&mut out, text);
        self.printed.extend_from_slice(out.as_bytes());
    }

    /// Shows a line to be copied. It has been sanitised.
    pub(crate) fn verbatim(&mut self, line: &str) {
        let mut out = String::new();
        Renderer::verbatim(&mut out, line);
        self.printed.extend_from_slice(out.as_bytes());
    }

    /// Shows a message of the user's own.
    pub(crate) fn own_message(&mut self, room: &str, mark: &'static str, content: &str) {
        self.message(&now(), room, Who::Me(mark), content);
    }

    fn message(&mut self, time: &str, room: &str, who: Who<'_>, content: &str) {
        let mut out = String::new();
        self.renderer.expect_room(self.rooms.current());
        self.renderer.message(&mut out, time, room, who, content);
        self.printed.extend_from_slice(out.as_bytes());
    }

    /// Tells an event; `at` is the client's clock. Outcomes of sends are not for here.
    pub(crate) fn event(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::State(change) => self.state_changed(change, at),
            Event::Room(change) => {
                let room = plain_name(&change.room);
                match self.rooms.change(&change.room, change.state) {
                    Change::Joined => self.notice(&format!("joined {room}")),
                    Change::Back(false) => self.notice(&format!("back in {room}")),
                    Change::Back(true) => {
                        self.notice(&format!("back in {room}; messages sent meanwhile may have been missed"));
                    }
                    Change::Left => self.notice(&format!("left {room}")),
                    Change::Refused => self.notice(&format!("cannot join {room}: too many rooms")),
                    Change::Nothing => {}
                }
            }
            Event::Message(message) => {
                self.rooms.seen(&message.room, &message.user);
                let who = Who::Other(&message.user);
                self.message(&message.timestamp, &message.room, who, &message.content);
            }
            Event::UserJoined { room, user } => {
                self.rooms.seen(room, user);
                self.notice(&format!("{} joined {}", plain_name(user), plain_name(room)));
            }
            Event::Gap(gap) => self.rooms.gap(&gap.room),
            Event::ServerError { message, .. } => {
                self.notice(&format!("the server says: {}", sanitise::line(message)));
            }
            Event::Garbled { error } => {
                self.notice(&format!(
                    "skipped something unreadable from the server: {}",
                    sanitise::line(error)
                ));
            }
            Event::Lagged { skipped } => {
                self.notice(&format!("{skipped} messages came too fast to be shown"));
            }
            _ => {}
        }
    }

    fn state_changed(&mut self, change: &StateChange, now: Timestamp) {
        self.state = change.state;
        match change.state {
            State::Reconnecting { attempt, retry_at: Some(at) }
            | State::Suspended { attempt, retry_at: Some(at) } => {
                if attempt > FIRST_ATTEMPTS && !attempt.is_power_of_two() {
                    return;
                }
                let cause = change.cause.as_ref().map_or_else(|| "connection lost".to_owned(), words::cause);
                self.notice(&format!("{cause}; {}", words::retry(at, now)));
            }
            State::Failed => self.failed = Some(words::failure(change.cause.as_ref())),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rejoin::{Cause, CauseCode, Gap, GapReason, RoomChange};

    fn told(events: &[Event]) -> String {
        let mut narrator = Narrator::new(Layout::Plain, &["lobby".to_owned()]);
        for event in events {
            narrator.event(event, Timestamp::from_millis(1000));
        }
        String::from_utf8(narrator.printed).unwrap()
    }

    fn joined() -> Event {
        Event::Room(RoomChange { room: "lobby".into(), state: RoomState::Joined })
    }

    fn lost(attempt: u32) -> Event {
        let state = State::Reconnecting { attempt, retry_at: Some(Timestamp::from_millis(4000)) };
        let cause = Cause { code: CauseCode::ConnectionLost, text: "".into(), will_retry: true };
        Event::State(StateChange { state, cause: Some(cause) })
    }

    #[test]
    fn a_loss_says_what_happens_next_and_the_return_what_may_be_missing() {
        let gap = Event::Gap(Gap::unknown("lobby".into(), GapReason::Reconnected));
        assert_eq!(
            told(&[joined(), lost(1), gap, joined()]),
            "* joined lobby\n* connection lost; retrying in 3 s\n\
             * back in lobby; messages sent meanwhile may have been missed\n"
        );
    }

    #[test]
    fn a_long_absence_is_not_a_wall_of_lines() {
        let attempts: Vec<Event> = (1..=64).map(lost).collect();
        assert_eq!(told(&attempts).lines().count(), 8);
    }

    #[test]
    fn what_a_server_says_cannot_act_on_the_terminal() {
        let events = [
            Event::ServerError { message: "\u{1b}[2Jno\nbob: hi".to_owned(), code: None },
            Event::Garbled { error: "\u{9b}x".into() },
            Event::UserJoined { room: "lo\u{202e}".into(), user: "a\nb".into() },
        ];
        assert_eq!(
            told(&events),
            "* the server says: ^[[2Jno^Jbob: hi\n* skipped something unreadable from the server: \\u{9b}x\n\
             * a^Jb joined lo\\u{202e}\n"
        );
    }
}
