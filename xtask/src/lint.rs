//! `spec lint`: what makes a document unfit, or poor to read.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::document::{Document, METHODS, Outcome};
use crate::{generate, load, overlay, semantics};

/// Lints every document; prints one line each and every finding. `false` when there are any.
pub fn run(workspace: &Path) -> Outcome<bool> {
    let mut clean = true;
    for api in generate::documents(workspace)? {
        let name = format!("openapi/{api}.yaml");
        let document = load::load(&workspace.join(&name), &name)?;
        let mut findings = findings(&document);
        if document.has_client()? {
            let mut prefixed = document.clone();
            overlay::prefix_paths(&mut prefixed)?;
            match semantics::of_api(workspace, &api)? {
                Some(semantics) => findings.extend(semantics.findings(&prefixed)),
                None => findings.push(format!("has no openapi/semantics/{api}.yaml: what do its operations mean?")),
            }
        }
        let operations = operations(&document).count();
        let client = if document.has_client()? { "" } else { " (no client crate)" };
        println!(
            "{name}: {} {}, {operations} operations, {} findings{client}",
            document.root["info"]["title"].as_str().unwrap_or_default(),
            document.version(),
            findings.len()
        );
        for finding in &findings {
            println!("  {finding}");
        }
        clean &= findings.is_empty();
    }
    Ok(clean)
}

fn operations(document: &Document) -> impl Iterator<Item = (String, &Value)> {
    let paths = document.root["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        METHODS.iter().filter_map(move |method| Some((format!("paths.{path}.{method}"), item.get(method)?)))
    })
}

/// Everything wrong with a document, each with its place.
pub(crate) fn findings(document: &Document) -> Vec<String> {
    let mut found = Vec::new();
    let mut ids: BTreeMap<&str, String> = BTreeMap::new();
    for (place, operation) in operations(document) {
        if place.trim_start_matches("paths.").starts_with(|first: char| first != '/') {
            found.push(format!("{place}: the path does not start with `/`"));
        }
        match operation["operationId"].as_str() {
            None => found.push(format!("{place}: has no operationId")),
            Some(id) => {
                if let Some(first) = ids.insert(id, place.clone()) {
                    found.push(format!("{place}: operationId `{id}` is also at {first}"));
                }
            }
        }
        for prose in ["summary", "description"] {
            if operation[prose].as_str().is_none_or(|text| text.trim().is_empty()) {
                found.push(format!("{place}: has no {prose}"));
            }
        }
        let success =
            operation["responses"].as_object().is_some_and(|all| all.keys().any(|status| status.starts_with('2')));
        if !success {
            found.push(format!("{place}: has no 2xx response"));
        }
    }
    document.clone().each_schema(|place, schema| schema_findings(place, schema, &mut found));
    for name in undescribed(document) {
        found.push(format!("components.schemas.{name}: has no description"));
    }
    found
}

fn schema_findings(place: &str, schema: &Value, found: &mut Vec<String>) {
    if let Some(pattern) = schema["pattern"].as_str()
        && regex_lite::Regex::new(pattern).is_err()
    {
        found.push(format!("{place}: pattern `{pattern}` is no regular expression"));
    }
    for (least, most) in [("minLength", "maxLength"), ("minimum", "maximum"), ("minItems", "maxItems")] {
        if let (Some(least_value), Some(most_value)) = (schema[least].as_i64(), schema[most].as_i64())
            && least_value > most_value
        {
            found.push(format!("{place}: {least} {least_value} is above {most} {most_value}"));
        }
    }
    let values: Vec<&Value> = schema["enum"].as_array().into_iter().flatten().collect();
    if values.iter().enumerate().any(|(index, value)| values[..index].contains(value)) {
        found.push(format!("{place}: an enum value is listed twice"));
    }
    if schema["type"] == "string" && values.iter().any(|value| !value.is_string() && !value.is_null()) {
        found.push(format!("{place}: an enum value is no text (quote it)"));
    }
    if let Some(properties) = schema["properties"].as_object() {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !properties.contains_key(name) {
                found.push(format!("{place}: requires `{name}`, which it does not declare"));
            }
        }
        for (name, property) in properties {
            if property["description"].as_str().is_none() && property.get("$ref").is_none() {
                found.push(format!("{place}.{name}: has no description"));
            }
        }
    }
}

fn undescribed(document: &Document) -> Vec<String> {
    let described = |schema: &Value| schema["description"].is_string();
    document.schemas().filter(|(_, schema)| !described(schema)).map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_name_their_place() {
        let text = "openapi: 3.0.3\npaths:\n  /a:\n    post: { responses: { '400': {} }, summary: s }\n  /b:\n    get: { operationId: x, summary: s, description: d, responses: { '200': {} } }\n\
                    components:\n  schemas:\n    A: { description: d, required: [y], properties: { x: { type: string, enum: [a, a], minLength: 3, maxLength: 2 } } }\n";
        let document = load::parse(text, "x.yaml").unwrap();
        assert_eq!(
            findings(&document),
            [
                "paths./a.post: has no operationId",
                "paths./a.post: has no description",
                "paths./a.post: has no 2xx response",
                "components.schemas.A.x: minLength 3 is above maxLength 2",
                "components.schemas.A.x: an enum value is listed twice",
                "components.schemas.A: requires `y`, which it does not declare",
                "components.schemas.A.x: has no description",
            ]
        );
    }
}
