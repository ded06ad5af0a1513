//! Checkout sessions with the payment or the agreement behind them.

use serde_json::{Map, Value, json};
use vipps_types::Currency;

use super::recurring::Draft;
use super::{ChargeId, Home, Landing, PaymentId, Record, Redirect, Subject, World, sub_of};
use crate::agreement::{self, Interval, Pricing, Unit};
use crate::charge;
use crate::clock::{Millis, start_of_day};
use crate::deliver::{Kind, NewCall, Proof};
use crate::payment::{Approval, Method, Moment, Payment, State as PaymentState};
use crate::session::{Choice, LEAST_TOTAL, PayBy, Session, State};

impl World {
    pub(crate) fn session(&self, id: &PaymentId) -> Option<&Session> {
        self.sessions.get(id)
    }

    pub(crate) fn session_mut(&mut self, id: &PaymentId) -> Option<&mut Session> {
        self.sessions.get_mut(id)
    }

    pub(crate) fn sessions(&self) -> impl DoubleEndedIterator<Item = (&PaymentId, &Session)> {
        self.sessions.iter()
    }

    pub(crate) fn insert_session(&mut self, id: PaymentId, session: Session) {
        self.set_timer(session.next_timer(), Subject::Session(id.clone()));
        self.landings.insert(session.token.clone(), Landing::Session(id.clone()));
        self.sessions.insert(id, session);
    }

    pub(super) fn ring_session(&mut self, id: &PaymentId, at: Millis) {
        if let Some(session) = self.sessions.get_mut(id)
            && session.next_timer().is_some_and(|due| at >= due)
        {
            session.state = State::Expired;
        }
    }

    /// The customer starts to pay: the payment, or the agreement, comes to be.
    pub(crate) fn initiate(&mut self, id: &PaymentId, choice: Choice, now: Millis) -> Result<(), String> {
        let session = self.sessions.get_mut(id).ok_or("no such session")?;
        if session.state != State::Created {
            return Err(format!("session `{}` is {}, nobody can start to pay it", id.reference, session.state.wire()));
        }
        let shipping = match (session.wants_shipping(), &choice.shipping_option) {
            (true, wanted) => Some(session.option(wanted.as_deref()).ok_or("the session has no such shipping option")?),
            (false, Some(_)) => return Err("the session has no shipping options".into()),
            (false, None) => None,
        };
        if session.requires_consent() && choice.consent == Some(false) {
            return Err("the session requires the customer's consent".into());
        }
        if session.is_subscription() && choice.pay_by == PayBy::BankTransfer {
            return Err("a subscription is not paid by bank transfer".into());
        }
        if session.total_with(shipping.as_ref()).is_some_and(|(total, _)| total < LEAST_TOTAL) {
            return Err(format!("a payment is at least {LEAST_TOTAL} minor units"));
        }
        session.shipping = shipping;
        self.begin_session(id, choice, now)
    }

    fn begin_session(&mut self, id: &PaymentId, choice: Choice, now: Millis) -> Result<(), String> {
        let Some(session) = self.sessions.get_mut(id) else { return Ok(()) };
        let timer = session.next_timer();
        session.choice = choice;
        session.state = State::Initiated;
        self.clear_timer(timer, Subject::Session(id.clone()));
        let Some(session) = self.sessions.get(id).cloned() else { return Ok(()) };
        if session.is_subscription() {
            let drafted = self.draft_of_session(id, &session, now)?;
            if let Some(session) = self.sessions.get_mut(id) {
                session.agreement = Some(drafted);
            }
        } else if session.choice.pay_by != PayBy::BankTransfer {
            self.pay_for_session(id, &session, now)?;
        }
        Ok(())
    }

    fn pay_for_session(&mut self, id: &PaymentId, session: &Session, now: Millis) -> Result<(), String> {
        let (value, currency) = session.total().ok_or("the session has no amount")?;
        let method = if session.choice.pay_by == PayBy::Card { Method::Card } else { Method::Wallet };
        let mut psp_reference = || self.ids.psp_reference();
        let mut moment = Moment { at: now, psp_reference: &mut psp_reference };
        let payment = Payment::create(value, Currency::from(currency), method, false, None, None, &mut moment);
        let landing_token = self.ids.secret("landing");
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let record = Record {
            payment,
            return_url: text(&session.request["merchantInfo"]["returnUrl"]),
            redirect: Redirect::Landing,
            landing_token,
            description: text(&session.request["transaction"]["paymentDescription"]),
            phone_number: None,
            customer: None,
            minimum_age: None,
            scope: None,
            metadata: None,
            shipping: None,
            shipping_details: None,
            card_passthrough: None,
        };
        self.insert_payment(id.clone(), record);
        Ok(())
    }

