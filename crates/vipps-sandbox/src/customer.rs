//! The customer with the app in hand: approves, declines, chooses, changes their mind.

use serde_json::{Value, json};

use crate::agreement::Actor;
use crate::card;
use crate::deliver::{Kind, NewCall, Proof};
use crate::options::Market;
use crate::payment::{Approval, Method, Payment};
use crate::postman;
use crate::psp::State as PspState;
use crate::sandbox::Shared;
use crate::schema::operations;
use crate::session::{Choice, Session, State as SessionState, complete_option, option_violation};
use crate::state::{Home, PaymentId, World};

/// Does what customers do: with payments, agreements, Checkout sessions and PSP payments.
#[derive(Clone, Debug)]
pub struct Customer {
    shared: Shared,
    sales_unit: Option<String>,
}

/// Why the customer could not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CustomerError {
    /// No payment, agreement or session is known by this.
    #[error("no payment, agreement or session is known as `{0}`")]
    Unknown(String),
    /// Several sales units have one by this reference.
    #[error("several sales units have a payment `{0}`: choose one with `?msn=`, in Rust with `of`")]
    Ambiguous(String),
    /// It is not waiting for its customer.
    #[error("`{reference}` is {state}, it is not waiting for its customer")]
    NotWaiting {
        /// The merchant's reference, or the id.
        reference: String,
        /// The state it is in.
        state: String,
    },
    /// The app, or the merchant's answer, does not let the customer go on.
    #[error("{0}")]
    Refused(String),
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
    pub async fn approves(&self, reference: &str) -> Result<(), CustomerError> {
        let id = find_payment(&self.shared.lock(), reference, self.sales_unit.as_deref())?;
        approve_payment(&self.shared, &id, &Approve::default()).await.map(|_| ())
    }

    /// Declines a payment in the app.
    ///
    /// # Errors
    ///
    /// [`CustomerError`] when there is no such payment or it is not waiting.
    #[expect(clippy::unused_async, reason = "one day it may wait, as its siblings do")]
    pub async fn aborts(&self, reference: &str) -> Result<(), CustomerError> {
        let id = find_payment(&self.shared.lock(), reference, self.sales_unit.as_deref())?;
        abort_payment(&self.shared, &id)
    }

    /// Accepts an agreement in the app.
    ///
    /// # Errors
    ///
    /// [`CustomerError`] when there is no such agreement or it is not waiting.
    #[expect(clippy::unused_async, reason = "one day it may wait, as its siblings do")]
    pub async fn accepts_agreement(&self, id: &str) -> Result<(), CustomerError> {
        accept_agreement(&self.shared, id, None)
    }

    /// Ends an agreement in the app.
    ///
    /// # Errors
    ///
    /// [`CustomerError`] when there is no such agreement or it is not active.
    #[expect(clippy::unused_async, reason = "one day it may wait, as its siblings do")]
    pub async fn stops_agreement(&self, id: &str) -> Result<(), CustomerError> {
        stop_agreement(&self.shared, id, Actor::User)
    }

    /// Pays a Checkout session, with its default delivery.
    ///
    /// # Errors
    ///
    /// [`CustomerError`] when there is no such session or it is not waiting.
    pub async fn completes_session(&self, reference: &str) -> Result<(), CustomerError> {
        let id = find_session(&self.shared.lock(), reference, self.sales_unit.as_deref())?;
        complete_session(&self.shared, &id, Choice::default()).await.map(|_| ())
    }

    /// Confirms a PSP payment: the PSP is called at its `makePaymentUrl`.
    ///
    /// # Errors
    ///
    /// [`CustomerError`] when there is no such payment or it is not waiting.
    pub async fn approves_psp(&self, psp_transaction_id: &str) -> Result<(), CustomerError> {
        approve_psp(&self.shared, psp_transaction_id).await
    }
}

/// The only id with this reference, at this sales unit where one is named.
fn find<'a>(
    ids: impl Iterator<Item = &'a PaymentId>,
    reference: &str,
    sales_unit: Option<&str>,
) -> Result<PaymentId, CustomerError> {
    let mut found = ids.filter(|id| id.reference == reference && sales_unit.is_none_or(|unit| unit == id.sales_unit));
    let first = found.next().cloned().ok_or_else(|| CustomerError::Unknown(reference.to_owned()))?;
    if found.next().is_some() { Err(CustomerError::Ambiguous(reference.to_owned())) } else { Ok(first) }
}

