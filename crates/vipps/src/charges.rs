//! Charges: collections under an agreement, in its currency.
//!
//! Requests carry the value of an amount alone. An [`AgreementRef`] knows the currency, and
//! amounts in another are refused before they are sent.

use futures_util::stream::Stream;
use vipps_core::types::{Amount, Currency, Place};
use vipps_core::{Error, Response};
use vipps_recurring::enums::{ChargeCreationTypeV3, ChargeStatus, TransactionType};
use vipps_recurring::{limits, operations, types};

use crate::batch::{BatchCharge, BatchResult, CreateMany, Settled};
use crate::call::{KEY_OF_THE_CALL, Options, call, derivable, keyed, limited, unbuilt};
use crate::charge_ids::{AgreementId, AgreementRef, ChargeId};
use crate::client::Client;
use crate::pages::{self, Tokens, pages};
use crate::wait::{Schedule, waits, watch};

/// Charges of a client; see [`Client::charges`].
#[derive(Clone, Debug)]
pub struct Charges {
    client: Client,
}

/// A charge as it is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Charge(Box<types::ChargeResponseV3>);

/// A charge that was just created.
#[derive(Clone, Debug, PartialEq)]
pub struct CreatedCharge(types::ChargeReference);

/// A charge to create under an agreement, in whose currency its amount must be.
///
/// ```
/// use vipps::{Amount, NewCharge};
///
/// let december = NewCharge::recurring(Amount::nok_minor(9_900), "December", "2026-12-24", 5).order_id("tea-2026-12");
/// # let _ = december;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct NewCharge {
    pub(crate) request: Box<types::CreateChargeV3>,
    pub(crate) currency: Currency,
}

impl NewCharge {
    /// A charge that is due on a date (`2026-12-24`), tried again for 0 to 14 days, and
    /// captured by itself.
    #[must_use]
    pub fn recurring(amount: Amount, description: impl Into<String>, due: impl Into<String>, retry_days: i64) -> Self {
        let mut charge = Self::new(amount, description);
        charge.request.due = Some(due.into());
        charge.request.retry_days = Some(retry_days);
        charge
    }

    /// A charge for now, outside the schedule of the agreement.
    #[must_use]
    pub fn unscheduled(amount: Amount, description: impl Into<String>) -> Self {
        let mut charge = Self::new(amount, description);
        charge.request.type_ = Some(ChargeCreationTypeV3::Unscheduled);
        charge
    }

    fn new(amount: Amount, description: impl Into<String>) -> Self {
        let charge = types::CreateChargeV3::builder()
            .amount(amount.minor_units())
            .description(description.into())
            .transaction_type(TransactionType::DirectCapture);
        let request = Box::new(charge.try_into().expect("every required field is given"));
        Self { request, currency: amount.currency().clone() }
    }

    /// Only reserves the money; capture it with [`Charges::capture`].
    #[must_use]
    pub fn reserve(mut self) -> Self {
        self.request.transaction_type = TransactionType::ReserveCapture;
        self
    }

    /// The merchant's id of the charge: 1 to 64 letters, digits and hyphens, unique.
    #[must_use]
    pub fn order_id(mut self, id: impl Into<String>) -> Self {
        self.request.order_id = Some(id.into());
        self
    }

    /// Every field, as the document names it. Its amount stays in the currency of the charge.
    pub fn raw_mut(&mut self) -> &mut types::CreateChargeV3 {
        &mut self.request
    }
}

impl Charge {
    /// The id of the charge.
    #[must_use]
    pub fn id(&self) -> ChargeId {
        ChargeId::new(self.0.id.as_str())
    }

    /// How far it went.
    #[must_use]
    pub fn status(&self) -> &ChargeStatus {
        &self.0.status
    }

    /// The amount. Where the answer names no currency it is in `XXX`, which ISO 4217 has for
    /// none and which goes together with no other.
    #[must_use]
    pub fn amount(&self) -> Amount {
        self.money(self.0.amount)
    }

    /// Taken so far, refunds not subtracted; `None` where the answer does not say.
    #[must_use]
    pub fn captured(&self) -> Option<Amount> {
        Some(self.money(self.0.summary.as_ref()?.captured?))
    }

