//! Charges: collections under an agreement, in its currency.
//!
//! Requests carry the value of an amount alone, so only Vipps knows whether its currency is
//! that of the agreement: [`Agreement::currency`](crate::Agreement::currency) tells it.

use futures_util::stream::Stream;
use vipps_core::types::{Amount, Currency, Place};
use vipps_core::{Error, Response};
use vipps_recurring::enums::{ChargeCreationTypeV3, ChargeStatus, TransactionType};
use vipps_recurring::{limits, operations, types};

use crate::batch::CreateMany;
use crate::call::{Options, call, derivable, keyed, unbuilt};
use crate::client::Client;
use crate::pages::pages;
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

/// A charge to create under an agreement. Its amount is in the currency of the agreement.
///
/// ```
/// use vipps::{Amount, NewCharge};
///
/// let december = NewCharge::recurring(Amount::nok_minor(9_900), "December", "2026-12-24", 5).order_id("tea-2026-12");
/// # let _ = december;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct NewCharge(Box<types::CreateChargeV3>);

impl NewCharge {
    /// A charge that is due on a date (`2026-12-24`), tried again for 0 to 14 days, and
    /// captured by itself.
    #[must_use]
    pub fn recurring(amount: Amount, description: impl Into<String>, due: impl Into<String>, retry_days: i64) -> Self {
        let mut charge = Self::new(amount, description);
        charge.0.due = Some(due.into());
        charge.0.retry_days = Some(retry_days);
        charge
    }

    /// A charge for now, outside the schedule of the agreement.
    #[must_use]
    pub fn unscheduled(amount: Amount, description: impl Into<String>) -> Self {
        let mut charge = Self::new(amount, description);
        charge.0.type_ = Some(ChargeCreationTypeV3::Unscheduled);
        charge
    }

    fn new(amount: Amount, description: impl Into<String>) -> Self {
        let charge = types::CreateChargeV3::builder()
            .amount(amount.minor_units())
            .description(description.into())
            .transaction_type(TransactionType::DirectCapture);
        Self(Box::new(charge.try_into().expect("every required field is given")))
    }

    /// Only reserves the money; capture it with [`Charges::capture`].
    #[must_use]
    pub fn reserve(mut self) -> Self {
        self.0.transaction_type = TransactionType::ReserveCapture;
        self
    }

    /// The merchant's id of the charge: 1 to 64 letters, digits and hyphens, unique.
    #[must_use]
    pub fn order_id(mut self, id: impl Into<String>) -> Self {
        self.0.order_id = Some(id.into());
        self
    }

    /// Every field, as the document names it.
    pub fn raw_mut(&mut self) -> &mut types::CreateChargeV3 {
        &mut self.0
    }
}

