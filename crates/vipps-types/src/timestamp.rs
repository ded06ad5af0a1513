//! Points in time as Vipps writes them.

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// A point in time that keeps its text and converts when asked.
///
/// Answers mix `Z` and `+00:00`, carry 0 to 7 fractional digits and, in some places, no
/// offset at all. Reading never fails; converting may.
///
/// ```
/// use vipps_types::Timestamp;
///
/// let at = Timestamp::from("2023-03-27T10:51:44.5333258Z");
/// assert_eq!(at.as_str(), "2023-03-27T10:51:44.5333258Z");
/// assert_eq!(at.unix_millis(), Some(1_679_914_304_533));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Timestamp(String);

impl Timestamp {
    /// The instant, written in UTC with millisecond precision. One beyond the years -9999
    /// to 9999 is written as the end of 9999.
    #[must_use]
    pub fn from_system_time(at: SystemTime) -> Self {
        let instant = jiff::Timestamp::try_from(at).unwrap_or(jiff::Timestamp::MAX);
        Self(format!("{instant:.3}"))
    }

    /// The text exactly as it came.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The instant, or `None` where the text is no point in time. A text without an
    /// offset is read as UTC.
    #[must_use]
    pub fn to_system_time(&self) -> Option<SystemTime> {
        Some(self.instant()?.into())
    }

    /// Milliseconds since 1970-01-01T00:00:00Z, rounded down; `None` as in
    /// [`Timestamp::to_system_time`].
    #[must_use]
    pub fn unix_millis(&self) -> Option<i64> {
        Some(self.instant()?.as_millisecond())
    }

    fn instant(&self) -> Option<jiff::Timestamp> {
        let text = self.0.trim();
        text.parse::<jiff::Timestamp>().ok().or_else(|| {
            let local: jiff::civil::DateTime = text.parse().ok()?;
            local.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
        })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Timestamp {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Timestamp {
    fn from(text: String) -> Self {
        Self(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_that_answers_use_converts() {
        let cases = [
            ("2019-08-24T14:15:22Z", Some(1_566_656_122_000)),
            ("2019-08-24T14:15:22+00:00", Some(1_566_656_122_000)),
            ("2019-08-24T16:15:22+02:00", Some(1_566_656_122_000)),
            ("2019-08-24T14:15:22.1234567Z", Some(1_566_656_122_123)),
            ("2019-08-24T14:15:22", Some(1_566_656_122_000)),
            ("2019-08-24t14:15:22z", Some(1_566_656_122_000)),
            ("yesterday", None),
        ];
        for (text, millis) in cases {
            let json = format!("\"{text}\"");
            let read: Timestamp = serde_json::from_str(&json).unwrap();
            assert_eq!(read.unix_millis(), millis, "{text}");
            assert_eq!(serde_json::to_string(&read).unwrap(), json);
        }
    }
}
