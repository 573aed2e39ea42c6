//! A bot with a database: it counts who is thanked (`thanks NAME`), and answers with the count. It may be killed at any
//! moment: it counts nothing twice, and neither loses nor repeats an answer.
//!
//! The database is a file to which lines are appended, each with the id of the message it comes from, so that a message that
//! comes again finds what it did. The client's own state says which messages come again: a message and its answer are
//! stored in one step, after the database has it.
//!
//! ```text
//! cargo run -p rejoin --example thanks_bot -- ws://127.0.0.1:8080/ws TOKEN lobby thanks
//! ```

use rejoin::{Client, DeliveryStatus, Event};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

type Error = Box<dyn std::error::Error>;

/// Who has been thanked how often, and by which messages.
pub(crate) struct Database {
    file: File,
    counts: HashMap<String, u64>,
    /// By the id of a message: what the count was with it.
    known: HashMap<String, u64>,
}

impl Database {
    /// Reads what there is. A last line that is not whole was being written when the process ended: it is cut off.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let length = if whole.is_empty() { 0 } else { whole.len() + 1 };
        file.set_len(u64::try_from(length).unwrap_or_default())?;
        file.seek(SeekFrom::End(0))?;
        let mut database = Self { file, counts: HashMap::new(), known: HashMap::new() };
        for (id, name) in whole.lines().filter_map(|line| line.split_once(' ')) {
            database.count(id, name);
        }
        Ok(database)
    }

    fn count(&mut self, id: &str, name: &str) -> u64 {
        let count = self.counts.entry(name.to_owned()).or_default();
        *count += 1;
        self.known.insert(id.to_owned(), *count);
        *count
    }

    /// Counts a thanks, unless this message has been counted before, and says what the count was with it. It is on the disk
    /// when this returns.
    pub(crate) fn thank(&mut self, id: &str, name: &str) -> io::Result<u64> {
        if let Some(count) = self.known.get(id) {
            return Ok(*count);
        }
        self.file.write_all(format!("{id} {name}\n").as_bytes())?;
        self.file.sync_data()?;
        Ok(self.count(id, name))
    }
}

/// Runs until the client ends, which is an error. `files` is the beginning of the names of its two files.
pub(crate) async fn run(url: &str, token: &str, room: &str, files: &str) -> Result<(), Error> {
    let mut database = Database::open(Path::new(&format!("{files}.log")))?;
    let builder = Client::builder(url).token(token).room(room);
    let (client, mut events) = builder.state_file(format!("{files}.state")).manual_commit().connect()?;
    while let Some(event) = events.next().await {
        match event {
            Event::Message(message) => {
                // A plain server gives messages no places, so that nothing could be taken up again.
                let Some(position) = message.position() else {
                    return Err("this server is a plain one".into());
                };
                let name = message.content.strip_prefix("thanks ").map(str::trim);
                let Some(name) = name.filter(|name| !name.is_empty() && !name.contains('\n')) else {
                    client.commit(&message.room, position);
                    continue;
                };
                let count = database.thank(position.id.as_str(), name)?;
                let answer = format!("{name} has been thanked {count} times");
                // From here on the message does not come again, and the answer is sent, once.
                client.message(&message.room, answer).committing(&message).submit()?;
            }
            Event::Delivery(delivery) => {
                // With the next run's eyes: this outcome has been dealt with.
                client.confirm(delivery.id);
                if !matches!(delivery.status, DeliveryStatus::Acked { .. }) {
                    eprintln!("an answer was lost: {:?}", delivery.status);
                }
            }
            Event::Gap(gap) => eprintln!("thanks in {} may have been missed", gap.room),
            Event::StorageFailed { error } => eprintln!("nothing is answered: {error}"),
            _ => {}
        }
    }
    Err(client.terminated().await.into())
}

#[tokio::main(flavor = "current_thread")]
#[cfg_attr(test, expect(dead_code, reason = "the test calls what it calls"))]
async fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, token, room, files] = args.as_slice() else {
        return Err("usage: thanks_bot URL TOKEN ROOM FILES".into());
    };
    run(url, token, room, files).await
}
