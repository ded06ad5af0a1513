//! May a failed attempt be repeated, and after how long? Pure: time and chance come in.

use std::time::{Duration, SystemTime};

use crate::outcome::{Evidence, Prospect};

/// When and how often attempts are repeated. Plain data; the defaults suit a shop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts of one call, the first included; 1 means no retry. Default: 4.
    pub max_attempts: u32,
    /// The shortest wait between attempts. Default: 100 ms.
    pub base_backoff: Duration,
    /// The longest wait between attempts that is our own choice. Default: 5 s.
    pub max_backoff: Duration,
    /// Retries that a client has in store, for reads and for writes each: when everything
    /// fails, they run out and stop adding to the load. Default: 10. Where more writes are
    /// under way, there is one for each of them; 0 means no retry.
    pub budget: u32,
    /// Successes after which one retry is put back into the store. Default: 5; 0 puts none
    /// back.
    pub calls_per_retry: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 4,
            base_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            budget: 10,
            calls_per_retry: 5,
        }
    }
}

/// What is known when an attempt has failed.
pub(crate) struct Failed {
    pub(crate) evidence: Evidence,
    pub(crate) prospect: Prospect,
    /// The operation may be sent twice: a read, a write with its key, or one that cannot
    /// double.
    pub(crate) repeatable: bool,
    /// This call has already taken a new token.
    pub(crate) refreshed: bool,
    pub(crate) attempts: u32,
    pub(crate) max_attempts: u32,
    /// What the server asks for.
    pub(crate) retry_after: Option<Duration>,
    /// Time left until the deadline of the call.
    pub(crate) left: Duration,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Stop,
    /// At once, with a new access token.
    Refresh,
    /// After a wait: the server's, or `None` for our own backoff.
    Again(Option<Duration>),
}

pub(crate) fn decide(failed: &Failed) -> Decision {
    if failed.attempts >= failed.max_attempts || failed.left.is_zero() {
        return Decision::Stop;
    }
    if failed.prospect == Prospect::NewToken {
        // Another copy of the request may have been let through before.
        let may = failed.repeatable && !failed.refreshed;
        return if may { Decision::Refresh } else { Decision::Stop };
    }
    let unsent = failed.evidence == Evidence::NotSent;
    if failed.prospect == Prospect::Final || !(unsent || failed.repeatable) {
        return Decision::Stop;
    }
    match failed.retry_after {
        Some(wait) if wait >= failed.left => Decision::Stop,
        wait => Decision::Again(wait),
    }
}

/// Reads `Retry-After`: seconds, or an HTTP date in any of its three forms.
pub(crate) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More than fits is simply too late.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(evidence: Evidence, prospect: Prospect) -> Failed {
        Failed {
            evidence,
            prospect,
            repeatable: true,
            refreshed: false,
            attempts: 1,
            max_attempts: 4,
            retry_after: None,
            left: Duration::from_secs(20),
        }
    }

    #[test]
    fn only_what_is_safe_and_hopeful_is_repeated() {
        use {Decision::*, Evidence::*, Prospect::*};
        let second = Duration::from_secs(1);
        let cases = [
            ("lost, keyed", failed(Lost, Transient), Again(None)),
            ("lost, unkeyed", Failed { repeatable: false, ..failed(Lost, Transient) }, Stop),
            ("429, unkeyed", Failed { repeatable: false, ..failed(Turned, Transient) }, Stop),
            ("not connected, unkeyed", Failed { repeatable: false, ..failed(NotSent, Transient) }, Again(None)),
            ("refused", failed(Refused, Final), Stop),
            ("401", failed(Turned, NewToken), Refresh),
            ("401, unkeyed", Failed { repeatable: false, ..failed(Turned, NewToken) }, Stop),
            ("401 again", Failed { refreshed: true, ..failed(Turned, NewToken) }, Stop),
            ("last attempt", Failed { attempts: 4, ..failed(Lost, Transient) }, Stop),
            ("one attempt means no retry", Failed { max_attempts: 1, ..failed(Turned, NewToken) }, Stop),
            (
                "the server says when",
                Failed { retry_after: Some(second), ..failed(Turned, Transient) },
                Again(Some(second)),
            ),
            ("too late", Failed { retry_after: Some(20 * second), ..failed(Turned, Transient) }, Stop),
            ("no time left", Failed { left: Duration::ZERO, ..failed(Lost, Transient) }, Stop),
        ];
        for (name, failed, wanted) in cases {
            assert_eq!(decide(&failed), wanted, "{name}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let cases = [
            ("2", Some(2)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:49:27 GMT", Some(0)),
            ("Sunday, 06-Nov-94 08:49:47 GMT", Some(10)),
            ("Sun Nov  6 08:49:47 1994", Some(10)),
            ("99999999999999999999", Some(u64::MAX)),
            ("soon", None),
            ("-1", None),
        ];
        for (value, seconds) in cases {
            assert_eq!(retry_after(value, now), seconds.map(Duration::from_secs), "{value}");
        }
    }
}
