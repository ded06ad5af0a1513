//! Reads a document from disk: YAML 1.2 (JSON is a subset), OpenAPI 3.0.x, whole.

use std::path::Path;

use serde_json::Value;

use crate::document::{Document, METHODS, Outcome, Trouble, referenced};

/// Loads the file at `path`, to be called `name` in errors.
pub(crate) fn load(path: &Path, name: &str) -> Outcome<Document> {
    let trouble = |what: String| Trouble { document: name.to_owned(), place: String::new(), what };
    let text = std::fs::read_to_string(path).map_err(|error| trouble(format!("cannot be read: {error}")))?;
    parse(&text, name)
}

/// Parses the text of a document and refuses what the overlay cannot start from.
pub(crate) fn parse(text: &str, name: &str) -> Outcome<Document> {
    let trouble = |what: String| Trouble { document: name.to_owned(), place: String::new(), what };
    // YAML 1.2: only `true` and `false` are booleans, so that `NO` stays Norway.
    let options = serde_saphyr::options! { strict_booleans: true, legacy_octal_numbers: false };
    let root: Value = serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| trouble(format!("is not valid YAML: {}", first_line(&error.to_string()))))?;
    if !root.is_object() {
        return Err(trouble("is not an OpenAPI document: its root is not a mapping".into()));
    }
    match root.get("openapi").and_then(Value::as_str) {
        Some(version) if version.starts_with("3.0.") => {}
        Some(version) => {
            return Err(trouble(format!(
                "has OpenAPI version {version}; only 3.0.x can be read: convert it to 3.0.3 first"
            )));
        }
        None if root.get("swagger").is_some() => {
            return Err(trouble("is Swagger 2.0; only OpenAPI 3.0.x can be read: convert it to 3.0.3 first".into()));
        }
        None => return Err(trouble("has no `openapi` version; write `openapi: 3.0.3` at its head".into())),
    }
    let mut document = Document::new(name, root);
    // `version: 1.0` without quotes is a number to YAML and a text to everybody else.
    if let Some(version) = document.root.pointer_mut("/info/version").filter(|version| version.is_number()) {
        *version = version.to_string().into();
    }
    check_containers(&document)?;
    check_references(&document)?;
    check_aliases(&document)?;
    Ok(document)
}

/// Lists and mappings where they belong: what is read as another kind would be left out.
fn check_containers(document: &Document) -> Outcome {
    let of = |value: &Value, key: &str, place: &str, wanted: Kind| match value.get(key) {
        None => Ok(()),
        Some(found) if wanted.fits(found) => Ok(()),
        Some(_) => Err(document.trouble(place, format!("`{key}` must be {}", wanted.name()))),
    };
    let root = &document.root;
    for key in ["paths", "components", "info"] {
        of(root, key, "", Kind::Mapping)?;
    }
    for (path, item) in root["paths"].as_object().into_iter().flatten() {
        let place = format!("paths.{path}");
        of(&root["paths"], path, "paths", Kind::Mapping)?;
        of(item, "parameters", &place, Kind::List)?;
        for method in METHODS.iter().filter(|method| item.get(**method).is_some()) {
            of(item, method, &place, Kind::Mapping)?;
            let place = format!("{place}.{method}");
            let operation = &item[*method];
            of(operation, "parameters", &place, Kind::List)?;
            for key in ["responses", "requestBody", "callbacks"] {
                of(operation, key, &place, Kind::Mapping)?;
            }
            of(&operation["requestBody"], "content", &format!("{place}.requestBody"), Kind::Mapping)?;
            for (status, response) in operation["responses"].as_object().into_iter().flatten() {
                of(&operation["responses"], status, &format!("{place}.responses"), Kind::Mapping)?;
                of(response, "content", &format!("{place}.responses.{status}"), Kind::Mapping)?;
            }
        }
    }
    of(&root["components"], "schemas", "components", Kind::Mapping)?;
    for (name, schema) in document.schemas() {
        let place = format!("components.schemas.{name}");
        if !schema.is_object() {
            return Err(document.trouble(&place, "must be a mapping"));
        }
        for key in ["properties", "discriminator"] {
            of(schema, key, &place, Kind::Mapping)?;
        }
        for key in ["enum", "required"] {
            of(schema, key, &place, Kind::List)?;
        }
        for key in ["oneOf", "anyOf", "allOf"] {
            of(schema, key, &place, Kind::List)?;
            if schema[key].as_array().is_some_and(Vec::is_empty) {
                return Err(document.trouble(&place, format!("`{key}` must have a branch")));
            }
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Kind {
    Mapping,
    List,
}

impl Kind {
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Mapping => value.is_object(),
            Self::List => value.is_array(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Mapping => "a mapping",
            Self::List => "a list",
        }
    }
}

/// Every local reference must lead somewhere.
fn check_references(document: &Document) -> Outcome {
    fn walk(document: &Document, place: &str, value: &Value) -> Outcome {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(target)) = map.get("$ref")
                    && let Some(pointer) = target.strip_prefix('#')
                    && document.root.pointer(&decode(pointer)).is_none()
                {
                    return Err(document.trouble(
                        place,
                        format!("`$ref: {target}` leads nowhere: add the component or correct the reference"),
                    ));
                }
                // Examples and extensions may hold anything, also what looks like references.
                let ours = |key: &str| !matches!(key, "example" | "examples") && !key.starts_with("x-");
                for (key, child) in map.iter().filter(|(key, _)| ours(key)) {
                    walk(document, format!("{place}.{key}").trim_start_matches('.'), child)?;
                }
                Ok(())
            }
            Value::Array(list) => list
                .iter()
                .enumerate()
                .try_for_each(|(index, child)| walk(document, &format!("{place}[{index}]"), child)),
            _ => Ok(()),
        }
    }
    walk(document, "", &document.root)
}

