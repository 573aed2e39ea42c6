//! The actions of a schedule: what users, network and servers do, each at its time and with all randomness already drawn. So an action
//! can be removed from a schedule without changing the others, which makes shrinking possible.

use super::Micros;
use super::net::Way;
use rejoin::Hint;
use rejoin::messages::Code;

/// One act and its moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// When, since the world began.
    pub at: Micros,
    /// What.
    pub act: Action,
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

/// A log, by whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogOwner {
    /// A room's.
    Room(usize),
    /// The own stream of a client's user.
    Stream(usize),
}

/// Whose moment it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriggerSource {
    /// A client of rooms.
    Client(usize),
    /// A reader.
    Reader(usize),
    /// A client that speaks Socket.IO.
    Sio(usize),
}

/// When a fault strikes that is aimed at something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// The client dials. Of readers and Socket.IO clients alone, as the next four are.
    Dials,
    /// Its stream begins, or the namespace lets it in.
    Opens,
    /// The server sends it a message that has a place.
    Message,
    /// It is told of a hole.
    Gap,
    /// The server goes on with its session.
    Restored,
    /// It says that it leaves a room.
    Leaves,
    /// The server acks a send of the client.
    Ack,
    /// It refuses one.
    Nack,
    /// It answers a join.
    Joined,
    /// It answers a history request.
    History,
    /// It replays a message.
    Replay,
    /// The client asks for a room.
    Asks,
    /// It gives a send to a connection.
    Transmits,
    /// It stores its state.
    Save,
    /// It has two connections.
    Handover,
}

/// The one answer that a server has for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FixedAnswer {
    /// To each send: this refusal, which says to wait for no time, or nothing of time.
    Nack(Code, Option<u64>),
    /// To each send: a refusal that names another wait each time.
    NackInTurn(Code),
    /// To each join: this refusal.
    Join(Code, Option<u64>),
    /// To each history request: nothing there, and that is all.
    NoHistory,
    /// To each history request: of another epoch.
    OtherEpoch,
    /// To each history request: this refusal.
    History(Code, Option<u64>),
    /// To each join: this refusal, for good.
    Refuse(Code),
    /// To each join: the end of the connection with this code.
    Close(u16),
}

/// What is told of a connection that is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaleFrame {
    /// Its dial succeeded.
    Opened,
    /// Its dial failed.
    DialFailed,
    /// A pong came.
    Pong,
    /// Something came.
    Heard,
    /// The last message came again.
    Message,
    /// What was written to it is flushed.
    Flushed,
    /// It ended.
    Closed,
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
    /// Each second message.
    Alternate,
    /// Everything.
    Any,
}

/// Frames that a server had better not have sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByzantineFrame {
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
pub enum Action {
    /// A user joins a room.
    Join { client: usize, room: usize, history: Option<u64>, own_position: bool },
    /// A user leaves a room.
    Leave { client: usize, room: usize },
    /// A user sends some messages.
    Send { client: usize, room: usize, count: u8, padding: u32, data: bool, timeout: Option<Micros> },
    /// A user takes one of the last sends back.
    Cancel { client: usize, back: u64 },
    /// A user is typing.
    Signal { client: usize, room: usize, count: u8 },
    /// A user asks who is there.
    AskPresence { client: usize, room: usize },
    /// A user does something with frames of its own.
    Own { client: usize, what: super::own::AppFrameAction },
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
    ByzantineFrame { client: usize, lie: ByzantineFrame },
    /// The server has only one answer to something for a while.
    FixedAnswer { client: usize, what: FixedAnswer, time: Micros },
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
    /// The store fails over and loses the newest messages of a log.
    Crop { log: LogOwner, count: u64 },
    /// The store forgets old messages.
    Trim { log: LogOwner, keep: usize },
    /// The store knows that it has lost something: a log begins a new epoch on a server that lives on.
    NewEpoch { log: LogOwner },
    /// Something for one user alone.
    Notify { client: usize, count: u8 },
    /// The operator takes a user out of a room.
    Remove { client: usize, room: usize },
    /// A client of another make signals to a room that it is not in.
    Stray { client: usize, room: usize },
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
    /// The client's process ends, and what it has stored is taken up by another user.
    OtherUser { client: usize, down: Micros },
    /// The driver tells something of a connection that is no more.
    StaleFrame { client: usize, what: StaleFrame },
    /// Something happens to a reader.
    Reader { reader: usize, what: super::readers::ReaderAction },
    /// Something happens to a client that speaks Socket.IO.
    Sio { client: usize, what: super::socketio::SioAction },
    /// The operator disconnects a user, who is kept out for so long.
    Kick { client: usize, ban: Micros },
    /// A backend posts a message, or the last one again.
    Post { room: usize, again: bool, keyed: bool },
    /// Something befalls the store that several nodes share.
    Node(super::nodes::NodeAction),
    /// An act that waits for a moment of somebody, and then for some time.
    Aimed { of: TriggerSource, moment: Trigger, after: Micros, act: Box<Self> },
    /// The client's process dies after so many outputs, without a word to its peer if the machine goes with it.
    CrashClient { client: usize, outputs: u8, down: Micros, power: bool },
}
