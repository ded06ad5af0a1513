//! Agreements and charges together: what happens to one when something happens to the other.

use serde_json::{Value, json};

use super::{Landing, Subject, World};
use crate::agreement::{self, Actor, Agreement, Pricing, Status, Terms, country};
use crate::charge::{self, Charge, EventName, Moment, Runs, Status as ChargeStatus};
use crate::clock::{Millis, SECOND, rfc3339, start_of_day};
use crate::magic::Magic;
use crate::options::Market;
use crate::refusal::Refusal;
use crate::webhook::Notice;

/// A charge is known by its sales unit and its id, which may be the merchant's order id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ChargeId {
    pub(crate) sales_unit: String,
    pub(crate) id: String,
}

/// One charge of a batch that was accepted and is not looked at yet.
#[derive(Clone, Debug)]
pub(crate) struct BatchItem {
    pub(crate) agreement: String,
    pub(crate) sales_unit: String,
    pub(crate) order_id: String,
    pub(crate) terms: charge::Terms,
    pub(crate) key: String,
}

/// Something that was accepted and takes effect later.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    Capture { charge: ChargeId, amount: i64, key: String },
    Cancel { charge: ChargeId, key: String },
    Stop { agreement: String, key: String },
    Update { agreement: String, terms: Box<Terms> },
}

/// What is left of a list.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) list: String,
    pub(crate) rest: Vec<String>,
}

/// An agreement to draft.
pub(crate) struct Draft {
    pub(crate) terms: Terms,
    /// The initial charge and the merchant's id for it.
    pub(crate) initial: Option<(charge::Terms, Option<String>)>,
    pub(crate) in_app: bool,
    pub(crate) without_landing: bool,
    /// The customer's, where the merchant knows it.
    pub(crate) phone_number: Option<String>,
}

impl World {
    pub(crate) fn runs(&self, sales_unit: &str) -> Runs {
        Runs {
            hours: self.settings.charge_run_hours.clone(),
            visible_days: self.settings.charge_visible_days,
            magic: self.magic(sales_unit),
        }
    }

    /// The magic amounts that act in the market of a sales unit; those of Sweden are unpublished.
    pub(crate) fn magic(&self, sales_unit: &str) -> Magic {
        match (self.settings.magic_amounts, self.market_of(sales_unit)) {
            (false, _) => Magic::None,
            (true, Market::Norway | Market::Sweden) => Magic::Norwegian,
            (true, Market::Denmark | Market::Finland) => Magic::Common,
        }
    }

    pub(crate) fn agreement(&self, id: &str) -> Option<&Agreement> {
        self.agreements.get(id)
    }

    pub(crate) fn agreement_mut(&mut self, id: &str) -> Option<&mut Agreement> {
        self.agreements.get_mut(id)
    }

    pub(crate) fn agreements(&self) -> impl Iterator<Item = &Agreement> {
        self.agreements.values()
    }

    pub(crate) fn charge(&self, id: &ChargeId) -> Option<&Charge> {
        self.charges.get(id)
    }

    pub(crate) fn charges(&self) -> impl DoubleEndedIterator<Item = (&ChargeId, &Charge)> {
        self.charges.iter()
    }