    /// Given back so far; `None` where the answer does not say.
    #[must_use]
    pub fn refunded(&self) -> Option<Amount> {
        Some(self.money(self.0.summary.as_ref()?.refunded?))
    }

    /// Released without having been taken; `None` where the answer does not say.
    #[must_use]
    pub fn cancelled(&self) -> Option<Amount> {
        Some(self.money(self.0.summary.as_ref()?.cancelled?))
    }

    fn money(&self, minor_units: i64) -> Amount {
        Amount::new(minor_units, self.0.currency.clone().unwrap_or_else(|| Currency::from("XXX")))
    }

    /// Everything the answer held, as the document names it.
    #[must_use]
    pub fn raw(&self) -> &types::ChargeResponseV3 {
        &self.0
    }

    /// True when nothing more happens to it by itself. A status that this version does not
    /// know says nothing of the kind.
    #[must_use]
    pub fn is_processed(&self) -> bool {
        use ChargeStatus::{Cancelled, Charged, Failed, PartiallyCaptured, PartiallyRefunded, Refunded, Reserved};
        matches!(
            self.0.status,
            Reserved | Charged | PartiallyCaptured | Failed | Refunded | PartiallyRefunded | Cancelled
        )
    }
}

impl CreatedCharge {
    /// The id of the charge: the merchant's order id where one was given.
    #[must_use]
    pub fn id(&self) -> Option<ChargeId> {
        self.0.charge_id.as_deref().map(ChargeId::new)
    }

    /// Everything the answer held, as the document names it.
    #[must_use]
    pub fn raw(&self) -> &types::ChargeReference {
        &self.0
    }
}

impl From<types::ChargeResponseV3> for Charge {
    fn from(raw: types::ChargeResponseV3) -> Self {
        Self(Box::new(raw))
    }
}

impl Charges {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Creates a charge; its answer holds the id.
    pub fn create(&self, agreement: impl Into<AgreementRef>, charge: NewCharge) -> CreateCharge {
        CreateCharge {
            options: Options::new(&self.client, CreateCharge::OPERATION),
            agreement: agreement.into(),
            charge,
        }
    }

    /// Creates any number of charges, of any agreements, in parts of at most 2000, each with
    /// a stable key; says of every charge what became of it.
    ///
    /// A charge is an agreement with a [`NewCharge`] that has an order id and a due date, or the
    /// request's own type, whose amount has no currency to compare.
    pub fn create_many<C: Into<BatchCharge>>(&self, charges: impl IntoIterator<Item = C>) -> CreateMany {
        CreateMany::new(&self.client, charges.into_iter().map(Into::into).collect())
    }

    /// Reads every charge of a batch whose fate its result leaves open, one after the other, and
    /// says what is there.
    pub async fn settle(&self, result: &BatchResult) -> Vec<(String, Settled)> {
        let mut settled = Vec::new();
        for (agreement_id, order_id) in result.open() {
            let found = self.get(agreement_id, ChargeId::new(order_id)).send().await;
            settled.push((order_id.to_owned(), Settled::of(found)));
        }
        settled
    }

    /// Reads a charge.
    pub fn get(&self, agreement_id: impl Into<AgreementId>, charge_id: impl Into<ChargeId>) -> GetCharge {
        GetCharge {
            options: Options::new(&self.client, GetCharge::OPERATION),
            agreement_id: agreement_id.into(),
            charge_id: charge_id.into(),
        }
    }

    /// Reads a charge by its id alone.
    pub fn get_by_id(&self, charge_id: impl Into<ChargeId>) -> GetChargeById {
        GetChargeById { options: Options::new(&self.client, GetChargeById::OPERATION), charge_id: charge_id.into() }
    }

    /// Lists the charges of an agreement, page after page as they are asked for.
    pub fn list(&self, agreement_id: impl Into<AgreementId>) -> ListCharges {
        ListCharges {
            options: pages::options(&self.client, &operations::LIST_CHARGES_V3),
            agreement_id: agreement_id.into(),
            status: None,
        }
    }

