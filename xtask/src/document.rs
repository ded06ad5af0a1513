//! A loaded OpenAPI document, where schemas are in it, and what can be wrong with it.

use std::fmt;

use serde_json::{Map, Value};

use crate::semantics::{Meaning, Semantics};

/// An OpenAPI document on its way through the overlay, and what was learnt about it.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// The name errors call it by, such as `openapi/epayment.yaml`.
    pub name: String,
    /// The document itself.
    pub root: Value,
    /// What was given up, for the maintainer to read.
    pub warnings: Vec<String>,
    /// Its operations, in document order, as far as the client must know them.
    pub operations: Vec<Operation>,
    /// Its unions by component name, in document order.
    pub unions: Vec<Union>,
    /// Components that we send although no request body reaches them (answers to callbacks).
    pub sent: Vec<String>,
    /// What its operations mean, where somebody has written it down.
    pub semantics: Option<Semantics>,
}

/// What the client must know of one operation beside its types.
#[derive(Clone, Debug, Default)]
pub(crate) struct Operation {
    /// The id on the wire: `capturePayment`.
    pub id: String,
    /// The id as the Rust method is called: `capture_payment`.
    pub rust: String,
    pub method: String,
    pub path: String,
    pub summary: String,
    pub deprecated: bool,
    /// The `Idempotency-Key` header: `None` when the document has none.
    pub key: Option<KeyHeader>,
    /// Key headers (`client_id`, `client_secret`) instead of a bearer token.
    pub key_headers: bool,
    /// It must name the payment service provider.
    pub(crate) psp_id: bool,
    /// It has a body that may be left out.
    pub(crate) optional_body: bool,
    /// A path parameter is personal data.
    pub personal_path: bool,
    /// The documented statuses of success; empty where the document names none.
    pub success: Vec<u16>,
    /// A success has a body.
    pub answers: bool,
    /// Path, query and header parameters with their schemas, as we send them.
    pub parameters: Vec<(String, Value)>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct KeyHeader {
    pub required: bool,
    pub schema: Value,
}

/// One of several shapes, and what tells them apart.
#[derive(Clone, Debug)]
pub(crate) struct Union {
    pub name: String,
    pub description: String,
    /// The tag member, or `None` where members that only one branch has decide.
    pub tag: Option<String>,
    pub branches: Vec<Branch>,
}

#[derive(Clone, Debug)]
pub(crate) struct Branch {
    /// The component.
    pub component: String,
    /// Tag values, or the members that only this branch has.
    pub marks: Vec<String>,
}

/// Something a document says that cannot become a crate: where, what, and the way out.
#[derive(Clone, Debug, PartialEq)]
pub struct Trouble {
    /// The name of the document.
    pub document: String,
    /// Where in it; empty for the whole.
    pub place: String,
    /// What is wrong, and the way out.
    pub what: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.document)?;
        if !self.place.is_empty() {
            write!(f, "at {}: ", self.place)?;
        }
        f.write_str(&self.what)
    }
}

impl std::error::Error for Trouble {}

pub(crate) type Outcome<T = ()> = Result<T, Trouble>;

/// The methods of a path item, in the order OpenAPI lists them.
pub(crate) const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

impl Document {
    pub(crate) fn new(name: impl Into<String>, root: Value) -> Self {
        Self {
            name: name.into(),
            root,
            warnings: Vec::new(),
            operations: Vec::new(),
            unions: Vec::new(),
            sent: Vec::new(),
            semantics: None,
        }
    }

    /// What one of its operations means.
    pub(crate) fn meaning(&self, operation: &Operation) -> Option<&Meaning> {
        self.semantics.as_ref()?.of(&operation.method, &operation.path)
    }

    pub(crate) fn trouble(&self, place: impl Into<String>, what: impl Into<String>) -> Trouble {
        Trouble { document: self.name.clone(), place: place.into(), what: what.into() }
    }

    pub(crate) fn warn(&mut self, place: &str, what: impl fmt::Display) {
        self.warnings.push(format!("{}: at {place}: {what}", self.name));
    }

    pub(crate) fn version(&self) -> &str {
        self.root["info"]["version"].as_str().unwrap_or("unversioned")
    }

    /// Whether a client crate is made of it. `x-vipps: { client: false }` at the top of a
    /// document says no: it is linted, checked and compiled into the sandbox, and that is all.
    pub(crate) fn has_client(&self) -> Outcome<bool> {
        let Some(marks) = self.root.get("x-vipps") else { return Ok(true) };
        let known = marks.as_object().filter(|marks| marks.keys().all(|mark| mark == "client"));
        match known.map(|marks| marks.get("client")) {
            Some(None) => Ok(true),
            Some(Some(Value::Bool(client))) => Ok(*client),
            _ => Err(self.trouble("x-vipps", "must be `{ client: false }`, or be left out where a crate is wanted")),
        }
    }

