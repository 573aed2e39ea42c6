//! What must hold, whatever happens: the invariants of protocol.md §2.6 that a plain connection can promise.
//!
//! The checker sees only what an outside observer could: what users asked for, what reached the hub and what
//! the hub sent, what each application was told. It shares no code with the machine.

use super::client::CANARY;
use super::{Micros, SECOND};
use rejoin::{DeliveryStatus, Event, State};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A send, from the moment its user made it.
#[derive(Debug)]
struct Sent {
    content: String,
    resolved: Option<DeliveryStatus>,
}

/// The observer.
#[derive(Debug, Default)]
pub struct Checker {
    violations: Vec<String>,
    sends: BTreeMap<(usize, u64), Sent>,
    /// Contents that reached the hub, by connection the last one.
    arrived: BTreeSet<String>,
    last_arrival: BTreeMap<usize, u64>,
    /// Where the hub put each message: room and position.
    appended: BTreeMap<String, (String, u64)>,
    positions: BTreeMap<String, u64>,
    delivered: BTreeSet<(usize, String)>,
    /// The position of the last message delivered since the last announced hole.
    last_delivered: BTreeMap<(usize, String), u64>,
    /// Rooms left and joined again over one connection: what was on its way from before looks like after.
    rejoined: BTreeMap<(usize, String), u32>,
    terminal: BTreeSet<usize>,
    dials: BTreeMap<usize, VecDeque<Micros>>,
}

impl Checker {
    /// Everything found so far.
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// Records a violation found by the world itself.
    pub fn violated(&mut self, what: String) {
        self.violations.push(what);
    }

    /// A user sent a message.
    pub fn sent(&mut self, client: usize, number: u64, content: &str) {
        self.sends.insert((client, number), Sent { content: content.to_owned(), resolved: None });
    }

    /// A message reached the hub over a connection.
    pub fn arrived(&mut self, conn: usize, content: &str) {
        if !self.arrived.insert(content.to_owned()) {
            self.violated(format!("1: {content} was transmitted twice"));
        }
        let number = content.rsplit('-').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        if let Some(last) = self.last_arrival.insert(conn, number)
            && last >= number
        {
            self.violated(format!("5: {content} arrived after number {last} of the same connection"));
        }
    }

    /// The hub sends a message to a member; the first time, it has a position in its room.
    pub fn broadcast(&mut self, room: &str, content: &str) {
        if !self.appended.contains_key(content) {
            let position = self.positions.entry(room.to_owned()).or_insert(0);
            *position += 1;
            self.appended.insert(content.to_owned(), (room.to_owned(), *position));
        }
    }

    /// A user joined a room: its positions begin anew. A plain server does not say which messages are from before
    /// an earlier `leave_room` on the same connection, so each join allows one more jump there.
    pub fn joined(&mut self, client: usize, room: &str) {
        self.gap(client, room);
        *self.rejoined.entry((client, room.to_owned())).or_insert(0) += 1;
    }

    fn gap(&mut self, client: usize, room: &str) {
        self.last_delivered.remove(&(client, room.to_owned()));
    }

    /// The application was told something.
    pub fn event(&mut self, client: usize, event: &Event) {
        match event {
            Event::Message(message) => self.delivered(client, &message.room, &message.content),
            Event::Gap(gap) => self.gap(client, &gap.room),
            Event::Delivery(delivery) => self.resolved(client, delivery.id.0, &delivery.status),
            Event::State(change) if change.state == State::Failed => {
                self.terminal.insert(client);
                if change.cause.as_ref().is_none_or(|cause| cause.will_retry) {
                    self.violated(format!("u{client} failed and says that it will retry, or not why"));
                }
            }
            Event::State(change) => {
                if change.state == State::Connected {
                    self.rejoined.retain(|(rejoined, _), _| *rejoined != client);
                }
                let lost = matches!(change.state, State::Reconnecting { .. });
                if lost && change.cause.is_none() {
                    self.violated(format!("u{client} is reconnecting for no reason"));
                }
            }
            _ => {}
        }
    }

    fn delivered(&mut self, client: usize, room: &str, content: &str) {
        if !self.delivered.insert((client, content.to_owned())) {
            self.violated(format!("2: {content} was delivered twice to u{client}"));
        }
        let Some((appended_room, position)) = self.appended.get(content).cloned() else {
            self.violated(format!("4: {content} was delivered to u{client} but never sent by the hub"));
            return;
        };
        if appended_room != room {
            self.violated(format!("4: {content} of {appended_room} was delivered in {room}"));
        }
        let last = self.last_delivered.insert((client, room.to_owned()), position);
        if let Some(last) = last
            && position != last + 1
            && !(position > last && self.may_jump(client, room))
        {
            self.violated(format!(
                "3: u{client} in {room}: {content} is number {position}, after number {last} without a gap"
            ));
        }
    }

    fn may_jump(&mut self, client: usize, room: &str) -> bool {
        let left = self.rejoined.get_mut(&(client, room.to_owned())).filter(|left| **left > 0);
        left.map(|left| *left -= 1).is_some()
    }

