//! The sans-IO session driven by hand: one thread, one blocking socket, no runtime.
//!
//! ```text
//! cargo run -p rejoin --example by_hand -- 127.0.0.1:8080 alice lobby "hello there"
//! ```
#![expect(clippy::print_stdout, reason = "a program's own output")]

use rejoin::machine::{ClockReading, Command, ConnId, Disconnect, Input, OutboundMessage, Output, Session};
use rejoin::messages::json::{ServerDecoder, encode_client};
use rejoin::{Config, DialError, DialErrorKind, Event, Name, SendId, State, Timestamp};
use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio_tungstenite::tungstenite::{self, Error, Message, WebSocket};

struct Socket {
    conn: ConnId,
    stream: WebSocket<TcpStream>,
    decoder: ServerDecoder,
}

fn now(start: Instant) -> ClockReading {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    ClockReading::new(Timestamp::new(start.elapsed()), wall)
}

fn dial(address: &str, token: &str) -> Result<WebSocket<TcpStream>, DialError> {
    let failed = |error: &dyn ToString| DialError::new(DialErrorKind::Unreachable, error.to_string());
    let tcp = TcpStream::connect(address).map_err(|error| failed(&error))?;
    let url = format!("ws://{address}/ws?token={token}");
    let (stream, _) = tungstenite::client(url, tcp).map_err(|error| failed(&error))?;
    Ok(stream)
}

/// Reads one frame, waiting no longer than the session allows.
fn read(socket: &mut Socket, wait: Duration) -> Option<Input> {
    let conn = socket.conn;
    // Zero would mean to wait for ever.
    let wait = wait.max(Duration::from_millis(1));
    socket.stream.get_ref().set_read_timeout(Some(wait)).ok()?;
    Some(match socket.stream.read() {
        Ok(Message::Text(text)) => match socket.decoder.decode(&text) {
            Ok(message) => Input::Received(conn, message),
            Err(error) => Input::Malformed(conn, error.to_string().into()),
        },
        Ok(Message::Pong(_)) => Input::Pong(conn),
        Ok(Message::Close(frame)) => {
            let (code, reason) =
                frame.map_or((1005, "".into()), |f| (f.code.into(), f.reason.as_str().into()));
            Input::Closed(conn, Disconnect::Closed { code, reason })
        }
        Ok(_) => Input::Activity(conn),
        Err(Error::Io(error))
            if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
        {
            return None;
        }
        Err(_) => Input::Closed(conn, Disconnect::Lost),
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, token, room, text] = args.as_slice() else {
        return Err("usage: by_hand HOST:PORT TOKEN ROOM TEXT".into());
    };
    let start = Instant::now();
    let mut session: Session = Session::new(Config::default(), 7);
    let mut socket: Option<Socket> = None;
    let mut inputs = vec![
        Input::Command(Command::Connect),
        Input::Command(Command::Join(Name::from(room.as_str()).into())),
        Input::Command(Command::Send(OutboundMessage {
            timeout: Some(Duration::from_secs(30)),
            ..OutboundMessage::new(SendId(1), room.as_str().into(), text.clone())
        })),
    ];
    loop {
        for input in inputs.drain(..) {
            session.handle(now(start), input);
        }
        let mut written = None;
        while let Some(output) = session.poll() {
            match output {
                Output::Dial { conn, .. } => match dial(address, token) {
                    Ok(stream) => {
                        socket = Some(Socket { conn, stream, decoder: ServerDecoder::default() });
                        inputs.push(Input::Opened(conn));
                    }
                    Err(error) => inputs.push(Input::DialFailed(conn, error)),
                },
                Output::Send { conn, frame, message } => {
                    if let Some(socket) = &mut socket
                        && socket.stream.write(Message::text(encode_client(&message))).is_ok()
                    {
                        written = Some((conn, frame));
                    }
                }
                Output::Ping { .. } => {
                    if let Some(socket) = &mut socket {
                        // A failed write shows at the next read.
                        let _ = socket.stream.send(Message::Ping(tungstenite::Bytes::new()));
                    }
                }
                Output::Close { .. } => {
                    if let Some(socket) = &mut socket {
                        let _ = socket.stream.close(None);
                    }
                }
                Output::Abort { .. } => socket = None,
                Output::Event(Event::Message(message)) => println!("{}: {}", message.user, message.content),
                Output::Event(Event::Delivery(delivery)) => {
                    println!("outcome: {:?}", delivery.status);
                    inputs.push(Input::Command(Command::Close));
                }
                Output::Event(Event::State(change)) => {
                    println!("state: {}", change.state.as_str());
                    if matches!(change.state, State::Closed | State::Failed) {
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
        if let (Some((conn, frame)), Some(socket)) = (written, &mut socket)
            && socket.stream.flush().is_ok()
        {
            inputs.push(Input::Flushed(conn, frame));
        }
        if !inputs.is_empty() {
            continue;
        }
        let deadline =
            session.next_deadline().unwrap_or(Timestamp::new(start.elapsed() + Duration::from_secs(1)));
        let wait = deadline.since(now(start).monotonic);
        match &mut socket {
            Some(socket) => inputs.extend(read(socket, wait)),
            // Nothing to read: only time can bring the next dial.
            None => std::thread::sleep(wait),
        }
        if matches!(inputs.last(), Some(Input::Closed(..))) {
            socket = None;
        }
        inputs.push(Input::Tick);
    }
}
