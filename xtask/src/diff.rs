//! `spec diff OLD NEW`: what changed between two documents, and whether it breaks a client.
//!
//! The direction decides: what we send must fit stricter rules, what we read may only grow.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde_json::Value;

use crate::document::{Document, METHODS, Outcome, component_of};
use crate::{load, overlay};

/// One difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// A client of the old document may fail with the new one.
    pub breaking: bool,
    /// Where it is.
    pub place: String,
    /// What it is.
    pub what: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.breaking { "breaking" } else { "additive" };
        write!(f, "{mark}  {}: {}", self.place, self.what)
    }
}

/// Prints the changes, the breaking ones first; `false` when there is one.
pub fn run(old: &Path, new: &Path) -> Outcome<bool> {
    let load = |path: &Path| load::load(path, &path.display().to_string());
    let changes = changes(&load(old)?, &load(new)?)?;
    for change in &changes {
        println!("{change}");
    }
    let breaking = changes.iter().filter(|change| change.breaking).count();
    println!("{breaking} breaking, {} additive", changes.len() - breaking);
    Ok(breaking == 0)
}

/// Every difference that a client can notice; prose is none.
pub(crate) fn changes(old: &Document, new: &Document) -> Outcome<Vec<Change>> {
    let resolved = |document: &Document| {
        let mut document = document.clone();
        overlay::resolve_only(&mut document).map(|()| document)
    };
    let (old, new) = (resolved(old)?, resolved(new)?);
    let mut diff = Diff { old: &old, new: &new, changes: Vec::new(), seen: BTreeSet::new() };
    diff.operations();
    diff.loose_components();
    let mut changes = diff.changes;
    let mut known = BTreeSet::new();
    changes.retain(|change| known.insert((change.place.clone(), change.what.clone())));
    changes.sort_by_key(|change| !change.breaking);
    Ok(changes)
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Direction {
    /// We send it: less may be allowed than before.
    Request,
    /// We read it: less may be there than before.
    Response,
}

struct Diff<'a> {
    old: &'a Document,
    new: &'a Document,
    changes: Vec<Change>,
    seen: BTreeSet<(String, Direction)>,
}