pub(crate) fn find_payment(world: &World, reference: &str, unit: Option<&str>) -> Result<PaymentId, CustomerError> {
    match unit {
        // Straight to it: there may be very many.
        Some(unit) => {
            let id = PaymentId { sales_unit: unit.to_owned(), reference: reference.to_owned() };
            world.payment(&id).map(|_| id).ok_or_else(|| CustomerError::Unknown(reference.to_owned()))
        }
        None => find(world.payment_ids(), reference, None),
    }
}

pub(crate) fn find_session(world: &World, reference: &str, unit: Option<&str>) -> Result<PaymentId, CustomerError> {
    find(world.sessions().map(|(id, _)| id), reference, unit)
}

/// What a customer says when approving.
#[derive(Clone, Debug, Default)]
pub(crate) struct Approve {
    pub(crate) shipping_option: Option<String>,
    pub(crate) phone_number: Option<String>,
    /// Express: where it is sent, if not to where the customer lives.
    pub(crate) address: Option<Home>,
}

/// Approves a payment: asks the merchant for shipping options and the PSP for the card's
/// money, where the payment has them.
pub(crate) async fn approve_payment(
    shared: &Shared,
    id: &PaymentId,
    approve: &Approve,
) -> Result<Approval, CustomerError> {
    must_wait(shared, id)?;
    {
        let world = shared.lock();
        if world.payment(id).is_some_and(|record| record.is_too_young(world.clock.now())) {
            return Err(CustomerError::Refused(
                "the customer is younger than `minimumUserAge` (they were born in 1990)".into(),
            ));
        }
    }
    must_be_for(shared, id, approve.phone_number.as_deref())?;
    let shipping = choose_shipping(shared, id, approve).await?;
    // Nothing is written before everything was checked, so that an approval that is refused
    // leaves no trace. While the merchant was asked somebody else may have come.
    must_wait(shared, id)?;
    must_be_for(shared, id, approve.phone_number.as_deref())?;
    if let Some(record) = shared.lock().payment_mut(id) {
        record.phone_number = approve.phone_number.clone().or(record.phone_number.take());
        if let Some((cost, details)) = shipping {
            record.payment.shipping_cost = cost;
            record.shipping_details = Some(Box::new(details));
        }
    }
    let by_card = shared.lock().payment(id).is_some_and(|record| record.payment.method == Method::CardPassthrough);
    if by_card { card::authorize(shared, id).await } else { approve_now(shared, id) }
}

/// Holds a payment in the middle of being authorized, or lets it go: meanwhile it can
/// neither expire nor be cancelled.
pub(crate) fn hold_payment(shared: &Shared, id: &PaymentId, held: bool) -> Result<(), CustomerError> {
    let mut world = shared.lock();
    let now = world.settle();
    let state = world.payment(id).map_or("", |record| record.payment.state.wire());
    let waits = world.payment(id).is_some_and(|record| record.payment.must_be_created().is_ok());
    if !waits {
        return Err(not_waiting(&id.reference, state));
    }
    world.with_payment(id, now, |payment, _| payment.hold(held, now));
    Ok(())
}

fn must_wait(shared: &Shared, id: &PaymentId) -> Result<(), CustomerError> {
    let mut world = shared.lock();
    world.settle();
    let payment = &world.payment(id).ok_or_else(|| CustomerError::Unknown(id.reference.clone()))?.payment;
    match payment.must_be_created() {
        Ok(()) if !payment.is_being_paid() => Ok(()),
        _ => Err(CustomerError::NotWaiting { reference: id.reference.clone(), state: payment.state.wire().to_owned() }),
    }
}

fn approve_now(shared: &Shared, id: &PaymentId) -> Result<Approval, CustomerError> {
    let mut world = shared.lock();
    let now = world.settle();
    let magic = world.magic(&id.sales_unit);
    let done = world.with_payment(id, now, |payment, moment| payment.approve(magic, moment));
    let state = world.payment(id).map_or("", |record| record.payment.state.wire()).to_owned();
    done.ok_or_else(|| CustomerError::Unknown(id.reference.clone()))?
        .map_err(|_| CustomerError::NotWaiting { reference: id.reference.clone(), state })
}

