//! `operations.rs`: what the loop must know of each operation, so that nobody can call a
//! capture a read.

use std::fmt::Write as _;

use super::doc;
use crate::document::Document;
use crate::names;

pub(crate) fn text(document: &Document, root: &str) -> String {
    let mut out = String::from("//! What the transport knows of each operation of the document.\n\n");
    out.push_str("use ::vipps_core::{Auth, KeyRule, Operation};\n\n");
    for operation in &document.operations {
        let name = names::shouty(&operation.rust);
        let summary = operation.summary.trim().trim_end_matches('.');
        let route = format!("`{} {}`", operation.method, operation.path);
        let text = if summary.is_empty() { format!("{route}.") } else { format!("{summary}: {route}.") };
        out.push_str(&doc(&text, "", ""));
        if operation.deprecated {
            out.push_str("///\n/// The document marks this operation as deprecated.\n");
        }
        let key = match &operation.key {
            None => "KeyRule::Unknown".to_owned(),
            Some(key) => {
                let rule = if key.required { "Required" } else { "Optional" };
                format!("KeyRule::{rule}({root}::limits::{}_idempotency_key)", operation.rust)
            }
        };
        let auth = if operation.key_headers { "Auth::KeyHeaders" } else { "Auth::Bearer" };
        let personal = if operation.personal_path { ".with_personal_path()" } else { "" };
        let psp = if operation.psp_id { ".with_required_psp_id()" } else { "" };
        let body = if operation.optional_body { ".with_optional_body()" } else { "" };
        let _ = writeln!(
            out,
            "pub const {name}: Operation = Operation::new({:?}, {:?}, {:?}, {key}, {auth}){personal}{psp}{body};\n",
            operation.id, operation.method, operation.path
        );
    }
    let list = document.operations.iter().map(|operation| format!("&{}", names::shouty(&operation.rust)));
    let _ = writeln!(
        out,
        "/// Every operation, in the order of the document.\npub const ALL: &[&Operation] = &[{}];\n",
        list.collect::<Vec<_>>().join(", ")
    );
    out.push_str("/// The operation that the generated client calls by this name.\n");
    out.push_str("pub(crate) fn named(rust_name: &str) -> Option<&'static Operation> {\n    match rust_name {\n");
    for operation in &document.operations {
        let _ = writeln!(out, "        {:?} => Some(&{}),", operation.rust, names::shouty(&operation.rust));
    }
    out.push_str("        _ => None,\n    }\n}\n");
    out
}