impl Charge {
    /// The id of the charge.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
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
    pub fn id(&self) -> Option<&str> {
        self.0.charge_id.as_deref()
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
    pub fn create(&self, agreement_id: impl Into<String>, charge: NewCharge) -> CreateCharge {
        CreateCharge { options: Options::new(&self.client), agreement_id: agreement_id.into(), charge }
    }

    /// Creates any number of charges, of any agreements, in parts of at most 2000, each with
    /// a stable key; says of every charge what became of it.
    pub fn create_many(&self, charges: Vec<types::CreateChargeAsyncV3>) -> CreateMany {
        CreateMany::new(self.client.clone(), charges)
    }

    /// Reads a charge.
    pub fn get(&self, agreement_id: impl Into<String>, charge_id: impl Into<String>) -> GetCharge {
        GetCharge {
            options: Options::new(&self.client),
            agreement_id: agreement_id.into(),
            charge_id: charge_id.into(),
        }
    }

    /// Reads a charge by its id alone.
    pub fn get_by_id(&self, charge_id: impl Into<String>) -> GetChargeById {
        GetChargeById { options: Options::new(&self.client), charge_id: charge_id.into() }
    }

    /// Lists the charges of an agreement, page after page as they are asked for.
    pub fn list(&self, agreement_id: impl Into<String>) -> ListCharges {
        ListCharges { client: self.client.clone(), agreement_id: agreement_id.into(), status: None }
    }

    /// Cancels a charge, or what is left of a reserved one. The answer's `http_status` is 202
    /// where Vipps does it later: then read the charge.
    pub fn cancel(&self, agreement_id: impl Into<String>, charge_id: impl Into<String>) -> CancelCharge {
        CancelCharge {
            options: Options::new(&self.client),
            agreement_id: agreement_id.into(),
            charge_id: charge_id.into(),
        }
    }

    /// Takes reserved money, all of it or a part, in the currency of the agreement. The
    /// answer's `http_status` is 202 where Vipps does it later: then read the charge.
    pub fn capture(
        &self,
        agreement_id: impl Into<String>,
        charge_id: impl Into<String>,
        amount: Amount,
    ) -> CaptureCharge {
        let (agreement_id, charge_id) = (agreement_id.into(), charge_id.into());
        CaptureCharge { options: Options::new(&self.client), agreement_id, charge_id, amount }
    }

    /// Gives captured money back, all of it or a part, in the currency of the agreement; the
    /// customer sees the description. The answer's `http_status` is 202 where Vipps does it
    /// later: then read the charge.
    pub fn refund(
        &self,
        agreement_id: impl Into<String>,
        charge_id: impl Into<String>,
        amount: Amount,
        description: impl Into<String>,
    ) -> RefundCharge {
        let (agreement_id, charge_id) = (agreement_id.into(), charge_id.into());
        RefundCharge {
            options: Options::new(&self.client),
            agreement_id,
            charge_id,
            amount,
            description: description.into(),
        }
    }

    /// Waits until nothing more happens to a charge by itself, or the deadline: gives it as
    /// it was last seen. Of use once its day has come; until then it is DUE.
    pub fn wait_until_processed(
        &self,
        agreement_id: impl Into<String>,
        charge_id: impl Into<String>,
    ) -> WaitUntilProcessed {
        let (agreement_id, charge_id) = (agreement_id.into(), charge_id.into());
        WaitUntilProcessed { charges: self.clone(), agreement_id, charge_id, schedule: Schedule::of_a_charge() }
    }
}

call! {
    /// See [`Charges::create`].
    CreateCharge { agreement_id: String, charge: NewCharge } -> CreatedCharge
}
call! {
    /// See [`Charges::get`].
    GetCharge { agreement_id: String, charge_id: String } -> Charge
}
call! {
    /// See [`Charges::get_by_id`].
    GetChargeById { charge_id: String } -> Charge
}
call! {
    /// See [`Charges::cancel`].
    CancelCharge { agreement_id: String, charge_id: String } -> ()
}
call! {
    /// See [`Charges::capture`].
    CaptureCharge { agreement_id: String, charge_id: String, amount: Amount } -> ()
}
call! {
    /// See [`Charges::refund`].
    RefundCharge { agreement_id: String, charge_id: String, amount: Amount, description: String } -> ()
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
        let operation = &operations::CREATE_CHARGE_V3;
        // The same agreement is charged again and again: the order id tells the charges apart.
        let name = self.charge.0.order_id.as_ref().map(|order_id| format!("{}/{order_id}", self.agreement_id));
        let key = self.options.settle_named_key(operation, name.as_deref(), "orderId")?;
        let call = self.options.call(operation).key(&key);
        let body = Place::ROOT;
        call.checked(body.field("amount").range(self.charge.0.amount, Some(1), None))?;
        call.checked(limits::create_charge_v3(&self.charge.0, &body))?;
        if let Some(due) = &self.charge.0.due {
            call.checked(crate::call::date(due, &body.field("due")))?;
        }
        let client = &self.options.client;
        let request = client.recurring().create_charge_v3().agreement_id(self.agreement_id.as_str());
        let request = request.idempotency_key(key.as_str()).body(*self.charge.0);
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
        let operation = &operations::FETCH_CHARGE_V3;
        let client = &self.options.client;
        let request = client.recurring().fetch_charge_v3();
        let request = request.agreement_id(self.agreement_id.as_str()).charge_id(self.charge_id.as_str());
        let answer = client.transport().run(self.options.call(operation), || request.clone().send()).await?;
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
        let operation = &operations::FETCH_CHARGE_BY_ID_V3;
        let client = &self.options.client;
        let request = client.recurring().fetch_charge_by_id_v3().charge_id(self.charge_id.as_str());
        let answer = client.transport().run(self.options.call(operation), || request.clone().send()).await?;
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
        let operation = &operations::CANCEL_CHARGE_V3;
        let key = self.options.settle_key(operation, &self.charge_id);
        let client = &self.options.client;
        let request = client.recurring().cancel_charge_v3().agreement_id(self.agreement_id.as_str());
        let request = request.charge_id(self.charge_id.as_str()).idempotency_key(key.as_str());
        client.transport().run(self.options.call(operation).key(&key), || request.clone().send()).await
    }
}

