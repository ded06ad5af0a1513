//! `refusals.rs`: the refusals that are known of each operation, and what each proves.

use std::fmt::Write as _;

use crate::document::Document;
use crate::names;
use crate::semantics::{Means, Refusal};

pub(crate) fn text(document: &Document) -> String {
    let mut out = String::from(
        "//! The refusals that are known of each operation, and what each proves about earlier copies of\n\
         //! the request. Written from `openapi/semantics/`.\n\n",
    );
    let common = document.semantics.as_ref().map(|semantics| semantics.refusals.as_slice()).unwrap_or_default();
    let own = document.operations.iter().filter_map(|operation| document.meaning(operation));
    let any = !common.is_empty() || own.into_iter().any(|meaning| !meaning.refusals.is_empty());
    let used = if any { "{Means, Refusal}" } else { "Refusal" };
    let _ = writeln!(out, "use ::vipps_core::{used};\n");
    list(&mut out, "Refusals of every operation.", "EVERY_OPERATION", common);
    for operation in &document.operations {
        let Some(meaning) = document.meaning(operation).filter(|meaning| !meaning.refusals.is_empty()) else {
            continue;
        };
        let about = format!("Refusals of `{}` (`{}`).", meaning.word, operation.id);
        list(&mut out, &about, &names::shouty(&operation.rust), &meaning.refusals);
    }
    out
}

fn list(out: &mut String, about: &str, name: &str, refusals: &[Refusal]) {
    let _ = writeln!(out, "/// {about}\npub const {name}: &[Refusal] = &[");
    for refusal in refusals {
        let means = match refusal.means {
            Means::NoEffect => "NoEffect",
            Means::Open => "Open",
            Means::KeyTaken => "KeyTaken",
        };
        let later = if refusal.later { ".for_now()" } else { "" };
        let _ = writeln!(out, "    Refusal::new({:?}, Means::{means}){later},", refusal.code);
    }
    out.push_str("];\n\n");
}
