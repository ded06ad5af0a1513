use serde_json::{Map, Value, json};

use super::{LIMITS, LOOSE, Step, rust_type};
use crate::document::{Document, Outcome};

pub(super) const STEP: Step = Step {
    name: "constraints",
    because: "the generator checks limits when an answer is read, so that one odd value fails a whole payment; a \
              default is sent although nobody set it; int32 cuts amounts. Limits move to a mark that `limits.rs` \
              is written from",
    remove_when: "the generator can be told to check what is sent and nothing else",
    run,
};

const KEYWORDS: [&str; 12] = [
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "multipleOf",
];

fn run(document: &mut Document) -> Outcome {
    let mut warnings = Vec::new();
    document.each_schema(|place, schema| {
        let Some(keywords) = schema.as_object_mut() else { return };
        let limits = take_limits(keywords, place, &mut warnings);
        for keyword in ["default", "uniqueItems", "readOnly", "writeOnly"] {
            keywords.shift_remove(keyword);
        }
        if keywords.get("additionalProperties").is_some_and(Value::is_boolean) {
            // Open or closed: unknown members never fail the reading. A bare map stays one.
            let bare = !keywords.contains_key("properties") && !keywords.contains_key("allOf");
            match bare {
                true => keywords.insert("additionalProperties".into(), true.into()),
                false => keywords.shift_remove("additionalProperties"),
            };
        }
        let format = keywords.shift_remove("format");
        let kind = keywords.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        match kind.as_str() {
            "integer" => {
                keywords.insert("format".into(), "int64".into());
            }
            "number" => {
                keywords.insert("format".into(), "double".into());
            }
            _ => {}
        }
        if kind != "string" {
            keywords.shift_remove(LOOSE);
        }
        if !limits.is_empty() {
            keywords.insert(LIMITS.into(), limits.into());
        }
        if kind == "string" && format.is_some_and(|format| format == "date-time") && !keywords.contains_key("enum") {
            *schema = rust_type("VippsTimestamp", schema);
        }
    });
    for (place, what) in warnings {
        document.warn(&place, what);
    }
    Ok(())
}

/// The limits of a schema that still has its keywords, such as a parameter's.
pub(crate) fn limits_of(schema: &Value) -> Map<String, Value> {
    let mut keywords = schema.as_object().cloned().unwrap_or_default();
    take_limits(&mut keywords, "", &mut Vec::new())
}

fn take_limits(
    keywords: &mut Map<String, Value>,
    place: &str,
    warnings: &mut Vec<(String, String)>,
) -> Map<String, Value> {
    let mut limits: Map<String, Value> =
        KEYWORDS.iter().filter_map(|keyword| Some(((*keyword).to_owned(), keywords.shift_remove(*keyword)?))).collect();
    limits.shift_remove("multipleOf");
    if keywords.get("type").is_some_and(|kind| kind == "string") {
        // Published slips: bounds on a text mean its length.
        for (slip, meant) in [("minimum", "minLength"), ("maximum", "maxLength")] {
            if let Some(bound) = limits.shift_remove(slip) {
                limits.entry(meant).or_insert(bound);
            }
        }
        if keywords.contains_key("enum") {
            limits.clear();
        }
    }
    for (keyword, inclusive, step) in [("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1)] {
        match limits.shift_remove(keyword) {
            Some(Value::Bool(true)) => {
                if let Some(bound) = limits.get(inclusive).and_then(Value::as_i64) {
                    limits.insert(inclusive.into(), json!(bound.saturating_add(step)));
                }
            }
            Some(Value::Number(bound)) => {
                if let Some(bound) = bound.as_i64() {
                    limits.insert(inclusive.into(), json!(bound.saturating_add(step)));
                }
            }
            _ => {}
        }
    }
    let broken =
        limits.get("pattern").and_then(Value::as_str).filter(|pattern| regex_lite::Regex::new(pattern).is_err());
    if let Some(pattern) = broken {
        warnings.push((place.to_owned(), format!("pattern `{pattern}` is no regular expression: not checked")));
        limits.shift_remove("pattern");
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(schema: Value) -> (Value, Vec<String>) {
        let mut document = Document::new("x.yaml", json!({ "components": { "schemas": { "A": schema } } }));
        run(&mut document).unwrap();
        (document.schema("A").unwrap().clone(), document.warnings)
    }

    #[test]
    fn limits_move_to_their_mark_and_the_rest_goes() {
        let cases = [
            (
                json!({ "type": "string", "minLength": 1, "pattern": "^a+$", "default": "a" }),
                json!({ "type": "string", "x-limits": { "minLength": 1, "pattern": "^a+$" } }),
            ),
            (
                json!({ "type": "integer", "format": "int32", "minimum": 0, "exclusiveMinimum": true }),
                json!({ "type": "integer", "format": "int64", "x-limits": { "minimum": 1 } }),
            ),
            (
                json!({ "type": "string", "minimum": 1, "maximum": 45 }),
                json!({ "type": "string", "x-limits": { "minLength": 1, "maxLength": 45 } }),
            ),
            (
                json!({ "type": "object", "properties": {}, "additionalProperties": false }),
                json!({ "type": "object", "properties": {} }),
            ),
            (json!({ "type": "string", "format": "uuid" }), json!({ "type": "string" })),
            (
                json!({ "type": "string", "format": "date-time", "description": "when" }),
                json!({ "allOf": [{ "$ref": "#/components/schemas/VippsTimestamp" }], "description": "when" }),
            ),
        ];
        for (given, wanted) in cases {
            assert_eq!(after(given).0, wanted);
        }
    }

    #[test]
    fn a_broken_pattern_is_told_and_not_checked() {
        let (schema, warnings) = after(json!({ "type": "string", "pattern": "^\\d{10+$(" }));
        assert_eq!(schema, json!({ "type": "string" }));
        assert_eq!(
            warnings,
            ["x.yaml: at components.schemas.A: pattern `^\\d{10+$(` is no regular expression: not checked"]
        );
    }
}
