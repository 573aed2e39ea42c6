//! Frames of the application's own: what users ask for, and what must hold of it. Shares no code with the machine.

use super::action::{Action, Step};
use super::plan::Plan;
use super::{Micros, SECOND};
use fastrand::Rng;
use rejoin::machine::OutboundMessage;
use rejoin::{DeliveryStatus, MAX_KEPT_FRAMES, Name, SendFailure};
use std::collections::{BTreeMap, BTreeSet};

#[allow(missing_docs, reason = "count, padding and key say what they are")]
/// What a user does with frames of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppFrameAction {
    /// Sends some, with so much padding.
    Send { count: u8, padding: u16 },
    /// Sends one that goes at once or never.
    Volatile,
    /// Has each connection begin with one.
    Keep { key: u8, padding: u16 },
    /// Has none begin with it any more.
    Drop { key: u8 },
    /// Keeps more than may be.
    KeepMany,
}

/// Draws what the users of a seed do, from numbers of its own, so that everything else of the seed stays what it is.
pub(super) fn draw(plan: &Plan, steps: &mut Vec<Step>) {
    let mut rng = Rng::with_seed(plan.chaos ^ steps.len() as u64);
    if !is_possible(plan) || rng.u8(..3) == 0 {
        return;
    }
    for _ in 0..rng.usize(1..30) {
        let padding = if rng.u8(..4) == 0 { rng.u16(..3000) } else { 0 };
        let key = rng.u8(..3);
        let what = match rng.u8(..12) {
            0..=4 => AppFrameAction::Send { count: rng.u8(1..8), padding },
            5 | 6 => AppFrameAction::Volatile,
            7..=9 => AppFrameAction::Keep { key, padding },
            10 => AppFrameAction::Drop { key },
            _ if rng.u8(..4) == 0 => AppFrameAction::KeepMany,
            _ => AppFrameAction::Send { count: 1, padding },
        };
        let client = rng.usize(..plan.clients.len());
        steps.push(Step { at: rng.u64(..plan.chaos), act: Action::Own { client, what } });
    }
}

/// Whether there may be frames of the application's own. A small outbox is for messages alone: who is refused because it is
/// full is counted there. And where a round trip takes as long as a server's heartbeat, connections end all the time,
/// whatever is sent.
pub(super) fn is_possible(plan: &Plan) -> bool {
    plan.outbox >= 1000 && plan.outbox_bytes >= 1 << 20 && plan.latency.1 <= SECOND
}

/// So long a send waits for a connection.
const TTL: Micros = 600 * SECOND;
/// How long a Socket.IO server's answer is waited for.
const ANSWERED: Micros = 10 * SECOND;

/// Below this are the numbers of messages.
const FIRST: u64 = 1 << 40;

/// A send of one of them.
#[derive(Debug, Default)]
struct Sent {
    written: bool,
    /// When it was last.
    written_at: Micros,
    /// An answer is wanted, and the server has given one.
    asks: bool,
    answered: bool,
    /// It may come twice, and so is made again on each connection; none of a process that takes it up.
    idempotent: bool,
    /// It has a time of its own.
    timed: bool,
    /// When it was made.
    made_at: Micros,
    /// The connection that it was given to last.
    conn: usize,
    /// Its name in the present run.
    id: u64,
    resolved: bool,
}

/// What one client has asked for, and what has become of it.
#[derive(Debug, Default)]
struct OfClient {
    sends: BTreeMap<u64, Sent>,
    /// What each connection is to begin with.
    kept: BTreeMap<String, String>,
    /// Sends and messages in the order in which they were asked for, by their text.
    order: BTreeMap<String, u64>,
    first_written: BTreeSet<String>,
}

/// What one connection has carried.
#[derive(Debug, Default)]
struct OfConn {
    kept: BTreeMap<String, String>,
    /// The order of the last own frame, and of the last message.
    own: u64,
    any: u64,
}

/// The observer of all that.
#[derive(Debug, Default)]
pub(super) struct Own {
    clients: BTreeMap<usize, OfClient>,
    conns: BTreeMap<usize, OfConn>,
    numbers: u64,
}

