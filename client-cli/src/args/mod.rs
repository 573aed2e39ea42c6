//! The command line, as clap parses it. Resolves nothing.

mod screen;
mod token_values;

use crate::folders;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use rejoin::EventStreams;
pub(crate) use screen::ScreenArgs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use token_values::{RoomRights, parse_room, parse_time};

const AFTER_HELP: &str = "\
Without a command, `rejoin` is `rejoin chat`. Without a URL, chat starts a server of its own.

Exit status: 0 done, 1 a message was not delivered for certain (pipe: or a room was
refused for good), 2 wrong usage,
3 the server ended it for good (a refused token, for instance), 130 interrupted.

Environment: REJOIN_URL, REJOIN_TOKEN and REJOIN_TOKEN_IN stand in for the URL, --token and --token-in;
https_proxy, http_proxy, all_proxy and no_proxy name an HTTP proxy.

Profiles: [profiles.NAME] in the file below sets url, token_file or token_command,
token_in, headers, subprotocols, rooms, state, protocol, namespace, auth,
event_map, connect_timeout, ca, cert, key, policy and transports. Without --profile the
one named default is used. The command line wins over the environment, and that
over a profile, whose token and rooms go to the profile's own URL only.
[chat] in that file sets how a chat looks: notify (none, bell, osc9, osc777), title
and history (true or false), colours (own = NUMBER, names = [NUMBER, ...]).";

/// [`AFTER_HELP`] and where this account's configuration file is.
fn after_help() -> String {
    match folders::config_file() {
        Some(path) => format!("{AFTER_HELP}\n\nConfiguration file: {}", path.display()),
        None => AFTER_HELP.to_owned(),
    }
}

