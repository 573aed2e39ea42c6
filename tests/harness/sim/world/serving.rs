//! The server process: what its hub does, and when it dies.

use super::dials::micros;
use super::to_server::shortened;
use super::{SimEvent, World};
use crate::sim::action::{Fate, Forgotten, Trigger, TriggerSource};
use crate::sim::checker::{Checker, Key, LogId, Stored, Words, key, log_id, place};
use crate::sim::coverage::Sometimes;
use crate::sim::net::{Packet, Way};
use crate::sim::server::{Crash, Process, Server};
use crate::sim::{Micros, SECOND};
use rejoin::machine::ServerMessage;
use rejoin::{Id, Name};
use rejoin_server::hub::{self, LogEntry};

impl World {
    /// Gives an input to the hub that has the connection which it is about, or to the first one.
    pub(super) fn hub(&mut self, input: hub::Input<'_>) {
        let node = self.node_of(&input);
        self.hub_at(node, input);
    }

    pub(super) fn hub_at(&mut self, node: usize, input: hub::Input<'_>) {
        let appends =
            matches!(input, hub::Input::Frame { .. } | hub::Input::Notify { .. } | hub::Input::Post { .. });
        // Nothing else lets anybody in.
        let may_let_in = matches!(
            input,
            hub::Input::Connected { .. } | hub::Input::Frame { .. } | hub::Input::Restore { .. }
        );
        self.nodes[node].hub.handle(Server::moment(self.now), input);
        if appends && self.shared.is_none() {
            let new = self.observe();
            if let (Some(last), Some(crash)) = (new, self.nodes[node].dies_at_commit) {
                while self.nodes[node].hub.poll().is_some() {}
                self.checker.died_after_commit(last);
                self.server_down(node, crash);
                return;
            }
        }
        let mut overfull = Vec::new();
        while let Some(output) = self.nodes[node].hub.poll() {
            self.hub_output(node, output, &mut overfull);
        }
        for index in overfull {
            if self.conns[index].server_open {
                self.conns[index].thrown_out = true;
                self.close_down(index, 4012);
                self.server_hangs_up(index, false);
            }
        }
        if self.nodes[node].draining_until.is_some() && self.nodes[node].hub.connections() == 0 {
            self.checker.cover.reach(Sometimes::Drained);
            self.server_down(node, Crash { down: SECOND, fate: Fate::Kept, speaks_extended: None });
        }
        let (lines, most) = (self.nodes[node].hub.store().producer_count(), self.plan.server.lines);
        if lines > most {
            self.checker.violated(format!("8: the server remembers {lines} lines, {most} are allowed"));
        }
        if may_let_in {
            self.keeps_small_limits();
        }
        self.nodes[node].look_at_deadline();
    }

    fn hub_output(&mut self, node: usize, output: hub::Output, overfull: &mut Vec<usize>) {
        self.signals |= matches!(output, hub::Output::SendVolatile { .. });
        let Some(output) = self.sio_hub_output(output) else { return };
        let Some(output) = self.stream_output(output) else { return };
        match output {
            hub::Output::Send { conn, text } => {
                let index = conn.0 as usize;
                self.send_down(index, text);
                if self.conns[index].down.queued() > self.plan.server.slow_bytes {
                    overfull.push(index);
                }
            }
            hub::Output::SendVolatile { conn, text }
                if self.conns[conn.0 as usize].down.queued() < 4 << 10 =>
            {
                self.send_down(conn.0 as usize, text);
            }
            hub::Output::NotifyQueueDrained { conn } => {
                self.conns[conn.0 as usize].draining = true;
                self.look_drained(conn.0 as usize);
            }
            hub::Output::Authenticate { conn, reference, token } => {
                let state = &self.clients[self.conns[conn.0 as usize].client];
                let good = token == state.token(state.token_serial);
                let user = good.then(|| state.name.clone());
                let expires = self.token_end();
                if good {
                    self.conns[conn.0 as usize].expires = expires.map(micros);
                }
                self.hub(hub::Input::Authenticated { conn, reference, user, expires });
                self.token_is_judged(conn.0 as usize, good);
            }
            hub::Output::Published { call, id, seq, dup } => self.published(call, Ok((id, seq, dup))),
            hub::Output::PublishFailed { call, code } => self.published(call, Err(code)),
            hub::Output::Store(request) => self.asks_store(node, request),
            hub::Output::Ping { conn } if self.conns[conn.0 as usize].eats_pings => {}
            hub::Output::Ping { conn } => self.write(conn.0 as usize, Way::Down, Packet::Ping),
            hub::Output::Close { conn, code, .. } => {
                self.trace.note(self.now, "server", format_args!("closes {} with {code}", conn.0));
                self.drains_one(conn.0 as usize, code);
                self.hears_close(conn.0 as usize, code);
                if code == 4003 {
                    self.closed_as_removed(conn.0 as usize);
                }
                self.close_down(conn.0 as usize, code);
                self.conns[conn.0 as usize].server_open = false;
                self.members_change(conn.0 as usize, false);
            }
            hub::Output::Terminate { conn } => {
                self.was_silent(conn.0 as usize);
                self.trace.note(self.now, "server", format_args!("terminates {}", conn.0));
                self.write(conn.0 as usize, Way::Down, Packet::Reset);
                self.conns[conn.0 as usize].server_open = false;
                self.members_change(conn.0 as usize, false);
            }
            _ => {}
        }
    }

