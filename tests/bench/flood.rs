//! The effect of flooders on a bystander: how much later a message comes back while six connections send as fast as the
//! server takes, each kind of frame in turn.
//!
//! The server, the flooders and the bystander are processes of their own. The flooders run only when no other process
//! wants to, so that on few cores what they take of the machine is not in the figures, but what the server does for them
//! is. They come from an address of their own, as strangers do. On a machine that has other things to do,
//! `chrt --rr 1 tests/run bench flood` keeps those out of the figures too.

use super::{Tally, bare, single_thread, thousands};
use futures_util::{SinkExt as _, StreamExt as _};
use rejoin_server::{Config, PerAddress, Server};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

const FLOODERS: usize = 6;

/// Messages of one round, so far apart. Each user of the bystander says one in turn, which is far from any limit.
const COUNT: usize = 500;
const APART: Duration = Duration::from_millis(2);
const USERS: usize = 50;

const ROUNDS: usize = 3;

/// Frames that go out in one write.
const BLOCK: usize = 256;

const KINDS: [&str; 7] = ["messages", "joins", "pings", "pongs", "unknown", "signals", "fragments"];

/// A process of its own, which says a line when it is ready. It ends with this value.
struct Helper {
    child: Child,
    lines: BufReader<ChildStdout>,
    /// The first line.
    said: String,
}

impl Helper {
    fn start(args: &[&str]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(args);
        Self::of(command)
    }

    /// One that runs when no other process wants to.
    fn idle(args: &[&str]) -> Self {
        let mut command = Command::new("chrt");
        command.args(["--idle", "0"]).arg(std::env::current_exe().unwrap()).args(args);
        Self::of(command)
    }

    fn of(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut helper = Self { child, lines, said: String::new() };
        helper.said = helper.line();
        helper
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        String::from(line.trim())
    }

