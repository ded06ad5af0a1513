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
            if uuid::Uuid::try_parse(id).is_err() {
                return Err(Refusal::field("id", "must be a UUID"));
            }
            // Whoever names no sales unit means all of them.
            let known = world.registrations.get(id);
            let known = known.is_some_and(|known| sales_unit.is_none() || known.sales_unit == sales_unit);
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
        Address::Local if !world.settings.loopback_webhooks_allowed => {
            return Err(Refusal::field("url", "must be a public address"));
        }
        Address::Http if !world.settings.http_webhooks_allowed => {
            let rule = "must be an https address (the setting httpWebhooksAllowed takes http ones)";
            return Err(Refusal::field("url", rule));
        }
        Address::Local | Address::Http => {
            world.warn(request.id(), "`url` would be rejected in production: it must be public https");
        }
        _ => return Err(Refusal::field("url", "must be an https address")),
    }
    if let Some(sent) = sent_otherwise(&url) {
        return Err(Refusal::field("url", format!("must be written as it is called, which is signed: {sent}")));
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

/// The address as calls have it, where its path or query is written in another way.
fn sent_otherwise(text: &str) -> Option<String> {
    let url = url::Url::parse(text).ok()?;
    let sent = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let written = rest.find(['/', '?']).map_or("", |start| &rest[start..]);
    let written = written.split('#').next().unwrap_or_default();
    (written != sent && !(written.is_empty() && sent == "/")).then(|| url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_called_as_it_is_written() {
        for fine in ["https://a.example", "https://a.example/", "https://a.example/b?c=%20", "HTTPS://A.example/b"] {
            assert_eq!(sent_otherwise(fine), None, "{fine}");
        }
        for (text, sent) in [
            ("https://a.example/b/../c", "https://a.example/c"),
            ("https://a.example/\u{e6}", "https://a.example/%C3%A6"),
            ("https://a.example?b", "https://a.example/?b"),
        ] {
            assert_eq!(sent_otherwise(text).as_deref(), Some(sent));
        }
    }
}
