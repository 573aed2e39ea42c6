//! A node without a hub: makes requests and takes what comes of them.

use crate::within;
use harness::redis_process::RedisProcess;
use rejoin::messages::{Code, Epoch, Origin};
use rejoin::{Id, Name};
use rejoin_server::hub::shared::{
    Decision, Held, Numbered, RoomState, StoreAnswer, StoreNotice, StoreRequest, Ticket,
};
use rejoin_server::hub::{HubConfig, Logged};
use rejoin_server::redis::{Peer, Redis, RedisConfig};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub(crate) struct Node {
    requests: mpsc::Sender<StoreRequest>,
    answers: mpsc::UnboundedReceiver<(Ticket, StoreAnswer)>,
    notices: mpsc::UnboundedReceiver<StoreNotice>,
    tickets: u64,
    pub(crate) id: Id,
    task: JoinHandle<()>,
}

struct Ends(mpsc::UnboundedSender<(Ticket, StoreAnswer)>, mpsc::UnboundedSender<StoreNotice>);

impl Peer for Ends {
    fn stored(&self, ticket: Ticket, answer: StoreAnswer) {
        let _ = self.0.send((ticket, answer));
    }

    fn noticed(&self, notices: Vec<StoreNotice>) {
        for notice in notices {
            let _ = self.1.send(notice);
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

pub(crate) fn entry(id: &str, content: &str) -> Logged {
    Logged::new(self::id(id), Name::from("ada"), content.to_owned())
}

impl Node {
    pub(crate) async fn start(redis: &RedisProcess, name: &str) -> Self {
        Self::start_with(redis, name, |_, _| {}).await
    }

    pub(crate) async fn start_with(
        redis: &RedisProcess,
        name: &str,
        change: impl FnOnce(&mut RedisConfig, &mut HubConfig),
    ) -> Self {
        let (mut config, mut hub) = (RedisConfig::new(&redis.url()).unwrap(), HubConfig::default());
        change(&mut config, &mut hub);
        let redis = Redis::connect(&config, id(name), &hub).await.unwrap();
        let (requests, made) = mpsc::channel(256);
        let (answered, answers) = mpsc::unbounded_channel();
        let (told, notices) = mpsc::unbounded_channel();
        let task = tokio::spawn(redis.serve(made, Arc::new(Ends(answered, told))));
        Self { requests, answers, notices, tickets: 0, id: id(name), task }
    }

    pub(crate) fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    pub(crate) async fn ask(&self, request: StoreRequest) {
        self.requests.send(request).await.unwrap();
    }

    pub(crate) async fn any_answer(&mut self) -> (Ticket, StoreAnswer) {
        within("an answer", self.answers.recv()).await.unwrap()
    }

    /// The next answer, which is to this ticket.
    pub(crate) async fn answer(&mut self, ticket: Ticket) -> StoreAnswer {
        let (to, answer) = self.any_answer().await;
        assert_eq!(to, ticket);
        answer
    }

    pub(crate) async fn try_open(&mut self, room: &str, held: Option<Held>) -> StoreAnswer {
        let ticket = self.ticket();
        let fresh = id(&format!("{}-{}", self.id.as_str(), ticket.0));
        self.ask(StoreRequest::Open { ticket, room: Name::from(room), held, fresh }).await;
        self.answer(ticket).await
    }

    pub(crate) async fn open(&mut self, room: &str, held: Option<Held>) -> RoomState {
        match self.try_open(room, held).await {
            StoreAnswer::Opened(state) => state,
            other => panic!("{room} is not opened: {other:?}"),
        }
    }

    pub(crate) async fn decide(
        &mut self,
        room: &str,
        held: Option<Held>,
        send: Option<Numbered>,
        decision: Decision,
    ) -> StoreAnswer {
        let ticket = self.ticket();
        let fresh = id(&format!("{}-{}", self.id.as_str(), ticket.0));
        self.ask(StoreRequest::Append { ticket, room: Name::from(room), held, fresh, send, decision }).await;
        self.answer(ticket).await
    }

    /// Appends something without a number.
    pub(crate) async fn say(&mut self, room: &str, content: &str) -> StoreAnswer {
        let number = self.tickets;
        let id = format!("{}-m{number}", self.id.as_str());
        self.decide(room, None, None, Decision::Append(Box::new(entry(&id, content)))).await
    }

    /// Appends the `pseq`th send of ada's producer `p`.
    pub(crate) async fn send(&mut self, room: &str, pseq: u64, epoch: &Epoch) -> StoreAnswer {
        let mut entry = entry(&format!("{}-m{}", self.id.as_str(), self.tickets), &format!("send {pseq}"));
        entry.origin = Some(Box::new(Origin { pid: id("p"), pseq }));
        self.decide(room, None, Some(numbered(pseq, epoch)), Decision::Append(Box::new(entry))).await
    }

    pub(crate) async fn refuse(&mut self, room: &str, pseq: u64, epoch: &Epoch, code: Code) -> StoreAnswer {
        self.decide(room, None, Some(numbered(pseq, epoch)), Decision::Refuse(code)).await
    }

    /// The next notice.
    pub(crate) async fn notice(&mut self) -> StoreNotice {
        within("a notice", self.notices.recv()).await.unwrap()
    }

    /// The first notice that `wanted` makes something of.
    pub(crate) async fn notice_of<T>(&mut self, mut wanted: impl FnMut(StoreNotice) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.notice().await) {
                return found;
            }
        }
    }

    /// Waits until the hub would be told that notices may be missing.
    pub(crate) async fn is_interrupted(&mut self) {
        self.notice_of(|notice| matches!(notice, StoreNotice::Interrupted).then_some(())).await;
    }

    /// The contents of entries that are announced, until this one.
    pub(crate) async fn hears(&mut self, content: &str) -> Vec<String> {
        let mut heard = Vec::new();
        self.notice_of(|notice| {
            if let StoreNotice::Logged { entry, .. } = notice {
                heard.push(entry.content.clone());
            }
            heard.last().is_some_and(|last| last == content).then_some(())
        })
        .await;
        heard
    }
}

pub(crate) fn numbered(pseq: u64, epoch: &Epoch) -> Numbered {
    Numbered { user: Some(Name::from("ada")), pid: id("p"), pseq, epoch: Some(epoch.clone()) }
}

/// What a node has of a room that it has read.
pub(crate) fn held(state: &RoomState) -> Held {
    let id = state.entries.last().map(|entry| entry.id.clone()).or_else(|| state.gone.1.clone());
    Held { epoch: state.epoch.clone(), head: state.head, id }
}

/// Where an entry is, or why there is none.
pub(crate) fn seq(answer: &StoreAnswer) -> Result<(u64, bool), (Code, Option<u64>, bool)> {
    match answer {
        StoreAnswer::Appended { seq, dup, .. } => Ok((*seq, *dup)),
        StoreAnswer::Refused { code, expected, dup } => Err((*code, *expected, *dup)),
        other => panic!("neither appended nor refused: {other:?}"),
    }
}
