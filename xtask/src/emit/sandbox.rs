//! The compact form of a document that the sandbox compiles in: operations with JSON
//! Schemas of what they take and answer, exactly as published.

use serde_json::{Map, Value, json};

use crate::document::{Document, METHODS, Outcome, component_of};
use crate::overlay;

pub(crate) fn compact(document: &Document) -> Outcome<String> {
    let mut document = document.clone();
    overlay::resolve_only(&mut document)?;
    let named: Map<String, Value> = document.schemas().map(|(name, schema)| (name.clone(), schema.clone())).collect();
    document.each_schema(|_, schema| together(schema, &named));
    document.each_schema(|_, schema| to_json_schema(schema));
    let mut operations = Vec::new();
    let paths = document.root["paths"].as_object().cloned().unwrap_or_default();
    for (path, item) in &paths {
        for method in METHODS.iter().filter(|method| item.get(**method).is_some()) {
            operations.push(operation(path, method, &item[*method], &item["parameters"]));
        }
    }
    let schemas: Map<String, Value> = document.schemas().map(|(name, schema)| (name.clone(), schema.clone())).collect();
    let compact = json!({ "version": document.version(), "operations": operations, "$defs": schemas });
    Ok(serde_json::to_string(&compact).unwrap_or_default() + "\n")
}

fn operation(path: &str, method: &str, operation: &Value, shared: &Value) -> Value {
    let lists = [shared, &operation["parameters"]];
    let parameters: Vec<Value> = lists
        .iter()
        .filter_map(|list| list.as_array())
        .flatten()
        .map(|parameter| {
            let required = parameter["required"] == true;
            json!({ "name": parameter["name"], "in": parameter["in"], "required": required, "schema": parameter["schema"] })
        })
        .collect();
    let body = &operation["requestBody"];
    let mut responses = Map::new();
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        responses.insert(status.clone(), first_schema(response));
    }
    json!({
        "id": operation["operationId"], "method": method.to_ascii_uppercase(), "path": path, "parameters": parameters,
        "bodyRequired": body["required"] == true, "body": first_schema(body), "responses": responses,
    })
}

fn first_schema(body: &Value) -> Value {
    let media = body["content"].as_object().and_then(|content| content.values().next());
    media.and_then(|media| media.get("schema")).cloned().unwrap_or(Value::Null)
}

/// Branches that require nothing and share no member match together, whatever is sent; which
/// one is meant is a rule of the domain, and the limits of all of them hold.
fn together(schema: &mut Value, named: &Map<String, Value>) {
    let Some(branches) = schema["oneOf"].as_array().cloned() else { return };
    let written_out = |branch: &Value| component_of(branch).and_then(|name| named.get(name)).unwrap_or(branch).clone();
    let branches: Vec<Value> = branches.iter().map(written_out).collect();
    let mut members: Vec<&String> =
        branches.iter().filter_map(|b| b["properties"].as_object()).flat_map(Map::keys).collect();
    let count = members.len();
    members.sort();
    members.dedup();
    let open = branches.iter().all(|branch| branch["properties"].is_object() && branch.get("required").is_none());
    if open
        && members.len() == count
        && let Some(keywords) = schema.as_object_mut()
    {
        let list = keywords.shift_remove("oneOf").unwrap_or_default();
        keywords.insert("allOf".into(), list);
    }
}

/// OpenAPI 3.0's dialect as JSON Schema 2020-12.
fn to_json_schema(schema: &mut Value) {
    let Some(keywords) = schema.as_object_mut() else { return };
    for prose in [
        "description",
        "title",
        "example",
        "examples",
        "default",
        "deprecated",
        "discriminator",
        "externalDocs",
        "xml",
        "readOnly",
        "writeOnly",
    ] {
        keywords.shift_remove(prose);
    }
    keywords.retain(|keyword, _| !keyword.starts_with("x-"));
    if let Some(Value::String(target)) = keywords.get("$ref") {
        let target = target.replace("#/components/schemas/", "#/$defs/");
        keywords.insert("$ref".into(), target.into());
    }
    // Open branches match together too easily for "exactly one".
    if let Some(branches) = keywords.shift_remove("oneOf") {
        keywords.insert("anyOf".into(), branches);
    }
    for (exclusive, bound) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
        if keywords.get(exclusive) == Some(&Value::Bool(true)) {
            let value = keywords.shift_remove(bound).unwrap_or_default();
            keywords.insert(exclusive.into(), value);
        }
    }
    if keywords.shift_remove("nullable") == Some(Value::Bool(true)) {
        let inner = std::mem::take(keywords);
        let mut branches = vec![json!({ "type": "null" })];
        branches.push(Value::Object(inner));
        keywords.insert("anyOf".into(), branches.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::visit;

    #[test]
    fn the_dialect_is_translated() {
        let cases = [
            (
                json!({ "type": "string", "nullable": true, "maxLength": 3 }),
                json!({ "anyOf": [{ "type": "null" }, { "type": "string", "maxLength": 3 }] }),
            ),
            (json!({ "$ref": "#/components/schemas/A" }), json!({ "$ref": "#/$defs/A" })),
            (json!({ "minimum": 0, "exclusiveMinimum": true }), json!({ "exclusiveMinimum": 0 })),
            (json!({ "oneOf": [{}] }), json!({ "anyOf": [{}] })),
        ];
        for (given, wanted) in cases {
            let mut schema = given;
            visit("", &mut schema, &mut |_, schema| to_json_schema(schema));
            assert_eq!(schema, wanted);
        }
    }
}
