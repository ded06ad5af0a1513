use serde_json::{Value, json};

use super::Step;
use crate::document::{Document, Outcome, component_of, referenced};

pub(super) const STEP: Step = Step {
    name: "nullability",
    because: "a nullable component becomes a newtype around Option; a required member that is not declared fails \
              every answer; null for an optional list or map fails although missing does not",
    remove_when: "the generator puts Option at the use and reads null as missing",
    run,
};

fn run(document: &mut Document) -> Outcome {
    let mut nullable = Vec::new();
    for (name, schema) in document.schemas_mut().iter_mut() {
        if let Some(keywords) = schema.as_object_mut()
            && keywords.shift_remove("nullable") == Some(Value::Bool(true))
        {
            nullable.push(name.clone());
        }
    }
    document.each_schema(|_, schema| {
        if component_of(schema).is_some_and(|name| nullable.iter().any(|known| known == name)) {
            if referenced(schema).is_some() {
                *schema = json!({ "allOf": [schema.clone()] });
            }
            schema["nullable"] = true.into();
        }
    });
    document.each_schema(|_, schema| {
        let Some(keywords) = schema.as_object_mut() else { return };
        if keywords.get("nullable") == Some(&Value::Bool(false)) {
            keywords.shift_remove("nullable");
        }
        let Some(Value::Object(mut properties)) = keywords.shift_remove("properties") else { return };
        let mut required: Vec<Value> =
            keywords.shift_remove("required").and_then(|list| list.as_array().cloned()).unwrap_or_default();
        required.retain(|name| name.as_str().is_some_and(|name| properties.contains_key(name)));
        for (name, property) in &mut properties {
            let optional = !required.iter().any(|known| known == name);
            let collection =
                property["type"] == "array" || (property["type"] == "object" && property.get("properties").is_none());
            if optional && collection {
                property["nullable"] = true.into();
            }
        }
        keywords.insert("properties".into(), properties.into());
        if !required.is_empty() {
            keywords.insert("required".into(), required.into());
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::reference;

    #[test]
    fn null_moves_to_the_use_and_undeclared_members_are_not_required() {
        let mut document = Document::new(
            "x.yaml",
            json!({ "components": { "schemas": {
                "Unit": { "type": "string", "enum": ["PCS"], "nullable": true },
                "Line": { "type": "object", "required": ["unit", "gone"], "properties": {
                    "unit": reference("Unit"),
                    "tags": { "type": "array", "items": { "type": "string", "nullable": true } }
                } }
            } } }),
        );
        run(&mut document).unwrap();
        assert!(document.schema("Unit").unwrap().get("nullable").is_none());
        assert_eq!(
            document.schema("Line").unwrap(),
            &json!({ "type": "object", "required": ["unit"], "properties": {
                "unit": { "allOf": [reference("Unit")], "nullable": true },
                "tags": { "type": "array", "items": { "type": "string", "nullable": true }, "nullable": true }
            } })
        );
    }
}
