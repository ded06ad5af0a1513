//! `limits.rs`: rules of form of what we send, as functions over the generated types.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::document::{Document, component_of, visit};
use crate::names;
use crate::overlay::{LIMITS, REQUIRED, RUST_TYPES};

pub(crate) fn text(document: &mut Document, root: &str) -> String {
    let sent = crate::overlay::sent_components(document);
    let checked = checked_components(document, &sent);
    let mut out = String::from("//! Rules of form of what is sent: lengths, patterns and bounds of the document.\n");
    out.push_str("//!\n//! Each function names the first field that breaks a rule; none looks at what is read.\n\n");
    out.push_str(
        "#![allow(clippy::manual_is_ascii_check, reason = \"classes are written as the document has them\")]\n\n",
    );
    out.push_str("#[allow(unused_imports)]\nuse ::vipps_core::types::{Pattern, Place, Violation};\n\n");
    for operation in &document.operations {
        if let Some(key) = &operation.key {
            out.push_str(&parameter(&operation.rust, &operation.id, "Idempotency-Key", &key.schema).unwrap_or_else(|| {
                let name = format!("{}_idempotency_key", operation.rust);
                format!(
                    "/// The `Idempotency-Key` of `{}` may be any text.\npub fn {name}(_value: &str) -> Result<(), Violation> {{\n    Ok(())\n}}\n\n",
                    operation.id
                )
            }));
        }
        for (wire, schema) in &operation.parameters {
            out.push_str(&parameter(&operation.rust, &operation.id, wire, schema).unwrap_or_default());
        }
    }
    for (name, schema) in document.schemas().filter(|(name, _)| checked.contains(*name)) {
        out.push_str(&component(document, root, name, schema, &checked));
    }
    out
}

/// The check of one parameter, where it has limits.
fn parameter(operation: &str, id: &str, wire: &str, schema: &Value) -> Option<String> {
    let limits = crate::overlay::limits_of(schema);
    let integer = schema["type"] == "integer";
    let checks = if integer { range(&limits, "value", "at") } else { length_and_pattern(&limits, "value", "at") }?;
    let kind = if integer { "i64" } else { "&str" };
    let name = format!("{operation}_{}", names::snake(wire));
    Some(format!(
        "/// Checks the `{wire}` of `{id}`.\n///\n/// # Errors\n///\n/// The broken rule.\npub fn {name}(value: {kind}) -> Result<(), Violation> {{\n    \
         let root = Place::ROOT;\n    let at = root.field({wire:?});\n{checks}    Ok(())\n}}\n\n"
    ))
}

/// The components that hold a limit somewhere in them, among those that are sent.
fn checked_components(document: &Document, sent: &[String]) -> BTreeSet<String> {
    let mut checked = BTreeSet::new();
    loop {
        let before = checked.len();
        for (name, schema) in document.schemas().filter(|(name, _)| sent.contains(name)) {
            let mut has = false;
            visit("", &mut schema.clone(), &mut |_, schema| {
                has |= schema.get(REQUIRED).is_some()
                    || schema.get(LIMITS).is_some()
                    || component_of(schema).is_some_and(|inner| checked.contains(inner));
            });
            let branches = document.unions.iter().filter(|union| union.name == *name).flat_map(|union| &union.branches);
            has |= branches.into_iter().any(|branch| checked.contains(&branch.component));
            if has && schema.get("enum").is_none() {
                checked.insert(name.clone());
            }
        }
        if checked.len() == before {
            return checked;
        }
    }
}

fn component(document: &Document, root: &str, name: &str, schema: &Value, checked: &BTreeSet<String>) -> String {
    let function = names::snake(name);
    let union = document.unions.iter().find(|union| union.name == name);
    let shared = schema["x-shared"].as_str().and_then(|shared| RUST_TYPES.iter().find(|(known, _)| *known == shared));
    let (kind, body) = match (union, shared) {
        (_, Some((_, rust))) => {
            let limits = schema["properties"]["value"][LIMITS].as_object().cloned().unwrap_or_default();
            let checks = range(&limits, "value.minor_units()", "here").unwrap_or_default();
            ((*rust).to_owned(), format!("    let here = at.field(\"value\");\n{checks}"))
        }
        (Some(union), None) => {
            let components: Vec<&str> = union.branches.iter().map(|branch| branch.component.as_str()).collect();
            let variants = super::enums::variant_names(&components);
            let mut arms = String::new();
            for (branch, variant) in union.branches.iter().zip(variants) {
                if checked.contains(&branch.component) {
                    let check = names::snake(&branch.component);
                    let _ = writeln!(
                        arms,
                        "        {root}::enums::{}::{variant}(inner) => {check}(inner, at),",
                        names::pascal(name)
                    );
                }
            }
            let rest = "        _ => Ok(()),\n";
            (format!("{root}::enums::{}", names::pascal(name)), format!("    match value {{\n{arms}{rest}    }}?;\n"))
        }
        (None, None) => (format!("{root}::generated::types::{}", names::pascal(name)), members(schema, checked)),
    };
    format!(
        "/// Checks a `{name}` before it is sent.\n///\n/// # Errors\n///\n/// The first broken rule and its field.\n\
         pub fn {function}(value: &{kind}, at: &Place<'_>) -> Result<(), Violation> {{\n{body}    Ok(())\n}}\n\n"
    )
}

