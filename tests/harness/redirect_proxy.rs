//! A proxy that injects frames, such as `going_away`, in the name of the server behind it.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A running usher. Dropping it cuts everything.
#[derive(Debug)]
pub struct RedirectProxy {
    /// `ws://127.0.0.1:PORT/ws`
    pub url: String,
    say: watch::Sender<Option<String>>,
    task: JoinHandle<()>,
}

impl RedirectProxy {
    /// Starts a proxy to `target` that passes everything on.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/ws", listener.local_addr().unwrap());
        let (say, said) = watch::channel(None);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let Ok((client, _)) = listener.accept().await else { return };
                let mut said = said.clone();
                // What was said before is not for newcomers.
                said.mark_unchanged();
                connections.spawn(async move {
                    let server = TcpStream::connect(target).await.unwrap();
                    let (mut client_read, client_write) = client.into_split();
                    let (server_read, mut server_write) = server.into_split();
                    tokio::select! {
                        // Whoever ends first ends it for both.
                        _ = tokio::io::copy(&mut client_read, &mut server_write) => {}
                        _ = down(server_read, client_write, said) => {}
                    }
                });
            }
        });
        Self { url, say, task }
    }

    /// Says this text to every client that is connected now, between two frames of the server.
    pub fn say(&self, text: &str) {
        self.say.send_replace(Some(text.to_owned()));
    }
}

impl Drop for RedirectProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The server's bytes, with what the usher says between two of its frames.
async fn down(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut said: watch::Receiver<Option<String>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(from.read_u8().await?);
    }
    to.write_all(&head).await?;
    loop {
        // Nothing of a frame has been taken yet: here is room for a word.
        let first = tokio::select! {
            changed = said.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                let text = said.borrow_and_update().clone().unwrap_or_default();
                to.write_all(&text_frame(text.as_bytes())).await?;
                continue;
            }
            first = from.read_u8() => first?,
        };
        let mut frame = vec![first, from.read_u8().await?];
        let length = match frame[1] & 0x7f {
            126 => {
                let length = from.read_u16().await?;
                frame.extend(length.to_be_bytes());
                u64::from(length)
            }
            127 => {
                let length = from.read_u64().await?;
                frame.extend(length.to_be_bytes());
                length
            }
            short => u64::from(short),
        };
        let start = frame.len();
        frame.resize(start + length as usize, 0);
        from.read_exact(&mut frame[start..]).await?;
        to.write_all(&frame).await?;
    }
}

/// A text frame as a server sends it.
fn text_frame(text: &[u8]) -> Vec<u8> {
    assert!(text.len() < 126, "a word, not a speech");
    [&[0x81, text.len() as u8], text].concat()
}
