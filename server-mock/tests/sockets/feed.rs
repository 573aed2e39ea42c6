//! A reader of server-sent events that knows nothing but HTTP/1.1.

use crate::client::soon;
use serde_json::Value;
use std::collections::BTreeMap;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// One block of the stream, as it was written: the lines of a name and a value, or a comment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Block {
    pub(crate) event: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) data: Option<String>,
    pub(crate) retry: Option<u64>,
    pub(crate) comment: bool,
}

impl Block {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.data.as_ref().unwrap()).unwrap()
    }
}

/// An answer whose head has been read.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    stream: BufReader<TcpStream>,
    /// Read of the body and not yet taken, as text.
    text: String,
}

/// How a body ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With its last chunk.
    Whole,
    /// Without.
    Cut,
}

/// The path and query of a room's feed.
pub(crate) fn path(room: &str, token: &str) -> String {
    format!("/rooms/{room}/events?token={token}")
}

/// Sends a request and reads the head of its answer.
pub(crate) async fn request(url: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let address = url.split('/').nth(2).unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n");
    for (name, value) in headers {
        head.extend([*name, ": ", *value, "\r\n"]);
    }
    head += "\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut stream = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        soon(stream.read_line(&mut line)).await.unwrap();
        match line.trim_end() {
            "" => break,
            line => lines.push(String::from(line)),
        }
    }
    let status = lines[0].split(' ').nth(1).unwrap().parse().unwrap();
    let fields = lines[1..].iter().map(|line| line.split_once(": ").unwrap());
    let headers = fields.map(|(name, value)| (name.to_ascii_lowercase(), String::from(value))).collect();
    Answer { status, headers, stream, text: String::new() }
}

/// Opens a feed that is there.
pub(crate) async fn feed(url: &str, path: &str) -> Answer {
    let answer = request(url, "GET", path, &[("Accept", "text/event-stream")]).await;
    assert_eq!(answer.status, 200);
    answer
}

impl Answer {
    /// The next block, comments too.
    pub(crate) async fn block(&mut self) -> Block {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let read = parse(block);
                self.text = String::from(rest);
                return read;
            }
            assert_eq!(self.chunk().await, None, "the stream goes on");
        }
    }

    /// The next block that is an event.
    pub(crate) async fn event(&mut self) -> Block {
        loop {
            let block = self.block().await;
            if block.data.is_some() {
                return block;
            }
        }
    }

    /// The content of the next message.
    pub(crate) async fn content(&mut self) -> String {
        let event = self.event().await;
        assert_eq!(event.event, None, "{event:?}");
        String::from(event.json()["content"].as_str().unwrap())
    }

    /// What is left of the body, and how it ends.
    pub(crate) async fn rest(&mut self) -> (String, Ended) {
        loop {
            if let Some(ended) = self.chunk().await {
                return (std::mem::take(&mut self.text), ended);
            }
        }
    }

    /// The body of an answer that is no stream, as JSON.
    pub(crate) async fn json(mut self) -> Value {
        let mut body = String::new();
        soon(self.stream.read_to_string(&mut body)).await.unwrap();
        serde_json::from_str(&body).unwrap()
    }

    /// Reads a chunk; the end, if it is one.
    async fn chunk(&mut self) -> Option<Ended> {
        let mut size = String::new();
        if soon(self.stream.read_line(&mut size)).await.unwrap_or(0) == 0 {
            return Some(Ended::Cut);
        }
        let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
        let mut bytes = vec![0; size + 2];
        if soon(self.stream.read_exact(&mut bytes)).await.is_err() {
            return Some(Ended::Cut);
        }
        if size == 0 {
            return Some(Ended::Whole);
        }
        self.text += std::str::from_utf8(&bytes[..size]).unwrap();
        None
    }
}

fn parse(block: &str) -> Block {
    let mut read = Block::default();
    for line in block.split('\n') {
        let (name, value) = line.split_once(':').unwrap();
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "" => read.comment = true,
            "event" => read.event = Some(String::from(value)),
            "id" => read.id = Some(String::from(value)),
            "data" => read.data = Some(String::from(value)),
            "retry" => read.retry = Some(value.parse().unwrap()),
            other => panic!("a field {other:?}"),
        }
    }
    read
}