    /// Cancels a charge, or what is left of a reserved one. The answer's `http_status` is 202
    /// where Vipps does it later: then read the charge.
    pub fn cancel(&self, agreement_id: impl Into<AgreementId>, charge_id: impl Into<ChargeId>) -> CancelCharge {
        CancelCharge {
            options: Options::new(&self.client, CancelCharge::OPERATION),
            agreement_id: agreement_id.into(),
            charge_id: charge_id.into(),
        }
    }

    /// Takes reserved money, all of it or a part, in the currency of the agreement. The
    /// answer's `http_status` is 202 where Vipps does it later: then read the charge.
    pub fn capture(
        &self,
        agreement: impl Into<AgreementRef>,
        charge_id: impl Into<ChargeId>,
        amount: Amount,
    ) -> CaptureCharge {
        let (agreement, charge_id) = (agreement.into(), charge_id.into());
        CaptureCharge { options: Options::new(&self.client, CaptureCharge::OPERATION), agreement, charge_id, amount }
    }

    /// Gives captured money back, all of it or a part, in the currency of the agreement; the
    /// customer sees the description. The answer's `http_status` is 202 where Vipps does it
    /// later: then read the charge.
    pub fn refund(
        &self,
        agreement: impl Into<AgreementRef>,
        charge_id: impl Into<ChargeId>,
        amount: Amount,
        description: impl Into<String>,
    ) -> RefundCharge {
        let (agreement, charge_id) = (agreement.into(), charge_id.into());
        RefundCharge {
            options: Options::new(&self.client, RefundCharge::OPERATION),
            agreement,
            charge_id,
            amount,
            description: description.into(),
        }
    }

    /// Waits until nothing more happens to a charge by itself, or the deadline: gives it as
    /// it was last seen. Of use once its day has come; until then it is DUE.
    pub fn wait_until_processed(
        &self,
        agreement_id: impl Into<AgreementId>,
        charge_id: impl Into<ChargeId>,
    ) -> WaitUntilProcessed {
        let (agreement_id, charge_id) = (agreement_id.into(), charge_id.into());
        WaitUntilProcessed { charges: self.clone(), agreement_id, charge_id, schedule: Schedule::of_a_charge() }
    }
}

call! {
    /// See [`Charges::create`].
    CreateCharge { agreement: AgreementRef, charge: NewCharge } -> CreatedCharge,
    of CREATE_CHARGE_V3, about |it| it.charge.request.order_id.clone(),
    // The same agreement is charged again and again: the order id tells the charges apart.
    key |it| it.charge.request.order_id.as_ref().map(|order| format!("{}/{order}", it.agreement.id())),
    from "orderId"
}
call! {
    /// See [`Charges::get`].
    GetCharge { agreement_id: AgreementId, charge_id: ChargeId } -> Charge,
    of FETCH_CHARGE_V3, about |it| Some(it.charge_id.as_str().to_owned())
}
call! {
    /// See [`Charges::get_by_id`].
    GetChargeById { charge_id: ChargeId } -> Charge,
    of FETCH_CHARGE_BY_ID_V3, about |it| Some(it.charge_id.as_str().to_owned())
}
call! {
    /// See [`Charges::cancel`].
    CancelCharge { agreement_id: AgreementId, charge_id: ChargeId } -> (),
    of CANCEL_CHARGE_V3, about |it| Some(it.charge_id.as_str().to_owned())
}
call! {
    /// See [`Charges::capture`].
    CaptureCharge { agreement: AgreementRef, charge_id: ChargeId, amount: Amount } -> (),
    of CAPTURE_CHARGE_V3, about |it| Some(it.charge_id.as_str().to_owned())
}
call! {
    /// See [`Charges::refund`].
    RefundCharge { agreement: AgreementRef, charge_id: ChargeId, amount: Amount, description: String } -> (),
    of REFUND_CHARGE_V3, about |it| Some(it.charge_id.as_str().to_owned())
}
keyed!(CreateCharge, CancelCharge, CaptureCharge, RefundCharge);
derivable!(CreateCharge, CancelCharge, CaptureCharge, RefundCharge);