    fn resolved(&mut self, client: usize, number: u64, status: &DeliveryStatus) {
        let Some(sent) = self.sends.get_mut(&(client, number)) else {
            self.violated(format!("7: u{client} has an outcome for number {number}, which was never sent"));
            return;
        };
        if let Some(first) = sent.resolved.replace(status.clone()) {
            let content = sent.content.clone();
            self.violated(format!("7: {content} resolved twice: {first:?}, then {status:?}"));
        }
    }

    /// The client dials.
    pub fn dialled(&mut self, client: usize, monotonic: Micros) {
        if self.terminal.contains(&client) {
            self.violated(format!("10: u{client} dials after a terminal code"));
        }
        let dials = self.dials.entry(client).or_default();
        dials.push_back(monotonic);
        while dials.front().is_some_and(|first| monotonic - first > 30 * SECOND) {
            dials.pop_front();
        }
        if dials.len() > 6 {
            let count = dials.len();
            self.violated(format!("11: u{client} made {count} dials in 30 s"));
        }
    }

    /// The user starts a failed or closed client anew.
    pub fn revived(&mut self, client: usize) {
        self.terminal.remove(&client);
    }

    /// Whether a terminal code has come and the user has not intervened.
    pub fn is_terminal(&self, client: usize) -> bool {
        self.terminal.contains(&client)
    }

    /// Anything a session says, as a person would read it in a log.
    pub fn said(&mut self, client: usize, text: &str) {
        if text.contains(CANARY) {
            self.violated(format!("13: u{client} shows its token: {text}"));
        }
    }

    /// Whether a message was delivered to a client.
    pub fn was_delivered(&self, client: usize, content: &str) -> bool {
        self.delivered.contains(&(client, content.to_owned()))
    }

    /// The run is over and every client closed.
    pub fn finish(&mut self) {
        let mut found = Vec::new();
        for sent in self.sends.values() {
            match &sent.resolved {
                None => found.push(format!("7: {} never resolved", sent.content)),
                Some(DeliveryStatus::Failed(why)) if self.arrived.contains(&sent.content) => {
                    found.push(format!("7: {} is said to be not sent ({why:?}) but arrived", sent.content));
                }
                Some(_) => {}
            }
        }
        self.violations.append(&mut found);
    }

    /// Messages the hub accepted.
    pub fn appended_count(&self) -> usize {
        self.appended.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rejoin::{Delivery, Gap, GapReason, Message, SendFailure, SendId};

    fn message(content: &str) -> Event {
        Event::Message(Message::plain("r".into(), "u1".into(), content.into(), String::new()))
    }

    fn outcome(number: u64, status: DeliveryStatus) -> Event {
        Event::Delivery(Delivery { id: SendId(number), room: "r".into(), status })
    }

    fn violated(play: impl FnOnce(&mut Checker)) -> String {
        let mut checker = Checker::default();
        for n in 1..=3 {
            checker.sent(1, n, &format!("u1-{n}"));
            checker.broadcast("r", &format!("u1-{n}"));
        }
        play(&mut checker);
        checker.violations().join("; ")
    }

    #[test]
    fn a_duplicate_a_phantom_and_a_silent_hole_are_found() {
        assert!(violated(|c| [1, 1].iter().for_each(|_| c.event(0, &message("u1-1")))).starts_with("2:"));
        assert!(violated(|c| c.event(0, &message("u9-9"))).starts_with("4:"));
        assert!(
            violated(|c| ["u1-1", "u1-3"].iter().for_each(|m| c.event(0, &message(m)))).starts_with("3:")
        );
        let gap = Event::Gap(Gap::unknown("r".into(), GapReason::Reconnected));
        assert_eq!(
            violated(|c| [message("u1-1"), gap, message("u1-3")].iter().for_each(|e| c.event(0, e))),
            ""
        );
    }

    #[test]
    fn a_send_without_or_with_two_outcomes_or_a_false_one_is_found() {
        assert!(violated(Checker::finish).starts_with("7:"));
        let written = outcome(1, DeliveryStatus::Written);
        assert!(violated(|c| [&written, &written].iter().for_each(|e| c.event(1, e))).starts_with("7:"));
        let failed = outcome(1, DeliveryStatus::Failed(SendFailure::Expired));
        assert!(
            violated(|c| {
                c.arrived(0, "u1-1");
                c.event(1, &failed);
                c.finish();
            })
            .contains("but arrived")
        );
    }

    #[test]
    fn a_seventh_dial_and_a_visible_token_are_found() {
        assert!(violated(|c| (0..7).for_each(|n| c.dialled(1, n * SECOND))).starts_with("11:"));
        assert_eq!(violated(|c| (0..7).for_each(|n| c.dialled(1, n * 6 * SECOND))), "");
        assert!(violated(|c| c.said(1, &format!("Token({CANARY})"))).starts_with("13:"));
    }
}