    /// `components.schemas`; made when absent.
    pub(crate) fn schemas_mut(&mut self) -> &mut Map<String, Value> {
        object_at(object_at(root_object(&mut self.root), "components"), "schemas")
    }

    pub(crate) fn schemas(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.root["components"]["schemas"].as_object().into_iter().flatten()
    }

    pub(crate) fn schema(&self, name: &str) -> Option<&Value> {
        self.root["components"]["schemas"].get(name)
    }

    /// Every operation object with its path and method.
    pub(crate) fn each_operation(&mut self, mut f: impl FnMut(&str, &str, &mut Value)) {
        let paths = self.root.get_mut("paths").and_then(Value::as_object_mut);
        for (path, item) in paths.into_iter().flatten() {
            for method in METHODS {
                if let Some(operation) = item.get_mut(method) {
                    f(path, method, operation);
                }
            }
        }
    }

    /// Visits every schema, the innermost first, wherever the document has one.
    pub(crate) fn each_schema(&mut self, mut f: impl FnMut(&str, &mut Value)) {
        each_root(&mut self.root, &mut |place, schema| visit(place, schema, &mut f));
    }

    /// As [`Document::each_schema`], and stops at the first trouble.
    pub(crate) fn try_each_schema(&mut self, mut f: impl FnMut(&str, &mut Value) -> Result<(), String>) -> Outcome {
        let mut first = None;
        self.each_schema(|place, schema| {
            if first.is_none()
                && let Err(what) = f(place, schema)
            {
                first = Some((place.to_owned(), what));
            }
        });
        match first {
            Some((place, what)) => Err(self.trouble(place, what)),
            None => Ok(()),
        }
    }
}

fn root_object(root: &mut Value) -> &mut Map<String, Value> {
    if !root.is_object() {
        *root = Value::Object(Map::new());
    }
    root.as_object_mut().expect("just made an object")
}

/// The object at `key`; made when absent or something else.
pub(crate) fn object_at<'a>(map: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    root_object(map.entry(key).or_insert(Value::Null))
}

/// Every place outside other schemas where the document has a schema.
fn each_root(root: &mut Value, f: &mut dyn FnMut(&str, &mut Value)) {
    if let Some(components) = root.get_mut("components").and_then(Value::as_object_mut) {
        for (kind, entries) in components.iter_mut() {
            for (name, entry) in entries.as_object_mut().into_iter().flatten() {
                let place = format!("components.{kind}.{name}");
                match kind.as_str() {
                    "schemas" => f(&place, entry),
                    "parameters" | "headers" => parameter_schemas(&place, entry, f),
                    "requestBodies" | "responses" => body_schemas(&place, entry, f),
                    "callbacks" => callback_schemas(&place, entry, f),
                    _ => {}
                }
            }
        }
    }
    for (path, item) in root.get_mut("paths").and_then(Value::as_object_mut).into_iter().flatten() {
        path_item_schemas(&format!("paths.{path}"), item, f);
    }
}

fn path_item_schemas(place: &str, item: &mut Value, f: &mut dyn FnMut(&str, &mut Value)) {
    each_parameter(place, item, f);
    for method in METHODS {
        let Some(operation) = item.get_mut(method) else { continue };
        let place = format!("{place}.{method}");
        each_parameter(&place, operation, f);
        if let Some(body) = operation.get_mut("requestBody") {
            body_schemas(&format!("{place}.requestBody"), body, f);
        }
        for (status, response) in operation.get_mut("responses").and_then(Value::as_object_mut).into_iter().flatten() {
            body_schemas(&format!("{place}.responses.{status}"), response, f);
        }
        for (name, callback) in operation.get_mut("callbacks").and_then(Value::as_object_mut).into_iter().flatten() {
            callback_schemas(&format!("{place}.callbacks.{name}"), callback, f);
        }
    }
}

fn callback_schemas(place: &str, callback: &mut Value, f: &mut dyn FnMut(&str, &mut Value)) {
    for (expression, item) in callback.as_object_mut().into_iter().flatten() {
        path_item_schemas(&format!("{place}.{expression}"), item, f);
    }
}

fn each_parameter(place: &str, owner: &mut Value, f: &mut dyn FnMut(&str, &mut Value)) {
    for parameter in owner.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap_or("?").to_owned();
        parameter_schemas(&format!("{place}.parameters.{name}"), parameter, f);
    }
}

fn parameter_schemas(place: &str, parameter: &mut Value, f: &mut dyn FnMut(&str, &mut Value)) {
    if let Some(schema) = parameter.get_mut("schema") {
        f(place, schema);
    }
    body_schemas(place, parameter, f);
}

