//! Recurring, version 2: discontinued by Vipps, as stated in February 2025. What its hosts
//! answer today is not published; the sandbox serves it for those who move away from it.
//!
//! Draft, update, accept and cancel take no idempotency key: they are sent once, and when
//! their answer is lost the error says so. List the agreements, or read the charge, to find
//! out.
#![expect(deprecated, reason = "the whole version is")]

use vipps_core::types::{IdempotencyKey, Place};
use vipps_core::{Call, Error, Response};
use vipps_recurring::v2::enums::{AgreementStatus, ChargeStatus};
use vipps_recurring::v2::{limits, operations, types};

use crate::client::Client;

/// Recurring version 2 of a client; see [`Client::v2`].
#[derive(Clone, Debug)]
pub struct V2 {
    client: Client,
}

impl V2 {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Lists agreements: by default those that are ACTIVE. `created_after` is milliseconds
    /// since 1970.
    ///
    /// # Errors
    ///
    /// [`Error`], as every read.
    pub async fn list_agreements(
        &self,
        status: Option<AgreementStatus>,
        created_after: Option<i64>,
    ) -> Result<Response<Vec<types::AgreementResponseV2>>, Error> {
        let mut request = self.client.recurring_v2().list_agreements();
        if let Some(status) = status {
            request = request.status(status);
        }
        if let Some(after) = created_after {
            request = request.created_after(after);
        }
        self.client.transport().run(Call::new(&operations::LIST_AGREEMENTS), || request.clone().send()).await
    }

    /// Drafts an agreement, once. Repeating it makes a second agreement.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Indeterminate` when the draft may exist.
    pub async fn draft_agreement(
        &self,
        body: types::DraftAgreementV2,
    ) -> Result<Response<types::DraftAgreementResponseV2>, Error> {
        let call = Call::new(&operations::DRAFT_AGREEMENT);
        call.checked(limits::draft_agreement_v2(&body, &Place::ROOT))?;
        let request = self.client.recurring_v2().draft_agreement().body(body);
        self.client.transport().run(call, || request.clone().send()).await
    }

    /// Reads an agreement.
    ///
    /// # Errors
    ///
    /// [`Error`], as every read.
    pub async fn fetch_agreement(&self, agreement_id: &str) -> Result<Response<types::AgreementResponseV2>, Error> {
        let request = self.client.recurring_v2().fetch_agreement().agreement_id(agreement_id);
        self.client
            .transport()
            .run(Call::new(&operations::FETCH_AGREEMENT).subject(agreement_id), || request.clone().send())
            .await
    }

    /// Changes an agreement by PUT, which changes only what is given too. Sent once.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Indeterminate` when it may have taken effect.
    pub async fn put_agreement(
        &self,
        agreement_id: &str,
        body: types::PatchAgreementV2,
    ) -> Result<Response<types::AgreementReference>, Error> {
        let call = Call::new(&operations::UPDATE_AGREEMENT_PUT).subject(agreement_id);
        call.checked(limits::patch_agreement_v2(&body, &Place::ROOT))?;
        let request = self.client.recurring_v2().update_agreement_put().agreement_id(agreement_id).body(body);
        self.client.transport().run(call, || request.clone().send()).await
    }

    /// Changes an agreement. Sent once.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Indeterminate` when it may have taken effect.
    pub async fn patch_agreement(
        &self,
        agreement_id: &str,
        body: types::PatchAgreementV2,
    ) -> Result<Response<types::AgreementReference>, Error> {
        let call = Call::new(&operations::UPDATE_AGREEMENT_PATCH).subject(agreement_id);
        call.checked(limits::patch_agreement_v2(&body, &Place::ROOT))?;
        let request = self.client.recurring_v2().update_agreement_patch().agreement_id(agreement_id).body(body);
        self.client.transport().run(call, || request.clone().send()).await
    }

    /// Accepts an agreement in the customer's place; test environment only. Sent once.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Refused` when the agreement is not PENDING.
    pub async fn force_accept(
        &self,
        agreement_id: &str,
        body: types::ForceAcceptAgreement,
    ) -> Result<Response<()>, Error> {
        let request = self.client.recurring_v2().accept().agreement_id(agreement_id).body(body);
        let answer = self
            .client
            .transport()
            .run(Call::new(&operations::ACCEPT).subject(agreement_id), || request.clone().send())
            .await?;
        Ok(answer.map(drop))
    }

