//! The connection that receives notices. Owns the subscriptions, and reports to the hub whenever notices may have been
//! missed. Reads no rooms.

use super::backoff::Backoff;
use super::commands::Commands;
use super::connection::{Connection, DEADLINE, Dialer, begun};
use super::encode::{Published, ReadControl, read_control, read_published, read_revoke};
use super::error::StoreError;
use super::gather::Gather;
use super::health::{ConnectionKind, Health};
use super::positions::Positions;
use super::push_queue::{Notice, PushQueue};
use super::replies;
use super::shards::{Command, Shards};
use super::{NodeQuestion, Revocations, StoreListener};
use crate::auth::Revocation;
use crate::hub::shared::{Control, StoreNotice};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use redis::{PushInfo, RedisResult, Value};
use rejoin::Name;
use rejoin::messages::Signal;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, interval, sleep_until};

/// Channels in one command.
const BATCH: usize = 256;

/// How often a connection on which nothing happens is asked whether it is there.
const PINGS: Duration = Duration::from_millis(500);

/// How often it is looked whether Redis still knows as many bans and revocations as this node.
const COUNTS: Duration = Duration::from_secs(5);

/// Notices that the hub is told at a time, beside the first.
const MOST_AT_ONCE: usize = 63;

/// Most bans that are loaded.
const MOST_BANS: usize = 100_000;

/// What is wanted of the subscriber, in this order.
#[derive(Debug)]
pub(super) enum Order {
    /// Notices of a room; `done` when they come.
    Open { room: Name, done: oneshot::Sender<()> },
    /// No notices of it any more.
    Close { room: Name },
}

pub(super) struct Subscriber {
    pub(super) dialer: Dialer,
    pub(super) commands: Arc<Commands>,
    pub(super) peer: Arc<dyn StoreListener>,
    pub(super) health: Arc<Health>,
    pub(super) gather: Gather,
    pub(super) positions: Arc<Positions>,
    pub(super) orders: mpsc::Receiver<Order>,
    /// What is wanted, by channel.
    pub(super) rooms: BTreeMap<String, Name>,
    /// Who waits for a room's notices to come.
    pub(super) waiting: Vec<oneshot::Sender<()>>,
    /// The bans that the hub was told of, with their ends.
    pub(super) bans: BTreeMap<Name, Instant>,
    /// So many revocations Redis has said to know.
    pub(super) revocations: usize,
    /// The place of the last removal that this node knows of, among those that Redis remembers.
    pub(super) last_removal: String,
    /// Channels that are left, and how often Redis has still to confirm it.
    pub(super) leaving: BTreeMap<String, usize>,
}

/// What became of a command.
enum Done {
    /// Of the beginning.
    All(RedisResult<()>),
    Some(RedisResult<()>, Vec<oneshot::Sender<()>>),
    Bans(RedisResult<Value>),
    Revocations(RedisResult<Value>),
    Removals(RedisResult<Value>),
    /// What Redis had lost is written back; how much of it nobody had before.
    Restored(RedisResult<Vec<Value>>),
    Counts(RedisResult<Vec<Value>>),
    Ping(bool),
}

/// Commands under way on one connection.
struct Running {
    shards: Shards,
    doing: FuturesUnordered<BoxFuture<'static, Done>>,
}

impl Running {
    /// Hands a command to the connection at once, so that commands keep their order.
    async fn start(&mut self, command: BoxFuture<'static, Done>) {
        let command = begun(command).await;
        self.doing.push(command);
    }

    async fn restore(&mut self, commands: Vec<Command>) {
        if commands.is_empty() {
            return;
        }
        let shards = self.shards.clone();
        self.start(Box::pin(async move { Done::Restored(shards.pipelined(&commands).await) })).await;
    }

    async fn subscribe(
        &mut self,
        channels: Vec<String>,
        then: impl FnOnce(RedisResult<()>) -> Done + Send + 'static,
    ) {
        let shards = self.shards.clone();
        self.start(Box::pin(async move { then(shards.subscribe(channels).await) })).await;
    }
}

