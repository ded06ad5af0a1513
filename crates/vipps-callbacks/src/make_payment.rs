//! makePayment: Vipps hands a card token to the PSP, or says that the customer did not pay.

use std::fmt;

use serde_json::json;
use vipps_types::{OpaqueJson, Secret};

use crate::answer::web_address;
use crate::event::{Members, msn_of};
use crate::token_auth::{Callback, sealed};
use crate::{Answer, AnswerError, Refusal};

/// Vipps calls the PSP at `makePaymentUrl`, within ten minutes of the initiation.
///
/// Answer within 15 s, in any case: a later answer, another status or an unreadable body fails
/// the payment for good.
#[derive(Clone, Debug, PartialEq)]
pub enum MakePayment {
    /// The customer confirmed: reserve the money with the acquirer, then answer.
    Accepted(AcceptedPayment),
    /// The customer cancelled: only [`NotPaid::acknowledge`] can be answered.
    Cancelled(NotPaid),
    /// The customer did not confirm in time: only [`NotPaid::acknowledge`] can be answered.
    TimedOut(NotPaid),
    /// A state that this version does not know: no card is to be charged. Every state that comes is
    /// one of these four.
    Unknown(NotPaid),
}

impl sealed::Sealed for MakePayment {}

impl Callback for MakePayment {
    fn read(body: &[u8]) -> Result<Self, Refusal> {
        let unreadable = |why| Refusal::Unreadable { why };
        let members = Members::read(body).ok_or(unreadable("it is no JSON object"))?;
        let id = members.loose_text("pspTransactionId").ok_or(unreadable("it has no pspTransactionId"))?.into_owned();
        let state = members.text("paymentState").ok_or(unreadable("it has no paymentState"))?.to_owned();
        let msn = msn_of(&members);
        let not_paid =
            |members| NotPaid { psp_transaction_id: id.clone(), state: state.clone(), msn: msn.clone(), members };
        Ok(match state.as_str() {
            "ACCEPTED" => Self::Accepted(AcceptedPayment { psp_transaction_id: id, msn, members }),
            "USER_CANCEL" => Self::Cancelled(not_paid(members)),
            "TIMEOUT" => Self::TimedOut(not_paid(members)),
            _ => Self::Unknown(not_paid(members)),
        })
    }
}

impl MakePayment {
    /// The PSP's id of the payment.
    #[must_use]
    pub fn psp_transaction_id(&self) -> &str {
        match self {
            Self::Accepted(call) => call.psp_transaction_id(),
            Self::Cancelled(call) | Self::TimedOut(call) | Self::Unknown(call) => call.psp_transaction_id(),
        }
    }
}

/// The customer confirmed: the card token, and the three answers there are.
///
/// After [`soft_decline`](Self::soft_decline) the customer goes through 3-D Secure, and a second
/// call with a new cryptogram follows: answer that one with [`ok`](Self::ok) or
/// [`fail`](Self::fail).
#[derive(Clone, PartialEq)]
pub struct AcceptedPayment {
    psp_transaction_id: String,
    msn: Option<String>,
    members: Members,
}

impl AcceptedPayment {
    /// The PSP's id of the payment.
    #[must_use]
    pub fn psp_transaction_id(&self) -> &str {
        &self.psp_transaction_id
    }

    /// The merchant's sales unit (MSN).
    #[must_use]
    pub fn msn(&self) -> Option<&str> {
        self.msn.as_deref()
    }

    /// What pays: `TOKEN`.
    #[must_use]
    pub fn payment_instrument(&self) -> Option<&str> {
        self.members.text("paymentInstrument")
    }

    /// A token of the user, of older integrations.
    #[must_use]
    pub fn user_token(&self) -> Option<Secret<String>> {
        Some(self.members.loose_text("userToken")?.into_owned().into())
    }

    /// The first digits of the card.
    #[must_use]
    pub fn bin_number(&self) -> Option<String> {
        Some(self.members.loose_text("binNumber")?.into_owned())
    }

