//! What is verified, what is refused, and what is read.
#![allow(clippy::unwrap_used, reason = "tests say what must be")]

mod calls;
mod diagnosis;
mod events;
mod fuzz;
mod mutations;
mod secrecy;
mod servers;
mod vectors;
mod verifying;

use std::time::{Duration, SystemTime};

use vipps_callbacks::{Freshness, Registration, Signer, Verifier};

pub(crate) const SECRET: &str = "c2FuZGJveC13ZWJob29rLXNlY3JldC0wMDAx";
pub(crate) const URL: &str = "https://shop.example/hooks/vipps?tenant=7";
pub(crate) const CAPTURED: &str = r#"{"msn":"123456","reference":"acme-42","pspReference":"4410027731","name":"CAPTURED","amount":{"currency":"DKK","value":8000},"timestamp":"2026-08-03T12:04:51.270Z","idempotencyKey":"acme-42-capture-1","success":true}"#;

/// Sat, 01 Aug 2026 10:00:00 GMT.
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_785_578_400)
}

pub(crate) fn registration() -> Registration {
    Registration::new(URL, SECRET).unwrap()
}

pub(crate) fn verifier() -> Verifier {
    Verifier::builder().registration(registration()).clock(now).build()
}

pub(crate) fn with_inbox() -> Verifier {
    Verifier::builder().registration(registration()).clock(now).freshness(Freshness::WithInbox).build()
}

/// The fields of a delivery as it is signed for a registration, so many seconds ago.
pub(crate) fn signed(registration: Registration, age: u64, body: &[u8]) -> Vec<(String, String)> {
    let fields = Signer::new(registration).sign(now() - Duration::from_secs(age), body);
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
