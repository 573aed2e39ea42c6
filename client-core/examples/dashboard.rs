//! A dashboard with messages of its own: it subscribes to prices, shows each, and asks for a quote. What it has subscribed
//! to is said again on each connection by itself.
//!
//! ```text
//! cargo run -p rejoin --example dashboard -- wss://prices.example/ws TOKEN X Y
//! ```
#![expect(clippy::print_stdout, reason = "a program's own output")]

use rejoin::{Client, Event, Typed};
use serde::{Deserialize, Serialize};
use std::time::Duration;

// The manual begins.
/// What the server sends.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Down {
    Price { symbol: String, value: f64 },
    Quoted { value: f64 },
}

/// What it is sent.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Up<'a> {
    Subscribe { symbols: &'a [String] },
    Quote { symbol: &'a str },
}

/// Shows prices until `show` has seen enough of them.
pub(crate) async fn watch(
    url: &str,
    token: &str,
    symbols: &[String],
    mut show: impl FnMut(String) -> bool,
) -> Result<(), Box<dyn std::error::Error>> {
    let builder = Client::builder(url).token(token).frames(true).correlate("id");
    let (client, events) = builder.connect()?;
    client.keep("prices", &Up::Subscribe { symbols })?; // each connection begins with it
    let mut events = events.typed::<Down>();
    while let Some(item) = events.next().await {
        let goes_on = match item {
            Ok(Typed::Frame(Down::Price { symbol, value })) => {
                let request = client.request(&Up::Quote { symbol: &symbol }).timeout(Duration::from_secs(5));
                match request.await {
                    Ok(answer) => match answer.json()? {
                        Down::Quoted { value: quoted } => {
                            show(format!("{symbol}: {value}, for you {quoted}"))
                        }
                        Down::Price { .. } => true,
                    },
                    // The connection was lost, say: the next one begins with the prices again.
                    Err(error) => show(format!("{symbol}: {value}, and no quote: {error}")),
                }
            }
            Ok(Typed::Event(Event::State(change))) => show(change.state.as_str().to_owned()),
            Ok(_) => true,
            Err(unread) => show(format!("{:?}: {unread}", unread.frame.kind())),
        };
        if !goes_on {
            client.close().await;
            return Ok(());
        }
    }
    Err(client.terminated().await.into())
}
// The manual ends.

#[tokio::main(flavor = "current_thread")]
#[cfg_attr(test, expect(dead_code, reason = "the test calls what it calls"))]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(url), Some(token)) = (args.next(), args.next()) else {
        return Err("usage: dashboard URL TOKEN SYMBOL…".into());
    };
    let symbols: Vec<String> = args.collect();
    watch(&url, &token, &symbols, |line| {
        println!("{line}");
        true
    })
    .await
}
