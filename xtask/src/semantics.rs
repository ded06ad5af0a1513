//! What operations mean, which no document says: `openapi/semantics/<api>.yaml`, by hand.
//!
//! Keyed by method and path, so that it survives a publisher's document that is dropped in.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::document::{Document, METHODS, Outcome, Trouble, component_of};

/// The semantics of one API.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Semantics {
    /// Refusals of every operation.
    pub refusals: Vec<Refusal>,
    /// By method and path: `POST /epayment/v1/payments`.
    pub operations: BTreeMap<String, Meaning>,
}

/// What one operation means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Meaning {
    /// The facade's name for it: `payments.capture`. Derived keys hash it, so it never changes.
    pub word: String,
    pub repeat: Repeat,
    pub echo: Option<Echo>,
    #[serde(default)]
    pub refusals: Vec<Refusal>,
}

/// How an operation may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Repeat {
    Read,
    ByKey,
    ByNature,
    Once,
}

/// Where an answer repeats what was asked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Echo {
    /// `path NAME` or `body NAME.NAME`.
    pub asked: String,
    /// `NAME.NAME`, or `[].NAME` of every element of a list.
    pub answered: String,
}

/// A known refusal: a code, or a problem's identifier.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refusal {
    pub code: String,
    pub means: Means,
    /// The same request may be answered otherwise a little later.
    #[serde(default)]
    pub later: bool,
    /// For the reader; every refusal must have one.
    #[expect(dead_code, reason = "that it is there is checked when it is read")]
    pub source: Source,
}

/// What a refusal proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Means {
    NoEffect,
    Open,
    KeyTaken,
}

/// Where a refusal is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Source {
    Specification,
    #[serde(rename = "reference page")]
    ReferencePage,
    Guide,
    Seen,
    Decision,
}

/// The semantics beside a document, where there are any.
pub(crate) fn of_api(workspace: &Path, api: &str) -> Outcome<Option<Semantics>> {
    let name = ["yaml", "yml", "json"].map(|kind| format!("openapi/semantics/{api}.{kind}"));
    let Some(name) = name.into_iter().find(|name| workspace.join(name).exists()) else { return Ok(None) };
    let trouble = |what: String| Trouble { document: name.clone(), place: String::new(), what };
    let text = std::fs::read_to_string(workspace.join(&name)).map_err(|error| trouble(error.to_string()))?;
    let options = serde_saphyr::options! { strict_booleans: true, legacy_octal_numbers: false };
    let semantics: Semantics = serde_saphyr::from_str_with_options(&text, options).map_err(|error| {
        trouble(format!("is not as it must be: {}", error.to_string().lines().next().unwrap_or("")))
    })?;
    Ok(Some(semantics))
}

impl Semantics {
    /// What the operation of a route means; parameters may have other names.
    pub(crate) fn of(&self, method: &str, path: &str) -> Option<&Meaning> {
        let wanted = route(method, path);
        self.operations.iter().find(|(key, _)| route_of_key(key).as_ref() == Some(&wanted)).map(|(_, meaning)| meaning)
    }

    /// Everything that is missing, stale or contradicts the document.
    pub(crate) fn findings(&self, document: &Document) -> Vec<String> {
        let mut found = Vec::new();
        let mut routes = Vec::new();
        for (path, item) in document.root["paths"].as_object().into_iter().flatten() {
            for method in METHODS.iter().filter(|method| item.get(**method).is_some()) {
                routes.push(route(method, path));
                let place = format!("{} {path}", method.to_ascii_uppercase());
                match self.of(method, path) {
                    None => found.push(format!("semantics: `{place}` is missing")),
                    Some(meaning) => found.extend(
                        contradictions(document, meaning, &item[*method], &item["parameters"], method)
                            .into_iter()
                            .map(|what| format!("semantics: `{place}` {what}")),
                    ),
                }
            }
        }
        for key in self.operations.keys() {
            if route_of_key(key).is_none_or(|known| !routes.contains(&known)) {
                found.push(format!("semantics: `{key}` is stale: the document has no such operation"));
            }
        }
        let mut words: Vec<&str> = self.operations.values().map(|meaning| meaning.word.as_str()).collect();
        words.sort_unstable();
        for pair in words.windows(2).filter(|pair| pair[0] == pair[1]) {
            found.push(format!("semantics: two operations have the word `{}`", pair[0]));
        }
        let of_all = std::iter::once(("every operation", &self.refusals));
        for (place, list) in of_all.chain(self.operations.iter().map(|(key, one)| (key.as_str(), &one.refusals))) {
            let codes: Vec<&String> = list.iter().map(|refusal| &refusal.code).collect();
            for (index, code) in codes.iter().enumerate().filter(|(index, code)| codes[..*index].contains(code)) {
                found.push(format!("semantics: `{place}` has the refusal `{code}` twice (at {index})"));
            }
        }
        found
    }
}

