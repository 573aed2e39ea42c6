//! Checks what applications are told of rooms: in order, without duplicates, no gap unannounced (invariants 2, 3, 4 and 6).

use super::Checker;
use super::ground_truth::{Key, LogId, PERSONAL};
use crate::sim::Micros;
use crate::sim::coverage::Sometimes;
use rejoin::messages::{EntryMeta, Joined};
use rejoin::{Id, Position};
use std::collections::{BTreeMap, BTreeSet};

/// Which message may come next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Next {
    /// None: the room's join has not been answered in this process.
    #[default]
    Unjoined,
    /// Any one: a hole of unknown size was announced.
    Any,
    /// This one.
    Exactly(Id, u64),
    /// None, until a hole is announced: the server could not go on from the last position.
    AfterGap,
}

/// One room at one client, in its current process.
#[derive(Debug, Default)]
pub(super) struct Feed {
    pub(super) next: Next,
    /// The join on the current connection has been answered.
    pub(super) joined: bool,
    /// The user has left, and may begin anew.
    pub(super) left: bool,
    /// The user has been told so, and has not asked again; and when.
    pub(super) out: bool,
    out_at: Micros,
    /// The user has asked for the room in this process.
    pub(super) asked: bool,
    /// A join has been answered in this process, maybe for the sake of stored sends alone.
    was_joined: bool,
    /// The user wants to see what was said before.
    pub(super) wants_history: bool,
    /// The last join showed nothing of the past; `None` where that is not known here.
    pub(super) silent: Option<bool>,
    pub(super) delivered: BTreeSet<usize>,
    /// Deliveries without a stamp, by message.
    pub(super) unstamped: BTreeMap<Key, usize>,
    /// The last message delivered without a stamp since the last announced hole.
    pub(super) last_unstamped: Option<u64>,
    /// Rooms left and joined again over one connection: what was on its way from before looks like after.
    pub(super) may_jump: u32,
    /// The last message delivered with a stamp.
    pub(super) last: Option<usize>,
    pub(super) held: bool,
    /// The last join named a place that is known only to the client: from the disk.
    pub(super) from_disk: bool,
    /// Where the last answer to a join said that a new beginning is.
    pub(super) begin: Option<(Id, u64)>,
}

/// Everything told to all applications, and what they have dealt with.
#[derive(Debug, Default)]
pub(super) struct Feeds {
    pub(super) all: BTreeMap<(usize, LogId), Feed>,
    /// The positions each application has committed, in any of its processes.
    pub(super) committed: BTreeMap<(usize, LogId), BTreeSet<(Id, u64)>>,
    /// How far each application says that it is.
    dealt: BTreeMap<(usize, LogId), (Id, u64)>,
    /// What earlier processes were told.
    pub(super) before: BTreeMap<usize, BTreeSet<usize>>,
}

impl Checker {
    pub(super) fn feed(&mut self, client: usize, place: LogId) -> &mut Feed {
        self.feeds.all.entry((client, place)).or_default()
    }

    /// A user asks for a room, from a position of its own if it has one, and perhaps for what was said before.
    pub fn asked(&mut self, client: usize, place: LogId, since: Option<(Id, u64)>, history: bool) {
        self.stays(client, place);
        let feed = self.feed(client, place);
        feed.wants_history = history;
        let first = !std::mem::replace(&mut feed.asked, true) && !feed.was_joined;
        feed.out = false;
        feed.may_jump += 1;
        feed.last_unstamped = None;
        let left = feed.left;
        // Who has not left yet simply stays. What the disk says is for whoever has no place of its own.
        let begins = left || first || feed.next == Next::Unjoined;
        if let Some((epoch, seq)) = since.filter(|_| begins) {
            feed.next = Next::Exactly(epoch, seq + 1);
            feed.left = false;
            self.begins_anew(client, place);
        }
        if left {
            self.begins_anew(client, place);
            self.cover.reach(Sometimes::LeftAndCameBack);
        }
    }

