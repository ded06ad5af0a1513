//! What keeps a client from being built.

use std::time::Duration;

use crate::error::Source;

/// A client that cannot be built. Found without any network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A `Vipps-System-*` value must be 1 to 30 visible ASCII characters.
    #[error("`{header}` must be 1 to 30 visible ASCII characters: shorten System's names and versions")]
    System {
        /// The header in question.
        header: &'static str,
    },
    /// A cached token would never be fresh.
    #[error("refresh slack {0:?} is too long: it must be below 30 min, since test tokens live 1 h")]
    SlackTooLong(Duration),
    /// A limit of zero would fail every call.
    #[error("{0} must be more than zero")]
    Zero(&'static str),
    /// An attempt would take as long as its call, so that nothing could be repeated.
    #[error("attempt_timeout ({attempt:?}) must be shorter than deadline ({deadline:?}), or nothing could be repeated")]
    AttemptTooLong {
        /// The limit of an attempt.
        attempt: Duration,
        /// The limit of a call.
        deadline: Duration,
    },
    /// The environment is http on another machine.
    #[error(
        "{0} has no TLS and is not this machine: take https, or call allow_plain_http where everybody may read the keys"
    )]
    PlainHttp(String),
    /// The environment is https and this build has no TLS.
    #[error("{0} needs TLS: turn on the feature `rustls`, or bring it with TransportBuilder::http")]
    NoTls(String),
    /// The HTTP client could not be set up.
    #[error("the HTTP client cannot be set up; on a machine without certificates, install `ca-certificates`")]
    HttpClient(#[source] Source),
}
