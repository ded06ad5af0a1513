//! What is answered to the calls of Vipps that ask something.

use std::fmt;

use serde_json::Value;
use vipps_types::CallbackUrl;

/// An answer as HTTP needs it: a status, and a body of `application/json` or none.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    status: u16,
    body: String,
}

impl Answer {
    pub(crate) fn ok(body: &Value) -> Self {
        Self { status: 200, body: body.to_string() }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, body: String::new() }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The body: JSON, or empty.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.body
    }
}

/// Shows no body: an address in it may let its holder act.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

/// An address that a customer's browser is sent to; it may have a fragment.
pub(crate) fn web_address<'a>(member: &'static str, url: &'a str) -> Result<&'a str, AnswerError> {
    let before_fragment = url.split('#').next().unwrap_or_default();
    match CallbackUrl::parse(before_fragment) {
        Ok(_) if !url.contains(|letter: char| !letter.is_ascii_graphic()) => Ok(url),
        _ => Err(AnswerError::new(member, "must be an http or https address, percent-encoded")),
    }
}

/// An answer that Vipps would not take, found before it is given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unusable answer: {place} {why}")]
pub struct AnswerError {
    pub(crate) place: String,
    pub(crate) why: &'static str,
}

impl AnswerError {
    pub(crate) fn new(place: impl Into<String>, why: &'static str) -> Self {
        Self { place: place.into(), why }
    }
}
