//! Why something that was sent is not taken.

use std::time::Duration;

use crate::Mistake;

/// Why a delivery or call is refused: one variant per cause.
///
/// For the receiver's own log; the sender is told a status and nothing else. No text of the
/// sender, no secret and no expected signature is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A header field is not there. Somebody else called, or a proxy took the field away.
    #[error("the header `{name}` is missing")]
    MissingHeader {
        /// Its name, in lower case.
        name: &'static str,
    },
    /// A header field came more than once, so that nobody can say which one was signed.
    #[error("the header `{name}` is there more than once")]
    RepeatedHeader {
        /// Its name, in lower case.
        name: &'static str,
    },
    /// A header field is not of the published form.
    #[error("the header `{name}` is malformed: {why}")]
    MalformedHeader {
        /// Its name, in lower case.
        name: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The body is not the one whose hash was sent. Verify the bytes as they came, before
    /// anything reads them.
    #[error("the body is not the one that was signed{}", told(mistakes))]
    BodyChanged {
        /// What fits, where [diagnosis](crate::VerifierBuilder::diagnose) looked for it.
        mistakes: Vec<Mistake>,
    },
    /// No registration's secret gives this signature: a forgery, another secret, or another
    /// address than the registered one.
    #[error("the signature is of no registration that is known{}", told(mistakes))]
    Signature {
        /// What fits, where [diagnosis](crate::VerifierBuilder::diagnose) looked for it.
        mistakes: Vec<Mistake>,
    },
    /// The signature is right and the delivery too old: a late retry, or a copy.
    #[error("signed {age:?} ago, more than {most:?}: take late retries by Freshness::WithInbox")]
    Stale {
        /// How long ago it was signed.
        age: Duration,
        /// The longest that is taken.
        most: Duration,
    },
    /// The signature is right and its time is to come: the clock of this machine is slow.
    #[error("signed {ahead:?} from now, more than {most:?}: is the clock of this machine right?")]
    Early {
        /// How far its time is ahead.
        ahead: Duration,
        /// The most that is taken.
        most: Duration,
    },
    /// The verifier has no registration at all.
    #[error("no registration is known: give the verifier the address and secret of one")]
    NoRegistration,
    /// The `Authorization` of a call is not the token that was agreed on.
    #[error("the token in `authorization` is not the expected one")]
    Token,
    /// The caller is right, and the body is not of the published form.
    #[error("the body cannot be read: {why}")]
    Unreadable {
        /// What is wrong with it; names members, never values.
        why: &'static str,
    },
}

/// The mistakes as the end of a sentence.
fn told(mistakes: &[Mistake]) -> String {
    let names: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    if names.is_empty() { String::new() } else { format!("; it fits if {}", names.join(", and ")) }
}
