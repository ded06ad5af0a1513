//! What an answered call gives back.

use std::convert::Infallible;
use std::fmt;
use std::ops::Deref;

use progenitor_client::ResponseValue;
use reqwest::header::HeaderMap;

use crate::reading::OddMember;

/// A decoded answer, with what else is known of the call. Dereferences to the answer.
pub struct Response<T> {
    value: ResponseValue<T>,
    /// Apart from the value, so that it is moved less.
    headers: HeaderMap,
    attempts: u32,
    odd_members: Vec<OddMember>,
}

impl<T> Response<T> {
    pub(crate) fn new(value: ResponseValue<T>, headers: HeaderMap, attempts: u32, odd_members: Vec<OddMember>) -> Self {
        Self { value, headers, attempts, odd_members }
    }

    /// The answer alone.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }

    /// The same call with another view of its answer.
    pub fn map<U: fmt::Debug>(self, view: impl FnOnce(T) -> U) -> Response<U> {
        let Self { value, headers, attempts, odd_members } = self;
        let Ok(value) = value.map::<U, _, Infallible>(view);
        Response { value, headers, attempts, odd_members }
    }

    /// The HTTP status, 200 to 299. (A plain `status` is the answer's own, where it has one.)
    #[must_use]
    pub fn http_status(&self) -> u16 {
        self.value.status().as_u16()
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

    /// Members of the answer that are not as the document has them, in places that may be
    /// empty: they are absent from the decoded answer, and kept here as they came.
    #[must_use]
    pub fn odd_members(&self) -> &[OddMember] {
        &self.odd_members
    }
}

impl<T: Clone> Clone for Response<T> {
    fn clone(&self) -> Self {
        let value = ResponseValue::new((*self.value).clone(), self.value.status(), HeaderMap::new());
        let (headers, odd_members) = (self.headers.clone(), self.odd_members.clone());
        Self { value, headers, attempts: self.attempts, odd_members }
    }
}

impl<T> Deref for Response<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Headers are left out: some repeat what was sent.
impl<T: fmt::Debug> fmt::Debug for Response<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("value", &*self.value)
            .field("status", &self.http_status())
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}
