//! What every request must bring before its API looks at it: credentials, headers, patience.

use serde_json::json;

use super::api::{Request, context};
use crate::answer::Answer;
use crate::clock::Millis;
use crate::options::{Market, Profile};
use crate::problem;
use crate::rate_limit::limit_of;
use crate::refusal::Refusal;
use crate::state::World;

const SYSTEM_HEADERS: [&str; 4] =
    ["Vipps-System-Name", "Vipps-System-Version", "Vipps-System-Plugin-Name", "Vipps-System-Plugin-Version"];
/// The longest system header.
const MOST_SYSTEM: usize = 30;

/// Only configured credentials are accepted, and only tokens that were issued here.
pub(super) fn unauthenticated(world: &mut World, request: &Request<'_>, now: Millis) -> Option<Answer> {
    let why = refused_credentials(world, request, now)?;
    Some(match request.api() {
        // These say it in their own words; the others leave it to the gateway.
        "checkout" => {
            let context_id = world.ids.uuid("context");
            let body = json!({
                "errorCode": "Unauthorized-00001", "title": why, "status": 401,
                "instance": format!("urn:uuid:{context_id}"), "errors": {},
            });
            Answer::json(401, &body)
        }
        "psp" => Answer::empty(401),
        "recurring" | "recurring-v2" => {
            let refusal = Refusal::problem("not-authorized", why);
            problem::answer(&refusal, &context(world, request))
        }
        _ => Answer::gateway(401, why),
    })
}

