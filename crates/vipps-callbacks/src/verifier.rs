//! Whether a delivery is from Vipps: the one door through which a [`Delivery`] comes.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use vipps_types::{CallbackUrl, CallbackUrlError, Secret};

use crate::clock::system_time;
use crate::diagnosis::Diagnosis;
use crate::headers::Headers;
use crate::signature::{Signed, content_hash, signature_of};
use crate::{Event, EventKey, Freshness, Refusal, Subject};

const DATE: &str = "x-ms-date";
const CONTENT_HASH: &str = "x-ms-content-sha256";
const AUTHORIZATION: &str = "authorization";
const HOST: &str = "host";
const WEBHOOK_ID: &str = "webhook-id";

/// A registered address and the secret that its deliveries are signed with.
#[derive(Clone)]
pub struct Registration {
    url: CallbackUrl,
    secret: Secret<String>,
    id: Option<String>,
}

impl Registration {
    /// An address, written as it was registered (query and all, whatever a proxy makes of it),
    /// and the secret that came with the registration, as the text it is.
    ///
    /// For the card callback of a PSP: its `cardCallbackUrl` and its client secret.
    ///
    /// # Errors
    ///
    /// [`RegistrationError`] when the address is none that can have been registered, or the
    /// secret is empty or has white space at its ends.
    pub fn new(url: &str, secret: impl Into<Secret<String>>) -> Result<Self, RegistrationError> {
        let url = CallbackUrl::parse(url)?;
        let secret = secret.into();
        match secret.reveal().as_str() {
            "" => Err(RegistrationError::EmptySecret),
            text if text.trim() != text => Err(RegistrationError::PaddedSecret),
            _ => Ok(Self { url, secret, id: None }),
        }
    }

    /// The id of the registration. Deliveries name it, unsigned: its secret is tried first.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    pub(crate) fn url(&self) -> &CallbackUrl {
        &self.url
    }

    pub(crate) fn secret(&self) -> &str {
        self.secret.reveal()
    }

    #[cfg(feature = "signer")]
    pub(crate) fn known_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    fn has_id(&self, id: Option<&str>) -> bool {
        id.is_some_and(|id| self.id.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(id)))
    }
}

/// Shows no secret, and the address without its query.
impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").field("url", &self.url).field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why nothing can be verified for an address and a secret; says neither.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationError {
    /// The address is none that can have been registered.
    #[error(transparent)]
    Url(#[from] CallbackUrlError),
    /// Anyone could sign with it.
    #[error("the secret of a registration is empty: is its variable set?")]
    EmptySecret,
    /// It is signed with as it is: a line break of the file it was kept in would count.
    #[error("the secret of a registration has white space at its ends: trim it")]
    PaddedSecret,
}

/// Verifies deliveries, by the bytes of their bodies and the header fields of any framework.
///
/// Several addresses, and several secrets for one address, may be registered at once: while a
/// secret is replaced, and where registrations overlap. The set can be replaced while serving.
/// A delivery is compared with the addresses as they were registered, so a proxy may rewrite
/// host and path. Clones share everything. No I/O, nothing async.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use vipps_callbacks::{Event, Registration, Verifier};
///
/// // A published example. A receiver leaves `clock` out.
/// let secret = "A0+AeKBRG2KRGvnNwJpQlb6IJFk48CKXCIcrLoHncVJKDILsQSxS6NWCccwWm6r6FhGKhiHTBsG2wo/xU6FY/A==";
/// let url = "https://webhook.site/e2cee29b-012e-4f1d-8ef4-e95fd74a7a63";
/// let verifier = Verifier::builder()
///     .registration(Registration::new(url, secret)?)
///     .clock(|| SystemTime::UNIX_EPOCH + Duration::from_secs(1_680_165_512))
///     .build();
///
/// let headers = [
///     ("x-ms-date", "Thu, 30 Mar 2023 08:38:32 GMT"),
///     ("x-ms-content-sha256", "lNlsp1XA03N34HrQsVzPgJKtC+r7l/RBF4V3JQUWMj4="),
///     ("Authorization", "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&\
///                        Signature=agAiSyogQbDHpeucoNwYz+yAr5nJ+v+zasdkSbqzv+U="),
/// ];
/// let body = br#"{"some-unique-content":"ee6e441b-cc4a-46f8-895d-a5af79bcc233/hello-world"}"#;
/// let delivery = verifier.verify(headers, body)?;
/// assert!(matches!(delivery.event(), Event::Unknown(_)));
///
/// assert!(verifier.verify(headers, b"{}").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Verifier {
    inner: Arc<Inner>,
}

