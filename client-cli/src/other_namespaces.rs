//! Merges the events of further namespaces into one stream, for commands that show them. Prints nothing.

use crate::error::Failure;
use crate::settings::Settings;
use rejoin::{Client, Event};
use tokio::sync::mpsc;

/// Batches that wait; each namespace has a bounded queue of its own behind that.
const BATCHES: usize = 4;

#[derive(Default)]
pub(crate) struct OtherNamespaces {
    names: Vec<String>,
    /// They are open as long as these are.
    clients: Vec<Client>,
    events: Option<mpsc::Receiver<(usize, Vec<Event>)>>,
}

impl OtherNamespaces {
    /// Opens those that the settings name.
    pub(crate) fn open(client: &Client, settings: &Settings) -> Result<Self, Failure> {
        if settings.namespaces.is_empty() {
            return Ok(Self::default());
        }
        let (sender, events) = mpsc::channel(BATCHES);
        let (mut names, mut clients) = (Vec::new(), Vec::new());
        for (at, (name, client, mut events)) in settings.open_namespaces(client)?.into_iter().enumerate() {
            names.push(name);
            clients.push(client);
            let sender = sender.clone();
            // Ends with the namespace, or with this.
            tokio::spawn(async move {
                loop {
                    let batch = events.next_batch().await;
                    if batch.is_empty() || sender.send((at, batch)).await.is_err() {
                        return;
                    }
                }
            });
        }
        Ok(Self { names, clients, events: Some(events) })
    }

    /// Each with its name.
    pub(crate) fn clients(&self) -> impl Iterator<Item = (&str, &Client)> {
        self.names.iter().map(String::as_str).zip(&self.clients)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// What happened in one of them, by its name; never ready when nothing comes any more.
    pub(crate) async fn next(&mut self) -> (&str, Vec<Event>) {
        let next = match &mut self.events {
            Some(events) => events.recv().await,
            None => None,
        };
        match next.and_then(|(at, batch)| Some((self.names.get(at)?, batch))) {
            Some((name, batch)) => (name, batch),
            None => std::future::pending().await,
        }
    }
}
