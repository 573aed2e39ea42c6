//! A server of a few lines, a network that cuts anywhere, and what may be expected whatever they do.

use super::super::{FeedConfig, FeedEvent};
use super::rig::{Asked, Rig, gap};
use crate::cause::Disconnect;
use crate::link::State;
use crate::messages::Position;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use fastrand::Rng;

/// One room's log; what is not kept is gone.
#[derive(Debug)]
struct Server {
    epoch: u64,
    /// The number of the first message kept.
    first: u64,
    /// The ids of the messages kept.
    log: Vec<u64>,
    made: u64,
    /// What the open stream has still to say.
    cursor: Cursor,
    /// It names no gaps. The numbers show them.
    silent: bool,
}

#[derive(Debug, Default)]
struct Cursor {
    next: u64,
    gap: Option<(Option<Position>, &'static str)>,
}

impl Server {
    fn new(silent: bool) -> Self {
        Self { epoch: 1, first: 1, log: Vec::new(), made: 0, cursor: Cursor::default(), silent }
    }

    fn head(&self) -> u64 {
        self.first + self.log.len() as u64 - 1
    }

    fn id_at(&self, seq: u64) -> Option<u64> {
        self.log.get(usize::try_from(seq.checked_sub(self.first)?).ok()?).copied()
    }

    fn event_id(&self, seq: u64) -> Option<String> {
        let id = if seq == 0 { Some(0) } else { self.id_at(seq) };
        id.map(|id| format!("e{}:{seq}:m{id}", self.epoch))
    }

    fn append(&mut self) {
        self.made += 1;
        self.log.push(self.made);
    }

    /// Keeps no more than so many.
    fn trim(&mut self, most: usize) {
        let gone = self.log.len().saturating_sub(most);
        self.log.drain(..gone);
        self.first += gone as u64;
    }

    /// Begins anew.
    fn restart(&mut self) {
        self.epoch += 1;
        self.first = 1;
        self.log.clear();
    }

    /// Loses the last ones and does not know it.
    fn lose_suffix(&mut self, count: usize) {
        self.log.truncate(self.log.len().saturating_sub(count));
    }

    /// The first words of an answer.
    fn open(&mut self, asked: &Asked) -> String {
        let since = asked.last_event_id.as_deref().map(|id| Position::from_event_id(id).unwrap());
        let end = self.head() + 1;
        let (next, reason) = match &since {
            None => (end.saturating_sub(asked.history.unwrap_or(0)).max(self.first), None),
            Some(at) if at.epoch.as_str() != format!("e{}", self.epoch) => {
                (self.first, Some("epoch_changed"))
            }
            Some(at) if at.seq + 1 < self.first => (self.first, Some("trimmed")),
            Some(at) if at.seq == 0 || at.seq + 1 == self.first => (at.seq + 1, None),
            Some(at) if self.id_at(at.seq).map(|id| format!("m{id}")).as_deref() == Some(at.id.as_str()) => {
                (at.seq + 1, None)
            }
            Some(at) => ((at.seq + 1).min(end), Some("forked")),
        };
        self.cursor = Cursor { next, gap: reason.map(|reason| (since, reason)) };
        let id = self.event_id(next - 1).filter(|_| reason.is_none());
        let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
        format!("retry: 1000\n{id}\n")
    }

