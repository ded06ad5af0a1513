//! Agreements: what a customer lets a merchant charge, and how often.

use futures_util::stream::Stream;
use vipps_core::types::{Currency, Personal, Place, Timestamp};
use vipps_core::{Error, Response};
use vipps_recurring::enums::{
    AgreementActor, AgreementEventName, AgreementStatus, PatchAgreementV3Status, PricingResponseV3,
};
use vipps_recurring::{limits, operations, types};

use crate::address::AddressRule;
use crate::call::{KEY_OF_THE_CALL, Options, call, derivable, keyed, limited, unbuilt};
use crate::charge_ids::{AgreementId, AgreementRef, ChargeId};
use crate::client::Client;
use crate::new_agreement::NewAgreement;
use crate::pages::{self, Rounds, Tokens, pages};
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
pub struct DraftedAgreement {
    answer: types::DraftAgreementResponseV3,
    /// That of the draft, which answers do not repeat.
    currency: Currency,
}

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

    /// What charges need to know of it: id and currency; `None` where the answer names no
    /// currency. Keep it with the subscription.
    #[must_use]
    pub fn agreement_ref(&self) -> Option<AgreementRef> {
        Some(AgreementRef::new(self.id(), self.currency()?.clone()))
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
        &self.answer.agreement_id
    }

    /// What charges need to know of it: id and currency. Keep it with the subscription.
    #[must_use]
    pub fn agreement_ref(&self) -> AgreementRef {
        AgreementRef::new(self.id(), self.currency.clone())
    }

    /// Where to send the customer, unchanged.
    #[must_use]
    pub fn confirmation_url(&self) -> Option<&str> {
        self.answer.vipps_confirmation_url.as_ref().map(|url| url.reveal().as_str())
    }

    /// The id of the initial charge, where there is one.
    #[must_use]
    pub fn charge_id(&self) -> Option<ChargeId> {
        self.answer.charge_id.as_deref().map(ChargeId::new)
    }

    /// Everything the answer held, as the document names it.
    #[must_use]
    pub fn raw(&self) -> &types::DraftAgreementResponseV3 {
        &self.answer
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
        DraftAgreement { options: Options::new(&self.client, DraftAgreement::OPERATION), agreement }
    }

    /// Reads an agreement.
    pub fn get(&self, id: impl Into<AgreementId>) -> GetAgreement {
        GetAgreement { options: Options::new(&self.client, GetAgreement::OPERATION), id: id.into().0 }
    }

    /// Lists agreements, page after page as they are asked for. Default: ACTIVE ones.
    pub fn list(&self) -> ListAgreements {
        ListAgreements {
            options: pages::options(&self.client, &operations::LIST_AGREEMENTS_V3),
            status: None,
            created_after: None,
            page_size: 500,
        }
    }

    /// Changes an agreement. To end one, use [`Agreements::stop`]: Vipps refuses both at
    /// once.
    pub fn update(&self, id: impl Into<AgreementId>, change: types::PatchAgreementV3) -> UpdateAgreement {
        UpdateAgreement {
            options: Options::new(&self.client, UpdateAgreement::OPERATION),
            id: id.into().0,
            change: Box::new(change),
        }
    }

    /// Ends an agreement, for good; reserved charges are cancelled with it. Ending one that is
    /// STOPPED already succeeds and does nothing, under any key.
    ///
    /// # Panics
    ///
    /// Never: nothing is required of a change.
    pub fn stop(&self, id: impl Into<AgreementId>) -> UpdateAgreement {
        let change = types::PatchAgreementV3::builder().status(Some(PatchAgreementV3Status::Stopped));
        self.update(id, change.try_into().expect("nothing is required of a change"))
    }

    /// Accepts an agreement in the customer's place; test environment only.
    pub fn force_accept(&self, id: impl Into<AgreementId>, phone_number: impl Into<String>) -> ForceAccept {
        ForceAccept {
            options: Options::new(&self.client, ForceAccept::OPERATION),
            id: id.into().0,
            phone_number: Personal::new(phone_number.into()),
        }
    }

    /// Waits until an agreement is no longer PENDING, or the deadline.
    pub fn wait_until_active(&self, id: impl Into<AgreementId>) -> WaitUntilActive {
        WaitUntilActive { agreements: self.clone(), id: id.into().0, schedule: Schedule::of_a_customer() }
    }
}