    /// Whether an application has not been told yet that it is out of a room, or so lately that its server need not know:
    /// what it says may take this long on its way.
    pub fn is_leaving(&self, client: usize, place: LogId, on_the_way: Micros) -> bool {
        let feed = self.feeds.all.get(&(client, place));
        feed.is_none_or(|feed| !feed.out || self.now <= feed.out_at + on_the_way)
    }

    /// Whether an application has asked for a room in this process, and has not been told that it is out.
    pub(super) fn is_wanted(&self, client: usize, place: LogId) -> bool {
        self.feeds.all.get(&(client, place)).is_some_and(|feed| feed.asked && !feed.out)
    }

    /// Whether an application has been told that it is out of a room, and has not asked again.
    pub(super) fn is_out(&self, client: usize, place: LogId) -> bool {
        self.feeds.all.get(&(client, place)).is_some_and(|feed| feed.out)
    }

    /// An application is told that it has left a room, or is out of it for good.
    pub(super) fn out(&mut self, client: usize, place: LogId) {
        self.pauses_no_more(client, place);
        let now = self.now;
        let feed = self.feed(client, place);
        feed.left = true;
        (feed.out, feed.out_at) = (true, now);
        feed.joined = false;
        self.feeds.dealt.remove(&(client, place));
    }

    /// A client has no connection any more.
    pub(super) fn out_of_all(&mut self, client: usize) {
        for (_, feed) in self.feeds.all.range_mut((client, 0)..(client + 1, 0)) {
            feed.joined = false;
            feed.may_jump = 0;
        }
    }

    /// A client is told `joined` by a server and tells its application.
    pub fn joined(&mut self, client: usize, place: LogId, joined: &Joined) {
        let epochs = self.ground_truth.epochs(place);
        let others = self.is_taken_over(client);
        self.is_there(client, place);
        let feed = self.feed(client, place);
        (feed.joined, feed.was_joined) = (true, true);
        let shows_nothing = match feed.next {
            _ if feed.left => Some(!feed.wants_history),
            Next::Unjoined => Some(!feed.wants_history),
            _ => None,
        };
        // Who has named a place, or had one to name, is shown what follows.
        let named = joined.reason != Some(rejoin::messages::JoinReason::Fresh);
        let shows_nothing = if named { Some(false) } else { shows_nothing };
        let start = joined.seq.saturating_sub(joined.replay) + 1;
        // Whoever names a position when coming back goes on from there.
        let fresh = joined.reason == Some(rejoin::messages::JoinReason::Fresh);
        let left = std::mem::take(&mut feed.left) && (fresh || joined.recovered);
        if !feed.asked {
            // Joined for the sake of stored sends alone: where the user was does not matter, and is not forgotten.
            feed.next = Next::Any;
        }
        let silent = fresh && !feed.wants_history;
        let known = matches!(feed.next, Next::Exactly(..) | Next::AfterGap);
        let from_nowhere = feed.next == Next::Unjoined;
        feed.from_disk = from_nowhere && named;
        if joined.recovered {
            // After a leave it may go on from what is stored, or from the last stay.
            if left || matches!(feed.next, Next::Unjoined | Next::AfterGap) {
                feed.next = Next::Any;
            }
        } else if known && !left {
            // Who has joined and received nothing has no position to name, and fetches what the replay leaves out.
            let within = |epoch: &Id, next: u64| *epoch == joined.epoch && next <= joined.seq + 1;
            let goes_on = matches!(&feed.next, Next::Exactly(epoch, next) if within(epoch, *next));
            // So does who was away for longer than the log goes back: it may still hold the next message.
            let trimmed = joined.reason == Some(rejoin::messages::JoinReason::Trimmed);
            if !goes_on || !(fresh || trimmed && place < PERSONAL) {
                feed.next = Next::AfterGap;
            }
        } else if left || feed.next == Next::Unjoined {
            feed.next = Next::Exactly(joined.epoch.clone(), if silent { joined.seq + 1 } else { start });
        }
        if others && fresh {
            // Where its own user was may be known still, or again.
            feed.next = Next::Any;
        }
        if silent {
            // The last message before is asked for all the same, for its id: it is known, and not shown.
            let last = self.ground_truth.ever(place, &joined.epoch, joined.seq).to_vec();
            self.feeds.before.entry(client).or_default().extend(last);
        }
        let feed = self.feed(client, place);
        feed.silent = shows_nothing;
        feed.begin = (!joined.recovered).then(|| (joined.epoch.clone(), start));
        if !joined.recovered || from_nowhere {
            // There is nothing before it to deal with.
            self.committed(client, place, &joined.epoch, start - 1);
            // Of a log that has begun anew the beginning, from where it is fetched.
            self.committed(client, place, &joined.epoch, 0);
            self.committed(client, place, &joined.epoch, joined.seq);
        }
        let state = match (joined.recovered, joined.reason) {
            (true, _) if joined.replay > 0 => Some(Sometimes::RecoveredSome),
            (true, _) => Some(Sometimes::RecoveredNone),
            (false, Some(rejoin::messages::JoinReason::Forked)) => Some(Sometimes::ForkAtJoin),
            _ => None,
        };
        if let Some(state) = state {
            self.cover.reach(state);
        }
        if epochs == 0 {
            self.violated(format!("2.4: u{client} has joined place {place}, which has no log"));
        }
    }

