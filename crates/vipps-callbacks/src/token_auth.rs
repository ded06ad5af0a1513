//! Calls that are authorized by a token the merchant chose, and not signed.

use std::fmt;

use vipps_types::Secret;

use crate::Refusal;
use crate::headers::Headers;
use crate::signature::is_token;

const AUTHORIZATION: &str = "authorization";

/// A call of Vipps that a [`TokenAuth`] lets in: [`SessionCompleted`](crate::SessionCompleted),
/// [`LogisticsRequest`](crate::LogisticsRequest), [`ShippingRequest`](crate::ShippingRequest),
/// [`MakePayment`](crate::MakePayment).
pub trait Callback: Sized + sealed::Sealed {
    /// Reads a body whose caller is known.
    #[doc(hidden)]
    fn read(body: &[u8]) -> Result<Self, Refusal>;
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// Lets calls in by the token that the merchant gave when it asked for them
/// (`callbackAuthorizationToken`, `makePaymentToken`): the value of `Authorization`, with no
/// scheme in front. It is the only proof of these calls, so draw a long random one.
///
/// ```
/// use vipps_callbacks::{SessionCompleted, TokenAuth};
///
/// let auth = TokenAuth::new("a-long-random-text")?;
/// let headers = [("Authorization", "a-long-random-text")];
/// let body = br#"{"sessionId":"7","reference":"acme-42","sessionState":"PaymentSuccessful"}"#;
/// let session: SessionCompleted = auth.receive(headers, body)?;
/// assert_eq!(session.reference(), "acme-42");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TokenAuth {
    /// Empty for an endpoint that asks nobody.
    tokens: Vec<Secret<String>>,
}

impl TokenAuth {
    /// Lets in who has this token.
    ///
    /// # Errors
    ///
    /// [`EmptyToken`] for an empty one, which anyone has.
    pub fn new(token: impl Into<Secret<String>>) -> Result<Self, EmptyToken> {
        Self { tokens: Vec::new() }.or(token)
    }

    /// Lets in who has this token as well: while one is replaced by another.
    ///
    /// # Errors
    ///
    /// [`EmptyToken`] for an empty one.
    pub fn or(mut self, token: impl Into<Secret<String>>) -> Result<Self, EmptyToken> {
        let token = token.into();
        if token.reveal().trim().is_empty() {
            return Err(EmptyToken(()));
        }
        self.tokens.push(token);
        Ok(self)
    }

    /// Lets everyone in: for calls whose authorization is not documented (dynamic logistics of
    /// Checkout) or that were asked for without a token. What such a call says may be false.
    #[must_use]
    pub fn anyone() -> Self {
        Self { tokens: Vec::new() }
    }

    /// Reads a call whose token is right: its header fields in any order and case, and its body.
    ///
    /// # Errors
    ///
    /// [`Refusal`] by the cause; [`Unreadable`](Refusal::Unreadable) only where the token is
    /// right.
    pub fn receive<T, K, V>(&self, headers: impl IntoIterator<Item = (K, V)>, body: &[u8]) -> Result<T, Refusal>
    where
        T: Callback,
        K: AsRef<str>,
        V: AsRef<[u8]>,
    {
        if !self.tokens.is_empty() {
            let headers = Headers::read([AUTHORIZATION], headers);
            let given = headers.one(AUTHORIZATION)?;
            // All are compared, so that the time does not tell which one it is.
            let fits = self.tokens.iter().map(|token| is_token(token.reveal().trim().as_bytes(), given));
            if !fits.fold(false, |any, one| any | one) {
                return Err(Refusal::Token);
            }
        }
        T::read(body)
    }
}

/// Shows no token.
impl fmt::Debug for TokenAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenAuth").field("tokens", &self.tokens.len()).finish()
    }
}

/// A token that is empty, and so lets everyone in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token is empty: is its variable set? To ask for none, call TokenAuth::anyone")]
pub struct EmptyToken(());
