//! Access tokens: fetched on first use, kept for their life, refreshed once however many
//! tasks wait.

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use reqwest::header::HeaderValue;
use tokio::runtime::{Handle, Id};

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

/// The shortest and the longest wait after a refresh that failed while the old token serves.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The token of one credential set. A failed fetch is never kept.
#[derive(Debug, Default)]
pub(crate) struct TokenCache {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Arc<AccessToken>>,
    /// The fetches under way, with the number of their start; one in each runtime, for one
    /// that nobody drives ends nothing.
    flights: Vec<(Id, u64, Flight)>,
    started: u64,
    /// Refreshes that failed in a row, and when the next may be.
    failed: u32,
    resting_until: Duration,
}

impl TokenCache {
    /// A token that is good at `now`, or why there is none; in that case also whether this
    /// caller made the request, or waited for that of another.
    ///
    /// In one runtime at most one `fetch` is under way at any time, and all that wait share
    /// its result. It runs in a task of its own, so that a caller who gives up takes nobody
    /// along. A token that is old but not expired is given at once, and refreshed behind.
    pub(crate) async fn get<F>(
        self: &Arc<Self>,
        now: Duration,
        fetch: F,
    ) -> Result<Arc<AccessToken>, (Arc<TokenFailure>, bool)>
    where
        F: FnOnce() -> BoxFuture<'static, Fetched>,
    {
        let (number, flight, leads) = {
            let mut state = self.lock();
            if let Some(token) = state.token.clone().filter(|token| now < token.expires_at) {
                if now >= token.refresh_at && now >= state.resting_until && state.flight().is_none() {
                    // It lands in a task of its own.
                    drop(self.start(&mut state, now, fetch()));
                }
                return Ok(token);
            }
            match state.flight() {
                Some((number, flight)) => (number, flight, false),
                None => {
                    let (number, flight) = self.start(&mut state, now, fetch());
                    (number, flight, true)
                }
            }
        };
        let fetched = flight.await;
        if fetched.is_err() {
            // A task that ended with its runtime has not cleared its own flight.
            self.lock().flights.retain(|(_, known, _)| *known != number);
        }
        fetched.map_err(|failure| (failure, leads))
    }

    fn start(self: &Arc<Self>, state: &mut State, now: Duration, fetch: BoxFuture<'static, Fetched>) -> (u64, Flight) {
        state.started += 1;
        let number = state.started;
        let task = tokio::spawn(self.clone().land(number, now, fetch));
        let flight = async { task.await.unwrap_or_else(|_| Err(Arc::new(TokenFailure::of_a_lost_task()))) };
        let flight = flight.boxed().shared();
        state.flights.push((Handle::current().id(), number, flight.clone()));
        (number, flight)
    }

