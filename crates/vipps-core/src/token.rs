//! Access tokens: fetched on first use, kept for their life, refreshed once however many
//! tasks wait.

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, Shared, select};
use reqwest::header::HeaderValue;

use crate::clock::Timer;
use crate::error::{Source, come_back, status_line};
use crate::problem::Problem;

/// A bearer token as a header value; never printed.
pub(crate) struct AccessToken {
    pub(crate) header: HeaderValue,
    /// On the clock of the client.
    pub(crate) refresh_at: Duration,
    pub(crate) expires_at: Duration,
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// What a failed token request came to; all calls that waited for it share it.
#[derive(Debug)]
pub(crate) struct TokenFailure {
    pub(crate) status: Option<u16>,
    pub(crate) problem: Option<Problem>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) what: String,
    pub(crate) transient: bool,
    pub(crate) source: Option<Source>,
}

impl TokenFailure {
    /// The runtime that was fetching has ended.
    fn of_a_lost_task() -> Self {
        Self::for_now("ended with the runtime that made it".into())
    }

    /// No token came within the limit of an attempt.
    pub(crate) fn out_of_time(limit: Duration) -> Self {
        Self::for_now(format!("got no answer within {limit:?}"))
    }

    /// Nothing arrived, and the next request may do better.
    fn for_now(what: String) -> Self {
        Self { status: None, problem: None, retry_after: None, what, transient: true, source: None }
    }
}

impl fmt::Display for TokenFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.status, &self.problem) {
            (Some(status), Some(problem)) => write!(f, "access token refused with {}: {problem}", status_line(status))?,
            _ => write!(f, "access token request {}", self.what)?,
        }
        if matches!(self.status, Some(400 | 401 | 403)) {
            f.write_str(
                "; check client id, client secret and subscription key, and that they are of this environment",
            )?;
        }
        come_back(f, self.retry_after)
    }
}

impl StdError for TokenFailure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

type Fetched = Result<Arc<AccessToken>, Arc<TokenFailure>>;
type Flight = Shared<BoxFuture<'static, Fetched>>;

/// The token of one credential set. A failed fetch is never kept.
#[derive(Debug, Default)]
pub(crate) struct TokenCache {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Arc<AccessToken>>,
    /// The fetch under way, with the number of its start.
    flight: Option<(u64, Flight)>,
    flights: u64,
}

impl TokenCache {
    /// A token that is fresh at `now`; at most one `fetch` is under way at any time, and
    /// all that wait share its result.
    ///
    /// The fetch runs in a task of its own, so that a caller who gives up takes nobody
    /// along. A token that is old but not expired serves on when its refresh fails, or
    /// outlasts `patience`.
    pub(crate) async fn get<P, F>(self: &Arc<Self>, now: Duration, patience: P, fetch: F) -> Fetched
    where
        P: FnOnce() -> Timer,
        F: FnOnce() -> BoxFuture<'static, Fetched>,
    {
        let (number, flight, old) = {
            let mut state = self.lock();
            if let Some(token) = state.token.as_ref().filter(|token| now < token.refresh_at) {
                return Ok(token.clone());
            }
            let old = state.token.clone().filter(|token| now < token.expires_at);
            let (number, flight) = match &state.flight {
                Some(known) => known.clone(),
                None => {
                    let task = tokio::spawn(self.clone().land(fetch()));
                    let flight = async { task.await.unwrap_or_else(|_| Err(Arc::new(TokenFailure::of_a_lost_task()))) };
                    state.flights += 1;
                    let started = (state.flights, flight.boxed().shared());
                    state.flight = Some(started.clone());
                    started
                }
            };
            (number, flight, old)
        };
        let fetched = match old {
            None => flight.await,
            Some(old) => match select(flight, patience()).await {
                Either::Left((Ok(token), _)) => Ok(token),
                _ => Ok(old),
            },
        };
        if fetched.is_err() {
            // A task that ended with its runtime has not cleared its own flight.
            let mut state = self.lock();
            state.flight.take_if(|(known, _)| *known == number);
        }
        fetched
    }

    async fn land(self: Arc<Self>, fetch: BoxFuture<'static, Fetched>) -> Fetched {
        let fetched = fetch.await;
        let mut state = self.lock();
        state.flight = None;
        if let Ok(token) = &fetched {
            state.token = Some(token.clone());
        }
        fetched
    }

