//! A new payment of ePayment: what a request must say, and what is ignored.

use std::collections::HashMap;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use vipps_types::Currency;

use super::api::Request;
use super::body::{self, Address, address, text};
use super::epayment::{amount, check_shape, tolerate};
use crate::answer::Answer;
use crate::clock::{DAY, Millis, parse_rfc3339};
use crate::options::least_value;
use crate::payment::{Method, Moment, Payment};
use crate::refusal::Refusal;
use crate::state::{PaymentId, Record, Redirect, World};

const EXPRESS_SCOPE: [&str; 4] = ["address", "email", "name", "phoneNumber"];

pub(super) fn create(
    world: &mut World,
    request: &Request<'_>,
    mut body: Value,
    key: Option<&str>,
    now: Millis,
) -> Result<Answer, Refusal> {
    tolerate(world, request, &mut body);
    let given = amount(&body["amount"])?;
    if body["metadata"].is_object() && has_twice(request.body, "metadata") {
        return Err(Refusal::Code(4110));
    }
    metadata_limits(&body["metadata"])?;
    ignore_what_does_not_apply(world, request, &mut body);
    body::tolerate_unknown_sources(world, request, &mut body);
    without_unnamed_customer(world, request, &mut body);
    check_shape(world, request, &body)?;
    let (value, currency) = given.ok_or(Refusal::Code(4040))?;
    let id = PaymentId {
        sales_unit: request.sales_unit(world).to_owned(),
        reference: text(&body, "reference").unwrap_or_default(),
    };
    let method = match body["paymentMethod"]["type"].as_str() {
        Some("CARD") => Method::Card,
        Some("CARD_PASSTHROUGH") => Method::CardPassthrough,
        _ => Method::Wallet,
    };
    rules(world, request, &body, method, value, &currency, now)?;
    if world.payment(&id).is_some() || world.session(&id).is_some() {
        return Err(Refusal::Code(4150));
    }

    let expires_at = text(&body, "expiresAt").and_then(|text| parse_rfc3339(&text));
    let mut psp_reference = || world.ids.psp_reference();
    let mut moment = Moment { at: now, psp_reference: &mut psp_reference };
    let express = !body["shipping"].is_null();
    let payment = Payment::create(value, Currency::from(currency), method, express, expires_at, key, &mut moment);
    let landing_token = world.ids.short("landing", 32);
    let mut given = |name: &str| Some(body[name].take()).filter(|value| !value.is_null());
    let (metadata, shipping, card_passthrough) = (given("metadata"), given("shipping"), given("cardPassthrough"));
    let customer = Some(body["customer"].clone()).filter(|customer| !customer.is_null());
    let record = Record {
        payment,
        return_url: text(&body, "returnUrl"),
        redirect: redirect(&body),
        landing_token,
        description: text(&body, "paymentDescription"),
        minimum_age: body["minimumUserAge"].as_i64(),
        phone_number: body["customer"]["phoneNumber"].as_str().map(str::to_owned),
        customer: customer.map(Box::new),
        scope: text(&body["profile"], "scope").filter(|scope| !scope.trim().is_empty()),
        metadata,
        shipping: shipping.map(Box::new),
        shipping_details: None,
        card_passthrough: card_passthrough.map(Box::new),
    };
    let mut answer = json!({ "reference": id.reference });
    if let Some(url) = record.redirect_url(&world.base_url) {
        answer["redirectUrl"] = url.into();
    }
    world.insert_payment(id, record);
    Ok(Answer::json(201, &answer))
}

/// Members that go with another user flow or payment method are ignored with a warning.
fn ignore_what_does_not_apply(world: &mut World, request: &Request<'_>, body: &mut Value) {
    for (member, place, applies) in
        [("qrFormat", "/userFlow", "QR"), ("cardPassthrough", "/paymentMethod/type", "CARD_PASSTHROUGH")]
    {
        let elsewhere = body.pointer(place).and_then(Value::as_str).is_some_and(|value| value != applies);
        if elsewhere && body.get(member).is_some_and(|value| !value.is_null()) {
            body[member] = Value::Null;
            world.warn(request.id(), format!("`{member}` goes with {applies} alone; it is ignored"));
        }
    }
    if body["paymentMethod"]["type"] == "CARD" && !body["merchantLegalLinks"].is_null() {
        body.as_object_mut().and_then(|members| members.remove("merchantLegalLinks"));
        world.warn(request.id(), "`merchantLegalLinks` goes with payments in the app alone; it is ignored");
    }
}

