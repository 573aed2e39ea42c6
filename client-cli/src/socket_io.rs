//! The options of the command line that describe a Socket.IO server.

use crate::args::{AckTextName, ConnectionArgs, Protocol, TransportsName};
use crate::error::Failure;
use rejoin::SocketIo;
use rejoin::socketio::{MAX_NAMESPACES, Namespace};
use serde_json::{Map, Value};

/// The server as it was described, also by a profile; `None` if it speaks another protocol.
pub(crate) fn described(
    arguments: &ConnectionArgs,
    profile_ack_text: Option<AckTextName>,
    profile_transports: Option<TransportsName>,
) -> Result<Option<SocketIo>, Failure> {
    if arguments.protocol != Some(Protocol::SocketIo) {
        let options = [
            ("--namespace", !arguments.namespace.is_empty()),
            ("--auth", arguments.auth.is_some()),
            ("--event-map", !arguments.event_map.is_empty()),
            ("--no-acks", arguments.no_acks),
            ("--ack-text", arguments.ack_text.is_some()),
        ];
        return match options.iter().find(|(_, given)| *given) {
            Some((option, _)) => Err(Failure::usage("protocol", format!("{option} is for Socket.IO only"))
                .hint("add --protocol socketio, or leave it out")),
            None => Ok(None),
        };
    }
    let mut server = SocketIo::default();
    if let Some(namespace) = arguments.namespace.first() {
        server.namespace = named(namespace)?;
    }
    for pair in &arguments.event_map {
        let Some((name, called)) = pair.split_once('=') else {
            return Err(Failure::usage("event_map", format!("\"{pair}\" renames no event"))
                .hint("write it like send_message=chat:send,message=chat:said"));
        };
        server.events.set(name, called).map_err(|error| Failure::usage("event_map", error.to_string()))?;
    }
    server.options.acks = !arguments.no_acks;
    if let Some(text) = arguments.ack_text.or(profile_ack_text) {
        server.ack_text = text.into();
    }
    if let Some(transports) = arguments.transports.or(profile_transports) {
        server.options.transports = transports.of_socket_io().ok_or_else(|| {
            Failure::usage("transports", "server-sent events are read from room servers, not from Socket.IO")
                .hint("use auto, websocket or polling")
        })?;
    }
    if let Some(fields) = auth_fields(arguments)? {
        server = server.auth(&fields).map_err(|error| Failure::usage("auth", error.to_string()))?;
    }
    Ok(Some(server))
}

/// The fields of the `auth` object beside the token. What is wrong with them may hold a secret, and is not repeated.
pub(crate) fn auth_fields(arguments: &ConnectionArgs) -> Result<Option<Map<String, Value>>, Failure> {
    let Some(text) = &arguments.auth else { return Ok(None) };
    serde_json::from_str(text).map(Some).map_err(|_| {
        Failure::usage("auth", "--auth is no JSON object").hint("write it like '{\"username\":\"ada\"}'")
    })
}

fn named(namespace: &str) -> Result<Namespace, Failure> {
    Namespace::new(namespace).map_err(|error| Failure::usage("namespace", error.to_string()))
}

/// The namespaces beside the first.
pub(crate) fn others(arguments: &ConnectionArgs) -> Result<Vec<String>, Failure> {
    let mut others = Vec::new();
    for (at, namespace) in arguments.namespace.iter().enumerate().skip(1) {
        named(namespace)?;
        if arguments.namespace.iter().take(at).any(|before| before == namespace) {
            return Err(Failure::usage("namespace", format!("the namespace {namespace} is named twice"))
                .hint("name it once"));
        }
        others.push(namespace.clone());
    }
    if others.len() > MAX_NAMESPACES {
        let many = format!("{} namespaces are too many", others.len() + 1);
        return Err(Failure::usage("namespace", many)
            .hint(format!("at most {} are open at a time", MAX_NAMESPACES + 1)));
    }
    Ok(others)
}

/// A room of another namespace as people write and read it: `/notifications,lobby`. No namespace has a comma.
pub(crate) fn room_in(namespace: &str, room: &str) -> String {
    format!("{namespace},{room}")
}

/// Whether a room's name looks like that of a room in another namespace.
pub(crate) fn is_room_in(room: &str) -> bool {
    room.starts_with('/') && room.contains(',')
}

/// The rooms of the first namespace may be named as those of others are.
pub(crate) fn own_rooms(namespace: &str, rooms: &mut [String]) {
    for room in rooms {
        if let Some((place, rest)) = room.split_once(',')
            && place == namespace
        {
            *room = rest.to_owned();
        }
    }
}

