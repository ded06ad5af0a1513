use std::collections::BTreeMap;

use super::Step;
use crate::document::{Document, Outcome};
use crate::names;

pub(super) const STEP: Step = Step {
    name: "operation ids",
    because: "the generator wants an id for every operation and makes two functions of one name from colliding \
              ones; and `UsingPOST` says nothing",
    remove_when: "every published document names its operations once each",
    run,
};

fn run(document: &mut Document) -> Outcome {
    let mut wire_ids = Vec::new();
    document.each_operation(|path, method, operation| {
        let given = operation["operationId"].as_str().map(str::trim).filter(|id| !id.is_empty());
        wire_ids.push((given.map(str::to_owned), from_route(method, path)));
    });
    let mut rust_ids: Vec<String> = wire_ids
        .iter()
        .map(|(given, route)| names::snake(&without_method_suffix(given.as_deref().unwrap_or(route))))
        .map(|id| without_repeats(&id))
        .collect();
    let mut counts = BTreeMap::new();
    for id in &rust_ids {
        *counts.entry(id.clone()).or_insert(0) += 1;
    }
    for (id, (given, route)) in rust_ids.iter_mut().zip(&mut wire_ids) {
        if counts[id] > 1 {
            *id = names::snake(route);
            *given = None;
        }
    }
    let mut ids = rust_ids.iter();
    let mut seen = BTreeMap::new();
    let mut collision = None;
    document.each_operation(|path, method, operation| {
        let Some(id) = ids.next() else { return };
        operation["operationId"] = id.as_str().into();
        let route = format!("{method} {path}");
        if let Some(first) = seen.insert(id.clone(), route.clone()) {
            collision
                .get_or_insert(format!("{first} and {route} both make the function `{id}`: give one an operationId"));
        }
    });
    if let Some(what) = collision {
        return Err(document.trouble("paths", what));
    }
    for (operation, ((given, route), rust)) in document.operations.iter_mut().zip(wire_ids.into_iter().zip(rust_ids)) {
        operation.id = given.unwrap_or(route);
        operation.rust = rust;
    }
    Ok(())
}

/// `POST /v1/payments/{id}/capture` is `postPaymentsCapture`; versions say nothing.
fn from_route(method: &str, path: &str) -> String {
    let is_version = |word: &str| word.strip_prefix('v').is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
    let literal =
        path.split('/').filter(|segment| !segment.is_empty() && !segment.starts_with('{') && !is_version(segment));
    let words = literal.map(names::pascal).collect::<String>();
    format!("{}{words}", method.to_ascii_lowercase())
}

/// `get_event_event` is `get_event`.
fn without_repeats(id: &str) -> String {
    let mut words: Vec<&str> = id.split('_').collect();
    words.dedup();
    words.join("_")
}

/// `initiatePaymentV3UsingPOST` is `initiatePaymentV3`, `acceptUsingPATCHV3` is `acceptV3`.
fn without_method_suffix(id: &str) -> String {
    for method in ["Get", "Post", "Put", "Patch", "Delete"] {
        for form in [method.to_owned(), method.to_ascii_uppercase()] {
            if let Some((before, after)) = id.split_once(&format!("Using{form}"))
                && !before.is_empty()
                && !after.starts_with(|c: char| c.is_lowercase())
            {
                return format!("{before}{}", after.trim_start_matches('_'));
            }
        }
    }
    id.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ids_are_made_cut_and_told_apart() {
        let mut document = Document::new(
            "x.yaml",
            json!({ "paths": {
                "/v1/payments/{id}/capture": { "post": {} },
                "/init": { "post": { "operationId": "initiateUsingPOST" } },
                "/accept": { "patch": { "operationId": "acceptUsingPATCHV3" } },
                "/a": { "get": { "operationId": "list" } },
                "/b": { "get": { "operationId": "List" } }
            } }),
        );
        document.operations = vec![crate::document::Operation::default(); 5];
        run(&mut document).unwrap();
        let ids: Vec<_> = document.operations.iter().map(|o| (o.id.as_str(), o.rust.as_str())).collect();
        assert_eq!(
            ids,
            [
                ("postPaymentsCapture", "post_payments_capture"),
                ("initiateUsingPOST", "initiate"),
                ("acceptUsingPATCHV3", "accept_v3"),
                ("getA", "get_a"),
                ("getB", "get_b"),
            ]
        );
    }

    #[test]
    fn ids_that_cannot_be_told_apart_are_an_error() {
        let mut document =
            Document::new("x.yaml", json!({ "paths": { "/a/{x}": { "get": {} }, "/a": { "get": {} } } }));
        assert_eq!(
            run(&mut document).unwrap_err().to_string(),
            "x.yaml: at paths: get /a/{x} and get /a both make the function `get_a`: give one an operationId"
        );
    }
}