/// A payment is for the first who pays it, if for nobody else.
fn must_be_for(shared: &Shared, id: &PaymentId, phone_number: Option<&str>) -> Result<(), CustomerError> {
    let world = shared.lock();
    let record = world.payment(id).ok_or_else(|| CustomerError::Unknown(id.reference.clone()))?;
    match (&record.phone_number, phone_number) {
        (Some(own), Some(phone)) if own != phone => {
            Err(CustomerError::Refused("the payment is for another phone number".into()))
        }
        _ => Ok(()),
    }
}

/// Express: the cost of the option that the customer chooses, and what is told of it.
async fn choose_shipping(
    shared: &Shared,
    id: &PaymentId,
    approve: &Approve,
) -> Result<Option<(i64, Value)>, CustomerError> {
    let wanted = approve.shipping_option.as_deref();
    let (shipping, home, currency) = {
        let world = shared.lock();
        let Some(record) = world.payment(id) else { return Err(CustomerError::Unknown(id.reference.clone())) };
        let Some(shipping) = record.shipping.clone() else { return Ok(None) };
        let phone_number = approve.phone_number.as_deref().or(record.phone_number.as_deref());
        let home = approve.address.clone().or_else(|| world.person(&id.sales_unit, phone_number).address);
        let home = home.ok_or_else(|| CustomerError::Refused("the customer has no address".into()))?;
        let currency = record.payment.currency.as_str().to_owned();
        let market = Market::of_currency(&currency).unwrap_or_else(|| world.market_of(&id.sales_unit));
        must_be_allowed(&shipping["allowedCountries"], &home.country, market)?;
        (shipping, home, currency)
    };
    let groups = match &shipping["dynamicOptions"] {
        Value::Null => shipping["fixedOptions"].clone(),
        dynamic => ask_for_shipping(shared, id, dynamic, &home).await?,
    };
    let option = chosen_option(&groups, wanted)
        .ok_or_else(|| CustomerError::Refused("the merchant offers no such shipping option".into()))?;
    if option["amount"]["currency"] != currency.as_str() {
        return Err(CustomerError::Refused(format!("the merchant's shipping options must be in {currency}")));
    }
    let cost = option["amount"]["value"].as_i64().filter(|cost| (0..=65_000_000).contains(cost)).unwrap_or(0);
    let details = json!({
        "address": home.to_json(),
        "shippingCost": cost,
        "shippingOptionId": option["id"],
        "shippingOptionName": option["name"],
    });
    Ok(Some((cost, details)))
}

/// The app stops a customer whose address the merchant does not ship to; without a list, the
/// country of the payment's currency alone is shipped to.
fn must_be_allowed(allowed: &Value, country: &str, market: Market) -> Result<(), CustomerError> {
    let given: Vec<&str> = allowed.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let countries = if given.is_empty() { vec![market.country()] } else { given };
    if countries.iter().any(|allowed| allowed.eq_ignore_ascii_case(country)) {
        return Ok(());
    }
    let what = format!("the merchant does not ship to {country} (allowed countries: {})", countries.join(", "));
    Err(CustomerError::Refused(what))
}

async fn ask_for_shipping(
    shared: &Shared,
    id: &PaymentId,
    dynamic: &Value,
    home: &Home,
) -> Result<Value, CustomerError> {
    let token = dynamic["callbackAuthorizationToken"].as_str();
    let call = NewCall {
        kind: Kind::DynamicShipping,
        sales_unit: id.sales_unit.clone(),
        subject: format!("payment {}/{}", id.sales_unit, id.reference),
        url: dynamic["callbackUrl"].as_str().unwrap_or_default().to_owned(),
        body: json!({
            "reference": id.reference,
            "AddressLine1": home.address_line1,
            "AddressLine2": home.address_line2,
            "City": home.city,
            "PostCode": home.post_code,
            "Country": home.country,
        }),
        proof: token.map_or(Proof::None, |token| Proof::Token(token.to_owned())),
    };
    let refused = || CustomerError::Refused("the merchant cannot ship to the customer's address".into());
    let reply = postman::ask(shared, call).await.map_err(|_| refused())?;
    let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    if reply.status == 200 && answer["groups"].is_array() { Ok(answer["groups"].clone()) } else { Err(refused()) }
}

