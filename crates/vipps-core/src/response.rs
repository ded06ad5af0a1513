//! What an answered call gives back.

use std::fmt;
use std::ops::Deref;

use reqwest::header::HeaderMap;

/// A decoded answer, with what else is known of the call. Dereferences to the answer.
#[derive(Clone)]
pub struct Response<T> {
    answer: T,
    http_status: u16,
    headers: HeaderMap,
    attempts: u32,
}

impl<T> Response<T> {
    pub(crate) fn new(answer: T, http_status: u16, headers: HeaderMap, attempts: u32) -> Self {
        Self { answer, http_status, headers, attempts }
    }

    /// The answer alone.
    pub fn into_inner(self) -> T {
        self.answer
    }

    /// The same call with another view of its answer.
    pub fn map<U>(self, view: impl FnOnce(T) -> U) -> Response<U> {
        Response {
            answer: view(self.answer),
            http_status: self.http_status,
            headers: self.headers,
            attempts: self.attempts,
        }
    }

    /// The HTTP status, 200 to 299. (A plain `status` is the answer's own, where it has one.)
    #[must_use]
    pub fn http_status(&self) -> u16 {
        self.http_status
    }

    /// The value of a response header, where it is there and text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// All response headers that are text, by their lower-case names.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
    }

    /// How many attempts it took, the first included.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }
}

impl<T> Deref for Response<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.answer
    }
}

/// Headers are left out: some repeat what was sent.
impl<T: fmt::Debug> fmt::Debug for Response<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("value", &self.answer)
            .field("status", &self.http_status)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}