    fn draft_of_session(&mut self, id: &PaymentId, session: &Session, now: Millis) -> Result<String, String> {
        let subscription = &session.request["subscription"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let currency = Currency::from(text(&subscription["amount"]["currency"]).unwrap_or_default());
        let unit = subscription["interval"]["unit"].as_str().and_then(Unit::from_wire);
        let interval =
            unit.zip(subscription["interval"]["count"].as_i64()).map(|(unit, count)| Interval { unit, count });
        let terms = agreement::Terms {
            sales_unit: id.sales_unit.clone(),
            currency: currency.clone(),
            pricing: Pricing::Legacy { price: subscription["amount"]["value"].as_i64().unwrap_or_default() },
            interval,
            campaign: crate::routes::agreement_draft::campaign(&subscription["campaign"]),
            product_name: text(&subscription["productName"]).unwrap_or_default(),
            product_description: text(&subscription["productDescription"]),
            agreement_url: text(&subscription["merchantAgreementUrl"]),
            redirect_url: text(&session.request["merchantInfo"]["returnUrl"]).unwrap_or_default(),
            external_id: None,
            scope: None,
        };
        let initial = session.total().map(|(amount, _)| {
            let terms = charge::Terms {
                amount,
                currency,
                description: text(&session.request["transaction"]["paymentDescription"]).unwrap_or_default(),
                due: start_of_day(now),
                retry_days: 0,
                kind: charge::Kind::Initial,
                direct: false,
                single_attempt: false,
                external_id: None,
            };
            (terms, Some(id.reference.clone()))
        });
        let phone_number = self.customer_of(id, session)["phoneNumber"].as_str().map(str::to_owned);
        let draft = Draft { terms, initial, in_app: false, without_landing: false, phone_number };
        let drafted =
            self.draft(draft, &session.id, now).map_err(|_| "the reference is a charge already".to_owned())?;
        self.sessions_of_agreements.insert(drafted.clone(), id.clone());
        Ok(drafted)
    }

    /// The customer pays what they started to pay. Magic amounts act.
    pub(crate) fn pay_session(&mut self, id: &PaymentId, now: Millis) -> Result<Approval, String> {
        let session = self.sessions.get(id).ok_or("no such session")?;
        if session.state != State::Initiated {
            return Err(format!("session `{}` is {}", id.reference, session.state.wire()));
        }
        if session.choice.pay_by == PayBy::BankTransfer {
            self.finish_session(id, State::Successful, now);
            return Ok(Approval::Authorized);
        }
        let refused = |_| format!("session `{}` is not waiting for its customer", id.reference);
        let Some(agreement) = session.agreement.clone() else {
            let magic = self.magic(&id.sales_unit);
            let done = self.with_payment(id, now, |payment, moment| payment.approve(magic, moment));
            return done.ok_or("no such payment")?.map_err(refused);
        };
        self.accept(&agreement, false, None, now).map_err(refused)?;
        Ok(match self.session(id).map(|session| session.state) {
            Some(State::Successful) => Approval::Authorized,
            Some(State::Initiated) => Approval::Pending,
            _ => Approval::Failed,
        })
    }

    /// The customer gives up.
    pub(crate) fn abandon_session(&mut self, id: &PaymentId, now: Millis) -> Result<(), String> {
        let session = self.sessions.get(id).ok_or("no such session")?;
        if session.state == State::Created {
            // Whoever gives up need not have chosen how to have it sent.
            let choice = session.choice.clone();
            self.begin_session(id, choice, now)?;
        }
        match self.session(id).map(|session| (session.state, session.agreement.clone())) {
            Some((State::Initiated, Some(agreement))) => {
                self.reject(&agreement, now);
                Ok(())
            }
            Some((State::Initiated, None)) if self.payment(id).is_none() => {
                self.finish_session(id, State::Terminated, now);
                Ok(())
            }
            Some((State::Initiated, None)) => {
                let done = self.with_payment(id, now, Payment::abort);
                done.ok_or("no such payment")?.map_err(|_| "the payment is not waiting for its customer".to_owned())
            }
            Some((state, _)) => Err(format!("session `{}` is {}", id.reference, state.wire())),
            None => Err("no such session".into()),
        }
    }

    /// The merchant ends a session; a payment under way is cancelled with it. False where it
    /// cannot be: its customer is just paying.
    pub(crate) fn expire_session(&mut self, id: &PaymentId, now: Millis) -> bool {
        let Some(session) = self.sessions.get_mut(id) else { return false };
        let (was, timer) = (session.state, session.next_timer());
        let agreement = session.agreement.clone();
        if was == State::Initiated && self.payment(id).is_some_and(|record| record.payment.authorizing) {
            return false;
        }
        if let Some(session) = self.sessions.get_mut(id) {
            session.state = State::Expired;
        }
        self.clear_timer(timer, Subject::Session(id.clone()));
        match agreement {
            _ if was != State::Initiated => {}
            Some(agreement) => self.stop(&agreement, agreement::Actor::Merchant, None, now),
            None if self.payment(id).is_some() => {
                let terms = self.terms(&id.sales_unit);
                self.with_payment(id, now, |payment, moment| payment.cancel(false, None, &terms, moment));
            }
            None => self.finish_session(id, State::Expired, now),
        }
        true
    }

    /// A session follows its payment, and its merchant is called once it is final.
    pub(super) fn follow_payment(&mut self, id: &PaymentId, at: Millis) {
        let Some(record) = self.payment(id) else { return };
        match record.payment.state {
            PaymentState::Created => {}
            PaymentState::Authorized => {
                if let Some(scope) = record.scope.clone() {
                    let phone = self.payer(id, record).phone_number;
                    self.consent(&id.sales_unit, &phone, &scope, at);
                }
                self.finish_session(id, State::Successful, at);
            }
            _ => self.finish_session(id, State::Terminated, at),
        }
    }

    /// A session follows its agreement.
    pub(super) fn follow_agreement(&mut self, agreement: &str, at: Millis) {
        let Some(id) = self.sessions_of_agreements.get(agreement).cloned() else { return };
        match self.agreement(agreement).map(|agreement| agreement.status) {
            Some(agreement::Status::Active) => self.finish_session(&id, State::Successful, at),
            Some(agreement::Status::Stopped | agreement::Status::Expired) => {
                self.finish_session(&id, State::Terminated, at);
            }
            _ => {}
        }
    }

    fn finish_session(&mut self, id: &PaymentId, state: State, at: Millis) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        match session.state {
            State::Initiated => session.state = state,
            // Ended by the merchant while it was being paid.
            State::Expired if !self.settings.expired_session_callback => return,
            State::Expired => {}
            _ => return,
        }
        if session.state == State::Successful && session.requires_user_info() {
            let session = session.clone();
            let phone = self.customer_of(id, &session)["phoneNumber"].as_str().unwrap_or_default().to_owned();
            self.consent(&id.sales_unit, &phone, "name address email phoneNumber", at);
        }
        let Some(session) = self.sessions.get(id) else { return };
        let merchant = &session.request["merchantInfo"];
        let token = merchant["callbackAuthorizationToken"].as_str().map(|token| Proof::Token(token.to_owned()));
        let Some(url) = merchant["callbackUrl"].as_str().map(str::to_owned) else { return };
        let call = NewCall {
            kind: Kind::CheckoutCallback,
            sales_unit: id.sales_unit.clone(),
            subject: format!("session {}/{}", id.sales_unit, id.reference),
            url,
            body: self.session_json(id),
            proof: token.unwrap_or(Proof::None),
        };
        self.outbox.add_call(call, Some(at));
    }

