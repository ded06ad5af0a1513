//! Recurring API v2, deprecated: another view of the agreements and charges of v3.

use serde_json::{Value, json};
use vipps_types::Currency;

use super::agreement_draft::{campaign_form, initial_charge, redirect};
use super::api::Request;
use super::body::{self, Address, address, text};
use super::recurring::{agreement_of, charge_of, charge_status, charges_of, create_charge, due_day, no_charge};
use super::recurring_json::sub;
use crate::agreement::{Actor, Agreement, Campaign, Interval, Pricing, Status, Terms, Unit};
use crate::answer::Answer;
use crate::charge::{self, Charge, Kind};
use crate::clock::{Millis, rfc3339};
use crate::refusal::Refusal;
use crate::state::{ChargeId, Draft, World};

pub(super) fn answer(world: &mut World, request: &Request<'_>, key: &str, now: Millis) -> Result<Answer, Refusal> {
    let mut body = body::read(world, request)?;
    body::numbers_as_texts(world, request, &mut body, &["/customerPhoneNumber"]);
    match request.id() {
        "ListAgreements" => return list_agreements(world, request),
        "DraftAgreement" => return draft(world, request, &body, now),
        _ => {}
    }
    let agreement = agreement_of(world, request)?.clone();
    shown_in_v2(&agreement)?;
    match request.id() {
        "FetchAgreement" => Ok(Answer::json(200, &agreement_json(world, &agreement))),
        "UpdateAgreementPut" | "UpdateAgreementPatch" => update(world, request, &agreement, &body, now),
        "acceptUsingPATCH" => {
            body::check(request, &body)?;
            world.accept(&agreement.id, true, None, now)?;
            Ok(Answer::json(200, &json!({})))
        }
        "ListCharges" => {
            let wanted = charge_status(request.query("chargeStatus").as_deref(), "chargeStatus")?;
            let unit = &agreement.terms.sales_unit;
            let ids = charges_of(world, &agreement, wanted);
            let charges =
                ids.iter().filter_map(|id| world.charge(&ChargeId { sales_unit: unit.clone(), id: id.clone() }));
            Ok(Answer::json(200, &charges.map(charge_json).collect()))
        }
        "CreateCharge" => {
            body::check(request, &body)?;
            let (terms, order_id) = charge_terms(world, &body, now)?;
            let id = create_charge(world, &agreement, terms, order_id, key, now)?;
            Ok(Answer::json(201, &json!({ "chargeId": id.id })))
        }
        _ => act_on_charge(world, request, &agreement, &body, key, now),
    }
}

fn act_on_charge(
    world: &mut World,
    request: &Request<'_>,
    agreement: &Agreement,
    body: &Value,
    key: &str,
    now: Millis,
) -> Result<Answer, Refusal> {
    let id = charge_of(world, request, agreement)?;
    match request.id() {
        "FetchCharge" => {}
        "CancelCharge" => {
            let key = request.header("idempotency-key").unwrap_or("v2");
            world.with_charge(&id, now, |charge, moment| charge.cancel(key, moment)).ok_or_else(no_charge)??;
        }
        "CaptureCharge" => {
            // Without a body, it is always for the whole rest.
            world
                .with_charge(&id, now, |charge, moment| charge.capture(charge.remaining().max(1), key, moment))
                .ok_or_else(no_charge)??;
            return Ok(Answer::json(200, &json!({})));
        }
        _ => {
            body::check(request, body)?;
            let amount = body["amount"].as_i64().unwrap_or_default();
            world
                .with_charge(&id, now, |charge, moment| charge.refund(amount, key, moment))
                .ok_or_else(no_charge)??;
            return Ok(Answer::json(200, &json!({})));
        }
    }
    Ok(Answer::json(200, &charge_json(world.charge(&id).ok_or_else(no_charge)?)))
}

