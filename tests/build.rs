//! Generates a module for every nasty document of `xtask/testdata/`, and for each published
//! or evil sample beside it a line that decodes, encodes and compares it.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;
use xtask::testdata::{Case, Made, cases};

fn main() {
    println!("cargo::rerun-if-changed=../xtask/testdata");
    println!("cargo::rerun-if-changed=../openapi");
    println!("cargo::rerun-if-changed=build.rs");
    let out = std::env::var("OUT_DIR").expect("cargo sets it");
    std::fs::write(Path::new(&out).join("bodies.rs"), bodies(Path::new(&out))).expect("the folder is ours");
    std::fs::write(Path::new(&out).join("callbacks.json"), callbacks().to_string()).expect("the folder is ours");
    let mut modules = String::new();
    let mut samples = String::from("pub(crate) fn samples() -> Vec<super::Sample> {\n    let mut all = Vec::new();\n");
    for case in cases() {
        let Ok(made) = case.make("crate::nasty::made") else { continue };
        modules.push_str(&made.module);
        each_sample(&case, &made, &mut samples);
    }
    samples.push_str("    all\n}\n");
    std::fs::write(Path::new(&out).join("nasty.rs"), modules + &samples).expect("the folder is ours");
}

/// The bodies of the seven documents: their samples as a file, and their decoders as code.
fn bodies(out: &Path) -> String {
    let documents = [
        ("access-token", "vipps_access_token"),
        ("epayment", "vipps_epayment"),
        ("recurring", "vipps::recurring"),
        ("recurring-v2", "vipps::recurring::v2"),
        ("checkout", "vipps::checkout"),
        ("psp", "vipps::psp"),
        ("webhooks", "vipps::webhooks"),
    ];
    let mut code = String::from("pub(crate) fn decoders() -> Vec<super::Decoder> {\n    vec![\n");
    let mut all = Vec::new();
    for (api, root) in documents {
        let path = Path::new("../openapi").join(format!("{api}.yaml"));
        for body in xtask::samples::bodies(&path, root).unwrap_or_else(|error| panic!("{error}")) {
            let _ = writeln!(code, "        super::decoder::<{}>,", body.rust);
            let odd: Vec<Value> = body.odd.into_iter().map(|(note, value)| serde_json::json!([note, value])).collect();
            all.push(serde_json::json!({ "what": format!("{api} {}", body.what), "response": body.is_response, "full": body.full, "odd": odd }));
        }
    }
    std::fs::write(out.join("bodies.json"), Value::from(all).to_string()).expect("the folder is ours");
    code + "    ]\n}\n"
}

/// What Vipps sends: samples of its bodies, by component.
fn callbacks() -> Value {
    let components = [
        ("epayment", "WebhookEvent"),
        ("epayment", "DynamicShippingGroupsRequest"),
        ("epayment", "CardCallbackRequest"),
        ("webhooks", "RecurringAgreementEvent"),
        ("webhooks", "RecurringChargeEvent"),
        ("webhooks", "QrCheckInEvent"),
        ("webhooks", "LoginPingEvent"),
        ("checkout", "SessionResponse"),
        ("checkout", "MerchantLogisticsCallbackRequestBody"),
        ("psp", "MakePaymentRequest"),
    ];
    let samples = components.map(|(api, name)| {
        let path = Path::new("../openapi").join(format!("{api}.yaml"));
        let (full, odd) = xtask::samples::of_component(&path, name).unwrap_or_else(|error| panic!("{error}"));
        (name.to_owned(), serde_json::json!({ "full": full, "odd": odd }))
    });
    Value::Object(samples.into_iter().collect())
}

fn each_sample(case: &Case, made: &Made, samples: &mut String) {
    let renamed = &case.expected["rust_types"];
    for sample in case.expected["samples"].as_array().into_iter().flatten() {
        let schema = sample["schema"].as_str().unwrap_or_default();
        let name = renamed[schema].as_str().unwrap_or(schema);
        // A component that was written in place is plain JSON.
        let rust = made.types.iter().find(|(component, _)| component == name || component == schema);
        let rust = rust.map_or("serde_json::Value", |(_, rust)| rust.as_str());
        let list = |key: &str| sample[key].as_array().into_iter().flatten().map(Value::to_string).collect::<Vec<_>>();
        let mut accepted = vec![sample["json"].to_string()];
        accepted.extend(list("may_become"));
        let _ = writeln!(
            samples,
            "    all.push(super::sample::<{rust}>({:?}, {:?}, {:?}, &{:?}));",
            case.name,
            schema,
            sample["note"].as_str().unwrap_or_default(),
            accepted,
        );
    }
}
