//! The admin listener's questions to other nodes and their answers. Owns their JSON; the store carries them.

use crate::hub::{Protocol, RoomInfo};
use crate::shared_hub::UserStatus;
use futures_util::future::BoxFuture;
use rejoin::Name;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Something that only a server itself knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Question {
    /// Its connected users in alphabetical order.
    Users {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
        limit: usize,
    },
    /// A user's connections.
    User { id: String },
    /// The rooms that it keeps in alphabetical order.
    Rooms {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
        limit: usize,
    },
    /// The users in a room in alphabetical order.
    Members {
        room: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
        limit: usize,
    },
}

/// The answers of the others.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Answers {
    /// Each with the server's name.
    pub(crate) answers: Vec<(String, Value)>,
    /// So many servers have not answered; `None`: how many there are is not known, as the store is away.
    pub(crate) missing: Option<usize>,
}

/// The store does not answer: nothing is known of what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoreAway;

/// The other servers.
pub(crate) trait OtherNodes: Send + Sync {
    /// What they answer, soon: whoever does not is not waited for.
    fn ask(&self, question: Question) -> BoxFuture<'static, Answers>;

    /// Forgets what was said in a room, and tells every server; `false` if there is no such room.
    fn empty_room(&self, room: Name) -> BoxFuture<'static, Result<bool, StoreAway>>;

    /// The name of this server among them.
    fn own(&self) -> &str;
}

/// What a server answers of its users: `{"users": [{"id", "connections"}], "more": bool}`.
pub(crate) fn users((users, more): (Vec<(Name, usize)>, bool)) -> Value {
    let users: Vec<_> = users
        .iter()
        .map(|(user, connections)| json!({ "id": &**user, "connections": connections }))
        .collect();
    json!({ "users": users, "more": more })
}

/// What a server answers of a room's members: as of its users; `null` if it does not keep the room. Connections are its own.
pub(crate) fn members(found: Option<(Vec<(Name, usize)>, bool)>) -> Value {
    found.map_or(Value::Null, users)
}

/// What a server answers of its rooms: `{"rooms": [{"id", "members", …}], "more": bool}`.
pub(crate) fn stored_rooms((rooms, more): (Vec<RoomInfo>, bool)) -> Value {
    let rooms: Vec<_> = rooms
        .iter()
        .map(|room| {
            json!({
                "id": &*room.room, "members": room.members, "connections": room.connections,
                "readers": room.readers, "seq": room.head, "bytes": room.bytes,
            })
        })
        .collect();
    json!({ "rooms": rooms, "more": more })
}

/// Rooms of several servers, each once, and whether there are more than `limit`. Connections and readers are those of all
/// servers; who is there, and what is said, each server that keeps the room knows for all of them.
pub(crate) fn merge_rooms(pages: impl IntoIterator<Item = Value>, limit: usize) -> (Vec<Value>, bool) {
    let mut all = BTreeMap::<String, [u64; 5]>::new();
    let mut more = false;
    for page in pages {
        more |= page.get("more").and_then(Value::as_bool).unwrap_or(false);
        for room in page.get("rooms").and_then(Value::as_array).into_iter().flatten() {
            let Some(id) = room.get("id").and_then(Value::as_str) else { continue };
            let count = |field| room.get(field).and_then(Value::as_u64).unwrap_or(0);
            let [members, connections, readers, seq, bytes] = all.entry(id.to_owned()).or_default();
            *members = count("members").max(*members);
            *connections = count("connections").saturating_add(*connections);
            *readers = count("readers").saturating_add(*readers);
            *seq = count("seq").max(*seq);
            *bytes = count("bytes").max(*bytes);
        }
    }
    more |= all.len() > limit;
    let rooms = all.into_iter().take(limit).map(|(id, [members, connections, readers, seq, bytes])| {
        json!({
            "id": id, "members": members, "connections": connections, "readers": readers, "seq": seq, "bytes": bytes,
        })
    });
    (rooms.collect(), more)
}

/// Says in an answer how many servers have said nothing to it, where there are several; `null`: not known.
pub(crate) fn say_who_is_missing(answer: &mut Value, others: Option<&Answers>) {
    if let (Some(others), Some(fields)) = (others, answer.as_object_mut()) {
        fields.insert(String::from("unanswered"), json!(others.missing));
    }
}

/// What a server answers of a user: the connections in a list.
pub(crate) fn connections(status: &UserStatus) -> Value {
    let connections = status.connections.iter().map(|(connection, presence)| {
        let protocol = match connection.protocol {
            Protocol::Plain => "plain",
            Protocol::Extended => "extended",
            Protocol::Feed => "feed",
        };
        let rooms: Vec<_> = connection.rooms.iter().map(|room| &**room).collect();
        // As in the log, Socket.IO has a name of its own, though the hub takes it for an extended connection.
        let protocol = presence.map_or(protocol, |presence| presence.origin.protocol);
        json!({
            "protocol": protocol,
            "transport": presence.map(|presence| presence.origin.transport.as_str()),
            "address": presence.map(|presence| presence.origin.client),
            "ageSecs": presence.map(|presence| presence.since.elapsed().as_secs()),
            "rooms": rooms,
        })
    });
    connections.collect()
}

