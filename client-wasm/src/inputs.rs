//! Decodes numbers of the page into inputs of the session. Unknown kinds are ignored.

use crate::codes::kinds;
use crate::handles::Value;
use crate::slots::SlotReader;
use rejoin::machine::{Command, ConnId, Disconnect, Input, OutboundMessage};
use rejoin::{DialError, DialErrorKind, Hint, Join, Position, SendId, Token, TokenError};

kinds!(
    /// Inputs, with their fields in slot order; ids in the id buffer.
    InputKind, INPUTS:
    Connect, Reconnect, Close, SetToken,
    // room, history + 1 or 0, whether it is the personal stream, seq of `since` or 0; its epoch and id
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
    // connection; of a dial that failed also the HTTP status or another number, and Retry-After in ms or 0
    Opened, DialFailed, Malformed,
    // connection, close code or 0
    Closed,
    // connection, frame
    Flushed,
    // 1 a token, 2 a temporary failure, 3 a permanent failure
    Token,
    // 1 online, 2 offline, 3 another network, 4 woke
    Hint,
    Tick,
    // Frames: the connection, then the fields that `server_frames.rs` lists.
    UnknownFrame, Message, HistoryMessage, UserJoined, UserLeft, Error, Hello, Joined, Left, Ack, Nack, History,
    Members, SignalFrame, Pong, AuthExpiring, AuthOk, GoingAway, Notification,
);

/// Decodes an input; `None` for an unknown kind and for what only contributes to a later input.
/// Frames depend on the protocol: `frame` decodes them.
#[inline(never)]
pub(crate) fn read<N: From<u32>, F>(
    kind: u32,
    fields: &mut SlotReader<'_>,
    frame: impl FnOnce(InputKind, &mut SlotReader<'_>) -> Option<Input<Value, N, F>>,
) -> Option<Input<Value, N, F>> {
    let kind = *InputKind::ALL.get(usize::try_from(kind).ok()?.checked_sub(1)?)?;
    Some(match kind {
        InputKind::Opened => Input::Opened(ConnId(fields.count())),
        InputKind::DialFailed => {
            let conn = ConnId(fields.count());
            // A page learns of its dials only that a ticket, or long polling, was refused. Node learns more.
            let kind = match u16::try_from(fields.handle()) {
                Ok(status @ (401 | 403 | 429 | 503)) => DialErrorKind::Http(status),
                #[cfg(feature = "own")]
                Ok(status @ 100..=599) => DialErrorKind::Http(status),
                _ => DialErrorKind::Unreachable,
            };
            Input::DialFailed(conn, DialError::new(kind, "").with_retry_after(fields.duration()))
        }
        InputKind::Malformed => Input::Malformed(ConnId(fields.count()), "".into()),
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

fn command<N: From<u32>>(kind: InputKind, fields: &mut SlotReader<'_>) -> Option<Command<Value, N>> {
    Some(match kind {
        InputKind::Connect => Command::Connect,
        InputKind::Reconnect => Command::Reconnect,
        InputKind::Close => Command::Close,
        // Tokens stay in the page: the machine knows only whether there is one.
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

fn join<N: From<u32>>(fields: &mut SlotReader<'_>) -> Join<N> {
    let room: N = fields.handle().into();
    let history = fields.count().checked_sub(1);
    let personal = fields.flag();
    let mut join = Join::from(room).since(position(fields)).history(history);
    join.personal = personal;
    join
}

fn position(fields: &mut SlotReader<'_>) -> Option<Position> {
    let seq = fields.count();
    let (epoch, id) = (fields.id(), fields.id());
    Some(Position { epoch: epoch?, seq, id: id? })
}

fn disconnect(code: u32) -> Disconnect {
    match u16::try_from(code) {
        // Browsers report 1006 for an end without a close frame.
        Ok(0 | 1006) | Err(_) => Disconnect::Lost,
        Ok(code) => Disconnect::Closed { code, reason: "".into() },
    }
}
