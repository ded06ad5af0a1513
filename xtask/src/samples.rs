//! Samples of every body, made from a document: what a server may send, and what we do.

use serde_json::{Map, Value, json};

use crate::document::{Document, Outcome, component_of};
use crate::generate::rust_type_of;
use crate::{load, overlay};

/// A body of an operation: its Rust type, a full sample, and odd ones.
pub struct Body {
    /// The operation and the direction.
    pub what: String,
    /// The Rust type behind it.
    pub rust: String,
    /// We read it.
    pub is_response: bool,
    /// With every member set.
    pub full: Value,
    /// What else must be read: what is odd about it, and the body.
    pub odd: Vec<(String, Value)>,
}

/// The bodies of a document whose types are below `root`.
///
/// # Errors
///
/// The text that `cargo xtask generate` would print.
pub fn bodies(path: &std::path::Path, root: &str) -> Result<Vec<Body>, String> {
    try_bodies(path, root).map_err(|trouble| trouble.to_string())
}

/// A full sample of a component, and odd ones: what is odd about each, and the body.
pub type Samples = (Value, Vec<(String, Value)>);

/// Samples of a component that no operation may name, such as the body of a webhook.
///
/// # Errors
///
/// The text that `cargo xtask generate` would print, or that there is no such component.
pub fn of_component(path: &std::path::Path, name: &str) -> Result<Samples, String> {
    let mut document = load::load(path, &path.display().to_string()).map_err(|trouble| trouble.to_string())?;
    overlay::resolve_only(&mut document).map_err(|trouble| trouble.to_string())?;
    let schema = document.schema(name).cloned().ok_or(format!("{} has no {name}", path.display()))?;
    let full = full(&document, &schema, &mut Vec::new());
    let mut odd = Vec::new();
    mutate(&document, &schema, &full, "", &mut Vec::new(), &mut |note, value| odd.push((note, value)));
    Ok((full, odd))
}

fn try_bodies(path: &std::path::Path, root: &str) -> Outcome<Vec<Body>> {
    let published = load::load(path, &path.display().to_string())?;
    let mut made = published.clone();
    overlay::apply(&mut made)?;
    let mut published = published;
    overlay::resolve_only(&mut published)?;
    let mut bodies = Vec::new();
    let mut typed: Vec<(String, [Value; 2])> = Vec::new();
    made.each_operation(|path, method, operation| {
        let schema = |body: Option<&Value>| {
            body.and_then(|body| body["content"].as_object()?.values().next()?.get("schema").cloned())
        };
        let response = schema(operation.pointer("/responses/2XX")).unwrap_or_default();
        typed.push((format!("{method} {path}"), [schema(operation.get("requestBody")).unwrap_or_default(), response]));
    });
    let mut originals: Vec<(String, String, [Value; 2])> = Vec::new();
    published.each_operation(|path, method, operation| {
        let schema = |body: &Value| {
            body["content"].as_object().and_then(|c| c.values().find_map(|media| media.get("schema").cloned()))
        };
        let success = operation["responses"]
            .as_object()
            .into_iter()
            .flatten()
            .find(|(status, body)| status.starts_with('2') && schema(body).is_some());
        let response = success.and_then(|(_, body)| schema(body)).unwrap_or_default();
        let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
        originals.push((
            format!("{method} {path}"),
            id,
            [schema(&operation["requestBody"]).unwrap_or_default(), response],
        ));
    });
    for (route, id, schemas) in originals {
        let Some((_, types)) = typed.iter().find(|(other, _)| *other == route) else { continue };
        for (index, direction) in ["request", "response"].into_iter().enumerate() {
            let Some(rust) = rust_of(&made, &types[index], root) else { continue };
            let full = full(&published, &schemas[index], &mut Vec::new());
            let mut odd = Vec::new();
            mutate(&published, &schemas[index], &full, "", &mut Vec::new(), &mut |note, value| odd.push((note, value)));
            bodies.push(Body { what: format!("{id} {direction}"), rust, is_response: index == 1, full, odd });
        }
    }
    Ok(bodies)
}

/// The type of a body: a component, or a list of one. Free-form bodies have none.
fn rust_of(made: &Document, schema: &Value, root: &str) -> Option<String> {
    if let Some(name) = component_of(schema) {
        return Some(rust_type_of(made, name, root).replace("::generated::types::", "::types::"));
    }
    let items = schema.get("items")?;
    Some(format!("Vec<{}>", rust_of(made, items, root)?))
}

fn written_out<'a>(document: &'a Document, schema: &'a Value) -> &'a Value {
    component_of(schema).and_then(|name| document.schema(name)).unwrap_or(schema)
}