call! {
    /// See [`Agreements::draft`].
    DraftAgreement { agreement: NewAgreement } -> DraftedAgreement,
    of DRAFT_AGREEMENT_V3, about |it| it.agreement.own_id().map(str::to_owned), key |it| it.agreement.own_id().map(str::to_owned), from "externalId"
}
call! {
    /// See [`Agreements::get`].
    GetAgreement { id: String } -> Agreement,
    of FETCH_AGREEMENT_V3, about |it| Some(it.id.clone())
}
call! {
    /// See [`Agreements::update`] and [`Agreements::stop`].
    UpdateAgreement { id: String, change: Box<types::PatchAgreementV3> } -> (),
    of UPDATE_AGREEMENT_PATCH_V3, about |it| Some(it.id.clone()),
    // A stop and an update are two things, whatever they are numbered.
    key |it| Some(if it.stops() { format!("{}/stop", it.id) } else { it.id.clone() }), from "agreementId"
}
call! {
    /// See [`Agreements::force_accept`].
    ForceAccept { id: String, phone_number: Personal<String> } -> (),
    of ACCEPT_V3, about |it| Some(it.id.clone())
}
keyed!(DraftAgreement, UpdateAgreement, ForceAccept);
derivable!(DraftAgreement, UpdateAgreement, ForceAccept);

impl DraftAgreement {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Indeterminate` when the draft may exist; repeat it with its key.
    pub async fn send(self) -> Result<Response<DraftedAgreement>, Error> {
        let call = self.call()?;
        call.checked(self.agreement.check(self.options.client.allows_http_addresses()))?;
        let client = &self.options.client;
        let currency = self.agreement.currency();
        let body = self.agreement.into_request();
        let request = client.recurring().draft_agreement_v3().idempotency_key(KEY_OF_THE_CALL).body(body);
        let answer = client.transport().run(call, || request.clone().send()).await?;
        Ok(answer.map(|answer| DraftedAgreement { answer, currency }))
    }
}

impl GetAgreement {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Refused` with status 404 means that there is no such agreement.
    pub async fn send(self) -> Result<Response<Agreement>, Error> {
        let client = &self.options.client;
        let request = client.recurring().fetch_agreement_v3().agreement_id(self.id.as_str());
        let answer = client.transport().run(self.call()?, || request.clone().send()).await?;
        Ok(answer.map(Agreement::from))
    }
}

impl UpdateAgreement {
    fn stops(&self) -> bool {
        self.change.status.is_some()
    }

    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: `InvalidRequest` when it both stops and changes the agreement;
    /// `Indeterminate` when it may have taken effect: repeat it with its key.
    pub async fn send(self) -> Result<Response<()>, Error> {
        let call = self.call()?;
        let body = Place::ROOT;
        let alone =
            types::PatchAgreementV3::try_from(types::PatchAgreementV3::builder().status(self.change.status.clone()));
        if self.stops() && !alone.is_ok_and(|alone| alone == *self.change) {
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
            let rule = AddressRule::HTTPS.or_http(self.options.client.allows_http_addresses());
            call.checked(rule.check(url, &body.field("merchantAgreementUrl")))?;
        }
        let client = &self.options.client;
        let request = client.recurring().update_agreement_patch_v3().agreement_id(self.id.as_str());
        let request = request.idempotency_key(KEY_OF_THE_CALL).body(*self.change);
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
        let call = self.call()?;
        let digits = self.phone_number.reveal().bytes().all(|byte| byte.is_ascii_digit());
        if !digits || self.phone_number.reveal().is_empty() {
            let broken = Place::ROOT.field("phoneNumber").broken("must be country code and number, digits alone");
            return Err(call.invalid(&broken));
        }
        let body = types::ForceAcceptAgreementV3::builder().phone_number(self.phone_number);
        let body = types::ForceAcceptAgreementV3::try_from(body).map_err(|error| unbuilt(&call, &error))?;
        let client = &self.options.client;
        let request =
            client.recurring().accept_v3().agreement_id(self.id.as_str()).idempotency_key(KEY_OF_THE_CALL).body(body);
        client.transport().run(call, || request.clone().send()).await
    }
}

/// See [`Agreements::list`].
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before the stream is polled"]
pub struct ListAgreements {
    options: Options,
    status: Option<AgreementStatus>,
    created_after: Option<i64>,
    page_size: i64,
}