/// The text of a send.
fn text(number: u64, padding: u16) -> String {
    format!(r#"{{"type":"own_send","n":{number},"pad":"{}"}}"#, " ".repeat(padding.into()))
}

/// The number in the text of a send, or of the answer to it.
pub(super) fn number(text: &str) -> Option<u64> {
    text.split_once("\"n\":")?.1.split([',', '}']).next()?.parse().ok()
}

impl Own {
    /// The next number.
    pub(super) fn next(&mut self) -> u64 {
        self.numbers += 1;
        FIRST + self.numbers
    }

    /// A send is about to be made. Gives its text.
    pub(super) fn sends(&mut self, client: usize, id: u64, padding: u16) -> String {
        let text = text(id, padding);
        self.clients.entry(client).or_default().sends.insert(id, Sent { id, ..Sent::default() });
        text
    }

    /// The same of an event of Socket.IO, whose text is made elsewhere.
    pub(super) fn sends_as(&mut self, client: usize, now: Micros, send: &OutboundMessage<String, Name>) {
        let made = Sent {
            made_at: now,
            asks: send.data.is_some(),
            idempotent: send.idempotent,
            timed: send.timeout.is_some(),
            id: send.id.0,
            ..Sent::default()
        };
        self.clients.entry(client).or_default().sends.insert(made.id, made);
    }

    /// Whether a send that is about to be given to a connection was given to another one before, and may come twice.
    pub(super) fn is_made_again(&self, client: usize, text: &str) -> bool {
        let sends = self.clients.get(&client).map(|own| &own.sends);
        let sent = sends.zip(number(text)).and_then(|(sends, number)| sends.get(&number));
        sent.is_some_and(|sent| sent.idempotent && sent.written)
    }

    /// Whether a send is not waited for though nobody could answer it, and the next connection would make it again. One that
    /// was made long ago is given up without it.
    pub(super) fn is_given_up(
        &self,
        client: usize,
        now: Micros,
        id: u64,
        is_open: impl Fn(usize) -> bool,
    ) -> bool {
        let mut sends = self.clients.get(&client).into_iter().flat_map(|own| own.sends.values());
        let sent = sends.find(|sent| sent.id == id);
        // At the end of its time for an answer it may be lost in the same moment.
        let sent = sent.filter(|sent| now < sent.made_at + TTL && now < sent.written_at + ANSWERED);
        sent.is_some_and(|sent| sent.idempotent && !sent.timed && sent.written && !is_open(sent.conn))
    }

    /// The server answers an event.
    pub(super) fn answers(&mut self, client: usize, number: u64) {
        if let Some(sent) = self.clients.get_mut(&client).and_then(|own| own.sends.get_mut(&number)) {
            sent.answered = true;
        }
    }

    /// A send or a message is asked for.
    pub(super) fn asked(&mut self, client: usize, content: &str) {
        let at = self.next();
        self.clients.entry(client).or_default().order.insert(content.to_owned(), at);
    }

    pub(super) fn keeps(&mut self, client: usize, key: &str, frame: &str) {
        self.clients.entry(client).or_default().kept.insert(key.to_owned(), frame.to_owned());
    }

    pub(super) fn drops(&mut self, client: usize, key: &str) {
        self.clients.entry(client).or_default().kept.remove(key);
    }

    pub(super) fn kept(&self, client: usize, key: &str) -> Option<String> {
        self.clients.get(&client)?.kept.get(key).cloned()
    }

    /// More are kept than may be.
    pub(super) fn keeps_too_many(&self, client: usize) -> bool {
        self.clients.get(&client).is_some_and(|own| own.kept.len() > MAX_KEPT_FRAMES)
    }

    /// Whether a send has been written, or has its outcome.
    pub(super) fn is_decided(&self, client: usize, number: u64) -> bool {
        let sent = self.clients.get(&client).and_then(|own| own.sends.get(&number));
        sent.is_none_or(|sent| sent.written || sent.resolved)
    }

    /// A send of an earlier run has another name now.
    pub(super) fn restored(&mut self, client: usize, id: u64, text: &str) -> Result<(), String> {
        let sent = number(text).and_then(|n| self.clients.get_mut(&client)?.sends.get_mut(&n));
        let Some(sent) = sent else { return Err(format!("u{client} restores {text}, which was never sent")) };
        sent.id = id;
        // What an end had resolved is taken up by the next run all the same.
        (sent.resolved, sent.idempotent) = (false, false);
        Ok(())
    }

    /// A kept frame is written to a connection.
    pub(super) fn kept_written(&mut self, client: usize, conn: usize, frame: &str) -> Result<(), String> {
        let own = self.clients.entry(client).or_default();
        let Some((key, _)) = own.kept.iter().find(|(_, kept)| *kept == frame) else {
            return Err(format!("u{client} begins with {}, which is not kept so", short(frame)));
        };
        self.conns.entry(conn).or_default().kept.insert(key.clone(), frame.to_owned());
        Ok(())
    }

    /// A send or a message is written to a connection; `plain`: one that keeps all in order.
    pub(super) fn written(
        &mut self,
        client: usize,
        now: Micros,
        conn: usize,
        content: &str,
        is_own: bool,
        plain: bool,
    ) -> Result<(), String> {
        self.has_all_kept(client, conn)?;
        let own = self.clients.entry(client).or_default();
        let is_first = own.first_written.insert(content.to_owned());
        if is_own {
            let sent = number(content).and_then(|n| own.sends.get_mut(&n));
            let Some(sent) = sent else { return Err(format!("{} was never sent", short(content))) };
            if sent.resolved {
                return Err(format!("{} is written and has its outcome already", short(content)));
            }
            let again = std::mem::replace(&mut sent.written, true);
            if again && (!sent.idempotent || sent.conn == conn) {
                return Err(format!("{} is written twice", short(content)));
            }
            (sent.conn, sent.written_at) = (conn, now);
        }
        let Some(at) = own.order.get(content).copied().filter(|_| is_first || is_own) else { return Ok(()) };
        let seen = self.conns.entry(conn).or_default();
        if is_own && at < seen.own || plain && at < seen.any {
            return Err(format!("{} is overtaken on connection {conn}", short(content)));
        }
        if is_own {
            seen.own = at;
        }
        if plain {
            seen.any = at;
        }
        Ok(())
    }

    /// The connection has begun with all that is kept, in its newest form.
    pub(super) fn has_all_kept(&self, client: usize, conn: usize) -> Result<(), String> {
        let Some(own) = self.clients.get(&client) else { return Ok(()) };
        let seen = self.conns.get(&conn);
        let lacks =
            own.kept.iter().find(|(key, frame)| seen.is_none_or(|seen| seen.kept.get(*key) != Some(*frame)));
        match lacks {
            Some((key, _)) => Err(format!("connection {conn} of u{client} has not begun with {key}")),
            None => Ok(()),
        }
    }

    /// A send has its outcome.
    pub(super) fn resolved(&mut self, client: usize, id: u64, status: &DeliveryStatus) -> Result<(), String> {
        self.resolved_with(client, id, status, None)
    }

    /// The same, with what the server has answered.
    pub(super) fn resolved_with(
        &mut self,
        client: usize,
        id: u64,
        status: &DeliveryStatus,
        answer: Option<&str>,
    ) -> Result<(), String> {
        let own = self.clients.entry(client).or_default();
        let Some((number, sent)) = own.sends.iter_mut().find(|(_, sent)| sent.id == id) else {
            return Err(format!("u{client} is told {status:?} of {id:#x}, which it never sent"));
        };
        if std::mem::replace(&mut sent.resolved, true) {
            return Err(format!("u{client} is told twice what became of {number}"));
        }
        let is_right = match status {
            DeliveryStatus::Answered { .. } => sent.answered && answer == Some(number.to_string().as_str()),
            DeliveryStatus::Written => sent.written && !sent.asks,
            DeliveryStatus::Unknown => sent.written,
            DeliveryStatus::Failed(why) => !sent.written && !matches!(why, SendFailure::Refused(_)),
            _ => false,
        };
        let written = sent.written;
        if is_right {
            Ok(())
        } else {
            Err(format!("u{client} is told {status:?} of {number}, written: {written}"))
        }
    }

    /// A process has died; so much is on its disk.
    pub(super) fn died(&mut self, client: usize, sends: &[String], kept: BTreeMap<String, String>) {
        let own = self.clients.entry(client).or_default();
        let left: BTreeSet<u64> = sends.iter().filter_map(|text| number(text)).collect();
        own.sends.retain(|number, sent| sent.resolved || left.contains(number));
        // The next run gives its names anew.
        own.sends.values_mut().for_each(|sent| sent.id = 0);
        own.kept = kept;
    }

    /// Sends of a client that have no outcome.
    pub(super) fn open(&self, client: usize) -> Vec<u64> {
        let sends = self.clients.get(&client).into_iter().flat_map(|own| &own.sends);
        sends.filter(|(_, sent)| !sent.resolved).map(|(number, _)| *number).collect()
    }
}

/// A text without its padding.
fn short(text: &str) -> String {
    text.replace("  ", "").chars().take(80).collect()
}
