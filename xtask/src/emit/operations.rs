//! `operations.rs`: what the loop must know of each operation, so that nobody can call a
//! capture a read.

use std::fmt::Write as _;

use super::doc;
use crate::document::{Document, Operation};
use crate::names;
use crate::semantics::{Echo, Repeat};

pub(crate) fn text(document: &Document, root: &str) -> String {
    let mut out = String::from("//! What the transport knows of each operation of the document.\n\n");
    let meanings = || document.operations.iter().filter_map(|operation| document.meaning(operation));
    let mut used = vec!["Auth", "KeyRule", "Operation"];
    if meanings().next().is_some() {
        used.push("Repeat");
    }
    if meanings().any(|meaning| meaning.echo.is_some()) {
        used.extend(["Asked", "Echo"]);
    }
    used.sort_unstable();
    let _ = writeln!(out, "use ::vipps_core::{{{}}};\n", used.join(", "));
    for operation in &document.operations {
        let name = names::shouty(&operation.rust);
        let summary = operation.summary.trim().trim_end_matches('.');
        let route = format!("`{} {}`", operation.method, operation.path);
        let text = if summary.is_empty() { format!("{route}.") } else { format!("{summary}: {route}.") };
        out.push_str(&doc(&text, "", ""));
        if operation.deprecated {
            out.push_str("///\n/// The document marks this operation as deprecated.\n");
        }
        let _ = writeln!(out, "pub const {name}: Operation = {};\n", value(document, operation, root));
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

/// An operation as a constant: from the document, and from what is known of its meaning.
fn value(document: &Document, operation: &Operation, root: &str) -> String {
    let key = match &operation.key {
        None => "KeyRule::Unknown".to_owned(),
        Some(key) => {
            let rule = if key.required { "Required" } else { "Optional" };
            format!("KeyRule::{rule}({root}::limits::{}_idempotency_key)", operation.rust)
        }
    };
    let auth = if operation.key_headers { "Auth::KeyHeaders" } else { "Auth::Bearer" };
    let mut out = format!(
        "Operation::new({:?}, {:?}, {:?}, {key}, {auth}).with_success(&{:?}, {})",
        operation.id, operation.method, operation.path, operation.success, operation.answers
    );
    for (applies, method) in [
        (operation.personal_path, "with_personal_path"),
        (operation.psp_id, "with_required_psp_id"),
        (operation.optional_body, "with_optional_body"),
    ] {
        if applies {
            let _ = write!(out, ".{method}()");
        }
    }
    if let Some(meaning) = document.meaning(operation) {
        let repeat = match meaning.repeat {
            Repeat::Read => "Read",
            Repeat::ByKey => "ByKey",
            Repeat::ByNature => "ByNature",
            Repeat::Once => "Once",
        };
        let _ = write!(out, ".with_word({:?}).with_repeat(Repeat::{repeat})", meaning.word);
        if let Some(echo) = &meaning.echo {
            let _ = write!(out, ".with_echo({})", echo_value(echo));
        }
        let own = match meaning.refusals.is_empty() {
            true => "&[]".to_owned(),
            false => format!("{root}::refusals::{}", names::shouty(&operation.rust)),
        };
        let _ = write!(out, ".with_refusals({own}, {root}::refusals::EVERY_OPERATION)");
    }
    out
}

fn echo_value(echo: &Echo) -> String {
    let members = |way: &str| way.split('.').map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    let asked = match echo.asked.split_once(' ') {
        Some(("body", way)) => format!("Asked::Body(&[{}])", members(way)),
        Some((_, name)) => format!("Asked::Path({name:?})"),
        None => format!("Asked::Path({:?})", echo.asked),
    };
    let (each, way) = echo.answered.strip_prefix("[].").map_or((false, echo.answered.as_str()), |way| (true, way));
    let each = if each { ".of_each()" } else { "" };
    format!("Echo::new({asked}, &[{}]){each}", members(way))
}
