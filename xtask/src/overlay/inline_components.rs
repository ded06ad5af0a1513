use serde_json::{Map, Value};

use super::Step;
use crate::document::{Document, Outcome, component_of, referenced, visit};

pub(super) const STEP: Step = Step {
    name: "inline components",
    because: "the generator makes a newtype of every named text, number, list and map, which is only in the way",
    remove_when: "the generator makes type aliases",
    run,
};

fn run(document: &mut Document) -> Outcome {
    let mut plain: Map<String, Value> = document
        .schemas()
        .filter(|(_, schema)| is_plain(schema))
        .map(|(name, schema)| (name.clone(), schema.clone()))
        .collect();
    // Plain components may be made of each other; one that is made of itself stays.
    for _ in 0..plain.len() {
        let known = plain.clone();
        for schema in plain.values_mut() {
            visit("", schema, &mut |_, schema| put_in(schema, &known));
        }
    }
    plain.retain(|_, schema| {
        let mut names = Vec::new();
        visit("", &mut schema.clone(), &mut |_, schema| names.extend(referenced(schema).map(str::to_owned)));
        // What still refers to a plain one never ends.
        !names.iter().any(|name| document.schema(name).is_some_and(is_plain))
    });
    document.each_schema(|_, schema| put_in(schema, &plain));
    document.schemas_mut().retain(|name, _| !plain.contains_key(name));
    Ok(())
}

fn is_plain(schema: &Value) -> bool {
    if component_of(schema).is_some() {
        return true;
    }
    let has = |keyword: &str| schema.get(keyword).is_some();
    let composed = has("oneOf") || has("allOf") || has("enum");
    let members = schema["properties"].as_object().is_some_and(|properties| !properties.is_empty());
    !composed && !members
}

fn put_in(schema: &mut Value, plain: &Map<String, Value>) {
    // The innermost comes first, so the branch of a one-branch allOf may be written out already.
    let written_out = match schema["allOf"].as_array().map(Vec::as_slice) {
        Some([only]) if referenced(only).is_none() && schema.get("properties").is_none() => Some(only),
        _ => None,
    };
    let target = written_out.or_else(|| component_of(schema).and_then(|name| plain.get(name)));
    let Some(mut merged) = target.cloned() else { return };
    if let (Some(merged), Some(own)) = (merged.as_object_mut(), schema.as_object()) {
        for (keyword, value) in own.iter().filter(|(keyword, _)| !matches!(keyword.as_str(), "$ref" | "allOf")) {
            merged.insert(keyword.clone(), value.clone());
        }
    }
    *schema = merged;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::reference;
    use serde_json::json;

    #[test]
    fn named_scalars_lists_and_aliases_are_written_in_place() {
        let mut document = Document::new(
            "x.yaml",
            json!({ "components": { "schemas": {
                "Reference": { "type": "string", "x-limits": { "minLength": 8 } },
                "References": { "type": "array", "items": reference("Reference") },
                "Alias": reference("Thing"),
                "Tree": { "type": "array", "items": reference("Tree") },
                "Thing": { "properties": {
                    "list": { "allOf": [reference("References")], "description": "all" },
                    "self": reference("Alias"),
                    "tree": reference("Tree")
                } }
            } } }),
        );
        run(&mut document).unwrap();
        assert_eq!(document.schemas().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["Tree", "Thing"]);
        let properties = &document.schema("Thing").unwrap()["properties"];
        assert_eq!(
            properties["list"],
            json!({ "type": "array", "items": { "type": "string", "x-limits": { "minLength": 8 } }, "description": "all" })
        );
        assert_eq!(properties["self"], reference("Thing"));
        assert_eq!(properties["tree"], reference("Tree"));
    }
}