    /// A connection is given up: nothing has come from it since the beat before.
    fn was_silent(&mut self, index: usize) {
        let conn = &self.conns[index];
        let thawed = self.nodes[conn.node].thawed;
        let silence = self.now - conn.heard_at.max(thawed);
        if conn.extended && silence + SECOND / 100 < self.plan.server.heartbeat && conn.heard_at > thawed {
            self.checker
                .violated(format!("2.2: connection {index} is given up {silence} µs after something came"));
        }
    }

    /// A drain closes the plain connections one after another over its window.
    fn drains_one(&mut self, index: usize, code: u16) {
        let server = &mut self.nodes[self.conns[index].node];
        if code != 1012 || self.conns[index].extended || server.drain_window <= SECOND {
            return;
        }
        let last = std::mem::replace(&mut server.drained_at, self.now);
        if last == self.now && server.thawed != self.now {
            self.checker
                .violated(format!("2.2: a drain closes connection {index} together with another one"));
        }
    }

    /// Ends a connection as the server's sockets do: a plain client that is to come back gets no close frame.
    fn close_down(&mut self, index: usize, code: u16) {
        let hangs_up = !self.conns[index].offered && hub::is_retryable_close(code);
        self.write(index, Way::Down, if hangs_up { Packet::Reset } else { Packet::Close(code) });
    }

    fn send_down(&mut self, index: usize, text: hub::Text) {
        let said = text;
        let kind = said.strip_prefix("{\"type\":\"").and_then(|rest| rest.split('"').next()).unwrap_or("");
        self.hears(index, kind, &said);
        let text = self.as_told(index, said.clone());
        if self.trace.is_readable() {
            self.trace.note(self.now, "server", format_args!("to {index}: {}", shortened(&text)));
        }
        if self.is_stray_answer(index, kind, &said) {
            return;
        }
        self.frame_is_right(index, kind, &said);
        if !self.conns[index].extended {
            self.checker.plain_down(&text);
        }
        match kind {
            "ack" | "nack" | "user_left" | "joined" | "history" => self.observe_answer(index, kind, &text),
            "message" => self.conns[index].last_message = Some(text.clone()),
            // A join that waited for the store is answered after its connection has asked to leave.
            "left" => self.leaves(index, &text),
            _ => {}
        }
        let moment = match kind {
            "ack" => Some(Trigger::Ack),
            "nack" => Some(Trigger::Nack),
            "joined" => Some(Trigger::Joined),
            "history" => Some(Trigger::History),
            "message" | "notification" if text.contains("\"replay\":true") => Some(Trigger::Replay),
            _ => None,
        };
        if let Some(moment) = moment {
            self.moment(TriggerSource::Client(self.conns[index].client), moment);
        }
        if kind == "ack" && self.conns[index].cut_at_ack {
            if let Ok(ServerMessage::Ack(ack)) = self.decoder.decode(&text) {
                self.checker.ack_lost(&ack.id);
            }
            self.cut(index, 0);
            return;
        }
        self.notes_sent += u64::from(kind == "message");
        let is_forgotten = |what: Forgotten| match what {
            Forgotten::Message => matches!(kind, "message" | "notification"),
            Forgotten::Alternate => kind == "message" && self.notes_sent.is_multiple_of(2),
            Forgotten::Joined => kind == "joined",
            Forgotten::Ack => kind == "ack",
            Forgotten::History => kind == "history",
            // Whoever never says hello is no extended server, and whoever is removed unsaid is a member for ever.
            Forgotten::Any => !matches!(kind, "hello" | "left"),
        };
        let user = self.conns[index].user;
        let at = match kind {
            // That a replay is not whole is seen by its end.
            "message" if said.contains("\"replay\":true") => None,
            "message" => self.room_of(&said).map(|room| place(&Self::room(room), 0)),
            "notification" => Some(place("@me", user)),
            _ => None,
        };
        let conn = &mut self.conns[index];
        if let Some(at) = at.filter(|_| conn.extended) {
            conn.hides.remove(&at);
        }
        if let Some((what, left)) = conn.forgets.filter(|(what, _)| conn.extended && is_forgotten(*what)) {
            conn.forgets = (left > 1).then(|| (what, left - 1));
            conn.tampered = true;
            conn.hides.extend(at);
            if kind == "joined" {
                self.checker.cover.reach(Sometimes::JoinedForgotten);
            }
            self.checker.tampered(index);
            return;
        }
        if self.is_mute(index) {
            self.conns[index].unsaid.push(text);
        } else {
            self.write(index, Way::Down, Packet::Text(text));
        }
    }

