use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What the pipeline makes of the nasty documents.
#[allow(
    dead_code,
    missing_docs,
    unused_imports,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    rustdoc::all,
    reason = "written by the generator"
)]
mod made {
    include!(concat!(env!("OUT_DIR"), "/nasty.rs"));
}

/// A sample, decoded and encoded again.
pub(crate) struct Sample {
    what: String,
    accepted: Vec<Value>,
    result: Result<Value, String>,
    /// What Debug shows of it.
    shown: String,
}

pub(crate) fn sample<T: DeserializeOwned + Serialize + Debug>(
    case: &str,
    schema: &str,
    note: &str,
    accepted: &[&str],
) -> Sample {
    let accepted: Vec<Value> = accepted.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let decoded = serde_json::from_value::<T>(accepted[0].clone());
    let shown = decoded.as_ref().map(|decoded| format!("{decoded:?}")).unwrap_or_default();
    let result = decoded
        .map_err(|error| format!("does not decode: {error}"))
        .and_then(|decoded| serde_json::to_value(decoded).map_err(|error| format!("does not encode: {error}")));
    Sample { what: format!("{case} {schema} ({note})"), accepted, result, shown }
}

/// Equal by value: 1 is 1.0, and a member that is null may be missing.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| same(a, b))
        }
        (Value::Object(one), Value::Object(other)) => {
            let within = |these: &serde_json::Map<String, Value>, those: &serde_json::Map<String, Value>| {
                these
                    .iter()
                    .all(|(name, value)| value.is_null() || those.get(name).is_some_and(|found| same(value, found)))
            };
            within(one, other) && within(other, one)
        }
        _ => one == other,
    }
}

/// Notes of samples that hold what no document knows; all others must be recognised.
const ODD_NOTES: &[&str] = &[
    "unknown",
    "UNKNOWN",
    "kept",
    "stays",
    "neither",
    "odd values",
    "any text",
    "accept",
    "refuse",
    "half-filled",
    "named by parent",
];

#[test]
fn every_sample_of_a_nasty_document_comes_back_as_it_was() {
    let samples = made::samples();
    assert!(samples.len() > 150, "{}", samples.len());
    let (mut wrong, mut recognised) = (Vec::new(), 0);
    for Sample { what, accepted, result, shown } in samples {
        let may_be_unknown = ODD_NOTES.iter().any(|word| what.contains(word));
        recognised += usize::from(!may_be_unknown);
        if shown.contains("Unknown(") && !may_be_unknown {
            wrong.push(format!("{what} is not recognised: {shown}"));
        }
        match result {
            Ok(back) if accepted.iter().any(|accepted| same(accepted, &back)) => {}
            Ok(back) => wrong.push(format!("{what}: {} became {back}", accepted[0])),
            Err(error) => wrong.push(format!("{what}: {}: {error}", accepted[0])),
        }
    }
    assert!(recognised > 80, "{recognised}");
    assert!(wrong.is_empty(), "{} of the samples:\n{}", wrong.len(), wrong.join("\n"));
}
