//! Opens a connection: its first frames, the limits of its user, the place of a connection that it replaces.

use super::bans::KICKED_CLOSE;
use super::connection::{Conn, Extended};
use super::dispatch::{encode, millis};
use super::mutation::mutation;
use super::rights::Rights;
use super::token_expiry::TokenExpiry;
use super::user::User;
use super::{ConnId, Hub, Limit, Output, Timer};
use rejoin::machine::{ClockReading, ServerMessage};
use rejoin::messages::{AuthExpiry, Hello, Limits, ReconnectHint};
use rejoin::{Name, Timestamp};
use std::collections::BTreeSet;
use std::time::Duration;

/// A window is told again when it has become so many times as long.
const WINDOW_GROWTH: f64 = 1.25;

impl Hub {
    pub(super) fn connected(
        &mut self,
        now: ClockReading,
        conn: ConnId,
        user: &Name,
        extended: bool,
        expires: Option<Timestamp>,
    ) {
        let extended = (extended && self.config.extended).then(Box::<Extended>::default);
        let beat = self.config.heartbeat_interval(extended.is_some());
        if self.admit(now.monotonic, conn, user, expires, beat, extended) {
            self.send_hello(now, conn);
        }
    }

    /// Counts a connection among its user's, or closes it.
    pub(super) fn admit(
        &mut self,
        now: Timestamp,
        conn: ConnId,
        user: &Name,
        expires: Option<Timestamp>,
        beat: Duration,
        extended: Option<Box<Extended>>,
    ) -> bool {
        self.disconnect(now, conn, false);
        if let Some(reason) = self.draining.filter(|_| !mutation!(DrainLetsIn)) {
            // It was let in before the drain began.
            let (code, reason) = reason.close();
            self.outputs.push_back(Output::Close { conn, code, reason });
            return false;
        }
        if self.bans.remaining(now, user).is_some() {
            let (code, reason) = KICKED_CLOSE;
            self.outputs.push_back(Output::Close { conn, code, reason });
            return false;
        }
        let open = self.users.get(user).map_or(0, |state| state.connections);
        if open >= self.config.sockets_per_user + usize::from(mutation!(SocketsOneMore)) {
            self.refusal_counts.record(Limit::ConnectionsOfUser);
            self.outputs.push_back(Output::Close { conn, code: 4011, reason: "Too many connections" });
            return false;
        }
        let state = self.users.entry(user.clone()).or_insert_with(|| User::new(&self.config, now));
        state.connections += 1;
        if self.nodes.is_some() {
            state.connection_opened(conn);
        }
        let heartbeat = now + beat;
        self.due.insert((heartbeat, Timer::Heartbeat(conn)));
        let token_expiry = TokenExpiry::new(now, conn, expires, extended.is_some(), &mut self.due);
        self.generation += 1;
        let state = Conn {
            user: user.clone(),
            generation: self.generation,
            rooms: BTreeSet::new(),
            // Until the first ping there is nothing the peer has failed to answer.
            is_active: true,
            heartbeat,
            drain: None,
            token_expiry,
            rights: Rights::all(),
            extended,
            reader: None,
        };
        self.conns.insert(conn, state);
        self.note_usage(now, user);
        self.store.record_connections(self.conns.len());
        true
    }

    /// Says `hello` to who understands it, for the first time or again.
    fn send_hello(&mut self, now: ClockReading, conn: ConnId) {
        let window = self.reconnect_window();
        let Some(state) = self.conns.get_mut(&conn) else { return };
        let Some(extended) = &mut state.extended else { return };
        extended.announced_window = window;
        let (user, end) = (state.user.clone(), state.token_expiry.end());
        let hello = self.hello(now, user, end, window);
        self.send_frame(conn, &hello);
    }

    /// Says `hello` again to whoever was told a much shorter window: those who came when there were few would all come
    /// back at once. Asked at each heartbeat, so that a fleet that has grown is not told in one moment.
    pub(super) fn refresh_hello(&mut self, now: ClockReading, conn: ConnId) {
        let window = self.reconnect_window();
        let extended = self.conns.get(&conn).and_then(|state| state.extended.as_ref());
        if extended.is_some_and(|extended| {
            !mutation!(WindowToldOnce) && window > extended.announced_window.mul_f64(WINDOW_GROWTH)
        }) {
            self.send_hello(now, conn);
        }
    }

    pub(super) fn reconnect_window(&self) -> Duration {
        // Counting the present ones only, those who come back first would be told that they are few.
        self.config.reconnect_window(self.store.recent_connections())
    }

    fn hello(
        &self,
        now: ClockReading,
        user_id: Name,
        expires: Option<Timestamp>,
        window: Duration,
    ) -> ServerMessage {
        let config = &self.config;
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate above 0, rounded to what a client may count on"
        )]
        let send_per_sec = self.rate().map_or(0, |rate| rate.max(1.0) as u64);
        ServerMessage::Hello(Box::new(Hello {
            v: 1,
            user_id,
            server_time: millis(now.wall.since_start()),
            heartbeat_ms: millis(config.heartbeat),
            dedupe_window_ms: millis(config.dedupe_window) * (1 + u64::from(mutation!(WindowMisstated))),
            limits: Limits {
                frame_bytes: count(config.frame_bytes),
                content_bytes: count(config.content_bytes),
                rooms: count(config.rooms_per_conn),
                in_flight: count(config.in_flight.clamp(1, 64)) + u64::from(mutation!(FlightMisstated)),
                replay: count(config.replay) + u64::from(mutation!(LimitsMisstated)),
                send_per_sec,
            },
            reconnect: ReconnectHint { window_ms: millis(window) },
            auth: expires.map(|end| AuthExpiry { expires_in_ms: millis(end.since(now.monotonic)) }),
        }))
    }

    /// Sends a connection a frame of its own.
    pub(super) fn send_frame(&mut self, conn: ConnId, message: &ServerMessage) {
        if let Some(text) = encode(message) {
            self.outputs.push_back(Output::Send { conn, text });
        }
    }
}
