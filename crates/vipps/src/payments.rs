//! One-time payments: create, get, events, cancel, capture, refund, and a test's approval.

use vipps_core::types::{Amount, AmountError, Personal, Place, Secret};
use vipps_core::{Error, Response};
use vipps_epayment::{limits, operations, types};

use crate::call::{KEY_OF_THE_CALL, Options, call, derivable, keyed, unbuilt};
use crate::client::Client;
use crate::decision::WaitForDecision;
use crate::new_payment::{NewPayment, positive};
use crate::payment::{CreatedPayment, Modification, Payment, PaymentEvent};

/// One-time payments of a client; see [`Client::payments`].
#[derive(Clone, Debug)]
pub struct Payments {
    client: Client,
}

impl Payments {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Creates a payment. Its reference must be new for the sales unit.
    pub fn create(&self, payment: NewPayment) -> Create {
        Create { options: Options::new(&self.client, Create::OPERATION), payment }
    }

    /// Reads a payment: its state and the money moved so far.
    pub fn get(&self, reference: impl Into<String>) -> GetPayment {
        GetPayment { options: Options::new(&self.client, GetPayment::OPERATION), reference: reference.into() }
    }

    /// Reads what happened to a payment, oldest first.
    pub fn events(&self, reference: impl Into<String>) -> GetEvents {
        GetEvents { options: Options::new(&self.client, GetEvents::OPERATION), reference: reference.into() }
    }

    /// Ends a payment that is not yet authorized, or releases what is not captured, for
    /// good.
    pub fn cancel(&self, reference: impl Into<String>) -> Cancel {
        Cancel {
            options: Options::new(&self.client, Cancel::OPERATION),
            reference: reference.into(),
            only_if_not_authorized: false,
        }
    }

    /// Takes authorized money, all of it or a part. Each capture is a call of its own, clones of
    /// which are the same capture: to repeat one later, give it its key.
    pub fn capture(&self, reference: impl Into<String>, amount: Amount) -> Capture {
        Capture { options: Options::new(&self.client, Capture::OPERATION), reference: reference.into(), amount }
    }

    /// Takes all that can still be captured of a payment, as it was read.
    ///
    /// # Errors
    ///
    /// [`AmountError`] when the answer mixes currencies.
    pub fn capture_all(&self, payment: &Payment) -> Result<Capture, AmountError> {
        Ok(self.capture(payment.reference(), payment.capturable()?))
    }

    /// Gives back all that was captured of a payment and not given back yet, as it was read.
    ///
    /// # Errors
    ///
    /// [`AmountError`] when the answer mixes currencies.
    pub fn refund_all(&self, payment: &Payment) -> Result<Refund, AmountError> {
        Ok(self.refund(payment.reference(), payment.refundable()?))
    }

    /// Gives captured money back, all of it or a part, within 365 days.
    pub fn refund(&self, reference: impl Into<String>, amount: Amount) -> Refund {
        Refund { options: Options::new(&self.client, Refund::OPERATION), reference: reference.into(), amount }
    }

    /// Approves a payment in the customer's place; test environment only.
    pub fn force_approve(&self, reference: impl Into<String>) -> ForceApprove {
        ForceApprove {
            options: Options::new(&self.client, ForceApprove::OPERATION),
            reference: reference.into(),
            phone_number: None,
            token: None,
        }
    }

    /// Waits until the customer has decided, polling as Vipps asks.
    pub fn wait_for_decision(&self, reference: impl Into<String>) -> WaitForDecision {
        WaitForDecision::new(self.clone(), reference.into())
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }
}

call! {
    /// See [`Payments::create`].
    Create { payment: NewPayment } -> CreatedPayment,
    of CREATE_PAYMENT, about |it| Some(it.payment.raw().reference.clone())
}
call! {
    /// See [`Payments::get`].
    GetPayment { reference: String } -> Payment,
    of GET_PAYMENT, about |it| Some(it.reference.clone())
}
call! {
    /// See [`Payments::events`].
    GetEvents { reference: String } -> Vec<PaymentEvent>,
    of GET_PAYMENT_EVENT_LOG, about |it| Some(it.reference.clone())
}
call! {
    /// See [`Payments::cancel`].
    Cancel { reference: String, only_if_not_authorized: bool } -> Modification,
    of CANCEL_PAYMENT, about |it| Some(it.reference.clone()),
    // Each kind of cancel is an operation of its own, whatever they are numbered.
    key |it| Some(match it.only_if_not_authorized {
        true => format!("{}/only-if-not-authorized", it.reference),
        false => it.reference.clone(),
    }), from "reference"
}
call! {
    /// See [`Payments::capture`].
    Capture { reference: String, amount: Amount } -> Modification,
    of CAPTURE_PAYMENT, about |it| Some(it.reference.clone())
}
call! {
    /// See [`Payments::refund`].
    Refund { reference: String, amount: Amount } -> Modification,
    of REFUND_PAYMENT, about |it| Some(it.reference.clone())
}
call! {
    /// See [`Payments::force_approve`].
    ForceApprove { reference: String, phone_number: Option<Personal<String>>, token: Option<Secret<String>> } -> (),
    of FORCE_APPROVE, about |it| Some(it.reference.clone())
}
keyed!(Create, Cancel, Capture, Refund);
derivable!(Create, Cancel, Capture, Refund);

impl Create {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: `InvalidRequest` names a field that cannot be valid; `Refused` with code
    /// 4150 means that the reference is taken; `Indeterminate` that the payment may exist.
    pub async fn send(self) -> Result<Response<CreatedPayment>, Error> {
        let call = self.call()?;
        call.checked(self.payment.check(self.options.client.allows_http_addresses()))?;
        let client = &self.options.client;
        let body = self.payment.into_request();
        let request = client.epayment().create_payment().idempotency_key(KEY_OF_THE_CALL).body(body);
        let answer = client.transport().run(call, || request.clone().send()).await?;
        Ok(answer.map(CreatedPayment::from))
    }
}

