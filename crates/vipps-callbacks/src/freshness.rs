//! How old a delivery may be.

use std::time::{Duration, SystemTime};

use crate::Refusal;

/// Clocks of two machines differ, and a delivery takes a moment.
const WINDOW: Duration = Duration::from_secs(5 * 60);

/// Vipps repeats a delivery for so long.
const RETRIES: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How old a delivery may be when it comes.
///
/// A failed delivery is repeated for seven days, and nobody publishes whether a repetition
/// is signed anew. If it is not, a hard window refuses every retry after an outage of five
/// minutes, which blocks the later events of the payment and in the end costs the
/// registration. So the choice is:
///
/// - [`Freshness::WithInbox`] when the receiver records each event under its
///   [key](crate::Event::key) in a table with a unique column: a copy is then recognised
///   however late it comes, and nothing is lost.
/// - [`Freshness::Window`] when it has no such table: a copy that somebody caught is refused
///   after the window, and events of an outage must be read back from the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Freshness {
    /// Refuses what was signed longer ago, or further ahead, than this. Default: 5 min,
    /// which other receivers use; the vendor documents no limit.
    Window(Duration),
    /// Takes what was signed up to seven days ago (and 5 min of clocks that differ), and marks
    /// what is older than 5 min as [late](crate::Delivery::is_late).
    WithInbox,
}

impl Default for Freshness {
    fn default() -> Self {
        Self::Window(WINDOW)
    }
}

impl Freshness {
    /// Whether what was signed then is late now, or why it is not taken.
    pub(crate) fn is_late(self, signed_at: SystemTime, now: SystemTime) -> Result<bool, Refusal> {
        let (late_after, most) = match self {
            Self::Window(window) => (window, window),
            Self::WithInbox => (WINDOW, RETRIES + WINDOW),
        };
        match now.duration_since(signed_at) {
            Ok(age) if age > most => Err(Refusal::Stale { age, most }),
            Ok(age) => Ok(age > late_after),
            Err(early) if early.duration() > late_after => {
                Err(Refusal::Early { ahead: early.duration(), most: late_after })
            }
            Err(_) => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60;
    const DAY: u64 = 24 * 60 * MINUTE;

    #[test]
    fn a_delivery_is_fresh_late_stale_or_early_by_its_age() {
        let inbox = Freshness::WithInbox;
        let window = Freshness::default();
        let short = Freshness::Window(Duration::from_secs(10));
        let endless = Freshness::Window(Duration::MAX);
        // Mode, seconds since it was signed, whether it is late or refused.
        let cases = [
            (window, 0, Ok(false)),
            (window, 5 * MINUTE, Ok(false)),
            (window, 5 * MINUTE + 1, Err("stale")),
            (short, 10, Ok(false)),
            (short, 11, Err("stale")),
            (endless, 400 * DAY, Ok(false)),
            (inbox, 5 * MINUTE, Ok(false)),
            (inbox, 5 * MINUTE + 1, Ok(true)),
            (inbox, 7 * DAY, Ok(true)),
            (inbox, 7 * DAY + 5 * MINUTE + 1, Err("stale")),
        ];
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000 * DAY);
        for (mode, age, expected) in cases {
            let found = mode.is_late(now - Duration::from_secs(age), now);
            let found = found.map_err(|refusal| if matches!(refusal, Refusal::Stale { .. }) { "stale" } else { "?" });
            assert_eq!(found, expected, "{mode:?} after {age} s");
        }
        for (mode, ahead, is_taken) in [(window, 5 * MINUTE, true), (window, 301, false), (inbox, 301, false)] {
            let found = mode.is_late(now + Duration::from_secs(ahead), now);
            assert_eq!(found == Ok(false), is_taken, "{mode:?} {ahead} s ahead");
            assert!(is_taken || matches!(found, Err(Refusal::Early { .. })));
        }
    }
}