/// v2 knows NOK alone, and prices of two kinds.
fn shown_in_v2(agreement: &Agreement) -> Result<(), Refusal> {
    let Terms { pricing, currency, interval, .. } = &agreement.terms;
    match (pricing, currency) {
        (Pricing::Legacy { .. } | Pricing::Variable { .. }, Currency::Nok) if interval.is_some() => Ok(()),
        _ => Err(Refusal::problem("unsupported-feature", "The agreement cannot be shown in v2: use v3.")),
    }
}

fn list_agreements(world: &World, request: &Request<'_>) -> Result<Answer, Refusal> {
    let wanted = request.query("status").unwrap_or_else(|| "ACTIVE".into());
    if !Status::ALL.iter().any(|status| status.wire() == wanted) {
        return Err(Refusal::field("status", "must be one of PENDING, ACTIVE, STOPPED, EXPIRED"));
    }
    let after = match request.query("createdAfter").map(|text| text.parse::<i64>()) {
        None => -1,
        Some(Ok(after)) => after,
        Some(Err(_)) => return Err(Refusal::field("createdAfter", "must be milliseconds since 1970")),
    };
    let unit = request.sales_unit(world);
    let mut found: Vec<&Agreement> = world
        .agreements()
        .filter(|agreement| agreement.terms.sales_unit == unit && agreement.status.wire() == wanted)
        .filter(|agreement| agreement.created > after && shown_in_v2(agreement).is_ok())
        .collect();
    found.sort_by_key(|agreement| std::cmp::Reverse(agreement.number));
    Ok(Answer::json(200, &found.into_iter().map(|agreement| agreement_json(world, agreement)).collect()))
}

/// There is no key: the same request again is a second agreement.
fn draft(world: &mut World, request: &Request<'_>, body: &Value, now: Millis) -> Result<Answer, Refusal> {
    tolerate_short_phone(world, request, body)?;
    let in_app = body["isApp"] == true;
    let redirect_url = text(body, "merchantRedirectUrl").unwrap_or_default();
    if !in_app {
        redirect(world, request, &redirect_url)?;
    }
    let agreement_url = text(body, "merchantAgreementUrl");
    if !in_app {
        management_page(agreement_url.as_deref())?;
    }
    let without_landing = body["skipLandingPage"] == true;
    if without_landing && !world.settings.skip_landing_page_allowed {
        let detail = "The sales unit may not skip the landing page.".into();
        return Err(Refusal::Problem { identifier: "unsupported-feature", status: 403, detail });
    }
    let price = body["price"].as_i64().unwrap_or_default();
    let pricing = match body["variableAmount"]["suggestedMaxAmount"].as_i64() {
        Some(suggested) => Pricing::Variable { suggested, chosen: None },
        None if price < 0 => return Err(Refusal::field("price", "must not be negative")),
        None => Pricing::Legacy { price },
    };
    campaign_rules(&body["campaign"], &pricing)?;
    order_id(&body["initialCharge"], "initialCharge.orderId")?;
    let initial = initial_charge(&body["initialCharge"], &Currency::Nok, now)?;
    let unit = body["interval"].as_str().and_then(Unit::from_wire);
    let terms = Terms {
        sales_unit: request.sales_unit(world).to_owned(),
        currency: Currency::Nok,
        pricing,
        interval: unit.zip(body["intervalCount"].as_i64()).map(|(unit, count)| Interval { unit, count }),
        campaign: campaign(&body["campaign"]),
        product_name: text(body, "productName").unwrap_or_default(),
        product_description: text(body, "productDescription"),
        agreement_url,
        redirect_url,
        external_id: None,
        scope: text(body, "scope").filter(|scope| !scope.trim().is_empty()),
    };
    let key = world.ids.uuid("v2 draft");
    let phone_number = text(body, "customerPhoneNumber").filter(|phone| !phone.is_empty());
    let id = world.draft(Draft { terms, initial, in_app, without_landing, phone_number }, &key, now)?;
    let Some(agreement) = world.agreement(&id) else { return Err(Refusal::Unknown) };
    let mut answer = json!({
        "agreementId": id,
        "agreementResource": format!("{}/recurring/v2/agreements/{id}", world.base_url),
    });
    // Null where there is no initial charge, as the published text has it.
    answer["chargeId"] = agreement.initial_charge.as_deref().into();
    if let Some(url) = &agreement.confirmation_url {
        answer["vippsConfirmationUrl"] = url.as_str().into();
    }
    Ok(Answer::json(201, &answer))
}

