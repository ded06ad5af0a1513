//! Agreements: what a customer lets a merchant charge, and how often.

use futures_util::stream::Stream;
use vipps_core::types::{Currency, Personal, Place, Timestamp};
use vipps_core::{Call, Error, Response};
use vipps_recurring::enums::{
    AgreementActor, AgreementEventName, AgreementStatus, PatchAgreementV3Status, PricingResponseV3,
};
use vipps_recurring::{limits, operations, types};

use crate::call::{Options, address, call, derivable, keyed, unbuilt};
use crate::client::Client;
use crate::new_agreement::NewAgreement;
use crate::pages::pages;
use crate::wait::{Schedule, waits, watch};

/// Agreements of a client; see [`Client::agreements`].
#[derive(Clone, Debug)]
pub struct Agreements {
    client: Client,
}

/// An agreement as it is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement(Box<types::AgreementResponseV3>);

/// One thing that happened to an agreement; see [`Agreement::history`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AgreementEvent<'a>(&'a types::AgreementEvent);

/// An agreement that was just drafted and waits for its customer.
#[derive(Clone, Debug, PartialEq)]
pub struct DraftedAgreement(types::DraftAgreementResponseV3);

impl Agreement {
    /// Vipps' id of the agreement: `agr_5kSeqz`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// How far it went; `None` where the answer does not say.
    #[must_use]
    pub fn status(&self) -> Option<&AgreementStatus> {
        self.0.status.as_ref()
    }

    /// The currency of its price and of its charges; `None` where the answer does not say.
    #[must_use]
    pub fn currency(&self) -> Option<&Currency> {
        match self.0.pricing.as_ref()? {
            PricingResponseV3::Legacy(pricing) => pricing.currency.as_ref(),
            PricingResponseV3::Variable(pricing) => pricing.currency.as_ref(),
            PricingResponseV3::Flexible(pricing) => pricing.currency.as_ref(),
            _ => None,
        }
    }

    /// What happened to it, oldest first; nothing where the answer does not say, as those from
    /// before September 2026.
    pub fn history(&self) -> impl Iterator<Item = AgreementEvent<'_>> {
        self.0.history.iter().flatten().map(AgreementEvent)
    }

    /// Everything the answer held, as the document names it.
    #[must_use]
    pub fn raw(&self) -> &types::AgreementResponseV3 {
        &self.0
    }
}

impl AgreementEvent<'_> {
    /// What happened; `None` where the answer does not say.
    #[must_use]
    pub fn name(&self) -> Option<&AgreementEventName> {
        self.0.event.as_ref()
    }

    /// When it happened; `None` where the answer does not say.
    #[must_use]
    pub fn occurred(&self) -> Option<&Timestamp> {
        self.0.occurred.as_ref()
    }

    /// Who did it, where that applies.
    #[must_use]
    pub fn actor(&self) -> Option<&AgreementActor> {
        self.0.actor.as_ref()
    }
}

impl DraftedAgreement {
    /// Vipps' id of the agreement.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.agreement_id
    }

    /// Where to send the customer, unchanged.
    #[must_use]
    pub fn confirmation_url(&self) -> Option<&str> {
        self.0.vipps_confirmation_url.as_ref().map(|url| url.reveal().as_str())
    }

    /// The id of the initial charge, where there is one.
    #[must_use]
    pub fn charge_id(&self) -> Option<&str> {
        self.0.charge_id.as_deref()
    }

    /// Everything the answer held, as the document names it.
    #[must_use]
    pub fn raw(&self) -> &types::DraftAgreementResponseV3 {
        &self.0
    }
}

impl From<types::AgreementResponseV3> for Agreement {
    fn from(raw: types::AgreementResponseV3) -> Self {
        Self(Box::new(raw))
    }
}

impl Agreements {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Drafts an agreement; it is PENDING until its customer accepts.
    pub fn draft(&self, agreement: NewAgreement) -> DraftAgreement {
        DraftAgreement { options: Options::new(&self.client), agreement }
    }

    /// Reads an agreement.
    pub fn get(&self, id: impl Into<String>) -> GetAgreement {
        GetAgreement { options: Options::new(&self.client), id: id.into() }
    }

    /// Lists agreements, page after page as they are asked for. Default: ACTIVE ones.
    pub fn list(&self) -> ListAgreements {
        ListAgreements { client: self.client.clone(), status: None, created_after: None, page_size: 500 }
    }

    /// Changes an agreement. To end one, use [`Agreements::stop`]: Vipps refuses both at
    /// once.
    pub fn update(&self, id: impl Into<String>, change: types::PatchAgreementV3) -> UpdateAgreement {
        UpdateAgreement { options: Options::new(&self.client), id: id.into(), change: Box::new(change) }
    }