    /// A server with a small limit says that it takes more than it does: what is too large is refused for good. A gateway
    /// of another version allows less, and says things that nobody knows.
    fn as_told(&self, index: usize, text: hub::Text) -> hub::Text {
        let server = &self.plan.server;
        let (bytes, other) = (server.content_bytes, self.conns[index].in_flight);
        let misstates = bytes < 4000 && server.misstates_content;
        if (!misstates && other.is_none()) || !text.starts_with("{\"type\":\"hello\"") {
            return text;
        }
        let mut text = text.to_string();
        if misstates {
            text = text.replace(&format!("\"contentBytes\":{bytes}"), "\"contentBytes\":9000");
        }
        if let Some(in_flight) = other {
            let (all, half) = (server.dedupe_window / 1000, server.dedupe_window / 2000);
            text = text
                .replace(&format!("\"inFlight\":{}", server.in_flight), &format!("\"inFlight\":{in_flight}"));
            text = text.replace(&format!("\"dedupeWindowMs\":{all}"), &format!("\"dedupeWindowMs\":{half}"));
            text = text.replace("\"v\":1", "\"v\":2,\"shard\":{\"of\":3}");
        }
        text.into()
    }

    /// Whether what a server has to say over a connection still waits.
    pub(super) fn is_mute(&self, index: usize) -> bool {
        self.conns[index].mute_until > self.now || !self.conns[index].unsaid.is_empty()
    }

    /// A server that was slow to say its first words says all that has come together.
    pub(super) fn speaks_at_last(&mut self, index: usize) {
        for text in std::mem::take(&mut self.conns[index].unsaid) {
            if self.conns[index].server_open {
                self.write(index, Way::Down, Packet::Text(text));
            }
        }
    }