    /// An application is told a message or a notification. Without a stamp `timestamp` tells which copy it is.
    pub(super) fn delivered(
        &mut self,
        client: usize,
        place: LogId,
        key: Option<Key>,
        stamp: Option<&EntryMeta>,
        timestamp: &str,
    ) {
        let Some(key) = key else {
            return self.violated(format!("4: u{client} is told what nobody has said in place {place}"));
        };
        match stamp {
            Some(stamp) => self.stamped(client, place, key, stamp),
            None => self.unstamped(client, place, key, timestamp),
        }
    }

    fn stamped(&mut self, client: usize, place: LogId, key: Key, stamp: &EntryMeta) {
        let Some(index) = self.ground_truth.by_id(&stamp.id) else {
            return self.violated(format!("4: u{client} is told {key:?} as {}, never appended", stamp.id));
        };
        let record = self.ground_truth.record(index);
        let true_stamp = record.seq == stamp.seq && record.epoch.as_ref() == Some(&stamp.epoch);
        if !true_stamp || record.key != key || record.place != place {
            let text = format!("6: u{client} is told {key:?} as {stamp:?}, which is {record:?}");
            return self.violated(text);
        }
        let known = self.knows_all_before(client, place, stamp);
        let again = self.feeds.before.get(&client).is_some_and(|before| before.contains(&index));
        let feed = self.feed(client, place);
        let next = Next::Exactly(stamp.epoch.clone(), stamp.seq + 1);
        let expected = std::mem::replace(&mut feed.next, next);
        let (twice, joined) = (!feed.delivered.insert(index), feed.joined);
        feed.last = Some(index);
        let released = std::mem::take(&mut feed.held);
        // What came without an id cannot be recognised when it comes again with one.
        if twice {
            self.violated(format!("2: {key:?} was delivered twice to u{client}"));
        }
        if !joined {
            self.violated(format!("3: {key:?} was delivered to u{client} before its join was answered"));
        }
        match expected {
            Next::Any => {}
            Next::Exactly(epoch, seq) if epoch == stamp.epoch && (seq == stamp.seq || known) => {}
            other => {
                let text = format!(
                    "3: u{client} is told {}:{} ({key:?}), and next was {other:?}",
                    stamp.epoch, stamp.seq
                );
                self.violated(text);
            }
        }
        if again {
            self.cover.reach(Sometimes::ComesAgain);
        }
        if released {
            self.cover.reach(Sometimes::HeldThenReleased);
        }
    }