    /// Forgets a token that a server refused, unless another has taken its place already.
    pub(crate) fn forget(&self, refused: &Arc<AccessToken>) {
        let mut state = self.lock();
        if state.token.as_ref().is_some_and(|token| Arc::ptr_eq(token, refused)) {
            state.token = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How early a token with this life is replaced: the larger of 120 s and 5 % of its life,
/// or what was set, and never more than half of its life.
pub(crate) fn slack(life: Duration, set: Option<Duration>) -> Duration {
    set.unwrap_or_else(|| (life / 20).max(Duration::from_secs(120))).min(life / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn token(life: u64) -> Arc<AccessToken> {
        let life = Duration::from_secs(life);
        Arc::new(AccessToken {
            header: HeaderValue::from_static("Bearer x"),
            refresh_at: life - slack(life, None),
            expires_at: life,
        })
    }

    /// Patience without an end.
    fn never() -> Timer {
        Box::pin(std::future::pending())
    }

    fn failure() -> Arc<TokenFailure> {
        Arc::new(TokenFailure::for_now("failed".into()))
    }

    #[tokio::test]
    async fn ten_thousand_tasks_on_a_cold_cache_make_one_fetch() {
        let cache = Arc::new(TokenCache::default());
        let fetches = Arc::new(AtomicU32::new(0));
        let tasks: Vec<_> = (0..10_000)
            .map(|_| {
                let (cache, fetches) = (cache.clone(), fetches.clone());
                tokio::spawn(async move {
                    let fetch = || {
                        fetches.fetch_add(1, Ordering::SeqCst);
                        async {
                            tokio::task::yield_now().await;
                            Ok(token(3600))
                        }
                        .boxed()
                    };
                    cache.get(Duration::ZERO, never, fetch).await.is_ok()
                })
            })
            .collect();
        for task in tasks {
            assert!(task.await.unwrap());
        }
        assert_eq!(fetches.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_failed_fetch_is_not_kept_and_an_old_token_serves_on() {
        let cache = Arc::new(TokenCache::default());
        assert!(cache.get(Duration::ZERO, never, || async { Err(failure()) }.boxed()).await.is_err());
        assert!(cache.get(Duration::ZERO, never, || async { Ok(token(3600)) }.boxed()).await.is_ok());
        let late = Duration::from_secs(3500);
        assert!(cache.get(late, never, || async { Err(failure()) }.boxed()).await.is_ok(), "within its life");
        let expired = Duration::from_secs(3600);
        assert!(cache.get(expired, never, || async { Err(failure()) }.boxed()).await.is_err(), "after its life");
    }

    #[tokio::test]
    async fn an_old_token_serves_on_while_its_refresh_hangs() {
        let cache = Arc::new(TokenCache::default());
        let old = cache.get(Duration::ZERO, never, || async { Ok(token(3600)) }.boxed()).await.unwrap();
        let late = Duration::from_secs(3500);
        let impatient = || -> Timer { Box::pin(async {}) };
        let hangs = || std::future::pending().boxed();
        let served = cache.get(late, impatient, hangs).await.unwrap();
        assert!(Arc::ptr_eq(&old, &served));
    }

    #[tokio::test]
    async fn a_fetch_that_panics_leaves_the_next_one_free() {
        let cache = Arc::new(TokenCache::default());
        assert!(cache.get(Duration::ZERO, never, || async { panic!("as planned") }.boxed()).await.is_err());
        assert!(cache.get(Duration::ZERO, never, || async { Ok(token(3600)) }.boxed()).await.is_ok());
    }

    #[tokio::test]
    async fn only_the_refused_token_is_forgotten() {
        let cache = Arc::new(TokenCache::default());
        let first = cache.get(Duration::ZERO, never, || async { Ok(token(3600)) }.boxed()).await.unwrap();
        cache.forget(&first);
        let second = cache.get(Duration::ZERO, never, || async { Ok(token(3600)) }.boxed()).await.unwrap();
        cache.forget(&first);
        let kept = cache.get(Duration::ZERO, never, || async { Err(failure()) }.boxed()).await.unwrap();
        assert!(Arc::ptr_eq(&second, &kept));
    }

    #[tokio::test]
    async fn a_caller_that_gives_up_does_not_stop_the_fetch() {
        let cache = Arc::new(TokenCache::default());
        let (send, receive) = tokio::sync::oneshot::channel::<()>();
        let fetch = async move {
            receive.await.ok();
            Ok(token(3600))
        };
        let mut first = Box::pin(cache.get(Duration::ZERO, never, || fetch.boxed()));
        assert!((&mut first).now_or_never().is_none());
        drop(first);
        send.send(()).unwrap();
        assert!(cache.get(Duration::ZERO, never, || async { Err(failure()) }.boxed()).await.is_ok());
    }

    #[test]
    fn slack_is_two_minutes_or_five_per_cent_and_at_most_half() {
        let cases = [(3600, None, 180), (86_400, None, 4320), (900, None, 120), (60, None, 30), (3600, Some(10), 10)];
        for (life, set, wanted) in cases {
            assert_eq!(slack(Duration::from_secs(life), set.map(Duration::from_secs)).as_secs(), wanted);
        }
    }
}
