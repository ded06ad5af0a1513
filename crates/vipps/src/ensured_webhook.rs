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

    /// Known registrations of the same address that this one makes superfluous, for it delivers all
    /// of their events. They deliver as well, with the same keys. Hand them to [`Webhooks::retire`]
    /// after the first delivery under the new id; what one of them could not deliver yet is then
    /// not sent any more, so after an outage let it arrive first, or read the payments.
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
    /// `known_ids` are all registrations of this address whose secrets are stored, in the order in
    /// which they were made. One of them that covers all events is kept, the last of several; otherwise the
    /// address is registered anew. A registration of this address that is not known is deleted:
    /// its answer was lost, or the process ended before its secret was stored, and what it
    /// delivers cannot be verified. Where an answer is lost in this very call, what it registered
    /// is found, deleted and registered again, three times at most. There can be one registration of
    /// `user.checked-in.v1` alone: one at this address is deleted before its successor is made, one at
    /// another address must be retired first.
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
    /// [`Error`] of the list or of the registration. Nothing that is known was deleted, but for the
    /// one registration of check-ins; run it again.
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
        let known: Vec<&Webhook> = known_ids.iter().filter_map(|id| here.iter().find(|one| has_id(one, id))).collect();
        let mut lost = unknown_of(&here, &known_ids);

        let kept = known.iter().rfind(|one| covers(&one.events(), &events));
        let (id, secret, delivers) = match kept {
            Some(kept) => (kept.id().unwrap_or_default().to_owned(), None, kept.events()),
            None => {
                let registered = self.register_anew(&url, &events, &known_ids, &mut lost).await?;
                (registered.id().to_owned(), Some(registered.secret().clone()), events)
            }
        };
        // One that delivers something else as well is still needed.
        let superfluous = known.iter().filter(|one| !has_id(one, &id) && covers(&delivers, &one.events()));
        let replaces = superfluous.filter_map(|one| Some(one.id()?.to_owned())).collect();
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
        if ids.is_empty() {
            return Ok(());
        }
        // What the answer to the deletion of an unknown one is, nobody publishes.
        let all = self.list().send().await?.into_inner();
        let mut first = Ok(());
        let retired = all.iter().filter(|one| ids.iter().any(|id| has_id(one, id)));
        for id in retired.filter_map(Webhook::id) {
            first = first.and(self.delete_if_there(id).await);
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
            let may_be_full = matches!(error, Error::Refused(_)) && error.status() == Some(400);
            if attempt == ATTEMPTS || !(may_be_full || error.may_have_taken_effect()) {
                return Err(error);
            }
            // What this attempt registered is at the address too, and nobody's.
            let Ok(here) = self.at(url).await else { return Err(error) };
            let mut in_the_way = unknown_of(&here, known_ids);
            if may_be_full && in_the_way.is_empty() {
                in_the_way = alone_in_the_way(&here, events);
            }
            if may_be_full && in_the_way.is_empty() {
                return Err(error);
            }
            *lost = self.delete_all(&in_the_way).await;
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

/// Ids are UUIDs, which some databases write in capitals.
fn has_id(webhook: &Webhook, id: &str) -> bool {
    webhook.id().is_some_and(|own| own.eq_ignore_ascii_case(id))
}

/// The ids of those that are not known.
fn unknown_of(webhooks: &[Webhook], known_ids: &[String]) -> Vec<String> {
    let unknown = webhooks.iter().filter(|one| !known_ids.iter().any(|id| has_id(one, id)));
    unknown.filter_map(|one| Some(one.id()?.to_owned())).collect()
}

/// The one registration of check-ins that there can be, where it stands in the way of its successor:
/// nothing else can be wrong with the request, and all that it delivers its successor will.
fn alone_in_the_way(here: &[Webhook], events: &[EventType]) -> Vec<String> {
    if !events.contains(&EventType::UserCheckedIn) || events.iter().any(|event| matches!(event, EventType::Unknown(_)))
    {
        return Vec::new();
    }
    let replaced = |one: &&Webhook| one.events().contains(&EventType::UserCheckedIn) && covers(events, &one.events());
    here.iter().filter(replaced).filter_map(|one| Some(one.id()?.to_owned())).collect()
}

/// Whether all of these are among those.
fn covers(those: &[EventType], these: &[EventType]) -> bool {
    these.iter().all(|event| those.contains(event))
}
