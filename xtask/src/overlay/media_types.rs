use serde_json::{Map, Value, json};

use super::Step;
use crate::document::{Document, Outcome};

pub(super) const STEP: Step = Step {
    name: "media types",
    because: "the generator takes one media type a body, panics where it has no schema, and reads anything but \
              application/json as raw bytes, problem+json included",
    remove_when: "the generator understands +json and chooses among media types",
    run,
};

fn run(document: &mut Document) -> Outcome {
    let mut trouble = None;
    document.each_operation(|path, method, operation| {
        let place = format!("paths.{path}.{method}");
        let mut drop_body = false;
        if let Some(body) = operation.get_mut("requestBody") {
            match one_media_type(body) {
                Ok(kept) => drop_body = !kept,
                Err(what) => {
                    trouble.get_or_insert((format!("{place}.requestBody"), what));
                }
            }
        }
        if drop_body && let Some(operation) = operation.as_object_mut() {
            operation.shift_remove("requestBody");
        }
        for (status, response) in operation.get_mut("responses").and_then(Value::as_object_mut).into_iter().flatten() {
            // Error answers are read by nobody here, whatever they are.
            if let Err(what) = one_media_type(response)
                && status.starts_with('2')
            {
                trouble.get_or_insert((format!("{place}.responses.{status}"), what));
            }
        }
    });
    match trouble {
        Some((place, what)) => Err(document.trouble(place, what)),
        None => Ok(()),
    }
}

/// Leaves one media type with a schema, or none where none has one; says whether a body is
/// left.
fn one_media_type(body: &mut Value) -> Result<bool, String> {
    let Some(body) = body.as_object_mut() else { return Ok(false) };
    let content = body.shift_remove("content");
    let content: Map<String, Value> = content.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
    let essence = |media: &str| media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let with_schema: Vec<(String, &Value)> =
        content.iter().filter_map(|(media, content)| Some((essence(media), content.get("schema")?))).collect();
    let rank = |media: &str| match media {
        "application/json" => Some(0),
        "text/json" | "*/*" => Some(1),
        json if json.ends_with("+json") => Some(2),
        "application/x-www-form-urlencoded" => Some(3),
        _ => None,
    };
    let best =
        with_schema.iter().filter_map(|(media, schema)| Some((rank(media)?, *schema))).min_by_key(|(rank, _)| *rank);
    let Some((rank, schema)) = best else {
        // A body that would be left out without a word is lost on the wire.
        return match with_schema.first() {
            Some((media, _)) => Err(format!("{media} bodies cannot be sent or read: only JSON and forms can")),
            None => Ok(false),
        };
    };
    let media = if rank == 3 { "application/x-www-form-urlencoded" } else { "application/json" };
    body.insert("content".into(), json!({ media: { "schema": schema } }));
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_media_type_is_left() {
        let schema = |kind: &str| json!({ "schema": { "type": kind } });
        let cases = [
            (
                json!({ "application/xml": schema("a"), "application/json;charset=UTF-8": schema("b") }),
                Some("application/json"),
            ),
            (json!({ "application/problem+json": schema("a") }), Some("application/json")),
            (json!({ "application/x-www-form-urlencoded": schema("a") }), Some("application/x-www-form-urlencoded")),
            (json!({ "application/json": {} }), None),
            (json!({ "multipart/form-data": schema("a"), "application/json": schema("b") }), Some("application/json")),
        ];
        for (content, kept) in cases {
            let mut body = json!({ "content": content });
            one_media_type(&mut body).unwrap();
            assert_eq!(body["content"].as_object().and_then(|c| c.keys().next()).map(String::as_str), kept);
        }
    }

    #[test]
    fn a_body_of_another_kind_is_an_error_that_says_so() {
        for media in ["multipart/form-data", "text/plain", "application/xml"] {
            let content = json!({ media: { "schema": {} } });
            let mut document = Document::new(
                "x.yaml",
                json!({ "paths": { "/a": { "post": { "requestBody": { "content": content } } } } }),
            );
            let wanted = format!(
                "x.yaml: at paths./a.post.requestBody: {media} bodies cannot be sent or read: only JSON and forms can"
            );
            assert_eq!(run(&mut document).unwrap_err().to_string(), wanted);
        }
    }
}