/// The option with this id, or the one to start with: the default one of the default group.
fn chosen_option(groups: &Value, wanted: Option<&str>) -> Option<Value> {
    let mut groups: Vec<&Value> = groups.as_array()?.iter().collect();
    let rank = |value: &Value| (value["isDefault"] != true, value["priority"].as_i64().unwrap_or(i64::MAX));
    groups.sort_by_key(|group| rank(group));
    let options = groups.iter().flat_map(|group| {
        let mut options: Vec<&Value> = group["options"].as_array().into_iter().flatten().collect();
        options.sort_by_key(|option| rank(option));
        options
    });
    options.into_iter().find(|option| wanted.is_none_or(|wanted| option["id"] == wanted)).cloned()
}

pub(crate) fn abort_payment(shared: &Shared, id: &PaymentId) -> Result<(), CustomerError> {
    must_wait(shared, id)?;
    let mut world = shared.lock();
    let now = world.settle();
    let done = world.with_payment(id, now, Payment::abort);
    done.ok_or_else(|| CustomerError::Unknown(id.reference.clone()))?
        .map_err(|_| CustomerError::Refused("the payment cannot be aborted".into()))
}

fn status_of(world: &World, id: &str) -> Result<&'static str, CustomerError> {
    let agreement = world.agreement(id).ok_or_else(|| CustomerError::Unknown(id.to_owned()))?;
    Ok(agreement.status.wire())
}

fn not_waiting(id: &str, state: &str) -> CustomerError {
    CustomerError::NotWaiting { reference: id.to_owned(), state: state.to_owned() }
}

pub(crate) fn accept_agreement(shared: &Shared, id: &str, chosen: Option<i64>) -> Result<(), CustomerError> {
    let mut world = shared.lock();
    let now = world.settle();
    let status = status_of(&world, id)?;
    world.accept(id, false, chosen, now).map_err(|_| not_waiting(id, status))
}

pub(crate) fn reject_agreement(shared: &Shared, id: &str) -> Result<(), CustomerError> {
    let mut world = shared.lock();
    let now = world.settle();
    let status = status_of(&world, id)?;
    let done = world.reject(id, now);
    if done { Ok(()) } else { Err(not_waiting(id, status)) }
}

pub(crate) fn stop_agreement(shared: &Shared, id: &str, actor: Actor) -> Result<(), CustomerError> {
    let mut world = shared.lock();
    let now = world.settle();
    let status = status_of(&world, id)?;
    if status != "ACTIVE" {
        return Err(not_waiting(id, status));
    }
    world.stop(id, actor, None, now);
    Ok(())
}

/// Asks the merchant for shipping options to the customer's address; keeps none where the
/// answer is of no use, so that the fixed ones count.
pub(crate) async fn ask_for_logistics(shared: &Shared, id: &PaymentId) {
    let call = {
        let world = shared.lock();
        let Some(session) = world.session(id).filter(|session| session.state == SessionState::Created) else { return };
        let Some(url) = session.dynamic_options_url().map(str::to_owned) else { return };
        let customer = world.customer_of(id, session);
        let token = session.request["merchantInfo"]["callbackAuthorizationToken"].as_str();
        let token = token.filter(|_| world.settings.logistics_token);
        NewCall {
            kind: Kind::DynamicLogistics,
            sales_unit: id.sales_unit.clone(),
            subject: format!("session {}/{}", id.sales_unit, id.reference),
            url,
            body: json!({
                "streetAddress": customer["streetAddress"], "postalCode": customer["postalCode"],
                "region": customer["city"], "country": customer["country"],
            }),
            proof: token.map_or(Proof::None, |token| Proof::Token(token.to_owned())),
        }
    };
    let reply = postman::ask(shared, call).await.ok().filter(|reply| reply.status == 200);
    let options: Option<Vec<Value>> = reply.and_then(|reply| serde_json::from_slice(&reply.body).ok());
    let mut world = shared.lock();
    let Some(session) = world.session(id) else { return };
    let usable = options.filter(|options| !options.is_empty()).map(|options| usable_options(session, options));
    match usable {
        Some(Err(why)) => world.warn("createSession", format!("dynamic options are not used: {why}")),
        Some(Ok(options)) => {
            if let Some(session) = world.session_mut(id) {
                session.offered = Some(options);
            }
        }
        None => {}
    }
}

