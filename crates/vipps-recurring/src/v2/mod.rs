//! Recurring API, version 2: deprecated by Vipps, for agreements that still live there.
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

pub use generated::{Client, builder, types};

vipps_core::connect!(crate::v2);
