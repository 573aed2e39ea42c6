//! Numbers from the page → inputs of the session.

use crate::kinds::kinds;
use crate::numbers::{count, duration, handle};
use crate::value::{Handle, Released, Value};
use rejoin::{
    Command, ConnId, DialError, DialErrorKind, Disconnect, Hint, Input, Message, Outgoing, SendId,
    ServerMessage, Token, TokenError,
};

kinds!(
    /// What can be said to the machine.
    InputKind, INPUTS:
    Connect, Reconnect, Close, SetToken,
    // a: room
    Join, Leave,
    // a: send, b: room, c: value, d: bytes, e: timeout in ms or 0
    Send,
    // a: send
    Cancel,
    // a: connection from here on
    Opened, DialFailed,
    // b: close code, 0 for none
    Closed,
    // b: frame
    Flushed,
    Garbled, UnknownFrame,
    // b: room, c: value
    Message,
    // b: room, c: user
    UserJoined,
    // b: value
    ServerError,
    // No connection. a: 1 for a token, 2 for a failure that may pass, 3 for one that will not
    Token,
    // a: 1 online, 2 offline, 3 another network, 4 woke
    Hint,
    Tick,
);

/// An input's arguments.
pub(crate) struct Entry<'a> {
    pub(crate) a: f64,
    pub(crate) b: f64,
    pub(crate) c: f64,
    pub(crate) d: f64,
    pub(crate) e: f64,
    pub(crate) released: &'a Released,
}

impl Entry<'_> {
    fn conn(&self) -> ConnId {
        ConnId(count(self.a))
    }

    /// A frame that came in on the connection `a`.
    fn frame(&self, message: ServerMessage<Value, Handle>) -> Input<Value, Handle> {
        Input::Received(self.conn(), message)
    }

    /// The page's value `number`; its size does not matter on the way in.
    fn value(&self, number: f64) -> Value {
        Value::new(handle(number), 0, self.released)
    }
}

/// The input that the page means; `None` for a number that stands for none.
pub(crate) fn read(kind: u32, entry: &Entry<'_>) -> Option<Input<Value, Handle>> {
    Some(match InputKind::from_number(kind)? {
        InputKind::Connect => Input::Command(Command::Connect),
        InputKind::Reconnect => Input::Command(Command::Reconnect),
        InputKind::Close => Input::Command(Command::Close),
        // Tokens stay with the page: the machine only knows that there is one.
        InputKind::SetToken => Input::Command(Command::SetToken(Token::new(""))),
        InputKind::Join => Input::Command(Command::Join(handle(entry.a))),
        InputKind::Leave => Input::Command(Command::Leave(handle(entry.a))),
        InputKind::Send => Input::Command(Command::Send(Outgoing {
            id: SendId(count(entry.a)),
            room: handle(entry.b),
            content: Value::new(handle(entry.c), handle(entry.d), entry.released),
            timeout: (entry.e > 0.0).then(|| duration(entry.e)),
        })),
        InputKind::Cancel => Input::Command(Command::Cancel(SendId(count(entry.a)))),
        InputKind::Opened => Input::Opened(entry.conn()),
        // A page is not told why a dial failed.
        InputKind::DialFailed => {
            Input::DialFailed(entry.conn(), DialError::new(DialErrorKind::Unreachable, ""))
        }
        InputKind::Closed => Input::Closed(entry.conn(), disconnect(handle(entry.b))),
        InputKind::Flushed => Input::Flushed(entry.conn(), count(entry.b)),
        InputKind::Garbled => Input::Garbled(entry.conn(), "".into()),
        InputKind::UnknownFrame => entry.frame(ServerMessage::Unknown),
        InputKind::Message => entry.frame(ServerMessage::Message(Message {
            room: handle(entry.b),
            user: 0,
            content: entry.value(entry.c),
            timestamp: entry.value(0.0),
        })),
        InputKind::UserJoined => {
            entry.frame(ServerMessage::UserJoined { room: handle(entry.b), user: handle(entry.c) })
        }
        InputKind::ServerError => entry.frame(ServerMessage::Error { message: entry.value(entry.b) }),
        InputKind::Token => Input::Token(match handle(entry.a) {
            1 => Ok(Token::new("")),
            2 => Err(TokenError::temporary("")),
            _ => Err(TokenError::permanent("")),
        }),
        InputKind::Hint => Input::Hint(match handle(entry.a) {
            1 => Hint::Online,
            2 => Hint::Offline,
            3 => Hint::NetworkChanged,
            _ => Hint::Woke,
        }),
        InputKind::Tick => Input::Tick,
    })
}

fn disconnect(code: u32) -> Disconnect {
    match u16::try_from(code) {
        // What browsers report for an end without a close frame.
        Ok(0 | 1006) | Err(_) => Disconnect::Lost,
        Ok(code) => Disconnect::Closed { code, reason: "".into() },
    }
}
