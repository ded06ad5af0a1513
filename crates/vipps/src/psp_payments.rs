//! Payment service providers: card payments that the app hands over. Needs a PSP id in the
//! credentials.
//!
//! PSP v3 is in maintenance: closed for new work, no end announced, no longer listed among the
//! APIs of the test environment (November 2026).

use vipps_core::types::{Amount, Place, Violation};
use vipps_core::{Error, Response};
use vipps_psp::enums::TransactionInfoStatus;
use vipps_psp::{limits, operations, types};

use crate::address::AddressRule;
use crate::call::{Options, call};
use crate::client::Client;

/// PSP payments of a client; see [`Client::psp`].
#[derive(Clone, Debug)]
pub struct Psp {
    client: Client,
}

/// A PSP payment that was just initiated and waits for its customer.
#[derive(Clone, Debug, PartialEq)]
pub struct InitiatedPspPayment(types::PaymentInitiationRepresentation);

/// What Vipps says to a report: that it was taken in, not that it was processed, which
/// happens in a nightly run.
#[derive(Clone, Debug, PartialEq)]
pub struct PspReportReceipt(types::Response);

/// A PSP payment as it is read. Amounts are NOK, the only currency of this API.
#[derive(Clone, Debug, PartialEq)]
pub struct PspPaymentDetails(types::PaymentDetailsRepresentation);

/// One line of the log of a PSP payment.
#[derive(Clone, Copy, Debug)]
pub struct PspLogEntry<'a>(&'a types::PaymentTransactionDetails);

impl InitiatedPspPayment {
    /// The id that the PSP gave it.
    #[must_use]
    pub fn psp_transaction_id(&self) -> Option<&str> {
        self.0.psp_transaction_id.as_deref()
    }

    /// Where to send the customer, unchanged.
    #[must_use]
    pub fn redirect_url(&self) -> Option<&str> {
        self.0.vipps_redirect_url.as_ref().map(|url| url.reveal().as_str())
    }

    /// Everything the answer held, as the document names it.
    #[must_use]
    pub fn raw(&self) -> &types::PaymentInitiationRepresentation {
        &self.0
    }
}

impl PspReportReceipt {
    /// A code such as `9000`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.0.response_info.as_ref()?.response_code.as_deref()
    }

    /// A message such as `SUCCESS`.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.0.response_info.as_ref()?.response_message.as_deref()
    }

    /// Everything the answer held, as the document names it.
    #[must_use]
    pub fn raw(&self) -> &types::Response {
        &self.0
    }
}

impl PspPaymentDetails {
    /// The id that the PSP gave it.
    #[must_use]
    pub fn psp_transaction_id(&self) -> Option<&str> {
        self.0.psp_transaction_id.as_deref()
    }

    /// The merchant's order.
    #[must_use]
    pub fn merchant_order_id(&self) -> Option<&str> {
        self.0.merchant_order_id.as_deref()
    }

    /// Taken so far, refunds not subtracted; `None` where the answer does not say.
    #[must_use]
    pub fn captured(&self) -> Option<Amount> {
        self.money(|summary| summary.captured_amount)
    }

    /// What can still be captured; `None` where the answer does not say.
    #[must_use]
    pub fn capturable(&self) -> Option<Amount> {
        self.money(|summary| summary.remaining_amount_to_capture)
    }

    /// Given back so far; `None` where the answer does not say.
    #[must_use]
    pub fn refunded(&self) -> Option<Amount> {
        self.money(|summary| summary.refunded_amount)
    }

    /// What can still be refunded; `None` where the answer does not say.
    #[must_use]
    pub fn refundable(&self) -> Option<Amount> {
        self.money(|summary| summary.remaining_amount_to_refund)
    }

    fn money(&self, figure: impl FnOnce(&types::TransactionSummary) -> Option<i64>) -> Option<Amount> {
        figure(self.0.transaction_summary.as_ref()?).map(Amount::nok_minor)
    }

