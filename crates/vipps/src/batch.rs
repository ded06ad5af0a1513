//! Many charges at once, in parts, and what became of each.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use vipps_core::types::{Currency, IdempotencyKey, Place, Violation};
use vipps_core::{Call, Effect, Error, KeyUse, Response};
use vipps_recurring::{limits, operations, types};

use crate::call::{KEY_OF_THE_CALL, Options, limited};
use crate::charge_ids::AgreementRef;
use crate::charges::{Charge, NewCharge};
use crate::client::Client;

/// The most charges that one request may carry; more are sent in parts.
const PART: usize = 2000;

/// One charge of a batch: made of an agreement and a [`NewCharge`], or of the request's own type.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchCharge {
    request: types::CreateChargeAsyncV3,
    /// What must go together, where it is known.
    currencies: Option<(AgreementRef, Currency)>,
}

impl<A: Into<AgreementRef>> From<(A, NewCharge)> for BatchCharge {
    /// What a batch needs and the charge lacks is named before anything is sent.
    fn from((agreement, charge): (A, NewCharge)) -> Self {
        let agreement = agreement.into();
        let types::CreateChargeV3 { amount, description, due, external_id, order_id, processing_mode, .. } =
            *charge.request.clone();
        let request = types::CreateChargeAsyncV3::builder()
            .agreement_id(agreement.id())
            .amount(amount)
            .description(description)
            .due(due.unwrap_or_default())
            .external_id(external_id)
            .order_id(order_id.unwrap_or_default())
            .processing_mode(processing_mode)
            .retry_days(charge.request.retry_days.unwrap_or_default())
            .transaction_type(charge.request.transaction_type.clone());
        let request = request.try_into().expect("every required field is given");
        Self { request, currencies: Some((agreement, charge.currency)) }
    }
}

impl From<types::CreateChargeAsyncV3> for BatchCharge {
    fn from(request: types::CreateChargeAsyncV3) -> Self {
        Self { request, currencies: None }
    }
}

impl BatchCharge {
    fn check(&self, place: &Place<'_>) -> Result<(), Violation> {
        let amount = place.field("amount");
        if let Some((agreement, currency)) = &self.currencies {
            agreement.fits(currency, &amount)?;
        }
        amount.range(self.request.amount, Some(1), None)?;
        limits::create_charge_async_v3(&self.request, place)?;
        crate::call::date(&self.request.due, &place.field("due"))
    }
}

/// What became of one charge of [`Charges::create_many`](crate::Charges::create_many).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum BatchOutcome {
    /// Vipps took it on; read it later, since it may still fail.
    Accepted,
    /// Vipps did not take it on, for these reasons, which are free text. It may exist all the
    /// same: "the order id was used before" is also what the repetition of a charge that was
    /// taken on says. Read it before anything else: [`Charges::settle`](crate::Charges::settle).
    NotAccepted(Vec<String>),
    /// Nothing of its part was taken on, now or before. Repeat the same charges with the same
    /// key, once what the error of the part says is mended.
    NotSent,
    /// The answer was lost, or settles nothing, or does not name it: it may have been taken on.
    /// Repeat the same charges with the same key, or read it.
    Unknown,
}

/// What is there of a charge that was open; see [`Charges::settle`](crate::Charges::settle).
#[derive(Debug)]
#[non_exhaustive]
pub enum Settled {
    /// It exists.
    Exists(Box<Charge>),
    /// Its agreement has no such charge, as of now. A batch is taken on before its charges are
    /// made: read it once more, minutes later, before it is created again.
    Absent,
    /// It could not be read.
    Unknown(Error),
}

impl Settled {
    pub(crate) fn of(found: Result<Response<Charge>, Error>) -> Self {
        match found {
            Ok(charge) => Self::Exists(Box::new(charge.into_inner())),
            Err(Error::Refused(no)) if no.status() == 404 => Self::Absent,
            Err(error) => Self::Unknown(error),
        }
    }
}

/// The charges of a batch, each with what became of it.
#[derive(Debug)]
pub struct BatchResult {
    /// By the merchant's order id, in the order they were given.
    pub charges: Vec<(String, BatchOutcome)>,
    /// The errors of parts that failed as a whole. Each names the key of its part, which is
    /// that of the batch where it has one part: repeat the batch with the key below.
    pub errors: Vec<Error>,
    /// The key to repeat exactly these charges with.
    pub idempotency_key: IdempotencyKey,
    /// Of each charge.
    agreements: Vec<String>,
}

impl BatchResult {
    /// Agreement and order id of each charge that may exist without having been accepted.
    pub(crate) fn open(&self) -> impl Iterator<Item = (&str, &str)> {
        self.agreements.iter().zip(&self.charges).filter_map(|(agreement, (order_id, outcome))| match outcome {
            BatchOutcome::Accepted | BatchOutcome::NotSent => None,
            BatchOutcome::NotAccepted(_) | BatchOutcome::Unknown => Some((agreement.as_str(), order_id.as_str())),
        })
    }
}

/// See [`Charges::create_many`](crate::Charges::create_many).
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before `send`"]
pub struct CreateMany {
    options: Options,
    charges: Vec<BatchCharge>,
    /// The keys of several parts, with their uses, which clones share.
    part_keys: Arc<OnceLock<Vec<KeyUse>>>,
}

limited!(CreateMany, "each part", "as the client has it, 30 s");

impl CreateMany {
    pub(crate) fn new(client: &Client, charges: Vec<BatchCharge>) -> Self {
        let options = Options::new(client, &operations::CREATE_CHARGE_ASYNC_V3);
        Self { options, charges, part_keys: Arc::default() }
    }