    /// What a read of the session answers.
    pub(crate) fn session_json(&self, id: &PaymentId) -> Value {
        let Some(session) = self.session(id) else { return Value::Null };
        let mut answer = json!({
            "sessionId": session.id,
            "merchantSerialNumber": id.sales_unit,
            "reference": id.reference,
            "sessionState": session.state.wire(),
        });
        let payment = self.payment_details(id, session);
        let started = payment.is_some() || session.agreement.is_some();
        if !started {
            return answer;
        }
        answer["paymentMethod"] = session.choice.pay_by.wire().into();
        answer["paymentDetails"] = payment.unwrap_or(Value::Null);
        if let Some(agreement) = session.agreement.as_deref().and_then(|agreement| self.agreement(agreement)) {
            answer["subscriptionDetails"] = json!({ "state": agreement.status.wire(), "agreementId": agreement.id });
        }
        let customer = self.customer_of(id, session);
        if session.requires_user_info() {
            let sub = sub_of(&id.sales_unit, customer["phoneNumber"].as_str().unwrap_or_default());
            answer["userInfo"] = json!({ "sub": sub, "email": customer["email"] });
        }
        if let Some(option) = &session.shipping {
            let mut shipping = customer.clone();
            shipping["shippingMethodId"] = option["id"].clone();
            shipping["amount"] = match &option["amount"] {
                Value::Null => json!({ "value": 0, "currency": session.total().map(|(_, currency)| currency) }),
                amount => amount.clone(),
            };
            for (name, list) in [("pickupPoint", "pickupPoints"), ("timeslot", "timeslots")] {
                if let Some(first) = option["delivery"][list].as_array().and_then(|list| list.first()) {
                    shipping[name] = first.clone();
                }
            }
            answer["shippingDetails"] = shipping;
        }
        match session.request["configuration"]["elements"].as_str() {
            Some("PaymentOnly") => {}
            Some("PaymentAndContactInfo") => answer["billingDetails"] = contact_of(customer),
            _ => answer["billingDetails"] = customer,
        }
        if !session.request["configuration"]["customConsent"].is_null() {
            // Who paid has ticked what must be ticked.
            let provided = session.choice.consent.unwrap_or(session.requires_consent());
            answer["customConsentProvided"] = provided.into();
        }
        answer
    }

