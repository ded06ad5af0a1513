//! Webhook registrations: which addresses are told of which events.

use vipps_core::types::Place;
use vipps_core::{Error, Response};
use vipps_webhooks::{operations, types};

use crate::call::{Options, address, call, unbuilt};
use crate::client::Client;

/// Webhook registrations of a client; see [`Client::webhooks`].
#[derive(Clone, Debug)]
pub struct Webhooks {
    client: Client,
}

/// A webhook that was just registered.
#[derive(Clone, Debug, PartialEq)]
pub struct RegisteredWebhook(types::RegisterResponse);

/// A webhook as it is listed.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook(types::Webhook);

impl RegisteredWebhook {
    /// The id of the registration.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// What its deliveries are signed with: the text as it is, not decoded. Told this once
    /// only, so keep it.
    #[must_use]
    pub fn secret(&self) -> Option<&str> {
        self.0.secret.as_ref().map(|secret| secret.reveal().as_str())
    }

    /// Everything the answer held, as the document names it.
    #[must_use]
    pub fn raw(&self) -> &types::RegisterResponse {
        &self.0
    }
}

impl Webhook {
    /// The id of the registration.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.0.id.as_deref()
    }

    /// Where the events are delivered.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.0.url.as_deref()
    }

    /// The events that are delivered, such as `epayments.payment.authorized.v1`.
    #[must_use]
    pub fn events(&self) -> &[String] {
        self.0.events.as_deref().unwrap_or_default()
    }

    /// Everything the answer held, as the document names it.
    #[must_use]
    pub fn raw(&self) -> &types::Webhook {
        &self.0
    }
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
        RegisterWebhook { options: Options::new(&self.client, RegisterWebhook::OPERATION), url: url.into(), events }
    }

    /// Lists what is registered.
    pub fn list(&self) -> ListWebhooks {
        ListWebhooks { options: Options::new(&self.client, ListWebhooks::OPERATION) }
    }

    /// Removes a registration.
    pub fn delete(&self, id: impl Into<String>) -> DeleteWebhook {
        DeleteWebhook { options: Options::new(&self.client, DeleteWebhook::OPERATION), id: id.into() }
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
    ) -> Result<Option<RegisteredWebhook>, Error> {
        let url = url.into();
        let known = self.list().send().await?;
        let of_this_url = known.iter().filter(|hook| hook.url() == Some(url.as_str()));
        let covered: Vec<&String> = of_this_url.flat_map(Webhook::events).collect();
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
    RegisterWebhook { url: String, events: Vec<String> } -> RegisteredWebhook,
    of REGISTER_WEBHOOK, about |_it| None
}
call! {
    /// See [`Webhooks::list`].
    ListWebhooks {} -> Vec<Webhook>,
    of LIST_WEBHOOKS, about |_it| None
}
call! {
    /// See [`Webhooks::delete`].
    DeleteWebhook { id: String } -> (),
    of DELETE_WEBHOOK, about |it| Some(it.id.clone())
}

impl RegisterWebhook {
    /// Sends it, once.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Indeterminate` when the answer was lost: list, and delete what has no
    /// known secret.
    pub async fn send(self) -> Result<Response<RegisteredWebhook>, Error> {
        let call = self.call()?;
        let body = Place::ROOT;
        call.checked(address(&self.url, &body.field("url"), false))?;
        call.checked(body.field("events").count(self.events.len() as u64, Some(1), None, "element"))?;
        let request = types::RegisterRequest::builder().url(self.url).events(self.events);
        let request = types::RegisterRequest::try_from(request).map_err(|error| unbuilt(&call, &error))?;
        let client = &self.options.client;
        let request = client.webhooks_api().register_webhook().body(request);
        Ok(client.transport().run(call, || request.clone().send()).await?.map(RegisteredWebhook))
    }
}

impl ListWebhooks {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`], as every read.
    pub async fn send(self) -> Result<Response<Vec<Webhook>>, Error> {
        let call = self.call()?;
        let client = &self.options.client;
        let request = client.webhooks_api().list_webhooks();
        let answer = client.transport().run(call, || request.clone().send()).await?;
        Ok(answer.map(|list| list.webhooks.unwrap_or_default().into_iter().map(Webhook).collect()))
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
        client.transport().run(self.call()?, || request.clone().send()).await
    }
}