impl Subscriber {
    /// Serves until nobody orders anything any more.
    pub(super) async fn run(mut self, mut first: Option<(Connection, PushQueue)>) {
        let mut backoff = Backoff::new();
        let mut is_first = true;
        loop {
            let connected = match first.take() {
                Some(connected) => Some(connected),
                None => self.connect(&mut backoff).await,
            };
            let Some((connection, push_queue)) = connected else { return };
            let began = Instant::now();
            let Some(why) = self.serve(connection, push_queue, is_first).await else { return };
            self.health.heard(ConnectionKind::Notices);
            self.health.away(ConnectionKind::Notices, why);
            self.health.reconnected();
            is_first = false;
            // Only one that has lasted begins the waits anew.
            if began.elapsed() > DEADLINE {
                backoff.reset();
            }
        }
    }

    /// Connects, however long it takes; orders are noted meanwhile. `None` when there will be no more of them.
    async fn connect(&mut self, backoff: &mut Backoff) -> Option<(Connection, PushQueue)> {
        loop {
            let again = Instant::now() + backoff.next();
            let (dialer, commands) = (self.dialer.clone(), Arc::clone(&self.commands));
            let gather = self.gather.clone();
            let mut dialing = Box::pin(async move {
                sleep_until(again).await;
                connect(&dialer, &commands, &gather).await
            });
            let opened = loop {
                tokio::select! {
                    opened = &mut dialing => break opened,
                    order = self.orders.recv() => self.note(order?),
                }
            };
            match opened {
                Ok(connected) => return Some(connected),
                Err(error) => self.health.away_by(ConnectionKind::Notices, &error),
            }
        }
    }

    /// An order that is carried out with the next connection.
    fn note(&mut self, order: Order) {
        match order {
            Order::Open { room, done } => {
                self.want(room);
                // Who has given up leaves its place to others.
                self.waiting.retain(|waiting| !waiting.is_closed());
                self.waiting.push(done);
            }
            Order::Close { room } => {
                self.rooms.remove(self.commands.room_keys(&room).channel());
            }
        }
        self.health.rooms(self.rooms.len());
    }

    fn want(&mut self, room: Name) -> String {
        let channel = self.commands.room_keys(&room).channel().to_owned();
        self.rooms.insert(channel.clone(), room);
        channel
    }