    fn payment_details(&self, id: &PaymentId, session: &Session) -> Option<Value> {
        let kind = session.choice.pay_by.wire();
        if session.choice.pay_by == PayBy::BankTransfer && session.state != State::Created {
            let (value, currency) = session.total()?;
            return Some(json!({ "type": kind, "amount": { "value": value, "currency": currency } }));
        }
        let details = |state: &str, currency: &str, amount: i64, money: [i64; 4]| {
            let of = |value: i64| json!({ "value": value, "currency": currency });
            json!({
                "type": kind, "amount": of(amount), "state": state,
                "aggregate": {
                    "authorizedAmount": of(money[0]), "capturedAmount": of(money[1]),
                    "cancelledAmount": of(money[2]), "refundedAmount": of(money[3]),
                },
            })
        };
        if session.agreement.is_some() {
            let charge_id = ChargeId { sales_unit: id.sales_unit.clone(), id: id.reference.clone() };
            let charge = self.charge(&charge_id)?;
            let state = match charge.status {
                charge::Status::Pending | charge::Status::Due | charge::Status::Processing => "CREATED",
                charge::Status::Failed => "TERMINATED",
                charge::Status::Cancelled if charge.authorized() == 0 => "TERMINATED",
                _ => "AUTHORIZED",
            };
            let money = [charge.authorized(), charge.captured, charge.cancelled, charge.refunded];
            return Some(details(state, charge.terms.currency.as_str(), charge.terms.amount, money));
        }
        let payment = &self.payment(id)?.payment;
        let state = match payment.state {
            PaymentState::Created => "CREATED",
            PaymentState::Authorized => "AUTHORIZED",
            _ => "TERMINATED",
        };
        let money = payment.aggregate;
        let money = [money.authorized, money.captured, money.cancelled, money.refunded];
        Some(details(state, payment.currency.as_str(), payment.value, money))
    }

    /// Who pays: what the customer said, else what was prefilled, else the usual one.
    pub(crate) fn customer_of(&self, id: &PaymentId, session: &Session) -> Value {
        let person = self.person(&id.sales_unit, None);
        let home = person.address.as_ref();
        let of = |member: fn(&Home) -> &String| home.map(member).map_or("", String::as_str);
        let usual = json!({
            "firstName": person.first_name, "lastName": person.last_name, "email": person.email,
            "phoneNumber": person.phone_number, "streetAddress": of(|home| &home.address_line1),
            "postalCode": of(|home| &home.post_code), "city": of(|home| &home.city),
            "country": of(|home| &home.country),
        });
        let mut customer = Map::new();
        for (name, value) in usual.as_object().into_iter().flatten() {
            let said = session.choice.customer.as_ref().map(|customer| &customer[name]);
            let prefilled = Some(&session.request["prefillCustomer"][name]).filter(|value| is_usable(name, value));
            let known = said.filter(|value| value.is_string()).or(prefilled);
            customer.insert(name.clone(), known.unwrap_or(value).clone());
        }
        customer.into()
    }
}

/// What is prefilled and cannot be true is asked for again.
fn is_usable(name: &str, value: &Value) -> bool {
    let Some(text) = value.as_str() else { return false };
    match name {
        "phoneNumber" => {
            let digits = text.strip_prefix('+').unwrap_or(text);
            (8..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
        }
        "email" => text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty()),
        "country" => text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic()),
        _ => !text.trim().is_empty(),
    }
}

/// Who the customer is, without where they live.
fn contact_of(mut customer: Value) -> Value {
    if let Some(members) = customer.as_object_mut() {
        members.retain(|name, _| matches!(name.as_str(), "firstName" | "lastName" | "email" | "phoneNumber"));
    }
    customer
}