    /// Whether everything that was to come before a message has been delivered before: a replay after a fork repeats
    /// it, and is not shown again.
    fn knows_all_before(&self, client: usize, place: LogId, stamp: &EntryMeta) -> bool {
        let Some(feed) = self.feeds.all.get(&(client, place)) else { return false };
        let Next::Exactly(_, next) = feed.next else { return false };
        next < stamp.seq && (next..stamp.seq).all(|seq| self.was_told(client, place, &stamp.epoch, seq))
    }

    /// Whether a message with this number was told to an application, in this stay or before.
    pub(super) fn was_told(&self, client: usize, place: LogId, epoch: &Id, seq: u64) -> bool {
        let (now, before) = (self.feeds.all.get(&(client, place)), self.feeds.before.get(&client));
        self.ground_truth.ever(place, epoch, seq).iter().any(|index| {
            now.is_some_and(|feed| feed.delivered.contains(index))
                || before.is_some_and(|told| told.contains(index))
        })
    }

    fn unstamped(&mut self, client: usize, place: LogId, key: Key, timestamp: &str) {
        let copies = self.copies_of(key, timestamp);
        // A lost copy and the one made after it look alike: it is the one that follows, if one does.
        let next =
            self.feeds.all.get(&(client, place)).and_then(|feed| feed.last_unstamped).map(|last| last + 1);
        let follows = copies.iter().find(|copy| Some(self.ground_truth.record(**copy).ordinal) == next);
        let Some(index) = follows.or(copies.last()).copied() else {
            return self.violated(format!("4: {key:?} was delivered to u{client} but never sent by the hub"));
        };
        let (copies, record) = (self.ground_truth.by_key(key).len(), self.ground_truth.record(index));
        let (ordinal, home) = (record.ordinal, record.place);
        let several = self.several;
        // A client of so few rooms remembers a room that it has left only until it joins another.
        let few_rooms = self.counts.bounds.rooms < 4;
        let kept = if several { self.ground_truth.kept_ordinals(place) } else { BTreeSet::new() };
        let lost_between = |last: u64| (last + 1..ordinal).all(|number| !kept.contains(&number));
        let feed = self.feed(client, place);
        let times = feed.unstamped.entry(key).or_default();
        *times += 1;
        let twice = *times > copies || feed.delivered.contains(&index);
        let last = feed.last_unstamped.replace(ordinal);
        let mut gaping = last.is_some_and(|last| ordinal != last + 1);
        // What was lost under a node that lives on, nobody can be told of without a number.
        gaping &= !(several && last.is_some_and(lost_between) || few_rooms && feed.out);
        if gaping && feed.may_jump > 0 && last.is_some_and(|last| ordinal > last) {
            feed.may_jump -= 1;
            gaping = false;
        }
        if twice {
            self.violated(format!("2: {key:?} was delivered twice to u{client}"));
        }
        if home != place {
            self.violated(format!("4: {key:?} of place {home} was delivered in {place}"));
        }
        if gaping {
            self.violated(format!("3: u{client} is told number {ordinal} of place {place} after {last:?}"));
        }
    }

    /// A message arrives ahead of its turn.
    pub fn ahead(&mut self, client: usize, place: LogId, stamp: &EntryMeta) {
        let feed = self.feed(client, place);
        if let Next::Exactly(epoch, seq) = &feed.next
            && *epoch == stamp.epoch
            && stamp.seq > *seq
        {
            feed.held = true;
        }
    }

    /// Whether a message was delivered to a client's current process.
    pub fn is_delivered(&self, client: usize, key: Key) -> bool {
        let copies = self.ground_truth.by_key(key);
        self.feeds.all.range((client, 0)..(client + 1, 0)).any(|(_, feed)| {
            feed.unstamped.contains_key(&key) || copies.iter().any(|copy| feed.delivered.contains(copy))
        })
    }

    /// An application has dealt with everything up to here.
    pub fn committed(&mut self, client: usize, place: LogId, epoch: &Id, seq: u64) {
        self.feeds.committed.entry((client, place)).or_default().insert((epoch.clone(), seq));
    }

