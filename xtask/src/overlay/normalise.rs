use serde_json::{Map, Value, json};

use super::Step;
use crate::document::{Document, Outcome};

pub(super) const STEP: Step = Step {
    name: "normalise types",
    because: "one meaning is written in many ways (type arrays, null in enums, a literal pattern as a tag, anyOf, \
              an enum beside any text), and the generator reads most of them wrongly; the literal pattern must be \
              seen before patterns are stripped",
    remove_when: "the generator keeps all of these apart",
    run,
};

fn run(document: &mut Document) -> Outcome {
    document.each_schema(|_, schema| {
        let Some(keywords) = schema.as_object_mut() else {
            *schema = json!({});
            return;
        };
        keywords.shift_remove("not");
        type_arrays(keywords);
        literal_pattern(keywords);
        enum_values(keywords);
        unions(keywords);
        if keywords.contains_key("properties") && !keywords.contains_key("type") {
            keywords.insert("type".into(), "object".into());
        }
    });
    Ok(())
}

/// `type: [string, "null"]` is a nullable string.
fn type_arrays(keywords: &mut Map<String, Value>) {
    let Some(Value::Array(types)) = keywords.get("type").cloned() else { return };
    let (null, rest): (Vec<_>, Vec<_>) = types.into_iter().partition(|kind| kind == "null");
    if !null.is_empty() {
        keywords.insert("nullable".into(), true.into());
    }
    match rest.as_slice() {
        [only] => {
            keywords.insert("type".into(), only.clone());
        }
        several => {
            let branches: Vec<Value> = several.iter().map(|kind| json!({ "type": kind })).collect();
            keywords.shift_remove("type");
            if !branches.is_empty() {
                keywords.insert("oneOf".into(), branches.into());
            }
        }
    }
}

/// `pattern: PAYMENT` allows one value, as an enum of one does.
fn literal_pattern(keywords: &mut Map<String, Value>) {
    let Some(pattern) = keywords.get("pattern").and_then(Value::as_str) else { return };
    let literal = pattern.trim_start_matches('^').trim_end_matches('$');
    let plain =
        !literal.is_empty() && literal.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if plain && !keywords.contains_key("enum") {
        let value = json!([literal]);
        keywords.shift_remove("pattern");
        keywords.insert("type".into(), "string".into());
        keywords.insert("enum".into(), value);
    }
}

/// Enums hold texts; null in one means nullable, and enums of numbers are just numbers.
fn enum_values(keywords: &mut Map<String, Value>) {
    let Some(Value::Array(values)) = keywords.get("enum").cloned() else { return };
    let (null, values): (Vec<_>, Vec<_>) = values.into_iter().partition(Value::is_null);
    if !null.is_empty() {
        keywords.insert("nullable".into(), true.into());
    }
    let kind = keywords.get("type").and_then(Value::as_str).unwrap_or("string");
    if kind != "string" || values.is_empty() {
        keywords.shift_remove("enum");
        return;
    }
    let mut texts: Vec<Value> = Vec::new();
    for value in values {
        let text = match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        if !texts.iter().any(|known| *known == text) {
            texts.push(text.into());
        }
    }
    keywords.insert("type".into(), "string".into());
    keywords.insert("enum".into(), texts.into());
}

fn unions(keywords: &mut Map<String, Value>) {
    if let Some(branches) = keywords.shift_remove("anyOf") {
        keywords.entry("oneOf").or_insert(branches);
    }
    let Some(Value::Array(branches)) = keywords.get("oneOf").cloned() else { return };
    let is_null = |branch: &Value| {
        branch["type"] == "null" || (branch["nullable"] == true && branch.as_object().is_some_and(|b| b.len() == 1))
    };
    let (null, branches): (Vec<_>, Vec<_>) = branches.into_iter().partition(is_null);
    if !null.is_empty() {
        keywords.insert("nullable".into(), true.into());
    }
    // An enum beside any text: known values and more to come, which is what enums are here.
    let texts = branches.iter().all(|branch| branch["type"] == "string");
    let values: Vec<Value> =
        branches.iter().flat_map(|branch| branch["enum"].as_array().cloned().unwrap_or_default()).collect();
    if texts && !branches.is_empty() {
        keywords.shift_remove("oneOf");
        keywords.insert("type".into(), "string".into());
        if !values.is_empty() {
            keywords.insert("enum".into(), values.into());
            enum_values(keywords);
        }
        return;
    }
    match branches.as_slice() {
        [only] => {
            keywords.shift_remove("oneOf");
            keywords.shift_remove("discriminator");
            match (only.as_object(), keywords.is_empty()) {
                (Some(only), true) => keywords.extend(only.clone()),
                _ => {
                    keywords.insert("allOf".into(), json!([only]));
                }
            }
        }
        _ => {
            keywords.insert("oneOf".into(), branches.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_becomes_one() {
        let cases = [
            (json!({ "type": ["string", "null"] }), json!({ "type": "string", "nullable": true })),
            (json!({ "type": "string", "pattern": "^PAYMENT$" }), json!({ "type": "string", "enum": ["PAYMENT"] })),
            (json!({ "type": "string", "pattern": "^[A-Z]+$" }), json!({ "type": "string", "pattern": "^[A-Z]+$" })),
            (
                json!({ "type": "string", "enum": ["A", null, 7] }),
                json!({ "type": "string", "enum": ["A", "7"], "nullable": true }),
            ),
            (json!({ "type": "integer", "enum": [1, 2] }), json!({ "type": "integer" })),
            (
                json!({ "anyOf": [{ "type": "string", "enum": ["A"] }, { "type": "string" }] }),
                json!({ "type": "string", "enum": ["A"] }),
            ),
            (
                json!({ "oneOf": [{ "$ref": "#/x" }, { "type": "null" }] }),
                json!({ "nullable": true, "allOf": [{ "$ref": "#/x" }] }),
            ),
            (json!({ "oneOf": [{ "$ref": "#/x" }] }), json!({ "$ref": "#/x" })),
            (json!({ "type": "string", "not": { "enum": ["A"] } }), json!({ "type": "string" })),
            (json!(true), json!({})),
        ];
        for (given, wanted) in cases {
            let mut document = Document::new("x.yaml", json!({ "components": { "schemas": { "A": given } } }));
            run(&mut document).unwrap();
            assert_eq!(document.schema("A").unwrap(), &wanted);
        }
    }
}
