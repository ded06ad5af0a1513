//! Many charges at once, in parts, and what became of each.

use std::collections::HashMap;

use vipps_core::types::{IdempotencyKey, Place};
use vipps_core::{Call, Error};
use vipps_recurring::{limits, operations, types};

use crate::client::Client;

/// The most charges that one request may carry; more are sent in parts.
const PART: usize = 2000;

/// What became of one charge of [`Charges::create_many`](crate::Charges::create_many).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum BatchOutcome {
    /// Vipps took it on; read it later, since it may still fail.
    Accepted,
    /// Vipps refuses it, for these reasons.
    Refused(Vec<String>),
    /// Its part was not taken on: there was no connection or no access token, or Vipps asks
    /// to come back later. Repeat the same charges with the same key.
    NotSent,
    /// The answer was lost, or does not name it: it may have been taken on. Repeat the same
    /// charges with the same key, or read it.
    Unknown,
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
}

/// See [`Charges::create_many`](crate::Charges::create_many).
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before `send`"]
pub struct CreateMany {
    client: Client,
    charges: Vec<types::CreateChargeAsyncV3>,
    key: Option<IdempotencyKey>,
}

impl CreateMany {
    pub(crate) fn new(client: Client, charges: Vec<types::CreateChargeAsyncV3>) -> Self {
        Self { client, charges, key: None }
    }

    /// The key of this batch, and of its one part; of more, each has one derived from it. Give the key of an
    /// earlier result, with the same charges in the same order, to repeat it.
    pub fn idempotency_key(mut self, key: IdempotencyKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Sends it, part after part. A part that fails does not stop the others.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRequest`] when the key or a charge breaks a rule of form, or a charge has
    /// the order id of another: then nothing is sent.
    pub async fn send(self) -> Result<BatchResult, Error> {
        let operation = &operations::CREATE_CHARGE_ASYNC_V3;
        let key = self.key.unwrap_or_else(IdempotencyKey::random);
        let whole = Call::new(operation).key(&key);
        if self.charges.len() <= PART {
            whole.checked(limits::create_charge_async_v3_idempotency_key(key.as_str()))?;
        }
        let mut order_ids = HashMap::new();
        for (index, charge) in self.charges.iter().enumerate() {
            let place = Place::ROOT.index(index);
            // Vipps would take one and refuse the other, under one name.
            if let Some(other) = order_ids.insert(charge.order_id.as_str(), index) {
                return Err(whole.invalid(&place.field("orderId").broken(format!("must not be that of [{other}]"))));
            }
            whole.checked(place.field("amount").range(charge.amount, Some(1), None))?;
            whole.checked(limits::create_charge_async_v3(charge, &place))?;
            whole.checked(crate::call::date(&charge.due, &place.field("due")))?;
        }
        let mut result = BatchResult { charges: Vec::new(), errors: Vec::new(), idempotency_key: key.clone() };
        for (part, sequence) in self.charges.chunks(PART).zip(0..) {
            let sales_unit = self.client.sales_unit().as_str();
            let part_key = match self.charges.len() {
                ..=PART => key.clone(),
                _ => IdempotencyKey::derived(sales_unit, operation.id(), key.as_str(), sequence),
            };
            let request = self.client.recurring().create_charge_async_v3();
            let request = request.idempotency_key(part_key.as_str()).body(part.to_vec());
            let call = Call::new(operation).key(&part_key);
            match self.client.transport().run(call, || request.clone().send()).await {
                Ok(answer) => result.charges.extend(answered(part, &answer)),
                Err(error) => {
                    let outcome = failed(&error);
                    result.charges.extend(part.iter().map(|charge| (charge.order_id.clone(), outcome.clone())));
                    result.errors.push(error);
                }
            }
        }
        Ok(result)
    }
}

/// What an answer says of each charge of its part.
fn answered(part: &[types::CreateChargeAsyncV3], answer: &types::AsyncChargeResponse) -> Vec<(String, BatchOutcome)> {
    let valid = answer.valid_charges.as_deref().unwrap_or_default();
    let invalid = answer.invalid_charges.as_deref().unwrap_or_default();
    let outcome = |charge: &types::CreateChargeAsyncV3| {
        let refused = invalid.iter().find(|refused| {
            let item = refused.charge_batch_item_dto.as_ref();
            item.and_then(|item| item.order_id.as_ref()) == Some(&charge.order_id)
        });
        match refused {
            // Both lists name it: nothing is known.
            Some(_) if valid.contains(&charge.order_id) => BatchOutcome::Unknown,
            Some(refused) => BatchOutcome::Refused(refused.errors.clone().unwrap_or_default()),
            None if valid.contains(&charge.order_id) => BatchOutcome::Accepted,
            None => BatchOutcome::Unknown,
        }
    };
    part.iter().map(|charge| (charge.order_id.clone(), outcome(charge))).collect()
}

/// What the failure of a whole part says of each of its charges.
fn failed(error: &Error) -> BatchOutcome {
    match error {
        Error::InvalidRequest(_) | Error::Authentication(_) | Error::NotSent(_) => BatchOutcome::NotSent,
        // A conflict may be with what an earlier run of the batch has brought about.
        Error::Refused(no) if no.status() == 409 => BatchOutcome::Unknown,
        Error::Refused(no) if no.is_for_now() => BatchOutcome::NotSent,
        Error::Refused(_) => BatchOutcome::Refused(vec![error.to_string()]),
        // Where in doubt it may have been taken on.
        _ => BatchOutcome::Unknown,
    }
}