/// Components that only name each other never name anything.
fn check_aliases(document: &Document) -> Outcome {
    for (start, _) in document.schemas() {
        let mut chain = vec![start.as_str()];
        while let Some(next) = chain.last().and_then(|name| document.schema(name)).and_then(referenced) {
            if chain.contains(&next) {
                let what = format!("the aliases {} name each other and nothing else", chain.join(", "));
                return Err(document.trouble(format!("components.schemas.{start}"), what));
            }
            chain.push(next);
        }
    }
    Ok(())
}

/// Undoes the percent-encoding that a reference may carry; `~1` is left to the pointer.
pub(crate) fn decode(pointer: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = pointer.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, after @ ..]) => {
                let hex = std::str::from_utf8(&[*high, *low]).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok());
                match hex {
                    Some(byte) => {
                        bytes.push(byte);
                        rest = after;
                    }
                    None => bytes.push(b'%'),
                }
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        parse(text, "x.yaml").unwrap_err().to_string()
    }

    #[test]
    fn lists_and_mappings_in_each_others_place_are_told() {
        let cases = [
            ("paths: []", "x.yaml: `paths` must be a mapping"),
            ("paths: { /a: { get: [] } }", "x.yaml: at paths./a: `get` must be a mapping"),
            ("paths: { /a: { get: { parameters: {} } } }", "x.yaml: at paths./a.get: `parameters` must be a list"),
            ("paths: { /a: { get: { responses: [] } } }", "x.yaml: at paths./a.get: `responses` must be a mapping"),
            ("components: { schemas: [] }", "x.yaml: at components: `schemas` must be a mapping"),
            ("components: { schemas: { A: 5 } }", "x.yaml: at components.schemas.A: must be a mapping"),
            (
                "components: { schemas: { A: { properties: [] } } }",
                "x.yaml: at components.schemas.A: `properties` must be a mapping",
            ),
            (
                "components: { schemas: { A: { oneOf: [] } } }",
                "x.yaml: at components.schemas.A: `oneOf` must have a branch",
            ),
        ];
        for (text, wanted) in cases {
            assert_eq!(error(&format!("openapi: 3.0.3\n{text}\n")), wanted);
        }
    }

    #[test]
    fn yaml_words_stay_text_and_merge_keys_apply() {
        let text = "openapi: 3.0.3\nx: &base { a: 1 }\ny: { <<: *base, b: [NO, on, yes, 012, 2024-01-01] }\n";
        let root = parse(text, "x.yaml").unwrap().root;
        assert_eq!(root["y"]["a"], 1);
        assert_eq!(root["y"]["b"][0], "NO");
        assert_eq!(root["y"]["b"][1], "on");
        assert_eq!(root["y"]["b"][2], "yes");
        assert_eq!(root["y"]["b"][4], "2024-01-01");
    }

    #[test]
    fn what_cannot_be_read_is_one_clear_error() {
        assert_eq!(
            error("openapi: 3.1.0"),
            "x.yaml: has OpenAPI version 3.1.0; only 3.0.x can be read: convert it to 3.0.3 first"
        );
        assert_eq!(
            error("swagger: '2.0'"),
            "x.yaml: is Swagger 2.0; only OpenAPI 3.0.x can be read: convert it to 3.0.3 first"
        );
        assert!(error("a: [").starts_with("x.yaml: is not valid YAML: "));
        assert_eq!(error("- a"), "x.yaml: is not an OpenAPI document: its root is not a mapping");
        assert_eq!(
            error("openapi: 3.0.3\na: { $ref: '#/components/schemas/Gone' }"),
            "x.yaml: at a: `$ref: #/components/schemas/Gone` leads nowhere: add the component or correct the reference"
        );
    }
}
