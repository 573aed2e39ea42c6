//! The Rust of the manuals compiles, as the pages have it: each snippet stands here once more, and the pages are compared
//! with it. It owns nothing that runs.

use rejoin::{Client, Frame};
use std::error::Error;
use std::time::Duration;

type Ended = Result<(), Box<dyn Error>>;

async fn bot() -> Ended {
    // bot {
    use rejoin::{Client, Event};

    let (client, mut events) =
        Client::builder("wss://chat.example/ws").token("secret").room("lobby").connect()?;
    client.ready().await?; // a refused token ends here, in words; an outage is waited out
    client.send("lobby", "hello").await?;
    while let Some(event) = events.next().await {
        if let Event::Message(message) = event {
            println!("{}: {}", message.user, message.content);
        }
    }
    return Err(client.terminated().await.into()); // closed, or failed for a reason that trying again does not mend
    // }
}

async fn feed(last_event_id: &str) -> Ended {
    // feed {
    let mut events =
        rejoin::follow("https://chat.example", "lobby").token("secret").since(last_event_id).connect()?;
    while let Some(event) = events.next().await {
        println!("{event:?}"); // FeedEvent: State, Started, Message, Event, Gap, Malformed
    }
    // }
    Ok(())
}

async fn socket_io() -> Ended {
    // socket_io {
    use rejoin::{Client, SocketIo};

    let builder = Client::builder("https://chat.example").socket_io(SocketIo::default()).room("lobby");
    let (client, mut events) = builder.connect()?;
    // }
    client.ready().await?;
    events.next().await.map(drop).ok_or_else(|| "no event".into())
}

async fn own_events(client: &Client) -> Ended {
    // own_events {
    client.emit("order", &("X", 3)).await?; // socket.emit("order", "X", 3)
    let receipt = client.emit_with_ack("quote", "X").await?; // its answer() is what the handler gave to the ack
    client.keep_event("prices", "subscribe", &["X"])?;
    let answer: Frame = client.request_event("quote", "X").timeout(Duration::from_secs(5)).await?;
    // }
    println!("{receipt:?} {answer:?}");
    Ok(())
}

async fn namespaces(client: &Client) -> Ended {
    // namespaces {
    let auth = serde_json::json!({"device": "kitchen"});
    let (alerts, mut events) = client.namespace("/notifications").auth(&auth).connect()?;
    alerts.emit_with_ack("seen", &7).await?;
    alerts.close().await; // leaves the namespace; the others stay connected
    // }
    events.next().await.map(drop).ok_or_else(|| "no event".into())
}

/// What a database would know.
fn is_member(user: &str, room: &str) -> std::future::Ready<std::io::Result<bool>> {
    std::future::ready(Ok(room.starts_with(user)))
}

async fn authorize() -> Ended {
    // authorize {
    use rejoin_server::Server;
    use rejoin_server::hub::Right;

    let server = Server::builder()
        .authorize(async |user, action, room| {
            if room == "news" {
                return Ok(action == Right::Join);
            }
            is_member(&user, &room).await // an error is "not now": the client tries again
        })
        .bind()
        .await?;
    server.run(std::future::pending()).await;
    // }
    Ok(())
}

/// What stands between `// name {` and `// }`, as a page has it.
fn snippet(name: &str) -> String {
    let source = include_str!("snippets.rs");
    let begun = source.split(&format!("    // {name} {{\n")).nth(1).unwrap();
    let lines = begun.split("    // }\n").next().unwrap().lines();
    lines.map(|line| line.strip_prefix("    ").unwrap_or(line).to_owned() + "\n").collect()
}

#[test]
fn each_example_of_the_manuals_in_rust_is_one_that_compiles() {
    // Named, so that the compiler keeps them.
    let _ = (bot, feed, socket_io, own_events, namespaces, authorize);
    let pages = [
        ("README.md", include_str!("../../README.md"), vec!["bot"]),
        ("client-core/README.md", include_str!("../../client-core/README.md"), vec!["bot"]),
        ("server-mock/README.md", include_str!("../../server-mock/README.md"), vec!["feed", "authorize"]),
        (
            "socket-io.md",
            include_str!("../../client-core/docs/socket-io.md"),
            vec!["socket_io", "namespaces"],
        ),
        // The first of it is an example that runs (`native/client/frame.rs`).
        ("own-messages.md", include_str!("../../client-core/docs/own-messages.md"), vec!["own_events"]),
    ];
    let mut seen = 0;
    for (page, text, names) in pages {
        for name in names {
            assert!(text.contains(&snippet(name)), "{page} has another {name}:\n{}", snippet(name));
            seen += 1;
        }
    }
    assert_eq!(seen, 7);
}