/// A published sample has eight digits where the pattern wants ten to fifteen.
fn tolerate_short_phone(world: &mut World, request: &Request<'_>, body: &Value) -> Result<(), Refusal> {
    let mut violations = request.operation.body_violations(body);
    let phone = body["customerPhoneNumber"].as_str().unwrap_or_default();
    let short = (8..=15).contains(&phone.len()) && phone.bytes().all(|byte| byte.is_ascii_digit());
    if short && !world.settings.strict && violations.iter().any(|(name, _)| name == "customerPhoneNumber") {
        violations.retain(|(name, _)| name != "customerPhoneNumber");
        world.warn(request.id(), "`customerPhoneNumber` is no MSISDN: country code and number, 10 to 15 digits");
    }
    if violations.is_empty() { Ok(()) } else { Err(Refusal::Fields(violations)) }
}

/// http will do here, other than in v3.
fn management_page(url: Option<&str>) -> Result<(), Refusal> {
    match url.map(address) {
        None | Some(Address::Https | Address::Local | Address::Http) => Ok(()),
        Some(_) => Err(Refusal::field("merchantAgreementUrl", "must be http or https")),
    }
}

/// What the schema does not say of a campaign.
fn campaign_rules(campaign: &Value, pricing: &Pricing) -> Result<(), Refusal> {
    campaign_form(campaign)?;
    if campaign["campaignPrice"].as_i64().is_some_and(|price| price < 0) {
        return Err(Refusal::field("campaign.campaignPrice", "must not be negative"));
    }
    match pricing {
        Pricing::Legacy { .. } => Ok(()),
        _ if campaign.is_null() => Ok(()),
        _ => Err(Refusal::field("campaign", "goes with a fixed price alone")),
    }
}

/// An order id becomes the id of the charge.
fn order_id(holder: &Value, name: &str) -> Result<(), Refusal> {
    let fits = |id: &str| (1..=50).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    match holder["orderId"].as_str() {
        Some(id) if !fits(id) => Err(Refusal::field(name, "must match ^[a-zA-Z0-9-]{1,50}$")),
        _ => Ok(()),
    }
}

fn campaign(campaign: &Value) -> Option<Campaign> {
    Some(Campaign::Legacy { price: campaign["campaignPrice"].as_i64()?, end: text(campaign, "end")? })
}

fn update(
    world: &mut World,
    request: &Request<'_>,
    agreement: &Agreement,
    body: &Value,
    now: Millis,
) -> Result<Answer, Refusal> {
    body::check(request, body)?;
    let members = body.as_object().map(|members| members.values().filter(|value| !value.is_null()).count());
    let stops = body["status"] == "STOPPED";
    if stops && members.is_some_and(|count| count > 1) && !world.settings.v2_stop_with_changes {
        return Err(Refusal::field("status", "must be alone: stop an agreement in a request of its own"));
    }
    let may = agreement.status == Status::Active || stops && agreement.status == Status::Pending;
    if !may {
        let detail = format!("The agreement is {}: it might be stopped or pending.", agreement.status.wire());
        return Err(Refusal::problem("illegal-agreement-update", detail));
    }
    let mut changed = agreement.clone();
    changed.change_price(body["price"].as_i64(), body["suggestedMaxAmount"].as_i64())?;
    let url = text(body, "merchantAgreementUrl");
    management_page(url.as_deref())?;
    campaign_rules(&body["campaign"], &changed.terms.pricing)?;
    let terms = &mut changed.terms;
    terms.agreement_url = url.or(terms.agreement_url.take());
    terms.product_name = text(body, "productName").unwrap_or(std::mem::take(&mut terms.product_name));
    terms.product_description = text(body, "productDescription").or(terms.product_description.take());
    if !body["campaign"].is_null() {
        terms.campaign = campaign(&body["campaign"]);
    }
    let id = changed.id.clone();
    if let Some(agreement) = world.agreement_mut(&id) {
        *agreement = changed;
    }
    if stops {
        world.stop(&id, Actor::Merchant, None, now);
    }
    Ok(Answer::json(200, &json!({ "agreementId": id })))
}

