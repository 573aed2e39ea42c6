//! The cost of the extended protocol's promises: acknowledged sends per second, CPU for each message beside the plain
//! mode's, and the way back into many rooms.

use super::peer::{self, GO};
use super::send::flush_each;
use super::{
    ROUNDS, bare, child_figures, cpu, line, median, multi_thread, per_second, single_thread, thousands,
};
use futures_util::{SinkExt as _, StreamExt as _};
use rejoin::{Client, Event, Mode, Receipt, SendFuture, State};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;
use tokio_tungstenite::tungstenite::Message;

const COUNT: usize = 500_000;
/// What the protocol lets be unanswered.
const IN_FLIGHT: usize = 64;
/// Sends whose outcome the application awaits at any time.
const AWAITED: usize = 2048;
/// Messages of the comparison with the plain mode.
const COMPARED: usize = 400_000;
const ROOMS: usize = 256;

async fn send(client: &Client, count: usize) {
    let mut sending: VecDeque<SendFuture> = VecDeque::with_capacity(AWAITED);
    for _ in 0..count {
        if sending.len() == AWAITED
            && let Some(oldest) = sending.pop_front()
        {
            oldest.await.unwrap();
        }
        sending.push_back(client.send("benchmark-room", bare::CONTENT));
    }
    for sending in sending {
        sending.await.unwrap();
    }
}

fn acked(address: SocketAddr, count: usize) -> f64 {
    multi_thread().block_on(async move {
        tokio::spawn(async move {
            let url = format!("ws://{address}/ws");
            let builder = Client::builder(url).token("user-0001").room("benchmark-room");
            let (client, events) = builder.connect().unwrap();
            assert_eq!(client.ready().await.unwrap(), Mode::Extended);
            // Only the outcomes are of interest.
            drop(events);
            assert!(matches!(client.send("benchmark-room", "first").await, Ok(Receipt::Acked { .. })));
            let start = Instant::now();
            send(&client, count).await;
            let rate = per_second(count, start.elapsed());
            client.close().await;
            rate
        })
        .await
        .unwrap()
    })
}

/// What an answer looks like to a loop that wants nothing else of it.
#[derive(serde::Deserialize)]
struct Answer<'a> {
    r#type: &'a str,
    r#ref: Option<&'a str>,
}