struct Inner {
    registrations: RwLock<Arc<[Registration]>>,
    freshness: Freshness,
    authorization: &'static str,
    clock: Box<dyn Fn() -> SystemTime + Send + Sync>,
    diagnosis: Option<Diagnosis>,
}

impl Verifier {
    /// A verifier with no registration yet.
    pub fn builder() -> VerifierBuilder {
        VerifierBuilder {
            registrations: Vec::new(),
            freshness: Freshness::default(),
            authorization: AUTHORIZATION,
            clock: Box::new(system_time),
            diagnose: false,
        }
    }

    /// Takes these registrations instead of those before, from the next delivery on.
    pub fn replace(&self, registrations: impl IntoIterator<Item = Registration>) {
        let registrations = registrations.into_iter().collect();
        *self.inner.registrations.write().unwrap_or_else(PoisonError::into_inner) = registrations;
    }

    /// Takes one more registration; one with the same id goes.
    pub fn add(&self, registration: Registration) {
        let mut known = self.inner.registrations.write().unwrap_or_else(PoisonError::into_inner);
        let others = known.iter().filter(|other| !other.has_id(registration.id.as_deref())).cloned();
        *known = others.chain([registration.clone()]).collect();
    }

    /// Forgets the registration of this id; false when none has it.
    pub fn remove(&self, id: &str) -> bool {
        let mut known = self.inner.registrations.write().unwrap_or_else(PoisonError::into_inner);
        let others: Arc<[Registration]> = known.iter().filter(|other| !other.has_id(Some(id))).cloned().collect();
        let is_gone = others.len() < known.len();
        *known = others;
        is_gone
    }

    /// Verifies a delivery: its header fields in any order and case, and its body as it came,
    /// before anything has read it.
    ///
    /// # Errors
    ///
    /// [`Refusal`] by the cause. [`Stale`](Refusal::Stale) and [`Early`](Refusal::Early) are
    /// said only where the signature is right.
    pub fn verify<K, V>(&self, headers: impl IntoIterator<Item = (K, V)>, body: &[u8]) -> Result<Delivery, Refusal>
    where
        K: AsRef<str>,
        V: AsRef<[u8]>,
    {
        let inner = &*self.inner;
        let headers = Headers::read([DATE, CONTENT_HASH, inner.authorization, HOST, WEBHOOK_ID], headers);
        let date = headers.text(DATE)?;
        let content_hash_sent = headers.text(CONTENT_HASH)?;
        let authorization = headers.text(inner.authorization)?;
        let signed_at = httpdate::parse_http_date(date)
            .map_err(|_| Refusal::MalformedHeader { name: DATE, why: "it is no HTTP date" })?;
        let malformed = |why| Refusal::MalformedHeader { name: inner.authorization, why };
        let signature = signature_of(authorization).map_err(malformed)?;

        let known = inner.registrations.read().unwrap_or_else(PoisonError::into_inner).clone();
        let now = (inner.clock)();
        let diagnosed = |signed: bool| {
            let diagnosis = inner.diagnosis.as_ref().filter(|diagnosis| diagnosis.may_run(now))?;
            let request = (headers.hint(HOST), date, content_hash_sent, &signature);
            Some(if signed {
                diagnosis.of_the_signature(&known, request)
            } else {
                diagnosis.of_the_body(&known, request, body)
            })
        };
        if known.is_empty() {
            return Err(Refusal::NoRegistration);
        }
        if content_hash(body) != content_hash_sent {
            return Err(Refusal::BodyChanged { mistakes: diagnosed(false).unwrap_or_default() });
        }
        let is_signed_by = |registration: &Registration| {
            let signed = Signed::at(registration.url(), date, content_hash_sent);
            signed.is_signed_by(registration.secret().as_bytes(), &signature)
        };
        let named = headers.hint(WEBHOOK_ID);
        let named_first =
            known.iter().filter(|one| one.has_id(named)).chain(known.iter().filter(|one| !one.has_id(named)));
        let Some(registration) = named_first.into_iter().find(|registration| is_signed_by(registration)) else {
            return Err(Refusal::Signature { mistakes: diagnosed(true).unwrap_or_default() });
        };
        let is_late = inner.freshness.is_late(signed_at, now)?;
        Ok(Delivery {
            event: Event::read(body),
            body: body.to_vec(),
            registration_id: registration.id.clone(),
            url: registration.url().as_str().to_owned(),
            signed_at,
            is_late,
        })
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.inner.registrations.read().unwrap_or_else(PoisonError::into_inner).clone();
        f.debug_struct("Verifier")
            .field("registrations", &known)
            .field("freshness", &self.inner.freshness)
            .finish_non_exhaustive()
    }
}

