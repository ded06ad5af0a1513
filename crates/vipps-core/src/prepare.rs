//! A request that is built and not sent: to be looked at, stored, or sent later.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use progenitor_client::ResponseValue;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};

use crate::attempt::{ATTEMPT, Attempt};
use crate::call::Call;
use crate::error::Error;
use crate::operation::Operation;
use crate::response::Response;
use crate::transport::Transport;

/// One request without what is secret or differs from attempt to attempt: no token, no keys of
/// the merchant.
#[derive(Clone, PartialEq, Eq)]
pub struct Prepared {
    path: String,
    query: Option<String>,
    body: Option<Bytes>,
}

impl Prepared {
    /// A request to `path`, below the base address; parameters must be percent-encoded.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), query: None, body: None }
    }

    /// The same request with a query, percent-encoded and without its `?`.
    #[must_use]
    pub fn query(mut self, query: impl Into<String>) -> Self {
        self.query = Some(query.into());
        self
    }

    /// The same request with a body, which must be JSON.
    #[must_use]
    pub fn json(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(Bytes::from(body.into()));
        self
    }

    /// The path below the base address.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The query, without its `?`.
    #[must_use]
    pub fn query_string(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// The body, as it will be sent.
    #[must_use]
    pub fn body(&self) -> Option<&[u8]> {
        self.body.as_deref()
    }
}

/// Path, query and body may be personal.
impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("query", &self.query.is_some())
            .field("body_len", &self.body.as_ref().map_or(0, Bytes::len))
            .finish_non_exhaustive()
    }
}

impl Transport {
    /// The request that `attempt` would send for a call; nothing is sent, and no token asked
    /// for. A broken rule of form is the same error as that of the call itself.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRequest`]: it cannot be built, or leaves the route of its operation.
    pub fn prepare<T, F, Fut>(&self, call: &Call, attempt: F) -> Result<Prepared, Error>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<ResponseValue<T>, progenitor_client::Error<()>>>,
    {
        use progenitor_client::Error as Generated;
        call.check(self.has_psp_id())?;
        let rehearsal = Arc::new(Attempt::rehearsal(call.operation()));
        let ended = ATTEMPT.sync_scope(rehearsal.clone(), || attempt().now_or_never());
        let Some(request) = rehearsal.take_rehearsed() else {
            return Err(call.unsent(
                None,
                &match ended {
                    Some(Err(Generated::InvalidRequest(rule) | Generated::Custom(rule))) => rule,
                    Some(Err(Generated::CommunicationError(error))) => {
                        format!("the request cannot be built: {}", error.without_url())
                    }
                    _ => "the attempt sends no request at once".to_owned(),
                },
            ));
        };
        let path = self.path_of(request.url()).to_owned();
        let query = request.url().query().map(str::to_owned);
        let body = request.body().and_then(reqwest::Body::as_bytes).map(Bytes::copy_from_slice);
        Ok(Prepared { path, query, body })
    }

    /// Sends a prepared request, with token, key, retries and verdict like every call; the
    /// answer is its JSON.
    ///
    /// # Errors
    ///
    /// [`Error`], as [`Transport::run`].
    pub async fn send(&self, call: Call, prepared: &Prepared) -> Result<Response<Vec<u8>>, Error> {
        let operation = call.operation();
        // Nothing is decoded, so there is nothing that cannot be.
        let decode = |body: &[u8]| Ok((body.to_vec(), Vec::new()));
        self.run_decoding(call, || self.attempt_raw(operation, prepared), decode).await
    }

    async fn attempt_raw(
        &self,
        operation: &'static Operation,
        prepared: &Prepared,
    ) -> Result<ResponseValue<Vec<u8>>, progenitor_client::Error<()>> {
        use progenitor_client::Error as Generated;
        let invalid = |why: &str| Generated::InvalidRequest(why.to_owned());
        let method = reqwest::Method::from_bytes(operation.method().as_bytes())
            .map_err(|_| invalid("the operation's method is none"))?;
        let mut url = reqwest::Url::parse(&format!("{}{}", self.base_url(), prepared.path))
            .map_err(|_| invalid("the path makes no address"))?;
        url.set_query(prepared.query.as_deref());
        let mut request = reqwest::Request::new(method, url);
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(body) = &prepared.body {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(body.clone().into());
        }
        self.decorate(&mut request, Some(operation)).await?;
        let response = self.exchange(request, Some(operation)).await.map_err(Generated::CommunicationError)?;
        if !response.status().is_success() {
            return Err(Generated::UnexpectedResponse(response));
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.map_err(Generated::ResponseBodyError)?;
        Ok(ResponseValue::new(body.to_vec(), status, headers))
    }
}