    /// The same by its own word, beside what a join begins with.
    pub fn has_dealt_with(&mut self, client: usize, place: LogId, epoch: &Id, seq: u64) {
        if self.is_out(client, place) {
            return;
        }
        let last = self.feeds.dealt.entry((client, place)).or_insert((epoch.clone(), seq));
        if last.0 != *epoch || last.1 < seq {
            *last = (epoch.clone(), seq);
        }
    }

    /// A client stores these positions: what its application has dealt with is among them.
    pub fn stores<'a>(&mut self, client: usize, positions: impl Iterator<Item = (LogId, &'a Position)>) {
        if self.is_taken_over(client) {
            // Where somebody else was is nothing to go on from.
            return;
        }
        let mut dealt: BTreeMap<LogId, (Id, u64)> = self
            .feeds
            .dealt
            .range((client, 0)..(client + 1, 0))
            .map(|((_, at), last)| (*at, last.clone()))
            .collect();
        for (at, position) in positions {
            if let Some((epoch, seq)) = dealt.remove(&at)
                && (position.epoch != epoch || position.seq < seq)
            {
                self.violated(format!(
                    "2.4: u{client} stores {position:?} of place {at}, its application is at {epoch}:{seq}"
                ));
            }
        }
        if let Some((at, last)) = dealt.pop_first() {
            self.violated(format!("2.4: u{client} does not store that it is at {last:?} in place {at}"));
        }
    }

    /// A client dies and begins anew from what its disk says.
    pub(super) fn feeds_restarted(&mut self, client: usize, disk: &[(LogId, Id, u64)]) {
        let mut told = BTreeSet::new();
        let places: Vec<_> = self.feeds.all.range((client, 0)..(client + 1, 0)).map(|(at, _)| *at).collect();
        for at in places {
            if let Some(mut feed) = self.feeds.all.remove(&at) {
                told.append(&mut feed.delivered);
            }
        }
        self.feeds.before.entry(client).or_default().append(&mut told);
        self.feeds.dealt.retain(|(of, _), _| *of != client);
        for (place, epoch, seq) in disk {
            self.feeds.dealt.insert((client, *place), (epoch.clone(), *seq));
            let known = self.feeds.committed.get(&(client, *place));
            if known.is_none_or(|known| !known.contains(&(epoch.clone(), *seq))) {
                let text =
                    format!("2.4: u{client} has stored {epoch}:{seq} of place {place}, never committed");
                self.violations.push(text);
            }
            self.feed(client, *place).next = Next::Exactly(epoch.clone(), seq + 1);
        }
    }

    /// On a calm network a member of an extended room is where the log is (invariants 6 and 9).
    pub fn caught_up(&mut self, client: usize, place: LogId) {
        let (epoch, head) = self.ground_truth.seen(place);
        let Some(epoch) = epoch.cloned() else { return };
        let end = EntryMeta {
            id: epoch.clone(),
            epoch: epoch.clone(),
            seq: head + 1,
            replay: false,
            producer: None,
        };
        let (known, several) = (self.knows_all_before(client, place, &end), self.several);
        let feed = self.feed(client, place);
        let last = feed.last;
        let behind = !known
            && match &feed.next {
                // Of several nodes: a life in which nothing was said is told with its first entry, and the one before
                // had none that could be missing.
                Next::Exactly(_, 1) if several && head == 0 => false,
                Next::Exactly(now, seq) => *now != epoch || *seq != head + 1,
                Next::Any => false,
                Next::Unjoined | Next::AfterGap => true,
            };
        let next = feed.next.clone();
        if behind {
            self.violated(format!(
                "9: u{client} waits for {next:?} of place {place}, which is at {epoch}:{head}"
            ));
        } else if let Some(record) = last.map(|last| self.ground_truth.record(last))
            && record.lost
            && next == Next::Exactly(epoch, record.seq + 1)
        {
            self.violated(format!("6: u{client} was never told that {:?} was lost", record.key));
        }
    }
}
