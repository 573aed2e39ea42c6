//! Checks that a client acts by itself: work that nothing blocks is done at once. Evaluated after each input, and when the faults have
//! stopped and the traffic has settled.

use super::ground_truth::{Key, LogId};
use super::{Checker, Micros, place};
use crate::sim::SECOND;
use rejoin::machine::Session;
use rejoin::messages::Nack;
use rejoin::{Mode, RoomState, State};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// As exactly as a machine that counts in milliseconds can be held to.
const MS: Micros = 1_000;
/// The longest wait between two tries of what a server refuses for now, unless it names a longer one.
const LONGEST: Micros = 30 * SECOND;
/// A send without an answer for so long is asked about.
const QUIET: Micros = 5 * SECOND;

/// One question is for all that waits, and for what is sent until its answer has had time.
const ASKED: Micros = 15 * SECOND;
/// Silence is asked about so much later, whatever waits.
const HEARTBEAT: Micros = 25 * SECOND;

/// A line that the server has refused for now.
#[derive(Debug, Clone, Copy, Default)]
struct Pause {
    /// On the client's clock: by then it has to go on.
    until: Micros,
    /// Refusals since something was last answered.
    refusals: u32,
    /// Most sends in flight since a refusal: one, and one more with each answer.
    most: Option<usize>,
}

/// What may stand in the way of a client.
#[derive(Debug, Default)]
pub(super) struct Prompt {
    /// The last frame written to each connection, and the last one that the operating system has taken.
    frames: HashMap<usize, (u64, u64)>,
    pauses: BTreeMap<(usize, LogId), Pause>,
    /// Rooms that have been asked for, and are not said to be joined since.
    asked: BTreeSet<(usize, LogId)>,
    /// What was refused for now, by connection: to be made again by the end of its line's pause.
    again: BTreeSet<(usize, Key)>,
    /// Connections on which something was given up, so that it is not known what the client waits for there.
    unclear: HashSet<usize>,
}

/// The wait after so many refusals in a row, as reconnecting.md has it.
fn delay(refusals: u32) -> Micros {
    match refusals.min(8).checked_sub(1) {
        None => 0,
        Some(doublings) => ((SECOND / 4) << doublings).min(LONGEST),
    }
}

impl Checker {
    /// A frame is written to a connection.
    pub fn frame_written(&mut self, conn: usize, frame: u64) {
        self.prompt.frames.entry(conn).or_default().0 = frame;
    }

    /// The operating system has taken the frames of a connection up to this one.
    pub(super) fn frames_taken(&mut self, conn: usize, through: u64) {
        let taken = &mut self.prompt.frames.entry(conn).or_default().1;
        *taken = through.max(*taken);
    }

    /// Something that was given to a connection is not waited for any more, and nobody has answered it.
    pub(super) fn is_unclear(&mut self, client: usize, conn: usize) {
        self.prompt.unclear.insert(conn);
        // What is still answered of it lets more go, also on the connections after this one.
        for (_, pause) in self.prompt.pauses.range_mut((client, 0)..(client + 1, 0)) {
            pause.most = None;
        }
    }

    /// Whether a send may be about to be made again, whatever is said of its transmission so far: nothing was answered for
    /// long, and its room is not joined yet. When that was decided cannot be seen from outside.
    pub(super) fn may_be_due(&self, key: Key) -> bool {
        let at = self.sends.all.get(&key).map_or(0, |sent| sent.place);
        !self.is_joined(key.0, at) || self.is_asking_for(key.0, at)
    }

    /// Whether a client has asked for a room and is not told yet that it is there.
    pub(super) fn is_asking_for(&self, client: usize, at: LogId) -> bool {
        self.prompt.asked.contains(&(client, at))
    }

    /// A client asks for a room, once more or for the first time.
    pub(super) fn asks_for(&mut self, client: usize, at: LogId) {
        self.prompt.asked.insert((client, at));
    }

    /// Its application is told that it is there.
    pub(super) fn is_there(&mut self, client: usize, at: LogId) {
        self.prompt.asked.remove(&(client, at));
    }