    /// Lists the charges of an agreement.
    ///
    /// # Errors
    ///
    /// [`Error`], as every read.
    pub async fn list_charges(
        &self,
        agreement_id: &str,
        status: Option<ChargeStatus>,
    ) -> Result<Response<Vec<types::ChargeResponseV2>>, Error> {
        let mut request = self.client.recurring_v2().list_charges().agreement_id(agreement_id);
        if let Some(status) = status {
            request = request.charge_status(status);
        }
        self.client
            .transport()
            .run(Call::new(&operations::LIST_CHARGES).subject(agreement_id), || request.clone().send())
            .await
    }

    /// Creates a charge under a key of 1 to 40 characters.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Indeterminate` when it may exist; repeat it with its key.
    pub async fn create_charge(
        &self,
        agreement_id: &str,
        body: types::CreateChargeV2,
        key: &IdempotencyKey,
    ) -> Result<Response<types::ChargeReference>, Error> {
        let call = Call::new(&operations::CREATE_CHARGE).key(key).subject(agreement_id);
        call.checked(limits::create_charge_v2(&body, &Place::ROOT))?;
        let request = self.client.recurring_v2().create_charge().agreement_id(agreement_id);
        let request = request.idempotency_key(key.as_str()).body(body);
        self.client.transport().run(call, || request.clone().send()).await
    }

    /// Reads a charge.
    ///
    /// # Errors
    ///
    /// [`Error`], as every read.
    pub async fn fetch_charge(
        &self,
        agreement_id: &str,
        charge_id: &str,
    ) -> Result<Response<types::ChargeResponseV2>, Error> {
        let request = self.client.recurring_v2().fetch_charge().agreement_id(agreement_id).charge_id(charge_id);
        self.client
            .transport()
            .run(Call::new(&operations::FETCH_CHARGE).subject(charge_id), || request.clone().send())
            .await
    }

    /// Cancels a charge. Sent once.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Indeterminate` when it may have taken effect.
    pub async fn cancel_charge(
        &self,
        agreement_id: &str,
        charge_id: &str,
    ) -> Result<Response<types::ChargeResponseV2>, Error> {
        let request = self.client.recurring_v2().cancel_charge().agreement_id(agreement_id).charge_id(charge_id);
        self.client
            .transport()
            .run(Call::new(&operations::CANCEL_CHARGE).subject(charge_id), || request.clone().send())
            .await
    }

    /// Captures all of a reserved charge, under a key of 1 to 40 characters.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Indeterminate` when it may have taken effect; repeat it with its key.
    pub async fn capture_charge(
        &self,
        agreement_id: &str,
        charge_id: &str,
        key: &IdempotencyKey,
    ) -> Result<Response<()>, Error> {
        let request = self.client.recurring_v2().capture_charge().agreement_id(agreement_id).charge_id(charge_id);
        let request = request.idempotency_key(key.as_str());
        let call = Call::new(&operations::CAPTURE_CHARGE).key(key).subject(charge_id);
        Ok(self.client.transport().run(call, || request.clone().send()).await?.map(drop))
    }

    /// Refunds a charge, all of it or a part, under a key of 1 to 40 characters.
    ///
    /// # Errors
    ///
    /// [`Error`]: `Indeterminate` when it may have taken effect; repeat it with its key.
    pub async fn refund_charge(
        &self,
        agreement_id: &str,
        charge_id: &str,
        body: types::RefundRequest,
        key: &IdempotencyKey,
    ) -> Result<Response<()>, Error> {
        let call = Call::new(&operations::REFUND_CHARGE).key(key).subject(charge_id);
        call.checked(limits::refund_request(&body, &Place::ROOT))?;
        let request = self.client.recurring_v2().refund_charge().agreement_id(agreement_id).charge_id(charge_id);
        let request = request.idempotency_key(key.as_str()).body(body);
        Ok(self.client.transport().run(call, || request.clone().send()).await?.map(drop))
    }
}
