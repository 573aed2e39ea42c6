//! What the plain protocol says about each frame (protocol.md §1), to the field.

use super::user::{User, Verdict};
use super::utc::utc;
use super::{ConnId, Hub, Output, Text};
use rejoin::messages::json::{self, DecodeError};
use rejoin::{
    ClientMessage, Message, Moment, Name, RoomNameError, ServerMessage, Timestamp, check_room_name,
};

impl Hub {
    pub(super) fn frame(&mut self, now: Moment, conn: ConnId, text: &str) {
        let Some(state) = self.conns.get_mut(&conn) else { return };
        state.heard = true;
        match json::decode_client(text) {
            Ok(Some(ClientMessage::JoinRoom { room, .. })) => self.join(now.monotonic, conn, room),
            Ok(Some(ClientMessage::LeaveRoom { room, .. })) => self.leave(conn, &room),
            Ok(Some(ClientMessage::SendMessage { room, content, .. })) => self.send(now, conn, room, content),
            // A type of a later version, or of somebody's extension: a plain server ignores it.
            // Nor does it judge such a frame by the rules of the version it comes from.
            Ok(Some(_) | None)
            | Err(DecodeError::Field {
                frame: "history" | "presence" | "signal" | "ping" | "auth", ..
            }) => {}
            Err(error) => self.mistake(now.monotonic, conn, explain(&error)),
        }
    }

    fn join(&mut self, now: Timestamp, conn: ConnId, name: Name) {
        if let Err(error) = check_room_name(&name) {
            return self.mistake(now, conn, room_name(error));
        }
        let Some(state) = self.conns.get_mut(&conn) else { return };
        if state.rooms.contains(&name) {
            return;
        }
        match self.users.get_mut(&state.user).map_or(Verdict::Fine, |user| user.join(now)) {
            Verdict::Fine => {}
            Verdict::Refuse => return self.error(conn, "rate limited"),
            Verdict::Flooding => return self.close(now, conn, 4008, "Rate limited"),
        }
        if state.rooms.len() >= self.config.rooms_per_conn {
            return self.mistake(now, conn, "too many rooms on this connection");
        }
        // Looked up before it is made, so that a refusal leaves no empty room behind.
        if self.rooms.get(&name).map_or(0, super::Room::len) >= self.config.members_per_room {
            return self.mistake(now, conn, "the room is full");
        }
        let user = state.user.clone();
        state.rooms.insert(name.clone());
        let room = self.rooms.entry(name.clone()).or_default();
        if !room.add(conn, &user) || room.len() == 1 {
            return;
        }
        let joined = ServerMessage::UserJoined { room: name, user: user.clone() };
        let Some(text) = encode(&joined) else { return };
        let others = room.members().filter(|(_, member)| **member != user);
        self.outputs.extend(others.map(|(conn, _)| Output::Send { conn, text: text.clone() }));
    }

    fn leave(&mut self, conn: ConnId, name: &Name) {
        let Some(state) = self.conns.get_mut(&conn) else { return };
        // Leaving a room one is not in is what one wanted: no error.
        if state.rooms.remove(name) {
            self.remove_member(name, conn);
        }
    }

    fn send(&mut self, now: Moment, conn: ConnId, name: Name, content: String) {
        let Some(state) = self.conns.get(&conn) else { return };
        match self.users.get_mut(&state.user).map_or(Verdict::Fine, |user| user.send(now.monotonic)) {
            Verdict::Fine => {}
            Verdict::Refuse => return self.error(conn, "rate limited"),
            Verdict::Flooding => return self.close(now.monotonic, conn, 4008, "Rate limited"),
        }
        if content.len() > self.config.content_bytes {
            return self.mistake(now.monotonic, conn, "content is too long");
        }
        if let Err(error) = check_room_name(&name) {
            return self.mistake(now.monotonic, conn, room_name(error));
        }
        let Some(room) = self.rooms.get(&name).filter(|room| room.contains(conn)) else {
            return self.mistake(now.monotonic, conn, "join the room before sending to it");
        };
        let message = Message::plain(name, state.user.clone(), content, utc(now.wall));
        let Some(text) = encode(&ServerMessage::Message(message)) else { return };
        self.outputs.extend(room.members().map(|(conn, _)| Output::Send { conn, text: text.clone() }));
    }

    /// Answers a frame that cannot be carried out; the connection stays open, unless it does nothing else.
    fn mistake(&mut self, now: Timestamp, conn: ConnId, message: &'static str) {
        let Some(state) = self.conns.get(&conn) else { return };
        match self.users.get_mut(&state.user).map_or(Verdict::Fine, |user: &mut User| user.mistake(now)) {
            Verdict::Flooding => self.close(now, conn, 4008, "Rate limited"),
            Verdict::Fine | Verdict::Refuse => self.error(conn, message),
        }
    }

    fn error(&mut self, conn: ConnId, message: &'static str) {
        let error = ServerMessage::Error { message: String::from(message), refusal: None };
        if let Some(text) = encode(&error) {
            self.outputs.push_back(Output::Send { conn, text });
        }
    }
}

fn encode(message: &ServerMessage) -> Option<Text> {
    json::encode_server(message).map(Text::from)
}

/// Constant texts: what the peer sent is not repeated to it.
fn explain(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::NoType => "a frame is an object with a string type",
        DecodeError::Field { frame: "send_message", .. } => {
            "send_message needs a string roomId and a string content"
        }
        DecodeError::Field { frame: "join_room", .. } => "join_room needs a string roomId",
        DecodeError::Field { frame: "leave_room", .. } => "leave_room needs a string roomId",
        // The contract's own words.
        _ => "Invalid JSON",
    }
}

fn room_name(error: RoomNameError) -> &'static str {
    match error {
        RoomNameError::Empty => "roomId is empty",
        RoomNameError::TooLong => "roomId is longer than 128 characters",
        RoomNameError::Invisible => "roomId has control, bidirectional or zero-width characters",
        RoomNameError::Reserved => "roomId starts with the reserved @",
        _ => "roomId is not a room name",
    }
}
