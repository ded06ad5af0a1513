use serde_json::Value;

use super::{LOOSE, Step};
use crate::document::{Document, Outcome};

pub(super) const STEP: Step = Step {
    name: "examples",
    because: "examples hold references and wrong types that stop the generator, and extensions nobody reads; \
              but a text whose example is a number tells what answers really send, so it is marked first",
    remove_when: "the generator ignores examples and extensions",
    run,
};

fn run(document: &mut Document) -> Outcome {
    document.each_schema(|_, schema| {
        let Some(keywords) = schema.as_object_mut() else { return };
        let is_text = keywords.get("type").is_some_and(|kind| kind == "string");
        let scalar = |value: &Value| value.is_number() || value.is_boolean();
        let loose = is_text && keywords.get("example").is_some_and(scalar);
        drop_noise(keywords);
        if loose {
            keywords.insert(LOOSE.into(), true.into());
        }
    });
    drop_outside_schemas(&mut document.root, 0);
    Ok(())
}

fn drop_noise(keywords: &mut serde_json::Map<String, Value>) {
    keywords.retain(|keyword, _| {
        !matches!(keyword.as_str(), "example" | "examples" | "externalDocs" | "xml") && !keyword.starts_with("x-")
    });
}

/// Parameters, bodies, paths and the document itself carry examples and extensions too.
/// Maps from a name to something (paths, components, responses) are passed through, since
/// their keys are names.
fn drop_outside_schemas(value: &mut Value, depth: usize) {
    match value {
        Value::Object(map) => {
            let names = map.values().all(|child| child.is_object()) && depth > 0 && !map.contains_key("schema");
            if !names {
                map.retain(|key, _| {
                    let foreign = key.starts_with("x-") && key != LOOSE;
                    !foreign && !matches!(key.as_str(), "example" | "examples")
                });
            }
            for (key, child) in map.iter_mut() {
                if !matches!(key.as_str(), "schema" | "schemas") {
                    drop_outside_schemas(child, depth + 1);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|child| drop_outside_schemas(child, depth + 1)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn examples_go_and_properties_of_that_name_stay() {
        let mut document = Document::new(
            "x.yaml",
            json!({ "x-logo": 1, "components": { "schemas": { "A": {
                "example": { "$ref": "nowhere" },
                "x-internal": true,
                "properties": { "example": { "type": "string", "example": 3600 }, "text": { "type": "string", "example": "a" } }
            } } } }),
        );
        run(&mut document).unwrap();
        assert_eq!(
            document.root,
            json!({ "components": { "schemas": { "A": {
                "properties": { "example": { "type": "string", "x-loose": true }, "text": { "type": "string" } }
            } } } })
        );
    }
}