    /// What the acquirer needs. `None` where the call has none, which ends in
    /// [`fail`](Self::fail).
    #[must_use]
    pub fn network_token(&self) -> Option<NetworkToken> {
        self.members.object("networkToken").map(NetworkToken)
    }

    /// Where the customer goes after 3-D Secure; hand them to it with all their parameters.
    #[must_use]
    pub fn return_urls(&self) -> Vec<ReturnUrl> {
        let operations = self.members.objects("operations").into_iter();
        operations
            .filter_map(|operation| {
                let after = operation.text("operation")?.into();
                Some(ReturnUrl { after, url: operation.text("url")?.to_owned() })
            })
            .collect()
    }

    /// The whole body.
    #[must_use]
    pub fn raw(&self) -> &OpaqueJson {
        self.members.raw()
    }

    /// The acquirer has reserved the money.
    #[must_use]
    pub fn ok(&self) -> MakePaymentAnswer {
        let info = json!({ "pspTransactionId": self.psp_transaction_id, "status": "OK" });
        MakePaymentAnswer(Answer::ok(&json!({ "paymentInfo": info })))
    }

    /// The acquirer has not: the payment is over.
    #[must_use]
    pub fn fail(&self, reason: PaymentFailure) -> MakePaymentAnswer {
        failed(&self.psp_transaction_id, &reason)
    }

    /// The issuer wants the customer to go through 3-D Secure, at this address.
    ///
    /// # Errors
    ///
    /// [`AnswerError`] where it is none.
    pub fn soft_decline(&self, url: &str) -> Result<MakePaymentAnswer, AnswerError> {
        let url = web_address("url3dSecure", url)?;
        let info = json!({
            "pspTransactionId": self.psp_transaction_id, "status": "SOFT_DECLINE", "url3dSecure": url,
        });
        let message = json!({ "errorId": 1036, "errorText": "Soft Decline" });
        Ok(MakePaymentAnswer(Answer::ok(&json!({ "paymentInfo": info, "errorMessage": message }))))
    }
}

/// Shows no card data.
impl fmt::Debug for AcceptedPayment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcceptedPayment")
            .field("psp_transaction_id", &self.psp_transaction_id)
            .field("msn", &self.msn)
            .finish_non_exhaustive()
    }
}

/// The customer did not pay.
#[derive(Clone, PartialEq)]
pub struct NotPaid {
    psp_transaction_id: String,
    state: String,
    msn: Option<String>,
    members: Members,
}

impl NotPaid {
    /// The PSP's id of the payment.
    #[must_use]
    pub fn psp_transaction_id(&self) -> &str {
        &self.psp_transaction_id
    }

    /// The merchant's sales unit (MSN).
    #[must_use]
    pub fn msn(&self) -> Option<&str> {
        self.msn.as_deref()
    }

    /// What Vipps says: `USER_CANCEL`, `TIMEOUT`, or something new.
    #[must_use]
    pub fn state(&self) -> &str {
        &self.state
    }

    /// The whole body.
    #[must_use]
    pub fn raw(&self) -> &OpaqueJson {
        self.members.raw()
    }

    /// The one answer there is: FAIL with error 93.
    #[must_use]
    pub fn acknowledge(&self) -> MakePaymentAnswer {
        failed(
            &self.psp_transaction_id,
            &PaymentFailure { id: 93, text: format!("Status from Vipps: {}", self.word()) },
        )
    }

    fn word(&self) -> &'static str {
        match self.state.as_str() {
            "USER_CANCEL" => "CANCEL",
            "TIMEOUT" => "TIMEOUT",
            _ => "NO",
        }
    }
}

impl fmt::Debug for NotPaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotPaid")
            .field("psp_transaction_id", &self.psp_transaction_id)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

fn failed(psp_transaction_id: &str, reason: &PaymentFailure) -> MakePaymentAnswer {
    let info = json!({ "pspTransactionId": psp_transaction_id, "status": "FAIL" });
    let message = json!({ "errorId": reason.id, "errorText": reason.text });
    MakePaymentAnswer(Answer::ok(&json!({ "paymentInfo": info, "errorMessage": message })))
}

/// Why a payment failed, by the published numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentFailure {
    id: u32,
    text: String,
}