impl Diff<'_> {
    fn tell(&mut self, breaking: bool, place: &str, what: impl Into<String>) {
        self.changes.push(Change { breaking, place: place.to_owned(), what: what.into() });
    }

    fn operations(&mut self) {
        let (old, new) = (routes(self.old), routes(self.new));
        for (route, before) in &old {
            match new.iter().find(|(other, _)| other == route) {
                Some((_, after)) => self.operation(route, before, after),
                None => self.tell(true, route, "operation is gone"),
            }
        }
        for (route, _) in new.iter().filter(|(route, _)| !old.iter().any(|(other, _)| other == route)) {
            self.tell(false, route, "operation is new");
        }
    }

    fn operation(&mut self, route: &str, old: &Value, new: &Value) {
        if old["operationId"] != new["operationId"] {
            self.tell(true, route, format!("operationId {} became {}", old["operationId"], new["operationId"]));
        }
        if old["deprecated"] != true && new["deprecated"] == true {
            self.tell(false, route, "became deprecated");
        }
        self.parameters(route, &old["parameters"], &new["parameters"]);
        let (before, after) = (&old["requestBody"], &new["requestBody"]);
        match (body(before), body(after)) {
            (Some(before_schema), Some(after_schema)) => {
                if before["required"] != true && after["required"] == true {
                    self.tell(true, &format!("{route} request"), "body became required");
                }
                self.schema(&format!("{route} request"), before_schema, after_schema, Direction::Request);
            }
            (Some(_), None) => self.tell(true, &format!("{route} request"), "body is gone"),
            (None, Some(_)) => self.tell(after["required"] == true, &format!("{route} request"), "body is new"),
            (None, None) => {}
        }
        self.responses(route, &old["responses"], &new["responses"]);
    }

    fn parameters(&mut self, route: &str, old: &Value, new: &Value) {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let key = |parameter: &Value| {
            let name = parameter["name"].as_str().unwrap_or_default().to_ascii_lowercase();
            format!("{} {}", parameter["in"].as_str().unwrap_or_default(), name)
        };
        let (old, new) = (list(old), list(new));
        for before in &old {
            let place = format!("{route} {} parameter", key(before));
            let Some(after) = new.iter().find(|after| key(after) == key(before)) else {
                self.tell(true, &place, "is gone");
                continue;
            };
            match (before["required"] == true, after["required"] == true) {
                (false, true) => self.tell(true, &place, "became required"),
                (true, false) => self.tell(false, &place, "became optional"),
                _ => {}
            }
            self.schema(&place, &before["schema"], &after["schema"], Direction::Request);
        }
        for after in new.iter().filter(|after| !old.iter().any(|before| key(before) == key(after))) {
            let required = after["required"] == true;
            let kind = if required { "required" } else { "optional" };
            self.tell(required, &format!("{route} {} parameter", key(after)), format!("is new and {kind}"));
        }
    }

    fn responses(&mut self, route: &str, old: &Value, new: &Value) {
        let empty = serde_json::Map::new();
        let (old, new) = (old.as_object().unwrap_or(&empty), new.as_object().unwrap_or(&empty));
        for (status, before) in old {
            let success = status.starts_with('2');
            let place = format!("{route} response {status}");
            match new.get(status) {
                None => self.tell(success, &place, "is gone"),
                Some(after) => match (body(before), body(after)) {
                    (Some(before), Some(after)) => self.schema(&place, before, after, Direction::Response),
                    (Some(_), None) => self.tell(success, &place, "body is gone"),
                    (None, Some(_)) => self.tell(false, &place, "body is new"),
                    (None, None) => {}
                },
            }
        }
        for status in new.keys().filter(|status| !old.contains_key(*status)) {
            self.tell(false, &format!("{route} response {status}"), "is new");
        }
    }

    /// Components that no operation reaches are what Vipps sends: read by us.
    fn loose_components(&mut self) {
        for (name, before) in self.old.schemas() {
            match self.new.schema(name) {
                Some(after) => {
                    let seen = [Direction::Request, Direction::Response]
                        .iter()
                        .any(|d| self.seen.contains(&(name.clone(), *d)));
                    if !seen {
                        self.seen.insert((name.clone(), Direction::Response));
                        self.inner(name, before, after, Direction::Response);
                    }
                }
                None => self.tell(true, name, "schema is gone"),
            }
        }
    }

    fn schema(&mut self, place: &str, old: &Value, new: &Value, direction: Direction) {
        // A component is told once for each direction, under its own name.
        let place = match component_of(new) {
            Some(name) if self.seen.insert((name.to_owned(), direction)) => name.to_owned(),
            Some(name) if component_of(old) == Some(name) => {
                self.nullability(place, old, new, direction);
                return;
            }
            _ => place.to_owned(),
        };
        self.nullability(&place, old, new, direction);
        let (old, new) = (written_out(self.old, old), written_out(self.new, new));
        self.inner(&place, &old, &new, direction);
    }

    fn nullability(&mut self, place: &str, old: &Value, new: &Value, direction: Direction) {
        match (old["nullable"] == true, new["nullable"] == true) {
            (false, true) => self.tell(direction == Direction::Response, place, "became nullable"),
            (true, false) => self.tell(direction == Direction::Request, place, "is no longer nullable"),
            _ => {}
        }
    }

    fn inner(&mut self, place: &str, old: &Value, new: &Value, direction: Direction) {
        if old["type"] != new["type"] {
            self.tell(true, place, format!("type {} became {}", shown(&old["type"]), shown(&new["type"])));
            return;
        }
        if old["format"] != new["format"] {
            self.tell(true, place, format!("format {} became {}", shown(&old["format"]), shown(&new["format"])));
        }
        self.enum_values(place, old, new);
        self.constraints(place, old, new, direction);
        self.members(place, old, new, direction);
        for keyword in ["items", "additionalProperties"] {
            if old[keyword].is_object() && new[keyword].is_object() {
                self.schema(&format!("{place}[]"), &old[keyword], &new[keyword], direction);
            }
        }
        for keyword in ["oneOf", "anyOf", "allOf"] {
            self.branches(place, keyword, old, new, direction);
        }
    }

    fn enum_values(&mut self, place: &str, old: &Value, new: &Value) {
        let values = |schema: &Value| schema["enum"].as_array().cloned().unwrap_or_default();
        let (before, after) = (values(old), values(new));
        if before.is_empty() != after.is_empty() {
            let what = if after.is_empty() { "is no longer an enum" } else { "became an enum" };
            self.tell(true, place, what);
            return;
        }
        for value in before.iter().filter(|value| !after.contains(value)) {
            self.tell(true, place, format!("enum value {value} is gone"));
        }
        for value in after.iter().filter(|value| !before.contains(value)) {
            self.tell(false, place, format!("enum value {value} is new"));
        }
    }

    fn constraints(&mut self, place: &str, old: &Value, new: &Value, direction: Direction) {
        const LEAST: [&str; 4] = ["minLength", "minimum", "minItems", "minProperties"];
        const MOST: [&str; 4] = ["maxLength", "maximum", "maxItems", "maxProperties"];
        for keyword in LEAST.iter().chain(&MOST).chain(&["pattern"]) {
            let (before, after) = (&old[*keyword], &new[*keyword]);
            if before == after {
                continue;
            }
            let tighter = match (before.as_f64(), after.as_f64()) {
                (None, Some(_)) => true,
                (Some(_), None) => false,
                (Some(before), Some(after)) => {
                    if LEAST.contains(keyword) {
                        after > before
                    } else {
                        after < before
                    }
                }
                // Of two patterns, either may refuse what the other allows.
                (None, None) => !after.is_null(),
            };
            let what = format!("{keyword} {} became {}", shown(before), shown(after));
            self.tell(tighter && direction == Direction::Request, place, what);
        }
    }

    fn members(&mut self, place: &str, old: &Value, new: &Value, direction: Direction) {
        let empty = serde_json::Map::new();
        let before = old["properties"].as_object().unwrap_or(&empty);
        let after = new["properties"].as_object().unwrap_or(&empty);
        let required = |schema: &Value, name: &str| {
            schema["required"].as_array().is_some_and(|list| list.iter().any(|item| item == name))
        };
        for (name, schema) in before {
            let place = format!("{place}.{name}");
            let Some(now) = after.get(name) else {
                self.tell(true, &place, "field is gone");
                continue;
            };
            match (required(old, name), required(new, name)) {
                (false, true) => self.tell(direction == Direction::Request, &place, "became required"),
                (true, false) => self.tell(direction == Direction::Response, &place, "became optional"),
                _ => {}
            }
            self.schema(&place, schema, now, direction);
        }
        for name in after.keys().filter(|name| !before.contains_key(*name)) {
            let breaks = direction == Direction::Request && required(new, name);
            let kind = if required(new, name) { "required" } else { "optional" };
            self.tell(breaks, &format!("{place}.{name}"), format!("field is new and {kind}"));
        }
    }

    fn branches(&mut self, place: &str, keyword: &str, old: &Value, new: &Value, direction: Direction) {
        let empty = Vec::new();
        let before = old[keyword].as_array().unwrap_or(&empty);
        let after = new[keyword].as_array().unwrap_or(&empty);
        let name =
            |schema: &Value, index: usize| component_of(schema).map_or_else(|| format!("#{index}"), str::to_owned);
        let find = |list: &[Value], wanted: &str| {
            list.iter().enumerate().find(|(i, s)| name(s, *i) == wanted).map(|(_, s)| s.clone())
        };
        for (index, schema) in before.iter().enumerate() {
            let branch = name(schema, index);
            match find(after, &branch) {
                Some(now) => self.schema(&format!("{place} {keyword} {branch}"), schema, &now, direction),
                None => self.tell(true, place, format!("{keyword} branch {branch} is gone")),
            }
        }
        for (index, schema) in after.iter().enumerate() {
            let branch = name(schema, index);
            if find(before, &branch).is_none() {
                self.tell(
                    keyword == "allOf" && direction == Direction::Request,
                    place,
                    format!("{keyword} branch {branch} is new"),
                );
            }
        }
    }
}

