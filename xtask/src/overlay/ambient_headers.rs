use serde_json::{Value, json};

use super::Step;
use crate::document::{Document, KeyHeader, Operation, Outcome, component_of};

pub(super) const STEP: Step = Step {
    name: "ambient headers",
    because: "keys, tokens and system headers belong to the transport: as arguments of every operation they would \
              be forgotten, and a builder's Debug would print them; parameters otherwise take one form here",
    remove_when: "never: secrets do not belong into builders",
    run,
};

/// Headers that the transport sends on its own.
fn is_ambient(header: &str) -> bool {
    let header = header.to_ascii_lowercase();
    header.starts_with("vipps-system-")
        || matches!(
            header.as_str(),
            "authorization"
                | "ocp-apim-subscription-key"
                | "client_id"
                | "client_secret"
                | "merchant-serial-number"
                | "psp-id"
                | "content-type"
                | "accept"
        )
}

fn run(document: &mut Document) -> Outcome {
    let components = document.root["components"].clone();
    let mut operations = Vec::new();
    let mut trouble = None;
    let mut warnings = Vec::new();
    spread_path_parameters(document);
    document.each_operation(|path, method, operation| {
        let mut known = Operation {
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            summary: operation["summary"].as_str().unwrap_or_default().to_owned(),
            deprecated: operation["deprecated"] == true,
            optional_body: operation.get("requestBody").is_some_and(|body| body["required"] != true),
            ..Operation::default()
        };
        let mut kept = Vec::new();
        for mut parameter in operation["parameters"].as_array().cloned().unwrap_or_default() {
            let place = format!("paths.{path}.{method}");
            let name = parameter["name"].as_str().unwrap_or_default().to_owned();
            let schema = written_out(parameter_schema(&parameter), &components);
            match parameter["in"].as_str() {
                Some("header") if is_ambient(&name) => {
                    known.key_headers |= name.eq_ignore_ascii_case("client_secret");
                    known.psp_id |= name.eq_ignore_ascii_case("psp-id") && parameter["required"] == true;
                    continue;
                }
                Some("header") => {
                    if name.eq_ignore_ascii_case("idempotency-key") {
                        known.key = Some(KeyHeader { required: parameter["required"] == true, schema });
                    }
                    // Optional text: whether a key must be there is the call's business.
                    let description = parameter["description"].clone();
                    parameter =
                        json!({ "name": name, "in": "header", "required": false, "schema": { "type": "string" } });
                    if description.is_string() {
                        parameter["description"] = description;
                    }
                }
                Some("query") => {
                    if let Some(parts) = exploded(&parameter, &components) {
                        known.parameters.extend(parts.iter().map(|part| {
                            (part["name"].as_str().unwrap_or_default().to_owned(), part["schema"].clone())
                        }));
                        kept.extend(parts);
                        continue;
                    }
                    known.parameters.push((name, schema.clone()));
                    parameter = bare(parameter, schema);
                }
                Some("path") => {
                    let Some(wanted) = template_names(path).find(|wanted| wanted.eq_ignore_ascii_case(&name)) else {
                        warnings.push((place, format!("path parameter `{name}` is not in the template: dropped")));
                        continue;
                    };
                    known.personal_path |= super::personal::is_personal(&name);
                    known.parameters.push((wanted.to_owned(), schema.clone()));
                    parameter["name"] = wanted.into();
                    parameter["required"] = true.into();
                    // In a path everything is text.
                    parameter = bare(parameter, json!({ "type": "string" }));
                }
                Some("cookie") => {
                    warnings.push((place, format!("cookie parameter `{name}` is dropped: a client keeps no cookies")));
                    continue;
                }
                other => {
                    let what =
                        format!("parameter `{name}` is in `{}`: use path, query or header", other.unwrap_or("nothing"));
                    trouble.get_or_insert((place, what));
                    continue;
                }
            }
            kept.push(parameter);
        }
        for name in template_names(path) {
            if !kept.iter().any(|parameter| parameter["in"] == "path" && parameter["name"] == name) {
                kept.push(json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
                known.parameters.push((name.to_owned(), json!({ "type": "string" })));
            }
        }
        let id = operation["operationId"].as_str().unwrap_or(path).to_owned();
        let mut arguments: Vec<String> = Vec::new();
        for parameter in &kept {
            let wire = parameter["name"].as_str().unwrap_or_default();
            let argument = crate::names::snake(wire);
            if arguments.contains(&argument) {
                let what = format!("`{id}`: two parameters are both the argument `{argument}` (`{wire}`): rename one");
                trouble.get_or_insert((format!("paths.{path}.{method}"), what));
            }
            arguments.push(argument);
        }
        if known.key.is_none() && !matches!(method, "get" | "head" | "options") && !known.key_headers {
            let what = format!("`{id}` takes no Idempotency-Key: openapi/semantics/ says whether it may be sent twice");
            warnings.push((format!("paths.{path}.{method}"), what));
        }
        operation["parameters"] = kept.into();
        if let Some(operation) = operation.as_object_mut() {
            operation.remove("security");
            operation.remove("servers");
        }
        operations.push(known);
    });
    for (place, what) in warnings {
        document.warn(&place, what);
    }
    if let Some(root) = document.root.as_object_mut() {
        root.remove("security");
        root.remove("servers");
    }
    document.operations = operations;
    match trouble {
        Some((place, what)) => Err(document.trouble(place, what)),
        None => Ok(()),
    }
}

/// Parameters of a path go to each of its operations that has none of the same name.
fn spread_path_parameters(document: &mut Document) {
    for (_, item) in document.root.get_mut("paths").and_then(Value::as_object_mut).into_iter().flatten() {
        let shared = item.as_object_mut().and_then(|item| item.remove("parameters"));
        let shared: Vec<Value> = shared.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
        for method in crate::document::METHODS {
            let Some(operation) = item.get_mut(method).and_then(Value::as_object_mut) else { continue };
            let own = operation.entry("parameters").or_insert_with(|| json!([]));
            let Some(own) = own.as_array_mut() else { continue };
            let inherited: Vec<Value> = shared
                .iter()
                .filter(|shared| !own.iter().any(|own| own["name"] == shared["name"] && own["in"] == shared["in"]))
                .cloned()
                .collect();
            own.splice(0..0, inherited);
        }
    }
}

fn parameter_schema(parameter: &Value) -> Value {
    let in_content = || parameter["content"].as_object()?.values().next()?.get("schema");
    parameter.get("schema").or_else(in_content).cloned().unwrap_or_else(|| json!({ "type": "string" }))
}

/// A parameter's schema without the reference that may stand for it; enums keep theirs.
fn written_out(schema: Value, components: &Value) -> Value {
    let target = component_of(&schema).map(|name| &components["schemas"][name]);
    match target {
        Some(target) if target.get("enum").is_none() => target.clone(),
        _ => schema,
    }
}

fn bare(parameter: Value, schema: Value) -> Value {
    let mut bare = json!({ "name": parameter["name"], "in": parameter["in"], "required": parameter["required"] == true, "schema": schema });
    if parameter["description"].is_string() {
        bare["description"] = parameter["description"].clone();
    }
    bare
}

/// A query parameter that is an object becomes one parameter for each of its members.
fn exploded(parameter: &Value, components: &Value) -> Option<Vec<Value>> {
    let schema = written_out(parameter_schema(parameter), components);
    let members = schema["properties"].as_object()?;
    let required = |name: &str| schema["required"].as_array().is_some_and(|list| list.iter().any(|item| item == name));
    let deep = parameter["style"] == "deepObject";
    let holder = parameter["name"].as_str().unwrap_or_default();
    let part = |(name, schema): (&String, &Value)| {
        let wire = if deep { format!("{holder}[{name}]") } else { name.clone() };
        let mut part = json!({ "name": wire, "in": "query", "required": required(name), "schema": schema });
        if schema["description"].is_string() {
            part["description"] = schema["description"].clone();
        }
        part
    };
    Some(members.iter().map(part).collect())
}

fn template_names(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split('}').next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_parameters(path: &str, parameters: Value) -> Document {
        let mut document =
            Document::new("x.yaml", json!({ "paths": { path: { "post": { "parameters": parameters } } } }));
        run(&mut document).unwrap();
        document
    }

    #[test]
    fn secrets_leave_and_paging_and_keys_stay_as_optional_text() {
        let header = |name: &str| json!({ "name": name, "in": "header", "required": true, "schema": { "type": "string", "maxLength": 40 } });
        let names = [
            "Authorization",
            "Ocp-Apim-Subscription-Key",
            "client_secret",
            "Vipps-System-Name",
            "Idempotency-Key",
            "Continuation-Token",
        ];
        let document = with_parameters("/a", names.map(header).into_iter().collect());
        let kept = document.root["paths"]["/a"]["post"]["parameters"].as_array().unwrap();
        assert_eq!(
            kept,
            &["Idempotency-Key", "Continuation-Token"]
                .map(|name| json!({ "name": name, "in": "header", "required": false, "schema": { "type": "string" } }))
        );
        let operation = &document.operations[0];
        let key = operation.key.as_ref().unwrap();
        assert!(operation.key_headers && key.required && key.schema["maxLength"] == 40);
    }

    #[test]
    fn path_parameters_agree_with_the_template() {
        let parameter =
            |name: &str| json!({ "name": name, "in": "path", "schema": { "type": "string", "minLength": 8 } });
        let document = with_parameters("/a/{Reference}/{id}", json!([parameter("reference"), parameter("gone")]));
        let kept = document.root["paths"]["/a/{Reference}/{id}"]["post"]["parameters"].as_array().unwrap();
        assert_eq!(kept.iter().map(|p| p["name"].as_str().unwrap()).collect::<Vec<_>>(), ["Reference", "id"]);
        assert_eq!(document.operations[0].parameters[0].1["minLength"], 8);
        assert!(
            document.warnings[0].contains("path parameter `gone` is not in the template"),
            "{:?}",
            document.warnings
        );
    }

    #[test]
    fn a_query_object_becomes_its_members() {
        let filter = json!({ "name": "filter", "in": "query", "schema": { "type": "object", "required": ["status"], "properties": { "status": { "type": "string" }, "page": { "type": "integer" } } } });
        let document = with_parameters("/a", json!([filter]));
        let kept = &document.root["paths"]["/a"]["post"]["parameters"];
        assert_eq!((&kept[0]["name"], &kept[0]["required"]), (&json!("status"), &json!(true)));
        assert_eq!((&kept[1]["name"], &kept[1]["required"]), (&json!("page"), &json!(false)));
    }
}
