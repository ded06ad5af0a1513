use serde_json::json;

use super::Step;
use crate::document::{Document, Outcome};

pub(super) const STEP: Step = Step {
    name: "external references",
    because: "the generator panics on a reference into another file; what it names becomes free-form JSON",
    remove_when: "documents are bundled before they are vendored",
    run,
};

fn run(document: &mut Document) -> Outcome {
    let mut lost = Vec::new();
    document.each_schema(|place, schema| {
        let target = schema.get("$ref").and_then(|target| target.as_str());
        if let Some(target) = target.filter(|target| !target.starts_with('#')) {
            lost.push((place.to_owned(), format!("`{target}` is outside the document: read as any JSON")));
            *schema = json!({ "type": "object", "additionalProperties": true });
        }
    });
    for (place, what) in lost {
        document.warn(&place, what);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_external_reference_becomes_free_form_and_is_told() {
        let mut document =
            Document::new("x.yaml", json!({ "components": { "schemas": { "A": { "$ref": "common.yaml#/A" } } } }));
        run(&mut document).unwrap();
        assert_eq!(document.root["components"]["schemas"]["A"]["additionalProperties"], true);
        assert_eq!(
            document.warnings,
            ["x.yaml: at components.schemas.A: `common.yaml#/A` is outside the document: read as any JSON"]
        );
    }
}
