//! The customer with the app in hand.

use crate::payment::{Approval, Moment, Payment};
use crate::refusal::Refusal;
use crate::sandbox::Shared;
use crate::state::{PaymentId, World};

/// Does what customers do in the app: approve and abort.
#[derive(Clone, Debug)]
pub struct Customer {
    shared: Shared,
    sales_unit: Option<String>,
}

/// Why the customer could not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CustomerError {
    /// No payment has this reference.
    #[error("no payment has the reference `{0}`")]
    Unknown(String),
    /// Payments of several sales units have this reference.
    #[error("several sales units have a payment `{0}`: choose one with `of`, or `?msn=`")]
    Ambiguous(String),
    /// The payment is not waiting for its customer.
    #[error("payment `{reference}` is {state}, it is not waiting for its customer")]
    NotWaiting {
        /// The merchant's reference.
        reference: String,
        /// The state it is in.
        state: String,
    },
}

impl Customer {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared, sales_unit: None }
    }

    /// The same customer, paying at this sales unit.
    #[must_use]
    pub fn of(mut self, sales_unit: &str) -> Self {
        self.sales_unit = Some(sales_unit.to_owned());
        self
    }

    /// Approves a payment in the app. Magic amounts act: the approval may fail or stay open
    /// without an error here.
    ///
    /// # Errors
    ///
    /// [`CustomerError`] when there is no such payment or it is not waiting.
    #[expect(clippy::unused_async, reason = "calls to the merchant will be awaited here")]
    pub async fn approves(&self, reference: &str) -> Result<(), CustomerError> {
        let mut world = self.shared.lock();
        let id = find(&mut world, reference, self.sales_unit.as_deref())?;
        approve(&mut world, &id).map(|_| ())
    }

    /// Declines a payment in the app.
    ///
    /// # Errors
    ///
    /// [`CustomerError`] when there is no such payment or it is not waiting.
    #[expect(clippy::unused_async, reason = "calls to the merchant will be awaited here")]
    pub async fn aborts(&self, reference: &str) -> Result<(), CustomerError> {
        let mut world = self.shared.lock();
        let id = find(&mut world, reference, self.sales_unit.as_deref())?;
        abort(&mut world, &id)
    }
}

/// The payment with this reference, of this sales unit or of the only one that has it.
pub(crate) fn find(world: &mut World, reference: &str, sales_unit: Option<&str>) -> Result<PaymentId, CustomerError> {
    world.settle();
    let mut found = world
        .payments()
        .map(|(id, _)| id)
        .filter(|id| id.reference == reference && sales_unit.is_none_or(|unit| unit == id.sales_unit));
    let first = found.next().cloned().ok_or_else(|| CustomerError::Unknown(reference.to_owned()))?;
    if found.next().is_some() { Err(CustomerError::Ambiguous(reference.to_owned())) } else { Ok(first) }
}

pub(crate) fn approve(world: &mut World, id: &PaymentId) -> Result<Approval, CustomerError> {
    let norwegian = world.options.market.currency() == "NOK";
    act(world, id, |payment, moment| payment.approve(norwegian, moment))
}

pub(crate) fn abort(world: &mut World, id: &PaymentId) -> Result<(), CustomerError> {
    act(world, id, Payment::abort)
}

fn act<T>(
    world: &mut World,
    id: &PaymentId,
    act: impl FnOnce(&mut Payment, &mut Moment<'_>) -> Result<T, Refusal>,
) -> Result<T, CustomerError> {
    let now = world.settle();
    let state = world.payment(id).map(|record| record.payment.state.wire().to_owned()).unwrap_or_default();
    let unknown = || CustomerError::Unknown(id.reference.clone());
    world
        .with_payment(id, now, act)
        .ok_or_else(unknown)?
        .map_err(|_| CustomerError::NotWaiting { reference: id.reference.clone(), state })
}