fn body_schemas(place: &str, body: &mut Value, f: &mut dyn FnMut(&str, &mut Value)) {
    for (media, content) in body.get_mut("content").and_then(Value::as_object_mut).into_iter().flatten() {
        if let Some(schema) = content.get_mut("schema") {
            f(&format!("{place}.{media}"), schema);
        }
    }
    for (name, header) in body.get_mut("headers").and_then(Value::as_object_mut).into_iter().flatten() {
        parameter_schemas(&format!("{place}.headers.{name}"), header, f);
    }
}

/// Visits a schema and all schemas in it, the innermost first.
///
/// It knows where schemas are: a property *called* `default` or `pattern` is a schema, the
/// keyword of that name is not.
pub(crate) fn visit(place: &str, schema: &mut Value, f: &mut dyn FnMut(&str, &mut Value)) {
    for (place, child) in children(place, schema) {
        visit(&place, child, f);
    }
    f(place, schema);
}

/// The schemas directly inside a schema, with their places.
pub(crate) fn children<'a>(place: &str, schema: &'a mut Value) -> Vec<(String, &'a mut Value)> {
    let mut found = Vec::new();
    for (keyword, value) in schema.as_object_mut().into_iter().flatten() {
        match (keyword.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                found.extend(properties.iter_mut().map(|(name, child)| (format!("{place}.{name}"), child)));
            }
            ("items", child @ Value::Object(_)) => found.push((format!("{place}[]"), child)),
            ("additionalProperties", child @ Value::Object(_)) => found.push((format!("{place}.*"), child)),
            ("not", child @ Value::Object(_)) => found.push((format!("{place}.not"), child)),
            (list @ ("allOf" | "oneOf" | "anyOf"), Value::Array(branches)) => {
                found.extend(
                    branches.iter_mut().enumerate().map(|(index, child)| (format!("{place}.{list}[{index}]"), child)),
                );
            }
            _ => {}
        }
    }
    found
}

/// The component a `{$ref}` names, where it names one of `components.schemas`.
pub(crate) fn referenced(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/components/schemas/")
}

/// The component that a schema is, directly or through a one-branch `allOf` that only adds
/// a description or nullability.
pub(crate) fn component_of(schema: &Value) -> Option<&str> {
    referenced(schema).or_else(|| match schema.get("allOf")?.as_array()?.as_slice() {
        [only] if schema.get("properties").is_none() => referenced(only),
        _ => None,
    })
}

/// A reference to a component.
pub(crate) fn reference(name: &str) -> Value {
    serde_json::json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// Every component that a schema reaches, itself included when it is a reference.
pub(crate) fn reach(document: &Document, schema: &Value, found: &mut Vec<String>) {
    let mut copy = schema.clone();
    let mut direct = Vec::new();
    visit("", &mut copy, &mut |_, schema| direct.extend(referenced(schema).map(str::to_owned)));
    for name in direct {
        if !found.contains(&name) {
            found.push(name.clone());
            if let Some(schema) = document.schema(&name) {
                reach(document, schema, found);
            }
        }
    }
    // A union's branches are no longer schemas of the document once it is classified.
    for union in &document.unions {
        if found.contains(&union.name) {
            for branch in &union.branches {
                if !found.contains(&branch.component) {
                    found.push(branch.component.clone());
                    if let Some(schema) = document.schema(&branch.component) {
                        reach(document, schema, found);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_walker_tells_keywords_from_properties_of_the_same_name() {
        let mut document = Document::new(
            "x.yaml",
            json!({ "components": { "schemas": { "A": {
                "type": "object", "default": { "type": "not a schema" },
                "properties": { "default": { "type": "string" }, "properties": { "type": "object", "properties": { "items": {} } } }
            } } } }),
        );
        let mut seen = Vec::new();
        document.each_schema(|place, _| seen.push(place.to_owned()));
        assert_eq!(
            seen,
            [
                "components.schemas.A.default",
                "components.schemas.A.properties.items",
                "components.schemas.A.properties",
                "components.schemas.A",
            ]
        );
    }

    #[test]
    fn schemas_are_found_in_parameters_bodies_responses_headers_and_callbacks() {
        let body = json!({ "content": { "application/json": { "schema": {} } } });
        let mut document = Document::new(
            "x.yaml",
            json!({ "paths": { "/a": { "parameters": [{ "name": "p", "schema": {} }], "post": {
                "requestBody": body, "responses": { "200": { "headers": { "h": { "schema": {} } } } },
                "callbacks": { "done": { "{$url}": { "post": { "requestBody": body } } } }
            } } } }),
        );
        let mut count = 0;
        document.each_schema(|_, _| count += 1);
        assert_eq!(count, 4);
    }
}
