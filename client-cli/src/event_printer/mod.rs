//! Prints events for people, as `chat` and `tail` share it.

mod connection;
mod export;
mod focus;
mod namespaces;
mod search;
mod streams;

use crate::clock::{self, Clock};
use crate::error::Failure;
use crate::hints::Hints;
use crate::idle_timeout::IdleNotice;
use crate::notice_counter::NoticeCounter;
use crate::render::{Layout, Renderer, Sender, plain_name};
use crate::rooms::{Change, RoomList, ScrollbackEntry, Speaker};
use crate::send_status::SendStatus;
use crate::{describe, sanitise};
use focus::Focus;
pub(crate) use namespaces::moved;
use rejoin::messages::JoinReason;
use rejoin::{
    Event, Gap, GapReason, Message, Mode, Name, PERSONAL_ROOM, RoomChange, RoomState, SendId, State,
    Timestamp,
};
use tokio::time::Instant;

/// The history of a room that is joined for the first time, on its way.
#[derive(Debug)]
struct Replay {
    room: Name,
    left: u64,
    /// So much of what is left is only remembered.
    hidden: u64,
}

#[derive(Debug)]
pub(crate) struct EventPrinter {
    pub(crate) rooms: RoomList,
    pub(crate) state: State,
    /// The user's own notifications are followed.
    pub(crate) shows_notifications: bool,
    /// What to say when something is wrong.
    pub(crate) advice: Hints,
    /// There has been a connection.
    pub(crate) has_connected: bool,
    /// The connection has ended for good.
    pub(crate) failed: Option<Failure>,
    /// To be printed.
    pub(crate) printed: Vec<u8>,
    mode: Option<Mode>,
    /// It has been said that the connection has been away for long.
    is_suspended: bool,
    pub(crate) focus: Focus,
    replay: Option<Replay>,
    /// The room of which something was shown last that was said before; none if what was shown last came as it was said.
    past_of: Option<String>,
    /// Why messages are missing, as it was told last on this connection.
    told_gap: Option<GapReason>,
    /// Of the history of a room that is joined for the first time, so many messages are shown.
    shown_history: u64,
    repeats: NoticeCounter,
    idle_notice: IdleNotice,
    renderer: Renderer,
}

impl EventPrinter {
    pub(crate) fn new(layout: Layout, clock: Clock, rooms: &[String]) -> Self {
        let mut book = RoomList::default();
        for room in rooms {
            book.change(room, RoomState::Joining);
        }
        if let Some(first) = rooms.first() {
            book.select(first);
        }
        Self {
            rooms: book,
            state: State::Connecting,
            shows_notifications: false,
            advice: Hints::default(),
            has_connected: false,
            failed: None,
            printed: Vec::new(),
            mode: None,
            is_suspended: false,
            focus: Focus::default(),
            replay: None,
            past_of: None,
            told_gap: None,
            shown_history: u64::MAX,
            repeats: NoticeCounter::default(),
            idle_notice: IdleNotice::default(),
            renderer: Renderer::new(layout, clock),
        }
    }

    /// Shows only the last so many messages of a room's history; the rest can be asked for.
    pub(crate) fn shorten_history(&mut self, shown: u64) {
        self.shown_history = shown;
    }

    pub(crate) fn set_layout(&mut self, layout: Layout) {
        self.renderer.layout = layout;
    }

    pub(crate) fn layout(&self) -> Layout {
        self.renderer.layout
    }

    /// Says something. Remote parts of `text` have been sanitised. The same again is counted, and the count is said when
    /// something else is, or after a while.
    pub(crate) fn notice(&mut self, text: &str) {
        if !self.repeats.is_repeated(text, Instant::now()) {
            self.print_repeats(true);
            self.repeats.begin(text);
            self.print_notice(text);
        }
    }