/// The answer of the admin listener about users of several servers, under this name: each once, with all of their connections,
/// and at which the next page begins.
pub(crate) fn page_of_users(name: &str, pages: impl IntoIterator<Item = Value>, limit: usize) -> Value {
    let (users, more) = merge_users(pages, limit);
    let next = users.last().filter(|_| more).map(|(user, _)| user);
    let listed: Vec<_> =
        users.iter().map(|(user, connections)| json!({ "id": user, "connections": connections })).collect();
    json!({ name: listed, "next": next })
}

/// Users of several servers, each once, with all of their connections; and whether there are more than `limit`.
fn merge_users(pages: impl IntoIterator<Item = Value>, limit: usize) -> (Vec<(String, u64)>, bool) {
    let mut all = BTreeMap::<String, u64>::new();
    let mut more = false;
    for page in pages {
        more |= page.get("more").and_then(Value::as_bool).unwrap_or(false);
        for user in page.get("users").and_then(Value::as_array).into_iter().flatten() {
            let id = user.get("id").and_then(Value::as_str);
            let connections = user.get("connections").and_then(Value::as_u64);
            if let (Some(id), Some(connections)) = (id, connections) {
                let count = all.entry(id.to_owned()).or_default();
                *count = count.saturating_add(connections);
            }
        }
    }
    more |= all.len() > limit;
    (all.into_iter().take(limit).collect(), more)
}

/// The rooms of connections in lists, each once.
pub(crate) fn rooms(connections: &[Value]) -> BTreeSet<&str> {
    let of = |connection| Value::get(connection, "rooms").and_then(Value::as_array);
    connections.iter().filter_map(of).flatten().filter_map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(names: &[(&str, usize)], more: bool) -> Value {
        users((names.iter().map(|(name, count)| (Name::from(*name), *count)).collect(), more))
    }

    #[test]
    fn users_of_several_servers_are_one_list_in_order_with_their_connections_added() {
        let merged = |limit| {
            merge_users(
                [page(&[("ada", 2), ("cyd", 1)], false), page(&[("ada", 1), ("bob", 1)], false)],
                limit,
            )
        };
        let user = |name: &str, count| (String::from(name), count);
        assert_eq!(merged(3), (vec![user("ada", 3), user("bob", 1), user("cyd", 1)], false));
        assert_eq!(merged(2), (vec![user("ada", 3), user("bob", 1)], true));
        assert!(merge_users([page(&[("ada", 1)], true)], 1).1);
    }

    #[test]
    fn rooms_of_several_servers_are_one_list_in_which_connections_are_added_and_members_are_not() {
        let room = |id: &str, members: u64, connections: u64, seq: u64| json!({"id": id, "members": members, "connections": connections, "readers": 1, "seq": seq, "bytes": seq});
        let pages = || {
            let own = json!({"rooms": [room("a", 3, 2, 9), room("c", 1, 1, 1)], "more": false});
            [
                own,
                json!({"rooms": [room("a", 3, 1, 8), room("b", 1, 1, 2), {"x": 1}, 7], "more": false}),
                json!(1),
            ]
        };
        let a = json!({"id": "a", "members": 3, "connections": 3, "readers": 2, "seq": 9, "bytes": 9});
        assert_eq!(merge_rooms(pages(), 3), (vec![a.clone(), room("b", 1, 1, 2), room("c", 1, 1, 1)], false));
        assert_eq!(merge_rooms(pages(), 1), (vec![a], true));
    }

    #[test]
    fn what_is_no_answer_adds_nothing() {
        assert_eq!(merge_users([json!({"users": [7, {"id": "x"}]}), json!(null)], 9), (Vec::new(), false));
        assert!(
            rooms(&[json!(1), json!({"rooms": [1, "a"]}), json!({"rooms": ["a"]})]).into_iter().eq(["a"])
        );
    }

    #[test]
    fn a_question_comes_back_as_it_was() {
        for question in [
            Question::Users { after: Some(String::from("a")), limit: 7 },
            Question::Users { after: None, limit: 1 },
            Question::User { id: String::from("ada") },
            Question::Rooms { after: Some(String::from("a")), limit: 7 },
            Question::Members { room: String::from("lobby"), after: None, limit: 7 },
        ] {
            let text = serde_json::to_string(&question).unwrap();
            assert_eq!(serde_json::from_str::<Question>(&text).unwrap(), question);
        }
        assert!(serde_json::from_str::<Question>(r#"{"about":"else"}"#).is_err());
    }
}