    /// Serves on one connection; gives why it is lost, or `None` when there will be no more orders.
    async fn serve(
        &mut self,
        mut connection: Connection,
        mut push_queue: PushQueue,
        is_first: bool,
    ) -> Option<&'static str> {
        let mut running = Running { shards: connection.shards.clone(), doing: FuturesUnordered::new() };
        self.leaving.clear();
        let channels: Vec<String> = self.rooms.keys().cloned().collect();
        // Of the beginning, what is not confirmed yet: the subscriptions, and whether what every node has to do comes.
        let mut missing = 1;
        let shards = running.shards.clone();
        let control = self.commands.keys.control();
        running
            .start(Box::pin(async move { Done::All(shards.having(&control).subscribe(control).await) }))
            .await;
        for batch in channels.chunks(BATCH) {
            missing += 1;
            running.subscribe(batch.to_vec(), Done::All).await;
        }
        // Those who waited are told when everything is there again.
        let mut waiting = std::mem::take(&mut self.waiting);
        let mut pings = interval(PINGS);
        let mut orders = Vec::new();
        let mut pinging = false;
        let (mut has_begun, mut counted) = (false, Instant::now());
        let essential_lost = push_queue.essential_lost();
        loop {
            tokio::select! {
                () = connection.lost() => return Some("the connection for notices is lost"),
                Some(done) = running.doing.next() => match done {
                    Done::All(Ok(())) => {
                        missing -= 1;
                        if missing == 0 {
                            self.ask_bans(&mut running).await;
                        }
                    }
                    Done::Bans(Ok(bans)) => {
                        let lost = self.take_bans(&bans);
                        running.restore(self.commands.restore_bans(&lost)).await;
                        let revocations = self.commands.revocations().ask(&running.shards);
                        running.start(Box::pin(async move { Done::Revocations(revocations.await) })).await;
                    }
                    Done::Revocations(Ok(list)) => {
                        let unknown = self.take_revocations(&list);
                        running.restore(self.commands.restore_revocations(&unknown)).await;
                        if has_begun {
                            continue;
                        }
                        let removals = self.commands.removals_after(&self.last_removal).ask(&running.shards);
                        running.start(Box::pin(async move { Done::Removals(removals.await) })).await;
                    }
                    Done::Removals(Ok(list)) => {
                        self.take_removals(&list);
                        has_begun = true;
                        confirm(waiting.drain(..));
                        if !is_first {
                            self.peer.on_notices(vec![StoreNotice::Interrupted]);
                        }
                        self.health.back(ConnectionKind::Notices);
                    }
                    Done::Some(Ok(()), dones) => confirm(dones),
                    Done::Restored(Ok(restored)) => tell_restored(&restored),
                    Done::Counts(Ok(counts)) => {
                        if self.knows_more(&counts) {
                            self.ask_bans(&mut running).await;
                        }
                    }
                    Done::Ping(true) => {
                        pinging = false;
                        self.health.heard(ConnectionKind::Notices);
                    }
                    Done::All(Err(error)) | Done::Some(Err(error), _) | Done::Bans(Err(error))
                    | Done::Revocations(Err(error)) | Done::Removals(Err(error)) | Done::Restored(Err(error))
                    | Done::Counts(Err(error)) => {
                        let error = StoreError::of(&connection.at, &error);
                        self.health.refused(&error.to_string());
                        return Some("Redis refuses a subscription, or does not answer in time");
                    }
                    Done::Ping(false) => return Some("the connection for notices does not answer"),
                },
                count = self.orders.recv_many(&mut orders, BATCH) => {
                    if count == 0 {
                        return None;
                    }
                    self.carry_out(&mut orders, &mut running).await;
                }
                () = essential_lost.notified() => return Some("too much was to be done at once: what it was is read again"),
                notice = push_queue.next() => match self.translate(notice, &mut push_queue) {
                    Ok(notices) => self.peer.on_notices(notices),
                    Err(why) => return Some(why),
                },
                _ = pings.tick(), if !pinging => {
                    pinging = true;
                    self.health.asked(ConnectionKind::Notices);
                    let shards = running.shards.clone();
                    running.start(Box::pin(async move { Done::Ping(shards.ping().await.is_ok()) })).await;
                    if has_begun && counted.elapsed() >= COUNTS {
                        counted = Instant::now();
                        self.ask_counts(&mut running).await;
                    }
                }
            }
        }
    }

    /// What the hub is told of this notice and those behind it, or why the connection is of no use any more.
    fn translate(
        &mut self,
        first: Notice,
        push_queue: &mut PushQueue,
    ) -> Result<Vec<StoreNotice>, &'static str> {
        let more = std::iter::from_fn(|| push_queue.next_now()).take(MOST_AT_ONCE);
        let mut notices = Vec::new();
        for notice in std::iter::once(first).chain(more) {
            match notice {
                Notice::Message { channel, payload } => notices.extend(self.message(&channel, &payload)),
                Notice::Overflow => notices.push(StoreNotice::Interrupted),
                Notice::Unsubscribed { channel } if self.has_left(&channel) => {}
                Notice::Unsubscribed { .. } => return Err("a slot of the cluster is moved to another node"),
            }
        }
        Ok(notices)
    }

    async fn ask_bans(&mut self, running: &mut Running) {
        let bans = self.commands.bans(MOST_BANS).ask(&running.shards);
        running.start(Box::pin(async move { Done::Bans(bans.await) })).await;
    }

    async fn ask_counts(&mut self, running: &mut Running) {
        let (counts, shards) = (self.commands.counts(), running.shards.clone());
        running.start(Box::pin(async move { Done::Counts(shards.pipelined(&counts).await) })).await;
    }

    /// Whether this node knows of more bans or revocations than Redis: they were lost there.
    fn knows_more(&mut self, counts: &[Value]) -> bool {
        let now = Instant::now();
        self.bans.retain(|_, end| *end > now);
        let own = [self.bans.len(), self.revocations];
        counts
            .iter()
            .zip(own)
            .any(|(count, own)| replies::number(count).is_some_and(|count| count < own as u64))
    }

    async fn carry_out(&mut self, orders: &mut Vec<Order>, running: &mut Running) {
        let (mut channels, mut dones) = (Vec::new(), Vec::new());
        for order in orders.drain(..) {
            match order {
                Order::Open { room, done } => {
                    channels.push(self.want(room));
                    dones.push(done);
                }
                Order::Close { room } => {
                    if !channels.is_empty() {
                        let dones = std::mem::take(&mut dones);
                        let then = |result| Done::Some(result, dones);
                        running.subscribe(std::mem::take(&mut channels), then).await;
                    }
                    let channel = self.commands.room_keys(&room).channel().to_owned();
                    self.rooms.remove(&channel);
                    if self.commands.is_sharded() {
                        *self.leaving.entry(channel.clone()).or_default() += 1;
                    }
                    let shards = running.shards.clone();
                    let left = async move { Done::Some(shards.unsubscribe(channel).await, Vec::new()) };
                    running.start(Box::pin(left)).await;
                }
            }
        }
        if !channels.is_empty() {
            running.subscribe(channels, |result| Done::Some(result, dones)).await;
        }
        self.health.rooms(self.rooms.len());
    }

    /// Whether a subscription has ended because it was asked to.
    fn has_left(&mut self, channel: &[u8]) -> bool {
        let Some(channel) = std::str::from_utf8(channel).ok() else { return true };
        match self.leaving.get_mut(channel) {
            Some(1) => self.leaving.remove(channel).is_some(),
            Some(count) => {
                *count -= 1;
                true
            }
            None => false,
        }
    }

    /// What the hub is told of a message in a channel.
    fn message(&mut self, channel: &[u8], payload: &[u8]) -> Option<StoreNotice> {
        let node = &self.commands.node;
        let channel = std::str::from_utf8(channel).ok()?;
        let Some(room) = self.rooms.get(channel) else {
            if channel != self.commands.keys.control() {
                return None;
            }
            let Some(control) = read_control(node, payload) else {
                if let Some(revocation) = read_revoke(node, payload) {
                    self.peer.on_revocations(Revocations { list: vec![revocation], is_whole: false });
                } else {
                    self.gather.serve(payload, |question| self.peer.on_question(NodeQuestion(question)));
                }
                return None;
            };
            return self.control(control);
        };
        let room = room.clone();
        match read_published(payload) {
            Some(Published::Logged { epoch, entry }) => {
                self.positions.logged(&room, &epoch, entry.seq);
                Some(StoreNotice::Appended { room, epoch, entry })
            }
            Some(Published::Head { epoch, head }) => Some(StoreNotice::Head { room, epoch, head }),
            Some(Published::Presence { node: from, users, whole }) => (from != *node)
                .then_some(StoreNotice::Presence { room, node: from, users, is_snapshot: whole }),
            Some(Published::Signal { node: from, user, kind, data }) => {
                (from != *node).then_some(StoreNotice::Signal(Signal { room, user, kind, data }))
            }
            // A hole, which is found by its number.
            None => {
                self.health.refused("a notice that no server of this version has published is left out");
                None
            }
        }
    }

    /// Every node has to do this. What it has said itself it has done.
    fn control(&mut self, ReadControl { control, is_own, at }: ReadControl) -> Option<StoreNotice> {
        self.remember(&control);
        if let Some(at) = at {
            self.last_removal = at;
        }
        (!is_own).then_some(StoreNotice::Control(control))
    }

    fn remember(&mut self, control: &Control) {
        if let Control::Kick { user, ban: Some(ban) } = control {
            if ban.is_zero() {
                self.bans.remove(user);
            } else if self.bans.len() < MOST_BANS {
                self.bans.insert(user.clone(), Instant::now() + *ban);
            }
        }
    }

    /// The bans as Redis has them: those that were lifted while nothing was heard are lifted here too. Gives those that it has lost,
    /// which count on.
    fn take_bans(&mut self, bans: &Value) -> Vec<(Name, Duration)> {
        let Value::Array(parts) = bans else { return Vec::new() };
        let now = Instant::now();
        let mut before = std::mem::take(&mut self.bans);
        let mut notices = Vec::new();
        for pair in parts.chunks_exact(2) {
            let [user, left] = pair else { continue };
            let (Some(user), Some(left)) = (replies::text(user), replies::number(left)) else { continue };
            let (user, ban) = (Name::from(user), Duration::from_millis(left));
            let Some(end) = now.checked_add(ban) else { continue };
            let known = before.remove(&user);
            if ban.is_zero() {
                if known.is_some() {
                    notices.push(StoreNotice::Control(Control::Kick { user, ban: Some(Duration::ZERO) }));
                }
                continue;
            }
            self.bans.insert(user.clone(), end);
            notices.push(StoreNotice::Control(Control::Kick { user, ban: Some(ban) }));
        }
        self.peer.on_notices(notices);
        before.retain(|_, end| *end > now);
        let lost = before.iter().map(|(user, end)| (user.clone(), *end - now)).collect();
        self.bans.extend(before);
        lost
    }

    /// The revocations as Redis has them. Gives those that it has lost, or was not told.
    fn take_revocations(&mut self, list: &Value) -> Vec<Revocation> {
        let list = replies::revocations(list);
        self.revocations = list.len();
        let missing = self.peer.on_revocations(Revocations { list, is_whole: true }).list;
        self.revocations += missing.len();
        missing
    }

    /// The removals that this node has missed.
    fn take_removals(&mut self, list: &Value) {
        let Value::Array(entries) = list else { return };
        if let Some(last) = replies::last_place(list) {
            self.last_removal = last;
        }
        let mut notices = Vec::new();
        for entry in entries {
            let Value::Array(parts) = entry else { continue };
            let [_, Value::Array(fields)] = parts.as_slice() else { continue };
            let text = fields.get(1).and_then(replies::bytes).unwrap_or_default();
            let read = read_control(&self.commands.node, text);
            notices.extend(read.filter(|read| !read.is_own).map(|read| StoreNotice::Control(read.control)));
        }
        self.peer.on_notices(notices);
    }
}

