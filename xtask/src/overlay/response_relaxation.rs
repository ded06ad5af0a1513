use serde_json::Value;

use super::{REQUIRED, Step};
use crate::document::{Document, Outcome, component_of, reach};

pub(super) const STEP: Step = Step {
    name: "response relaxation",
    because: "real answers omit what documents require, and a missing field must not lose a payment; only what \
              an answer is worthless without stays required",
    remove_when: "never: documents and answers will differ",
    run,
};

/// What an answer cannot do without: what it is about, how far it got, how much money.
const INDISPENSABLE: &[&str] = &["state", "status", "amount", "aggregate", "access_token"];

/// What names the thing itself: the first of these that a schema declares.
const NAMES: &[&[&str]] = &[&["id", "reference"], &["agreementId"], &["chargeId"]];

fn run(document: &mut Document) -> Outcome {
    let sent = sent_components(document);
    let amounts: Vec<String> = document
        .schemas()
        .filter(|(_, schema)| super::shared_types::is_amount(schema))
        .map(|(name, _)| name.clone())
        .collect();
    let (whole, read) = read_components(document);
    let inside: Vec<String> = read.iter().filter(|name| !whole.contains(name)).cloned().collect();
    for (name, schema) in document.schemas_mut().iter_mut() {
        let both = read.contains(name) && sent.contains(name);
        if (sent.contains(name) && !both) || amounts.contains(name) {
            continue;
        }
        if both && schema.get("required").is_some() {
            // What we send of it is still checked, by `limits.rs`.
            schema[REQUIRED] = schema["required"].clone();
        }
        // A row of a list or a part of an answer may be empty: the answer itself may not.
        let whole = whole.contains(name) || !inside.contains(name);
        let properties = schema["properties"].clone();
        let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) else { continue };
        required.retain(|member| {
            let member = member.as_str().unwrap_or_default();
            let money = member.ends_with("Amount")
                && component_of(&properties[member])
                    .is_some_and(|component| amounts.iter().any(|amount| amount == component));
            let names = NAMES.iter().find(|names| names.iter().any(|name| properties.get(*name).is_some()));
            let own = whole && INDISPENSABLE.contains(&member);
            own || money || whole && names.is_some_and(|names| names.contains(&member))
        });
        if let (true, Some(keywords)) = (required.is_empty(), schema.as_object_mut()) {
            keywords.shift_remove("required");
        }
    }
    // A required list that no longer is one reads null as missing too.
    document.each_schema(|place, schema| {
        let component = place.strip_prefix("components.schemas.").unwrap_or_default();
        let only_sent = sent.iter().any(|name| component == name) && !read.iter().any(|name| component == name);
        if component.is_empty() || only_sent {
            return;
        }
        let required = schema["required"].clone();
        for (name, property) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
            let optional = !required.as_array().is_some_and(|list| list.iter().any(|member| member == name));
            let collection =
                property["type"] == "array" || (property["type"] == "object" && property.get("properties").is_none());
            if optional && collection {
                property["nullable"] = true.into();
            }
        }
    });
    Ok(())
}

/// The components that are answers, or elements of one that is a list; and all that an
/// answer can hold.
fn read_components(document: &mut Document) -> (Vec<String>, Vec<String>) {
    let mut bodies = Vec::new();
    document.each_operation(|_, _, operation| {
        let content = operation.pointer("/responses/2XX/content").and_then(Value::as_object);
        bodies.extend(content.into_iter().flat_map(|content| content.values()).map(|media| media["schema"].clone()));
    });
    let (mut whole, mut found) = (Vec::new(), Vec::new());
    for body in bodies {
        let answer = component_of(&body).or_else(|| component_of(&body["items"]));
        whole.extend(answer.map(str::to_owned));
        reach(document, &body, &mut found);
    }
    (whole, found)
}

/// The components that a request body, or an answer of ours to a callback, can hold.
pub(crate) fn sent_components(document: &mut Document) -> Vec<String> {
    let mut bodies = Vec::new();
    document.each_operation(|_, _, operation| {
        let content = operation["requestBody"]["content"].as_object();
        bodies.extend(content.into_iter().flat_map(|content| content.values()).map(|media| media["schema"].clone()));
    });
    let mut found = document.sent.clone();
    for body in bodies {
        reach(document, &body, &mut found);
    }
    for name in document.sent.clone() {
        if let Some(schema) = document.schema(&name).cloned() {
            reach(document, &schema, &mut found);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::reference;
    use serde_json::json;

    #[test]
    fn what_is_sent_and_read_is_relaxed_and_marked() {
        let body = || json!({ "content": { "application/json": { "schema": reference("Both") } } });
        let both = json!({ "properties": { "name": {} }, "required": ["name"] });
        let mut document = Document::new(
            "x.yaml",
            json!({
                "paths": { "/a": { "post": { "requestBody": body(), "responses": { "2XX": body() } } } },
                "components": { "schemas": { "Both": both } }
            }),
        );
        run(&mut document).unwrap();
        assert_eq!(document.schema("Both").unwrap(), &json!({ "properties": { "name": {} }, "x-required": ["name"] }));
    }

    #[test]
    fn only_answers_are_relaxed_and_money_stays_required() {
        let money = json!({ "properties": { "currency": { "type": "string" }, "value": { "type": "integer" } }, "required": ["currency", "value"] });
        let both = json!({ "properties": { "name": {} }, "required": ["name"] });
        let answer = json!({
            "properties": { "reference": {}, "pspReference": {}, "capturedAmount": reference("Amount"), "both": reference("Both"), "lines": { "type": "array", "items": {} } },
            "required": ["reference", "pspReference", "capturedAmount", "lines"]
        });
        let mut document = Document::new(
            "x.yaml",
            json!({
                "paths": { "/a": { "post": { "requestBody": { "content": { "application/json": { "schema": reference("Both") } } } } } },
                "components": { "schemas": { "Amount": money, "Both": both, "Answer": answer } }
            }),
        );
        run(&mut document).unwrap();
        assert_eq!(document.schema("Answer").unwrap()["required"], json!(["reference", "capturedAmount"]));
        assert_eq!(document.schema("Answer").unwrap()["properties"]["lines"]["nullable"], true);
        assert_eq!(document.schema("Both").unwrap()["required"], json!(["name"]));
        assert_eq!(document.schema("Amount").unwrap()["required"], json!(["currency", "value"]));
    }
}
