//! `enums.rs`: every wire enum and union, open to what it does not know.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::doc;
use crate::document::{Document, Outcome};
use crate::names;

pub(crate) fn text(document: &Document, root: &str) -> Outcome<String> {
    let mut out = String::from("//! Enums and unions of the document, open to values that it does not list.\n\n");
    for (name, schema) in document.schemas() {
        if let Some(values) = schema["enum"].as_array().filter(|_| schema.get("x-shared").is_none()) {
            let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
            let variants =
                variants(&values).map_err(|what| document.trouble(format!("components.schemas.{name}"), what))?;
            let type_name = names::pascal(name);
            out.push_str("::vipps_core::types::open_enum! {\n");
            out.push_str(&doc(
                schema["description"].as_str().unwrap_or_default(),
                &format!("`{name}` on the wire."),
                "    ",
            ));
            let _ = writeln!(out, "    pub enum {type_name} {{");
            for (variant, value) in variants {
                let _ = writeln!(out, "        /// `{value}` on the wire.\n        {variant} = {value:?},");
            }
            out.push_str("    }\n}\n\n");
        }
    }
    for union in &document.unions {
        let type_name = names::pascal(&union.name);
        let how = union.tag.as_ref().map_or_else(|| "keys".to_owned(), |tag| format!("{tag:?}"));
        out.push_str("::vipps_core::types::open_union! {\n");
        out.push_str(&doc(
            &union.description,
            &format!("`{}` on the wire: one of several shapes.", union.name),
            "    ",
        ));
        let _ = writeln!(out, "    pub enum {type_name} by {how} {{");
        let components: Vec<&str> = union.branches.iter().map(|branch| branch.component.as_str()).collect();
        for (branch, variant) in union.branches.iter().zip(variant_names(&components)) {
            let marks = branch.marks.iter().map(|mark| format!("{mark:?}")).collect::<Vec<_>>().join(", ");
            let component = names::pascal(&branch.component);
            let said = match &union.tag {
                Some(tag) => format!("`{tag}` is `{}`.", branch.marks.join("` or `")),
                None => format!("Has `{}`.", branch.marks.join("` or `")),
            };
            let _ = writeln!(
                out,
                "        /// {said}\n        {variant}({root}::generated::types::{component}) = [{marks}],"
            );
        }
        out.push_str("    }\n}\n\n");
    }
    Ok(out)
}

/// Variant names of wire values. A value `UNKNOWN` needs none: it reads as `Unknown`.
fn variants<'a>(values: &[&'a str]) -> Result<Vec<(String, &'a str)>, String> {
    let mut named: BTreeMap<String, &str> = BTreeMap::new();
    let mut out = Vec::new();
    for value in values {
        let spelled = match *value {
            "" => "Empty".to_owned(),
            value if !value.contains(|c: char| c.is_alphanumeric()) => spelled_out(value),
            value => names::pascal(value),
        };
        if spelled == "Unknown" {
            continue;
        }
        if let Some(first) = named.insert(spelled.clone(), value) {
            return Err(format!(
                "enum values `{first}` and `{value}` are both the Rust variant `{spelled}`: remove one"
            ));
        }
        out.push((spelled, *value));
    }
    Ok(out)
}

/// A value of signs alone, by the names of its signs.
fn spelled_out(value: &str) -> String {
    value
        .chars()
        .map(|sign| match sign {
            '&' => "And".to_owned(),
            '+' => "Plus".to_owned(),
            '-' => "Minus".to_owned(),
            '*' => "Star".to_owned(),
            '/' => "Slash".to_owned(),
            '%' => "Percent".to_owned(),
            '#' => "Hash".to_owned(),
            ' ' => "Space".to_owned(),
            other => format!("U{:04X}", u32::from(other)),
        })
        .collect()
}

/// Variants are the components' names without the words that all of them share.
pub(crate) fn variant_names(components: &[&str]) -> Vec<String> {
    let words: Vec<Vec<String>> = components.iter().map(|name| names::words(name)).collect();
    let shared = |word: &String| words.iter().all(|other| other.contains(word));
    let short: Vec<String> =
        words.iter().map(|own| own.iter().filter(|word| !shared(word)).map(String::as_str).collect()).collect();
    let usable =
        |name: &String| name.starts_with(|c: char| c.is_ascii_uppercase()) && name != "Unknown" && name != "Self";
    let distinct = short.iter().collect::<std::collections::BTreeSet<_>>().len() == short.len();
    if distinct && short.iter().all(usable) {
        return short;
    }
    // `Unknown` is the variant of what nobody knows.
    let whole = |name: &&str| if *name == "Unknown" { "UnknownBranch".to_owned() } else { names::pascal(name) };
    components.iter().map(whole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_gets_a_variant_or_an_error_names_two() {
        let named =
            |values: &[&'static str]| variants(values).map(|v| v.into_iter().map(|(n, _)| n).collect::<Vec<_>>());
        assert_eq!(
            named(&["TEXT/TARGETURL", "EAN-13", "", "&", "UNKNOWN"]).unwrap(),
            ["TextTargeturl", "Ean13", "Empty", "And"]
        );
        assert_eq!(
            named(&["foo", "FOO"]).unwrap_err(),
            "enum values `foo` and `FOO` are both the Rust variant `Foo`: remove one"
        );
    }

    #[test]
    fn branches_drop_the_words_they_share() {
        assert_eq!(variant_names(&["LegacyPricingV3", "VariableAmountPricingV3"]), ["Legacy", "VariableAmount"]);
        assert_eq!(
            variant_names(&["CustomerPhoneNumber", "PersonalQrCode"]),
            ["CustomerPhoneNumber", "PersonalQrCode"]
        );
        assert_eq!(variant_names(&["Pricing", "FlexPricing"]), ["Pricing", "FlexPricing"]);
    }
}
