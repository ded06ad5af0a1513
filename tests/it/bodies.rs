use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Made from the seven documents by the build script.
mod made {
    include!(concat!(env!("OUT_DIR"), "/bodies.rs"));
}

/// Decodes a body and encodes it again.
pub(crate) type Decoder = fn(&Value) -> Result<Value, String>;

pub(crate) fn decoder<T: DeserializeOwned + Serialize>(body: &Value) -> Result<Value, String> {
    let decoded: T = serde_json::from_value(body.clone()).map_err(|error| error.to_string())?;
    serde_json::to_value(decoded).map_err(|error| error.to_string())
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
        let back = decode(&body["full"]).unwrap_or_else(|error| panic!("{}: {error}: {}", body["what"], body["full"]));
        assert_eq!(back, body["full"], "{}", body["what"]);
        count += 1;
    }
    assert!(count > 50, "{count}");
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
                Ok(back) if note.ends_with("unknown value") && !back.to_string().contains("BRAND_NEW") => {
                    wrong.push(format!("{} {note}: the unknown value is lost", body["what"]));
                }
                Ok(_) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 500, "{count}");
}
