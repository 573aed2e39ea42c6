//! Clients that talk while something happens to Redis, and what each of them was told.

use crate::servers::{Talker, WINDOW};
use harness::delivery_oracle::Account;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::{JoinHandle, block_in_place};

/// Between two sends of a talker: what is under way at a failure is what counts, not how much.
const PAUSE: Duration = Duration::from_millis(3);

/// Sends of each talker after it, which all have to be answered.
pub(crate) const AFTERWARDS: usize = 30;

/// Talks until what happens is over, and a while longer.
async fn talk(mut talker: Talker, round: usize, over: Arc<AtomicBool>) -> Talker {
    let mut pace = tokio::time::interval(PAUSE);
    let (mut afterwards, mut number) = (0, 0);
    while afterwards < AFTERWARDS {
        pace.tick().await;
        talker.listen("room in the window", |account| account.unresolved() < WINDOW).await;
        afterwards += usize::from(over.load(Ordering::Acquire));
        talker.say(format!("{} {round} {number}", talker.account.name()));
        number += 1;
    }
    talker.listen("the outcomes", |account| account.unresolved() == 0).await;
    talker
}

/// Lets everybody talk while something happens.
pub(crate) async fn under_load(talkers: Vec<Talker>, round: usize, happens: impl FnOnce()) -> Vec<Talker> {
    let over = Arc::<AtomicBool>::default();
    let talking: Vec<JoinHandle<Talker>> =
        talkers.into_iter().map(|talker| tokio::spawn(talk(talker, round, Arc::clone(&over)))).collect();
    block_in_place(happens);
    over.store(true, Ordering::Release);
    let mut talkers = Vec::new();
    for talker in talking {
        talkers.push(talker.await.unwrap());
    }
    talkers
}

/// Waits until everybody has heard what each of them says last, and gives what they were told.
pub(crate) async fn last_words(mut talkers: Vec<Talker>) -> Vec<Account> {
    let last = |talker: &Talker| format!("{} says goodbye", talker.account.name());
    let words: Vec<String> = talkers.iter().map(last).collect();
    for (talker, words) in talkers.iter_mut().zip(&words) {
        talker.say(words.clone());
    }
    for talker in &mut talkers {
        let heard = |account: &Account, words: &String| {
            account.heard.iter().rev().any(|entry| entry.content == *words)
        };
        talker
            .listen("the last words", |account| {
                account.unresolved() == 0 && words.iter().all(|words| heard(account, words))
            })
            .await;
    }
    talkers.into_iter().map(|talker| talker.account).collect()
}
