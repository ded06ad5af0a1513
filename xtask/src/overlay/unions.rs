use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Step;
use crate::document::{Branch, Document, Outcome, Union, component_of, referenced};
use crate::names;

pub(super) const STEP: Step = Step {
    name: "unions",
    because: "the generator ignores discriminators and takes the first branch that fits, which for optional members \
              is always the first; each oneOf is classified and becomes an `open_union!` of our own",
    remove_when: "the generator honours discriminators and keeps unknown branches",
    run,
};

fn run(document: &mut Document) -> Outcome {
    let candidates: Vec<(String, Value)> = document
        .schemas()
        .filter(|(_, schema)| schema.get("oneOf").is_some())
        .map(|(n, s)| (n.clone(), s.clone()))
        .collect();
    for (name, schema) in candidates {
        let place = format!("components.schemas.{name}");
        let branches: Option<Vec<String>> = schema["oneOf"]
            .as_array()
            .map(|branches| branches.iter().map(|branch| component_of(branch).map(str::to_owned)).collect())
            .unwrap_or_default();
        let described = |union: (Option<String>, Vec<Branch>)| Union {
            name: name.clone(),
            description: schema["description"].as_str().unwrap_or_default().to_owned(),
            tag: union.0,
            branches: union.1,
        };
        let objects = branches.filter(|names| {
            names.iter().all(|name| document.schema(name).is_some_and(|schema| schema.get("properties").is_some()))
        });
        let union = objects.and_then(|names| classify(document, &schema, &names));
        match union {
            Some(union) => {
                document.unions.push(described(union));
                document.schemas_mut().insert(name, json!({ "type": "object", "description": schema["description"] }));
            }
            None if is_scalar_mix(&schema) => {
                let description = schema["description"].clone();
                document
                    .schemas_mut()
                    .insert(name.clone(), json!({ "type": "string", "x-loose": true, "description": description }));
                inline(document, &name);
            }
            None => {
                document.warn(&place, "its branches cannot be told apart: read as any JSON");
                let description = schema["description"].clone();
                document.schemas_mut().insert(name.clone(), json!({ "description": description }));
                inline(document, &name);
            }
        }
    }
    drop_tags(document);
    Ok(())
}

/// Tag and marks: by mapping, by constants, by the tag value in the branch's name, by
/// members that only one branch has.
fn classify(document: &Document, schema: &Value, names: &[String]) -> Option<(Option<String>, Vec<Branch>)> {
    let property = schema["discriminator"]["propertyName"].as_str();
    if let Some(tag) = property {
        let mapping: Vec<(&String, &str)> = schema["discriminator"]["mapping"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(value, target)| Some((value, target.as_str()?.rsplit('/').next()?)))
            .collect();
        let mapped = |name: &str| {
            mapping.iter().filter(|(_, target)| *target == name).map(|(value, _)| (*value).clone()).collect()
        };
        if let Some(branches) = all_marked(names, mapped) {
            return Some((Some(tag.to_owned()), branches));
        }
        if let Some(branches) = all_marked(names, |name| constants(document, name, tag)) {
            return Some((Some(tag.to_owned()), branches));
        }
        if let Some(branches) = by_name(document, names, tag) {
            return Some((Some(tag.to_owned()), branches));
        }
    }
    for tag in members(document, names.first()?) {
        if let Some(branches) = all_marked(names, |name| constants(document, name, &tag)) {
            return Some((Some(tag), branches));
        }
    }
    let own = |name: &str| {
        let others: BTreeSet<String> =
            names.iter().filter(|other| *other != name).flat_map(|other| members(document, other)).collect();
        members(document, name).into_iter().filter(|member| !others.contains(member)).collect()
    };
    all_marked(names, own).map(|branches| (None, branches))
}

