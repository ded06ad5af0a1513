use serde_json::{Value, json};

use super::Step;
use crate::document::{Document, METHODS, Outcome, reference};
use crate::load::decode;

pub(super) const STEP: Step = Step {
    name: "component references",
    because: "parameters, bodies and responses may be given by reference, and schemas may refer into other \
              schemas or responses; later steps then see one form only",
    remove_when: "never: it is what lets the other steps be simple",
    run,
};

fn run(document: &mut Document) -> Outcome {
    let original = document.root.clone();
    name_response_bodies(document);
    // Taken from the document as it is now, where the bodies of responses have names.
    let named = document.root.clone();
    for (path, item) in document.root.get_mut("paths").and_then(Value::as_object_mut).into_iter().flatten() {
        if let Err(what) = resolve_path_item(item, &named) {
            let place = format!("paths.{path}");
            return Err(document.trouble(place, what));
        }
    }
    // A reference to anything but a whole component is replaced by what it names.
    document.try_each_schema(|_, schema| {
        let mut steps = 0;
        while let Some(pointer) = schema.get("$ref").and_then(Value::as_str).map(str::to_owned) {
            let parts = pointer.trim_start_matches("#/").split('/').count();
            if pointer.starts_with("#/components/schemas/") && parts == 3 {
                break;
            }
            steps += 1;
            let target = original.pointer(&decode(pointer.trim_start_matches('#')));
            *schema = match target {
                Some(target) if steps < 32 => target.clone(),
                _ => return Err(format!("`$ref: {pointer}` cannot be resolved")),
            };
        }
        Ok(())
    })
}

/// An inline body of a named 2xx response takes that name.
fn name_response_bodies(document: &mut Document) {
    let mut used = Vec::new();
    document.each_operation(|_, _, operation| {
        for (status, response) in operation["responses"].as_object().into_iter().flatten() {
            let target = response.get("$ref").and_then(Value::as_str).unwrap_or_default();
            if let (true, Some(name)) = (status.starts_with('2'), target.strip_prefix("#/components/responses/")) {
                used.push(name.to_owned());
            }
        }
    });
    for name in used {
        if document.schema(&name).is_some() {
            continue;
        }
        let mut body = None;
        let content = &mut document.root["components"]["responses"][&name]["content"];
        for media in content.as_object_mut().into_iter().flat_map(|content| content.values_mut()) {
            if let Some(schema) = media.get_mut("schema").filter(|schema| schema.get("properties").is_some()) {
                body.get_or_insert_with(|| schema.clone());
                *schema = reference(&name);
            }
        }
        if let Some(body) = body {
            document.schemas_mut().insert(name, body);
        }
    }
}

fn resolve_path_item(item: &mut Value, root: &Value) -> Result<(), String> {
    if item.get("$ref").is_some() {
        return Err("a path given by reference cannot be read: write it out".into());
    }
    resolve_parameters(item, root)?;
    for method in METHODS {
        let Some(operation) = item.get_mut(method) else { continue };
        resolve_parameters(operation, root)?;
        if let Some(body) = operation.get_mut("requestBody") {
            resolve(body, root)?;
        }
        for (_, response) in operation.get_mut("responses").and_then(Value::as_object_mut).into_iter().flatten() {
            resolve(response, root)?;
        }
        for (_, callback) in operation.get_mut("callbacks").and_then(Value::as_object_mut).into_iter().flatten() {
            resolve(callback, root)?;
            for (_, item) in callback.as_object_mut().into_iter().flatten() {
                resolve_path_item(item, root)?;
            }
        }
    }
    Ok(())
}

fn resolve_parameters(owner: &mut Value, root: &Value) -> Result<(), String> {
    owner.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten().try_for_each(|p| resolve(p, root))
}

fn resolve(value: &mut Value, root: &Value) -> Result<(), String> {
    for _ in 0..32 {
        let Some(target) = value.get("$ref").and_then(Value::as_str).map(str::to_owned) else { return Ok(()) };
        let Some(pointer) = target.strip_prefix('#') else {
            return Err(format!("`$ref: {target}` is outside the document: bundle it first"));
        };
        *value = root.pointer(&decode(pointer)).cloned().ok_or_else(|| format!("`$ref: {target}` leads nowhere"))?;
    }
    *value = json!({});
    Err("a chain of references never ends".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_of_every_kind_are_written_out() {
        let mut document = Document::new(
            "x.yaml",
            json!({
                "paths": { "/a": { "post": {
                    "parameters": [{ "$ref": "#/components/parameters/P" }],
                    "responses": { "200": { "$ref": "#/components/responses/Paid" }, "400": { "$ref": "#/components/responses/Bad" } }
                } } },
                "components": {
                    "parameters": { "P": { "name": "p", "in": "query", "schema": { "$ref": "#/components/schemas/A/properties/x" } } },
                    "responses": {
                        "Paid": { "content": { "application/json": { "schema": { "properties": { "ok": { "type": "boolean" } } } } } },
                        "Bad": { "description": "no" }
                    },
                    "schemas": { "A": { "properties": { "x": { "type": "string" } } } }
                }
            }),
        );
        run(&mut document).unwrap();
        let post = &document.root["paths"]["/a"]["post"];
        assert_eq!(post["parameters"][0]["schema"]["type"], "string");
        assert_eq!(post["responses"]["200"]["content"]["application/json"]["schema"], reference("Paid"));
        assert!(document.schema("Paid").is_some());
        assert_eq!(post["responses"]["400"]["description"], "no");
    }
}
