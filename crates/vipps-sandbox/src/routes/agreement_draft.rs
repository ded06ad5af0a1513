//! A new agreement of Recurring v3: pricing, campaign, interval, initial charge, addresses.

use serde_json::{Value, json};
use vipps_types::Currency;

use super::api::Request;
use super::body::{self, Address, address, text};
use crate::agreement::{self, Campaign, Interval, Pricing, Unit, most_suggested};
use crate::answer::Answer;
use crate::charge::{self, Kind};
use crate::clock::{Millis, parse_rfc3339, start_of_day};
use crate::refusal::Refusal;
use crate::state::{Draft, World};

pub(super) fn draft(
    world: &mut World,
    request: &Request<'_>,
    mut body: Value,
    key: &str,
    now: Millis,
) -> Result<Answer, Refusal> {
    body::numbers_as_texts(world, request, &mut body, &["/phoneNumber"]);
    body["campaign"]["type"].as_str().filter(|kind| *kind == "FULL_FLEX_CAMPAIGN").map_or(Ok(()), |_| {
        Err(Refusal::field("campaign.type", "must be PRICE_CAMPAIGN, PERIOD_CAMPAIGN or EVENT_CAMPAIGN"))
    })?;
    let (pricing, currency) = pricing(&body["pricing"], world.settings.charge_minimum)?;
    let without_landing = body["skipLandingPage"] == true;
    if without_landing && !world.settings.skip_landing_page_allowed {
        let detail = "The sales unit may not skip the landing page.".into();
        return Err(Refusal::Problem { identifier: "unsupported-feature", status: 403, detail });
    }
    let phone_number = phone_number(world, request, &mut body, without_landing)?;
    body::tolerate_unknown_sources(world, request, &mut body);
    body::check(request, &body)?;
    let market = world.market_of(request.sales_unit(world));
    let blocks = body["paymentMethod"]["blockedSources"].as_array().is_some_and(|sources| !sources.is_empty());
    if blocks && !market.blocks_sources() {
        return Err(Refusal::field("paymentMethod.blockedSources", "can be set in Denmark and Finland alone"));
    }
    tell_of_other_kinds(world, request, &body)?;
    campaign_form(&body["campaign"])?;
    if !body["campaign"].is_null() && !matches!(pricing, Pricing::Legacy { .. }) {
        return Err(Refusal::field("campaign", "goes with LEGACY pricing alone"));
    }
    if currency.as_str() != market.currency() {
        if world.settings.strict {
            return Err(Refusal::field("pricing.currency", "must be that of the sales unit's market"));
        }
        world.warn(request.id(), "the currency is not that of the sales unit's market");
    }
    if text(&body, "countryCode").is_some_and(|country| country != agreement::country(&currency)) {
        return Err(Refusal::field("countryCode", "must be the country of the currency"));
    }
    let in_app = body["isApp"] == true;
    let redirect_url = text(&body, "merchantRedirectUrl").unwrap_or_default();
    if !in_app {
        redirect(world, request, &redirect_url)?;
    }
    let agreement_url = text(&body, "merchantAgreementUrl");
    match &agreement_url {
        // An app's addresses are its own business.
        Some(_) if in_app => {}
        Some(url) => management_page(world, request, url)?,
        None if currency == Currency::Nok && world.settings.agreement_url_required_in_norway => {
            return Err(Refusal::field("merchantAgreementUrl", "is required for Norwegian merchants"));
        }
        None => {}
    }
    let initial = initial_charge(&body["initialCharge"], &currency, now)?;
    let terms = agreement::Terms {
        sales_unit: request.sales_unit(world).to_owned(),
        currency,
        pricing,
        interval: interval(&body["interval"]),
        campaign: campaign(&body["campaign"]),
        product_name: text(&body, "productName").unwrap_or_default(),
        product_description: text(&body, "productDescription"),
        agreement_url,
        redirect_url,
        external_id: text(&body, "externalId"),
        scope: text(&body, "scope").filter(|scope| !scope.trim().is_empty()),
    };
    let id = world.draft(Draft { terms, initial, in_app, without_landing, phone_number }, key, now)?;
    let Some(agreement) = world.agreement(&id) else { return Err(Refusal::Unknown) };
    let mut answer = json!({ "agreementId": id, "uuid": agreement.uuid, "chargeId": agreement.initial_charge });
    if let Some(url) = &agreement.confirmation_url {
        answer["vippsConfirmationUrl"] = url.as_str().into();
    }
    Ok(Answer::json(201, &answer))
}

