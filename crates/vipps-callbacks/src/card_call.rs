//! The card callback: the PSP of a card passthrough gets the card and reserves the money.

use std::fmt;

use serde_json::json;
use vipps_types::{Amount, OpaqueJson, Secret};

use crate::answer::web_address;
use crate::event::{Members, msn_of};
use crate::{Answer, AnswerError, Delivery, NetworkToken, Refusal};

/// Vipps calls the PSP at `cardPassthrough.cardCallbackUrl` when the customer has approved.
///
/// It is signed as deliveries are, with the PSP's client secret: a [`Verifier`](crate::Verifier)
/// that knows that address and that secret makes the [`Delivery`] it is read from. Answer within
/// 20 s, or the operation fails.
#[derive(Clone, PartialEq)]
pub struct CardCall {
    members: Members,
    msn: Option<String>,
    attempt_id: String,
}

impl TryFrom<&Delivery> for CardCall {
    type Error = Refusal;

    /// The call in a delivery that was signed with the client secret.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unreadable`] where it is none.
    fn try_from(delivery: &Delivery) -> Result<Self, Refusal> {
        let unreadable = |why| Refusal::Unreadable { why };
        let members = Members::read(delivery.body()).ok_or(unreadable("it is no JSON object"))?;
        let attempt_id = members.loose_text("authorizationAttemptId");
        let attempt_id = attempt_id.ok_or(unreadable("it has no authorizationAttemptId"))?.into_owned();
        Ok(Self { msn: msn_of(&members), attempt_id, members })
    }
}

impl CardCall {
    /// Names the attempt: the second call after a soft decline has the same, with a new
    /// cryptogram.
    #[must_use]
    pub fn authorization_attempt_id(&self) -> &str {
        &self.attempt_id
    }

    /// The PSP's reference of the payment.
    #[must_use]
    pub fn psp_reference(&self) -> Option<&str> {
        self.members.text("pspReference")
    }

    /// The merchant's sales unit (MSN).
    #[must_use]
    pub fn msn(&self) -> Option<&str> {
        self.msn.as_deref()
    }

    /// What to reserve; 0 for a change of card.
    #[must_use]
    pub fn amount(&self) -> Option<Amount> {
        self.members.amount("amount")
    }

    /// The kind of card, such as `VISA_DEBIT`: process this one, not one guessed from what was
    /// allowed.
    #[must_use]
    pub fn card_type(&self) -> Option<String> {
        Some(self.card()?.text("cardType")?.to_owned())
    }

    /// The number with its middle hidden.
    #[must_use]
    pub fn masked_card_number(&self) -> Option<Secret<String>> {
        Some(self.card()?.loose_text("maskedCardNumber")?.into_owned().into())
    }

    /// Which of [`network_token`](Self::network_token) and [`encrypted_pan`](Self::encrypted_pan) it
    /// brings: `TOKEN` or `PAN`.
    #[must_use]
    pub fn card_data_type(&self) -> Option<String> {
        Some(self.card()?.text("cardDataType")?.to_owned())
    }

    /// Where the card was issued.
    #[must_use]
    pub fn issuing_country(&self) -> Option<String> {
        Some(self.card()?.text("cardIssuedInCountryCode")?.to_owned())
    }

    /// The card as its network knows it.
    #[must_use]
    pub fn network_token(&self) -> Option<NetworkToken> {
        self.card()?.object("networkToken").map(NetworkToken)
    }

    /// The card's number, encrypted for the PSP; comes instead of a network token.
    #[must_use]
    pub fn encrypted_pan(&self) -> Option<Secret<String>> {
        Some(self.card()?.loose_text("encryptedPan")?.into_owned().into())
    }

    /// Where the customer goes after a soft decline was cleared.
    #[must_use]
    pub fn soft_decline_completed_redirect_url(&self) -> Option<Secret<String>> {
        self.members.text("softDeclineCompletedRedirectUrl").map(Secret::from)
    }

    /// The whole body.
    #[must_use]
    pub fn raw(&self) -> &OpaqueJson {
        self.members.raw()
    }

    /// The acquirer has reserved the amount, under this reference of the network.
    ///
    /// # Errors
    ///
    /// [`AnswerError`] where it is empty.
    pub fn reserve(&self, network_transaction_reference: &str) -> Result<CardAnswer, AnswerError> {
        let reference = network_transaction_reference;
        if reference.is_empty() {
            return Err(AnswerError::new("networkTransactionReference", "must not be empty"));
        }
        Ok(CardAnswer(Answer::ok(&json!({ "status": "RESERVE", "networkTransactionReference": reference }))))
    }

    /// The acquirer has not, with the PSP's code and words for it.
    #[must_use]
    pub fn fail(&self, code: u32, message: &str) -> CardAnswer {
        CardAnswer(Answer::ok(&json!({ "status": "FAIL", "errorCode": code, "errorMessage": message })))
    }

    /// The issuer wants the customer to go through 3-D Secure at this address; not in the
    /// second call of an attempt.
    ///
    /// # Errors
    ///
    /// [`AnswerError`] where it is none.
    pub fn soft_decline(&self, url: &str) -> Result<CardAnswer, AnswerError> {
        let url = web_address("softDeclineUrl", url)?;
        Ok(CardAnswer(Answer::ok(&json!({ "status": "SOFT_DECLINE", "softDeclineUrl": url }))))
    }

    fn card(&self) -> Option<Members> {
        self.members.object("cardInfo")
    }
}

/// Shows no card data.
impl fmt::Debug for CardCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CardCall").field("authorization_attempt_id", &self.attempt_id).finish_non_exhaustive()
    }
}

/// The answer to a [`CardCall`].
#[derive(Clone, Debug, PartialEq)]
pub struct CardAnswer(Answer);

impl From<CardAnswer> for Answer {
    fn from(answer: CardAnswer) -> Self {
        answer.0
    }
}
