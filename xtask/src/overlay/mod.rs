//! The steps that bend a copy of a published document until the generator makes a good
//! crate of it. The order matters. A step is for a kind of trouble, never for one file.

mod ambient_headers;
mod callbacks;
mod component_references;
mod constraints;
mod examples;
mod external_references;
mod flatten;
mod hoist;
mod inline_components;
mod loose_text;
mod media_types;
mod normalise;
mod nullability;
mod operation_ids;
mod personal;
mod reference_siblings;
mod repeated_words;
mod response_relaxation;
mod server_prefix;
mod shared_types;
mod success_responses;
mod unions;

use crate::document::{Document, Outcome};

/// One change to the copy of a document.
pub(crate) struct Step {
    pub name: &'static str,
    /// The trouble it is for.
    pub because: &'static str,
    /// What has to happen before it can go.
    pub remove_when: &'static str,
    pub run: fn(&mut Document) -> Outcome,
}

pub(crate) const STEPS: &[Step] = &[
    examples::STEP,
    external_references::STEP,
    component_references::STEP,
    callbacks::STEP,
    server_prefix::STEP,
    ambient_headers::STEP,
    operation_ids::STEP,
    media_types::STEP,
    success_responses::STEP,
    reference_siblings::STEP,
    repeated_words::STEP,
    normalise::STEP,
    constraints::STEP,
    inline_components::STEP,
    flatten::STEP,
    nullability::STEP,
    personal::STEP,
    hoist::STEP,
    unions::STEP,
    response_relaxation::STEP,
    loose_text::STEP,
    shared_types::STEP,
];

/// The mark that carries a schema's limits past the steps that strip them.
pub(crate) const LIMITS: &str = "x-limits";
/// The mark with what must be sent of a schema that is also read, and read leniently.
pub(crate) const REQUIRED: &str = "x-required";
/// The mark on a text whose published example is a number or a boolean.
pub(crate) const LOOSE: &str = "x-loose";

/// Names that references are replaced with, and the Rust types behind them.
pub(crate) const RUST_TYPES: &[(&str, &str)] = &[
    ("VippsTimestamp", "::vipps_core::types::Timestamp"),
    ("VippsPersonal", "::vipps_core::types::Personal<::std::string::String>"),
    ("VippsSecret", "::vipps_core::types::Secret<::std::string::String>"),
    ("VippsOpaqueJson", "::vipps_core::types::OpaqueJson"),
    ("VippsLooseText", "::vipps_core::types::LooseText"),
    ("VippsAmount", "::vipps_core::types::Amount"),
    ("VippsCurrency", "::vipps_core::types::Currency"),
];

/// Runs every step; the first trouble ends it.
pub(crate) fn apply(document: &mut Document) -> Outcome {
    STEPS.iter().try_for_each(|step| (step.run)(document))
}

/// The steps that only write references out: what reads a document as published starts there.
pub(crate) fn resolve_only(document: &mut Document) -> Outcome {
    [external_references::STEP, component_references::STEP].iter().try_for_each(|step| (step.run)(document))
}

pub(crate) use constraints::limits_of;
pub(crate) use response_relaxation::sent_components;

/// The step that writes the prefix of the server into the paths.
pub(crate) fn prefix_paths(document: &mut Document) -> Outcome {
    (server_prefix::STEP.run)(document)
}

/// A schema that refers to one of [`RUST_TYPES`] and keeps the description and marks.
fn rust_type(name: &str, original: &serde_json::Value) -> serde_json::Value {
    let mut schema = serde_json::json!({ "allOf": [crate::document::reference(name)] });
    for keyword in ["description", "nullable", "deprecated", LIMITS] {
        if let Some(value) = original.get(keyword) {
            schema[keyword] = value.clone();
        }
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_gives_its_reason_and_its_end() {
        for step in STEPS {
            assert!(!step.because.is_empty() && !step.remove_when.is_empty(), "{}", step.name);
        }
    }
}