fn tell_restored(restored: &[Value]) {
    let count: u64 = restored.iter().filter_map(replies::number).sum();
    if count > 0 {
        tracing::warn!(count, "Redis had lost bans or revocations: they are written back");
    }
}

fn confirm(dones: impl IntoIterator<Item = oneshot::Sender<()>>) {
    for done in dones {
        // Who has given up is told nothing.
        let _ = done.send(());
    }
}

/// A connection whose notices come into a push queue, and others' answers to whoever waits for them. What every node has to do comes
/// from the beginning on: a user that may not listen is found out here.
pub(super) async fn connect(
    dialer: &Dialer,
    commands: &Commands,
    gather: &Gather,
) -> Result<(Connection, PushQueue), StoreError> {
    let control = commands.keys.control();
    let (push_queue, on_push) = PushQueue::new(control.clone());
    let (gather, answers) = (gather.clone(), gather.channel());
    let channels = [control, answers.clone()];
    let connection = dialer.dial(Some(Arc::new(move |push: PushInfo| match push.data.as_slice() {
        [Value::BulkString(channel), Value::BulkString(answer)] if channel == answers.as_bytes() => {
            gather.answered(answer);
        }
        _ => on_push(push),
    })));
    let connection = connection.await?;
    for channel in channels {
        let subscribed = connection.shards.having(&channel).subscribe(channel).await;
        subscribed.map_err(|error| StoreError::of(&connection.at, &error))?;
    }
    Ok((connection, push_queue))
}