    /// Ends an agreement, for good; reserved charges are cancelled with it. Ending one that is
    /// STOPPED already succeeds and does nothing, under any key.
    ///
    /// # Panics
    ///
    /// Never: nothing is required of a change.
    pub fn stop(&self, id: impl Into<String>) -> UpdateAgreement {
        let change = types::PatchAgreementV3::builder().status(Some(PatchAgreementV3Status::Stopped));
        self.update(id, change.try_into().expect("nothing is required of a change"))
    }

    /// Accepts an agreement in the customer's place; test environment only.
    pub fn force_accept(&self, id: impl Into<String>, phone_number: impl Into<String>) -> ForceAccept {
        ForceAccept {
            options: Options::new(&self.client),
            id: id.into(),
            phone_number: Personal::new(phone_number.into()),
        }
    }

    /// Waits until an agreement is no longer PENDING, or the deadline: gives it as it was
    /// last seen.
    pub fn wait_until_active(&self, id: impl Into<String>) -> WaitUntilActive {
        WaitUntilActive { agreements: self.clone(), id: id.into(), schedule: Schedule::of_a_customer() }
    }
}

call! {
    /// See [`Agreements::draft`].
    DraftAgreement { agreement: NewAgreement } -> DraftedAgreement
}
call! {
    /// See [`Agreements::get`].
    GetAgreement { id: String } -> Agreement
}
call! {
    /// See [`Agreements::update`] and [`Agreements::stop`].
    UpdateAgreement { id: String, change: Box<types::PatchAgreementV3> } -> ()
}
call! {
    /// See [`Agreements::force_accept`].
    ForceAccept { id: String, phone_number: Personal<String> } -> ()
}
keyed!(DraftAgreement, UpdateAgreement, ForceAccept);
derivable!(UpdateAgreement, ForceAccept);

impl DraftAgreement {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Indeterminate` when the draft may exist; repeat it with its key.
    pub async fn send(self) -> Result<Response<DraftedAgreement>, Error> {
        let operation = &operations::DRAFT_AGREEMENT_V3;
        let key = self.options.settle_key(operation, "");
        let call = self.options.call(operation).key(&key);
        call.checked(self.agreement.check())?;
        let client = &self.options.client;
        let body = self.agreement.into_request();
        let request = client.recurring().draft_agreement_v3().idempotency_key(key.as_str()).body(body);
        let answer = client.transport().run(call, || request.clone().send()).await?;
        Ok(answer.map(DraftedAgreement))
    }
}

impl GetAgreement {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Refused` with status 404 means that there is no such agreement.
    pub async fn send(self) -> Result<Response<Agreement>, Error> {
        let operation = &operations::FETCH_AGREEMENT_V3;
        let client = &self.options.client;
        let request = client.recurring().fetch_agreement_v3().agreement_id(self.id.as_str());
        let answer = client.transport().run(self.options.call(operation), || request.clone().send()).await?;
        Ok(answer.map(Agreement::from))
    }
}

impl UpdateAgreement {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: `InvalidRequest` when it both stops and changes the agreement;
    /// `Indeterminate` when it may have taken effect: repeat it with its key.
    pub async fn send(self) -> Result<Response<()>, Error> {
        let operation = &operations::UPDATE_AGREEMENT_PATCH_V3;
        // A stop and an update are two things, whatever they are numbered.
        let stops = self.change.status.is_some();
        let key = match stops {
            true => self.options.settle_key(operation, &format!("{}/stop", self.id)),
            false => self.options.settle_key(operation, &self.id),
        };
        let call = self.options.call(operation).key(&key);
        let body = Place::ROOT;
        let alone =
            types::PatchAgreementV3::try_from(types::PatchAgreementV3::builder().status(self.change.status.clone()));
        if stops && !alone.is_ok_and(|alone| alone == *self.change) {
            let broken = body.field("status").broken("must be alone: stop an agreement in a call of its own");
            return Err(call.invalid(&broken));
        }
        call.checked(limits::patch_agreement_v3(&self.change, &body))?;
        if let Some(pricing) = &self.change.pricing {
            let place = body.field("pricing");
            for (name, amount) in [("amount", pricing.amount), ("suggestedMaxAmount", pricing.suggested_max_amount)] {
                if let Some(amount) = amount {
                    call.checked(place.field(name).range(amount, Some(1), None))?;
                }
            }
        }
        if let Some(url) = &self.change.merchant_agreement_url {
            call.checked(address(url, &body.field("merchantAgreementUrl"), false))?;
        }
        let client = &self.options.client;
        let request = client.recurring().update_agreement_patch_v3().agreement_id(self.id.as_str());
        let request = request.idempotency_key(key.as_str()).body(*self.change);
        client.transport().run(call, || request.clone().send()).await
    }
}