/// Options of a [`Verifier`].
#[must_use]
pub struct VerifierBuilder {
    registrations: Vec<Registration>,
    freshness: Freshness,
    authorization: &'static str,
    clock: Box<dyn Fn() -> SystemTime + Send + Sync>,
    diagnose: bool,
}

impl VerifierBuilder {
    /// One more registration.
    pub fn registration(mut self, registration: Registration) -> Self {
        self.registrations.push(registration);
        self
    }

    /// How old a delivery may be. Default: [`Freshness::Window`] of 5 min.
    pub fn freshness(mut self, freshness: Freshness) -> Self {
        self.freshness = freshness;
        self
    }

    /// The header field, in lower case, in which `Authorization` arrives where a proxy needs
    /// that one for itself, such as `x-vipps-authorization`. Default: `authorization`.
    pub fn authorization_header(mut self, name: &'static str) -> Self {
        self.authorization = name;
        self
    }

    /// Where the time comes from. Default: the clock of this machine.
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Looks for the usual mistakes when body or signature do not fit, and names in the
    /// refusal those that do; never takes a delivery because of it. At most once a second,
    /// for it costs some hundred times as much as verifying. Default: off.
    pub fn diagnose(mut self) -> Self {
        self.diagnose = true;
        self
    }

    /// The verifier.
    #[must_use]
    pub fn build(self) -> Verifier {
        let Self { registrations, freshness, authorization, clock, diagnose } = self;
        let (registrations, diagnosis) = (RwLock::new(registrations.into()), diagnose.then(Diagnosis::default));
        Verifier { inner: Arc::new(Inner { registrations, freshness, authorization, clock, diagnosis }) }
    }
}

impl fmt::Debug for VerifierBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifierBuilder").field("registrations", &self.registrations).finish_non_exhaustive()
    }
}

/// A delivery whose signature is right. Only [`Verifier::verify`] makes one.
///
/// Deliveries are repeated until one is answered with 2xx within 10 s, and may come twice all
/// the same: record the [`key`](Self::key) under a unique constraint, in the transaction that
/// does what follows from the event.
#[derive(Clone, PartialEq)]
pub struct Delivery {
    event: Event,
    body: Vec<u8>,
    registration_id: Option<String>,
    url: String,
    signed_at: SystemTime,
    is_late: bool,
}

impl Delivery {
    /// What happened.
    #[must_use]
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// What happened, by value.
    #[must_use]
    pub fn into_event(self) -> Event {
        self.event
    }

    /// What makes the event one event; see [`Event::key`].
    #[must_use]
    pub fn key(&self) -> &EventKey {
        self.event.key()
    }

    /// What the event is about; see [`Event::subject`].
    #[must_use]
    pub fn subject(&self) -> Option<Subject> {
        self.event.subject()
    }

    /// The body, byte for byte.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The id of the registration whose secret signed it, where the verifier was told it.
    #[must_use]
    pub fn registration_id(&self) -> Option<&str> {
        self.registration_id.as_deref()
    }

    /// The registered address that it was signed for.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The time at which the request says it was signed.
    #[must_use]
    pub fn signed_at(&self) -> SystemTime {
        self.signed_at
    }

    /// True where [`Freshness::WithInbox`] let one through that was signed more than five minutes ago:
    /// a late retry or a copy. Handle it where its key was not recorded yet, and not at all where it
    /// was. What a window lets through is not late.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.is_late
    }
}

/// Shows no body.
impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("event", &self.event)
            .field("registration_id", &self.registration_id)
            .field("is_late", &self.is_late)
            .finish_non_exhaustive()
    }
}
