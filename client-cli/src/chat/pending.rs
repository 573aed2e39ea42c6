//! Matches the user's own messages with their outcomes and echoes, so that each is shown once, in whatever order they arrive.
//!
//! An extended server acknowledges a message under the id that its echo has, and the library reports the outcome first; earlier
//! messages of a room may have the same text and are no echo. A plain server echoes a message to its sender without marking it:
//! a message counts as the echo if its text equals that of a pending message of the room and its sender is the user, whose name
//! is guessed from the first echo if it is unknown. Other messages with the user's name were sent by another session, but only
//! if the name is certain: with a guessed name, another user who sends the same text at the same moment would be taken for the
//! user from then on.

use crate::describe;
use crate::send_status::SendStatus;
use jiff::Timestamp;
use rejoin::{DeliveryStatus, Id, Message, SendId};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A bubble waits this long for good news before it says that there is none yet.
const ECHO_TIMEOUT: Duration = Duration::from_millis(300);
/// Written messages remembered for the sake of their echo.
const MOST_ECHOES: usize = 256;

/// What to show of an own message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Display {
    /// The message itself, as it was typed at that time, with what is known of the delivery.
    Message { id: SendId, at: Timestamp, room: String, content: String, fate: SendStatus },
    /// News of a message already shown.
    Update { id: SendId, room: String, content: String, fate: SendStatus },
}

/// What a message that has come in is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum MessageSource {
    /// Somebody else's.
    Other,
    /// The user's own, with what there is to show of it instead.
    Own(Option<Display>),
    /// The user's own, and not sent from here, or in an earlier run.
    OtherSession,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Pending,
    /// Its echo was faster than its outcome.
    Echoed,
    Written,
}

#[derive(Debug)]
struct PendingMessage {
    id: SendId,
    at: Timestamp,
    room: String,
    content: String,
    stage: Stage,
    /// When the bubble, or its news, is shown without waiting any longer; `None` when nothing is left to show.
    due: Option<Instant>,
    shown: bool,
}

impl PendingMessage {
    /// What there is to show: the message, or, where that has been shown, what is new.
    fn show(&mut self, fate: SendStatus) -> Display {
        let (id, room, content) = (self.id, self.room.clone(), self.content.clone());
        if std::mem::replace(&mut self.shown, true) {
            Display::Update { id, room, content, fate }
        } else {
            Display::Message { id, at: self.at, room, content, fate }
        }
    }
}

/// The own messages whose story is not finished, in the order they were typed.
#[derive(Debug)]
pub(super) struct PendingMessages {
    list: VecDeque<PendingMessage>,
    /// Acknowledged and shown, and not seen again yet.
    acknowledged: VecDeque<Id>,
    /// The user's name: given, or said by an extended server.
    name: Option<String>,
    /// On a plain server: where the first echo came from.
    guess: Option<String>,
}

impl PendingMessages {
    pub(super) fn new(name: Option<String>) -> Self {
        Self { list: VecDeque::new(), acknowledged: VecDeque::new(), name, guess: None }
    }

    /// The user's name, as far as it is known.
    pub(super) fn name(&self) -> Option<String> {
        self.name.clone().or_else(|| self.guess.clone())
    }

    pub(super) fn add(&mut self, now: Instant, at: Timestamp, id: SendId, room: &str, content: String) {
        let due = Some(now + ECHO_TIMEOUT);
        let own = PendingMessage {
            id,
            at,
            room: room.to_owned(),
            content,
            stage: Stage::Pending,
            due,
            shown: false,
        };
        self.list.push_back(own);
    }

    /// How many have no outcome yet.
    pub(super) fn pending(&self) -> usize {
        self.list.iter().filter(|own| own.stage != Stage::Written).count()
    }

    /// Whether everything has been shown that will be.
    pub(super) fn is_empty(&self) -> bool {
        self.list.iter().all(|own| own.stage == Stage::Written && own.due.is_none())
    }

