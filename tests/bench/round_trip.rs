//! One message there and back, the next only after it: what a person waits for.

use super::bare::{self, Tagged};
use super::{ROUNDS, Tally, line, median, multi_thread};
use futures_util::{SinkExt as _, StreamExt as _};
use rejoin::{Client, Event};
use std::time::Instant;
use tokio_tungstenite::tungstenite::Message;

const COUNT: usize = 10_000;

fn baseline() -> Tally {
    let (address, echo) = bare::echo();
    let figures = multi_thread().block_on(async move {
        tokio::spawn(async move {
            let mut socket = bare::connect(address).await;
            let mut micros = Vec::with_capacity(COUNT);
            for _ in 0..COUNT {
                let start = Instant::now();
                socket.send(Message::text(bare::outgoing())).await.unwrap();
                let answer = socket.next().await.unwrap().unwrap();
                let parsed: Tagged = serde_json::from_str(answer.to_text().unwrap()).unwrap();
                std::hint::black_box(parsed);
                micros.push(start.elapsed().as_secs_f64() * 1e6);
            }
            Tally::of(micros)
        })
        .await
        .unwrap()
    });
    echo.join().unwrap();
    figures
}

fn ours() -> Tally {
    let (address, echo) = bare::echo();
    let figures = multi_thread().block_on(async move {
        tokio::spawn(async move {
            let (client, mut events) =
                Client::builder(format!("ws://{address}/")).extended(false).connect().unwrap();
            client.ready().await.unwrap();
            let mut micros = Vec::with_capacity(COUNT);
            for _ in 0..COUNT {
                let start = Instant::now();
                let sending = client.send("benchmark-room", bare::CONTENT);
                while !matches!(events.next().await.unwrap(), Event::Message(_)) {}
                micros.push(start.elapsed().as_secs_f64() * 1e6);
                sending.await.unwrap();
            }
            client.close().await;
            Tally::of(micros)
        })
        .await
        .unwrap()
    });
    echo.join().unwrap();
    figures
}

pub(crate) fn run() {
    let (mut bare, mut rejoin) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..ROUNDS {
        for (into, Tally { p50, p99 }) in [(&mut bare, baseline()), (&mut rejoin, ours())] {
            into[0].push(p50);
            into[1].push(p99);
        }
    }
    let floors = ["1.45", ""];
    for (((name, floor), bare), rejoin) in ["p50", "p99"].iter().zip(floors).zip(bare).zip(rejoin) {
        let (bare, rejoin) = (median(bare), median(rejoin));
        let micros = |figure: f64| format!("{figure:.0} us");
        line(&format!("round trip {name}"), &micros(bare), &micros(rejoin), rejoin / bare, floor);
    }
}