/// Whether a member of the body is an object that has a name twice, which values do not show.
fn has_twice(body: &[u8], member: &str) -> bool {
    let Ok(members) = serde_json::from_slice::<HashMap<&str, &RawValue>>(body) else { return false };
    let Some(raw) = members.get(member) else { return false };
    let Ok(Names(mut names)) = serde_json::from_str::<Names>(raw.get()) else { return false };
    names.sort_unstable();
    names.windows(2).any(|pair| pair[0] == pair[1])
}

/// The names of an object's members, as they stand.
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Names;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some((name, _)) = map.next_entry::<String, IgnoredAny>()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// Metadata has codes of its own, also where the document has a limit.
fn metadata_limits(metadata: &Value) -> Result<(), Refusal> {
    let Some(members) = metadata.as_object() else { return Ok(()) };
    if members.len() > 5 {
        return Err(Refusal::Code(4100));
    }
    if members.keys().any(|name| name.chars().count() > 100) {
        return Err(Refusal::Code(4120));
    }
    if members.values().any(|value| value.as_str().is_some_and(|value| value.chars().count() > 500)) {
        return Err(Refusal::Code(4130));
    }
    Ok(())
}

/// The conditional rules of a new payment, in the order of the fact table.
fn rules(
    world: &mut World,
    request: &Request<'_>,
    body: &Value,
    method: Method,
    value: i64,
    currency: &str,
    now: Millis,
) -> Result<(), Refusal> {
    let refuse = |code| Err(Refusal::Code(code));
    let flow = body["userFlow"].as_str().unwrap_or_default();
    if flow == "WEB_REDIRECT" && text(body, "returnUrl").is_none() {
        return refuse(4140);
    }
    if let Some(url) = text(body, "returnUrl") {
        return_url(world, request, &url)?;
    }
    callback_url(world, request, body, "/cardPassthrough/cardCallbackUrl")?;
    callback_url(world, request, body, "/shipping/dynamicOptions/callbackUrl")?;
    callback_url(world, request, body, "/merchantLegalLinks/termsOfSaleUrl")?;
    callback_url(world, request, body, "/merchantLegalLinks/privacyPolicyUrl")?;
    customer(body, flow)?;
    if !body["customer"]["personalQr"].is_null() && body["customerInteraction"] != "CUSTOMER_PRESENT" {
        world.warn(request.id(), "a personal QR code is scanned where the customer is: send CUSTOMER_PRESENT");
    }
    if !world.settings.bank_account_verified {
        return refuse(5060);
    }
    if flow == "PUSH_MESSAGE" && !world.settings.push_message_allowed {
        return refuse(5080);
    }
    if flow == "QR" && body["customerInteraction"] != "CUSTOMER_PRESENT" {
        world.warn(request.id(), "a QR payment should send customerInteraction CUSTOMER_PRESENT");
    }
    if method == Method::Card {
        if flow != "WEB_REDIRECT" {
            return refuse(4160);
        }
        if world.settings.strict || !world.settings.card_allowed {
            return refuse(4160);
        }
        world.warn(request.id(), "CARD is not available in the test environment of Vipps");
    }
    if method == Method::CardPassthrough && (body["cardPassthrough"].is_null() || request.header("psp-id").is_none()) {
        return refuse(4140);
    }
    let blocks = body["paymentMethod"]["blockedSources"].as_array().is_some_and(|sources| !sources.is_empty());
    let market = world.market_of(request.sales_unit(world));
    if blocks && (!market.blocks_sources() || method != Method::Wallet) {
        return refuse(5010);
    }
    profile(world, request, body, method)?;
    expiry(&world.settings, body, flow, now)?;
    if method != Method::CardPassthrough && currency != market.currency() {
        return refuse(5040);
    }
    if value < least_value(currency) {
        return refuse(6010);
    }
    receipt(world, request, &body["receipt"])
}