    /// The outcome of a send; `said` are the server's words for a refusal.
    pub(super) fn outcome(
        &mut self,
        now: Instant,
        id: SendId,
        status: &DeliveryStatus,
        said: Option<&str>,
    ) -> Option<Display> {
        let at = self.list.iter().position(|own| own.id == id)?;
        let fate = match status {
            DeliveryStatus::Written => {
                let own = self.list.get_mut(at)?;
                if own.stage == Stage::Echoed {
                    self.list.remove(at);
                    return None;
                }
                own.stage = Stage::Written;
                // The echo is on its way, and better news.
                own.due = Some(now + ECHO_TIMEOUT);
                return None;
            }
            DeliveryStatus::Answered { .. } | DeliveryStatus::Unknown if self.is_echoed(id) => {
                self.list.remove(at);
                return None;
            }
            // Its echo does not say that it is one: it is remembered until that has come.
            DeliveryStatus::Answered { .. } => {
                let own = self.list.get_mut(at)?;
                (own.stage, own.due) = (Stage::Written, None);
                return Some(own.show(SendStatus::Delivered));
            }
            DeliveryStatus::Acked { id, .. } => {
                if self.acknowledged.len() >= MOST_ECHOES {
                    self.acknowledged.pop_front();
                }
                self.acknowledged.push_back(id.clone());
                SendStatus::Delivered
            }
            DeliveryStatus::Failed(why) => {
                SendStatus::Failed(*why, said.and_then(describe::server_message).map(Arc::from))
            }
            _ => SendStatus::Unknown,
        };
        self.list.remove(at).map(|mut own| own.show(fate))
    }

    /// Whether it has come back, and its outcome has not.
    pub(super) fn is_echoed(&self, id: SendId) -> bool {
        self.list.iter().any(|own| own.id == id && own.stage == Stage::Echoed)
    }

    /// A message has come in: says whether it is the echo of an own one.
    pub(super) fn echo(&mut self, message: &Message) -> MessageSource {
        if let Some(stamp) = &message.entry {
            let acknowledged = self.acknowledged.iter().position(|id| *id == stamp.id);
            // Only the sender's own user is told which send a message was; and `hello` names the user.
            let is_named = stamp.producer.is_some() || message.is_own() == Some(true);
            if acknowledged.is_some() || is_named {
                self.name = Some(message.user.to_string());
            }
            if let Some(at) = acknowledged {
                self.acknowledged.remove(at);
                return MessageSource::Own(None);
            }
            return self.source(message);
        }
        let name = self.name.as_deref().or(self.guess.as_deref());
        if name.is_some_and(|name| message.user != name) {
            return MessageSource::Other;
        }
        let is_own = |own: &PendingMessage| {
            own.stage != Stage::Echoed && message.room == *own.room && own.content == message.content
        };
        let own = self.list.iter_mut().enumerate().find(|(_, own)| is_own(own));
        let Some((at, own)) = own else { return self.source(message) };
        self.guess.get_or_insert_with(|| message.user.to_string());
        // Shown as written, and long ago perhaps: nothing new.
        let is_old = own.shown && own.stage == Stage::Written && own.due.is_none();
        let show = (!is_old).then(|| own.show(SendStatus::Delivered));
        if own.stage == Stage::Written {
            self.list.remove(at);
        } else {
            // Its outcome is still to come: leaving before that would make it an unknown one.
            (own.stage, own.due) = (Stage::Echoed, None);
        }
        MessageSource::Own(show)
    }

    fn source(&self, message: &Message) -> MessageSource {
        let is_mine = self.name.as_deref().is_some_and(|name| message.user == name);
        if is_mine { MessageSource::OtherSession } else { MessageSource::Other }
    }