    /// What is said next, if there is anything.
    fn say(&mut self) -> Option<String> {
        if self.cursor.next < self.first {
            let at = Position::from_event_id(&format!("e{}:{}:x", self.epoch, self.cursor.next - 1));
            self.cursor.gap = Some((at, "trimmed"));
            self.cursor.next = self.first;
        }
        if let Some((since, reason)) = self.cursor.gap.take()
            && !self.silent
        {
            let at = since.as_ref();
            let before = (reason == "trimmed").then_some(self.cursor.next);
            let id = self.event_id(self.cursor.next - 1);
            let epoch = at.map_or("none", |at| at.epoch.as_str());
            return Some(gap(id.as_deref(), epoch, at.map(|at| at.seq), before, reason));
        }
        let id = self.id_at(self.cursor.next)?;
        let text = format!("id: e{}:{}:m{id}\ndata: {id}\n\n", self.epoch, self.cursor.next);
        self.cursor.next += 1;
        Some(text)
    }
}

/// What a reader may expect of what it was told.
fn check(rig: &Rig, seed: u64) -> Vec<u64> {
    let mut heard = Vec::new();
    let mut last: Option<Position> = None;
    let mut explained = false;
    for (event, id) in &rig.events {
        match event {
            FeedEvent::Gap(_) => explained = true,
            FeedEvent::Message(message) => {
                let now = message.position().unwrap();
                assert_eq!(id.as_deref(), Some(&*now.to_event_id()));
                let follows =
                    last.as_ref().is_none_or(|last| last.epoch == now.epoch && last.seq + 1 == now.seq);
                assert!(follows || explained, "seed {seed}: {last:?}, then {now:?}, and no gap between");
                explained = false;
                last = Some(now);
                heard.push(message.content.parse().unwrap());
            }
            FeedEvent::State(change) => assert_ne!(change.state, State::Failed, "seed {seed}"),
            FeedEvent::Started => {}
            FeedEvent::Malformed { error } => panic!("seed {seed}: {error}"),
            FeedEvent::Event { name, .. } => panic!("seed {seed}: an event {name}"),
        }
    }
    let different: BTreeSet<u64> = heard.iter().copied().collect();
    assert_eq!(different.len(), heard.len(), "seed {seed}: told twice: {heard:?}");
    heard
}

fn open(rig: &mut Rig, server: &mut Server) {
    let asked = rig.dial();
    let words = server.open(&asked);
    rig.open(asked.conn);
    rig.says(&words);
}

#[test]
fn it_does_not_matter_at_which_byte_a_stream_breaks() {
    let mut all = String::new();
    let mut server = Server::new(false);
    (0..4).for_each(|_| server.append());
    server.cursor = Cursor { next: 1, gap: None };
    while let Some(text) = server.say() {
        all.push_str(&text);
    }
    for cut in 0..=all.len() {
        let mut rig = Rig::new(FeedConfig { history: Some(9), ..FeedConfig::default() });
        open(&mut rig, &mut server);
        rig.bytes(&all.as_bytes()[..cut]);
        rig.ended(Disconnect::Lost);
        open(&mut rig, &mut server);
        while let Some(text) = server.say() {
            rig.says(&text);
        }
        assert_eq!(check(&rig, cut as u64), [1, 2, 3, 4], "cut at {cut}");
        assert!(rig.told().iter().all(|line| !line.starts_with("gap")), "cut at {cut}");
    }
}

/// A life of a reader; gives what it heard, and how often it was told of a gap.
fn live(seed: u64, silent: bool) -> (Vec<u64>, usize) {
    let mut rng = Rng::with_seed(seed);
    let mut server = Server::new(silent);
    let history = rng.bool().then_some(3);
    let mut rig = Rig::seeded(FeedConfig { history, ..FeedConfig::default() }, seed);
    let mut pending = Vec::new();
    open(&mut rig, &mut server);
    for _ in 0..rng.usize(20..120) {
        match rng.u8(..24) {
            0..=9 => server.append(),
            10..=14 => {
                // A few bytes, wherever they end.
                while pending.len() < 20 {
                    match server.say() {
                        Some(text) => pending.extend_from_slice(text.as_bytes()),
                        None => break,
                    }
                }
                let some = rng.usize(0..=pending.len());
                let bytes: Vec<u8> = pending.drain(..some).collect();
                rig.bytes(&bytes);
            }
            15 if pending.is_empty() && server.cursor.next > server.first && server.cursor.gap.is_none() => {
                // Said again.
                server.cursor.next -= 1;
            }
            16..=19 => {
                pending.clear();
                rig.ended(if rng.bool() { Disconnect::Lost } else { Disconnect::Ended });
                open(&mut rig, &mut server);
            }
            20 => {
                pending.clear();
                rig.pass(Duration::from_secs(60));
                rig.pass(Duration::from_secs(5));
                open(&mut rig, &mut server);
            }
            21 => server.trim(rng.usize(1..4)),
            22 => {
                // Nothing survives the process, its streams neither.
                pending.clear();
                server.restart();
                rig.ended(Disconnect::Lost);
                open(&mut rig, &mut server);
            }
            23 => {
                pending.clear();
                let count = rng.usize(1..3);
                server.lose_suffix(count);
                rig.ended(Disconnect::Lost);
                open(&mut rig, &mut server);
            }
            _ => {}
        }
    }
    // In the end everything that is kept and lies behind the reader's place comes.
    rig.bytes(&pending);
    while let Some(text) = server.say() {
        rig.says(&text);
    }
    server.append();
    let last = server.say().unwrap();
    rig.says(&last);
    let heard = check(&rig, seed);
    assert_eq!(heard.last(), Some(&server.made), "seed {seed}: the last message did not come");
    let gaps = rig.told().iter().filter(|line| line.starts_with("gap")).count();
    (heard, gaps)
}

#[test]
fn whatever_breaks_nothing_is_told_twice_and_nothing_is_missing_without_a_word() {
    for silent in [false, true] {
        let (mut messages, mut gaps) = (0, 0);
        for seed in 0..3000 {
            let (heard, told) = live(seed, silent);
            messages += heard.len();
            gaps += told;
        }
        assert!(messages > 10_000 && gaps > 1_000, "{messages} messages and {gaps} gaps prove little");
    }
    assert_eq!(live(7, false), live(7, false), "the same seed, another life");
}
