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
use vipps_core::{Call, Error, KeyRule, KeyUse, Operation};

use crate::client::Client;

/// What every call can be told. Clones are the same call, with the same key.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) client: Client,
    operation: &'static Operation,
    key_use: KeyUse,
    /// The key is derived from what the call is about and this number.
    sequence: Option<u64>,
    is_first_use: bool,
    deadline: Option<Duration>,
    max_attempts: Option<u32>,
}

impl Options {
    /// Those of a new call, whose key is drawn here.
    pub(crate) fn new(client: &Client, operation: &'static Operation) -> Self {
        let key_use = match operation.key_rule() {
            KeyRule::Required(_) | KeyRule::Optional(_) if !operation.is_read() => KeyUse::drawn(),
            _ => KeyUse::keyless(),
        };
        let (sequence, is_first_use, deadline, max_attempts) = (None, false, None, None);
        Self { client: client.clone(), operation, key_use, sequence, is_first_use, deadline, max_attempts }
    }

    /// Those of a call that carries no key, though its operation would take one.
    #[cfg(feature = "psp")]
    pub(crate) fn keyless(client: &Client, operation: &'static Operation) -> Self {
        Self { key_use: KeyUse::keyless(), ..Self::new(client, operation) }
    }

    pub(crate) fn give_key(&mut self, key: IdempotencyKey) {
        (self.key_use, self.sequence) = (KeyUse::given(key), None);
    }

    pub(crate) fn derive_key(&mut self, sequence: u64) {
        (self.key_use, self.sequence) = (KeyUse::keyless(), Some(sequence));
    }

    pub(crate) fn say_first_use(&mut self) {
        self.is_first_use = true;
    }

    pub(crate) fn limit(&mut self, deadline: Duration) {
        self.deadline = Some(deadline);
    }

    pub(crate) fn limit_attempts(&mut self, attempts: u32) {
        self.max_attempts = Some(attempts);
    }

    /// The key and its use; `None` where one is to be derived and `name`, which tells what the
    /// call is about, is missing.
    pub(crate) fn key_use(&self, name: impl FnOnce() -> Option<String>) -> Option<KeyUse> {
        let key_use = match self.sequence {
            None => self.key_use.clone(),
            Some(sequence) => {
                let name = name().filter(|name| !name.is_empty())?;
                let sales_unit = self.client.sales_unit().as_str();
                let key = IdempotencyKey::derived(sales_unit, self.operation.word(), &name, sequence);
                self.key_use.clone().under(key)
            }
        };
        Some(if self.is_first_use { key_use.first_use() } else { key_use })
    }

    /// The call itself. `field` holds what a key is derived from.
    pub(crate) fn call(
        &self,
        subject: Option<String>,
        name: impl FnOnce() -> Option<String>,
        field: &str,
    ) -> Result<Call, Error> {
        let key_use = self.key_use(name);
        let lacks_name = key_use.is_none();
        let mut call = Call::with_key_use(self.operation, key_use.unwrap_or_else(KeyUse::keyless));
        if let Some(subject) = subject {
            call = call.subject(subject);
        }
        if let Some(limit) = self.deadline {
            call = call.deadline(limit);
        }
        if let Some(attempts) = self.max_attempts {
            call = call.max_attempts(attempts);
        }
        if lacks_name {
            // Two things would share one key.
            return Err(call.invalid(&Place::ROOT.field(field).broken("is required to derive a key from it")));
        }
        Ok(call)
    }
}

/// What a generated request is given as its key: the transport sends that of the call in its
/// place, and nothing is copied.
pub(crate) const KEY_OF_THE_CALL: &str = "";

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