/// Charges of v2 are taken at once.
fn charge_terms(world: &World, body: &Value, now: Millis) -> Result<(charge::Terms, Option<String>), Refusal> {
    order_id(body, "orderId")?;
    let terms = charge::Terms {
        amount: body["amount"].as_i64().unwrap_or_default(),
        currency: Currency::Nok,
        description: text(body, "description").unwrap_or_default(),
        due: due_day(world, body["due"].as_str().unwrap_or_default(), now)?,
        retry_days: body["retryDays"].as_i64().unwrap_or_default(),
        kind: Kind::Recurring,
        direct: true,
        single_attempt: false,
        external_id: None,
    };
    Ok((terms, text(body, "orderId").filter(|id| !id.is_empty())))
}

/// `AgreementResponseV2`.
fn agreement_json(world: &World, agreement: &Agreement) -> Value {
    let terms = &agreement.terms;
    let (price, variable) = match &terms.pricing {
        Pricing::Legacy { price } => (*price, None),
        Pricing::Variable { suggested, chosen: None } => (0, Some(json!({ "suggestedMaxAmount": suggested }))),
        Pricing::Variable { suggested, chosen } => {
            (0, Some(json!({ "suggestedMaxAmount": suggested, "maxAmount": chosen })))
        }
        Pricing::Flexible => (0, None),
    };
    let interval = terms.interval.unwrap_or(Interval { unit: Unit::Month, count: 1 });
    let mut answer = json!({
        "id": agreement.id,
        "status": agreement.status.wire(),
        "currency": terms.currency.as_str(),
        "price": price,
        "interval": interval.unit.wire(),
        "intervalCount": interval.count,
        "productName": terms.product_name,
        "productDescription": terms.product_description.as_deref().unwrap_or_default(),
        "start": agreement.started.map(rfc3339),
        "stop": agreement.stopped.filter(|_| agreement.status == Status::Stopped).map(rfc3339),
        "campaign": terms.campaign.as_ref().and_then(campaign_json),
    });
    if let Some(url) = &terms.agreement_url {
        answer["merchantAgreementUrl"] = url.as_str().into();
    }
    if let Some(variable) = variable {
        answer["variableAmount"] = variable;
    }
    if let Some(sub) = sub(world, agreement) {
        answer["userinfoUrl"] = format!("{}/vipps-userinfo-api/userinfo/{sub}", world.base_url).into();
        answer["sub"] = sub.into();
    }
    answer
}

/// Only campaigns with a price and an end have a form in v2.
fn campaign_json(campaign: &Campaign) -> Option<Value> {
    match campaign {
        Campaign::Legacy { price, end } | Campaign::Price { price, end } => {
            Some(json!({ "campaignPrice": price, "end": end }))
        }
        Campaign::Period { .. } | Campaign::Event { .. } => None,
    }
}

/// `ChargeResponseV2`.
fn charge_json(charge: &Charge) -> Value {
    let mut answer = json!({
        "id": charge.id,
        "status": charge.status.wire(),
        // There is no other kind in v2.
        "type": if charge.terms.kind == Kind::Initial { "INITIAL" } else { "RECURRING" },
        "amount": charge.terms.amount,
        "amountRefunded": charge.refunded,
        "description": charge.terms.description,
        "due": rfc3339(charge.terms.due),
        "transactionId": charge.transaction_id,
    });
    if let Some(failure) = charge.failure {
        answer["failureReason"] = failure.wire().into();
        answer["failureDescription"] = failure.description().into();
    }
    answer
}
