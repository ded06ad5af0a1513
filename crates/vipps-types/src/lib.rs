//! The words that all Vipps MobilePay crates share.
//!
//! ```
//! use vipps_types::{Amount, Currency};
//!
//! let price: Amount = "499.00 NOK".parse()?;
//! assert_eq!(price, Amount::nok_minor(49_900));
//! assert_eq!(price.currency(), &Currency::Nok);
//! # Ok::<(), vipps_types::AmountError>(())
//! ```
//!
//! Nothing here sends, waits or retries: no HTTP and no async runtime is in the
//! dependency tree of this crate. `Environment` and `BaseUrl` are behind the feature
//! `environment`, for an address parser is many packages.

mod amount;
mod callback_url;
mod credentials;
#[cfg(feature = "environment")]
mod environment;
mod event_type;
mod idempotency;
mod limits;
mod loose_text;
mod opaque_json;
mod open_enum;
mod open_union;
mod personal;
mod timestamp;

pub use amount::{Amount, AmountError, Currency};
pub use callback_url::{CallbackUrl, CallbackUrlError};
pub use credentials::{Credentials, CredentialsError, MerchantSerialNumber};
#[cfg(feature = "environment")]
pub use environment::{BaseUrl, Environment, EnvironmentError};
pub use event_type::EventType;
pub use idempotency::{IdempotencyKey, IdempotencyKeyError};
pub use limits::{Pattern, Place, Violation};
pub use loose_text::LooseText;
pub use opaque_json::OpaqueJson;
pub use personal::{Personal, Secret};
pub use timestamp::Timestamp;

#[doc(hidden)]
pub mod __private {
    //! What the macros of this crate expand to; not for direct use.
    #[cfg(feature = "schemars")]
    pub use schemars;
    pub use serde;
    pub use serde_json;
}
