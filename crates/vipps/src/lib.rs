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

mod client;

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
