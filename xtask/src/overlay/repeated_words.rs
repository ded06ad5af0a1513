use super::Step;
use crate::document::{Document, Outcome, reference, referenced};
use crate::names;

pub(super) const STEP: Step = Step {
    name: "repeated words",
    because: "generators of documents leave names such as ChargeEventEvent, which say a word twice",
    remove_when: "publishers clean their names",
    run,
};

fn run(document: &mut Document) -> Outcome {
    let mut renamed: Vec<(String, String)> = Vec::new();
    for (name, _) in document.schemas() {
        let mut words = names::words(name);
        let count = words.len();
        words.dedup();
        let short = words.concat();
        let free = document.schema(&short).is_none() && !renamed.iter().any(|(_, taken)| *taken == short);
        if words.len() < count && free {
            renamed.push((name.clone(), short));
        }
    }
    let new_name = |name: &str| renamed.iter().find(|(old, _)| old == name).map(|(_, new)| new.clone());
    document.each_schema(|_, schema| {
        if let Some(new) = referenced(schema).and_then(new_name) {
            *schema = reference(&new);
        }
        for (_, target) in
            schema.pointer_mut("/discriminator/mapping").and_then(|m| m.as_object_mut()).into_iter().flatten()
        {
            let named = target.as_str().and_then(|text| new_name(text.rsplit('/').next()?));
            if let Some(new) = named {
                *target = reference(&new)["$ref"].clone();
            }
        }
    });
    let schemas = std::mem::take(document.schemas_mut());
    *document.schemas_mut() =
        schemas.into_iter().map(|(name, schema)| (new_name(&name).unwrap_or(name), schema)).collect();
    for sent in &mut document.sent {
        if let Some((_, new)) = renamed.iter().find(|(old, _)| old == sent) {
            sent.clone_from(new);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_word_is_said_once_where_the_name_is_free() {
        let mut document = Document::new(
            "x.yaml",
            json!({ "components": { "schemas": {
            "ChargeEventEvent": {}, "List": { "items": reference("ChargeEventEvent") }, "TeaTea": {}, "Tea": {}
        } } }),
        );
        run(&mut document).unwrap();
        assert_eq!(
            document.schemas().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["ChargeEvent", "List", "TeaTea", "Tea"]
        );
        assert_eq!(document.schema("List").unwrap()["items"], reference("ChargeEvent"));
    }
}
