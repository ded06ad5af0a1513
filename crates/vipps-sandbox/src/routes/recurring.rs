//! Recurring API v3: reads a request, asks the domain once, renders the answer.

use serde_json::{Value, json};
use vipps_types::Currency;

use super::api::Request;
use super::body::{self, Address, address, text};
use super::recurring_json::{agreement_json, charge_json};
use crate::agreement::{self, Actor, Agreement, Campaign, Interval, Pricing, Status, Unit, most_suggested};
use crate::answer::Answer;
use crate::charge::{self, Charge, Kind, Status as ChargeStatus};
use crate::clock::{DAY, Millis, parse_day, parse_rfc3339, start_of_day};
use crate::options::Profile;
use crate::refusal::Refusal;
use crate::state::{BatchItem, ChargeId, Draft, Effect, World};

/// A due date lies at most so many years ahead.
const MOST_YEARS_AHEAD: i64 = 2;
/// Agreements in one answer, where the request does not say.
const AGREEMENTS_PER_PAGE: i64 = 500;
/// Descriptions beyond this are cut in the app, by some sources.
const SHOWN_DESCRIPTION: usize = 45;

pub(crate) fn answer(world: &mut World, request: &Request<'_>, key: &str, now: Millis) -> Result<Answer, Refusal> {
    let body = body::read(world, request)?;
    match request.id() {
        "ListAgreementsV3" => return list_agreements(world, request, now),
        "DraftAgreementV3" => return draft(world, request, body, key, now),
        "CreateChargeAsyncV3" => return create_batch(world, request, &body, key, now),
        "FetchChargeByIdV3" => {
            let id = ChargeId { sales_unit: request.sales_unit(world).to_owned(), id: request.parameter(0).to_owned() };
            let charge = world.charge(&id).ok_or_else(no_charge)?;
            return Ok(Answer::json(200, &charge_json(world, charge)));
        }
        _ => {}
    }
    let agreement = agreement_of(world, request)?.to_owned();
    match request.id() {
        "FetchAgreementV3" => Ok(Answer::json(200, &agreement_json(world, &agreement))),
        "UpdateAgreementPatchV3" => update(world, request, &agreement.id, &body, key, now),
        "acceptUsingPATCHV3" => {
            let mut body = body;
            body::numbers_as_texts(world, request, &mut body, &["/phoneNumber"]);
            body::check(request, &body)?;
            if body["phoneNumber"].as_str().is_some_and(|phone| !phone.bytes().all(|byte| byte.is_ascii_digit())) {
                return Err(Refusal::field("phoneNumber", "must be digits alone: country code and number"));
            }
            world.accept(&agreement.id, true, None, now)?;
            Ok(Answer::empty(204))
        }
        "ListChargesV3" => list_charges(world, request, &agreement, now),
        "CreateChargeV3" => {
            body::check(request, &body)?;
            let (terms, order_id) = charge_terms(world, request, &agreement, &body, now)?;
            let id = create_charge(world, &agreement, terms, order_id, key, now)?;
            Ok(Answer::json(201, &json!({ "chargeId": id.id })))
        }
        _ => act_on_charge(world, request, &agreement, &body, key, now),
    }
}

/// The agreement of the path, at this sales unit.
pub(super) fn agreement_of<'a>(world: &'a World, request: &Request<'_>) -> Result<&'a Agreement, Refusal> {
    let id = request.parameter(0);
    let well_formed = id.len() <= 36
        && id.strip_prefix("agr_").is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        });
    if !well_formed {
        return Err(Refusal::problem("invalid-agreement-id", "The agreement id is malformed."));
    }
    let unit = request.sales_unit(world);
    let found = world.agreement(id).filter(|agreement| agreement.terms.sales_unit == unit);
    found.ok_or_else(|| Refusal::problem("resource-not-found", "Agreement not found."))
}