/// Every branch with its marks, where each has some and no mark belongs to two.
fn all_marked(names: &[String], marks: impl Fn(&str) -> Vec<String>) -> Option<Vec<Branch>> {
    let branches: Vec<Branch> =
        names.iter().map(|name| Branch { component: name.clone(), marks: marks(name) }).collect();
    let mut seen = BTreeSet::new();
    let distinct = branches
        .iter()
        .all(|branch| !branch.marks.is_empty() && branch.marks.iter().all(|mark| seen.insert(mark.clone())));
    distinct.then_some(branches)
}

fn members(document: &Document, name: &str) -> Vec<String> {
    let properties = document.schema(name).and_then(|schema| schema["properties"].as_object());
    properties.into_iter().flat_map(|properties| properties.keys().cloned()).collect()
}

/// The one value that a member can have in a branch.
fn constants(document: &Document, name: &str, tag: &str) -> Vec<String> {
    match values(document, name, tag).as_slice() {
        [only] => vec![only.clone()],
        _ => Vec::new(),
    }
}

fn values(document: &Document, name: &str, tag: &str) -> Vec<String> {
    let Some(property) = document.schema(name).map(|schema| &schema["properties"][tag]) else { return Vec::new() };
    let property = component_of(property).and_then(|name| document.schema(name)).unwrap_or(property);
    property["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// `LEGACY` belongs to `LegacyPricingResponseV3`; where the tag is any text, the value is
/// the branch's name, as OpenAPI has it.
fn by_name(document: &Document, names: &[String], tag: &str) -> Option<Vec<Branch>> {
    let mut all: Vec<String> = names.iter().flat_map(|name| values(document, name, tag)).collect();
    all.dedup();
    if all.is_empty() {
        let text = names.iter().all(|name| members(document, name).iter().any(|member| member == tag));
        return text.then(|| all_marked(names, |name| vec![name.to_owned()])).flatten();
    }
    // The longest value that fits wins: VARIABLE_AMOUNT over VARIABLE.
    all_marked(names, |name| {
        let compact = names::words(name).concat().to_ascii_lowercase();
        let fits = |value: &&String| compact.contains(&names::words(value).concat().to_ascii_lowercase());
        all.iter().filter(fits).max_by_key(|value| value.len()).cloned().into_iter().collect()
    })
}

fn is_scalar_mix(schema: &Value) -> bool {
    let scalar = |branch: &Value| matches!(branch["type"].as_str(), Some("string" | "integer" | "number" | "boolean"));
    schema["oneOf"].as_array().is_some_and(|branches| branches.iter().all(scalar))
}

/// Writes a component that is no type of its own in place of its references.
fn inline(document: &mut Document, name: &str) {
    let Some(body) = document.schemas_mut().shift_remove(name) else { return };
    document.each_schema(|_, schema| {
        if component_of(schema) == Some(name) {
            let mut merged = body.clone();
            for keyword in ["description", "nullable", "deprecated"] {
                if let Some(value) = schema.get(keyword) {
                    merged[keyword] = value.clone();
                }
            }
            *schema = merged;
        }
    });
}

/// The union reads and writes the tag; a branch that is used nowhere else has no such field,
/// so that an impossible pair cannot be built.
fn drop_tags(document: &mut Document) {
    let mut direct = BTreeSet::new();
    document.each_schema(|_, schema| direct.extend(referenced(schema).map(str::to_owned)));
    let unions = document.unions.clone();
    for union in &unions {
        let Some(tag) = &union.tag else { continue };
        for branch in &union.branches {
            let elsewhere = direct.contains(&branch.component)
                || unions.iter().any(|other| {
                    other.name != union.name
                        && other.tag.as_ref() != Some(tag)
                        && other.branches.iter().any(|b| b.component == branch.component)
                });
            // With several tags only the branch itself knows which one it had.
            if elsewhere || branch.marks.len() > 1 {
                continue;
            }
            let Some(schema) = document.schemas_mut().get_mut(&branch.component) else { continue };
            if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
                properties.shift_remove(tag);
            }
            if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
                required.retain(|name| name != tag);
            }
        }
    }
    // Enums that only told branches apart are types of nobody now.
    let mut used = BTreeSet::new();
    document.each_schema(|_, schema| used.extend(referenced(schema).map(str::to_owned)));
    let tags: Vec<String> = document
        .schemas()
        .filter(|(name, schema)| {
            schema["enum"].as_array().is_some_and(|values| values.len() == 1) && !used.contains(*name)
        })
        .map(|(name, _)| name.clone())
        .collect();
    document.schemas_mut().retain(|name, _| !tags.contains(name));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::reference;

    fn classified(branches: Value, discriminator: Value) -> (Document, Vec<(String, Vec<String>)>) {
        let mut schemas = branches;
        let refs: Vec<Value> = schemas.as_object().unwrap().keys().map(|name| reference(name)).collect();
        schemas["U"] = json!({ "oneOf": refs, "discriminator": discriminator });
        let mut document = Document::new("x.yaml", json!({ "components": { "schemas": schemas } }));
        run(&mut document).unwrap();
        let branches =
            document.unions.iter().flat_map(|u| &u.branches).map(|b| (b.component.clone(), b.marks.clone())).collect();
        (document, branches)
    }

    fn marks(pairs: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
        pairs
            .iter()
            .map(|(name, marks)| ((*name).to_owned(), marks.iter().map(|m| (*m).to_owned()).collect()))
            .collect()
    }

    #[test]
    fn a_mapping_decides_and_the_tag_leaves_the_branches() {
        let text = json!({ "properties": { "type": { "type": "string" }, "x": {} }, "required": ["type", "x"] });
        let mapping = json!({ "propertyName": "type", "mapping": { "ONE": "#/components/schemas/A", "TWO": "#/components/schemas/B" } });
        let (document, branches) = classified(json!({ "A": text, "B": text }), mapping);
        assert_eq!(branches, marks(&[("A", &["ONE"]), ("B", &["TWO"])]));
        assert_eq!(document.unions[0].tag.as_deref(), Some("type"));
        assert_eq!(document.schema("A").unwrap(), &json!({ "properties": { "x": {} }, "required": ["x"] }));
    }

    #[test]
    fn constants_decide_without_a_discriminator() {
        let tagged = |value: &str| json!({ "properties": { "kind": { "type": "string", "enum": [value] } } });
        let (_, branches) = classified(json!({ "A": tagged("PAYMENT"), "B": tagged("SUBSCRIPTION") }), Value::Null);
        assert_eq!(branches, marks(&[("A", &["PAYMENT"]), ("B", &["SUBSCRIPTION"])]));
    }

    #[test]
    fn a_tag_value_in_the_name_of_the_branch_decides() {
        let tagged = json!({ "properties": { "type": { "type": "string", "enum": ["LEGACY", "VARIABLE"] } } });
        let (_, branches) = classified(
            json!({ "LegacyPricingResponseV3": tagged, "VariableAmountPricingResponseV3": tagged }),
            json!({ "propertyName": "type" }),
        );
        assert_eq!(
            branches,
            marks(&[("LegacyPricingResponseV3", &["LEGACY"]), ("VariableAmountPricingResponseV3", &["VARIABLE"])])
        );
    }

    #[test]
    fn members_that_only_one_branch_has_decide() {
        let (document, branches) = classified(
            json!({ "Phone": { "properties": { "phoneNumber": {}, "x": {} } }, "Qr": { "properties": { "personalQr": {}, "x": {} } } }),
            Value::Null,
        );
        assert_eq!(branches, marks(&[("Phone", &["phoneNumber"]), ("Qr", &["personalQr"])]));
        assert_eq!(document.unions[0].tag, None);
    }

    #[test]
    fn what_cannot_be_told_apart_is_any_json_and_told() {
        let same = json!({ "properties": { "x": {} } });
        let (document, branches) = classified(json!({ "A": same, "B": same }), Value::Null);
        assert!(branches.is_empty());
        assert_eq!(
            document.warnings,
            ["x.yaml: at components.schemas.U: its branches cannot be told apart: read as any JSON"]
        );
    }
}
