//! The sandbox's own time: real plus an offset, or a fixed start that only moves when told.
#![expect(clippy::disallowed_methods, reason = "this is the clock that everything else takes its time from")]

use std::time::{Duration, SystemTime};

use crate::options::ClockMode;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub(crate) type Millis = i64;

pub(crate) const SECOND: Millis = 1000;
pub(crate) const MINUTE: Millis = 60 * SECOND;
pub(crate) const HOUR: Millis = 60 * MINUTE;
pub(crate) const DAY: Millis = 24 * HOUR;

/// 2026-01-01T00:00:00Z.
const MANUAL_START: Millis = 1_767_225_600_000;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    mode: ClockMode,
    offset: Millis,
}

impl Clock {
    pub(crate) fn new(mode: ClockMode) -> Self {
        Self { mode, offset: 0 }
    }

    pub(crate) fn mode(&self) -> ClockMode {
        self.mode
    }

    pub(crate) fn offset(&self) -> Millis {
        self.offset
    }

    pub(crate) fn now(&self) -> Millis {
        self.base().saturating_add(self.offset)
    }

    /// Moves to a later time; never back.
    pub(crate) fn move_to(&mut self, at: Millis) {
        self.offset = self.offset.max(at.saturating_sub(self.base()));
    }

    /// Real time until this time comes by itself; `None` where time only moves when told.
    pub(crate) fn until(&self, at: Millis) -> Option<Duration> {
        let wait = u64::try_from(at.saturating_sub(self.now())).unwrap_or_default();
        (self.mode == ClockMode::Real).then(|| Duration::from_millis(wait))
    }

    fn base(&self) -> Millis {
        match self.mode {
            ClockMode::Manual => MANUAL_START,
            ClockMode::Real => {
                let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX / 2)
            }
        }
    }
}

/// RFC 3339 with milliseconds.
pub(crate) fn rfc3339(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| "9999-12-31T23:59:59.999Z".into(), |at| format!("{at:.3}"))
}

/// The instant an RFC 3339 text names.
pub(crate) fn parse_rfc3339(text: &str) -> Option<Millis> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

/// The first instant, in UTC, of the day that `YYYY-MM-DD` names.
pub(crate) fn parse_day(text: &str) -> Option<Millis> {
    let date = text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == 10)?;
    Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

/// The first instant of the day, in UTC.
pub(crate) fn start_of_day(at: Millis) -> Millis {
    at - at.rem_euclid(DAY)
}

/// As HTTP writes dates: `Thu, 01 Jan 2026 00:00:00 GMT`.
pub(crate) fn http_date(at: Millis) -> String {
    let at = jiff::Timestamp::from_millisecond(at).unwrap_or(jiff::Timestamp::MAX);
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Waits in real time, for scripted stalls and for what is due.
pub(crate) async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// The outcome, or `None` when it takes longer than this in real time.
pub(crate) async fn within<T>(limit: Duration, outcome: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, outcome).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_http_dates_are_written_as_on_the_wire() {
        assert_eq!(parse_day("2026-01-03"), Some(MANUAL_START + 2 * DAY));
        assert_eq!((parse_day("2026-1-3"), parse_day("2026-02-30"), parse_day("x")), (None, None, None));
        assert_eq!(http_date(1_785_578_400_000), "Sat, 01 Aug 2026 10:00:00 GMT");
        assert_eq!(start_of_day(MANUAL_START + DAY - 1), MANUAL_START);
    }
}