fn routes(document: &Document) -> Vec<(String, Value)> {
    let paths = document.root["paths"].as_object().into_iter().flatten();
    paths
        .flat_map(|(path, item)| {
            METHODS.iter().filter_map(move |method| {
                let mut operation = item.get(method)?.clone();
                let shared = item["parameters"].as_array().cloned().unwrap_or_default();
                let mut own = operation["parameters"].as_array().cloned().unwrap_or_default();
                let inherited =
                    shared.into_iter().filter(|p| !own.iter().any(|o| o["name"] == p["name"])).collect::<Vec<_>>();
                own.extend(inherited);
                operation["parameters"] = own.into();
                Some((format!("{} {path}", method.to_ascii_uppercase()), operation))
            })
        })
        .collect()
}

fn body(body: &Value) -> Option<&Value> {
    body["content"].as_object()?.values().find_map(|media| media.get("schema"))
}

fn written_out(document: &Document, schema: &Value) -> Value {
    component_of(schema).and_then(|name| document.schema(name)).unwrap_or(schema).clone()
}

fn shown(value: &Value) -> String {
    if value.is_null() { "none".into() } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A document whose one operation sends and reads an object with the given keywords.
    fn document(request: Value, response: Value) -> Document {
        let content = |schema: &Value| json!({ "application/json": { "schema": schema } });
        Document::new(
            "x.yaml",
            json!({ "paths": { "/a": { "post": {
                "operationId": "a",
                "requestBody": { "content": content(&request) },
                "responses": { "200": { "content": content(&response) } }
            } } } }),
        )
    }

    fn object(members: Value, required: &[&str]) -> Value {
        json!({ "type": "object", "properties": members, "required": required })
    }

    #[test]
    fn direction_decides_what_breaks() {
        let none = object(json!({}), &[]);
        let text = json!({ "type": "string" });
        let one = object(json!({ "x": text }), &[]);
        let must = object(json!({ "x": text }), &["x"]);
        let limited = |most: u64| object(json!({ "x": { "type": "string", "maxLength": most } }), &[]);
        let known = |values: &[&str]| object(json!({ "x": { "type": "string", "enum": values } }), &[]);
        let request = |old: &Value, new: &Value| {
            changes(&document(old.clone(), none.clone()), &document(new.clone(), none.clone())).unwrap()
        };
        let response = |old: &Value, new: &Value| {
            changes(&document(none.clone(), old.clone()), &document(none.clone(), new.clone())).unwrap()
        };
        let cases = [
            (request(&one, &must), true, "POST /a request.x", "became required"),
            (request(&must, &one), false, "POST /a request.x", "became optional"),
            (request(&none, &must), true, "POST /a request.x", "field is new and required"),
            (request(&none, &one), false, "POST /a request.x", "field is new and optional"),
            (request(&one, &none), true, "POST /a request.x", "field is gone"),
            (request(&limited(50), &limited(40)), true, "POST /a request.x", "maxLength 50 became 40"),
            (request(&limited(50), &limited(64)), false, "POST /a request.x", "maxLength 50 became 64"),
            (request(&known(&["A", "B"]), &known(&["A"])), true, "POST /a request.x", "enum value \"B\" is gone"),
            (response(&one, &none), true, "POST /a response 200.x", "field is gone"),
            (response(&none, &one), false, "POST /a response 200.x", "field is new and optional"),
            (response(&none, &must), false, "POST /a response 200.x", "field is new and required"),
            (response(&one, &must), false, "POST /a response 200.x", "became required"),
            (response(&must, &one), true, "POST /a response 200.x", "became optional"),
            (response(&limited(50), &limited(40)), false, "POST /a response 200.x", "maxLength 50 became 40"),
            (response(&known(&["A"]), &known(&["A", "B"])), false, "POST /a response 200.x", "enum value \"B\" is new"),
        ];
        for (found, breaking, place, what) in cases {
            assert_eq!(found, [Change { breaking, place: place.into(), what: what.into() }]);
        }
    }

    #[test]
    fn operations_and_parameters_come_and_go() {
        let with = |path: &str, parameters: Value| {
            Document::new(
                "x.yaml",
                json!({ "paths": { path: { "get": { "operationId": "a", "parameters": parameters, "responses": {} } } } }),
            )
        };
        let key = |required: bool| json!([{ "name": "Idempotency-Key", "in": "header", "required": required, "schema": { "type": "string" } }]);
        let told = |old: &Document, new: &Document| {
            changes(old, new).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            told(&with("/a", json!([])), &with("/b", json!([]))),
            ["breaking  GET /a: operation is gone", "additive  GET /b: operation is new"]
        );
        assert_eq!(
            told(&with("/a", key(false)), &with("/a", key(true))),
            ["breaking  GET /a header idempotency-key parameter: became required"]
        );
        assert_eq!(told(&with("/a", key(true)), &with("/a", key(true))), [""; 0]);
    }

    #[test]
    fn a_component_is_told_once_under_its_own_name() {
        let with = |values: &[&str]| {
            let state = json!({ "$ref": "#/components/schemas/State" });
            let mut document = document(json!({}), object(json!({ "a": state, "b": state }), &[]));
            document.schemas_mut().insert("State".into(), json!({ "type": "string", "enum": values }));
            document
        };
        let told = changes(&with(&["A"]), &with(&["A", "NEW"])).unwrap();
        assert_eq!(told, [Change { breaking: false, place: "State".into(), what: "enum value \"NEW\" is new".into() }]);
    }
}