    /// What happened to it.
    pub fn log(&self) -> impl Iterator<Item = PspLogEntry<'_>> {
        self.0.transaction_log_history.iter().flatten().map(PspLogEntry)
    }

    /// Everything the answer held, as the document names it.
    #[must_use]
    pub fn raw(&self) -> &types::PaymentDetailsRepresentation {
        &self.0
    }
}

impl<'a> PspLogEntry<'a> {
    /// What was done, or tried.
    #[must_use]
    pub fn operation(&self) -> Option<&'a TransactionInfoStatus> {
        self.0.operation.as_ref()
    }

    /// The amount of this entry alone.
    #[must_use]
    pub fn amount(&self) -> Option<Amount> {
        self.0.amount.map(Amount::nok_minor)
    }

    /// Whether it succeeded.
    #[must_use]
    pub fn success(&self) -> Option<bool> {
        self.0.operation_success
    }

    /// When it happened: a text whose form nothing published promises.
    #[must_use]
    pub fn timestamp(&self) -> Option<&'a str> {
        self.0.time_stamp.as_deref()
    }

    /// Everything the answer held, as the document names it.
    #[must_use]
    pub fn raw(&self) -> &'a types::PaymentTransactionDetails {
        self.0
    }
}

impl Psp {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Initiates a payment. It carries no key, since nothing published says that Vipps honours one
    /// here; its id is unique, so that a lost attempt is repeated and cannot make a second one.
    pub fn initiate(&self, payment: types::InitiatePaymentRequest) -> InitiatePspPayment {
        InitiatePspPayment {
            options: Options::keyless(&self.client, InitiatePspPayment::OPERATION),
            payment: Box::new(payment),
        }
    }

    /// Reports what became of several payments. Sent once: a second report may count twice.
    pub fn update_status(&self, statuses: types::PaymentStatus) -> UpdatePspStatus {
        UpdatePspStatus {
            options: Options::keyless(&self.client, UpdatePspStatus::OPERATION),
            statuses: Box::new(statuses),
        }
    }

    /// Reads a payment with its summary and log.
    pub fn details(&self, psp_transaction_id: impl Into<String>) -> GetPspDetails {
        GetPspDetails {
            options: Options::keyless(&self.client, GetPspDetails::OPERATION),
            psp_transaction_id: psp_transaction_id.into(),
        }
    }

    /// Approves a payment in the customer's place; test environment only.
    pub fn force_approve(
        &self,
        psp_transaction_id: impl Into<String>,
        approval: types::ForceApproveRequest,
    ) -> ForceApprovePsp {
        let psp_transaction_id = psp_transaction_id.into();
        ForceApprovePsp {
            options: Options::keyless(&self.client, ForceApprovePsp::OPERATION),
            psp_transaction_id,
            approval: Box::new(approval),
        }
    }
}

call! {
    /// See [`Psp::initiate`].
    InitiatePspPayment { payment: Box<types::InitiatePaymentRequest> } -> InitiatedPspPayment,
    of INITIATE_PAYMENT_V3, about |it| Some(it.payment.psp_transaction_id.clone())
}
call! {
    /// See [`Psp::update_status`].
    UpdatePspStatus { statuses: Box<types::PaymentStatus> } -> PspReportReceipt,
    of UPDATESTATUS, about |_it| None
}
call! {
    /// See [`Psp::details`].
    GetPspDetails { psp_transaction_id: String } -> PspPaymentDetails,
    of GET_PSP_PAYMENT_DETAILS, about |it| Some(it.psp_transaction_id.clone())
}
call! {
    /// See [`Psp::force_approve`].
    ForceApprovePsp { psp_transaction_id: String, approval: Box<types::ForceApproveRequest> } -> (),
    of INTEGRATION_TEST_APPROVE_PAYMENT, about |it| Some(it.psp_transaction_id.clone())
}

/// PSP payments are in kroner of Norway alone.
fn norwegian(currency: Option<&str>, at: &Place<'_>) -> Result<(), Violation> {
    match currency {
        None | Some("NOK") => Ok(()),
        Some(_) => Err(at.broken("must be NOK")),
    }
}