/// The customer's number, which is checked where it is pushed to; else one that is none is
/// ignored.
fn phone_number(
    world: &mut World,
    request: &Request<'_>,
    body: &mut Value,
    without_landing: bool,
) -> Result<Option<String>, Refusal> {
    let given = text(body, "phoneNumber");
    let is_number = |phone: &String| (8..=15).contains(&phone.len()) && phone.bytes().all(|byte| byte.is_ascii_digit());
    match given {
        Some(phone) if is_number(&phone) => Ok(Some(phone)),
        _ if without_landing => Err(Refusal::problem("validation-error", "Invalid phone number")),
        None => Ok(None),
        Some(_) => {
            world.warn(request.id(), "`phoneNumber` is no phone number; it is ignored");
            body["phoneNumber"] = Value::Null;
            Ok(None)
        }
    }
}

/// Members of another kind of pricing or campaign than the one named are not looked at.
fn tell_of_other_kinds(world: &mut World, request: &Request<'_>, body: &Value) -> Result<(), Refusal> {
    let pricing = match body["pricing"]["type"].as_str() {
        Some("VARIABLE") => "VariablePricingRequestV3",
        Some("FLEXIBLE") => "FlexiblePricingRequestV3",
        _ => "LegacyPricingRequestV3",
    };
    let campaign = match body["campaign"]["type"].as_str() {
        Some("PERIOD_CAMPAIGN") => "periodCampaignV3",
        Some("EVENT_CAMPAIGN") => "eventCampaignV3",
        _ => "priceCampaignV3",
    };
    // Unknown to every kind is told of already.
    let told = request.operation.unknown_members(body);
    for (member, schema) in [("pricing", pricing), ("campaign", campaign)] {
        let names = request.operation.unknown_members_of(schema, &body[member]).into_iter();
        let names = names.map(|name| format!("{member}.{name}")).filter(|name| !told.contains(name));
        body::tell_unknown(world, request, names.collect())?;
    }
    Ok(())
}

/// The kind of pricing, LEGACY where none is named.
fn pricing(pricing: &Value, least: i64) -> Result<(Pricing, Currency), Refusal> {
    if !pricing.is_object() {
        return Err(Refusal::field("pricing", "is required"));
    }
    let currency = match pricing["currency"].as_str() {
        Some(known @ ("NOK" | "DKK" | "EUR")) => Currency::from(known.to_owned()),
        Some(_) => return Err(Refusal::field("pricing.currency", "must be one of NOK, DKK, EUR")),
        None => return Err(Refusal::field("pricing.currency", "is required")),
    };
    let amount = |name: &str| match pricing[name].as_i64().filter(|value| i32::try_from(*value).is_ok()) {
        Some(value) if value >= least.max(1) => Ok(value),
        Some(_) => Err(Refusal::field(&format!("pricing.{name}"), format!("must be at least {least}"))),
        None if pricing[name].is_null() => Err(Refusal::field(&format!("pricing.{name}"), "is required")),
        None => Err(Refusal::field(&format!("pricing.{name}"), "must be a whole number of minor units")),
    };
    let pricing = match &pricing["type"] {
        Value::Null => Pricing::Legacy { price: amount("amount")? },
        kind if kind == "LEGACY" => Pricing::Legacy { price: amount("amount")? },
        kind if kind == "VARIABLE" => {
            let suggested = suggestion(amount("suggestedMaxAmount")?, &currency, least)?;
            Pricing::Variable { suggested, chosen: None }
        }
        kind if kind == "FLEXIBLE" => Pricing::Flexible,
        _ => return Err(Refusal::field("pricing.type", "must be one of LEGACY, VARIABLE, FLEXIBLE")),
    };
    Ok((pricing, currency))
}

