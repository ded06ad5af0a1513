//! Webhook registrations: which addresses are told of which events.

use vipps_core::types::{CallbackUrl, EventType, Place, Secret};
use vipps_core::{Error, Response};
use vipps_webhooks::{operations, types};

use crate::address::AddressRule;
use crate::call::{Options, call, unbuilt};
use crate::client::Client;

/// Webhook registrations of a client; see [`Client::webhooks`].
#[derive(Clone, Debug)]
pub struct Webhooks {
    client: Client,
}

/// A webhook that was just registered.
#[derive(Clone, Debug, PartialEq)]
pub struct RegisteredWebhook {
    raw: types::RegisterResponse,
    secret: Secret<String>,
}

/// A webhook as it is listed.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook(types::Webhook);

impl RegisteredWebhook {
    /// The id of the registration.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.raw.id
    }

    /// What its deliveries are signed with: the text as it is, not decoded. Told this once
    /// only, so keep it.
    #[must_use]
    pub fn secret(&self) -> &Secret<String> {
        &self.secret
    }

    /// Everything the answer held, as the document names it.
    #[must_use]
    pub fn raw(&self) -> &types::RegisterResponse {
        &self.raw
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

    /// The events that are delivered.
    #[must_use]
    pub fn events(&self) -> Vec<EventType> {
        self.0.events.iter().flatten().map(|event| EventType::from(event.as_str())).collect()
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

    /// Registers an address (https) for events: [`EventType`] or its text, such as
    /// `epayments.payment.authorized.v1`. The answer holds the secret that deliveries are signed
    /// with, this once only. Sent once; [`Webhooks::ensure`] copes with a lost answer.
    pub fn register<E: Into<EventType>>(
        &self,
        url: impl Into<String>,
        events: impl IntoIterator<Item = E>,
    ) -> RegisterWebhook {
        let events = events.into_iter().map(|event| event.into().to_string()).collect();
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
    /// [`Error`]: `Indeterminate` when the answer was lost, `Unreadable` when it has no secret:
    /// list, and delete what has no known secret.
    pub async fn send(self) -> Result<Response<RegisteredWebhook>, Error> {
        let call = self.call()?;
        let body = Place::ROOT;
        let rule = AddressRule::HTTPS.or_http(self.options.client.allows_http_addresses());
        call.checked(rule.check(&self.url, &body.field("url")))?;
        // What cannot be taken apart could be registered, and then never be verified.
        let whole = CallbackUrl::parse(&self.url).map(drop);
        call.checked(whole.map_err(|unusable| body.field("url").broken(unusable.to_string())))?;
        call.checked(body.field("events").count(self.events.len() as u64, Some(1), None, "element"))?;
        let request = types::RegisterRequest::builder().url(self.url).events(self.events);
        let request = types::RegisterRequest::try_from(request).map_err(|error| unbuilt(&call, &error))?;
        let client = &self.options.client;
        let request = client.webhooks_api().register_webhook().body(request);
        let answer = client.transport().run(call.clone(), || request.clone().send()).await?;
        match answer.secret.clone().filter(|secret| !secret.reveal().is_empty()) {
            Some(secret) => Ok(answer.map(|raw| RegisteredWebhook { raw, secret })),
            None => Err(call.unreadable(answer.http_status(), "it has no secret")),
        }
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
    /// Sends it. A second copy deletes nothing more, so it is repeated like a read.
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
