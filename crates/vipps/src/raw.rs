//! Requests to endpoints that are not modelled.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use vipps_core::types::IdempotencyKey;
use vipps_core::{Call, Error, KeyRule, KeyUse, Operation, Prepared, Response};

use crate::client::Client;

/// See [`Client::raw`].
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before `send` or `.await`"]
pub struct Raw {
    client: Client,
    call: Call,
    request: Prepared,
}

impl Raw {
    pub(crate) fn new(client: &Client, operation: &'static Operation, request: Prepared) -> Self {
        let call = Call::new(operation);
        let call = match operation.key_rule() {
            KeyRule::Required(_) | KeyRule::Optional(_) if !operation.is_read() => call.key_use(KeyUse::drawn()),
            _ => call,
        };
        Self { client: client.clone(), call, request }
    }

    /// The key that every attempt will carry; `None` where the operation takes none.
    #[must_use]
    pub fn key(&self) -> Option<IdempotencyKey> {
        self.call.idempotency_key().cloned()
    }

    /// The key of this call; it counts as used before. Default: a random one, where the
    /// operation takes one.
    pub fn idempotency_key(mut self, key: &IdempotencyKey) -> Self {
        self.call = self.call.key(key);
        self
    }

    /// Nobody has sent a request with this key before.
    pub fn first_use(mut self) -> Self {
        self.call = self.call.first_use();
        self
    }

    /// What it is about, for errors and observers.
    pub fn subject(mut self, name: impl Into<String>) -> Self {
        self.call = self.call.subject(name);
        self
    }

    /// How long this call may take with all its attempts and waits. Default: as the client
    /// has it, 30 s.
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.call = self.call.deadline(limit);
        self
    }

    /// Attempts of this call, the first included. Default: as the client has it, 4.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.call = self.call.max_attempts(attempts);
        self
    }

    /// Sends it; the answer is its JSON, which nobody has looked into.
    ///
    /// # Errors
    ///
    /// [`Error`], as every call.
    pub async fn send(self) -> Result<Response<Vec<u8>>, Error> {
        self.client.transport().send(self.call, &self.request).await
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
