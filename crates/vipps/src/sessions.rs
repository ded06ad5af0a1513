//! Checkout sessions: a hosted page that takes a payment or a subscription.
//!
//! Checkout takes no new integrations. It was sold to Kustom; existing set-ups go on, and no end
//! is announced (November 2026).

use std::sync::{Mutex, PoisonError};

use vipps_checkout::enums::{ExternalSessionState, InitiateSessionRequest};
use vipps_checkout::{limits, operations, types};
use vipps_core::types::{Place, Violation};
use vipps_core::{Error, Response};

use crate::address::AddressRule;
use crate::call::{KEY_OF_THE_CALL, Options, call, derivable, keyed};
use crate::client::Client;
use crate::wait::{Schedule, waits, watch};

/// The code of a session that is unknown, or has expired a while ago.
const UNKNOWN: &str = "Session-00100";

/// Checkout sessions of a client; see [`Client::sessions`]. They authenticate with the keys
/// themselves; no access token is fetched.
#[derive(Clone, Debug)]
pub struct Sessions {
    client: Client,
}

/// A session as it is polled.
#[derive(Clone, Debug, PartialEq)]
pub struct Session(Box<types::SessionResponse>);

/// A session that was just created.
#[derive(Clone, Debug, PartialEq)]
pub struct CreatedSession(types::InitiateSessionResponse);

impl Session {
    /// The merchant's reference.
    #[must_use]
    pub fn reference(&self) -> &str {
        &self.0.reference
    }

    /// How far it went; `None` where the answer does not say.
    #[must_use]
    pub fn state(&self) -> Option<&ExternalSessionState> {
        self.0.session_state.as_ref()
    }

    /// True when the customer can do nothing more with it. A state that this version does
    /// not know says nothing of the kind.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        use ExternalSessionState::{PaymentSuccessful, PaymentTerminated, SessionExpired};
        matches!(self.state(), Some(PaymentSuccessful | PaymentTerminated | SessionExpired))
    }

    fn expired(mut self) -> Self {
        self.0.session_state = Some(ExternalSessionState::SessionExpired);
        self
    }

    /// Everything the answer held, as the document names it.
    #[must_use]
    pub fn raw(&self) -> &types::SessionResponse {
        &self.0
    }
}

impl CreatedSession {
    /// The page to show the customer.
    #[must_use]
    pub fn checkout_frontend_url(&self) -> Option<&str> {
        self.0.checkout_frontend_url.as_ref().map(|url| url.reveal().as_str())
    }

    /// The token to open that page with.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.0.token.as_ref().map(|token| token.reveal().as_str())
    }

    /// Everything the answer held, as the document names it.
    #[must_use]
    pub fn raw(&self) -> &types::InitiateSessionResponse {
        &self.0
    }
}

impl Sessions {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Creates a session: a [`types::PaymentSession`] or a [`types::SubscriptionSession`].
    pub fn create(&self, session: impl Into<InitiateSessionRequest>) -> CreateSession {
        CreateSession { options: Options::new(&self.client, CreateSession::OPERATION), session: session.into() }
    }

    /// Polls a session.
    pub fn get(&self, reference: impl Into<String>) -> GetSession {
        GetSession { options: Options::new(&self.client, GetSession::OPERATION), reference: reference.into() }
    }

    /// Replaces the transaction or the shipping options of a session that is not yet paid.
    pub fn update(&self, reference: impl Into<String>, change: types::UpdateSessionRequest) -> UpdateSession {
        UpdateSession {
            options: Options::new(&self.client, UpdateSession::OPERATION),
            reference: reference.into(),
            change: Box::new(change),
        }
    }

    /// Ends a session.
    pub fn expire(&self, reference: impl Into<String>) -> ExpireSession {
        ExpireSession { options: Options::new(&self.client, ExpireSession::OPERATION), reference: reference.into() }
    }

    /// Waits until the customer is done with a session, or the deadline: gives it as it was
    /// last seen. A session lives an hour: set the deadline to match. One that Vipps does not
    /// know any more after it was seen has expired, and is given so.
    pub fn wait_until_finished(&self, reference: impl Into<String>) -> WaitUntilFinished {
        WaitUntilFinished { sessions: self.clone(), reference: reference.into(), schedule: Schedule::of_a_customer() }
    }
}

call! {
    /// See [`Sessions::create`].
    CreateSession { session: InitiateSessionRequest } -> CreatedSession,
    of CREATE_SESSION, about |it| reference_of(&it.session), key |it| reference_of(&it.session), from "reference"
}
call! {
    /// See [`Sessions::get`].
    GetSession { reference: String } -> Session,
    of GET_SESSION, about |it| Some(it.reference.clone())
}
call! {
    /// See [`Sessions::update`].
    UpdateSession { reference: String, change: Box<types::UpdateSessionRequest> } -> (),
    of UPDATE_SESSION, about |it| Some(it.reference.clone())
}
call! {
    /// See [`Sessions::expire`].
    ExpireSession { reference: String } -> (),
    of EXPIRE_SESSION, about |it| Some(it.reference.clone())
}
keyed!(CreateSession, UpdateSession, ExpireSession);
derivable!(CreateSession, UpdateSession, ExpireSession);

