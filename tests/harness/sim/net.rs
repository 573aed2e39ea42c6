//! A TCP connection that can be slow, full, half-open or cut at any byte.

use super::Micros;
use rejoin_server::hub::Text;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Toward the server.
    Up,
    /// Toward the client.
    Down,
}

/// What travels: whole WebSocket frames. A cut inside a frame loses the whole frame, as a decoder would.
#[derive(Debug, Clone)]
pub(super) enum Packet {
    /// A text frame.
    Text(Text),
    /// A ping.
    Ping,
    /// A pong.
    Pong,
    /// A close frame, after which its sender writes nothing.
    Close(u16),
    /// The end of the connection without one.
    Reset,
}

impl Packet {
    /// Bytes on the wire, about.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Text(text) => 6 + text.len() as u64,
            Self::Ping | Self::Pong => 6,
            Self::Close(_) => 8,
            Self::Reset => 0,
        }
    }
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    /// Bytes ever written.
    written: u64,
    /// Bytes the receiver has taken.
    taken: u64,
    /// Bytes beyond this offset never arrive.
    cut_at: Option<u64>,
    /// Nothing arrives any more, and nobody is told.
    pub(super) vanishing: bool,
    /// When the last packet arrives: the next one not before.
    last_arrival: Micros,
}

/// What an operating system keeps for a sender before it makes it wait.
pub(super) const SEND_BUFFER: u64 = 16 << 10;

impl Pipe {
    /// Writes a packet; gives the offset of its end and its arrival time, `None` if it will never arrive.
    pub(super) fn write(&mut self, now: Micros, latency: Micros, packet: &Packet) -> Option<(u64, Micros)> {
        self.written += packet.bytes();
        if self.vanishing {
            return None;
        }
        self.last_arrival = self.last_arrival.max(now + latency);
        Some((self.written, self.last_arrival))
    }

    /// Whether the packet that ends at `end` arrives; counts it as taken if it does.
    pub(super) fn take(&mut self, end: u64) -> bool {
        if self.vanishing || self.cut_at.is_some_and(|cut| end > cut) {
            return false;
        }
        self.taken = self.taken.max(end);
        true
    }

    /// How many of the last `bytes` of a packet that ends at `end` arrive, where a packet need not arrive as a whole.
    pub(super) fn take_part(&mut self, end: u64, bytes: u64) -> u64 {
        if self.vanishing {
            return 0;
        }
        let lost = self.cut_at.map_or(0, |cut| end.saturating_sub(cut)).min(bytes);
        self.taken = self.taken.max(end - lost);
        bytes - lost
    }

    /// Loses everything beyond some byte of what is on its way.
    pub(super) fn cut(&mut self, luck: u64) {
        self.cut_beyond(self.taken + luck % (self.written - self.taken + 1));
    }

    /// Loses everything beyond a byte.
    pub(super) fn cut_beyond(&mut self, byte: u64) {
        self.cut_at = Some(self.cut_at.map_or(byte, |cut| cut.min(byte)));
    }

    /// Nothing written from now on is taken before `until`.
    pub(super) fn hold(&mut self, until: Micros) {
        self.last_arrival = self.last_arrival.max(until);
    }

    /// Bytes ever written.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Bytes written and not taken.
    pub(super) fn queued(&self) -> u64 {
        self.written - self.taken
    }

    /// Whether the operating system has taken everything written.
    pub(super) fn is_flushed(&self) -> bool {
        self.queued() <= SEND_BUFFER
    }
}

/// One connection between a client and the server.
#[derive(Debug)]
pub(super) struct Conn {
    /// Whose it is.
    pub(super) client: usize,
    /// Which node has its other end.
    pub(super) node: usize,
    /// As which user.
    pub(super) name: rejoin::Name,
    /// That user's number.
    pub(super) user: usize,
    /// The client's number for it.
    pub(super) id: rejoin::machine::ConnId,
    /// One-way latency.
    pub(super) latency: Micros,
    /// Where its jitter comes from.
    pub(super) rng: fastrand::Rng,
    /// Toward the server.
    pub(super) up: Pipe,
    /// Toward the client.
    pub(super) down: Pipe,
    /// When it opened.
    pub(super) opened: Micros,
    /// The client still has its end.
    pub(super) client_open: bool,
    /// A frame has come to the client on it.
    pub(super) answered: bool,
    /// The server still has its end.
    pub(super) server_open: bool,
    /// The server speaks the extended protocol on it.
    pub(super) extended: bool,
    /// The client offered to.
    pub(super) offered: bool,
    /// Unanswered sends that its gateway allows, if that is not what the server does.
    pub(super) in_flight: Option<u64>,
    /// The rooms it is a member of.
    pub(super) rooms: std::collections::BTreeSet<usize>,
    /// The last frame whose flush has not been reported.
    pub(super) unflushed: Option<u64>,
    /// The last message sent down, to be sent again by a scripted.
    pub(super) last_message: Option<Text>,
    /// Frames the server forgets to send.
    pub(super) forgets: Option<(super::action::Forgotten, u8)>,
    /// Its server is slow to say its first words: what it has to say waits until then.
    pub(super) mute_until: Micros,
    /// What waits.
    pub(super) unsaid: Vec<Text>,
    /// It is cut in the place of the next ack.
    pub(super) cut_at_ack: bool,
    /// The client was told that its server is about to go.
    pub(super) going_away: bool,
    /// The hub waits for its queue to be empty.
    pub(super) draining: bool,
    /// Something between the two answers no ping of the server's.
    pub(super) eats_pings: bool,
    /// When something of the client last came to the server.
    pub(super) heard_at: Micros,
    /// Places in which the last thing that its server has sent was lost on the way: nothing has shown that yet.
    pub(super) hides: std::collections::BTreeSet<u32>,
    /// Its server has thrown it out, since it took too little of what was sent.
    pub(super) thrown_out: bool,
    /// What arrives over it is not all that its server sent.
    pub(super) tampered: bool,
    /// When its token ends.
    pub(super) expires: Option<Micros>,
    /// The client was warned that it does.
    pub(super) warned: bool,
    /// The hub has announced its end.
    pub(super) told_to_go: bool,
    /// Tokens that were nobody's, one after another.
    pub(super) bad_tokens: u8,
}

impl Conn {
    /// The pipe of a direction.
    pub(super) fn pipe(&mut self, way: Way) -> &mut Pipe {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }
}
