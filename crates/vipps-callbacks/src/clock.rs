//! The one place that reads the time.

use std::time::SystemTime;

/// The time of this machine.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub(crate) fn system_time() -> SystemTime {
    SystemTime::now()
}