/// The charge of the path, of this agreement.
pub(super) fn charge_of(world: &World, request: &Request<'_>, agreement: &Agreement) -> Result<ChargeId, Refusal> {
    let id = ChargeId { sales_unit: agreement.terms.sales_unit.clone(), id: request.parameter(1).to_owned() };
    let found = world.charge(&id).filter(|charge| charge.agreement == agreement.id);
    found.map(|_| id.clone()).ok_or_else(no_charge)
}

fn no_charge() -> Refusal {
    Refusal::problem("resource-not-found", "Charge not found.")
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
    let amount = body["amount"].as_i64().unwrap_or_default();
    if !body.is_null() {
        body::check(request, body)?;
    }
    let least = world.settings.charge_minimum.max(1);
    if matches!(request.id(), "CaptureChargeV3" | "RefundChargeV3") && amount < least {
        return Err(Refusal::field("amount", format!("must be at least {least}")));
    }
    let missing = || Refusal::problem("resource-not-found", "Charge not found.");
    let effect = match request.id() {
        "FetchChargeV3" => {
            return Ok(Answer::json(200, &charge_json(world, world.charge(&id).ok_or_else(missing)?)));
        }
        "RefundChargeV3" => {
            world.with_charge(&id, now, |charge| charge.refund(amount, key, now)).ok_or_else(missing)??;
            return Ok(Answer::empty(204));
        }
        "CaptureChargeV3" => Effect::Capture { charge: id.clone(), amount, key: key.to_owned() },
        _ => Effect::Cancel { charge: id.clone(), key: key.to_owned() },
    };
    let try_out = |charge: &mut Charge| match &effect {
        Effect::Capture { .. } => charge.capture(amount, key, now),
        _ => charge.cancel(key, now),
    };
    match later(world) {
        None => {
            world.with_charge(&id, now, try_out).ok_or_else(missing)??;
            Ok(Answer::empty(204))
        }
        Some(wait) => {
            try_out(&mut world.charge(&id).ok_or_else(missing)?.clone())?;
            world.happen_later(effect, now + wait);
            Ok(Answer::empty(202))
        }
    }
}

/// How long effects are put off, where the setting says so.
fn later(world: &World) -> Option<Millis> {
    Some(world.settings.recurring_effect_seconds * 1000).filter(|wait| *wait > 0)
}

fn list_agreements(world: &mut World, request: &Request<'_>, now: Millis) -> Result<Answer, Refusal> {
    let wanted = match request.query("status") {
        None => Status::Active,
        Some(name) => *Status::ALL
            .iter()
            .find(|status| status.wire() == name)
            .ok_or_else(|| Refusal::field("status", "must be one of PENDING, ACTIVE, STOPPED, EXPIRED"))?,
    };
    let number = |name: &str, least: i64, most: i64| match request.query(name) {
        None => Ok(None),
        Some(text) => match text.parse::<i64>() {
            Ok(value) if (least..=most).contains(&value) => Ok(Some(value)),
            _ => Err(Refusal::field(name, format!("must be a whole number from {least} to {most}"))),
        },
    };
    let after = number("createdAfter", 0, i64::MAX)?.unwrap_or(-1);
    let (page, size) = (number("pageNumber", 1, i64::from(i32::MAX))?, number("pageSize", 1, 2000)?);
    if page.is_some() != size.is_some() {
        world.warn(request.id(), "pageNumber and pageSize are used together");
    }
    let size = usize::try_from(size.unwrap_or(AGREEMENTS_PER_PAGE)).unwrap_or(500);
    let list = format!("agreements {} {} {after}", request.sales_unit(world), wanted.wire());
    let ids = match request.header("continuation-token").filter(|_| page.is_none()) {
        Some(token) => world.take_page(token, &list, now).ok_or_else(stale_token)?,
        None => {
            let unit = request.sales_unit(world);
            let mine = |agreement: &&Agreement| {
                agreement.terms.sales_unit == unit && agreement.status == wanted && agreement.created > after
            };
            let mut found: Vec<&Agreement> = world.agreements().filter(mine).collect();
            found.sort_by_key(|agreement| std::cmp::Reverse(agreement.number));
            if !world.settings.newest_first {
                found.reverse();
            }
            found.into_iter().map(|agreement| agreement.id.clone()).collect()
        }
    };
    let skip = usize::try_from(page.unwrap_or(1) - 1).unwrap_or(usize::MAX).saturating_mul(size).min(ids.len());
    let (shown, rest) = ids[skip..].split_at(size.min(ids.len() - skip));
    let agreements = shown.iter().filter_map(|id| Some(agreement_json(world, world.agreement(id)?)));
    let answer = Answer::json(200, &agreements.collect());
    match rest {
        [] => Ok(answer),
        _ if page.is_some() => Ok(answer),
        rest => Ok(answer.with_header("continuation-token", world.keep_page(&list, rest.to_vec(), now))),
    }
}

