//! Recurring API, version 2: discontinued by Vipps, as stated in February 2025. What its hosts
//! answer today is not published.
//!
//! Only the charge operations take an idempotency key; every other write is sent once.

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

vipps_core::connect!(crate::v2);