    /// When [`EventPrinter::print_repeats`] has something to say.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.repeats.due()
    }

    /// Says how often the last notice has come, where that is due, or with `all` where it has not been said yet.
    pub(crate) fn print_repeats(&mut self, all: bool) {
        if let Some(text) = self.repeats.take(all, Instant::now()) {
            self.print_notice(&text);
        }
    }

    /// Something else follows, or the user has asked for something: the same notice after that is worth a line again.
    pub(crate) fn end_repeats(&mut self) {
        self.print_repeats(true);
        self.repeats = NoticeCounter::default();
    }

    fn print_notice(&mut self, text: &str) {
        let mut out = String::new();
        self.renderer.notice(&mut out, text);
        self.printed.extend_from_slice(out.as_bytes());
    }

    /// Shows a line to be copied. It has been sanitised.
    pub(crate) fn verbatim(&mut self, line: &str) {
        self.end_repeats();
        let mut out = String::new();
        Renderer::verbatim(&mut out, line);
        self.printed.extend_from_slice(out.as_bytes());
    }

    /// What the times are that are shown.
    pub(crate) fn clock_description(&self) -> String {
        self.renderer.clock.description()
    }

    /// Shows a message of the user's own.
    pub(crate) fn own_message(
        &mut self,
        room: &str,
        at: jiff::Timestamp,
        id: SendId,
        fate: SendStatus,
        content: &str,
    ) {
        let who = Speaker::Me(Some(id), fate);
        self.rooms.said(room, ScrollbackEntry { at, who: who.clone(), content: content.to_owned() });
        // Its author knows that it is new.
        self.past_of = None;
        self.message(at, room, &who, content);
    }

    /// Shows again what was said last in a room.
    pub(crate) fn history(&mut self, room: &str, count: usize) {
        let said = self.rooms.history(room, count);
        if said.is_empty() {
            self.notice(&format!("nothing has been said in {} that is known here", plain_name(room)));
        } else {
            let what =
                if said.len() == 1 { "message".to_owned() } else { format!("{} messages", said.len()) };
            self.notice(&format!("the last {what} in {}", plain_name(room)));
        }
        for ScrollbackEntry { at, who, content } in said {
            self.message(at, room, &who, &content);
        }
        self.past_of = Some(room.to_owned());
    }

    /// What was said before is shown, and something new comes in the same room: a line between the two. Where it comes in
    /// another one, the room's name stands between them.
    fn separate_history(&mut self, room: &str) {
        if self.past_of.take().is_some_and(|past| past == room) {
            self.end_repeats();
            let mut out = String::new();
            self.renderer.separator(&mut out, "new messages");
            self.printed.extend_from_slice(out.as_bytes());
        }
    }

    fn message(&mut self, at: jiff::Timestamp, room: &str, who: &Speaker, content: &str) {
        self.end_repeats();
        let mut out = String::new();
        let mark;
        let who = match who {
            Speaker::Me(_, fate) => {
                mark = fate.label();
                Sender::Me(&mark)
            }
            Speaker::Other(name) => Sender::Other(name),
        };
        self.renderer.expect_room(self.rooms.current());
        self.renderer.message(&mut out, at, room, who, content);
        self.printed.extend_from_slice(out.as_bytes());
    }

    /// Shows a message that has come in; `own` if the user sent it, and not from here.
    pub(crate) fn received(&mut self, message: &Message, own: Option<SendStatus>) {
        self.rooms.seen(&message.room, &message.user);
        self.told_gap = None;
        let is_own = own.is_some();
        let who = match own {
            Some(fate) => Speaker::Me(None, fate),
            None => Speaker::Other(message.user.to_string()),
        };
        let (at, content) = (clock::read(&message.timestamp), message.content.clone());
        self.rooms.said(&message.room, ScrollbackEntry { at, who: who.clone(), content });
        let is_replay = message.entry.as_ref().is_some_and(|stamp| stamp.replay);
        let history = if is_replay { self.replayed(&message.room) } else { None };
        if !is_own && history.is_none() {
            self.count_message(message);
        }
        if history != Some(Hidden(true)) && !self.is_hidden(&message.room) {
            // What was missed while away is new, too.
            if history.is_none() {
                self.separate_history(&message.room);
            }
            self.message(at, &message.room, &who, &message.content);
            self.past_of = history.is_some().then(|| message.room.to_string());
        }
    }

    /// Tells an event; `at` is the client's clock. Outcomes of sends are not for here.
    pub(crate) fn event(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::State(change) => self.state_changed(change, at),
            Event::Room(change) if *change.room == *PERSONAL_ROOM => self.personal_room_changed(change),
            Event::Room(change) => {
                let room = plain_name(&change.room);
                let current = self.rooms.current().map(str::to_owned);
                match self.rooms.change(&change.room, change.state) {
                    Change::Joined => self.notice(&format!("joined {room}")),
                    Change::Back(None) => self.notice(&format!("back in {room}")),
                    Change::Back(Some(gap)) => {
                        let missing = self.missing(&gap);
                        self.notice(&format!("back in {room}; {missing}"));
                    }
                    Change::Left => self.notice(&format!("left {room}")),
                    Change::Refused => self.notice(&format!("cannot join {room}: too many rooms")),
                    Change::Failed(code) => {
                        let why = describe::refusal(code, change.message.as_deref());
                        self.notice(&format!("cannot join {room}: {why}"));
                    }
                    Change::Removed(code) => {
                        self.notice(&format!("the server removed you from {room}: {}", code.as_str()));
                    }
                    Change::Nothing => {
                        if let Some(code) = change.refused {
                            self.notice(&describe::not_yet(&change.room, code, change.message.as_deref()));
                        }
                    }
                }
                if current.is_some() && self.rooms.current() != current.as_deref() && self.focus.is_on() {
                    self.show_room();
                }
            }
            Event::Mode(mode) => self.mode_known(*mode),
            Event::ReadOnly(is_read_only) => self.notice(describe::read_only(*is_read_only)),
            Event::Ready(_) if self.shows_notifications && self.rooms.list().next().is_none() => {
                self.notice("connected; notifications are shown as they come");
            }
            Event::Joined(joined)
                if *joined.room == *PERSONAL_ROOM
                    && joined.recovered
                    && self.mode == Some(Mode::SocketIo) =>
            {
                self.notice("no notification was missed");
            }
            // Where the server keeps them, that goes without saying.
            Event::Joined(joined) if *joined.room == *PERSONAL_ROOM => {}
            Event::JoinReply { room, reply } => {
                // The words of a refusal are told for themselves.
                let answer = reply.answer.as_deref().filter(|_| reply.message.is_none());
                if let Some(answer) = answer.filter(|answer| describe::is_informative_join(answer)) {
                    self.notice(&format!("{}: {}", plain_name(room), describe::answer(answer)));
                }
            }
            Event::Joined(joined) => {
                self.rooms.present(&joined.room, joined.members.as_deref(), joined.member_count);
                let is_first = joined.reason == Some(JoinReason::Fresh);
                let hidden = joined.replayed.saturating_sub(self.shown_history);
                self.replay =
                    is_first.then(|| Replay { room: joined.room.clone(), left: joined.replayed, hidden });
            }
            Event::Message(message) => self.received(message, None),
            Event::UserJoined { room, user } => {
                self.rooms.came(room, user);
                self.notice(&format!("{} joined {}", plain_name(user), plain_name(room)));
            }
            Event::UserLeft { room, user } => {
                self.rooms.went(room, user);
                self.notice(&format!("{} left {}", plain_name(user), plain_name(room)));
            }
            Event::Presence(presence) => {
                self.rooms.present(&presence.room, presence.members.as_deref(), presence.member_count);
            }
            Event::Notification(notification) => {
                let data = notification.data.as_deref().unwrap_or_default();
                let kind = sanitise::line(&notification.kind);
                self.alert(&kind, data);
                self.notice(&format!("notification: {kind} {}", sanitise::line(data)));
            }
            Event::Gap(gap) if *gap.room == *PERSONAL_ROOM && gap.after == Some(0) => {
                // There was never a notification.
            }
            Event::Gap(gap) if self.rooms.gap(gap) || *gap.room == *PERSONAL_ROOM => {
                let missing = self.missing(gap);
                self.notice(&missing);
            }
            Event::StorageFailed { error } => {
                self.notice(&format!("the state is not stored: {}", sanitise::line(error)));
            }
            Event::ServerError { message, .. } => {
                self.notice(&format!("the server says: {}", sanitise::line(message)));
            }
            Event::Malformed { error, count, .. } => {
                self.notice(&self.advice.malformed(error, *count));
            }
            Event::Lagged { skipped } => {
                self.notice(&format!("{skipped} messages came too fast to be shown"));
            }
            _ => {}
        }
    }

    /// Tells that there are no notifications.
    fn personal_room_changed(&mut self, change: &RoomChange) {
        if let RoomState::Failed(code) | RoomState::Removed(code) = change.state {
            let why = describe::refusal(code, change.message.as_deref());
            self.notice(&format!("no notifications: {why}"));
        }
    }

    /// What is missing. Of several rooms the reason is told once.
    fn missing(&mut self, gap: &Gap) -> String {
        if self.told_gap.replace(gap.reason) == Some(gap.reason) {
            format!("{}, too", describe::missing(gap))
        } else {
            describe::gap(gap)
        }
    }

    fn mode_known(&mut self, mode: Mode) {
        if self.mode.replace(mode) == Some(Mode::Extended) && mode == Mode::Plain {
            self.notice(
                "this server keeps nothing: what is missed while away is lost, and nothing is confirmed",
            );
        }
    }

    /// Whether a replayed message belongs to the history of a first join, and to the part that is only remembered.
    fn replayed(&mut self, room: &Name) -> Option<Hidden> {
        let replay = self.replay.as_mut().filter(|replay| replay.room == *room && replay.left > 0)?;
        replay.left -= 1;
        let is_hidden = replay.hidden > 0;
        replay.hidden = replay.hidden.saturating_sub(1);
        Some(Hidden(is_hidden))
    }
}

