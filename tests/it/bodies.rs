use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Made from the seven documents by the build script.
mod made {
    include!(concat!(env!("OUT_DIR"), "/bodies.rs"));
}

/// Decodes a body; gives what it is encoded to again, and what Debug shows of it.
pub(crate) type Decoder = fn(&Value) -> Result<(Value, String), String>;

pub(crate) fn decoder<T: DeserializeOwned + Serialize + Debug>(body: &Value) -> Result<(Value, String), String> {
    let decoded: T = serde_json::from_value(body.clone()).map_err(|error| error.to_string())?;
    let shown = format!("{decoded:?}");
    Ok((serde_json::to_value(decoded).map_err(|error| error.to_string())?, shown))
}

/// Whether every union and every enum knew what it was given. Currencies have no list in some
/// documents, and `text` in the samples.
fn is_recognised(shown: &str) -> bool {
    !shown.replace("Unknown(\"text\")", "").contains("Unknown(")
}

fn bodies() -> Vec<(Value, Decoder)> {
    let samples: Vec<Value> = serde_json::from_str(include_str!(concat!(env!("OUT_DIR"), "/bodies.json"))).unwrap();
    let decoders = made::decoders();
    assert_eq!(samples.len(), decoders.len());
    samples.into_iter().zip(decoders).collect()
}

#[test]
fn every_body_of_the_documents_comes_back_as_it_was() {
    let mut count = 0;
    for (body, decode) in bodies() {
        let (back, shown) =
            decode(&body["full"]).unwrap_or_else(|error| panic!("{}: {error}: {}", body["what"], body["full"]));
        assert_eq!(back, body["full"], "{}", body["what"]);
        assert!(is_recognised(&shown), "{} is not recognised: {shown}", body["what"]);
        count += 1;
    }
    assert!(count > 50, "{count}");
}

/// Sessions, prices, campaigns, carriers, customers: requests and answers alike.
#[test]
fn every_branch_of_every_union_is_recognised_and_comes_back_as_it_was() {
    let mut count = 0;
    for (body, decode) in bodies() {
        for odd in body["odd"].as_array().unwrap() {
            let (note, value) = (odd[0].as_str().unwrap(), &odd[1]);
            // A schema slip has one carrier's `type` as an integer too; it is kept, as an option
            // that is not known.
            if !note.contains(": branch ") || note.ends_with("Options[].type: branch 1") {
                continue;
            }
            let (back, shown) = decode(value).unwrap_or_else(|error| panic!("{} {note}: {error}", body["what"]));
            assert_eq!(&back, value, "{} {note}", body["what"]);
            assert!(is_recognised(&shown), "{} {note} is not recognised: {shown}", body["what"]);
            count += 1;
        }
    }
    assert!(count > 30, "{count}");
}

/// Members that must not be printed, by their names on the wire; a list of the test's own.
const HIDDEN: &[&str] = &[
    "addressLine1",
    "addressLine2",
    "address",
    "apiKey",
    "birthDate",
    "callbackAuthorizationToken",
    "city",
    "cryptogram",
    "customerMobileNumber",
    "customerPhoneNumber",
    "customerToken",
    "dateOfBirth",
    "email",
    "encryptedPan",
    "firstName",
    "lastName",
    "makePaymentToken",
    "mobileNumber",
    "nin",
    "passengerName",
    "password",
    "personalQr",
    "phoneNumber",
    "postCode",
    "postalCode",
    "redirectUrl",
    "secret",
    "streetAddress",
    "sub",
    "token",
    "userToken",
    "userinfoUrl",
    "vippsConfirmationUrl",
    "vippsRedirectUrl",
    "access_token",
];
const MARK: &str = "marked-4798765432";

/// Marks every member that must not be printed; says how many there are.
fn mark(value: &mut Value) -> usize {
    match value {
        Value::Array(items) => items.iter_mut().map(mark).sum(),
        Value::Object(members) => {
            let of_a_card = members.contains_key("cryptogram");
            let mut count = 0;
            for (name, member) in members {
                if member.is_string() && (HIDDEN.contains(&name.as_str()) || of_a_card && name == "number") {
                    *member = MARK.into();
                    count += 1;
                } else if name == "networkToken" && member.get("cryptogram").is_none() {
                    *member = serde_json::json!({ "cryptogram": MARK });
                    count += 1;
                } else {
                    count += mark(member);
                }
            }
            count
        }
        _ => 0,
    }
}

#[test]
fn no_body_prints_personal_data_or_secrets() {
    let (mut count, mut printed) = (0, Vec::new());
    for (body, decode) in bodies() {
        let branches =
            body["odd"].as_array().unwrap().iter().filter(|odd| odd[0].as_str().unwrap().contains(": branch "));
        for value in std::iter::once(&body["full"]).chain(branches.map(|odd| &odd[1])) {
            let mut marked = value.clone();
            count += mark(&mut marked);
            let (_, shown) = decode(&marked).unwrap_or_else(|error| panic!("{}: {error}", body["what"]));
            if let Some(at) = shown.find(MARK) {
                printed.push(format!("{}: {}", body["what"], &shown[at.saturating_sub(40)..at + MARK.len()]));
            }
        }
    }
    assert!(printed.is_empty(), "{printed:#?}");
    assert!(count > 100, "{count}");
}

/// Unknown values in every enum, unknown members in every object, and every member but the
/// indispensable missing or null, one at a time.
#[test]
fn every_oddity_of_an_answer_is_read_and_unknown_values_are_kept() {
    let (mut count, mut wrong) = (0, Vec::new());
    for (body, decode) in bodies().into_iter().filter(|(body, _)| body["response"] == true) {
        for odd in body["odd"].as_array().unwrap() {
            let (note, value) = (odd[0].as_str().unwrap(), &odd[1]);
            count += 1;
            match decode(value) {
                Err(error) => wrong.push(format!("{} {note}: {error}", body["what"])),
                Ok((back, _)) if note.ends_with("unknown value") && !back.to_string().contains("BRAND_NEW") => {
                    wrong.push(format!("{} {note}: the unknown value is lost", body["what"]));
                }
                Ok(_) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 500, "{count}");
}