/// Chat that survives the network.
#[derive(Debug, Parser)]
#[command(name = "rejoin", version, about, after_help = after_help(), args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) chat: ChatArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Talk in rooms (the default command).
    Chat(ChatArgs),
    /// Talk in JSON lines: commands on stdin, events on stdout.
    Pipe(PipeArgs),
    /// Send one message, or stdin line by line, and wait until it is delivered.
    Send(SendArgs),
    /// Follow rooms, read only.
    Tail(TailArgs),
    /// Run the bundled server.
    Serve(Box<ServeCommand>),
    /// Print a JSON Web Token for trying, for a server with --auth jwt=FILE.
    Token(TokenArgs),
    /// Try each step of connecting and say what is wrong and what to do.
    Doctor(DoctorArgs),
    /// Hold a server against the specification of the protocol, statement by statement.
    Conformance(ConformanceArgs),
    /// Show a recording made with --record, and check that this version does the same.
    Replay(ReplayArgs),
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: Shell,
        #[command(flatten)]
        log: LogArgs,
    },
    /// Print the manual page.
    Man {
        #[command(flatten)]
        log: LogArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ChatArgs {
    /// The server, ws:// or wss:// (http:// or https:// with --protocol socketio), or the name of a profile that has one. Without one a server is started inside this process.
    pub(crate) url: Option<String>,
    /// A room to join; may be repeated. `lobby` if none is given.
    #[arg(short, long = "room", value_name = "ROOM")]
    pub(crate) rooms: Vec<String>,
    /// Where the bundled server listens, HOST:PORT or a PORT of this machine; a free port on 127.0.0.1 if not given.
    #[arg(long, value_name = "ADDR", conflicts_with = "url", value_parser = rejoin_server::cli::parse_address)]
    pub(crate) listen: Option<SocketAddr>,
    /// Also open the chat's page in the browser; for a chat on its own server.
    #[arg(long, conflicts_with = "url")]
    pub(crate) open: bool,
    #[command(flatten)]
    pub(crate) screen: ScreenArgs,
    #[command(flatten)]
    pub(crate) display: DisplayArgs,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    #[command(flatten)]
    pub(crate) record: RecordArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PipeArgs {
    /// The server, ws:// or wss:// (http:// or https:// with --protocol socketio). `REJOIN_URL` or a profile can name it too.
    pub(crate) url: Option<String>,
    /// A room to join from the start; may be repeated.
    #[arg(short, long = "room", value_name = "ROOM")]
    pub(crate) rooms: Vec<String>,
    /// At the end of input, give up on unresolved sends after this many seconds without progress.
    #[arg(long, value_name = "SECS", default_value_t = 30)]
    pub(crate) drain_timeout: u32,
    /// At the end of input, go on receiving for this many seconds.
    #[arg(long, value_name = "SECS", default_value_t = 0)]
    pub(crate) linger: u32,
    /// Print what the server sends beside the protocol, as lines of type `frame`: `{"type":"frame","name":…,"data":…}`, bytes as `{"base64":…}`. A line `{"type":"frame","data":{…}}` sends one, with `ref` for its outcome, or `"volatile":true`. With `"keep":KEY` each connection begins with it, until `{"type":"drop_kept","keep":KEY}`. With Socket.IO these are events: `{"type":"frame","namespace":…,"name":…,"args":[…]}`, both ways; `"ack":true` waits for the answer, which the `delivery` line has; `"idempotent":KEY` (1-128 characters, with `"ack":true`) gives the event that key as its last argument, and sends it again after a lost connection. With `--state` another run sends what was never sent; of the rest it says `unknown`, and the same line with the same key may be given again.
    #[arg(long)]
    pub(crate) frames: bool,
    /// With --frames and Socket.IO: events that want an answer have the number `ack`, and wait for a line `{"type":"answer","ack":…,"args":[…]}`; without this option they get an empty answer at once.
    #[arg(long)]
    pub(crate) manual_acks: bool,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    #[command(flatten)]
    pub(crate) record: RecordArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// The server, ws:// or wss:// (http:// or https:// with --protocol socketio). `REJOIN_URL` or a profile can name it too.
    pub(crate) url: Option<String>,
    /// The room to send to.
    #[arg(short, long, value_name = "ROOM")]
    pub(crate) room: Option<String>,
    /// What to say; stdin, one message a line, if not given or `-`. An empty text is refused, and an empty line is left out. Up to 1,024
    /// lines, or 1 MiB of them, wait at a time.
    #[arg(value_name = "TEXT")]
    pub(crate) text: Option<String>,
    /// How long each message may wait for its delivery, in seconds, from when it was read.
    #[arg(long, value_name = "SECS", default_value_t = 30)]
    pub(crate) timeout: u32,
    /// Print what became of each message as a JSON line, as `pipe` does, with the number of its line of stdin.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    #[command(flatten)]
    pub(crate) record: RecordArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    /// The server: ws:// or wss://; http:// or https:// with --sse and with --protocol socketio. `REJOIN_URL` or a
    /// profile can name it too.
    pub(crate) url: Option<String>,
    /// A room to follow; may be repeated.
    #[arg(short, long = "room", value_name = "ROOM")]
    pub(crate) rooms: Vec<String>,
    /// Print JSON lines as `pipe` does.
    #[arg(long)]
    pub(crate) json: bool,
    /// Read by server-sent events, over http:// or https:// and without being a member of the rooms. Without a room the URL is
    /// read as it is, for a stream of another server.
    #[arg(long, conflicts_with = "record")]
    pub(crate) sse: bool,
    /// Begin with the last so many messages of each room, where the server keeps them; over a WebSocket at most as many as it
    /// replays at once (ours 200).
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) history: Option<u64>,
    #[command(flatten)]
    pub(crate) display: DisplayArgs,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    #[command(flatten)]
    pub(crate) record: RecordArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The server: ws:// or wss://, or the http:// or https:// address that `tail --sse` reads from.
    pub(crate) url: Option<String>,
    /// Of an http:// or https:// address: the room whose stream is tried. Without it the address itself, and where that is no
    /// stream the room lobby.
    #[arg(short, long, value_name = "ROOM")]
    pub(crate) room: Option<String>,
    /// Also hold a connection for so many seconds without sending anything, and say whether something on the way cuts it;
    /// as long again if it is cut.
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(crate) idle: Option<u32>,
    /// Print a JSON line for each finding: step, result (`ok`, `failed`, `not_tried`, `warning`), detail, and hint (what to do, or null).
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

/// For those who write a server: it needs no client, and no profile.
#[derive(Debug, Args)]
pub(crate) struct ConformanceArgs {
    /// The server, ws:// or wss://, without a token. Its rooms are used, under names that no one else has.
    pub(crate) url: String,
    /// The token of a user; give it twice, for two users. `alice` and `bob` if not given, for servers where any token is a
    /// user. Other users of this machine can see it here.
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Vec<String>,
    #[command(flatten)]
    pub(crate) request: RequestArgs,
    /// How long an answer may take, in seconds.
    #[arg(long, value_name = "SECS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub(crate) timeout: u32,
    /// Print a JSON line for each check: section, check, result (`ok`, `failed`, `not_tried`, `warning`), detail.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// What is shown to people, and how.
#[derive(Debug, Args)]
pub(crate) struct DisplayArgs {
    /// Show times in UTC; otherwise they are local (TZ, or the system's zone).
    #[arg(long)]
    pub(crate) utc: bool,
    /// Show what the server has for this user alone; --notifications=false for not. `chat` does without being told to.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) notifications: Option<bool>,
}

/// What is kept across runs.
#[derive(Debug, Args)]
pub(crate) struct StateArgs {
    /// Keep unresolved messages and what has been read in this file: another run with it goes on there. One file for
    /// each server, and for one process at a time.
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
}

/// What is recorded.
#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// Record what happens to the connection in this file, which must not exist yet: `rejoin replay FILE` shows it again. No
    /// token and no content of messages is in it, but names of rooms and users are. Not for Socket.IO and --sse.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// With --record: the content of messages too.
    #[arg(long, requires = "record")]
    pub(crate) record_content: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The recording.
    pub(crate) file: PathBuf,
    /// Print the summary only.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// What every command that connects understands.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConnectionArgs {
    /// A named profile of the configuration file; `default` if there is one.
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// The access token. Other users of this machine can see it here; they cannot in --token-file.
    #[arg(long, value_name = "TOKEN", group = "token_from")]
    pub(crate) token: Option<String>,
    /// A file whose first line is the token; read again for every refresh.
    #[arg(long, value_name = "FILE", group = "token_from")]
    pub(crate) token_file: Option<PathBuf>,
    /// A command whose first line of output is the token; run again for every refresh.
    #[arg(long, value_name = "CMD", group = "token_from")]
    pub(crate) token_command: Option<String>,
    #[command(flatten)]
    pub(crate) request: RequestArgs,
    /// The rule for reconnecting.
    #[arg(long, value_enum, value_name = "POLICY")]
    pub(crate) policy: Option<PolicyName>,
    /// The protocol to speak; `auto` if not given.
    #[arg(long, value_enum, value_name = "PROTOCOL")]
    pub(crate) protocol: Option<Protocol>,
    /// Socket.IO: the namespace; `/` if not given. `chat`, `pipe` and `tail` take it several times: the others are open over
    /// the connection of the first, and are told the same token. A room in one of them is `-r /NS,ROOM`, in a chat too
    /// (`/join /NS,ROOM`); `send` is in the namespace of its room, and `doctor` tries each. Lines of JSON have
    /// `"namespace"`, and so have lines of input for them.
    #[arg(long, value_name = "/NS")]
    pub(crate) namespace: Vec<String>,
    /// Socket.IO: fields of the `auth` object beside the token, as a JSON object: `{"username":"ada"}`. All namespaces are
    /// told them.
    #[arg(long, value_name = "JSON")]
    pub(crate) auth: Option<String>,
    /// Socket.IO: what the server calls an event of ours, `send_message=chat:send,message=chat:said`; any event of its
    /// own as `notification=NAME`.
    #[arg(long, value_name = "NAME=EVENT", value_delimiter = ',')]
    pub(crate) event_map: Vec<String>,
    /// Socket.IO: ask for no acks, for a server whose handlers never call them. Messages are then written, not
    /// acknowledged.
    #[arg(long)]
    pub(crate) no_acks: bool,
    /// Socket.IO: what an ack means that is nothing but a text, such as callback("Username is taken").
    #[arg(long, value_enum, value_name = "MEANING")]
    pub(crate) ack_text: Option<AckTextName>,
    /// The transports to use; `auto` if not given.
    #[arg(long, value_enum, value_name = "TRANSPORTS")]
    pub(crate) transports: Option<TransportsName>,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// What each request to a server carries, and what is trusted.
#[derive(Debug, Clone, Args)]
pub(crate) struct RequestArgs {
    /// Where the token goes. A token in the URL stays there, any other goes into the Authorization header.
    #[arg(long, value_enum, value_name = "PLACE")]
    pub(crate) token_in: Option<TokenIn>,
    /// A header for every request to the server, such as 'Cookie: session=1'; may be repeated.
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
    /// A WebSocket subprotocol to offer; may be repeated, the most wanted first.
    #[arg(long = "subprotocol", value_name = "NAME")]
    pub(crate) subprotocols: Vec<String>,
    /// Give up an attempt to connect after this many seconds; 10 if not given.
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(crate) connect_timeout: Option<u32>,
    /// A certificate authority (PEM) to trust beside the system's, or the server's own certificate.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// The client certificate (PEM, with its chain) for a server that asks for one.
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,
    /// The key of --cert (PEM, without a passphrase), if it is not in the same file.
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ServeCommand {
    #[command(flatten)]
    pub(crate) serve: rejoin_server::cli::ServeArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// The private key that signs (PEM: RSA, P-256 or Ed25519), or a file with a secret of at least 32 bytes on a line. The server needs the public key, or the same secret.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// Whose token it is (claim sub).
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) user: String,
    /// What it allows (claim rooms), as PATTERN=ACTION,…; may be repeated. A pattern may have one *; actions are join, send, history, presence and signal, and all of them without =. Without this option everything is allowed.
    #[arg(long = "room", value_name = "PATTERN[=ACTIONS]", value_parser = parse_room)]
    pub(crate) rooms: Vec<RoomRights>,
    /// How long it is good for, like 30s, 15m, 1h or 7d.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_time)]
    pub(crate) expires: Duration,
    /// Take a key for this algorithm, if the file has several.
    #[arg(long, value_name = "ALG")]
    pub(crate) alg: Option<AlgorithmName>,
    /// The key's name (header kid), by which the server finds it.
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) kid: Option<String>,
    /// Who issues it (claim iss).
    #[arg(long, value_name = "ISS", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) issuer: Option<String>,
    /// Whom it is for (claim aud).
    #[arg(long, value_name = "AUD", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) audience: Option<String>,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AlgorithmName {
    /// A secret.
    #[value(name = "HS256")]
    Hs256,
    /// RSA.
    #[value(name = "RS256")]
    Rs256,
    /// The curve P-256.
    #[value(name = "ES256")]
    Es256,
    /// Ed25519.
    #[value(name = "EdDSA")]
    EdDsa,
}

impl AlgorithmName {
    /// As tokens have it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// What goes to stderr.
#[derive(Debug, Clone, Args)]
pub(crate) struct LogArgs {
    /// Log more; twice or three times for still more.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// The form of the log.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub(crate) log: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PolicyName {
    /// Jittered, without a limit of attempts.
    Default,
    /// 1, 2, 4 … 30 s, at most 10 attempts.
    Legacy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TokenIn {
    /// In an `Authorization: Bearer` header.
    Header,
    /// As `?token=` in the URL.
    Query,
    /// In the first message on each connection: {"type":"auth","token":"…"}.
    Message,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AckTextName {
    /// The message was taken (the default); the text is shown.
    Ok,
    /// The message was refused, in these words; but for the empty text and words such as "ok".
    Error,
}

impl From<AckTextName> for rejoin::socketio::AckText {
    fn from(name: AckTextName) -> Self {
        match name {
            AckTextName::Ok => Self::Ok,
            AckTextName::Error => Self::Error,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TransportsName {
    /// WebSocket; where three attempts in a row may have been blocked, Socket.IO's long polling or, to read only, a room
    /// server's server-sent events, until a WebSocket opens.
    Auto,
    /// WebSocket alone.
    #[value(name = "websocket")]
    WebSocket,
    /// Socket.IO: long polling alone.
    Polling,
    /// Room servers: server-sent events alone, which is reading without sending.
    Sse,
}

impl TransportsName {
    /// What Socket.IO has of that name; `None` where it has nothing.
    pub(crate) fn of_socket_io(self) -> Option<rejoin::socketio::Transports> {
        use rejoin::socketio::Transports;
        match self {
            Self::Auto => Some(Transports::Auto),
            Self::WebSocket => Some(Transports::WebSocket),
            Self::Polling => Some(Transports::Polling),
            Self::Sse => None,
        }
    }

    /// What a room server has of that name.
    pub(crate) fn of_room_server(self) -> Option<EventStreams> {
        match self {
            Self::Auto => Some(EventStreams::Auto),
            Self::WebSocket => Some(EventStreams::Never),
            Self::Polling => None,
            Self::Sse => Some(EventStreams::Only),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    /// The extended protocol if the server speaks it, else the plain one.
    #[default]
    Auto,
    /// The plain one, whatever the server speaks.
    Plain,
    /// Socket.IO, on a server at an http:// or https:// address.
    #[value(name = "socketio")]
    SocketIo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// A line of text.
    Text,
    /// A JSON object a line.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn without_a_command_it_is_a_chat() {
        let arguments = Arguments::try_parse_from(["rejoin", "-r", "a", "--listen", "127.0.0.1:0"]).unwrap();
        assert!(arguments.command.is_none());
        assert_eq!(arguments.chat.rooms, ["a"]);
        let arguments = Arguments::try_parse_from(["rejoin", "ws://h/"]).unwrap();
        assert_eq!(arguments.chat.url.as_deref(), Some("ws://h/"));
    }

    #[test]
    fn only_tail_reads_a_stream_of_events() {
        assert!(Arguments::try_parse_from(["rejoin", "pipe", "ws://h/", "--sse"]).is_err());
        assert!(Arguments::try_parse_from(["rejoin", "tail", "http://h/", "--sse"]).is_ok());
    }

    #[test]
    fn every_command_that_connects_takes_the_options_of_socket_io() {
        for command in ["chat", "pipe", "send", "tail", "doctor"] {
            let options = [
                "--protocol=socketio",
                "--namespace=/n",
                "--event-map=a=b,c=d",
                "--no-acks",
                "--transports=websocket",
            ];
            let words = ["rejoin", command, "http://h/"].into_iter().chain(options);
            let connection = match Arguments::try_parse_from(words).unwrap().command.unwrap() {
                Command::Chat(arguments) => arguments.connection,
                Command::Pipe(arguments) => arguments.connection,
                Command::Send(arguments) => arguments.connection,
                Command::Tail(arguments) => arguments.connection,
                Command::Doctor(arguments) => arguments.connection,
                other => panic!("{other:?}"),
            };
            assert_eq!(connection.protocol, Some(Protocol::SocketIo));
            assert_eq!(connection.namespace, ["/n"]);
            assert_eq!(connection.event_map, ["a=b", "c=d"]);
            assert!(connection.no_acks);
            assert_eq!(connection.transports, Some(TransportsName::WebSocket));
        }
    }

    #[test]
    fn every_command_that_connects_takes_the_options_of_requests() {
        for command in ["chat", "pipe", "send", "tail", "doctor"] {
            let options = ["--token-in=query", "--header=A: b", "--subprotocol=x", "--connect-timeout=20"];
            let words = ["rejoin", command, "ws://h/", "--cert=c", "--key=k"].into_iter().chain(options);
            assert!(Arguments::try_parse_from(words).is_ok(), "{command}");
        }
        for wrong in [&["--key=k"][..], &["--token-in=body"], &["--connect-timeout=0"]] {
            let words = ["rejoin", "pipe", "ws://h/"].into_iter().chain(wrong.iter().copied());
            assert!(Arguments::try_parse_from(words).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn only_one_source_of_tokens_is_accepted() {
        let both = ["rejoin", "pipe", "ws://h/", "--token", "a", "--token-file", "b"];
        assert!(Arguments::try_parse_from(both).is_err());
    }
}
