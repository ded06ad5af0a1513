use serde_json::{Value, json};

use super::Step;
use crate::document::{Document, Outcome};

pub(super) const STEP: Step = Step {
    name: "reference siblings",
    because: "OpenAPI 3.0 drops what stands beside a $ref, and publishers write descriptions and nullable there",
    remove_when: "documents are OpenAPI 3.1 and the generator reads it",
    run,
};

fn run(document: &mut Document) -> Outcome {
    document.each_schema(|_, schema| {
        let Some(keywords) = schema.as_object_mut() else { return };
        if keywords.len() > 1
            && let Some(Value::String(target)) = keywords.shift_remove("$ref")
        {
            match keywords.get_mut("allOf").and_then(Value::as_array_mut) {
                Some(branches) => branches.insert(0, json!({ "$ref": target })),
                None => {
                    keywords.insert("allOf".into(), json!([{ "$ref": target }]));
                }
            }
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn siblings_of_a_reference_survive() {
        let schema = json!({ "$ref": "#/components/schemas/B", "nullable": true });
        let mut document = Document::new("x.yaml", json!({ "components": { "schemas": { "A": schema, "B": {} } } }));
        run(&mut document).unwrap();
        assert_eq!(
            document.schema("A").unwrap(),
            &json!({ "nullable": true, "allOf": [{ "$ref": "#/components/schemas/B" }] })
        );
    }
}