/// The options of an answer, or what is wrong with the first that is wrong.
fn usable_options(session: &Session, mut options: Vec<Value>) -> Result<Vec<Value>, String> {
    let Some(operation) = operations().iter().find(|operation| operation.id == "createSession") else {
        return Ok(options);
    };
    let transaction = &session.request["transaction"];
    for (index, option) in options.iter_mut().enumerate() {
        complete_option(option, transaction["amount"]["currency"].as_str().unwrap_or_default());
        let form = operation.schema_violations("LogisticsOption", option).into_iter().next();
        let broken =
            form.or_else(|| option_violation(option, transaction).map(|(name, rule)| (format!("amount.{name}"), rule)));
        if let Some((name, rule)) = broken {
            return Err(format!("`[{index}].{name}` {rule}"));
        }
    }
    Ok(options)
}

/// The customer starts to pay a session; options are asked for first.
pub(crate) async fn initiate_session(shared: &Shared, id: &PaymentId, choice: Choice) -> Result<(), CustomerError> {
    {
        let mut world = shared.lock();
        world.settle();
        if let Some(session) = world.session_mut(id).filter(|session| session.state == SessionState::Created) {
            session.choice = choice.clone();
        }
    }
    ask_for_logistics(shared, id).await;
    let mut world = shared.lock();
    let now = world.settle();
    world.initiate(id, choice, now).map_err(CustomerError::Refused)
}

/// The customer pays a session, from wherever they are in it.
pub(crate) async fn complete_session(
    shared: &Shared,
    id: &PaymentId,
    choice: Choice,
) -> Result<Approval, CustomerError> {
    let started = shared.lock().session(id).is_some_and(|session| session.state != SessionState::Created);
    if !started {
        initiate_session(shared, id, choice).await?;
    }
    let mut world = shared.lock();
    let now = world.settle();
    world.pay_session(id, now).map_err(CustomerError::Refused)
}

pub(crate) fn abandon_session(shared: &Shared, id: &PaymentId) -> Result<(), CustomerError> {
    let mut world = shared.lock();
    let now = world.settle();
    world.abandon_session(id, now).map_err(CustomerError::Refused)
}

/// The customer confirms a PSP payment; returns when the PSP has answered.
pub(crate) async fn approve_psp(shared: &Shared, id: &str) -> Result<(), CustomerError> {
    let call = {
        let mut world = shared.lock();
        let now = world.settle();
        if world.psp_payment(id).is_none() {
            return Err(CustomerError::Unknown(id.to_owned()));
        }
        world.begin_psp_approval(id, now).map_err(CustomerError::Refused)?
    };
    // Whatever the PSP answers is taken in when the call is noted.
    let _ = postman::ask(shared, call).await;
    Ok(())
}

/// The customer cancels a PSP payment; the PSP is told.
pub(crate) fn cancel_psp(shared: &Shared, id: &str) -> Result<(), CustomerError> {
    let mut world = shared.lock();
    let now = world.settle();
    let state = world.psp_payment(id).ok_or_else(|| CustomerError::Unknown(id.to_owned()))?.state;
    if !matches!(state, PspState::Initiated | PspState::SoftDeclined) {
        return Err(not_waiting(id, state.wire()));
    }
    world.end_psp_payment(id, PspState::UserCancelled, now);
    Ok(())
}

/// The customer comes back from their bank.
pub(crate) async fn complete_3ds(shared: &Shared, id: &str, outcome: &str) -> Result<(), CustomerError> {
    let state = shared.lock().psp_payment(id).map(|payment| payment.state);
    match (state, outcome) {
        (None, _) => Err(CustomerError::Unknown(id.to_owned())),
        // The PSP knows how it went at the bank, and says so when it is asked again.
        (Some(PspState::SoftDeclined), "success" | "cancel" | "failure") => approve_psp(shared, id).await,
        (Some(PspState::SoftDeclined), other) => {
            Err(CustomerError::Refused(format!("unknown outcome `{other}` (known: success, cancel, failure)")))
        }
        (Some(state), _) => Err(not_waiting(id, state.wire())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_of_the_default_group_is_chosen() {
        let groups = json!([
            { "priority": 0, "options": [{ "id": "a", "priority": 0 }] },
            { "isDefault": true, "options": [{ "id": "b" }, { "id": "c", "isDefault": true }] },
        ]);
        let id = |wanted| chosen_option(&groups, wanted).map(|option| option["id"].clone());
        assert_eq!((id(None), id(Some("a")), id(Some("x"))), (Some("c".into()), Some("a".into()), None));
    }
}
