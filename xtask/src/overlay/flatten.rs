use serde_json::{Map, Value, json};

use super::{LIMITS, Step};
use crate::document::{Document, Outcome, children, component_of, reference, referenced, visit};

pub(super) const STEP: Step = Step {
    name: "flatten allOf",
    because: "the generator's own merge of allOf makes types that collide with inline ones without a word; one \
              struct with all members is what a reader expects",
    remove_when: "the generator flattens composition and refuses collisions",
    run,
};

fn run(document: &mut Document) -> Outcome {
    let components: Map<String, Value> =
        document.schemas().map(|(name, schema)| (name.clone(), schema.clone())).collect();
    let mut bases = Vec::new();
    document.try_each_schema(|place, schema| {
        let own = place.strip_prefix("components.schemas.").unwrap_or_default();
        flatten(schema, &components, &mut vec![own.to_owned()], &mut bases)
    })?;
    unions_of_children(document, &components);
    // A base that is only ever merged into others is no type of its own.
    let mut used = Vec::new();
    document.each_schema(|_, schema| used.extend(referenced(schema).map(str::to_owned)));
    let sent = document.sent.clone();
    document.schemas_mut().retain(|name, _| !bases.contains(name) || used.contains(name) || sent.contains(name));
    document.each_schema(|_, schema| {
        // Without branches there is nothing to discriminate.
        if let Some(keywords) = schema.as_object_mut().filter(|keywords| !keywords.contains_key("oneOf")) {
            keywords.shift_remove("discriminator");
        }
    });
    Ok(())
}

/// A base with a discriminator that is referred to stands for its children: a union of them.
fn unions_of_children(document: &mut Document, original: &Map<String, Value>) {
    let mut referred = Vec::new();
    document.each_schema(|_, schema| referred.extend(referenced(schema).map(str::to_owned)));
    for (base, schema) in original {
        let is_base = schema.get("discriminator").is_some() && schema.get("oneOf").is_none();
        if !is_base || !referred.contains(base) {
            continue;
        }
        let inherits = |schema: &Value| {
            schema["allOf"].as_array().into_iter().flatten().any(|part| referenced(part) == Some(base))
        };
        let children: Vec<Value> =
            original.iter().filter(|(_, schema)| inherits(schema)).map(|(name, _)| reference(name)).collect();
        if !children.is_empty() {
            let union = json!({
                "oneOf": children, "discriminator": schema["discriminator"], "description": schema["description"]
            });
            document.schemas_mut().insert(base.clone(), union);
        }
    }
}

fn flatten(
    schema: &mut Value,
    components: &Map<String, Value>,
    stack: &mut Vec<String>,
    bases: &mut Vec<String>,
) -> Result<(), String> {
    for (_, child) in children("", schema) {
        flatten(child, components, stack, bases)?;
    }
    if component_of(schema).is_some() {
        return Ok(());
    }
    let Some(keywords) = schema.as_object_mut() else { return Ok(()) };
    let Some(Value::Array(branches)) = keywords.shift_remove("allOf") else { return Ok(()) };
    let mut whole = Map::new();
    for branch in branches {
        let branch = match referenced(&branch) {
            Some(name) if stack.iter().any(|seen| seen == name) => {
                return Err(format!("`{name}` is made of itself, by way of {}", stack.join(", ")));
            }
            Some(name) => {
                let Some(mut target) = components.get(name).cloned() else { continue };
                stack.push(name.to_owned());
                flatten(&mut target, components, stack, bases)?;
                stack.pop();
                bases.push(name.to_owned());
                // What it inherits is not what it is.
                if let Some(target) = target.as_object_mut() {
                    target.shift_remove("description");
                    target.shift_remove("discriminator");
                }
                target
            }
            None => branch,
        };
        merge(&mut whole, branch)?;
    }
    let own = Value::Object(std::mem::take(keywords));
    let own_description = own.get("description").cloned();
    merge(&mut whole, own)?;
    whole.extend(own_description.map(|text| ("description".to_owned(), text)));
    *keywords = whole;
    Ok(())
}

