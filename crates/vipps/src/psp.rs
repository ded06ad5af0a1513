//! Payment service providers: card payments that the app hands over. Needs a PSP id in the
//! credentials.

use vipps_core::types::Place;
use vipps_core::{Error, Response};
use vipps_psp::{limits, operations, types};

use crate::call::{Options, address, call, checked};
use crate::client::Client;

/// PSP payments of a client; see [`Client::psp`].
#[derive(Clone, Debug)]
pub struct Psp {
    client: Client,
}

impl Psp {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Initiates a payment. Sent once: nothing published says that Vipps honours a key here.
    pub fn initiate(&self, payment: types::InitiatePaymentRequest) -> InitiatePspPayment {
        InitiatePspPayment { options: Options::new(&self.client), payment: Box::new(payment) }
    }

    /// Reports what became of several payments. Sent once, as [`Psp::initiate`].
    pub fn update_status(&self, statuses: types::PaymentStatus) -> UpdatePspStatus {
        UpdatePspStatus { options: Options::new(&self.client), statuses: Box::new(statuses) }
    }

    /// Reads a payment with its summary and log.
    pub fn details(&self, psp_transaction_id: impl Into<String>) -> GetPspDetails {
        GetPspDetails { options: Options::new(&self.client), psp_transaction_id: psp_transaction_id.into() }
    }

    /// Approves a payment in the customer's place; test environment only. Sent once.
    pub fn force_approve(
        &self,
        psp_transaction_id: impl Into<String>,
        approval: types::ForceApproveRequest,
    ) -> ForceApprovePsp {
        let psp_transaction_id = psp_transaction_id.into();
        ForceApprovePsp { options: Options::new(&self.client), psp_transaction_id, approval: Box::new(approval) }
    }
}

call! {
    /// See [`Psp::initiate`].
    InitiatePspPayment { payment: Box<types::InitiatePaymentRequest> } -> types::PaymentInitiationRepresentation
}
call! {
    /// See [`Psp::update_status`].
    UpdatePspStatus { statuses: Box<types::PaymentStatus> } -> types::Response
}
call! {
    /// See [`Psp::details`].
    GetPspDetails { psp_transaction_id: String } -> types::PaymentDetailsRepresentation
}
call! {
    /// See [`Psp::force_approve`].
    ForceApprovePsp { psp_transaction_id: String, approval: Box<types::ForceApproveRequest> } -> ()
}

impl InitiatePspPayment {
    /// Sends it, once.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Indeterminate` when the answer was lost: read the details before trying
    /// again; a second attempt gets code 44 when the first arrived.
    pub async fn send(self) -> Result<Response<types::PaymentInitiationRepresentation>, Error> {
        let operation = &operations::INITIATE_PAYMENT_V3;
        let body = Place::ROOT;
        checked(operation, limits::initiate_payment_request(&self.payment, &body))?;
        checked(operation, body.field("amount").range(self.payment.amount, Some(1), None))?;
        checked(operation, address(&self.payment.make_payment_url, &body.field("makePaymentUrl"), false))?;
        checked(operation, address(&self.payment.psp_redirect_url, &body.field("pspRedirectUrl"), true))?;
        let client = &self.options.client;
        let request = client.psp_api().initiate_payment_v3().body(*self.payment);
        client.transport().run(self.options.call(operation), || request.clone().send()).await
    }
}

impl UpdatePspStatus {
    /// Sends it, once.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Indeterminate` when the answer was lost: read the details.
    pub async fn send(self) -> Result<Response<types::Response>, Error> {
        let operation = &operations::UPDATESTATUS;
        let client = &self.options.client;
        let request = client.psp_api().updatestatus().body(*self.statuses);
        client.transport().run(self.options.call(operation), || request.clone().send()).await
    }
}

impl GetPspDetails {
    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Refused` when there is no such payment.
    pub async fn send(self) -> Result<Response<types::PaymentDetailsRepresentation>, Error> {
        let operation = &operations::GET_PSP_PAYMENT_DETAILS;
        let client = &self.options.client;
        let request = client.psp_api().get_psp_payment_details().psp_transaction_id(self.psp_transaction_id.as_str());
        client.transport().run(self.options.call(operation), || request.clone().send()).await
    }
}

impl ForceApprovePsp {
    /// Sends it, once.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Refused` outside the test environment.
    pub async fn send(self) -> Result<Response<()>, Error> {
        let operation = &operations::INTEGRATION_TEST_APPROVE_PAYMENT;
        checked(operation, limits::force_approve_request(&self.approval, &Place::ROOT))?;
        let client = &self.options.client;
        let request = client.psp_api().integration_test_approve_payment();
        let request = request.psp_transaction_id(self.psp_transaction_id.as_str()).body(*self.approval);
        client.transport().run(self.options.call(operation), || request.clone().send()).await
    }
}
