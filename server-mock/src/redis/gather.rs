//! Asks all other nodes and gathers their answers. Owns how many answers are expected and their deadline; knows no
//! question.

use super::keys::Keys;
use super::token_store::RedisTokenStore;
use crate::other_nodes::{Answers, OtherNodes, Question, StoreAway};
use futures_util::future::BoxFuture;
use rejoin::{Id, Name};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// How long answers are waited for: an operator waits too.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

/// Most answers of one question that wait, and most bytes of one.
const MOST: usize = 256;
const LONGEST: usize = 4 << 20;

/// Most questions under way.
const MOST_CALLS: usize = 64;

/// A question as it is published.
#[derive(Serialize, Deserialize)]
struct QuestionText {
    node: String,
    r#do: String,
    call: u64,
    question: Question,
}

/// An answer as it is published.
#[derive(Serialize, Deserialize)]
struct AnswerText {
    node: String,
    call: u64,
    answer: Value,
}

/// Asks the other nodes. A clone is the same one.
#[derive(Clone)]
pub(super) struct Gather {
    node: Id,
    keys: Keys,
    commands: RedisTokenStore,
    calls: Arc<Mutex<Calls>>,
}

#[derive(Default)]
struct Calls {
    last: u64,
    waiting: BTreeMap<u64, mpsc::Sender<AnswerText>>,
}

/// A question that waits for answers, until this is dropped.
struct Call {
    calls: Arc<Mutex<Calls>>,
    number: u64,
}

impl Drop for Call {
    fn drop(&mut self) {
        lock(&self.calls).waiting.remove(&self.number);
    }
}

impl Gather {
    pub(super) fn new(node: Id, keys: Keys, commands: RedisTokenStore) -> Self {
        Self { node, keys, commands, calls: Arc::default() }
    }

    /// The channel on which this node gets answers.
    pub(super) fn channel(&self) -> String {
        self.keys.answers_to(self.node.as_str())
    }

    /// An answer has come.
    pub(super) fn answered(&self, payload: &[u8]) {
        if payload.len() > LONGEST {
            return;
        }
        let Ok(answer) = serde_json::from_slice::<AnswerText>(payload) else { return };
        if let Some(waiting) = lock(&self.calls).waiting.get(&answer.call) {
            // What does not fit counts as missing.
            let _ = waiting.try_send(answer);
        }
    }

    /// Answers a question of another node; `false` if this is none.
    pub(super) fn serve(&self, payload: &[u8], answer: impl FnOnce(Question) -> Option<Value>) -> bool {
        let Ok(QuestionText { node, r#do, call, question }) = serde_json::from_slice(payload) else {
            return false;
        };
        if r#do != "ask" || Id::new(&node).is_err() {
            return false;
        }
        if node != self.node.as_str()
            && let Some(answer) = answer(question)
        {
            let text = AnswerText { node: self.node.as_str().to_owned(), call, answer };
            let text = serde_json::to_string(&text).unwrap_or_default();
            if text.len() <= LONGEST {
                self.commands.publish(&self.keys.answers_to(&node), &text);
            }
        }
        true
    }

    /// Begins to wait for answers to the next question.
    fn begin(&self) -> Option<(Call, mpsc::Receiver<AnswerText>)> {
        let mut calls = lock(&self.calls);
        if calls.waiting.len() >= MOST_CALLS {
            return None;
        }
        calls.last += 1;
        let number = calls.last;
        let (sender, answers) = mpsc::channel(MOST);
        calls.waiting.insert(number, sender);
        Some((Call { calls: Arc::clone(&self.calls), number }, answers))
    }

    async fn gather(self, question: Question) -> Answers {
        let Some((call, mut answers)) = self.begin() else { return Answers::default() };
        let text = QuestionText {
            node: self.node.as_str().to_owned(),
            r#do: String::from("ask"),
            call: call.number,
            question,
        };
        let text = serde_json::to_string(&text).unwrap_or_default();
        let until = Instant::now() + ANSWERED_WITHIN;
        let Some(heard) = self.commands.publish_counted(&self.keys.control(), &text).await else {
            return Answers::default();
        };
        // This node is one of those that heard it.
        let others = usize::try_from(heard.saturating_sub(1)).unwrap_or(usize::MAX);
        let mut all = BTreeMap::new();
        while all.len() < others {
            match timeout_at(until, answers.recv()).await {
                Ok(Some(AnswerText { node, answer, .. })) => all.insert(node, answer),
                Ok(None) | Err(_) => break,
            };
        }
        let missing = Some(others.saturating_sub(all.len()));
        Answers { answers: all.into_iter().collect(), missing }
    }
}

impl OtherNodes for Gather {
    fn ask(&self, question: Question) -> BoxFuture<'static, Answers> {
        Box::pin(self.clone().gather(question))
    }

    fn empty_room(&self, room: Name) -> BoxFuture<'static, Result<bool, StoreAway>> {
        self.commands.empty_room(&room)
    }

    fn own(&self) -> &str {
        self.node.as_str()
    }
}

impl fmt::Debug for Gather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather").field("node", &self.node).finish_non_exhaustive()
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