    /// When [`OwnMessages::overdue`] has something next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.list.iter().filter_map(|own| own.due).min()
    }

    /// What has waited long enough. With `all`, what is waiting at all.
    pub(super) fn overdue(&mut self, now: Instant, all: bool) -> Vec<Display> {
        let mut show = Vec::new();
        for own in &mut self.list {
            if own.due.is_none_or(|due| due > now && !all) {
                continue;
            }
            own.due = None;
            show.push(own.show(if own.stage == Stage::Written {
                SendStatus::Written
            } else {
                SendStatus::Pending
            }));
        }
        let is_old = |own: &PendingMessage| own.stage == Stage::Written && own.due.is_none();
        while self.list.len() > MOST_ECHOES
            && let Some(at) = self.list.iter().position(is_old)
        {
            self.list.remove(at);
        }
        show
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rejoin::SendFailure;
    use rejoin::messages::{Code, EntryMeta, ProducerSeq};

    const ID: SendId = SendId(1);
    const TYPED: Timestamp = Timestamp::UNIX_EPOCH;

    fn one() -> (PendingMessages, Instant) {
        let mut own = PendingMessages::new(None);
        let now = Instant::now();
        own.add(now, TYPED, ID, "r", "hi".to_owned());
        (own, now)
    }

    fn said(room: &str, user: &str, content: &str) -> Message {
        Message::plain(room.into(), user.into(), content.to_owned(), String::new())
    }

    fn stamped(id: &Id, content: &str) -> Message {
        let stamp = EntryMeta { id: id.clone(), epoch: id.clone(), seq: 1, replay: false, producer: None };
        said("r", "me", content).with_entry(Some(Box::new(stamp)))
    }

    fn bubble(fate: SendStatus) -> Display {
        Display::Message { id: ID, at: TYPED, room: "r".into(), content: "hi".into(), fate }
    }

    fn news(fate: SendStatus) -> Display {
        Display::Update { id: ID, room: "r".into(), content: "hi".into(), fate }
    }

    #[test]
    fn a_quick_echo_makes_one_bubble_that_says_delivered() {
        let (mut own, now) = one();
        assert_eq!(own.outcome(now, ID, &DeliveryStatus::Written, None), None);
        assert_eq!(own.echo(&said("r", "me", "hi")), MessageSource::Own(Some(bubble(SendStatus::Delivered))));
        assert!(own.is_empty() && own.overdue(now + ECHO_TIMEOUT, true).is_empty());
    }

    #[test]
    fn without_an_echo_it_says_written_and_a_late_echo_is_not_shown_again() {
        let (mut own, now) = one();
        own.outcome(now, ID, &DeliveryStatus::Written, None);
        assert_eq!(own.overdue(now + ECHO_TIMEOUT, false), [bubble(SendStatus::Written)]);
        assert_eq!(own.echo(&said("r", "me", "hi")), MessageSource::Own(None));
        assert_eq!(own.echo(&said("r", "me", "hi")), MessageSource::Other);
    }

    #[test]
    fn a_message_that_waits_says_pending_and_later_what_became_of_it() {
        let (mut own, now) = one();
        assert_eq!(own.overdue(now, false), []);
        assert_eq!(own.overdue(now + ECHO_TIMEOUT, false), [bubble(SendStatus::Pending)]);
        assert_eq!(own.pending(), 1);
        own.outcome(now, ID, &DeliveryStatus::Written, None);
        assert_eq!(own.echo(&said("r", "me", "hi")), MessageSource::Own(Some(news(SendStatus::Delivered))));
        let (mut own, now) = one();
        own.overdue(now, true);
        assert_eq!(own.outcome(now, ID, &DeliveryStatus::Unknown, None), Some(news(SendStatus::Unknown)));
        let (mut own, now) = one();
        own.overdue(now, true);
        own.outcome(now, ID, &DeliveryStatus::Written, None);
        assert_eq!(own.overdue(now + ECHO_TIMEOUT, false), [news(SendStatus::Written)]);
    }

    const ANSWERED: DeliveryStatus = DeliveryStatus::Answered { id: None, seq: None };

    #[test]
    fn a_handlers_answer_and_an_echo_make_one_bubble_in_either_order() {
        let (mut own, now) = one();
        assert_eq!(own.outcome(now, ID, &ANSWERED, None), Some(bubble(SendStatus::Delivered)));
        assert!(own.is_empty());
        assert_eq!(own.echo(&said("r", "me", "hi")), MessageSource::Own(None));
        let (mut own, now) = one();
        assert_eq!(own.echo(&said("r", "me", "hi")), MessageSource::Own(Some(bubble(SendStatus::Delivered))));
        assert_eq!(own.outcome(now, ID, &ANSWERED, None), None);
        assert!(own.list.is_empty());
        let (mut own, now) = one();
        own.overdue(now, true);
        assert_eq!(own.outcome(now, ID, &ANSWERED, None), Some(news(SendStatus::Delivered)));
    }

    #[test]
    fn what_has_come_back_has_arrived_though_nobody_answers_for_it() {
        let (mut own, now) = one();
        own.echo(&said("r", "me", "hi"));
        assert!(own.is_echoed(ID));
        assert_eq!(own.outcome(now, ID, &DeliveryStatus::Unknown, None), None);
        assert!(own.is_empty() && !own.is_echoed(ID));
    }

    #[test]
    fn a_failure_at_once_is_said_in_the_bubble() {
        let (mut own, now) = one();
        let failed = DeliveryStatus::Failed(SendFailure::TooLarge);
        assert_eq!(
            own.outcome(now, ID, &failed, None),
            Some(bubble(SendStatus::Failed(SendFailure::TooLarge, None)))
        );
        assert!(own.is_empty());
    }

    #[test]
    fn a_refusal_stands_at_the_message_with_the_servers_words_made_harmless() {
        let (mut own, now) = one();
        let refused = DeliveryStatus::Failed(SendFailure::Refused(Code::Forbidden));
        let Some(Display::Message { fate, .. }) = own.outcome(now, ID, &refused, Some("no\u{1b}[2J links\n"))
        else {
            panic!("no bubble")
        };
        assert_eq!(fate.label(), "not sent: the server refused it (forbidden: no^[[2J links^J)");
        let (mut own, now) = one();
        own.overdue(now, true);
        let other = DeliveryStatus::Failed(SendFailure::Refused(Code::Other));
        let Some(Display::Update { fate, .. }) = own.outcome(now, ID, &other, Some("not here")) else {
            panic!("no news")
        };
        assert_eq!(fate.update_line("hi"), "not sent: the server refused it (not here): hi");
    }

    #[test]
    fn the_same_words_of_somebody_else_are_not_an_echo() {
        let (mut own, now) = one();
        own.outcome(now, ID, &DeliveryStatus::Written, None);
        own.echo(&said("r", "me", "hi"));
        own.add(now, TYPED, SendId(2), "r", "hi".to_owned());
        assert_eq!(own.echo(&said("r", "bob", "hi")), MessageSource::Other);
        assert_eq!(own.echo(&said("other", "me", "hi")), MessageSource::Other);
        assert_ne!(own.echo(&said("r", "me", "hi")), MessageSource::Other);
    }

    #[test]
    fn an_earlier_message_with_the_same_words_is_not_the_echo_of_a_pending_one() {
        let (mut own, now) = one();
        assert_eq!(own.echo(&stamped(&Id::new("m0").unwrap(), "hi")), MessageSource::Other);
        assert!(!own.is_empty() && own.pending() == 1);
        let acked = DeliveryStatus::Acked { id: Id::new("m1").unwrap(), seq: 2 };
        assert_eq!(own.outcome(now, ID, &acked, None), Some(bubble(SendStatus::Delivered)));
        assert!(own.is_empty());
    }

    #[test]
    fn an_echo_before_the_outcome_is_shown_at_once_and_the_outcome_is_waited_for() {
        let (mut own, now) = one();
        assert_eq!(own.echo(&said("r", "me", "hi")), MessageSource::Own(Some(bubble(SendStatus::Delivered))));
        assert!(!own.is_empty());
        assert_eq!((own.next_due(), own.overdue(now + ECHO_TIMEOUT, true)), (None, vec![]));
        assert_eq!(own.outcome(now, ID, &DeliveryStatus::Written, None), None);
        assert!(own.is_empty() && own.list.is_empty());
    }

    #[test]
    fn acknowledgement_and_echo_make_one_bubble() {
        let id = Id::new("m1").unwrap();
        let acked = DeliveryStatus::Acked { id: id.clone(), seq: 1 };
        let (mut own, now) = one();
        assert_eq!(own.outcome(now, ID, &acked, None), Some(bubble(SendStatus::Delivered)));
        assert!(own.is_empty());
        assert_eq!(own.echo(&stamped(&id, "hi")), MessageSource::Own(None));
        assert_eq!(own.echo(&stamped(&Id::new("m2").unwrap(), "hi")), MessageSource::OtherSession);
    }

    #[test]
    fn what_the_user_sends_from_elsewhere_is_told_from_what_others_send() {
        let mut own = PendingMessages::new(None);
        let pid = Id::new("p").unwrap();
        let mut elsewhere = stamped(&Id::new("m7").unwrap(), "hi");
        if let Some(stamp) = &mut elsewhere.entry {
            stamp.producer = Some(Box::new(ProducerSeq { pid, pseq: 1 }));
        }
        assert_eq!(own.echo(&elsewhere), MessageSource::OtherSession);
        // By a client of the user's that does not number its sends: the name is known by now.
        assert_eq!(own.echo(&stamped(&Id::new("m8").unwrap(), "hi")), MessageSource::OtherSession);
        assert_eq!(own.echo(&said("r", "me", "hi")), MessageSource::OtherSession);
        assert_eq!(own.echo(&said("r", "bob", "hi")), MessageSource::Other);
    }

    #[test]
    fn whoever_says_the_same_at_the_same_moment_does_not_pass_for_the_user_from_then_on() {
        let (mut own, _) = one();
        assert!(matches!(own.echo(&said("r", "eve", "hi")), MessageSource::Own(Some(_))));
        assert_eq!(own.echo(&said("r", "eve", "pay me")), MessageSource::Other);
    }

    #[test]
    fn echoes_that_never_come_are_forgotten() {
        let mut own = PendingMessages::new(None);
        let now = Instant::now();
        for id in 0..1000 {
            own.add(now, TYPED, SendId(id), "r", id.to_string());
            own.outcome(now, SendId(id), &DeliveryStatus::Written, None);
        }
        own.overdue(now, true);
        assert_eq!(own.list.len(), MOST_ECHOES);
    }
}
