//! What the control API shows of requests and deliveries: nothing personal, nothing secret.

use serde_json::Value;

/// Members whose values are personal or secret, in lower case.
const HIDDEN: [&str; 40] = [
    "phonenumber",
    "customerphonenumber",
    "customermobilenumber",
    "mobilenumber",
    "personalqr",
    "customertoken",
    "passengername",
    "callbackauthorizationtoken",
    "makepaymenttoken",
    "token",
    "cryptogram",
    "number",
    "encryptedpan",
    "email",
    "firstname",
    "lastname",
    "address",
    "addressline1",
    "addressline2",
    "streetaddress",
    "postalcode",
    "postcode",
    "city",
    "region",
    "dateofbirth",
    "birthdate",
    "nin",
    "sub",
    "secret",
    "password",
    "apikey",
    "publictoken",
    "username",
    "given_name",
    "family_name",
    "phone_number",
    "street_address",
    "postal_code",
    "formatted",
    "account_number",
];

/// Replaces the values of members that are personal or secret.
pub(crate) fn redact(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                let hidden = HIDDEN.contains(&name.to_ascii_lowercase().as_str());
                if hidden && !member.is_object() && !member.is_null() {
                    *member = "[redacted]".into();
                } else {
                    redact(member);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn personal_members_are_hidden_at_every_depth_and_others_stay() {
        let mut body = json!({
            "customer": { "phoneNumber": "4712345678" }, "amount": { "value": 1 },
            "userDetails": { "addresses": [{ "addressLine1": "x", "country": "NO" }], "email": "a@b.c" },
        });
        redact(&mut body);
        let hidden = "[redacted]";
        assert_eq!(
            body,
            json!({
                "customer": { "phoneNumber": hidden }, "amount": { "value": 1 },
                "userDetails": { "addresses": [{ "addressLine1": hidden, "country": "NO" }], "email": hidden },
            })
        );
    }
}
