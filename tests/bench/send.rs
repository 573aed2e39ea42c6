//! Messages per second, one `send()` each with its own outcome, against a flush per message.

use super::bare;
use super::{ROUNDS, line, median, multi_thread, per_second, thousands};
use futures_util::SinkExt as _;
use rejoin::Client;
use std::collections::VecDeque;
use std::time::Instant;
use tokio_tungstenite::tungstenite::Message;

const FLUSH_EACH: usize = 100_000;
const COUNT: usize = 1_000_000;
/// Sends whose outcome is awaited at any time.
const IN_FLIGHT: usize = 2048;

/// A bare loop that flushes each message.
pub(crate) fn flush_each() -> f64 {
    let (address, done, sink) = bare::sink(FLUSH_EACH, bare::outgoing().len());
    let rate = multi_thread().block_on(async move {
        tokio::spawn(async move {
            let mut socket = bare::connect(address).await;
            let start = Instant::now();
            for _ in 0..FLUSH_EACH {
                socket.send(Message::text(bare::outgoing())).await.unwrap();
            }
            done.recv().unwrap();
            per_second(FLUSH_EACH, start.elapsed())
        })
        .await
        .unwrap()
    });
    sink.join().unwrap();
    rate
}

fn ours() -> f64 {
    let (address, done, sink) = bare::sink(COUNT, bare::outgoing().len());
    let rate = multi_thread().block_on(async move {
        tokio::spawn(async move {
            let (client, _events) =
                Client::builder(format!("ws://{address}/")).extended(false).connect().unwrap();
            client.ready().await.unwrap();
            let start = Instant::now();
            let mut sending = VecDeque::with_capacity(IN_FLIGHT);
            for _ in 0..COUNT {
                if sending.len() == IN_FLIGHT
                    && let Some::<rejoin::SendFuture>(oldest) = sending.pop_front()
                {
                    oldest.await.unwrap();
                }
                sending.push_back(client.send("benchmark-room", bare::CONTENT));
            }
            for sending in sending {
                sending.await.unwrap();
            }
            done.recv().unwrap();
            let rate = per_second(COUNT, start.elapsed());
            client.close().await;
            rate
        })
        .await
        .unwrap()
    });
    sink.join().unwrap();
    rate
}

pub(crate) fn run() {
    let (mut bare, mut rejoin) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(flush_each());
        rejoin.push(ours());
    }
    let (bare, rejoin) = (median(bare), median(rejoin));
    line(
        "send, one send() per message, against flush-each",
        &thousands(bare),
        &thousands(rejoin),
        rejoin / bare,
        "9",
    );
}
