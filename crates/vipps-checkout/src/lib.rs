//! Vipps MobilePay Checkout API: a hosted checkout for payments and subscriptions. Sold to
//! Kustom, closed for new integrations, no end announced (November 2026).
//!
//! Types, operations and limits are generated from `openapi/checkout.yaml`. With
//! [`vipps_core`] this crate alone is a complete client:
//!
//! ```no_run
#![doc = include_str!("../examples/session.rs")]
//! ```
//!
//! The facade crate `vipps` adds names, defaults and checks; nothing here waits or chooses.

#[allow(
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    missing_docs,
    unreachable_pub,
    unused_imports,
    rustdoc::all,
    reason = "written by the generator"
)]
#[rustfmt::skip]
mod generated;

pub mod enums;
pub mod limits;
pub mod operations;
pub mod refusals;

pub use generated::{Client, builder, types};

vipps_core::connect!(crate);