    /// Drafts an agreement; it waits for its customer.
    pub(crate) fn draft(&mut self, draft: Draft, key: &str, now: Millis) -> Result<String, Refusal> {
        let Draft { terms, initial, in_app, without_landing, phone_number } = draft;
        let sales_unit = terms.sales_unit.clone();
        let order_id = initial.as_ref().and_then(|(_, order_id)| order_id.clone());
        if let Some(order_id) = &order_id {
            self.must_be_new(&sales_unit, order_id)?;
        }
        let id = format!("agr_{}", self.ids.short("agreement", 7));
        let landing_token = self.ids.secret("agreement landing");
        let confirmation_url = match (without_landing, in_app) {
            (true, _) => None,
            (false, true) => Some(format!("vippsMT://?token={landing_token}")),
            (false, false) => Some(format!("{}/agreement?token={landing_token}", self.base_url)),
        };
        let mut agreement = Agreement {
            uuid: self.ids.uuid("agreement"),
            number: self.agreements.len(),
            status: Status::Pending,
            created: now,
            started: None,
            stopped: None,
            confirmation_url,
            charges: Vec::new(),
            initial_charge: None,
            waits_for_charge: false,
            phone_number,
            history: vec![agreement::Event { name: agreement::EventName::Create, at: now, actor: Actor::Merchant }],
            id: id.clone(),
            terms,
        };
        if let Some((terms, _)) = initial {
            let charge_id = order_id.unwrap_or_else(|| self.new_charge_id());
            let charge = Charge::create(charge_id.clone(), id.clone(), terms, key, now, &self.runs(&sales_unit));
            self.charges.insert(ChargeId { sales_unit, id: charge_id.clone() }, charge);
            agreement.charges.push(charge_id.clone());
            agreement.initial_charge = Some(charge_id);
        }
        self.set_timer(agreement.next_timer(), Subject::Agreement(id.clone()));
        self.landings.insert(landing_token, Landing::Agreement(id.clone()));
        self.agreements.insert(id.clone(), agreement);
        Ok(id)
    }

    /// The customer accepts: the initial charge is processed first. By force, no magic
    /// amount acts.
    pub(crate) fn accept(&mut self, id: &str, forced: bool, chosen: Option<i64>, now: Millis) -> Result<(), Refusal> {
        let agreement =
            self.agreements.get_mut(id).ok_or(Refusal::problem("resource-not-found", "Agreement not found."))?;
        if agreement.status != Status::Pending || agreement.waits_for_charge {
            let detail = format!("The agreement is {}, not PENDING.", agreement.status.wire());
            return Err(Refusal::problem("operation-failed", detail));
        }
        if let (Pricing::Variable { chosen: own, .. }, Some(_)) = (&mut agreement.terms.pricing, chosen) {
            *own = chosen;
        }
        let timer = agreement.next_timer();
        self.clear_timer(timer, Subject::Agreement(id.to_owned()));
        // One that the merchant gave up meanwhile stays so.
        let waits = |charge: &ChargeId| self.charge(charge).is_some_and(|one| one.status == ChargeStatus::Pending);
        let Some(initial) = self.initial_charge(id).filter(waits) else {
            self.activate(id, now);
            self.follow_agreement(id, now);
            return Ok(());
        };
        let runs = self.runs(&initial.sales_unit);
        let terms_amount = self.charge(&initial).map_or(0, |charge| charge.terms.amount);
        if !forced && runs.magic.refuses(terms_amount) {
            self.with_charge(&initial, now, |charge, moment| charge.attempt(None, &runs, moment));
            self.expire_agreement(id, now);
        } else if !forced && runs.magic.delays(terms_amount) {
            self.with_charge(&initial, now, |charge, moment| charge.attempt(None, &runs, moment));
            if let Some(agreement) = self.agreements.get_mut(id) {
                agreement.waits_for_charge = true;
            }
        } else {
            self.activate(id, now);
            self.with_charge(&initial, now, Charge::succeed);
            self.follow_agreement(id, now);
        }
        Ok(())
    }

    /// The customer declines.
    pub(crate) fn reject(&mut self, id: &str, now: Millis) -> bool {
        let waits = |agreement: &&mut Agreement| agreement.status == Status::Pending && !agreement.waits_for_charge;
        let Some(agreement) = self.agreements.get_mut(id).filter(waits) else { return false };
        let timer = agreement.next_timer();
        agreement.reject(now);
        self.clear_timer(timer, Subject::Agreement(id.to_owned()));
        self.give_up_initial(id, now);
        self.tell_of_agreement(id, "recurring.agreement-rejected.v1", None, now);
        self.follow_agreement(id, now);
        true
    }

    /// The customer changes their own ceiling; charges that wait for it have another chance.
    pub(crate) fn raise_maximum(&mut self, id: &str, most: i64) -> bool {
        match self.agreements.get_mut(id).map(|agreement| (agreement.status, &mut agreement.terms.pricing)) {
            Some((Status::Active, Pricing::Variable { chosen, .. })) => {
                *chosen = Some(most);
                true
            }
            _ => false,
        }
    }

