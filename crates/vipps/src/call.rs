//! What the calls of all APIs share: their options, and how they are awaited.
#![cfg_attr(
    not(all(
        feature = "epayment",
        feature = "recurring",
        feature = "checkout",
        feature = "psp",
        feature = "webhooks"
    )),
    allow(dead_code, unused_macros, unused_imports, reason = "each API uses a part of it")
)]

use std::time::Duration;

use vipps_core::types::{IdempotencyKey, Place, Violation};
use vipps_core::{Call, Error, Operation};

use crate::client::Client;

/// What every call can be told.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) client: Client,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) sequence: Option<u64>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) max_attempts: Option<u32>,
}

impl Options {
    pub(crate) fn new(client: &Client) -> Self {
        Self { client: client.clone(), key: None, sequence: None, deadline: None, max_attempts: None }
    }

    /// The key of a write: given, derived from what it is about, or random.
    pub(crate) fn settle_key(&self, operation: &Operation, reference: &str) -> IdempotencyKey {
        match (&self.key, self.sequence) {
            (Some(key), _) => key.clone(),
            (None, Some(sequence)) => {
                IdempotencyKey::derived(self.client.sales_unit().as_str(), operation.id(), reference, sequence)
            }
            (None, None) => IdempotencyKey::random(),
        }
    }

    /// As [`Options::settle_key`], where the merchant's own name of the thing is optional: a
    /// key that is to be derived needs it, or two things would share one.
    pub(crate) fn settle_named_key(
        &self,
        operation: &'static Operation,
        name: Option<&str>,
        field: &str,
    ) -> Result<IdempotencyKey, Error> {
        let derived = self.key.is_none() && self.sequence.is_some();
        if derived && name.is_none_or(str::is_empty) {
            let broken = Place::ROOT.field(field).broken("is required to derive a key from it");
            return Err(self.call(operation).invalid(&broken));
        }
        Ok(self.settle_key(operation, name.unwrap_or_default()))
    }

    pub(crate) fn call(&self, operation: &'static Operation) -> Call {
        let mut call = Call::new(operation);
        if let Some(limit) = self.deadline {
            call = call.deadline(limit);
        }
        if let Some(attempts) = self.max_attempts {
            call = call.max_attempts(attempts);
        }
        call
    }
}

/// An address that Vipps sends people or calls to: https, or the scheme of an app where
/// that is allowed; http on this machine alone.
pub(crate) fn address(url: &str, at: &Place<'_>, app_scheme: bool) -> Result<(), Violation> {
    let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
    let named = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    let wanted = if app_scheme { "an https address, or one with the scheme of an app" } else { "an https address" };
    if !named || rest.trim_start_matches('/').is_empty() || url.contains(char::is_whitespace) {
        return Err(at.broken(format!("must be {wanted}")));
    }
    let host = rest.trim_start_matches("//").split(['/', '?', '#']).next().unwrap_or_default();
    let name = if host.starts_with("[::1]") { "[::1]" } else { host.split(':').next().unwrap_or_default() };
    let allowed = match scheme.to_ascii_lowercase().as_str() {
        "https" => true,
        "http" => matches!(name, "localhost" | "127.0.0.1" | "[::1]"),
        "javascript" | "data" | "file" => false,
        _ => app_scheme,
    };
    if allowed { Ok(()) } else { Err(at.broken(format!("must be {wanted}"))) }
}

/// A calendar date as requests carry it: `2026-12-24`.
#[cfg(feature = "recurring")]
pub(crate) fn date(text: &str, at: &Place<'_>) -> Result<(), Violation> {
    let number =
        |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<u32>().ok()).flatten();
    let fits = match text.split('-').collect::<Vec<_>>().as_slice() {
        [year, month, day] if (year.len(), month.len(), day.len()) == (4, 2, 2) => {
            number(year).zip(number(month)).zip(number(day)).is_some_and(|((year, month), day)| {
                let leaps = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
                let longest = match month {
                    2 => 28 + u32::from(leaps),
                    4 | 6 | 9 | 11 => 30,
                    _ => 31,
                };
                (1..=12).contains(&month) && (1..=longest).contains(&day)
            })
        }
        _ => false,
    };
    if fits { Ok(()) } else { Err(at.broken("must be a date such as 2026-12-24")) }
}

macro_rules! call {
    ($(#[$meta:meta])* $name:ident { $($field:ident: $kind:ty),* } -> $answer:ty) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        #[must_use = "nothing is sent before `send` or `.await`"]
        pub struct $name {
            pub(crate) options: $crate::call::Options,
            $(pub(crate) $field: $kind,)*
        }

        impl $name {
            /// How long this call may take with all its attempts and waits. Default: as the
            /// client has it, 30 s; zero is refused before sending.
            pub fn deadline(mut self, limit: std::time::Duration) -> Self {
                self.options.deadline = Some(limit);
                self
            }

            /// Attempts of this call, the first included; 1 means no retry. Default: as the
            /// client has it, 4; zero is refused before sending.
            pub fn max_attempts(mut self, attempts: u32) -> Self {
                self.options.max_attempts = Some(attempts);
                self
            }
        }

        /// As `send`.
        impl std::future::IntoFuture for $name {
            type Output = Result<vipps_core::Response<$answer>, vipps_core::Error>;
            type IntoFuture = std::pin::Pin<Box<dyn std::future::Future<Output = Self::Output> + Send>>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(self.send())
            }
        }
    };
}

macro_rules! keyed {
    ($($name:ident),*) => { $(
        impl $name {
            /// The key of this call: 1 to 50 characters (Recurring 1 to 40, without `#?/\\`).
            /// Default: a random one.
            ///
            /// Give the key of an earlier call to repeat it, whenever: it takes effect once.
            /// After a final refusal take a new one (see
            /// [`key_is_spent`](vipps_core::Refused::key_is_spent)), and never give it to another operation.
            /// A call that is dropped before it has answered, by a timeout around it, takes
            /// a random key with it: choose and keep the key first where that matters.
            pub fn idempotency_key(mut self, key: vipps_core::types::IdempotencyKey) -> Self {
                self.options.key = Some(key);
                self
            }
        }
    )* };
}

macro_rules! derivable {
    ($($name:ident),*) => { $(
        impl $name {
            /// A key derived from the sales unit, the operation, the merchant's or Vipps' name
            /// of the thing and this number, so that any process arrives at the same one.
            ///
            /// Count up for each further call of the same kind on the same thing, and after a
            /// final refusal: the same key would get the same refusal again.
            pub fn derived_key(mut self, sequence: u64) -> Self {
                self.options.sequence = Some(sequence);
                self
            }
        }
    )* };
}

/// A body whose builder lacks something: a defect here, told as a broken rule.
pub(crate) fn unbuilt(call: &Call, error: &dyn std::fmt::Display) -> Error {
    call.invalid(&Place::ROOT.field("body").broken(error.to_string()))
}

pub(crate) use {call, derivable, keyed};
