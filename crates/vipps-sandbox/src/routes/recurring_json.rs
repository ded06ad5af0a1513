//! How Recurring v3 shows agreements and charges.

use serde_json::{Value, json};

use crate::agreement::{Agreement, Campaign, Pricing, Status};
use crate::charge::Charge;
use crate::clock::{Millis, parse_rfc3339, rfc3339};
use crate::state::{World, country_of, sub_of};

/// `AgreementResponseV3`.
pub(crate) fn agreement_json(world: &World, agreement: &Agreement) -> Value {
    let terms = &agreement.terms;
    let currency = terms.currency.as_str();
    let mut answer = json!({
        "id": agreement.id,
        "uuid": agreement.uuid,
        "status": agreement.status.wire(),
        "productName": terms.product_name,
        "countryCode": country_of(agreement),
        "created": rfc3339(agreement.created),
        "start": agreement.started.map(rfc3339),
        "stop": agreement.stopped.filter(|_| agreement.status == Status::Stopped).map(rfc3339),
        "merchantRedirectUrl": terms.redirect_url,
        "campaign": terms.campaign.as_ref().filter(|campaign| is_running(campaign, agreement, world.clock.now()))
            .map(|campaign| campaign_json(campaign, agreement)),
        "pricing": match &terms.pricing {
            Pricing::Legacy { price } => json!({ "type": "LEGACY", "currency": currency, "amount": price }),
            Pricing::Variable { suggested, chosen: None } => {
                json!({ "type": "VARIABLE", "currency": currency, "suggestedMaxAmount": suggested })
            }
            Pricing::Variable { suggested, chosen } => json!({
                "type": "VARIABLE", "currency": currency, "suggestedMaxAmount": suggested, "maxAmount": chosen,
            }),
            Pricing::Flexible => json!({ "type": "FLEXIBLE", "currency": currency }),
        },
    });
    let optional = [
        ("productDescription", &terms.product_description),
        ("merchantAgreementUrl", &terms.agreement_url),
        ("externalId", &terms.external_id),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            answer[name] = value.as_str().into();
        }
    }
    if let Some(interval) = &terms.interval {
        let text = interval.text();
        answer["interval"] = json!({ "unit": interval.unit.wire(), "count": interval.count, "text": text });
    }
    if let (Status::Pending, Some(url)) = (agreement.status, &agreement.confirmation_url) {
        answer["vippsConfirmationUrl"] = url.as_str().into();
    }
    let event = |event: &crate::agreement::Event| json!({ "occurred": rfc3339(event.at), "event": event.name.wire(), "actor": event.actor.wire() });
    answer["history"] = agreement.history.iter().map(event).collect();
    if let Some(sub) = sub(world, agreement) {
        answer["userinfoUrl"] = format!("{}/vipps-userinfo-api/userinfo/{sub}", world.base_url).into();
        answer["sub"] = sub.into();
    }
    answer
}

/// The id of the customer at this merchant, where profile data was consented to.
pub(super) fn sub(world: &World, agreement: &Agreement) -> Option<String> {
    let consented = agreement.started?;
    agreement.terms.scope.as_ref().filter(|_| world.shows_sub(consented))?;
    let unit = &agreement.terms.sales_unit;
    Some(sub_of(unit, &world.person(unit, agreement.phone_number.as_deref()).phone_number))
}

/// Whether a campaign has not ended yet. One without a readable end never does.
fn is_running(campaign: &Campaign, agreement: &Agreement, now: Millis) -> bool {
    let end = match campaign {
        Campaign::Price { end, .. } | Campaign::Legacy { end, .. } => parse_rfc3339(end),
        Campaign::Period { period, .. } => Some(period.after(agreement.started.unwrap_or(agreement.created))),
        Campaign::Event { date, .. } => parse_rfc3339(date),
    };
    end.is_none_or(|end| now < end)
}

fn campaign_json(campaign: &Campaign, agreement: &Agreement) -> Value {
    let (kind, price) = match campaign {
        Campaign::Price { price, .. } => ("PRICE_CAMPAIGN", price),
        Campaign::Period { price, .. } => ("PERIOD_CAMPAIGN", price),
        Campaign::Event { price, .. } => ("EVENT_CAMPAIGN", price),
        Campaign::Legacy { price, .. } => ("LEGACY_CAMPAIGN", price),
    };
    let mut answer = json!({ "type": kind, "price": price, "explanation": "A lower price to begin with." });
    match campaign {
        Campaign::Price { end, .. } | Campaign::Legacy { end, .. } => answer["end"] = end.as_str().into(),
        Campaign::Period { period, .. } => {
            answer["period"] = json!({ "unit": period.unit.wire(), "count": period.count });
            answer["end"] = rfc3339(period.after(agreement.started.unwrap_or(agreement.created))).into();
        }
        Campaign::Event { date, text, .. } => {
            answer["eventDate"] = date.as_str().into();
            answer["eventText"] = text.as_str().into();
        }
    }
    answer
}

/// `ChargeResponseV3`.
pub(crate) fn charge_json(world: &World, charge: &Charge) -> Value {
    let terms = &charge.terms;
    let event = |event: &crate::charge::Event| {
        let mut line = json!({
            "occurred": rfc3339(event.at), "event": event.name.wire(), "amount": event.amount,
            "idempotencyKey": event.idempotency_key, "success": event.success,
        });
        if let Some(transaction_id) = &event.transaction_id {
            line["transactionId"] = transaction_id.as_str().into();
        }
        line
    };
    let mut answer = json!({
        "id": charge.id,
        "agreementId": charge.agreement,
        "status": charge.status.wire(),
        "type": terms.kind.wire(),
        "transactionType": if terms.direct { "DIRECT_CAPTURE" } else { "RESERVE_CAPTURE" },
        "processingMode": if terms.single_attempt { "SINGLE_ATTEMPT" } else { "MULTIPLE_ATTEMPTS" },
        "amount": terms.amount,
        "currency": terms.currency.as_str(),
        "description": terms.description,
        "due": rfc3339(terms.due),
        "retryDays": terms.retry_days,
        "transactionId": charge.transaction_id,
        "summary": { "captured": charge.captured, "refunded": charge.refunded, "cancelled": charge.cancelled },
        "history": charge.history.iter().map(event).collect::<Vec<_>>(),
    });
    if let Some(failure) = charge.failure {
        answer["failureReason"] = failure.wire().into();
        answer["failureDescription"] = failure.description().into();
    }
    let agreement = world.agreement(&charge.agreement).and_then(|agreement| agreement.terms.external_id.as_deref());
    for (name, value) in [("externalId", terms.external_id.as_deref()), ("externalAgreementId", agreement)] {
        if let Some(value) = value {
            answer[name] = value.into();
        }
    }
    answer
}
