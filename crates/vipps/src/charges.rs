//! Charges: collections under an agreement. Amounts are minor units of its currency.

use futures_util::stream::{self, Stream, StreamExt as _};
use vipps_core::types::{IdempotencyKey, Place};
use vipps_core::{Error, Response};
use vipps_recurring::enums::{ChargeCreationTypeV3, ChargeStatus, TransactionType};
use vipps_recurring::{limits, operations, types};

use crate::call::{Options, call, checked, keyed, unbuilt};
use crate::client::Client;
use crate::wait::{Schedule, waits, watch};

/// The most charges that one request may carry; more are sent in parts.
const BATCH: usize = 2000;

/// Charges of a client; see [`Client::charges`].
#[derive(Clone, Debug)]
pub struct Charges {
    client: Client,
}

/// A charge as it is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Charge(Box<types::ChargeResponseV3>);

/// A charge to create under an agreement.
#[derive(Clone, Debug, PartialEq)]
pub struct NewCharge(Box<types::CreateChargeV3>);

/// What became of one charge of [`Charges::create_many`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum BatchOutcome {
    /// Vipps took it on; read it later, since it may still fail.
    Accepted,
    /// Vipps refuses it, for these reasons.
    Refused(Vec<String>),
    /// The answer was lost, or does not name it: it may have been taken on. Repeat the same
    /// charges with the same key, or read it.
    Unknown,
}

/// The charges of a batch, each with what became of it.
#[derive(Debug)]
pub struct BatchResult {
    /// By the merchant's order id, in the order they were given.
    pub charges: Vec<(String, BatchOutcome)>,
    /// The errors of parts that failed as a whole.
    pub errors: Vec<Error>,
    /// The key to repeat exactly these charges with.
    pub idempotency_key: IdempotencyKey,
}

impl NewCharge {
    /// A charge that is due on a date (`2026-12-24`), tried again for 0 to 14 days, and
    /// captured by itself.
    #[must_use]
    pub fn recurring(amount: i64, description: impl Into<String>, due: impl Into<String>, retry_days: i64) -> Self {
        let mut charge = Self::new(amount, description);
        charge.0.due = Some(due.into());
        charge.0.retry_days = Some(retry_days);
        charge
    }

    /// A charge for now, outside the schedule of the agreement.
    #[must_use]
    pub fn unscheduled(amount: i64, description: impl Into<String>) -> Self {
        let mut charge = Self::new(amount, description);
        charge.0.type_ = Some(ChargeCreationTypeV3::Unscheduled);
        charge
    }

