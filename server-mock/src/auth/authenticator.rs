//! Authenticates by a function of the application. Owns the bounds of its calls: their deadline, and how many run at a
//! time.

use super::{AuthRequest, Identity, Unavailable, User};
use crate::log_throttle::LogThrottleByCause;
use futures_util::future::BoxFuture;
use rejoin::Token;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How long an answer may take. Less than a handshake may.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);

/// Questions at a time. Others wait for their turn, within the same deadline.
const MOST: usize = 256;

type Ask = dyn Fn(Token, AuthRequest) -> BoxFuture<'static, Result<Option<User>, String>> + Send + Sync;

/// A function of the application that knows whose a token is. A clone is the same one.
#[derive(Clone)]
pub struct Authenticator {
    ask: Arc<Ask>,
    places: Arc<Semaphore>,
    failures: Arc<Mutex<LogThrottleByCause>>,
}

impl Authenticator {
    /// Of an async function: `Ok(Some(user))` lets in, `Ok(None)` refuses for good, an error is "ask again later", and so is
    /// an answer that takes longer than 5 s. The error is logged; tokens are not.
    pub fn new<F, Answer, E>(ask: F) -> Self
    where
        F: Fn(String, AuthRequest) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<Option<User>, E>> + Send + 'static,
        E: fmt::Display,
    {
        let ask = move |token: Token, request| -> BoxFuture<'static, _> {
            let answer = ask(token.expose().to_owned(), request);
            Box::pin(async move { answer.await.map_err(|error| error.to_string()) })
        };
        Self { ask: Arc::new(ask), places: Arc::new(Semaphore::new(MOST)), failures: Arc::default() }
    }

    pub(super) async fn identify(
        &self,
        token: &str,
        request: &AuthRequest,
    ) -> Result<Option<Identity>, Unavailable> {
        let asked = async {
            let _place = self.places.acquire().await.map_err(|error| error.to_string())?;
            (self.ask)(Token::new(token), request.clone()).await
        };
        let answer = timeout(DEADLINE, asked).await;
        let answer = answer.unwrap_or_else(|_| Err(String::from("no answer within 5 s")));
        let answer = answer.map_err(|why| {
            let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
            failures.record(&why, |count| {
                tracing::warn!(
                    count,
                    why = &*why,
                    "the function that authenticates cannot say whose a token is: clients are told to come back later"
                );
            });
            Unavailable
        })?;
        Ok(answer.and_then(|user| user.identity(Instant::now())))
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authenticator")
    }
}