impl ForceAccept {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Refused` when the agreement is not PENDING or the environment is not the
    /// test one.
    pub async fn send(self) -> Result<Response<()>, Error> {
        let operation = &operations::ACCEPT_V3;
        let key = self.options.settle_key(operation, &self.id);
        let call = self.options.call(operation).key(&key);
        let digits = self.phone_number.reveal().bytes().all(|byte| byte.is_ascii_digit());
        if !digits || self.phone_number.reveal().is_empty() {
            let broken = Place::ROOT.field("phoneNumber").broken("must be country code and number, digits alone");
            return Err(call.invalid(&broken));
        }
        let body = types::ForceAcceptAgreementV3::builder().phone_number(self.phone_number);
        let body = types::ForceAcceptAgreementV3::try_from(body).map_err(|error| unbuilt(&call, &error))?;
        let client = &self.options.client;
        let request =
            client.recurring().accept_v3().agreement_id(self.id.as_str()).idempotency_key(key.as_str()).body(body);
        client.transport().run(call, || request.clone().send()).await
    }
}

/// See [`Agreements::list`].
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before the stream is polled"]
pub struct ListAgreements {
    client: Client,
    status: Option<AgreementStatus>,
    created_after: Option<i64>,
    page_size: i64,
}

impl ListAgreements {
    /// Only agreements with this status. Default: ACTIVE.
    pub fn status(mut self, status: AgreementStatus) -> Self {
        self.status = Some(status);
        self
    }

    /// Only agreements created after this point in time, in milliseconds since 1970.
    pub fn created_after(mut self, unix_millis: i64) -> Self {
        self.created_after = Some(unix_millis);
        self
    }

    /// How many agreements a page has, 1 to 2000. Default: 500, as Vipps' own.
    pub fn page_size(mut self, agreements: i64) -> Self {
        self.page_size = agreements;
        self
    }

    /// The agreements; ends with the first error. Where Vipps asks to come back later for a
    /// page, it waits as long as asked. One that is created meanwhile may be missing, and
    /// one that another pushes to the next page come twice: pages go by number.
    pub fn stream(self) -> impl Stream<Item = Result<Agreement, Error>> + Send {
        let clock = self.client.transport().clock().clone();
        pages(clock, (1, None::<String>, None::<String>), move |(page, token, first_before)| {
            let list = self.clone();
            async move {
                let by_token = token.is_some();
                let (agreements, token) = list.page(page, token).await?;
                // Where there are tokens, the last page has none. Where there are none, a full
                // page may have another behind it.
                let full = i64::try_from(agreements.len()) == Ok(list.page_size);
                // One that begins as the page before it comes from a server that counts no pages.
                let first = agreements.first().map(|agreement| agreement.id().to_owned());
                if first.is_some() && first == first_before {
                    return Ok((Vec::new(), None));
                }
                let more = !agreements.is_empty() && (token.is_some() || !by_token && full);
                Ok((agreements, more.then_some((page + 1, token, first))))
            }
        })
    }

    /// One page: by the token of the page before it, or by its number.
    async fn page(&self, page: i64, token: Option<String>) -> Result<(Vec<Agreement>, Option<String>), Error> {
        let call = Call::new(&operations::LIST_AGREEMENTS_V3);
        let mut request = self.client.recurring().list_agreements_v3();
        if let Some(status) = &self.status {
            request = request.status(status.clone());
        }
        if let Some(after) = self.created_after {
            request = request.created_after(after);
        }
        call.checked(limits::list_agreements_v3_page_size(self.page_size))?;
        request = match token {
            Some(token) => request.continuation_token(token),
            None => request.page_size(self.page_size).page_number(page),
        };
        let answer = self.client.transport().run(call, || request.clone().send()).await?;
        let token = answer.header("continuation-token").filter(|token| !token.is_empty()).map(str::to_owned);
        Ok((answer.into_inner().into_iter().map(Agreement::from).collect(), token))
    }
}

/// See [`Agreements::wait_until_active`].
#[derive(Debug)]
#[must_use = "nothing is sent before `.await`"]
pub struct WaitUntilActive {
    agreements: Agreements,
    id: String,
    schedule: Schedule,
}

waits!(WaitUntilActive -> Agreement, every "2 s, as Vipps asks.");

impl WaitUntilActive {
    /// Waits.
    ///
    /// # Errors
    ///
    /// [`Error`] of a look that cannot end otherwise, or of the last look when none has
    /// succeeded by the deadline.
    pub async fn wait(self) -> Result<Agreement, Error> {
        let Self { agreements, id, schedule } = self;
        let clock = agreements.client.transport().clock().clone();
        let look = |limit| {
            let get = agreements.get(id.as_str()).max_attempts(2).deadline(limit);
            async move { get.send().await.map(Response::into_inner) }
        };
        watch(&*clock, schedule, look, |agreement: &Agreement| agreement.status() != Some(&AgreementStatus::Pending))
            .await
    }
}
