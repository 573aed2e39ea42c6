//! A bridge: what is said in a room of one server is said in a room of another one, too, and the other way round. Each
//! direction takes the next message only when the outbox of its target has room. Both servers have to be extended ones.
//!
//! ```text
//! cargo run -p rejoin --example bridge -- ws://127.0.0.1:8080/ws TOKEN lobby ws://127.0.0.1:8081/ws TOKEN hall
//! ```

use rejoin::{Client, SendError, SendFuture};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// One side of the bridge: a server, a token for it and a room.
#[derive(Debug, Clone)]
pub(crate) struct Side {
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) room: String,
}

/// Relays in both directions until a side ends, which is an error.
pub(crate) async fn bridge(left: Side, right: Side) -> Result<(), Error> {
    let connect =
        |side: &Side| Client::builder(&side.url).token(side.token.as_str()).room(&side.room).connect();
    // Nobody reads the events of all rooms: the messages of one are enough.
    let (one, _) = connect(&left)?;
    let (other, _) = connect(&right)?;
    tokio::try_join!(
        relay(&one, &left.room, &other, &right.room),
        relay(&other, &right.room, &one, &left.room)
    )?;
    Ok(())
}

async fn relay(from: &Client, room: &str, to: &Client, target: &str) -> Result<(), Error> {
    // Before it is ready, so that nothing is missed.
    let mut messages = from.subscribe(room)?;
    from.ready().await?;
    if from.user().is_none() {
        return Err(
            "this server does not say who the bridge is: it would relay its own messages for ever".into()
        );
    }
    to.ready().await?;
    loop {
        // While the target takes nothing, messages wait in the subscription, which says how many did not fit.
        let permit = to.reserve().await?;
        let Some(item) = messages.next().await else { return Err(from.terminated().await.into()) };
        let content = match item {
            Ok(message) if message.is_own() == Some(false) => {
                format!("<{}> {}", message.user, message.content)
            }
            Ok(_) => continue,
            Err(missed) => format!("({missed})"),
        };
        tokio::spawn(report(permit.send(target, content)));
    }
}

async fn report(sending: SendFuture) {
    match sending.await {
        Ok(_) => {}
        Err(SendError::Unknown) => eprintln!("a message may have been relayed or not"),
        Err(error) => eprintln!("a message was not relayed: {error}"),
    }
}

#[tokio::main(flavor = "current_thread")]
#[cfg_attr(test, expect(dead_code, reason = "the test calls what it calls"))]
async fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, token, room, other_url, other_token, other_room] = args.as_slice() else {
        return Err("usage: bridge URL TOKEN ROOM URL TOKEN ROOM".into());
    };
    let side = |url: &String, token: &String, room: &String| Side {
        url: url.clone(),
        token: token.clone(),
        room: room.clone(),
    };
    bridge(side(url, token, room), side(other_url, other_token, other_room)).await
}