    /// A send is given to a connection.
    pub(super) fn goes_on(&mut self, conn: usize, key: Key) {
        self.prompt.again.remove(&(conn, key));
        let Some(sent) = self.sends.all.get(&key) else { return };
        let at = sent.place;
        let most = self.prompt.pauses.get(&(key.0, at)).and_then(|pause| pause.most);
        // Later on it makes no difference.
        let Some(most) = most.filter(|most| *most < 4 && !self.prompt.unclear.contains(&conn)) else {
            return;
        };
        // A line that goes back to this one has taken back what was behind it.
        let here =
            |other: &Key| *other < key && self.sends.all.get(other).is_some_and(|sent| sent.place == at);
        let flying = self.counts.keys_on(conn).filter(here).count();
        if flying > most {
            self.violated(format!(
                "2.3: {key:?} is number {} in flight after a refusal, {most} are allowed",
                flying + 1
            ));
        }
    }

    /// A client receives the refusal of a send. `counts`: it is about the latest transmission, and the line has not gone back
    /// to an earlier send meanwhile; no other is heard.
    pub(super) fn is_refused(&mut self, conn: usize, key: Key, nack: &Nack, counts: bool) {
        let (Some(sent), Some(watch)) = (self.sends.all.get(&key), self.watched(key.0)) else { return };
        // Its clock has not been looked at yet.
        let (now, at) = (self.now.saturating_sub(watch.behind), sent.place);
        let least = if nack.retry { nack.retry_after_ms.unwrap_or(1_000).clamp(10, 600_000) } else { 0 };
        let same = |other: &Key| {
            other.0 == key.0
                && *other <= key
                && self.sends.all.get(other).is_some_and(|sent| sent.place == at && sent.outcome.is_none())
        };
        // The line has gone back to an earlier one already: what was behind that is made again after it.
        let is_behind = self.prompt.again.iter().any(|(on, other)| *on == conn && same(other))
            || self.counts.keys_on(conn).any(|other| same(&other));
        let (unclear, is_due) = (self.prompt.unclear.contains(&conn), self.may_be_due(key));
        let pause = self.prompt.pauses.entry((key.0, at)).or_default();
        if !counts {
            if !is_behind || is_due {
                // Whether it stirs the line is not known here.
                pause.until = pause.until.max(now + LONGEST.max(least * MS));
                pause.refusals += 1;
            }
            return;
        }
        if !nack.retry && nack.code != rejoin::messages::Code::UnknownProducer {
            pause.refusals = 0;
            pause.most = pause.most.map(|most| most + 1);
            return;
        }
        let named = nack.retry
            && !matches!(nack.code, rejoin::messages::Code::SequenceGap | rejoin::messages::Code::NotJoined);
        let least = if named { least * MS } else { 0 };
        pause.until = pause.until.max(now + delay(pause.refusals).max(least));
        pause.refusals += 1;
        if named {
            pause.most = (!unclear).then_some(1);
            self.prompt.again.insert((conn, key));
        }
    }

    /// A send is answered, or seen in its room: one more may go. If it was in flight its line goes on as if nothing had been
    /// refused; another may be one that its line does not wait for any more.
    pub(super) fn is_taken(&mut self, key: Key) {
        // What a connection that was lost has carried may be too old by now to be waited for.
        let flies = self.conns.get(&key.0).is_some_and(|conn| self.counts.does_fly(*conn, key));
        if let Some(sent) = self.sends.all.get(&key)
            && let Some(pause) = self.prompt.pauses.get_mut(&(key.0, sent.place))
        {
            pause.refusals = if flies { 0 } else { pause.refusals };
            pause.most = pause.most.map(|most| most + 1);
        }
    }

    /// What the connection in use was the only one to be given, and its server has refused for now, is certainly not appended:
    /// nobody may say that it is unknown.
    pub(super) fn is_uncertain(&mut self, key: Key) {
        let Some(conn) = self.conns.get(&key.0).copied() else { return };
        let Some(sent) = self.sends.all.get(&key) else { return };
        let lost =
            self.watched(key.0).is_none_or(|watch| watch.lost || watch.open.is_none() || watch.moves());
        let over = self.watched(key.0).map_or(0, |watch| watch.now) + 2 * MS;
        let once = sent.until.is_some_and(|until| over >= until)
            && !lost
            && sent.transmissions.len() == 1
            && sent.is_out_on(conn)
            && !sent.restored;
        if once && self.prompt.again.contains(&(conn, key)) {
            self.violated(format!("7: {key:?} was refused for now and is said to be unknown"));
        }
    }