pub(super) fn suggestion(value: i64, currency: &Currency, least: i64) -> Result<i64, Refusal> {
    let most = most_suggested(currency);
    match value {
        value if value > most => {
            Err(Refusal::problem("invalid-suggested-max-amount", format!("suggestedMaxAmount is at most {most}.")))
        }
        value if value < least => {
            Err(Refusal::field("pricing.suggestedMaxAmount", format!("must be at least {least}")))
        }
        value => Ok(value),
    }
}

pub(super) fn interval(period: &Value) -> Option<Interval> {
    let unit = period["unit"].as_str().and_then(Unit::from_wire)?;
    Some(Interval { unit, count: period["count"].as_i64()? })
}

/// What the schema does not say of a campaign: its dates are instants, its price is none
/// that is paid to the customer.
pub(super) fn campaign_form(campaign: &Value) -> Result<(), Refusal> {
    for name in ["end", "eventDate"] {
        if campaign[name].as_str().is_some_and(|date| parse_rfc3339(date).is_none()) {
            return Err(Refusal::field(&format!("campaign.{name}"), "must be an RFC 3339 date-time"));
        }
    }
    match campaign["price"].as_i64() {
        Some(..0) => Err(Refusal::field("campaign.price", "must not be negative")),
        _ => Ok(()),
    }
}

/// A campaign as v3 and Checkout draft it.
pub(crate) fn campaign(campaign: &Value) -> Option<Campaign> {
    let price = campaign["price"].as_i64()?;
    match campaign["type"].as_str()? {
        "PRICE_CAMPAIGN" => Some(Campaign::Price { price, end: text(campaign, "end")? }),
        "PERIOD_CAMPAIGN" => Some(Campaign::Period { price, period: interval(&campaign["period"])? }),
        "EVENT_CAMPAIGN" => {
            Some(Campaign::Event { price, date: text(campaign, "eventDate")?, text: text(campaign, "eventText")? })
        }
        _ => None,
    }
}

pub(super) fn initial_charge(
    initial: &Value,
    currency: &Currency,
    now: Millis,
) -> Result<Option<(charge::Terms, Option<String>)>, Refusal> {
    if initial.is_null() {
        return Ok(None);
    }
    let amount = initial["amount"].as_i64().filter(|amount| *amount > 0);
    let terms = charge::Terms {
        amount: amount.ok_or_else(|| Refusal::field("initialCharge.amount", "must be above 0"))?,
        currency: currency.clone(),
        description: text(initial, "description").unwrap_or_default(),
        due: start_of_day(now),
        retry_days: 0,
        kind: Kind::Initial,
        direct: initial["transactionType"] == "DIRECT_CAPTURE",
        single_attempt: false,
        external_id: text(initial, "externalId"),
    };
    Ok(Some((terms, text(initial, "orderId"))))
}

/// Where the customer comes back to: https or an app; http only warns.
pub(super) fn redirect(world: &mut World, request: &Request<'_>, url: &str) -> Result<(), Refusal> {
    match address(url) {
        Address::Unusable => Err(Refusal::field("merchantRedirectUrl", "must be https or the address of an app")),
        Address::Http if world.settings.strict => Err(Refusal::field("merchantRedirectUrl", "must be https")),
        Address::Http | Address::Local => {
            world.warn(request.id(), "`merchantRedirectUrl` would be rejected in production: it must be public https");
            Ok(())
        }
        Address::Https | Address::App => Ok(()),
    }
}

pub(super) fn management_page(world: &mut World, request: &Request<'_>, url: &str) -> Result<(), Refusal> {
    match address(url) {
        Address::Https => Ok(()),
        Address::Local => {
            world.warn(request.id(), "`merchantAgreementUrl` would be rejected in production: it must be public https");
            Ok(())
        }
        _ => Err(Refusal::field("merchantAgreementUrl", "must be https")),
    }
}
