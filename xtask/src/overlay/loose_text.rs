use super::{LOOSE, Step, rust_type};
use crate::document::{Document, Outcome};

pub(super) const STEP: Step = Step {
    name: "loose text",
    because: "a text whose published example is a number comes as a number from some servers (expires_in)",
    remove_when: "documents and answers agree on the type",
    run,
};

fn run(document: &mut Document) -> Outcome {
    let sent = super::response_relaxation::sent_components(document);
    document.each_schema(|place, schema| {
        if schema.get(LOOSE).is_none() {
            return;
        }
        let component = place.strip_prefix("components.schemas.").and_then(|rest| rest.split(['.', '[']).next());
        if component.is_some_and(|component| !sent.iter().any(|name| name == component)) {
            *schema = rust_type("VippsLooseText", schema);
        } else if let Some(keywords) = schema.as_object_mut() {
            keywords.shift_remove(LOOSE);
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::component_of;
    use serde_json::json;

    #[test]
    fn only_what_is_read_is_loose() {
        let loose = json!({ "type": "string", "x-loose": true });
        let mut document = Document::new(
            "x.yaml",
            json!({ "components": { "schemas": {
            "Answer": { "properties": { "expires_in": loose } }, "Sent": { "properties": { "n": loose } }
        } } }),
        );
        document.sent = vec!["Sent".into()];
        run(&mut document).unwrap();
        assert_eq!(
            component_of(&document.schema("Answer").unwrap()["properties"]["expires_in"]),
            Some("VippsLooseText")
        );
        assert_eq!(document.schema("Sent").unwrap()["properties"]["n"], json!({ "type": "string" }));
    }
}