fn members(schema: &Value, checked: &BTreeSet<String>) -> String {
    let mut out = String::new();
    for (wire, property) in schema["properties"].as_object().into_iter().flatten() {
        let required = schema["required"].as_array().is_some_and(|list| list.iter().any(|name| name == wire));
        let optional = !required || property["nullable"] == true;
        if schema[REQUIRED].as_array().is_some_and(|list| list.iter().any(|name| name == wire)) && !required {
            let _ = writeln!(
                out,
                "if value.{}.is_none() {{\nreturn Err(at.field({wire:?}).broken(\"is required\"));\n}}",
                names::snake(wire)
            );
        }
        let field = format!("value.{}", names::snake(wire));
        let expression = if optional { "inner".to_owned() } else { field.clone() };
        let Some(checks) = check(property, &expression, "here", checked, 0) else { continue };
        let place = format!("let here = at.field({wire:?});\n");
        let _ = match optional {
            true => writeln!(out, "    if let Some(inner) = &{field} {{\n{place}{checks}    }}"),
            false => writeln!(out, "    {{\n{place}{checks}    }}"),
        };
    }
    out
}

/// Statements that check what the expression names: a field, or a variable that refers to one.
fn check(schema: &Value, expression: &str, at: &str, checked: &BTreeSet<String>, depth: usize) -> Option<String> {
    let limits = schema[LIMITS].as_object().cloned().unwrap_or_default();
    let is_field = expression.starts_with("value.");
    let reference = if is_field { format!("&{expression}") } else { expression.to_owned() };
    let copy = if is_field { expression.to_owned() } else { format!("*{expression}") };
    if let Some(name) = component_of(schema) {
        return match name {
            "VippsPersonal" | "VippsSecret" => length_and_pattern(&limits, &format!("{expression}.reveal()"), at),
            "VippsTimestamp" | "VippsLooseText" => length_and_pattern(&limits, &format!("{expression}.as_str()"), at),
            name if checked.contains(name) => Some(format!("{}({reference}, &{at})?;\n", names::snake(name))),
            _ => None,
        };
    }
    match schema["type"].as_str() {
        Some("string") if schema.get("enum").is_none() => length_and_pattern(&limits, &reference, at),
        Some("integer") => range(&limits, &copy, at),
        Some("array") => {
            let count = count(&limits, "minItems", "maxItems", expression, at, "element").unwrap_or_default();
            let (item, place) = (format!("item{depth}"), format!("place{depth}"));
            let inner = check(&schema["items"], &item, &place, checked, depth + 1);
            let each = inner.map(|inner| {
                format!("for (index, {item}) in {expression}.iter().enumerate() {{\nlet {place} = {at}.index(index);\n{inner}}}\n")
            });
            let both = count + &each.unwrap_or_default();
            (!both.is_empty()).then_some(both)
        }
        Some("object") => {
            let count = count(&limits, "minProperties", "maxProperties", expression, at, "member").unwrap_or_default();
            let (item, place) = (format!("item{depth}"), format!("place{depth}"));
            let inner = check(&schema["additionalProperties"], &item, &place, checked, depth + 1);
            let each = inner.map(|inner| {
                format!("for (name, {item}) in {expression}.iter() {{\nlet {place} = {at}.field(name);\n{inner}}}\n")
            });
            let both = count + &each.unwrap_or_default();
            (!both.is_empty()).then_some(both)
        }
        _ => None,
    }
}

fn length_and_pattern(limits: &Map<String, Value>, expression: &str, at: &str) -> Option<String> {
    let mut out = String::new();
    let (least, most) = (bound(limits, "minLength"), bound(limits, "maxLength"));
    if (least.as_str(), most.as_str()) != ("None", "None") {
        let _ = writeln!(out, "{at}.length({expression}, {least}, {most})?;");
    }
    let pattern = limits.get("pattern").and_then(Value::as_str);
    if let Some((class, least, most)) = pattern.and_then(class_of) {
        let pattern = pattern.unwrap_or_default();
        let _ = writeln!(out, "{at}.class({expression}, |c| matches!(c, {class}), {least}, {most}, {pattern:?})?;");
    } else if let Some(pattern) = pattern {
        let _ = writeln!(
            out,
            "{{\nstatic PATTERN: Pattern = Pattern::new({pattern:?});\n{at}.pattern({expression}, &PATTERN)?;\n}}"
        );
    }
    (!out.is_empty()).then_some(out)
}