    /// The key of this batch, and of its one part; of more, each has one derived from it.
    /// Default: a random one, drawn when the batch is built. Give the key of an earlier result,
    /// with the same charges in the same order, to repeat it; one that is given counts as used
    /// before.
    pub fn idempotency_key(mut self, key: IdempotencyKey) -> Self {
        self.options.give_key(key);
        self.part_keys = Arc::default();
        self
    }

    /// Nobody has sent this batch before, under this key.
    pub fn first_use(mut self) -> Self {
        self.options.say_first_use();
        self.part_keys = Arc::default();
        self
    }

    /// A key derived from the sales unit, the order ids in their order and this number, so that
    /// any process arrives at the same one.
    pub fn derived_key(mut self, sequence: u64) -> Self {
        self.options.derive_key(sequence);
        self.part_keys = Arc::default();
        self
    }

    /// The key of this batch, and of its one part; of more, each has one derived from it. Give
    /// it to the same charges in the same order to repeat them.
    #[must_use]
    pub fn key(&self) -> Option<IdempotencyKey> {
        self.options.key_use(|| Some(self.name()))?.key().cloned()
    }

    /// What a derived key hashes.
    fn name(&self) -> String {
        self.charges.iter().map(|charge| charge.request.order_id.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// Sends it, part after part. A part that fails does not stop the others.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRequest`] when the key or a charge breaks a rule of form, or a charge has
    /// the order id of another: then nothing is sent.
    pub async fn send(self) -> Result<BatchResult, Error> {
        let whole = self.options.call(None, || Some(self.name()), "orderId")?;
        let key = whole.idempotency_key().cloned().unwrap_or_else(IdempotencyKey::random);
        if self.charges.len() <= PART {
            whole.checked(limits::create_charge_async_v3_idempotency_key(key.as_str()))?;
        }
        self.check(&whole)?;
        let mut result = BatchResult {
            charges: Vec::new(),
            errors: Vec::new(),
            idempotency_key: key,
            agreements: self.charges.iter().map(|charge| charge.request.agreement_id.clone()).collect(),
        };
        for (index, part) in self.charges.chunks(PART).enumerate() {
            let call = self.part_call(&whole, index);
            let client = &self.options.client;
            let body: Vec<_> = part.iter().map(|charge| charge.request.clone()).collect();
            let request = client.recurring().create_charge_async_v3();
            let request = request.idempotency_key(KEY_OF_THE_CALL).body(body);
            match client.transport().run(call, || request.clone().send()).await {
                Ok(answer) => result.charges.extend(answered(part, &answer)),
                Err(error) => {
                    let outcome = failed(&error);
                    result.charges.extend(part.iter().map(|one| (one.request.order_id.clone(), outcome.clone())));
                    result.errors.push(error);
                }
            }
        }
        Ok(result)
    }

    fn check(&self, whole: &Call) -> Result<(), Error> {
        let mut order_ids = HashMap::new();
        for (index, charge) in self.charges.iter().enumerate() {
            let place = Place::ROOT.index(index);
            // Vipps would take one and refuse the other, under one name.
            if let Some(other) = order_ids.insert(charge.request.order_id.as_str(), index) {
                return Err(whole.invalid(&place.field("orderId").broken(format!("must not be that of [{other}]"))));
            }
            whole.checked(charge.check(&place))?;
        }
        Ok(())
    }

    /// The call of one part: under the key of the batch, or one derived from it.
    fn part_call(&self, whole: &Call, index: usize) -> Call {
        if self.charges.len() <= PART {
            return whole.clone();
        }
        let sales_unit = self.options.client.sales_unit().as_str();
        let keys = self.part_keys.get_or_init(|| {
            let operation = &operations::CREATE_CHARGE_ASYNC_V3;
            let whole_key = whole.idempotency_key().map_or("", IdempotencyKey::as_str);
            let derived = |part| IdempotencyKey::derived(sales_unit, operation.word(), whole_key, part);
            let is_first_use = !whole.may_have_been_sent();
            let parts = 0..self.charges.chunks(PART).len() as u64;
            let used = |key| if is_first_use { KeyUse::first(key) } else { KeyUse::given(key) };
            parts.map(|part| used(derived(part))).collect()
        });
        whole.clone().key_use(keys[index].clone())
    }
}

/// What an answer says of each charge of its part.
fn answered(part: &[BatchCharge], answer: &types::AsyncChargeResponse) -> Vec<(String, BatchOutcome)> {
    let valid = answer.valid_charges.as_deref().unwrap_or_default();
    let invalid = answer.invalid_charges.as_deref().unwrap_or_default();
    let outcome = |order_id: &String| {
        let turned = invalid.iter().find(|turned| {
            let item = turned.charge_batch_item_dto.as_ref();
            item.and_then(|item| item.order_id.as_ref()) == Some(order_id)
        });
        match turned {
            // Both lists name it: nothing is known.
            Some(_) if valid.contains(order_id) => BatchOutcome::Unknown,
            Some(turned) => BatchOutcome::NotAccepted(turned.errors.clone().unwrap_or_default()),
            None if valid.contains(order_id) => BatchOutcome::Accepted,
            None => BatchOutcome::Unknown,
        }
    };
    part.iter().map(|charge| (charge.request.order_id.clone(), outcome(&charge.request.order_id))).collect()
}

/// What the failure of a whole part says of each of its charges.
fn failed(error: &Error) -> BatchOutcome {
    match error.effect() {
        Effect::None => BatchOutcome::NotSent,
        _ => BatchOutcome::Unknown,
    }
}
