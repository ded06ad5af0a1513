//! Unofficial client for the Vipps MobilePay payment APIs.
//!
//! Vipps in Norway and Sweden, MobilePay in Denmark and Finland: take one-time payments,
//! and know about money under every fault.
//!
//! ```no_run
//! use vipps::{Amount, Client, Credentials, Decision, Environment, NewPayment};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let vipps = Client::builder(Environment::from_env()?, Credentials::from_env()?).build()?;
//! let (payments, price) = (vipps.payments(), Amount::nok_minor(49_900));
//!
//! let order = NewPayment::web_redirect("acme-order-1042", price.clone(), "https://example.com/redirect");
//! let created = payments.create(order.description("Hoodie")).await?;
//! println!("the customer goes to {}", created.redirect_url().unwrap_or("the app"));
//!
//! if let Decision::Authorized(_) = payments.wait_for_decision("acme-order-1042").await? {
//!     let captured = payments.capture("acme-order-1042", price).derived_key(1).await?;
//!     println!("captured {}", captured.aggregate().captured());
//! }
//! # Ok(()) }
//! ```
//!
//! That is `examples/take_payment.rs`, shortened.
//!
//! Every call is one to four attempts under one idempotency key; its error says whether
//! money may have moved ([`Error::may_have_taken_effect`]). Rules of form are checked
//! before anything is sent; rules of state are Vipps' alone.
//!
//! Not here: what Vipps sends to you (`vipps-callbacks`), and a local Vipps to test against
//! (`vipps-sandbox`).

mod address;
mod call;
mod client;
pub mod hints;
#[cfg(any(feature = "epayment", feature = "recurring", feature = "checkout"))]
mod wait;

pub use client::{Client, ClientBuilder};
pub use vipps_core::types::{
    Amount, AmountError, BaseUrl, Credentials, CredentialsError, Currency, Environment, EnvironmentError, EventType,
    IdempotencyKey, IdempotencyKeyError, MerchantSerialNumber, Personal, Secret, Timestamp,
};
pub use vipps_core::{
    Auth, Call, CallFacts, Clock, ConfigError, Effect, Error, Event, Indeterminate, InvalidRequest, KeyRule, KeyUse,
    Mismatched, NextStep, NotSent, Observer, OddMember, Operation, Prepared, Problem, Refused, Report, Response,
    RetryPolicy, System, TokenError, Unreadable,
};

mod raw;
pub use raw::Raw;

#[cfg(feature = "epayment")]
mod decision;
#[cfg(feature = "epayment")]
mod new_payment;
#[cfg(feature = "epayment")]
mod payment;
#[cfg(feature = "epayment")]
mod payments;
#[cfg(feature = "epayment")]
mod receipt;

#[cfg(feature = "epayment")]
pub use decision::{Decision, WaitForDecision};
#[cfg(feature = "epayment")]
pub use new_payment::NewPayment;
#[cfg(feature = "epayment")]
pub use payment::{Aggregate, CreatedPayment, Modification, Payment, PaymentEvent};
#[cfg(feature = "epayment")]
pub use payments::{Cancel, Capture, Create, ForceApprove, GetEvents, GetPayment, Payments, Refund};
#[cfg(feature = "epayment")]
pub use receipt::{OrderLine, Receipt};

/// The generated types of the ePayment API; they may change when its document does.
#[cfg(feature = "epayment")]
pub use vipps_epayment as epayment;

#[cfg(feature = "recurring")]
mod agreements;
#[cfg(feature = "recurring")]
mod batch;
#[cfg(feature = "recurring")]
mod charge_ids;
#[cfg(feature = "recurring")]
mod charges;
#[cfg(feature = "recurring")]
mod new_agreement;
#[cfg(feature = "recurring")]
mod pages;
#[cfg(feature = "recurring-v2")]
mod v2;

#[cfg(feature = "recurring")]
pub use agreements::{
    Agreement, AgreementDecision, AgreementEvent, Agreements, DraftAgreement, DraftedAgreement, ForceAccept,
    GetAgreement, ListAgreements, UpdateAgreement, WaitUntilActive,
};
#[cfg(feature = "recurring")]
pub use batch::{BatchCharge, BatchOutcome, BatchResult, CreateMany, Settled};
#[cfg(feature = "recurring")]
pub use charge_ids::{AgreementId, AgreementRef, ChargeId};
#[cfg(feature = "recurring")]
pub use charges::{
    CancelCharge, CaptureCharge, Charge, Charges, CreateCharge, CreatedCharge, GetCharge, GetChargeById, ListCharges,
    NewCharge, RefundCharge, WaitUntilProcessed,
};
#[cfg(feature = "recurring")]
pub use new_agreement::{InitialCharge, NewAgreement};
#[cfg(feature = "recurring-v2")]
pub use v2::V2;

#[cfg(feature = "checkout")]
mod sessions;
#[cfg(feature = "checkout")]
pub use sessions::{
    CreateSession, CreatedSession, ExpireSession, GetSession, Session, Sessions, UpdateSession, WaitUntilFinished,
};

#[cfg(feature = "psp")]
mod psp_payments;
#[cfg(feature = "psp")]
pub use psp_payments::{
    ForceApprovePsp, GetPspDetails, InitiatePspPayment, InitiatedPspPayment, Psp, PspLogEntry, PspPaymentDetails,
    PspReportReceipt, UpdatePspStatus,
};

#[cfg(feature = "webhooks")]
mod ensured_webhook;
#[cfg(feature = "webhooks")]
mod webhook_registrations;
#[cfg(feature = "webhooks")]
pub use ensured_webhook::Ensured;
#[cfg(feature = "webhooks")]
pub use webhook_registrations::{DeleteWebhook, ListWebhooks, RegisterWebhook, RegisteredWebhook, Webhook, Webhooks};

/// The generated types of the other APIs; they may change when their documents do.
#[cfg(feature = "checkout")]
pub use vipps_checkout as checkout;
#[cfg(feature = "psp")]
pub use vipps_psp as psp;
#[cfg(feature = "recurring")]
pub use vipps_recurring as recurring;
#[cfg(feature = "webhooks")]
pub use vipps_webhooks as webhooks;
