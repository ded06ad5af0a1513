//! Webhook registrations: which addresses are told of which events.

use vipps_core::types::Place;
use vipps_core::{Error, Response};
use vipps_webhooks::{operations, types};

use crate::call::{Options, call, checked, unbuilt};
use crate::client::Client;

/// Webhook registrations of a client; see [`Client::webhooks`].
#[derive(Clone, Debug)]
pub struct Webhooks {
    client: Client,
}

impl Webhooks {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Registers an address (https) for events such as `epayments.payment.authorized.v1`.
    /// The answer holds the secret that deliveries are signed with, this once only. Sent
    /// once: a lost answer is found out by [`Webhooks::list`].
    pub fn register<E: Into<String>>(
        &self,
        url: impl Into<String>,
        events: impl IntoIterator<Item = E>,
    ) -> RegisterWebhook {
        let events = events.into_iter().map(Into::into).collect();
        RegisterWebhook { options: Options::new(&self.client), url: url.into(), events }
    }

    /// Lists what is registered.
    pub fn list(&self) -> ListWebhooks {
        ListWebhooks { options: Options::new(&self.client) }
    }

    /// Removes a registration.
    pub fn delete(&self, id: impl Into<String>) -> DeleteWebhook {
        DeleteWebhook { options: Options::new(&self.client), id: id.into() }
    }

    /// Registers an address only for those events that it has no registration for yet;
    /// `None` when nothing was missing.
    ///
    /// # Errors
    ///
    /// [`Error`] of the list or of the registration.
    pub async fn ensure<E: Into<String>>(
        &self,
        url: impl Into<String>,
        events: impl IntoIterator<Item = E>,
    ) -> Result<Option<types::RegisterResponse>, Error> {
        let url = url.into();
        let known = self.list().send().await?;
        let of_this_url = known.webhooks.iter().flatten().filter(|hook| hook.url.as_deref() == Some(url.as_str()));
        let covered: Vec<&String> = of_this_url.flat_map(|hook| hook.events.iter().flatten()).collect();
        let missing: Vec<String> =
            events.into_iter().map(Into::into).filter(|event| !covered.contains(&event)).collect();
        if missing.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.register(url, missing).send().await?.into_inner()))
    }
}

call! {
    /// See [`Webhooks::register`].
    RegisterWebhook { url: String, events: Vec<String> } -> types::RegisterResponse
}
call! {
    /// See [`Webhooks::list`].
    ListWebhooks {} -> types::QueryResponse
}
call! {
    /// See [`Webhooks::delete`].
    DeleteWebhook { id: String } -> ()
}

impl RegisterWebhook {
    /// Sends it, once.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Indeterminate` when the answer was lost: list, and delete what has no
    /// known secret.
    pub async fn send(self) -> Result<Response<types::RegisterResponse>, Error> {
        let operation = &operations::REGISTER_WEBHOOK;
        let body = Place::ROOT;
        checked(operation, crate::call::address(&self.url, &body.field("url"), false))?;
        checked(operation, body.field("events").count(self.events.len() as u64, Some(1), None, "element"))?;
        let request = types::RegisterRequest::builder().url(self.url).events(self.events);
        let request = types::RegisterRequest::try_from(request).map_err(|error| unbuilt(operation, &error))?;
        let client = &self.options.client;
        let request = client.webhooks_api().register_webhook().body(request);
        client.transport().run(self.options.call(operation), || request.clone().send()).await
    }
}

impl ListWebhooks {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`], as every read.
    pub async fn send(self) -> Result<Response<types::QueryResponse>, Error> {
        let client = &self.options.client;
        let request = client.webhooks_api().list_webhooks();
        client.transport().run(self.options.call(&operations::LIST_WEBHOOKS), || request.clone().send()).await
    }
}

impl DeleteWebhook {
    /// Sends it, once.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Refused` with status 404 when it is not registered.
    pub async fn send(self) -> Result<Response<()>, Error> {
        let client = &self.options.client;
        let request = client.webhooks_api().delete_webhook().id(self.id.as_str());
        client.transport().run(self.options.call(&operations::DELETE_WEBHOOK), || request.clone().send()).await
    }
}