impl CaptureCharge {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Indeterminate` when it may have taken effect; repeat it with its key.
    pub async fn send(self) -> Result<Response<()>, Error> {
        let operation = &operations::CAPTURE_CHARGE_V3;
        let key = self.options.settle_key(operation, &self.charge_id);
        let call = self.options.call(operation).key(&key);
        let body = types::CaptureRequestV3::builder().amount(self.amount.minor_units());
        let body = types::CaptureRequestV3::try_from(body).map_err(|error| unbuilt(&call, &error))?;
        call.checked(Place::ROOT.field("amount").range(body.amount, Some(1), None))?;
        call.checked(limits::capture_request_v3(&body, &Place::ROOT))?;
        let client = &self.options.client;
        let request = client.recurring().capture_charge_v3().agreement_id(self.agreement_id.as_str());
        let request = request.charge_id(self.charge_id.as_str()).idempotency_key(key.as_str()).body(body);
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
        let operation = &operations::REFUND_CHARGE_V3;
        let key = self.options.settle_key(operation, &self.charge_id);
        let call = self.options.call(operation).key(&key);
        let body = types::RefundRequest::builder().amount(self.amount.minor_units()).description(self.description);
        let body = types::RefundRequest::try_from(body).map_err(|error| unbuilt(&call, &error))?;
        call.checked(Place::ROOT.field("amount").range(body.amount, Some(1), None))?;
        call.checked(limits::refund_request(&body, &Place::ROOT))?;
        let client = &self.options.client;
        let request = client.recurring().refund_charge_v3().agreement_id(self.agreement_id.as_str());
        let request = request.charge_id(self.charge_id.as_str()).idempotency_key(key.as_str()).body(body);
        client.transport().run(call, || request.clone().send()).await
    }
}

/// See [`Charges::list`].
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before the stream is polled"]
pub struct ListCharges {
    client: Client,
    agreement_id: String,
    status: Option<ChargeStatus>,
}

impl ListCharges {
    /// Only charges with this status.
    pub fn status(mut self, status: ChargeStatus) -> Self {
        self.status = Some(status);
        self
    }

    /// The charges; ends with the first error. Where Vipps asks to come back later for a
    /// page, it waits as long as asked.
    pub fn stream(self) -> impl Stream<Item = Result<Charge, Error>> + Send {
        let clock = self.client.transport().clock().clone();
        pages(clock, None::<String>, move |token| {
            let list = self.clone();
            async move { list.page(token).await.map(|(charges, token)| (charges, token.map(Some))) }
        })
    }

    async fn page(&self, token: Option<String>) -> Result<(Vec<Charge>, Option<String>), Error> {
        let mut request = self.client.recurring().list_charges_v3().agreement_id(self.agreement_id.as_str());
        if let Some(status) = &self.status {
            request = request.status(status.clone());
        }
        if let Some(token) = token {
            request = request.continuation_token(token);
        }
        let call = vipps_core::Call::new(&operations::LIST_CHARGES_V3);
        let answer = self.client.transport().run(call, || request.clone().send()).await?;
        let token = answer.header("continuation-token").filter(|token| !token.is_empty()).map(str::to_owned);
        Ok((answer.into_inner().into_iter().map(Charge::from).collect(), token))
    }
}

/// See [`Charges::wait_until_processed`].
#[derive(Debug)]
#[must_use = "nothing is sent before `.await`"]
pub struct WaitUntilProcessed {
    charges: Charges,
    agreement_id: String,
    charge_id: String,
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
            let get = charges.get(agreement_id.as_str(), charge_id.as_str()).max_attempts(2).deadline(limit);
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
        assert_eq!(untold.amount().to_string(), "9.00 XXX");
        assert!(untold.amount().checked_sub(&Amount::nok_minor(900)).is_err());
    }
}
