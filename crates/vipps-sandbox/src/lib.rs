//! A stateful Vipps MobilePay on localhost: for tests and development, in any language,
//! with no credentials and no network.
//!
//! It has the real paths, rules, timers and errors, and a clock that can be moved. As a
//! library it runs inside a test:
//!
//! ```
//! use std::time::Duration;
//! use vipps_sandbox::{Fault, Sandbox};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sandbox = Sandbox::start().await?;
//! println!("a Vipps is at {}", sandbox.base_url());
//! sandbox.faults().next("capturePayment", Fault::reset_after_effect());
//! sandbox.clock().advance(Duration::from_secs(11 * 60)).await;
//! # Ok(()) }
//! ```
//!
//! As a binary, `vipps-sandbox --listen 127.0.0.1:4600`, it serves any HTTP client.
//! Default credentials: client id `test-client-id`, client secret `test-client-secret`,
//! subscription key `test-subscription-key`, MSN `123456`.
//!
#![doc = include_str!("docs/control-api.md")]
//!
#![doc = include_str!("docs/settings.md")]
//!
//! It depends on no client code and signs, checks and reads by its own, so that client and
//! server cannot share a mistake. It keeps nothing on disk and is no place for real data.

mod acts;
mod agreement;
mod answer;
mod card;
mod charge;
mod clock;
mod customer;
mod deliver;
mod faults;
mod foreign_events;
mod idempotency;
mod identifiers;
mod journal;
mod ledger;
mod magic;
mod options;
mod pages;
mod payment;
mod postman;
mod problem;
mod psp;
mod rate_limit;
mod redact;
mod refusal;
mod routes;
mod sandbox;
mod schema;
mod server;
mod session;
mod settings;
mod state;
mod visitors;
mod webhook;

pub use customer::{Customer, CustomerError};
pub use faults::Fault;
pub use options::{ClockMode, Market, Options, Profile, RateLimitWindow};
pub use sandbox::{FaultScript, Sandbox, StartError, VirtualClock};
pub use schema::{exchange_violations, request_violations};