fn stale_token() -> Refusal {
    Refusal::field("Continuation-Token", "is unknown or too old: begin the list again")
}

fn list_charges(
    world: &mut World,
    request: &Request<'_>,
    agreement: &Agreement,
    now: Millis,
) -> Result<Answer, Refusal> {
    let wanted = charge_status(request.query("status").as_deref(), "status")?;
    let list = format!("charges {} {}", agreement.id, wanted.map_or("", ChargeStatus::wire));
    let ids = match request.header("continuation-token") {
        Some(token) => world.take_page(token, &list, now).ok_or_else(stale_token)?,
        None => charges_of(world, agreement, wanted),
    };
    let (shown, rest) = ids.split_at(world.settings.charge_page_size.min(ids.len()));
    let unit = &agreement.terms.sales_unit;
    let charge = |id: &String| world.charge(&ChargeId { sales_unit: unit.clone(), id: id.clone() });
    let answer = Answer::json(200, &shown.iter().filter_map(charge).map(|charge| charge_json(world, charge)).collect());
    if rest.is_empty() {
        return Ok(answer);
    }
    let rest = rest.to_vec();
    Ok(answer.with_header("continuation-token", world.keep_page(&list, rest, now)))
}

pub(super) fn charge_status(name: Option<&str>, parameter: &str) -> Result<Option<ChargeStatus>, Refusal> {
    let Some(name) = name else { return Ok(None) };
    let found = ChargeStatus::ALL.iter().find(|status| status.wire() == name).copied();
    found.map(Some).ok_or_else(|| Refusal::field(parameter, "is no status of a charge"))
}

/// The ids of an agreement's charges, newest first.
pub(super) fn charges_of(world: &World, agreement: &Agreement, wanted: Option<ChargeStatus>) -> Vec<String> {
    let unit = &agreement.terms.sales_unit;
    let shown = |id: &&String| {
        let charge = world.charge(&ChargeId { sales_unit: unit.clone(), id: (*id).clone() });
        charge.is_some_and(|charge| wanted.is_none_or(|wanted| charge.status == wanted))
    };
    let mut found: Vec<String> = agreement.charges.iter().filter(shown).cloned().collect();
    if world.settings.newest_first {
        found.reverse();
    }
    found
}