impl CreateCharge {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Indeterminate` when the charge may exist; repeat it with its key.
    pub async fn send(self) -> Result<Response<CreatedCharge>, Error> {
        let call = self.call()?;
        let body = Place::ROOT;
        call.checked(self.agreement.fits(&self.charge.currency, &body.field("amount")))?;
        call.checked(body.field("amount").range(self.charge.request.amount, Some(1), None))?;
        call.checked(limits::create_charge_v3(&self.charge.request, &body))?;
        if let Some(due) = &self.charge.request.due {
            call.checked(crate::call::date(due, &body.field("due")))?;
        }
        let client = &self.options.client;
        let request = client.recurring().create_charge_v3().agreement_id(self.agreement.id());
        let request = request.idempotency_key(KEY_OF_THE_CALL).body(*self.charge.request);
        let answer = client.transport().run(call, || request.clone().send()).await?;
        Ok(answer.map(CreatedCharge))
    }
}

impl GetCharge {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Refused` with status 404 means that there is no such charge.
    pub async fn send(self) -> Result<Response<Charge>, Error> {
        let client = &self.options.client;
        let request = client.recurring().fetch_charge_v3();
        let request = request.agreement_id(self.agreement_id.0.as_str()).charge_id(self.charge_id.as_str());
        let answer = client.transport().run(self.call()?, || request.clone().send()).await?;
        Ok(answer.map(Charge::from))
    }
}

impl GetChargeById {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Refused` with status 404 means that there is no such charge.
    pub async fn send(self) -> Result<Response<Charge>, Error> {
        let client = &self.options.client;
        let request = client.recurring().fetch_charge_by_id_v3().charge_id(self.charge_id.as_str());
        let answer = client.transport().run(self.call()?, || request.clone().send()).await?;
        Ok(answer.map(Charge::from))
    }
}

impl CancelCharge {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Refused` when the charge cannot be cancelled any more; `Indeterminate` when
    /// it may have been: repeat it with its key.
    pub async fn send(self) -> Result<Response<()>, Error> {
        let call = self.call()?;
        let client = &self.options.client;
        let request = client.recurring().cancel_charge_v3().agreement_id(self.agreement_id.0.as_str());
        let request = request.charge_id(self.charge_id.as_str()).idempotency_key(KEY_OF_THE_CALL);
        client.transport().run(call, || request.clone().send()).await
    }
}

impl CaptureCharge {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Indeterminate` when it may have taken effect; repeat it with its key.
    pub async fn send(self) -> Result<Response<()>, Error> {
        let call = self.call()?;
        call.checked(self.agreement.fits_amount(&self.amount, &Place::ROOT.field("amount")))?;
        let body = types::CaptureRequestV3::builder().amount(self.amount.minor_units());
        let body = types::CaptureRequestV3::try_from(body).map_err(|error| unbuilt(&call, &error))?;
        call.checked(Place::ROOT.field("amount").range(body.amount, Some(1), None))?;
        call.checked(limits::capture_request_v3(&body, &Place::ROOT))?;
        let client = &self.options.client;
        let request = client.recurring().capture_charge_v3().agreement_id(self.agreement.id());
        let request = request.charge_id(self.charge_id.as_str()).idempotency_key(KEY_OF_THE_CALL).body(body);
        client.transport().run(call, || request.clone().send()).await
    }
}

impl RefundCharge {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Indeterminate` when it may have taken effect; repeat it with its key.
    pub async fn send(self) -> Result<Response<()>, Error> {
        let call = self.call()?;
        call.checked(self.agreement.fits_amount(&self.amount, &Place::ROOT.field("amount")))?;
        let body = types::RefundRequest::builder().amount(self.amount.minor_units()).description(self.description);
        let body = types::RefundRequest::try_from(body).map_err(|error| unbuilt(&call, &error))?;
        call.checked(Place::ROOT.field("amount").range(body.amount, Some(1), None))?;
        call.checked(limits::refund_request(&body, &Place::ROOT))?;
        let client = &self.options.client;
        let request = client.recurring().refund_charge_v3().agreement_id(self.agreement.id());
        let request = request.charge_id(self.charge_id.as_str()).idempotency_key(KEY_OF_THE_CALL).body(body);
        client.transport().run(call, || request.clone().send()).await
    }
}