macro_rules! failures {
    ($($(#[$meta:meta])* $name:ident = $id:literal $text:literal),* $(,)?) => { $(
        $(#[$meta])*
        #[must_use]
        pub fn $name() -> Self {
            Self { id: $id, text: $text.to_owned() }
        }
    )* };
}

impl PaymentFailure {
    failures! {
        /// 71.
        invalid_request = 71 "Invalid request",
        /// 81.
        no_such_issuer = 81 "No such issuer",
        /// 82.
        refused_by_issuer = 82 "Refused by Issuer",
        /// 83.
        suspected_fraud = 83 "Suspected fraud",
        /// 84.
        exceeds_withdrawal_limit = 84 "Exceeds withdrawal amount limit",
        /// 85.
        response_too_late = 85 "Response received too late",
        /// 86.
        expired_card = 86 "Expired card",
        /// 87.
        invalid_card_number = 87 "Invalid card number",
        /// 88.
        credit_card_not_allowed = 88 "Merchant does not allow credit cards",
        /// 89.
        insufficient_funds = 89 "Insufficient funds",
        /// 91.
        internal_error = 91 "Internal error",
        /// 94, for a soft decline that the PSP does not handle.
        unhandled_soft_decline = 94 "Unhandled soft decline",
    }

    /// 72, in words of the PSP's own; "Other" where there are none.
    pub fn other(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { id: 72, text: if text.trim().is_empty() { "Other".to_owned() } else { text } }
    }
}

/// The answer to a [`MakePayment`]: made from the call, so that it fits it.
#[derive(Clone, Debug, PartialEq)]
pub struct MakePaymentAnswer(Answer);

impl From<MakePaymentAnswer> for Answer {
    fn from(answer: MakePaymentAnswer) -> Self {
        answer.0
    }
}

vipps_types::open_enum! {
    /// How 3-D Secure ended.
    pub enum ThreeDSecureResult {
        /// The customer proved who they are.
        Success = "3dssuccess",
        /// The customer cancelled.
        Cancel = "3dscancel",
        /// It failed.
        Failure = "3dsfailure",
    }
}

/// Where the customer goes after 3-D Secure.
#[derive(Clone, PartialEq)]
pub struct ReturnUrl {
    after: ThreeDSecureResult,
    url: String,
}

impl ReturnUrl {
    /// How it ended.
    #[must_use]
    pub fn after(&self) -> &ThreeDSecureResult {
        &self.after
    }

    /// The address; its parameters matter.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// Shows no address: its parameters let the holder act.
impl fmt::Debug for ReturnUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReturnUrl").field("after", &self.after).finish_non_exhaustive()
    }
}

/// A card as its network knows it: charges money, so keep and log nothing of it.
#[derive(Clone, PartialEq)]
pub struct NetworkToken(pub(crate) Members);

macro_rules! token {
    ($($(#[$meta:meta])* $method:ident = $member:literal),* $(,)?) => {
        impl NetworkToken { $(
            $(#[$meta])*
            #[must_use]
            pub fn $method(&self) -> Option<Secret<String>> {
                Some(self.0.loose_text($member)?.into_owned().into())
            }
        )* }
    };
}

token! {
    /// The number, 16 to 19 digits.
    number = "number",
    /// The cryptogram, in base64; good for one reservation.
    cryptogram = "cryptogram",
    /// The month it expires in: `MM`.
    expiry_month = "expiryMonth",
    /// The year it expires in: `YYYY`, and `YY` in some examples.
    expiry_year = "expiryYear",
}

impl NetworkToken {
    /// The network: `VISA`, `MASTERCARD`.
    #[must_use]
    pub fn token_type(&self) -> Option<&str> {
        self.0.text("tokenType")
    }

    /// The electronic commerce indicator: `07` for Visa, `06` for Mastercard.
    #[must_use]
    pub fn eci(&self) -> Option<String> {
        Some(self.0.loose_text("eci")?.into_owned())
    }
}

/// Shows nothing.
impl fmt::Debug for NetworkToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NetworkToken(..)")
    }
}