fn merge(whole: &mut Map<String, Value>, part: Value) -> Result<(), String> {
    let Value::Object(part) = part else { return Ok(()) };
    for (keyword, value) in part {
        match (keyword.as_str(), whole.get_mut(&keyword), value) {
            ("properties", Some(Value::Object(known)), Value::Object(new)) => {
                for (name, schema) in new {
                    match known.get(&name) {
                        Some(first) if essence(first) != essence(&schema) => {
                            return Err(format!("member `{name}` has two types: give it one, or rename it"));
                        }
                        Some(_) => {}
                        None => {
                            known.insert(name, schema);
                        }
                    }
                }
            }
            ("required", Some(Value::Array(known)), Value::Array(new)) => {
                let new: Vec<Value> = new.into_iter().filter(|name| !known.contains(name)).collect();
                known.extend(new);
            }
            (LIMITS, Some(Value::Object(known)), Value::Object(new)) => known.extend(new),
            ("type", Some(first), second) if *first != second => {
                return Err(format!("is both {first} and {second}: give it one type"));
            }
            ("oneOf", Some(_), _) => return Err("two unions in one allOf: write the combinations out".into()),
            (_, Some(_), _) => {}
            (_, None, value) => {
                whole.insert(keyword, value);
            }
        }
    }
    let members = whole.get("properties").and_then(Value::as_object).is_some_and(|members| !members.is_empty());
    if members && whole.contains_key("oneOf") {
        return Err("a union beside members in one allOf: put the members into each branch".into());
    }
    Ok(())
}

/// A schema without its prose, to compare what it allows.
fn essence(schema: &Value) -> Value {
    let mut schema = schema.clone();
    visit("", &mut schema, &mut |_, schema| {
        if let Some(keywords) = schema.as_object_mut() {
            for prose in ["description", "title", "deprecated", "nullable", LIMITS] {
                keywords.shift_remove(prose);
            }
        }
    });
    match component_of(&schema) {
        Some(name) => Value::String(name.to_owned()),
        None => schema,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flattened(schemas: Value) -> Result<Value, String> {
        let mut document = Document::new("x.yaml", json!({ "components": { "schemas": schemas } }));
        run(&mut document).map_err(|trouble| trouble.to_string())?;
        Ok(document.root["components"]["schemas"].take())
    }

    #[test]
    fn bases_merge_and_go_unless_used() {
        let schemas = flattened(json!({
            "Base": { "properties": { "id": { "type": "string" } }, "required": ["id"], "description": "base" },
            "Kept": { "properties": { "x": {} } },
            "A": { "allOf": [reference("Base"), reference("Kept"), { "properties": { "a": {} }, "required": ["a"] }], "description": "a" },
            "B": { "properties": { "kept": { "allOf": [reference("Kept")], "nullable": true } } }
        }))
        .unwrap();
        assert_eq!(
            schemas["A"],
            json!({ "properties": { "id": { "type": "string" }, "x": {}, "a": {} }, "required": ["id", "a"], "description": "a" })
        );
        assert!(schemas.get("Base").is_none() && schemas.get("Kept").is_some());
        assert_eq!(component_of(&schemas["B"]["properties"]["kept"]), Some("Kept"));
    }

    #[test]
    fn a_base_that_is_referred_to_stands_for_its_children() {
        let schemas = flattened(json!({
            "Notice": { "properties": { "topic": { "type": "string" } }, "discriminator": { "propertyName": "topic" } },
            "Limit": { "allOf": [reference("Notice"), { "properties": { "limit": {} } }] },
            "Envelope": { "properties": { "notice": reference("Notice") } }
        }))
        .unwrap();
        assert_eq!(schemas["Notice"]["oneOf"], json!([reference("Limit")]));
        assert_eq!(schemas["Limit"]["properties"], json!({ "topic": { "type": "string" }, "limit": {} }));
    }

    #[test]
    fn what_cannot_be_merged_is_an_error() {
        let two = json!({ "A": { "allOf": [{ "properties": { "x": { "type": "string" } } }, { "properties": { "x": { "type": "integer" } } }] } });
        assert_eq!(
            flattened(two).unwrap_err(),
            "x.yaml: at components.schemas.A: member `x` has two types: give it one, or rename it"
        );
        let circle = json!({ "A": { "allOf": [reference("B"), {}] }, "B": { "allOf": [reference("A"), {}] } });
        assert_eq!(
            flattened(circle).unwrap_err(),
            "x.yaml: at components.schemas.A: `A` is made of itself, by way of A, B"
        );
    }
}
