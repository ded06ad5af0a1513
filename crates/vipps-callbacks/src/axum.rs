//! For axum: extractors that own the body, and answers. Behind the feature `axum`.
//!
//! The extractors read the bytes themselves, so nobody can verify JSON that was parsed and
//! written again. What is refused is answered with a status and nothing else.

use axum::body::Body;
use axum::extract::{FromRef, FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use crate::token_auth::Callback;
use crate::{
    Answer, CardAnswer, CardCall, Delivery, LogisticsAnswer, MakePaymentAnswer, Refusal, ShippingAnswer, TokenAuth,
    Verifier,
};

/// The largest body that is read, in bytes: events are below 10 kB.
pub const MAX_BODY: usize = 1024 * 1024;

/// A verified delivery, by the [`Verifier`] in the router's state.
impl<S> FromRequest<S> for Delivery
where
    Verifier: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Rejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, Rejection> {
        let (head, body) = request.into_parts();
        let body = read(body).await?;
        Ok(Verifier::from_ref(state).verify(&head.headers, &body)?)
    }
}

/// A verified card callback, by the [`Verifier`] in the router's state.
impl<S> FromRequest<S> for CardCall
where
    Verifier: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Rejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, Rejection> {
        let delivery = Delivery::from_request(request, state).await?;
        Ok(Self::try_from(&delivery)?)
    }
}

/// A call whose token is right, by the [`TokenAuth`] in the router's state:
/// `async fn pay(Called(call): Called<MakePayment>) -> MakePaymentAnswer`.
#[derive(Clone, Debug, PartialEq)]
pub struct Called<T>(pub T);

impl<T, S> FromRequest<S> for Called<T>
where
    T: Callback,
    TokenAuth: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Rejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, Rejection> {
        let (head, body) = request.into_parts();
        let body = read(body).await?;
        Ok(Self(TokenAuth::from_ref(state).receive(&head.headers, &body)?))
    }
}

/// A call that nobody is asked a token for: dynamic logistics of Checkout, whose authorization is
/// not documented. What it says may be false.
#[derive(Clone, Debug, PartialEq)]
pub struct Unauthenticated<T>(pub T);

impl<T, S> FromRequest<S> for Unauthenticated<T>
where
    T: Callback,
    S: Send + Sync,
{
    type Rejection = Rejection;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Rejection> {
        let (head, body) = request.into_parts();
        let body = read(body).await?;
        Ok(Self(TokenAuth::anyone().receive(&head.headers, &body)?))
    }
}

async fn read(body: Body) -> Result<Bytes, Rejection> {
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Rejection::TooLarge),
        Err(_) => Err(Rejection::BrokenOff),
    }
}

/// Why a request does not reach its handler. A handler that takes a
/// `Result<Delivery, Rejection>` sees it and can log it; as a response it is a status without
/// a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// Status 413.
    #[error("the body has more than {MAX_BODY} bytes")]
    TooLarge,
    /// Status 400.
    #[error("the body did not come to its end")]
    BrokenOff,
    /// Status 401; 400 for a body that cannot be read, and 503 where no registration is known.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Rejection {
    /// The status that it is answered with.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::TooLarge => 413,
            Self::BrokenOff | Self::Refused(Refusal::Unreadable { .. }) => 400,
            // Vipps will come again.
            Self::Refused(Refusal::NoRegistration) => 503,
            Self::Refused(_) => 401,
        }
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        status(self.status()).into_response()
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        if self.body().is_empty() {
            return status(self.status()).into_response();
        }
        (status(self.status()), [(CONTENT_TYPE, "application/json")], self.body().to_owned()).into_response()
    }
}

macro_rules! answers {
    ($($name:ident),*) => { $(
        impl IntoResponse for $name {
            fn into_response(self) -> Response {
                Answer::from(self).into_response()
            }
        }
    )* };
}

answers!(CardAnswer, LogisticsAnswer, MakePaymentAnswer, ShippingAnswer);

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).expect("a status of ours")
}