fn refused_credentials(world: &World, request: &Request<'_>, now: Millis) -> Option<&'static str> {
    let options = &world.options;
    let is_known =
        |header: &str, known: &[String]| request.header(header).map(|given| known.iter().any(|known| known == given));
    match is_known("ocp-apim-subscription-key", &options.subscription_keys) {
        // Keys of a whole merchant have none; Userinfo wants none.
        None if matches!(request.api(), "webhooks" | "userinfo") => {}
        Some(_) if request.api() == "userinfo" && world.settings.userinfo_refuses_key => {
            return Some("Access denied: the subscription key does not cover Userinfo. Send none.");
        }
        None => return Some("Access denied due to missing subscription key. Include it in the request header."),
        Some(false) => return Some("Access denied due to invalid subscription key. Provide a valid key."),
        Some(true) => {}
    }
    if request.api() == "checkout" {
        let keys = [("client_id", &options.client_ids), ("client_secret", &options.client_secrets)];
        if keys.iter().any(|(header, known)| is_known(header, known) != Some(true)) {
            return Some("Unauthorized. client_id or client_secret is missing or invalid.");
        }
        if is_known("merchant-serial-number", &options.merchant_serial_numbers).is_none() {
            return Some("Unauthorized. The Merchant-Serial-Number is missing.");
        }
    } else {
        // The word is case-sensitive.
        let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        if !token.is_some_and(|token| world.is_token(token.trim(), now)) {
            return Some("Unauthorized. Access token is missing or invalid.");
        }
    }
    if is_known("merchant-serial-number", &options.merchant_serial_numbers) == Some(false) {
        return Some("Unauthorized. The Merchant-Serial-Number is not one of these credentials.");
    }
    match is_known("psp-id", &options.psp_ids) {
        Some(false) => Some("Unauthorized. The Psp-Id is not one of these credentials."),
        None if request.api() == "psp" => Some("Unauthorized. The Psp-Id is missing."),
        _ => None,
    }
}

/// Products that the sales unit does not have.
pub(super) fn permitted(world: &mut World, request: &Request<'_>) -> Result<(), Refusal> {
    let market = world.market_of(request.sales_unit(world));
    match request.api() {
        "recurring" | "recurring-v2" if !world.settings.recurring_allowed || market == Market::Sweden => {
            Err(Refusal::problem("invalid-sale-unit", "The sales unit does not have Recurring."))
        }
        "userinfo" if !world.settings.userinfo_allowed => {
            Err(Refusal::Forbidden("The sales unit does not have Userinfo."))
        }
        "userinfo" if request.header("ocp-apim-subscription-key").is_some() => {
            world.warn(request.id(), "the subscription key must not be sent to Userinfo");
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The published rate limits, where they are switched on.
pub(super) fn too_many(world: &mut World, request: &Request<'_>, now: Millis) -> Option<Answer> {
    if !world.settings.rate_limits {
        return None;
    }
    let limits = limits(world, request);
    let wait = world.rate_limits.count(&limits, world.settings.rate_limit_window, now)?;
    let context = context(world, request);
    Some(
        problem::bare(429, "Too many requests of this kind", None, &context)
            .with_header("retry-after", wait.to_string()),
    )
}

/// What is counted of a request, and how many of it a minute may have.
fn limits(world: &World, request: &Request<'_>) -> Vec<(String, u32)> {
    let own = limit_of(request.id()).map(|most| (format!("{} {}", request.id(), subject(world, request)), most));
    // All charges of a sales unit together, whatever their kind and version.
    let creates = matches!(request.id(), "CreateChargeV3" | "CreateCharge");
    let of_unit = world.settings.charges_per_minute.filter(|_| creates);
    let of_unit = of_unit.map(|most| (format!("charges of {}", request.sales_unit(world)), most));
    own.into_iter().chain(of_unit).collect()
}

/// What the limits of an operation count. Payments without a reference share one window.
fn subject(world: &World, request: &Request<'_>) -> String {
    let unit = request.sales_unit(world);
    if request.api() == "epayment" {
        let owner = match request.is_read() {
            true => request.header("ocp-apim-subscription-key").unwrap_or_default(),
            false => unit,
        };
        let reference = request.reference().unwrap_or_default();
        let well_formed = (8..=64).contains(&reference.len())
            && reference.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        return format!("{owner}/{}", if well_formed { &reference } else { "" });
    }
    let key = request.header("idempotency-key").unwrap_or_default();
    match request.id() {
        "CreateChargeV3" | "CreateCharge" => format!("{unit}/{}/{key}", request.parameter(0)),
        "FetchChargeByIdV3" => unit.to_owned(),
        _ => format!("{unit}/{}", request.parameters.join("/")),
    }
}

/// Checks the headers; gives the idempotency key, where the operation takes one.
pub(super) fn headers(world: &mut World, request: &Request<'_>) -> Result<Option<String>, Refusal> {
    system_headers(world, request)?;
    let key = key(world, request)?;
    let authenticating = ["Ocp-Apim-Subscription-Key", "client_id", "client_secret", "Psp-Id", "Idempotency-Key"];
    let missing = request.operation.missing_headers(|name| request.header(name).is_some());
    let mut fields = Vec::new();
    for name in missing.iter().filter(|name| !authenticating.contains(&name.as_str())) {
        // A published sample has none on updates and details.
        let tolerated = SYSTEM_HEADERS.contains(&name.as_str())
            || request.api() == "psp" && request.id() != "initiatePaymentV3UsingPOST";
        if tolerated && !world.settings.strict {
            world.warn(request.id(), format!("the header {name} is missing; it is required"));
        } else {
            fields.push((name.clone(), "is required".to_owned()));
        }
    }
    if !fields.is_empty() {
        return Err(Refusal::Fields(fields));
    }
    media_type(world, request)?;
    accepted(request)?;
    if request.api() == "recurring-v2" {
        world.warn(request.id(), "Recurring v2 is deprecated: use v3");
    }
    if world.options.profile == Profile::Seed
        && request.api() == "epayment"
        && request.header("merchant-serial-number").is_some_and(|unit| unit.len() > 6)
    {
        return Err(Refusal::field("Merchant-Serial-Number", "must have 4 to 6 digits"));
    }
    Ok(key)
}

fn system_headers(world: &mut World, request: &Request<'_>) -> Result<(), Refusal> {
    if matches!(request.api(), "checkout" | "recurring" | "recurring-v2") || world.settings.strict {
        return match long_system_headers(request).next() {
            Some((name, rule)) => Err(Refusal::field(name, rule)),
            None => Ok(()),
        };
    }
    tell_long_system_headers(world, request);
    Ok(())
}

pub(super) fn tell_long_system_headers(world: &mut World, request: &Request<'_>) {
    for (name, rule) in long_system_headers(request) {
        world.warn(request.id(), format!("the header {name} {rule}"));
    }
}

fn long_system_headers<'a>(request: &'a Request<'_>) -> impl Iterator<Item = (&'static str, String)> + 'a {
    let is_long = |name: &&str| request.header(name).is_some_and(|value| value.chars().count() > MOST_SYSTEM);
    let long = SYSTEM_HEADERS.into_iter().filter(is_long);
    long.map(|name| (name, format!("must have at most {MOST_SYSTEM} characters")))
}

/// The idempotency key of an operation that takes one.
fn key(world: &World, request: &Request<'_>) -> Result<Option<String>, Refusal> {
    if request.headers.get("idempotency-key").is_some_and(|value| value.to_str().is_err()) {
        return Err(Refusal::field("Idempotency-Key", "must be visible ASCII"));
    }
    let given = request.header("idempotency-key");
    let (given, required) = match (request.api(), request.id()) {
        _ if request.is_read() => return Ok(None),
        ("epayment", "createPayment" | "capturePayment" | "refundPayment") => (given, true),
        ("epayment", "cancelPayment") => (given, world.settings.cancel_requires_key),
        ("recurring", _) | ("recurring-v2", "CreateCharge" | "CaptureCharge" | "RefundCharge") => (given, true),
        ("checkout", _) => (given, false),
        ("psp", "initiatePaymentV3UsingPOST" | "updatestatusUsingPOST") => {
            (given.or(request.header("request-id")), false)
        }
        _ => return Ok(None),
    };
    let wrong = |rule: String| Err(Refusal::field("Idempotency-Key", rule));
    let Some(key) = given else {
        return if required { wrong("is required".into()) } else { Ok(None) };
    };
    let length = key.chars().count();
    match request.api() {
        "epayment" if length > 50 => wrong(format!("must have at most 50 characters, has {length}")),
        "recurring" | "recurring-v2" if length > 40 => wrong(format!("must have at most 40 characters, has {length}")),
        "recurring" | "recurring-v2" if key.contains(['#', '?', '/', '\\']) => {
            wrong("must contain none of # ? / \\".into())
        }
        _ => Ok(Some(key.to_owned())),
    }
}

/// Recurring v3 answers JSON, and says so to whoever accepts none.
fn accepted(request: &Request<'_>) -> Result<(), Refusal> {
    let Some(accept) = request.header("accept").filter(|_| request.api() == "recurring") else { return Ok(()) };
    let takes_json = |range: &str| {
        let mut parts = range.split(';').map(|part| part.trim().to_ascii_lowercase());
        let media = parts.next().unwrap_or_default();
        let refused = parts.any(|part| {
            part.strip_prefix("q=")
                .and_then(|weight| weight.trim().parse::<f32>().ok())
                .is_some_and(|weight| weight == 0.0)
        });
        let json = matches!(media.as_str(), "*/*" | "application/*" | "application/json" | "application/problem+json");
        json && !refused
    };
    if accept.split(',').any(takes_json) {
        return Ok(());
    }
    Err(Refusal::problem("not-acceptable", "The answer is application/json: accept it."))
}

/// Recurring refuses bodies that say to be something else than JSON; the others are not known to.
fn media_type(world: &mut World, request: &Request<'_>) -> Result<(), Refusal> {
    let media = request.header("content-type").map(|media| media.split(';').next().unwrap_or_default().trim());
    let Some(media) = media.filter(|_| !request.body.is_empty()).map(str::to_ascii_lowercase) else { return Ok(()) };
    let of_checkout = media == "text/json" || media.starts_with("application/") && media.ends_with("+json");
    if media == "application/json" || request.api() == "checkout" && of_checkout {
        return Ok(());
    }
    if matches!(request.api(), "recurring" | "recurring-v2") {
        return Err(Refusal::problem("unsupported-media-type", "The media type must be application/json."));
    }
    if world.settings.strict {
        return Err(Refusal::field("Content-Type", "must be application/json"));
    }
    world.warn(request.id(), "the Content-Type of the body is not application/json");
    Ok(())
}
