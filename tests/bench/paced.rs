//! The cost of a message that is alone on its way, as a person's are: the system calls and the way to sleep and
//! back are paid for each, where a burst shares them among hundreds. The extended mode beside the plain one.

use super::peer::{self, DRIP, ECHO_ROOM};
use super::{ROUNDS, bare, child_figures, cpu, line, median, single_thread};
use rejoin::{Client, Event, Events};

const COUNT: usize = 4_000;

/// Until the next message.
async fn message(events: &mut Events) {
    loop {
        match events.next().await.unwrap() {
            Event::Message(_) => return,
            Event::Gap(gap) => panic!("{gap:?}"),
            _ => {}
        }
    }
}

/// The measured process: prints CPU microseconds for each message that is sent and seen to come back, and for each
/// that is received.
pub(crate) fn child(role: &str, count: usize, address: &str) {
    let builder = Client::builder(format!("ws://{address}/ws")).extended(role == "paced-extended");
    let measured = async move {
        let (client, mut events) = builder.room(ECHO_ROOM).connect().unwrap();
        client.ready().await.unwrap();
        let start = cpu();
        for _ in 0..count {
            let sending = client.send(ECHO_ROOM, bare::CONTENT);
            message(&mut events).await;
            sending.await.unwrap();
        }
        let sent = cpu() - start;
        let asked = client.send(ECHO_ROOM, DRIP);
        let start = cpu();
        for _ in 0..count {
            message(&mut events).await;
        }
        let received = cpu() - start;
        drop(asked);
        (sent, received)
    };
    // One thread: which of several wakes up is chance, and costs more than the message.
    let (sent, received) = single_thread().block_on(async { tokio::spawn(measured).await.unwrap() });
    let micros = |seconds: f64| seconds * 1e6 / count as f64;
    println!("{} {}", micros(sent), micros(received));
}

pub(crate) fn run() {
    let peer = peer::serve(COUNT);
    let (mut plain, mut extended) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..ROUNDS {
        for (into, role) in [(&mut plain, "paced-plain"), (&mut extended, "paced-extended")] {
            let (sent, received) = child_figures(role, COUNT, peer);
            into[0].push(sent);
            into[1].push(received);
        }
    }
    for ((what, plain), extended) in ["sent and back", "received"].iter().zip(plain).zip(extended) {
        let (plain, extended) = (median(plain), median(extended));
        let micros = |figure: f64| format!("{figure:.1} us");
        let what = format!("CPU of a lone message {what}, extended to plain");
        line(&what, &micros(plain), &micros(extended), extended / plain, "<1.25");
    }
}