/// https, or the scheme of an app; http only warns, loopback included.
fn return_url(world: &mut World, request: &Request<'_>, url: &str) -> Result<(), Refusal> {
    match address(url) {
        Address::Unusable => Err(Refusal::Code(4090)),
        Address::Http if world.settings.strict => Err(Refusal::Code(4090)),
        Address::Http | Address::Local => {
            let warning = "`returnUrl` would be rejected in production: it must be public https or an app scheme";
            world.warn(request.id(), warning);
            Ok(())
        }
        Address::Https | Address::App => Ok(()),
    }
}

/// Where Vipps calls the merchant: https; http only warns.
fn callback_url(world: &mut World, request: &Request<'_>, body: &Value, place: &str) -> Result<(), Refusal> {
    let Some(url) = body.pointer(place).and_then(Value::as_str) else { return Ok(()) };
    match address(url) {
        Address::Unusable | Address::App => Err(Refusal::Code(4090)),
        Address::Http if world.settings.strict => Err(Refusal::Code(4090)),
        Address::Http | Address::Local => {
            let name = place.trim_start_matches('/').replace('/', ".");
            world.warn(request.id(), format!("`{name}` would be rejected in production: it must be public https"));
            Ok(())
        }
        Address::Https => Ok(()),
    }
}

/// Exactly one way of naming the customer, and one at all where the flow needs it.
pub(super) fn customer(body: &Value, flow: &str) -> Result<(), Refusal> {
    match ways_of_naming(&body["customer"]) {
        None if matches!(flow, "PUSH_MESSAGE" | "NATIVE_REDIRECT") => Err(Refusal::Code(4140)),
        None | Some(1) => Ok(()),
        Some(_) => {
            Err(Refusal::field("customer", "must have exactly one of phoneNumber, personalQr and customerToken"))
        }
    }
}

/// How many ways of naming the customer are taken; `None` without a customer.
fn ways_of_naming(customer: &Value) -> Option<usize> {
    let ways = ["phoneNumber", "personalQr", "customerToken"];
    let customer = customer.as_object()?;
    Some(ways.iter().filter(|way| customer.get(**way).is_some_and(|value| !value.is_null())).count())
}

/// Plugins send a customer who is not named, with what belongs beside them, such as
/// customerInteraction: as unknown fields are ignored, nothing is left, and there is no customer.
pub(super) fn without_unnamed_customer(world: &mut World, request: &Request<'_>, body: &mut Value) {
    let has_more = body["customer"].as_object().is_some_and(|customer| customer.values().any(|value| !value.is_null()));
    if !world.settings.strict && has_more && ways_of_naming(&body["customer"]) == Some(0) {
        let members = body.as_object_mut();
        members.and_then(|members| members.remove("customer"));
        world.warn(request.id(), "`customer` names nobody and is ignored; customerInteraction stands beside it");
    }
}

fn profile(world: &mut World, request: &Request<'_>, body: &Value, method: Method) -> Result<(), Refusal> {
    let scope = text(&body["profile"], "scope").unwrap_or_default();
    let words: Vec<&str> = scope.split_whitespace().collect();
    let known = ["name", "address", "email", "phoneNumber", "birthDate", "nin"];
    if words.iter().any(|word| !known.contains(word)) {
        return Err(Refusal::Code(4080));
    }
    if words.contains(&"nin") && !world.settings.nin_allowed {
        return Err(Refusal::Code(5030));
    }
    let shipping = &body["shipping"];
    if shipping.is_null() {
        return Ok(());
    }
    if !world.settings.express_allowed {
        return Err(Refusal::Code(5020));
    }
    let options =
        [&shipping["fixedOptions"], &shipping["dynamicOptions"]].iter().filter(|options| !options.is_null()).count();
    if options != 1 {
        return Err(Refusal::field("shipping", "must have exactly one of fixedOptions and dynamicOptions"));
    }
    if method == Method::Card {
        return Err(Refusal::Code(4160));
    }
    let mut sorted = words.clone();
    sorted.sort_unstable();
    let enough = match world.settings.express_scope_exact {
        true => sorted == EXPRESS_SCOPE,
        false => words.contains(&"address"),
    };
    if !enough {
        return Err(Refusal::Code(4080));
    }
    shipping_groups(world, request, &shipping["fixedOptions"], &body["amount"]["currency"])
}