/// What a meaning says against the document's operation.
fn contradictions(
    document: &Document,
    meaning: &Meaning,
    operation: &Value,
    shared: &Value,
    method: &str,
) -> Vec<String> {
    let mut found = Vec::new();
    let parameters = || {
        let lists = [&operation["parameters"], shared];
        lists.into_iter().filter_map(Value::as_array).flatten().map(|one| resolved(document, one)).collect::<Vec<_>>()
    };
    let is_read = matches!(method, "get" | "head");
    if is_read != (meaning.repeat == Repeat::Read) {
        found.push(format!("is called {:?} and its method is {}", meaning.repeat, method.to_ascii_uppercase()));
    }
    let has_key = || {
        let is_key =
            |one: &Value| one["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case("idempotency-key"));
        parameters().iter().any(is_key)
    };
    if meaning.repeat == Repeat::ByKey && !has_key() {
        found.push("is repeated by a key that the document does not have".into());
    }
    if meaning.word.is_empty()
        || !meaning.word.bytes().all(|byte| byte.is_ascii_lowercase() || b"._0123456789".contains(&byte))
    {
        found.push(format!("has the word `{}`: use lower case, digits, `_` and `.`", meaning.word));
    }
    if let Some(echo) = &meaning.echo {
        let asked = match echo.asked.split_once(' ') {
            Some(("path", name)) => parameters().iter().any(|one| one["in"] == "path" && one["name"] == name),
            Some(("body", members)) => reaches(document, &body_of(document, &operation["requestBody"]), members),
            _ => false,
        };
        if !asked {
            found.push(format!("echoes `{}`, which the request does not have", echo.asked));
        }
        let answers = operation["responses"].as_object().into_iter().flatten();
        let mut success = answers.filter(|(status, _)| status.starts_with('2')).map(|(_, answer)| answer);
        if !success.any(|answer| reaches(document, &body_of(document, answer), &echo.answered)) {
            found.push(format!("is echoed by `{}`, which no answer has", echo.answered));
        }
    }
    found
}

/// The schema of the first media type of a body or an answer.
fn body_of(document: &Document, holder: &Value) -> Value {
    let holder = resolved(document, holder);
    let media = holder["content"].as_object().and_then(|content| content.values().next());
    media.map_or(Value::Null, |media| media["schema"].clone())
}

/// Whether a schema has a member by this way, whatever of it is a union.
fn reaches(document: &Document, schema: &Value, way: &str) -> bool {
    let schema = resolved(document, schema);
    for branches in ["allOf", "oneOf", "anyOf"] {
        if schema[branches].as_array().is_some_and(|all| all.iter().any(|one| reaches(document, one, way))) {
            return true;
        }
    }
    match way.split_once('.').unwrap_or((way, "")) {
        ("", _) => true,
        ("[]", rest) => schema["items"].is_object() && reaches(document, &schema["items"], rest),
        (name, rest) => schema["properties"].get(name).is_some_and(|member| reaches(document, member, rest)),
    }
}

/// What a reference of the document means, or the value itself.
fn resolved(document: &Document, value: &Value) -> Value {
    if let Some(name) = component_of(value) {
        return document.schema(name).map_or(Value::Null, |schema| resolved(document, schema));
    }
    match value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => document.root.pointer(pointer).map_or(Value::Null, |value| resolved(document, value)),
        None => value.clone(),
    }
}

fn route_of_key(key: &str) -> Option<String> {
    let (method, path) = key.split_once(' ')?;
    Some(route(method, path.trim()))
}

/// Method and path without the names of parameters.
fn route(method: &str, path: &str) -> String {
    let segment = |segment: &str| if segment.starts_with('{') { "{}".to_owned() } else { segment.to_owned() };
    format!("{} {}", method.to_ascii_uppercase(), path.split('/').map(segment).collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load;

    const DOCUMENT: &str = "openapi: 3.0.3
paths:
  /a/{Id}:
    get: { parameters: [{ name: Id, in: path }], responses: { '200': { content: { application/json: { schema: { properties: { id: {} } } } } } } }
    post: { responses: { '204': {} } }
";

    fn semantics(text: &str) -> Semantics {
        serde_saphyr::from_str(text).unwrap()
    }

    #[test]
    fn parameters_may_have_other_names_in_a_publishers_document() {
        let semantics = semantics("refusals: []\noperations: { 'GET /a/{id}': { word: a.get, repeat: read } }");
        assert_eq!(semantics.of("get", "/a/{Id}").unwrap().word, "a.get");
        assert!(semantics.of("post", "/a/{Id}").is_none() && semantics.of("get", "/a/b").is_none());
    }

    #[test]
    fn what_is_missing_stale_or_wrong_is_found() {
        let document = load::parse(DOCUMENT, "a.yaml").unwrap();
        let text = "
refusals: [{ code: x, means: open, source: guide }, { code: x, means: open, source: guide }]
operations:
  GET /a/{id}: { word: A!, repeat: once, echo: { asked: path other, answered: name } }
  GET /b: { word: b, repeat: read }
";
        let found = semantics(text).findings(&document);
        let wanted = [
            "`GET /a/{Id}` is called Once and its method is GET",
            "`GET /a/{Id}` has the word `A!`",
            "`GET /a/{Id}` echoes `path other`, which the request does not have",
            "`GET /a/{Id}` is echoed by `name`, which no answer has",
            "`POST /a/{Id}` is missing",
            "`GET /b` is stale",
            "`every operation` has the refusal `x` twice",
        ];
        assert_eq!(found.len(), wanted.len(), "{found:#?}");
        for (found, wanted) in found.iter().zip(wanted) {
            assert!(found.contains(wanted), "{found} is not {wanted}");
        }
    }

    #[test]
    fn a_member_that_nobody_reads_is_refused() {
        let text = "refusals: []\noperations: { 'GET /a': { word: a, repeat: read, kind: x } }";
        assert!(serde_saphyr::from_str::<Semantics>(text).is_err());
    }
}