/// A value with every member set; the first branch of each union.
fn full(document: &Document, schema: &Value, stack: &mut Vec<String>) -> Value {
    if let Some(name) = component_of(schema) {
        if stack.iter().filter(|seen| *seen == name).count() > 0 {
            return Value::Null;
        }
        stack.push(name.to_owned());
        let value = full(document, written_out(document, schema), stack);
        stack.pop();
        return value;
    }
    if let Some(branch) = branches(schema).first() {
        return tagged(document, schema, branch, stack);
    }
    let mut members = Map::new();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        if let Value::Object(more) = full(document, part, stack) {
            members.extend(more);
        }
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let value = full(document, property, stack);
        if !value.is_null() {
            members.insert(name.clone(), value);
        }
    }
    let first = schema["enum"].as_array().and_then(|values| values.iter().find(|value| value.is_string()).cloned());
    match schema["type"].as_str() {
        _ if first.is_some() => first.unwrap_or_default(),
        Some("string") => match schema["format"].as_str() {
            Some("date-time") => "2026-01-01T00:00:00.1234567Z".into(),
            Some("date") => "2026-01-01".into(),
            _ => "text".into(),
        },
        Some("integer") => 1.into(),
        Some("number") => 1.5.into(),
        Some("boolean") => true.into(),
        Some("array") => json!([full(document, &schema["items"], stack)]),
        _ if members.is_empty() && schema["additionalProperties"].is_object() => {
            json!({ "key": full(document, &schema["additionalProperties"], stack) })
        }
        _ => members.into(),
    }
}

fn branches(schema: &Value) -> &[Value] {
    let list = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array());
    list.map(Vec::as_slice).unwrap_or_default()
}

/// A branch of a union, with the tag that the mapping gives it.
fn tagged(document: &Document, schema: &Value, branch: &Value, stack: &mut Vec<String>) -> Value {
    let mut value = full(document, branch, stack);
    let tag = schema["discriminator"]["propertyName"].as_str();
    let mapping = schema["discriminator"]["mapping"].as_object();
    if let (Some(tag), Some(mapping), Some(name)) = (tag, mapping, component_of(branch)) {
        let mapped = mapping
            .iter()
            .find(|(_, target)| target.as_str().is_some_and(|target| target.ends_with(&format!("/{name}"))));
        if let (Some((wire, _)), Some(members)) = (mapped, value.as_object_mut()) {
            members.insert(tag.to_owned(), wire.as_str().into());
        }
    }
    value
}

/// What an answer cannot do without: nothing is claimed about bodies that lack it. Its id,
/// its state and its amount, where it is itself one thing or a list of them; an amount whole;
/// the sums of a payment.
fn indispensable(place: &str, name: &str) -> bool {
    let of_the_answer = matches!(place, "" | "[]");
    match name {
        "id" | "reference" | "agreementId" | "chargeId" | "state" | "status" | "amount" | "aggregate"
        | "access_token" => of_the_answer,
        "value" | "currency" => place.to_ascii_lowercase().ends_with("amount"),
        _ => place.ends_with(".aggregate") && name.ends_with("Amount"),
    }
}

/// Every way in which one place of a body is odd: missing, null, unknown, or another branch.
fn mutate(
    document: &Document,
    schema: &Value,
    value: &Value,
    place: &str,
    stack: &mut Vec<String>,
    tell: &mut dyn FnMut(String, Value),
) {
    if let Some(name) = component_of(schema) {
        if stack.iter().any(|seen| seen == name) {
            return;
        }
        stack.push(name.to_owned());
        mutate(document, written_out(document, schema), value, place, stack, tell);
        stack.pop();
        return;
    }
    for (index, branch) in branches(schema).iter().enumerate() {
        let sample = tagged(document, schema, branch, stack);
        tell(format!("{place}: branch {index}"), sample.clone());
        mutate(document, branch, &sample, place, stack, tell);
    }
    if schema["enum"].as_array().is_some_and(|values| values.iter().any(Value::is_string)) {
        tell(format!("{place}: unknown value"), "BRAND_NEW".into());
    }
    let parts = schema["allOf"].as_array().map(Vec::as_slice).unwrap_or_default();
    for part in parts {
        mutate(document, part, value, place, stack, tell);
    }
    if let Some(items) = schema.get("items") {
        let first = value[0].clone();
        mutate(document, items, &first, &format!("{place}[]"), stack, &mut |note, odd| tell(note, json!([odd])));
    }
    let (Some(properties), Some(members)) = (schema["properties"].as_object(), value.as_object()) else { return };
    let mut more = members.clone();
    more.insert("brandNewMember".into(), json!({ "a": [1, null] }));
    tell(format!("{place}: unknown member"), more.into());
    for (name, property) in properties {
        let with = |odd: Option<Value>| {
            let mut members = members.clone();
            match odd {
                Some(odd) => drop(members.insert(name.clone(), odd)),
                None => drop(members.shift_remove(name)),
            }
            Value::Object(members)
        };
        let at = format!("{place}.{name}");
        if !indispensable(place, name) {
            tell(format!("{at}: missing"), with(None));
            tell(format!("{at}: null"), with(Some(Value::Null)));
        }
        if let Some(inner) = members.get(name) {
            mutate(document, property, inner, &at, stack, &mut |note, odd| tell(note, with(Some(odd))));
        }
    }
}
