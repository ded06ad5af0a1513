use super::*;
use crate::names;

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Every key has a meaning here or in the tests of the made code.
const KEYS: &[&str] = &[
    "expect",
    "also_accepted",
    "error_contains",
    "error_lacks",
    "warning_contains",
    "warning_lacks",
    "operations",
    "samples",
    "required_to_send",
    "limits",
    "known",
    "personal",
    "not_personal",
    "rust_types",
    // Not held: a member that is null is not told from one that is absent, and not sent.
    "strict_null",
];

fn check(case: &Case) -> Vec<String> {
    let expected = &case.expected;
    let unknown = expected.as_object().into_iter().flat_map(|keys| keys.keys());
    if let Some(key) = unknown.into_iter().find(|key| !KEYS.contains(&key.as_str())) {
        return vec![format!("{}: nobody reads `{key}`", case.name)];
    }
    let accepts = |outcome: &str| expected["expect"] == outcome || expected["also_accepted"] == outcome;
    let mut wrong = Vec::new();
    match case.make("crate::nasty") {
        Err(error) => {
            if !accepts("error") {
                wrong.push(format!("is an error: {error}"));
            }
            wrong.extend(
                texts(&expected["error_contains"])
                    .filter(|text| !error.contains(text))
                    .map(|text| format!("does not say `{text}`: {error}")),
            );
            wrong.extend(
                texts(&expected["error_lacks"])
                    .filter(|text| error.contains(text))
                    .map(|text| format!("says `{text}`: {error}")),
            );
        }
        Ok(made) => {
            if !accepts("crate") {
                wrong.push("became a crate".into());
            }
            let warnings = made.warnings.join("\n");
            wrong.extend(
                texts(&expected["warning_contains"])
                    .filter(|text| !warnings.contains(text))
                    .map(|text| format!("does not warn of `{text}`: {warnings}")),
            );
            wrong.extend(
                texts(&expected["warning_lacks"])
                    .filter(|text| warnings.contains(text))
                    .map(|text| format!("warns of `{text}`: {warnings}")),
            );
            operations(expected, &made, &mut wrong);
            let code = Code::of(&made);
            wrong.extend(operation_shapes(expected, &code));
            wrong.extend(types(expected, &code));
        }
    }
    wrong.into_iter().map(|what| format!("{}: {what}", case.name)).collect()
}

fn operations(expected: &Value, made: &Made, wrong: &mut Vec<String>) {
    let Some(wanted) = expected["operations"].as_array() else { return };
    if wanted.len() != made.operations.len() {
        wrong.push(format!("has {} operations, not {}: {:?}", made.operations.len(), wanted.len(), made.operations));
    }
    for operation in wanted {
        let text = |name: &str| operation[name].as_str().unwrap_or_default();
        let route = (text("method").to_ascii_uppercase(), text("path"));
        let Some([id, rust, ..]) =
            made.operations.iter().find(|[_, _, method, path]| (method.clone(), path.as_str()) == route)
        else {
            wrong.push(format!("has no operation {route:?}: {:?}", made.operations));
            continue;
        };
        let fits = match (operation["made"] == true, operation["id_free"] == true) {
            (_, true) => true,
            (true, _) => crate::names::snake(id) == crate::names::snake(text("id")),
            _ => id == text("id"),
        };
        if !fits {
            wrong.push(format!("{route:?} is called {id}, not {}", text("id")));
        }
        if operation["rust"].is_string() && rust != text("rust") {
            wrong.push(format!("{route:?} is the function {rust}, not {}", text("rust")));
        }
    }
}

#[test]
fn every_nasty_document_becomes_a_crate_or_an_error_that_says_why() {
    let wrong: Vec<String> = cases().iter().flat_map(check).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn errors_are_one_clear_text() {
    let mut all = String::new();
    for case in cases() {
        if let Err(error) = case.make("crate::nasty") {
            let _ = writeln!(all, "{error}");
        }
    }
    insta::assert_snapshot!(all);
}

/// The made code without its white space: what is looked for is written in one way then.
struct Code(String);

impl Code {
    fn of(made: &Made) -> Self {
        Self(made.module.chars().filter(|c| !c.is_whitespace()).collect())
    }

    /// From one text to the next occurrence of another.
    fn between(&self, start: &str, end: &str) -> Option<&str> {
        let rest = &self.0[self.0.find(start)? + start.len()..];
        Some(&rest[..rest.find(end).unwrap_or(rest.len())])
    }
}

/// Every quoted text that follows a beginning.
fn quoted<'a>(code: &'a str, start: &str) -> Vec<&'a str> {
    code.split(start).skip(1).filter_map(|rest| rest.strip_prefix('"')?.split('"').next()).collect()
}