    fn observe_answer(&mut self, index: usize, kind: &str, text: &str) {
        match self.decoder.decode(text) {
            Ok(ServerMessage::Ack(ack)) => self.checker.acked_by_server(index, &ack),
            Ok(ServerMessage::Nack(nack)) => self.checker.refused_by_server(index, &nack),
            Ok(ServerMessage::UserLeft { room, user }) => {
                // One that stood still tells what has happened meanwhile.
                let thawed = self.nodes[self.conns[index].node].thawed;
                let stood_still = self.shared.is_some() && self.now < thawed + 2 * SECOND;
                if self.nodes_know_each_other() && !stood_still {
                    self.checker.member_said_gone(place(&room, 0), &user);
                }
                self.is_gone_with_its_node(&room, &user);
            }
            Ok(ServerMessage::Joined(joined)) => {
                self.enters(index, &joined.room);
                let user = self.conns[index].user;
                let at = place(&joined.room, user);
                let own = format!("@{}", self.conns[index].name);
                let name = if joined.room == *"@me" { own.as_str() } else { &joined.room };
                let log = self.nodes[self.conns[index].node].hub.store().room(name);
                let held = log.map_or(0, |log| log.messages().len());
                self.checker.list_said(index, at, joined.members.as_deref());
                self.checker.join_answered_by_server(index, at, &joined, held as u64);
                self.looks_mixed(self.conns[index].node, &joined.room);
                let listed = self.plan.server.members_listed as u64;
                if joined.members.is_none() && joined.member_count.is_some_and(|count| count <= listed) {
                    self.checker.violated(format!("2.2: {joined:?} does not name its members"));
                }
            }
            Ok(ServerMessage::History(history)) => {
                let live = history
                    .messages
                    .iter()
                    .find(|message| message.entry.as_ref().is_none_or(|stamp| !stamp.replay));
                if let Some(live) = live {
                    self.checker.violated(format!("2.2: a page shows {live:?} as said just now"));
                }
                let log = self.nodes[self.conns[index].node].hub.store().room(&history.room);
                let same = log.is_some_and(|log| *log.epoch() == history.epoch);
                if !same && !history.messages.is_empty() {
                    let (room, epoch) = (&history.room, &history.epoch);
                    self.checker.violated(format!("2.2: {room} answers of {epoch}, which is over"));
                }
            }
            _ => self.checker.violated(format!("2.2: the server sends a {kind} that is none: {text}")),
        }
    }

    fn looks_mixed(&mut self, node: usize, room: &Name) {
        self.looks_spread(node, room);
        let members: Vec<(usize, Name)> = self.nodes[node]
            .hub
            .members(room)
            .map(|(conn, user)| (conn.0 as usize, user.clone()))
            .filter(|(conn, _)| *conn < self.conns.len())
            .collect();
        let extended = members.iter().filter(|(index, _)| self.conns[*index].extended).count();
        if extended > 0 && extended < members.len() {
            self.checker.cover.reach(Sometimes::MixedRoom);
        }
        let twice = members.iter().any(|(index, user)| {
            members.iter().any(|(other, name)| {
                other != index && name == user && self.conns[*other].client == self.conns[*index].client
            })
        });
        if twice {
            self.checker.cover.reach(Sometimes::BothInHandover);
        }
    }

    /// Looks at the store. Gives the last message that is new.
    pub(super) fn observe(&mut self) -> Option<Key> {
        let (mut last, mut seen) = (None, Vec::new());
        match &self.shared {
            Some(shared) => {
                for (name, log) in shared.logs() {
                    let view = View::new(name, log.epoch(), log.head(), log.first());
                    last = look_at(&mut self.checker, &view, || log.entries(), &mut seen).or(last);
                }
            }
            None => {
                for (name, log) in self.nodes[0].hub.store().rooms() {
                    let oldest = log.messages().next().map(|entry| entry.seq);
                    let mut view = View::new(name, log.epoch(), log.head(), oldest);
                    view.is_weighed = self.plan.limits.history_bytes.is_some();
                    last = look_at(&mut self.checker, &view, || log.messages(), &mut seen).or(last);
                }
            }
        }
        for (at, author, words) in seen {
            self.appends(at, author, &words);
        }
        last
    }

    pub(super) fn server_down(&mut self, node: usize, crash: Crash) {
        let down = if self.calm { crash.down.min(SECOND) } else { crash.down };
        let back: Micros = self.now + down;
        self.trace.note(self.now, "server", format_args!("{node} dies: {crash:?}"));
        for index in 0..self.conns.len() {
            if self.conns[index].server_open && self.conns[index].node == node {
                let luck = self.rng.u64(..);
                self.cut(index, luck);
                self.conns[index].server_open = false;
                self.lost_with_its_node(index);
            }
        }
        if self.shared.is_none() {
            self.streams_break();
            self.sios_break();
        }
        self.nodes[node].die(back, crash);
        self.node_is_gone(node, crash.fate);
        if crash.fate == Fate::Lost {
            self.checker.store_lost();
        }
        if self.shared.is_none() {
            self.checker.members_forgotten();
        }
        self.checker.allowances_anew();
        self.operator_is_forgotten(crash.fate);
        self.observe();
        self.server_backlogs[node].clear();
        self.at(back, SimEvent::ServerBack { node });
    }