    async fn land(self: Arc<Self>, number: u64, began: Duration, fetch: BoxFuture<'static, Fetched>) -> Fetched {
        let fetched = fetch.await;
        let mut state = self.lock();
        state.flights.retain(|(_, known, _)| *known != number);
        match &fetched {
            Ok(token) => {
                state.token = Some(token.clone());
                (state.failed, state.resting_until) = (0, Duration::ZERO);
            }
            Err(failure) => {
                let pause = SHORTEST_PAUSE.saturating_mul(1 << state.failed.min(6)).min(LONGEST_PAUSE);
                state.failed = state.failed.saturating_add(1);
                state.resting_until = began.saturating_add(failure.retry_after.unwrap_or_default().max(pause));
            }
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

impl State {
    /// The fetch under way in this runtime.
    fn flight(&self) -> Option<(u64, Flight)> {
        let here = Handle::current().id();
        let known = self.flights.iter().find(|(runtime, ..)| *runtime == here);
        known.map(|(_, number, flight)| (*number, flight.clone()))
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
                    cache.get(Duration::ZERO, fetch).await.is_ok()
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
        assert!(cache.get(Duration::ZERO, || async { Err(failure()) }.boxed()).await.is_err());
        assert!(cache.get(Duration::ZERO, || async { Ok(token(3600)) }.boxed()).await.is_ok());
        let late = Duration::from_secs(3500);
        assert!(cache.get(late, || async { Err(failure()) }.boxed()).await.is_ok(), "within its life");
        let expired = Duration::from_secs(3600);
        assert!(cache.get(expired, || async { Err(failure()) }.boxed()).await.is_err(), "after its life");
    }

    #[tokio::test]
    async fn an_old_token_is_given_at_once_and_refreshed_behind() {
        let cache = Arc::new(TokenCache::default());
        let old = cache.get(Duration::ZERO, || async { Ok(token(3600)) }.boxed()).await.unwrap();
        let late = Duration::from_secs(3500);
        let (send, receive) = tokio::sync::oneshot::channel::<()>();
        let slow = async move {
            receive.await.ok();
            Ok(token(7200))
        };
        let served = cache.get(late, || slow.boxed()).await.unwrap();
        assert!(Arc::ptr_eq(&old, &served));
        send.send(()).unwrap();
        while Arc::ptr_eq(&cache.get(late, || unreachable!()).await.unwrap(), &old) {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn refreshes_that_fail_come_at_growing_intervals() {
        let cache = Arc::new(TokenCache::default());
        cache.get(Duration::ZERO, || async { Ok(token(3600)) }.boxed()).await.unwrap();
        let mut tried = Vec::new();
        for second in 0..40 {
            let now = Duration::from_secs(3500 + second);
            let mut tries = false;
            let fetch = || {
                tries = true;
                async { Err(failure()) }.boxed()
            };
            cache.get(now, fetch).await.unwrap();
            tokio::task::yield_now().await;
            if tries {
                tried.push(second);
            }
        }
        assert_eq!(tried, [0, 1, 3, 7, 15, 31]);
    }

    #[tokio::test]
    async fn only_who_makes_the_request_pays_for_it() {
        let cache = Arc::new(TokenCache::default());
        let fetch = || async { Err(failure()) }.boxed();
        let (first, second) = tokio::join!(cache.get(Duration::ZERO, fetch), cache.get(Duration::ZERO, fetch));
        assert!(first.unwrap_err().1 && !second.unwrap_err().1);
    }

    #[test]
    fn a_runtime_that_nobody_drives_blocks_no_other() {
        let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (stalled, driven) = (runtime(), runtime());
        let cache = Arc::new(TokenCache::default());
        let mut waiting = Box::pin(cache.get(Duration::ZERO, || async { Ok(token(60)) }.boxed()));
        {
            let _inside = stalled.enter();
            assert!((&mut waiting).now_or_never().is_none());
        }
        let other = driven.block_on(cache.get(Duration::ZERO, || async { Ok(token(3600)) }.boxed()));
        assert_eq!(other.unwrap().expires_at.as_secs(), 3600);
    }

    #[tokio::test]
    async fn a_fetch_that_panics_leaves_the_next_one_free() {
        let cache = Arc::new(TokenCache::default());
        assert!(cache.get(Duration::ZERO, || async { panic!("as planned") }.boxed()).await.is_err());
        assert!(cache.get(Duration::ZERO, || async { Ok(token(3600)) }.boxed()).await.is_ok());
    }

    #[tokio::test]
    async fn only_the_refused_token_is_forgotten() {
        let cache = Arc::new(TokenCache::default());
        let first = cache.get(Duration::ZERO, || async { Ok(token(3600)) }.boxed()).await.unwrap();
        cache.forget(&first);
        let second = cache.get(Duration::ZERO, || async { Ok(token(3600)) }.boxed()).await.unwrap();
        cache.forget(&first);
        let kept = cache.get(Duration::ZERO, || async { Err(failure()) }.boxed()).await.unwrap();
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
        let mut first = Box::pin(cache.get(Duration::ZERO, || fetch.boxed()));
        assert!((&mut first).now_or_never().is_none());
        drop(first);
        send.send(()).unwrap();
        assert!(cache.get(Duration::ZERO, || async { Err(failure()) }.boxed()).await.is_ok());
    }

    #[test]
    fn slack_is_two_minutes_or_five_per_cent_and_at_most_half() {
        let cases = [(3600, None, 180), (86_400, None, 4320), (900, None, 120), (60, None, 30), (3600, Some(10), 10)];
        for (life, set, wanted) in cases {
            assert_eq!(slack(Duration::from_secs(life), set.map(Duration::from_secs)).as_secs(), wanted);
        }
    }
}