/// Takes out the rooms that are named as those of one of these namespaces, each with it.
pub(crate) fn rooms_in(namespaces: &[String], rooms: &mut Vec<String>) -> Vec<(String, String)> {
    let mut inside = Vec::new();
    rooms.retain(|room| {
        let found = room.split_once(',').filter(|(place, _)| namespaces.iter().any(|known| known == place));
        inside.extend(found.map(|(namespace, room)| (namespace.to_owned(), room.to_owned())));
        found.is_none()
    });
    inside
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Arguments, Command};
    use clap::Parser as _;
    use rejoin::socketio::{AckText, EventKind, Transports};

    fn given(options: &[&str]) -> Result<Option<SocketIo>, Failure> {
        let words = ["rejoin", "doctor", "http://h/"].iter().chain(options);
        match Arguments::try_parse_from(words).unwrap().command.unwrap() {
            Command::Doctor(arguments) => described(&arguments.connection, None, None),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_server_is_described_by_its_namespace_its_events_and_whether_it_acks() {
        assert_eq!(given(&[]).unwrap(), None);
        assert_eq!(given(&["--protocol=socketio"]).unwrap(), Some(SocketIo::default()));
        let map = "--event-map=send_message=say,message=said=so";
        let server = given(&["--protocol=socketio", "--namespace=/n", map, "--no-acks"]).unwrap().unwrap();
        assert_eq!((server.namespace.as_str(), server.options.acks), ("/n", false));
        assert_eq!(server.events.name(EventKind::SendMessage), "say");
        assert_eq!(server.events.kind("said=so"), Some(EventKind::Message));
        let server = given(&["--protocol=socketio", "--ack-text=error"]).unwrap().unwrap();
        assert_eq!(server.ack_text, AckText::Error);
        assert_eq!(server.options.transports, Transports::Auto);
        let server = given(&["--protocol=socketio", "--transports=polling"]).unwrap().unwrap();
        assert_eq!(server.options.transports, Transports::Polling);
    }

    use super::others as others_of;

    #[test]
    fn more_namespaces_are_others_each_named_once_and_not_too_many() {
        let others = |names: &[String]| {
            let words = ["rejoin", "doctor", "http://h/", "--protocol=socketio"].map(str::to_owned);
            let words = words.into_iter().chain(names.iter().map(|name| format!("--namespace={name}")));
            match Arguments::try_parse_from(words).unwrap().command.unwrap() {
                Command::Doctor(arguments) => others_of(&arguments.connection),
                other => panic!("{other:?}"),
            }
        };
        let names = |count: usize| (0..count).map(|n| format!("/n{n}")).collect::<Vec<_>>();
        assert_eq!(others(&names(3)).unwrap(), ["/n1", "/n2"]);
        assert_eq!(others(&names(MAX_NAMESPACES + 1)).unwrap().len(), MAX_NAMESPACES);
        let many = others(&names(200)).unwrap_err().render();
        assert!(many.contains("200 namespaces are too many") && many.contains("at most 65"), "{many}");
        let twice = others(&["/".into(), "/a".into(), "/a".into()]).unwrap_err().render();
        assert!(twice.contains("/a is named twice"), "{twice}");
        assert!(others(&["/".into(), "a".into()]).unwrap_err().render().contains("/admin"));
    }

    #[test]
    fn a_room_of_another_namespace_is_named_with_it() {
        let mut rooms = ["lobby", "/n,lobby", "/other,x", "a,b", "/n,a,b"].map(str::to_owned).to_vec();
        let inside = rooms_in(&["/n".to_owned()], &mut rooms);
        assert_eq!(inside, [("/n".into(), "lobby".into()), ("/n".into(), "a,b".into())]);
        assert_eq!(rooms, ["lobby", "/other,x", "a,b"]);
        assert_eq!(room_in("/n", "lobby"), "/n,lobby");
        let mut rooms = ["lobby", "/n,lobby", "/other,x", "/n,a,b"].map(str::to_owned);
        own_rooms("/n", &mut rooms);
        assert_eq!(rooms, ["lobby", "lobby", "/other,x", "a,b"]);
        assert!(is_room_in("/n,lobby") && !is_room_in("a,b") && !is_room_in("/n"));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_to_do() {
        for (options, code, word) in [
            (&["--namespace=/n"][..], "protocol", "--protocol socketio"),
            (&["--event-map=a=b"], "protocol", "--protocol socketio"),
            (&["--no-acks", "--protocol=plain"], "protocol", "--protocol socketio"),
            (&["--ack-text=error"], "protocol", "--protocol socketio"),
            (&["--protocol=socketio", "--transports=sse"], "transports", "polling"),
            (&["--protocol=socketio", "--namespace=n"], "namespace", "/admin"),
            (&["--auth={}"], "protocol", "--protocol socketio"),
            (&["--protocol=socketio", "--auth=[1]"], "auth", "username"),
            (&["--protocol=socketio", "--auth={\"s3cret\":"], "auth", "no JSON object"),
            (&["--protocol=socketio", "--event-map=say"], "event_map", "send_message=chat:send"),
            (&["--protocol=socketio", "--event-map=says=x"], "event_map", "join_room"),
            (&["--protocol=socketio", "--event-map=message=connect"], "event_map", "connect"),
        ] {
            let failure = given(options).unwrap_err();
            assert_eq!((failure.exit.code(), failure.code), (2, code), "{options:?}");
            assert!(failure.render().contains(word), "{}", failure.render());
        }
    }
}
