//! Recurring API v3: reads a request, asks the domain once, renders the answer.

use serde_json::{Value, json};

use super::agreement_draft::{draft, interval, management_page, suggestion};
use super::api::Request;
use super::body::{self, text};
use super::charge_batch::create_batch;
use super::recurring_json::{agreement_json, charge_json};
use crate::agreement::{Actor, Agreement, Interval, Pricing, Status, Unit};
use crate::answer::Answer;
use crate::charge::{self, Charge, Kind, Moment, Status as ChargeStatus};
use crate::clock::{DAY, Millis, parse_day, start_of_day};
use crate::options::Profile;
use crate::refusal::Refusal;
use crate::state::{ChargeId, Effect, World};

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
            if let (Some(phone), Some(agreement)) = (text(&body, "phoneNumber"), world.agreement_mut(&agreement.id))
                && agreement.status == Status::Pending
            {
                agreement.phone_number = Some(phone);
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

pub(super) fn no_charge() -> Refusal {
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
    let effect = match request.id() {
        "FetchChargeV3" => {
            return Ok(Answer::json(200, &charge_json(world, world.charge(&id).ok_or_else(no_charge)?)));
        }
        "RefundChargeV3" => {
            world
                .with_charge(&id, now, |charge, moment| charge.refund(amount, key, moment))
                .ok_or_else(no_charge)??;
            return Ok(Answer::empty(204));
        }
        "CaptureChargeV3" => Effect::Capture { charge: id.clone(), amount, key: key.to_owned() },
        _ => Effect::Cancel { charge: id.clone(), key: key.to_owned() },
    };
    let try_out = |charge: &mut Charge, moment: &mut Moment<'_>| match &effect {
        Effect::Capture { .. } => charge.capture(amount, key, moment),
        _ => charge.cancel(key, moment),
    };
    match later(world) {
        None => {
            world.with_charge(&id, now, try_out).ok_or_else(no_charge)??;
            Ok(Answer::empty(204))
        }
        Some(wait) => {
            // On a copy: its transaction is named when it takes effect.
            let mut moment = Moment { at: now, transaction_id: &mut String::new };
            try_out(&mut world.charge(&id).ok_or_else(no_charge)?.clone(), &mut moment)?;
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
    if agreement.status == Status::Stopped && given("status") && world.settings.stopped_agreements_stop_again {
        return Ok(Answer::empty(204));
    }
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
pub(super) fn charge_terms(
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
