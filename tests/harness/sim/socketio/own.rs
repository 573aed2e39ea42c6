//! Events of the application's own that servers say to clients of Socket.IO, and what becomes of their answers. Shares no code
//! with the machine; what clients say of their own is judged as frames of rooms' clients are ([`Own`](crate::sim::own::Own)).

use std::collections::{BTreeMap, BTreeSet};

/// The machine leaves so many answers to the application; what is beyond gets an empty one at once.
const MOST_OPEN: usize = 256;

/// An event that a server has said.
#[derive(Debug)]
struct Said {
    client: usize,
    conn: usize,
    /// The number under which the server wants an answer.
    asked: Option<u64>,
    /// The application has answered it.
    answered: bool,
    /// It is one too many for the application to answer.
    overflows: bool,
}

/// The observer.
#[derive(Debug, Default)]
pub(in crate::sim) struct SioOwn {
    /// By its number.
    said: BTreeMap<u64, Said>,
    told: BTreeSet<u64>,
    last_told: BTreeMap<usize, u64>,
    /// What each application has not answered yet: the machine's number, and that of the event.
    open: BTreeMap<usize, Vec<(u64, u64)>>,
    /// An answer that is being given over a connection that is one.
    pub(in crate::sim) counts: Option<u64>,
}

/// What an application gives as the answer to an event.
pub(in crate::sim) fn answer_to(number: u64) -> String {
    format!("[{number}]")
}

impl SioOwn {
    /// A server says an event over a connection.
    pub(in crate::sim) fn says(&mut self, number: u64, client: usize, conn: usize, asked: Option<u64>) {
        self.said.insert(number, Said { client, conn, asked, answered: false, overflows: false });
    }

    /// An application is told one; `ack` is the number for the answer, `manual`: it answers by itself.
    pub(in crate::sim) fn told(
        &mut self,
        client: usize,
        number: u64,
        ack: Option<u64>,
        manual: bool,
        is_open: impl Fn(usize) -> bool,
    ) -> Result<(), String> {
        let Some(said) = self.said.get(&number).filter(|said| said.client == client) else {
            return Err(format!("sio{client} is told the event {number}, which nobody has said to it"));
        };
        if !self.told.insert(number) {
            return Err(format!("sio{client} is told the event {number} twice"));
        }
        if !is_open(said.conn) {
            return Err(format!(
                "sio{client} is told the event {number} of a connection that is none any more"
            ));
        }
        if self.last_told.insert(said.conn, number).is_some_and(|last| last > number) {
            return Err(format!("sio{client} is told the event {number} after a later one"));
        }
        let conn = said.conn;
        let of_conn = |(_, number): &&(u64, u64)| self.said.get(number).is_some_and(|said| said.conn == conn);
        let open = self.open.entry(client).or_default();
        let waits = said.asked.is_some() && manual && open.iter().filter(of_conn).count() < MOST_OPEN;
        match ack {
            Some(ack) if waits => open.push((ack, number)),
            None if !waits => {
                if let Some(said) = self.said.get_mut(&number) {
                    said.overflows = true;
                }
            }
            _ => return Err(format!("sio{client} is told the event {number} with {ack:?} to answer it by")),
        }
        Ok(())
    }

    /// Whether an application was told an event.
    pub(in crate::sim) fn was_told(&self, number: u64) -> bool {
        self.told.contains(&number)
    }

    /// The next event that an application answers: the machine's number, and that of the event.
    pub(in crate::sim) fn next_open(&mut self, client: usize, luck: usize) -> Option<(u64, u64)> {
        let open = self.open.get_mut(&client).filter(|open| !open.is_empty())?;
        let (ack, number) = open.remove(luck % open.len());
        if let Some(said) = self.said.get_mut(&number) {
            said.answered = true;
        }
        Some((ack, number))
    }

    /// Which connection an event came over.
    pub(in crate::sim) fn conn_of(&self, number: u64) -> Option<usize> {
        self.said.get(&number).map(|said| said.conn)
    }

    /// A server is given an answer: `arguments` are the application's, none an empty answer. `Ok(false)`: it is about nothing
    /// of the application's own.
    pub(in crate::sim) fn answered(
        &mut self,
        conn: usize,
        asked: u64,
        arguments: Option<&str>,
        manual: bool,
    ) -> Result<bool, String> {
        let found = self.said.iter_mut().find(|(_, said)| said.asked == Some(asked));
        let Some((number, said)) = found else {
            return match arguments {
                Some(arguments) => Err(format!("answer {arguments} to {asked} was not asked for")),
                None => Ok(false),
            };
        };
        said.asked = None;
        let is_right = match arguments {
            Some(arguments) => said.answered && manual && arguments == answer_to(*number),
            None => !manual || said.overflows,
        };
        if said.conn == conn && is_right {
            return Ok(true);
        }
        Err(format!("the event {number} of connection {} is answered {arguments:?} on {conn}", said.conn))
    }

    /// A process has died.
    pub(in crate::sim) fn died(&mut self, client: usize) {
        self.open.remove(&client);
    }

    /// Long after everything calmed down: what was answered has come to the server, over connections that are well.
    pub(in crate::sim) fn lacks(
        &self,
        is_well: impl Fn(usize) -> bool,
        manual: impl Fn(usize) -> bool,
    ) -> Option<u64> {
        let lacks = |said: &&Said| {
            said.asked.is_some() && is_well(said.conn) && (said.answered || !manual(said.client))
        };
        self.said.iter().find(|(_, said)| lacks(said)).map(|(number, _)| *number)
    }
}
