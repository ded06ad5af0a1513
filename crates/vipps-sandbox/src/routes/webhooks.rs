//! Webhooks API: registrations.

use serde_json::{Value, json};

use super::api::Request;
use super::body::{self, Address, address};
use crate::answer::Answer;
use crate::refusal::Refusal;
use crate::state::World;
use crate::webhook::{EVENT_TYPES, Registration};

pub(super) fn answer(world: &mut World, request: &Request<'_>) -> Result<Answer, Refusal> {
    let sales_unit = request.header("merchant-serial-number").map(str::to_owned);
    match request.id() {
        "listWebhooks" => {
            let mine = world.registrations.iter().filter(|registration| registration.sales_unit == sales_unit);
            Ok(Answer::json(200, &json!({ "webhooks": mine.map(registration_json).collect::<Vec<_>>() })))
        }
        "registerWebhook" => register(world, request, sales_unit),
        _ => {
            let id = request.parameter(0);
            let known = world.registrations.get(id).is_some_and(|known| known.sales_unit == sales_unit);
            if !known {
                return Err(Refusal::Unknown);
            }
            world.remove_registration(id);
            Ok(Answer::empty(204))
        }
    }
}

fn registration_json(registration: &Registration) -> Value {
    json!({ "id": registration.id, "url": registration.url, "events": registration.events })
}

fn register(world: &mut World, request: &Request<'_>, sales_unit: Option<String>) -> Result<Answer, Refusal> {
    let body = body::read(world, request)?;
    body::check(request, &body)?;
    let url = body["url"].as_str().unwrap_or_default().to_owned();
    match address(&url) {
        Address::Https => {}
        Address::Http if !world.settings.http_webhooks_allowed => {
            let rule = "must be an https address (the setting httpWebhooksAllowed takes http ones)";
            return Err(Refusal::field("url", rule));
        }
        Address::Local | Address::Http => {
            world.warn(request.id(), "`url` would be rejected in production: it must be public https");
        }
        _ => return Err(Refusal::field("url", "must be an https address")),
    }
    let mut events: Vec<String> = Vec::new();
    for event in body["events"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !EVENT_TYPES.contains(&event) {
            return Err(Refusal::field("events", format!("has the unknown event type {event}")));
        }
        if !events.iter().any(|known| known == event) {
            events.push(event.to_owned());
        }
    }
    if events.is_empty() {
        return Err(Refusal::field("events", "must have at least one event type"));
    }
    let most = world.settings.webhooks_per_event;
    if let Some(full) = world.registrations.full(sales_unit.as_deref(), &events, most).first() {
        return Err(Refusal::field(
            "events",
            format!("has {full}, for which there are as many webhooks as there may be"),
        ));
    }
    let (id, key) = (world.ids.uuid("webhook"), world.ids.key_material("webhook secret"));
    let registration = world.registrations.add(id, &key, url, events, sales_unit);
    Ok(Answer::json(201, &json!({ "id": registration.id, "secret": registration.secret })))
}
