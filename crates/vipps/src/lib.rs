//! Unofficial client for the Vipps MobilePay payment APIs.
//!
//! Vipps in Norway and Sweden, MobilePay in Denmark and Finland: take one-time payments,
//! and know about money under every fault.
//!
//! ```no_run
//! use vipps::{Amount, Client, Credentials, Decision, Environment, NewPayment};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let vipps = Client::builder(Environment::Test, Credentials::from_env()?).build()?;
//! let price = Amount::nok_minor(49_900);
//!
//! let order = NewPayment::web_redirect("acme-order-1042", price.clone(), "https://acme.example/thanks");
//! let created = vipps.payments().create(order.description("Hoodie")).await?;
//! println!("send the customer to {:?}", created.redirect_url());
//!
//! if let Decision::Authorized(_) = vipps.payments().wait_for_decision("acme-order-1042").await? {
//!     vipps.payments().capture("acme-order-1042", price).await?;
//! }
//! # Ok(()) }
//! ```
//!
//! Every call is one to four attempts under one idempotency key; its error says whether
//! money may have moved ([`Error::may_have_taken_effect`]). Rules of form are checked
//! before anything is sent; rules of state are Vipps' alone.
//!
//! Not here: what Vipps sends to you, and a local Vipps to test against (`vipps-sandbox`).

#[cfg(any(feature = "epayment", feature = "recurring", feature = "checkout", feature = "psp", feature = "webhooks"))]
mod call;
mod client;
#[cfg(any(feature = "epayment", feature = "recurring", feature = "checkout"))]
mod wait;

pub use client::{Client, ClientBuilder};
pub use vipps_core::types::{
    Amount, AmountError, Credentials, CredentialsError, Currency, Environment, EnvironmentError, IdempotencyKey,
    IdempotencyKeyError, MerchantSerialNumber, Personal, Secret, Timestamp,
};
pub use vipps_core::{
    Clock, ConfigError, Error, Event, Indeterminate, InvalidRequest, Observer, Problem, Refused, Response, RetryPolicy,
    System, TokenError,
};

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
mod charges;
#[cfg(feature = "recurring-v2")]
mod v2;

#[cfg(feature = "recurring")]
pub use agreements::{
    Agreement, Agreements, DraftAgreement, DraftedAgreement, ForceAccept, GetAgreement, ListAgreements, NewAgreement,
    UpdateAgreement, WaitUntilActive,
};
#[cfg(feature = "recurring")]
pub use charges::{
    BatchOutcome, BatchResult, CancelCharge, CaptureCharge, Charge, Charges, CreateCharge, CreateMany, GetCharge,
    GetChargeById, ListCharges, NewCharge, RefundCharge, WaitUntilProcessed,
};
#[cfg(feature = "recurring-v2")]
pub use v2::V2;

#[cfg(feature = "checkout")]
mod sessions;
#[cfg(feature = "checkout")]
pub use sessions::{
    CreateSession, CreatedSession, ExpireSession, GetSession, Session, Sessions, UpdateSession, WaitUntilFinished,
};

#[cfg(feature = "psp")]
mod psp;
#[cfg(feature = "psp")]
pub use psp::{ForceApprovePsp, GetPspDetails, InitiatePspPayment, Psp, UpdatePspStatus};

#[cfg(feature = "webhooks")]
mod webhooks;
#[cfg(feature = "webhooks")]
pub use webhooks::{DeleteWebhook, ListWebhooks, RegisterWebhook, Webhooks};

/// The generated types of the other APIs; they may change when their documents do.
#[cfg(feature = "checkout")]
pub use vipps_checkout as checkout;
#[cfg(feature = "psp")]
pub use vipps_psp as psp_api;
#[cfg(feature = "recurring")]
pub use vipps_recurring as recurring;
#[cfg(feature = "webhooks")]
pub use vipps_webhooks as webhooks_api;