    fn new(amount: i64, description: impl Into<String>) -> Self {
        let charge = types::CreateChargeV3::builder()
            .amount(amount)
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

    /// The amount, in minor units.
    #[must_use]
    pub fn amount(&self) -> i64 {
        self.0.amount
    }

    /// Everything the answer held, as the document names it.
    #[must_use]
    pub fn raw(&self) -> &types::ChargeResponseV3 {
        &self.0
    }

    /// True when nothing more happens to it by itself.
    #[must_use]
    pub fn is_processed(&self) -> bool {
        !matches!(self.0.status, ChargeStatus::Pending | ChargeStatus::Due | ChargeStatus::Processing)
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
    /// its own key; says of every charge what became of it.
    pub fn create_many(&self, charges: Vec<types::CreateChargeAsyncV3>) -> CreateMany {
        CreateMany { client: self.client.clone(), charges, key: None }
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

    /// Cancels a charge, or what is left of a reserved one.
    pub fn cancel(&self, agreement_id: impl Into<String>, charge_id: impl Into<String>) -> CancelCharge {
        CancelCharge {
            options: Options::new(&self.client),
            agreement_id: agreement_id.into(),
            charge_id: charge_id.into(),
        }
    }

    /// Takes reserved money, all of it or a part.
    pub fn capture(&self, agreement_id: impl Into<String>, charge_id: impl Into<String>, amount: i64) -> CaptureCharge {
        let (agreement_id, charge_id) = (agreement_id.into(), charge_id.into());
        CaptureCharge { options: Options::new(&self.client), agreement_id, charge_id, amount }
    }

    /// Gives captured money back, all of it or a part; the customer sees the description.
    pub fn refund(
        &self,
        agreement_id: impl Into<String>,
        charge_id: impl Into<String>,
        amount: i64,
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
    /// it was last seen.
    pub fn wait_until_processed(
        &self,
        agreement_id: impl Into<String>,
        charge_id: impl Into<String>,
    ) -> WaitUntilProcessed {
        let (agreement_id, charge_id) = (agreement_id.into(), charge_id.into());
        WaitUntilProcessed { charges: self.clone(), agreement_id, charge_id, schedule: Schedule::default() }
    }
}

call! {
    /// See [`Charges::create`].
    CreateCharge { agreement_id: String, charge: NewCharge } -> types::ChargeReference
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
    CaptureCharge { agreement_id: String, charge_id: String, amount: i64 } -> ()
}
call! {
    /// See [`Charges::refund`].
    RefundCharge { agreement_id: String, charge_id: String, amount: i64, description: String } -> ()
}
keyed!(CreateCharge, CancelCharge, CaptureCharge, RefundCharge);

impl CreateCharge {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Indeterminate` when the charge may exist; repeat it with its key.
    pub async fn send(self) -> Result<Response<types::ChargeReference>, Error> {
        let operation = &operations::CREATE_CHARGE_V3;
        let body = Place::ROOT;
        checked(operation, body.field("amount").range(self.charge.0.amount, Some(1), None))?;
        checked(operation, limits::create_charge_v3(&self.charge.0, &body))?;
        if let Some(due) = &self.charge.0.due {
            checked(operation, crate::call::date(due, &body.field("due")))?;
        }
        let key = self.options.settle_key(operation, &self.agreement_id);
        let client = &self.options.client;
        let request = client.recurring().create_charge_v3().agreement_id(self.agreement_id.as_str());
        let request = request.idempotency_key(key.as_str()).body(*self.charge.0);
        client.transport().run(self.options.call(operation).key(&key), || request.clone().send()).await
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
    /// [`Error`]: `Refused` when the charge cannot be cancelled any more.
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
        let body = types::CaptureRequestV3::builder().amount(self.amount);
        let body = types::CaptureRequestV3::try_from(body).map_err(|error| unbuilt(operation, &error))?;
        checked(operation, Place::ROOT.field("amount").range(body.amount, Some(1), None))?;
        checked(operation, limits::capture_request_v3(&body, &Place::ROOT))?;
        let key = self.options.settle_key(operation, &self.charge_id);
        let client = &self.options.client;
        let request = client.recurring().capture_charge_v3().agreement_id(self.agreement_id.as_str());
        let request = request.charge_id(self.charge_id.as_str()).idempotency_key(key.as_str()).body(body);
        client.transport().run(self.options.call(operation).key(&key), || request.clone().send()).await
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
        let body = types::RefundRequest::builder().amount(self.amount).description(self.description);
        let body = types::RefundRequest::try_from(body).map_err(|error| unbuilt(operation, &error))?;
        checked(operation, Place::ROOT.field("amount").range(body.amount, Some(1), None))?;
        checked(operation, limits::refund_request(&body, &Place::ROOT))?;
        let key = self.options.settle_key(operation, &self.charge_id);
        let client = &self.options.client;
        let request = client.recurring().refund_charge_v3().agreement_id(self.agreement_id.as_str());
        let request = request.charge_id(self.charge_id.as_str()).idempotency_key(key.as_str()).body(body);
        client.transport().run(self.options.call(operation).key(&key), || request.clone().send()).await
    }
}

/// See [`Charges::create_many`].
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before `send`"]
pub struct CreateMany {
    client: Client,
    charges: Vec<types::CreateChargeAsyncV3>,
    key: Option<IdempotencyKey>,
}

impl CreateMany {
    /// The key of this batch; the keys of its parts are derived from it. Give the key of an
    /// earlier result, with the same charges in the same order, to repeat it.
    pub fn idempotency_key(mut self, key: IdempotencyKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Sends it, part after part. A part that fails does not stop the others.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRequest`] when a charge breaks a rule of form: then nothing is sent.
    pub async fn send(self) -> Result<BatchResult, Error> {
        let operation = &operations::CREATE_CHARGE_ASYNC_V3;
        for (index, charge) in self.charges.iter().enumerate() {
            let place = Place::ROOT.index(index);
            checked(operation, place.field("amount").range(charge.amount, Some(1), None))?;
            checked(operation, limits::create_charge_async_v3(charge, &place))?;
            checked(operation, crate::call::date(&charge.due, &place.field("due")))?;
        }
        let key = self.key.unwrap_or_else(IdempotencyKey::random);
        let mut result = BatchResult { charges: Vec::new(), errors: Vec::new(), idempotency_key: key.clone() };
        for (part, sequence) in self.charges.chunks(BATCH).zip(0..) {
            let sales_unit = self.client.sales_unit().as_str();
            let part_key = IdempotencyKey::derived(sales_unit, operation.id(), key.as_str(), sequence);
            let request = self.client.recurring().create_charge_async_v3();
            let request = request.idempotency_key(part_key.as_str()).body(part.to_vec());
            let call = vipps_core::Call::new(operation).key(&part_key);
            match self.client.transport().run(call, || request.clone().send()).await {
                Ok(answer) => result.charges.extend(outcomes(part, &answer)),
                Err(error) => {
                    let outcome = match error.may_have_taken_effect() {
                        true => BatchOutcome::Unknown,
                        false => BatchOutcome::Refused(vec![error.to_string()]),
                    };
                    result.charges.extend(part.iter().map(|charge| (charge.order_id.clone(), outcome.clone())));
                    result.errors.push(error);
                }
            }
        }
        Ok(result)
    }
}

/// What an answer says of each charge of its part.
fn outcomes(part: &[types::CreateChargeAsyncV3], answer: &types::AsyncChargeResponse) -> Vec<(String, BatchOutcome)> {
    let valid = answer.valid_charges.as_deref().unwrap_or_default();
    let invalid = answer.invalid_charges.as_deref().unwrap_or_default();
    let outcome = |charge: &types::CreateChargeAsyncV3| {
        let refused = invalid.iter().find(|refused| {
            let item = refused.charge_batch_item_dto.as_ref();
            item.and_then(|item| item.order_id.as_ref()) == Some(&charge.order_id)
        });
        match refused {
            Some(refused) => BatchOutcome::Refused(refused.errors.clone().unwrap_or_default()),
            None if valid.contains(&charge.order_id) => BatchOutcome::Accepted,
            None => BatchOutcome::Unknown,
        }
    };
    part.iter().map(|charge| (charge.order_id.clone(), outcome(charge))).collect()
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

    /// The charges; ends with the first error.
    pub fn stream(self) -> impl Stream<Item = Result<Charge, Error>> + Send {
        let pages = stream::try_unfold(Some(None::<String>), move |next| {
            let list = self.clone();
            async move {
                let Some(token) = next else { return Ok::<_, Error>(None) };
                let (charges, token) = list.page(token).await?;
                Ok(Some((charges, token.map(Some))))
            }
        });
        pages.flat_map(|page| match page {
            Ok(charges) => stream::iter(charges.into_iter().map(Ok).collect::<Vec<_>>()),
            Err(error) => stream::iter(vec![Err(error)]),
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
        let token = answer.header("continuation-token").map(str::to_owned);
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

waits!(WaitUntilProcessed -> Charge);

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
        let look = || {
            let get = charges.get(agreement_id.as_str(), charge_id.as_str());
            async move { get.send().await.map(Response::into_inner) }
        };
        watch(&*clock, schedule, look, Charge::is_processed).await
    }
}