impl InitiatePspPayment {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: code 44 when there is a payment with this id, which may be our own of a lost
    /// attempt: read the details.
    pub async fn send(self) -> Result<Response<InitiatedPspPayment>, Error> {
        let call = self.call()?;
        let body = Place::ROOT;
        call.checked(limits::initiate_payment_request(&self.payment, &body))?;
        call.checked(body.field("amount").range(self.payment.amount, Some(1), None))?;
        call.checked(norwegian(Some(self.payment.currency.as_str()), &body.field("currency")))?;
        let http = self.options.client.allows_http_addresses();
        let (to_the_psp, to_the_shop) = (AddressRule::HTTPS.or_http(http), AddressRule::APP_OR_HTTPS.or_http(http));
        call.checked(to_the_psp.check(&self.payment.make_payment_url, &body.field("makePaymentUrl")))?;
        call.checked(to_the_shop.check(&self.payment.psp_redirect_url, &body.field("pspRedirectUrl")))?;
        let client = &self.options.client;
        let request = client.psp_api().initiate_payment_v3().body(*self.payment);
        Ok(client.transport().run(call, || request.clone().send()).await?.map(InitiatedPspPayment))
    }
}

impl UpdatePspStatus {
    /// Sends it, once.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Indeterminate` when the answer was lost: read the details.
    pub async fn send(self) -> Result<Response<PspReportReceipt>, Error> {
        let call = self.call()?;
        let transactions = Place::ROOT.field("transactions");
        for (index, transaction) in self.statuses.transactions.iter().flatten().enumerate() {
            let place = transactions.index(index);
            if transaction.psp_transaction_id.is_empty() {
                return Err(call.invalid(&place.field("pspTransactionId").broken("is required")));
            }
            call.checked(place.field("amount").range(transaction.amount, Some(1), None))?;
            call.checked(norwegian(transaction.currency.as_deref(), &place.field("currency")))?;
        }
        let client = &self.options.client;
        let request = client.psp_api().updatestatus().body(*self.statuses);
        Ok(client.transport().run(call, || request.clone().send()).await?.map(PspReportReceipt))
    }
}

impl GetPspDetails {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Refused` when there is no such payment.
    pub async fn send(self) -> Result<Response<PspPaymentDetails>, Error> {
        let call = self.call()?;
        let client = &self.options.client;
        let request = client.psp_api().get_psp_payment_details().psp_transaction_id(self.psp_transaction_id.as_str());
        Ok(client.transport().run(call, || request.clone().send()).await?.map(PspPaymentDetails))
    }
}

impl ForceApprovePsp {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Refused` outside the test environment.
    pub async fn send(self) -> Result<Response<()>, Error> {
        let call = self.call()?;
        call.checked(limits::force_approve_request(&self.approval, &Place::ROOT))?;
        let client = &self.options.client;
        let request = client.psp_api().integration_test_approve_payment();
        let request = request.psp_transaction_id(self.psp_transaction_id.as_str()).body(*self.approval);
        client.transport().run(call, || request.clone().send()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_psp_payment_are_kroner_and_not_made_up() {
        let details = |body: &str| PspPaymentDetails(serde_json::from_str(body).unwrap());
        // The published sample, with one line in its log.
        let told = details(
            r#"{"pspTransactionId":"abcABC12345","merchantOrderId":"abcABC-12345",
                "transactionSummary":{"capturedAmount":49900,"remainingAmountToCapture":0,
                    "refundedAmount":0,"remainingAmountToRefund":49900},
                "transactionLogHistory":[{}, {"operation":"CAPTURED","amount":49900,"operationSuccess":true}]}"#,
        );
        let figures = [told.captured(), told.capturable(), told.refunded(), told.refundable()];
        assert_eq!(figures, [49_900, 0, 0, 49_900].map(|value| Some(Amount::nok_minor(value))));
        let log: Vec<_> = told.log().map(|entry| (entry.operation().cloned(), entry.amount())).collect();
        assert_eq!(log, [(None, None), (Some(TransactionInfoStatus::Captured), Some(Amount::nok_minor(49_900)))]);
        let untold = details(r#"{"transactionSummary":null}"#);
        assert_eq!((untold.captured(), untold.capturable(), untold.log().count()), (None, None, 0));
    }
}
