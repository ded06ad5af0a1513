use serde_json::{Map, Value, json};

use super::Step;
use crate::document::{Document, Outcome, component_of, reference, referenced, visit};
use crate::names;

pub(super) const STEP: Step = Step {
    name: "hoist",
    because: "the generator numbers the types of inline enums, objects and unions, and only named components can be \
              replaced by our own types",
    remove_when: "the generator names inline types after their place and lets them be replaced",
    run,
};

fn run(document: &mut Document) -> Outcome {
    let mut hoist =
        Hoist { components: document.schemas().map(|(n, s)| (n.clone(), s.clone())).collect(), trouble: None };
    let ids: Vec<String> = document.operations.iter().map(|operation| operation.rust.clone()).collect();
    let mut ids = ids.into_iter();
    document.each_operation(|_, _, operation| {
        let id = names::pascal(&ids.next().unwrap_or_default());
        for parameter in operation["parameters"].as_array_mut().into_iter().flatten() {
            let name = format!("{id}{}", names::pascal(parameter["name"].as_str().unwrap_or_default()));
            hoist.schema(&mut parameter["schema"], &name, &name);
        }
        for (part, suffix) in [("requestBody", "Request"), ("responses", "Response")] {
            let body =
                if part == "responses" { operation.pointer_mut("/responses/2XX") } else { operation.get_mut(part) };
            let content = body.and_then(|body| body.get_mut("content")).and_then(Value::as_object_mut);
            for media in content.into_iter().flat_map(|content| content.values_mut()) {
                let name = format!("{id}{suffix}");
                hoist.schema(&mut media["schema"], &name, &name);
            }
        }
    });
    let mut at = 0;
    while let Some((name, schema)) = hoist.components.get_index(at) {
        let (name, mut schema) = (name.clone(), schema.clone());
        hoist.members(&mut schema, &name);
        hoist.components.insert(name, schema);
        at += 1;
    }
    if let Some((place, what)) = hoist.trouble {
        return Err(document.trouble(place, what));
    }
    *document.schemas_mut() = hoist.components.0;
    document.each_schema(|_, schema| {
        if let Some(keywords) = schema.as_object_mut() {
            keywords.shift_remove("title");
        }
    });
    Ok(())
}

/// Components in the order in which they were found.
struct Components(Map<String, Value>);

impl FromIterator<(String, Value)> for Components {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl Components {
    fn get_index(&self, at: usize) -> Option<(&String, &Value)> {
        self.0.iter().nth(at)
    }

    fn insert(&mut self, name: String, schema: Value) {
        self.0.insert(name, schema);
    }
}

struct Hoist {
    components: Components,
    trouble: Option<(String, String)>,
}

impl Hoist {
    /// Hoists what is inside a schema that keeps its own place.
    fn members(&mut self, schema: &mut Value, parent: &str) {
        for (name, property) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
            self.schema(property, &format!("{parent}{}", names::pascal(name)), &format!("{parent}.{name}"));
        }
        for keyword in ["items", "additionalProperties"] {
            if let Some(child) = schema.get_mut(keyword).filter(|child| child.is_object()) {
                self.schema(child, parent, parent);
            }
        }
        if let Some(Value::Array(branches)) = schema.get_mut("oneOf") {
            for (index, branch) in branches.iter_mut().enumerate() {
                let name = format!("{parent}{}", branch_word(branch, index));
                self.schema(branch, &name, parent);
            }
        }
    }

    /// Gives a schema a name of its own where the generator would have to invent one.
    fn schema(&mut self, schema: &mut Value, name: &str, at: &str) {
        if component_of(schema).is_some() {
            return;
        }
        let composed = schema.get("oneOf").is_some();
        let is_enum = schema["type"] == "string" && schema.get("enum").is_some();
        let is_object = schema["properties"].as_object().is_some_and(|members| !members.is_empty());
        if !composed && !is_enum && !is_object {
            for keyword in ["items", "additionalProperties"] {
                if let Some(child) = schema.get_mut(keyword).filter(|child| child.is_object()) {
                    self.schema(child, name, at);
                }
            }
            return;
        }
        let name = match composed {
            true => union_name(schema)
                .filter(|name| !self.components.0.contains_key(name))
                .unwrap_or_else(|| name.to_owned()),
            false => name.to_owned(),
        };
        let mut use_site = json!({});
        let mut body = schema.clone();
        for keyword in ["description", "nullable", "deprecated"] {
            if let Some(value) = body.as_object_mut().and_then(|body| body.shift_remove(keyword)) {
                use_site[keyword] = value;
            }
        }
        if let Some(description) = use_site.get("description") {
            body["description"] = description.clone();
        }
        let name = self.place(name, body, at);
        *schema = if use_site.as_object().is_some_and(Map::is_empty) {
            reference(&name)
        } else {
            use_site["allOf"] = json!([reference(&name)]);
            use_site
        };
    }

