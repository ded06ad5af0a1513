//! Card passthrough: the PSP gets the card and reserves the money with its acquirer.

use serde_json::{Value, json};

use crate::customer::CustomerError;
use crate::deliver::{Kind, NewCall, Proof};
use crate::payment::Approval;
use crate::postman;
use crate::sandbox::Shared;
use crate::state::{PaymentId, World};

/// What came of a call to the PSP.
enum Outcome {
    Reserved,
    Failed,
    SoftDeclined,
    /// No answer in time, or one that makes no sense.
    Broken,
}

/// Asks the PSP; after a soft decline the customer identifies themselves and it is asked
/// once more, with the same attempt id and a new cryptogram.
pub(crate) async fn authorize(shared: &Shared, id: &PaymentId) -> Result<Approval, CustomerError> {
    let (attempt, first) = {
        let mut world = shared.lock();
        let now = world.settle();
        world.with_payment(id, now, |payment, _| payment.authorizing = true);
        let attempt = world.ids.uuid("card attempt");
        let call = call(&mut world, id, &attempt);
        (attempt, call)
    };
    let mut outcome = ask(shared, first).await;
    if matches!(outcome, Outcome::SoftDeclined) {
        let second = call(&mut shared.lock(), id, &attempt);
        outcome = match ask(shared, second).await {
            Outcome::SoftDeclined => Outcome::Broken,
            other => other,
        };
    }
    let mut world = shared.lock();
    let now = world.settle();
    let done = world.with_payment(id, now, |payment, moment| {
        payment.authorizing = false;
        match outcome {
            Outcome::Reserved => {
                payment.authorize(moment);
                Approval::Authorized
            }
            Outcome::Failed => {
                payment.fail_attempt(moment);
                Approval::Failed
            }
            // Nobody knows what the PSP did: the customer does not try again.
            Outcome::SoftDeclined | Outcome::Broken => {
                let _ = payment.abort(moment);
                Approval::Failed
            }
        }
    });
    done.ok_or_else(|| CustomerError::Unknown(id.reference.clone()))
}

async fn ask(shared: &Shared, call: Option<NewCall>) -> Outcome {
    let Some(call) = call else { return Outcome::Broken };
    let Ok(reply) = postman::ask(shared, call).await else { return Outcome::Broken };
    let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let url = answer["softDeclineUrl"].as_str().filter(|url| !url.is_empty());
    match (reply.status, answer["status"].as_str(), url) {
        (200, Some("RESERVE"), _) => Outcome::Reserved,
        (200, Some("FAIL"), _) => Outcome::Failed,
        (200, Some("SOFT_DECLINE"), Some(_)) => Outcome::SoftDeclined,
        _ => Outcome::Broken,
    }
}

/// The customer's card of one scheme.
pub(crate) struct Card {
    number: &'static str,
    scheme: &'static str,
    eci: &'static str,
}

impl Card {
    /// The card for one of `allowedCardTypes`.
    fn of_type(card_type: &str) -> Self {
        match card_type.starts_with("MC") {
            true => Self { number: "5226603115488031", scheme: "MASTERCARD", eci: "06" },
            // A Dankort is a Visa card as well.
            false => Self { number: "4895370013193500", scheme: "VISA", eci: "07" },
        }
    }

    /// The card that pays where the request has these terms.
    pub(crate) fn of_request(card_passthrough: &Value) -> Self {
        let allowed = card_passthrough["allowedCardTypes"].as_array().and_then(|types| types.first()?.as_str());
        Self::of_type(allowed.unwrap_or("VISA_DEBIT"))
    }

    /// The first six digits.
    pub(crate) fn bin(&self) -> &'static str {
        &self.number[..6]
    }
}

/// The call to `cardCallbackUrl`, signed with the client secret.
fn call(world: &mut World, id: &PaymentId, attempt: &str) -> Option<NewCall> {
    let cryptogram = world.ids.secret("cryptogram");
    let secret = world.options.client_secrets.first().cloned().unwrap_or_default();
    let back = format!("{}/landing", world.base_url);
    let record = world.payment(id)?;
    let country = world.market_of(&id.sales_unit).country();
    let request = record.card_passthrough.as_ref()?;
    let allowed = request["allowedCardTypes"].as_array().and_then(|types| types.first()?.as_str());
    let card = Card::of_type(allowed.unwrap_or("VISA_DEBIT"));
    let body = json!({
        "pspReference": request["pspReference"],
        "authorizationAttemptId": attempt,
        "merchantSerialNumber": id.sales_unit,
        "amount": { "currency": record.payment.currency.as_str(), "value": record.payment.value },
        "cardInfo": {
            "maskedCardNumber": format!("{}******{}", card.bin(), &card.number[12..]),
            "cardType": allowed.unwrap_or("VISA_DEBIT"),
            "cardIssuedInCountryCode": country,
            "cardDataType": "TOKEN",
            "networkToken": {
                "number": card.number, "expiryMonth": "03", "expiryYear": "2030",
                "cryptogram": cryptogram, "tokenType": card.scheme, "eci": card.eci,
            },
        },
        "softDeclineCompletedRedirectUrl": back,
    });
    Some(NewCall {
        kind: Kind::CardCallback,
        sales_unit: id.sales_unit.clone(),
        subject: format!("payment {}/{}", id.sales_unit, id.reference),
        url: request["cardCallbackUrl"].as_str().unwrap_or_default().to_owned(),
        body,
        proof: Proof::Signature(secret),
    })
}