/// Whether a message of a history is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hidden(bool);

#[cfg(test)]
mod tests {
    use super::*;
    use rejoin::messages::{Code, EntryMeta};
    use rejoin::{Cause, CauseCode, JoinedRoom, SendReply, StateChange};

    pub(super) fn told(events: &[Event]) -> String {
        let mut printer = EventPrinter::new(Layout::Plain, Clock::new(true), &["lobby".to_owned()]);
        for event in events {
            printer.event(event, Timestamp::from_millis(1000));
        }
        String::from_utf8(printer.printed).unwrap()
    }

    fn joined() -> Event {
        Event::Room(RoomChange::new("lobby".into(), RoomState::Joined))
    }

    pub(super) fn lost(attempt: u32) -> Event {
        let retry_at = Some(Timestamp::from_millis(3000 + 1000 * u64::from(attempt)));
        let state = State::Reconnecting { attempt, retry_at };
        let cause = Cause::new(CauseCode::ConnectionLost, "");
        Event::State(StateChange::new(state, Some(cause)))
    }

    #[test]
    fn what_was_missed_while_away_is_as_new_as_what_comes_after_it() {
        let mut printer = EventPrinter::new(
            Layout::Columns { width: 100, colour: false },
            Clock::new(true),
            &["lobby".to_owned()],
        );
        let joined = |reason| {
            let mut joined = JoinedRoom::new("lobby".into(), true);
            (joined.reason, joined.replayed) = (reason, 1);
            Event::Joined(joined)
        };
        let said = |content: &str, replay| {
            let id = rejoin::Id::new("id").unwrap();
            let stamp = EntryMeta { id: id.clone(), epoch: id, seq: 1, replay, producer: None };
            let said = Message::plain("lobby".into(), "bob".into(), content.to_owned(), String::new());
            Event::Message(said.with_entry(Some(Box::new(stamp))))
        };
        let mut parted = Vec::new();
        for event in [
            joined(Some(JoinReason::Fresh)),
            said("old", true),
            said("live", false),
            joined(None),
            said("missed", true),
            said("live again", false),
        ] {
            printer.event(&event, Timestamp::from_millis(1000));
            let text = String::from_utf8(std::mem::take(&mut printer.printed)).unwrap();
            parted.push(text.contains("new messages"));
        }
        assert_eq!(parted, [false, false, true, false, false, false]);
    }

