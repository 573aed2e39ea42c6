//! What the command line says of a Socket.IO server.

use crate::args::{AckTextName, ConnectionArgs, Protocol};
use crate::error::Failure;
use rejoin::SocketIo;
use rejoin::socketio::Namespace;

/// The server as it was described, also by a profile; `None` if it speaks another protocol.
pub(crate) fn described(
    arguments: &ConnectionArgs,
    profile_ack_text: Option<AckTextName>,
) -> Result<Option<SocketIo>, Failure> {
    if arguments.protocol != Some(Protocol::SocketIo) {
        let options = [
            ("--namespace", arguments.namespace.is_some()),
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
    if let Some(namespace) = &arguments.namespace {
        server.namespace =
            Namespace::new(namespace).map_err(|error| Failure::usage("namespace", error.to_string()))?;
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
    Ok(Some(server))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Arguments, Command};
    use clap::Parser as _;
    use rejoin::socketio::{AckText, EventKind};

    fn given(options: &[&str]) -> Result<Option<SocketIo>, Failure> {
        let words = ["rejoin", "doctor", "http://h/"].iter().chain(options);
        match Arguments::try_parse_from(words).unwrap().command.unwrap() {
            Command::Doctor(arguments) => described(&arguments.connection, None),
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
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_to_do() {
        for (options, code, word) in [
            (&["--namespace=/n"][..], "protocol", "--protocol socketio"),
            (&["--event-map=a=b"], "protocol", "--protocol socketio"),
            (&["--no-acks", "--protocol=plain"], "protocol", "--protocol socketio"),
            (&["--ack-text=error"], "protocol", "--protocol socketio"),
            (&["--protocol=socketio", "--namespace=n"], "namespace", "/admin"),
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
