//! How a call to Vipps MobilePay is made: authentication, attempts, retries, verdicts.
//!
//! This crate knows HTTP and the conventions that all Vipps APIs share, and no API. An API
//! crate beside it is a complete client:
//!
//! ```no_run
//! use vipps_core::{Auth, Call, KeyRule, Operation, Transport};
//! use vipps_core::types::{Credentials, Environment};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let transport = Transport::builder(Environment::Test, Credentials::from_env()?).build()?;
//! // let epayment = vipps_epayment::Client::with_transport(&transport);
//! // let payment = transport
//! //     .run(Call::new(&operations::GET_PAYMENT), || epayment.get_payment().reference("acme-1042").send())
//! //     .await?;
//! # Ok(()) }
//! ```
//!
//! One call is 1 to n attempts; all share one idempotency key and one body. The only loop
//! is in `call.rs`. Nothing here pools work, queues or polls.

mod attempt;
mod backoff;
mod budget;
mod call;
mod clock;
mod config_error;
mod course;
mod error;
mod key_use;
mod observe;
mod operation;
mod outcome;
mod prepare;
mod problem;
mod reading;
mod response;
mod retry;
mod system;
mod token;
mod transport;

pub use call::Call;
pub use clock::{Clock, SystemClock, Timer};
pub use config_error::ConfigError;
pub use error::{Error, Indeterminate, InvalidRequest, Mismatched, NotSent, Refused, Report, TokenError, Unreadable};
pub use key_use::KeyUse;
pub use observe::{CallFacts, Event, Observer};
pub use operation::{Asked, Auth, Echo, KeyCheck, KeyRule, Means, Operation, Refusal, Repeat};
pub use outcome::{Effect, NextStep};
pub use prepare::Prepared;
pub use problem::{Problem, ProblemField, ProblemShape};
pub use reading::OddMember;
pub use response::Response;
pub use retry::RetryPolicy;
pub use system::System;
pub use transport::{RandomBelow, Transport, TransportBuilder};

/// One segment of a path: everything but letters, digits, `-`, `_`, `.` and `~` is
/// percent-encoded, a backslash too, which addresses would take for a slash.
#[doc(hidden)]
#[must_use]
pub fn encode_segment(text: &str) -> std::borrow::Cow<'_, str> {
    const KEPT: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    // References are nearly always as they are.
    match text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~')) {
        true => text.into(),
        false => percent_encoding::utf8_percent_encode(text, KEPT).to_string().into(),
    }
}

/// The vocabulary of all Vipps crates, from `vipps-types`.
pub use vipps_types as types;

/// Ties a generated client to the [`Transport`]: its constructor and the two hooks.
///
/// The argument is the crate's or module's own path; `generated` and `operations` are
/// looked up below it.
#[doc(hidden)]
#[macro_export]
macro_rules! connect {
    ($($root:tt)+) => {
        impl $($root)+::generated::Client {
            /// A client whose every request is completed, authenticated and checked by `transport`.
            #[must_use]
            pub fn with_transport(transport: &$crate::Transport) -> Self {
                Self::new_with_client(transport.base_url(), transport.http_client().clone(), transport.clone())
            }
        }

        impl ::progenitor_client::ClientHooks<$crate::Transport> for $($root)+::generated::Client {
            async fn pre<E>(
                &self,
                request: &mut ::reqwest::Request,
                info: &::progenitor_client::OperationInfo,
            ) -> ::std::result::Result<(), ::progenitor_client::Error<E>> {
                use ::progenitor_client::ClientInfo as _;
                self.inner().decorate(request, $($root)+::operations::named(info.operation_id)).await
            }

            async fn exec(
                &self,
                request: ::reqwest::Request,
                info: &::progenitor_client::OperationInfo,
            ) -> ::reqwest::Result<::reqwest::Response> {
                use ::progenitor_client::ClientInfo as _;
                self.inner().exchange(request, $($root)+::operations::named(info.operation_id)).await
            }
        }
    };
}