    /// A room is left: what follows is another line.
    pub(super) fn pauses_no_more(&mut self, client: usize, at: LogId) {
        if let Some(pause) = self.prompt.pauses.get_mut(&(client, at)) {
            pause.most = None;
        }
    }

    /// The connection on which a server asked to wait is gone.
    pub(super) fn pauses_end(&mut self, client: usize) {
        for (_, pause) in self.prompt.pauses.range_mut((client, 0)..(client + 1, 0)) {
            pause.until = 0;
        }
    }

    pub(super) fn prompt_restarted(&mut self, client: usize) {
        self.prompt.pauses.retain(|(of, _), _| *of != client);
    }

    /// After an input: what can go has gone.
    pub(super) fn is_prompt(&mut self, client: usize, session: &Session) {
        let told_connected = self.watched(client).is_some_and(|watch| watch.open.is_some());
        let connected = session.state() == State::Connected;
        if told_connected != connected {
            self.violated(format!(
                "u{client} was told that it is connected: {told_connected}; it is: {connected}"
            ));
        }
        if !connected || !self.counts.has_open(client) {
            return;
        }
        let (Some(conn), Some(watch)) = (self.conns.get(&client).copied(), self.watched(client)) else {
            return;
        };
        if watch.moves() || self.prompt.unclear.contains(&conn) {
            return;
        }
        let (written, taken) = self.prompt.frames.get(&conn).copied().unwrap_or_default();
        let flying = self.counts.flies_on(conn);
        self.is_asked_about(client, conn, written > taken);
        if written > taken || flying {
            return;
        }
        let now = self.watched(client).map_or(0, |watch| watch.now);
        let plain = session.mode() == Some(Mode::Plain);
        if session.mode() != Some(Mode::Extended) && !plain {
            return;
        }
        let user = self.user(client);
        let may_go = |checker: &Self, at: LogId| {
            let pause = checker.prompt.pauses.get(&(client, at)).copied().unwrap_or_default();
            let in_room = |(room, state): (&rejoin::Name, RoomState)| {
                place(room, user) == at && state == RoomState::Joined
            };
            plain || now > pause.until + 2 * MS && session.rooms().any(in_room)
        };
        let left = self.counts.open_count(client);
        let waiting = self.sends.all.range((client, 0)..(client + 1, 0)).rev();
        let open = waiting.filter(|(_, sent)| sent.alive && sent.outcome.is_none()).take(left);
        let late =
            open.filter(|(key, sent)| sent.waits() || self.prompt.again.contains(&(conn, **key)) && !plain);
        let late = late.map(|(key, sent)| (*key, sent.place)).find(|(_, at)| may_go(self, *at));
        if let Some((key, at)) = late {
            self.violated(format!("2.3: {key:?} waits, and nothing stands in its way in place {at}"));
        }
    }

    /// What has been without an answer for long is asked about. `blocked`: nothing more can be written, so what was to be
    /// made again after the last question has not been, and the heartbeat asks next.
    fn is_asked_about(&mut self, client: usize, conn: usize, blocked: bool) {
        if self.counts.is_clouded_on(conn) {
            return;
        }
        let Some(watch) = self.watched(client) else { return };
        let Some(oldest) = self.oldest_on(client, conn) else { return };
        let asked = if blocked { ASKED + HEARTBEAT } else { ASKED };
        if watch.ticks
            && watch.now > oldest + QUIET + 2 * MS
            && !watch.has_asked_since(oldest.min(watch.now.saturating_sub(asked)))
        {
            let since = watch.now - oldest;
            self.violated(format!("u{client} has waited for an answer for {since} µs and does not ask"));
        }
    }

    /// Long after everything calmed down, before anything is said: the connection is one, and looked after.
    pub fn looks_after_itself(&mut self, client: usize) {
        let Some(watch) = self.watched(client) else { return };
        if let Some(what) = watch.is_forgetful() {
            self.violated(format!("9: u{client} {what}"));
        }
    }

    /// The same of a room: its application is where the log is, as far as the server has told the connection. `hidden`: the
    /// last thing that was said there was kept from it.
    pub fn caught_up_by_itself(&mut self, client: usize, conn: usize, at: LogId, hidden: bool) {
        // That the end of a log was lost, or that it begins anew, is told by what is said next.
        let knows = self.ground_truth.has_grown(at)
            || self.answers.life_of(conn, at) == Some(self.ground_truth.life(at));
        if knows && !hidden {
            self.caught_up(client, at);
        }
    }
}
