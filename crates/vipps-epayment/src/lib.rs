//! Vipps MobilePay ePayment API: one-time payments, online and at the point of sale.
//!
//! Types, operations and limits are generated from `openapi/epayment.yaml`. With
//! [`vipps_core`] this crate alone is a complete client:
//!
//! ```no_run
//! use vipps_core::types::{Amount, Credentials, Environment, IdempotencyKey};
//! use vipps_core::{Call, Transport};
//! use vipps_epayment::{operations, types};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let transport = Transport::builder(Environment::Test, Credentials::from_env()?).build()?;
//! let epayment = vipps_epayment::Client::with_transport(&transport);
//!
//! let key = IdempotencyKey::random();
//! let body = types::CaptureModificationRequest::builder().modification_amount(Amount::nok_minor(500));
//! let request = epayment.capture_payment().reference("acme-order-42").body(body);
//! let payment = transport
//!     .run(Call::new(&operations::CAPTURE_PAYMENT).key(&key), || request.clone().send())
//!     .await?;
//! println!("captured {}", payment.aggregate.captured_amount);
//! # Ok(()) }
//! ```
//!
//! The facade crate `vipps` adds names, defaults and checks; nothing here waits or chooses.

#[allow(clippy::all, clippy::pedantic, clippy::unwrap_used, missing_docs, unreachable_pub, unused_imports, rustdoc::all, reason = "written by the generator")]
#[rustfmt::skip]
mod generated;

pub mod enums;
pub mod limits;
pub mod operations;

pub use generated::{Client, builder, types};

vipps_core::connect!(crate);
