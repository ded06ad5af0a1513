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
        overlay::resolve_only(&mut document)?;
        // A prefix of the server is a part of the paths, wherever it is written.
        overlay::prefix_paths(&mut document)?;
        Ok(document)
    };
    let (old, new) = (resolved(old)?, resolved(new)?);
    let mut diff = Diff { old: &old, new: &new, changes: Vec::new(), seen: BTreeSet::new() };
    diff.operations();
    diff.loose_components();
    let mut changes = diff.changes;
    // What is told in both directions is told as it is worse.
    changes.sort_by_key(|change| !change.breaking);
    let mut known = BTreeSet::new();
    changes.retain(|change| known.insert((change.place.clone(), change.what.clone())));
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
    /// Pairs of components that are told already, by their names in the old and the new
    /// document.
    seen: BTreeSet<(String, String, Direction)>,
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
        self.security(route, old, new);
        self.parameters(route, &old["parameters"], &new["parameters"]);
        // A path that is none is an address of the merchant, which Vipps calls.
        let (asked, answered) = match route.split(' ').nth(1).is_some_and(|path| path.starts_with('/')) {
            true => (Direction::Request, Direction::Response),
            false => (Direction::Response, Direction::Request),
        };
        self.request(&format!("{route} request"), &old["requestBody"], &new["requestBody"], asked);
        self.responses(route, &old["responses"], &new["responses"], answered);
        self.callbacks(route, &old["callbacks"], &new["callbacks"]);
    }

    fn security(&mut self, route: &str, old: &Value, new: &Value) {
        let of = |document: &Document, operation: &Value| {
            operation.get("security").or(document.root.get("security")).cloned().unwrap_or_default()
        };
        let (before, after) = (of(self.old, old), of(self.new, new));
        if before != after {
            self.tell(true, route, format!("security {} became {}", shown(&before), shown(&after)));
        }
    }

    fn request(&mut self, place: &str, before: &Value, after: &Value, direction: Direction) {
        match (before["required"] == true, after["required"] == true) {
            (false, true) if before.is_object() => {
                self.tell(direction == Direction::Request, place, "body became required")
            }
            (true, false) if after.is_object() => {
                self.tell(direction == Direction::Response, place, "body became optional")
            }
            _ => {}
        }
        match (has_body(before), has_body(after)) {
            (true, true) => self.media(place, &before["content"], &after["content"], direction),
            (true, false) => self.tell(true, place, "body is gone"),
            (false, true) => {
                self.tell(after["required"] == true && direction == Direction::Request, place, "body is new");
            }
            (false, false) => {}
        }
    }

    /// Bodies by their media types, whatever parameters those have.
    fn media(&mut self, place: &str, old: &Value, new: &Value, direction: Direction) {
        let list = |content: &Value| -> Vec<(String, Value)> {
            let types = content.as_object().into_iter().flatten();
            let plain = |name: &str| name.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            types.map(|(name, media)| (plain(name), media["schema"].clone())).collect()
        };
        let (old, new) = (list(old), list(new));
        for (name, before) in &old {
            match new.iter().find(|(other, _)| other == name) {
                Some((_, after)) => self.schema(place, before, after, direction),
                None => self.tell(true, place, format!("media type {name} is gone")),
            }
        }
        for (name, _) in new.iter().filter(|(name, _)| !old.iter().any(|(other, _)| other == name)) {
            self.tell(false, place, format!("media type {name} is new"));
        }
    }

    /// What Vipps sends us, and what we answer.
    fn callbacks(&mut self, route: &str, old: &Value, new: &Value) {
        let list = |callbacks: &Value| -> Vec<(String, Value)> {
            let names = callbacks.as_object().into_iter().flatten();
            let operations = names.flat_map(|(name, addresses)| {
                let items = addresses.as_object().into_iter().flat_map(|items| items.values());
                let operations = items.flat_map(|item| METHODS.iter().filter_map(|method| item.get(method)));
                operations.map(|operation| (name.clone(), operation.clone())).collect::<Vec<_>>()
            });
            operations.collect()
        };
        let (old, new) = (list(old), list(new));
        for (name, before) in &old {
            let place = format!("{route} callback {name}");
            match new.iter().find(|(other, _)| other == name) {
                Some((_, after)) => {
                    let (asked, now) = (&before["requestBody"], &after["requestBody"]);
                    self.request(&format!("{place} request"), asked, now, Direction::Response);
                    self.responses(&place, &before["responses"], &after["responses"], Direction::Request);
                }
                None => self.tell(true, &place, "is gone"),
            }
        }
        for (name, _) in new.iter().filter(|(name, _)| !old.iter().any(|(other, _)| other == name)) {
            self.tell(false, &format!("{route} callback {name}"), "is new");
        }
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
            let (default, now) = (&before["schema"]["default"], &after["schema"]["default"]);
            if default != now {
                self.tell(false, &place, format!("default {} became {}", shown(default), shown(now)));
            }
            self.schema(&place, &before["schema"], &after["schema"], Direction::Request);
        }
        for after in new.iter().filter(|after| !old.iter().any(|before| key(before) == key(after))) {
            let required = after["required"] == true;
            let kind = if required { "required" } else { "optional" };
            self.tell(required, &format!("{route} {} parameter", key(after)), format!("is new and {kind}"));
        }
    }

    fn responses(&mut self, route: &str, old: &Value, new: &Value, direction: Direction) {
        let empty = serde_json::Map::new();
        let (old, new) = (old.as_object().unwrap_or(&empty), new.as_object().unwrap_or(&empty));
        for (status, before) in old {
            let success = status.starts_with('2');
            let place = format!("{route} response {status}");
            let Some(after) = new.get(status) else {
                self.tell(success, &place, "is gone");
                continue;
            };
            match (has_body(before), has_body(after)) {
                (true, true) => self.media(&place, &before["content"], &after["content"], direction),
                (true, false) => self.tell(success, &place, "body is gone"),
                (false, true) => self.tell(false, &place, "body is new"),
                (false, false) => {}
            }
            let names = |response: &Value| -> BTreeSet<String> {
                response["headers"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(name, _)| name.to_ascii_lowercase())
                    .collect()
            };
            let (headers, now) = (names(before), names(after));
            for name in headers.difference(&now) {
                self.tell(success, &place, format!("header {name} is gone"));
            }
            for name in now.difference(&headers) {
                self.tell(false, &place, format!("header {name} is new"));
            }
        }
        for status in new.keys().filter(|status| !old.contains_key(*status)) {
            self.tell(false, &format!("{route} response {status}"), "is new");
        }
    }

    /// Components that no operation reaches are what Vipps sends: read by us.
    fn loose_components(&mut self) {
        for (name, before) in self.old.schemas() {
            let Some(after) = self.new.schema(name) else {
                self.tell(true, name, "schema is gone");
                continue;
            };
            if self.seen.iter().any(|(old, _, _)| old == name) {
                continue;
            }
            self.seen.insert((name.clone(), name.clone(), Direction::Response));
            self.nullability(name, before, after, Direction::Response);
            self.inner(name, before, after, Direction::Response);
        }
        for (name, _) in self.new.schemas() {
            if self.old.schema(name).is_none() && !self.seen.iter().any(|(_, new, _)| new == name) {
                self.tell(false, name, "schema is new");
            }
        }
    }

    fn schema(&mut self, place: &str, old: &Value, new: &Value, direction: Direction) {
        self.nullability(place, old, new, direction);
        // A pair of components is told once for each direction, under the new name.
        let place = match (component_of(old), component_of(new)) {
            (Some(before), Some(after)) => {
                if !self.seen.insert((before.to_owned(), after.to_owned(), direction)) {
                    return;
                }
                after
            }
            _ => place,
        };
        let (old, new) = (written_out(self.old, old), written_out(self.new, new));
        self.inner(place, &old, &new, direction);
    }

    fn nullability(&mut self, place: &str, old: &Value, new: &Value, direction: Direction) {
        let nullable = |document: &Document, schema: &Value| {
            schema["nullable"] == true || written_out(document, schema)["nullable"] == true
        };
        match (nullable(self.old, old), nullable(self.new, new)) {
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
            // What we send still fits where more fits.
            let wider = direction == Direction::Request && old["format"] == "int32" && new["format"] == "int64";
            self.tell(!wider, place, format!("format {} became {}", shown(&old["format"]), shown(&new["format"])));
        }
        if old["deprecated"] != true && new["deprecated"] == true {
            self.tell(false, place, "became deprecated");
        }
        self.enum_values(place, old, new);
        self.constraints(place, old, new, direction);
        self.members(place, old, new, direction);
        if old["items"].is_object() && new["items"].is_object() {
            self.schema(&format!("{place}[]"), &old["items"], &new["items"], direction);
        }
        self.more_members(place, &old["additionalProperties"], &new["additionalProperties"], direction);
        self.discriminator(place, &old["discriminator"], &new["discriminator"]);
        for keyword in ["oneOf", "anyOf", "allOf"] {
            self.branches(place, keyword, old, new, direction);
        }
    }

    fn more_members(&mut self, place: &str, old: &Value, new: &Value, direction: Direction) {
        match (old, new) {
            (Value::Object(_), Value::Object(_)) => self.schema(&format!("{place}[]"), old, new, direction),
            (Value::Object(_), _) | (_, Value::Object(_)) => {
                self.tell(true, place, format!("additionalProperties {} became {}", shown(old), shown(new)));
            }
            (_, Value::Bool(false)) if *old != Value::Bool(false) => {
                self.tell(direction == Direction::Request, place, "takes no other members any more");
            }
            (Value::Bool(false), _) if *new != Value::Bool(false) => {
                self.tell(false, place, "takes other members");
            }
            _ => {}
        }
    }

    fn discriminator(&mut self, place: &str, old: &Value, new: &Value) {
        if old["propertyName"] != new["propertyName"] {
            let what = format!("discriminator {} became {}", shown(&old["propertyName"]), shown(&new["propertyName"]));
            self.tell(true, place, what);
        }
        let empty = serde_json::Map::new();
        let (before, after) =
            (old["mapping"].as_object().unwrap_or(&empty), new["mapping"].as_object().unwrap_or(&empty));
        for (tag, target) in before {
            match after.get(tag) {
                None => self.tell(true, place, format!("discriminator value {tag} is gone")),
                Some(now) if now != target => {
                    self.tell(true, place, format!("discriminator value {tag} means another branch"));
                }
                Some(_) => {}
            }
        }
        for tag in after.keys().filter(|tag| !before.contains_key(*tag)) {
            self.tell(false, place, format!("discriminator value {tag} is new"));
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
        for keyword in ["exclusiveMinimum", "exclusiveMaximum", "uniqueItems"] {
            let (before, after) = (old[keyword] == true, new[keyword] == true);
            if before != after {
                let what = format!("{keyword} {before} became {after}");
                self.tell(after && direction == Direction::Request, place, what);
            }
        }
        for keyword in LEAST.iter().chain(&MOST).chain(&["pattern", "multipleOf"]) {
            let (before, after) = (&old[*keyword], &new[*keyword]);
            if before == after {
                continue;
            }
            let tighter = match (before.as_f64(), after.as_f64()) {
                (None, Some(_)) => true,
                (Some(_), None) => false,
                (Some(_), Some(_)) if *keyword == "multipleOf" => true,
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
        // Branches without a name are told apart by what they are, else by their order.
        let named = |list: &[Value], others: &[Value]| -> Vec<(String, Value)> {
            let mut unnamed = 0;
            let name = |schema: &Value| {
                component_of(schema)
                    .map(str::to_owned)
                    .or_else(|| (others.contains(schema)).then(|| schema.to_string()))
            };
            let entry = |schema: &Value| {
                let name = name(schema).unwrap_or_else(|| {
                    unnamed += 1;
                    format!("#{}", unnamed - 1)
                });
                (name, schema.clone())
            };
            list.iter().map(entry).collect()
        };
        let (before, after) = (named(before, after), named(after, before));
        for (branch, schema) in &before {
            match after.iter().find(|(other, _)| other == branch) {
                Some((_, now)) => self.schema(&format!("{place} {keyword} {branch}"), schema, now, direction),
                None => self.tell(true, place, format!("{keyword} branch {branch} is gone")),
            }
        }
        for (branch, _) in after.iter().filter(|(branch, _)| !before.iter().any(|(other, _)| other == branch)) {
            let breaks = keyword == "allOf" && direction == Direction::Request;
            self.tell(breaks, place, format!("{keyword} branch {branch} is new"));
        }
    }
}

fn routes(document: &Document) -> Vec<(String, Value)> {
    let same = |one: &Value, other: &Value| one["name"] == other["name"] && one["in"] == other["in"];
    let paths = document.root["paths"].as_object().into_iter().flatten();
    paths
        .flat_map(|(path, item)| {
            METHODS.iter().filter_map(move |method| {
                let mut operation = item.get(method)?.clone();
                let shared = item["parameters"].as_array().cloned().unwrap_or_default();
                let mut own = operation["parameters"].as_array().cloned().unwrap_or_default();
                let inherited = shared.into_iter().filter(|p| !own.iter().any(|o| same(o, p))).collect::<Vec<_>>();
                own.extend(inherited);
                operation["parameters"] = own.into();
                Some((format!("{} {path}", method.to_ascii_uppercase()), operation))
            })
        })
        .collect()
}

fn has_body(body: &Value) -> bool {
    body["content"].as_object().is_some_and(|content| content.values().any(|media| media.get("schema").is_some()))
}

fn written_out(document: &Document, schema: &Value) -> Value {
    component_of(schema).and_then(|name| document.schema(name)).unwrap_or(schema).clone()
}

fn shown(value: &Value) -> String {
    if value.is_null() { "none".into() } else { value.to_string() }
}

#[cfg(test)]
mod tests;
