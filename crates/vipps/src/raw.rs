//! Requests to endpoints that are not modelled.

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use vipps_core::types::IdempotencyKey;
use vipps_core::{Error, Operation, Prepared, Response};

use crate::call::{Options, keyed, limited};
use crate::client::Client;

/// See [`Client::raw`].
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before `send` or `.await`"]
pub struct Raw {
    options: Options,
    subject: Option<String>,
    request: Prepared,
}

keyed!(Raw);
limited!(Raw, "this call", "as the client has it, 30 s");

impl Raw {
    pub(crate) fn new(client: &Client, operation: &'static Operation, request: Prepared) -> Self {
        Self { options: Options::new(client, operation), subject: None, request }
    }

    /// The key that every attempt will carry; `None` where the operation takes none.
    #[must_use]
    pub fn key(&self) -> Option<IdempotencyKey> {
        self.options.key_use(|| None)?.key().cloned()
    }

    /// What it is about, for errors and observers.
    pub fn subject(mut self, name: impl Into<String>) -> Self {
        self.subject = Some(name.into());
        self
    }

    /// Sends it; the answer is its JSON, which nobody has looked into.
    ///
    /// # Errors
    ///
    /// [`Error`], as every call.
    pub async fn send(self) -> Result<Response<Vec<u8>>, Error> {
        let call = self.options.call(self.subject, || None, "")?;
        self.options.client.transport().send(call, &self.request).await
    }
}

/// As `send`.
impl IntoFuture for Raw {
    type Output = Result<Response<Vec<u8>>, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