limited!(ListAgreements, "one page", "2 min, since Vipps may ask to wait");

/// Where a list goes on: by the token of the page before, or by number where there are none.
#[derive(Default)]
struct At {
    token: Option<String>,
    tokens: Tokens,
    page: i64,
    rounds: Rounds,
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

    /// The agreements, each once; ends with the first error. Where Vipps asks to come back
    /// later for a page, it waits as long as asked, up to the deadline of a page.
    ///
    /// Pages go by number and shift while the list changes: every agreement that is in the list
    /// all the while is given, for a list of several pages is read again until a whole round
    /// shows nothing new. One that comes or goes meanwhile may be missing.
    pub fn stream(self) -> impl Stream<Item = Result<Agreement, Error>> + Send {
        pages(At { page: 1, ..At::default() }, move |at| {
            let list = self.clone();
            async move { list.page(at).await }
        })
    }

    async fn page(&self, mut at: At) -> Result<(Vec<Agreement>, Option<At>), Error> {
        let call = self.options.call(None, || None, "")?;
        let client = &self.options.client;
        let mut request = client.recurring().list_agreements_v3();
        if let Some(status) = &self.status {
            request = request.status(status.clone());
        }
        if let Some(after) = self.created_after {
            request = request.created_after(after);
        }
        call.checked(limits::list_agreements_v3_page_size(self.page_size))?;
        let by_token = at.token.is_some();
        request = match at.token.take() {
            Some(token) => request.continuation_token(token),
            None => request.page_size(self.page_size).page_number(at.page),
        };
        let answer = client.transport().run(call.clone(), || request.clone().send()).await?;
        let ids: Vec<&str> = answer.iter().map(|agreement| agreement.id.as_str()).collect();
        let mut fresh = at.rounds.take(&ids).into_iter();
        // Where there are tokens, the last page has none.
        let next = match answer.header("continuation-token").filter(|token| !token.is_empty()) {
            Some(token) => {
                at.tokens.go_on(token, &call, answer.http_status())?;
                Some(At { token: Some(token.to_owned()), ..at })
            }
            None if by_token => None,
            None => {
                let is_last = i64::try_from(ids.len()) != Ok(self.page_size);
                at.rounds.next(at.page, &ids, is_last).map(|page| At { page, ..at })
            }
        };
        let given = answer.into_inner().into_iter().filter(|_| fresh.next() == Some(true)).map(Agreement::from);
        Ok((given.collect(), next))
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

waits!(WaitUntilActive -> AgreementDecision, every "2 s, as Vipps asks.");

/// What became of a drafted agreement. Complete on purpose: a status that is added later is
/// `Undecided`.
#[derive(Clone, Debug, PartialEq)]
pub enum AgreementDecision {
    /// The customer accepted: it can be charged.
    Active(Agreement),
    /// It cannot be charged: the customer declined, nobody decided in time, or it was ended.
    NotActive(Agreement),
    /// PENDING still at the deadline, or in a status that this version does not know: as it was
    /// last seen. Look again later.
    Undecided(Agreement),
}

impl AgreementDecision {
    /// The agreement as it was last seen.
    #[must_use]
    pub fn agreement(&self) -> &Agreement {
        match self {
            Self::Active(agreement) | Self::NotActive(agreement) | Self::Undecided(agreement) => agreement,
        }
    }
}

impl WaitUntilActive {
    /// Waits.
    ///
    /// # Errors
    ///
    /// [`Error`] of a look that cannot end otherwise, or of the last look when none has
    /// succeeded by the deadline.
    pub async fn wait(self) -> Result<AgreementDecision, Error> {
        let Self { agreements, id, schedule } = self;
        let clock = agreements.client.transport().clock().clone();
        let look = |limit| {
            let get = agreements.get(id.as_str()).max_attempts(2).deadline(limit);
            async move { get.send().await.map(Response::into_inner) }
        };
        let settled = |agreement: &Agreement| agreement.status() != Some(&AgreementStatus::Pending);
        let agreement = watch(&*clock, schedule, look, settled).await?;
        Ok(match agreement.status() {
            Some(AgreementStatus::Active) => AgreementDecision::Active(agreement),
            Some(AgreementStatus::Stopped | AgreementStatus::Expired) => AgreementDecision::NotActive(agreement),
            _ => AgreementDecision::Undecided(agreement),
        })
    }
}
