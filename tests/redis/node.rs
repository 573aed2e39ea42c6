//! A node without a hub: makes requests and takes what comes of them.

use crate::within;
use harness::redis_process::RedisProcess;
use rejoin::messages::{Code, Epoch, ProducerSeq};
use rejoin::{Id, Name};
use rejoin_server::hub::shared::{
    Decision, KnownHead, RequestId, RoomState, SendKey, StoreNotice, StoreRequest, StoreResponse,
};
use rejoin_server::hub::{HubConfig, LogEntry};
use rejoin_server::redis::{Redis, RedisConfig, StoreError, StoreListener};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub(crate) struct Node {
    requests: mpsc::Sender<StoreRequest>,
    answers: mpsc::UnboundedReceiver<(RequestId, StoreResponse)>,
    notices: mpsc::UnboundedReceiver<StoreNotice>,
    tickets: u64,
    pub(crate) id: Id,
    task: JoinHandle<()>,
}

struct Ends(mpsc::UnboundedSender<(RequestId, StoreResponse)>, mpsc::UnboundedSender<StoreNotice>);

impl StoreListener for Ends {
    fn on_response(&self, request_id: RequestId, answer: StoreResponse) {
        let _ = self.0.send((request_id, answer));
    }

    fn on_notices(&self, notices: Vec<StoreNotice>) {
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

pub(crate) fn entry(id: &str, content: &str) -> LogEntry {
    LogEntry::new(self::id(id), Name::from("ada"), content.to_owned())
}

/// The adapter with the Redis at a URL, or why there is none.
pub(crate) async fn connect(url: &str) -> Result<Redis, StoreError> {
    connect_with(&RedisConfig::new(url).unwrap()).await
}

pub(crate) async fn connect_with(config: &RedisConfig) -> Result<Redis, StoreError> {
    Redis::connect(config, id("a"), &HubConfig::default()).await
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
        Self::connect(&redis.url(), name, change).await
    }

    /// One whose Redis is at a URL.
    pub(crate) async fn start_at(url: &str, name: &str) -> Self {
        Self::connect(url, name, |_, _| {}).await
    }

    async fn connect(url: &str, name: &str, change: impl FnOnce(&mut RedisConfig, &mut HubConfig)) -> Self {
        let (mut config, mut hub) = (RedisConfig::new(url).unwrap(), HubConfig::default());
        change(&mut config, &mut hub);
        let redis = Redis::connect(&config, id(name), &hub).await.unwrap();
        let (requests, made) = mpsc::channel(256);
        let (answered, answers) = mpsc::unbounded_channel();
        let (told, notices) = mpsc::unbounded_channel();
        let task = tokio::spawn(redis.serve(made, Arc::new(Ends(answered, told))));
        Self { requests, answers, notices, tickets: 0, id: id(name), task }
    }

    pub(crate) fn request_id(&mut self) -> RequestId {
        self.tickets += 1;
        RequestId(self.tickets)
    }

    pub(crate) async fn ask(&self, request: StoreRequest) {
        self.requests.send(request).await.unwrap();
    }

    pub(crate) async fn any_answer(&mut self) -> (RequestId, StoreResponse) {
        within("an answer", self.answers.recv()).await.unwrap()
    }

    /// The next answer, which is to this ticket.
    pub(crate) async fn answer(&mut self, request_id: RequestId) -> StoreResponse {
        let (to, answer) = self.any_answer().await;
        assert_eq!(to, request_id);
        answer
    }

    pub(crate) async fn try_open(&mut self, room: &str, held: Option<KnownHead>) -> StoreResponse {
        let request_id = self.request_id();
        let fresh = id(&format!("{}-{}", self.id.as_str(), request_id.0));
        self.ask(StoreRequest::Open {
            request_id,
            room: Name::from(room),
            known_head: held,
            new_epoch: fresh,
        })
        .await;
        self.answer(request_id).await
    }

    pub(crate) async fn open(&mut self, room: &str, held: Option<KnownHead>) -> RoomState {
        match self.try_open(room, held).await {
            StoreResponse::Opened(state) => state,
            other => panic!("{room} is not opened: {other:?}"),
        }
    }

    pub(crate) async fn decide(
        &mut self,
        room: &str,
        held: Option<KnownHead>,
        send: Option<SendKey>,
        decision: Decision,
    ) -> StoreResponse {
        let request_id = self.request_id();
        let fresh = id(&format!("{}-{}", self.id.as_str(), request_id.0));
        self.ask(StoreRequest::Append {
            request_id,
            room: Name::from(room),
            known_head: held,
            new_epoch: fresh,
            send,
            decision,
        })
        .await;
        self.answer(request_id).await
    }

    /// Appends something without a number.
    pub(crate) async fn say(&mut self, room: &str, content: &str) -> StoreResponse {
        let number = self.tickets;
        let id = format!("{}-m{number}", self.id.as_str());
        self.decide(room, None, None, Decision::Append(Box::new(entry(&id, content)))).await
    }

    /// Appends the `pseq`th send of ada's producer `p`.
    pub(crate) async fn send(&mut self, room: &str, pseq: u64, epoch: &Epoch) -> StoreResponse {
        let mut entry = entry(&format!("{}-m{}", self.id.as_str(), self.tickets), &format!("send {pseq}"));
        entry.origin = Some(Box::new(ProducerSeq { pid: id("p"), pseq }));
        self.decide(room, None, Some(numbered(pseq, epoch)), Decision::Append(Box::new(entry))).await
    }

    pub(crate) async fn refuse(&mut self, room: &str, pseq: u64, epoch: &Epoch, code: Code) -> StoreResponse {
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
            if let StoreNotice::Appended { entry, .. } = notice {
                heard.push(entry.content.clone());
            }
            heard.last().is_some_and(|last| last == content).then_some(())
        })
        .await;
        heard
    }
}

pub(crate) fn numbered(pseq: u64, epoch: &Epoch) -> SendKey {
    SendKey { user: Some(Name::from("ada")), pid: id("p"), pseq, epoch: Some(epoch.clone()) }
}

/// What a node has of a room that it has read.
pub(crate) fn held(state: &RoomState) -> KnownHead {
    let id = state.entries.last().map(|entry| entry.id.clone()).or_else(|| state.preceding.1.clone());
    KnownHead { epoch: state.epoch.clone(), head: state.head, id }
}

/// Where an entry is, or why there is none.
pub(crate) fn seq(answer: &StoreResponse) -> Result<(u64, bool), (Code, Option<u64>, bool)> {
    match answer {
        StoreResponse::Appended { seq, dup, .. } => Ok((*seq, *dup)),
        StoreResponse::Refused { code, expected, dup } => Err((*code, *expected, *dup)),
        other => panic!("neither appended nor refused: {other:?}"),
    }
}