    #[test]
    fn a_loss_says_what_happens_next_and_the_return_what_may_be_missing() {
        let gap = Event::Gap(Gap::unknown("lobby".into(), GapReason::Reconnected));
        assert_eq!(
            told(&[joined(), lost(1), gap, joined()]),
            "* joined lobby\n* connection lost; retrying in 3 s\n\
             * back in lobby; messages in lobby may be missing: the connection was lost\n"
        );
    }

    #[test]
    fn each_gap_is_told_once_its_reason_once_for_all_rooms_and_none_where_there_was_never_anything() {
        let gap = |room: &str, after| {
            Event::Gap(Gap::new(room.into(), None, Some(after), None, GapReason::EpochChanged))
        };
        let joined_side = || Event::Room(RoomChange::new("side".into(), RoomState::Joined));
        let restarted = "* the server was restarted and lost its history; messages in lobby may be missing\n";
        assert_eq!(
            told(&[joined(), joined_side(), gap("lobby", 7), gap("@me", 0), gap("side", 0)]),
            format!("* joined lobby\n* joined side\n{restarted}* messages in side may be missing, too\n")
        );
        // Another loss, another reason to say so.
        assert_eq!(
            told(&[joined(), gap("lobby", 7), lost(1), joined(), gap("lobby", 8), gap("@me", 3)]),
            format!(
                "* joined lobby\n{restarted}* connection lost; retrying in 3 s\n* back in lobby\n{restarted}\
                 * notifications may be missing, too\n"
            )
        );
    }