/// A call with what it is about: by what errors and observers name it, and, after `key`, what a
/// derived key hashes, with the field that this comes from. Without `key` they are the same.
macro_rules! call {
    (
        $(#[$meta:meta])*
        $name:ident { $($field:ident: $kind:ty),* } -> $answer:ty,
        of $operation:ident, about |$it:ident| $subject:expr
        $(, key |$named:ident| $key_name:expr, from $source:literal)?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        #[must_use = "nothing is sent before `send` or `.await`"]
        pub struct $name {
            pub(crate) options: $crate::call::Options,
            $(pub(crate) $field: $kind,)*
        }

        impl $name {
            /// What is called.
            pub(crate) const OPERATION: &'static vipps_core::Operation = &operations::$operation;

            /// The key that every attempt will carry, to be kept before the call is sent; `None`
            /// where the operation takes none, or one is to be derived from a name that is missing.
            #[must_use]
            pub fn key(&self) -> Option<vipps_core::types::IdempotencyKey> {
                self.options.key_use(|| self.key_name())?.key().cloned()
            }

            fn subject(&self) -> Option<String> {
                let $it = self;
                $subject
            }

            $crate::call::key_name! { $(|$named| $key_name, from $source)? }

            pub(crate) fn call(&self) -> Result<vipps_core::Call, vipps_core::Error> {
                self.options.call(self.subject(), || self.key_name(), Self::KEY_SOURCE)
            }
        }

        $crate::call::limited!($name, "this call", "as the client has it, 30 s");

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

/// The limits of whatever has options.
macro_rules! limited {
    ($name:ident, $what:literal, $default:literal) => {
        impl $name {
            #[doc = concat!(
                "How long ", $what, " may take with all its attempts and waits, an attempt at most half of it. \
                 Default: ", $default, "; zero is refused before sending."
            )]
            pub fn deadline(mut self, limit: std::time::Duration) -> Self {
                self.options.limit(limit);
                self
            }

            #[doc = concat!(
                "Attempts of ", $what, ", the first included; 1 means no retry. Default: as the client has it, 4; \
                 zero is refused before sending."
            )]
            pub fn max_attempts(mut self, attempts: u32) -> Self {
                self.options.limit_attempts(attempts);
                self
            }
        }
    };
}

/// What a derived key hashes.
macro_rules! key_name {
    () => {
        const KEY_SOURCE: &'static str = "";

        fn key_name(&self) -> Option<String> {
            self.subject()
        }
    };
    (|$it:ident| $name:expr, from $source:literal) => {
        const KEY_SOURCE: &'static str = $source;

        fn key_name(&self) -> Option<String> {
            let $it = self;
            $name
        }
    };
}

macro_rules! keyed {
    ($($name:ident),*) => { $(
        impl $name {
            /// The key of this call: 1 to 50 characters (Recurring 1 to 40, without `#?/\\`).
            /// Default: a random one, drawn when the call is built; `key()` tells it, and
            /// clones of the call share it.
            ///
            /// Give the key of an earlier call to repeat it, whenever: it takes effect once.
            /// After a final refusal take a new one (see
            /// [`key_is_spent`](vipps_core::Refused::key_is_spent)), and never give it to another operation.
            /// A key that is given counts as used before, unless [`first_use`](Self::first_use)
            /// says otherwise.
            pub fn idempotency_key(mut self, key: vipps_core::types::IdempotencyKey) -> Self {
                self.options.give_key(key);
                self
            }

            /// Nobody has sent a request with this key before. An error then says that nothing
            /// happened where an earlier call would leave it open.
            pub fn first_use(mut self) -> Self {
                self.options.say_first_use();
                self
            }
        }
    )* };
}

macro_rules! derivable {
    ($($name:ident),*) => { $(
        impl $name {
            /// A key derived from the sales unit, the operation, the merchant's or Vipps' name
            /// of the thing and this number, so that any process arrives at the same one, with
            /// any version of this library.
            ///
            /// Count up for each further call of the same kind on the same thing, and after a
            /// final refusal: the same key would get the same refusal again.
            pub fn derived_key(mut self, sequence: u64) -> Self {
                self.options.derive_key(sequence);
                self
            }
        }
    )* };
}

/// A body whose builder lacks something: a defect here, told as a broken rule.
pub(crate) fn unbuilt(call: &Call, error: &dyn std::fmt::Display) -> Error {
    call.invalid(&Place::ROOT.field("body").broken(error.to_string()))
}

pub(crate) use {call, derivable, key_name, keyed, limited};
