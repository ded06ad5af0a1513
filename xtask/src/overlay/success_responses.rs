use serde_json::{Value, json};

use super::Step;
use crate::document::{Document, Outcome};

pub(super) const STEP: Step = Step {
    name: "success responses",
    because: "typed error bodies lose status and headers when they do not match, and two typed answers panic; with \
              one 2XX only, every failure arrives whole",
    remove_when: "the generator keeps status, headers and bytes of every failure",
    run,
};

fn run(document: &mut Document) -> Outcome {
    let mut trouble = None;
    let mut successes = Vec::new();
    let mut ids = document.operations.clone().into_iter().map(|operation| operation.id);
    document.each_operation(|path, method, operation| {
        let responses = operation["responses"].as_object().cloned().unwrap_or_default();
        let mut success: Vec<(&String, &Value)> = responses.iter().filter(|(status, _)| status.starts_with('2')).collect();
        if success.is_empty() {
            success = responses.iter().filter(|(status, _)| *status == "default").collect();
        }
        let id = ids.next().unwrap_or_default();
        let mut body: Option<(&str, &Value)> = None;
        let mut bodyless: Option<&str> = None;
        for (status, response) in &success {
            // 204 has no body, whatever the document says.
            let content = response.get("content").filter(|_| *status != "204");
            match (content, body) {
                (None, _) => bodyless = bodyless.or(Some(status)),
                (Some(content), None) => body = Some((status, content)),
                (Some(content), Some((first, known))) if content != known => {
                    trouble.get_or_insert((
                        format!("paths.{path}.{method}.responses"),
                        format!("`{id}`: {first} and {status} answer with different bodies: one operation can have one, make it a oneOf"),
                    ));
                }
                _ => {}
            }
        }
        if let (Some((with, _)), Some(without)) = (body, bodyless) {
            trouble.get_or_insert((
                format!("paths.{path}.{method}.responses"),
                format!("`{id}`: {with} has a body and {without} has none: one operation can have one kind of answer"),
            ));
        }
        let statuses = success.iter().filter_map(|(status, _)| status.parse().ok()).collect::<Vec<u16>>();
        // A range, or the default, is any of them.
        let statuses = if statuses.len() == success.len() { statuses } else { Vec::new() };
        successes.push((statuses, body.is_some()));
        let mut answer = json!({ "description": "success" });
        if let Some((_, content)) = body {
            answer["content"] = content.clone();
        }
        operation["responses"] = json!({ "2XX": answer });
    });
    for (operation, (statuses, answers)) in document.operations.iter_mut().zip(successes) {
        (operation.success, operation.answers) = (statuses, answers);
    }
    match trouble {
        Some((place, what)) => Err(document.trouble(place, what)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn responses(responses: Value) -> Result<Value, String> {
        let mut document = Document::new(
            "x.yaml",
            json!({ "paths": { "/a": { "post": { "operationId": "a", "responses": responses } } } }),
        );
        document.operations = vec![crate::document::Operation { id: "a".into(), ..Default::default() }];
        run(&mut document).map_err(|trouble| trouble.to_string())?;
        Ok(document.root["paths"]["/a"]["post"]["responses"].clone())
    }

    #[test]
    fn only_one_success_is_left() {
        let body = json!({ "content": { "application/json": { "schema": { "type": "string" } } } });
        let with_body = responses(json!({ "201": body, "400": body, "default": body })).unwrap();
        assert_eq!(with_body["2XX"]["content"], body["content"]);
        let accepted = responses(json!({ "202": {}, "204": body })).unwrap();
        assert_eq!(accepted, json!({ "2XX": { "description": "success" } }));
    }

    #[test]
    fn two_different_successes_are_an_error() {
        let body = |kind: &str| json!({ "content": { "application/json": { "schema": { "type": kind } } } });
        assert_eq!(
            responses(json!({ "200": body("string"), "201": body("integer") })).unwrap_err(),
            "x.yaml: at paths./a.post.responses: `a`: 200 and 201 answer with different bodies: one operation can have one, make it a oneOf"
        );
        assert!(
            responses(json!({ "200": body("string"), "202": {} }))
                .unwrap_err()
                .contains("200 has a body and 202 has none")
        );
    }
}
