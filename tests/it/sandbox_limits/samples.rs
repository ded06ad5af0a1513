//! A door for every operation of every document, of the control API and of the pages: how it
//! is knocked at, with a body that it takes.

use serde_json::{Map, Value, json};

/// Nobody listens there: whatever the sandbox wants to tell it is refused at once.
pub(super) const NOWHERE: &str = "http://127.0.0.1:9/nowhere";

const DOCUMENTS: [&str; 7] = [
    include_str!("../../../crates/vipps-sandbox/src/documents/access-token.json"),
    include_str!("../../../crates/vipps-sandbox/src/documents/checkout.json"),
    include_str!("../../../crates/vipps-sandbox/src/documents/epayment.json"),
    include_str!("../../../crates/vipps-sandbox/src/documents/psp.json"),
    include_str!("../../../crates/vipps-sandbox/src/documents/recurring-v2.json"),
    include_str!("../../../crates/vipps-sandbox/src/documents/recurring.json"),
    include_str!("../../../crates/vipps-sandbox/src/documents/webhooks.json"),
];

#[derive(Clone, Debug)]
pub(super) struct Door {
    pub(super) method: String,
    /// What stands in braces is filled in.
    pub(super) template: String,
    /// What is required, and everything there is; null where there is no body.
    pub(super) least: Value,
    pub(super) full: Value,
}

/// Every door, and paths of any other form.
pub(super) fn doors() -> Vec<Door> {
    let mut doors: Vec<Door> = DOCUMENTS.iter().flat_map(|document| documented(document)).collect();
    let simple = control().into_iter().chain(pages());
    doors.extend(simple.map(|(method, template, body)| Door {
        method: method.to_owned(),
        template: template.to_owned(),
        least: body.clone(),
        full: body,
    }));
    doors
}

fn documented(document: &str) -> Vec<Door> {
    let document: Value = serde_json::from_str(document).unwrap();
    let definitions = &document["$defs"];
    let operations = document["operations"].as_array().unwrap().iter();
    let door = |operation: &Value| {
        let text = |name: &str| operation[name].as_str().unwrap().to_owned();
        let body = |full| Sampler { definitions, full }.value(&operation["body"], "", 0);
        Door { method: text("method"), template: text("path"), least: body(false), full: body(true) }
    };
    operations.map(door).collect()
}

/// The control API, as `control-api.md` lists it.
fn control() -> Vec<(&'static str, &'static str, Value)> {
    let fault = json!({ "operation": "getPayment", "count": 1, "fault": { "kind": "status", "status": 503 } });
    let complete = json!({ "paymentMethod": "Wallet", "customConsent": true, "customer": { "firstName": "Ada" } });
    let settings = json!({ "captureDays": 7, "strict": false, "chargeRunHours": [0, 12], "refundDays": 30 });
    vec![
        ("GET", "/__sandbox/clock", Value::Null),
        ("POST", "/__sandbox/clock/advance", json!({ "seconds": 60 })),
        ("GET", "/__sandbox/payments", Value::Null),
        ("POST", "/__sandbox/payments/{reference}/approve", json!({ "phoneNumber": "4712345678" })),
        ("POST", "/__sandbox/payments/{reference}/abort", json!({})),
        ("GET", "/__sandbox/agreements", Value::Null),
        ("GET", "/__sandbox/charges", Value::Null),
        ("POST", "/__sandbox/agreements/{id}/approve", json!({ "maxAmount": 1000 })),
        ("POST", "/__sandbox/agreements/{id}/reject", json!({})),
        ("POST", "/__sandbox/agreements/{id}/stop", json!({ "actor": "USER" })),
        ("POST", "/__sandbox/charges/run", json!({})),
        ("GET", "/__sandbox/sessions", Value::Null),
        ("POST", "/__sandbox/sessions/{reference}/initiate", json!({})),
        ("POST", "/__sandbox/sessions/{reference}/complete", complete),
        ("POST", "/__sandbox/sessions/{reference}/abandon", json!({})),
        ("GET", "/__sandbox/psp", Value::Null),
        ("POST", "/__sandbox/psp/{id}/approve", json!({})),
        ("POST", "/__sandbox/psp/{id}/cancel", json!({})),
        ("POST", "/__sandbox/psp/{id}/complete-3ds", json!({ "outcome": "success" })),
        ("GET", "/__sandbox/webhooks", Value::Null),
        ("GET", "/__sandbox/deliveries", Value::Null),
        ("POST", "/__sandbox/deliveries/{id}/replay", json!({})),
        ("POST", "/__sandbox/deliveries/mode", json!({ "mode": "reorder" })),
        ("GET", "/__sandbox/deliveries/mode", Value::Null),
        ("POST", "/__sandbox/faults", fault),
        ("GET", "/__sandbox/faults", Value::Null),
        ("DELETE", "/__sandbox/faults", Value::Null),
        ("GET", "/__sandbox/ledger", Value::Null),
        ("GET", "/__sandbox/requests", Value::Null),
        ("GET", "/__sandbox/warnings", Value::Null),
        ("GET", "/__sandbox/settings", Value::Null),
        ("PATCH", "/__sandbox/settings", settings),
        ("DELETE", "/__sandbox/tokens", Value::Null),
        ("POST", "/__sandbox/reset", json!({})),
    ]
}