    pub(super) fn server_back(&mut self, node: usize) {
        let due = match self.nodes[node].process {
            Process::Down(at) | Process::Frozen(at) => at <= self.now || self.calm,
            Process::Up => match self.nodes[node].draining_until {
                Some(at) if at <= self.now => {
                    self.drain_is_over(node);
                    let crash = Crash { down: SECOND, fate: Fate::Kept, speaks_extended: None };
                    return self.server_down(node, crash);
                }
                _ => return,
            },
        };
        if !due {
            return;
        }
        self.trace.note(self.now, "server", format_args!("{node} is back"));
        let server = &mut self.nodes[node];
        // What several nodes share goes by its own clock.
        if let Process::Frozen(_) = server.process
            && self.now >= server.overdue + 3 * SECOND
            && self.shared.is_none()
        {
            // It finds its deadlines missed, and counts nobody's time meanwhile.
            self.checker.stood += self.now - server.overdue;
        }
        let begins = matches!(server.process, Process::Down(_));
        server.process = Process::Up;
        server.thawed = self.now;
        server.look_at_deadline();
        if begins {
            self.node_begins(node);
        }
        for happening in std::mem::take(&mut self.server_backlogs[node]) {
            self.happen(happening);
        }
    }

    pub(super) fn gateway_gone(&mut self, index: usize) {
        let up = self.nodes[self.conns[index].node].process == Process::Up;
        if !self.conns[index].server_open || !up {
            return;
        }
        let client = self.conns[index].client;
        if self.clients[client].sockets == [index] {
            self.checker.cover.reach(Sometimes::HandoverTooLate);
        }
        self.write(index, Way::Down, Packet::Close(1012));
        self.server_hangs_up(index, false);
    }
}

/// A log as a store shows it.
struct View<'a> {
    name: &'a str,
    epoch: &'a Id,
    head: u64,
    /// The number of the oldest entry kept, or of the one to come.
    oldest: u64,
    /// What it weighs is limited.
    is_weighed: bool,
}

impl<'a> View<'a> {
    fn new(name: &'a str, epoch: &'a Id, head: u64, oldest: Option<u64>) -> Self {
        Self { name, epoch, head, oldest: oldest.unwrap_or(head + 1), is_weighed: false }
    }
}

/// What an entry weighs.
fn weight(entry: &LogEntry) -> usize {
    let texts = entry.content.len() + entry.data.as_ref().map_or(0, String::len) + entry.timestamp.len();
    size_of::<LogEntry>() + texts
}

/// Shows a log to the checker. Gives the last message that is new, and adds what was said in all that are.
fn look_at<'a, I: DoubleEndedIterator<Item = &'a LogEntry> + ExactSizeIterator>(
    checker: &mut Checker,
    view: &View<'_>,
    entries: impl Fn() -> I,
    seen: &mut Vec<(LogId, Key, Words)>,
) -> Option<Key> {
    let at = log_id(view.name);
    let known = checker.known_head(at, view.epoch);
    if known == Some(view.head) && !checker.is_news(at, view.oldest) {
        return None;
    }
    let from = known.map_or(0, |known| known.min(view.head));
    let count = entries().len();
    // One message is kept, whatever it weighs.
    let is_weighed = view.is_weighed && count > 1;
    let bytes = if is_weighed { entries().map(weight).sum() } else { 0 };
    let new: Vec<Stored> = entries()
        .rev()
        .take_while(|entry| entry.seq > from)
        .map(|entry| {
            let text = entry.data.as_deref().filter(|_| entry.kind.is_some());
            let author = key(text.map_or(&*entry.content, |data| data.trim_matches('"')));
            let words = Words {
                user: entry.user.clone(),
                content: entry.content.clone(),
                data: entry.data.clone(),
                timestamp: entry.timestamp.clone(),
            };
            let (seq, id, words) = (entry.seq, entry.id.clone(), Some(words));
            Stored { key: author.unwrap_or((usize::MAX, 0)), seq, id, words }
        })
        .collect();
    seen.extend(new.iter().filter_map(|stored| Some((at, stored.key, stored.words.clone()?))));
    checker.holds(at, count, bytes);
    let last = new.first().map(|stored| stored.key);
    checker.observe(at, view.epoch, view.head, view.oldest, new.into_iter().rev());
    last
}