    /// What it says when its input ends.
    fn ended(mut self) -> String {
        drop(self.child.stdin.take());
        self.line()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server's process: `public` has the limits of an address that others can reach, `open` those of loopback.
pub(crate) fn serve(limits: &str) {
    rejoin_server::cli::runtime().unwrap().block_on(async {
        let mut config = Config::default();
        if limits == "public" {
            config.hub.rate = Some(100.0);
            config.limits.per_address = PerAddress::public();
        }
        let server = Server::bind(config).await.unwrap();
        println!("{}", server.url().trim_start_matches("ws://").trim_end_matches("/ws"));
        server.run(std::future::pending()).await;
    });
}

/// The flooders' process.
pub(crate) fn flood(kind: &str, address: &str) {
    let address: SocketAddr = address.parse().unwrap();
    single_thread().block_on(async {
        let mut flooders = tokio::task::JoinSet::new();
        for flooder in 0..FLOODERS {
            let kind = String::from(kind);
            flooders.spawn(async move {
                loop {
                    // Refused or closed: it comes again.
                    let _ = rush(&kind, flooder, address).await;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
        }
        println!("flooding");
        let start = Instant::now();
        // Until the parent wants to know.
        let asked = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        asked.await.unwrap().unwrap();
        let taken = TAKEN.load(Ordering::Relaxed) as f64;
        println!("{}", taken / start.elapsed().as_secs_f64());
    });
}

/// What the server, or its sockets, have taken.
static TAKEN: AtomicU64 = AtomicU64::new(0);

/// Sends as fast as the server takes until the server ends it.
async fn rush(kind: &str, flooder: usize, address: SocketAddr) -> Result<(), Box<dyn std::error::Error>> {
    let socket = TcpSocket::new_v4()?;
    socket.bind("127.0.0.2:0".parse()?)?;
    let tcp = socket.connect(address).await?;
    let url = format!("ws://{address}/ws?token=flooder-{flooder}&ext=1");
    let (mut socket, _) = tokio_tungstenite::client_async(url, tcp).await?;
    socket.send(Message::text(r#"{"type":"join_room","roomId":"flood","ref":"j"}"#)).await?;
    let (mut from, mut to) = socket.into_inner().into_split();
    let reading = tokio::spawn(async move {
        let mut buffer = vec![0; 64 << 10];
        while from.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
    });
    let mut made = 0;
    let mut block = Vec::new();
    while !reading.is_finished() {
        block.clear();
        for _ in 0..BLOCK {
            made += 1;
            frames(kind, made, &mut block);
        }
        if to.write_all(&block).await.is_err() {
            break;
        }
        TAKEN.fetch_add(BLOCK as u64, Ordering::Relaxed);
    }
    Ok(())
}

/// The frames of one thing that a flooder does.
fn frames(kind: &str, number: usize, into: &mut Vec<u8>) {
    let mut text = |text: &str| frame(0x81, text, into);
    match kind {
        "messages" => text(&bare::outgoing_to("flood")),
        // Each time a new one, so that the table of rooms has to make place.
        "joins" => {
            text(&format!(r#"{{"type":"join_room","roomId":"{number}","ref":"j"}}"#));
            text(&format!(r#"{{"type":"leave_room","roomId":"{number}","ref":"l"}}"#));
        }
        "unknown" => text(r#"{"type":"unheard_of","roomId":"flood","data":{"more":[1,2,3]}}"#),
        "signals" => text(r#"{"type":"signal","roomId":"flood","kind":"typing"}"#),
        "pings" => frame(0x89, "", into),
        "pongs" => frame(0x8a, "", into),
        "fragments" if number % BLOCK == 1 => frame(0x01, r#"{"type":"unheard_of"}"#, into),
        "fragments" if number.is_multiple_of(BLOCK) => frame(0x80, "", into),
        "fragments" => frame(0x00, "", into),
        _ => panic!("no flooder sends {kind}"),
    }
}

/// A short frame under a mask of zeros, which leaves the bytes as they are.
fn frame(first: u8, payload: &str, into: &mut Vec<u8>) {
    into.push(first);
    if let Ok(length @ 0..=125) = u8::try_from(payload.len()) {
        into.push(0x80 | length);
    } else {
        into.push(0xfe);
        into.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    }
    into.extend([0; 4]);
    into.extend(payload.as_bytes());
}

type Socket = WebSocketStream<TcpStream>;

/// Users who talk to themselves, each in a room of its own.
async fn bystanders(address: SocketAddr) -> Vec<Socket> {
    let mut sockets = Vec::new();
    for user in 0..USERS {
        let tcp = TcpStream::connect(address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let url = format!("ws://{address}/ws?token=user-{user}");
        let (mut socket, _) = tokio_tungstenite::client_async(url, tcp).await.unwrap();
        let join = format!(r#"{{"type":"join_room","roomId":"own-{user}"}}"#);
        socket.send(Message::text(join)).await.unwrap();
        sockets.push(socket);
    }
    sockets
}

/// Milliseconds that each message took to come back.
async fn measure(sockets: &mut [Socket], into: &mut Vec<f64>) {
    let mut ticks = tokio::time::interval(APART);
    for number in 0..COUNT {
        ticks.tick().await;
        let user = number % USERS;
        let start = Instant::now();
        sockets[user].send(Message::text(bare::outgoing_to(&format!("own-{user}")))).await.unwrap();
        while !sockets[user].next().await.unwrap().unwrap().is_text() {}
        into.push(start.elapsed().as_secs_f64() * 1e3);
    }
}

pub(crate) fn run() {
    println!(
        "message of a bystander, ms: alone, beside {FLOODERS} flooders, difference (floor: 3 ms at p99)"
    );
    for (limits, which) in [("public", "limits of a public address"), ("open", "limits of loopback")] {
        for kind in KINDS {
            let server = Helper::start(&["serve", limits]);
            let address: SocketAddr = server.said.parse().unwrap();
            let (mut alone, mut beside, mut taken) = (Vec::new(), Vec::new(), 0.0_f64);
            single_thread().block_on(async {
                let mut sockets = bystanders(address).await;
                for _ in 0..ROUNDS {
                    measure(&mut sockets, &mut alone).await;
                    let flooders = Helper::idle(&["flood", kind, &server.said]);
                    measure(&mut sockets, &mut beside).await;
                    taken += flooders.ended().parse::<f64>().unwrap() / ROUNDS as f64;
                }
            });
            println!("{kind}, {which}: {} taken", thousands(taken));
            let (alone, beside) = (Tally::of(alone), Tally::of(beside));
            for (percentile, alone, beside) in
                [("p50", alone.p50, beside.p50), ("p99", alone.p99, beside.p99)]
            {
                println!(
                    "{:<58}{alone:>12.2}{beside:>12.2}{:>9.2}",
                    format!("    {percentile}"),
                    beside - alone,
                );
            }
        }
    }
}