    /// Ends an agreement. A merchant's stop also releases what is reserved.
    pub(crate) fn stop(&mut self, id: &str, actor: Actor, key: Option<&str>, now: Millis) {
        let running = |agreement: &&mut Agreement| matches!(agreement.status, Status::Pending | Status::Active);
        let Some(agreement) = self.agreements.get_mut(id).filter(running) else { return };
        let timer = agreement.next_timer();
        let was_pending = agreement.status == Status::Pending;
        agreement.stop(actor, now);
        let (charges, sales_unit) = (agreement.charges.clone(), agreement.terms.sales_unit.clone());
        self.clear_timer(timer, Subject::Agreement(id.to_owned()));
        self.tell_of_agreement(id, "recurring.agreement-stopped.v1", Some(actor), now);
        self.follow_agreement(id, now);
        if was_pending {
            self.give_up_initial(id, now);
            return;
        }
        for charge_id in charges {
            let charge_id = ChargeId { sales_unit: sales_unit.clone(), id: charge_id };
            let ends = match self.charge(&charge_id).map(|charge| charge.status) {
                Some(ChargeStatus::Pending | ChargeStatus::Due) => true,
                Some(ChargeStatus::Reserved) => actor == Actor::Merchant,
                _ => false,
            };
            if ends {
                self.with_charge(&charge_id, now, |charge, moment| {
                    let key = key.map_or_else(|| charge.system_key(), str::to_owned);
                    charge.release(&key, moment);
                });
            }
        }
    }

    /// Whether an agreement may be charged like this: its state and its ceilings.
    pub(crate) fn may_charge(&self, agreement: &Agreement, terms: &charge::Terms) -> Result<(), Refusal> {
        if agreement.status != Status::Active {
            let detail = format!("The agreement is {}, not ACTIVE.", agreement.status.wire());
            return Err(Refusal::problem("charge-creation-failed", detail));
        }
        let Some(ceiling) = agreement.ceiling() else { return Ok(()) };
        let before = match (&agreement.terms.pricing, agreement.terms.interval, agreement.started) {
            (Pricing::Legacy { .. }, Some(interval), Some(start)) if self.settings.legacy_ceiling_cumulative => {
                let (from, to) = interval.around(start_of_day(start), terms.due);
                let counts = |charge: &&Charge| {
                    let gone = matches!(charge.status, ChargeStatus::Failed | ChargeStatus::Cancelled);
                    charge.terms.kind != charge::Kind::Initial && !gone && (from..to).contains(&charge.terms.due)
                };
                let sales_unit = &agreement.terms.sales_unit;
                let charges = agreement
                    .charges
                    .iter()
                    .filter_map(|id| self.charges.get(&ChargeId { sales_unit: sales_unit.clone(), id: id.clone() }));
                charges.filter(counts).map(|charge| charge.terms.amount - charge.cancelled).fold(0, i64::saturating_add)
            }
            _ => 0,
        };
        match before.saturating_add(terms.amount) > ceiling {
            true => Err(Refusal::problem("charge-amount-too-high", format!("At most {ceiling} may be charged."))),
            false => Ok(()),
        }
    }

    /// An order id is used once at a sales unit.
    pub(crate) fn must_be_new(&self, sales_unit: &str, order_id: &str) -> Result<(), Refusal> {
        let id = ChargeId { sales_unit: sales_unit.to_owned(), id: order_id.to_owned() };
        let waits =
            self.batches.values().flatten().any(|item| item.order_id == order_id && item.sales_unit == sales_unit);
        match waits || self.charges.contains_key(&id) {
            true => Err(Refusal::problem("conflict", "The orderId was used before.")),
            false => Ok(()),
        }
    }

    /// Creates a charge that was found to be in order.
    pub(crate) fn insert_charge(
        &mut self,
        agreement_id: &str,
        sales_unit: &str,
        order_id: Option<String>,
        terms: charge::Terms,
        key: &str,
        now: Millis,
    ) -> ChargeId {
        let id = order_id.unwrap_or_else(|| self.new_charge_id());
        let runs = self.runs(sales_unit);
        let charge = Charge::create(id.clone(), agreement_id.to_owned(), terms, key, now, &runs);
        let timer = charge.next_timer(&runs);
        let charge_id = ChargeId { sales_unit: sales_unit.to_owned(), id: id.clone() };
        self.charges.insert(charge_id.clone(), charge);
        self.agreements.entry(agreement_id.to_owned()).and_modify(|agreement| agreement.charges.push(id));
        self.set_timer(timer, Subject::Charge(charge_id.clone()));
        charge_id
    }