/// What an operation sends and reads: arguments by their names on the wire, body, answer, key.
fn operation_shapes(expected: &Value, code: &Code) -> Vec<String> {
    let mut wrong = Vec::new();
    for operation in expected["operations"].as_array().into_iter().flatten() {
        let text = |name: &str| operation[name].as_str().unwrap_or_default();
        let (method, path) = (text("method").to_ascii_uppercase(), text("path"));
        let Some(send) = code.between(&format!("///Sendsa`{method}`requestto`{path}`"), "///Sendsa`") else {
            wrong.push(format!("{method} {path} has no function"));
            continue;
        };
        if operation["arguments"].is_array() {
            let mut found: Vec<String> =
                path.split('{').skip(1).filter_map(|rest| Some(rest.split('}').next()?.to_owned())).collect();
            let header = "header_map.append(const{::reqwest::header::HeaderName::from_static(";
            for start in ["QueryParam::new(", header] {
                found.extend(quoted(send, start).into_iter().map(str::to_owned));
            }
            // Names of headers are written in lower case.
            let headers: Vec<&str> = quoted(send, header);
            let as_written = |name: &str| match name.to_ascii_lowercase() {
                lower if headers.contains(&lower.as_str()) => lower,
                _ => name.to_owned(),
            };
            let mut wanted: Vec<String> = texts(&operation["arguments"]).map(as_written).collect();
            found.sort_unstable();
            wanted.sort_unstable();
            // A path and a query argument of one name are two.
            if found != wanted {
                wrong.push(format!("{method} {path} takes {found:?}, not {wanted:?}"));
            }
        }
        let body = match (send.contains(".json(&body)"), send.contains(".form_urlencoded(&body)")) {
            (true, _) => "json",
            (_, true) => "form",
            _ => "none",
        };
        let answer = if send.contains("ResponseValue::from_response(response)") { "json" } else { "none" };
        let rule = code.between(&format!("\"{method}\",\"{path}\",KeyRule::"), ",").unwrap_or("Unknown");
        let key = match rule.split('(').next() {
            Some("Required") => "required",
            Some("Optional") => "optional",
            _ => "none",
        };
        for (name, found) in [("body", body), ("answer", answer), ("key", key)] {
            if operation[name].is_string() && text(name) != found {
                wrong.push(format!("{method} {path} has the {name} {found}, not {}", text(name)));
            }
        }
    }
    wrong
}

/// Members by their types, enums by their variants, requests by what they need.
fn types(expected: &Value, code: &Code) -> Vec<String> {
    let mut wrong = Vec::new();
    // `Recipient.address.city` is a member of the type that the member `address` has.
    let is_hidden = |place: &str| {
        let mut steps = place.split('.');
        let mut owner = steps.next().unwrap_or_default().to_owned();
        let mut hidden = false;
        for step in steps {
            let members = code.between(&format!("pubstruct{owner}{{"), "}").unwrap_or_default();
            let field = format!("pub{}:", names::snake(step));
            let kind = members.split(&field).nth(1).unwrap_or_default();
            let kind = kind.split(['#', '}']).next().unwrap_or_default().split(",pub").next().unwrap_or_default();
            hidden = kind.contains("Personal<") || kind.contains("Secret<") || kind.contains("OpaqueJson");
            owner = format!("{owner}{}", names::pascal(step));
        }
        hidden
    };
    wrong.extend(texts(&expected["personal"]).filter(|p| !is_hidden(p)).map(|place| format!("{place} is printed")));
    wrong.extend(texts(&expected["not_personal"]).filter(|p| is_hidden(p)).map(|place| format!("{place} is hidden")));
    for (place, values) in expected["known"].as_object().into_iter().flatten() {
        for value in texts(values).filter(|value| !code.0.contains(&format!("=\"{value}\""))) {
            wrong.push(format!("{place} does not know {value}"));
        }
    }
    for (name, members) in expected["required_to_send"].as_object().into_iter().flatten() {
        let defaults = code.between(&format!("impl::std::default::Defaultfor{name}{{"), "}}}").unwrap_or_default();
        for member in texts(members) {
            let field = names::snake(member);
            // What is read as well lacks it in Rust; then the limits ask for it.
            let checks = code.between(&format!("pubfn{}(", names::snake(name)), "pubfn").unwrap_or_default();
            if checks.contains(&format!("\"{member}\"")) && checks.contains("isrequired") {
                continue;
            }
            if !defaults.contains(&format!("{field}:Err(\"novaluesuppliedfor{field}\"")) {
                wrong.push(format!("{name} is built without {member}"));
            }
        }
    }
    for (place, limits) in expected["limits"].as_object().into_iter().flatten() {
        let (name, member) = place.split_once('.').unwrap_or_default();
        let checks = code.between(&format!("pubfn{}(", names::snake(name)), "pubfn").unwrap_or_default();
        let check = checks.split(&format!("\"{member}\"")).nth(1).unwrap_or_default();
        let check = check.split(".field(").next().unwrap_or_default();
        for (keyword, bound) in limits.as_object().into_iter().flatten() {
            let told = match bound {
                Value::String(pattern) => check.contains(pattern.as_str()),
                number => check.contains(&format!("Some({number})")) || check.contains(&number.to_string()),
            };
            if !told {
                wrong.push(format!("{place} is not checked for {keyword} {bound}"));
            }
        }
    }
    wrong
}
