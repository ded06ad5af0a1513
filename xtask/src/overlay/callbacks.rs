use serde_json::Value;

use super::Step;
use crate::document::{Document, METHODS, Outcome};
use crate::names;

pub(super) const STEP: Step = Step {
    name: "callbacks",
    because: "routes of the merchant (callbacks, pseudo-paths) are no operations of a client, but a receiver \
              wants the types of their bodies",
    remove_when: "the generator makes receivers",
    run,
};

fn run(document: &mut Document) -> Outcome {
    let mut routes: Vec<(String, Value)> = Vec::new();
    let mut known: Vec<String> = Vec::new();
    document.each_operation(|_, _, operation| {
        let callbacks = operation.as_object_mut().and_then(|operation| operation.remove("callbacks"));
        for (name, callback) in callbacks.as_ref().and_then(Value::as_object).into_iter().flatten() {
            for (expression, item) in callback.as_object().into_iter().flatten() {
                known.extend([name.clone(), expression.clone()]);
                routes.push((name.clone(), item.clone()));
            }
        }
    });
    let mut dropped = Vec::new();
    if let Some(paths) = document.root.get_mut("paths").and_then(Value::as_object_mut) {
        let pseudo = |path: &str| !path.starts_with('/') || known.iter().any(|name| name == path);
        for path in paths.keys().filter(|path| pseudo(path)).cloned().collect::<Vec<_>>() {
            let item = paths.shift_remove(&path).unwrap_or_default();
            if !known.contains(&path) {
                routes.push((path.clone(), item));
            }
            dropped.push(path);
        }
    }
    for path in dropped {
        document.warn(&format!("paths.{path}"), "is a route of the merchant, no operation: only its types are kept");
    }
    for (name, item) in routes {
        for operation in METHODS.iter().filter_map(|method| item.get(*method)) {
            keep(document, &operation["requestBody"], &format!("{}Request", names::pascal(&name)), false);
            for (status, response) in operation["responses"].as_object().into_iter().flatten() {
                if status.starts_with('2') {
                    keep(document, response, &format!("{}Response", names::pascal(&name)), true);
                }
            }
        }
    }
    Ok(())
}

/// Keeps the body as a component; what the receiver answers is something that we send.
fn keep(document: &mut Document, body: &Value, name: &str, sent: bool) {
    for media in body["content"].as_object().into_iter().flat_map(|content| content.values()) {
        let Some(schema) = media.get("schema") else { continue };
        let component = match crate::document::component_of(schema) {
            Some(component) => component.to_owned(),
            None if schema.get("properties").is_some() && document.schema(name).is_none() => {
                document.schemas_mut().insert(name.to_owned(), schema.clone());
                name.to_owned()
            }
            None => continue,
        };
        if sent && !document.sent.contains(&component) {
            document.sent.push(component);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::reference;
    use serde_json::json;

    #[test]
    fn merchant_routes_go_and_their_types_stay() {
        let body = |schema: Value| json!({ "content": { "application/json": { "schema": schema } } });
        let mut document = Document::new(
            "x.yaml",
            json!({ "paths": {
                "/pay": { "post": { "callbacks": { "cardData": { "{$url}": { "post": {
                    "requestBody": body(json!({ "properties": { "pan": {} } })),
                    "responses": { "200": body(reference("Answer")) }
                } } } } } },
                "cardData": { "post": {} },
                "[your-url]/done": { "post": { "requestBody": body(json!({ "properties": { "x": {} } })) } }
            }, "components": { "schemas": { "Answer": {} } } }),
        );
        run(&mut document).unwrap();
        assert_eq!(document.root["paths"].as_object().unwrap().keys().collect::<Vec<_>>(), ["/pay"]);
        assert!(document.root["paths"]["/pay"]["post"].get("callbacks").is_none());
        assert!(document.schema("CardDataRequest").is_some() && document.schema("YourUrlDoneRequest").is_some());
        assert_eq!(document.sent, ["Answer"]);
        assert_eq!(document.warnings.len(), 2);
    }
}