/// A pattern that is one class and a count, as match arms and bounds:
/// `^[a-z-]{8,64}$` is `'a'..='z' | '-'`, 8 and 64.
fn class_of(pattern: &str) -> Option<(String, String, String)> {
    let inner = pattern.strip_prefix('^')?.strip_suffix('$')?;
    let (class, count) = match inner.strip_prefix("\\d") {
        Some(count) => ("0-9", count),
        None => inner.strip_prefix('[')?.split_once(']')?,
    };
    let (least, most) = match count {
        "" => ("1", "1"),
        "+" => ("1", "usize::MAX"),
        "*" => ("0", "usize::MAX"),
        counted => {
            let bounds = counted.strip_prefix('{')?.strip_suffix('}')?;
            bounds.split_once(',').unwrap_or((bounds, bounds))
        }
    };
    let most = if most.is_empty() { "usize::MAX" } else { most };
    let number = |text: &str| text == "usize::MAX" || text.parse::<usize>().is_ok();
    if class.is_empty() || class.starts_with('^') || class.contains('\\') || !number(least) || !number(most) {
        return None;
    }
    let signs: Vec<char> = class.chars().collect();
    let mut arms = Vec::new();
    let mut at = 0;
    while let Some(first) = signs.get(at) {
        match signs.get(at + 1..at + 3) {
            Some(['-', last]) if first <= last => {
                arms.push(format!("{first:?}..={last:?}"));
                at += 3;
            }
            _ => {
                arms.push(format!("{first:?}"));
                at += 1;
            }
        }
    }
    Some((arms.join(" | "), least.to_owned(), most.to_owned()))
}

fn range(limits: &Map<String, Value>, expression: &str, at: &str) -> Option<String> {
    let (least, most) = (bound(limits, "minimum"), bound(limits, "maximum"));
    ((least.as_str(), most.as_str()) != ("None", "None"))
        .then(|| format!("{at}.range({expression}, {least}, {most})?;\n"))
}

fn count(
    limits: &Map<String, Value>,
    least: &str,
    most: &str,
    expression: &str,
    at: &str,
    thing: &str,
) -> Option<String> {
    let (least, most) = (bound(limits, least), bound(limits, most));
    ((least.as_str(), most.as_str()) != ("None", "None"))
        .then(|| format!("{at}.count({expression}.len() as u64, {least}, {most}, {thing:?})?;\n"))
}

fn bound(limits: &Map<String, Value>, keyword: &str) -> String {
    limits.get(keyword).and_then(Value::as_i64).map_or_else(|| "None".to_owned(), |bound| format!("Some({bound})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_class_and_a_count_need_no_regular_expression() {
        let of = |pattern: &str| class_of(pattern).map(|(class, least, most)| format!("{class} {least} {most}"));
        let cases = [
            ("^[a-zA-Z0-9-]{8,64}$", Some("'a'..='z' | 'A'..='Z' | '0'..='9' | '-' 8 64")),
            ("^\\d{9,15}$", Some("'0'..='9' 9 15")),
            ("^[-a-z]*$", Some("'-' | 'a'..='z' 0 usize::MAX")),
            ("^[0-9]{4}$", Some("'0'..='9' 4 4")),
            ("[a-z]", None),
            ("^[^#?/]+$", None),
            ("^\\d+([\\.]\\d{1,8})?$", None),
            ("^[\\w]+$", None),
        ];
        for (pattern, wanted) in cases {
            assert_eq!(of(pattern).as_deref(), wanted, "{pattern}");
        }
    }

    #[test]
    fn limits_become_checks_of_the_place_they_stand_at() {
        let schema = json!({ "type": "array", "x-limits": { "minItems": 1 }, "items": { "type": "string", "x-limits": { "maxLength": 9 } } });
        assert_eq!(
            check(&schema, "inner", "here", &BTreeSet::new(), 0).unwrap(),
            "here.count(inner.len() as u64, Some(1), None, \"element\")?;\n\
             for (index, item0) in inner.iter().enumerate() {\nlet place0 = here.index(index);\nplace0.length(item0, None, Some(9))?;\n}\n"
        );
        assert_eq!(check(&json!({ "type": "string" }), "inner", "here", &BTreeSet::new(), 0), None);
    }
}
