//! Numbers from the page → inputs of the session.

use crate::fields::Fields;
use crate::kinds::kinds;
use crate::value::Value;
use rejoin::machine::{Command, ConnId, Disconnect, Input, OutboundMessage};
use rejoin::{DialError, DialErrorKind, Hint, Join, Position, SendId, Token, TokenError};

kinds!(
    /// What can be said to the machine, with its fields in the order of the slots; ids are in the texts.
    InputKind, INPUTS:
    Connect, Reconnect, Close, SetToken,
    // room, history + 1 or 0, whether it is the user's own stream, seq of `since` or 0; its epoch and id
    Join,
    // room
    Leave, Presence,
    // send, room, value, bytes, timeout in ms or 0
    Send,
    // send
    Cancel,
    // room, seq; epoch, id
    Commit,
    // room, value
    Signal,
    // connection
    Opened, DialFailed, Garbled,
    // connection, close code or 0
    Closed,
    // connection, frame
    Flushed,
    // 1 for a token, 2 for a failure that may pass, 3 for one that will not
    Token,
    // 1 online, 2 offline, 3 another network, 4 woke
    Hint,
    Tick,
    // Frames: the connection first, then what `frames.rs` lists.
    UnknownFrame, Message, HistoryMessage, UserJoined, UserLeft, Error, Hello, Joined, Left, Ack, Nack, History,
    Members, SignalFrame, Pong, AuthExpiring, AuthOk, GoingAway, Notification,
);

/// The input that the page means; `None` for a number that stands for none, and for what only adds to a later one. What
/// the server's frames say depends on its protocol: `frame` reads them.
#[inline(never)]
pub(crate) fn read<N: From<u32>, F>(
    kind: u32,
    fields: &mut Fields<'_>,
    frame: impl FnOnce(InputKind, &mut Fields<'_>) -> Option<Input<Value, N, F>>,
) -> Option<Input<Value, N, F>> {
    let kind = *InputKind::ALL.get(usize::try_from(kind).ok()?.checked_sub(1)?)?;
    Some(match kind {
        InputKind::Opened => Input::Opened(ConnId(fields.count())),
        // A page is not told why a dial failed.
        InputKind::DialFailed => {
            Input::DialFailed(ConnId(fields.count()), DialError::new(DialErrorKind::Unreachable, ""))
        }
        InputKind::Garbled => Input::Malformed(ConnId(fields.count()), "".into()),
        InputKind::Closed => Input::Closed(ConnId(fields.count()), disconnect(fields.handle())),
        InputKind::Flushed => Input::Flushed(ConnId(fields.count()), fields.count()),
        InputKind::Token => Input::Token(match fields.handle() {
            1 => Ok(Token::new("")),
            2 => Err(TokenError::temporary("")),
            _ => Err(TokenError::permanent("")),
        }),
        InputKind::Hint => Input::Hint(match fields.handle() {
            1 => Hint::Online,
            2 => Hint::Offline,
            3 => Hint::NetworkChanged,
            _ => Hint::Woke,
        }),
        InputKind::Tick => Input::Tick,
        _ => match command(kind, fields) {
            Some(command) => Input::Command(command),
            None => frame(kind, fields)?,
        },
    })
}

fn command<N: From<u32>>(kind: InputKind, fields: &mut Fields<'_>) -> Option<Command<Value, N>> {
    Some(match kind {
        InputKind::Connect => Command::Connect,
        InputKind::Reconnect => Command::Reconnect,
        InputKind::Close => Command::Close,
        // Tokens stay with the page: the machine only knows that there is one.
        InputKind::SetToken => Command::SetToken(Token::new("")),
        InputKind::Join => Command::Join(join(fields)),
        InputKind::Leave => Command::Leave(fields.handle().into()),
        InputKind::Presence => Command::Presence(fields.handle().into()),
        InputKind::Send => {
            let (id, room) = (SendId(fields.count()), fields.handle().into());
            let (content, timeout) = (fields.sized_value(), fields.duration());
            Command::Send(OutboundMessage { timeout, ..OutboundMessage::new(id, room, content) })
        }
        InputKind::Cancel => Command::Cancel(SendId(fields.count())),
        InputKind::Commit => Command::Commit { room: fields.handle().into(), position: position(fields)? },
        InputKind::Signal => {
            Command::Signal { room: fields.handle().into(), kind: 0.into(), data: Some(fields.value()) }
        }
        _ => return None,
    })
}

fn join<N: From<u32>>(fields: &mut Fields<'_>) -> Join<N> {
    let room: N = fields.handle().into();
    let history = fields.count().checked_sub(1);
    let personal = fields.truth();
    let mut join = Join::from(room).since(position(fields)).history(history);
    join.personal = personal;
    join
}

fn position(fields: &mut Fields<'_>) -> Option<Position> {
    let seq = fields.count();
    let (epoch, id) = (fields.id(), fields.id());
    Some(Position { epoch: epoch?, seq, id: id? })
}

fn disconnect(code: u32) -> Disconnect {
    match u16::try_from(code) {
        // What browsers report for an end without a close frame.
        Ok(0 | 1006) | Err(_) => Disconnect::Lost,
        Ok(code) => Disconnect::Closed { code, reason: "".into() },
    }
}