    #[test]
    fn that_no_notification_was_missed_is_told_where_it_is_no_matter_of_course() {
        let recovered = || Event::Joined(JoinedRoom::new(PERSONAL_ROOM.into(), true));
        assert_eq!(told(&[Event::Mode(Mode::Extended), recovered()]), "");
        assert_eq!(told(&[Event::Mode(Mode::SocketIo), recovered()]), "* no notification was missed\n");
    }

    #[test]
    fn what_a_server_answers_to_a_join_is_told_where_it_says_more_than_yes() {
        let reply = |answer: &str, message: Option<&str>| {
            let reply = SendReply::new(Some(answer.to_owned()), message.map(str::to_owned));
            Event::JoinReply { room: "lobby".into(), reply: Box::new(reply) }
        };
        let usual = r#"{"ok":true,"roomId":"lobby","members":["ada"],"epoch":"e","seq":3}"#;
        assert_eq!(told(&[reply("true", None), reply(usual, None), reply("\"full\"", Some("full"))]), "");
        assert_eq!(
            told(&[reply(r#"{"ok":true,"topic":"tea\u001b"}"#, None)]),
            "* lobby: the server answered: {\"ok\":true,\"topic\":\"tea\\u001b\"}\n"
        );
    }

    #[test]
    fn the_same_notice_again_is_counted_until_something_else_is_said() {
        let garbled = || Event::Malformed { error: "no JSON".into(), count: 1, raw: "".into() };
        let said = told(&[garbled(), garbled(), garbled(), joined(), garbled()]);
        let skipped = "* skipped something unreadable from the server: no JSON";
        assert_eq!(said, format!("{skipped}\n{skipped} (3 times)\n* joined lobby\n{skipped}\n"));
    }

    #[test]
    fn a_room_that_is_refused_for_now_is_told_with_its_reason() {
        let refused =
            |code| Event::Room(RoomChange::new("lobby".into(), RoomState::Joining).refused_for(code));
        assert_eq!(
            told(&[refused(Code::RoomFull), refused(Code::Internal)]),
            "* cannot join lobby yet: the room is full (room_full); trying again\n\
             * cannot join lobby yet: the server says internal; trying again\n"
        );
    }

    #[test]
    fn what_a_server_says_cannot_act_on_the_terminal() {
        let events = [
            Event::ServerError { message: "\u{1b}[2Jno\nbob: hi".to_owned(), code: None, server_code: None },
            Event::Malformed { error: "\u{9b}x".into(), count: 1, raw: "\u{9b}x".into() },
            Event::UserJoined { room: "lo\u{202e}".into(), user: "a\nb".into() },
        ];
        assert_eq!(
            told(&events),
            "* the server says: ^[[2Jno^Jbob: hi\n* skipped something unreadable from the server: \\u{9b}x\n\
             * a^Jb joined lo\\u{202e}\n"
        );
    }
}