fn draft(world: &mut World, request: &Request<'_>, mut body: Value, key: &str, now: Millis) -> Result<Answer, Refusal> {
    body::numbers_as_texts(world, request, &mut body, &["/phoneNumber"]);
    body["campaign"]["type"].as_str().filter(|kind| *kind == "FULL_FLEX_CAMPAIGN").map_or(Ok(()), |_| {
        Err(Refusal::field("campaign.type", "must be PRICE_CAMPAIGN, PERIOD_CAMPAIGN or EVENT_CAMPAIGN"))
    })?;
    let (pricing, currency) = pricing(&body["pricing"], world.settings.charge_minimum)?;
    body::check(request, &body)?;
    tell_of_other_kinds(world, request, &body)?;
    campaign_form(&body["campaign"])?;
    if !body["campaign"].is_null() && !matches!(pricing, Pricing::Legacy { .. }) {
        return Err(Refusal::field("campaign", "goes with LEGACY pricing alone"));
    }
    if currency.as_str() != world.options.market.currency() {
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
    let without_landing = body["skipLandingPage"] == true;
    if without_landing && !world.settings.skip_landing_page_allowed {
        let detail = "The sales unit may not skip the landing page.".into();
        return Err(Refusal::Problem { identifier: "unsupported-feature", status: 403, detail });
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
    let id = world.draft(Draft { terms, initial, in_app, without_landing }, key, now)?;
    let Some(agreement) = world.agreement(&id) else { return Err(Refusal::Unknown) };
    let mut answer = json!({ "agreementId": id, "uuid": agreement.uuid, "chargeId": agreement.initial_charge });
    if let Some(url) = &agreement.confirmation_url {
        answer["vippsConfirmationUrl"] = url.as_str().into();
    }
    Ok(Answer::json(201, &answer))
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

fn suggestion(value: i64, currency: &Currency, least: i64) -> Result<i64, Refusal> {
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

fn management_page(world: &mut World, request: &Request<'_>, url: &str) -> Result<(), Refusal> {
    match address(url) {
        Address::Https => Ok(()),
        Address::Local => {
            world.warn(request.id(), "`merchantAgreementUrl` would be rejected in production: it must be public https");
            Ok(())
        }
        _ => Err(Refusal::field("merchantAgreementUrl", "must be https")),
    }
}

fn update(
    world: &mut World,
    request: &Request<'_>,
    id: &str,
    body: &Value,
    key: &str,
    now: Millis,
) -> Result<Answer, Refusal> {
    body::check(request, body)?;
    let given = |name: &str| !body[name].is_null();
    let others =
        body.as_object().is_some_and(|members| members.iter().filter(|(_, value)| !value.is_null()).count() > 1);
    if given("status") && others {
        return Err(Refusal::field("status", "must be alone: stop an agreement in a request of its own"));
    }
    let Some(agreement) = world.agreement(id).cloned() else { return Err(Refusal::Unknown) };
    let may = match agreement.status {
        Status::Active => true,
        Status::Pending => given("status"),
        Status::Stopped | Status::Expired => false,
    };
    if !may {
        let detail = format!("The agreement is {}: it might be stopped or pending.", agreement.status.wire());
        return Err(Refusal::problem("illegal-agreement-update", detail));
    }
    let wait = later(world);
    let answer = Answer::empty(if wait.is_some() { 202 } else { 204 });
    if given("status") {
        match wait {
            Some(wait) => {
                world.happen_later(Effect::Stop { agreement: id.to_owned(), key: key.to_owned() }, now + wait)
            }
            None => world.stop(id, Actor::Merchant, Some(key), now),
        }
        return Ok(answer);
    }
    let mut changed = agreement;
    let kind = changed.terms.pricing.wire();
    if body["pricing"]["type"].as_str().is_some_and(|given| given != kind) {
        let detail = format!("The pricing is {kind} and stays so.");
        return Err(Refusal::problem("illegal-agreement-update", detail));
    }
    let suggested = match body["pricing"]["suggestedMaxAmount"].as_i64() {
        Some(value) if matches!(changed.terms.pricing, Pricing::Variable { .. }) => {
            Some(suggestion(value, &changed.terms.currency, world.settings.charge_minimum)?)
        }
        other => other,
    };
    let least = world.settings.charge_minimum.max(1);
    if body["pricing"]["amount"].as_i64().is_some_and(|price| price < least) {
        return Err(Refusal::field("pricing.amount", format!("must be at least {least}")));
    }
    changed.change_price(body["pricing"]["amount"].as_i64(), suggested)?;
    if given("interval") {
        let period = interval(&body["interval"]["period"]);
        changed.terms.interval = match (body["interval"]["type"].as_str().unwrap_or("RECURRING"), period) {
            ("FLEXIBLE", None) => None,
            ("FLEXIBLE", Some(_)) => return Err(Refusal::field("interval.period", "goes with RECURRING alone")),
            (_, None) => return Err(Refusal::field("interval.period", "is required")),
            (_, period) => period,
        };
    }
    if let Some(url) = text(body, "merchantAgreementUrl") {
        management_page(world, request, &url)?;
        changed.terms.agreement_url = Some(url);
    }
    let terms = &mut changed.terms;
    terms.product_name = text(body, "productName").unwrap_or(std::mem::take(&mut terms.product_name));
    terms.product_description = text(body, "productDescription").or(terms.product_description.take());
    terms.external_id = text(body, "externalId").or(terms.external_id.take());
    match wait {
        Some(wait) => {
            let effect = Effect::Update { agreement: id.to_owned(), terms: Box::new(changed.terms) };
            world.happen_later(effect, now + wait);
        }
        None => {
            if let Some(agreement) = world.agreement_mut(id) {
                *agreement = changed;
            }
        }
    }
    Ok(answer)
}

/// What a request for a charge says, where its form is in order.
fn charge_terms(
    world: &mut World,
    request: &Request<'_>,
    agreement: &Agreement,
    body: &Value,
    now: Millis,
) -> Result<(charge::Terms, Option<String>), Refusal> {
    // A batch has no kinds.
    let unscheduled = body["type"] == "UNSCHEDULED" && request.id() != "CreateChargeAsyncV3";
    if unscheduled && !world.settings.unscheduled_allowed {
        let detail = "Cannot create a charge with type 'UNSCHEDULED'";
        return Err(Refusal::problem("unsupported-feature", detail));
    }
    let amount = body["amount"].as_i64().unwrap_or_default();
    let least = world.settings.charge_minimum;
    if amount < least.max(1) {
        return Err(Refusal::field("amount", format!("must be at least {least}")));
    }
    let description = text(body, "description").unwrap_or_default();
    if description.chars().count() > SHOWN_DESCRIPTION && world.options.profile != Profile::Seed {
        world.warn(request.id(), format!("`description` is longer than {SHOWN_DESCRIPTION} characters"));
    }
    let (due, retry_days) = match (text(body, "due"), body["retryDays"].as_i64()) {
        (due, retry_days) if unscheduled => {
            if due.is_some() || retry_days.is_some() {
                world.warn(request.id(), "`due` and `retryDays` go with RECURRING charges alone");
            }
            (start_of_day(now), 0)
        }
        (None, _) => return Err(Refusal::field("due", "is required")),
        (_, None) => return Err(Refusal::field("retryDays", "is required")),
        (Some(due), Some(retry_days)) => (due_day(world, &due, now)?, retry_days),
    };
    let single_attempt = body["processingMode"] == "SINGLE_ATTEMPT";
    if single_attempt && retry_days != 0 {
        return Err(Refusal::field("retryDays", "must be 0 with SINGLE_ATTEMPT"));
    }
    let terms = charge::Terms {
        amount,
        currency: agreement.terms.currency.clone(),
        description,
        due,
        retry_days,
        kind: if unscheduled { Kind::Unscheduled } else { Kind::Recurring },
        direct: body["transactionType"] == "DIRECT_CAPTURE",
        single_attempt,
        external_id: text(body, "externalId"),
    };
    Ok((terms, text(body, "orderId")))
}

/// A due date, neither too soon nor too far ahead.
pub(super) fn due_day(world: &World, due: &str, now: Millis) -> Result<Millis, Refusal> {
    let day = parse_day(due).ok_or_else(|| Refusal::field("due", "must be a date: YYYY-MM-DD"))?;
    let (today, least) = (start_of_day(now), world.settings.charge_due_min_days);
    if day < today + least * DAY {
        return Err(Refusal::problem("charge-due-too-soon", format!("due must be at least {least} days ahead.")));
    }
    if day > (Interval { unit: Unit::Year, count: MOST_YEARS_AHEAD }).after(today) {
        return Err(Refusal::problem("charge-due-in-too-long", "due must be at most two years ahead."));
    }
    Ok(day)
}

pub(super) fn create_charge(
    world: &mut World,
    agreement: &Agreement,
    terms: charge::Terms,
    order_id: Option<String>,
    key: &str,
    now: Millis,
) -> Result<ChargeId, Refusal> {
    world.may_charge(agreement, &terms)?;
    if let Some(order_id) = &order_id {
        world.must_be_new(&agreement.terms.sales_unit, order_id)?;
    }
    Ok(world.insert_charge(&agreement.id, &agreement.terms.sales_unit, order_id, terms, key, now))
}

/// Splits a batch: what is wrong in form is told at once, what breaks a rule of state later.
fn create_batch(
    world: &mut World,
    request: &Request<'_>,
    body: &Value,
    key: &str,
    now: Millis,
) -> Result<Answer, Refusal> {
    let items = body.as_array().map(Vec::as_slice).unwrap_or_default();
    if !(1..=2000).contains(&items.len()) {
        return Err(Refusal::field("body", format!("must have 1 to 2000 charges, has {}", items.len())));
    }
    if let Some(index) = items.iter().position(|item| !item.is_object()) {
        return Err(Refusal::field(&format!("[{index}]"), "must be a JSON object"));
    }
    let unit = request.sales_unit(world).to_owned();
    let (mut accepted, mut invalid) = (Vec::<BatchItem>::new(), Vec::new());
    let mut taken = std::collections::HashSet::new();
    for item in items {
        match batch_item(world, request, item, &unit, key, now) {
            Ok(batch_item) if taken.insert(batch_item.order_id.clone()) => accepted.push(batch_item),
            Ok(_) => invalid.push(invalid_item(item, vec!["orderId is twice in the request".into()])),
            Err(Refusal::Fields(fields)) => {
                let errors = fields.iter().map(|(name, rule)| format!("{name} {rule}")).collect();
                invalid.push(invalid_item(item, errors));
            }
            Err(Refusal::Problem { identifier, detail, .. }) => {
                invalid.push(invalid_item(item, vec![format!("{identifier}: {detail}")]));
            }
            Err(other) => return Err(other),
        }
    }
    let valid: Vec<&str> = accepted.iter().map(|item| item.order_id.as_str()).collect();
    let answer = Answer::json(202, &json!({ "validCharges": valid, "invalidCharges": invalid }));
    world.accept_batch(accepted, now);
    Ok(answer)
}

fn batch_item(
    world: &mut World,
    request: &Request<'_>,
    item: &Value,
    unit: &str,
    key: &str,
    now: Millis,
) -> Result<BatchItem, Refusal> {
    let violations = request.operation.schema_violations("CreateChargeAsyncV3", item);
    if !violations.is_empty() {
        return Err(Refusal::Fields(violations));
    }
    let id = text(item, "agreementId").unwrap_or_default();
    let agreement = world.agreement(&id).filter(|agreement| agreement.terms.sales_unit == unit).cloned();
    let agreement = agreement.ok_or_else(|| Refusal::problem("resource-not-found", "Agreement not found."))?;
    let (terms, order_id) = charge_terms(world, request, &agreement, item, now)?;
    let order_id = order_id.unwrap_or_default();
    world.must_be_new(unit, &order_id)?;
    Ok(BatchItem { agreement: id, sales_unit: unit.to_owned(), order_id, terms, key: key.to_owned() })
}

/// A rejected item of a batch: an echo of what the contract names, and the reasons.
fn invalid_item(item: &Value, errors: Vec<String>) -> Value {
    const ECHOED: [&str; 9] = [
        "due",
        "retryDays",
        "processingMode",
        "amount",
        "description",
        "transactionType",
        "orderId",
        "agreementId",
        "externalId",
    ];
    let echo: serde_json::Map<String, Value> = ECHOED
        .iter()
        .filter(|name| !item[**name].is_null())
        .map(|name| ((*name).to_owned(), item[*name].clone()))
        .collect();
    json!({ "chargeBatchItemDto": echo, "errors": errors })
}
