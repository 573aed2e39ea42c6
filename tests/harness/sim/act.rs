//! What happens in a seed, decided before it runs: acts of users, of the network and of the servers, each at its
//! moment and with everything random about it already drawn. So an act can be taken out of a schedule and the
//! others stay what they are, which is what makes a failing schedule short.

use super::Micros;
use super::net::Way;
use rejoin::Hint;

/// One act and its moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// When, since the world began.
    pub at: Micros,
    /// What.
    pub act: Act,
}

/// What becomes of the logs when a server process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// They are kept.
    Kept,
    /// They are lost: every room begins a new epoch.
    Lost,
    /// The newest messages of each room are lost, and the epoch stays: a fork.
    Cropped(u64),
}

/// Frames that a server may forget to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgotten {
    /// Messages and notifications.
    Message,
    /// Answers to joins.
    Joined,
    /// Acks.
    Ack,
    /// Answers to history requests.
    History,
    /// Everything.
    Any,
}

/// Frames that a server had better not have sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// The last message once more.
    Again,
    /// A second `hello` whose numbers are absurd.
    Hello,
    /// An ack of something never sent.
    Ack,
    /// A nack of something never sent.
    Nack,
    /// The answer to a join never made.
    Joined,
    /// The answer to a history request never made.
    History,
    /// The answer to a ping never made.
    Pong,
    /// The token is said to expire.
    Expiring,
}

#[allow(missing_docs, reason = "client, room and time say what they are")]
/// An act. What cannot be done at its moment (a frozen client, no connection) is left out.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// A user joins a room.
    Join { client: usize, room: usize, history: Option<u64>, own_position: bool },
    /// A user leaves a room.
    Leave { client: usize, room: usize },
    /// A user sends some messages.
    Send { client: usize, room: usize, count: u8, padding: u32, data: bool, timeout: Option<Micros> },
    /// A user takes one of the last sends back.
    Cancel { client: usize, back: u64 },
    /// A user is typing.
    Signal { client: usize, room: usize },
    /// A user asks who is there.
    AskPresence { client: usize, room: usize },
    /// A user connects.
    Connect { client: usize },
    /// A user wants a fresh connection.
    Reconnect { client: usize },
    /// A user ends it.
    Close { client: usize },
    /// A user gives a token, the right one or an old one.
    SetToken { client: usize, good: bool },
    /// The application stops taking messages for a while, then takes one each `pace`.
    SlowApp { client: usize, time: Micros, pace: Micros },

    /// A connection is reset; each direction loses what lies beyond some byte.
    Cut { client: usize, luck: u64 },
    /// Bytes of a connection vanish.
    Vanish { client: usize, up: bool, down: bool },
    /// Bytes of one direction stay where they are for a while.
    Hold { client: usize, way: Way, time: Micros },
    /// The server closes a connection.
    CloseCode { client: usize, code: u16, new_token: bool },
    /// A text that is no frame, or a frame of the future.
    Garbage { client: usize, which: usize },
    /// A frame that is a lie.
    Lie { client: usize, lie: Lie },
    /// The server forgets to send some frames.
    Forget { client: usize, what: Forgotten, count: u8 },
    /// The connection is reset in the place of the next ack.
    CutAtAck { client: usize },

    /// The server process stands still.
    FreezeServer { time: Micros },
    /// The server process dies; at once, or between its next commit and anything said about it.
    CrashServer { down: Micros, fate: Fate, at_commit: bool, speaks_extended: Option<bool> },
    /// The server process drains, ends and comes back.
    DrainServer { window: Micros },
    /// The gateway in front of a client's connection is about to go, and does after a while.
    Handover { client: usize, window: Micros, url: bool, patience: Micros },
    /// The store fails over and loses the newest messages of a room.
    Crop { room: usize, count: u64 },
    /// The store forgets old messages.
    Trim { room: usize, keep: usize },
    /// Something for one user alone.
    Notify { client: usize },
    /// The token of a user is no good any more.
    Revoke { client: usize },

    /// The machine sleeps: its monotonic clock stands, the wall clock does not.
    Sleep { client: usize, time: Micros, sockets_die: bool },
    /// The process stands still, its clocks do not.
    Freeze { client: usize, time: Micros },
    /// The wall clock jumps.
    WallJump { client: usize, millis: i64 },
    /// The platform hints at something, rightly or not.
    Hint { client: usize, hint: Hint },
    /// The client's process dies after so many outputs, without a word to its peer if the machine goes with it.
    CrashClient { client: usize, outputs: u8, down: Micros, power: bool },
}