    /// Adds the component, or finds the one of equal shape.
    fn place(&mut self, name: String, body: Value, at: &str) -> String {
        let wanted = shape(&body);
        if let Some((known, _)) = self.components.0.iter().find(|(_, known)| shape(known) == wanted) {
            return known.clone();
        }
        if self.components.0.contains_key(&name) {
            let what = format!(
                "the inline type of `{at}` would be called `{name}` as well, and has another shape: name one of them"
            );
            self.trouble.get_or_insert((format!("components.schemas.{name}"), what));
        }
        self.components.insert(name.clone(), body);
        name
    }
}

/// What a schema allows, without its prose.
fn shape(schema: &Value) -> Value {
    let mut schema = schema.clone();
    visit("", &mut schema, &mut |_, schema| {
        if let Some(keywords) = schema.as_object_mut() {
            for prose in ["description", "title", "deprecated"] {
                keywords.shift_remove(prose);
            }
            if let (None, Some(name)) =
                (keywords.get("nullable"), keywords.get("allOf").and_then(|all| all.get(0)).and_then(referenced))
            {
                let name = name.to_owned();
                *schema = reference(&name);
            }
        }
    });
    schema
}

/// The words that the names of all branches share: `LegacyPricing`, `FlexPricing`: Pricing.
fn union_name(schema: &Value) -> Option<String> {
    let branches = schema["oneOf"].as_array()?;
    let names: Option<Vec<Vec<String>>> =
        branches.iter().map(|branch| component_of(branch).map(names::words)).collect();
    let names = names?;
    let (first, rest) = names.split_first()?;
    let common: Vec<&str> =
        first.iter().filter(|word| rest.iter().all(|other| other.contains(word))).map(String::as_str).collect();
    let noun = common.iter().any(|word| !matches!(*word, "Request" | "Response" | "V1" | "V2" | "V3" | "V4"));
    noun.then(|| common.concat())
}

/// What an inline branch is called: its title, its tag value, or its first own member.
fn branch_word(branch: &Value, index: usize) -> String {
    if let Some(title) = branch["title"].as_str() {
        return names::pascal(title);
    }
    let properties = branch["properties"].as_object();
    let constant =
        properties.into_iter().flatten().find_map(|(_, property)| match property["enum"].as_array()?.as_slice() {
            [only] => only.as_str(),
            _ => None,
        });
    let first = || properties.and_then(|properties| properties.keys().next()).map(String::as_str);
    constant.or_else(first).map_or_else(|| format!("Branch{index}"), names::pascal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hoisted(schemas: Value) -> Result<Value, String> {
        let mut document = Document::new("x.yaml", json!({ "components": { "schemas": schemas } }));
        run(&mut document).map_err(|trouble| trouble.to_string())?;
        Ok(document.root["components"]["schemas"].take())
    }

    #[test]
    fn inline_types_are_named_after_their_place_and_equal_shapes_are_shared() {
        let address = json!({ "type": "object", "properties": { "city": { "type": "string" } } });
        let schemas = hoisted(json!({
            "Order": { "properties": {
                "unit": { "type": "string", "enum": ["PCS"], "nullable": true, "description": "unit" },
                "address": address,
                "addresses": { "type": "array", "items": address }
            } }
        }))
        .unwrap();
        let order = &schemas["Order"]["properties"];
        assert_eq!(
            order["unit"],
            json!({ "description": "unit", "nullable": true, "allOf": [reference("OrderUnit")] })
        );
        assert_eq!(order["address"], reference("OrderAddress"));
        assert_eq!(order["addresses"]["items"], reference("OrderAddress"));
        assert_eq!(schemas["OrderUnit"], json!({ "type": "string", "enum": ["PCS"], "description": "unit" }));
    }

    #[test]
    fn unions_take_the_words_their_branches_share() {
        let schemas = hoisted(json!({
            "LegacyPricingV3": { "properties": { "a": {} } },
            "FlexPricingV3": { "properties": { "b": {} } },
            "Draft": { "properties": { "cost": { "oneOf": [reference("LegacyPricingV3"), reference("FlexPricingV3")] } } }
        }))
        .unwrap();
        assert_eq!(schemas["Draft"]["properties"]["cost"], reference("PricingV3"));
    }

    #[test]
    fn a_clash_of_names_is_an_error() {
        let schemas = json!({
            "OrderUnit": { "type": "string", "enum": ["KG"] },
            "Order": { "properties": { "unit": { "type": "string", "enum": ["PCS"] } } }
        });
        assert_eq!(
            hoisted(schemas).unwrap_err(),
            "x.yaml: at components.schemas.OrderUnit: the inline type of `Order.unit` would be called `OrderUnit` as well, and has another shape: name one of them"
        );
    }
}