/// The least that acknowledged sends can cost: a bare loop that writes the same frames, keeps 64 unanswered and reads
/// the answers. Sends per second and CPU seconds for each.
fn bare_acked(address: SocketAddr, count: usize) -> (f64, f64) {
    multi_thread().block_on(async move {
        tokio::spawn(async move {
            let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
            tcp.set_nodelay(true).unwrap();
            let url = format!("ws://{address}/ws?ext=1");
            let (mut socket, _) = tokio_tungstenite::client_async(url, tcp).await.unwrap();
            let (start, before) = (Instant::now(), cpu());
            let (mut sent, mut answered) = (0, 0);
            while answered < count {
                while sent < count && sent - answered < IN_FLIGHT {
                    sent += 1;
                    let frame = format!(
                        r#"{{"type":"send_message","ref":"s{sent}-1","roomId":"benchmark-room","content":"{}","epoch":"e1","pid":"0123456789abcdef","pseq":{sent}}}"#,
                        bare::CONTENT
                    );
                    socket.feed(Message::text(frame)).await.unwrap();
                }
                socket.flush().await.unwrap();
                let Some(messages) = (&mut socket).ready_chunks(IN_FLIGHT).next().await else { break };
                for message in messages {
                    let message = message.unwrap();
                    let answer: Answer<'_> = serde_json::from_str(message.to_text().unwrap()).unwrap();
                    answered += usize::from(answer.r#type == "ack" && answer.r#ref.is_some());
                }
            }
            (per_second(count, start.elapsed()), (cpu() - before) * 1e6 / count as f64)
        })
        .await
        .unwrap()
    })
}

/// What a program without this library would read the extended protocol's messages into.
#[derive(serde::Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[expect(dead_code, reason = "read for their cost")]
enum Numbered {
    Hello {},
    Message {
        room_id: String,
        user_id: String,
        content: String,
        timestamp: String,
        id: String,
        epoch: String,
        seq: u64,
    },
}

/// CPU microseconds of a bare loop for each message that it reads as a `T`.
fn bare_received<T: serde::de::DeserializeOwned>(address: SocketAddr, query: &str, count: usize) -> f64 {
    let url = format!("ws://{address}/ws{query}");
    multi_thread().block_on(async move {
        tokio::spawn(async move {
            let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
            tcp.set_nodelay(true).unwrap();
            let (mut socket, _) = tokio_tungstenite::client_async(url, tcp).await.unwrap();
            let go = format!(r#"{{"type":"send_message","roomId":"{}","content":"{GO}"}}"#, bare::ROOM);
            let before = cpu();
            socket.send(Message::text(go)).await.unwrap();
            for _ in 0..count {
                let message = socket.next().await.unwrap().unwrap();
                std::hint::black_box(serde_json::from_str::<T>(message.to_text().unwrap()).unwrap());
            }
            (cpu() - before) * 1e6 / count as f64
        })
        .await
        .unwrap()
    })
}

/// The real server, on a thread of its own.
fn real_server() -> SocketAddr {
    let (address, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        single_thread().block_on(async move {
            let server = rejoin_server::Server::bind(rejoin_server::Config::default()).await.unwrap();
            let url = server.url();
            let host = url.trim_start_matches("ws://").trim_end_matches("/ws");
            address.send(host.parse().unwrap()).unwrap();
            server.run(std::future::pending()).await;
        });
    });
    wait.recv().unwrap()
}

/// The measured process: prints CPU microseconds for each message sent, and for each received.
pub(crate) fn child(role: &str, count: usize, address: &str) {
    match role {
        "cost-bare" => {
            let (rate, sent) = bare_acked(address.parse().expect("an address"), count);
            return println!("{sent} {rate}");
        }
        "cost-bare-received" => {
            let address = address.parse().expect("an address");
            let plain = bare_received::<bare::Tagged>(address, "", count);
            let extended = bare_received::<Numbered>(address, "?ext=1", count);
            return println!("{plain} {extended}");
        }
        _ => {}
    }
    let extended = role == "cost-extended";
    let address = address.to_owned();
    // On the runtime's own threads, as applications are, and as the bare loop is.
    let measured = async move {
        let builder = Client::builder(format!("ws://{address}/ws")).extended(extended);
        let (client, mut events) = builder.room("benchmark-room").connect().unwrap();
        client.ready().await.unwrap();
        let start = cpu();
        send(&client, count).await;
        let sent = cpu() - start;
        let start = cpu();
        let go = client.send("benchmark-room", GO);
        let mut seen = 0;
        while seen < count {
            for event in events.next_batch().await {
                match event {
                    Event::Message(_) => seen += 1,
                    Event::Gap(gap) => panic!("{gap:?}"),
                    Event::Lagged { skipped } => panic!("{skipped} were lost"),
                    _ => {}
                }
            }
        }
        let received = cpu() - start;
        drop(go);
        (sent, received)
    };
    let (sent, received) = multi_thread().block_on(async { tokio::spawn(measured).await.unwrap() });
    let micros = |seconds: f64| seconds * 1e6 / count as f64;
    println!("{} {}", micros(sent), micros(received));
}

/// Milliseconds that a bare loop takes to have its joins answered.
fn bare_joins(address: SocketAddr, round: usize) -> f64 {
    multi_thread().block_on(async move {
        tokio::spawn(async move {
            let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
            tcp.set_nodelay(true).unwrap();
            let url = format!("ws://{address}/ws?ext=1&token=bare-{round}");
            let (mut socket, _) = tokio_tungstenite::client_async(url, tcp).await.unwrap();
            let start = Instant::now();
            for room in 0..ROOMS {
                let join = format!(
                    r#"{{"type":"join_room","ref":"j{room}","roomId":"bare-{round}-{room}","history":1}}"#
                );
                socket.feed(Message::text(join)).await.unwrap();
            }
            socket.flush().await.unwrap();
            let mut joined = 0;
            while joined < ROOMS {
                let message = socket.next().await.unwrap().unwrap();
                joined += usize::from(message.to_text().unwrap().contains(r#""type":"joined""#));
            }
            start.elapsed().as_secs_f64() * 1e3
        })
        .await
        .unwrap()
    })
}

/// Milliseconds from an open connection to having every room again, each with its position.
fn rejoin_rooms(address: SocketAddr, round: usize) -> f64 {
    multi_thread().block_on(async move {
        tokio::spawn(async move {
            let mut builder = Client::builder(format!("ws://{address}/ws")).token(format!("user-{round}"));
            let rooms: Vec<String> = (0..ROOMS).map(|room| format!("room-{round}-{room}")).collect();
            for room in &rooms {
                builder = builder.room(room);
            }
            let (client, mut events) = builder.connect().unwrap();
            client.ready().await.unwrap();
            for room in &rooms {
                client.send(room, bare::CONTENT).await.unwrap();
            }
            client.reconnect();
            let mut since = None;
            let mut recovered = 0;
            loop {
                match events.next().await.unwrap() {
                    Event::State(change) if change.state == State::Connected => since = Some(Instant::now()),
                    Event::Joined(joined) => recovered += usize::from(joined.recovered),
                    // The first one is of the first connection.
                    Event::Ready(_) if recovered == ROOMS => break,
                    _ => {}
                }
            }
            let millis = since.unwrap().elapsed().as_secs_f64() * 1e3;
            client.close().await;
            millis
        })
        .await
        .unwrap()
    })
}

pub(crate) fn run() {
    let cheap = peer::serve(COMPARED);
    let real = real_server();
    let (mut bare, mut ours, mut with_server) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(flush_each());
        ours.push(acked(cheap, COUNT));
        with_server.push(acked(real, COUNT / 5));
    }
    let (bare, ours, with_server) = (median(bare), median(ours), median(with_server));
    for (what, rate, floor) in
        [("a peer that answers at once", ours, "9"), ("our server, on the other core", with_server, "")]
    {
        let what = format!("acked sends, 64 in flight, {what}");
        line(&what, &thousands(bare), &thousands(rate), rate / bare, floor);
    }
    let (mut plain, mut extended) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    let (mut bare_cpu, mut bare_rate) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (sent, rate) = child_figures("cost-bare", COMPARED, cheap);
        bare_cpu.push(sent);
        bare_rate.push(rate);
        for (into, role) in [(&mut plain, "cost-plain"), (&mut extended, "cost-extended")] {
            let (sent, received) = child_figures(role, COMPARED, cheap);
            into[0].push(sent);
            into[1].push(received);
        }
    }
    let (mut bare_plain, mut bare_extended) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (plain, extended) = child_figures("cost-bare-received", COMPARED, cheap);
        bare_plain.push(plain);
        bare_extended.push(extended);
    }
    let micros = |figure: f64| format!("{figure:.2} us");
    let (bare_cpu, bare_rate) = (median(bare_cpu), median(bare_rate));
    let what = "acked sends, against a bare loop that reads its answers";
    line(what, &thousands(bare_rate), &thousands(ours), ours / bare_rate, "");
    let sent = median(extended[0].clone());
    let what = "CPU of an acked send, against that bare loop";
    line(what, &micros(bare_cpu), &micros(sent), sent / bare_cpu, "");
    for ((what, plain), extended) in ["sent", "received"].iter().zip(plain).zip(extended) {
        let (plain, extended) = (median(plain), median(extended));
        let what = format!("CPU of a message {what}, extended against plain");
        line(&what, &micros(plain), &micros(extended), extended / plain, "<1.25");
    }
    let (plain, extended) = (median(bare_plain), median(bare_extended));
    let what = "the same of a bare loop: what the larger frame costs";
    line(what, &micros(plain), &micros(extended), extended / plain, "");
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        bare.push(bare_joins(real, round));
        ours.push(rejoin_rooms(real, round));
    }
    let (bare, ours) = (median(bare), median(ours));
    let millis = |figure: f64| format!("{figure:.1} ms");
    line("256 rooms with positions, from open to ready", &millis(bare), &millis(ours), ours / bare, "");
}
