//! Time without waiting.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use vipps::Clock;
use vipps_core::Timer;

/// A clock that skips waits and remembers them; attempts are limited in real time.
#[derive(Debug)]
pub struct SkippingClock {
    start: Instant,
    skipped: Mutex<Vec<Duration>>,
}

impl SkippingClock {
    /// Starts at zero.
    #[expect(clippy::disallowed_methods, reason = "a clock of the tests")]
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), skipped: Mutex::new(Vec::new()) })
    }

    /// The waits so far, in order.
    ///
    /// # Panics
    ///
    /// When a test has panicked while it looked.
    #[must_use]
    pub fn waits(&self) -> Vec<Duration> {
        self.skipped.lock().expect("nobody panics with it").clone()
    }
}

impl Clock for SkippingClock {
    fn elapsed(&self) -> Duration {
        self.start.elapsed() + self.waits().iter().sum::<Duration>()
    }

    fn wall(&self) -> SystemTime {
        // Sun, 06 Nov 1994 08:49:37 GMT, the date of the published HTTP examples.
        SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
    }

    fn sleep(&self, duration: Duration) -> Timer {
        self.skipped.lock().expect("nobody panics with it").push(duration);
        // Not ready at once, so that whatever else is waited for is asked too.
        Box::pin(tokio::task::yield_now())
    }

    #[expect(clippy::disallowed_methods, reason = "a clock of the tests")]
    fn limit(&self, duration: Duration) -> Timer {
        Box::pin(tokio::time::sleep(duration))
    }
}