/// See [`Charges::list`].
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before the stream is polled"]
pub struct ListCharges {
    options: Options,
    agreement_id: AgreementId,
    status: Option<ChargeStatus>,
}

limited!(ListCharges, "one page", "2 min, since Vipps may ask to wait");

impl ListCharges {
    /// Only charges with this status.
    pub fn status(mut self, status: ChargeStatus) -> Self {
        self.status = Some(status);
        self
    }

    /// The charges; ends with the first error. Where Vipps asks to come back later for a
    /// page, it waits as long as asked, up to the deadline of a page.
    pub fn stream(self) -> impl Stream<Item = Result<Charge, Error>> + Send {
        pages((None, Tokens::default()), move |(token, tokens)| {
            let list = self.clone();
            async move { list.page(token, tokens).await }
        })
    }

    async fn page(
        &self,
        token: Option<String>,
        mut tokens: Tokens,
    ) -> Result<(Vec<Charge>, Option<(Option<String>, Tokens)>), Error> {
        let client = &self.options.client;
        let mut request = client.recurring().list_charges_v3().agreement_id(self.agreement_id.0.as_str());
        if let Some(status) = &self.status {
            request = request.status(status.clone());
        }
        if let Some(token) = token {
            request = request.continuation_token(token);
        }
        let call = self.options.call(Some(self.agreement_id.0.clone()), || None, "")?;
        let answer = client.transport().run(call.clone(), || request.clone().send()).await?;
        let token = answer.header("continuation-token").filter(|token| !token.is_empty()).map(str::to_owned);
        if let Some(token) = &token {
            tokens.go_on(token, &call, answer.http_status())?;
        }
        let charges = answer.into_inner().into_iter().map(Charge::from).collect();
        Ok((charges, token.map(|token| (Some(token), tokens))))
    }
}

/// See [`Charges::wait_until_processed`].
#[derive(Debug)]
#[must_use = "nothing is sent before `.await`"]
pub struct WaitUntilProcessed {
    charges: Charges,
    agreement_id: AgreementId,
    charge_id: ChargeId,
    schedule: Schedule,
}

waits!(WaitUntilProcessed -> Charge, every "10 s: a charge may be read ten times a minute.");

impl WaitUntilProcessed {
    /// Waits.
    ///
    /// # Errors
    ///
    /// [`Error`] of a look that cannot end otherwise, or of the last look when none has
    /// succeeded by the deadline.
    pub async fn wait(self) -> Result<Charge, Error> {
        let Self { charges, agreement_id, charge_id, schedule } = self;
        let clock = charges.client.transport().clock().clone();
        let look = |limit| {
            let get = charges.get(&agreement_id, &charge_id).max_attempts(2).deadline(limit);
            async move { get.send().await.map(Response::into_inner) }
        };
        watch(&*clock, schedule, look, Charge::is_processed).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charge(body: &str) -> Charge {
        Charge::from(serde_json::from_str::<types::ChargeResponseV3>(body).unwrap())
    }

    #[test]
    fn amounts_of_a_charge_have_its_currency_and_are_not_made_up() {
        let told = charge(
            r#"{"id":"c","status":"PARTIALLY_REFUNDED","amount":900,"currency":"DKK",
                "summary":{"captured":900,"refunded":100,"cancelled":0}}"#,
        );
        let money = [Some(told.amount()), told.captured(), told.refunded(), told.cancelled()];
        assert_eq!(money, [900, 900, 100, 0].map(|value| Some(Amount::dkk_minor(value))));
        let untold = charge(r#"{"id":"c","status":"DUE","amount":900,"summary":{}}"#);
        assert_eq!((untold.captured(), untold.refunded(), untold.cancelled()), (None, None, None));
        assert_eq!(untold.amount().to_string(), "900 minor units of XXX");
        assert!(untold.amount().checked_sub(&Amount::nok_minor(900)).is_err());
    }
}
