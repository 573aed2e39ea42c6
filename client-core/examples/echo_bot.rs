//! A bot that repeats what others say, through any number of reconnects.
//!
//! ```text
//! cargo run -p rejoin-server -- --listen 127.0.0.1:8080
//! cargo run -p rejoin --example echo_bot -- ws://127.0.0.1:8080/ws echo lobby
//! ```
#![expect(clippy::print_stdout, reason = "a program's own output")]

use rejoin::{Client, Event};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(url), Some(name), Some(room)) = (args.next(), args.next(), args.next()) else {
        return Err("usage: echo_bot URL TOKEN ROOM".into());
    };
    let (client, mut events) = Client::builder(url).token(name.as_str()).room(room).connect()?;
    // A token that is refused, or an address without a server of this kind, ends here with its reason.
    client.ready().await?;
    while let Some(event) = events.next().await {
        match event {
            // A plain server sends our own messages back to us too.
            Event::Message(message) if message.user != name.as_str() => {
                let sending =
                    client.send(&message.room, format!("{} said: {}", message.user, message.content));
                tokio::spawn(async move {
                    if let Err(error) = sending.await {
                        println!("an answer was lost: {error}");
                    }
                });
            }
            Event::State(change) => println!("{}", change.state.as_str()),
            Event::Gap(gap) => println!("messages in {:?} may have been missed", gap.room),
            _ => {}
        }
    }
    // The events end with the client: closed, or failed for a reason that trying again does not mend.
    Err(client.terminated().await.into())
}
