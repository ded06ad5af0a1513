//! A registration whose secret somebody has, whatever happened before.

use vipps_core::Error;
use vipps_core::types::{CallbackUrl, EventType, Secret};

use crate::webhook_registrations::{RegisteredWebhook, Webhook, Webhooks};

/// So often an address is registered anew when the answer, and so the secret, was lost.
const ATTEMPTS: u32 = 3;

/// What [`Webhooks::ensure`] found or made.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a new secret is told only here"]
pub struct Ensured {
    id: String,
    secret: Option<Secret<String>>,
    replaces: Vec<String>,
    left_over: Vec<String>,
}

impl Ensured {
    /// The id of the registration that delivers the events.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The secret of a new registration: store it with the id before anything else. `None` when
    /// it is one of the known ids, whose secret the caller has.
    #[must_use]
    pub fn secret(&self) -> Option<&Secret<String>> {
        self.secret.as_ref()
    }

    /// Known registrations of the same address that this one makes superfluous. They deliver as
    /// well, with the same keys. Hand them to [`Webhooks::retire`] after the first delivery under
    /// the new id.
    #[must_use]
    pub fn replaces(&self) -> &[String] {
        &self.replaces
    }

    /// Registrations that nobody has the secret of and that could not be deleted now: the next
    /// run does. Their deliveries cannot be verified; refuse them.
    #[must_use]
    pub fn left_over(&self) -> &[String] {
        &self.left_over
    }
}

impl Webhooks {
    /// Sees to it that an address is registered for at least these events, under a secret that
    /// the caller has.
    ///
    /// `known_ids` are the registrations whose secrets are stored, in the order in which they
    /// were made. One of them that covers all events is kept, the last of several; otherwise the
    /// address is registered anew. A registration of this address that is not known is deleted:
    /// its answer was lost, or the process ended before its secret was stored, and what it
    /// delivers cannot be verified. Where an answer is lost in this very call, what it registered
    /// is found, deleted and registered again, three times at most.
    ///
    /// Run it at the start and then on a schedule, once a day or so: Vipps removes the
    /// registrations of an endpoint that failed for two weeks. In a fleet run it from one
    /// process, for two at once delete each other's.
    ///
    /// ```no_run
    /// use vipps::EventType;
    ///
    /// # async fn example(vipps: vipps::Client, mut stored: Vec<(String, String)>) -> Result<(), vipps::Error> {
    /// let known = stored.iter().map(|(id, _)| id);
    /// let events = [EventType::PaymentAuthorized, EventType::PaymentCaptured];
    /// let ensured = vipps.webhooks().ensure("https://shop.example/hooks/vipps", events, known).await?;
    /// if let Some(secret) = ensured.secret() {
    ///     stored.push((ensured.id().to_owned(), secret.reveal().clone()));
    /// }
    /// // Later, after the first delivery under this id:
    /// vipps.webhooks().retire(ensured.replaces()).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error`] of the list or of the registration. Nothing that is known was deleted; run it
    /// again.
    pub async fn ensure<E, K>(
        &self,
        url: impl Into<String>,
        events: impl IntoIterator<Item = E>,
        known_ids: impl IntoIterator<Item = K>,
    ) -> Result<Ensured, Error>
    where
        E: Into<EventType>,
        K: AsRef<str>,
    {
        let url = url.into();
        let events: Vec<EventType> = events.into_iter().map(Into::into).collect();
        let known_ids: Vec<String> = known_ids.into_iter().map(|id| id.as_ref().to_owned()).collect();

        let here = self.at(&url).await?;
        let ids_of = |covering: bool| {
            let of_known = |id: &&String| {
                here.iter().any(|one| one.id() == Some(id.as_str()) && (!covering || covers(one, &events)))
            };
            known_ids.iter().filter(of_known).cloned().collect::<Vec<String>>()
        };
        let is_known = |id: &str| known_ids.iter().any(|known| known == id);
        let mut lost: Vec<String> = ids(&here).filter(|id| !is_known(id)).map(str::to_owned).collect();

        let (id, secret) = match ids_of(true).pop() {
            Some(id) => (id, None),
            None => {
                let registered = self.register_anew(&url, &events, &known_ids, &mut lost).await?;
                (registered.id().to_owned(), Some(registered.secret().clone()))
            }
        };
        let replaces = ids_of(false).into_iter().filter(|known| *known != id).collect();
        let left_over = self.delete_all(&lost).await;
        Ok(Ensured { id, secret, replaces, left_over })
    }

    /// Deletes registrations that are replaced; one that is gone already is as good as deleted.
    ///
    /// # Errors
    ///
    /// The first [`Error`] of a deletion, after all were tried.
    pub async fn retire<K: AsRef<str>>(&self, ids: impl IntoIterator<Item = K>) -> Result<(), Error> {
        let ids: Vec<String> = ids.into_iter().map(|id| id.as_ref().to_owned()).collect();
        let mut first = Ok(());
        for id in ids {
            let deleted = self.delete_if_there(&id).await;
            first = first.and(deleted);
        }
        first
    }

    /// Registers until there is a secret. `lost` are the registrations of the address that
    /// nobody has the secret of.
    async fn register_anew(
        &self,
        url: &str,
        events: &[EventType],
        known_ids: &[String],
        lost: &mut Vec<String>,
    ) -> Result<RegisteredWebhook, Error> {
        let mut attempt = 1;
        loop {
            let error = match self.register(url, events.iter().cloned()).send().await {
                Ok(registered) => return Ok(registered.into_inner()),
                Err(error) => error,
            };
            // There may be as many as there can be, because of those that are of no use.
            let may_be_too_many = matches!(error, Error::Refused(_)) && !lost.is_empty();
            if attempt == ATTEMPTS || !(error.may_have_taken_effect() || may_be_too_many) {
                return Err(error);
            }
            // What this attempt registered is at the address too, and nobody's.
            let Ok(here) = self.at(url).await else { return Err(error) };
            let is_known = |id: &&str| known_ids.iter().any(|known| known == id);
            let unknown: Vec<String> = ids(&here).filter(|id| !is_known(id)).map(str::to_owned).collect();
            *lost = self.delete_all(&unknown).await;
            attempt += 1;
        }
    }

    /// The registrations of an address.
    async fn at(&self, url: &str) -> Result<Vec<Webhook>, Error> {
        let wanted = CallbackUrl::parse(url).ok();
        let is_here = |registered: &str| match (&wanted, CallbackUrl::parse(registered)) {
            (Some(wanted), Ok(registered)) => wanted.leads_to(&registered),
            _ => url == registered,
        };
        let all = self.list().send().await?.into_inner();
        Ok(all.into_iter().filter(|webhook| webhook.url().is_some_and(is_here)).collect())
    }

    /// Deletes what it can; gives what is left.
    async fn delete_all(&self, ids: &[String]) -> Vec<String> {
        let mut left = Vec::new();
        for id in ids {
            if self.delete_if_there(id).await.is_err() {
                left.push(id.clone());
            }
        }
        left
    }

    async fn delete_if_there(&self, id: &str) -> Result<(), Error> {
        match self.delete(id).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.status() == Some(404) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn ids(webhooks: &[Webhook]) -> impl Iterator<Item = &str> {
    webhooks.iter().filter_map(Webhook::id)
}

fn covers(webhook: &Webhook, events: &[EventType]) -> bool {
    let registered = webhook.events();
    events.iter().all(|event| registered.contains(event))
}
