//! How long to wait before an attempt is repeated: decorrelated jitter.

use std::time::Duration;

/// The waits of one call. Each lies between the base and three times the one before it,
/// and never above the cap ([decorrelated jitter]).
///
/// [decorrelated jitter]: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
#[derive(Debug)]
pub(crate) struct Backoff {
    base: Duration,
    cap: Duration,
    last: Duration,
}

impl Backoff {
    pub(crate) fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap: cap.max(base), last: base }
    }

    /// The next wait; `random_below(n)` gives a number in `0..n`.
    pub(crate) fn next(&mut self, random_below: &dyn Fn(u64) -> u64) -> Duration {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let base = micros(self.base);
        let highest = micros(self.last).saturating_mul(3).max(base);
        let wait = base + random_below((highest - base).saturating_add(1));
        self.last = Duration::from_micros(wait).min(self.cap);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(random: impl Fn(u64) -> u64) -> Vec<u128> {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        (0..6).map(|_| backoff.next(&random).as_millis()).collect()
    }

    #[test]
    fn waits_grow_by_jitter_between_base_and_cap() {
        assert_eq!(waits(|_| 0), [100; 6]);
        assert_eq!(waits(|below| below / 2), [200, 350, 575, 912, 1418, 2178]);
        assert_eq!(waits(|below| below - 1), [300, 900, 2700, 5000, 5000, 5000]);
    }
}
