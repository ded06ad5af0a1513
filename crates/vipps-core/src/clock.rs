//! The only place that reads time or waits.
#![expect(clippy::disallowed_methods, reason = "this is the clock that everything else takes its time from")]

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime};

/// A wait that ends by itself.
pub type Timer = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where time comes from. Tests bring their own.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Time since some fixed point; never goes back.
    fn elapsed(&self) -> Duration;

    /// The time of day, for dates that servers send.
    fn wall(&self) -> SystemTime;

    /// Waits between attempts and between polls.
    fn sleep(&self, duration: Duration) -> Timer;

    /// Ends when an attempt or a call has lasted too long. Apart from [`Clock::sleep`], so
    /// that a test can skip waits without ending attempts.
    fn limit(&self, duration: Duration) -> Timer {
        self.sleep(duration)
    }
}

/// The clock of the machine, waiting by tokio.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock that starts now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, duration: Duration) -> Timer {
        Box::pin(tokio::time::sleep(duration))
    }
}