/// What a browser asks for, and paths of no known form.
fn pages() -> Vec<(&'static str, &'static str, Value)> {
    let templates = [
        ("GET", "/landing?token={token}"),
        ("POST", "/landing/approve"),
        ("GET", "/agreement?token={token}"),
        ("GET", "/qr/{token}.png?size=4294967295"),
        ("GET", "/qr/{token}.svg"),
        ("GET", "/psp/landing?token={token}"),
        ("GET", "/vipps-userinfo-api/userinfo/{sub}"),
        ("GET", "/{1}"),
        ("POST", "/{1}/{2}/{3}"),
        ("GET", "/{1}/{2}/{3}/{4}/{5}"),
        ("GET", "//{1}//"),
        ("OPTIONS", "*"),
        ("GET", "http://elsewhere.example/{1}"),
    ];
    templates.into_iter().map(|(method, template)| (method, template, Value::Null)).collect()
}

/// Makes values of schemas.
struct Sampler<'a> {
    definitions: &'a Value,
    /// Every member, not only the required ones.
    full: bool,
}

impl Sampler<'_> {
    fn value(&self, schema: &Value, name: &str, depth: usize) -> Value {
        if depth > 12 {
            return Value::Null;
        }
        if let Some(component) = schema["$ref"].as_str().and_then(|at| at.strip_prefix("#/$defs/")) {
            return self.value(&self.definitions[component], name, depth + 1);
        }
        let mut parts = ["allOf", "anyOf"].iter().filter_map(|word| schema[*word].as_array()).flatten();
        if let Some(part) = parts.find(|part| part["type"] != "null") {
            return self.value(part, name, depth + 1);
        }
        if let Some(known) = schema["enum"].as_array().and_then(|values| values.first()) {
            return known.clone();
        }
        match schema["type"].as_str() {
            Some("object") => self.object(schema, depth),
            Some("array") => json!([self.value(&schema["items"], name, depth + 1)]),
            Some("integer" | "number") => {
                let least = schema["minimum"].as_i64().unwrap_or(0);
                let most = schema["maximum"].as_i64().unwrap_or(i64::MAX);
                json!(1000_i64.clamp(least, most))
            }
            Some("boolean") => json!(true),
            Some("string") => json!(text(schema, name)),
            _ => Value::Null,
        }
    }

    fn object(&self, schema: &Value, depth: usize) -> Value {
        let is_required =
            |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|own| own == name));
        let properties = schema["properties"].as_object().into_iter().flatten();
        let shown = properties.filter(|(name, _)| self.full || is_required(name));
        let members: Map<String, Value> =
            shown.map(|(name, member)| (name.clone(), self.value(member, name, depth + 1))).collect();
        members.into()
    }
}

/// A text that the name, the format and the lengths ask for.
fn text(schema: &Value, name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let text = match schema["format"].as_str() {
        Some("date") => "2026-02-01",
        Some("date-time") => "2026-01-01T01:00:00Z",
        Some("uuid") => "6a1e2c5f-0000-4000-8000-000000000001",
        Some("uri") => NOWHERE,
        _ if name.contains("url") => NOWHERE,
        _ if name.contains("phone") => "4712345678",
        _ if name == "customermobilenumber" => "12345678",
        _ if name == "currency" => "NOK",
        _ if name == "due" => "2026-02-01",
        _ if name == "end" || name == "eventdate" => "2026-03-01T00:00:00Z",
        _ if name == "events" => "epayments.payment.captured.v1",
        _ if name == "scope" => "name address email phoneNumber",
        _ => "acme-order-3",
    };
    let length = |word: &str| schema[word].as_u64().and_then(|length| usize::try_from(length).ok());
    let text = format!("{text:a<width$}", width = length("minLength").unwrap_or(0));
    text.chars().take(length("maxLength").unwrap_or(usize::MAX)).collect()
}
