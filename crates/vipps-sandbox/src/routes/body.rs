//! Reading a request's body, the same for every API.

use serde_json::Value;

use super::api::Request;
use crate::refusal::Refusal;
use crate::state::World;

/// The body, `null` when there is none. Members that the document does not name are
/// ignored with a warning.
pub(super) fn read(world: &mut World, request: &Request<'_>) -> Result<Value, Refusal> {
    if request.body.is_empty() {
        return match request.operation.body_required() {
            true => Err(Refusal::field("body", "is required")),
            false => Ok(Value::Null),
        };
    }
    let body = match request.json() {
        Some(body) => body.clone(),
        None => return Err(Refusal::field("body", why_unreadable(request.body))),
    };
    if !request.operation.has_body() {
        return Ok(Value::Null);
    }
    let body = without_broken_nulls(world, request, body);
    let fits = body.is_object() || body.is_array() && request.operation.takes_array();
    if !fits && !request.is_read() {
        return Err(Refusal::field("body", "must be a JSON object"));
    }
    // A body of several kinds is told of once its kind is known.
    if request.id() != "createSession" {
        tell_unknown(world, request, request.operation.unknown_members(&body))?;
    }
    Ok(body)
}

/// Clients write null for what they leave out. Where the document does not allow it, it is taken
/// as left out, with a warning; what is required stays missing.
fn without_broken_nulls(world: &mut World, request: &Request<'_>, mut body: Value) -> Value {
    if world.settings.strict || !has_null(&body) {
        return body;
    }
    for (place, _) in request.operation.body_violations(&body) {
        let pointer = format!("/{}", place.replace("].", "/").replace(['.', '['], "/").replace(']', ""));
        let Some((parent, name)) = pointer.rsplit_once('/') else { continue };
        let Some(members) = body.pointer_mut(parent).and_then(Value::as_object_mut) else { continue };
        if members.get(name).is_some_and(Value::is_null) {
            members.remove(name);
            world.warn(request.id(), format!("`{place}` is null, which the document does not allow: leave it out"));
        }
    }
    body
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
        _ => false,
    }
}

/// Members that no document names are ignored with a warning.
pub(super) fn tell_unknown(world: &mut World, request: &Request<'_>, names: Vec<String>) -> Result<(), Refusal> {
    for name in names {
        if world.settings.strict {
            return Err(Refusal::field(&name, "is unknown"));
        }
        world.warn(request.id(), format!("unknown field `{name}` is ignored; the document does not name it"));
    }
    Ok(())
}

fn why_unreadable(body: &[u8]) -> String {
    let error = serde_json::from_slice::<Value>(body).err();
    // Skipped instead of read, the text is in order: it is its letters that are not.
    let is_half = error.as_ref().is_some_and(|error| error.to_string().contains("hex escape"))
        && serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
    let what = match std::str::from_utf8(body) {
        Err(_) => "is not UTF-8",
        // Grammar lets it pass, and no text holds it.
        Ok(_) if is_half => "has half of a character in a text (a surrogate without its pair)",
        Ok(_) => "is not valid JSON",
    };
    match error {
        Some(error) => format!("{what} (line {}, column {})", error.line(), error.column()),
        None => what.to_owned(),
    }
}

/// What the document says of the body.
pub(super) fn check(request: &Request<'_>, body: &Value) -> Result<(), Refusal> {
    let violations = request.operation.body_violations(body);
    if violations.is_empty() { Ok(()) } else { Err(Refusal::Fields(violations)) }
}

/// Texts where the sources show numbers: they are taken as texts, with a warning.
pub(super) fn numbers_as_texts(world: &mut World, request: &Request<'_>, body: &mut Value, places: &[&str]) {
    if world.settings.strict {
        return;
    }
    for place in places {
        if let Some(number) = body.pointer_mut(place).filter(|value| value.is_number()) {
            *number = number.to_string().into();
            let name = place.trim_start_matches('/').replace('/', ".");
            world.warn(request.id(), format!("`{name}` is a number; send a string"));
        }
    }
}

/// Payment sources that the document does not name are not blocked, with a warning.
pub(super) fn tolerate_unknown_sources(world: &mut World, request: &Request<'_>, body: &mut Value) {
    const KNOWN: [&str; 1] = ["COMMERCIAL_CARDS"];
    if world.settings.strict {
        return;
    }
    let Some(sources) = body.pointer_mut("/paymentMethod/blockedSources").and_then(Value::as_array_mut) else { return };
    let unknown = |source: &Value| source.as_str().is_some_and(|source| !KNOWN.contains(&source));
    let told: Vec<Value> = sources.iter().filter(|source| unknown(source)).cloned().collect();
    sources.retain(|source| !unknown(source));
    for source in told {
        world.warn(
            request.id(),
            format!("`paymentMethod.blockedSources` has the unknown value {source}; it is ignored"),
        );
    }
}

/// A member that is text.
pub(super) fn text(value: &Value, name: &str) -> Option<String> {
    value[name].as_str().map(str::to_owned)
}

/// What an address may be: https anywhere, http on this machine alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Https,
    /// https to this machine, or http: refused in production.
    Local,
    /// http to another machine.
    Http,
    /// The scheme of an app.
    App,
    Unusable,
}

/// What kind of address a text is.
pub(super) fn address(text: &str) -> Address {
    let Ok(url) = url::Url::parse(text) else { return Address::Unusable };
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "http" | "https" if loopback => Address::Local,
        "https" => Address::Https,
        "http" => Address::Http,
        "javascript" | "data" | "vbscript" | "file" | "blob" | "about" => Address::Unusable,
        _ => Address::App,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_apart() {
        for (text, kind) in [
            ("https://acme.example/x?y=1", Address::Https),
            ("http://acme.example/", Address::Http),
            ("http://127.0.0.1:8080/", Address::Local),
            ("http://[::1]/", Address::Local),
            ("https://localhost/", Address::Local),
            ("acme-app://done", Address::App),
            ("javascript:alert(1)", Address::Unusable),
            ("thanks", Address::Unusable),
        ] {
            assert_eq!(address(text), kind, "{text}");
        }
    }
}
