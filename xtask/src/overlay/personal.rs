use serde_json::Value;

use super::{LOOSE, Step, rust_type};
use crate::document::{Document, Outcome};

pub(super) const STEP: Step = Step {
    name: "personal data and secrets",
    because: "generated types print their members; names, phones, addresses, birth dates, national ids and tokens \
              must not be printable",
    remove_when: "documents mark such members themselves",
    run,
};

/// Members that are personal data wherever they occur, in lower case.
const PERSONAL: &[&str] = &[
    "address",
    "addressline1",
    "addressline2",
    "birthdate",
    "city",
    "customermobilenumber",
    "customerphonenumber",
    "customertoken",
    "dateofbirth",
    "email",
    "familyname",
    "firstname",
    "formatted",
    "fullname",
    "givenname",
    "houseletter",
    "housenumber",
    "lastname",
    "mobilenumber",
    "msisdn",
    "nationalidentitynumber",
    "nin",
    "othernames",
    "passengername",
    "personalqr",
    "phone",
    "phonenumber",
    "postalcode",
    "postcode",
    "region",
    "ssn",
    "streetaddress",
    "sub",
    "ticketnumber",
    "userinfourl",
    "zipcode",
];

/// Members that let their holder act, in lower case.
const SECRET: &[&str] = &[
    "access_token",
    "apikey",
    "callbackauthorizationtoken",
    "cardnumber",
    "checkoutfrontendurl",
    "client_secret",
    "cryptogram",
    "encryptedpan",
    "makepaymenttoken",
    "networktoken",
    "pan",
    "password",
    "publictoken",
    "redirecturl",
    "secret",
    "token",
    "username",
    "usertoken",
    "vippsconfirmationurl",
    "vippsredirecturl",
];

pub(super) fn is_personal(name: &str) -> bool {
    PERSONAL.contains(&name.to_ascii_lowercase().as_str())
}

fn is_secret(name: &str) -> bool {
    SECRET.contains(&name.to_ascii_lowercase().as_str())
}

fn run(document: &mut Document) -> Outcome {
    document.each_schema(|_, schema| {
        let Some(properties) = schema.get_mut("properties").and_then(|properties| properties.as_object_mut()) else {
            return;
        };
        // The number beside a cryptogram is that of a card.
        let of_a_card = properties.contains_key("cryptogram");
        for (name, property) in properties {
            let single = name.strip_suffix('s').unwrap_or(name);
            // Merchants put into it whatever they like.
            if name.eq_ignore_ascii_case("metadata")
                && let Some(values) = property.get_mut("additionalProperties").filter(|values| is_text(values))
            {
                *values = rust_type("VippsPersonal", values);
                continue;
            }
            let of_list = property["type"] == "array";
            let place = if of_list { &mut property["items"] } else { &mut *property };
            let named = |test: fn(&str) -> bool| test(name) || of_list && test(single);
            let (personal, secret) = (named(is_personal), named(is_secret) || of_a_card && name == "number");
            if is_text(place) && personal {
                *place = rust_type("VippsPersonal", place);
            } else if is_text(place) && secret {
                *place = rust_type("VippsSecret", place);
            } else if is_free_form(place) && (personal || secret) {
                *place = rust_type("VippsOpaqueJson", place);
            }
        }
    });
    Ok(())
}

fn is_text(schema: &Value) -> bool {
    schema["type"] == "string" && schema.get("enum").is_none() && schema.get(LOOSE).is_none()
}

/// An object whose members nobody names: all of it is hidden.
fn is_free_form(schema: &Value) -> bool {
    schema["type"] == "object" && schema.get("properties").is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::component_of;
    use serde_json::json;

    #[test]
    fn names_phones_and_tokens_become_unprintable_and_other_members_do_not() {
        let text = json!({ "type": "string", "description": "d", "x-limits": { "maxLength": 9 } });
        let members = ["phoneNumber", "AddressLine1", "access_token", "name", "reference"];
        let properties: serde_json::Map<_, _> = members.iter().map(|name| ((*name).to_owned(), text.clone())).collect();
        let mut document =
            Document::new("x.yaml", json!({ "components": { "schemas": { "A": { "properties": properties } } } }));
        run(&mut document).unwrap();
        let properties = &document.schema("A").unwrap()["properties"];
        let types: Vec<_> = members.iter().map(|name| component_of(&properties[name])).collect();
        assert_eq!(types, [Some("VippsPersonal"), Some("VippsPersonal"), Some("VippsSecret"), None, None]);
        assert_eq!(properties["phoneNumber"]["x-limits"]["maxLength"], 9);
    }

    #[test]
    fn lists_card_numbers_and_free_objects_become_unprintable_too() {
        let card = json!({ "properties": {
            "number": { "type": "string" }, "cryptogram": { "type": "string" },
            "phoneNumbers": { "type": "array", "items": { "type": "string" } },
            "networkToken": { "type": "object", "additionalProperties": true },
            "options": { "type": "object", "additionalProperties": true },
        } });
        let order = json!({ "properties": {
            "number": { "type": "string" },
            "metadata": { "type": "object", "additionalProperties": { "type": "string" } },
        } });
        let schemas = json!({ "components": { "schemas": { "Card": card, "Order": order } } });
        let mut document = Document::new("x.yaml", schemas);
        run(&mut document).unwrap();
        let card = &document.schema("Card").unwrap()["properties"];
        assert_eq!(component_of(&card["number"]), Some("VippsSecret"));
        assert_eq!(component_of(&card["phoneNumbers"]["items"]), Some("VippsPersonal"));
        assert_eq!(component_of(&card["networkToken"]), Some("VippsOpaqueJson"));
        assert_eq!(component_of(&card["options"]), None);
        let order = &document.schema("Order").unwrap()["properties"];
        assert_eq!(component_of(&order["number"]), None);
        assert_eq!(component_of(&order["metadata"]["additionalProperties"]), Some("VippsPersonal"));
    }
}