    /// Lets something happen to a charge; keeps its timer, and tells whoever wants to know.
    pub(crate) fn with_charge<T>(
        &mut self,
        id: &ChargeId,
        at: Millis,
        act: impl FnOnce(&mut Charge, &mut Moment<'_>) -> T,
    ) -> Option<T> {
        let runs = self.runs(&id.sales_unit);
        let charge = self.charges.get_mut(id)?;
        let (timer, told) = (charge.next_timer(&runs), charge.history.len());
        let mut transaction_id = || self.ids.psp_reference();
        let done = act(charge, &mut Moment { at, transaction_id: &mut transaction_id });
        let next = charge.next_timer(&runs);
        self.clear_timer(timer, Subject::Charge(id.clone()));
        self.set_timer(next, Subject::Charge(id.clone()));
        self.tell_of_charge(id, told, at);
        Some(done)
    }

    /// A batch is looked at as soon as time passes.
    pub(crate) fn accept_batch(&mut self, items: Vec<BatchItem>, now: Millis) {
        let number = self.batches.last_key_value().map_or(1, |(last, _)| last + 1);
        self.batches.insert(number, items);
        self.set_timer(Some(now), Subject::Batch(number));
    }

    pub(crate) fn happen_later(&mut self, effect: Effect, at: Millis) {
        let number = self.effects.last_key_value().map_or(1, |(last, _)| last + 1);
        self.effects.insert(number, effect);
        self.set_timer(Some(at), Subject::Effect(number));
    }

    /// What was possible when it was accepted may not be any more; then nothing happens.
    pub(super) fn take_effect(&mut self, number: u64, at: Millis) {
        match self.effects.remove(&number) {
            Some(Effect::Capture { charge, amount, key }) => {
                self.with_charge(&charge, at, |charge, moment| charge.capture(amount, &key, moment));
            }
            Some(Effect::Cancel { charge, key }) => {
                self.with_charge(&charge, at, |charge, moment| charge.cancel(&key, moment));
            }
            Some(Effect::Stop { agreement, key }) => self.stop(&agreement, Actor::Merchant, Some(&key), at),
            Some(Effect::Update { agreement, terms }) => {
                let agreement = self.agreements.get_mut(&agreement);
                if let Some(agreement) = agreement.filter(|agreement| agreement.status == Status::Active) {
                    agreement.terms = *terms;
                }
            }
            None => {}
        }
    }

    pub(super) fn create_batch(&mut self, number: u64, at: Millis) {
        for item in self.batches.remove(&number).unwrap_or_default() {
            let allowed = match self.agreements.get(&item.agreement) {
                Some(agreement) => self.may_charge(agreement, &item.terms),
                None => Err(Refusal::problem("resource-not-found", "Agreement not found.")),
            };
            match allowed {
                Ok(()) => {
                    let BatchItem { agreement, sales_unit, order_id, terms, key } = item;
                    self.insert_charge(&agreement, &sales_unit, Some(order_id), terms, &key, at);
                }
                Err(refusal) => self.tell_of_failed_creation(&item, &refusal, at),
            }
        }
    }

    /// One processing run: every charge that is due by its day is tried once.
    pub(crate) fn run_charges(&mut self, now: Millis) -> usize {
        let due: Vec<ChargeId> = self
            .charges
            .iter()
            .filter(|(_, charge)| charge.status == ChargeStatus::Due && charge.terms.due <= now)
            .map(|(id, _)| id.clone())
            .collect();
        for id in &due {
            self.attempt_charge(id, now);
        }
        due.len()
    }

    pub(super) fn ring_agreement(&mut self, id: &str, at: Millis) {
        if self.agreement(id).and_then(Agreement::next_timer).is_some_and(|due| at >= due) {
            self.expire_agreement(id, at);
            self.give_up_initial(id, at);
        }
    }

    pub(super) fn ring_charge(&mut self, id: &ChargeId, at: Millis) {
        let runs = self.runs(&id.sales_unit);
        let Some(charge) = self.charge(id) else { return };
        let agreement = charge.agreement.clone();
        let ceiling = self.agreement(&agreement).and_then(Agreement::chosen_maximum);
        let initial = charge.terms.kind == charge::Kind::Initial;
        let ceiling = ceiling.filter(|_| !initial);
        let happened = self.with_charge(id, at, |charge, moment| charge.ring(ceiling, &runs, moment)).flatten();
        let waits = self.agreement(&agreement).is_some_and(|agreement| agreement.waits_for_charge);
        if initial && waits && matches!(happened, Some(EventName::Capture | EventName::Reserve)) {
            self.activate(&agreement, at);
            self.follow_agreement(&agreement, at);
        }
    }

    fn attempt_charge(&mut self, id: &ChargeId, at: Millis) {
        let runs = self.runs(&id.sales_unit);
        let ceiling = self.charge(id).and_then(|charge| self.agreement(&charge.agreement)?.chosen_maximum());
        self.with_charge(id, at, |charge, moment| charge.attempt(ceiling, &runs, moment));
    }

    fn activate(&mut self, id: &str, at: Millis) {
        if let Some(agreement) = self.agreements.get_mut(id) {
            agreement.activate(None, at);
            let Agreement { terms, phone_number, .. } = agreement.clone();
            if let Some(scope) = &terms.scope {
                let phone = self.person(&terms.sales_unit, phone_number.as_deref()).phone_number;
                self.consent(&terms.sales_unit, &phone, scope, at);
            }
        }
        self.tell_of_agreement(id, "recurring.agreement-activated.v1", None, at);
    }

    fn expire_agreement(&mut self, id: &str, at: Millis) {
        if let Some(agreement) = self.agreements.get_mut(id) {
            agreement.expire(at);
        }
        self.tell_of_agreement(id, "recurring.agreement-expired.v1", None, at);
        self.follow_agreement(id, at);
    }

    /// The initial charge of an agreement that never began: no event tells of it.
    fn give_up_initial(&mut self, id: &str, at: Millis) {
        let Some(initial) = self.initial_charge(id) else { return };
        let runs = self.runs(&initial.sales_unit);
        let waits = |charge: &&mut Charge| matches!(charge.status, ChargeStatus::Pending | ChargeStatus::Processing);
        if let Some(charge) = self.charges.get_mut(&initial).filter(waits) {
            let (timer, key) = (charge.next_timer(&runs), charge.system_key());
            let mut transaction_id = || self.ids.psp_reference();
            charge.release(&key, &mut Moment { at, transaction_id: &mut transaction_id });
            self.clear_timer(timer, Subject::Charge(initial));
        }
    }

    fn initial_charge(&self, agreement: &str) -> Option<ChargeId> {
        let agreement = self.agreement(agreement)?;
        let id = agreement.initial_charge.clone()?;
        Some(ChargeId { sales_unit: agreement.terms.sales_unit.clone(), id })
    }

    fn new_charge_id(&mut self) -> String {
        format!("chr-{}", self.ids.short("charge", 7))
    }

    /// The rest of a list that a token stands for, where it is still good.
    pub(crate) fn take_page(&mut self, token: &str, list: &str, now: Millis) -> Option<Vec<String>> {
        self.pages.retain(|_, (until, _)| now < *until);
        let (_, page) = self.pages.get(token).filter(|(_, page)| page.list == list)?;
        Some(page.rest.clone())
    }

    /// A token for the rest of a list.
    pub(crate) fn keep_page(&mut self, list: &str, rest: Vec<String>, now: Millis) -> String {
        let token = self.ids.uuid("page");
        let life = self.settings.continuation_token_seconds * SECOND;
        self.pages.insert(token.clone(), (now + life, Page { list: list.to_owned(), rest }));
        token
    }

    fn tell_of_agreement(&mut self, id: &str, event_type: &'static str, actor: Option<Actor>, at: Millis) {
        let Some(agreement) = self.agreements.get(id).filter(|_| !self.registrations.is_empty()) else { return };
        let mut body = json!({
            "eventType": event_type,
            "agreementId": id,
            "agreementUUID": agreement.uuid,
            "occurred": rfc3339(at),
            "msn": agreement.terms.sales_unit,
        });
        if let Some(external_id) = &agreement.terms.external_id {
            body["agreementExternalId"] = external_id.as_str().into();
        }
        if let Some(actor) = actor {
            body["actor"] = actor.wire().into();
        }
        let sales_unit = agreement.terms.sales_unit.clone();
        self.publish(&Notice { event_type, sales_unit, subject: format!("agreement {id}"), at, body });
    }

    fn tell_of_charge(&mut self, id: &ChargeId, from: usize, at: Millis) {
        let Some(charge) = self.charges.get(id).filter(|_| !self.registrations.is_empty()) else { return };
        let notices: Vec<Notice> = charge.history[from.min(charge.history.len())..]
            .iter()
            .filter_map(|event| notice(id, charge, event, at))
            .collect();
        for notice in &notices {
            self.publish(notice);
        }
    }

    fn tell_of_failed_creation(&mut self, item: &BatchItem, refusal: &Refusal, at: Millis) {
        let Refusal::Problem { identifier, detail, .. } = refusal else { return };
        let event_type = "recurring.charge-creation-failed.v1";
        let mut body = json!({
            "eventType": event_type,
            "agreementId": item.agreement,
            "chargeId": item.order_id,
            "msn": item.sales_unit,
            "occurred": rfc3339(at),
            "amount": item.terms.amount,
            "currency": item.terms.currency.as_str(),
            "chargeType": item.terms.kind.wire(),
            "failureReason": match *identifier {
                "charge-amount-too-high" => "charge_amount_too_high",
                _ => "non_technical_error",
            },
            "failureCode": identifier,
            "failureText": detail,
        });
        if let Some(external_id) = &item.terms.external_id {
            body["chargeExternalId"] = external_id.as_str().into();
        }
        let subject = format!("charge {}/{}", item.sales_unit, item.order_id);
        self.publish(&Notice { event_type, sales_unit: item.sales_unit.clone(), subject, at, body });
    }
}

/// The webhook that tells an entry of the history; nothing is told of a creation.
fn notice(id: &ChargeId, charge: &Charge, event: &charge::Event, at: Millis) -> Option<Notice> {
    let (event_type, amount): (_, Option<&str>) = match event.name {
        EventName::Create => return None,
        EventName::Reserve => ("recurring.charge-reserved.v1", None),
        EventName::Capture => ("recurring.charge-captured.v1", Some("amountCaptured")),
        EventName::Refund => ("recurring.charge-refunded.v1", Some("amountRefunded")),
        // One l in the event and its member, two in the status.
        EventName::Cancel => ("recurring.charge-canceled.v1", Some("amountCanceled")),
        EventName::Fail => ("recurring.charge-failed.v1", None),
    };
    let mut body: Value = json!({
        "eventType": event_type,
        "agreementId": charge.agreement,
        "chargeId": id.id,
        "msn": id.sales_unit,
        "occurred": rfc3339(event.at),
        "amount": charge.terms.amount,
        "currency": charge.terms.currency.as_str(),
        "chargeType": charge.terms.kind.wire(),
    });
    // What is not there is left out, since 2024-12.
    for (name, value) in [("chargeExternalId", &charge.terms.external_id), ("transactionId", &event.transaction_id)] {
        if let Some(value) = value {
            body[name] = value.as_str().into();
        }
    }
    if let Some(name) = amount {
        body[name] = event.amount.into();
    }
    if let (EventName::Fail, Some(failure)) = (event.name, charge.failure) {
        body["failureReason"] = failure.wire().into();
        body["failureCode"] = failure.wire().into();
        body["failureText"] = failure.description().into();
    }
    let subject = format!("charge {}/{}", id.sales_unit, id.id);
    Some(Notice { event_type, sales_unit: id.sales_unit.clone(), subject, at, body })
}

/// Where a customer of this agreement lives.
pub(crate) fn country_of(agreement: &Agreement) -> &'static str {
    country(&agreement.terms.currency)
}