/// The merchant's own name of a session.
fn reference_of(session: &InitiateSessionRequest) -> Option<String> {
    match session {
        InitiateSessionRequest::Payment(session) => session.reference.clone(),
        InitiateSessionRequest::Subscription(session) => session.reference.clone(),
        _ => None,
    }
}

/// Addresses and amounts, which the document leaves to prose.
fn check(session: &InitiateSessionRequest, http: bool) -> Result<(), Violation> {
    let body = Place::ROOT;
    let (merchant, transaction, logistics) = match session {
        InitiateSessionRequest::Payment(session) => {
            (&session.merchant_info, Some(&session.transaction), session.logistics.as_ref())
        }
        InitiateSessionRequest::Subscription(session) => (&session.merchant_info, session.transaction.as_ref(), None),
        _ => return Ok(()),
    };
    let info = body.field("merchantInfo");
    let https = AddressRule::HTTPS.or_http(http);
    https.check(&merchant.callback_url, &info.field("callbackUrl"))?;
    AddressRule::APP_OR_HTTPS.or_http(http).check(&merchant.return_url, &info.field("returnUrl"))?;
    if let Some(url) = &merchant.terms_and_conditions_url {
        https.check(url, &info.field("termsAndConditionsUrl"))?;
    }
    if let Some(url) = logistics.and_then(|logistics| logistics.dynamic_options_callback.as_ref()) {
        https.check(url, &body.field("logistics").field("dynamicOptionsCallback"))?;
    }
    let place = body.field("transaction");
    match transaction {
        Some(transaction) => {
            place.field("amount").field("value").range(transaction.amount.minor_units(), Some(0), None)
        }
        None => Ok(()),
    }
}

impl CreateSession {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Refused` with status 409 when the reference is taken.
    pub async fn send(self) -> Result<Response<CreatedSession>, Error> {
        let mut call = self.call()?;
        // Vipps makes up a reference, and another one for a second copy.
        if reference_of(&self.session).is_none() {
            call = call.once();
        }
        call.checked(limits::initiate_session_request(&self.session, &Place::ROOT))?;
        call.checked(check(&self.session, self.options.client.allows_http_addresses()))?;
        let client = &self.options.client;
        let request = client.checkout().create_session().idempotency_key(KEY_OF_THE_CALL).body(self.session);
        let answer = client.transport().run(call, || request.clone().send()).await?;
        Ok(answer.map(CreatedSession))
    }
}

impl GetSession {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Refused` with code Session-00100 when the session is unknown or gone.
    pub async fn send(self) -> Result<Response<Session>, Error> {
        let client = &self.options.client;
        let request = client.checkout().get_session().reference(self.reference.as_str());
        let answer = client.transport().run(self.call()?, || request.clone().send()).await?;
        Ok(answer.map(|raw| Session(Box::new(raw))))
    }
}

impl UpdateSession {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Refused` when the session is paid, ended or unknown.
    pub async fn send(self) -> Result<Response<()>, Error> {
        let call = self.call()?;
        call.checked(limits::update_session_request(&self.change, &Place::ROOT))?;
        let client = &self.options.client;
        let request = client.checkout().update_session().reference(self.reference.as_str());
        let request = request.idempotency_key(KEY_OF_THE_CALL).body(*self.change);
        client.transport().run(call, || request.clone().send()).await
    }
}

impl ExpireSession {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Refused` when the session is paid, ended or unknown.
    pub async fn send(self) -> Result<Response<()>, Error> {
        let call = self.call()?;
        let client = &self.options.client;
        let request =
            client.checkout().expire_session().reference(self.reference.as_str()).idempotency_key(KEY_OF_THE_CALL);
        client.transport().run(call, || request.clone().send()).await
    }
}

/// See [`Sessions::wait_until_finished`].
#[derive(Debug)]
#[must_use = "nothing is sent before `.await`"]
pub struct WaitUntilFinished {
    sessions: Sessions,
    reference: String,
    schedule: Schedule,
}

waits!(WaitUntilFinished -> Session, every "2 s, as Vipps asks.");

impl WaitUntilFinished {
    /// Waits.
    ///
    /// # Errors
    ///
    /// [`Error`] of a look that cannot end otherwise, or of the last look when none has
    /// succeeded by the deadline.
    pub async fn wait(self) -> Result<Session, Error> {
        let Self { sessions, reference, schedule } = self;
        let clock = sessions.client.transport().clock().clone();
        let seen = Mutex::new(None::<Session>);
        let seen = &seen;
        let look = |limit| {
            let get = sessions.get(reference.as_str()).max_attempts(2).deadline(limit);
            async move {
                let found = get.send().await.map(Response::into_inner);
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                match (found, seen.take()) {
                    (Ok(session), _) => Ok(seen.insert(session).clone()),
                    (Err(Error::Refused(no)), Some(last)) if no.code() == Some(UNKNOWN) => Ok(last.expired()),
                    (Err(error), last) => {
                        *seen = last;
                        Err(error)
                    }
                }
            }
        };
        watch(&*clock, schedule, look, Session::is_finished).await
    }
}
