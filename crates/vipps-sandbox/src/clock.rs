//! The sandbox's own time: real plus an offset, or a fixed start that only moves when told.
#![expect(clippy::disallowed_methods, reason = "this is the clock that everything else takes its time from")]

use std::time::{Duration, SystemTime};

use crate::options::ClockMode;
use crate::payment::Millis;

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
        let base = match self.mode {
            ClockMode::Manual => MANUAL_START,
            ClockMode::Real => {
                let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX / 2)
            }
        };
        base.saturating_add(self.offset)
    }

    pub(crate) fn advance(&mut self, by: Millis) {
        self.offset = self.offset.saturating_add(by);
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

/// Waits in real time, for scripted stalls.
pub(crate) async fn stall(duration: Duration) {
    tokio::time::sleep(duration).await;
}
