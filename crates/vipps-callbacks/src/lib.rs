#![doc = include_str!("docs/receiving.md")]
#![cfg_attr(feature = "axum", doc = include_str!("docs/axum.md"))]

mod answer;
#[cfg(feature = "axum")]
pub mod axum;
mod card_call;
mod checkout;
mod clock;
mod diagnosis;
mod event;
mod freshness;
mod headers;
mod hub;
mod key;
mod make_payment;
mod refusal;
mod shipping;
mod signature;
#[cfg(feature = "signer")]
mod signer;
mod token_auth;
mod verifier;

pub use answer::{Answer, AnswerError};
pub use card_call::{CardAnswer, CardCall};
pub use checkout::{
    Carrier, Contact, DeliveryType, LogisticsAnswer, LogisticsOption, LogisticsRequest, SessionCompleted, SessionState,
};
pub use diagnosis::Mistake;
pub use event::{
    Actor, AgreementEvent, ChargeEvent, ChargeType, DonationEvent, Event, LoginPing, PaymentEvent, PaymentEventName,
    PostalAddress, ShippingDetails, UnknownEvent, UserCheckedIn, UserDetails,
};
pub use freshness::Freshness;
pub use hub::{HintHub, Hints};
pub use key::{EventKey, Subject, SubjectKind};
pub use make_payment::{
    AcceptedPayment, MakePayment, MakePaymentAnswer, NetworkToken, NotPaid, PaymentFailure, ReturnUrl,
    ThreeDSecureResult,
};
pub use refusal::Refusal;
pub use shipping::{ShippingAnswer, ShippingBrand, ShippingGroup, ShippingOption, ShippingRequest, ShippingType};
#[cfg(feature = "signer")]
pub use signer::Signer;
pub use token_auth::{Callback, EmptyToken, TokenAuth};
pub use verifier::{Delivery, Registration, RegistrationError, Verifier, VerifierBuilder};
pub use vipps_types::{Amount, CallbackUrlError, Currency, EventType, OpaqueJson, Personal, Secret, Timestamp};