/// Fixed options: at least one, in the payment's currency, a group for each carrier and way
/// of delivery.
fn shipping_groups(world: &mut World, request: &Request<'_>, groups: &Value, currency: &Value) -> Result<(), Refusal> {
    let Some(groups) = groups.as_array() else { return Ok(()) };
    if groups.is_empty() {
        return Err(Refusal::field("shipping.fixedOptions", "must have at least 1 element"));
    }
    let mut seen = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        let options = group["options"].as_array().map(Vec::as_slice).unwrap_or_default();
        if options.is_empty() {
            let name = format!("shipping.fixedOptions[{index}].options");
            return Err(Refusal::field(&name, "must have at least 1 element"));
        }
        if let Some(foreign) = options.iter().position(|option| option["amount"]["currency"] != *currency) {
            let name = format!("shipping.fixedOptions[{index}].options[{foreign}].amount.currency");
            return Err(Refusal::field(&name, "must be the currency of the payment"));
        }
        let kind = (&group["brand"], &group["type"]);
        if seen.contains(&kind) {
            world.warn(request.id(), "two groups of `shipping.fixedOptions` have the same brand and type");
        }
        seen.push(kind);
    }
    Ok(())
}

fn expiry(settings: &crate::settings::Settings, body: &Value, flow: &str, now: Millis) -> Result<(), Refusal> {
    let Some(text) = text(body, "expiresAt") else { return Ok(()) };
    let Some(at) = parse_rfc3339(&text) else {
        return Err(Refusal::field("expiresAt", "must be an RFC 3339 date-time"));
    };
    if at <= now + 10 * 60_000 {
        return Err(Refusal::Code(6120));
    }
    let latest = now + settings.expires_at_max_days * DAY;
    if at > latest || settings.expires_at_restricted_flows && at == latest {
        return Err(Refusal::Code(6110));
    }
    if settings.expires_at_restricted_flows && !matches!(flow, "PUSH_MESSAGE" | "QR") {
        return Err(Refusal::field("expiresAt", "goes with the user flows PUSH_MESSAGE and QR alone"));
    }
    if body["receipt"].is_null() {
        return Err(Refusal::Code(6130));
    }
    if settings.long_living_payments_allowed { Ok(()) } else { Err(Refusal::Code(5050)) }
}

/// Every line has a tax; sums are only warned about.
fn receipt(world: &mut World, request: &Request<'_>, receipt: &Value) -> Result<(), Refusal> {
    for (index, line) in receipt["orderLines"].as_array().into_iter().flatten().enumerate() {
        let place = format!("receipt.orderLines[{index}]");
        if line["taxRate"].is_null() && line["taxPercentage"].is_null() {
            return Err(Refusal::field(&format!("{place}.taxRate"), "is required where taxPercentage is not given"));
        }
        if !line["taxRate"].is_null() && !line["taxPercentage"].is_null() {
            world.warn(request.id(), format!("`{place}` has taxRate and taxPercentage; send one"));
        }
        let number = |name: &str| line[name].as_i64().unwrap_or_default();
        if number("totalAmountExcludingTax").checked_add(number("totalTaxAmount")) != Some(number("totalAmount")) {
            world.warn(
                request.id(),
                format!("`{place}`: totalAmountExcludingTax and totalTaxAmount do not add up to totalAmount"),
            );
        }
    }
    Ok(())
}

/// Where the customer is sent: by user flow.
fn redirect(body: &Value) -> Redirect {
    match (body["userFlow"].as_str(), body["qrFormat"]["format"].as_str()) {
        (Some("PUSH_MESSAGE"), _) => Redirect::Nowhere,
        (Some("NATIVE_REDIRECT"), _) => Redirect::App,
        (Some("QR"), Some("IMAGE/PNG")) => {
            let size = body["qrFormat"]["size"].as_u64().and_then(|size| u16::try_from(size).ok());
            Redirect::QrPng(size.unwrap_or(1024))
        }
        (Some("QR"), format) if format != Some("TEXT/TARGETURL") => Redirect::QrSvg,
        _ => Redirect::Landing,
    }
}