impl GetPayment {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Refused` with code 5090 means that there is no such payment.
    pub async fn send(self) -> Result<Response<Payment>, Error> {
        let call = self.call()?;
        call.checked(limits::get_payment_reference(&self.reference))?;
        let client = &self.options.client;
        let request = client.epayment().get_payment().reference(self.reference);
        let answer = client.transport().run(call, || request.clone().send()).await?;
        Ok(answer.map(Payment::from))
    }
}

impl GetEvents {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Refused` with code 5090 means that there is no such payment.
    pub async fn send(self) -> Result<Response<Vec<PaymentEvent>>, Error> {
        let call = self.call()?;
        call.checked(limits::get_payment_event_log_reference(&self.reference))?;
        let client = &self.options.client;
        let request = client.epayment().get_payment_event_log().reference(self.reference);
        let answer = client.transport().run(call, || request.clone().send()).await?;
        Ok(answer.map(|events| events.into_iter().map(PaymentEvent::from).collect()))
    }
}

impl Cancel {
    /// Cancels only while the customer has not authorized the payment; code 6060 says that
    /// they have.
    pub fn only_if_not_authorized(mut self) -> Self {
        self.only_if_not_authorized = true;
        self
    }

    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Refused` with code 6040 (all captured), 6050 (already ended), 6060
    /// (authorized), 6190 (nothing left); `Indeterminate` when it may have taken effect.
    pub async fn send(self) -> Result<Response<Modification>, Error> {
        let call = self.call()?;
        call.checked(limits::cancel_payment_reference(&self.reference))?;
        let client = &self.options.client;
        let mut request =
            client.epayment().cancel_payment().reference(self.reference.as_str()).idempotency_key(KEY_OF_THE_CALL);
        if self.only_if_not_authorized {
            request = request.body_map(|body| body.cancel_transaction_only(Some(true)));
        }
        let answer = client.transport().run(call, || request.clone().send()).await?;
        Ok(answer.map(Modification::from))
    }
}

impl Capture {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Refused` with code 6080 (not authorized), 6090 (more than is left), 6100
    /// (too late), 6170 (all captured); `Indeterminate` when it may have taken effect.
    pub async fn send(self) -> Result<Response<Modification>, Error> {
        let call = self.call()?;
        call.checked(limits::capture_payment_reference(&self.reference))?;
        let body = types::CaptureModificationRequest::builder().modification_amount(self.amount);
        let body = types::CaptureModificationRequest::try_from(body).map_err(|error| unbuilt(&call, &error))?;
        call.checked(positive(&body.modification_amount, &Place::ROOT.field("modificationAmount")))?;
        call.checked(limits::capture_modification_request(&body, &Place::ROOT))?;
        let client = &self.options.client;
        let request = client.epayment().capture_payment().reference(self.reference);
        let request = request.idempotency_key(KEY_OF_THE_CALL).body(body);
        let answer = client.transport().run(call, || request.clone().send()).await?;
        Ok(answer.map(Modification::from))
    }
}

impl Refund {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Refused` with code 6150 (more than is left), 6180 (all refunded), 6220
    /// (too late); `Indeterminate` when it may have taken effect.
    pub async fn send(self) -> Result<Response<Modification>, Error> {
        let call = self.call()?;
        call.checked(limits::refund_payment_reference(&self.reference))?;
        let body = types::RefundModificationRequest::builder().modification_amount(self.amount);
        let body = types::RefundModificationRequest::try_from(body).map_err(|error| unbuilt(&call, &error))?;
        call.checked(positive(&body.modification_amount, &Place::ROOT.field("modificationAmount")))?;
        call.checked(limits::refund_modification_request(&body, &Place::ROOT))?;
        let client = &self.options.client;
        let request = client.epayment().refund_payment().reference(self.reference);
        let request = request.idempotency_key(KEY_OF_THE_CALL).body(body);
        let answer = client.transport().run(call, || request.clone().send()).await?;
        Ok(answer.map(Modification::from))
    }
}

impl ForceApprove {
    /// The customer who approves: country code and number, 9 to 15 digits.
    pub fn phone_number(mut self, phone_number: impl Into<String>) -> Self {
        self.phone_number = Some(Personal::new(phone_number.into()));
        self
    }

    /// The `token` of the redirect URL.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(Secret::new(token.into()));
        self
    }

    /// Sends it, once: this operation takes no idempotency key.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Refused` with code 6230 (already authorized), 10010 (already ended),
    /// 10020 (not in production), 10060 (Express and card payments cannot).
    pub async fn send(self) -> Result<Response<()>, Error> {
        let call = self.call()?;
        call.checked(limits::force_approve_reference(&self.reference))?;
        let mut body = types::ForceApprove::builder().token(self.token);
        if let Some(phone_number) = self.phone_number {
            let customer = types::CustomerPhoneNumber::builder().phone_number(Some(phone_number));
            let customer = types::CustomerPhoneNumber::try_from(customer).map_err(|error| unbuilt(&call, &error))?;
            body = body.customer(customer);
        }
        let body = types::ForceApprove::try_from(body).map_err(|error| unbuilt(&call, &error))?;
        call.checked(limits::force_approve(&body, &Place::ROOT))?;
        let client = &self.options.client;
        let request = client.epayment().force_approve().reference(self.reference.as_str()).body(body);
        client.transport().run(call, || request.clone().send()).await
    }
}
