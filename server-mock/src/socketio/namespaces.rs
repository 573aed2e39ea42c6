//! The namespaces at run time, and the room of the hub for each of their rooms. Knows no session.

use super::packet::MAIN;
use crate::namespace::Namespace as Configured;
use rejoin::Name;
use std::borrow::Cow;

/// One namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Namespace {
    name: Name,
    /// What precedes the rest of a packet, and the names of the namespace's rooms in the hub: nothing in `/`, `/chat,` in
    /// `/chat`. No name of a namespace has a comma.
    prefix: Name,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Rooms, and the personal stream.
    Main,
    Rooms,
    /// The personal stream alone.
    Personal,
}

impl Namespace {
    fn main() -> Self {
        Self { name: Name::from(MAIN), prefix: Name::from(""), kind: Kind::Main }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn is_main(&self) -> bool {
        self.kind == Kind::Main
    }

    /// Whether nothing is there but the user's personal stream.
    pub(super) fn is_personal(&self) -> bool {
        self.kind == Kind::Personal
    }

    /// What the hub calls the room that a client names. The reserved names mean the same everywhere, and the empty one is
    /// for the hub to refuse.
    pub(super) fn hub_room<'a>(&self, room: &'a str) -> Cow<'a, str> {
        if self.is_main() || room.is_empty() || room.starts_with('@') {
            Cow::Borrowed(room)
        } else {
            Cow::Owned(format!("{}{room}", self.prefix))
        }
    }

    /// What a client calls a room of the hub.
    pub(super) fn client_room(&self, room: Name) -> Name {
        if self.is_main() { room } else { room.strip_prefix(&*self.prefix).map_or(room.clone(), Name::from) }
    }
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Namespaces(Vec<Namespace>);

impl Namespaces {
    pub(crate) fn new(namespaces: &[Configured]) -> Self {
        let others = namespaces.iter().map(|namespace| Namespace {
            name: Name::from(namespace.name()),
            prefix: Name::from(format!("{},", namespace.name())),
            kind: if namespace.is_personal() { Kind::Personal } else { Kind::Rooms },
        });
        Self(std::iter::once(Namespace::main()).chain(others).collect())
    }

    pub(super) fn find(&self, name: &str) -> Option<&Namespace> {
        self.0.iter().find(|namespace| *namespace.name == *name)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_namespace_has_rooms_of_its_own() {
        let namespaces = Namespaces::new(&["/chat".parse().unwrap(), "/inbox=personal".parse().unwrap()]);
        let names = |name: &str, room: &str| {
            let namespace = namespaces.find(name).unwrap();
            let hub = namespace.hub_room(room).into_owned();
            let back = namespace.client_room(Name::from(&*hub));
            (hub, back.to_string())
        };
        let pair = |hub: &str, client: &str| (String::from(hub), String::from(client));
        assert_eq!(names("/", "lobby"), pair("lobby", "lobby"));
        assert_eq!(names("/chat", "lobby"), pair("/chat,lobby", "lobby"));
        assert_eq!(names("/chat", "/chat,lobby"), pair("/chat,/chat,lobby", "/chat,lobby"));
        assert_eq!(names("/chat", "@me"), pair("@me", "@me"));
        assert_eq!(names("/chat", ""), pair("", ""));
        assert!(namespaces.find("/inbox").unwrap().is_personal());
        assert_eq!((namespaces.find("/x"), namespaces.find("")), (None, None));
    }
}
