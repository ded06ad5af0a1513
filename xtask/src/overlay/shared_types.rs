use serde_json::Value;

use super::Step;
use crate::document::{Document, Outcome, component_of};

pub(super) const STEP: Step = Step {
    name: "shared types",
    because: "money is one type in all crates, so that amounts of two APIs can be compared and added",
    remove_when: "never: it is the point of `vipps-types`",
    run,
};

fn run(document: &mut Document) -> Outcome {
    let mut shared = Vec::new();
    for (name, schema) in document.schemas() {
        if is_amount(schema) {
            shared.push((name.clone(), "VippsAmount"));
        } else if is_currency(schema) {
            shared.push((name.clone(), "VippsCurrency"));
        }
    }
    for (name, rust) in shared {
        document.schemas_mut()[&name]["x-shared"] = rust.into();
    }
    Ok(())
}

/// An object of exactly a whole value and a currency.
pub(super) fn is_amount(schema: &Value) -> bool {
    let Some(members) = schema["properties"].as_object() else { return false };
    let currency = |schema: &Value| schema["type"] == "string" || component_of(schema).is_some();
    members.len() == 2
        && members.get("value").is_some_and(|value| value["type"] == "integer")
        && members.get("currency").is_some_and(currency)
}

/// An enum of ISO 4217 codes that has one of the home currencies.
fn is_currency(schema: &Value) -> bool {
    let Some(values) = schema["enum"].as_array() else { return false };
    let code = |value: &Value| {
        value.as_str().is_some_and(|text| text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase()))
    };
    values.iter().all(code) && values.iter().any(|value| matches!(value.as_str(), Some("NOK" | "DKK" | "EUR")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn money_is_known_by_its_shape() {
        let amount = json!({ "properties": { "value": { "type": "integer" }, "currency": { "type": "string" } } });
        let more =
            json!({ "properties": { "value": { "type": "integer" }, "currency": { "type": "string" }, "x": {} } });
        assert!(is_amount(&amount) && !is_amount(&more));
        assert!(is_currency(&json!({ "enum": ["NOK", "SEK"] })) && !is_currency(&json!({ "enum": ["PCS", "MIN"] })));
    }
}
