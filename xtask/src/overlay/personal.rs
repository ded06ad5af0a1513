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
    "phonenumber",
    "postalcode",
    "postcode",
    "region",
    "ssn",
    "streetaddress",
    "sub",
    "zipcode",
];

/// Members that let their holder act, in lower case.
const SECRET: &[&str] = &[
    "access_token",
    "callbackauthorizationtoken",
    "cardnumber",
    "checkoutfrontendurl",
    "client_secret",
    "cryptogram",
    "encryptedpan",
    "makepaymenttoken",
    "networktoken",
    "pan",
    "redirecturl",
    "secret",
    "token",
    "vippsconfirmationurl",
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
        for (name, property) in properties {
            let text = property["type"] == "string" && property.get("enum").is_none() && property.get(LOOSE).is_none();
            if text && is_personal(name) {
                *property = rust_type("VippsPersonal", property);
            } else if text && is_secret(name) {
                *property = rust_type("VippsSecret", property);
            }
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
}
