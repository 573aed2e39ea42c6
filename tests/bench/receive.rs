//! Typed messages per second through the public API, on a runtime of several threads.

use super::bare::{self, Tagged};
use super::{ROUNDS, line, median, multi_thread, per_second, thousands};
use futures_util::StreamExt as _;
use rejoin::{Client, Event, ReadBuffer};
use std::time::Instant;

const COUNT: usize = 1_000_000;

fn baseline() -> f64 {
    let (address, go, source) = bare::source(COUNT);
    let rate = multi_thread().block_on(async move {
        // In a task, as any program has it: the thread that blocks on the runtime is a poor place to work.
        tokio::spawn(async move {
            let mut socket = bare::connect(address).await;
            go.send(()).unwrap();
            let start = Instant::now();
            for _ in 0..COUNT {
                let message = socket.next().await.unwrap().unwrap();
                let parsed: Tagged = serde_json::from_str(message.to_text().unwrap()).unwrap();
                assert!(matches!(std::hint::black_box(parsed), Tagged::Message { .. }));
            }
            per_second(COUNT, start.elapsed())
        })
        .await
        .unwrap()
    });
    source.join().unwrap();
    rate
}

fn ours(buffers: ReadBuffer) -> f64 {
    let (address, go, source) = bare::source(COUNT);
    let rate = multi_thread().block_on(async move {
        tokio::spawn(async move {
            let (client, mut events) = Client::builder(format!("ws://{address}/"))
                .extended(false)
                .read_buffer(buffers)
                .connect()
                .unwrap();
            client.ready().await.unwrap();
            go.send(()).unwrap();
            let start = Instant::now();
            let mut count = 0;
            while count < COUNT {
                for event in events.next_batch().await {
                    match std::hint::black_box(event) {
                        Event::Message(_) => count += 1,
                        Event::Lagged { skipped } => panic!("{skipped} were lost"),
                        _ => {}
                    }
                }
            }
            let rate = per_second(COUNT, start.elapsed());
            client.close().await;
            rate
        })
        .await
        .unwrap()
    });
    source.join().unwrap();
    rate
}

pub(crate) fn run() {
    let (mut bare, mut large, mut small) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(baseline());
        large.push(ours(ReadBuffer::Large));
        small.push(ours(ReadBuffer::Small));
    }
    let (bare, large, small) = (median(bare), median(large), median(small));
    line("receive, large buffer", &thousands(bare), &thousands(large), large / bare, "0.9");
    line("receive, small buffer (default)", &thousands(bare), &thousands(small), small / bare, "");
}
